package events

import (
	"context"
	"errors"
	"sync"
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
	live   client.Reader
	now    func() time.Time
	logger logr.Logger
	wake   chan struct{}

	mu      sync.Mutex
	reports map[reportKey]*report
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
	at      time.Time // the latest, not yet reported when it is after sent
	sent    time.Time
	written time.Time // when sent was written
	// refused are the events that were refused and are not counted in the status yet.
	refused map[v1alpha1.RefusalReason]tally
}

func newHeartbeat(writer client.Client, live client.Reader, now func() time.Time, logger logr.Logger) *heartbeat {
	return &heartbeat{writer: writer, live: live, now: now, logger: logger, wake: make(chan struct{}, 1), reports: map[reportKey]*report{}}
}

func (h *heartbeat) eventArrived(app *v1alpha1.ZoomApp) {
	h.note(reportKey{appEvent, client.ObjectKeyFromObject(app)}, nil)
}

func (h *heartbeat) endpointValidated(app *v1alpha1.ZoomApp) {
	h.note(reportKey{appValidation, client.ObjectKeyFromObject(app)}, nil)
}

func (h *heartbeat) installationSpoke(in *v1alpha1.ZoomInstallation) {
	h.note(reportKey{installationEvent, client.ObjectKeyFromObject(in)}, nil)
}

// eventRefused counts an event that may be Zoom's and was not taken. However many there are, they
// are written as seldom as a time is.
func (h *heartbeat) eventRefused(app *v1alpha1.ZoomApp, reason v1alpha1.RefusalReason) {
	now := h.now()
	h.note(reportKey{appRefusals, client.ObjectKeyFromObject(app)}, map[v1alpha1.RefusalReason]tally{reason: {1, now, now}})
}

func (h *heartbeat) note(key reportKey, refused map[v1alpha1.RefusalReason]tally) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.reports[key]
	if r == nil {
		r = &report{}
		h.reports[key] = r
	}
	waits := r.at.After(r.sent)
	r.at = h.now()
	r.count(refused)
	if waits {
		return // and the loop knows when it is due
	}
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// run writes what is due until ctx ends.
func (h *heartbeat) run(ctx context.Context) error {
	timer := time.NewTimer(reportEvery)
	defer timer.Stop()
	for {
		next := h.flush(ctx)
		timer.Reset(next)
		select {
		case <-ctx.Done():
			return nil
		case <-h.wake:
		case <-timer.C:
		}
	}
}

// flush writes every report that is due and returns when the next one is. Objects that have been
// silent are forgotten.
func (h *heartbeat) flush(ctx context.Context) time.Duration {
	next := reportEvery
	for key, r := range h.due(&next) {
		switch err := h.apply(ctx, key, r); {
		case client.IgnoreNotFound(err) == nil, ctx.Err() != nil:
		case errors.Is(err, errJustReported), apierrors.IsConflict(err):
			h.again(key, r)
		default:
			h.again(key, r)
			h.logger.Info("Reporting events in status failed", "report", key.kind, "namespace", key.Namespace, "name", key.Name, "cause", logs.Cause(err))
		}
	}
	return next
}

// due takes what is to be written now, and lowers next to when the first of the rest is.
func (h *heartbeat) due(next *time.Duration) map[reportKey]report {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	due := map[reportKey]report{}
	for key, r := range h.reports {
		wait := reportEvery - now.Sub(r.written)
		switch {
		case r.at.After(r.sent) && wait <= 0:
			due[key] = *r
			r.sent, r.written, r.refused = r.at, now, nil
		case r.at.After(r.sent):
			*next = min(*next, wait)
		case wait <= 0:
			delete(h.reports, key)
		}
	}
	return due
}

// again makes a report due once more, after the usual time.
func (h *heartbeat) again(key reportKey, failed report) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if r := h.reports[key]; r != nil {
		r.sent = time.Time{}
		r.count(failed.refused)
	}
}

// count adds refused events to those that are to be reported.
func (r *report) count(refused map[v1alpha1.RefusalReason]tally) {
	for reason, more := range refused {
		if r.refused == nil {
			r.refused = map[v1alpha1.RefusalReason]tally{}
		}
		t := r.refused[reason]
		t.add(more)
		r.refused[reason] = t
	}
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
