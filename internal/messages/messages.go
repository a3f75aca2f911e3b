// Package messages has the sentences for people that stand in more than one place, in conditions,
// in Events and on pages, and the form that times and lists have in any.
package messages

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/clientids"
)

// Instant is a time as people and the API write it.
func Instant(t *metav1.Time) string {
	if t == nil {
		return "an unknown time"
	}
	return t.UTC().Format(time.RFC3339)
}

// Duration is a length as people write it: 1h30m, 30m, and seconds only when there is no full
// minute.
func Duration(d time.Duration) string {
	h, m := d/time.Hour, d%time.Hour/time.Minute
	switch {
	case h > 0 && m > 0:
		return fmt.Sprintf("%dh%dm", h, m)
	case h > 0:
		return fmt.Sprintf("%dh", h)
	case m > 0:
		return fmt.Sprintf("%dm", m)
	default:
		return fmt.Sprintf("%ds", d/time.Second)
	}
}

// List is names as a sentence has them: a, b and c.
func List[S ~string](names []S) string {
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

// CloudUnknown says what to do about an app in a cloud that the operator does not know.
func CloudUnknown(app *v1alpha1.ZoomApp) string {
	return "The operator knows no cloud " + string(app.Spec.Cloud) + ", so nothing is sent anywhere. Set spec.cloud of ZoomApp " + app.Name +
		" to Commercial, or to Government if the app is registered at Zoom for Government."
}

// ClientIDNotHeld says what to do about an app that does not have its client ID. Which app has it,
// and where, is not for everybody who may look at this one.
func ClientIDNotHeld(app *v1alpha1.ZoomApp, claim clientids.Verdict) (reason, message string) {
	another := "Another ZoomApp has the client ID " + app.Spec.ClientID + " too, and "
	if claim == clientids.Open {
		return v1alpha1.ReasonClientIDContested, another + "Zoom has not answered yet when it was asked whose credentials are right. Until it does, within minutes of its " +
			"being back, ZoomApp " + app.Name + " asks for nothing else. To have it asked at once, set the annotation " + v1alpha1.RetryAnnotation + "=" + v1alpha1.RetryNow + " on it."
	}
	return v1alpha1.ReasonClientIDInUse, another + "uses it, so ZoomApp " + app.Name + " asks Zoom for nothing: no customer can install it, and no token is " +
		"refreshed or revoked. Delete one of the two, and create it again if it is to have another client ID; an admin of the cluster finds the other with kubectl get zoomapps --all-namespaces."
}
