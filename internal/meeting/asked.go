package meeting

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// Found is what Zoom said of an instance when it was asked. It is a fact like those in events, and
// is merged with them in any order.
type Found struct {
	// UUID is that of the instance.
	UUID string
	// EndedAt is when it ended, as Zoom said; nil when Zoom did not say.
	EndedAt *metav1.Time
	// OverAt is when Zoom said that the meeting is not being held; nil when it did not.
	OverAt *metav1.Time
	// HeldAt is when Zoom said that this instance is being held; nil when it did not.
	HeldAt *metav1.Time
}

// Record merges what was found into a meeting.
func (f Found) Record(m *v1alpha1.ZoomMeeting) {
	r := load(m)
	f.merge(r)
	fit(r)
	r.store(m)
	delete(m.Annotations, checkAnnotation) // what it said is settled
}

func (f Found) merge(r *record) {
	m := merger{record: r, meeting: &zoom.Meeting{UUID: f.UUID}}
	if f.EndedAt != nil {
		m.instance(f.EndedAt.Time, func(in *instance) { in.endAt(f.EndedAt, v1alpha1.EndSourceREST) })
	}
	if f.OverAt != nil {
		m.instance(f.OverAt.Time, func(in *instance) { in.overBy(f.OverAt) })
	}
	if f.HeldAt != nil {
		m.instance(f.HeldAt.Time, func(*instance) {})
	}
}
