package consent

import (
	"context"
	"net/http"

	"golang.org/x/oauth2"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/webhookserver/telemetry"
)

// install is the first page: it says what will be shared.
func (s *service) install(ctx context.Context, req *consentRequest, r *http.Request) (response, error) {
	invitation, err := s.begins(ctx, req, r)
	if err != nil {
		return response{}, err
	}
	spec := &req.app.Spec
	page := view{
		Title:        req.title("install.title"),
		Admin:        spec.ManagedBy == v1alpha1.ManagedByAdmin,
		Invited:      invitation != "",
		ByInvitation: invitation == "" && spec.Distribution == v1alpha1.DistributionPrivate,
		Participants: spec.Participants == v1alpha1.ParticipantsCount,
		KeepsAccess:  spec.TokenPolicy != v1alpha1.TokenPolicyNone,
		Continue:     req.link(urls.Start, invitation),
	}
	for _, scope := range spec.Scopes {
		page.Scopes = append(page.Scopes, string(scope))
	}
	return show("install", reasonShown, page), nil
}

// start begins a consent in this browser and sends it to Zoom. It is a link and no form: a
// Content-Security-Policy that limits where a form leads also limits where Zoom may send the
// browser on its way, to sign-in pages that only Zoom knows. A user who is made to follow the link
// gets as far as Zoom's question, and no further.
func (s *service) start(ctx context.Context, req *consentRequest, r *http.Request) (response, error) {
	invitation, err := s.begins(ctx, req, r)
	if err != nil {
		return response{}, err
	}
	verifier := oauth2.GenerateVerifier()
	state := req.flows.begin(flow{Verifier: verifier, Invitation: invitation}, s.now())
	req.changed = true
	return response{
		code:     http.StatusSeeOther,
		reason:   reasonSentToZoom,
		redirect: s.oauth(req).AuthorizeURL(s.redirectURL(req), state, verifier),
	}, nil
}

// begins checks whether a consent can begin. It returns the invitation in the link, still sealed;
// empty when there is none.
func (s *service) begins(ctx context.Context, req *consentRequest, r *http.Request) (invitation string, err error) {
	if !s.mayBegin(ctx, req) {
		return "", refuse(telemetry.ReasonNoCredentials)
	}
	query, ok := parameters(r.URL.RawQuery, "invitation", "installation")
	if !ok || query["invitation"] != "" && query["installation"] != "" {
		return "", refuse(telemetry.ReasonMalformed)
	}
	invitation = query["invitation"]
	if name := query["installation"]; name != "" {
		// Any client may ask for any name, so this one is checked when the consenter is known.
		if len(validation.IsDNS1123Subdomain(name)) > 0 { // part of the link is missing
			return "", refuse(reasonBadInvitation)
		}
		return named + name, nil
	}
	_, err = s.invited(ctx, req, invitation)
	return invitation, err
}
