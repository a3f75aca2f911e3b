// Package tokens keeps what Zoom's consents are worth: one Secret per ZoomInstallation for the operator, with the refresh
// token in it, and, where the app shares access tokens, a second one for other programs, with the access token alone.
// The names of these Secrets and of their keys are spelled nowhere else.
//
// A refresh token can be spent only once. Whoever spends one marks the Secret first: that proves that the API server takes
// writes, and of two who would spend the same token, only one can mark. A mark that is still there afterwards says that a
// token may have been spent without its successor being known.
package tokens

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// Secrets are read by name; nothing here lists or watches them.
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;create;update;delete

const (
	// SecretType is the type of the Secret that holds an installation's token for the operator.
	SecretType corev1.SecretType = "zoom-operator.io/token"
	// AccessSecretType is the type of the Secret that holds an installation's access token for other programs.
	AccessSecretType corev1.SecretType = "zoom-operator.io/access-token"
	// AppLabel is the label of both that names the ZoomApp.
	AppLabel = "zoom-operator.io/app"
)

// The keys of the Secrets. Times are as in RFC 3339, scopes are separated by spaces, as Zoom spells them.
const (
	keyAccessToken      = "accessToken"
	keyRefreshToken     = "refreshToken"
	keyScopes           = "scopes"
	keyAPIURL           = "apiURL"
	keyIssuedAt         = "issuedAt"
	keyExpiresAt        = "expiresAt"
	keyConsentedAt      = "consentedAt"
	keyRefreshStartedAt = "refreshStartedAt"
	keyRefusal          = "refusal"
)

var (
	// ErrForeign means that a Secret has the name of an installation's token but is none of it. It was left alone.
	ErrForeign = errors.New("not a token of this ZoomInstallation; delete the Secret or give it another name")
	// ErrSuperseded means that the stored token is no longer the one that was loaded, because of a new consent or a
	// removal. What is stored was left alone.
	ErrSuperseded = errors.New("the token was replaced or removed meanwhile")
)

// Refusal is why a refresh token is useless.
type Refusal string

// The refusals.
const (
	// RefusedRevoked means that Zoom refused a refresh token that had never been spent: the consent has ended at Zoom.
	RefusedRevoked Refusal = "Revoked"
	// RefusedLost means that Zoom refused a refresh token whose mark was left from an attempt that nobody saw the end of:
	// it had been spent, and its successor was lost.
	RefusedLost Refusal = "Lost"
	// RefusedScopesChanged means that Zoom refused a refresh token because the app's scopes are no longer those that it was
	// given out for.
	RefusedScopesChanged Refusal = "ScopesChanged"
)

// Token is what is known of one consent's token. Printing it in any way shows nothing of it.
type Token struct {
	AccessToken  string   `json:"-"`
	RefreshToken string   `json:"-"`
	Scopes       []string `json:"-"`
	// APIURL is the base of the REST API for this account; empty for the app's.
	APIURL string `json:"-"`
	// IssuedAt is just before Zoom was asked for the token.
	IssuedAt time.Time `json:"-"`
	// ExpiresAt is when the access token expires.
	ExpiresAt time.Time `json:"-"`
	// ConsentedAt is when the first token of this consent was issued, which all that it was refreshed to keep.
	ConsentedAt time.Time `json:"-"`
	// RefreshStartedAt is the mark of a refresh whose end nobody has recorded; zero when there is none.
	RefreshStartedAt time.Time `json:"-"`
	// Refusal is why the refresh token is useless; empty while it is good.
	Refusal Refusal `json:"-"`
}

// New is the token of a new consent, which Zoom gave out when it was asked at issuedAt.
func New(t *zoom.Token, issuedAt time.Time) Token {
	return Token{
		AccessToken:  t.AccessToken,
		RefreshToken: t.RefreshToken,
		Scopes:       t.Scopes,
		APIURL:       t.APIURL,
		IssuedAt:     issuedAt,
		ExpiresAt:    issuedAt.Add(t.ExpiresIn),
		ConsentedAt:  issuedAt,
	}
}

// Successor is the token that Zoom gave out for this one when it was asked at issuedAt. What Zoom does not tell again stays
// as it was.
func (t Token) Successor(answer *zoom.Token, issuedAt time.Time) Token {
	next := New(answer, issuedAt)
	next.ConsentedAt = t.ConsentedAt
	if len(next.Scopes) == 0 {
		next.Scopes = t.Scopes
	}
	if next.APIURL == "" {
		next.APIURL = t.APIURL
	}
	return next
}

const redacted = "tokens.Token{redacted}"

// String hides the token.
func (Token) String() string { return redacted }

// GoString hides the token.
func (Token) GoString() string { return redacted }

// LogValue hides the token.
func (Token) LogValue() slog.Value { return slog.StringValue(redacted) }

// SecretName is the name of the Secret that holds the token of an installation for the operator.
func SecretName(in *v1alpha1.ZoomInstallation) string { return in.Name + "-token" }

// AccessSecretName is the name of the Secret that holds the access token of an installation for other programs. Neither
// name can be the other one of another installation, whatever that is called.
func AccessSecretName(in *v1alpha1.ZoomInstallation) string { return in.Name + "-access" }

// Stored is a token together with the version of the Secret that it was read from.
type Stored struct {
	Token
	secret *corev1.Secret
}

// Load reads the token of an installation; nil when there is none. The reader must ask the API server: a cache would need
// the right to list Secrets, and be behind.
func Load(ctx context.Context, r client.Reader, in *v1alpha1.ZoomInstallation) (*Stored, error) {
	secret, err := read(ctx, r, in, SecretName(in), SecretType)
	if err != nil || secret == nil || !metav1.IsControlledBy(secret, in) {
		return nil, err // the token of an installation of that name that is gone is nobody's
	}
	return &Stored{Token: decode(secret.Data), secret: secret}, nil
}

// Save stores the token of a new consent in place of whatever there was, but for the token of a later consent: with that one,
// Zoom has ended this. One that Zoom has refused since is in nobody's way, however late its consent.
func Save(ctx context.Context, c client.Client, in *v1alpha1.ZoomInstallation, t Token) error {
	return put(ctx, c, in, SecretName(in), SecretType, encode(t), func(there *corev1.Secret) bool {
		stored := decode(there.Data)
		return metav1.IsControlledBy(there, in) && stored.Refusal == "" && stored.ConsentedAt.After(t.ConsentedAt)
	})
}

// Mark records that the refresh token is about to be spent. When it fails, the token must not be spent: the API server
// takes no writes, or somebody else was faster.
func (s *Stored) Mark(ctx context.Context, c client.Client, now time.Time) error {
	t := s.Token
	t.RefreshStartedAt = now
	return s.update(ctx, c, t)
}

// Unmark takes the mark away after an attempt that spent nothing for certain.
func (s *Stored) Unmark(ctx context.Context, c client.Client) error {
	t := s.Token
	t.RefreshStartedAt = time.Time{}
	return s.update(ctx, c, t)
}

const (
	// storeWithin is how long what Zoom answered is tried to be stored: for longer than a manager that has to stop waits for
	// its reconcilers, since afterwards it is lost.
	storeWithin = time.Minute
	// The pauses between the attempts double from the one to the other.
	firstPause = 50 * time.Millisecond
	lastPause  = 5 * time.Second
)

// Refuse records that Zoom refused the refresh token, and tries for a minute, or until ctx ends. When another token is there
// by now, it is ErrSuperseded.
func (s *Stored) Refuse(ctx context.Context, c client.Client, why Refusal) error {
	return s.store(ctx, c, func(t Token) Token {
		t.RefreshStartedAt = time.Time{}
		t.Refusal = why
		return t
	})
}

// Replace stores the successor of the loaded token, which is spent. It therefore goes on after ctx has ended, and tries
// for a minute. When a new consent has replaced the spent token meanwhile, it is ErrSuperseded: Zoom ends a user's earlier
// tokens with each consent.
func (s *Stored) Replace(ctx context.Context, c client.Client, t Token) error {
	return s.store(context.WithoutCancel(ctx), c, func(Token) Token { return t })
}

// store writes what the loaded token has become, for as long as the Secret holds its refresh token, whatever else somebody
// changes there.
func (s *Stored) store(ctx context.Context, c client.Client, become func(Token) Token) error {
	ctx, cancel := context.WithTimeout(ctx, storeWithin)
	defer cancel()
	asked := s.RefreshToken
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		want := become(s.Token)
		err := s.update(ctx, c, want)
		if apierrors.IsConflict(err) {
			err = s.reload(ctx, c)
			switch {
			case err == nil && s.RefreshToken == want.RefreshToken && s.IssuedAt.Equal(want.IssuedAt) && s.Refusal == want.Refusal:
				return nil // an earlier attempt was stored although its answer was not seen
			case err == nil && s.RefreshToken != asked:
				return ErrSuperseded
			case err == nil:
				continue // somebody touched the Secret, or took this attempt for dead: what Zoom said is here
			}
		}
		switch {
		case err == nil:
			return nil
		case apierrors.IsNotFound(err):
			return ErrSuperseded
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// update writes t over the version that was loaded, and nothing else: the Secret's resourceVersion is a fence.
func (s *Stored) update(ctx context.Context, c client.Client, t Token) error {
	next := s.secret.DeepCopy()
	next.Data = encode(t)
	if err := c.Update(ctx, next); err != nil {
		return fmt.Errorf("writing the token in Secret %s: %w", client.ObjectKeyFromObject(next), err)
	}
	s.Token, s.secret = t, next
	return nil
}

// reload reads the Secret again.
func (s *Stored) reload(ctx context.Context, c client.Client) error {
	var secret corev1.Secret
	if err := c.Get(ctx, client.ObjectKeyFromObject(s.secret), &secret); err != nil {
		return fmt.Errorf("reading the token in Secret %s: %w", client.ObjectKeyFromObject(s.secret), err)
	}
	s.Token, s.secret = decode(secret.Data), &secret
	return nil
}

// Publish puts the access token where other programs may read it. It writes only what has changed.
func Publish(ctx context.Context, c client.Client, in *v1alpha1.ZoomInstallation, t Token) error {
	data := encode(Token{AccessToken: t.AccessToken, APIURL: t.APIURL, Scopes: t.Scopes, ExpiresAt: t.ExpiresAt})
	return put(ctx, c, in, AccessSecretName(in), AccessSecretType, data, func(*corev1.Secret) bool { return false })
}

// Withdraw takes the access token away from other programs. It is complete when it returns nil, and can be repeated.
func Withdraw(ctx context.Context, c client.Client, in *v1alpha1.ZoomInstallation) error {
	secret, err := read(ctx, c, in, AccessSecretName(in), AccessSecretType)
	switch {
	case errors.Is(err, ErrForeign), err == nil && (secret == nil || !metav1.IsControlledBy(secret, in)):
		return nil // there is nothing of the installation
	case err != nil:
		return err
	}
	return remove(ctx, c, secret)
}

// Delete deletes the token as it was loaded, and no other one: when something has been written since, a new consent perhaps,
// it is a conflict.
func (s *Stored) Delete(ctx context.Context, c client.Client) error {
	return remove(ctx, c, s.secret)
}

// read is the Secret of that name; nil when there is none.
func read(ctx context.Context, r client.Reader, in *v1alpha1.ZoomInstallation, name string, kind corev1.SecretType) (*corev1.Secret, error) {
	var secret corev1.Secret
	err := r.Get(ctx, client.ObjectKey{Namespace: in.Namespace, Name: name}, &secret)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading Secret %s/%s: %w", in.Namespace, name, err)
	case secret.Type != kind:
		return nil, fmt.Errorf("the Secret %s/%s is %w", in.Namespace, name, ErrForeign)
	}
	return &secret, nil
}

// put creates the Secret or replaces what is in it unless that stays, again from the top when somebody else wrote in between.
func put(ctx context.Context, c client.Client, in *v1alpha1.ZoomInstallation, name string, kind corev1.SecretType, data map[string][]byte, stays func(*corev1.Secret) bool) error {
	for {
		secret, err := read(ctx, c, in, name, kind)
		if err != nil {
			return err
		}
		created := secret == nil
		switch {
		case created:
			err = c.Create(ctx, fill(&corev1.Secret{Type: kind}, in, name, data))
		case stays(secret):
			return nil
		default:
			if old := secret.DeepCopy(); !equal(old, fill(secret, in, name, data)) {
				err = c.Update(ctx, secret)
			}
		}
		again := apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) && !created
		switch {
		case err == nil:
			return nil
		case !again: // that a Secret to be created is not found is said of its namespace
			return fmt.Errorf("writing Secret %s/%s: %w", in.Namespace, name, err)
		case ctx.Err() != nil:
			return fmt.Errorf("writing Secret %s/%s: %w", in.Namespace, name, ctx.Err())
		}
	}
}

// remove deletes a Secret as it was read.
func remove(ctx context.Context, c client.Client, secret *corev1.Secret) error {
	err := c.Delete(ctx, secret, client.Preconditions{UID: &secret.UID, ResourceVersion: &secret.ResourceVersion})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting Secret %s: %w", client.ObjectKeyFromObject(secret), err)
	}
	return nil
}
