package events

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// What a developer has Zoom send besides the signature neither helps nor hurts: the signature alone
// counts, with each custom header.
func TestCustomHeadersDoNotCount(t *testing.T) {
	app := fixture.AppOf("headers")
	handler, _ := offline(t, time.Now, app, fixture.SecretToken)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/token" {
			_, _ = w.Write([]byte(`{"access_token":"t0ken","token_type":"bearer","expires_in":"3600"}`))
			return
		}
		handler.ServeHTTP(w, r)
	}))
	defer server.Close()
	for name, header := range map[string]zoomtest.CustomHeader{
		"none":              {},
		"the retired token": {VerificationToken: "r3tired"},
		"Basic":             {Type: zoomtest.HeaderBasic, Username: "zoom", Password: "p4ss"},
		"OAuth":             {Type: zoomtest.HeaderOAuth, ClientID: "zoom", ClientSecret: "s3cr3t", TokenURL: server.URL + "/token?grant_type=client_credentials"},
		"a key":             {Type: zoomtest.HeaderKeyValue, Key: "x-from", Value: "zoom"},
	} {
		t.Run(name, func(t *testing.T) {
			z, err := zoomtest.New(zoomtest.Config{
				Endpoint: server.URL + urls.Webhook(app.Namespace, app.Name), SecretToken: fixture.SecretToken, CustomHeader: header, Transport: server.Client().Transport,
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := z.Validate(t.Context()); err != nil {
				t.Error(err)
			}
			body := fixture.Weekly("AccT_headers", "hOsT_headers", 81000000001).Created(fixture.MinutesAgo(1)).Body
			for signed, tt := range map[string]struct {
				options []zoomtest.RequestOption
				want    int
			}{
				"rightly":           {nil, http.StatusNoContent},
				"by another secret": {[]zoomtest.RequestOption{zoomtest.SignedWith("another")}, http.StatusServiceUnavailable},
				"not at all":        {[]zoomtest.RequestOption{zoomtest.Unsigned()}, http.StatusUnauthorized},
			} {
				req, err := z.Request(t.Context(), body, tt.options...)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := server.Client().Do(req)
				if err != nil {
					t.Fatal(err)
				}
				if err := resp.Body.Close(); err != nil || resp.StatusCode != tt.want {
					t.Errorf("signed %s it is answered %d, %v, want %d", signed, resp.StatusCode, err, tt.want)
				}
			}
		})
	}
}
