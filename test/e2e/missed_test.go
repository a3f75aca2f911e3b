package e2e

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// developerAccount is that of who made the app.
const developerAccount, developerSecret = "AccDev_0009", "the-developer-secret-" + mark

// developer registers at Zoom the app with which the developer reads the webhook log, with these
// scopes.
func (a *oauthApp) developer(t *testing.T, scopes ...string) {
	t.Helper()
	err := a.zoom.Register(zoomtest.App{
		ClientID: "developer-of-" + a.clientID, ClientSecrets: []string{developerSecret}, AccountID: developerAccount, Scopes: scopes,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// recovers has the log read until the condition about it has that reason and says that.
func (a *oauthApp) recovers(t *testing.T, reason, text string) {
	t.Helper()
	var asked time.Time
	within(t, recoverWithin, func(ctx context.Context) error {
		const path = `--output=jsonpath={.status.conditions[?(@.type=="MissedEventsRecovered")].reason} {.status.conditions[?(@.type=="MissedEventsRecovered")].message}`
		out, err := a.ask(ctx, "get", "zapp", a.key.Name, path)
		if err != nil || strings.HasPrefix(out, reason+" ") && strings.Contains(out, text) {
			return err
		}
		if time.Since(asked) > settleWithin/10 {
			asked = time.Now()
			if _, err := a.ask(ctx, "annotate", "--overwrite", "zapp", a.key.Name, v1alpha1.RetryAnnotation+"="+v1alpha1.RetryNow); err != nil {
				return err
			}
		}
		return fmt.Errorf("MissedEventsRecovered is %q, want %s and %q", out, reason, text)
	})
}

// What Zoom gave up, because it did not reach the operator for longer than it tries, is read from
// its log, once the developer has the right to: of who is known, of who is not, and of who left.
func (c *crew) missedEvents(t *testing.T) {
	t.Parallel()
	a := c.stage(t, func(spec *v1alpha1.ZoomAppSpec) {
		spec.DeveloperCredentialsSecretRef = &v1alpha1.SecretReference{Name: "developer"}
	})
	var err error
	a.webhooks, err = zoomtest.New(zoomtest.Config{
		Endpoint: c.door.URL + urls.Webhook(a.key.Namespace, a.key.Name), SecretToken: oauthSecretToken, ClientID: a.clientID,
		Scale: 3000,
	})
	if err != nil {
		t.Fatal(err)
	}
	a.id = "aPp_" + a.clientID
	if err := a.register(v1alpha1.ManagedByUser); err != nil {
		t.Fatal(err)
	}
	a.recovers(t, v1alpha1.ReasonDeveloperCredentialsMissing, "There is no Secret developer of the type zoom-operator.io/developer")
	a.developer(t, "user:read:user:admin")
	a.kubectl(t, "create", "secret", "generic", "developer", "--type=zoom-operator.io/developer", "--from-literal=appID="+a.id,
		"--from-literal=clientID=developer-of-"+a.clientID, "--from-literal=clientSecret="+developerSecret, "--from-literal=accountID="+developerAccount)
	a.recovers(t, v1alpha1.ReasonNotPermitted, zoom.LogScopeAdmin+", or "+zoom.LogScope)

	a.install(t, ana)
	gone := a.install(t, anders)
	passed(t, gone.Spec.Consent.At.Time)
	// Zoom logs four attempts at each of six events, and lists twenty.
	m, stranger := plan(ana.Account.ID), plan(bea.Account.ID)
	m.Host, stranger.Host = ana.User, bea.User
	i := m.Instance(now().Add(-time.Minute))
	a.webhooks.Unreachable(true)
	for _, e := range []zoomtest.Event{m.Created(now().Add(-2 * time.Minute)), i.Started(), i.ParticipantJoined(now(), zoomtest.Participant{UserID: "16778240"}), i.Ended(now()), stranger.Created(now())} {
		a.webhooks.Deliver(t.Context(), e)
	}
	a.removes(t, anders, gone)
	a.webhooks.Wait()
	if n := len(a.webhooks.Lost()); n != 6 {
		t.Fatalf("Zoom gave %d events up, want 6", n)
	}
	a.webhooks.Unreachable(false)
	if n, err := a.meetings(t.Context()); err != nil || n != 0 {
		t.Fatalf("there are %d meetings (%v)", n, err)
	}

	// Zoom wants fewer calls, cuts an answer off, and forgets a page.
	for _, fault := range []zoomtest.Fault{
		zoomtest.Before(zoomtest.RateLimited("1")),
		zoomtest.Before(zoomtest.CutOff),
		func(next http.Handler) http.Handler { return next },
		zoomtest.Before(zoomtest.Answer(http.StatusBadRequest, `{"code":300,"message":"The next page token is either invalid or expired."}`)),
	} {
		a.zoom.Inject(zoomtest.StepWebhookLog, 1, fault)
	}
	a.developer(t, zoom.LogScopeAdmin)
	a.recovers(t, v1alpha1.ReasonRecovered, " 6 events that Zoom could not deliver at once were stored from it")
	a.shows(t, i, "{.status.state}", "Ended")
	a.becomes(t, gone.Name, "False Deauthorized")
	a.becomes(t, a.nameFor(bea), "False NeverAuthorized")
	a.polite(t)
}
