package consent

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// A customer whose token was lost connects again, and the cache still has the consent before.
func TestResultIsNotThatOfTheConsentBefore(t *testing.T) {
	t.Parallel()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	lost := &v1alpha1.ZoomInstallation{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "in", UID: "uid", Generation: 1},
		Spec:       v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: "app"}, Consent: &v1alpha1.Consent{At: metav1.Unix(1, 0)}},
		Status: v1alpha1.ZoomInstallationStatus{Conditions: []metav1.Condition{{
			Type: v1alpha1.ConditionAuthorized, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonRefreshLost, ObservedGeneration: 1,
		}}},
	}
	again := lost.DeepCopy()
	again.Generation, again.Spec.Consent.At = 2, metav1.Unix(2, 0)
	reader := func(in *v1alpha1.ZoomInstallation) client.Reader {
		return fake.NewClientBuilder().WithScheme(scheme).WithObjects(in).Build()
	}
	for name, tt := range map[string]struct {
		live *v1alpha1.ZoomInstallation
		dead bool
	}{
		"connected again":   {again, false},
		"that is still all": {lost, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &service{cache: reader(lost), live: reader(tt.live)}
			req := &consentRequest{app: &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "app"}}}
			in, err := s.standingNow(t.Context(), req, &ending{Installation: "in", UID: "uid"})
			if err != nil || in == nil || saidDead(in) != tt.dead {
				t.Errorf("it is %+v, %v", in, err)
			}
		})
	}
}
