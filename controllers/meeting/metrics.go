package meeting

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/meeting"
)

// What is more than zoom_operator_event_stored_lag_seconds is the controller's.
var statusLag = prometheus.NewHistogram(prometheus.HistogramOpts{
	Name:    "zoom_operator_meeting_status_lag_seconds",
	Help:    "Time from when a meeting started, ended or was deleted, as Zoom says, until its status said so.",
	Buckets: []float64{.5, 1, 2.5, 10, 60, 330, 1900, 7200},
})

func init() {
	metrics.Registry.MustRegister(statusLag)
}

// observeLag counts how late a status is about what happened to a meeting since the one before.
func observeLag(now time.Time, before, after *v1alpha1.ZoomMeetingStatus, removal *v1alpha1.MeetingRemoval) {
	observe := func(at *metav1.Time) {
		if at != nil {
			statusLag.Observe(max(0, now.Sub(at.Time).Seconds()))
		}
	}
	if after.Live != nil && !knew(before, after.Live) {
		observe(after.Live.StartedAt)
	}
	if before.Live != nil && after.Last != nil && meeting.SameInstance(before.Live.UUID, before.Live.StartedAt, after.Last.UUID, after.Last.StartedAt) {
		observe(after.Last.EndedAt)
	}
	if deletedSince(before, after, removal) {
		observe(&removal.At)
	}
}
