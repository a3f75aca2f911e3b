package endcheck

import (
	"errors"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/meeting"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// maxSkew is how far Zoom's clock may be ahead of the one here. An end that is later than that has
// not happened.
const maxSkew = 5 * time.Minute

// answer is what follows from Zoom's answers: a fact, or an outcome that leaves the meeting live.
// The zero value is that nothing was asked.
type answer struct {
	found   *meeting.Found
	outcome meeting.Outcome
}

// apply changes a meeting as the answer says.
func (a answer) apply(now time.Time, m *v1alpha1.ZoomMeeting) {
	if meeting.CheckRequested(m) {
		delete(m.Annotations, v1alpha1.CheckAnnotation)
	}
	if a.found != nil {
		a.found.Record(m)
	}
	if a.outcome != "" {
		meeting.RecordCheck(now, m, a.outcome)
	}
}

// String is the answer in a word.
func (a answer) String() string {
	switch {
	case a.found == nil:
		return string(a.outcome)
	case a.found.EndedAt != nil:
		return "Ended"
	case a.found.OverAt != nil:
		return "Over"
	default:
		return "AnotherInstance"
	}
}

// ofPastMeeting is what follows from the answer about an instance that may be over. It is not
// conclusive where the meeting itself may tell more.
func ofPastMeeting(now time.Time, uuid string, past *zoom.PastMeeting, err error) (a answer, conclusive bool) {
	switch {
	case err == nil && past.UUID == uuid && past.EndTime.After(now.Add(maxSkew)):
		return answer{outcome: meeting.CheckedFailed}, true
	case err == nil && past.UUID == uuid && !past.EndTime.IsZero():
		return answer{found: &meeting.Found{UUID: uuid, EndedAt: v1alpha1.Seconds(past.EndTime)}}, true
	case err == nil, errors.Is(err, zoom.ErrNoMeeting), errors.Is(err, zoom.ErrScope), errors.Is(err, zoom.ErrPlan):
		return answer{}, false
	}
	return answer{outcome: outcomeOf(err)}, true
}

// ofMeeting is what follows from the answer about a meeting, after one about its past instance that
// was not conclusive. Zoom does not document which uuid it names of a number that is used more than
// once: under either reading the meeting is live, and the next event or check corrects the rest.
func ofMeeting(now time.Time, uuid string, pastErr error, current *zoom.ScheduledMeeting, err error) answer {
	switch {
	case errors.Is(err, zoom.ErrNoMeeting) && (pastErr == nil || errors.Is(pastErr, zoom.ErrNoMeeting)):
		return answer{outcome: meeting.CheckedOnce}
	case errors.Is(err, zoom.ErrNoMeeting):
		return answer{outcome: outcomeOf(pastErr)}
	case err != nil:
		return answer{outcome: outcomeOf(err)}
	}
	at := current.AnsweredAt
	if at.IsZero() || at.After(now.Add(maxSkew)) {
		at = now
	}
	said := v1alpha1.Seconds(at)
	switch {
	case current.Status == zoom.StatusWaiting:
		return answer{found: &meeting.Found{UUID: uuid, OverAt: said}}
	case current.UUID == uuid || current.UUID == "":
		return answer{outcome: meeting.CheckedLive}
	default:
		return answer{found: &meeting.Found{UUID: current.UUID, HeldAt: said}}
	}
}

// outcomeOf is what a refusal means for a check.
func outcomeOf(err error) meeting.Outcome {
	switch {
	case errors.Is(err, zoom.ErrScope):
		return meeting.CheckedScope
	case errors.Is(err, zoom.ErrPlan):
		return meeting.CheckedPlan
	case errors.Is(err, zoom.ErrToken):
		return meeting.CheckedToken
	case errors.Is(err, zoom.ErrHost):
		return meeting.CheckedHost
	}
	return meeting.CheckedFailed
}
