package labels_test

import (
	"maps"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/labels"
)

func TestLabels(t *testing.T) {
	t.Parallel()
	type m = map[string]string
	long := strings.Repeat("i", 64)
	for what, tc := range map[string]struct {
		before            m
		app, installation string
		made              bool
		want              m
	}{
		"what was made":                       {nil, "app", "in", true, m{v1alpha1.AppLabel: "app", v1alpha1.InstallationLabel: "in", v1alpha1.ManagedByLabel: "zoom-operator"}},
		"what was declared":                   {m{"own": "x"}, "app", "in", false, m{"own": "x", v1alpha1.AppLabel: "app", v1alpha1.InstallationLabel: "in"}},
		"what Helm manages":                   {m{v1alpha1.ManagedByLabel: "Helm"}, "app", "in", true, m{v1alpha1.ManagedByLabel: "Helm", v1alpha1.AppLabel: "app", v1alpha1.InstallationLabel: "in"}},
		"what says that nothing manages it":   {m{v1alpha1.ManagedByLabel: ""}, "app", "in", true, m{v1alpha1.ManagedByLabel: "", v1alpha1.AppLabel: "app", v1alpha1.InstallationLabel: "in"}},
		"what moved to another installation":  {m{v1alpha1.AppLabel: "app", v1alpha1.InstallationLabel: "old"}, "app", "new", false, m{v1alpha1.AppLabel: "app", v1alpha1.InstallationLabel: "new"}},
		"what belongs to no installation":     {nil, "app", "", false, m{v1alpha1.AppLabel: "app"}},
		"an installation with a long name":    {nil, "app", long, false, m{v1alpha1.AppLabel: "app"}},
		"what moved to one with a long name":  {m{v1alpha1.AppLabel: "app", v1alpha1.InstallationLabel: "old"}, "app", long, false, m{v1alpha1.AppLabel: "app"}},
		"what somebody gave a label of ours":  {m{v1alpha1.AppLabel: "other"}, "app", "in", false, m{v1alpha1.AppLabel: "app", v1alpha1.InstallationLabel: "in"}},
		"what has the labels already (made)":  {m{v1alpha1.AppLabel: "app", v1alpha1.ManagedByLabel: "zoom-operator"}, "app", "", true, m{v1alpha1.AppLabel: "app", v1alpha1.ManagedByLabel: "zoom-operator"}},
		"what has the labels already (other)": {m{v1alpha1.AppLabel: "app"}, "app", "", false, m{v1alpha1.AppLabel: "app"}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			obj := &metav1.ObjectMeta{Labels: maps.Clone(tc.before)}
			shared := obj.Labels // a cache may have it, too
			keep := labels.Keep
			if tc.made {
				keep = labels.KeepMade
			}
			if changed := keep(obj, tc.app, tc.installation); changed != !maps.Equal(tc.before, tc.want) {
				t.Errorf("it says that it changed something: %t", changed)
			}
			if !maps.Equal(obj.Labels, tc.want) {
				t.Errorf("the labels are %v, want %v", obj.Labels, tc.want)
			}
			if !maps.Equal(shared, tc.before) {
				t.Error("the map that it was given was changed")
			}
			if keep(obj, tc.app, tc.installation) {
				t.Error("the second time changes something, too")
			}
		})
	}
}
