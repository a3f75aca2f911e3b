package installation

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/predicates"
	"github.com/zoom-operator/zoom-operator/internal/installation"
)

// imported lets through that an import has been recorded.
var imported = predicates.Updated(installation.ImportChanged)

// setImported says what became of the import, if there was one.
func setImported(conditions *[]metav1.Condition, now time.Time, in *v1alpha1.ZoomInstallation, f *facts) {
	var i *installation.Import
	if f.app != nil && installation.Imports(f.app) {
		i = installation.ImportOf(f.app, in)
	}
	if i == nil {
		meta.RemoveStatusCondition(conditions, v1alpha1.ConditionMeetingsImported)
		return
	}
	c := metav1.Condition{
		Type: v1alpha1.ConditionMeetingsImported, Status: metav1.ConditionFalse, Reason: i.Reason,
		ObservedGeneration: in.Generation, LastTransitionTime: *stamp(now),
	}
	read := "Meetings that the customer had planned before the consent: " + strconv.Itoa(i.Meetings) + "."
	if i.AllUsers > 0 {
		read += fmt.Sprintf(" They are those of %d of %d users.", i.Users, i.AllUsers)
	}
	const later = " A meeting that was planned before the consent is known from its next event on."
	switch i.Reason {
	case v1alpha1.ReasonImported:
		c.Status, c.Message = metav1.ConditionTrue, read
	case v1alpha1.ReasonImporting:
		c.Message = read
	case v1alpha1.ReasonImportDelayed:
		c.Message = read + " Zoom may not be asked for more at present, by apiCalls of ZoomApp " + f.app.Name + " or by Zoom's own limits. The import goes on by itself."
	case v1alpha1.ReasonImportIncomplete:
		c.Message = read + " The import ended there, because there were as many as retention.meetings of ZoomApp " + f.app.Name + " allows." + later
	case v1alpha1.ReasonUsersNotRead:
		c.Message = read + " Zoom answered with errors about the others." + later
	case v1alpha1.ReasonImportScopeMissing:
		c.Message = "The customer has not granted " + allOf(installation.ImportScopes(f.app)) + "." + later
	case v1alpha1.ReasonImportNotPermitted:
		c.Message = "The customer's plan, or their account, does not let the app list their meetings." + later
	default: // of another version of the operator
		meta.RemoveStatusCondition(conditions, v1alpha1.ConditionMeetingsImported)
		return
	}
	meta.SetStatusCondition(conditions, c)
}

func allOf(scopes []v1alpha1.Scope) string {
	words := make([]string, len(scopes))
	for i, scope := range scopes {
		words[i] = string(scope)
	}
	return strings.Join(words, " and ")
}
