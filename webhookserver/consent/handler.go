package consent

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/clientids"
	"github.com/zoom-operator/zoom-operator/internal/clouds"
	"github.com/zoom-operator/zoom-operator/internal/commit"
	"github.com/zoom-operator/zoom-operator/internal/credentials"
	"github.com/zoom-operator/zoom-operator/internal/logs"
	"github.com/zoom-operator/zoom-operator/internal/sealing"
	"github.com/zoom-operator/zoom-operator/internal/selected"
	"github.com/zoom-operator/zoom-operator/internal/tombstones"
	"github.com/zoom-operator/zoom-operator/internal/tracing"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/webhookserver/limits"
	"github.com/zoom-operator/zoom-operator/webhookserver/telemetry"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// Handler serves the pages: install, which says what is shared, callback, where Zoom sends the
// browser afterwards, and result, which says what came of it.
type Handler struct {
	*service

	namespaces *selected.Namespaces
	callers    *limits.Callers
	slots      chan struct{}
	logged     telemetry.Sampler
	series     *telemetry.AppSeries
	logos      *logos
}

// Config is what a handler works with.
type Config struct {
	// Client reads from the cache.
	Client        client.Client
	Live          client.Reader
	Credentials   *credentials.Source
	Tombstones    *tombstones.Store
	Namespaces    *selected.Namespaces
	Installations *commit.Committer[*v1alpha1.ZoomInstallation]
	Callers       *limits.Callers
	Clouds        clouds.Others
	// ExternalURL is what browsers reach the pages by; empty while they cannot.
	ExternalURL string
	// Tracing is nil where it is off.
	Tracing *tracing.Tracer
	Now     func() time.Time
	Logger  logr.Logger
}

// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoomapps,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoominstallations,verbs=get;list;watch;create;update
// +kubebuilder:rbac:groups=zoom-operator.io,resources=zoomapps/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;create;update
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=list;watch

// New returns the handler of the pages.
func New(c Config) *Handler {
	return &Handler{
		service: &service{
			cache:         c.Client,
			live:          c.Live,
			writer:        c.Client,
			credentials:   c.Credentials,
			reports:       newRefusalReports(c.Client, c.Live, c.Now, c.Logger),
			installations: c.Installations,
			tombstones:    c.Tombstones,
			zoom:          zoom.NewHTTPClient(),
			clouds:        c.Clouds,
			externalURL:   c.ExternalURL,
			tracing:       c.Tracing,
			now:           c.Now,
			logger:        c.Logger,
			waits:         defaultWaits(),
			flights:       &flights{now: c.Now},
		},
		namespaces: c.Namespaces,
		callers:    c.Callers,
		slots:      make(chan struct{}, limits.MaxConsentRequests),
		series:     telemetry.NewAppSeries(consentPages.MetricVec),
		logos:      newLogos(c.Live, c.Now, c.Logger),
	}
}

// Run reports in status what Zoom says of the apps, until ctx ends.
func (h *Handler) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return h.reports.apps.Run(ctx) })
	group.Go(func() error { return h.series.Run(ctx, h.cache) })
	return group.Wait()
}

// Register adds the pages to a mux.
func (h *Handler) Register(mux *http.ServeMux) {
	mux.Handle("GET "+urls.InstallPattern, h.page(pageInstall, h.install))
	mux.Handle("GET "+urls.StartPattern, h.page(pageStart, h.start))
	mux.Handle("GET "+urls.CallbackPattern, h.page(pageCallback, h.callback))
	mux.Handle("POST "+urls.ConfirmPattern, h.page(pageConfirm, h.confirm))
	mux.Handle("GET "+urls.ConfirmPattern, h.page(pageConfirm, opened))
	mux.Handle("GET "+urls.ResultPattern, h.page(pageResult, h.result))
	mux.Handle("GET "+urls.DomainVerification, h.respond(pageDomainVerification, h.verifyDomain))
}

// Nowhere is the page of an address that is none. Browsers that look for an icon ask for it with
// every page, so it counts towards no limit: it takes nothing that is scarce.
func (h *Handler) Nowhere(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.NotFound(w, r)
		return
	}
	req := &consentRequest{tongue: tongueOf(r)}
	h.write(w, req, req.responseTo(refuse(telemetry.ReasonNoApp)))
}

// pageFunc makes a page, or the error that another page belongs to.
type pageFunc func(context.Context, *consentRequest, *http.Request) (response, error)

// page serves a page of an app.
func (h *Handler) page(name string, makePage pageFunc) http.Handler {
	return h.respond(name, func(ctx context.Context, req *consentRequest, r *http.Request) (response, error) {
		return h.serve(ctx, name, req, r, makePage)
	})
}

// respond serves what a function returns, or the page that belongs to its error.
func (h *Handler) respond(name string, makePage pageFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), h.waits.page)
		defer cancel()
		// A connection that cannot be given a deadline has none to miss.
		control := http.NewResponseController(w)
		_ = control.SetReadDeadline(time.Now().Add(h.waits.page))
		_ = control.SetWriteDeadline(time.Now().Add(limits.DrainWithin)) // Zoom is asked meanwhile
		// The form is read before anything is taken that others need as well. What is wrong with
		// it, a page says.
		r.Body = http.MaxBytesReader(w, r.Body, limits.MaxPageBody)
		formErr := r.ParseForm()
		if _, err := io.Copy(io.Discard, r.Body); err == nil { // all of it is there
			limits.Answering(r.Context())
		}

		req := &consentRequest{formErr: formErr, caller: h.callers.Who(r), tongue: tongueOf(r)}
		var page response
		release, err := h.admit(req)
		if err == nil {
			defer release()
			page, err = makePage(ctx, req, r)
		}
		if err != nil {
			page = req.responseTo(err)
		}
		if page.page != "" {
			req.logo = h.logos.of(ctx, req.app)
		}
		h.write(w, req, page)
		h.report(name, req, page)
	})
}

// admit takes a slot, which is held until it is released.
func (h *Handler) admit(req *consentRequest) (release func(), err error) {
	if !req.caller.MayRequestPage() {
		return nil, &pageError{reason: telemetry.ReasonAddress, retryAfter: limits.BusyFor}
	}
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	default:
		return nil, &pageError{reason: telemetry.ReasonOverloaded, retryAfter: limits.BusyFor}
	}
}

func (h *Handler) serve(ctx context.Context, name string, req *consentRequest, r *http.Request, makePage pageFunc) (response, error) {
	if err := h.enter(ctx, req, r); err != nil {
		return response{}, err
	}
	if r.Method == http.MethodHead && name != pageInstall && name != pageResult {
		// Something looks at links, and a link here acts.
		return response{}, refuse(telemetry.ReasonMethod)
	}
	if req.app.Spec.Suspend != "" && name != pageResult {
		return response{}, refuse(telemetry.ReasonSuspended)
	}
	return makePage(ctx, req, r)
}

// enter finds out what a request is about, or says why there is no going on.
func (h *Handler) enter(ctx context.Context, req *consentRequest, r *http.Request) error {
	app := &v1alpha1.ZoomApp{}
	err := h.cache.Get(ctx, types.NamespacedName{Namespace: r.PathValue("namespace"), Name: r.PathValue("app")}, app)
	allowed, servedErr := h.namespaces.Have(ctx, r.PathValue("namespace"))
	switch {
	case err != nil && ctx.Err() != nil:
		return &pageError{reason: telemetry.ReasonNotStored, err: err}
	case err != nil, servedErr != nil, !allowed, !app.DeletionTimestamp.IsZero(): // not there, or in a namespace that is not watched or selected
		return refuse(telemetry.ReasonNoApp)
	}
	req.app = app
	if h.externalURL == "" {
		return refuse(reasonExternalURLAbsent) // counted and not logged, as any stranger can ask
	}
	var known bool
	if req.cloud, known = h.clouds.Find(app.Spec.Cloud); !known {
		return refuse(reasonCloudUnknown)
	}
	switch claim, err := clientids.Of(ctx, h.cache, app); {
	case err != nil:
		return &pageError{reason: telemetry.ReasonNotStored, err: err}
	case claim != clientids.Held:
		return refuse(reasonClientIDInUse)
	}
	h.unlock(ctx, req, r)
	if len(req.secrets) == 0 {
		return refuse(telemetry.ReasonNoCredentials)
	}
	return nil
}

// unlock opens the cookie. One that does not open may have been sealed by another replica with a
// secret that was added a moment ago.
func (h *Handler) unlock(ctx context.Context, req *consentRequest, r *http.Request) {
	cookies := r.CookiesNamed(cookieName(h.secure()))
	opened := len(cookies) == 0
	open := func(secrets []string) {
		req.secrets, req.box = secrets, sealing.New(secrets, req.app.Namespace, req.app.Name)
		if !opened {
			req.flows, opened = openFlows(req.box, cookies, h.now())
		}
	}
	open(h.credentials.Get(ctx, req.app, credentials.KeyClientSecret).ClientSecrets)
	if !opened {
		open(h.credentials.Reread(ctx, req.app).ClientSecrets)
	}
}

func (h *Handler) write(w http.ResponseWriter, req *consentRequest, re response) {
	header := w.Header()
	protect(header, h.secure())
	if req.logo != "" {
		header.Set("Content-Security-Policy", contentSecurityPolicy+"; img-src data:")
	}
	if req.changed {
		cookie, err := req.flows.seal(req.box, req.path(urls.Pages), h.secure(), h.now())
		if err != nil {
			h.logger.Info("Sealing the cookie failed", append(logs.Object(req.app), "cause", err.Error())...)
		} else {
			http.SetCookie(w, cookie)
		}
	}
	if re.retryAfter > 0 {
		header.Set("Retry-After", strconv.Itoa(int(re.retryAfter.Round(time.Second).Seconds())))
	}
	if re.redirect != "" {
		header.Set("Location", re.redirect)
		w.WriteHeader(re.code)
		return
	}
	body, err := []byte(re.file), error(nil)
	if re.file == "" {
		body, err = render(re.page, req.identified(re.view))
	}
	if err != nil {
		h.logger.Error(err, "Rendering the page failed", "page", re.page)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Language", req.speaks().tag.String())
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(re.code)
	_, _ = w.Write(body) // a browser that went away gets no answer
}

// report counts a page, and logs those that an admin may have to look into. The log gets neither
// codes nor states, and of people nothing but what an object in the cluster is named by.
func (h *Handler) report(page string, req *consentRequest, re response) {
	var namespace, app string
	if req.app != nil {
		namespace, app = req.app.Namespace, req.app.Name
	}
	consentPages.WithLabelValues(namespace, app, page, strconv.Itoa(re.code), re.reason).Inc()
	h.series.Note(req.app)
	h.logger.V(logs.Debug).Info("Page answered", "namespace", namespace, "app", app, "page", page, "code", re.code, "reason", re.reason)
	if re.err == nil {
		return
	}
	if count := h.logged.Count(h.now(), types.NamespacedName{Namespace: namespace, Name: app}, page+" "+re.reason); count > 0 {
		h.logger.Info("Consent failed", "namespace", namespace, "app", app, "page", page, "code", re.code, "reason", re.reason,
			"cause", logs.Cause(re.err), "count", count)
	}
}
