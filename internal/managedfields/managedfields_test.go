package managedfields_test

import (
	"reflect"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/managedfields"
)

func TestStrip(t *testing.T) {
	by := func(operation metav1.ManagedFieldsOperationType) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{
			Manager: "manager", Operation: operation, APIVersion: v1alpha1.SchemeGroupVersion.String(), FieldsType: "FieldsV1",
			FieldsV1: metav1.NewFieldsV1(`{"f:spec":{"f:accountID":{}}}`),
		}
	}
	updated, applied := by(metav1.ManagedFieldsOperationUpdate), by(metav1.ManagedFieldsOperationApply)
	forgotten := []metav1.ManagedFieldsEntry{{}}
	for name, tc := range map[string]struct {
		obj  metav1.Object
		has  []metav1.ManagedFieldsEntry
		want []metav1.ManagedFieldsEntry
	}{
		"a meeting that was only updated":      {&v1alpha1.ZoomMeeting{}, []metav1.ManagedFieldsEntry{updated, updated}, forgotten},
		"a meeting that is applied, too":       {&v1alpha1.ZoomMeeting{}, []metav1.ManagedFieldsEntry{updated, applied}, nil},
		"a meeting that has none":              {&v1alpha1.ZoomMeeting{}, nil, nil},
		"an app, which people write":           {&v1alpha1.ZoomApp{}, []metav1.ManagedFieldsEntry{updated}, nil},
		"an installation, which people may do": {&v1alpha1.ZoomInstallation{}, []metav1.ManagedFieldsEntry{updated}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			tc.obj.SetManagedFields(tc.has)
			for _, time := range []string{"first", "second"} {
				if _, err := managedfields.Strip(tc.obj); err != nil {
					t.Fatal(err)
				}
				if got := tc.obj.GetManagedFields(); !reflect.DeepEqual(got, tc.want) {
					t.Errorf("the %s time they became %v, want %v", time, got, tc.want)
				}
			}
		})
	}
}
