package webhookserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/record"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/zoom"
)

const (
	// Everything after Zoom sent the browser back has a time of its own, so that a slow Zoom leaves enough for storing what
	// it gave: asking for the token and whose it is, storing it, and revoking it when nobody here may have it.
	askWithin    = 12 * time.Second
	storeWithin  = 5 * time.Second
	revokeWithin = 3 * time.Second
	// completeWithin is all of it. A browser that goes away does not end it, for the code is spent by then; nor does a server
	// that stops, for it waits this long.
	completeWithin = askWithin + storeWithin + revokeWithin
	// askAgainAfter and storeAgainAfter are the pauses between attempts at what can be repeated.
	askAgainAfter   = 300 * time.Millisecond
	storeAgainAfter = 300 * time.Millisecond
	// askTimes is how often Zoom is asked who consented, which spends nothing.
	askTimes = 3
	// storeTimes is how often a consent is stored before its installation is believed to be going: what is known here of one
	// that has just gone may be behind.
	storeTimes = 3
)

// maxCode is the longest code that is taken. Zoom documents none; the cookie has room for this one.
const maxCode = 2048

// What Zoom's codes and ids look like. A code has no documented form either.
var (
	codePattern    = regexp.MustCompile(`^[A-Za-z0-9._~+/=-]+$`)
	accountPattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
	userPattern    = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,128}$`)
)

// callback is where Zoom sends the browser.
func (h *consentHandler) callback(ctx context.Context, v *visit, r *http.Request) reply {
	query, ok := parameters(r.URL.RawQuery, "code", "state", "error")
	if !ok {
		return v.problem(reasonMalformed, "")
	}
	code, state := query["code"], query["state"]
	begun := v.consents.find(state)
	if query["error"] != "" {
		return refused(v, begun, query["error"])
	}
	switch {
	case len(code) > maxCode, !codePattern.MatchString(code):
		return v.problem(reasonMalformed, "")
	case state == "" && v.app.Spec.Distribution == v1alpha1.DistributionMarketplace:
		return askForClick(h, v, code)
	case state == "":
		return v.problem(reasonNoState, "")
	case begun == nil || begun.Code != "":
		return v.problem(reasonUnknownState, "")
	case begun.Used:
		return v.problem(reasonUsedState, "")
	}
	return h.complete(ctx, v, begun, code)
}

// refused is the page for a consent that was not given. What Zoom says of it is not repeated: anybody can write it into a link.
func refused(v *visit, begun *pending, why string) reply {
	var invitation string
	if begun != nil && !begun.Used {
		invitation = begun.Invitation
		begun.use()
		v.changed = true
	}
	if why == "access_denied" {
		return v.problem(reasonRefused, invitation)
	}
	return v.problem(reasonZoomRefused, invitation)
}

// askForClick is for a flow that began at Zoom's Add button. Nothing proves that whoever holds this browser began it, so
// nothing happens without a click.
func askForClick(h *consentHandler, v *visit, code string) reply {
	state := v.consents.begin(pending{Code: code}, h.now())
	v.changed = true
	return show("confirm", reasonBeganAtZoom, view{
		Title:   "Connect Zoom to " + v.app.Name + "?",
		App:     v.app.Name,
		Admin:   v.app.Spec.ManagedBy == v1alpha1.ManagedByAdmin,
		State:   state,
		Confirm: v.base + "/callback/confirm",
	})
}

// confirm is that click.
func (h *consentHandler) confirm(ctx context.Context, v *visit, r *http.Request) reply {
	if err := r.ParseForm(); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return v.problem(reasonTooLarge, "")
		}
		return v.problem(reasonMalformed, "")
	}
	begun := v.consents.find(r.PostForm.Get("state"))
	switch {
	case begun == nil || begun.Code == "" && !begun.Used:
		return v.problem(reasonUnknownState, "")
	case begun.Used:
		return v.problem(reasonUsedState, "")
	}
	return h.complete(ctx, v, begun, begun.Code)
}

// complete turns a code into an installation, or into a page that says why not. Everything is checked that can be before the
// code is spent, and nothing is stored before everything is known.
func (h *consentHandler) complete(ctx context.Context, v *visit, begun *pending, code string) reply {
	ctx = context.WithoutCancel(ctx)
	asking, cancel := context.WithTimeout(ctx, h.waits.ask)
	defer cancel()
	invitation := begun.Invitation
	invited, no := h.invited(asking, v, invitation)
	if no != nil {
		return *no
	}
	if !h.mayExchange(v.app) {
		return v.problem(reasonRateLimited, invitation).retry(busyFor)
	}
	oauth := h.oauth(v)
	at := h.now() // a removal that is later than this ends the consent
	token, err := oauth.Exchange(asking, code, h.redirectURL(v), begun.Verifier)
	if err != nil {
		if errors.Is(err, zoom.ErrGrant) {
			begun.use()
			v.changed = true
		}
		return h.zoomFailed(v, invitation, err)
	}
	begun.use()
	v.changed = true
	user, err := h.whoIs(asking, oauth, token)
	if err != nil {
		// The token is let go of and not revoked: whoever it was may have installed the app before, and revoking uninstalls.
		return h.zoomFailed(v, invitation, err)
	}
	return h.settle(ctx, v, grant{oauth: oauth, token: token, user: user, at: at, invited: invited, invitation: invitation})
}

// zoomFailed is the page for an answer of Zoom that is none.
func (h *consentHandler) zoomFailed(v *visit, invitation string, err error) reply {
	limited, isLimited := errors.AsType[*zoom.RateLimited](err)
	switch {
	case isLimited:
		return v.problem(reasonRateLimited, invitation).because(err).retry(limited.Wait(h.now()))
	case errors.Is(err, zoom.ErrGrant):
		return v.problem(reasonCode, invitation) // anybody can make codes up, so it is only counted
	case errors.Is(err, zoom.ErrToken): // the same person consented once more in another tab, and only the newer token is good
		return v.problem(reasonCode, invitation).because(err)
	case errors.Is(err, zoom.ErrClient):
		return v.problem(reasonClient, invitation).because(err)
	case errors.Is(err, zoom.ErrScope):
		return v.problem(reasonScope, invitation).because(err)
	}
	return v.problem(reasonZoomUnreachable, invitation).because(err)
}

// whoIs asks Zoom whose the token is, again when there is no answer: the question is free and the token is not.
func (h *consentHandler) whoIs(ctx context.Context, oauth *zoom.OAuth, token *zoom.Token) (*zoom.User, error) {
	for attempt := 1; ; attempt++ {
		user, err := oauth.Me(ctx, token.AccessToken, token.APIURL)
		_, limited := errors.AsType[*zoom.RateLimited](err)
		switch {
		case err == nil && (!accountPattern.MatchString(user.AccountID) || !userPattern.MatchString(user.ID)):
			return nil, errors.New("the answer of Zoom names no account and user")
		case err == nil, limited, errors.Is(err, zoom.ErrScope), errors.Is(err, zoom.ErrToken), attempt == askTimes:
			return user, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(askAgainAfter):
		}
	}
}

// grant is a consent that Zoom has confirmed.
type grant struct {
	oauth *zoom.OAuth
	token *zoom.Token
	user  *zoom.User
	at    time.Time
	// invited is the installation that the invitation is for; nil without one.
	invited    *v1alpha1.ZoomInstallation
	invitation string
}

// Why a consent does not become an installation, or not the expected one.
var (
	errAnotherAccount = errors.New("the installation belongs to another account or user")
	errBeingRemoved   = errors.New("the installation is being deleted")
	errWithdrawn      = errors.New("the invitation was withdrawn")
)

// settle stores a consent in the installation that it belongs to.
func (h *consentHandler) settle(ctx context.Context, v *visit, g grant) reply {
	name, reason, err := h.place(ctx, v.app, g)
	switch {
	case err != nil:
		return v.problem(reasonNotStored, g.invitation).because(err)
	case reason == reasonAlreadyInstalled:
		return v.problem(reason, "")
	case reason != "":
		return h.discard(ctx, v, g, reason)
	}
	h.logger.Info("the app was installed", "namespace", v.app.Namespace, "app", v.app.Name, "installation", name)
	return show("installed", reasonInstalled, view{
		Title:   "Zoom is connected",
		App:     v.app.Name,
		Admin:   v.app.Spec.ManagedBy == v1alpha1.ManagedByAdmin,
		Missing: record.MissingScopes(v.app.Spec.Scopes, granted(g.token.Scopes)),
		Install: v.link("/install", g.invitation),
	})
}

// place stores a consent, again and again while the API server is away or somebody else writes too, and returns where; or
// the reason why it belongs nowhere, or not where it was expected.
func (h *consentHandler) place(ctx context.Context, app *v1alpha1.ZoomApp, g grant) (name, reason string, err error) {
	c := claim{app: app, account: g.user.AccountID, invited: g.invited}
	if app.Spec.ManagedBy == v1alpha1.ManagedByUser {
		c.user = g.user.ID
	}
	ctx, cancel := context.WithTimeout(ctx, h.waits.store)
	defer cancel()
	for attempt := 1; ; attempt++ {
		name, reason, err = h.placeOnce(ctx, c, g)
		switch {
		case err == nil:
			return name, reason, nil
		case errors.Is(err, errAnotherAccount):
			return "", reasonWrongAccount, nil
		case errors.Is(err, errWithdrawn):
			return "", reasonNoInvitation, nil
		case errors.Is(err, errBeingRemoved) && attempt == storeTimes:
			return "", reasonBeingRemoved, nil
		}
		select {
		case <-ctx.Done():
		case <-time.After(storeAgainAfter):
		}
		if ctx.Err() != nil || hopeless(err) {
			return "", "", err
		}
	}
}

func (h *consentHandler) placeOnce(ctx context.Context, c claim, g grant) (name, reason string, err error) {
	if c.known, err = h.known(ctx, c.app, c.account); err != nil {
		return "", "", err
	}
	name, reason = c.decide()
	if reason != "" && reason != reasonAlreadyInstalled {
		return name, reason, nil
	}
	if err := h.bind(ctx, c); err != nil {
		return "", "", err
	}
	return name, reason, h.store(ctx, c.app, c, g, name)
}

// discard lets a token die at once that nobody here may have.
func (h *consentHandler) discard(ctx context.Context, v *visit, g grant, reason string) reply {
	re := v.problem(reason, g.invitation)
	ctx, stop := context.WithTimeout(ctx, h.waits.revoke)
	defer stop()
	err := g.oauth.Revoke(ctx, g.token.AccessToken)
	if err != nil && !errors.Is(err, zoom.ErrToken) && !errors.Is(err, zoom.ErrGrant) { // which say that it is dead
		re = re.because(fmt.Errorf("a token that is of no use here could not be revoked: %w", err))
	}
	if reason == reasonBeingRemoved {
		re = re.retry(busyFor)
	}
	return re
}

// hopeless says that storing fails every time, until somebody changes something in the cluster.
func hopeless(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || errors.Is(err, tokens.ErrForeign)
}

// granted are scopes as Zoom spells them.
func granted(scopes []string) []v1alpha1.Scope {
	out := make([]v1alpha1.Scope, len(scopes))
	for i, scope := range scopes {
		out[i] = v1alpha1.Scope(scope)
	}
	return out
}

// known are the installations that decide about a consent of an account: those of the account, and, while the first account
// that consents is the only one, all. They are read from the API server: a cache that is behind must not decide that somebody
// is a stranger, whose token is then revoked.
func (h *consentHandler) known(ctx context.Context, app *v1alpha1.ZoomApp, account string) ([]v1alpha1.ZoomInstallation, error) {
	fields := client.MatchingFields{"spec.appRef.name": app.Name}
	if app.Spec.Distribution != v1alpha1.DistributionAccount {
		fields["spec.accountID"] = account
	}
	var list v1alpha1.ZoomInstallationList
	if err := h.live.List(ctx, &list, client.InNamespace(app.Namespace), fields); err != nil {
		return nil, fmt.Errorf("listing the installations of the app: %w", err)
	}
	return list.Items, nil
}

// claim is what decides about a consent. It is pure: no clock, no client.
type claim struct {
	app *v1alpha1.ZoomApp
	// account and user consented; no user in an admin-managed app.
	account, user string
	invited       *v1alpha1.ZoomInstallation
	// known are the app's installations.
	known []v1alpha1.ZoomInstallation
}

// decide names the installation that a consent goes into, or the reason why there is none. With reasonAlreadyInstalled
// there is both: the consent renews another installation than the one that the invitation is for.
func (c claim) decide() (name, reason string) {
	own := c.own()
	bound := c.bound()
	switch {
	case bound != "" && bound != c.account:
		return "", reasonWrongAccount
	case own != nil && standing(own) && c.invited != nil && c.invited.Name != own.Name:
		// Revoking its token would uninstall the app in an account that is in order.
		return own.Name, reasonAlreadyInstalled
	case c.invited != nil:
		if !c.isConsenter(c.invited) {
			return "", reasonWrongAccount
		}
		return c.invited.Name, ""
	case c.app.Spec.Distribution == v1alpha1.DistributionPrivate && (own == nil || own.Spec.Consent == nil):
		return "", reasonNotInvited
	case own == nil:
		return record.InstallationName(c.app.Name, c.account, c.user), ""
	case !own.DeletionTimestamp.IsZero():
		return "", reasonBeingRemoved
	}
	return own.Name, ""
}

// own is the installation that the consenter has; nil when there is none.
func (c claim) own() *v1alpha1.ZoomInstallation {
	var own []v1alpha1.ZoomInstallation
	for i := range c.known {
		if in := &c.known[i]; in.Spec.AccountID == c.account && in.Spec.UserID == c.user {
			own = append(own, *in)
		}
	}
	return chosen(own)
}

// isConsenter says whether an installation is, or can still become, the consenter's.
func (c claim) isConsenter(in *v1alpha1.ZoomInstallation) bool {
	return (in.Spec.AccountID == "" || in.Spec.AccountID == c.account) && (in.Spec.UserID == "" || in.Spec.UserID == c.user)
}

// bound is the only account that may install an app of distribution Account: the one that the app names, or else the first
// that consented. It is empty while there is none, as far as is known: bind decides.
func (c claim) bound() string {
	switch {
	case c.app.Spec.Distribution != v1alpha1.DistributionAccount:
		return ""
	case c.app.Spec.AccountID != "":
		return c.app.Spec.AccountID
	case c.app.Status.AccountID != "":
		return c.app.Status.AccountID
	}
	var first *v1alpha1.ZoomInstallation
	for i := range c.known {
		in := &c.known[i]
		if in.Spec.Consent != nil && (first == nil || in.CreationTimestamp.Before(&first.CreationTimestamp)) {
			first = in
		}
	}
	if first == nil {
		return ""
	}
	return first.Spec.AccountID
}

// ownerBinding is the field owner of the account that an app is bound to.
const ownerBinding = "zoom-webhook-binding"

// bind binds an app of distribution Account that names no account to the one that consents, before anything of it is stored.
// Of several accounts that consent at once only one gets it, on whichever replica: the write carries the resourceVersion.
func (h *consentHandler) bind(ctx context.Context, c claim) error {
	if c.app.Spec.Distribution != v1alpha1.DistributionAccount {
		return nil
	}
	for {
		var app v1alpha1.ZoomApp
		if err := h.live.Get(ctx, client.ObjectKeyFromObject(c.app), &app); err != nil {
			return fmt.Errorf("reading the app: %w", err)
		}
		switch cmp.Or(app.Spec.AccountID, app.Status.AccountID) {
		case c.account:
			return nil
		case "":
		default:
			return errAnotherAccount
		}
		before := client.MergeFromWithOptions(app.DeepCopy(), client.MergeFromWithOptimisticLock{})
		app.Status.AccountID = c.account
		err := h.writer.Status().Patch(ctx, &app, before, client.FieldOwner(ownerBinding))
		if err == nil {
			return nil
		}
		if !apierrors.IsConflict(err) {
			return fmt.Errorf("binding the app to its account: %w", err)
		}
	}
}

// store makes the installation the consenter's, keeps the token, and records the consent, in this order: a consent without
// its token would be a promise that cannot be kept. Each step can be repeated.
func (h *consentHandler) store(ctx context.Context, app *v1alpha1.ZoomApp, c claim, g grant, name string) error {
	key := types.NamespacedName{Namespace: app.Namespace, Name: name}
	var must types.UID
	if g.invited != nil && g.invited.Name == name {
		must = g.invited.UID
	}
	in, err := h.installations.Commit(ctx, key, record.Essential, c.take(must))
	if err != nil {
		return err
	}
	if err := h.keep(ctx, app, in, g); err != nil {
		return err
	}
	_, err = h.installations.Commit(ctx, key, record.Essential, func(now *v1alpha1.ZoomInstallation) error {
		if now.UID != in.UID || !now.DeletionTimestamp.IsZero() {
			return errBeingRemoved
		}
		record.ApplyConsent(&now.Spec, g.at, g.token.Scopes)
		return nil
	})
	if err != nil || app.Spec.TokenPolicy == v1alpha1.TokenPolicyNone {
		return err
	}
	// A removal that was still under way may have taken the new token with the old data. It does not come back: from here
	// on the consent is the later one.
	kept, err := tokens.Load(ctx, h.live, in)
	if err != nil || kept != nil {
		return err
	}
	return h.keep(ctx, app, in, g)
}

// take makes an installation the consenter's, unless it is somebody else's. With must, it has to be that very object.
func (c claim) take(must types.UID) func(*v1alpha1.ZoomInstallation) error {
	create := record.FoldInstallation(c.app, c.account, c.user)
	return func(in *v1alpha1.ZoomInstallation) error {
		switch {
		case must != "" && (in.UID != must || !in.DeletionTimestamp.IsZero()):
			return errWithdrawn
		case !in.DeletionTimestamp.IsZero():
			return errBeingRemoved
		}
		if err := create(in); err != nil {
			return err
		}
		if in.Spec.AppRef.Name != c.app.Name || !c.isConsenter(in) {
			return errAnotherAccount
		}
		in.Spec.AccountID = c.account
		if c.user != "" {
			in.Spec.UserID = c.user
		}
		return nil
	}
}

func (h *consentHandler) keep(ctx context.Context, app *v1alpha1.ZoomApp, in *v1alpha1.ZoomInstallation, g grant) error {
	if app.Spec.TokenPolicy == v1alpha1.TokenPolicyNone {
		return nil
	}
	return tokens.Save(ctx, h.writer, in, tokens.New(g.token, g.at))
}
