package consent

import (
	"context"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/logs"
	"github.com/zoom-operator/zoom-operator/internal/refusal"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/flusher"
)

// reportEvery is how often a replica asks the API server about what Zoom says of one app, at most.
// It bounds what strangers with made-up codes cost: what the status says already costs nothing, and
// all else one read, and perhaps one write, in that time.
const reportEvery = 5 * time.Second

// refusalReports put into the apps' status, apart from the path of an answer, that Zoom refused an
// app itself at a consent, and that it accepted it.
type refusalReports struct {
	writer client.Client
	live   client.Reader
	now    func() time.Time
	logger logr.Logger
	apps   *flusher.Flusher[types.NamespacedName, refusalReport]
}

// refusalReport is the latest that Zoom said of an app.
type refusalReport struct {
	answer      refusal.Answer
	credentials string
	at          time.Time
	// stands is what the status said after the last write; settled says that this is known.
	stands  *v1alpha1.AppRefusal
	settled bool
}

// latest keeps what Zoom said last, and what was known of the status before.
func latest(older, newer refusalReport) refusalReport {
	if newer.answer == refusal.Nothing {
		return older
	}
	newer.stands, newer.settled = older.stands, older.settled
	return newer
}

func newRefusalReports(writer client.Client, live client.Reader, now func() time.Time, logger logr.Logger) *refusalReports {
	r := &refusalReports{writer: writer, live: live, now: now, logger: logger}
	r.apps = flusher.New(flusher.Config[types.NamespacedName, refusalReport]{Every: reportEvery, Now: now, Merge: latest, Write: r.write})
	return r
}

// note takes in what Zoom said of an app that asked with these client secrets, when that is new.
func (r *refusalReports) note(app *v1alpha1.ZoomApp, clientSecrets []string, answer refusal.Answer) {
	if answer == refusal.Nothing {
		return
	}
	now, credentials := r.now(), refusal.Credentials(app, clientSecrets)
	key := client.ObjectKeyFromObject(app)
	last, held := r.apps.Held(key)
	// The status in the cache may be older than what was written a moment ago.
	current := !held || last.answer == refusal.Nothing && last.settled && equality.Semantic.DeepEqual(app.Status.Refusal, last.stands)
	if !current || refusal.Next(app.Status.Refusal, answer, credentials, now) != app.Status.Refusal {
		r.apps.Add(key, refusalReport{answer: answer, credentials: credentials, at: now})
	}
}

// write writes what Zoom said of an app, and returns what stands since; or what is to be written
// again.
func (r *refusalReports) write(ctx context.Context, key types.NamespacedName, report refusalReport) (refusalReport, bool) {
	var now *v1alpha1.AppRefusal
	err := refusal.Update(ctx, r.live, r.writer, key, func(stands *v1alpha1.AppRefusal) *v1alpha1.AppRefusal {
		now = refusal.Next(stands, report.answer, report.credentials, report.at)
		return now
	})
	if err == nil {
		return refusalReport{stands: now, settled: true}, false
	}
	if ctx.Err() == nil {
		r.logger.Info("Reporting Zoom's answer in status failed", "namespace", key.Namespace, "app", key.Name, "cause", logs.Cause(err))
	}
	return report, true
}
