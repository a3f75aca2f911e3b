package consent

import (
	"html/template"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-logr/logr"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/webhookserver/telemetry"
)

// Whatever a page says, it says in every language, about the same, and in as many paragraphs.
func TestEveryLanguageSaysEverything(t *testing.T) {
	placeholders := regexp.MustCompile(`\{\w+\}`)
	for _, says := range tongues {
		t.Run(says.tag.String(), func(t *testing.T) {
			if want, got := slices.Sorted(maps.Keys(english.Words)), slices.Sorted(maps.Keys(says.Words)); !slices.Equal(want, got) {
				t.Errorf("there are the words\n%q, want\n%q", got, want)
			}
			for key, text := range says.Words {
				want, got := placeholders.FindAllString(english.Words[key], -1), placeholders.FindAllString(text, -1)
				if slices.Sort(want); !slices.Equal(want, slices.Sorted(slices.Values(got))) || strings.TrimSpace(text) != text || text == "" {
					t.Errorf("%s says %q", key, text)
				}
			}
			if want, got := slices.Sorted(maps.Keys(problems)), slices.Sorted(maps.Keys(says.Problems)); !slices.Equal(want, got) {
				t.Errorf("there are the problems\n%q, want\n%q", got, want)
			}
			for reason, p := range says.Problems {
				if len(p.Text) != len(english.Problems[reason].Text) || slices.Contains(p.Text, "") {
					t.Errorf("the page of %s says %q", reason, p.Text)
				}
			}
		})
	}
}

// Every word is on some page, and every page has its words.
func TestPagesHaveTheirWords(t *testing.T) {
	publisher := &v1alpha1.Publisher{Name: "Ana", SupportURL: "https://a.example/s", PrivacyURL: "https://a.example/p", TermsURL: "https://a.example/t"}
	for _, says := range tongues {
		t.Run(says.tag.String(), func(t *testing.T) {
			var all strings.Builder
			for page := range pages {
				for _, yes := range []bool{true, false} {
					v := view{
						tongue: says, App: "app", Publisher: publisher, Admin: yes, Invited: yes, ByInvitation: !yes, Participants: yes, KeepsAccess: yes,
						Scopes: []string{"s"}, Continue: "/c", Confirm: "/f", Install: "/i",
					}
					if yes {
						v.Missing = []v1alpha1.Scope{"m"}
					}
					for _, admin := range []bool{true, false} {
						for _, invited := range []bool{true, false} {
							v.Admin, v.Invited = admin, invited
							body, err := render(page, v)
							if err != nil {
								t.Fatal(err)
							}
							all.Write(body)
						}
					}
				}
			}
			for key := range says.Words {
				if strings.HasPrefix(key, "install.title") || strings.HasPrefix(key, "confirm.title") || strings.HasPrefix(key, "installed.title") {
					continue // which the handlers put there
				}
				text, err := says.markup(key, "app", "Ana")
				if err != nil || !strings.Contains(all.String(), string(text)) {
					t.Errorf("no page says %s: %q", key, text)
				}
			}
		})
	}
}

func TestThePageIsInTheBrowsersLanguage(t *testing.T) {
	h := &Handler{service: &service{logger: logr.Discard()}}
	for accept, want := range map[string]string{
		"":                                "en",
		"de":                              "de",
		"de-CH,de;q=0.9,en;q=0.8":         "de",
		"es-419,es;q=0.9":                 "es",
		"fr-CA;q=0.4,en-GB;q=0.3":         "fr",
		"en-US,en;q=0.9,de;q=0.8":         "en",
		"ja,pl;q=0.9":                     "en",
		"ja,de;q=0.5":                     "de",
		"*":                               "en",
		`"><script>alert(1)</script>`:     "en",
		strings.Repeat("de,", 100) + "de": "de",
		strings.Repeat("de,", 1000):       "en",
	} {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Header.Set("Accept-Language", accept)
		w := httptest.NewRecorder()
		h.Nowhere(w, r)
		title := template.HTMLEscapeString(tongues[slices.IndexFunc(tongues, func(l *tongue) bool { return l.tag.String() == want })].Problems[telemetry.ReasonNoApp].Title)
		if w.Code != http.StatusNotFound || w.Header().Get("Content-Language") != want || w.Header().Get("Content-Security-Policy") == "" ||
			!strings.Contains(w.Body.String(), `<html lang="`+want+`">`) || !strings.Contains(w.Body.String(), title) {
			t.Errorf("for %q the page is %d %v\n%s", accept, w.Code, w.Header(), w.Body)
		}
	}
}
