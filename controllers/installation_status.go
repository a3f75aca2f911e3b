package controllers

import (
	"bytes"
	"cmp"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/record"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
)

const (
	// silentAfter is how long an account that used to talk may be silent: longer than a monthly meeting is apart.
	silentAfter = 35 * 24 * time.Hour
	// validationEvery is how often Zoom validates the webhook URL. Where an event arrived since then, the subscription works.
	validationEvery = 72 * time.Hour
)

// lines are the values of a key of a Secret, one per line, newest first.
func lines(value []byte) []string {
	var out []string
	for line := range bytes.Lines(value) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			out = append(out, string(line))
		}
	}
	return out
}

// installationStatus is what follows from what was observed of an installation.
func installationStatus(now time.Time, in *v1alpha1.ZoomInstallation, f *installationFacts) v1alpha1.ZoomInstallationStatus {
	status := *in.Status.DeepCopy()
	status.InstallURL = f.installURL
	status.Token = tokenStatus(in, f)
	status.DataDeletion = f.deletion
	authorized := authorizedCondition(in, f)
	token := tokenCondition(now, in, f)
	flow := flowCondition(now, in, f)
	for _, c := range []metav1.Condition{installationReady(in, authorized, token, flow), authorized, token, flow} {
		c.ObservedGeneration = in.Generation
		c.LastTransitionTime = *stamp(now)
		meta.SetStatusCondition(&status.Conditions, c)
	}
	return status
}

// tokenStatus is where the token is; nil when there is none.
func tokenStatus(in *v1alpha1.ZoomInstallation, f *installationFacts) *v1alpha1.TokenStatus {
	if f.token == nil {
		return nil
	}
	status := &v1alpha1.TokenStatus{
		SecretName:  tokens.SecretName(in),
		ExpiresAt:   stamp(f.token.ExpiresAt),
		RefreshedAt: stamp(f.token.IssuedAt),
	}
	if f.shares() && !f.foreignAccess {
		status.AccessSecretName = tokens.AccessSecretName(in)
	}
	if f.refreshable() && f.ready() && standing(in) {
		status.NextRefreshAt = stamp(refreshAt(in.UID, f))
	}
	return status
}

// standing says whether there is a consent that has not been withdrawn.
func standing(in *v1alpha1.ZoomInstallation) bool {
	return in.Spec.Consent != nil && !record.Removed(in)
}

// again is what somebody has to do to whom a new consent is the way out.
const again = " Have the customer install the app again at status.installURL."

func authorizedCondition(in *v1alpha1.ZoomInstallation, f *installationFacts) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionAuthorized, Status: metav1.ConditionFalse}
	missing := missingScopes(in, f.app)
	lost, why := lostToken(in, f)
	switch {
	case record.Removed(in):
		c.Reason = v1alpha1.ReasonDeauthorized
		c.Message = "The customer removed the app at " + instant(&in.Spec.Deauthorization.At) + ", so their data is deleted. To have it back, they install it at status.installURL."
	case ofWrongAccount(in, f.app):
		c.Reason = v1alpha1.ReasonWrongAccount
		c.Message = "ZoomApp " + f.app.Name + " belongs to one account, and this is another one. Delete this ZoomInstallation, or correct spec.accountID of the ZoomApp."
	case in.Spec.Consent == nil && invited(in):
		c.Reason = v1alpha1.ReasonInvited
		c.Message = "Nobody has followed this invitation yet. Send the customer status.installURL."
	case in.Spec.Consent == nil:
		c.Reason = v1alpha1.ReasonNeverAuthorized
		c.Message = "Zoom sends events of this account, but nobody of it has installed the app here. Send the customer status.installURL."
	case len(missing) > 0 && (lost == "" || lost == v1alpha1.ReasonTokenRevoked):
		c.Reason = v1alpha1.ReasonScopesChanged
		c.Message = "The app needs " + list(missing) + ", which the customer has not consented to." + again
	case lost != "":
		c.Reason, c.Message = lost, why
	default:
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.ReasonConsented
		c.Message = "The app was installed at " + instant(&in.Spec.Consent.At) + "."
	}
	return c
}

// lostToken is why a consent that stands has no token that can be refreshed; empty when it has one, or needs none.
func lostToken(in *v1alpha1.ZoomInstallation, f *installationFacts) (reason, message string) {
	switch {
	case !standing(in), f.token == nil && (f.app == nil || f.policy() == v1alpha1.TokenPolicyNone):
		return "", ""
	case f.foreignSecret:
		return v1alpha1.ReasonSecretConflict, "There is no room for the token: a Secret " + tokens.SecretName(in) + " exists that is none of the operator's. " +
			"Delete it or give it another name, then have the customer install the app again at status.installURL."
	case f.token == nil:
		return v1alpha1.ReasonTokenMissing, "The customer installed the app at " + instant(&in.Spec.Consent.At) + ", but there is no token of it in Secret " + tokens.SecretName(in) + "." + again
	case f.token.Refusal == tokens.RefusedLost:
		return v1alpha1.ReasonRefreshLost, "A new token was probably lost on its way from Zoom, and Zoom no longer takes the old one." + again
	case f.token.Refusal == tokens.RefusedScopesChanged:
		return v1alpha1.ReasonScopesChanged, "The app's scopes at Zoom are no longer those that the customer consented to." + again
	case !f.refreshable():
		return v1alpha1.ReasonTokenRevoked, "Zoom no longer takes the refresh token: the user who consented is gone, an admin withdrew the approval, or it was revoked." + again
	default:
		return "", ""
	}
}

// ofWrongAccount says whether the app belongs to one account, and this is another one's installation.
func ofWrongAccount(in *v1alpha1.ZoomInstallation, app *v1alpha1.ZoomApp) bool {
	if app == nil || app.Spec.Distribution != v1alpha1.DistributionAccount || in.Spec.AccountID == "" {
		return false
	}
	bound := cmp.Or(app.Spec.AccountID, app.Status.AccountID)
	return bound != "" && in.Spec.AccountID != bound
}

// invited says whether an admin declared the installation, and nothing but that is known of it. What the webhook server
// records of its own has a name that follows from the account.
func invited(in *v1alpha1.ZoomInstallation) bool {
	recorded := record.InstallationName(in.Spec.AppRef.Name, in.Spec.AccountID, in.Spec.UserID)
	return in.Status.LastEventAt == nil && (in.Spec.AccountID == "" || in.Name != recorded)
}

// missingScopes are those that the app needs and that were not consented to.
func missingScopes(in *v1alpha1.ZoomInstallation, app *v1alpha1.ZoomApp) []v1alpha1.Scope {
	if app == nil || in.Spec.Consent == nil {
		return nil
	}
	return record.MissingScopes(app.Spec.Scopes, in.Spec.Consent.Scopes)
}

func tokenCondition(now time.Time, in *v1alpha1.ZoomInstallation, f *installationFacts) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionTokenFresh, Status: metav1.ConditionFalse}
	policy := f.policy()
	lost, why := lostToken(in, f)
	switch {
	case !standing(in):
		c.Reason, c.Message = v1alpha1.ReasonNoConsent, "Without a consent there is no token."
	case policy == v1alpha1.TokenPolicyNone:
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.ReasonNotKept
		c.Message = "No token is kept, as tokenPolicy None wants it."
	case lost != "":
		c.Reason, c.Message = lost, why
	case !f.ready():
		c.Status, c.Reason = unlessExpired(now, policy, f), v1alpha1.ReasonAppNotReady
		c.Message = "ZoomApp " + in.Spec.AppRef.Name + ", or the client secret in its Secret, is not there, so the token cannot be refreshed."
	case f.failing != nil:
		c.Status, c.Reason, c.Message = unlessExpired(now, policy, f), f.failing.reason, f.failing.message
	case f.foreignAccess:
		c.Reason = v1alpha1.ReasonSecretConflict
		c.Message = "The access token cannot be shared: a Secret " + tokens.AccessSecretName(in) + " exists that is none of the operator's. Delete it or give it another name."
	case policy == v1alpha1.TokenPolicyKeepAlive:
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.ReasonKeptAlive
		c.Message = "The refresh token is kept alive, as tokenPolicy KeepAlive wants it."
	case !f.token.RefreshStartedAt.IsZero():
		c.Status, c.Reason = unlessExpired(now, policy, f), v1alpha1.ReasonRefreshFailing
		c.Message = "A refresh that began at " + instant(stamp(f.token.RefreshStartedAt)) + " was interrupted. Nobody knows how it ended, so it is tried once more."
	default:
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.ReasonFresh
		c.Message = "There is an access token that is good now."
		if !now.Before(f.token.ExpiresAt) {
			c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ReasonRefreshFailing
			c.Message = "The access token has expired and is being refreshed."
		}
	}
	return c
}

// unlessExpired is Unknown while the access token may still be used, and wherever that does not matter.
func unlessExpired(now time.Time, policy v1alpha1.TokenPolicy, f *installationFacts) metav1.ConditionStatus {
	if policy == v1alpha1.TokenPolicyKeepAlive || now.Before(f.expiresAt()) {
		return metav1.ConditionUnknown
	}
	return metav1.ConditionFalse
}

func flowCondition(now time.Time, in *v1alpha1.ZoomInstallation, f *installationFacts) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionEventsFlowing, Status: metav1.ConditionUnknown}
	last := in.Status.LastEventAt
	switch {
	case !standing(in):
		c.Reason, c.Message = v1alpha1.ReasonNoConsent, "Without a consent no events are expected."
	case endpointOverdue(f) && !now.Before(heardAt(in, f).Add(validationEvery)):
		c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ReasonValidationOverdue
		c.Message = "Zoom has not validated the app's webhook URL for six days and has sent no event for three, so it has probably disabled the event subscription. " +
			"See the condition EndpointValidated of ZoomApp " + f.app.Name + "."
	case last == nil || last.Before(&in.Spec.Consent.At):
		c.Reason = v1alpha1.ReasonNoEventYet
		c.Message = "No event has arrived since the app was installed. The first one comes when a meeting is planned or held."
	case !now.Before(last.Add(silentAfter)):
		c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ReasonSilent
		c.Message = "The last event arrived at " + instant(last) + ", 35 days ago or earlier. If meetings are held, look at the app's event subscription at Zoom."
	default:
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.ReasonEventsArriving
		c.Message = "Events arrive; status.lastEventAt says when the last one did."
	}
	return c
}

// endpointOverdue says whether Zoom's validation of the app's webhook URL is overdue.
func endpointOverdue(f *installationFacts) bool {
	return f.app != nil && meta.IsStatusConditionFalse(f.app.Status.Conditions, v1alpha1.ConditionEndpointValidated)
}

// heardAt is when Zoom was last heard of, through this installation or another one of the app.
func heardAt(in *v1alpha1.ZoomInstallation, f *installationFacts) time.Time {
	var at time.Time
	if in.Status.LastEventAt != nil {
		at = in.Status.LastEventAt.Time
	}
	if f.app != nil && f.app.Status.LastEventAt != nil {
		at = later(at, f.app.Status.LastEventAt.Time)
	}
	return at
}

// installationReady sums up: the first condition that is not as it should be, those that are certain before the others.
func installationReady(in *v1alpha1.ZoomInstallation, authorized, token, flow metav1.Condition) metav1.Condition {
	c := metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonConsented, Message: "The app is installed, and nothing is wrong with it.",
	}
	switch {
	case !in.DeletionTimestamp.IsZero():
		c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ReasonTerminating
		c.Message = "The app is removed at Zoom, then what is kept of the customer is deleted here."
	case authorized.Status != metav1.ConditionTrue:
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, authorized.Reason, authorized.Message
	case token.Status == metav1.ConditionFalse:
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, token.Reason, token.Message
	case flow.Status == metav1.ConditionFalse:
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, flow.Reason, flow.Message
	case token.Status == metav1.ConditionUnknown:
		c.Status, c.Reason, c.Message = metav1.ConditionUnknown, token.Reason, token.Message
	}
	return c
}

// news is something that happened to an installation, for an Event.
type news struct {
	eventType, reason, action, note string
}

// notRevoked tells that the app is perhaps still installed at Zoom.
func notRevoked(why string) news {
	return news{
		corev1.EventTypeWarning, "NotRevoked", "Revoke",
		"The app could not be removed at Zoom: " + why + ". If the customer still has it installed, they remove it there, on the App Marketplace's page of their installed apps.",
	}
}

// installationNews is what happened to an installation since the status that it has.
func installationNews(in *v1alpha1.ZoomInstallation, after v1alpha1.ZoomInstallationStatus) []news {
	before := in.Status
	var out []news
	old, now := meta.FindStatusCondition(before.Conditions, v1alpha1.ConditionReady), meta.FindStatusCondition(after.Conditions, v1alpha1.ConditionReady)
	if now != nil && (old == nil || old.Reason != now.Reason) {
		n := news{corev1.EventTypeWarning, now.Reason, "Judge", now.Message}
		if now.Status == metav1.ConditionTrue || now.Reason == v1alpha1.ReasonInvited || now.Reason == v1alpha1.ReasonTerminating {
			n.eventType = corev1.EventTypeNormal
		}
		out = append(out, n)
		if now.Reason == v1alpha1.ReasonTerminating && standing(in) && after.Token == nil {
			out = append(out, notRevoked("there is no token to do it with"))
		}
	}
	if d := after.DataDeletion; d != nil && d.At != nil && !equality.Semantic.DeepEqual(d, before.DataDeletion) {
		out = append(out, news{
			corev1.EventTypeNormal, "DataDeleted", "DeleteData",
			"Since the customer removed the app, the token and " + meetingCount(*d.Meetings) + " were deleted.",
		})
	}
	return out
}

func meetingCount(n int32) string {
	if n == 1 {
		return "1 meeting"
	}
	return strconv.Itoa(int(n)) + " meetings"
}
