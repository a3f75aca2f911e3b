package meeting

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// Zoom is asked about a live meeting when it has been silent for twice its length, within bounds.
func TestFirstCheck(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*zoom.Meeting)
		want   time.Duration // after the start, which is the last event
	}{
		"an hour":             {func(m *zoom.Meeting) { m.Duration = new(60) }, 2 * time.Hour},
		"a short one":         {func(m *zoom.Meeting) { m.Duration = new(15) }, 2 * time.Hour},
		"a long one":          {func(m *zoom.Meeting) { m.Duration = new(150) }, 5 * time.Hour},
		"longer than a day":   {func(m *zoom.Meeting) { m.Duration = new(5000) }, 24 * time.Hour},
		"no length":           {func(*zoom.Meeting) {}, 6 * time.Hour},
		"instant, of an hour": {func(m *zoom.Meeting) { m.Duration, m.Type = new(60), new(1) }, 6 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			ev := event(zoom.EventMeetingStarted, 0, "uuid==", nil)
			tt.change(ev.Meeting)
			at, uuid, ok := NextCheck(meetingOf(ev), time.Time{})
			if got := at.Sub(t0); got != tt.want || uuid != "uuid==" || !ok {
				t.Errorf("%s after the last event, of %q, %t, want %s", got, uuid, ok, tt.want)
			}
		})
	}
	ended := meetingOf(eventAt(zoom.EventMeetingStarted, "-1h", nil), ends("0h"))
	if at, _, ok := NextCheck(ended, time.Time{}); ok {
		t.Errorf("one that has ended is asked about at %s", at)
	}
	if RecordCheck(noon, ended, CheckedLive); len(ended.Annotations) != 1 {
		t.Errorf("of one that has ended there is %v", ended.Annotations)
	}
}

// After a time in which the event of its end may have been lost for good, Zoom is asked at once,
// and once for each: a process that is killed again and again does not spend the calls of a day.
func TestCheckAfterAGap(t *testing.T) {
	m := meetingOf(eventAt(zoom.EventMeetingStarted, "0h", nil))
	next := func(what string, gaps map[string]string) {
		t.Helper()
		for gap, want := range gaps {
			if at, uuid, ok := NextCheck(m, on(gap).Time); !at.Equal(on(want).Time) || uuid != "a" || !ok {
				t.Errorf("%s and a gap until %s, Zoom is asked at %s, of %q, %t, want %s", what, gap, at, uuid, ok, on(want))
			}
		}
	}
	next("without a check", map[string]string{
		"-1h":   "6h",
		"1h24m": "6h", // what was lost then comes again
		"1h25m": "1h25m",
		"5h":    "5h",
		"7h":    "6h",
	})
	for range 3 {
		RecordCheck(on("5h").Time, m, CheckedLive) // the last of which is followed by another in 6 hours
	}
	next("after a check", map[string]string{
		"5h":    "11h",
		"6h24m": "11h",
		"6h25m": "6h25m",
		"12h":   "11h",
	})
	for range 3 {
		RecordCheck(on("5h").Time, m, CheckedToken) // which says nothing of the meeting
	}
	next("after a check that could not be made", map[string]string{
		"5h":   "29h",
		"5h1m": "5h1m",
	})
	RecordCheck(on("5h").Time, m, CheckedHost)
	if at, _, ok := NextCheck(m, on("8h").Time); ok {
		t.Errorf("a host who is gone is asked about at %s", at)
	}
}

// The backoff is in the object: the decision is made anew from it each time, as after a restart.
func TestChecksBackOff(t *testing.T) {
	m := meetingOf(eventAt(zoom.EventMeetingStarted, "-1h", nil))
	now := *on("5h")
	for i, want := range []time.Duration{15 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour, 24 * time.Hour} {
		RecordCheck(now.Time, m, CheckedScope)
		at, _, ok := NextCheck(m.DeepCopy(), time.Time{})
		if got := at.Sub(now.Time); got != want || !ok {
			t.Fatalf("check %d is followed by one after %s, %t, want %s", i+1, got, ok, want)
		}
		now = metav1.Time{Time: at}
	}
	// An event begins all anew.
	apply := func(ev *zoom.Event) {
		r := load(m)
		merge(r, ev, "installation", v1alpha1.ParticipantsCount)
		r.store(m)
	}
	apply(eventAt(zoom.EventMeetingAlert, "60h", nil))
	if at, _, _ := NextCheck(m, time.Time{}); !at.Equal(on("66h").Time) || CheckOutcome(m) != "" {
		t.Errorf("after an event Zoom is asked at %s, and the outcome before was %q", at, CheckOutcome(m))
	}
	// What was not asked for lack of budget is not asked less and less.
	for range 3 {
		RecordCheck(on("66h").Time, m, CheckedBudget)
		if at, _, _ := NextCheck(m, time.Time{}); !at.Equal(on("66h15m").Time) {
			t.Errorf("without budget it is tried again at %s", at)
		}
	}
	RecordCheck(on("67h").Time, m, CheckedHost)
	if at, _, ok := NextCheck(m, time.Time{}); ok {
		t.Errorf("a host who is gone is asked about at %s", at)
	}
	apply(ends("59h"))
	if !Compact(on("67h").Time, m, counting) || m.Annotations[checkAnnotation] != "" || Compact(on("67h").Time, m, counting) {
		t.Errorf("of one that has ended there is %v", m.Annotations)
	}
}

func TestWhatIsNoCheckIsNone(t *testing.T) {
	for _, text := range []string{"", "a", "2026-03-02T12:00:00Z 0 ReadScopeMissing a", "2026-03-02T12:00:00Z x ReadScopeMissing a", "noon 1 ReadScopeMissing a", "2026-03-02T12:00:00Z 1 a"} {
		m := meetingOf(eventAt(zoom.EventMeetingStarted, "-1h", nil))
		metav1.SetMetaDataAnnotation(&m.ObjectMeta, checkAnnotation, text)
		if got := checkOf(m); got != (check{}) {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

func TestEndOverdueSaysWhy(t *testing.T) {
	for name, tt := range map[string]struct {
		outcomes []Outcome // one each 15 minutes from 2h on
		now      string
		want     string // status and reason; empty for none
		message  string
	}{
		"not asked":              {now: "3h"},
		"not asked, for a day":   {now: "24h", want: "True NoEventForLong", message: "ask the host"},
		"no scope":               {[]Outcome{CheckedScope}, "3h", "True ReadScopeMissing", "meeting:read:past_meeting"},
		"no plan":                {[]Outcome{CheckedPlan}, "3h", "True NotInPlan", "plan"},
		"no token":               {[]Outcome{CheckedToken}, "3h", "True NoAccessToken", "token"},
		"no budget":              {[]Outcome{CheckedBudget}, "3h", "True BudgetSpent", "asked again after 2026-03-02T14:15:00Z"},
		"no host":                {[]Outcome{CheckedHost}, "3h", "True HostUnknown", "until an event"},
		"no answer":              {[]Outcome{CheckedFailed}, "3h", "True ZoomUnavailable", "no usable answer"},
		"not found once":         {[]Outcome{CheckedOnce}, "3h", "", ""},
		"not found twice":        {[]Outcome{CheckedOnce, CheckedOnce}, "3h", "True MeetingUnknown", "does not know"},
		"not found thrice":       {[]Outcome{CheckedOnce, CheckedOnce, CheckedOnce}, "3h", "True MeetingUnknown", "does not know"},
		"found in between":       {[]Outcome{CheckedOnce, CheckedLive, CheckedOnce}, "3h", "", ""},
		"live":                   {[]Outcome{CheckedLive}, "3h", "", ""},
		"live, for another day":  {[]Outcome{CheckedLive}, "26h", "True NoEventForLong", "ask the host"},
		"live, after an outcome": {[]Outcome{CheckedFailed, CheckedLive}, "3h", "False ConfirmedLive", "2026-03-02T14:15:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			m := meetingOf(eventAt(zoom.EventMeetingStarted, "0h", nil))
			for i, outcome := range tt.outcomes {
				at := on("2h").Add(time.Duration(i) * 15 * time.Minute)
				RecordCheck(at, m, outcome)
				m.Status = Status(at, m, counting)
			}
			m.Status = Status(on(tt.now).Time, m, counting)
			if m.Status.State != v1alpha1.MeetingLive {
				t.Errorf("the state is %s", m.Status.State)
			}
			got, message := "", ""
			if c := meta.FindStatusCondition(m.Status.Conditions, v1alpha1.ConditionEndOverdue); c != nil {
				got, message = string(c.Status)+" "+c.Reason, c.Message
			}
			if diff := cmp.Diff(tt.want, got); diff != "" || !strings.Contains(message, tt.message) {
				t.Errorf("%s\n%s", diff, message)
			}
			if len(message) > 250 {
				t.Errorf("the message has %d bytes, for which there is no room: %s", len(message), message)
			}
		})
	}
}

// A meeting that goes on for days without an event is kept as long as Zoom says that it does.
func TestAConfirmedMeetingIsKept(t *testing.T) {
	m := meetingOf(eventAt(zoom.EventMeetingStarted, "0h", nil))
	short := counting
	short.Keep = time.Hour
	if at, over := Expiry(on("40h").Time, m, short); !over || at.After(on("40h").Time) {
		t.Errorf("one of which nothing is known is kept until %s, %t", at, over)
	}
	RecordCheck(on("39h").Time, m, CheckedLive)
	if at, over := Expiry(on("40h").Time, m, short); over {
		t.Errorf("one that Zoom says to be live is kept until %s", at)
	}
	if at, ok := NextChange(on("40h").Time, m, short); !ok || !at.Equal(on("63h").Time) {
		t.Errorf("it is looked at again at %s, %t", at, ok)
	}
}
