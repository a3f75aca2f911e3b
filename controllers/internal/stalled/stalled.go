// Package stalled informs tools that wait for an object to become ready, as those of GitOps do,
// when there is nothing to wait for: by the condition Stalled, as kstatus reads it.
package stalled

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// passing are the reasons of a Ready that is False which may end by themselves, or with what a
// customer does: an invitation waits to be followed, and what is not heard of may be heard of yet.
// That an app is suspended is as its admin declared it.
var passing = sets.New(
	v1alpha1.ReasonTerminating, v1alpha1.ReasonRefreshFailing, v1alpha1.ReasonClientIDContested, v1alpha1.ReasonInvited,
	v1alpha1.ReasonNeverAuthorized, v1alpha1.ReasonNoRecentEvents, v1alpha1.ReasonSuspended,
)

// Set adds Stalled to the conditions, with the reason of Ready, where Ready is False until an admin
// or a customer changes something. Otherwise it takes Stalled away: as kstatus has it, the
// condition is there only while it is True.
func Set(conditions *[]metav1.Condition, ready metav1.Condition) {
	if ready.Status != metav1.ConditionFalse || passing.Has(ready.Reason) {
		meta.RemoveStatusCondition(conditions, v1alpha1.ConditionStalled)
		return
	}
	ready.Type, ready.Status = v1alpha1.ConditionStalled, metav1.ConditionTrue
	meta.SetStatusCondition(conditions, ready)
}
