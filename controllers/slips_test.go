package controllers

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// Of two invitations to one account the second one says so when the first one is followed, and no
// more when that is gone.
func TestASecondInstallationOfAnAccountSaysSo(t *testing.T) {
	z := newZoomWorld(t, nil)
	z.run(t, z.clock.Now)
	first := z.invited(t)
	second := &v1alpha1.ZoomInstallation{
		ObjectMeta: metav1.ObjectMeta{Namespace: z.namespace, Name: "by-mistake"},
		Spec:       v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: "app"}, AccountID: account},
	}
	if err := z.Create(t.Context(), second); err != nil {
		t.Fatal(err)
	}
	z.isReady(t, second, v1alpha1.ReasonInvited)
	z.consent(t, first)
	z.isReady(t, first, v1alpha1.ReasonConsented)
	z.isReady(t, second, v1alpha1.ReasonDuplicate)

	if err := z.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	z.isReady(t, second, v1alpha1.ReasonInvited)
}

// A meeting that an admin created by hand has a condition while its installation does not exist.
func TestAMeetingOfNoInstallationSaysSo(t *testing.T) {
	w := newWorld(t)
	w.app(t, nil)
	m := w.meeting(t, "81234567890", nil)
	w.clock.Set(m.CreationTimestamp.Add(cacheLag))
	w.run(t, w.clock.Now)
	says := func(want bool) {
		t.Helper()
		eventually(t, func() error {
			if err := w.get(t, m); err != nil {
				return err
			}
			if m.Status.State == "" {
				return fmt.Errorf("nothing is said of it yet")
			}
			if c := meta.FindStatusCondition(m.Status.Conditions, v1alpha1.ConditionInstallationFound); (c != nil) != want {
				return fmt.Errorf("the condition is %+v, want one: %t", c, want)
			}
			return nil
		})
	}
	says(true)
	w.installation(t, m.Spec.InstallationRef.Name, nil)
	says(false)
}
