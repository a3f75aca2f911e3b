package consent_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/servertest"
)

// Zoom asks at one path for all apps of a host, so the apps take turns: one at a time has a code.
func TestZoomsFileVerifiesTheDomain(t *testing.T) {
	s := servertest.NewStage(t, servertest.WithApp(func(spec *v1alpha1.ZoomAppSpec) { spec.DomainVerification = "3f2a9c0d-AB_1" }))
	page := s.Browser(t).Open(t, urls.DomainVerification)
	if page.Status != http.StatusOK || page.Body != "3f2a9c0d-AB_1" {
		t.Errorf("answered %d %q", page.Status, page.Body)
	}
	if got := page.Header; !strings.HasPrefix(got.Get("Content-Type"), "text/html") || got.Get("X-Content-Type-Options") != "nosniff" || got.Get("Content-Security-Policy") == "" {
		t.Errorf("the headers are %v", got)
	}
	without := servertest.NewStage(t)
	if page := without.Browser(t).Open(t, urls.DomainVerification); page.Status != http.StatusNotFound {
		t.Errorf("without a code, answered %d %q", page.Status, page.Body)
	}
}

func TestPagesSayWhoRunsTheApp(t *testing.T) {
	s := servertest.NewStage(t, servertest.WithApp(func(spec *v1alpha1.ZoomAppSpec) {
		spec.DisplayName = "Study <Groups>"
		spec.Publisher = &v1alpha1.Publisher{Name: "Ana's & Co", SupportURL: "https://groups.example.org/help?a=1&b=2", PrivacyURL: "https://groups.example.org/privacy"}
	}))
	v := s.Browser(t)
	pages := map[string]servertest.Seen{"the first page": v.Open(t, s.Path(urls.Install)), "a problem": v.Open(t, s.Path(urls.Callback)), "the result": v.Agree(t, "", servertest.Ana)}
	for name, page := range pages {
		for _, text := range []string{"Study &lt;Groups&gt;", "Ana&#39;s &amp; Co", `href="https://groups.example.org/help?a=1&amp;b=2"`, `href="https://groups.example.org/privacy"`} {
			if !strings.Contains(page.Body, text) {
				t.Errorf("%s does not have %s:\n%s", name, text, page.Body)
			}
		}
		if strings.Contains(page.Body, s.App.Name+"<") || strings.Contains(page.Body, "<Groups>") || strings.Contains(page.Body, "Terms of use") {
			t.Errorf("%s shows more than it should:\n%s", name, page.Body)
		}
	}
}
