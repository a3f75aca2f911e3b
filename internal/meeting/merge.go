package meeting

import (
	"cmp"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// merge merges one event into the record of the meeting it is about. The event has a Meeting and a
// Time. It belongs to the installation of that name, which may differ from the recorded one when
// the meeting has moved to another host.
func merge(r *record, ev *zoom.Event, installation string, participants v1alpha1.ParticipantsPolicy) {
	effect, ok := effects[ev.Name]
	if !ok {
		return
	}
	m := merger{record: r, ev: ev, meeting: ev.Meeting, at: max(ev.Time.UnixMilli(), 1), participants: participants}
	if AddsOnly(ev.Name) {
		about := *ev.Meeting
		about.HostID = "" // the meeting may have another one since
		m.meeting = &about
	}
	m.host(installation)
	effect(&m)
	m.clearWaitingRoom()
}

// HasEffect reports whether an event changes what is stored of a meeting.
func HasEffect(event string) bool {
	_, ok := effects[event]
	return ok
}

// AddsOnly reports whether an event says something of an instance that is over, and nothing by
// which its meeting could be known: when it comes, the meeting may have been deleted, and is not to
// come back.
func AddsOnly(event string) bool {
	return event == zoom.EventRecordingCompleted || event == zoom.EventMeetingSummaryCompleted
}

// effects is what each event changes.
var effects = map[string]func(*merger){
	zoom.EventMeetingCreated: (*merger).plan,
	zoom.EventMeetingUpdated: (*merger).updated,
	zoom.EventMeetingDeleted: func(m *merger) { m.removed(v1alpha1.RemovalDeleted, v1alpha1.OccurrenceDeleted) },
	zoom.EventMeetingPermanentlyDeleted: func(m *merger) {
		m.removed(v1alpha1.RemovalPermanentlyDeleted, v1alpha1.OccurrenceDeleted)
	},
	zoom.EventMeetingRecovered:          func(m *merger) { m.removed(v1alpha1.RemovalRecovered, v1alpha1.OccurrencePlanned) },
	zoom.EventMeetingConvertedToWebinar: (*merger).converted,

	zoom.EventMeetingStarted:        func(m *merger) { m.description(); m.started() },
	zoom.EventMeetingEnded:          func(m *merger) { m.description(); m.ended() },
	zoom.EventMeetingAlert:          func(m *merger) { m.description(); m.alerted() },
	zoom.EventMeetingSharingStarted: func(m *merger) { m.description(); m.shared(true) },
	zoom.EventMeetingSharingEnded:   func(m *merger) { m.description(); m.shared(false) },

	zoom.EventRecordingCompleted:      func(m *merger) { m.completed(func(in *instance) **metav1.Time { return &in.RecordingAt }) },
	zoom.EventMeetingSummaryCompleted: func(m *merger) { m.completed(func(in *instance) **metav1.Time { return &in.SummaryAt }) },

	zoom.EventParticipantJoined: func(m *merger) { m.description(); m.joined() },
	zoom.EventParticipantLeft:   func(m *merger) { m.description(); m.left() },

	zoom.EventParticipantJoinedWaitingRoom: func(m *merger) { m.description(); m.waitingRoomEntered() },
	zoom.EventParticipantPutInWaitingRoom:  func(m *merger) { m.description(); m.waitingRoomEntered() },
	zoom.EventParticipantLeftWaitingRoom:   func(m *merger) { m.description(); m.waitingRoomLeft() },
	zoom.EventParticipantAdmitted:          func(m *merger) { m.description(); m.waitingRoomLeft() },
	zoom.EventParticipantJBHWaiting:        func(m *merger) { m.description(); m.waitingRoomEntered() },
	zoom.EventParticipantJBHWaitingLeft:    func(m *merger) { m.description(); m.waitingRoomLeft() },
	zoom.EventParticipantJBHJoined:         func(m *merger) { m.description(); m.waitingRoomLeft() },
}

// host records who hosts the meeting, and through whose installation it is known.
func (m *merger) host(installation string) {
	ref := m.record.InstallationRef.Name
	// Until an event names the host, the smaller name decides between installations.
	if m.record.Watermarks.Host == nil && (ref == "" || installation < ref) {
		m.record.InstallationRef.Name = installation
	}
	order := cmp.Or(cmp.Compare(m.meeting.HostID, m.record.HostID), cmp.Compare(installation, ref))
	if m.meeting.HostID != "" && m.advance(&m.record.Watermarks.Host, order) {
		m.record.HostID = m.meeting.HostID
		m.record.InstallationRef.Name = installation
	}
}
