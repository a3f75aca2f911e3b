package installation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/fieldowner"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/labels"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
)

// act does what was decided, and puts into the facts what came of it. Its error is the API
// server's; what Zoom said is a fact.
func (r *Reconciler) act(ctx context.Context, in *v1alpha1.ZoomInstallation, f *facts, p plan) error {
	var err error
	switch p.step {
	case stepWait, stepReportTerminating: // the report is all
	case stepRefresh:
		before := f.token.IssuedAt
		if err = r.refresh(ctx, in, f); err == nil {
			err = r.noticeAnswered(ctx, in, f, before)
		}
		f.notice = noticeOf(in, f)
	case stepAdopt:
		return r.adopt(ctx, in, f)
	case stepSchedule:
		err = f.token.ScheduleDrop(ctx, r.Client, p.dropAt)
	case stepForget:
		err = r.forget(ctx, in, f)
	case stepCount:
		err = r.count(ctx, in, f)
	case stepDeleteMeetings:
		err = r.deleteMeetings(ctx, in, f)
	case stepRevoke:
		err = r.revoke(ctx, in, f)
	case stepAbandon:
		err = r.abandon(ctx, in, f, p.why)
	case stepConclude:
		err = r.conclude(ctx, in, f)
	case stepDate:
		err = f.token.MarkUnusable(ctx, r.Client, f.token.Refusal, r.Now(), time.Time{})
	case stepExpire:
		return r.expire(ctx, in)
	case stepRemoveFinalizer:
		return r.removeFinalizer(ctx, in, f)
	}
	if (err == nil || errors.Is(err, errUnwritable)) && f.vain != "" && !in.DeletionTimestamp.IsZero() && f.givesUp(r.Now()) {
		err = r.abandon(ctx, in, f, f.vain)
	}
	if err != nil && !errors.Is(err, errUnwritable) {
		return err
	}
	return errors.Join(err, r.share(ctx, in, f))
}

// share lets other programs have the access token if the app says so, and takes it away if not.
func (r *Reconciler) share(ctx context.Context, in *v1alpha1.ZoomInstallation, f *facts) error {
	switch {
	case f.shares():
		err := tokens.Publish(ctx, r.Client, in, f.token.Token)
		if errors.Is(err, tokens.ErrForeign) {
			f.foreignAccess = true
			return nil
		}
		return err
	case in.Status.Token != nil && in.Status.Token.AccessSecretName != "", f.token != nil && f.token.Refusal != "":
		// After a refusal whatever the status says: the operator may have ended before it reported
		// the Secret.
		return tokens.Withdraw(ctx, r.Client, in)
	default:
		return nil
	}
}

// ensureFinalizer keeps an installation from going before its end is complete, and from going with
// its app, and labels it. It is false for one that is not kept any more. What an admin declared is
// not said to be managed by the operator.
func (r *Reconciler) ensureFinalizer(ctx context.Context, in *v1alpha1.ZoomInstallation) (kept bool, err error) {
	if !in.DeletionTimestamp.IsZero() {
		return controllerutil.ContainsFinalizer(in, v1alpha1.InstallationFinalizer), nil
	}
	owners := len(in.OwnerReferences)
	in.OwnerReferences = slices.DeleteFunc(in.OwnerReferences, isApp)
	keepLabels := labels.Keep
	if installation.Recorded(in) {
		keepLabels = labels.KeepMade
	}
	labelled := keepLabels(in, in.Spec.AppRef.Name, in.Name)
	if !controllerutil.AddFinalizer(in, v1alpha1.InstallationFinalizer) && !labelled && len(in.OwnerReferences) == owners {
		return true, nil
	}
	if err := r.Client.Update(ctx, in, fieldowner.Controller); err != nil {
		return false, client.IgnoreNotFound(fmt.Errorf("adding the finalizer and the labels of ZoomInstallation %s/%s: %w", in.Namespace, in.Name, err))
	}
	return true, nil
}

// isApp says whether an owner is a ZoomApp. Installations used to have it, so that garbage
// collection would end every customer's consent when an admin replaced the app.
func isApp(owner metav1.OwnerReference) bool { return owner.Kind == "ZoomApp" }

// acknowledge takes RetryAnnotation off when it is about to be acted on, or when there is nothing
// to do again. That comes first, so that an API server which does not take the write cannot make
// the operator ask Zoom again and again.
func (r *Reconciler) acknowledge(ctx context.Context, in *v1alpha1.ZoomInstallation, f *facts, p plan) error {
	if !f.requested || p.step == stepReportTerminating || p.step == stepWait && f.refreshable() && r.Now().Before(settled(r.Now(), f.token)) {
		return nil
	}
	delete(in.Annotations, v1alpha1.RetryAnnotation)
	if err := r.Client.Update(ctx, in, fieldowner.Controller); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("taking the annotation %s off ZoomInstallation %s/%s: %w", v1alpha1.RetryAnnotation, in.Namespace, in.Name, err))
	}
	f.requested = false
	if issuer := f.issuer(); issuer != nil {
		r.Gates.Reopen(client.ObjectKeyFromObject(issuer))
	}
	return nil
}
