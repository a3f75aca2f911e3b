package consent

import (
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/names"
)

// claim is what decides about a consent. It is pure: no clock, no client.
type claim struct {
	app *v1alpha1.ZoomApp
	// account and user consented; no user in an admin-managed app.
	account, user string
	invited       *v1alpha1.ZoomInstallation
	// known are the app's installations.
	known []v1alpha1.ZoomInstallation
}

// decide names the installation that a consent goes into, or the reason why there is none. With
// reasonAlreadyInstalled there is both: the consent renews another installation than the one that
// the invitation is for.
func (c claim) decide() (name, reason string) {
	own := c.own()
	bound := c.bound()
	switch {
	case bound != "" && bound != c.account:
		return "", reasonWrongAccount
	case own != nil && installation.ConsentStands(own) && c.invited != nil && c.invited.Name != own.Name:
		// Revoking its token would uninstall the app in an account that is in order.
		return own.Name, reasonAlreadyInstalled
	case c.invited != nil:
		if c.invited == noInstallation || !c.isConsenter(c.invited) {
			return "", reasonWrongAccount
		}
		if c.app.Spec.Distribution == v1alpha1.DistributionPrivate && c.invited.Spec.Consent == nil && installation.Recorded(c.invited) {
			return "", reasonNotInvited // its account sent events, and no admin knows of it
		}
		return c.invited.Name, ""
	case c.app.Spec.Distribution == v1alpha1.DistributionPrivate && (own == nil || own.Spec.Consent == nil):
		return "", reasonNotInvited
	case own == nil:
		return names.Installation(c.app.Name, c.account, c.user), ""
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
	return installation.Effective(own)
}

// isConsenter says whether an installation is, or can still become, the consenter's.
func (c claim) isConsenter(in *v1alpha1.ZoomInstallation) bool {
	return (in.Spec.AccountID == "" || in.Spec.AccountID == c.account) && (in.Spec.UserID == "" || in.Spec.UserID == c.user)
}

// bound is the only account that may install an app of distribution Account. It is empty while
// there is none, as far as is known: bind decides.
func (c claim) bound() string {
	if c.app.Spec.Distribution != v1alpha1.DistributionAccount {
		return ""
	}
	return installation.BoundAccount(c.app, c.known)
}

// take makes an installation the consenter's, unless it is another consenter's, and says since when
// its first consent is under way. With must, it has to be that very object.
func (c claim) take(must types.UID, since time.Time) func(*v1alpha1.ZoomInstallation) error {
	create := installation.Initialize(c.app, c.account, c.user)
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
		if in.Spec.Consent == nil {
			if in.Annotations == nil {
				in.Annotations = map[string]string{}
			}
			in.Annotations[v1alpha1.ConsentUnderWayAnnotation] = since.UTC().Format(time.RFC3339)
		}
		return nil
	}
}

// Why a consent does not become an installation, or not the expected one.
var (
	errAnotherAccount = errors.New("the installation belongs to another account or user")
	errBeingRemoved   = errors.New("the installation is being deleted")
	errWithdrawn      = errors.New("the invitation was withdrawn")
	errSuperseded     = errors.New("another consent has replaced the token at Zoom")
)
