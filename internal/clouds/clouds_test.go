package clouds

import (
	"testing"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

func TestWhereTheCloudsAre(t *testing.T) {
	var o Others
	if err := o.Set("Local=http://127.0.0.1:9000,http://127.0.0.1:9001"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[v1alpha1.Cloud]Cloud{
		"":           {"https://zoom.us", "https://api.zoom.us"},
		"Commercial": {"https://zoom.us", "https://api.zoom.us"},
		"Government": {"https://zoomgov.com", "https://api.zoomgov.com"},
		"Local":      {"http://127.0.0.1:9000", "http://127.0.0.1:9001"},
		"Elsewhere":  {},
		"local":      {},
	} {
		if got, known := o.Find(name); got != want || known != (want != Cloud{}) {
			t.Errorf("%q is at %v, known: %v", name, got, known)
		}
	}
	for url, want := range map[string]v1alpha1.Cloud{
		"https://zoom.us":       "Commercial",
		"https://ZOOMGOV.com/":  "Government",
		"http://127.0.0.1:9000": "Local",
		"http://127.0.0.1:9001": "",
		"https://evil.example":  "",
		"https://zoom.us:8443":  "",
		"zoom.us":               "",
		"":                      "",
	} {
		if got := o.At(url); got != want {
			t.Errorf("at %q is %q, want %q", url, got, want)
		}
	}
}

func TestWhatIsNoCloud(t *testing.T) {
	for _, value := range []string{
		"", "Local", "Local=", "Local=http://127.0.0.1:9000", "=http://a,http://b", "local=http://a,http://b", "Lo cal=http://a,http://b",
		"Local=a,b", "Local=http://a/,http://b", "Local=http://a,http://b/v2", "Local=http://me@a,http://b", "Local=http://a,ftp://b", "Local=http://a,http://b,http://c",
		"Commercial=http://a,http://b", "Government=http://a,http://b", "Known=http://a,http://b",
	} {
		o := Others{"Known": {"http://a", "http://b"}}
		if err := o.Set(value); err == nil || len(o) != 1 {
			t.Errorf("%q is taken: %v", value, o)
		}
	}
}
