package webhookserver

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/record"
	"github.com/zoom-operator/zoom-operator/internal/sealing"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// Limits of the pages. They are apart from those of webhooks: a flood here must not keep an event out.
const (
	// pageWithin is the deadline for a page that asks nobody but the API server.
	pageWithin = 5 * time.Second
	// maxPageBody is the largest form that is read; ours holds one state.
	maxPageBody = 4 << 10
	// maxVisits is how many requests are worked on at the same time. Each may wait for Zoom.
	maxVisits = 256
	// An app's codes are exchanged at this rate, whoever comes with them: strangers cannot be told apart before Zoom is asked,
	// so a flood of made-up codes delays the customers of that app, and of no other. It lets a thousand people install in four
	// minutes, and keeps somebody who makes codes up from using up the rate limit at Zoom that refreshes need as well.
	exchangesPerSecond, exchangeBurst = 5, 50
	// busyFor is how long somebody is asked to wait when too much is under way.
	busyFor = time.Minute
)

// The pages, as zoom_operator_consent_pages_total calls them.
const (
	pageInstall  = "install"
	pageStart    = "start"
	pageCallback = "callback"
	pageConfirm  = "confirm"
)

// consentHandler serves the pages by which a customer installs an app: install, which says what is shared, and callback,
// where Zoom sends the browser afterwards.
type consentHandler struct {
	cache         client.Reader
	live          client.Reader
	writer        client.Client
	secrets       *credentials
	installations *record.Committer[*v1alpha1.ZoomInstallation]
	zoom          *http.Client
	// externalURL is what browsers reach this server by. Nothing is ever derived from a request's Host.
	externalURL string
	now         func() time.Time
	logger      logr.Logger
	slots       chan struct{}
	waits       waits

	mu        sync.Mutex
	exchanges map[types.NamespacedName]*rate.Limiter
}

// waits are how long the steps of a page may take.
type waits struct{ page, ask, store, revoke time.Duration }

func defaultWaits() waits {
	return waits{page: pageWithin, ask: askWithin, store: storeWithin, revoke: revokeWithin}
}

// register adds the pages to a mux.
func (h *consentHandler) register(mux *http.ServeMux) {
	const app = "/oauth/{namespace}/{app}/"
	mux.Handle("GET "+app+"install", h.page(pageInstall, h.install))
	mux.Handle("GET "+app+"install/start", h.page(pageStart, h.start))
	mux.Handle("GET "+app+"callback", h.page(pageCallback, h.callback))
	mux.Handle("POST "+app+"callback/confirm", h.page(pageConfirm, h.confirm))
}

// visit is one request for a page of an app.
type visit struct {
	app *v1alpha1.ZoomApp
	// base is the path of the app's pages.
	base string
	// secrets are the app's client secrets; box seals with them.
	secrets []string
	box     *sealing.Box
	// consents are those under way in this browser. When changed, they go back as a cookie.
	consents consents
	changed  bool
}

// reply is what a page answers, and why.
type reply struct {
	code   int
	reason string
	// page is the template, unless there is a redirect.
	page     string
	view     view
	redirect string
	// retryAfter tells software, and people who look, when to come back.
	retryAfter time.Duration
	err        error // for the log; never shown outside
}

// show is a page without a problem.
func show(page, reason string, v view) reply {
	return reply{code: http.StatusOK, reason: reason, page: page, view: v}
}

// problem is the page that belongs to a reason. Beginning again keeps the invitation.
func (v *visit) problem(reason, invitation string) reply {
	p := problems[reason]
	view := view{Title: p.title, Text: p.text}
	if v.app != nil {
		view.App = v.app.Name
		if p.again {
			view.Install = v.link("/install", invitation)
		}
	}
	return reply{code: p.code, reason: reason, page: "problem", view: view}
}

func (r reply) because(err error) reply {
	r.err = err
	return r
}

func (r reply) retry(after time.Duration) reply {
	r.retryAfter = max(after, time.Second)
	return r
}

// link is the path of a page, with the invitation that somebody came with.
func (v *visit) link(page, invitation string) string {
	if invitation == "" {
		return v.base + page
	}
	return v.base + page + "?" + url.Values{"invitation": {invitation}}.Encode()
}

func (h *consentHandler) page(name string, answer func(context.Context, *visit, *http.Request) reply) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), h.waits.page)
		defer cancel()
		// A connection that cannot be given a deadline has none to miss.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(h.waits.page))
		r.Body = http.MaxBytesReader(w, r.Body, maxPageBody)

		v := &visit{}
		re, ok := h.enter(ctx, v, r)
		if ok {
			defer func() { <-h.slots }()
			if r.Method == http.MethodHead && name != pageInstall {
				// Something looks at links, and a link here acts.
				re = v.problem(reasonMethod, "")
			} else {
				re = answer(ctx, v, r)
			}
		}
		h.write(w, v, re)
		h.report(name, v, re)
	})
}

// enter finds out what a visit is about, or says why there is no going on. When it is ok, it holds a slot.
func (h *consentHandler) enter(ctx context.Context, v *visit, r *http.Request) (re reply, ok bool) {
	select {
	case h.slots <- struct{}{}:
		defer func() {
			if !ok {
				<-h.slots
			}
		}()
	default:
		return v.problem(reasonOverloaded, "").retry(busyFor), false
	}
	app := &v1alpha1.ZoomApp{}
	err := h.cache.Get(ctx, types.NamespacedName{Namespace: r.PathValue("namespace"), Name: r.PathValue("app")}, app)
	switch {
	case err != nil && ctx.Err() != nil:
		return v.problem(reasonNotStored, "").because(err), false
	case err != nil || !app.DeletionTimestamp.IsZero(): // not there, or in a namespace that is not watched
		return v.problem(reasonNoApp, ""), false
	}
	v.app = app
	v.base = "/oauth/" + app.Namespace + "/" + app.Name
	if h.externalURL == "" {
		return v.problem(reasonExternalURLAbsent, ""), false // counted and not logged, as anybody can ask
	}
	h.unlock(ctx, v, r)
	if len(v.secrets) == 0 {
		return v.problem(reasonNoCredentials, ""), false
	}
	return reply{}, true
}

// unlock opens the cookie. One that does not open may have been sealed by another replica with a secret that was added a
// moment ago.
func (h *consentHandler) unlock(ctx context.Context, v *visit, r *http.Request) {
	cookies := r.CookiesNamed(cookieName(h.secure()))
	opened := len(cookies) == 0
	open := func(secrets []string) {
		v.secrets, v.box = secrets, sealing.New(secrets, v.app.Namespace, v.app.Name)
		if !opened {
			v.consents, opened = openConsents(v.box, cookies, h.now())
		}
	}
	open(h.secrets.get(ctx, v.app, clientSecrets).clientSecrets)
	if !opened {
		open(h.secrets.reread(ctx, v.app).clientSecrets)
	}
}

func (h *consentHandler) secure() bool {
	u, err := url.Parse(h.externalURL)
	return err == nil && u.Scheme == "https"
}

// oauth is the app's client at Zoom.
func (h *consentHandler) oauth(v *visit) *zoom.OAuth {
	return &zoom.OAuth{
		ClientID:      v.app.Spec.ClientID,
		ClientSecrets: v.secrets,
		WebURL:        v.app.Spec.Zoom.WebURL,
		APIURL:        v.app.Spec.Zoom.APIURL,
		HTTP:          h.zoom,
	}
}

// redirectURL is where Zoom sends the browser, the same as in status.redirectURL.
func (h *consentHandler) redirectURL(v *visit) string {
	return h.externalURL + v.base + "/callback"
}

// mayExchange says whether Zoom may be asked about another code of this app now.
func (h *consentHandler) mayExchange(app *v1alpha1.ZoomApp) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := client.ObjectKeyFromObject(app)
	if h.exchanges == nil {
		h.exchanges = map[types.NamespacedName]*rate.Limiter{}
	}
	l := h.exchanges[key]
	if l == nil {
		// One that has filled up again is as good as a new one.
		maps.DeleteFunc(h.exchanges, func(_ types.NamespacedName, l *rate.Limiter) bool { return l.TokensAt(h.now()) >= exchangeBurst })
		l = rate.NewLimiter(exchangesPerSecond, exchangeBurst)
		h.exchanges[key] = l
	}
	return l.AllowN(h.now(), 1)
}

func (h *consentHandler) write(w http.ResponseWriter, v *visit, re reply) {
	header := w.Header()
	first := re.page == "install" && v.app.Spec.Distribution != v1alpha1.DistributionPrivate
	protect(header, first)
	if v.changed {
		cookie, err := v.consents.seal(v.box, v.base, h.secure(), h.now())
		if err != nil {
			h.logger.Info("a cookie could not be sealed", append(object(v.app), "cause", err.Error())...)
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
	body, err := render(re.page, re.view)
	if err != nil {
		h.logger.Error(err, "a page could not be made", "page", re.page)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	header.Set("Content-Type", "text/html; charset=utf-8")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(re.code)
	_, _ = w.Write(body) // a browser that went away cannot be told
}

// report counts a page, and logs those that whoever runs the app may have to look into. The log gets neither codes nor
// states, and of people nothing but what an object in the cluster is named by.
func (h *consentHandler) report(page string, v *visit, re reply) {
	var namespace, app string
	if v.app != nil {
		namespace, app = v.app.Namespace, v.app.Name
	}
	consentPages.WithLabelValues(namespace, app, page, strconv.Itoa(re.code), re.reason).Inc()
	if re.err != nil {
		h.logger.Info("a consent did not succeed", "namespace", namespace, "app", app, "page", page, "code", re.code, "reason", re.reason, "cause", cause(re.err))
	}
}
