package credentials

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
)

// Reads are few, whatever clients send, and what is known outlives an API server that cannot be
// reached.
func TestSecretsAreReadSeldom(t *testing.T) {
	var reads int
	var failure error
	app := &v1alpha1.ZoomApp{
		ObjectMeta: metav1.ObjectMeta{Namespace: "seldom", Name: "app"},
		Spec:       v1alpha1.ZoomAppSpec{CredentialsSecretRef: v1alpha1.SecretReference{Name: "credentials"}},
	}
	const secretToken, newToken = "test-secret-token-0001", "test-secret-token-0002"
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "seldom", Name: "credentials"},
		Type:       v1alpha1.CredentialsSecretType,
		Data:       map[string][]byte{"secretToken": []byte(secretToken)},
	}
	c := fake.NewClientBuilder().WithScheme(controlplane.Scheme()).WithObjects(secret, app).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			if _, ok := obj.(*corev1.Secret); ok {
				reads++
				if failure != nil {
					return failure
				}
			}
			return c.Get(ctx, key, obj, opts...)
		},
	}).Build()
	now := time.Unix(1772442005, 0)
	source := NewSource(c, func() time.Time { return now }, logr.Discard())
	tokens := func(ctx context.Context) []string { return source.Get(ctx, app, KeySecretToken).SecretTokens }
	reread := func(ctx context.Context) []string { return source.Reread(ctx, app).SecretTokens }
	expect := func(step string, got []string, want string, wantReads int) {
		t.Helper()
		if !slices.Equal(got, strings.Fields(want)) || reads != wantReads {
			t.Errorf("%s: got %q after %d reads, want %q after %d", step, got, reads, want, wantReads)
		}
	}
	ctx := t.Context()
	expect("the first event", tokens(ctx), secretToken, 1)
	expect("the second event", tokens(ctx), secretToken, 1)
	expect("a forged one at once", reread(ctx), secretToken, 1)
	now = now.Add(minRereadInterval)
	expect("a forged one after a second", reread(ctx), secretToken, 2)
	expect("and another", reread(ctx), secretToken, 2)
	failure = errors.New("away")
	now = now.Add(minRereadInterval)
	expect("a forged one in an outage", reread(ctx), secretToken, 3)
	expect("an event in an outage", tokens(ctx), secretToken, 3)
	failure = nil
	gone, leave := context.WithCancel(ctx)
	leave()
	now = now.Add(minRereadInterval)
	secret.Data["secretToken"] = []byte(newToken + "\n" + secretToken)
	if err := c.Update(ctx, secret); err != nil {
		t.Fatal(err)
	}
	source.read(gone, Key(app), source.entry(Key(app)))
	expect("whoever made it look has gone", tokens(ctx), newToken+"\n"+secretToken, 4)
	if err := c.Delete(ctx, secret); err != nil {
		t.Fatal(err)
	}
	now = now.Add(minRereadInterval)
	source.readAll(ctx, c)
	expect("the Secret is gone", tokens(ctx), "", 5)
	if err := c.Delete(ctx, app); err != nil {
		t.Fatal(err)
	}
	source.readAll(ctx, c)
	if len(source.entries) != 0 {
		t.Error("the secrets of an app that is gone are kept")
	}
}
