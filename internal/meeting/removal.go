package meeting

import (
	"cmp"
	"slices"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// removed records that the meeting, or some of its occurrences, were deleted or recovered.
func (m *merger) removed(action v1alpha1.RemovalAction, state v1alpha1.OccurrenceState) {
	if m.aboutOccurrences(m.ev.Operation) {
		// What else the event says, its start above all, is about the occurrence and not about the
		// series.
		m.description()
		if m.meeting.Occurrences != nil {
			for _, o := range *m.meeting.Occurrences {
				m.occurrence(o, state)
			}
		}
		return
	}
	m.planned()
	m.removal(action)
}

// converted records that the meeting is a webinar now, whatever its type and its dates are as one.
func (m *merger) converted() { m.removal(v1alpha1.RemovalConvertedToWebinar) }

func (m *merger) removal(action v1alpha1.RemovalAction) {
	order := 1
	if m.record.Removal != nil {
		order = cmp.Compare(removalRank(action), removalRank(m.record.Removal.Action))
	}
	if m.advance(&m.record.Watermarks.Removal, order) {
		m.record.Removal = &v1alpha1.MeetingRemoval{Action: action, At: *v1alpha1.Seconds(m.ev.Time)}
	}
}

func removalRank(a v1alpha1.RemovalAction) int {
	return slices.Index([]v1alpha1.RemovalAction{
		v1alpha1.RemovalRecovered, v1alpha1.RemovalDeleted, v1alpha1.RemovalConvertedToWebinar, v1alpha1.RemovalPermanentlyDeleted,
	}, a)
}
