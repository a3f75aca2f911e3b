// Package labels keeps the labels on objects by which people and programs select what belongs to an
// app or to an installation. Nothing here decides by them: they can be changed by anybody who can
// write the object, and are put right when the operator writes it next.
package labels

import (
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// Keep labels what belongs to an app and an installation, whoever made it, and reports whether that
// changed anything. An empty name, or one that no label can hold, has no label.
func Keep(obj metav1.Object, app, installation string) (changed bool) {
	before := obj.GetLabels()
	for key, value := range map[string]string{v1alpha1.AppLabel: app, v1alpha1.InstallationLabel: installation} {
		old, there := before[key]
		switch {
		case there && old == value && value != "":
			continue
		case value != "" && len(validation.IsValidLabelValue(value)) == 0:
			put(obj, key, value)
		case there:
			after := maps.Clone(obj.GetLabels())
			delete(after, key)
			obj.SetLabels(after)
		default:
			continue
		}
		changed = true
	}
	return changed
}

// KeepMade is Keep for what the operator made. What says that another tool manages it is believed,
// and left as it is, also when it is empty: the admission policies let the operator add that label,
// and change none.
func KeepMade(obj metav1.Object, app, installation string) (changed bool) {
	changed = Keep(obj, app, installation)
	if _, there := obj.GetLabels()[v1alpha1.ManagedByLabel]; there {
		return changed
	}
	put(obj, v1alpha1.ManagedByLabel, v1alpha1.ManagedByOperator)
	return true
}

// put sets a label in a map of the object's own.
func put(obj metav1.Object, key, value string) {
	after := maps.Clone(obj.GetLabels())
	if after == nil {
		after = map[string]string{}
	}
	after[key] = value
	obj.SetLabels(after)
}
