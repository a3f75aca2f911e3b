package e2e

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// TestInstallationsSurviveCrashes has one operator that is killed.
func TestInstallationsSurviveCrashes(t *testing.T) {
	g := newGate(t)
	c := hire(t, 1, "--leader-elect=false", "--kubeconfig="+g.kubeconfig)
	c.gate = g
	for _, s := range []scenario{exchange, removal, revocation, refresh} {
		t.Run(s.name, func(t *testing.T) { s.sweep(t, c) })
	}
	t.Run("a removal in the middle", c.interruptedRemoval)
	t.Run("at random", c.atRandom)
	t.Run("a token whose consent is lost", c.orphansGo)
	t.Run("privacy", c.nothingOfTokensElsewhere)
}

// scenario is something that takes several steps, in the midst of which the operator is killed.
type scenario struct {
	name string
	// prepare makes what it begins with.
	prepare func(*testing.T, *victim)
	// begin makes the operator take the steps. Whoever does it may learn that it did not work.
	begin func(context.Context, *victim) error
	// over returns an error until the last step is done.
	over func(context.Context, *victim) error
	// check checks what is there after the operator has started again.
	check func(*testing.T, *victim)
}

// crash is when the operator is killed.
type crash struct {
	step  string
	after bool
}

func (c crash) String() string {
	if c.after {
		return "after " + c.step
	}
	return "before " + c.step
}

// victim is an app with one customer, at one step of whose affairs the operator is killed.
type victim struct {
	*oauthApp
	brink *brink
	where crash
	began error // is what came of begin
}

// atOnce is how many victims one kill has at most: each may keep one of the operator's eight
// workers busy.
const atOnce = 6

// restart kills the operator and starts another one.
func (c *crew) restart(t *testing.T) {
	t.Helper()
	for _, o := range c.service.operators() {
		c.crash(o)
	}
	c.start(t)
}

// meetingsOfVictim is how many meetings there are to be deleted with an installation.
const meetingsOfVictim = 2

// sweepTries is how often a crash is tried that did not happen: what runs beside it may make the
// operator take another way.
const sweepTries = 5

// undisturbedRuns is how often it is watched which steps are taken. One that is not taken each
// time is tried once.
const undisturbedRuns = 3

// always says whether a step that so many of the undisturbed runs took is taken in every run. How
// often a status is written depends on what the caches have meanwhile; what is written elsewhere,
// and what Zoom is asked, does not.
func always(step string, runs int) bool {
	return runs == undisturbedRuns && !strings.Contains(step, "/status ")
}

// sweep finds out of which steps a scenario consists, and then kills the operator before and after
// each of them, one installation being at each step.
func (s scenario) sweep(t *testing.T, c *crew) {
	t.Helper()
	server, err := zoomtest.NewServer(zoomtest.ServerConfig{Users: []zoomtest.Login{ana}})
	if err != nil {
		t.Fatal(err)
	}
	undisturbed := s.crowd(t, c, server, make([]crash, undisturbedRuns))
	s.run(t, undisturbed).Wait()
	taken := map[string]int{}
	var due []crash
	for _, v := range undisturbed {
		for _, step := range v.brink.seen() {
			if taken[step]++; taken[step] == 1 {
				due = append(due, crash{step, false}, crash{step, true})
			}
		}
		s.check(t, v)
	}
	t.Logf("%d steps: %v", len(taken), taken)

	for try := 0; try < sweepTries && len(due) > 0; try++ {
		var missed []crash
		for _, v := range s.kill(t, c, server, due) {
			if held, slipped := v.brink.outcome(); (!held || slipped) && always(v.where.step, taken[v.where.step]) {
				missed = append(missed, v.where)
			}
			s.check(t, v)
		}
		t.Logf("%d attempts, of which %d have to be made again", len(due), len(missed))
		due = missed
	}
	if len(due) > 0 {
		t.Errorf("nobody was killed %s, in %d attempts", due, sweepTries)
	}
}

// kill kills the operator at each of these steps, and returns whom it hit.
func (s scenario) kill(t *testing.T, c *crew, server *zoomtest.Server, due []crash) (all []*victim) {
	t.Helper()
	for some := range slices.Chunk(due, atOnce) {
		crowd := s.crowd(t, c, server, some)
		begun := s.run(t, crowd)
		for _, v := range crowd {
			v.brink.kill()
		}
		c.restart(t)
		begun.Wait()
		all = append(all, crowd...)
	}
	return all
}

// crowd prepares a victim for each of these crashes. Access tokens are shared, which takes a few
// steps more.
func (s scenario) crowd(t *testing.T, c *crew, server *zoomtest.Server, due []crash) []*victim {
	t.Helper()
	crowd := make([]*victim, len(due))
	for i, where := range due {
		v := &victim{brink: &brink{}, where: where}
		v.oauthApp = c.newOAuthApp(t, server, zoomOnTheBrink(t, v.brink, server), func(spec *v1alpha1.ZoomAppSpec) {
			spec.AccessTokens = v1alpha1.AccessTokensShared
		})
		c.gate.lead(v.key.Namespace, v.brink)
		crowd[i] = v
	}
	t.Run("prepare", func(t *testing.T) {
		for _, v := range crowd {
			t.Run(v.where.String(), func(t *testing.T) {
				t.Parallel()
				s.prepare(t, v)
			})
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	for _, v := range crowd {
		v.brink.arm(v.where.step, v.where.after)
	}
	return crowd
}

// run begins with all of a crowd, and returns when each is held at its step or has come through.
// What began may still wait for an answer.
func (s scenario) run(t *testing.T, crowd []*victim) *sync.WaitGroup {
	t.Helper()
	begun := &sync.WaitGroup{}
	for _, v := range crowd {
		begun.Go(func() { v.began = s.begin(t.Context(), v) })
	}
	within(t, settleWithin, func(ctx context.Context) error {
		for _, v := range crowd {
			if held, _ := v.brink.outcome(); held {
				continue
			}
			if err := s.over(ctx, v); err != nil {
				return fmt.Errorf("not killed yet %s: %w; steps so far: %q", v.where, err, v.brink.seen())
			}
		}
		return nil
	})
	return begun
}

// kill says that the operator is killed now.
func (b *brink) kill() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.killed = true
}

func (b *brink) outcome() (held, slipped bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held, b.slipped
}

// name is the installation's.
func (v *victim) name() string { return v.nameFor(ana) }

func (v *victim) prepared(t *testing.T) {
	t.Helper()
	v.install(t, ana)
	v.hosts(t, ana, meetingsOfVictim)
}

// reinstalls checks that a new consent puts everything right.
func (v *victim) reinstalls(t *testing.T) {
	t.Helper()
	v.known(t)
	if in, err := v.installation(t.Context(), v.name()); err != nil {
		t.Fatal(err)
	} else if in != nil && in.Spec.Consent != nil {
		passed(t, in.Spec.Consent.At.Time) // of two consents in one second nobody sees the second
	}
	in := v.install(t, ana)
	v.healthy(t, in)
	within(t, settleWithin, func(ctx context.Context) error { return v.shares(ctx, in) })
}

// unspent checks that no refresh token was tried to be spent twice.
func (v *victim) unspent(t *testing.T) {
	t.Helper()
	if n := v.reused(); n > 0 {
		t.Errorf("killed %s: %d spent tokens were tried", v.where, n)
	}
}

var exchange = scenario{
	name:    "exchange",
	prepare: func(*testing.T, *victim) {},
	begin: func(ctx context.Context, v *victim) error {
		return v.consent(ctx, v.page(urls.Install), ana.User.ID)
	},
	over: func(ctx context.Context, v *victim) error {
		_, err := v.is(ctx, v.name(), ready)
		return err
	},
	check: func(t *testing.T, v *victim) {
		t.Helper()
		// The installation is there and works, or nothing pretends that it does.
		within(t, recoverWithin, func(ctx context.Context) error {
			in, err := v.installation(ctx, v.name())
			switch {
			case err != nil:
				return err
			case v.began == nil && (in == nil || in.Spec.Consent == nil):
				return fmt.Errorf("killed %s: the customer was told that the app is installed, and it is not", v.where)
			case in == nil:
				return nil
			case in.Spec.Consent == nil:
				// Nobody has to wait until it is certain that the consent does not come any more.
				if _, err = v.is(ctx, v.name(), "Unknown Installing"); err != nil {
					_, err = v.is(ctx, v.name(), "False NeverAuthorized")
				}
				return err
			}
			if _, err = v.is(ctx, v.name(), ready); err != nil {
				return err
			}
			return v.works(ctx, in)
		})
		v.unspent(t)
		in, err := v.installation(t.Context(), v.name())
		secrets, errSecrets := v.secrets(t.Context())
		if err := errors.Join(err, errSecrets); err != nil {
			t.Fatal(err)
		}
		if in != nil && in.Spec.Consent == nil && len(secrets) > 0 {
			v.crew.orphans = append(v.crew.orphans, v)
			return
		}
		v.reinstalls(t)
	},
}

var removal = scenario{
	name: "removal",
	prepare: func(t *testing.T, v *victim) {
		t.Helper()
		v.prepared(t)
		in, err := v.installation(t.Context(), v.name())
		if err != nil {
			t.Fatal(err)
		}
		passed(t, in.Spec.Consent.At.Time)
	},
	begin: func(ctx context.Context, v *victim) error {
		return v.zoom.Remove(ctx, v.clientID, ana.Account.ID, ana.User.ID)
	},
	over: func(ctx context.Context, v *victim) error {
		in, err := v.is(ctx, v.name(), "False Deauthorized")
		if err != nil {
			return err
		}
		if in.Status.DataDeletion == nil || in.Status.DataDeletion.At == nil {
			return errors.New("the data is not deleted")
		}
		return nil
	},
	check: func(t *testing.T, v *victim) {
		t.Helper()
		v.deleted(t, v.name(), meetingsOfVictim)
		if err := v.empty(t.Context()); err != nil {
			t.Error(err)
		}
		v.unspent(t)
		v.reinstalls(t)
	},
}

var revocation = scenario{
	name: "revocation",
	prepare: func(t *testing.T, v *victim) {
		t.Helper()
		v.prepared(t)
	},
	begin: func(ctx context.Context, v *victim) error {
		in, err := v.installation(ctx, v.name())
		if err != nil {
			return err
		}
		return system.Client.Delete(ctx, in)
	},
	over: func(ctx context.Context, v *victim) error {
		in, err := v.installation(ctx, v.name())
		if err == nil && in != nil {
			err = errors.New("it is still there")
		}
		return err
	},
	check: func(t *testing.T, v *victim) {
		t.Helper()
		v.goes(t, v.name())
		if err := v.empty(t.Context()); err != nil {
			t.Error(err)
		}
		if v.zoom.Installed(v.clientID, ana.Account.ID, ana.User.ID) {
			t.Errorf("killed %s: the app is still installed at Zoom", v.where)
		}
		v.unspent(t)
		v.reinstalls(t)
	},
}

var refresh = scenario{
	name: "refresh",
	prepare: func(t *testing.T, v *victim) {
		t.Helper()
		in := v.install(t, ana)
		passed(t, in.Status.Token.RefreshedAt.Time) // so that the status tells the next token from this one
		v.makeDue(t, in)
	},
	// Whatever changes in the app makes its installations be looked at.
	begin: func(ctx context.Context, v *victim) error {
		app := &v1alpha1.ZoomApp{}
		if err := system.Client.Get(ctx, v.key, app); err != nil {
			return err
		}
		before := app.DeepCopy()
		app.Spec.MaxEventAgeSeconds++
		return system.Client.Patch(ctx, app, client.MergeFrom(before))
	},
	over: func(ctx context.Context, v *victim) error { return v.refreshed(ctx) },
	check: func(t *testing.T, v *victim) {
		t.Helper()
		within(t, recoverWithin, v.refreshed)
		in, err := v.installation(t.Context(), v.name())
		if err != nil {
			t.Fatal(err)
		}
		reused := v.reused()
		switch got := verdict(in, v1alpha1.ConditionReady); {
		case got == ready && reused == 0:
			v.healthy(t, in)
			within(t, settleWithin, func(ctx context.Context) error { return v.shares(ctx, in) })
		case got == "False RefreshLost" && reused == 1:
			t.Logf("killed %s: the token is lost, and the installation says so", v.where)
		default:
			t.Errorf("killed %s: the installation is %q, and %d spent tokens were tried", v.where, got, reused)
		}
		v.reinstalls(t)
	},
}

// consentGrace is how long a token is kept whose consent may still come.
const consentGrace = 2 * time.Minute

// orphansGo checks that the tokens go that were stored when the operator was killed before their
// consents were. They are in no hurry, so all other crashes have gone first.
func (c *crew) orphansGo(t *testing.T) {
	if len(c.orphans) == 0 {
		t.Error("no token is without its consent, so there is nothing to look at")
	}
	for _, v := range c.orphans {
		within(t, consentGrace+recoverWithin, v.empty)
	}
}

// makeDue makes it unknown when the token was issued, so that it is refreshed as soon as the
// installation is looked at.
func (a *oauthApp) makeDue(t *testing.T, in *v1alpha1.ZoomInstallation) {
	t.Helper()
	stored, err := tokens.Load(t.Context(), system.Client, in)
	if err != nil {
		t.Fatal(err)
	}
	stored.IssuedAt = time.Time{}
	if err := tokens.Save(t.Context(), system.Client, in, stored.Token, nil); err != nil {
		t.Fatal(err)
	}
}

// refreshed returns an error until a token that was due has been refreshed, or given up, and the
// status says so.
func (v *victim) refreshed(ctx context.Context) error {
	in, err := v.installation(ctx, v.name())
	if err != nil {
		return err
	}
	stored, err := tokens.Load(ctx, system.Client, in)
	switch got := verdict(in, v1alpha1.ConditionReady); {
	case err != nil:
		return err
	case stored == nil:
		return errors.New("there is no token")
	case stored.Refusal == tokens.RefusedLost && got == "False RefreshLost":
		return nil
	case stored.Refusal == "" && !stored.IssuedAt.IsZero() && stored.RefreshStartedAt.IsZero() && got == ready &&
		in.Status.Token != nil && in.Status.Token.RefreshedAt != nil && in.Status.Token.RefreshedAt.Time.Equal(stored.IssuedAt.Truncate(time.Second)):
		return nil
	default:
		return fmt.Errorf("the installation is %q, with refusal %q, and began to be refreshed at %v", got, stored.Refusal, stored.RefreshStartedAt)
	}
}

// reused counts the attempts to spend a token of the app's a second time.
func (a *oauthApp) reused() int {
	var n int
	for _, r := range a.zoom.Stats().Refreshes {
		if r.ClientID == a.clientID && r.Outcome == zoomtest.Reused {
			n++
		}
	}
	return n
}
