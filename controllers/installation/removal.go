package installation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/zoom-operator/zoom-operator/controllers/internal/deletion"
	"github.com/zoom-operator/zoom-operator/controllers/internal/events"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/fieldowner"
	"github.com/zoom-operator/zoom-operator/controllers/internal/index"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/internal/tombstones"
	"github.com/zoom-operator/zoom-operator/zoom"
)

const (
	// removalPage is how many meetings are listed at once.
	removalPage = 100
	// concurrentDeletions is how many of them are deleted at once: a thousand meetings go in about
	// two seconds.
	concurrentDeletions = 8
)

// forget deletes the token as it was read, after the access token that other programs see. One that
// came since is another consent's, and stays.
func (r *Reconciler) forget(ctx context.Context, in *v1alpha1.ZoomInstallation, f *facts) error {
	if err := r.unchanged(ctx, in); err != nil {
		return err
	}
	err := tokens.Withdraw(ctx, r.Client, in)
	if err == nil && f.token != nil {
		err = f.token.Delete(ctx, r.Client)
	}
	if err != nil {
		return fmt.Errorf("ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
	}
	if f.token != nil {
		log.FromContext(ctx).Info("Token deleted")
	}
	f.token = nil
	return nil
}

// count begins the deletion of data: it deletes the token and counts the meetings before any of
// them is deleted, so that the number is right however often the operator ends on the way.
func (r *Reconciler) count(ctx context.Context, in *v1alpha1.ZoomInstallation, f *facts) error {
	if err := r.forget(ctx, in, f); err != nil {
		return err
	}
	if f.left != nil && f.left.Matches(in) { // this customer's too, whose installation of before went without it
		if err := f.left.Delete(ctx, r.Client); err != nil {
			return err
		}
		f.left = nil
	}
	if f.deletion != nil {
		return nil
	}
	all, err := r.ofConsent(ctx, r.Live, in)
	if err != nil {
		return err
	}
	var found int32
	for _, one := range all {
		err := r.eachPage(ctx, client.ObjectKeyFromObject(one), func(page []metav1.PartialObjectMetadata) error {
			found += int32(len(page)) //nolint:gosec // at most removalPage
			return nil
		})
		if err != nil {
			return err
		}
	}
	reason := cmp.Or(in.Spec.Deauthorization.Reason, v1alpha1.DeauthorizationNotified)
	log.FromContext(ctx).Info("Consent ended, deleting what is kept of the customer", "reason", reason, "meetings", found)
	f.deletion = &v1alpha1.DataDeletion{Reason: reason, StartedAt: *stamp(afterRemoval(r.Now(), in)), Meetings: &found}
	return nil
}

// deleteMeetings deletes the meetings of a consent that ended and takes down the proof.
func (r *Reconciler) deleteMeetings(ctx context.Context, in *v1alpha1.ZoomInstallation, f *facts) error {
	all, err := r.ofConsent(ctx, r.Live, in)
	if err != nil {
		return err
	}
	deleted, err := r.deleteMeetingsOfAll(ctx, all)
	if err != nil {
		return err
	}
	total := deleted
	if before := f.deletion.Meetings; before != nil {
		total = max(deleted, *before)
		if f.deletion.At != nil {
			total = deleted + *before // late events had brought them back
		}
	}
	f.meetings = false
	f.deletion.Meetings = &total
	if f.deletion.At == nil || deleted > 0 {
		log.FromContext(ctx).Info("Meetings of a customer deleted", "meetings", deleted)
		f.deletion.At = stamp(afterRemoval(r.Now(), in))
	}
	return nil
}

// afterRemoval is now, and never before the removal that it follows, which Zoom's clock dates: of a
// deletion that seems to be older than the consent, it could not be said that it is not of an
// earlier one.
func afterRemoval(now time.Time, in *v1alpha1.ZoomInstallation) time.Time {
	if in.Spec.Deauthorization == nil {
		return now
	}
	return later(now, in.Spec.Deauthorization.At.Time)
}

// ofConsent are the installations whose meetings go with the consent of a removed one: itself
// first, then those that were recorded of the same account, or user, before anybody had consented
// there, under another name. While one of them has a consent that stands, only the removed one's
// own meetings go.
func (r *Reconciler) ofConsent(ctx context.Context, from client.Reader, in *v1alpha1.ZoomInstallation) ([]*v1alpha1.ZoomInstallation, error) {
	all := []*v1alpha1.ZoomInstallation{in}
	if in.Spec.AccountID == "" {
		return all, nil
	}
	var ofAccount v1alpha1.ZoomInstallationList
	err := from.List(ctx, &ofAccount, client.InNamespace(in.Namespace), client.MatchingFields{index.Account: in.Spec.AccountID})
	if err != nil {
		return nil, fmt.Errorf("listing the installations of the account of ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
	}
	for i := range ofAccount.Items {
		other := &ofAccount.Items[i]
		switch {
		case other.Name == in.Name, other.Spec.AppRef != in.Spec.AppRef, other.Spec.UserID != in.Spec.UserID:
		case installation.Stands(other):
			return all[:1], nil
		default:
			all = append(all, other)
		}
	}
	return all, nil
}

// hasMeetings says whether there are meetings of a consent that ended.
func (r *Reconciler) hasMeetings(ctx context.Context, in *v1alpha1.ZoomInstallation) (bool, error) {
	all, err := r.ofConsent(ctx, r.Client, in)
	if err != nil {
		return false, err
	}
	for _, one := range all {
		var meetings v1alpha1.ZoomMeetingList
		err := r.Client.List(ctx, &meetings, client.InNamespace(one.Namespace), client.MatchingFields{index.Installation: one.Name}, client.Limit(1), client.UnsafeDisableDeepCopy)
		if err != nil {
			return false, fmt.Errorf("listing the meetings of ZoomInstallation %s/%s: %w", one.Namespace, one.Name, err)
		}
		if len(meetings.Items) > 0 {
			return true, nil
		}
	}
	return false, nil
}

// deleteMeetingsOfAll deletes all meetings of these installations and returns how many they were.
// It is complete when it returns nil, and can be repeated.
func (r *Reconciler) deleteMeetingsOfAll(ctx context.Context, all []*v1alpha1.ZoomInstallation) (int32, error) {
	// Looked at after each listing: what is listed was there while all of them had ended.
	ended := func() error {
		for _, one := range all {
			if err := r.unchanged(ctx, one); err != nil {
				return err
			}
		}
		return nil
	}
	var deleted atomic.Int32
	for _, one := range all {
		if err := r.deleteMeetingsOf(ctx, client.ObjectKeyFromObject(one), ended, &deleted); err != nil {
			return deleted.Load(), err
		}
	}
	return deleted.Load(), nil
}

func (r *Reconciler) deleteMeetingsOf(ctx context.Context, installation client.ObjectKey, ended func() error, deleted *atomic.Int32) error {
	for {
		var found, held int
		err := r.eachPage(ctx, installation, func(page []metav1.PartialObjectMetadata) error {
			if err := ended(); err != nil {
				return err
			}
			found += len(page)
			var all errgroup.Group
			all.SetLimit(concurrentDeletions)
			for i := range page {
				if !page[i].DeletionTimestamp.IsZero() {
					held++
					continue
				}
				all.Go(func() error { return r.deleteMeeting(ctx, &page[i], deleted) })
			}
			return all.Wait()
		})
		switch {
		case err != nil:
			return err
		case found == 0:
			return nil
		case held == found:
			return fmt.Errorf("%d meetings of ZoomInstallation %s are being deleted, and something else holds them by a finalizer", held, installation)
		}
	}
}

// deleteOrphans deletes the meetings that a replica of the webhook server has recorded of an
// installation that was gone by then. They are known by the tombstone of their consent. Of other
// meetings of no installation it is not known that they are to go: they may have been restored from
// a backup before it, and say that it is not there.
func (r *Reconciler) deleteOrphans(ctx context.Context, installation client.ObjectKey) error {
	for {
		found, ends := 0, ends{}
		err := r.eachPage(ctx, installation, func(page []metav1.PartialObjectMetadata) error {
			switch err := r.Live.Get(ctx, installation, &v1alpha1.ZoomInstallation{}); {
			case err == nil:
				return errChanged
			case !apierrors.IsNotFound(err):
				return fmt.Errorf("reading ZoomInstallation %s: %w", installation, err)
			}
			n, err := r.deleteEnded(ctx, page, ends)
			found += n
			return err
		})
		switch {
		case errors.Is(err, errChanged):
			return nil // it is there, and will be looked at itself
		case err != nil || found == 0:
			return err
		}
	}
}

// ends says of consents whether it is remembered that they have ended. Meetings of one installation
// have few of them.
type ends map[tombstones.Consent]bool

// deleteEnded deletes those meetings of a page whose consent has a tombstone, and returns how many
// there were.
func (r *Reconciler) deleteEnded(ctx context.Context, page []metav1.PartialObjectMetadata, known ends) (found int, err error) {
	var deleted atomic.Int32
	for i := range page {
		var m v1alpha1.ZoomMeeting
		err := r.Client.Get(ctx, client.ObjectKeyFromObject(&page[i]), &m)
		switch {
		case apierrors.IsNotFound(err), !page[i].DeletionTimestamp.IsZero():
			continue // gone, or not in the cache yet, and then a watch event is still to come
		case err != nil:
			return found, fmt.Errorf("reading ZoomMeeting %s/%s: %w", page[i].Namespace, page[i].Name, err)
		}
		switch ended, err := r.consentEnded(ctx, &m, known); {
		case err != nil:
			return found, err
		case !ended:
			continue
		}
		found++
		if err := r.deleteMeeting(ctx, &page[i], &deleted); err != nil {
			return found, err
		}
	}
	return found, nil
}

// consentEnded says whether it is remembered that the consent of a meeting has ended: its
// account's, or its host's.
func (r *Reconciler) consentEnded(ctx context.Context, m *v1alpha1.ZoomMeeting, known ends) (bool, error) {
	app := client.ObjectKey{Namespace: m.Namespace, Name: m.Spec.AppRef.Name}
	for _, user := range []string{"", m.Spec.HostID} {
		consent := tombstones.Consent{App: app, Account: m.Spec.AccountID, User: user}
		if _, ok := known[consent]; !ok {
			remembered, err := r.Tombstones.Find(ctx, consent)
			if err != nil {
				return false, err
			}
			known[consent] = !remembered.Latest().IsZero()
		}
		if known[consent] {
			return true, nil
		}
	}
	return false, nil
}

// deleteMeeting deletes a meeting as it was listed. One that has been written since is left to the
// next listing.
func (r *Reconciler) deleteMeeting(ctx context.Context, m *metav1.PartialObjectMetadata, deleted *atomic.Int32) error {
	switch err := deletion.Delete(ctx, r.Client, m, deletion.Removal); {
	case err == nil:
		deleted.Add(1)
		return nil
	case apierrors.IsConflict(err), apierrors.IsNotFound(err):
		return nil
	default:
		return err
	}
}

// eachPage lists the meetings of an installation from the API server, page by page.
func (r *Reconciler) eachPage(ctx context.Context, installation client.ObjectKey, do func([]metav1.PartialObjectMetadata) error) error {
	var next string
	for {
		var page metav1.PartialObjectMetadataList
		page.SetGroupVersionKind(v1alpha1.SchemeGroupVersion.WithKind("ZoomMeetingList"))
		err := r.Live.List(ctx, &page, client.InNamespace(installation.Namespace), client.MatchingFields{index.Installation: installation.Name}, client.Limit(removalPage), client.Continue(next))
		if err != nil {
			return fmt.Errorf("listing the meetings of ZoomInstallation %s: %w", installation, err)
		}
		if len(page.Items) > 0 {
			if err := do(page.Items); err != nil {
				return err
			}
		}
		if next = page.Continue; next == "" {
			return nil
		}
	}
}

// revoke removes the app at Zoom, then deletes the token. Zoom answers with app_deauthorized, which
// changes nothing here.
func (r *Reconciler) revoke(ctx context.Context, in *v1alpha1.ZoomInstallation, f *facts) error {
	pass := r.enter(in, f)
	if pass == nil {
		return nil
	}
	defer pass.HandBack()
	certain := trusted(r.Now(), f.token)
	err := r.oauth(f).Revoke(ctx, f.token.AccessToken)
	r.heard(in, f, pass, err)
	if dead(err) && f.refreshable() {
		// An access token may die before its time, as when Zoom gave out another one that was lost.
		before := f.token.AccessToken
		if err := r.refresh(ctx, in, f); err != nil || f.token.AccessToken == before {
			return err
		}
		certain = true
		err = r.oauth(f).Revoke(ctx, f.token.AccessToken)
	}
	switch {
	case dead(err):
		return r.abandon(ctx, in, f, "Zoom no longer takes its access token")
	case err != nil:
		failure := r.failed(ctx, in, f, err)
		if f.token.Immutable() {
			return notRecorded(in, f)
		}
		return f.token.RecordFailure(context.WithoutCancel(ctx), r.Client, failure)
	case !certain:
		return r.abandon(ctx, in, f, "its access token could not be refreshed first, so it may have been dead already when Zoom took the revocation")
	}
	if err := r.forget(ctx, in, f); err != nil {
		return err
	}
	log.FromContext(ctx).Info("App removed at Zoom")
	r.Events.Eventf(in, nil, corev1.EventTypeNormal, "Revoked", "Revoke", "The app was removed from the customer's account at Zoom.")
	return nil
}

// notRecorded is that Zoom did not take a revocation, and that the Secret cannot hold that. So the
// work queue says when it is tried again.
func notRecorded(in *v1alpha1.ZoomInstallation, f *facts) error {
	if f.failing.reason == v1alpha1.ReasonRefreshFailing {
		f.failing.message = "The last attempt at Zoom did not succeed: " + f.vain + ". It is tried again, every five minutes at least."
	}
	f.retryAt = time.Time{}
	return fmt.Errorf("ZoomInstallation %s/%s: %w: Secret %s is immutable", in.Namespace, in.Name, errUnwritable, tokens.SecretName(in))
}

// dead says whether Zoom will never take the access token again.
func dead(err error) bool { return errors.Is(err, zoom.ErrToken) || errors.Is(err, zoom.ErrGrant) }

// abandon deletes a token that cannot be revoked, and reports why, unless there is nothing to
// report.
func (r *Reconciler) abandon(ctx context.Context, in *v1alpha1.ZoomInstallation, f *facts, why string) error {
	if err := r.forget(ctx, in, f); err != nil {
		return err
	}
	if why != "" {
		log.FromContext(ctx).Info("Token given up without a revocation at Zoom", "why", why)
		events.Record(r.Events, in, notRevoked(why))
	}
	return nil
}

// removeFinalizer deletes the meetings of an installation that is deleted, and lets it go.
func (r *Reconciler) removeFinalizer(ctx context.Context, in *v1alpha1.ZoomInstallation, f *facts) error {
	if err := tokens.Withdraw(ctx, r.Client, in); err != nil {
		return fmt.Errorf("ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
	}
	if _, err := r.deleteMeetingsOfAll(ctx, []*v1alpha1.ZoomInstallation{in}); err != nil {
		return err
	}
	// A user who consented at this moment must not keep the app at Zoom with nothing here that
	// knows of it.
	switch token, err := tokens.Load(ctx, r.Live, in); {
	case err != nil && !errors.Is(err, tokens.ErrForeign):
		return fmt.Errorf("ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
	case token != nil:
		return errChanged
	}
	if err := r.remember(ctx, in, f); err != nil {
		return err
	}
	controllerutil.RemoveFinalizer(in, v1alpha1.InstallationFinalizer)
	if err := r.Client.Update(ctx, in, fieldowner.Controller); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("removing the finalizer of ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err))
	}
	log.FromContext(ctx).Info("Installation deleted")
	return nil
}
