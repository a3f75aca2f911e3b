package consent

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/urls"
)

func TestEveryProblemHasItsPage(t *testing.T) {
	for reason, p := range problems {
		for _, says := range tongues {
			t.Run(reason+" in "+says.tag.String(), func(t *testing.T) {
				v := &consentRequest{
					app: &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "app"}}, tongue: says,
				}
				re := v.responseTo(refuse(reason))
				body, err := render(re.page, v.identified(re.view))
				if err != nil {
					t.Fatal(err)
				}
				page := string(body)
				if re.code < 400 || re.code > 599 {
					t.Errorf("its status is %d", re.code)
				}
				if n := strings.Count(page, "<h1>"); n != 1 {
					t.Errorf("it has %d headings of the first level", n)
				}
				words := says.Problems[reason]
				if !strings.Contains(page, "<title>") || !strings.Contains(page, `lang="`+says.tag.String()+`"`) || words.Title == "" || len(words.Text) == 0 {
					t.Error("it has no title, language or text")
				}
				if offered := strings.Contains(page, `href="`+urls.Install("ns", "app")+`"`); offered != p.again {
					t.Errorf("it offers to begin again: %t", offered)
				}
				for _, word := range []string{"operator", "Kubernetes", "Secret", "token", "OAuth", "state", "--"} {
					if text := strings.Join(append(words.Text, words.Title), " "); strings.Contains(text, word) {
						t.Errorf("it says %q to a customer", word)
					}
				}
			})
		}
	}
}

// What went wrong on the way to Zoom or to the API server is for the log: no page shows an address,
// a port or which server answered there.
func TestPagesTellNoAddress(t *testing.T) {
	h := &Handler{service: &service{externalURL: "https://zoom.example.org", now: time.Now, logger: logr.Discard()}}
	for reason := range problems {
		for name, cause := range map[string]error{
			"a connection":  &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.ParseIP("10.11.12.13"), Port: 6443}, Err: syscall.ECONNREFUSED},
			"a resolver":    &net.DNSError{Err: "no such host", Name: "inside.example", Server: "10.11.12.13:53"},
			"an API server": apierrors.NewInternalError(errors.New(`failed calling webhook: Post "https://inside.example:6443": dial tcp 10.11.12.13:6443`)),
		} {
			v := &consentRequest{app: &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "app"}}}
			answer := httptest.NewRecorder()
			h.write(answer, v, v.responseTo(&pageError{reason: reason, err: fmt.Errorf("asking 10.11.12.13:6443: %w", cause)}))
			for _, word := range []string{"10.11.12.13", "6443", "inside.example", ":53", "dial", "tcp", "webhook"} {
				if strings.Contains(answer.Body.String(), word) || strings.Contains(fmt.Sprint(answer.Header()), word) {
					t.Errorf("the page of %s tells %q of %s", reason, word, name)
				}
			}
		}
	}
}

func TestPagesShowWhatTheyAreGivenAsText(t *testing.T) {
	hostile := `"><script>alert(1)</script>`
	for page := range pages {
		t.Run(page, func(t *testing.T) {
			body, err := render(page, view{
				Title: hostile, App: hostile, Scopes: []string{hostile}, Continue: "javascript:alert(1)", State: hostile,
				Confirm: "javascript:alert(1)", Missing: []v1alpha1.Scope{v1alpha1.Scope(hostile)}, Text: []string{hostile}, Install: "javascript:alert(1)",
			})
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(body), "<script") || strings.Contains(string(body), "javascript:") {
				t.Errorf("what was given became markup:\n%s", body)
			}
		})
	}
}

func TestPagesLoadNothing(t *testing.T) {
	for page := range pages {
		t.Run(page, func(t *testing.T) {
			body, err := render(page, view{Title: "t", App: "a", Continue: "/c", Confirm: "/f", Install: "/i", Scopes: []string{"s"}, Missing: []v1alpha1.Scope{"m"}})
			if err != nil {
				t.Fatal(err)
			}
			if found := regexp.MustCompile(`(?i)\ssrc=|<link|<script|@import|url\(|https?://|\son[a-z]+=|\sstyle=`).FindString(string(body)); found != "" {
				t.Errorf("the page has %q", found)
			}
		})
	}
}

func TestThePolicyAllowsOurStyleAndNothingElse(t *testing.T) {
	body, err := render("problem", view{Title: "t"})
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(body), "<style>")
	sent, _, _ := strings.Cut(after, "</style>")
	sum := sha256.Sum256([]byte(sent))
	h := http.Header{}
	protect(h, false)
	want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
	if got := h.Get("Content-Security-Policy"); got != want {
		t.Errorf("the policy is\n%s, want\n%s", got, want)
	}
}

// Text and controls need a contrast of 4.5 and 3 to their ground, in the light and in the dark:
// WCAG 2.2, level AA.
func TestColoursCanBeRead(t *testing.T) {
	schemes := regexp.MustCompile(`:root\{([^}]*)\}`).FindAllStringSubmatch(style, -1)
	if len(schemes) != 2 {
		t.Fatalf("found %d colour schemes, want a light and a dark one", len(schemes))
	}
	for i, scheme := range schemes {
		colours := map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z-]+):(#[0-9a-f]+)`).FindAllStringSubmatch(scheme[1], -1) {
			colours[m[1]] = m[2]
		}
		for _, pair := range []struct {
			on, ground string
			least      float64
		}{
			{"text", "card", 4.5},
			{"quiet", "card", 4.5},
			{"accent", "card", 4.5},
			{"on-accent", "accent", 4.5},
			{"text", "note", 4.5},
			{"accent", "note", 4.5},
			{"quiet", "page", 4.5},
			{"accent", "page", 4.5},
			{"good", "card", 3},
			{"bad", "card", 3},
		} {
			if got := contrast(t, colours[pair.on], colours[pair.ground]); got < pair.least {
				t.Errorf("scheme %d: %s on %s has a contrast of %.2f, want %.1f", i+1, pair.on, pair.ground, got, pair.least)
			}
		}
	}
}

// contrast is the ratio that WCAG defines.
func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	la, lb := luminance(t, a), luminance(t, b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func luminance(t *testing.T, colour string) (sum float64) {
	t.Helper()
	digits := strings.TrimPrefix(colour, "#")
	if len(digits) == 3 {
		digits = fmt.Sprintf("%[1]c%[1]c%[2]c%[2]c%[3]c%[3]c", digits[0], digits[1], digits[2])
	}
	if len(digits) != 6 {
		t.Fatalf("%q is no colour", colour)
	}
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(digits[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
