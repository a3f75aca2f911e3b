package e2e

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// TestInstallations has two operators serve customers who come and go. In the end nothing of a
// token is where it should not be.
func TestInstallations(t *testing.T) {
	c := hire(t, 2)
	t.Run("roads", func(t *testing.T) {
		t.Run("the customer removes the app", c.removedByCustomer)
		t.Run("one of several users removes the app", c.removedByOneUser)
		t.Run("one of several admins removes the app", c.removedByAdmin)
		t.Run("what was planned before", c.importsPlanned)
		t.Run("what was planned before, with obstacles", c.importsWithObstacles)
		t.Run("what was planned before is refused", c.importsRefused)
		t.Run("the user leaves Zoom", c.leavesZoom)
		t.Run("the developer deletes the installation", c.deletedByDeveloper)
		t.Run("the app needs more scopes", c.scopesChanged)
		t.Run("the account goes silent", c.accountSilent)
		t.Run("the webhook URL is not validated", c.validationOverdue)
		t.Run("the consent dies at Zoom", c.consentDies)
		t.Run("an unknown account is recorded", c.unknownRecorded)
		t.Run("an unknown account is ignored", c.unknownIgnored)
		t.Run("invitations to a private app", c.invitations)
		t.Run("an app of whichever account comes first", c.boundToFirst)
		t.Run("an app of one account, which is known", c.boundToAccount)
		t.Run("an app that is replaced and then deleted for good", c.replacedAndRevoked)
		t.Run("an app that keeps no token", c.keepsNoToken)
		t.Run("the client secret is wrong at first", c.wrongAtFirst)
		t.Run("an app that shares access tokens", c.sharesAccessTokens)
		t.Run("a consent that began at Zoom needs a click", c.beganAtZoom)
		t.Run("a refusal at Zoom's question installs nothing", c.refusedAtZoom)
		t.Run("a removal that is older than the consent", c.olderRemoval)
		t.Run("an event of a customer who left changes nothing", c.lateEvent)
		t.Run("any replica finishes what another one began", c.acrossReplicas)
		t.Run("a callback of another app", c.mixedUpApps)
		t.Run("a forged Host", c.forgedHost)
		t.Run("a Zoom that answers with anything", c.hostileZoom)
		t.Run("a lost end is found", c.lostEnd)
		t.Run("a lost end that may not be asked for", c.lostEndWithoutScope)
		t.Run("a lost end of which Zoom says no more", c.lostEndUnknown)
		t.Run("missed events", c.missedEvents)
	})
	t.Run("a thousand meetings", c.thousandMeetings)
	t.Run("a fleet in fast-forward", c.fleet)
	t.Run("privacy", c.nothingOfTokensElsewhere)
}

var (
	ana    = person("AccA_0001", "uAna")
	anders = person("AccA_0001", "uAnders")
	bea    = person("AccB_0002", "uBea")
)

// stage is an app whose Zoom keeps Zoom's own pace.
func (c *crew) stage(t *testing.T, change func(*v1alpha1.ZoomAppSpec)) *oauthApp {
	t.Helper()
	server, cloud := newOAuthServer(t, 1, ana, anders, bea)
	return c.newOAuthApp(t, server, cloud, change)
}

// says checks what kubectl describe tells of an installation.
func (a *oauthApp) says(t *testing.T, name string, want ...string) {
	t.Helper()
	within(t, settleWithin, func(ctx context.Context) error {
		text, err := a.ask(ctx, "describe", "zi", name)
		if err != nil {
			return err
		}
		for _, w := range want {
			if !strings.Contains(text, w) {
				return fmt.Errorf("kubectl describe does not say %q:\n%s", w, text)
			}
		}
		return nil
	})
}

// happened waits until the Events of an installation have these reasons, each of them and letter by
// letter.
func (a *oauthApp) happened(t *testing.T, name string, reasons ...string) {
	t.Helper()
	within(t, settleWithin, func(ctx context.Context) error {
		out, err := a.ask(ctx, "get", "events", "--field-selector=involvedObject.kind=ZoomInstallation,involvedObject.name="+name,
			`--output=jsonpath={range .items[*]}{.reason}{"\n"}{end}`)
		if err != nil {
			return err
		}
		told := strings.Fields(out)
		for _, reason := range reasons {
			if !slices.Contains(told, reason) {
				return fmt.Errorf("the Events of ZoomInstallation %s/%s tell of %q, want %s", a.key.Namespace, name, told, reason)
			}
		}
		return nil
	})
}

func (c *crew) removedByCustomer(t *testing.T) {
	t.Parallel()
	a := c.stage(t, nil)
	in := a.install(t, ana)
	a.healthy(t, in)
	a.hosts(t, ana, 3)
	within(t, settleWithin, func(ctx context.Context) error {
		text, err := a.ask(ctx, "get", "zi")
		if err != nil {
			return err
		}
		lines := strings.Split(text, "\n")
		if diff := cmp.Diff([]string{"NAME", "CUSTOMER", "ACCOUNT", "READY", "REASON", "TOKEN-EXPIRES", "LAST-EVENT", "AGE"}, strings.Fields(lines[0])); diff != "" {
			return fmt.Errorf("columns (-want +got):\n%s", diff)
		}
		row := strings.Fields(lines[1])
		if len(row) != 7 { // without a word for the customer; it is shorter until the first event is reported
			return fmt.Errorf("kubectl get zi prints %q", lines[1])
		}
		if _, err := time.Parse(time.RFC3339, row[4]); err != nil {
			return fmt.Errorf("TOKEN-EXPIRES: %w", err)
		}
		if diff := cmp.Diff([]string{in.Name, ana.Account.ID, "True", "Consented"}, row[:4]); diff != "" {
			return fmt.Errorf("kubectl get zi (-want +got):\n%s", diff)
		}
		return nil
	})

	a.removes(t, ana, in)
	a.kubectl(t, "wait", "zi/"+in.Name, "--for=condition=Authorized=False", "--timeout=30s")
	in = a.becomes(t, in.Name, "False Deauthorized")
	within(t, settleWithin, a.empty)
	a.deleted(t, in.Name, 3)
	a.says(t, in.Name, "removed the app", "the token and 3 meetings were deleted")
	a.happened(t, in.Name, v1alpha1.ReasonConsented, v1alpha1.ReasonDeauthorized, "DataDeleted")

	a.healthy(t, a.install(t, ana))
	a.hosts(t, ana, 1)
	if n, err := a.meetings(t.Context()); err != nil || n != 1 {
		t.Errorf("after another consent there are %d meetings (%v), want the new one", n, err)
	}
}

// deleted waits for the proof that a removed customer's meetings are gone.
func (a *oauthApp) deleted(t *testing.T, name string, meetings int32) {
	t.Helper()
	within(t, recoverWithin, func(ctx context.Context) error {
		in, err := a.is(ctx, name, "False Deauthorized")
		if err != nil {
			return err
		}
		d := in.Status.DataDeletion
		if d == nil || d.At == nil || d.Meetings == nil || *d.Meetings != meetings {
			return fmt.Errorf("the proof is %s, want %d meetings", encoded(d), meetings)
		}
		return nil
	})
}

// encoded is a value for people.
func encoded(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func (c *crew) removedByOneUser(t *testing.T) {
	t.Parallel()
	a := c.stage(t, nil)
	in, other := a.install(t, ana), a.install(t, anders)
	a.hosts(t, ana, 2)
	a.hosts(t, anders, 1)
	a.removes(t, ana, in)
	a.deleted(t, in.Name, 2)
	a.healthy(t, a.becomes(t, other.Name, ready))
	if n, err := a.meetings(t.Context()); err != nil || n != 1 {
		t.Errorf("there are %d meetings (%v), want that of the user who stays", n, err)
	}
}

func (c *crew) removedByAdmin(t *testing.T) {
	t.Parallel()
	a := c.stage(t, func(spec *v1alpha1.ZoomAppSpec) {
		adminManaged(spec)
		spec.Import, spec.APICalls.PerSecond = v1alpha1.ImportUpcoming, 10
	})
	a.scopes = append(slices.Clip(a.scopes), "user:read:list_users", "meeting:read:list_meetings")
	if err := a.register(v1alpha1.ManagedByAdmin); err != nil {
		t.Fatal(err)
	}
	for n, host := range []zoomtest.Login{ana, anders} {
		a.zoom.Plan(zoomtest.Meeting{
			Account: host.Account, Host: host.User, Number: 82000000011 + int64(n), Topic: "Circle", Type: zoomtest.TypeScheduled,
			Start: now().Add(2 * time.Hour), Duration: 45, Timezone: "Europe/Madrid",
		}, now().Add(-30*day))
	}
	account := zoomtest.Login{Account: ana.Account}
	for _, admin := range []zoomtest.Login{ana, anders} {
		if err := a.consent(t.Context(), a.page(urls.Install), admin.User.ID); err != nil {
			t.Fatal(err)
		}
	}
	in := a.becomes(t, a.nameFor(account), ready)
	if in.Spec.UserID != "" {
		t.Errorf("the consent for the account is user %s's", in.Spec.UserID)
	}
	a.kubectl(t, "wait", "zi/"+in.Name, "--for=condition=MeetingsImported", "--timeout=60s")
	a.says(t, in.Name, "Meetings that the customer had planned before the consent: 2.")
	a.hosts(t, bea, 0)
	leaves := zoomtest.Login{Account: ana.Account, User: zoomtest.User{ID: "uSomebody"}}
	a.hosts(t, leaves, 2) // one consent covers the account
	if err := a.hand(t.Context(), leaves.Account.UserChanged(zoom.EventUserDeleted, now(), leaves.User)); err != nil {
		t.Fatal(err)
	}
	within(t, settleWithin, func(ctx context.Context) error {
		n, err := a.meetings(ctx)
		if err == nil && n != 2 {
			err = fmt.Errorf("there are %d meetings, want those of the users who are there", n)
		}
		return err
	})
	a.removes(t, ana, in)
	a.deleted(t, in.Name, 2)
	within(t, settleWithin, a.empty)
}

// What a host planned before they installed the app is known after the consent, and goes with it.
func (c *crew) importsPlanned(t *testing.T) {
	t.Parallel()
	a := c.stage(t, nil)
	a.scopes = append(slices.Clip(a.scopes), "meeting:read:list_meetings")
	if err := a.register(""); err != nil {
		t.Fatal(err)
	}
	single := zoomtest.Meeting{
		Account: ana.Account, Host: ana.User, Number: 82000000001, Topic: "Circle", Type: zoomtest.TypeScheduled,
		Start: now().Add(2 * time.Hour), Duration: 45, Timezone: "Europe/Madrid",
	}
	series := single
	series.Number, series.Type, series.Occurrences = 82000000002, zoomtest.TypeRecurringPlanned, zoomtest.Dates(now().Add(time.Hour), 7*day, 5, 45)
	a.zoom.Plan(single, now().Add(-30*day))
	a.zoom.Plan(series, now().Add(-30*day))
	in := a.install(t, ana)
	a.kubectl(t, "wait", "zi/"+in.Name, "--for=condition=MeetingsImported", "--timeout=60s")
	a.says(t, in.Name, "Meetings that the customer had planned before the consent: 2.")
	a.kubectl(t, "wait", "zm", "--all", "--for=jsonpath={.status.state}=Scheduled", "--timeout=60s")
	if n, err := a.meetings(t.Context()); err != nil || n != 2 {
		t.Errorf("there are %d meetings (%v), want both", n, err)
	}
	a.removes(t, ana, in)
	a.deleted(t, in.Name, 2)
}

// Whatever Zoom answers at first, what was planned is known in the end, and each is asked for again
// in its time.
func (c *crew) importsWithObstacles(t *testing.T) {
	t.Parallel()
	a := c.stage(t, func(spec *v1alpha1.ZoomAppSpec) { spec.APICalls.PerSecond = 10 })
	a.scopes = append(slices.Clip(a.scopes), "meeting:read:list_meetings")
	if err := a.register(""); err != nil {
		t.Fatal(err)
	}
	const meetings = 40 // more than a page
	for n := range meetings {
		a.zoom.Plan(zoomtest.Meeting{
			Account: ana.Account, Host: ana.User, Number: 82000000100 + int64(n), Topic: "Circle", Type: zoomtest.TypeScheduled,
			Start: now().Add(2 * time.Hour), Duration: 45, Timezone: "Europe/Madrid",
		}, now().Add(-30*day))
	}
	expired := zoomtest.Answer(http.StatusBadRequest, `{"code":300,"message":"The next page token is either invalid or expired."}`)
	a.zoom.Inject(zoomtest.StepList, 1, zoomtest.Before(zoomtest.RateLimited("1")))
	a.zoom.Inject(zoomtest.StepList, 1, zoomtest.Before(zoomtest.CutOff))
	a.zoom.Inject(zoomtest.StepList, 1, func(next http.Handler) http.Handler { return next })
	a.zoom.Inject(zoomtest.StepList, 1, zoomtest.Before(expired)) // of the second page
	in := a.install(t, ana)
	a.kubectl(t, "wait", "zi/"+in.Name, "--for=condition=MeetingsImported", "--timeout=60s")
	a.says(t, in.Name, "Meetings that the customer had planned before the consent: 40.")
	if n, err := a.meetings(t.Context()); err != nil || n != meetings {
		t.Errorf("there are %d meetings (%v), want %d", n, err, meetings)
	}
}

// What is refused for good, or for the rest of the day, is said, and the installation is as good as
// without it.
func (c *crew) importsRefused(t *testing.T) {
	t.Parallel()
	a := c.stage(t, nil)
	a.scopes = append(slices.Clip(a.scopes), "meeting:read:list_meetings")
	if err := a.register(""); err != nil {
		t.Fatal(err)
	}
	tomorrow := now().UTC().Add(day).Truncate(day).Format("2006-01-02T15:04:05Z")
	for _, refusal := range []struct {
		answer http.HandlerFunc
		reason string
	}{
		{zoomtest.NotInPlan, v1alpha1.ReasonImportNotPermitted},
		{zoomtest.HostGone, v1alpha1.ReasonImportNotPermitted},
		{zoomtest.Answer(http.StatusBadRequest, `{"code":4711,"message":"Invalid access token, does not contain scopes:[meeting:read:list_meetings]."}`), v1alpha1.ReasonImportScopeMissing},
		{zoomtest.RateLimited(tomorrow), v1alpha1.ReasonImportDelayed},
	} {
		a.zoom.Inject(zoomtest.StepList, 1, zoomtest.Before(refusal.answer))
		in := a.install(t, ana)
		a.kubectl(t, "wait", "zi/"+in.Name, `--for=jsonpath={.status.conditions[?(@.type=="MeetingsImported")].reason}=`+refusal.reason, "--timeout=60s")
		a.healthy(t, a.becomes(t, in.Name, ready))
		passed(t, in.Spec.Consent.At.Time) // or the next consent is none of its own
	}
}

// With a user their token goes, and Zoom says no more than what became of the user.
func (c *crew) leavesZoom(t *testing.T) {
	t.Parallel()
	a := c.stage(t, nil)
	in, other := a.install(t, ana), a.install(t, anders)
	a.hosts(t, ana, 2)
	a.hosts(t, anders, 1)
	passed(t, in.Status.Token.RefreshedAt.Time)
	if err := a.hand(t.Context(), ana.Account.UserChanged(zoom.EventUserDeactivated, now(), ana.User)); err != nil {
		t.Fatal(err)
	}
	within(t, settleWithin, func(ctx context.Context) error { // Zoom takes the token still, so all is well
		tried, err := a.is(ctx, in.Name, ready)
		if err == nil && !in.Status.Token.RefreshedAt.Before(tried.Status.Token.RefreshedAt) {
			err = errors.New("the token was not tried")
		}
		return err
	})

	const userDeleted = 4735
	if err := a.zoom.Kill(a.clientID, ana.Account.ID, ana.User.ID, userDeleted); err != nil {
		t.Fatal(err)
	}
	if err := a.hand(t.Context(), ana.Account.UserChanged(zoom.EventUserDeleted, now(), ana.User)); err != nil {
		t.Fatal(err)
	}
	a.deleted(t, in.Name, 2)
	a.says(t, in.Name, "removed the app", "or left, and Zoom no longer takes this customer's token")
	a.healthy(t, a.becomes(t, other.Name, ready))
	if n, err := a.meetings(t.Context()); err != nil || n != 1 {
		t.Errorf("there are %d meetings (%v), want the other user's", n, err)
	}
}

func (c *crew) deletedByDeveloper(t *testing.T) {
	t.Parallel()
	a := c.stage(t, nil)
	in := a.install(t, ana)
	a.hosts(t, ana, 3)
	a.kubectl(t, "delete", "zi", in.Name, "--timeout=60s")
	if a.zoom.Installed(a.clientID, ana.Account.ID, ana.User.ID) {
		t.Error("the app is still installed at Zoom")
	}
	within(t, settleWithin, a.empty)
	a.happened(t, in.Name, "Revoked")
	a.webhooks.Wait() // Zoom reports the removal to whoever asked for it
	if in, err := a.installation(t.Context(), in.Name); err != nil || in != nil {
		t.Errorf("the removal that Zoom reports has brought back %v (%v)", in, err)
	}
	a.healthy(t, a.install(t, ana))
}

// replaced has kubectl delete the app and create it again from its manifest, which does not name
// the account that it was bound to, and returns the manifest.
func (a *oauthApp) replaced(t *testing.T) string {
	t.Helper()
	app := &v1alpha1.ZoomApp{}
	if err := system.Client.Get(t.Context(), a.key, app); err != nil {
		t.Fatal(err)
	}
	app.Spec.AccountID = ""
	written, err := json.Marshal(&v1alpha1.ZoomApp{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.SchemeGroupVersion.String(), Kind: "ZoomApp"},
		ObjectMeta: metav1.ObjectMeta{Namespace: app.Namespace, Name: app.Name}, Spec: app.Spec,
	})
	if err != nil {
		t.Fatal(err)
	}
	manifest := filepath.Join(t.TempDir(), "app.json")
	if err := os.WriteFile(manifest, written, 0o600); err != nil {
		t.Fatal(err)
	}
	a.kubectl(t, "replace", "--force", "-f", manifest)
	return manifest
}

// replacedAndRevoked: kubectl replace --force, which deletes an app and creates it again as Argo
// and Flux do when forced, ends no consent; deletionPolicy Revoke ends them all before the app
// goes.
func (c *crew) replacedAndRevoked(t *testing.T) {
	t.Parallel()
	a := c.stage(t, nil)
	in := a.install(t, ana)
	a.hosts(t, ana, 3)
	manifest := a.replaced(t)
	a.healthy(t, a.becomes(t, in.Name, ready))
	if n, err := a.meetings(t.Context()); err != nil || n != 3 {
		t.Errorf("after the app was replaced there are %d meetings (%v), want 3", n, err)
	}

	a.kubectl(t, "annotate", "zapp", a.key.Name, v1alpha1.RetryAnnotation+"=now")
	within(t, settleWithin, func(ctx context.Context) error {
		out, err := a.ask(ctx, "get", "zapp", a.key.Name, "--output=jsonpath={.metadata.annotations}")
		if err == nil && strings.Contains(out, v1alpha1.RetryAnnotation) {
			err = errors.New("the annotation that asks for another try is still there")
		}
		return err
	})

	a.kubectl(t, "patch", "zapp", a.key.Name, "--type=merge", `--patch={"spec":{"deletionPolicy":"Revoke"}}`)
	within(t, settleWithin, func(ctx context.Context) error {
		out, err := a.ask(ctx, "get", "zapp", a.key.Name, "--output=jsonpath={.metadata.finalizers}")
		if err == nil && !strings.Contains(out, v1alpha1.AppFinalizer) {
			err = errors.New("nothing keeps the app until its installations are revoked")
		}
		return err
	})
	a.kubectl(t, "delete", "zapp", a.key.Name, "--timeout=60s")
	if a.zoom.Installed(a.clientID, ana.Account.ID, ana.User.ID) {
		t.Error("the app is still installed at Zoom")
	}
	within(t, settleWithin, a.empty)
	a.kubectl(t, "create", "-f", manifest)
}

func (c *crew) scopesChanged(t *testing.T) {
	t.Parallel()
	a := c.stage(t, nil)
	in := a.install(t, ana)
	a.kubectl(t, "patch", "zapp", a.key.Name, "--type=json", `--patch=[{"op":"add","path":"/spec/scopes/-","value":"recording:read:recording"}]`)
	a.kubectl(t, "wait", "zi/"+in.Name, "--for=condition=Ready=False", "--timeout=30s")
	in = a.becomes(t, in.Name, "False ScopesChanged")
	a.says(t, in.Name, "The app needs recording:read:recording, which the customer has not consented to")
	a.happened(t, in.Name, v1alpha1.ReasonScopesChanged)
	a.hosts(t, ana, 1) // Zoom sends on

	a.scopes = append(slices.Clip(a.scopes), "recording:read:recording")
	if err := a.register(""); err != nil {
		t.Fatal(err)
	}
	if err := a.consent(t.Context(), in.Status.InstallURL, ana.User.ID); err != nil {
		t.Fatalf("consenting again at %s: %v", in.Status.InstallURL, err)
	}
	a.healthy(t, a.becomes(t, in.Name, ready))
}

// past is a time in a patch.
func past(d time.Duration) string {
	return `"` + now().Add(-d).Format(time.RFC3339) + `"`
}

const day = 24 * time.Hour

func (c *crew) accountSilent(t *testing.T) {
	t.Parallel()
	a := c.stage(t, nil)
	in := a.install(t, ana)
	a.kubectl(t, "patch", "zi", in.Name, "--subresource=status", "--type=merge", `--patch={"status":{"lastEventAt":`+past(36*day)+`}}`)
	a.kubectl(t, "patch", "zi", in.Name, "--type=merge", `--patch={"spec":{"consent":{"at":`+past(50*day)+`}}}`)
	a.kubectl(t, "wait", "zi/"+in.Name, "--for=condition=EventsFlowing=False", "--timeout=30s")
	in = a.becomes(t, in.Name, "False NoRecentEvents")
	a.says(t, in.Name, "look at the app's event subscription at Zoom")
	a.happened(t, in.Name, v1alpha1.ReasonNoRecentEvents)

	a.hosts(t, ana, 1)
	a.healthy(t, a.becomes(t, in.Name, ready))
}

func (c *crew) validationOverdue(t *testing.T) {
	t.Parallel()
	a := c.stage(t, nil)
	in := a.install(t, ana)
	a.kubectl(t, "patch", "zapp", a.key.Name, "--subresource=status", "--type=merge",
		`--patch={"status":{"endpointValidatedAt":`+past(7*day)+`,"lastEventAt":`+past(4*day)+`}}`)
	a.kubectl(t, "wait", "zapp/"+a.key.Name, "--for=condition=EndpointValidated=False", "--timeout=30s")
	in = a.becomes(t, in.Name, "False ValidationOverdue")
	a.says(t, in.Name, "has probably disabled the event subscription", "EndpointValidated of ZoomApp "+a.key.Name)
	a.happened(t, in.Name, v1alpha1.ReasonValidationOverdue)

	if err := a.webhooks.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.becomes(t, in.Name, ready)
}

func (c *crew) consentDies(t *testing.T) {
	t.Parallel()
	server, cloud := newOAuthServer(t, 600, ana) // an access token lives for six seconds
	a := c.newOAuthApp(t, server, cloud, nil)
	a.retires(t)
	in := a.install(t, ana)
	const userDeleted = 4735
	if err := server.Kill(a.clientID, ana.Account.ID, ana.User.ID, userDeleted); err != nil {
		t.Fatal(err)
	}
	in = a.becomes(t, in.Name, "False TokenRevoked")
	a.says(t, in.Name, "Zoom no longer takes the refresh token", "install the app again at status.installURL")
	a.happened(t, in.Name, v1alpha1.ReasonTokenRevoked)
	if err := a.consent(t.Context(), in.Status.InstallURL, ana.User.ID); err != nil {
		t.Fatal(err)
	}
	a.healthy(t, a.becomes(t, in.Name, ready))
}

func (c *crew) unknownRecorded(t *testing.T) {
	t.Parallel()
	a := c.stage(t, nil)
	a.hosts(t, bea, 1)
	in := a.becomes(t, a.nameFor(bea), "False NeverAuthorized")
	if n, err := a.meetings(t.Context()); err != nil || n != 1 {
		t.Errorf("there are %d meetings (%v), want one", n, err)
	}
	a.says(t, in.Name, "nobody of it has installed the app here")
	a.happened(t, in.Name, v1alpha1.ReasonNeverAuthorized)
	if err := a.consent(t.Context(), in.Status.InstallURL, bea.User.ID); err != nil {
		t.Fatal(err)
	}
	a.healthy(t, a.becomes(t, in.Name, ready))
}

func (c *crew) unknownIgnored(t *testing.T) {
	t.Parallel()
	a := c.stage(t, func(spec *v1alpha1.ZoomAppSpec) { spec.UnknownAccounts = v1alpha1.UnknownAccountsIgnore })
	a.hosts(t, bea, 3) // answered as if they were stored
	a.hosts(t, ana, 3)
	if text := a.kubectl(t, "get", "zi,zm", "--output=name"); text != "" {
		t.Errorf("of unknown accounts there is %s", text)
	}
	a.install(t, ana)
	a.hosts(t, ana, 1)
	if n, err := a.meetings(t.Context()); err != nil || n != 1 {
		t.Errorf("after the consent there are %d meetings (%v), want one", n, err)
	}
}

// invited applies an invitation and returns its link.
func (a *oauthApp) invited(t *testing.T, name, more string) string {
	t.Helper()
	a.apply(t, `
apiVersion: zoom-operator.io/v1alpha1
kind: ZoomInstallation
metadata:
  name: `+name+`
spec:
  appRef:
    name: `+a.key.Name+more)
	in := a.becomes(t, name, "False Invited")
	if in.Status.InvitationSecretName == "" {
		return in.Status.InstallURL
	}
	link, err := base64.StdEncoding.DecodeString(a.kubectl(t, "get", "secret", in.Status.InvitationSecretName, "--output=jsonpath={.data.installURL}"))
	if err != nil {
		t.Fatal(err)
	}
	return string(link)
}

func (c *crew) invitations(t *testing.T) {
	t.Parallel()
	a := c.stage(t, func(spec *v1alpha1.ZoomAppSpec) { spec.Distribution = v1alpha1.DistributionPrivate })
	a.refused(t, a.page(urls.Install), bea, http.StatusForbidden)
	if text := a.kubectl(t, "get", "zi", "--output=name"); text != "" {
		t.Errorf("somebody who was not invited left %s", text)
	}

	link := a.invited(t, "grace", "")
	if err := a.consent(t.Context(), link, ana.User.ID); err != nil {
		t.Fatal(err)
	}
	in := a.becomes(t, "grace", ready)
	if in.Spec.AccountID != ana.Account.ID || in.Spec.UserID != ana.User.ID {
		t.Errorf("the invitation was filled with %+v", in.Spec)
	}
	a.healthy(t, in)
	a.refused(t, link, bea, http.StatusForbidden) // an invitation is one person's
	a.refused(t, a.page(urls.Install), bea, http.StatusForbidden)
	a.healthy(t, a.becomes(t, "grace", ready))

	// One that names the account is for nobody else, and a withdrawn one for nobody.
	named := a.invited(t, "named", "\n  accountID: "+bea.Account.ID)
	a.refused(t, named, anders, http.StatusForbidden)
	if err := a.consent(t.Context(), named, bea.User.ID); err != nil {
		t.Fatal(err)
	}
	a.becomes(t, "named", ready)
	withdrawn := a.invited(t, "withdrawn", "")
	a.kubectl(t, "delete", "zi", "withdrawn", "--timeout=60s")
	err := a.consent(t.Context(), withdrawn, anders.User.ID)
	if status, ok := errors.AsType[statusError](err); !ok || status != http.StatusGone {
		t.Errorf("a withdrawn invitation leads to %v, want status %d", err, http.StatusGone)
	}

	// Whoever was invited comes back without an invitation.
	a.removes(t, ana, in)
	a.becomes(t, "grace", "False Deauthorized")
	if err := a.consent(t.Context(), a.page(urls.Install), ana.User.ID); err != nil {
		t.Fatal(err)
	}
	a.healthy(t, a.becomes(t, "grace", ready))
}

func (c *crew) boundToFirst(t *testing.T) {
	t.Parallel()
	a := c.stage(t, func(spec *v1alpha1.ZoomAppSpec) { spec.Distribution = v1alpha1.DistributionAccount })
	a.install(t, ana)
	a.refused(t, a.page(urls.Install), bea, http.StatusForbidden)
	a.install(t, anders) // of the same account
	a.replaced(t)
	within(t, settleWithin, func(ctx context.Context) error {
		bound, err := a.ask(ctx, "get", "zapp", a.key.Name, "--output=jsonpath={.spec.accountID}")
		if err == nil && bound != ana.Account.ID {
			err = fmt.Errorf("the app that was created again is bound to %q", bound)
		}
		return err
	})
	a.refused(t, a.page(urls.Install), bea, http.StatusForbidden)
}

func (c *crew) boundToAccount(t *testing.T) {
	t.Parallel()
	a := c.stage(t, func(spec *v1alpha1.ZoomAppSpec) {
		spec.Distribution, spec.AccountID = v1alpha1.DistributionAccount, bea.Account.ID
	})
	a.refused(t, a.page(urls.Install), ana, http.StatusForbidden)
	a.healthy(t, a.install(t, bea))
}

func (c *crew) keepsNoToken(t *testing.T) {
	t.Parallel()
	a := c.stage(t, func(spec *v1alpha1.ZoomAppSpec) { spec.TokenPolicy = v1alpha1.TokenPolicyNone })
	in := a.install(t, ana)
	if secrets, err := a.secrets(t.Context()); err != nil || len(secrets) > 0 {
		t.Errorf("there are the Secrets %q (%v), want none", secrets, err)
	}
	if !a.zoom.Installed(a.clientID, ana.Account.ID, ana.User.ID) {
		t.Error("the app is not installed at Zoom")
	}
	a.hosts(t, ana, 2)
	a.removes(t, ana, in)
	a.deleted(t, in.Name, 2)
}

// A wrong client secret, of an app for which nobody but its first customer asks Zoom.
func (c *crew) wrongAtFirst(t *testing.T) {
	t.Parallel()
	a := c.stage(t, func(spec *v1alpha1.ZoomAppSpec) { spec.TokenPolicy = v1alpha1.TokenPolicyNone })
	said := func(status, reason string) {
		t.Helper()
		within(t, settleWithin, func(ctx context.Context) error {
			out, err := a.ask(ctx, "get", "zapp", a.key.Name, `--output=jsonpath={.status.conditions[?(@.type=="Ready")].status}/{.status.conditions[?(@.type=="Ready")].reason}`)
			if err == nil && out != status+"/"+reason {
				err = fmt.Errorf("the app is %s, want %s/%s", out, status, reason)
			}
			return err
		})
		within(t, settleWithin, func(ctx context.Context) error {
			out, err := a.ask(ctx, "get", "events", "--field-selector=involvedObject.kind=ZoomApp,involvedObject.name="+a.key.Name, `--output=jsonpath={.items[*].reason}`)
			if err == nil && !slices.Contains(strings.Fields(out), reason) {
				err = fmt.Errorf("the Events of the app tell of %q, want %s", out, reason)
			}
			return err
		})
	}
	said("True", "Configured")
	a.kubectl(t, "patch", "secret", "credentials", `--patch={"stringData":{"clientSecret":"a-mistyped-secret-0123456789-abc"}}`)
	within(t, settleWithin, func(context.Context) error { // the operators read it within half a minute
		err := a.consent(t.Context(), a.page(urls.Install), ana.User.ID)
		if status, ok := errors.AsType[statusError](err); !ok || int(status) != http.StatusBadGateway {
			return fmt.Errorf("the customer gets %w, want status %d", err, http.StatusBadGateway)
		}
		return nil
	})
	said("False", "ClientRejected")
	a.kubectl(t, "patch", "secret", "credentials", `--patch={"stringData":{"clientSecret":"`+oauthClientSecret+`"}}`)
	said("True", "Configured")
	in := a.install(t, bea)
	said("True", "Configured")
	a.removes(t, bea, in)
}

func (c *crew) sharesAccessTokens(t *testing.T) {
	t.Parallel()
	a := c.stage(t, func(spec *v1alpha1.ZoomAppSpec) { spec.AccessTokens = v1alpha1.AccessTokensShared })
	in := a.install(t, ana)
	within(t, settleWithin, func(ctx context.Context) error { return a.shares(ctx, in) })
	a.removes(t, ana, in)
	a.deleted(t, in.Name, 0)
	within(t, settleWithin, a.empty)
}

func (c *crew) beganAtZoom(t *testing.T) {
	t.Parallel()
	a := c.stage(t, nil)
	b := newBrowser()
	callback, err := a.zoom.Consent("http://zoom.test/oauth/authorize?response_type=code&client_id="+a.clientID+"&redirect_uri="+a.page(urls.Callback), ana.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	page, err := b.open(t.Context(), http.MethodGet, callback, http.StatusOK)
	if err != nil {
		t.Fatal(err)
	}
	if a.zoom.Installed(a.clientID, ana.Account.ID, ana.User.ID) {
		t.Error("the code was spent before anybody clicked")
	}
	if err := b.confirm(t.Context(), callback, page); err != nil {
		t.Fatal(err)
	}
	a.healthy(t, a.becomes(t, a.nameFor(ana), ready))
}

func (c *crew) refusedAtZoom(t *testing.T) {
	t.Parallel()
	a := c.stage(t, nil)
	b := newBrowser()
	authorizeURL, err := b.toZoom(t.Context(), a.page(urls.Install))
	if err != nil {
		t.Fatal(err)
	}
	callback, err := a.zoom.Refuse(authorizeURL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.open(t.Context(), http.MethodGet, callback, http.StatusForbidden); err != nil {
		t.Error(err)
	}
	if text := a.kubectl(t, "get", "zi", "--output=name"); text != "" {
		t.Errorf("a refusal left %s", text)
	}
}

func (c *crew) olderRemoval(t *testing.T) {
	t.Parallel()
	a := c.stage(t, nil)
	in := a.install(t, ana)
	a.hosts(t, ana, 2)
	late := ana.Account.AppDeauthorized(in.Spec.Consent.At.Add(-time.Hour), a.clientID, ana.User.ID, zoomtest.TimeAtTop)
	if err := a.hand(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	in = a.becomes(t, in.Name, ready) // the controller has seen it by then
	if in.Spec.Deauthorization == nil {
		t.Error("the older removal was not recorded")
	}
	a.healthy(t, in)
	if n, err := a.meetings(t.Context()); err != nil || n != 2 {
		t.Errorf("there are %d meetings (%v), want both", n, err)
	}
}

func (c *crew) lateEvent(t *testing.T) {
	t.Parallel()
	a := c.stage(t, nil)
	in := a.install(t, ana)
	meeting := a.hosts(t, ana, 1)[0]
	left := now() // what happened later may be of a new consent, and would be for later
	a.removes(t, ana, in)
	a.deleted(t, in.Name, 1)
	live := meeting.Instance(left.Add(-time.Hour))
	for _, e := range []zoomtest.Event{meeting.Created(left.Add(-2 * time.Hour)), live.Started(), live.Ended(left)} {
		if err := a.hand(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.empty(t.Context()); err != nil {
		t.Error(err)
	}
	a.deleted(t, in.Name, 1)
}

func (c *crew) acrossReplicas(t *testing.T) {
	t.Parallel()
	a := c.stage(t, nil)
	operators := c.service.operators()
	b := newBrowser() // whose cookies do not depend on the port
	authorizeURL, err := b.toZoom(t.Context(), strings.Replace(a.page(urls.Install), c.door.URL, operators[0].URL, 1))
	if err != nil {
		t.Fatal(err)
	}
	callback, err := a.zoom.Consent(authorizeURL, ana.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	callback = strings.Replace(callback, c.door.URL, operators[1].URL, 1)
	if _, err := b.open(t.Context(), http.MethodGet, callback, http.StatusOK); err != nil {
		t.Fatal(err)
	}
	a.healthy(t, a.becomes(t, a.nameFor(ana), ready))
	if _, err := b.open(t.Context(), http.MethodGet, callback, http.StatusOK); err != nil {
		t.Errorf("the same callback again: %v", err)
	}
	a.healthy(t, a.becomes(t, a.nameFor(ana), ready))
}

func (c *crew) mixedUpApps(t *testing.T) {
	t.Parallel()
	a, other := c.stage(t, nil), c.stage(t, nil)
	b := newBrowser()
	authorizeURL, err := b.toZoom(t.Context(), a.page(urls.Install))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.toZoom(t.Context(), other.page(urls.Install)); err != nil {
		t.Fatal(err)
	}
	callback, err := a.zoom.Consent(authorizeURL, ana.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	at := strings.Replace(callback, a.page(urls.Callback), other.page(urls.Callback), 1)
	if _, err := b.open(t.Context(), http.MethodGet, at, http.StatusBadRequest); err != nil {
		t.Errorf("at another app: %v", err)
	}
	if _, err := newBrowser().open(t.Context(), http.MethodGet, callback, http.StatusBadRequest); err != nil {
		t.Errorf("in another browser: %v", err)
	}
	if n := other.zoom.Stats().Requests[zoomtest.StepExchange] + a.zoom.Stats().Requests[zoomtest.StepExchange]; n > 0 {
		t.Errorf("%d codes were spent", n)
	}
	if _, err := b.open(t.Context(), http.MethodGet, callback, http.StatusOK); err != nil {
		t.Errorf("where it belongs: %v", err)
	}
	a.healthy(t, a.becomes(t, a.nameFor(ana), ready))
}

func (c *crew) forgedHost(t *testing.T) {
	t.Parallel()
	a := c.stage(t, nil)
	at := strings.Replace(a.page(urls.Start), c.door.URL, c.service.operators()[0].URL, 1)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "evil.example.net"
	for _, header := range []string{"X-Forwarded-Host", "X-Original-Host", "Forwarded"} {
		req.Header.Set(header, "host=evil.example.net")
	}
	resp, err := newBrowser().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil {
		t.Error(err)
	}
	leads, err := resp.Location()
	if err != nil {
		t.Fatal(err)
	}
	if got, want := leads.Query().Get("redirect_uri"), a.page(urls.Callback); got != want {
		t.Errorf("Zoom is told to send the browser to %s, want %s", got, want)
	}
	if strings.Contains(encoded(resp.Header), "evil") {
		t.Errorf("the answer repeats the forged host: %s", encoded(resp.Header))
	}
}

func (c *crew) hostileZoom(t *testing.T) {
	t.Parallel()
	a := c.stage(t, nil)
	elsewhere := http.RedirectHandler(c.door.URL+"/oauth/token", http.StatusTemporaryRedirect).ServeHTTP
	for _, step := range []zoomtest.Step{zoomtest.StepExchange, zoomtest.StepMe} {
		for name, answer := range map[string]http.HandlerFunc{
			"nothing":         zoomtest.Dropped,
			"16 MB":           zoomtest.Huge,
			"a page":          zoomtest.Page(http.StatusOK),
			"an error page":   zoomtest.Page(http.StatusInternalServerError),
			"empty JSON":      zoomtest.Answer(http.StatusOK, "{}"),
			"a redirect":      elsewhere,
			"a refused login": zoomtest.Answer(http.StatusUnauthorized, "{}"),
		} {
			want := http.StatusBadGateway
			if step == zoomtest.StepMe && name == "a refused login" {
				want = http.StatusConflict // the token is dead already, as after one more consent in another tab
			}
			a.zoom.Inject(step, -1, zoomtest.Before(answer))
			err := a.consent(t.Context(), a.page(urls.Install), ana.User.ID)
			if status, ok := errors.AsType[statusError](err); !ok || int(status) != want {
				t.Errorf("when %s is answered with %s, the customer gets %v, want status %d", step, name, err, want)
			}
			a.zoom.Heal()
		}
	}
	if text := a.kubectl(t, "get", "zi", "--output=name"); text != "" {
		t.Errorf("there is %s", text)
	}
	if err := a.empty(t.Context()); err != nil {
		t.Error(err)
	}
	a.healthy(t, a.install(t, ana))
}

// nothingOfTokensElsewhere looks for tokens, codes, secrets and people in everything that the
// operators wrote.
func (c *crew) nothingOfTokensElsewhere(t *testing.T) {
	ctx := t.Context()
	kept := map[string]string{}
	for _, what := range []string{"zoomapps,zoominstallations,zoommeetings", "events", "configmaps", "leases"} {
		text, err := system.Kubectl(ctx, "get", what, "--all-namespaces", "--output=yaml")
		if err != nil {
			t.Fatal(err)
		}
		kept[what] = text
	}
	for _, o := range c.service.operators() {
		text, err := read(ctx, o.MetricsURL)
		if err != nil {
			t.Fatal(err)
		}
		kept["metrics of "+o.URL] = text
	}
	for _, path := range system.Folder.Logs() {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		kept[path] = string(text)
	}
	for where, text := range kept {
		for what, marked := range map[string]string{"a code or a token": zoomtest.Mark, "a secret or a person": mark} {
			if i := strings.Index(text, marked); i >= 0 {
				t.Errorf("%s holds %s: …%s…", where, what, text[max(0, i-200):i])
			}
		}
	}

	var secrets corev1.SecretList
	if err := system.Client.List(ctx, &secrets); err != nil {
		t.Fatal(err)
	}
	var found int
	for i := range secrets.Items {
		s := &secrets.Items[i]
		if !strings.Contains(encoded(s.Annotations)+encoded(s.Labels), zoomtest.Mark) && !holds(s, zoomtest.Mark) {
			continue
		}
		found++
		// A token stays until it is revoked, what is made of it goes with its installation.
		kept := s.Type == tokens.SecretType && slices.Contains(s.Finalizers, tokens.Finalizer) ||
			s.Type == tokens.AccessSecretType && metav1.GetControllerOf(s) != nil
		selected := s.Labels[v1alpha1.AppLabel] != "" && s.Labels[v1alpha1.InstallationLabel] != "" && s.Labels[v1alpha1.ManagedByLabel] == v1alpha1.ManagedByOperator
		if !kept || !selected {
			t.Errorf("a token is in Secret %s/%s of type %s with the labels %v", s.Namespace, s.Name, s.Type, s.Labels)
		}
	}
	if found == 0 {
		t.Error("no Secret holds a token, so this looks for the wrong thing")
	}
}

func holds(s *corev1.Secret, text string) bool {
	for _, value := range s.Data {
		if strings.Contains(string(value), text) {
			return true
		}
	}
	return false
}
