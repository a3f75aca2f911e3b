package webhookserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
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
			if got := lines([]byte(test.value)); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// A rotation at Zoom loses no event and needs no restart.
func TestSecretTokenIsRotated(t *testing.T) {
	const newToken = "test-secret-token-0002"
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	createApp(t, c, namespace)
	r := startReplica(t, namespace)
	before := r.zoom(t, namespace)
	after := r.zoom(t, namespace, func(c *zoomtest.Config) { c.SecretToken = newToken })
	r.untilValidated(t, namespace)
	if err := after.Validate(t.Context()); err == nil {
		t.Fatal("a secret token that was never there is honoured")
	}

	write := func(tokens string) {
		secret := get(t, c, namespace, secretName, &corev1.Secret{})
		secret.Data["secretToken"] = []byte(tokens)
		if err := c.Update(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
	}
	write(newToken + "\n" + secretToken + "\n")
	eventually(t, "the new token is honoured", func() error { return after.Validate(t.Context()) }) // it is read again once a second at most
	validated(t, before)                                                                            // answered with the second token, which signed it
	send(t, before, weekly("AccT", "hOsT", 84000000001).Created(minutesAgo(2)), 204)
	send(t, after, weekly("AccT", "hOsT", 84000000002).Created(minutesAgo(2)), 204)
	body := []byte(`{"event":"endpoint.url_validation","payload":{"plainToken":"aB_-9"}}`)
	want := fmt.Sprintf(`{"plainToken":"aB_-9","encryptedToken":%q}`+"\n", mac(newToken, "aB_-9"))
	if got := do(t, request(t, http.MethodPost, r.endpoint(namespace), body)); got.body != want {
		t.Error("an unsigned challenge is not answered with the newest token")
	}

	write(newToken)
	eventually(t, "the old token is refused", func() error {
		// Any request that does not verify makes the server look again; at the latest it does so after half a minute.
		if status := do(t, request(t, http.MethodPost, r.endpoint(namespace), body, signed("another", time.Now(), body)...)).status; status != 401 {
			return fmt.Errorf("a forged request was answered %d", status)
		}
		if before.Validate(t.Context()) == nil {
			return errors.New("it is honoured")
		}
		return nil
	})
	send(t, before, weekly("AccT", "hOsT", 84000000003).Created(minutesAgo(1)), 401)
	validated(t, after)
}

func TestAppWithoutCredentials(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	app := appOf(namespace)
	if err := c.Create(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	r := startReplica(t, namespace)
	z := r.zoom(t, namespace)
	event := weekly("AccT", "hOsT", 84000000004).Created(minutesAgo(1))
	send(t, z, event, 503)
	countedOne(t, 0, "namespace", namespace, "reason", "no_credentials")
	// A Secret without the key, and one with nothing in it, are no better: an empty token is no key.
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: secretName}, Data: map[string][]byte{"secretToken": []byte("\n")}}
	if err := c.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	empty := r.zoom(t, namespace, func(c *zoomtest.Config) { c.SecretToken = " " })
	send(t, empty, event, 503)
	secret.Data["secretToken"] = []byte(secretToken)
	if err := c.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	r.untilValidated(t, namespace)
	send(t, z, event, 204)
}

// Reads are few, whoever sends whatever, and what is known outlives an API server that cannot be reached.
func TestSecretsAreReadSeldom(t *testing.T) {
	var reads int
	var failure error
	app := appOf("seldom")
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "seldom", Name: secretName},
		Data:       map[string][]byte{"secretToken": []byte("a")},
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
	known := &credentials{live: c, now: func() time.Time { return now }, logger: logr.Discard()}
	tokens := func(ctx context.Context) []string { return known.get(ctx, app, secretTokens).secretTokens }
	reread := func(ctx context.Context) []string { return known.reread(ctx, app).secretTokens }
	expect := func(step string, got []string, want string, wantReads int) {
		t.Helper()
		if !slices.Equal(got, lines([]byte(want))) || reads != wantReads {
			t.Errorf("%s: got %q after %d reads, want %q after %d", step, got, reads, want, wantReads)
		}
	}
	ctx := t.Context()
	expect("the first event", tokens(ctx), "a", 1)
	expect("the second event", tokens(ctx), "a", 1)
	expect("a forged one at once", reread(ctx), "a", 1)
	now = now.Add(rereadAfter)
	expect("a forged one after a second", reread(ctx), "a", 2)
	expect("and another", reread(ctx), "a", 2)
	failure = errors.New("away")
	now = now.Add(rereadAfter)
	expect("a forged one in an outage", reread(ctx), "a", 3)
	expect("an event in an outage", tokens(ctx), "a", 3)
	failure = nil
	gone, leave := context.WithCancel(ctx)
	leave()
	now = now.Add(rereadAfter)
	secret.Data["secretToken"] = []byte("b\na")
	if err := c.Update(ctx, secret); err != nil {
		t.Fatal(err)
	}
	known.read(gone, secretKey(app), known.credential(secretKey(app)))
	expect("whoever made it look has gone", tokens(ctx), "b\na", 4)
	if err := c.Delete(ctx, secret); err != nil {
		t.Fatal(err)
	}
	now = now.Add(rereadAfter)
	known.readAll(ctx, c)
	expect("the Secret is gone", tokens(ctx), "", 5)
	if err := c.Delete(ctx, app); err != nil {
		t.Fatal(err)
	}
	known.readAll(ctx, c)
	if len(known.known) != 0 {
		t.Error("the secrets of an app that is gone are kept")
	}
}
