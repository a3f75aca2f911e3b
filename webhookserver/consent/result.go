package consent

import (
	"context"
	"errors"
	"net/http"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/webhookserver/limits"
)

// result is the page that says what came of a flow. It is true whenever it is loaded: a consent
// may have ended since.
func (s *service) result(ctx context.Context, req *consentRequest, r *http.Request) (response, error) {
	p := req.flows.ended(r.PathValue("flow"))
	switch {
	case p == nil:
		return response{}, refuse(reasonNoResult)
	case p.End == nil: // it was used before pages of results were
		return response{}, refuse(reasonUsedState)
	case p.End.Installation == "":
		return response{}, &pageError{reason: p.End.Reason, invitation: p.Invitation}
	}
	in, err := s.standingNow(ctx, req, p.End)
	var dead bool
	if err == nil && in != nil && saidDead(in) {
		dead, err = s.consentDead(ctx, in)
	}
	switch {
	case err != nil:
		return response{}, &pageError{reason: reasonUnclear, retryAfter: limits.BusyFor, err: err}
	case in == nil:
		return response{}, refuse(reasonDisconnected)
	case dead:
		return response{}, refuse(reasonReconnect)
	case p.End.Reason != reasonInstalled:
		return response{}, refuse(p.End.Reason)
	}
	return show("installed", reasonInstalled, view{
		Title:   req.title("installed.title"),
		Admin:   req.app.Spec.ManagedBy == v1alpha1.ManagedByAdmin,
		Missing: installation.MissingScopes(req.app.Spec.Scopes, in.Spec.Consent.Scopes),
		Install: req.link(urls.Install, p.Invitation),
	}), nil
}

// standingNow is the installation that a consent went into, while its consent is in force; nil
// otherwise. The cache may not have it yet, or only a consent before this one, which is dead; and
// only a customer who has consented can make the API server be asked.
func (s *service) standingNow(ctx context.Context, req *consentRequest, end *ending) (*v1alpha1.ZoomInstallation, error) {
	key := client.ObjectKey{Namespace: req.app.Namespace, Name: end.Installation}
	var standing *v1alpha1.ZoomInstallation
	for _, from := range []client.Reader{s.cache, s.live} {
		in := &v1alpha1.ZoomInstallation{}
		if err := from.Get(ctx, key, in); client.IgnoreNotFound(err) != nil {
			return nil, err
		}
		standing = nil
		if in.UID == end.UID && in.Spec.AppRef.Name == req.app.Name && installation.ConsentStands(in) {
			standing = in
			if !saidDead(in) {
				break
			}
		}
	}
	return standing, nil
}

// saidDead says whether the status has it that nothing is left of a consent at Zoom, or here.
func saidDead(in *v1alpha1.ZoomInstallation) bool {
	c := meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionAuthorized)
	if c == nil || c.Status != metav1.ConditionFalse || c.ObservedGeneration != in.Generation {
		return false
	}
	switch c.Reason {
	case v1alpha1.ReasonTokenRevoked, v1alpha1.ReasonRefreshLost, v1alpha1.ReasonTokenMissing:
		return true
	}
	return false
}

// consentDead says whether that is so: a customer who consents once more within a second leaves the
// spec as it was, and so the generation that the status is about. The token tells the two apart.
func (s *service) consentDead(ctx context.Context, in *v1alpha1.ZoomInstallation) (bool, error) {
	stored, err := tokens.Load(ctx, s.live, in)
	switch {
	case errors.Is(err, tokens.ErrForeign):
		return true, nil
	case err != nil:
		return false, err
	}
	return stored == nil || stored.Refusal != "", nil
}
