package installation

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/deletion"
	"github.com/zoom-operator/zoom-operator/controllers/internal/index"
	"github.com/zoom-operator/zoom-operator/internal/meeting"
)

// spare is how much room is made at once, so that not every new meeting has to wait for it.
func spare(limit int) int { return max(limit/20, 1) }

// fullInstallationOf is the installation of a meeting that came or went, when it is near its bound,
// or was found to be at it.
func (r *Reconciler) fullInstallationOf(ctx context.Context, obj client.Object) []reconcile.Request {
	m, ok := obj.(*v1alpha1.ZoomMeeting)
	if !ok {
		return nil
	}
	key := types.NamespacedName{Namespace: m.Namespace, Name: m.Spec.InstallationRef.Name}
	var app v1alpha1.ZoomApp
	if err := r.Client.Get(ctx, types.NamespacedName{Namespace: m.Namespace, Name: m.Spec.AppRef.Name}, &app); err != nil {
		return nil // when there is one, it makes its installations be looked at
	}
	if limit := int(app.Spec.Retention.Meetings); limit == 0 || r.Kept.Of(key).All < limit-spare(limit) {
		return nil
	}
	return []reconcile.Request{{NamespacedName: key}}
}

// makeRoom deletes the oldest meetings that are over of an installation that has as many as its app
// keeps. What Zoom may still report something of stays, as it does otherwise.
func (r *Reconciler) makeRoom(ctx context.Context, in *v1alpha1.ZoomInstallation, f *facts) error {
	if f.app == nil || ended(in) {
		return nil
	}
	limit := int(f.app.Spec.Retention.Meetings)
	if limit == 0 || r.Kept.Of(client.ObjectKeyFromObject(in)).All < limit {
		return nil
	}
	var meetings v1alpha1.ZoomMeetingList
	err := r.Client.List(ctx, &meetings, client.InNamespace(in.Namespace), client.MatchingFields{index.Installation: in.Name}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return fmt.Errorf("listing the meetings of ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
	}
	over := meeting.Over(r.Now(), meetings.Items, f.app)
	left := len(meetings.Items)
	var errs []error
	for _, m := range over[:min(len(over), max(left-limit+spare(limit), 0))] {
		if err := deletion.Delete(ctx, r.Client, m, deletion.Room); client.IgnoreNotFound(err) != nil {
			errs = append(errs, err)
			continue
		}
		left--
	}
	f.full = left >= limit
	return errors.Join(errs...)
}

func fullCondition(now time.Time, in *v1alpha1.ZoomInstallation, f *facts) metav1.Condition {
	return metav1.Condition{
		Type: v1alpha1.ConditionMeetingsStored, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonTooManyMeetings,
		Message: "There are " + strconv.Itoa(int(f.app.Spec.Retention.Meetings)) + " meetings of this customer or more, as many as retention.meetings of ZoomApp " + f.app.Name +
			" allows, and none that has been over for long enough to go. New ones are not stored. Raise the bound, or delete ZoomMeetings that are not needed.",
		ObservedGeneration: in.Generation, LastTransitionTime: *stamp(now),
	}
}
