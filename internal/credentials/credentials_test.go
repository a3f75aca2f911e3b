package credentials

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

const (
	secret = "aB3dE6fG9hJ2kL5mN8pQ1rS4tU7vW0xY"
	token  = "Zq3-xY7_wV2uT8sR4pQ9nM"
)

func TestLines(t *testing.T) {
	for name, test := range map[string]struct {
		value string
		want  []string
	}{
		"nothing":                      {"", nil},
		"only space":                   {" \n\t\n", nil},
		"one value":                    {"a", []string{"a"}},
		"one value and a line feed":    {"a\n", []string{"a"}},
		"two values, newest first":     {"b\na\n", []string{"b", "a"}},
		"written on Windows":           {"b\r\na\r\n", []string{"b", "a"}},
		"space around, and blank ones": {"\n  b \n\n a", []string{"b", "a"}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Lines([]byte(test.value)); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func read(t *testing.T, kind corev1.SecretType, data map[string]string) Values {
	t.Helper()
	app := &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "app"}}
	app.Spec.CredentialsSecretRef.Name = "credentials"
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "credentials"}, Type: kind, Data: map[string][]byte{}}
	for key, value := range data {
		s.Data[key] = []byte(value)
	}
	v, err := Read(t.Context(), fake.NewClientBuilder().WithObjects(s).Build(), Key(app))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Nothing of a Secret of another type is even looked at.
func TestOnlyASecretForCredentialsIsRead(t *testing.T) {
	data := map[string]string{"clientSecret": secret, "secretToken": token, "verificationToken": token}
	for _, kind := range []corev1.SecretType{"", corev1.SecretTypeOpaque, corev1.SecretTypeServiceAccountToken, "zoom-operator.io/token", "zoom-operator.io/App"} {
		if v := read(t, kind, data); v.State != OtherType || len(v.ClientSecrets)+len(v.SecretTokens)+len(v.VerificationTokens)+len(v.Placeholders) > 0 {
			t.Errorf("of a Secret of the type %q is known %+v", kind, struct{ a, b, c []string }{v.ClientSecrets, v.SecretTokens, v.VerificationTokens})
		}
	}
	v := read(t, v1alpha1.CredentialsSecretType, data)
	if v.State != Found || !slices.Equal(v.Of(KeyClientSecret), []string{secret}) || !slices.Equal(v.Of(KeySecretToken), []string{token}) || !slices.Equal(v.Of(KeyVerificationToken), []string{token}) {
		t.Error("a Secret for credentials is not read")
	}
	if text := fmt.Sprintf("%v %+v %#v", v, v, v); strings.Contains(text, secret) || strings.Contains(text, token) {
		t.Errorf("printed, it is %s", text)
	}
}

func TestPlaceholdersAreNoCredentials(t *testing.T) {
	for _, value := range []string{"REPLACE-WITH-THE-CLIENT-SECRET", "replace-me-with-a-real-secret", "<the app's client secret, 32 long>", "changeme", "...", "s3cr3t", secret[:15]} {
		v := read(t, v1alpha1.CredentialsSecretType, map[string]string{"clientSecret": value, "secretToken": token})
		if len(v.ClientSecrets) > 0 || !slices.Equal(v.Placeholders, []string{"clientSecret"}) || len(v.SecretTokens) != 1 {
			t.Errorf("%q counts as a client secret: %t", value, len(v.ClientSecrets) > 0)
		}
	}
	for _, value := range []string{secret, token, "-_" + token[2:], "REPLACE" + token[7:], secret + secret} {
		if v := read(t, v1alpha1.CredentialsSecretType, map[string]string{"clientSecret": value}); !slices.Equal(v.ClientSecrets, []string{value}) {
			t.Errorf("%q, which Zoom may give out, does not count", value)
		}
	}
	v := read(t, v1alpha1.CredentialsSecretType, map[string]string{"clientSecret": "REPLACE-WITH-THE-NEXT-ONE\n" + secret})
	if !slices.Equal(v.ClientSecrets, []string{secret}) || len(v.Placeholders) > 0 {
		t.Error("a placeholder above a value hides the value")
	}
}

func TestWhetherThereIsASecretIsNotGuessed(t *testing.T) {
	app := &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "app"}}
	app.Spec.CredentialsSecretRef.Name = "credentials"
	if v, err := Read(t.Context(), fake.NewClientBuilder().Build(), Key(app)); err != nil || v.State != Missing {
		t.Errorf("of no Secret is known %v, %v", v.State, err)
	}
	away := errors.New("away")
	c := fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return away
		},
	}).Build()
	if _, err := Read(t.Context(), c, Key(app)); !errors.Is(err, away) {
		t.Errorf("an API server that is away is %v", err)
	}
}
