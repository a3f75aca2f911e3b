package installation

import (
	"strconv"
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
	i := installation.ImportOf(in)
	if f.app == nil || !installation.Imports(f.app) || i == nil {
		meta.RemoveStatusCondition(conditions, v1alpha1.ConditionMeetingsImported)
		return
	}
	c := metav1.Condition{
		Type: v1alpha1.ConditionMeetingsImported, Status: metav1.ConditionFalse, Reason: i.Reason,
		ObservedGeneration: in.Generation, LastTransitionTime: *stamp(now),
	}
	const later = " A meeting that was planned before the consent is known from its next event on."
	switch i.Reason {
	case v1alpha1.ReasonImported:
		c.Status = metav1.ConditionTrue
		c.Message = "Meetings that the customer had planned before the consent: " + strconv.Itoa(i.Meetings) + "."
	case v1alpha1.ReasonImportIncomplete:
		c.Message = "The import ended after " + strconv.Itoa(i.Meetings) + " meetings, because there were as many as retention.meetings of ZoomApp " + f.app.Name + " allows." + later
	case v1alpha1.ReasonImportScopeMissing:
		c.Message = "The customer has not granted meeting:read:list_meetings." + later
	case v1alpha1.ReasonImportNotPermitted:
		c.Message = "The customer's plan, or their account, does not let the app list their meetings." + later
	default: // of another version of the operator
		meta.RemoveStatusCondition(conditions, v1alpha1.ConditionMeetingsImported)
		return
	}
	meta.SetStatusCondition(conditions, c)
}
