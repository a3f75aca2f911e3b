package webhookserver

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"golang.org/x/oauth2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/sealing"
)

// install is the first page: it says what will be shared.
func (h *consentHandler) install(ctx context.Context, v *visit, r *http.Request) reply {
	invitation, refused := h.invitation(ctx, v, r)
	if refused != nil {
		return *refused
	}
	spec := &v.app.Spec
	page := view{
		Title:        "Connect Zoom to " + v.app.Name,
		App:          v.app.Name,
		Admin:        spec.ManagedBy == v1alpha1.ManagedByAdmin,
		Invited:      invitation != "",
		ByInvitation: invitation == "" && spec.Distribution == v1alpha1.DistributionPrivate,
		Participants: spec.Participants == v1alpha1.ParticipantsCount,
		KeepsAccess:  spec.TokenPolicy != v1alpha1.TokenPolicyNone,
		Continue:     v.link("/install/start", invitation),
	}
	for _, scope := range spec.Scopes {
		page.Scopes = append(page.Scopes, string(scope))
	}
	return show("install", reasonShown, page)
}

// start begins a consent in this browser and sends it to Zoom. It is a link and no form: a Content-Security-Policy that
// limits where a form leads also limits where Zoom may send the browser on its way, to sign-in pages that only Zoom knows.
// Somebody who is made to follow the link stands before Zoom's question, and no further.
func (h *consentHandler) start(ctx context.Context, v *visit, r *http.Request) reply {
	invitation, refused := h.invitation(ctx, v, r)
	if refused != nil {
		return *refused
	}
	verifier := oauth2.GenerateVerifier()
	state := v.consents.begin(pending{Verifier: verifier, Invitation: invitation}, h.now())
	v.changed = true
	return reply{
		code:     http.StatusSeeOther,
		reason:   reasonSentToZoom,
		redirect: h.oauth(v).AuthorizeURL(h.redirectURL(v), state, verifier),
	}
}

// invitation is the one in the link, still sealed, once it has been checked; empty when there is none.
func (h *consentHandler) invitation(ctx context.Context, v *visit, r *http.Request) (string, *reply) {
	query, ok := parameters(r.URL.RawQuery, "invitation")
	if !ok {
		re := v.problem(reasonMalformed, "")
		return "", &re
	}
	_, refused := h.invited(ctx, v, query["invitation"])
	return query["invitation"], refused
}

// parameters are the values of the named parameters. A parameter that is there twice, or a query that does not parse, is not
// ok: two readers could see different values in it.
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

// invited is the installation that a sealed invitation is for, as it is in the API server now; nil without an invitation.
func (h *consentHandler) invited(ctx context.Context, v *visit, sealed string) (*v1alpha1.ZoomInstallation, *reply) {
	if sealed == "" {
		return nil, nil
	}
	refuse := func(reason string, err error) (*v1alpha1.ZoomInstallation, *reply) {
		re := v.problem(reason, "").because(err)
		return nil, &re
	}
	var invitation sealing.Invitation
	err := v.box.Open(sealing.PurposeInvitation, h.now(), sealed, &invitation)
	if errors.Is(err, sealing.ErrInvalid) {
		// It may have been sealed with a secret that was added a moment ago.
		v.secrets = h.secrets.reread(ctx, v.app).clientSecrets
		v.box = sealing.New(v.secrets, v.app.Namespace, v.app.Name)
		err = v.box.Open(sealing.PurposeInvitation, h.now(), sealed, &invitation)
	}
	switch {
	case errors.Is(err, sealing.ErrExpired):
		return refuse(reasonOldInvitation, nil)
	case err != nil:
		return refuse(reasonBadInvitation, nil)
	}
	// Only whoever got an invitation comes here, so the API server can be asked.
	in := &v1alpha1.ZoomInstallation{}
	err = h.live.Get(ctx, types.NamespacedName{Namespace: v.app.Namespace, Name: invitation.Name}, in)
	switch {
	case apierrors.IsNotFound(err):
		return refuse(reasonNoInvitation, nil)
	case err != nil:
		return refuse(reasonNotStored, err)
	case in.UID != invitation.UID, in.Spec.AppRef.Name != v.app.Name, !in.DeletionTimestamp.IsZero():
		return refuse(reasonNoInvitation, nil)
	}
	return in, nil
}
