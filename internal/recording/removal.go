package recording

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/tombstones"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// concurrentNotices is how many installations of an account are given a notice at once.
const concurrentNotices = 16

// removals records that customers have removed an app.
type removals struct {
	*objects

	installations installations
	tombstones    *tombstones.Store
	spoke         func(*v1alpha1.ZoomInstallation)
	now           func() time.Time
}

// remove records a removal in every installation of the customer's: each may have meetings. One
// that nothing is known of yet is recorded too, so that it does not matter whether the removal or
// what it ends arrives first.
func (r *removals) remove(ctx context.Context, app *v1alpha1.ZoomApp, ev *zoom.Event) error {
	if id := ev.Deauthorization.ClientID; id != "" && id != app.Spec.ClientID {
		return drop(ReasonOtherClient)
	}
	removal := *ev.Deauthorization
	if !zoom.IsUserID(removal.UserID) {
		removal.UserID = "" // no user's ID; the removal counts all the same
	}
	reason := ReasonNoInstallation
	if user, ok := remover(app, &removal); ok {
		var consented bool
		var err error
		if reason, consented, err = r.removeConsent(ctx, app, ev.AccountID, user, &removal); err != nil {
			return err
		}
		if consented || app.Spec.ManagedBy == v1alpha1.ManagedByAdmin {
			return recorded(reason)
		}
	}
	switch noticed, err := r.notice(ctx, app, ev.AccountID, removal.At); {
	case err != nil:
		return err
	case noticed:
		return nil
	}
	return recorded(reason)
}

// MaxAge is how old an event of an app may be when it is sent.
func MaxAge(app *v1alpha1.ZoomApp) time.Duration {
	return time.Duration(app.Spec.MaxEventAgeSeconds) * time.Second
}

// remover is who removed the app: the account, or a user of it, where that is known.
func remover(app *v1alpha1.ZoomApp, removal *zoom.Deauthorization) (user string, ok bool) {
	if app.Spec.ManagedBy == v1alpha1.ManagedByAdmin {
		return "", true
	}
	return removal.UserID, removal.UserID != ""
}

// recorded is no error when a removal was stored, and drops it otherwise.
func recorded(reason string) error {
	if reason == reasonStored {
		return nil
	}
	return drop(reason)
}

// removeConsent records the removal of one consent. It says what came of it, and whether that
// consent is known here.
func (r *removals) removeConsent(ctx context.Context, app *v1alpha1.ZoomApp, account, user string, removal *zoom.Deauthorization) (reason string, consented bool, err error) {
	reason = ReasonNoInstallation
	done := map[string]bool{}
	// A consent at this moment looks for removals after its installation is there, so it is looked
	// for once more after the removal is.
	for round := 0; ; round++ {
		// The consent may be so new that the cache does not have it, and its end must not be lost.
		list, err := r.current(ctx, app, account, user)
		if err != nil {
			return "", false, err
		}
		if len(list) == 0 && round == 0 {
			stored, err := r.removeUnknown(ctx, app, account, user, removal)
			if err != nil || !stored {
				return reason, false, err
			}
			reason = reasonStored
			continue
		}
		last := lastConsent(list)
		consented = consented || !last.IsZero()
		back, found := !removal.At.Truncate(time.Second).After(last), false
		for i := range list {
			in := &list[i]
			if done[in.Name] {
				continue
			}
			done[in.Name], found = true, true
			if back && in.Spec.Consent == nil {
				continue // what was recorded before the customer consented is no older than the consent that holds
			}
			_, err := r.installations.update(ctx, in, func(now *v1alpha1.ZoomInstallation) { installation.MergeDeauthorization(&now.Spec, removal) })
			switch {
			case errors.Is(err, errGone):
				reason = ReasonRemoved
			case err != nil:
				return "", false, err
			default:
				r.spoke(in)
				reason = reasonStored
			}
		}
		if !found {
			return reason, consented, nil
		}
	}
}

// removeUnknown remembers the removal of a consent that nothing is known of: in an installation
// like that of a removal that came later, or, where the app records nothing of accounts that it
// does not know, in a tombstone. It is false for the removal that the deletion of an installation
// itself brought about.
func (r *removals) removeUnknown(ctx context.Context, app *v1alpha1.ZoomApp, account, user string, removal *zoom.Deauthorization) (bool, error) {
	consent := tombstones.ConsentOf(app, account, user)
	ends, err := r.tombstones.Find(ctx, consent)
	if err != nil {
		return false, err
	}
	// The app is removed at Zoom before the deletion is complete here; by a clock that may be
	// ahead.
	if !ends.Deleted.IsZero() && !removal.At.After(ends.Deleted.Add(zoom.MaxClockSkew)) {
		return false, nil
	}
	if app.Spec.UnknownAccounts == v1alpha1.UnknownAccountsIgnore {
		return true, r.tombstones.Remove(ctx, consent, removal.At, tombstones.Lifetime(app))
	}
	_, err = r.installations.create(ctx, app, account, user, func(in *v1alpha1.ZoomInstallation) {
		installation.MergeDeauthorization(&in.Spec, removal)
	})
	return true, err
}

// notice has the tokens of an account's installations tried: one of its users removed the app, and
// Zoom does not say which, or names one who has not consented here, as an admin who removes it for
// another. It says whether there are any.
func (r *removals) notice(ctx context.Context, app *v1alpha1.ZoomApp, account string, at time.Time) (bool, error) {
	list, err := r.ofAccount(ctx, app, account)
	if err != nil {
		return false, err
	}
	var all errgroup.Group
	all.SetLimit(concurrentNotices)
	noticed := false
	for i := range list {
		in := &list[i]
		_, underWay := in.Annotations[v1alpha1.ConsentUnderWayAnnotation]
		if c := in.Spec.Consent; !installation.TakesEvents(in) || c == nil && !underWay || c != nil && !at.After(c.At.Time) {
			continue
		}
		noticed = true
		all.Go(func() error {
			_, err := r.installations.update(ctx, in, func(now *v1alpha1.ZoomInstallation) { installation.MergeRemovalNotice(now, at) })
			if errors.Is(err, errGone) {
				return nil
			}
			return err
		})
	}
	return noticed, all.Wait()
}

// lastConsent is when the latest of several installations was consented to; zero when none was.
func lastConsent(list []v1alpha1.ZoomInstallation) (last time.Time) {
	for i := range list {
		if c := list[i].Spec.Consent; c != nil && c.At.After(last) {
			last = c.At.Time
		}
	}
	return last
}
