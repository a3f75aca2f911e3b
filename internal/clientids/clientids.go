// Package clientids finds the ZoomApps that have a client ID, and says which of them may use it.
// Client IDs are public, and what is done in the name of one ends what another had: a consent
// replaces the one before it, and a revocation removes the app.
package clientids

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// Field is the field that finds the ZoomApps of a client ID, at an API server and in a cache that
// has Index.
const Field = "spec.clientID"

// Index finds the ZoomApps of a client ID in a cache.
func Index(obj client.Object) []string {
	return []string{obj.(*v1alpha1.ZoomApp).Spec.ClientID} //nolint:forcetypeassert // the indexer passes the type it was asked to index
}

// Indexed has Others use the index.
func Indexed(app *v1alpha1.ZoomApp) client.ListOption {
	return client.MatchingFields{Field: app.Spec.ClientID}
}

// Others are the other apps of an app's client ID, in every namespace that the reader has. Each of
// Zoom's clouds gives out client IDs of its own.
func Others(ctx context.Context, r client.Reader, app *v1alpha1.ZoomApp, options ...client.ListOption) ([]v1alpha1.ZoomApp, error) {
	var all v1alpha1.ZoomAppList
	if err := r.List(ctx, &all, options...); err != nil {
		return nil, fmt.Errorf("listing the ZoomApps of the client ID of ZoomApp %s/%s: %w", app.Namespace, app.Name, err)
	}
	return slices.DeleteFunc(all.Items, func(other v1alpha1.ZoomApp) bool {
		return other.Spec.ClientID != app.Spec.ClientID || cloudOf(&other) != cloudOf(app) || client.ObjectKeyFromObject(&other) == client.ObjectKeyFromObject(app)
	}), nil
}

func cloudOf(app *v1alpha1.ZoomApp) v1alpha1.Cloud {
	return cmp.Or(app.Spec.Cloud, v1alpha1.CloudCommercial)
}

// Of is who has an app's client ID, as the controller of apps has found it: Open until it has
// looked, where another app has it too. It has a condition of its own: what else there is to say of
// an app must not give it the right to ask Zoom.
func Of(ctx context.Context, r client.Reader, app *v1alpha1.ZoomApp) (Verdict, error) {
	if !claimsCompared(app) {
		others, err := Others(ctx, r, app)
		if err != nil || len(others) > 0 {
			return Open, err
		}
		return Held, nil
	}
	switch meta.FindStatusCondition(app.Status.Conditions, v1alpha1.ConditionClientIDHeld).Status {
	case metav1.ConditionTrue:
		return Held, nil
	case metav1.ConditionFalse:
		return Taken, nil
	default:
		return Open, nil
	}
}

// claimsCompared says whether the claims have been compared for an app's present spec. A deletion
// counts as a change of it.
func claimsCompared(app *v1alpha1.ZoomApp) bool {
	held := meta.FindStatusCondition(app.Status.Conditions, v1alpha1.ConditionClientIDHeld)
	return held != nil && held.ObservedGeneration == app.Generation
}

// Standing is what Zoom thinks of an app's credentials.
type Standing int

// The standings, the best first.
const (
	// Accepted means that Zoom accepted the credentials that the app has now.
	Accepted Standing = iota
	// Unknown means that Zoom was not asked.
	Unknown
	// Refused means that Zoom refuses them, or that there are none.
	Refused
)

// Claim is what speaks for an app's right to a client ID.
type Claim struct {
	App      *v1alpha1.ZoomApp
	Standing Standing
	// Customers says whether there are installations of it whose consent stands.
	Customers bool
}

// StandingOf is that of an app of whose credentials Zoom has said that. A status, which tenants may
// be allowed to write, speaks against an app only, and never for it.
func StandingOf(app *v1alpha1.ZoomApp, said Standing) Standing {
	if refused := app.Status.Refusal; refused != nil && refused.Reason == v1alpha1.AppRefusalClientRejected ||
		meta.IsStatusConditionFalse(app.Status.Conditions, v1alpha1.ConditionCredentialsAvailable) {
		return Refused
	}
	return said
}

// Verdict is who has a client ID, as one of those who claim it sees it.
type Verdict int

const (
	// Held means that no other app has a better claim.
	Held Verdict = iota
	// Taken means that another app has one.
	Taken
	// Open means that this can change as soon as Zoom answers: there are customers, who may be this
	// one's or the other's.
	Open
)

// Judge compares a claim with all others.
func Judge(own Claim, others []Claim) Verdict {
	// One with customers of which Zoom has not said anything yet may be the one that has it, as all
	// are after a start.
	atBest := func(c Claim) Claim {
		if c.Standing == Unknown && c.Customers {
			c.Standing = Accepted
		}
		return c
	}
	switch {
	case !slices.ContainsFunc(others, func(other Claim) bool { return other.Before(own) < 0 }):
		if slices.ContainsFunc(others, func(other Claim) bool { return atBest(other).Before(atBest(own)) < 0 }) {
			return Open
		}
		return Held
	case own.Standing == Unknown && own.Customers:
		return Open
	default:
		return Taken
	}
}

// Before orders claims, the best first. An app whose credentials Zoom has accepted comes before one
// of which that is not known, and that before one whose credentials Zoom refuses, or that has none:
// no tenant can take a client ID from another without its client secret. Of equals, one with
// customers comes first, so that one which was replaced does not lose to a newcomer, then the
// older, then the first by namespace and name.
func (c Claim) Before(other Claim) int {
	customers := func(c Claim) int {
		if c.Customers {
			return 0
		}
		return 1
	}
	return cmp.Or(
		cmp.Compare(c.Standing, other.Standing),
		cmp.Compare(customers(c), customers(other)),
		c.App.CreationTimestamp.Compare(other.App.CreationTimestamp.Time),
		cmp.Compare(c.App.Namespace, other.App.Namespace),
		cmp.Compare(c.App.Name, other.App.Name),
	)
}
