package events

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/commit"
	"github.com/zoom-operator/zoom-operator/internal/credentials"
	"github.com/zoom-operator/zoom-operator/internal/logs"
	"github.com/zoom-operator/zoom-operator/internal/quota"
	"github.com/zoom-operator/zoom-operator/internal/recording"
	"github.com/zoom-operator/zoom-operator/internal/selected"
	"github.com/zoom-operator/zoom-operator/internal/tombstones"
	"github.com/zoom-operator/zoom-operator/internal/tracing"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/webhookserver/limits"
	"github.com/zoom-operator/zoom-operator/webhookserver/telemetry"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// Handler answers the webhooks of all apps.
type Handler struct {
	cache         client.Reader
	namespaces    *selected.Namespaces
	bodies        bodies
	authenticator *authenticator
	recorder      *recording.Recorder
	heartbeat     *heartbeat
	callers       *limits.Callers
	slots         chan struct{}
	now           func() time.Time
	tracing       *tracing.Tracer
	logger        logr.Logger
	refused       telemetry.Sampler
	logged        telemetry.Sampler // of everything else
	series        *telemetry.AppSeries
}

// Config is what a handler works with.
type Config struct {
	// Client reads from the cache.
	Client client.Client
	Live   client.Reader
	// Meetings is the cache of meetings; nil where no informer watches them.
	Meetings      client.Reader
	Credentials   *credentials.Source
	Tombstones    *tombstones.Store
	Quota         quota.Bound
	Namespaces    *selected.Namespaces
	Installations *commit.Committer[*v1alpha1.ZoomInstallation]
	Callers       *limits.Callers
	// Tracing is nil where it is off.
	Tracing *tracing.Tracer
	Now     func() time.Time
	Logger  logr.Logger
}

// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoomapps,verbs=get;list;watch
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoominstallations,verbs=get;list;watch;create;update
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoommeetings,verbs=get;list;create;update
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoomapps/status;zoominstallations/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;create;update
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=list;watch

// New returns the handler of webhooks.
func New(c Config) *Handler {
	heartbeat := newHeartbeat(c.Client, c.Live, c.Now, c.Logger)
	recorder := recording.New(recording.Config{
		Cache: c.Client, Live: c.Live, Installations: c.Installations, Tombstones: c.Tombstones, Quota: c.Quota, Spoke: heartbeat.installationSpoke, Now: c.Now,
		Meetings: recording.Meetings(c.Client, c.Meetings, c.Live, telemetry.CommitsOf("meeting")),
	})
	return &Handler{
		cache:         c.Client,
		namespaces:    c.Namespaces,
		bodies:        bodies{semaphore.NewWeighted(limits.MaxLarge)},
		authenticator: &authenticator{credentials: c.Credentials, recorder: recorder, now: c.Now},
		recorder:      recorder,
		heartbeat:     heartbeat,
		callers:       c.Callers,
		slots:         make(chan struct{}, limits.MaxRequests),
		tracing:       c.Tracing,
		now:           c.Now,
		logger:        c.Logger,
		series:        telemetry.NewAppSeries(webhooks.MetricVec),
	}
}

// Register adds the handler to a mux.
func (h *Handler) Register(mux *http.ServeMux) {
	mux.Handle(urls.WebhookPattern, h)
}

// Run reports in status what arrives, until ctx ends.
func (h *Handler) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return h.heartbeat.reports.Run(ctx) })
	group.Go(func() error { return h.series.Run(ctx, h.cache) })
	return group.Wait()
}

// strange are the reasons for answers to what does not prove to be Zoom's.
var strange = map[string]bool{
	telemetry.ReasonMethod: true, telemetry.ReasonNoApp: true, reasonUnsigned: true, reasonUnsignedChallenge: true, reasonSignature: true,
	reasonVerificationToken: true, telemetry.ReasonTooLarge: true, reasonSlow: true, reasonCutOff: true,
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := h.now()
	ctx, cancel := context.WithTimeout(r.Context(), limits.AnswerWithin)
	defer cancel()
	// The body has to arrive within the same time. A connection that cannot be given a deadline has
	// none to miss.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(limits.AnswerWithin))
	r.Body = http.MaxBytesReader(w, r.Body, limits.MaxBody)

	info := &requestInfo{caller: h.callers.Who(r), began: began}
	answer := h.answer(ctx, r, info)
	if strange[answer.reason] {
		info.caller.IsStrange()
	}
	answer.write(w)
	h.report(answer, info, h.now().Sub(began))
	h.reportMistake(answer, info, r.Header)
}

// answer is the whole protocol: read, authenticate, decode, record, answer.
func (h *Handler) answer(ctx context.Context, r *http.Request, info *requestInfo) response {
	if r.Method != http.MethodPost {
		return responseTo(refuse(http.StatusMethodNotAllowed, telemetry.ReasonMethod))
	}
	info.key = types.NamespacedName{Namespace: r.PathValue("namespace"), Name: r.PathValue("app")}
	app, err := h.app(ctx, r, info.key)
	if err != nil {
		return responseTo(err)
	}
	info.app = app
	if info.caller.TooStrange() && !credible(app, r.Header) {
		return responseTo(refuse(http.StatusTooManyRequests, telemetry.ReasonAddress))
	}
	raw, release, err := h.bodies.read(r)
	defer release()
	info.size = len(raw)
	if err != nil {
		return responseTo(unreadable(err, credible(app, r.Header)))
	}
	// A client that promises a body and does not send it has no part in what is scarce.
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	default:
		return responseTo(retryLater(telemetry.ReasonOverloaded))
	}
	limits.Answering(r.Context()) //nolint:contextcheck // the connection is in the request's context, and ctx comes from that
	ev, err := h.authenticator.authenticate(ctx, app, r.Header, raw)
	if err != nil {
		return responseTo(err)
	}
	info.event = ev.event.Name
	if !ev.proven {
		return response{code: http.StatusOK, reason: reasonUnsignedChallenge, body: ev.event.Challenge.Answer(ev.secret)}
	}
	limits.BroughtEvent(r.Context()) //nolint:contextcheck // the same
	h.heartbeat.eventArrived(app)
	ctx, answered := h.tracing.Webhook(ctx, r.Header, info.began, app, known(info.event))
	answer := h.take(ctx, app, ev)
	answered(answer.code, answer.reason)
	return answer
}

// take does what an event of Zoom's asks for.
func (h *Handler) take(ctx context.Context, app *v1alpha1.ZoomApp, ev authenticatedEvent) response {
	if ev.event.Challenge != nil {
		return h.answerChallenge(app, ev)
	}
	if app.Spec.Suspend == v1alpha1.SuspensionPutOff {
		return responseTo(retryLater(telemetry.ReasonSuspended))
	}
	err := h.recorder.Record(ctx, app, ev.event)
	if err == nil {
		storedLag.Observe(max(0, h.now().Sub(ev.event.Time).Seconds())) // clocks differ
	}
	return responseTo(err)
}

// app is the app of a request, as cached. One that the cache does not have is not there, or its
// namespace is not watched or selected. All can change before Zoom's next retry, as when GitOps
// makes an app anew, unless no app can have such a name. Only the cache is asked, since any client
// can make names up.
func (h *Handler) app(ctx context.Context, r *http.Request, key types.NamespacedName) (*v1alpha1.ZoomApp, error) {
	app := &v1alpha1.ZoomApp{}
	err := h.cache.Get(ctx, key, app)
	allowed, servedErr := h.namespaces.Have(ctx, key.Namespace)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, err
	case err == nil && servedErr == nil && allowed:
		return app, nil
	}
	if !possible(key) || !zoom.Signed(r.Header) {
		return nil, refuse(http.StatusNotFound, telemetry.ReasonNoApp)
	}
	// The body is read all the same: a connection that is closed with a part of it on the way may
	// lose the answer.
	_, release, err := h.bodies.read(r)
	defer release()
	if err != nil {
		return nil, unreadable(err, true)
	}
	return nil, retryLater(telemetry.ReasonNoApp)
}

// possible says whether an app can have such a name.
func possible(app types.NamespacedName) bool {
	return len(validation.IsDNS1123Label(app.Namespace)) == 0 && len(validation.IsDNS1123Subdomain(app.Name)) == 0
}

func (h *Handler) answerChallenge(app *v1alpha1.ZoomApp, ev authenticatedEvent) response {
	h.heartbeat.endpointValidated(app)
	if count := h.logged.Count(h.now(), client.ObjectKeyFromObject(app), reasonChallenge); count > 0 {
		h.logger.Info("Zoom validated the webhook URL", append(logs.Object(app), "count", count)...)
	}
	return response{code: http.StatusOK, reason: reasonChallenge, body: ev.event.Challenge.Answer(ev.secret)}
}

// report counts an answer, and logs those that an admin may have to look into. Requests that are
// not known to be Zoom's are only counted: any client can send them. See reportMistake.
func (h *Handler) report(r response, info *requestInfo, took time.Duration) {
	code := strconv.Itoa(r.code)
	var key types.NamespacedName
	if info.app != nil {
		key = client.ObjectKeyFromObject(info.app)
	}
	event := known(info.event)
	webhooks.WithLabelValues(key.Namespace, key.Name, event, code, r.reason).Inc()
	h.series.Note(info.app)
	webhookSeconds.WithLabelValues(code).Observe(took.Seconds())
	h.explain(r, info, event)
	if r.err == nil {
		return
	}
	if count := h.logged.Count(h.now(), key, r.reason); count > 0 {
		h.logger.Info("Event not taken", "namespace", key.Namespace, "app", key.Name, "event", event, "code", r.code, "reason", r.reason,
			"cause", logs.Cause(r.err), "count", count)
	}
}

// known is the name of an event, of which there are not more than Zoom has.
func known(event string) string {
	if event != "" && !zoom.Known(event) {
		return "other"
	}
	return event
}

// explain says at the level debug why a request was not stored, to an admin who looks for the
// events of an app: it is the answer to each, and of the request no more than its size.
func (h *Handler) explain(r response, info *requestInfo, event string) {
	debug := h.logger.V(logs.Debug)
	if r.reason == reasonStored || !debug.Enabled() {
		return
	}
	key := info.key
	if !possible(key) {
		key = types.NamespacedName{} // a stranger's words
	}
	debug.Info("Request not stored", "namespace", key.Namespace, "app", key.Name, "event", event, "code", r.code, "reason", r.reason, "bytes", info.size)
}

// reportMistake logs that an event was put off by what may be a mistake on this side, and has the
// app say so. Neither is done for each: any client can send requests that look like Zoom's.
func (h *Handler) reportMistake(r response, info *requestInfo, hdr http.Header) {
	reason, ok := mistake(r, info, hdr)
	if !ok {
		return
	}
	if count := h.refused.Count(h.now(), info.key, r.reason); count > 0 {
		h.logger.Info("Events refused that may be Zoom's", "namespace", info.key.Namespace, "app", info.key.Name, "reason", r.reason, "count", count)
	}
	if info.app != nil {
		h.heartbeat.eventRefused(info.app, reason)
	}
}
