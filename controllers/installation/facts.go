package installation

import (
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/clientids"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/refusal"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
)

// facts is what was observed of an installation, and what came of acting on it.
type facts struct {
	// app is nil, and clientSecrets are none, when they are not there.
	app           *v1alpha1.ZoomApp
	clientSecrets []string
	// former is the app that the token was issued to, as it is remembered beside the token, where a
	// deleted installation is to be revoked and its app is gone or has become another one; nil
	// otherwise. The client secrets are its own then.
	former *v1alpha1.ZoomApp
	// cloudUnknown says that the operator does not know where the issuer's cloud is.
	cloudUnknown bool
	// claim says who has the issuer's client ID. Unless it is Held, Zoom is asked nothing in its
	// name. Of former it is Taken when the customer has a consent for another app that has it.
	claim clientids.Verdict
	// givesUpAt is from when on a deletion goes on without Zoom if it is in vain once more: Zoom
	// must not be able to keep a namespace that is going from it. It is zero for any other
	// deletion, which waits for Zoom.
	givesUpAt time.Time
	// token is nil when there is none.
	token *tokens.Stored
	// foreignSecret and foreignAccess say whether a foreign Secret has the name of the
	// token's, or of the access token's for other programs.
	foreignSecret, foreignAccess bool
	// left is the token of an installation of this name that went without it; nil when there is
	// none.
	left *tokens.Orphan
	// failing says why the token could not be refreshed or revoked; nil when nothing failed, or the
	// token has changed since. Then retryAt is when to try again; zero where the app's gate says.
	failing *failure
	retryAt time.Time
	// requested says whether RetryAnnotation asks for what is to be done again to be done at once.
	requested bool
	// credentials identify what the app asks Zoom with; empty when there is nothing to ask with.
	// opensAt is when that may be done for this installation; zero when it may. answer is what an
	// answer in this pass said of the app.
	credentials string
	opensAt     time.Time
	answer      refusal.Answer
	// notice is when a user of the account removed the app, while it is not known whether it was
	// this customer; zero when there is no doubt.
	notice time.Time
	// vain is why what was tried in this pass did not succeed; empty when it did, or nothing was
	// tried.
	vain string
	// deletion is how far the deletion of a removed installation's data has come; nil when it has
	// not begun.
	deletion *v1alpha1.DataDeletion
	// meetings says whether a removed installation has meetings.
	meetings bool
	// duplicateOf names the installation that consents and events of the same account go to
	// instead; empty when there is none.
	duplicateOf string
	// full means that there are as many meetings as the app keeps, and that none of them is over.
	full bool
	// installURL is where to consent; empty when that is not known.
	installURL string
	// invitationSecret is the Secret with the link of an invitation to no account in particular;
	// empty when there is none.
	invitationSecret string
	// foreignInvitation means that a Secret that is not the operator's has the name of that one.
	foreignInvitation bool
}

// failure is why something could not be done at Zoom, in words that hold no secret.
type failure struct {
	reason, message string
}

// policy is what is to be done about tokens. Without an app nothing can be.
func (f *facts) policy() v1alpha1.TokenPolicy {
	if f.app == nil {
		return ""
	}
	return f.app.Spec.TokenPolicy
}

// issuer is the app in whose name Zoom can be asked: the one that the token was issued to. It is
// nil when that is not there.
func (f *facts) issuer() *v1alpha1.ZoomApp {
	switch {
	case f.former != nil:
		return f.former
	case f.anotherClient():
		return nil
	default:
		return f.app
	}
}

// anotherClient says whether the app has another client ID than the one that the token was issued
// to, or is in another cloud. Zoom would refuse the token, and it is left alone.
func (f *facts) anotherClient() bool {
	return f.app != nil && f.token != nil && f.token.Client.DiffersFrom(tokens.ClientOf(f.app, nil))
}

// ready says whether Zoom can be asked for something in the name of the app that the token was
// issued to.
func (f *facts) ready() bool {
	return f.issuer() != nil && len(f.clientSecrets) > 0 && !f.cloudUnknown && f.claim == clientids.Held
}

// givesUp says whether that time has come.
func (f *facts) givesUp(now time.Time) bool {
	return !f.givesUpAt.IsZero() && !now.Before(f.givesUpAt)
}

// shares says whether other programs have the access token. Once Zoom has refused the refresh
// token, be it for good or not, the access token is probably dead too, whatever its expiry.
func (f *facts) shares() bool {
	return f.app != nil && !f.anotherClient() && f.app.Spec.AccessTokens == v1alpha1.AccessTokensShared && f.token != nil && f.token.Refusal == ""
}

// refreshable says whether there is a refresh token that is worth spending.
func (f *facts) refreshable() bool {
	return f.token != nil && !f.token.Unusable() && f.token.RefreshToken != ""
}

// drops says whether there is a token that its app keeps no longer. One of another client is not
// this app's to drop.
func (f *facts) drops() bool {
	return f.token != nil && f.policy() == v1alpha1.TokenPolicyNone && !f.anotherClient()
}

// dropsAt is when that is deleted; zero when it is not, or that is not recorded yet.
func (f *facts) dropsAt() time.Time {
	if !f.drops() {
		return time.Time{}
	}
	return f.token.DropAt
}

// dropNoted is the time that is noted beside the token for that; zero when none is.
func (f *facts) dropNoted() time.Time {
	if f.token == nil {
		return time.Time{}
	}
	return f.token.DropAt
}

// expiresAt is when the access token expires; zero when there is none.
func (f *facts) expiresAt() time.Time {
	if f.token == nil {
		return time.Time{}
	}
	return f.token.ExpiresAt
}

// adoptable says whether an installation that has no consent is the one of a token that
// was left, or can become it.
func (f *facts) adoptable(in *v1alpha1.ZoomInstallation) bool {
	return f.left != nil && f.left.Matches(in) && f.duplicateOf == ""
}

// ended says whether nothing of an installation is to be kept.
func ended(in *v1alpha1.ZoomInstallation) bool {
	return !in.DeletionTimestamp.IsZero() || installation.Removed(in)
}

// invited says whether an admin declared the installation, and nothing but that is known of it.
func invited(in *v1alpha1.ZoomInstallation) bool {
	return in.Status.LastEventAt == nil && !installation.Recorded(in)
}

// uninvited says whether an installation is of an account that only sent events, and that the app
// is not open to.
func uninvited(in *v1alpha1.ZoomInstallation, app *v1alpha1.ZoomApp) bool {
	return app != nil && app.Spec.Distribution == v1alpha1.DistributionPrivate && in.Spec.Consent == nil && installation.Recorded(in)
}
