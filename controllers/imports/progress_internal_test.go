package imports

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/installation"
)

var (
	noon    = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	zoomApp = &v1alpha1.ZoomApp{}
)

// ordered are users in the order in which they are read.
func ordered(n int) (users []string) {
	for i := range n {
		users = append(users, fmt.Sprint("user", i))
	}
	slices.SortFunc(users, func(a, b string) int { return strings.Compare(keyOf(a), keyOf(b)) })
	return users
}

// recorded is what another process goes on with.
func (p *progress) recordedAs(t *testing.T) *progress {
	t.Helper()
	in := &v1alpha1.ZoomInstallation{Spec: v1alpha1.ZoomInstallationSpec{AccountID: "a", Consent: &v1alpha1.Consent{At: p.consent}}}
	installation.SetImport(in, p.result(zoomApp, v1alpha1.ReasonImporting))
	i := installation.ImportOf(zoomApp, in)
	if i == nil {
		t.Fatalf("%v is recorded", in.Annotations)
	}
	return resume(p.consent, i)
}

// Who is done, who waits and who joins is known to another process as well, whenever it begins.
func TestProgressIsResumed(t *testing.T) {
	all := ordered(7)
	listed := func(users []string) *progress {
		p := &progress{consent: metav1.NewTime(noon), recorded: -1, users: slices.Clone(users)}
		p.allListed()
		return p
	}
	p := listed(all[:6])
	p.putAside(noon)
	p.goOn()
	p.putAside(noon)
	p.goOn()
	again := p.recordedAs(t)
	again.users = slices.Clone(all[:6])
	again.allListed()
	if !slices.Equal(again.aside, []string{all[0], all[2]}) || !slices.Equal(again.users, all[4:6]) || again.done() != 2 {
		t.Errorf("before the end there are %q, and aside %q", again.users, again.aside)
	}
	again.goOn()
	again.goOn()
	at, ok := again.roundAt(noon)
	if !ok || !at.Equal(noon.Add(asideFor)) {
		t.Fatalf("they are tried again at %s, %t", at, ok)
	}
	waiting := again.recordedAs(t)
	if !waiting.next.Equal(at) {
		t.Errorf("another process tries them at %s, want %s", waiting.next, at)
	}
	waiting.users = slices.Clone(all) // one has joined
	waiting.allListed()
	if !slices.Equal(waiting.aside, []string{all[0], all[2]}) || !slices.Equal(waiting.users, all[6:]) {
		t.Errorf("while they wait there are %q, and aside %q", waiting.users, waiting.aside)
	}
	if at, ok := waiting.roundAt(at); !ok || !at.IsZero() || !slices.Equal(waiting.users, []string{all[6], all[0], all[2]}) {
		t.Errorf("in their time %q are read, at %s", waiting.users, at)
	}
	waiting.goOn()
	waiting.goOn()
	inRound := waiting.recordedAs(t)
	inRound.users = slices.Clone(all)
	inRound.allListed()
	if !slices.Contains(inRound.users, all[2]) || slices.Contains(inRound.users, all[0]) || len(inRound.aside) > 0 || inRound.rounds != 1 || inRound.unread != 0 {
		t.Errorf("in a round there are %q, aside %q, after %d rounds", inRound.users, inRound.aside, inRound.rounds)
	}
}

// The pauses double, and come to an end; who is given up does not count as done.
func TestUsersAreGivenUp(t *testing.T) {
	p := &progress{consent: metav1.NewTime(noon), recorded: -1, users: ordered(2)}
	p.allListed()
	p.putAside(noon)
	p.goOn()
	now := noon
	for n := range maxRounds {
		at, ok := p.roundAt(now)
		if want := asideFor << n; !ok || at.Sub(now) != want {
			t.Fatalf("round %d comes after %s, %t, want %s", n, at.Sub(now), ok, want)
		}
		now = at
		if at, ok := p.roundAt(now); !ok || !at.IsZero() || len(p.users) != 1 {
			t.Fatalf("round %d does not begin: %s, %q", n, at, p.users)
		}
		p.putAside(now)
	}
	if at, ok := p.roundAt(now); ok || p.unread != 1 || p.done() != 1 {
		t.Errorf("in the end, %s: %d were given up, and %d read", at, p.unread, p.done())
	}
	if took := now.Sub(noon); took < 10*time.Hour || took > 12*time.Hour {
		t.Errorf("it took %s", took)
	}
}

// After three in a row no more than one is put aside in five minutes; of more than can be kept, the
// rest is given up.
func TestHowManyArePutAside(t *testing.T) {
	p := &progress{consent: metav1.NewTime(noon), recorded: -1, users: ordered(maxAside + 5)}
	p.allListed()
	now := noon
	for n := range maxAside + 2 {
		if p.mayPutAside(now) != (n < maxFailed) {
			t.Fatalf("after %d one may be put aside at once: %t", n, n >= maxFailed)
		}
		if n >= maxFailed {
			now = now.Add(asideFor)
		}
		if !p.mayPutAside(now) {
			t.Fatalf("after %d and a pause none may be put aside", n)
		}
		p.putAside(now)
	}
	if len(p.aside) != maxAside || p.unread != 2 || p.done() != 0 {
		t.Errorf("%d are aside, %d given up, %d done", len(p.aside), p.unread, p.done())
	}
	again := p.recordedAs(t)
	again.users = ordered(maxAside + 5)
	if again.allListed(); len(again.aside) != maxAside || again.unread != 2 || len(again.users) != 3 {
		t.Errorf("another process has %d aside, %d given up, %d left", len(again.aside), again.unread, len(again.users))
	}
	p.goOn()
	if !p.mayPutAside(now) {
		t.Error("one who can be read says nothing of Zoom")
	}
}
