package meeting

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/messages"
	"github.com/zoom-operator/zoom-operator/zoom"
)

const (
	// checkAnnotation is when Zoom was last asked whether the live instance is over, how often
	// since the latest event, and what came of it.
	checkAnnotation = "internal.zoom-operator.io/end-check"
	// shortestPatience is how long a live meeting goes without an event, at least, before Zoom is
	// asked whether it is over.
	shortestPatience = 2 * time.Hour
	// instantPatience is the same of one whose length is not planned.
	instantPatience = 6 * time.Hour
	// checksApart is how far apart the two checks are, at least, after which a meeting that Zoom
	// does not know counts as unknown.
	checksApart = 10 * time.Minute
)

// backoff is how long after each check the next one is made; the last one holds for all later ones.
var backoff = []time.Duration{15 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour}

// Outcome is what came of asking Zoom about a live meeting that is still live afterwards.
type Outcome string

// The outcomes. Most are reasons of condition EndOverdue.
const (
	// CheckedLive means that Zoom said that the instance is being held.
	CheckedLive Outcome = v1alpha1.ReasonConfirmedLive
	// CheckedOnce means that Zoom did not know the meeting, which may pass.
	CheckedOnce Outcome = "NotFoundOnce"
	// CheckedUnknown means that Zoom did not know the meeting a second time.
	CheckedUnknown Outcome = v1alpha1.ReasonMeetingUnknown
	// CheckedScope means that the consent lacks the scopes.
	CheckedScope Outcome = v1alpha1.ReasonReadScopeMissing
	// CheckedPlan means that the account's plan does not allow it.
	CheckedPlan Outcome = v1alpha1.ReasonNotInPlan
	// CheckedToken means that there is no access token that Zoom takes.
	CheckedToken Outcome = v1alpha1.ReasonNoAccessToken
	// CheckedBudget means that Zoom could not be asked because of a limit.
	CheckedBudget Outcome = v1alpha1.ReasonBudgetSpent
	// CheckedHost means that Zoom does not show the host to the app.
	CheckedHost Outcome = v1alpha1.ReasonHostUnknown
	// CheckedFailed means that there was no usable answer.
	CheckedFailed Outcome = v1alpha1.ReasonZoomUnavailable
)

// obstacles are what the condition says of the outcomes for which Zoom could not tell more.
var obstacles = map[Outcome]string{
	CheckedUnknown: "does not know the meeting any more",
	CheckedScope:   "does not let the app ask, for the consent lacks the scope meeting:read:past_meeting",
	CheckedPlan:    "does not let the app ask, for the account's plan or the user's role has no such right",
	CheckedToken:   "could not be asked, for there is no valid access token",
	CheckedBudget:  "could not be asked, for the limit of calls is reached",
	CheckedHost:    "does not show the host to the app any more",
	CheckedFailed:  "gave no usable answer",
}

// check is the latest time that Zoom was asked about the live instance of a meeting.
type check struct {
	// At is when, by the clock here; zero when it never was.
	At time.Time
	// Times is how often in a row, since the latest event.
	Times int
	// Outcome is what came of it.
	Outcome Outcome
	// UUID is that of the instance.
	UUID string
}

// checkOf reads the annotation. What cannot be read counts as never asked.
func checkOf(m *v1alpha1.ZoomMeeting) check {
	parts := strings.SplitN(m.Annotations[checkAnnotation], " ", 4)
	if len(parts) != 4 {
		return check{}
	}
	at, errAt := time.Parse(time.RFC3339, parts[0])
	times, errTimes := strconv.Atoi(parts[1])
	if errAt != nil || errTimes != nil || times < 1 {
		return check{}
	}
	return check{At: at, Times: times, Outcome: Outcome(parts[2]), UUID: parts[3]}
}

// RecordCheck keeps in a meeting that Zoom was asked about its live instance, and what came of it.
// A meeting that is not live any more has nothing to keep.
func RecordCheck(now time.Time, m *v1alpha1.ZoomMeeting, outcome Outcome) {
	f := factsOf(load(m))
	if f.live == nil {
		dropCheck(m, f)
		return
	}
	before := f.since(checkOf(m))
	times := min(before.Times+1, len(backoff))
	if outcome == CheckedBudget { // Zoom was not asked
		times = max(before.Times, 1)
	}
	if outcome == CheckedOnce && (before.Outcome == CheckedUnknown || before.Outcome == CheckedOnce && now.Sub(before.At) >= checksApart) {
		outcome = CheckedUnknown
	}
	metav1.SetMetaDataAnnotation(&m.ObjectMeta, checkAnnotation, strings.Join([]string{
		now.UTC().Format(time.RFC3339), strconv.Itoa(times), string(outcome), f.live.UUID,
	}, " "))
}

// NextCheck is when Zoom is to be asked whether the live instance of a meeting is over, and the
// uuid of that instance; not ok when it is not to be asked. The gap is when a time ended in which
// events may have been lost, the latest: it is asked then of what was neither heard of nor asked
// about for so long before that Zoom would have given up the event of its end.
func NextCheck(m *v1alpha1.ZoomMeeting, gap time.Time) (at time.Time, uuid string, ok bool) {
	r := load(m)
	f := factsOf(r)
	if f.live == nil {
		return time.Time{}, "", false
	}
	at, known := f.heard.Add(patience(r)), f.heard
	c := f.since(checkOf(m))
	if c.Times > 0 {
		at = c.next()
		switch c.Outcome {
		case CheckedHost:
			return time.Time{}, f.live.UUID, false
		case CheckedToken, CheckedBudget: // Zoom was not asked
		default:
			known = c.At
		}
	}
	if gap.After(c.At) && gap.Before(at) && !gap.Before(known.Add(zoom.GivenUpAfter)) {
		at = gap
	}
	return at, f.live.UUID, true
}

// InstancesChanged reports whether instances came or ended between two versions of a meeting, so
// that another one may be live: without reading the merge state, for it is asked with every event.
// Of an instance that Zoom, when it was asked, said to be over, every event may make a live one
// again.
func InstancesChanged(before, after *v1alpha1.ZoomMeeting) bool {
	if !equality.Semantic.DeepEqual(before.Spec.Removal, after.Spec.Removal) {
		return true
	}
	return !slices.EqualFunc(before.Spec.Instances, after.Spec.Instances, func(a, b v1alpha1.MeetingInstance) bool {
		return a.UUID == b.UUID && a.EndedAt.Equal(b.EndedAt) && a.EndedBefore == nil && b.EndedBefore == nil
	})
}

// CheckedChanged reports whether another check was recorded between two versions of a meeting.
func CheckedChanged(before, after *v1alpha1.ZoomMeeting) bool {
	return before.Annotations[checkAnnotation] != after.Annotations[checkAnnotation]
}

// CheckOutcome is what came of the latest check of the instance that is live; empty when there was
// none since the latest event.
func CheckOutcome(m *v1alpha1.ZoomMeeting) Outcome {
	f := factsOf(load(m))
	return f.since(checkOf(m)).Outcome
}

// next is when the check after this one is made.
func (c check) next() time.Time {
	return c.At.Add(backoff[min(c.Times, len(backoff))-1])
}

// patience is how long a live meeting goes without an event until Zoom is asked: twice its planned
// length.
func patience(r *record) time.Duration {
	s := r.Schedule
	if s == nil || s.DurationMinutes == nil || s.Type == v1alpha1.MeetingTypeInstant {
		return instantPatience
	}
	return min(max(2*time.Duration(*s.DurationMinutes)*time.Minute, shortestPatience), silence)
}

// since is a check, if it is about the live instance and nothing was heard since; otherwise none.
func (f meetingFacts) since(c check) check {
	if f.live == nil || c.UUID != f.live.UUID || f.heard.After(c.At) {
		return check{}
	}
	return c
}

// alive is the latest time at which the meeting is known to have been held: the time of the latest
// event, or when Zoom said so.
func (f meetingFacts) alive(c check) time.Time {
	if c = f.since(c); c.Outcome == CheckedLive {
		return c.At
	}
	return f.heard
}

func overdueCondition(now time.Time, f meetingFacts, c check) metav1.Condition {
	c = f.since(c)
	condition := metav1.Condition{Type: v1alpha1.ConditionEndOverdue, Status: metav1.ConditionTrue}
	last := "The last event of the live meeting is of " + messages.Instant(&metav1.Time{Time: f.heard})
	switch obstacle := obstacles[c.Outcome]; {
	case f.live != nil && obstacle != "":
		condition.Reason = string(c.Outcome)
		condition.Message = last + ", and Zoom " + obstacle + ". "
		if c.Outcome == CheckedHost {
			condition.Message += "It is not asked again until an event arrives."
		} else {
			condition.Message += "It is asked again after " + messages.Instant(&metav1.Time{Time: c.next()}) + "."
		}
	case f.live != nil && !f.alive(c).Add(silence).After(now):
		condition.Reason = v1alpha1.ReasonNoEventForLong
		condition.Message = last + ". The event of its end was probably lost; ask the host, or wait for the next start."
	case f.live != nil && c.Outcome == CheckedLive:
		condition.Status, condition.Reason = metav1.ConditionFalse, v1alpha1.ReasonConfirmedLive
		condition.Message = "Zoom said at " + messages.Instant(&metav1.Time{Time: c.At}) + " that the meeting is being held."
	default:
		condition.Status, condition.Reason = metav1.ConditionFalse, v1alpha1.ReasonAsExpected
		condition.Message = "The meeting is not live, or was heard of within the last day."
	}
	return condition
}

// dropCheck takes the check off a meeting that is not live any more, and reports whether there was
// one.
func dropCheck(m *v1alpha1.ZoomMeeting, f meetingFacts) bool {
	if f.live != nil || m.Annotations[checkAnnotation] == "" {
		return false
	}
	delete(m.Annotations, checkAnnotation)
	return true
}

// CheckRequested reports whether a user asks for a check at once.
func CheckRequested(m *v1alpha1.ZoomMeeting) bool {
	return m.Annotations[v1alpha1.CheckAnnotation] == v1alpha1.CheckNow
}
