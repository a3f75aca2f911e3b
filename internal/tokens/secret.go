package tokens

import (
	"maps"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// fill puts data into a Secret and says whose it is. The owner reference lets Kubernetes take the Secret away with the
// installation, whatever happens to the operator.
func fill(secret *corev1.Secret, in *v1alpha1.ZoomInstallation, name string, data map[string][]byte) *corev1.Secret {
	secret.Namespace, secret.Name = in.Namespace, name
	secret.Labels = maps.Clone(secret.Labels)
	if secret.Labels == nil {
		secret.Labels = map[string]string{}
	}
	secret.Labels[AppLabel] = in.Spec.AppRef.Name
	owner := metav1.NewControllerRef(in, v1alpha1.SchemeGroupVersion.WithKind("ZoomInstallation"))
	owner.BlockOwnerDeletion = nil // where the API server checks it, that takes a right which nothing else here needs
	secret.OwnerReferences = []metav1.OwnerReference{*owner}
	secret.Data = data
	return secret
}

func equal(a, b *corev1.Secret) bool {
	return equality.Semantic.DeepEqual(a, b)
}

// encode leaves out what is not known.
func encode(t Token) map[string][]byte {
	data := map[string][]byte{}
	for key, value := range map[string]string{
		keyAccessToken:      t.AccessToken,
		keyRefreshToken:     t.RefreshToken,
		keyScopes:           strings.Join(t.Scopes, " "),
		keyAPIURL:           t.APIURL,
		keyIssuedAt:         formatTime(t.IssuedAt),
		keyExpiresAt:        formatTime(t.ExpiresAt),
		keyConsentedAt:      formatTime(t.ConsentedAt),
		keyRefreshStartedAt: formatTime(t.RefreshStartedAt),
		keyRefusal:          string(t.Refusal),
	} {
		if value != "" {
			data[key] = []byte(value)
		}
	}
	return data
}

// decode takes what it cannot understand for unknown. A token that was issued and expires at unknown times is refreshed at
// once, which puts everything right again.
func decode(data map[string][]byte) Token {
	return Token{
		AccessToken:      string(data[keyAccessToken]),
		RefreshToken:     string(data[keyRefreshToken]),
		Scopes:           strings.Fields(string(data[keyScopes])),
		APIURL:           string(data[keyAPIURL]),
		IssuedAt:         parseTime(data[keyIssuedAt]),
		ExpiresAt:        parseTime(data[keyExpiresAt]),
		ConsentedAt:      parseTime(data[keyConsentedAt]),
		RefreshStartedAt: parseTime(data[keyRefreshStartedAt]),
		Refusal:          Refusal(data[keyRefusal]),
	}
}

// Fractions of seconds are kept, so that two marks are never the same: a write that changes nothing would be no fence.
func formatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func parseTime(value []byte) time.Time {
	t, err := time.Parse(time.RFC3339Nano, string(value))
	if err != nil {
		return time.Time{}
	}
	return t
}
