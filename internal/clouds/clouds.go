// Package clouds says where each of Zoom's clouds is. Only whoever runs the operator can name
// another one: who may write a ZoomApp chooses which credentials are sent, and must not choose
// where.
package clouds

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// Cloud is where a cloud is, as a scheme and a host each.
type Cloud struct {
	// WebURL is where people consent and tokens are exchanged.
	WebURL string
	// APIURL is the base of the REST API, without the version.
	APIURL string
}

// OAuth is a client at the authorization server and the REST API of the cloud.
func (c Cloud) OAuth(clientID string, clientSecrets []string, http *http.Client) *zoom.OAuth {
	return &zoom.OAuth{ClientID: clientID, ClientSecrets: clientSecrets, WebURL: c.WebURL, APIURL: c.APIURL, HTTP: http}
}

// zooms are the clouds of Zoom itself.
var zooms = map[v1alpha1.Cloud]Cloud{
	v1alpha1.CloudCommercial: {WebURL: "https://zoom.us", APIURL: "https://api.zoom.us"},
	v1alpha1.CloudGovernment: {WebURL: "https://zoomgov.com", APIURL: "https://api.zoomgov.com"},
}

// Others are the clouds that an operator knows besides Zoom's own. It is the flag.Value that adds
// one. The zero value has none.
type Others map[v1alpha1.Cloud]Cloud

// Find is where the cloud of that name is. The empty name is the default of the API.
func (o Others) Find(name v1alpha1.Cloud) (Cloud, bool) {
	if name == "" {
		name = v1alpha1.CloudCommercial
	}
	if c, ok := zooms[name]; ok {
		return c, true
	}
	c, ok := o[name]
	return c, ok
}

// At is the name of the cloud in which people consent at that URL; empty when there is none.
func (o Others) At(webURL string) v1alpha1.Cloud {
	for _, known := range []map[v1alpha1.Cloud]Cloud{zooms, o} {
		for name, c := range known {
			if host(c.WebURL) != "" && host(c.WebURL) == host(webURL) {
				return name
			}
		}
	}
	return ""
}

// host is the host and the port of a URL; empty when it has none.
func host(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}

// namePattern is that of spec.cloud.
var namePattern = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,31}$`)

// Set adds a cloud, from NAME=WEB_URL,API_URL.
func (o *Others) Set(value string) error {
	name, urls, _ := strings.Cut(value, "=")
	web, api, both := strings.Cut(urls, ",")
	switch cloud := v1alpha1.Cloud(name); {
	case !both:
		return fmt.Errorf("a cloud is NAME=WEB_URL,API_URL, not %q", value)
	case !namePattern.MatchString(name):
		return fmt.Errorf("the name of a cloud is a capital letter and up to 31 letters and digits, not %q", name)
	case !base(web) || !base(api):
		return fmt.Errorf("the URLs of a cloud are a scheme and a host each, with no slash at the end, not %q", urls)
	default:
		if _, known := o.Find(cloud); known {
			return fmt.Errorf("there is a cloud %s already", name)
		}
		if *o == nil {
			*o = Others{}
		}
		(*o)[cloud] = Cloud{WebURL: web, APIURL: api}
		return nil
	}
}

// base says whether a text is a scheme and a host, and nothing else.
func base(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.Scheme+"://"+u.Host == text
}

// String is the names.
func (o *Others) String() string {
	if o == nil {
		return ""
	}
	return fmt.Sprint(slices.Sorted(maps.Keys(*o)))
}
