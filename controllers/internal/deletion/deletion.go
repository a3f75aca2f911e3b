// Package deletion deletes meetings, and counts them by the reason.
package deletion

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/zoom-operator/zoom-operator/internal/logs"
)

// Why a meeting is deleted, as zoom_operator_meetings_deleted_total calls it.
const (
	Retention = "retention" // it has been over for long enough
	Room      = "room"      // it had to make room for others
	Removal   = "removal"   // its customer has left
	Host      = "host"      // its host was deleted at Zoom
)

var deleted = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "zoom_operator_meetings_deleted_total",
	Help: "ZoomMeetings that the operator deleted, by reason.",
}, []string{"reason"})

func init() {
	metrics.Registry.MustRegister(deleted)
	for _, reason := range []string{Retention, Room, Host} {
		deleted.WithLabelValues(reason) // so that the first one is an increase
	}
}

// Delete deletes a meeting as it was read, unless an event arrived since. The error for one that is
// gone or has been written since is the API server's.
func Delete(ctx context.Context, c client.Client, m client.Object, reason string) error {
	uid, version := m.GetUID(), m.GetResourceVersion()
	if err := c.Delete(ctx, m, client.Preconditions{UID: &uid, ResourceVersion: &version}); err != nil {
		return fmt.Errorf("deleting ZoomMeeting %s/%s for its %s: %w", m.GetNamespace(), m.GetName(), reason, err)
	}
	deleted.WithLabelValues(reason).Inc()
	logger := log.FromContext(ctx)
	if reason == Removal {
		logger = logger.V(logs.Debug) // the deletion of a customer's data has one line
	}
	logger.Info("Meeting deleted", "meeting", m.GetName(), "reason", reason)
	return nil
}
