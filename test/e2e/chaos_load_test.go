package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	randv2 "math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/test/chronicle"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

const (
	// chaosStayers have installed the app and keep it. So many others for each 15 kills, and two
	// more, remove it, or install it, or do both, or have their installation deleted.
	chaosStayers, chaosShare = 10, 15
	// chaosRotate is after how many kills the secret token is rotated.
	chaosRotate = 5
	// chaosEvery is how often a meeting happens, and chaosSenders how many of its events are under
	// way at once.
	chaosEvery, chaosSenders = 400 * time.Millisecond, 24
	// chaosZoom turns Zoom's 85 minutes until the last retry into 34 seconds.
	chaosZoom = 150
	// chaosMeetings is how many meetings there are to be deleted with a customer who leaves.
	chaosMeetings = 2
)

// load is what customers and the admin do meanwhile, and what came of it.
type load struct {
	*oauthApp

	front  *front
	random *randv2.Rand
	// acts are what happens after so many kills.
	acts map[int][]func(context.Context) error
	busy sync.WaitGroup

	stayers, leavers, comers, returners, dropped []zoomtest.Login

	rotations sync.Mutex

	mu       sync.Mutex
	meetings []chronicled
	gone     []string // users
	over     chan struct{}
	streamed chan struct{}
	senders  errgroup.Group

	// These count, for people: events, attempts at them that were acknowledged or not, those that
	// had to be told again in the end; tokens that were refreshed or tried a second time; and
	// installations that are lost.
	events, acknowledged, unheard, again, refreshes, reused, lost int
}

// chronicled is a meeting of a customer, and everything that happened to it.
type chronicled struct {
	host    zoomtest.Login
	meeting zoomtest.Meeting
	facts   []chronicle.Fact
}

func newLoad(t *testing.T, c *crew, seed uint64, kills int) *load {
	t.Helper()
	l := &load{
		random: randv2.New(randv2.NewPCG(seed, 2)), acts: map[int][]func(context.Context) error{},
		over: make(chan struct{}), streamed: make(chan struct{}),
	}
	l.senders.SetLimit(chaosSenders)
	var all []zoomtest.Login
	people := func(kind string, n int) []zoomtest.Login {
		var some []zoomtest.Login
		for i := range n {
			some = append(some, person(fmt.Sprintf("AccChaos%s%02d", kind, i), fmt.Sprintf("uChaos%s%02d", kind, i)))
		}
		all = append(all, some...)
		return some
	}
	others := 2 + kills/chaosShare
	l.stayers, l.leavers, l.comers = people("Stays", chaosStayers), people("Leaves", others), people("Comes", others)
	l.returners, l.dropped = people("Returns", others), people("Dropped", others)
	server, err := zoomtest.NewServer(zoomtest.ServerConfig{Users: all, Scale: chaosScale})
	if err != nil {
		t.Fatal(err)
	}
	l.front = newFront(t, server)
	l.oauthApp = c.newOAuthApp(t, server, l.front.cloud, nil)
	l.retires(t)
	if l.webhooks, err = zoomtest.New(zoomtest.Config{
		Endpoint: c.door.URL + urls.Webhook(l.key.Namespace, l.key.Name), SecretToken: oauthSecretToken, ClientID: l.clientID,
		Scale: chaosZoom, Seed: seed,
		Faults: zoomtest.Faults{Duplicate: 0.1, InstantRetry: 0.05, Delay: 0.2, MaxDelay: 3 * time.Minute},
	}); err != nil {
		t.Fatal(err)
	}
	if err := l.register(v1alpha1.ManagedByUser); err != nil {
		t.Fatal(err)
	}
	for _, act := range []struct {
		people []zoomtest.Login
		does   func(context.Context, zoomtest.Login) error
	}{{l.leavers, l.leaves}, {l.comers, l.comes}, {l.returners, l.returns}, {l.dropped, l.drops}} {
		for _, p := range act.people {
			l.after(1+l.random.IntN(kills), func(ctx context.Context) error { return act.does(ctx, p) })
		}
	}
	for n := chaosRotate; n <= kills; n += chaosRotate {
		l.after(n, l.rotates)
	}
	return l
}

// after has something done after so many kills, again until there is no error.
func (l *load) after(kills int, act func(context.Context) error) {
	l.acts[kills] = append(l.acts[kills], act)
}

// happens begins with what is to happen after so many kills.
func (l *load) happens(kills int) {
	for _, act := range l.acts[kills] {
		l.busy.Go(func() { persist(act) })
	}
}

// persist does something until it has succeeded.
func persist(act func(context.Context) error) {
	for pause := handAgainAfter; system.failed.Err() == nil && act(system.failed) != nil; pause = min(2*pause, handAtLeastEvery) {
		<-time.After(pause)
	}
}

// prepare has those install the app who have it when the chaos begins.
func (l *load) prepare(t *testing.T) {
	t.Helper()
	var all errgroup.Group
	all.SetLimit(4)
	for _, p := range slices.Concat(l.stayers, l.leavers, l.returners, l.dropped) {
		all.Go(func() error { return l.consent(t.Context(), l.page(urls.Install), p.User.ID) })
	}
	if err := all.Wait(); err != nil {
		t.Fatal(err)
	}
	for _, p := range slices.Concat(l.stayers, l.leavers, l.returners, l.dropped) {
		in := l.becomes(t, l.nameFor(p), ready)
		passed(t, in.Spec.Consent.At.Time) // so that whoever removes the app does so later
	}
	for _, p := range slices.Concat(l.leavers, l.dropped) {
		l.hosts(t, p, chaosMeetings)
	}
}

// leaves removes the app at Zoom, which there is no way to do where Zoom has ended the consent
// because its token was lost.
func (l *load) leaves(ctx context.Context, p zoomtest.Login) error {
	if err := l.zoom.Remove(ctx, l.clientID, p.Account.ID, p.User.ID); err != nil {
		return nil // there is nothing to do
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.gone = append(l.gone, p.User.ID)
	return nil
}

// left says whether somebody has removed the app.
func (l *load) left(p zoomtest.Login) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Contains(l.gone, p.User.ID)
}

// comes installs the app. Once the customer was told so, their meetings are expected as well.
func (l *load) comes(ctx context.Context, p zoomtest.Login) error {
	if err := l.consent(ctx, l.page(urls.Install), p.User.ID); err != nil {
		return err
	}
	m := hostedBy(p)
	l.tells(chronicled{p, m, chronicle.Of(randv2.New(randv2.NewPCG(uint64(m.Number), 0)), m, now().Add(-chronicle.Age), guest)})
	return nil
}

// returns removes the app and installs it again, in another second, as Zoom dates both by seconds.
func (l *load) returns(ctx context.Context, p zoomtest.Login) error {
	if err := l.leaves(ctx, p); err != nil {
		return err
	}
	<-time.After(2 * time.Second)
	persist(func(ctx context.Context) error { return l.consent(ctx, l.page(urls.Install), p.User.ID) })
	// What happened before the removal is not told again, so this happens now.
	m := hostedBy(p)
	l.tells(chronicled{p, m, []chronicle.Fact{chronicle.Created(m, time.Now())}})
	return nil
}

// drops deletes an installation, as its developer does.
func (l *load) drops(ctx context.Context, p zoomtest.Login) error {
	in := &v1alpha1.ZoomInstallation{}
	in.Namespace, in.Name = l.key.Namespace, l.nameFor(p)
	return client.IgnoreNotFound(system.Client.Delete(ctx, in))
}

// rotates gives the app another secret token: first here, beside the one before, then at Zoom.
func (l *load) rotates(ctx context.Context) error {
	l.rotations.Lock()
	defer l.rotations.Unlock()
	var secret corev1.Secret
	if err := system.Client.Get(ctx, l.object("credentials"), &secret); err != nil {
		return err
	}
	before, _, _ := bytes.Cut(secret.Data["secretToken"], []byte("\n"))
	next := "another-secret-token-" + rand.Text() + mark
	secret.Data["secretToken"] = fmt.Appendf(nil, "%s\n%s", next, before)
	if err := system.Client.Update(ctx, &secret); err != nil {
		return err
	}
	l.webhooks.Regenerate(next)
	return nil
}

// hostedBy is a meeting of the customer's.
func hostedBy(p zoomtest.Login) zoomtest.Meeting {
	m := plan(p.Account.ID)
	m.Host = p.User
	return m
}

// tells has Zoom send what happened in a meeting, in any order.
func (l *load) tells(c chronicled) {
	l.mu.Lock()
	l.meetings = append(l.meetings, c)
	l.mu.Unlock()
	for _, i := range randv2.Perm(len(c.facts)) {
		l.senders.Go(func() error {
			l.webhooks.Deliver(system.failed, c.facts[i].Event)
			return nil
		})
	}
}

// stream has meetings of those who stay happen until it is calm.
func (l *load) stream() {
	random := randv2.New(randv2.NewPCG(l.random.Uint64(), 3))
	go func() {
		defer close(l.streamed)
		tick := time.NewTicker(chaosEvery)
		defer tick.Stop()
		for i := 0; ; i++ {
			p := l.stayers[i%len(l.stayers)]
			m := hostedBy(p)
			l.tells(chronicled{p, m, chronicle.Of(random, m, now().Add(-chronicle.Age), guest)})
			select {
			case <-l.over:
				return
			case <-tick.C:
			}
		}
	}()
}

// calm has nothing new happen.
func (l *load) calm() {
	close(l.over)
	<-l.streamed
}

// finish returns when everybody has done what they began, and Zoom has told everything. What Zoom
// gave up is told once more: it may have been stored without an answer, and then it is not known
// whether it has to be there.
func (l *load) finish(t *testing.T) {
	t.Helper()
	l.busy.Wait()
	_ = l.senders.Wait() // nobody returns an error
	l.webhooks.Wait()
	heard := map[string]bool{}
	events := map[string]zoomtest.Event{}
	for _, d := range l.webhooks.Deliveries() {
		body := string(d.Event.Body)
		events[body] = d.Event
		heard[body] = heard[body] || d.Acknowledged()
		switch {
		case d.Acknowledged():
			l.acknowledged++
		case d.Err != nil || d.Status == http.StatusServiceUnavailable || d.Status == http.StatusBadGateway: // the last is the test's own proxy's
			l.unheard++
		default:
			t.Errorf("%s was answered with %d", d.Event.Name, d.Status)
		}
	}
	l.events = len(events)
	for body, e := range events {
		if heard[body] {
			continue
		}
		l.again++
		if err := l.hand(system.failed, e); err != nil {
			t.Fatal(err)
		}
	}
}

// check compares with the truth.
func (l *load) check(t *testing.T) {
	t.Helper()
	l.checkMeetings(t)
	lost := map[string]bool{}
	for _, p := range l.leavers {
		if l.left(p) {
			l.deleted(t, l.nameFor(p), chaosMeetings)
		} else if l.wellOrLost(t, p) {
			t.Errorf("the app cannot be removed by %s at Zoom, and their installation says that nothing is wrong", p.User.ID)
		}
	}
	for _, p := range l.dropped {
		l.goes(t, l.nameFor(p))
		if l.zoom.Installed(l.clientID, p.Account.ID, p.User.ID) {
			t.Errorf("the installation of %s was deleted, and the app is still installed at Zoom", p.User.ID)
		}
	}
	for _, p := range slices.Concat(l.stayers, l.comers, l.returners) {
		if !l.wellOrLost(t, p) {
			lost[p.User.ID] = true
		}
	}
	l.checkTokens(t, lost)
	l.checkApp(t)
}

// checkMeetings compares every meeting with what happened to it.
func (l *load) checkMeetings(t *testing.T) {
	t.Helper()
	want := map[string]chronicle.Truth{}
	for _, c := range l.meetings {
		want[names.Meeting(l.key.Name, strconv.FormatInt(c.meeting.Number, 10))] = chronicle.Tell(c.facts)
	}
	within(t, settleWithin, func(ctx context.Context) error {
		var list v1alpha1.ZoomMeetingList
		if err := system.Client.List(ctx, &list, client.InNamespace(l.key.Namespace)); err != nil {
			return err
		}
		got := map[string]chronicle.Truth{}
		for i := range list.Items {
			if _, ours := want[list.Items[i].Name]; ours {
				got[list.Items[i].Name] = chronicle.Shown(&list.Items[i])
			}
		}
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			return fmt.Errorf("meetings (-happened +shown):\n%s", diff)
		}
		return nil
	})
}

// checkTokens checks what Zoom saw of refresh tokens. One is tried again only where the answer to
// the first time may have been lost: not before whoever may still have it has had the time to store
// it, never once its successor was used, and the installation then says that its token is lost.
// None says so without that.
func (l *load) checkTokens(t *testing.T, lost map[string]bool) {
	t.Helper()
	stats := l.zoom.Stats()
	spent := map[int]zoomtest.Refresh{}
	used, reused := map[int]bool{}, map[string]bool{}
	for _, r := range stats.Refreshes {
		if r.Outcome == zoomtest.Rotated {
			spent[r.Token] = r
		}
		if r.Outcome == zoomtest.Reused {
			l.reused++
			reused[r.UserID] = true
			first := spent[r.Token]
			if after := r.At.Sub(first.At); after < leftAlone {
				t.Errorf("a refresh token of %s was spent a second time %s after the first", r.UserID, after)
			}
			if used[first.Next] {
				t.Errorf("a refresh token of %s was spent a second time, and the one that had come of it had been used", r.UserID)
			}
		}
		used[r.Token] = true
	}
	l.refreshes, l.lost = len(spent), len(lost)
	for user := range lost {
		if !reused[user] {
			t.Errorf("the installation of %s says that its token is lost, and Zoom was never asked", user)
		}
	}
	for _, p := range l.stayers {
		if reused[p.User.ID] && !lost[p.User.ID] {
			t.Errorf("the token of %s was spent twice, and the installation does not say that it is lost", p.User.ID)
		}
	}
	if stats.MaxRefreshesInFlight > 1 {
		t.Errorf("one installation had %d refreshes in flight", stats.MaxRefreshesInFlight)
	}
	if stats.CodesSpentTwice > 0 {
		t.Errorf("%d codes were spent twice", stats.CodesSpentTwice)
	}
	if len(stats.Violations) > 0 {
		t.Errorf("Zoom refused requests: %q", stats.Violations)
	}
	if l.refreshes == 0 || l.unheard == 0 {
		t.Errorf("%d tokens were refreshed, %d attempts of Zoom's were not acknowledged, so this proves little", l.refreshes, l.unheard)
	}
}

// checkApp checks that the app itself is well again.
func (l *load) checkApp(t *testing.T) {
	t.Helper()
	if err := l.hand(system.failed, hostedBy(l.stayers[0]).Created(now())); err != nil {
		t.Fatal(err)
	}
	within(t, settleWithin, func(ctx context.Context) error {
		var app v1alpha1.ZoomApp
		if err := system.Client.Get(ctx, l.key, &app); err != nil {
			return err
		}
		for _, condition := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionEventsVerified} {
			if !meta.IsStatusConditionTrue(app.Status.Conditions, condition) {
				return fmt.Errorf("the app is not %s: %+v", condition, meta.FindStatusCondition(app.Status.Conditions, condition))
			}
		}
		return nil
	})
}

func (l *load) String() string {
	return fmt.Sprintf("%d events of %d meetings, of whose attempts %d were acknowledged and %d not, %d were told again in the end; "+
		"%d refreshes, %d tokens tried again, %d installations lost; %d customers left, %d came, %d came back, %d were dropped",
		l.events, len(l.meetings), l.acknowledged, l.unheard, l.again, l.refreshes, l.reused, l.lost,
		len(l.leavers), len(l.comers), len(l.returners), len(l.dropped))
}
