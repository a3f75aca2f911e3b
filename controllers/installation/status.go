package installation

import (
	"strconv"
	"time"

	"github.com/zoom-operator/zoom-operator/controllers/internal/events"
	"github.com/zoom-operator/zoom-operator/controllers/internal/stalled"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/clientids"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/messages"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
)

const (
	// silentAfter is how long an account that used to talk may be silent: longer than a monthly
	// meeting is apart.
	silentAfter = 35 * 24 * time.Hour
	// validationEvery is how often Zoom validates the webhook URL. Where an event arrived since
	// then, the subscription works.
	validationEvery = 72 * time.Hour
)

// statusOf is what follows from what was observed of an installation.
func statusOf(now time.Time, in *v1alpha1.ZoomInstallation, f *facts) v1alpha1.ZoomInstallationStatus {
	status := *in.Status.DeepCopy()
	status.InstallURL, status.InvitationSecretName = f.installURL, f.invitationSecret
	status.Token = tokenStatus(now, in, f)
	status.DataDeletion = f.deletion
	authorized := authorizedCondition(now, in, f)
	token := tokenCondition(now, in, f)
	flow := flowCondition(now, in, f)
	for _, c := range []metav1.Condition{readyCondition(in, f, authorized, token, flow), authorized, token, flow} {
		c.ObservedGeneration = in.Generation
		c.LastTransitionTime = *stamp(now)
		meta.SetStatusCondition(&status.Conditions, c)
	}
	status.ObservedGeneration = in.Generation
	stalled.Set(&status.Conditions, *meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady))
	if f.full {
		meta.SetStatusCondition(&status.Conditions, fullCondition(now, in, f))
	} else {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionMeetingsStored)
	}
	setImported(&status.Conditions, now, in, f)
	setSubscribed(&status.Conditions, now, in, f)
	return status
}

// tokenStatus is where the token is; nil when there is none.
func tokenStatus(now time.Time, in *v1alpha1.ZoomInstallation, f *facts) *v1alpha1.TokenStatus {
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
	// While Zoom refuses the app, it is refreshed as soon as that ends, whenever that is.
	if f.refreshable() && f.ready() && installation.Stands(in) && (f.failing == nil || f.failing.reason != v1alpha1.ReasonClientRejected) {
		status.NextRefreshAt = stamp(ownRefreshAt(now, in.UID, f))
	}
	return status
}

func authorizedCondition(now time.Time, in *v1alpha1.ZoomInstallation, f *facts) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionAuthorized, Status: metav1.ConditionFalse}
	missing := missingScopes(in, f.app)
	lost, why := lostToken(in, f)
	switch {
	case installation.Removed(in):
		c.Reason = v1alpha1.ReasonDeauthorized
		c.Message = removedMessage(in, f)
	case ofWrongAccount(in, f.app):
		c.Reason = v1alpha1.ReasonWrongAccount
		c.Message = "ZoomApp " + f.app.Name + " belongs to one account, and this is another one. Delete this ZoomInstallation, or correct spec.accountID of the ZoomApp."
	case in.Spec.UserID != "" && f.app != nil && f.app.Spec.ManagedBy == v1alpha1.ManagedByAdmin:
		c.Reason = v1alpha1.ReasonUserNotExpected
		c.Message = "ZoomApp " + f.app.Name + " is managed by admins, so its installations are of whole accounts, and this one with a spec.userID gets nothing. " +
			"Delete this ZoomInstallation; to invite the account, create one without userID."
	case f.duplicateOf != "":
		c.Reason = v1alpha1.ReasonDuplicate
		c.Message = "ZoomInstallation " + f.duplicateOf + " is of the same account, and its consents and events go there. Delete this one."
	case installation.Stands(in) && f.anotherClient():
		c.Reason, c.Message = v1alpha1.ReasonAnotherClient, anotherClientMessage(f)
	case !installingUntil(now, in).IsZero():
		c.Status, c.Reason = metav1.ConditionUnknown, v1alpha1.ReasonInstalling
		c.Message = "Somebody seems to be installing the app at this moment. If their consent does not get here, this changes by itself."
	case in.Spec.Consent == nil && f.left != nil && f.left.Account != "" && !f.left.Abandoned && !f.left.Matches(in):
		c.Reason = v1alpha1.ReasonSecretConflict
		c.Message = "Secret " + tokens.SecretName(in) + " holds the token of another customer, or of another app: a ZoomInstallation of this name went without its token, and the customer still has the app " +
			"installed. Give this ZoomInstallation another name: when there is none of this one, that of before comes back, and can be deleted."
	case in.Spec.Consent == nil && f.app == nil:
		c.Reason = v1alpha1.ReasonAppNotReady
		c.Message = "There is no ZoomApp " + in.Spec.AppRef.Name + " in namespace " + in.Namespace + ", so nobody can install it. " +
			"Create it, or delete this ZoomInstallation and create one whose spec.appRef is right."
	case in.Spec.Consent == nil && f.claim != clientids.Held && f.former == nil:
		c.Reason, c.Message = messages.ClientIDNotHeld(f.app, f.claim)
	case in.Spec.Consent == nil && f.cloudUnknown:
		c.Reason, c.Message = v1alpha1.ReasonCloudUnknown, messages.CloudUnknown(f.issuer())
	case in.Spec.Consent == nil && !f.ready():
		c.Reason = v1alpha1.ReasonAppNotReady
		c.Message = "ZoomApp " + in.Spec.AppRef.Name + " in namespace " + in.Namespace + " has no client secret in its Secret, so nobody can install it. " +
			"Its condition CredentialsAvailable says what is missing."
	case in.Spec.Consent == nil && f.foreignInvitation:
		c.Reason = v1alpha1.ReasonSecretConflict
		c.Message = "The link of the invitation cannot be stored: a Secret " + tokens.InvitationSecretName(in) + " exists that is none of the operator's. " +
			"Delete it or give it another name."
	case in.Spec.Consent == nil && invited(in) && f.invitationSecret != "":
		c.Reason = v1alpha1.ReasonInvited
		c.Message = "Nobody has followed this invitation yet. Send the customer the link in Secret " + f.invitationSecret + ", under installURL; whoever has it first can take it."
	case in.Spec.Consent == nil && invited(in):
		c.Reason = v1alpha1.ReasonInvited
		c.Message = "Nobody has followed this invitation yet. Send the customer status.installURL; nobody of another account can take it."
	case in.Spec.Consent == nil && in.Annotations[v1alpha1.ConsentUnderWayAnnotation] != "":
		c.Reason = v1alpha1.ReasonNeverAuthorized
		c.Message = "Somebody agreed to the app at Zoom, but that could not be stored here. Have the customer install the app again at status.installURL."
	case uninvited(in, f.app):
		c.Reason = v1alpha1.ReasonNeverAuthorized
		c.Message = "Zoom sends events of this account, but nobody of it has installed the app here, and ZoomApp " + in.Spec.AppRef.Name + " is for invited accounts. " +
			"To invite it, create another ZoomInstallation with this spec.accountID and a name of your own, and send the customer the status.installURL of that one."
	case in.Spec.Consent == nil:
		c.Reason = v1alpha1.ReasonNeverAuthorized
		c.Message = "Zoom sends events of this account, but nobody of it has installed the app here. Send the customer status.installURL."
	case len(missing) > 0 && (lost == "" || lost == v1alpha1.ReasonTokenRevoked):
		c.Reason = v1alpha1.ReasonScopesChanged
		c.Message = "The app needs " + messages.List(missing) + ", which the customer has not consented to." + again + unlessAgain(in, f)
	case lost != "":
		c.Reason, c.Message = lost, why
	case removalUnclear(in, f):
		c.Status, c.Reason = metav1.ConditionUnknown, v1alpha1.ReasonRemovalUnclear
		c.Message = "A user of the account removed the app, or left, at " + messages.Instant(stamp(noticeOf(in, f))) + ". Whether this consent has ended is not certain, and no token is kept that could be " +
			"tried. If it has, delete this ZoomInstallation; if an event arrives later, it has not."
	default:
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.ReasonConsented
		c.Message = "The app was installed at " + messages.Instant(&in.Spec.Consent.At) + "."
	}
	return c
}

// lostToken is why a consent that stands has no token that can be refreshed; empty when it has one,
// or needs none.
func lostToken(in *v1alpha1.ZoomInstallation, f *facts) (reason, message string) {
	switch {
	case !installation.Stands(in), f.token == nil && (f.app == nil || f.policy() == v1alpha1.TokenPolicyNone):
		return "", ""
	case f.foreignSecret:
		return v1alpha1.ReasonSecretConflict, "There is no room for the token: a Secret " + tokens.SecretName(in) + " exists that is none of the operator's. " +
			"Delete it or give it another name, then have the customer install the app again at status.installURL."
	case f.token == nil:
		return v1alpha1.ReasonTokenMissing, "The customer installed the app at " + messages.Instant(&in.Spec.Consent.At) + ", but there is no token of it in Secret " + tokens.SecretName(in) + "." + again
	case f.token.Refusal == tokens.RefusedLost && !f.token.RestoredAt.IsZero():
		return v1alpha1.ReasonRefreshLost, "The token comes from a backup, and Zoom no longer takes it: it was refreshed after the backup was taken, or the customer " +
			"has removed the app since." + again
	case f.token.Refusal == tokens.RefusedLost:
		return v1alpha1.ReasonRefreshLost, "A new token was probably lost on its way from Zoom, and Zoom no longer takes the old one." + again
	case f.token.Refusal == tokens.RefusedScopesChanged:
		return v1alpha1.ReasonScopesChanged, "The app's scopes at Zoom are no longer those that the customer consented to." + onceMore(f) + again
	case f.token.Refusal != "" || f.token.RefreshToken == "":
		return v1alpha1.ReasonTokenRevoked, "Zoom no longer takes the refresh token: the user who consented is gone, an admin withdrew the approval, or it was revoked." + onceMore(f) + again + unlessAgain(in, f)
	default:
		return "", ""
	}
}

// onceMore says when a token that Zoom refused is tried once more, if it is.
func onceMore(f *facts) string {
	if f.token.RetryAt.IsZero() || !f.ready() {
		return ""
	}
	return " In case Zoom was mistaken, it is tried once more at " + messages.Instant(stamp(f.token.RetryAt)) + "."
}

// ofWrongAccount says whether the app belongs to one account, and this is another one's
// installation.
func ofWrongAccount(in *v1alpha1.ZoomInstallation, app *v1alpha1.ZoomApp) bool {
	if app == nil || app.Spec.Distribution != v1alpha1.DistributionAccount || in.Spec.AccountID == "" {
		return false
	}
	bound := app.Spec.AccountID
	return bound != "" && in.Spec.AccountID != bound
}

// missingScopes are those that the app needs and that were not consented to.
func missingScopes(in *v1alpha1.ZoomInstallation, app *v1alpha1.ZoomApp) []v1alpha1.Scope {
	if app == nil || in.Spec.Consent == nil {
		return nil
	}
	return installation.MissingScopes(app.Spec.Scopes, in.Spec.Consent.Scopes)
}

func tokenCondition(now time.Time, in *v1alpha1.ZoomInstallation, f *facts) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionTokenFresh, Status: metav1.ConditionFalse}
	policy := f.policy()
	lost, why := lostToken(in, f)
	switch {
	case !installation.Stands(in):
		c.Reason, c.Message = v1alpha1.ReasonNoConsent, "Without a consent there is no token."
	case policy == v1alpha1.TokenPolicyNone && f.token == nil:
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.ReasonTokenNotStored
		c.Message = "No token is kept, as tokenPolicy None wants it."
	case f.anotherClient() && f.former == nil:
		c.Reason, c.Message = v1alpha1.ReasonAnotherClient, anotherClientMessage(f)
	case lost != "":
		c.Reason, c.Message = lost, why
	case f.former != nil && f.failing != nil:
		c.Status, c.Reason, c.Message = unlessExpired(now, policy, f), f.failing.reason, f.failing.message
	case f.app == nil:
		c.Status, c.Reason, c.Message = unlessExpired(now, policy, f), v1alpha1.ReasonAppNotReady, appGone(in)
	case f.claim != clientids.Held && f.former == nil:
		c.Status = unlessExpired(now, policy, f)
		c.Reason, c.Message = messages.ClientIDNotHeld(f.app, f.claim)
	case f.cloudUnknown:
		c.Status, c.Reason, c.Message = unlessExpired(now, policy, f), v1alpha1.ReasonCloudUnknown, messages.CloudUnknown(f.app)
	case !f.ready():
		c.Status, c.Reason = unlessExpired(now, policy, f), v1alpha1.ReasonAppNotReady
		c.Message = "There is no client secret in Secret " + f.app.Spec.CredentialsSecretRef.Name + " of ZoomApp " + f.app.Name + ", so the token cannot be refreshed."
	case f.failing != nil:
		c.Status, c.Reason, c.Message = unlessExpired(now, policy, f), f.failing.reason, f.failing.message
	case f.foreignAccess:
		c.Reason = v1alpha1.ReasonSecretConflict
		c.Message = "The access token cannot be shared: a Secret " + tokens.AccessSecretName(in) + " exists that is none of the operator's. Delete it or give it another name."
	case policy == v1alpha1.TokenPolicyKeepAlive:
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.ReasonKeptAlive
		c.Message = "The refresh token is kept alive, as tokenPolicy KeepAlive wants it."
	case policy == v1alpha1.TokenPolicyNone:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha1.ReasonDropScheduled, "The token is still kept."
	case !f.token.RefreshStartedAt.IsZero():
		c.Status, c.Reason = unlessExpired(now, policy, f), v1alpha1.ReasonRefreshFailing
		c.Message = "A refresh that began at " + messages.Instant(stamp(f.token.RefreshStartedAt)) + " was interrupted. Nobody knows how it ended, so it is tried once more, at " +
			messages.Instant(stamp(settled(now, f.token))) + "."
	default:
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.ReasonFresh
		c.Message = "There is an access token that is good now."
		if !now.Before(f.token.ExpiresAt) {
			c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ReasonRefreshFailing
			c.Message = "The access token has expired and is being refreshed."
		}
	}
	if at := f.dropsAt(); !at.IsZero() && lost == "" && installation.Stands(in) {
		c.Message += dropMessage(at)
	}
	if c.Status == metav1.ConditionTrue && f.token != nil && f.token.Deleting() {
		c.Message += " Somebody deleted Secret " + tokens.SecretName(in) + ", which stays because the customer's consent is in it. To end that, delete the ZoomInstallation."
	}
	return c
}

// dropMessage says when a token is deleted that its app keeps no longer.
func dropMessage(at time.Time) string {
	return " As tokenPolicy None of the ZoomApp wants it, the token is deleted at " + messages.Instant(stamp(at)) + ", and cannot be had again without another consent. To keep it, set another tokenPolicy before then."
}

// appGone says what to do about an installation whose app is not there.
func appGone(in *v1alpha1.ZoomInstallation) string {
	return "There is no ZoomApp " + in.Spec.AppRef.Name + " in namespace " + in.Namespace + ". Create it, with the clientID that it had if it was there before: " +
		"nothing is lost. Or delete this ZoomInstallation."
}

// unlessExpired is Unknown while the access token may still be used, and wherever that does not
// matter.
func unlessExpired(now time.Time, policy v1alpha1.TokenPolicy, f *facts) metav1.ConditionStatus {
	if onlyAlive(policy) || now.Before(f.expiresAt()) {
		return metav1.ConditionUnknown
	}
	return metav1.ConditionFalse
}

func flowCondition(now time.Time, in *v1alpha1.ZoomInstallation, f *facts) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionEventsFlowing, Status: metav1.ConditionUnknown}
	last := in.Status.LastEventAt
	switch {
	case !installation.Stands(in):
		c.Reason, c.Message = v1alpha1.ReasonNoConsent, "Without a consent no events are expected."
	case endpointOverdue(f) && !now.Before(heardAt(in, f).Add(validationEvery)):
		c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ReasonValidationOverdue
		c.Message = "Zoom has not validated the app's webhook URL for six days and has sent no event for three, so it has probably disabled the event subscription. " +
			"See the condition EndpointValidated of ZoomApp " + f.app.Name + "."
	case last == nil || last.Before(&in.Spec.Consent.At):
		c.Reason = v1alpha1.ReasonNoEventYet
		c.Message = "No event has arrived since the app was installed. The first one comes when a meeting is planned or held."
	case !now.Before(last.Add(silentAfter)):
		c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ReasonNoRecentEvents
		c.Message = "The last event arrived at " + messages.Instant(last) + ", 35 days ago or earlier. If meetings are held, look at the app's event subscription at Zoom."
	default:
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.ReasonEventsArriving
		c.Message = "Events arrive; status.lastEventAt says when the last one did."
	}
	return c
}

// endpointOverdue says whether Zoom's validation of the app's webhook URL is overdue.
func endpointOverdue(f *facts) bool {
	return f.app != nil && meta.IsStatusConditionFalse(f.app.Status.Conditions, v1alpha1.ConditionEndpointValidated)
}

// heardAt is when Zoom was last heard of, through this installation or another one of the app.
func heardAt(in *v1alpha1.ZoomInstallation, f *facts) time.Time {
	var at time.Time
	if in.Status.LastEventAt != nil {
		at = in.Status.LastEventAt.Time
	}
	if f.app != nil && f.app.Status.LastEventAt != nil {
		at = later(at, f.app.Status.LastEventAt.Time)
	}
	return at
}

// readyCondition sums up: the first condition that is not as it should be, those that are
// certain before the others.
func readyCondition(in *v1alpha1.ZoomInstallation, f *facts, authorized, token, flow metav1.Condition) metav1.Condition {
	c := metav1.Condition{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonConsented, Message: "The app is installed, and nothing is wrong with it.",
	}
	switch {
	case !in.DeletionTimestamp.IsZero():
		c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ReasonTerminating
		c.Message = terminationMessage(in) + waitsFor(in, f, token)
	case f.app == nil && !installation.Removed(in):
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, v1alpha1.ReasonAppNotReady, appGone(in)
	case authorized.Status != metav1.ConditionTrue:
		c.Status, c.Reason, c.Message = authorized.Status, authorized.Reason, authorized.Message
	case token.Status == metav1.ConditionFalse:
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, token.Reason, token.Message
	case flow.Status == metav1.ConditionFalse:
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, flow.Reason, flow.Message
	case token.Status == metav1.ConditionUnknown:
		c.Status, c.Reason, c.Message = metav1.ConditionUnknown, token.Reason, token.Message
	}
	return c
}

// terminationMessage is what the deletion of an installation does.
func terminationMessage(in *v1alpha1.ZoomInstallation) string {
	switch {
	case installation.Removed(in):
		return "The customer removed the app at Zoom. What is still kept of them is deleted here."
	case in.Spec.Consent != nil || in.Annotations[v1alpha1.ConsentUnderWayAnnotation] != "":
		return "The app is removed at Zoom, then what is kept of the customer is deleted here."
	case invited(in):
		return "The invitation is withdrawn. Nobody had followed it."
	default:
		return "What is kept of the account is deleted here. Nobody of it has installed the app here, so there is nothing to remove at Zoom."
	}
}

// waitsFor says what a deletion waits for, if it does.
func waitsFor(in *v1alpha1.ZoomInstallation, f *facts, token metav1.Condition) string {
	var why string
	switch {
	case f.token == nil:
		return ""
	case f.cloudUnknown:
		why = " " + messages.CloudUnknown(f.issuer()) + " Or "
	case f.claim != clientids.Held:
		why = " Another ZoomApp has the client ID too, and Zoom has not said yet whose it is: a revocation could end the consent of its customer. " +
			"It is asked again. To delete what is here without Zoom, "
	case !f.ready():
		why = " There is no client secret that Zoom could be asked with. Create ZoomApp " + in.Spec.AppRef.Name + " again with its clientID, and its Secret, or "
	case token.Reason == v1alpha1.ReasonRefreshFailing || token.Reason == v1alpha1.ReasonClientRejected:
		why = " " + token.Message + " To delete what is here without Zoom, "
	default:
		return ""
	}
	if at := f.givesUpAt; !at.IsZero() {
		return why + "wait: the namespace is being deleted, so that happens at " + messages.Instant(stamp(at)) + "."
	}
	return why + "set the annotation " + v1alpha1.AbandonAnnotation + "=" + v1alpha1.AbandonTrue + "; the customer then has to remove the app at Zoom."
}

// anotherClientMessage says what to do about a token of another client ID than the app's.
func anotherClientMessage(f *facts) string {
	if kept := f.token.Client; kept.ID == f.app.Spec.ClientID {
		return "The customer installed the app in Zoom's cloud " + string(kept.Cloud) + ", and ZoomApp " + f.app.Name + " says " + string(f.app.Spec.Cloud) + ", so the token is left alone. " +
			"Set its spec.cloud to " + string(kept.Cloud) + ". Or delete this ZoomInstallation, which removes the app of before at Zoom."
	}
	return "The customer installed the app with the client ID " + f.token.Client.ID + ", and ZoomApp " + f.app.Name + " has another one, so the token is left alone. " +
		"Give the ZoomApp that clientID again. Or delete this ZoomInstallation, which removes the app of before at Zoom."
}

// notRevoked reports that the app is perhaps still installed at Zoom.
func notRevoked(why string) events.Event {
	return events.Warning("NotRevoked", "Revoke",
		"The app could not be removed at Zoom: "+why+". If the customer still has it installed, they remove it there, on the App Marketplace's page of their installed apps.")
}

// eventsOf is what happened to an installation since the status that it has.
func eventsOf(in *v1alpha1.ZoomInstallation, after v1alpha1.ZoomInstallationStatus) []events.Event {
	before := in.Status
	var out []events.Event
	old, now := meta.FindStatusCondition(before.Conditions, v1alpha1.ConditionReady), meta.FindStatusCondition(after.Conditions, v1alpha1.ConditionReady)
	if now != nil && (old == nil || old.Reason != now.Reason) && now.Reason != v1alpha1.ReasonInstalling {
		n := events.Warning(now.Reason, "Reconcile", now.Message)
		if now.Status == metav1.ConditionTrue || now.Reason == v1alpha1.ReasonInvited || now.Reason == v1alpha1.ReasonTerminating {
			n.Type = corev1.EventTypeNormal
		}
		out = append(out, n)
		if now.Reason == v1alpha1.ReasonTerminating && installation.Stands(in) && after.Token == nil {
			out = append(out, notRevoked("there is no token to do it with"))
		}
	}
	if d := after.DataDeletion; d != nil && d.At != nil && !equality.Semantic.DeepEqual(d, before.DataDeletion) {
		out = append(out, events.Normal("DataDeleted", "DeleteData",
			sinceWhat(d.Reason)+", the token and "+meetingCount(*d.Meetings)+" were deleted."))
	}
	return out
}

// dropEvents is what happened to a token because of the app's tokenPolicy None, when it was to be
// deleted at that time before.
func dropEvents(before time.Time, f *facts) []events.Event {
	switch {
	case f.token == nil && !before.IsZero() && f.policy() == v1alpha1.TokenPolicyNone:
		return []events.Event{events.Normal("TokenDropped", "DropToken", "The token was deleted, as tokenPolicy None of the ZoomApp wants it. The app stays installed at Zoom.")}
	case f.token == nil || f.token.DropAt.Equal(before):
		return nil
	case f.token.DropAt.IsZero():
		return []events.Event{events.Normal("TokenKept", "DropToken", "The token is kept, since the tokenPolicy of the ZoomApp is no longer None.")}
	default:
		return []events.Event{events.Warning(v1alpha1.ReasonDropScheduled, "DropToken", "The token is still kept."+dropMessage(f.token.DropAt))}
	}
}

// sinceWhat says what data was deleted for.
func sinceWhat(reason v1alpha1.DeauthorizationReason) string {
	if reason == v1alpha1.DeauthorizationTokenRefused {
		return "Since Zoom has refused the token for longer than the grace of the ZoomApp"
	}
	return "Since the customer removed the app"
}

func meetingCount(n int32) string {
	if n == 1 {
		return "1 meeting"
	}
	return strconv.Itoa(int(n)) + " meetings"
}
