package consent

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/zoom-operator/zoom-operator/internal/sealing"
	"github.com/zoom-operator/zoom-operator/internal/urls"
)

func TestConsentsInOneBrowser(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	box := sealing.New([]string{"secret"}, "ns", "app")
	through := func(t *testing.T, c flows, at time.Time) flows {
		t.Helper()
		cookie, err := c.seal(box, urls.Pages("ns", "app"), true, noon)
		if err != nil {
			t.Fatal(err)
		}
		opened, _ := openFlows(box, []*http.Cookie{cookie}, at)
		return opened
	}

	t.Run("four tabs are remembered, and the fifth pushes the first out", func(t *testing.T) {
		var c flows
		var states []string
		for range 5 {
			states = append(states, c.begin(flow{Verifier: "v"}, noon))
		}
		c = through(t, c, noon)
		for i, state := range states {
			if found := c.find(state) != nil; found != (i > 0) {
				t.Errorf("tab %d is remembered: %t", i+1, found)
			}
		}
	})
	t.Run("a consent is forgotten after ten minutes", func(t *testing.T) {
		var c flows
		state := c.begin(flow{}, noon)
		if through(t, c, noon.Add(10*time.Minute-time.Second)).find(state) == nil {
			t.Error("it is forgotten before")
		}
		if through(t, c, noon.Add(10*time.Minute)).find(state) != nil {
			t.Error("it is remembered after")
		}
	})
	t.Run("what was used is remembered without its secrets", func(t *testing.T) {
		var c flows
		state := c.begin(flow{Verifier: "v", Invitation: "i", Code: "c"}, noon)
		flow := c.find(state).id()
		c.find(state).use(ending{Reason: reasonInstalled, Installation: "app-1", UID: "uid"}, noon)
		c = through(t, c, noon)
		p := c.find(state)
		if p == nil || !p.Used || p.Verifier+p.Code != "" || p.Invitation != "i" || *p.End != (ending{reasonInstalled, "app-1", "uid"}) {
			t.Fatalf("remembered is %+v", p)
		}
		if c.ended(flow) != p || c.ofCode("c") != p {
			t.Error("it is not found by the address of its result, or by its code")
		}
		if c.ended("") != nil || c.ofCode("") != nil || c.ofCode("d") != nil || strings.Contains(flow, state) {
			t.Errorf("more is found than that, or %s holds the state", flow)
		}
	})
	t.Run("what is under way has no result", func(t *testing.T) {
		var c flows
		c.begin(flow{}, noon)
		if c.ended(c[0].id()) != nil {
			t.Error("found one")
		}
	})
	t.Run("no state is no consent", func(t *testing.T) {
		var c flows
		c.begin(flow{}, noon)
		if c.find("") != nil {
			t.Error("found one")
		}
	})
	t.Run("states and verifiers are not guessable from each other", func(t *testing.T) {
		var c flows
		if a, b := c.begin(flow{}, noon), c.begin(flow{}, noon); a == b || len(a) < 26 {
			t.Errorf("two states are %q and %q, want 128 random bits each", a, b)
		}
	})
	t.Run("a cookie of ours is found among those that another site of the domain has set", func(t *testing.T) {
		var c flows
		state := c.begin(flow{}, noon)
		cookie, err := c.seal(box, urls.Pages("ns", "app"), true, noon)
		if err != nil {
			t.Fatal(err)
		}
		opened, ok := openFlows(box, []*http.Cookie{{Value: "forged"}, cookie}, noon)
		if !ok || opened.find(state) == nil {
			t.Error("it is not found")
		}
	})
}

func TestTheCookieIsForThesePagesAlone(t *testing.T) {
	box := sealing.New([]string{"secret"}, "ns", "app")
	for name, tc := range map[string]struct {
		secure bool
		want   string
	}{
		"behind TLS":  {secure: true, want: "__Secure-zoom-consent"},
		"without TLS": {secure: false, want: "zoom-consent"},
	} {
		t.Run(name, func(t *testing.T) {
			c := flows{{State: "s"}}
			cookie, err := c.seal(box, urls.Pages("ns", "app"), tc.secure, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if cookie.Name != tc.want || cookie.Secure != tc.secure || !cookie.HttpOnly ||
				cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/oauth/ns/app/" || cookie.Domain != "" || cookie.MaxAge != 600 {
				t.Errorf("the cookie is %+v", cookie)
			}
		})
	}
}

// Whatever a browser has under way, the cookie stays small enough to be kept, and the consent begun
// last is in it.
func TestTheCookieAlwaysFits(t *testing.T) {
	box := sealing.New([]string{"secret"}, strings.Repeat("n", 63), strings.Repeat("a", 40))
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1772442005, 0)
		var c flows
		var last string
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 2048), 1, 6).Draw(t, "lengths") {
			last = c.begin(flow{Code: strings.Repeat("x", n), Verifier: strings.Repeat("v", 43)}, now)
		}
		cookie, err := c.seal(box, urls.Pages("ns", "app"), true, now)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(cookie.Name) + len(cookie.Value); n > 4096 {
			t.Fatalf("name and value have %d bytes", n)
		}
		opened, ok := openFlows(box, []*http.Cookie{cookie}, now)
		if !ok || opened.find(last) == nil {
			t.Fatal("the consent begun last is not in it")
		}
	})
}
