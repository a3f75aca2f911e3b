package zoom_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/zoom"
)

// A deauthorization_time without a zone may be hours off; event_ts is not.
func TestARemovalIsDatedByATimeWithAZone(t *testing.T) {
	t.Parallel()
	ts := time.Date(2026, 11, 26, 11, 0, 0, 0, time.UTC)
	for at, want := range map[string]time.Time{
		"2026-11-26 19:00:00":  ts,
		"2026-11-26T10:59:00Z": ts.Add(-time.Minute),
	} {
		ev, err := zoom.ParseEvent([]byte(`{"event":"app_deauthorized","event_ts":1795690800000,"payload":{"account_id":"A","user_id":"U","deauthorization_time":"` + at + `"}}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := ev.Deauthorization.At; !got.Equal(want) {
			t.Errorf("%s: dated %s, want %s", at, got, want)
		}
	}
}

// What Zoom says of an access token elsewhere is said of the refresh token when that is all it was
// given.
func TestARefreshTokenThatIsCalledInvalid(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"error":"invalid_token"}`, `{"code":124,"message":"Invalid access token."}`} {
		site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, body)
		}))
		o := &zoom.OAuth{ClientID: "c", ClientSecrets: []string{"s"}, WebURL: site.URL, APIURL: site.URL, HTTP: zoom.NewHTTPClient()}
		_, err := o.Refresh(t.Context(), "r")
		site.Close()
		if !errors.Is(err, zoom.ErrGrant) {
			t.Errorf("%s: %v, want ErrGrant", body, err)
		}
	}
}

func TestAMissingScopeInTheWordsOfTheMarketplace(t *testing.T) {
	t.Parallel()
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"code":201,"message":"No permission."}`)
	}))
	defer site.Close()
	o := &zoom.OAuth{ClientID: "c", ClientSecrets: []string{"s"}, WebURL: site.URL, APIURL: site.URL, HTTP: zoom.NewHTTPClient()}
	if _, err := o.Me(t.Context(), "a", ""); !errors.Is(err, zoom.ErrScope) {
		t.Errorf("%v, want ErrScope", err)
	}
}
