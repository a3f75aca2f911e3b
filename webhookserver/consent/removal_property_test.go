package consent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/commit"
	"github.com/zoom-operator/zoom-operator/internal/credentials"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/quota"
	"github.com/zoom-operator/zoom-operator/internal/recording"
	"github.com/zoom-operator/zoom-operator/internal/tombstones"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/webhookserver/events"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/webhookserver/limits"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// relation is what happens between one consenter and an app, in order: events, perhaps a consent,
// the removal, events that come of before it, and perhaps another consent, with what happens then.
type relation struct {
	managedBy v1alpha1.ManagedBy
	unknown   v1alpha1.UnknownAccountsPolicy
	// invited says that the consent is to an invitation; back, that another one follows the
	// removal.
	consent, invited, back bool
}

const lifeBack, lifeRemoved, lifeConsent = 90 * time.Second, 40 * time.Minute, 50 * time.Minute

// deed is one thing that reaches a replica: an event, or a browser with a consent.
type deed struct {
	name  string
	event zoomtest.Event
	agree *grant
}

func (l relation) deeds() []deed {
	happened := func(number int64, ago time.Duration) deed {
		return deed{name: fmt.Sprint("event of ", ago, " ago"), event: fixture.Weekly("AccT", "hOsT", number).Created(fixture.Noon.Add(-ago))}
	}
	agreed := func(ago time.Duration) deed {
		return deed{name: fmt.Sprint("consent of ", ago, " ago"), agree: &grant{
			token: &zoom.Token{}, user: &zoom.User{AccountID: "AccT", ID: "hOsT"}, at: fixture.Noon.Add(-ago),
		}}
	}
	all := []deed{happened(81, 60*time.Minute), happened(82, 45*time.Minute)}
	if l.consent {
		all = append(all, agreed(lifeConsent))
	}
	all = append(all, deed{name: "removal", event: zoomtest.Account{ID: "AccT"}.AppDeauthorized(fixture.Noon.Add(-lifeRemoved), "client", "hOsT", zoomtest.TimeAtTop)})
	if l.back {
		all = append(all, agreed(lifeBack), happened(83, time.Minute))
	}
	return all
}

// cluster is an API server in memory, and replicas of the webhook server over it.
type cluster struct {
	client.Client
	app      *v1alpha1.ZoomApp
	invited  *v1alpha1.ZoomInstallation
	webhooks []http.Handler
	consents []*service
}

func (l relation) cluster(t testing.TB, replicas int) *cluster {
	t.Helper()
	app := fixture.AppOf("offline")
	app.Spec.ManagedBy, app.Spec.UnknownAccounts, app.Spec.TokenPolicy = l.managedBy, l.unknown, v1alpha1.TokenPolicyNone
	c := fixture.Memory(t, func(ctx context.Context, indexer client.FieldIndexer) error {
		return errors.Join(recording.AddIndexes(ctx, indexer), AddIndexes(ctx, indexer))
	}, app, fixture.CredentialsOf(app, fixture.SecretToken))
	w := &cluster{Client: c, app: app}
	if l.invited {
		fixture.Create(t, c, &v1alpha1.ZoomInstallation{
			ObjectMeta: metav1.ObjectMeta{Namespace: "offline", Name: "grace"},
			Spec:       v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: fixture.AppName}},
		})
		w.invited = fixture.Get(t, c, "offline", "grace", &v1alpha1.ZoomInstallation{})
	}
	w.start(replicas)
	return w
}

// start starts that many replicas in place of those that there are; they remember nothing.
func (w *cluster) start(replicas int) {
	w.webhooks, w.consents = nil, nil
	for range replicas {
		installations := &commit.Committer[*v1alpha1.ZoomInstallation]{
			Writer: w, Cache: w, Live: w, New: func() *v1alpha1.ZoomInstallation { return &v1alpha1.ZoomInstallation{} },
		}
		ended := tombstones.New(w, w, fixture.AtNoon)
		mux := http.NewServeMux()
		events.New(events.Config{
			Client: w, Live: w, Credentials: credentials.NewSource(w, fixture.AtNoon, logr.Discard()), Tombstones: ended, Quota: quota.New(fixture.AtNoon),
			Installations: installations, Callers: limits.NewCallers(nil, fixture.AtNoon, logr.Discard()), Now: fixture.AtNoon, Logger: logr.Discard(),
		}).Register(mux)
		w.webhooks = append(w.webhooks, mux)
		w.consents = append(w.consents, &service{
			cache: w, live: w, writer: w, installations: installations, tombstones: ended, now: fixture.AtNoon, logger: logr.Discard(), waits: defaultWaits(),
		})
	}
}

// reaches brings a deed to a replica, and says whether it has to come again.
func (w *cluster) reaches(t testing.TB, replica int, d deed) (again bool) {
	t.Helper()
	if d.agree == nil {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, urls.Webhook(w.app.Namespace, w.app.Name), bytes.NewReader(d.event.Body))
		for pair := range slices.Chunk(fixture.Signed(fixture.SecretToken, fixture.Noon, d.event.Body), 2) {
			r.Header.Set(pair[0], pair[1])
		}
		answer := httptest.NewRecorder()
		w.webhooks[replica].ServeHTTP(answer, r)
		return answer.Code == http.StatusServiceUnavailable
	}
	g := *d.agree
	if w.invited != nil && g.at.Equal(fixture.Noon.Add(-lifeConsent)) {
		g.invited = w.invited
	}
	if _, err := w.consents[replica].place(t.Context(), w.app, g); err != nil {
		t.Errorf("%s: %v", d.name, err)
	}
	return false
}

// everything delivers deeds to a replica until each is taken. Zoom sends again what was answered
// 503.
func (w *cluster) everything(t testing.TB, replica int, deeds []deed) error {
	t.Helper()
	left := slices.Clone(deeds)
	err := wait.PollUntilContextTimeout(t.Context(), time.Millisecond, fixture.Patience, true, func(context.Context) (bool, error) {
		left = slices.DeleteFunc(left, func(d deed) bool { return !w.reaches(t, replica, d) })
		return len(left) == 0, nil
	})
	if err != nil {
		return fmt.Errorf("%s is never taken: %w", left[0].name, err)
	}
	return nil
}

// end is what there is in the end: the installation that counts, and the meetings that are not to
// be deleted.
type end struct {
	Spec     *v1alpha1.ZoomInstallationSpec
	Meetings []string
}

func (w *cluster) end(t testing.TB) end {
	t.Helper()
	var e end
	in := installation.Effective(slices.DeleteFunc(fixture.Installations(t, w, "offline"), func(in v1alpha1.ZoomInstallation) bool { return in.Spec.AccountID == "" }))
	if in != nil {
		e.Spec = &in.Spec
		if d := e.Spec.Deauthorization; d != nil && w.app.Spec.ManagedBy == v1alpha1.ManagedByAdmin {
			d.UserID = "" // which admin it was is not remembered of an account that nothing is recorded of
		}
	}
	for _, m := range fixture.Meetings(t, w, "offline") {
		// The controller deletes those of a removal; where it came after the next consent, they may
		// stay. What comes before a consent is dropped where unknown accounts are ignored.
		if in == nil || !installation.Removed(in) && m.Spec.MeetingID == "83" && w.app.Spec.UnknownAccounts == v1alpha1.UnknownAccountsRecord {
			e.Meetings = append(e.Meetings, m.Spec.MeetingID)
		}
	}
	return e
}

// Whatever order a consent, a removal and the events around them arrive in, once or twice, at one
// replica or at two at once, the end is the same, and what the removal ended does not come back.
func TestEveryOrderOfARemovalEndsTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		l := relation{
			managedBy: rapid.SampledFrom([]v1alpha1.ManagedBy{v1alpha1.ManagedByUser, v1alpha1.ManagedByAdmin}).Draw(rt, "managedBy"),
			unknown:   rapid.SampledFrom([]v1alpha1.UnknownAccountsPolicy{v1alpha1.UnknownAccountsRecord, v1alpha1.UnknownAccountsIgnore}).Draw(rt, "unknown"),
			consent:   rapid.Bool().Draw(rt, "consent"),
			back:      rapid.Bool().Draw(rt, "back"),
		}
		l.invited = l.consent && !l.back && rapid.Bool().Draw(rt, "invited")
		deeds := l.deeds()
		ordered := l.cluster(t, 1)
		if err := ordered.everything(t, 0, deeds); err != nil {
			rt.Fatal(err)
		}
		want := ordered.end(t)
		if known := l.unknown == v1alpha1.UnknownAccountsRecord || l.consent || l.back; known != (want.Spec != nil) {
			rt.Fatalf("an installation is there: %t", !known)
		}

		each := make([]int, len(deeds))
		for i := range each {
			each[i] = i
		}
		again := rapid.SliceOfN(rapid.SampledFrom(each), 0, 4).Draw(rt, "again")
		order := rapid.Permutation(slices.Concat(each, again)).Draw(rt, "order")
		replicas := rapid.IntRange(1, 2).Draw(rt, "replicas")
		w := l.cluster(t, replicas)
		parts := make([][]deed, replicas)
		for _, i := range order {
			to := rapid.IntRange(0, replicas-1).Draw(rt, "replica")
			parts[to] = append(parts[to], deeds[i])
		}
		var all sync.WaitGroup
		errs := make([]error, replicas)
		for i, part := range parts {
			all.Go(func() { errs[i] = w.everything(t, i, part) })
		}
		all.Wait()
		if err := errors.Join(errs...); err != nil {
			rt.Fatal(err)
		}
		if diff := cmp.Diff(want, w.end(t), cmpopts.EquateEmpty()); diff != "" {
			rt.Fatalf("(-in order +as it arrived):\n%s", diff)
		}

		// The controller has deleted the meetings, and all of it comes once more.
		if err := w.DeleteAllOf(t.Context(), &v1alpha1.ZoomMeeting{}, client.InNamespace("offline")); err != nil {
			rt.Fatal(err)
		}
		w.start(1)
		if err := w.everything(t, 0, slices.DeleteFunc(deeds, func(d deed) bool { return d.agree != nil })); err != nil {
			rt.Fatal(err)
		}
		for _, m := range fixture.Meetings(t, w, "offline") {
			if m.Spec.MeetingID != "83" {
				rt.Fatalf("meeting %s is back", m.Spec.MeetingID)
			}
		}
	})
}
