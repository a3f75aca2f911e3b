package recording

import (
	"context"
	"errors"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/tombstones"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// userChanged follows what became at Zoom of a user who consented. With the user the token dies,
// which has it tried at once: what Zoom takes is good, whatever was reported. In an app that
// accounts install, the consent is not the user's, and what is known of their meetings goes with
// them.
func (r *removals) userChanged(ctx context.Context, app *v1alpha1.ZoomApp, ev *zoom.Event) error {
	consenter := ev.UserID
	if app.Spec.ManagedBy == v1alpha1.ManagedByAdmin {
		// Who left the account keeps their meetings, and what is known of them is the account's.
		if ev.Name != zoom.EventUserDeleted {
			return drop(ReasonNoEffect)
		}
		consenter = ""
	}
	list, err := r.current(ctx, app, ev.AccountID, consenter)
	if err != nil {
		return err
	}
	reason := ReasonNoInstallation
	if len(list) == 0 && consenter != "" && left(ev) && app.Spec.UnknownAccounts != v1alpha1.UnknownAccountsIgnore {
		// An event of their meetings that is older, and comes late, must not make their
		// installation known. One at this moment may, and is looked for once more.
		if err := r.tombstones.Remove(ctx, tombstones.ConsentOf(app, ev.AccountID, ev.UserID), ev.Time, tombstones.Lifetime(app)); err != nil {
			return err
		}
		if list, err = r.current(ctx, app, ev.AccountID, ev.UserID); err != nil {
			return err
		}
		reason = reasonStored
	}
	for i := range list {
		in := &list[i]
		change := userChange(app, in, ev)
		if consenter == "" {
			change = r.userDeleted(app, in, ev)
		}
		if change == nil {
			continue
		}
		switch _, err := r.installations.update(ctx, in, change); {
		case errors.Is(err, errGone):
		case err != nil:
			return err
		default:
			reason = reasonStored
		}
	}
	return recorded(reason)
}

// userDeleted is what the deletion of a user changes in an installation of their account; nil for
// nothing.
func (r *removals) userDeleted(app *v1alpha1.ZoomApp, in *v1alpha1.ZoomInstallation, ev *zoom.Event) func(*v1alpha1.ZoomInstallation) {
	if !installation.TakesEvents(in) {
		return nil
	}
	return func(now *v1alpha1.ZoomInstallation) {
		installation.MergeUserDeleted(now, ev.UserID, ev.Time, r.now(), r.now().Add(tombstones.Lifetime(app)))
	}
}

// left is whether a user is no longer of the account.
func left(ev *zoom.Event) bool {
	return ev.Name == zoom.EventUserDeleted || ev.Name == zoom.EventUserDisassociated
}

// userChange is what the event of a user changes in an installation of theirs; nil for nothing.
func userChange(app *v1alpha1.ZoomApp, in *v1alpha1.ZoomInstallation, ev *zoom.Event) func(*v1alpha1.ZoomInstallation) {
	kept := in.Spec.Consent != nil && app.Spec.TokenPolicy != v1alpha1.TokenPolicyNone
	switch left := left(ev); {
	case !installation.TakesEvents(in), in.Spec.Consent != nil && !ev.Time.After(in.Spec.Consent.At.Time):
		return nil
	case left && kept:
		return func(now *v1alpha1.ZoomInstallation) { installation.MergeRemovalNotice(now, ev.Time) }
	case left:
		return func(now *v1alpha1.ZoomInstallation) { installation.MergeUserLeft(&now.Spec, ev.Time, ev.UserID) }
	case !kept:
		return nil
	}
	// Who was deactivated may come back, so that nothing is deleted before the app's grace is over.
	return func(now *v1alpha1.ZoomInstallation) {
		if now.Annotations == nil {
			now.Annotations = map[string]string{}
		}
		now.Annotations[v1alpha1.RetryAnnotation] = v1alpha1.RetryNow
	}
}
