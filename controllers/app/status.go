package app

import (
	"slices"
	"time"

	"github.com/zoom-operator/zoom-operator/internal/urls"

	"github.com/zoom-operator/zoom-operator/controllers/internal/events"
	"github.com/zoom-operator/zoom-operator/controllers/internal/stalled"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/clientids"
	"github.com/zoom-operator/zoom-operator/internal/credentials"
	"github.com/zoom-operator/zoom-operator/internal/messages"
)

// validationOverdue is two rounds of Zoom's validation, which comes every 72 hours. Zoom disables
// the subscription after six rounds that failed, so twelve days are left to act.
const validationOverdue = 6 * 24 * time.Hour

// statusOf is the status that follows from what was observed of an app.
func statusOf(now time.Time, app *v1alpha1.ZoomApp, f facts, externalURL string) v1alpha1.ZoomAppStatus {
	status := *app.Status.DeepCopy()
	status.Installations, status.AuthorizedInstallations = &f.installations, &f.authorized
	status.WebhookURL, status.InstallURL, status.RedirectURL = "", "", ""
	if externalURL != "" {
		status.WebhookURL = externalURL + urls.Webhook(app.Namespace, app.Name)
		status.InstallURL = externalURL + urls.Install(app.Namespace, app.Name)
		status.RedirectURL = externalURL + urls.Callback(app.Namespace, app.Name)
	}
	available := credentialsCondition(app, f)
	endpoint := endpointCondition(now, &status)
	events := eventsCondition(now, app, available)
	status.ObservedGeneration = app.Generation
	ready := doubted(readyCondition(app, f, available, endpoint, externalURL), events)
	for _, c := range []metav1.Condition{ready, available, endpoint, events, verificationCondition(app), claimCondition(f)} {
		c.ObservedGeneration = app.Generation
		c.LastTransitionTime = metav1.Time{Time: now.UTC().Truncate(time.Second)}
		meta.SetStatusCondition(&status.Conditions, c)
	}
	stalled.Set(&status.Conditions, *meta.FindStatusCondition(status.Conditions, v1alpha1.ConditionReady))
	setSubscribed(&status.Conditions, now, app, f, externalURL)
	setMissed(&status.Conditions, now, app)
	return status
}

func credentialsCondition(app *v1alpha1.ZoomApp, f facts) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionCredentialsAvailable, Status: metav1.ConditionFalse}
	secret := "Secret " + app.Spec.CredentialsSecretRef.Name
	missing := f.missing()
	placeholders := slices.DeleteFunc(slices.Clone(missing), func(key string) bool { return !slices.Contains(f.placeholders, key) })
	switch {
	case f.secret == credentials.Missing:
		c.Reason = v1alpha1.ReasonSecretNotFound
		c.Message = secret + " does not exist. Create it with `type: " + v1alpha1.CredentialsSecretType + "` and the keys " + messages.List(f.needed) + ", from the app's pages at Zoom."
	case f.secret == credentials.OtherType:
		c.Reason = v1alpha1.ReasonSecretTypeWrong
		c.Message = secret + " is not of the type " + v1alpha1.CredentialsSecretType + ", so nothing in it is used. The type of a Secret cannot be changed: " +
			"delete it, and create it again with `type: " + v1alpha1.CredentialsSecretType + "`; the values can stay."
	case len(placeholders) > 0:
		c.Reason = v1alpha1.ReasonSecretPlaceholder
		c.Message = secret + " still holds a placeholder, or less than a whole value, under " + messages.List(placeholders) + ". Put in its place what the app's pages at Zoom show."
	case len(missing) > 0:
		c.Reason = v1alpha1.ReasonSecretIncomplete
		c.Message = secret + " holds nothing under " + messages.List(missing) + ". Copy it from the app's pages at Zoom."
	default:
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.ReasonCredentialsFound
		c.Message = secret + " holds what the app needs."
	}
	return c
}

// verificationCondition warns of the scheme that Zoom has retired.
func verificationCondition(app *v1alpha1.ZoomApp) metav1.Condition {
	if app.Spec.Verification == v1alpha1.VerificationVerificationToken {
		return metav1.Condition{
			Type: v1alpha1.ConditionLegacyVerification, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonVerificationTokenAccepted,
			Message: "Events are accepted by a fixed token that whoever sees one event can copy, and that Zoom has retired. " +
				"Set spec.verification to SecretToken as soon as Zoom signs its events.",
		}
	}
	return metav1.Condition{
		Type: v1alpha1.ConditionLegacyVerification, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonSignatureRequired,
		Message: "Every event has to carry a signature by the app's secret token.",
	}
}

func endpointCondition(now time.Time, status *v1alpha1.ZoomAppStatus) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionEndpointValidated}
	at := status.EndpointValidatedAt
	switch {
	case at == nil:
		c.Status, c.Reason = metav1.ConditionUnknown, v1alpha1.ReasonNeverValidated
		c.Message = "Zoom has not validated the webhook URL yet. " + enterURL(status)
	case at.Add(validationOverdue).After(now):
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.ReasonValidated
		c.Message = "Zoom has validated the webhook URL within the last six days."
	default:
		c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ReasonValidationOverdue
		c.Message = "Zoom last validated the webhook URL at " + messages.Instant(at) + " and should have done so every 72 hours since; it disables " +
			"the event subscription after about 18 days. See that Zoom can reach the URL. " + enterURL(status)
	}
	return c
}

// enterURL is the sentence about how to have the URL validated.
func enterURL(status *v1alpha1.ZoomAppStatus) string {
	if status.WebhookURL == "" {
		return "The operator does not know the URL: it runs without --external-url."
	}
	return "At Zoom, in the app's event subscription, enter " + status.WebhookURL + " as Event notification endpoint URL and press Validate."
}

func readyCondition(app *v1alpha1.ZoomApp, f facts, available, endpoint metav1.Condition, externalURL string) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse}
	refused := f.refusalOf(app)
	switch {
	case f.notSelectedBy != "":
		c.Reason = v1alpha1.ReasonNamespaceNotSelected
		c.Message = "No page and no webhook of this app is served, because the operator serves only namespaces with the labels " + f.notSelectedBy +
			", and " + app.Namespace + " has others. Ask the admin of the cluster to label it."
	case available.Status != metav1.ConditionTrue: // also when that is why another app has the client ID now
		c.Reason, c.Message = available.Reason, available.Message
	case f.claim != clientids.Held:
		c.Reason, c.Message = messages.ClientIDNotHeld(app, f.claim)
	case f.cloudUnknown:
		c.Reason, c.Message = v1alpha1.ReasonCloudUnknown, messages.CloudUnknown(app)
	case refused != nil:
		c.Reason, c.Message = string(refused.Reason), refusalMessage(app, f.authorized, refused)
	case externalURL == "":
		c.Reason = v1alpha1.ReasonExternalURLUnknown
		c.Message = "Nobody can be told where Zoom has to send its events: run the operator with --external-url."
	case app.Spec.Suspend != "":
		c.Reason, c.Message = v1alpha1.ReasonSuspended, suspendedMessage(app.Spec.Suspend)
	default:
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.ReasonConfigured
		c.Message = "Nothing is missing on this side."
		if endpoint.Status != metav1.ConditionTrue {
			c.Message += " " + endpoint.Message
		}
	}
	return c
}

// suspendedMessage is the sentences about what a suspended app does.
func suspendedMessage(how v1alpha1.Suspension) string {
	what := "Events of Zoom's are stored, and nothing follows from them"
	if how == v1alpha1.SuspensionPutOff {
		what = "Events of Zoom's are put off, of which Zoom sends each again for 85 minutes and then no more"
	}
	return what + "; meetings keep the status that they have, and no customer can install the app. Tokens are refreshed. Take spec.suspend away to go on."
}

// refusalMessage is the sentences about why Zoom refuses an app, and what to do.
func refusalMessage(app *v1alpha1.ZoomApp, authorized int32, refused *v1alpha1.AppRefusal) string {
	since := " It did so first at " + messages.Instant(&refused.At) + ". "
	if refused.Reason == v1alpha1.AppRefusalScopeMissing {
		scope := "user:read:user"
		if app.Spec.ManagedBy == v1alpha1.ManagedByAdmin {
			scope += ":admin"
		}
		return "A customer consented, but Zoom does not let the app ask who it was, so nothing was connected: the app lacks the scope " + scope + "." + since +
			"Add that scope under Scopes in Zoom's build flow, and not as an optional one; then have the customer install the app again."
	}
	again := "Until then, a customer who installs the app is the next to try."
	if app.Spec.TokenPolicy != v1alpha1.TokenPolicyNone && authorized > 0 {
		again = "Until then, one installation tries again by itself every five minutes at least, and at once with the annotation " +
			v1alpha1.RetryAnnotation + "=" + v1alpha1.RetryNow + "."
	}
	return "Zoom refuses the app: its client ID or client secret is wrong, or the app is disabled there." + since + "Compare spec.clientID with App Credentials " +
		"in Zoom's build flow, and put the current client secret into Secret " + app.Spec.CredentialsSecretRef.Name + "; no consent is lost. " + again
}

// eventsOf are the Events about the transition of an app's conditions from its present status to
// the next. What a new app merely does not have yet is no transition, and a reason that Ready
// repeats is recorded once.
func eventsOf(app *v1alpha1.ZoomApp, after v1alpha1.ZoomAppStatus) []events.Event {
	var out []events.Event
	said := map[string]bool{}
	for _, kind := range []string{
		v1alpha1.ConditionEventsVerified, v1alpha1.ConditionReady, v1alpha1.ConditionCredentialsAvailable, v1alpha1.ConditionEndpointValidated, v1alpha1.ConditionEventsSubscribed, v1alpha1.ConditionMissedEventsRecovered, v1alpha1.ConditionLegacyVerification,
	} {
		old, now := meta.FindStatusCondition(app.Status.Conditions, kind), meta.FindStatusCondition(after.Conditions, kind)
		bad := metav1.ConditionFalse
		if kind == v1alpha1.ConditionLegacyVerification {
			bad = metav1.ConditionTrue // it warns
		}
		switch {
		case now == nil, old != nil && old.Reason == now.Reason, said[now.Reason]:
			continue
		case old == nil && kind != v1alpha1.ConditionReady && now.Status != bad:
			continue
		}
		said[now.Reason] = true
		n := events.Normal(now.Reason, "Reconcile", now.Message)
		if now.Status == bad && now.Reason != v1alpha1.ReasonSuspended { // which an admin wants
			n.Type = corev1.EventTypeWarning
		}
		out = append(out, n)
	}
	return out
}

// claimCondition is ClientIDHeld.
func claimCondition(f facts) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionClientIDHeld, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonHeld}
	c.Message = "No other ZoomApp has a better claim to the client ID."
	switch f.claim {
	case clientids.Taken:
		c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ReasonClientIDInUse
		c.Message = "Another ZoomApp has the client ID with a better claim, so this one asks Zoom for nothing."
	case clientids.Open:
		c.Status, c.Reason = metav1.ConditionUnknown, v1alpha1.ReasonClientIDContested
		c.Message = "Another ZoomApp has the client ID too, and Zoom has not said whose it is."
	}
	return c
}
