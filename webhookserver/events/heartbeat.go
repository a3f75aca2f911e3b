package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/logs"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/flusher"
)

const (
	// reportEvery is how often one time of one object is written at most, by all replicas together.
	reportEvery = 30 * time.Second
	// reportsPerSecond is how many reports of all objects a replica reads and writes in a second in
	// the long run, and reportsAtOnce after a quiet time. So a hundred and fifty installations that
	// have events all the time are reported every 30 seconds, and ten thousand every half hour,
	// which is precise enough for conditions that count in days.
	reportsPerSecond = 5
	reportsAtOnce    = 100
	// The field owners of what is reported, apart from that of the controllers.
	ownerEvents     = "zoom-webhook-events"
	ownerValidation = "zoom-webhook-validation"
	ownerRefusals   = "zoom-webhook-refusals"
)

// heartbeat reports in status what the listener sees of the flow of events, apart from the answers
// it gives.
type heartbeat struct {
	writer client.Client
	// live reads from the API server: a cache may not have an installation yet that an event has
	// just made known.
	live    client.Reader
	now     func() time.Time
	logger  logr.Logger
	reports *flusher.Flusher[reportKey, report]
}

// reportKey is one time of one object, or what is refused of its events.
type reportKey struct {
	kind string
	types.NamespacedName
}

// What is reported.
const (
	appEvent          = "ZoomApp event"
	appValidation     = "ZoomApp validation"
	appRefusals       = "ZoomApp refusals"
	installationEvent = "ZoomInstallation event"
)

type report struct {
	at time.Time // the latest
	// urgent reports are those by which a condition may change.
	urgent bool
	// refused are the events that were refused and are not counted in the status yet.
	refused map[v1alpha1.RefusalReason]tally
	// postponed means that it gave way to another replica once. It does not do so twice: others may
	// report just before each of its turns.
	postponed bool
}

// merge is one report in place of two.
func merge(older, newer report) report {
	if older.at.After(newer.at) {
		newer.at = older.at
	}
	newer.urgent = newer.urgent || older.urgent
	newer.postponed = newer.postponed || older.postponed
	if older.refused == nil {
		return newer
	}
	for reason, more := range newer.refused {
		t := older.refused[reason]
		t.add(more)
		older.refused[reason] = t
	}
	newer.refused = older.refused
	return newer
}

func newHeartbeat(writer client.Client, live client.Reader, now func() time.Time, logger logr.Logger) *heartbeat {
	h := &heartbeat{writer: writer, live: live, now: now, logger: logger}
	h.reports = flusher.New(flusher.Config[reportKey, report]{
		Every: reportEvery, PerSecond: reportsPerSecond, Burst: reportsAtOnce, Urgent: func(r report) bool { return r.urgent },
		Now: now, Merge: merge, Write: h.write,
	})
	return h
}

// eventArrived reports an event of an app. It is urgent unless the app is known to have events, and
// none that are refused.
func (h *heartbeat) eventArrived(app *v1alpha1.ZoomApp) {
	urgent := !meta.IsStatusConditionTrue(app.Status.Conditions, v1alpha1.ConditionEventsVerified)
	h.reports.Add(reportKey{appEvent, client.ObjectKeyFromObject(app)}, report{at: h.now(), urgent: urgent})
}

func (h *heartbeat) endpointValidated(app *v1alpha1.ZoomApp) {
	h.reports.Add(reportKey{appValidation, client.ObjectKeyFromObject(app)}, report{at: h.now(), urgent: true})
}

// installationSpoke reports an event of an installation. It is urgent unless the installation is
// known to have events.
func (h *heartbeat) installationSpoke(in *v1alpha1.ZoomInstallation) {
	urgent := !meta.IsStatusConditionTrue(in.Status.Conditions, v1alpha1.ConditionEventsFlowing)
	h.reports.Add(reportKey{installationEvent, client.ObjectKeyFromObject(in)}, report{at: h.now(), urgent: urgent})
}

// eventRefused counts an event that may be Zoom's and was not taken. However many there are, they
// are written as seldom as a time is.
func (h *heartbeat) eventRefused(app *v1alpha1.ZoomApp, reason v1alpha1.RefusalReason) {
	now := h.now()
	refused := map[v1alpha1.RefusalReason]tally{reason: {1, now, now}}
	h.reports.Add(reportKey{appRefusals, client.ObjectKeyFromObject(app)}, report{urgent: true, refused: refused})
}

// write writes a report, and returns it when it is to be written again.
func (h *heartbeat) write(ctx context.Context, key reportKey, r report) (report, bool) {
	err := h.report(ctx, key, r)
	switch {
	case client.IgnoreNotFound(err) == nil, ctx.Err() != nil:
		return report{}, false
	case errors.Is(err, errJustReported):
		r.postponed = true
	case !apierrors.IsConflict(err):
		h.logger.Info("Reporting events in status failed", "report", key.kind, "namespace", key.Namespace, "name", key.Name, "cause", logs.Cause(err))
	}
	return r, true
}

// errJustReported says that the status shows a time of the last reportEvery already, whichever
// replica wrote it.
var errJustReported = errors.New("just reported")

// justReported says whether a reported time is too recent for another to be written; zero when none
// is reported. A time ahead of this clock is another clock's, and postpones nothing.
func justReported(reported, now time.Time) bool {
	ago := now.Sub(reported)
	return ago >= 0 && ago < reportEvery
}

// report writes one time, unless another replica has written a later one, or what was refused.
func (h *heartbeat) report(ctx context.Context, key reportKey, r report) error {
	if key.kind == appRefusals {
		return h.reportRefusals(ctx, key.NamespacedName, r)
	}
	at := metav1.NewTime(r.at.UTC().Truncate(time.Second))
	var obj client.Object
	var field string
	var reported *metav1.Time
	owner := client.FieldOwner(ownerEvents)
	switch key.kind {
	case installationEvent:
		var in v1alpha1.ZoomInstallation
		if err := h.live.Get(ctx, key.NamespacedName, &in); err != nil {
			return err
		}
		obj, field, reported = &in, "lastEventAt", in.Status.LastEventAt
	default:
		var app v1alpha1.ZoomApp
		if err := h.live.Get(ctx, key.NamespacedName, &app); err != nil {
			return err
		}
		if obj, field, reported = &app, "lastEventAt", app.Status.LastEventAt; key.kind == appValidation {
			field, reported, owner = "endpointValidatedAt", app.Status.EndpointValidatedAt, ownerValidation
		}
	}
	switch {
	case reported == nil:
	case !at.After(reported.Time):
		return nil
	case justReported(reported.Time, h.now()):
		return errJustReported
	}
	return h.patch(ctx, obj, map[string]any{"uid": obj.GetUID()}, map[string]any{field: at}, owner)
}

// reportRefusals adds refused events to those in the status. The write holds only for the version
// that was read, so that two replicas do not count for one.
func (h *heartbeat) reportRefusals(ctx context.Context, name types.NamespacedName, r report) error {
	var app v1alpha1.ZoomApp
	if err := h.live.Get(ctx, name, &app); err != nil {
		return err
	}
	if !r.postponed && justReported(lastRefused(app.Status.RefusedEvents), h.now()) {
		return errJustReported
	}
	version := map[string]any{"uid": app.UID, "resourceVersion": app.ResourceVersion}
	return h.patch(ctx, &app, version, map[string]any{"refusedEvents": refusedEvents(app.Status.RefusedEvents, r.refused)}, ownerRefusals)
}

// patch writes fields of the status of an object, if that is still the one that the metadata names.
func (h *heartbeat) patch(ctx context.Context, obj client.Object, metadata, status map[string]any, owner client.FieldOwner) error {
	raw, err := json.Marshal(map[string]any{"metadata": metadata, "status": status})
	if err != nil {
		return fmt.Errorf("encoding a report: %w", err)
	}
	return h.writer.Status().Patch(ctx, obj, client.RawPatch(types.MergePatchType, raw), owner)
}
