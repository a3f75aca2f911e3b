package budget

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
)

var (
	noon   = time.Date(2026, time.March, 2, 12, 0, 0, 0, time.UTC)
	app    = types.NamespacedName{Namespace: "team", Name: "groups"}
	other  = types.NamespacedName{Namespace: "other", Name: "groups"}
	limits = Limits{PerSecond: 1, PerDay: 200}
)

// patience is how long a call may wait for those before it.
const patience = 2 * time.Second

// until is when a call may be made that is refused now.
func until(t *testing.T, err error) time.Time {
	t.Helper()
	spent, ok := errors.AsType[*SpentError](err)
	if !ok {
		t.Fatalf("the error is %v", err)
	}
	return spent.Until
}

// However calls come, no account gets more than a second's calls within any second, nor a day's on
// any day, and one that is patient gets all of those.
func TestNoAccountIsOverItsBudget(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := Limits{PerSecond: rapid.IntRange(1, 10).Draw(t, "per second"), PerDay: rapid.IntRange(1, 300).Draw(t, "per day")}
		var calls Calls
		made := map[string][]time.Time{}
		now := noon
		for range rapid.IntRange(1, 800).Draw(t, "calls") {
			now = now.Add(time.Duration(rapid.SampledFrom([]int{0, 1, 10, 100, 900, 1000, 60_000, 3_600_000}).Draw(t, "later")) * time.Millisecond)
			id := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "account")
			wait, err := calls.Take(now, app, id, l, patience)
			switch spent, ok := errors.AsType[*SpentError](err); {
			case err == nil:
				if wait < 0 || wait > patience {
					t.Fatalf("a call waits for %s", wait)
				}
				made[id] = append(made[id], now.Add(wait))
			case !ok || !spent.Until.After(now):
				t.Fatalf("at %s: %v", now, err)
			}
		}
		for id, times := range made {
			days := map[string]int{}
			for i, at := range times {
				if j := i + l.PerSecond; j < len(times) && times[j].Sub(at) < time.Second-time.Millisecond {
					t.Fatalf("account %s: calls %d to %d are within %s", id, i, j, times[j].Sub(at))
				}
				days[at.Format(time.DateOnly)]++
			}
			for day, n := range days {
				// Those that waited over midnight come on top.
				if n > l.PerDay+int(patience/time.Second)*l.PerSecond {
					t.Fatalf("account %s: %d calls on %s, of %d", id, n, day, l.PerDay)
				}
			}
		}
	})
}

func TestADaysCallsAreSpent(t *testing.T) {
	t.Parallel()
	var calls Calls
	now := noon
	for i := range 200 {
		if wait, err := calls.Take(now, app, "a", limits, patience); err != nil || wait != 0 {
			t.Fatalf("call %d: %s, %v", i, wait, err)
		}
		now = now.Add(time.Second)
	}
	_, err := calls.Take(now, app, "a", limits, patience)
	if at := until(t, err); !at.Equal(noon.Add(12 * time.Hour)) {
		t.Errorf("spent until %s", at)
	}
	for what, key := range map[string]account{"another account": {app, "b"}, "another app": {other, "a"}} {
		if _, err := calls.Take(now, key.app, key.id, limits, patience); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := calls.Take(now, app, "a", Limits{PerSecond: 1, PerDay: 201}, patience); err != nil {
		t.Errorf("with a larger budget: %v", err)
	}
	if _, err := calls.Take(noon.Add(12*time.Hour), app, "a", limits, patience); err != nil {
		t.Errorf("on the next day: %v", err)
	}
	if n := len(calls.accounts); n != 1 {
		t.Errorf("%d accounts are remembered, want the one that called today", n)
	}
}

func TestCallsInARowWait(t *testing.T) {
	t.Parallel()
	var calls Calls
	for i := range 3 {
		if wait, err := calls.Take(noon, app, "a", limits, patience); err != nil || wait != time.Duration(i)*time.Second {
			t.Errorf("call %d waits for %s, %v", i, wait, err)
		}
	}
	_, err := calls.Take(noon, app, "a", limits, patience)
	if at := until(t, err); !at.Equal(noon.Add(3 * time.Second)) {
		t.Errorf("the fourth is to come at %s", at)
	}
	if wait, err := calls.Take(noon.Add(3*time.Second), app, "a", limits, patience); err != nil || wait != 0 {
		t.Errorf("at that time: %s, %v", wait, err)
	}
}

func TestZoomsOwnLimitIsWaitedFor(t *testing.T) {
	t.Parallel()
	var calls Calls
	tomorrow := noon.Add(20 * time.Hour)
	calls.Pause(noon, tomorrow, app, "a")
	calls.Pause(noon, noon.Add(time.Second), app, "a") // a shorter one shortens nothing
	for _, now := range []time.Time{noon, noon.Add(13 * time.Hour), tomorrow.Add(-1)} {
		_, err := calls.Take(now, app, "a", limits, patience)
		if at := until(t, err); !at.Equal(tomorrow) {
			t.Errorf("at %s: until %s", now, at)
		}
	}
	if _, err := calls.Take(noon, app, "b", limits, patience); err != nil {
		t.Errorf("another account: %v", err)
	}
	if _, err := calls.Take(tomorrow, app, "a", limits, patience); err != nil {
		t.Errorf("when Zoom wants calls again: %v", err)
	}
}

// Zoom disables apps of which too much fails, whatever account it is for.
func TestAnAppWhoseCallsFailStops(t *testing.T) {
	t.Parallel()
	var calls Calls
	for i := range maxFailures {
		if _, err := calls.Take(noon, app, fmt.Sprint(i), limits, patience); err != nil {
			t.Fatalf("call %d: %v", i, err)
		}
		calls.Failed(noon, app, fmt.Sprint(i))
	}
	_, err := calls.Take(noon, app, "another", limits, patience)
	again := until(t, err)
	if again.Before(noon.Add(time.Hour/maxFailures)) || again.After(noon.Add(time.Minute)) {
		t.Errorf("spent until %s", again)
	}
	if _, err := calls.Take(noon, other, "another", limits, patience); err != nil {
		t.Errorf("another app: %v", err)
	}
	if _, err := calls.Take(again, app, "another", limits, patience); err != nil {
		t.Errorf("then: %v", err)
	}
	calls.Forget(app)
	if len(calls.accounts) != 1 || len(calls.failures) != 0 {
		t.Errorf("of an app that is gone there is %v and %v", calls.accounts, calls.failures)
	}
}

// Nor does an account whose calls fail stop the others of its app.
func TestAnAccountWhoseCallsFailStopsAlone(t *testing.T) {
	t.Parallel()
	var calls Calls
	for i := range maxAccountFailures {
		if until := calls.spent(noon, app, "failing", limits); !until.IsZero() {
			t.Fatalf("after %d failures spent until %s", i, until)
		}
		calls.Failed(noon, app, "failing")
	}
	again := calls.spent(noon, app, "failing", limits)
	if again.Before(noon.Add(time.Minute)) || again.After(noon.Add(3*time.Minute)) {
		t.Errorf("spent until %s", again)
	}
	if _, err := calls.Take(noon, app, "failing", limits, patience); !until(t, err).Equal(again) {
		t.Errorf("a call: %v", err)
	}
	if _, err := calls.Take(noon, app, "another", limits, patience); err != nil {
		t.Errorf("another account: %v", err)
	}
	if until := calls.spent(noon.Add(24*time.Hour), app, "failing", limits); !until.IsZero() || len(calls.failures) != 0 {
		t.Errorf("a day later spent until %s, with %d kept", until, len(calls.failures))
	}
}
