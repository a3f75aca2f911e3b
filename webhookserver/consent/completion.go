package consent

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/refusal"
	"github.com/zoom-operator/zoom-operator/internal/sealing"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/internal/tombstones"
	"github.com/zoom-operator/zoom-operator/internal/tracing"
	"github.com/zoom-operator/zoom-operator/webhookserver/limits"
	"github.com/zoom-operator/zoom-operator/webhookserver/telemetry"
	"github.com/zoom-operator/zoom-operator/zoom"
)

const (
	// askAgainAfter and storeAgainAfter are the pauses between attempts at what can be repeated.
	askAgainAfter   = 300 * time.Millisecond
	storeAgainAfter = 300 * time.Millisecond
	// askTimes is how often Zoom is asked who consented, which spends nothing.
	askTimes = 3
	// storeTimes is how often a consent is stored before its installation is believed to be going:
	// what is known here of one that has just gone may be behind.
	storeTimes = 3
)

// complete turns a code into an installation, or into the reason why not. Everything is checked
// that can be before the code is spent, and nothing is stored before everything is known.
func (s *service) complete(ctx context.Context, req *consentRequest, begun *flow, code string) (o outcome) {
	ctx = context.WithoutCancel(ctx)
	asking, cancel := context.WithTimeout(ctx, s.waits.ask)
	defer cancel()
	invited, err := s.invited(asking, req, begun.Invitation)
	if err != nil {
		return outcomeOf(err)
	}
	if in := s.cachedOf(asking, req.app, begun.id()); in != nil {
		return connected(in, invited) // another replica has used the code
	}
	exchanged, ok := req.caller.MayExchange()
	if !ok {
		return outcome{reason: telemetry.ReasonAddress, retryAfter: limits.BusyFor}
	}
	defer func() { exchanged(o.reason == reasonCode) }()
	if !s.mayExchange(req.app) {
		return outcome{reason: reasonRateLimited, retryAfter: limits.BusyFor}
	}
	asked := s.now()
	oauth, token, err := s.exchange(asking, req, code, begun.Verifier)
	if errors.Is(err, zoom.ErrGrant) {
		if o, ok := s.usedElsewhere(asking, req, oauth, begun, invited); ok {
			return o
		}
	}
	if err != nil {
		s.reports.note(req.app, req.secrets, refusal.OfConsent(err))
		o := zoomFailed(err, s.now())
		o.final, o.asked = !unspent(err), !errors.Is(err, zoom.ErrNotSent)
		return o
	}
	user, err := s.whoIs(asking, oauth, token)
	s.reports.note(req.app, req.secrets, refusal.OfConsent(err))
	if err != nil {
		// The token is let go of and not revoked: the customer may have installed the app before,
		// and revoking uninstalls.
		o := zoomFailed(err, s.now())
		o.final = true
		return o
	}
	g := grant{
		oauth: oauth, token: token, user: user, asked: asked, at: consentTime(token.AnsweredAt, asked, s.now()),
		invited: invited, flow: begun.id(), client: tokens.ClientOf(req.app, req.secrets),
	}
	o = s.settle(ctx, req, g)
	o.final = true
	return o
}

// whoIs asks Zoom whose the token is, again when there is no answer: the question is free and the
// token is not.
func (s *service) whoIs(ctx context.Context, oauth *zoom.OAuth, token *zoom.Token) (user *zoom.User, err error) {
	ctx, asked := tracing.Step(ctx, "ask who consented")
	defer func() { asked(err) }()
	attempts := 0
	_ = wait.PollUntilContextCancel(ctx, askAgainAfter, true, func(ctx context.Context) (bool, error) {
		attempts++
		user, err = oauth.Me(ctx, token.AccessToken, token.APIURL)
		_, limited := errors.AsType[*zoom.RateLimited](err)
		return err == nil || limited || errors.Is(err, zoom.ErrScope) || errors.Is(err, zoom.ErrToken) || attempts == askTimes, nil
	})
	if err == nil && (!zoom.IsAccountID(user.AccountID) || !zoom.IsUserID(user.ID)) {
		return nil, errors.New("the answer of Zoom names no account and user")
	}
	return user, err
}

// settle stores a consent in the installation that it belongs to.
func (s *service) settle(ctx context.Context, req *consentRequest, g grant) outcome {
	in, err := s.place(ctx, req.app, g)
	if nowhere, ok := errors.AsType[*pageError](err); ok {
		return s.discard(ctx, req.app, g, nowhere.reason)
	}
	switch {
	case errors.Is(err, errSuperseded):
		return outcome{reason: reasonSuperseded, err: err}
	case err != nil:
		return outcome{reason: telemetry.ReasonNotStored, err: err}
	}
	o := connected(in, g.invited)
	if o.reason == reasonInstalled {
		s.logger.Info("App installed", "namespace", req.app.Namespace, "app", req.app.Name, "installation", in.Name)
	}
	return o
}

// place stores a consent, again and again while the API server is away or another client writes
// too, and returns where. The error is a pageError when it belongs nowhere.
func (s *service) place(ctx context.Context, app *v1alpha1.ZoomApp, g grant) (in *v1alpha1.ZoomInstallation, err error) {
	ctx, stored := tracing.Step(ctx, "store")
	defer func() { stored(err) }()
	c := claim{app: app, account: g.user.AccountID, invited: g.invited}
	if app.Spec.ManagedBy == v1alpha1.ManagedByUser {
		c.user = g.user.ID
	}
	attempts := 0
	_ = wait.PollUntilContextTimeout(ctx, storeAgainAfter, s.waits.store, true, func(ctx context.Context) (bool, error) {
		attempts++
		in, err = s.placeOnce(ctx, c, g)
		switch {
		case errors.Is(err, errAnotherAccount):
			err = refuse(reasonWrongAccount)
		case errors.Is(err, errWithdrawn):
			err = refuse(reasonNoInvitation)
		case errors.Is(err, errBeingRemoved) && attempts == storeTimes:
			err = refuse(reasonBeingRemoved)
		}
		return err == nil || permanent(err), nil
	})
	return in, err
}

func (s *service) placeOnce(ctx context.Context, c claim, g grant) (*v1alpha1.ZoomInstallation, error) {
	var err error
	if c.known, err = s.known(ctx, c.app, c.account); err != nil {
		return nil, err
	}
	name, reason := c.decide()
	if name == "" {
		return nil, refuse(reason)
	}
	if err := s.bind(ctx, c); err != nil {
		return nil, err
	}
	return s.store(ctx, c, g, name)
}

// permanent says that storing fails every time, until an admin changes something in the cluster or
// the customer consents once more.
func permanent(err error) bool {
	_, nowhere := errors.AsType[*pageError](err)
	return nowhere || apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || errors.Is(err, tokens.ErrForeign) || errors.Is(err, errSuperseded)
}

// discard revokes a token at once that belongs to no installation. Zoom reports that as the removal
// by a customer; a tombstone says that there was none, so that a stranger leaves no record.
func (s *service) discard(ctx context.Context, app *v1alpha1.ZoomApp, g grant, reason string) outcome {
	o := outcome{reason: reason}
	ctx, stop := context.WithTimeout(ctx, s.waits.revoke)
	defer stop()
	consent := tombstones.ConsentOf(app, g.user.AccountID, "")
	if app.Spec.ManagedBy == v1alpha1.ManagedByUser {
		consent.User = g.user.ID
	}
	if err := s.tombstones.Delete(ctx, consent, tombstones.Lifetime(app)); err != nil {
		o.err = fmt.Errorf("the removal of a token that is of no use here may leave a record: %w", err)
	}
	err := g.oauth.Revoke(ctx, g.token.AccessToken)
	if err != nil && !errors.Is(err, zoom.ErrToken) && !errors.Is(err, zoom.ErrGrant) { // which say that it is dead
		o.err = errors.Join(o.err, fmt.Errorf("a token that is of no use here could not be revoked: %w", err))
	}
	return o
}

// exchange spends a code. Where Zoom refuses the app, which spends none, an admin may have
// corrected its Secret a moment ago: it is read again, and what has changed is tried.
func (s *service) exchange(ctx context.Context, req *consentRequest, code, verifier string) (oauth *zoom.OAuth, token *zoom.Token, err error) {
	ctx, exchanged := tracing.Step(ctx, "exchange the code")
	defer func() { exchanged(err) }()
	oauth = s.oauth(req)
	token, err = oauth.Exchange(ctx, code, s.redirectURL(req), verifier)
	if !errors.Is(err, zoom.ErrClient) {
		return oauth, token, err
	}
	corrected := s.credentials.Reread(ctx, req.app).ClientSecrets
	if len(corrected) == 0 || slices.Equal(corrected, req.secrets) {
		return oauth, token, err
	}
	req.secrets, req.box = corrected, sealing.New(corrected, req.app.Namespace, req.app.Name)
	oauth = s.oauth(req)
	token, err = oauth.Exchange(ctx, code, s.redirectURL(req), verifier)
	return oauth, token, err
}
