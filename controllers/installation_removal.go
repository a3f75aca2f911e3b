package controllers

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/zoom"
)

const (
	// removalPage is how many meetings are listed at once.
	removalPage = 100
	// concurrentDeletions is how many of them are deleted at once: a thousand meetings go in about two seconds.
	concurrentDeletions = 8
)

// errChanged means that an installation is no longer as it was when it was decided what to do: the customer may have
// installed the app again a moment ago, and the cache not know it yet. What is there now must not be touched.
var errChanged = errors.New("the ZoomInstallation has changed since it was read")

// forget deletes the token as it was read, after the access token that other programs see. One that came since is another
// consent's, and stays.
func (r *InstallationReconciler) forget(ctx context.Context, in *v1alpha1.ZoomInstallation, f *installationFacts) error {
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
	f.token = nil
	return nil
}

// count begins the deletion of data: it deletes the token and counts the meetings before any of them is deleted, so that the
// number is right however often the operator ends on the way.
func (r *InstallationReconciler) count(ctx context.Context, in *v1alpha1.ZoomInstallation, f *installationFacts) error {
	if err := r.forget(ctx, in, f); err != nil || f.deletion != nil {
		return err
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
	f.deletion = &v1alpha1.DataDeletion{StartedAt: *stamp(r.Now()), Meetings: &found}
	return nil
}

// erase deletes the meetings of a consent that ended and takes down the proof.
func (r *InstallationReconciler) erase(ctx context.Context, in *v1alpha1.ZoomInstallation, f *installationFacts) error {
	all, err := r.ofConsent(ctx, r.Live, in)
	if err != nil {
		return err
	}
	deleted, err := r.deleteMeetings(ctx, all)
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
		f.deletion.At = stamp(r.Now())
	}
	return nil
}

// ofConsent are the installations whose meetings go with the consent of a removed one: itself first, then those that were
// recorded of the same account, or user, before anybody had consented there, under another name. While one of them has a
// consent that stands, only the removed one's own meetings go.
func (r *InstallationReconciler) ofConsent(ctx context.Context, from client.Reader, in *v1alpha1.ZoomInstallation) ([]*v1alpha1.ZoomInstallation, error) {
	all := []*v1alpha1.ZoomInstallation{in}
	if in.Spec.AccountID == "" {
		return all, nil
	}
	var ofAccount v1alpha1.ZoomInstallationList
	err := from.List(ctx, &ofAccount, client.InNamespace(in.Namespace), client.MatchingFields{accountIndex: in.Spec.AccountID})
	if err != nil {
		return nil, fmt.Errorf("listing the installations of the account of ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
	}
	for i := range ofAccount.Items {
		other := &ofAccount.Items[i]
		switch {
		case other.Name == in.Name, other.Spec.AppRef != in.Spec.AppRef, other.Spec.UserID != in.Spec.UserID:
		case standing(other):
			return all[:1], nil
		default:
			all = append(all, other)
		}
	}
	return all, nil
}

// hasMeetings says whether there are meetings of a consent that ended.
func (r *InstallationReconciler) hasMeetings(ctx context.Context, in *v1alpha1.ZoomInstallation) (bool, error) {
	all, err := r.ofConsent(ctx, r.Client, in)
	if err != nil {
		return false, err
	}
	for _, one := range all {
		var meetings v1alpha1.ZoomMeetingList
		err := r.Client.List(ctx, &meetings, client.InNamespace(one.Namespace), client.MatchingFields{installationIndex: one.Name}, client.Limit(1), client.UnsafeDisableDeepCopy)
		if err != nil {
			return false, fmt.Errorf("listing the meetings of ZoomInstallation %s/%s: %w", one.Namespace, one.Name, err)
		}
		if len(meetings.Items) > 0 {
			return true, nil
		}
	}
	return false, nil
}

// deleteMeetings deletes all meetings of these installations and returns how many they were. It is complete when it returns
// nil, and can be repeated.
func (r *InstallationReconciler) deleteMeetings(ctx context.Context, all []*v1alpha1.ZoomInstallation) (int32, error) {
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

func (r *InstallationReconciler) deleteMeetingsOf(ctx context.Context, installation client.ObjectKey, ended func() error, deleted *atomic.Int32) error {
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

// deleteOrphans deletes the meetings that a replica of the webhook server has recorded of an installation that was gone by
// then. They are known by their owner; what somebody else keeps under that name stays.
func (r *InstallationReconciler) deleteOrphans(ctx context.Context, installation client.ObjectKey) error {
	gone := func() error {
		var in v1alpha1.ZoomInstallation
		switch err := r.Live.Get(ctx, installation, &in); {
		case apierrors.IsNotFound(err):
			return nil
		case err != nil:
			return fmt.Errorf("reading ZoomInstallation %s: %w", installation, err)
		default:
			return errChanged
		}
	}
	var deleted atomic.Int32
	err := r.eachPage(ctx, installation, func(page []metav1.PartialObjectMetadata) error {
		if err := gone(); err != nil {
			return err
		}
		for i := range page {
			if ownedBy(&page[i], installation.Name) {
				if err := r.deleteMeeting(ctx, &page[i], &deleted); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if errors.Is(err, errChanged) {
		return nil // it is there, and will be looked at itself
	}
	return err
}

func ownedBy(m *metav1.PartialObjectMetadata, installation string) bool {
	return slices.ContainsFunc(m.OwnerReferences, func(owner metav1.OwnerReference) bool {
		return owner.Kind == "ZoomInstallation" && owner.Name == installation
	})
}

// deleteMeeting deletes a meeting as it was listed. One that has been written since is left to the next listing.
func (r *InstallationReconciler) deleteMeeting(ctx context.Context, m *metav1.PartialObjectMetadata, deleted *atomic.Int32) error {
	err := r.Client.Delete(ctx, m, client.Preconditions{UID: &m.UID, ResourceVersion: &m.ResourceVersion})
	switch {
	case err == nil:
		deleted.Add(1)
		meetingsDeleted.WithLabelValues("removal").Inc()
		return nil
	case apierrors.IsConflict(err), apierrors.IsNotFound(err):
		return nil
	default:
		return fmt.Errorf("deleting ZoomMeeting %s/%s of a customer who has left: %w", m.Namespace, m.Name, err)
	}
}

// eachPage lists the meetings of an installation from the API server, page by page.
func (r *InstallationReconciler) eachPage(ctx context.Context, installation client.ObjectKey, do func([]metav1.PartialObjectMetadata) error) error {
	var next string
	for {
		var page metav1.PartialObjectMetadataList
		page.SetGroupVersionKind(v1alpha1.SchemeGroupVersion.WithKind("ZoomMeetingList"))
		err := r.Live.List(ctx, &page, client.InNamespace(installation.Namespace), client.MatchingFields{installationIndex: installation.Name}, client.Limit(removalPage), client.Continue(next))
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

// unchanged asks the API server whether the installation is what it was when it was read: its spec, and whether it is being
// deleted.
func (r *InstallationReconciler) unchanged(ctx context.Context, in *v1alpha1.ZoomInstallation) error {
	live, err := r.live(ctx, in)
	switch {
	case err != nil:
		return err
	case live.UID != in.UID || live.Generation != in.Generation:
		return errChanged
	default:
		return nil
	}
}

// revoke removes the app at Zoom, then deletes the token. Zoom answers with app_deauthorized, which changes nothing here.
func (r *InstallationReconciler) revoke(ctx context.Context, in *v1alpha1.ZoomInstallation, f *installationFacts) error {
	err := r.oauth(f).Revoke(ctx, f.token.AccessToken)
	if dead(err) && f.refreshable() {
		// An access token may die before its time, as when Zoom gave out another one that was lost.
		before := f.token.AccessToken
		if err := r.refresh(ctx, in, f); err != nil || f.token.AccessToken == before {
			return err
		}
		err = r.oauth(f).Revoke(ctx, f.token.AccessToken)
	}
	switch {
	case dead(err):
		return r.abandon(ctx, in, f, "Zoom no longer takes its access token")
	case err != nil:
		r.failed(ctx, in, f, err)
		return nil
	}
	if err := r.forget(ctx, in, f); err != nil {
		return err
	}
	r.Events.Eventf(in, nil, corev1.EventTypeNormal, "Revoked", "Revoke", "The app was removed from the customer's account at Zoom.")
	return nil
}

// dead says whether Zoom will never take the access token again.
func dead(err error) bool { return errors.Is(err, zoom.ErrToken) || errors.Is(err, zoom.ErrGrant) }

// abandon deletes a token that cannot be revoked, and tells why, unless there is nothing to tell.
func (r *InstallationReconciler) abandon(ctx context.Context, in *v1alpha1.ZoomInstallation, f *installationFacts, why string) error {
	if err := r.forget(ctx, in, f); err != nil {
		return err
	}
	if why != "" {
		n := notRevoked(why)
		r.Events.Eventf(in, nil, n.eventType, n.reason, n.action, "%s", n.note)
	}
	return nil
}

// release deletes the meetings of an installation that is deleted, and lets it go.
func (r *InstallationReconciler) release(ctx context.Context, in *v1alpha1.ZoomInstallation) error {
	if err := tokens.Withdraw(ctx, r.Client, in); err != nil {
		return fmt.Errorf("ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
	}
	if _, err := r.deleteMeetings(ctx, []*v1alpha1.ZoomInstallation{in}); err != nil {
		return err
	}
	// Somebody who consented at this moment must not keep the app at Zoom with nobody here who knows of it.
	switch token, err := tokens.Load(ctx, r.Live, in); {
	case err != nil && !errors.Is(err, tokens.ErrForeign):
		return fmt.Errorf("ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
	case token != nil:
		return errChanged
	}
	controllerutil.RemoveFinalizer(in, v1alpha1.InstallationFinalizer)
	if err := r.Client.Update(ctx, in, fieldOwner); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("removing the finalizer of ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err))
	}
	return nil
}
