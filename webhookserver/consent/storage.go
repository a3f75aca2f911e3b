package consent

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/commit"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/internal/tombstones"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// known are the installations that decide about a consent of an account: those of the account, and,
// while the first account that consents is the only one, all. They are read from the API server: a
// cache that is behind must not decide that a customer is a stranger, whose token is then revoked.
func (s *service) known(ctx context.Context, app *v1alpha1.ZoomApp, account string) ([]v1alpha1.ZoomInstallation, error) {
	fields := client.MatchingFields{"spec.appRef.name": app.Name}
	if app.Spec.Distribution != v1alpha1.DistributionAccount {
		fields["spec.accountID"] = account
	}
	var list v1alpha1.ZoomInstallationList
	if err := s.live.List(ctx, &list, client.InNamespace(app.Namespace), fields); err != nil {
		return nil, fmt.Errorf("listing the installations of the app: %w", err)
	}
	return list.Items, nil
}

// bind writes into an app of distribution Account that names no account the one that consents,
// before anything of it is stored. Of several accounts that consent at once only one gets it, on
// whichever replica: the write carries the resourceVersion.
func (s *service) bind(ctx context.Context, c claim) error {
	if c.app.Spec.Distribution != v1alpha1.DistributionAccount {
		return nil
	}
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		var app v1alpha1.ZoomApp
		if err := s.live.Get(ctx, client.ObjectKeyFromObject(c.app), &app); err != nil {
			return fmt.Errorf("reading the app: %w", err)
		}
		switch installation.BoundAccount(&app, nil) {
		case c.account:
			return nil
		case "":
		default:
			return errAnotherAccount
		}
		before := client.MergeFromWithOptions(app.DeepCopy(), client.MergeFromWithOptimisticLock{})
		app.Spec.AccountID = c.account
		return s.writer.Patch(ctx, &app, before, client.FieldOwner(installation.OwnerBinding))
	})
}

// store makes the installation the consenter's, keeps the token, and records the consent, in this
// order: a consent without its token would be a promise that cannot be kept. Each step can be
// repeated. Until the last one, the installation says that its consent is under way, so that no
// controller takes it for one that never had any.
func (s *service) store(ctx context.Context, c claim, g grant, name string) (*v1alpha1.ZoomInstallation, error) {
	key := types.NamespacedName{Namespace: c.app.Namespace, Name: name}
	customer := installation.Customer(client.ObjectKeyFromObject(c.app), c.account)
	var must types.UID
	if g.invited != nil && g.invited.Name == name {
		must = g.invited.UID
	}
	in, err := s.installations.Commit(ctx, key, customer, commit.High, c.take(must, g.asked))
	if err != nil {
		return nil, err
	}
	token, keeps := g.kept(), c.app.Spec.TokenPolicy != v1alpha1.TokenPolicyNone
	if keeps {
		if token, err = s.keep(ctx, in, g); err != nil {
			return nil, err
		}
	}
	removal, err := s.removal(ctx, c)
	if err != nil {
		return nil, err
	}
	stored, err := s.installations.Commit(ctx, key, customer, commit.High, func(now *v1alpha1.ZoomInstallation) error {
		if now.UID != in.UID || !now.DeletionTimestamp.IsZero() {
			return errBeingRemoved
		}
		g.consent(now, token)
		if removal != nil { // which may have been quicker to arrive than the consent that it ends
			installation.MergeDeauthorization(&now.Spec, removal)
		}
		return nil
	})
	if errors.Is(err, errBeingRemoved) && keeps {
		return nil, errors.Join(err, tokens.Abandon(ctx, s.live, s.writer, in))
	}
	if err != nil || !keeps {
		return stored, err
	}
	// A removal that was still under way may have taken the new token with the old data. It does
	// not come back: from here on the consent is the later one.
	kept, err := tokens.Load(ctx, s.live, in)
	if err != nil || kept != nil {
		return stored, err
	}
	_, err = s.keep(ctx, in, g)
	return stored, err
}

// removal is the latest removal that is known of the customer who consents at this moment; nil when
// there is none. It must be asked once their installation is there: a removal that arrives later
// finds that.
func (s *service) removal(ctx context.Context, c claim) (*zoom.Deauthorization, error) {
	ends, err := s.tombstones.Find(ctx, tombstones.ConsentOf(c.app, c.account, c.user))
	if err != nil {
		return nil, err
	}
	var latest *zoom.Deauthorization
	if !ends.Removed.IsZero() {
		latest = &zoom.Deauthorization{At: ends.Removed, UserID: c.user}
	}
	var list v1alpha1.ZoomInstallationList
	if err := s.live.List(ctx, &list, client.InNamespace(c.app.Namespace), installation.OfConsenter(c.app, c.account, c.user)); err != nil {
		return nil, fmt.Errorf("finding the installations of the consenter: %w", err)
	}
	for i := range list.Items {
		d := list.Items[i].Spec.Deauthorization
		if d != nil && d.Reason != v1alpha1.DeauthorizationTokenRefused && (latest == nil || d.At.After(latest.At)) {
			latest = &zoom.Deauthorization{At: d.At.Time, UserID: d.UserID}
		}
	}
	return latest, nil
}
