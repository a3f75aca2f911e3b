// Package refusal keeps in a ZoomApp's status that Zoom refused the app itself. Each caller of Zoom
// reports here what an answer says of the app: a replica of the webhook server at a consent, the
// controller at a refresh.
package refusal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// Owner is the field owner of the refusal in status, whichever process writes it.
const Owner client.FieldOwner = "zoom-refusal"

// digits is how much of the digest is kept: enough to distinguish one version of the credentials
// from the next, and far too little to find a client secret by.
const digits = 8

// Credentials identifies what an app asks Zoom with: its client ID and client secrets, its scopes,
// and the cloud. It is salted with the app's UID, so that two apps with the same secret do not show
// it.
func Credentials(app *v1alpha1.ZoomApp, clientSecrets []string) string {
	text, err := json.Marshal([]any{"zoom-operator.io refusal", app.UID, app.Spec.ClientID, clientSecrets, app.Spec.Scopes, app.Spec.Cloud})
	if err != nil {
		panic(err) // these types always have a JSON
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:digits]
}

// Answer is what an answer of Zoom says of the app that asked.
type Answer int

const (
	// Nothing is what an answer says that is none, or that may come from elsewhere.
	Nothing Answer = iota
	// ClientRejected means that Zoom does not accept the client ID and client secret.
	ClientRejected
	// ScopeMissing means that Zoom accepted them, but the app may not ask who consented.
	ScopeMissing
	// ClientAccepted means that Zoom accepted them, whatever became of the code or token that they
	// came with: a server authenticates the client first (RFC 6749, sections 3.2.1 and 5.2).
	ClientAccepted
	// Accepted means that a consent went all its way.
	Accepted
)

// OfConsent is what a consent says of the app that ended with err: nil when Zoom said who
// consented. A code that Zoom refuses says nothing: any stranger can make one up, and must not
// change what is said of an app.
func OfConsent(err error) Answer {
	switch {
	case err == nil:
		return Accepted
	case errors.Is(err, zoom.ErrClient):
		return ClientRejected
	case errors.Is(err, zoom.ErrScope) && !errors.Is(err, zoom.ErrGrant):
		return ScopeMissing
	default:
		return Nothing
	}
}

// OfToken is what an answer of the authorization server says of the app; err is that of Refresh or
// Revoke of a zoom.OAuth, nil for a success.
func OfToken(err error) Answer {
	switch {
	case errors.Is(err, zoom.ErrClient):
		return ClientRejected
	case errors.Is(err, zoom.ErrUnauthorized): // which may be said whatever the client secret is
		return Nothing
	case err == nil, errors.Is(err, zoom.ErrGrant), errors.Is(err, zoom.ErrToken):
		return ClientAccepted
	default:
		return Nothing
	}
}

// Next is the refusal that stands after an answer to a client with those credentials. It is before
// itself when the answer changes nothing: a refusal says since when, and a success ends only what
// it speaks against.
func Next(before *v1alpha1.AppRefusal, a Answer, credentials string, at time.Time) *v1alpha1.AppRefusal {
	same := before != nil && before.Credentials == credentials
	var reason v1alpha1.AppRefusalReason
	switch {
	case a == ClientRejected:
		reason = v1alpha1.AppRefusalClientRejected
	case a == ScopeMissing:
		reason = v1alpha1.AppRefusalScopeMissing
	case same && (a == Accepted || a == ClientAccepted && before.Reason == v1alpha1.AppRefusalClientRejected):
		return nil
	default:
		return before
	}
	if same && before.Reason == reason {
		return before
	}
	return &v1alpha1.AppRefusal{Reason: reason, At: metav1.Time{Time: at.UTC().Truncate(time.Second)}, Credentials: credentials}
}

// Update changes the refusal of an app that is there. Change gets the refusal that stands and
// returns the one to stand, the same when there is nothing to write. The API server is asked for
// the app first; a conflict asks again, so that of several writers each decides about what the one
// before it wrote.
func Update(ctx context.Context, live client.Reader, c client.Client, key types.NamespacedName, change func(*v1alpha1.AppRefusal) *v1alpha1.AppRefusal) error {
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		var app v1alpha1.ZoomApp
		if err := live.Get(ctx, key, &app); err != nil {
			return fmt.Errorf("reading ZoomApp %s: %w", key, err)
		}
		next := change(app.Status.Refusal)
		if next == app.Status.Refusal {
			return nil
		}
		before := client.MergeFromWithOptions(app.DeepCopy(), client.MergeFromWithOptimisticLock{})
		app.Status.Refusal = next
		if err := c.Status().Patch(ctx, &app, before, Owner); err != nil {
			return fmt.Errorf("writing the refusal of ZoomApp %s: %w", key, err)
		}
		return nil
	})
	return client.IgnoreNotFound(err)
}
