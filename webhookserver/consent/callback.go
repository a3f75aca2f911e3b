package consent

import (
	"context"
	"errors"
	"net/http"
	"regexp"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/webhookserver/telemetry"
)

// maxCode is the longest code that is taken. Zoom documents none; the cookie has room for this one.
const maxCode = 2048

// codePattern is what Zoom's codes look like, whose form is not documented.
var codePattern = regexp.MustCompile(`^[A-Za-z0-9._~+/=-]+$`)

// callback is where Zoom sends the browser.
func (s *service) callback(ctx context.Context, req *consentRequest, r *http.Request) (response, error) {
	query, ok := parameters(r.URL.RawQuery, "code", "state", "error")
	if !ok {
		return response{}, refuse(telemetry.ReasonMalformed)
	}
	code, state := query["code"], query["state"]
	begun := req.flows.find(state)
	if query["error"] != "" {
		return s.refused(req, begun, query["error"])
	}
	switch {
	case len(code) > maxCode, !codePattern.MatchString(code):
		return response{}, refuse(telemetry.ReasonMalformed)
	case state == "" && req.app.Spec.Distribution == v1alpha1.DistributionMarketplace:
		return s.askForClick(ctx, req, code)
	case state == "":
		return response{}, refuse(reasonNoState)
	case begun == nil || begun.Code != "":
		return response{}, refuse(reasonUnknownState)
	}
	return s.finish(ctx, req, begun, code)
}

// refused is the page for a consent that was not given. What Zoom says of it is not repeated: it
// may have been written into a link by a stranger.
func (s *service) refused(req *consentRequest, begun *flow, why string) (response, error) {
	reason := reasonZoomRefused
	if why == "access_denied" {
		reason = reasonRefused
	}
	switch {
	case begun == nil:
		return response{}, refuse(reason)
	case !begun.Used:
		begun.use(ending{Reason: reason}, s.now())
		req.changed = true
	}
	return req.toResult(begun, reason), nil
}

// askForClick is for a flow that began at Zoom's Add button. Nothing proves that the user of this
// browser began it, so nothing happens without a click.
func (s *service) askForClick(ctx context.Context, req *consentRequest, code string) (response, error) {
	if !s.mayBegin(ctx, req) {
		return response{}, refuse(telemetry.ReasonNoCredentials)
	}
	var state string
	switch known := req.flows.ofCode(code); {
	case known == nil:
		state = req.flows.begin(flow{Code: code}, s.now())
		req.changed = true
	case known.Used:
		return req.toResult(known, reasonUsedState), nil
	default: // the page is loaded again
		state = known.State
	}
	return show("confirm", reasonBeganAtZoom, view{
		Title:   req.title("confirm.title"),
		Admin:   req.app.Spec.ManagedBy == v1alpha1.ManagedByAdmin,
		State:   state,
		Confirm: req.path(urls.Confirm),
	}), nil
}

// confirm is that click.
func (s *service) confirm(ctx context.Context, req *consentRequest, r *http.Request) (response, error) {
	if err := req.formErr; err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return response{}, refuse(telemetry.ReasonTooLarge)
		}
		return response{}, refuse(telemetry.ReasonMalformed)
	}
	begun := req.flows.find(r.PostForm.Get("state"))
	if begun == nil || begun.Code == "" && !begun.Used {
		return response{}, refuse(reasonUnknownState)
	}
	return s.finish(ctx, req, begun, begun.Code)
}

// opened is for who opens the address of that click, as by typing it, without the form.
func opened(context.Context, *consentRequest, *http.Request) (response, error) {
	return response{}, refuse(reasonUnknownState)
}

// finish turns a code into what came of it, once, and sends the browser to the page that says so:
// one that can be loaded again, and has neither code nor state in its address.
func (s *service) finish(ctx context.Context, req *consentRequest, begun *flow, code string) (response, error) {
	if begun.Used {
		return req.toResult(begun, reasonUsedState), nil
	}
	key := flightKey{app: client.ObjectKeyFromObject(req.app), flow: begun.id()}
	o, joined := s.flights.do(key, func() outcome {
		ctx, ended := s.tracing.Consent(ctx, req.app)
		o := s.complete(ctx, req, begun, code)
		ended(o.reason)
		return o
	})
	if joined {
		o.err = nil // which has been logged
	}
	if !o.final {
		return response{}, &pageError{reason: o.reason, invitation: begun.Invitation, retryAfter: o.retryAfter, err: o.err}
	}
	begun.use(ending{Reason: o.reason, Installation: o.installation, UID: o.uid}, s.now())
	req.changed = true
	result := req.toResult(begun, o.reason)
	result.err = o.err
	return result, nil
}
