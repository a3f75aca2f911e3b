package controllers

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
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
	var found int32
	err := r.eachPage(ctx, in, func(page []metav1.PartialObjectMetadata) error {
		found += int32(len(page)) //nolint:gosec // at most removalPage
		return nil
	})
	if err != nil {
		return err
	}
	f.deletion = &v1alpha1.DataDeletion{StartedAt: *stamp(r.Now()), Meetings: &found}
	return nil
}

// erase deletes a removed installation's meetings and takes down the proof.
func (r *InstallationReconciler) erase(ctx context.Context, in *v1alpha1.ZoomInstallation, f *installationFacts) error {
	deleted, err := r.deleteMeetings(ctx, in)
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

// deleteMeetings deletes all meetings of an installation and returns how many they were. It is complete when it returns nil,
// and can be repeated.
func (r *InstallationReconciler) deleteMeetings(ctx context.Context, in *v1alpha1.ZoomInstallation) (int32, error) {
	var deleted atomic.Int32
	for {
		var found, held int
		err := r.eachPage(ctx, in, func(page []metav1.PartialObjectMetadata) error {
			// Looked at after the listing: what is listed was there while the installation had ended.
			if err := r.unchanged(ctx, in); err != nil {
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
				all.Go(func() error { return r.deleteMeeting(ctx, &page[i], &deleted) })
			}
			return all.Wait()
		})
		switch {
		case err != nil:
			return deleted.Load(), err
		case found == 0:
			return deleted.Load(), nil
		case held == found:
			return deleted.Load(), fmt.Errorf("%d meetings of ZoomInstallation %s/%s are being deleted, and something else holds them by a finalizer", held, in.Namespace, in.Name)
		}
	}
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
		return fmt.Errorf("deleting ZoomMeeting %s/%s of a customer who removed the app: %w", m.Namespace, m.Name, err)
	}
}

// eachPage lists the meetings of an installation from the API server, page by page.
func (r *InstallationReconciler) eachPage(ctx context.Context, in *v1alpha1.ZoomInstallation, do func([]metav1.PartialObjectMetadata) error) error {
	var next string
	for {
		var page metav1.PartialObjectMetadataList
		page.SetGroupVersionKind(v1alpha1.SchemeGroupVersion.WithKind("ZoomMeetingList"))
		err := r.Live.List(ctx, &page, client.InNamespace(in.Namespace), client.MatchingFields{installationIndex: in.Name}, client.Limit(removalPage), client.Continue(next))
		if err != nil {
			return fmt.Errorf("listing the meetings of ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
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
	if err := r.oauth(f).Revoke(ctx, f.token.AccessToken); err != nil {
		r.failed(ctx, in, f, err)
		return nil
	}
	r.Events.Eventf(in, nil, corev1.EventTypeNormal, "Revoked", "Revoke", "The app was removed from the customer's account at Zoom.")
	return r.forget(ctx, in, f)
}

// abandon deletes a token that cannot be revoked, and tells why, unless there is nothing to tell.
func (r *InstallationReconciler) abandon(ctx context.Context, in *v1alpha1.ZoomInstallation, f *installationFacts, why string) error {
	if why != "" {
		r.Events.Eventf(in, nil, corev1.EventTypeWarning, "NotRevoked", "Revoke",
			"The app could not be removed at Zoom: %s. If the customer still has it installed, they remove it there.", why)
	}
	return r.forget(ctx, in, f)
}

// release deletes the meetings of an installation that is deleted, and lets it go.
func (r *InstallationReconciler) release(ctx context.Context, in *v1alpha1.ZoomInstallation) error {
	if err := tokens.Withdraw(ctx, r.Client, in); err != nil {
		return fmt.Errorf("ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err)
	}
	if _, err := r.deleteMeetings(ctx, in); err != nil {
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
