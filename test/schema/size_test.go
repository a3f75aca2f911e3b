package schema_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/missed"
	"github.com/zoom-operator/zoom-operator/internal/subscription"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
)

// maxObject is what an object stays under, as the API server keeps it. Of apps, which say what
// customers read, there are few.
const maxObject, maxApp = 10 << 10, 19 << 10

// conditions are as many as the operator writes, with longer messages than it has.
func conditions(types ...string) (list []metav1.Condition) {
	for i, name := range types {
		length := 240
		if i == 0 { // Ready tells what the others say
			length = 300
		}
		list = append(list, metav1.Condition{
			Type: name, Status: metav1.ConditionUnknown, Reason: strings.Repeat("R", 24), Message: strings.Repeat("m", length), ObservedGeneration: math.MaxInt32, LastTransitionTime: metav1.Now(),
		})
	}
	return list
}

func scopesOf(count, length int) []v1alpha1.Scope {
	list := make([]v1alpha1.Scope, 0, count)
	for i := range count {
		list = append(list, v1alpha1.Scope(fmt.Sprintf("a:%0*d", length-2, i)))
	}
	return list
}

// storedSize writes an object as an admin, or a receiver, and the controller do, and is how large
// the API server then keeps it. A ZoomMeeting at every bound is what the receiver makes of events;
// that test is with the receiver's code.
func storedSize(t *testing.T, limit int, obj client.Object, spec func(), status func()) {
	t.Helper()
	c := controlplane.Client(t)
	namespace := controlplane.Namespace(t)
	obj.SetNamespace(namespace)
	spec()
	if err := c.Create(t.Context(), obj, client.FieldOwner("kubectl-create")); err != nil {
		t.Fatal(err)
	}
	obj.SetFinalizers([]string{"zoom-operator.io/revoke-installations", "zoom-operator.io/revoke"})
	obj.SetLabels(map[string]string{v1alpha1.ConsentFlowLabel: strings.Repeat("f", 40)})
	if err := c.Update(t.Context(), obj, client.FieldOwner("zoom-operator")); err != nil {
		t.Fatal(err)
	}
	status()
	if err := c.Status().Update(t.Context(), obj, client.FieldOwner("zoom-operator")); err != nil {
		t.Fatal(err)
	}
	stored, err := json.Marshal(obj)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes", len(stored))
	if len(stored) >= limit {
		t.Errorf("%d bytes, want less than %d", len(stored), limit)
	}
}

func TestStoredSizeOfZoomApp(t *testing.T) {
	app, now := validApp(), metav1.Now()
	spec := func() {
		app.Name = strings.Repeat("a", 40)
		app.Spec.ClientID = strings.Repeat("c", 64)
		app.Spec.CredentialsSecretRef.Name = strings.Repeat("s", 253)
		app.Spec.Distribution, app.Spec.AccountID = v1alpha1.DistributionAccount, strings.Repeat("A", 128)
		app.Spec.ManagedBy, app.Spec.Scopes = v1alpha1.ManagedByUser, scopesOf(64, 31)
		app.Spec.Verification = v1alpha1.VerificationVerificationToken
		app.Spec.Suspend = v1alpha1.SuspensionPutOff
		app.Spec.DisplayName, app.Spec.DomainVerification = v1alpha1.DisplayName(strings.Repeat("界", 64)), strings.Repeat("d", 64)
		app.Spec.EventSubscription = &v1alpha1.EventSubscription{}
		for n := range 64 { // 1984 characters together
			app.Spec.EventSubscription.Events = append(app.Spec.EventSubscription.Events, v1alpha1.EventName(fmt.Sprintf("meeting.%s_%02d", strings.Repeat("e", 20), n)))
		}
		app.Spec.DeveloperCredentialsSecretRef = &v1alpha1.SecretReference{Name: strings.Repeat("n", 253)}
		app.Annotations = map[string]string{subscription.Annotation: strings.Repeat("r", 1500), missed.Annotation: strings.Repeat("r", 1900)}
		link := v1alpha1.PublicURL("https://example.org/" + strings.Repeat("u", 180))
		app.Spec.Publisher = &v1alpha1.Publisher{Name: v1alpha1.DisplayName(strings.Repeat("界", 64)), SupportURL: link, PrivacyURL: link, TermsURL: link, Logo: strings.Repeat("l", 64)}
	}
	status := func() {
		app.Status = v1alpha1.ZoomAppStatus{
			Conditions: conditions(v1alpha1.ConditionReady, v1alpha1.ConditionCredentialsAvailable, v1alpha1.ConditionEndpointValidated,
				v1alpha1.ConditionEventsVerified, v1alpha1.ConditionLegacyVerification),
			WebhookURL: strings.Repeat("w", 320), InstallURL: strings.Repeat("i", 320), RedirectURL: strings.Repeat("r", 320),
			AccountID:     strings.Repeat("A", 128),
			Refusal:       &v1alpha1.AppRefusal{Reason: v1alpha1.AppRefusalClientRejected, At: now, Credentials: strings.Repeat("c", 64)},
			Installations: new(int32(math.MaxInt32)), AuthorizedInstallations: new(int32(math.MaxInt32)),
			EndpointValidatedAt: &now, LastEventAt: &now,
		}
		held := conditions(v1alpha1.ConditionClientIDHeld) // which leaves it to Ready to say more
		held[0].Message = strings.Repeat("m", 100)
		held = append(held, conditions(v1alpha1.ConditionEventsSubscribed, v1alpha1.ConditionMissedEventsRecovered)...)
		app.Status.Conditions = append(app.Status.Conditions, held...)
		for _, reason := range []v1alpha1.RefusalReason{
			v1alpha1.RefusalWrongSignature, v1alpha1.RefusalWrongVerificationToken, v1alpha1.RefusalNoCredentials, v1alpha1.RefusalStale, v1alpha1.RefusalFuture,
		} {
			app.Status.RefusedEvents = append(app.Status.RefusedEvents, v1alpha1.RefusedEvents{Reason: reason, Count: math.MaxInt64, Since: now, LastAt: now})
		}
	}
	storedSize(t, maxApp, app, spec, status)
}

func TestStoredSizeOfZoomInstallation(t *testing.T) {
	in, now := validInstallation(), metav1.Now()
	spec := func() {
		in.Name = strings.Repeat("i", 63)
		in.Spec = v1alpha1.ZoomInstallationSpec{
			AppRef:      v1alpha1.AppReference{Name: strings.Repeat("a", 40)},
			DisplayName: v1alpha1.DisplayName(strings.Repeat("界", 64)),
			AccountID:   strings.Repeat("A", 128), UserID: strings.Repeat("u", 128),
			Consent:         &v1alpha1.Consent{At: now, Scopes: scopesOf(128, 23)},
			Deauthorization: &v1alpha1.Deauthorization{At: now, Reason: v1alpha1.DeauthorizationNoticeConfirmed, UserID: strings.Repeat("u", 128)},
		}
		in.Annotations = map[string]string{
			v1alpha1.RemovalNoticeAnnotation: "2026-03-02T09:00:00Z", v1alpha1.ConsentUnderWayAnnotation: "2026-03-02T09:00:00Z", v1alpha1.RetryAnnotation: v1alpha1.RetryNow,
			subscription.Annotation: strings.Repeat("m", 120),
		}
	}
	status := func() {
		in.Status = v1alpha1.ZoomInstallationStatus{
			Conditions: conditions(v1alpha1.ConditionReady, v1alpha1.ConditionAuthorized, v1alpha1.ConditionTokenFresh, v1alpha1.ConditionEventsFlowing),
			InstallURL: strings.Repeat("i", 700),
			Token: &v1alpha1.TokenStatus{
				SecretName: strings.Repeat("s", 253), AccessSecretName: strings.Repeat("s", 253), ExpiresAt: &now, RefreshedAt: &now, NextRefreshAt: &now,
			},
			LastEventAt:  &now,
			DataDeletion: &v1alpha1.DataDeletion{Reason: v1alpha1.DeauthorizationNoticeConfirmed, StartedAt: now, At: &now, Meetings: new(int32(math.MaxInt32))},
		}
	}
	storedSize(t, maxObject, in, spec, status)
}
