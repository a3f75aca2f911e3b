package events

import (
	"context"
	"errors"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	applyv1alpha1 "github.com/zoom-operator/zoom-operator/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/logs"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/flusher"
)

const (
	// reportEvery is how often one time of one object is written at most, by all replicas together.
	reportEvery = 30 * time.Second
	// A field owner gives up what it does not mention. Replicas know different times, so each time
	// has its own owner.
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
	// refused are the events that were refused and are not counted in the status yet.
	refused map[v1alpha1.RefusalReason]tally
}

// merge is one report in place of two.
func merge(older, newer report) report {
	if older.at.After(newer.at) {
		newer.at = older.at
	}
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
	h.reports = flusher.New(flusher.Config[reportKey, report]{Every: reportEvery, Now: now, Merge: merge, Write: h.write})
	return h
}

func (h *heartbeat) eventArrived(app *v1alpha1.ZoomApp) {
	h.reports.Add(reportKey{appEvent, client.ObjectKeyFromObject(app)}, report{at: h.now()})
}

func (h *heartbeat) endpointValidated(app *v1alpha1.ZoomApp) {
	h.reports.Add(reportKey{appValidation, client.ObjectKeyFromObject(app)}, report{at: h.now()})
}

func (h *heartbeat) installationSpoke(in *v1alpha1.ZoomInstallation) {
	h.reports.Add(reportKey{installationEvent, client.ObjectKeyFromObject(in)}, report{at: h.now()})
}

// eventRefused counts an event that may be Zoom's and was not taken. However many there are, they
// are written as seldom as a time is.
func (h *heartbeat) eventRefused(app *v1alpha1.ZoomApp, reason v1alpha1.RefusalReason) {
	now := h.now()
	h.reports.Add(reportKey{appRefusals, client.ObjectKeyFromObject(app)}, report{refused: map[v1alpha1.RefusalReason]tally{reason: {1, now, now}}})
}

// write writes a report, and returns it when it is to be written again.
func (h *heartbeat) write(ctx context.Context, key reportKey, r report) (report, bool) {
	err := h.apply(ctx, key, r)
	switch {
	case client.IgnoreNotFound(err) == nil, ctx.Err() != nil:
		return report{}, false
	case !errors.Is(err, errJustReported) && !apierrors.IsConflict(err):
		h.logger.Info("Reporting events in status failed", "report", key.kind, "namespace", key.Namespace, "name", key.Name, "cause", logs.Cause(err))
	}
	return r, true
}

// errJustReported says that the status shows a time of the last reportEvery already, whichever
// replica wrote it.
var errJustReported = errors.New("just reported")

// justReported says whether a reported time is too recent for another to be written; zero when none
// is reported. A time ahead of this clock is another clock's, and holds nothing up.
func justReported(reported, now time.Time) bool {
	ago := now.Sub(reported)
	return ago >= 0 && ago < reportEvery
}

// apply writes one time, unless another replica has written a later one, or what was refused.
func (h *heartbeat) apply(ctx context.Context, key reportKey, r report) error {
	if key.kind == appRefusals {
		return h.applyRefusals(ctx, key.NamespacedName, r.refused)
	}
	at := metav1.NewTime(r.at.UTC().Truncate(time.Second))
	var reported *metav1.Time
	var config runtime.ApplyConfiguration
	owner := client.FieldOwner(ownerEvents)
	switch key.kind {
	case installationEvent:
		var in v1alpha1.ZoomInstallation
		if err := h.live.Get(ctx, key.NamespacedName, &in); err != nil {
			return err
		}
		reported = in.Status.LastEventAt
		config = applyv1alpha1.ZoomInstallation(in.Name, in.Namespace).WithUID(in.UID).
			WithStatus(applyv1alpha1.ZoomInstallationStatus().WithLastEventAt(at))
	default:
		var app v1alpha1.ZoomApp
		if err := h.live.Get(ctx, key.NamespacedName, &app); err != nil {
			return err
		}
		status := applyv1alpha1.ZoomAppStatus()
		if key.kind == appValidation {
			owner, reported = ownerValidation, app.Status.EndpointValidatedAt
			status.WithEndpointValidatedAt(at)
		} else {
			reported = app.Status.LastEventAt
			status.WithLastEventAt(at)
		}
		config = applyv1alpha1.ZoomApp(app.Name, app.Namespace).WithUID(app.UID).WithStatus(status)
	}
	switch {
	case reported == nil:
	case !at.After(reported.Time):
		return nil
	case justReported(reported.Time, h.now()):
		return errJustReported
	}
	return h.writer.Status().Apply(ctx, config, owner, client.ForceOwnership)
}

// applyRefusals adds refused events to those in the status. The write holds only for the version
// that was read, so that two replicas do not count for one.
func (h *heartbeat) applyRefusals(ctx context.Context, name types.NamespacedName, refused map[v1alpha1.RefusalReason]tally) error {
	var app v1alpha1.ZoomApp
	if err := h.live.Get(ctx, name, &app); err != nil {
		return err
	}
	if justReported(lastRefused(app.Status.RefusedEvents), h.now()) {
		return errJustReported
	}
	status := applyv1alpha1.ZoomAppStatus()
	for _, e := range refusedEvents(app.Status.RefusedEvents, refused) {
		status.WithRefusedEvents(applyv1alpha1.RefusedEvents().WithReason(e.Reason).WithCount(e.Count).WithSince(e.Since).WithLastAt(e.LastAt))
	}
	config := applyv1alpha1.ZoomApp(app.Name, app.Namespace).WithUID(app.UID).WithResourceVersion(app.ResourceVersion).WithStatus(status)
	return h.writer.Status().Apply(ctx, config, client.FieldOwner(ownerRefusals), client.ForceOwnership)
}
