package events_test

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/servertest"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

const newToken = "test-secret-token-0002"

// A rotation at Zoom loses no event and needs no restart.
func TestSecretTokenIsRotated(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	servertest.CreateApp(t, c, namespace)
	r := servertest.StartReplica(t, namespace)
	before := r.Zoom(t, namespace)
	after := r.Zoom(t, namespace, func(c *zoomtest.Config) { c.SecretToken = newToken })
	r.UntilValidated(t, namespace)
	if err := after.Validate(t.Context()); err == nil {
		t.Fatal("a secret token that was never there is honoured")
	}

	write := func(tokens string) {
		secret := fixture.Get(t, c, namespace, fixture.SecretName, &corev1.Secret{})
		secret.Data["secretToken"] = []byte(tokens)
		if err := c.Update(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
	}
	write(newToken + "\n" + fixture.SecretToken + "\n")
	fixture.Eventually(t, "the new token is honoured", func() error { return after.Validate(t.Context()) }) // it is read again once a second at most
	servertest.Validated(t, before)                                                                         // answered with the second token, which signed it
	fixture.Send(t, before, fixture.Weekly("AccT", "hOsT", 84000000001).Created(fixture.MinutesAgo(2)), 204)
	fixture.Send(t, after, fixture.Weekly("AccT", "hOsT", 84000000002).Created(fixture.MinutesAgo(2)), 204)
	body := []byte(`{"event":"endpoint.url_validation","payload":{"plainToken":"aB_-9"}}`)
	want := fmt.Sprintf(`{"plainToken":"aB_-9","encryptedToken":%q}`+"\n", fixture.Mac(newToken, "aB_-9"))
	if got := fixture.Do(t, fixture.Request(t, http.MethodPost, r.Endpoint(namespace), body)); got.Body != want {
		t.Error("an unsigned challenge is not answered with the newest token")
	}

	write(newToken)
	fixture.Eventually(t, "the old token is refused", func() error {
		// Any request that does not verify makes the server look again; at the latest it does so
		// after half a minute.
		if status := fixture.Do(t, fixture.Request(t, http.MethodPost, r.Endpoint(namespace), body, fixture.Signed("another", time.Now(), body)...)).Status; status != 503 {
			return fmt.Errorf("a forged request was answered %d", status)
		}
		if before.Validate(t.Context()) == nil {
			return errors.New("it is honoured")
		}
		return nil
	})
	fixture.Send(t, before, fixture.Weekly("AccT", "hOsT", 84000000003).Created(fixture.MinutesAgo(1)), 503)
	servertest.Validated(t, after)
}

func TestAppWithoutCredentials(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	app := fixture.AppOf(namespace)
	if err := c.Create(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	r := servertest.StartReplica(t, namespace)
	z := r.Zoom(t, namespace)
	event := fixture.Weekly("AccT", "hOsT", 84000000004).Created(fixture.MinutesAgo(1))
	fixture.Send(t, z, event, 503)
	fixture.CountedOne(t, 0, "namespace", namespace, "reason", "no_credentials")
	// A Secret of another type is not the operator's, whatever is in it.
	foreign := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fixture.SecretName}, Data: map[string][]byte{"secretToken": []byte(fixture.SecretToken)}}
	if err := c.Create(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	fixture.Send(t, z, event, 503)
	if err := c.Delete(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	// A Secret without the key, and one with nothing in it, are no better: an empty token is no
	// key.
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fixture.SecretName}, Type: v1alpha1.CredentialsSecretType, Data: map[string][]byte{"secretToken": []byte("\n")}}
	if err := c.Create(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	empty := r.Zoom(t, namespace, func(c *zoomtest.Config) { c.SecretToken = " " })
	fixture.Send(t, empty, event, 503)
	secret.Data["secretToken"] = []byte(fixture.SecretToken)
	if err := c.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	r.UntilValidated(t, namespace)
	fixture.Send(t, z, event, 204)
}
