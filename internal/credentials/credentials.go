// Package credentials reads the Secret with the credentials of a ZoomApp, and no other Secret, and
// caches it. A user who may write a ZoomApp names the Secret, and may have no right to read it: so
// a Secret has to be made for this, by its type, which is immutable, and of any other one nothing
// is looked at.
package credentials

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// The keys of the Secret.
const (
	KeyClientSecret      = "clientSecret"
	KeySecretToken       = "secretToken"
	KeyVerificationToken = "verificationToken"
)

// shortest is the least that a value has. Zoom does not document how long its values are; those
// that it gives out have 32 characters, client secrets, and 22, the tokens. A value that is much
// shorter was typed by hand.
const shortest = 16

// State is what was found under the name of the Secret.
type State int

const (
	// Missing means that there is no such Secret.
	Missing State = iota
	// OtherType means that there is one, and it is not for credentials.
	OtherType
	// Found means that there is one for credentials.
	Found
)

// Values are what the Secret holds under each key, newest first. There are no placeholders among
// them.
type Values struct {
	State                                           State
	ClientSecrets, SecretTokens, VerificationTokens []string
	// Placeholders are the keys that hold nothing but what was to be replaced.
	Placeholders []string
}

// Of are the values under a key.
func (v Values) Of(key string) []string {
	switch key {
	case KeyClientSecret:
		return v.ClientSecrets
	case KeySecretToken:
		return v.SecretTokens
	case KeyVerificationToken:
		return v.VerificationTokens
	default:
		return nil
	}
}

// Have says whether there is a value under each of these keys.
func (v Values) Have(keys ...string) bool {
	return !slices.ContainsFunc(keys, func(key string) bool { return len(v.Of(key)) == 0 })
}

// Needed are the keys that an app cannot do without: a customer whose events nothing here could
// recognise would have consented in vain.
func Needed(app *v1alpha1.ZoomApp) []string {
	if app.Spec.Verification == v1alpha1.VerificationVerificationToken {
		return []string{KeyClientSecret, KeySecretToken, KeyVerificationToken}
	}
	return []string{KeyClientSecret, KeySecretToken}
}

// String hides the values.
func (Values) String() string { return "credentials.Values{redacted}" }

// GoString hides the values.
func (Values) GoString() string { return "credentials.Values{redacted}" }

// Key is where an app's Secret is.
func Key(app *v1alpha1.ZoomApp) types.NamespacedName {
	return types.NamespacedName{Namespace: app.Namespace, Name: app.Spec.CredentialsSecretRef.Name}
}

// Read reads an app's Secret. That there is none, or none for credentials, is no error.
func Read(ctx context.Context, live client.Reader, key types.NamespacedName) (Values, error) {
	var secret corev1.Secret
	switch err := live.Get(ctx, key, &secret); {
	case apierrors.IsNotFound(err):
		return Values{State: Missing}, nil
	case err != nil:
		return Values{}, fmt.Errorf("reading Secret %s: %w", key, err)
	case secret.Type != v1alpha1.CredentialsSecretType:
		return Values{State: OtherType}, nil
	}
	v := Values{State: Found}
	for key, values := range map[string]*[]string{
		KeyClientSecret: &v.ClientSecrets, KeySecretToken: &v.SecretTokens, KeyVerificationToken: &v.VerificationTokens,
	} {
		all := Lines(secret.Data[key])
		for _, value := range all {
			if !placeholder(value) {
				*values = append(*values, value)
			}
		}
		if len(all) > 0 && len(*values) == 0 {
			v.Placeholders = append(v.Placeholders, key)
		}
	}
	return v, nil
}

// placeholder says whether a value is one that an admin was to replace.
func placeholder(value string) bool {
	return len(value) < shortest || strings.ContainsAny(value, "<>") || strings.HasPrefix(strings.ToUpper(value), "REPLACE-")
}

// Lines are the values of a key, one per line.
func Lines(value []byte) []string {
	var out []string
	for line := range strings.Lines(string(value)) {
		if line = strings.TrimSpace(line); line != "" {
			out = append(out, line)
		}
	}
	return out
}
