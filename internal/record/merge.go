package record

import (
	"cmp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// Policy is what an app wants kept of its meetings.
type Policy struct {
	// Participants is false when nothing of participants is kept.
	Participants bool
}

// Apply folds one event into the spec of the meeting it is about. The event has a Meeting and a Time. It belongs to the
// installation of that name, which may differ from the one before when the meeting has moved to another host.
func Apply(spec *v1alpha1.ZoomMeetingSpec, ev *zoom.Event, installation string, policy Policy) {
	effect, ok := effects[ev.Name]
	if !ok {
		return
	}
	f := folding{spec: spec, ev: ev, meeting: ev.Meeting, at: max(ev.Time.UnixMilli(), 1), policy: policy}
	f.host(installation)
	effect(&f)
}

// HasEffect says whether an event changes what is stored of a meeting.
func HasEffect(event string) bool {
	_, ok := effects[event]
	return ok
}

// effects is what each event says of a meeting. A meeting that was converted to a webinar is left as it is: nothing more
// will be reported of it.
var effects = map[string]func(*folding){
	zoom.EventMeetingCreated: (*folding).plan,
	zoom.EventMeetingUpdated: (*folding).updated,
	zoom.EventMeetingDeleted: func(f *folding) { f.removed(v1alpha1.RemovalDeleted, v1alpha1.OccurrenceDeleted) },
	zoom.EventMeetingPermanentlyDeleted: func(f *folding) {
		f.removed(v1alpha1.RemovalPermanentlyDeleted, v1alpha1.OccurrenceDeleted)
	},
	zoom.EventMeetingRecovered: func(f *folding) { f.removed(v1alpha1.RemovalRecovered, v1alpha1.OccurrencePlanned) },

	zoom.EventMeetingStarted:        func(f *folding) { f.description(); f.started() },
	zoom.EventMeetingEnded:          func(f *folding) { f.description(); f.ended() },
	zoom.EventMeetingAlert:          func(f *folding) { f.description(); f.alerted() },
	zoom.EventMeetingSharingStarted: func(f *folding) { f.description(); f.shared(true) },
	zoom.EventMeetingSharingEnded:   func(f *folding) { f.description(); f.shared(false) },

	zoom.EventParticipantJoined: func(f *folding) { f.description(); f.joined() },
	zoom.EventParticipantLeft:   func(f *folding) { f.description(); f.left() },

	zoom.EventParticipantJoinedWaitingRoom: func(f *folding) { f.description(); f.waits() },
	zoom.EventParticipantPutInWaitingRoom:  func(f *folding) { f.description(); f.waits() },
	zoom.EventParticipantLeftWaitingRoom:   func(f *folding) { f.description(); f.waitsNoMore() },
	zoom.EventParticipantAdmitted:          func(f *folding) { f.description(); f.waitsNoMore() },
	zoom.EventParticipantJBHWaiting:        func(f *folding) { f.description(); f.waits() },
	zoom.EventParticipantJBHWaitingLeft:    func(f *folding) { f.description(); f.waitsNoMore() },
	zoom.EventParticipantJBHJoined:         func(f *folding) { f.description(); f.waitsNoMore() },
}

// folding is one event on its way into a spec.
type folding struct {
	spec    *v1alpha1.ZoomMeetingSpec
	ev      *zoom.Event
	meeting *zoom.Meeting
	at      int64 // the event's time in milliseconds since 1970
	policy  Policy
}

// host records who hosts the meeting, and through whose installation it is known.
func (f *folding) host(installation string) {
	ref := f.spec.InstallationRef.Name
	// As long as no event named the host, nothing but the name decides between installations.
	if f.spec.Watermarks.Host == nil && (ref == "" || installation < ref) {
		f.spec.InstallationRef.Name = installation
	}
	order := cmp.Or(cmp.Compare(f.meeting.HostID, f.spec.HostID), cmp.Compare(installation, ref))
	if f.meeting.HostID != "" && f.later(&f.spec.Watermarks.Host, order) {
		f.spec.HostID = f.meeting.HostID
		f.spec.InstallationRef.Name = installation
	}
}

// later moves a watermark up to this event and says whether the event wins the register. Of two events with the same
// time the larger value wins, so that the outcome does not depend on which came first; order compares the value of the
// event with the one that stands.
func (f *folding) later(mark **int64, order int) bool {
	if *mark != nil && (f.at < **mark || f.at == **mark && order <= 0) {
		return false
	}
	at := f.at
	*mark = &at
	return true
}

// seconds is t with the precision of the API, which knows no fractions of seconds. A date before 1970 is none that Zoom's
// clock showed; as 0001-01-01, the way some software says that it has no date, it could not be stored.
func seconds(t time.Time) *metav1.Time {
	return &metav1.Time{Time: time.Unix(max(t.Unix(), 0), 0).UTC()}
}

// compareTimes orders times; an unknown one comes before all others.
func compareTimes(a, b *metav1.Time) int {
	switch {
	case a == nil || b == nil:
		return comparePresence(a, b)
	default:
		return a.Compare(b.Time)
	}
}

func comparePresence[T any](a, b *T) int {
	switch {
	case a == nil && b != nil:
		return -1
	case a != nil && b == nil:
		return 1
	default:
		return 0
	}
}

func comparePointers[T cmp.Ordered](a, b *T) int {
	if a == nil || b == nil {
		return comparePresence(a, b)
	}
	return cmp.Compare(*a, *b)
}

// removed records that the meeting, or some of its occurrences, were deleted or recovered.
func (f *folding) removed(action v1alpha1.RemovalAction, state v1alpha1.OccurrenceState) {
	if f.aboutOccurrences(f.ev.Operation) {
		// What else the event says, its start above all, is about the occurrence and not about the series.
		f.description()
		if f.meeting.Occurrences != nil {
			for _, o := range *f.meeting.Occurrences {
				f.occurrence(o, state)
			}
		}
		return
	}
	f.planned()
	order := 1
	if f.spec.Removal != nil {
		order = cmp.Compare(removalRank(action), removalRank(f.spec.Removal.Action))
	}
	if f.later(&f.spec.Watermarks.Removal, order) {
		f.spec.Removal = &v1alpha1.MeetingRemoval{Action: action, At: *seconds(f.ev.Time)}
	}
}

func removalRank(a v1alpha1.RemovalAction) int {
	return slices.Index([]v1alpha1.RemovalAction{
		v1alpha1.RemovalRecovered, v1alpha1.RemovalDeleted, v1alpha1.RemovalPermanentlyDeleted,
	}, a)
}
