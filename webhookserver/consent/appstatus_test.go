package consent_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/refusal"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/servertest"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// refused waits for what the app's status says of Zoom's refusal; empty for none.
func refused(t *testing.T, s *servertest.Stage, reason v1alpha1.AppRefusalReason) *v1alpha1.AppRefusal {
	t.Helper()
	var stands *v1alpha1.AppRefusal
	fixture.Eventually(t, "the app's status follows Zoom", func() error {
		stands = fixture.Get(t, s.C, s.Namespace, fixture.AppName, &v1alpha1.ZoomApp{}).Status.Refusal
		if (stands == nil) != (reason == "") || stands != nil && stands.Reason != reason {
			return fmt.Errorf("it says %+v, want %q", stands, reason)
		}
		return nil
	})
	return stands
}

// The likeliest mistakes at the first set-up, under the policy where nothing but a consent ever
// asks Zoom.
func TestAnAppThatZoomRefusesAtAConsentSaysSo(t *testing.T) {
	t.Parallel()
	s := servertest.NewStage(t, servertest.WithApp(func(spec *v1alpha1.ZoomAppSpec) { spec.TokenPolicy = v1alpha1.TokenPolicyNone }))
	s.Register(t, servertest.AnotherSecret)
	showsProblem(t, s.Browser(t).Agree(t, "", servertest.Ana), "client_refused")
	first := refused(t, s, v1alpha1.AppRefusalClientRejected)
	if first.Credentials != refusal.Credentials(fixture.Get(t, s.C, s.Namespace, fixture.AppName, &v1alpha1.ZoomApp{}), []string{servertest.ClientSecret}) {
		t.Errorf("it is said of the credentials %s", first.Credentials)
	}

	// It blocks no consent, and the first that succeeds ends it.
	s.Register(t, servertest.ClientSecret)
	check(t, s.Browser(t).Agree(t, "", servertest.Ana), http.StatusOK, "")
	refused(t, s, "")

	s.Zoom.Inject(zoomtest.StepMe, 1, zoomtest.Before(zoomtest.Answer(http.StatusBadRequest, `{"code":4711,"message":"Invalid access token, does not contain scopes"}`)))
	showsProblem(t, s.Browser(t).Agree(t, "", servertest.Bea), "scope_missing")
	refused(t, s, v1alpha1.AppRefusalScopeMissing)
	check(t, s.Browser(t).Agree(t, "", servertest.Bea), http.StatusOK, "")
	refused(t, s, "")
	s.Quiet(t)
}

// An admin who corrects the Secret and tries at once does not read for half a minute that it is
// still wrong.
func TestACorrectedClientSecretIsTakenAtOnce(t *testing.T) {
	t.Parallel()
	s := servertest.NewStage(t)
	s.Register(t, servertest.AnotherSecret)
	showsProblem(t, s.Browser(t).Agree(t, "", servertest.Ana), "client_refused")
	s.SetSecrets(t, servertest.AnotherSecret)
	began := time.Now()
	fixture.Eventually(t, "the corrected secret is used", func() error {
		if page := s.Browser(t).Agree(t, "", servertest.Ana); page.Status != http.StatusOK {
			return errors.New(page.Title())
		}
		return nil
	})
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
}
