package controllers

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// Keys of the Secret with an app's credentials.
const (
	clientSecretKey      = "clientSecret"
	secretTokenKey       = "secretToken"
	verificationTokenKey = "verificationToken"
)

// validationOverdue is two rounds of Zoom's validation, which comes every 72 hours. Zoom disables the subscription after
// six rounds that failed, so twelve days are left to act.
const validationOverdue = 6 * 24 * time.Hour

// appFacts is what was observed of an app, without any secret in it.
type appFacts struct {
	secretFound               bool
	needed, present           []string // keys of the Secret
	installations, authorized int32
	rejected                  bool // Zoom refused the app itself when a token was refreshed
}

// missing are the keys that the Secret lacks.
func (f appFacts) missing() []string {
	return slices.DeleteFunc(slices.Clone(f.needed), func(key string) bool { return slices.Contains(f.present, key) })
}

func neededKeys(app *v1alpha1.ZoomApp) []string {
	keys := []string{clientSecretKey, secretTokenKey}
	if app.Spec.Verification == v1alpha1.VerificationVerificationToken {
		keys = append(keys, verificationTokenKey)
	}
	return keys
}

// presentKeys are the keys that hold a value: at least one line that is not blank.
func presentKeys(data map[string][]byte) []string {
	var keys []string
	for key, value := range data {
		if len(bytes.TrimSpace(value)) > 0 {
			keys = append(keys, key)
		}
	}
	return keys
}

// appStatus is what follows from what was observed of an app.
func appStatus(now time.Time, app *v1alpha1.ZoomApp, f appFacts, externalURL string) v1alpha1.ZoomAppStatus {
	status := *app.Status.DeepCopy()
	status.Installations, status.AuthorizedInstallations = &f.installations, &f.authorized
	status.WebhookURL, status.InstallURL, status.RedirectURL = "", "", ""
	if externalURL != "" {
		path := app.Namespace + "/" + app.Name
		status.WebhookURL = externalURL + "/webhooks/" + path
		status.InstallURL = externalURL + "/oauth/" + path + "/install"
		status.RedirectURL = externalURL + "/oauth/" + path + "/callback"
	}
	credentials := credentialsCondition(app, f)
	endpoint := endpointCondition(now, &status)
	for _, c := range []metav1.Condition{readyCondition(app, f, credentials, endpoint, externalURL), credentials, endpoint, verificationCondition(app)} {
		c.ObservedGeneration = app.Generation
		c.LastTransitionTime = metav1.Time{Time: now.UTC().Truncate(time.Second)}
		meta.SetStatusCondition(&status.Conditions, c)
	}
	return status
}

func credentialsCondition(app *v1alpha1.ZoomApp, f appFacts) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionCredentialsAvailable, Status: metav1.ConditionFalse}
	secret := "Secret " + app.Spec.CredentialsSecretRef.Name
	missing := f.missing()
	switch {
	case !f.secretFound:
		c.Reason = v1alpha1.ReasonSecretNotFound
		c.Message = secret + " does not exist. Create it with the keys " + list(f.needed) + ", from the app's pages at Zoom."
	case len(missing) > 0:
		c.Reason = v1alpha1.ReasonSecretIncomplete
		c.Message = secret + " holds nothing under " + list(missing) + ". Copy it from the app's pages at Zoom."
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

// list is names as a sentence has them: a, b and c.
func list[S ~string](names []S) string {
	var text strings.Builder
	for i, name := range names {
		switch {
		case i == 0:
		case i == len(names)-1:
			text.WriteString(" and ")
		default:
			text.WriteString(", ")
		}
		text.WriteString(string(name))
	}
	return text.String()
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
		c.Message = "Zoom last validated the webhook URL at " + instant(at) + " and should have done so every 72 hours since; it disables " +
			"the event subscription after about 18 days. See that Zoom can reach the URL. " + enterURL(status)
	}
	return c
}

// enterURL says how to have the URL validated.
func enterURL(status *v1alpha1.ZoomAppStatus) string {
	if status.WebhookURL == "" {
		return "The operator does not know the URL: it runs without --external-url."
	}
	return "At Zoom, in the app's event subscription, enter " + status.WebhookURL + " as Event notification endpoint URL and press Validate."
}

func readyCondition(app *v1alpha1.ZoomApp, f appFacts, credentials, endpoint metav1.Condition, externalURL string) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse}
	switch {
	case credentials.Status != metav1.ConditionTrue:
		c.Reason, c.Message = credentials.Reason, credentials.Message
	case f.rejected:
		c.Reason = v1alpha1.ReasonClientRejected
		c.Message = "Zoom refuses the app: its client ID or client secret is wrong, or the app is disabled. Put the current client secret into Secret " +
			app.Spec.CredentialsSecretRef.Name + "; no consent is lost."
	case externalURL == "":
		c.Reason = v1alpha1.ReasonExternalURLUnknown
		c.Message = "Nobody can be told where Zoom has to send its events: run the operator with --external-url."
	default:
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.ReasonConfigured
		c.Message = "Nothing is missing on this side."
		if endpoint.Status != metav1.ConditionTrue {
			c.Message += " " + endpoint.Message
		}
	}
	return c
}
