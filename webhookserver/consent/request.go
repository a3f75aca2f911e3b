package consent

import (
	"cmp"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/clouds"
	"github.com/zoom-operator/zoom-operator/internal/sealing"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/webhookserver/limits"
	"github.com/zoom-operator/zoom-operator/webhookserver/telemetry"
)

// consentRequest is one request for a page of an app.
type consentRequest struct {
	app *v1alpha1.ZoomApp
	// caller is the address that the request comes from; nil when it is not known.
	caller *limits.Caller
	// cloud is where the app's Zoom is.
	cloud clouds.Cloud
	// secrets are the app's client secrets; box seals with them.
	secrets []string
	box     *sealing.Box
	// flows are those under way in this browser. When changed, they go back as a cookie.
	flows   flows
	changed bool
	// tongue is what the user reads; nil for English.
	tongue *tongue
	// logo is the app's picture; empty where there is none.
	logo template.URL
	// formErr is what is wrong with the form.
	formErr error
}

// response is what a page answers, and why.
type response struct {
	code   int
	reason string
	// page is the template, unless there is a redirect or a file.
	page     string
	view     view
	redirect string
	// file is what is sent as it is.
	file string
	// retryAfter is when a client, or a user, may come back.
	retryAfter time.Duration
	err        error // for the log; never shown outside
}

// show is a page without a problem.
func show(page, reason string, v view) response {
	return response{code: http.StatusOK, reason: reason, page: page, view: v}
}

// pageError is an error with a page that says why a customer cannot go on.
type pageError struct {
	reason string
	// invitation is the one to begin again with.
	invitation string
	retryAfter time.Duration
	err        error // for the log; nil for what is only counted
}

func (e *pageError) Error() string { return "the page says " + e.reason }

func (e *pageError) Unwrap() error { return e.err }

// refuse is an error with the page of a reason.
func refuse(reason string) error { return &pageError{reason: reason} }

// responseTo is the page that belongs to an error. Beginning again keeps the invitation.
func (req *consentRequest) responseTo(err error) response {
	problem, ok := errors.AsType[*pageError](err)
	if !ok {
		problem = &pageError{reason: telemetry.ReasonNotStored, err: err}
	}
	p, says := problems[problem.reason], req.speaks().Problems[problem.reason]
	view := view{Title: says.Title, Text: says.Text}
	if req.app != nil && p.again {
		view.Install = req.link(urls.Install, problem.invitation)
	}
	r := response{code: p.code, reason: problem.reason, page: "problem", view: view, err: problem.err}
	if problem.retryAfter > 0 {
		r.retryAfter = max(problem.retryAfter, time.Second)
	}
	return r
}

// appName is what customers call the app.
func (req *consentRequest) appName() string {
	return cmp.Or(string(req.app.Spec.DisplayName), req.app.Name)
}

// title is the heading of that name, in the user's language.
func (req *consentRequest) title(key string) string { return req.speaks().text(key, req.appName()) }

func (req *consentRequest) speaks() *tongue { return cmp.Or(req.tongue, english) }

// identified is a view in the user's language that says which app it is of, and who runs that.
func (req *consentRequest) identified(v view) view {
	v.tongue = req.tongue
	if req.app != nil {
		v.App, v.Publisher, v.Logo = req.appName(), req.app.Spec.Publisher, req.logo
	}
	return v
}

// path is the path of a page of the app.
func (req *consentRequest) path(of func(namespace, app string) string) string {
	return of(req.app.Namespace, req.app.Name)
}

// link is the path of a page, with the invitation that the customer came with.
func (req *consentRequest) link(of func(namespace, app string) string, invitation string) string {
	page := req.path(of)
	if invitation == "" {
		return page
	}
	if name, ok := strings.CutPrefix(invitation, named); ok {
		return page + "?" + url.Values{"installation": {name}}.Encode()
	}
	return page + "?" + url.Values{"invitation": {invitation}}.Encode()
}

// parameters are the values of the named parameters. A parameter that is there twice, or a query
// that does not parse, is not ok: two readers could see different values in it.
func parameters(query string, names ...string) (map[string]string, bool) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, false
	}
	out := map[string]string{}
	for _, name := range names {
		if len(values[name]) > 1 {
			return nil, false
		}
		out[name] = values.Get(name)
	}
	return out, true
}

// named begins an invitation that is no secret: the name of an installation follows, whose account
// is known. A sealed one does not begin like that.
const named = "/"

// toResult sends the browser to the page that says what came of a flow. Its address is made of
// what this browser's cookie holds; nothing of it is in the request.
func (req *consentRequest) toResult(f *flow, reason string) response {
	return response{code: http.StatusSeeOther, reason: reason, redirect: urls.Result(req.app.Namespace, req.app.Name, f.id())}
}
