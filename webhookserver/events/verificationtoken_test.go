package events_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/servertest"
	"github.com/zoom-operator/zoom-operator/zoom"
)

func TestVerificationToken(t *testing.T) {
	const token, older = "verification-token-0002", "verification-token-0001"
	now := time.Now()
	created := func(number int, at time.Time) []byte {
		return fmt.Appendf(nil, `{"event":"meeting.created","event_ts":%d,"payload":{"account_id":"AccT","object":{"id":%d,"uuid":"u==","host_id":"hOsT","type":2,"start_time":"2026-03-02T09:00:00Z","duration":30,"topic":"t"}}}`, at.UnixMilli(), number)
	}
	challenge := []byte(`{"event":"endpoint.url_validation","event_ts":1772441000000,"payload":{"plainToken":"abc"}}`)
	fresh := fmt.Appendf(nil, `{"event":"endpoint.url_validation","event_ts":%d,"payload":{"plainToken":"abc"}}`, now.UnixMilli())
	legacy := func(spec *v1alpha1.ZoomAppSpec) { spec.Verification = v1alpha1.VerificationVerificationToken }

	for name, tc := range map[string]struct {
		scheme func(*v1alpha1.ZoomAppSpec)
		// secret is what is in the Secret; both schemes' tokens when nil.
		secret  map[string]string
		body    []byte
		headers []string
		want    int
	}{
		"the token is enough":                      {body: created(1, now), headers: []string{"Authorization", token}, want: 204},
		"the older token, too, while it is listed": {body: created(2, now), headers: []string{"Authorization", older}, want: 204},
		"no token":                                   {body: created(3, now), want: 401},
		"an empty token":                             {body: created(3, now), headers: []string{"Authorization", ""}, want: 401},
		"a wrong token":                              {body: created(3, now), headers: []string{"Authorization", token + "x"}, want: 503},
		"a part of the token":                        {body: created(3, now), headers: []string{"Authorization", token[:10]}, want: 503},
		"all tokens at once":                         {body: created(3, now), headers: []string{"Authorization", token + " " + older}, want: 401},
		"what is no token":                           {body: created(3, now), headers: []string{"Authorization", "Basic " + token}, want: 401},
		"the token twice":                            {body: created(3, now), headers: []string{"Authorization", token, "Authorization", token}, want: 401},
		"the token and a right signature":            {body: created(4, now), headers: append(fixture.Signed(fixture.SecretToken, now, created(4, now)), "Authorization", token), want: 204},
		"a right signature alone":                    {body: created(5, now), headers: fixture.Signed(fixture.SecretToken, now, created(5, now)), want: 204},
		"the token and a wrong signature":            {body: created(3, now), headers: append(fixture.Signed("wrong", now, created(3, now)), "Authorization", token), want: 503},
		"the token and half a signature":             {body: created(3, now), headers: []string{zoom.HeaderSignature, "v0=00", "Authorization", token}, want: 401},
		"the token and an old signature":             {body: created(3, now), headers: append(fixture.Signed(fixture.SecretToken, now.Add(-3*time.Hour), created(3, now)), "Authorization", token), want: 503},
		"a signature that nobody here can check":     {secret: map[string]string{"verificationToken": token}, body: created(6, now), headers: append(fixture.Signed(fixture.SecretToken, now, created(6, now)), "Authorization", token), want: 204},
		"an event that is too old":                   {body: created(3, now.Add(-3*time.Hour)), headers: []string{"Authorization", token}, want: 503},
		"an event from the future":                   {body: created(3, now.Add(time.Hour)), headers: []string{"Authorization", token}, want: 503},
		"a body that is too large":                   {body: append(created(3, now), slices.Repeat([]byte(" "), 1<<20)...), headers: []string{"Authorization", token}, want: 413},
		"a body that is no event":                    {body: []byte("{"), headers: []string{"Authorization", token}, want: 400},
		"no token is known":                          {secret: map[string]string{"secretToken": fixture.SecretToken}, body: created(3, now), headers: []string{"Authorization", ""}, want: 503},
		"the challenge":                              {body: fresh, headers: []string{"Authorization", token}, want: 200},
		"the challenge without anything":             {body: challenge, want: 200},
		"the challenge, with no key to answer it by": {secret: map[string]string{"verificationToken": token}, body: fresh, headers: []string{"Authorization", token}, want: 503},
		"the token is nothing to an app that did not opt in": {
			scheme: func(spec *v1alpha1.ZoomAppSpec) { spec.Verification = v1alpha1.VerificationSecretToken },
			body:   created(3, now), headers: []string{"Authorization", token}, want: 401,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, namespace := controlplane.Client(t), controlplane.Namespace(t)
			scheme := tc.scheme
			if scheme == nil {
				scheme = legacy
			}
			servertest.CreateApp(t, c, namespace, servertest.WithApp(scheme))
			if tc.secret == nil {
				tc.secret = map[string]string{"secretToken": fixture.SecretToken, "verificationToken": token + "\n" + older}
			}
			secret := fixture.Get(t, c, namespace, fixture.SecretName, &corev1.Secret{})
			secret.Data, secret.StringData = nil, tc.secret
			if err := c.Update(t.Context(), secret); err != nil {
				t.Fatal(err)
			}
			r := servertest.StartReplica(t, namespace)
			a := fixture.Do(t, fixture.Request(t, http.MethodPost, r.Endpoint(namespace), tc.body, tc.headers...))
			if a.Status != tc.want {
				t.Errorf("answered %d, want %d", a.Status, tc.want)
			}
			if stored := len(fixture.Meetings(t, c, namespace)); stored != 0 != (tc.want == http.StatusNoContent) {
				t.Errorf("%d meetings are stored", stored)
			}
			if strings.Contains(r.Logs.String(), token) || strings.Contains(r.Logs.String(), older) {
				t.Error("a log has the token in it")
			}
		})
	}
}

func TestVerificationTokenIsRotated(t *testing.T) {
	const newer, older = "verification-token-0002", "verification-token-0001"
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	servertest.CreateApp(t, c, namespace, servertest.WithApp(func(spec *v1alpha1.ZoomAppSpec) { spec.Verification = v1alpha1.VerificationVerificationToken }))
	set := func(value string) {
		secret := fixture.Get(t, c, namespace, fixture.SecretName, &corev1.Secret{})
		secret.Data["verificationToken"] = []byte(value)
		if err := c.Update(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
	}
	set(older)
	r := servertest.StartReplica(t, namespace)
	body := fmt.Appendf(nil, `{"event":"endpoint.url_validation","event_ts":%d,"payload":{"plainToken":"abc"}}`, time.Now().UnixMilli())
	event := fmt.Appendf(nil, `{"event":"unknown.event","event_ts":%d,"payload":{}}`, time.Now().UnixMilli())
	if a := fixture.Do(t, fixture.Request(t, http.MethodPost, r.Endpoint(namespace), body, "Authorization", older)); a.Status != http.StatusOK {
		t.Fatalf("answered %d", a.Status)
	}
	set(newer + "\n" + older)
	servertest.Until(t, "the new token is accepted", func() bool {
		return fixture.Do(t, fixture.Request(t, http.MethodPost, r.Endpoint(namespace), event, "Authorization", newer)).Status == http.StatusNoContent
	})
}
