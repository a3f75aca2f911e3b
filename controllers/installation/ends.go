package installation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/retry"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/fieldowner"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/messages"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/internal/tombstones"
)

// What the API's defaults are where there is no app to ask.
const (
	defaultRemovedRetention = 30 * 24 * time.Hour
	defaultRemovalGrace     = 7 * 24 * time.Hour
)

// refusalAhead is how long before the time of a notice Zoom may have refused the token because of
// the removal that it is about: different clocks date the two. A token that was refused
// before has another cause, and the notice is about another user.
const refusalAhead = 5 * time.Minute

func orDefault(seconds int32, otherwise time.Duration) time.Duration {
	return cmp.Or(time.Duration(seconds)*time.Second, otherwise)
}

// eventsLate is how late an event may come that the app still takes.
func (f *facts) eventsLate() time.Duration { return tombstones.Lifetime(f.app) }

// removedRetention is how long the record of a removed installation is kept.
func (f *facts) removedRetention() time.Duration {
	if f.app == nil {
		return defaultRemovedRetention
	}
	return orDefault(f.app.Spec.Retention.RemovedSeconds, defaultRemovedRetention)
}

// recordGoesAt is when the record of a removed installation goes; zero while there is data to
// delete.
func (f *facts) recordGoesAt() time.Time {
	if f.deletion == nil || f.deletion.At == nil {
		return time.Time{}
	}
	return f.deletion.At.Add(f.removedRetention())
}

// noticeOf is when a user of the account removed the app, while it is not known whether it was
// this installation's customer; zero when it is. An event that arrived so long afterwards that it
// cannot be a late one of before shows that it was not.
func noticeOf(in *v1alpha1.ZoomInstallation, f *facts) time.Time {
	at := installation.RemovalNotice(in)
	if last := in.Status.LastEventAt; !at.IsZero() && last != nil && last.After(at.Add(f.eventsLate())) {
		return time.Time{}
	}
	return at
}

// lapse is an end of a consent that Zoom did not report, or not clearly.
type lapse struct {
	// at is when the consent ended, as far as is known; it is later than the consent.
	at time.Time
	// due is when it is taken for certain.
	due    time.Time
	reason v1alpha1.DeauthorizationReason
}

// lapseOf is how a consent that stands will end if no user consents again; nil when it will not by
// itself.
//
// Zoom's refusal of a token that was certainly never spent is such an end: at once where it came
// with the notice that a user of the account removed the app, otherwise after the app's grace, in
// which the customer can consent again. While Zoom sends events of the customer they have not
// removed the app, so the grace begins anew with each. A token that was lost on its way, or whose
// scopes the app no longer has, says nothing of what the customer did: such a consent ends only
// where a user is known to have removed the app, and after the grace.
func lapseOf(in *v1alpha1.ZoomInstallation, f *facts) *lapse {
	if !installation.Stands(in) || f.app == nil || f.token == nil || f.token.Refusal == "" {
		return nil
	}
	notice, revoked := noticeOf(in, f), f.token.Refusal == tokens.RefusedRevoked
	if revoked && !notice.IsZero() && f.token.RefusedAt.After(notice.Add(-refusalAhead)) {
		return &lapse{at: notice, reason: v1alpha1.DeauthorizationNoticeConfirmed}
	}
	if !f.token.Unusable() || f.token.RefusedAt.IsZero() || !revoked && notice.IsZero() {
		return nil
	}
	heard := f.token.RefusedAt
	if last := in.Status.LastEventAt; last != nil {
		heard = later(heard, last.Time)
	}
	return &lapse{
		at:     later(later(f.token.RefusedAt, notice), in.Spec.Consent.At.Add(time.Second)),
		due:    heard.Add(orDefault(f.app.Spec.RemovalGraceSeconds, defaultRemovalGrace)),
		reason: v1alpha1.DeauthorizationTokenRefused,
	}
}

// lapseAt is when that is; zero when it does not happen by itself.
func lapseAt(in *v1alpha1.ZoomInstallation, f *facts) time.Time {
	if l := lapseOf(in, f); l != nil {
		return l.due
	}
	return time.Time{}
}

// refusalUndated says whether it is not known since when Zoom has refused a token for good, as
// where an earlier version of the operator did not note it.
func refusalUndated(f *facts) bool {
	return f.token != nil && f.token.Unusable() && f.token.RefusedAt.IsZero() && (f.token.Refusal == tokens.RefusedRevoked || !f.notice.IsZero())
}

// unlessAgain says when what is kept of a customer is deleted whose token Zoom refuses.
func unlessAgain(in *v1alpha1.ZoomInstallation, f *facts) string {
	at := lapseAt(in, f)
	if at.IsZero() {
		return ""
	}
	return " If nobody does, and Zoom sends no event of them either, what is kept of the customer is deleted at " + messages.Instant(stamp(at)) + "."
}

// removedMessage says how a consent ended, and what became of it.
func removedMessage(in *v1alpha1.ZoomInstallation, f *facts) string {
	d := in.Spec.Deauthorization
	message := "The customer removed the app at " + messages.Instant(&d.At) + ", so their data is deleted."
	switch d.Reason {
	case v1alpha1.DeauthorizationNoticeConfirmed:
		message = "A user of the account removed the app at " + messages.Instant(&d.At) + ", or left, and Zoom no longer takes this customer's token, so their data is deleted."
	case v1alpha1.DeauthorizationUserLeft:
		message = "The user was deleted at Zoom at " + messages.Instant(&d.At) + ", or left the account, so their data is deleted."
	case v1alpha1.DeauthorizationTokenRefused:
		message = "Zoom has refused the customer's token since " + messages.Instant(&d.At) + ", and nobody installed the app again within the grace of the ZoomApp, so their data is deleted."
	}
	message += " To have it back, they install it at status.installURL."
	if at := f.recordGoesAt(); !at.IsZero() {
		message += " This ZoomInstallation is deleted at " + messages.Instant(stamp(at)) + "."
	}
	return message
}

// removalUnclear reports whether a user removed the app and no token can tell whether it was this
// customer.
func removalUnclear(in *v1alpha1.ZoomInstallation, f *facts) bool {
	return installation.Stands(in) && f.token == nil && !noticeOf(in, f).IsZero()
}

// conclude records the end of a consent that Zoom did not report. The write holds only for the
// version that was read: whoever consents at this moment does so after that end.
func (r *Reconciler) conclude(ctx context.Context, in *v1alpha1.ZoomInstallation, f *facts) error {
	l := lapseOf(in, f)
	if l == nil {
		return errChanged
	}
	delete(in.Annotations, v1alpha1.RemovalNoticeAnnotation)
	in.Spec.Deauthorization = &v1alpha1.Deauthorization{At: *stamp(l.at), Reason: l.reason}
	if err := r.Client.Update(ctx, in, fieldowner.Controller); err != nil {
		return fmt.Errorf("recording that the consent of ZoomInstallation %s/%s has ended: %w", in.Namespace, in.Name, err)
	}
	log.FromContext(ctx).Info("Consent concluded to have ended", "reason", l.reason)
	return nil
}

// noticeAnswered takes the notice of a removal off, once Zoom has given out another token than the
// one from before. While Zoom was asked the installation may have been written: with the notice
// still on it, Zoom would be asked again.
func (r *Reconciler) noticeAnswered(ctx context.Context, in *v1alpha1.ZoomInstallation, f *facts, before time.Time) error {
	if installation.RemovalNotice(in).IsZero() || f.failing != nil || f.token.Refusal != "" || f.token.IssuedAt.Equal(before) {
		return nil
	}
	answered := in.Annotations[v1alpha1.RemovalNoticeAnnotation]
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		live, err := r.live(ctx, in)
		switch {
		case err != nil:
			return client.IgnoreNotFound(err)
		case live.UID != in.UID || live.Annotations[v1alpha1.RemovalNoticeAnnotation] != answered:
			return errChanged // it is about another consent, or there was another notice
		}
		delete(live.Annotations, v1alpha1.RemovalNoticeAnnotation)
		if err := r.Client.Update(ctx, live, fieldowner.Controller); err != nil {
			return client.IgnoreNotFound(fmt.Errorf("taking the annotation %s off ZoomInstallation %s/%s: %w", v1alpha1.RemovalNoticeAnnotation, in.Namespace, in.Name, err))
		}
		if live.Generation != in.Generation {
			return errChanged
		}
		live.DeepCopyInto(in)
		return nil
	})
}

// noticeAppeared says whether an installation got the notice of a removal.
func noticeAppeared(before, after client.Object) bool {
	now := after.GetAnnotations()[v1alpha1.RemovalNoticeAnnotation]
	return now != "" && now != before.GetAnnotations()[v1alpha1.RemovalNoticeAnnotation]
}

// expire deletes the record of a removed installation, as it was read: whoever installs the app
// again at this moment keeps it.
func (r *Reconciler) expire(ctx context.Context, in *v1alpha1.ZoomInstallation) error {
	err := r.Client.Delete(ctx, in, client.Preconditions{UID: &in.UID, ResourceVersion: &in.ResourceVersion})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting ZoomInstallation %s/%s, whose customer has left: %w", in.Namespace, in.Name, err)
	}
	log.FromContext(ctx).Info("Record of a removed installation deleted")
	return nil
}

// remember leaves a tombstone of an installation that is about to go, so that no late event brings
// it back. Where that is not possible for a cause that does not pass, the installation goes all the
// same.
func (r *Reconciler) remember(ctx context.Context, in *v1alpha1.ZoomInstallation, f *facts) error {
	if in.Spec.AccountID == "" {
		return nil // no events come of it
	}
	app := types.NamespacedName{Namespace: in.Namespace, Name: in.Spec.AppRef.Name}
	err := r.Tombstones.Delete(ctx, tombstones.Consent{App: app, Account: in.Spec.AccountID, User: in.Spec.UserID}, f.eventsLate())
	switch {
	case err == nil:
		return nil
	case errors.Is(err, tombstones.ErrForeign), apierrors.IsForbidden(err), apierrors.IsInvalid(err), apierrors.IsNotFound(err):
		// As in a namespace that is going itself.
		log.FromContext(ctx).Info("Tombstone not stored", "reason", apierrors.ReasonForError(err))
		return nil
	default:
		return fmt.Errorf("ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
	}
}

// pruneEvery is how often tombstones are looked at that may have served their time.
const pruneEvery = 10 * time.Minute

// PruneTombstones takes tombstones away that have served their time until ctx ends: those of the
// apps that there are, and those that this process has left of others.
func (r *Reconciler) PruneTombstones(ctx context.Context) error {
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		if err := r.pruneOnce(ctx); err != nil && ctx.Err() == nil {
			log.FromContext(ctx).Error(err, "Pruning tombstones failed")
		}
	}, pruneEvery)
	return nil
}

func (r *Reconciler) pruneOnce(ctx context.Context) error {
	var list v1alpha1.ZoomAppList
	if err := r.Client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing the apps: %w", err)
	}
	apps := map[types.NamespacedName]bool{}
	for i := range list.Items {
		apps[client.ObjectKeyFromObject(&list.Items[i])] = true
	}
	for _, app := range r.Tombstones.Written() {
		apps[app] = true
	}
	var errs []error
	for app := range apps {
		errs = append(errs, r.Tombstones.Prune(ctx, app))
	}
	return errors.Join(errs...)
}
