package meeting

import (
	"cmp"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// merger is one event on its way into a record.
type merger struct {
	record       *record
	ev           *zoom.Event
	meeting      *zoom.Meeting
	at           int64 // the event's time in milliseconds since 1970
	participants v1alpha1.ParticipantsPolicy
}

// advance moves a watermark up to this event and reports whether the event wins the register. Of
// two events with the same time the larger value wins, so that the outcome does not depend on the
// order of arrival; order compares the value of the event with the recorded one.
func (m *merger) advance(mark **int64, order int) bool {
	if *mark != nil && (m.at < **mark || m.at == **mark && order <= 0) {
		return false
	}
	at := m.at
	*mark = &at
	return true
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

// eventOr is t when Zoom sent it, and otherwise the time of the event.
func (m *merger) eventOr(t *time.Time) time.Time {
	if t != nil {
		return *t
	}
	return m.ev.Time
}
