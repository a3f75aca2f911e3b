package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/test/cluster"
	"github.com/zoom-operator/zoom-operator/test/fixture"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// tokenScale is how much faster tokens age than at Zoom, so that one can watch them being
// refreshed: an hour is two minutes.
const tokenScale = 30

// site is Zoom's web site and REST API, as far as consents and one meeting go.
type site struct {
	*zoomtest.Server
	url  string
	http *http.Server
}

// openSite makes the site reachable on a free port.
func openSite(ctx context.Context) (*site, error) {
	var users []zoomtest.Login
	for _, a := range accounts() {
		users = append(users, zoomtest.Login{Account: a, User: host(a)})
	}
	server, err := zoomtest.NewServer(zoomtest.ServerConfig{Users: users, Scale: tokenScale})
	if err != nil {
		return nil, err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("the simulated Zoom cannot listen: %w", err)
	}
	s := &site{Server: server, url: "http://" + listener.Addr().String(), http: &http.Server{Handler: server, ReadHeaderTimeout: 10 * time.Second}}
	go func() { _ = s.http.Serve(listener) }() // it ends with this program
	return s, nil
}

// register registers the app at Zoom, as its developer does in the build flow, and another one of
// the developer's own account, which may read the webhook log.
func (s *site) register(o *cluster.Operator, keys fixture.Credentials, developerSecret string, webhooks *zoomtest.Zoom) error {
	app := fixture.Registration(newApp(), keys, o.URL)
	app.Scopes = []string{
		"meeting:read:list_meetings:admin", "meeting:read:meeting:admin", "meeting:read:past_meeting:admin", "meeting:read:participant:admin",
		"user:read:list_users:admin", "user:read:user:admin",
	}
	app.ID, app.Webhooks = appID, webhooks
	return errors.Join(s.Register(app), s.Register(zoomtest.App{
		ClientID: developerClientID, ClientSecrets: []string{developerSecret}, AccountID: developerAccount, Scopes: []string{zoom.LogScopeAdmin},
	}))
}

// plan lets the REST API know of a meeting that is planned before its host installs the app.
func (s *site) plan(now time.Time) {
	s.Plan(plannedBefore(now), now.AddDate(0, 0, -7))
}

// remember lets the REST API know of the meeting of a day whose end is lost.
func (s *site) remember(d day) {
	s.Hold(d.lost)
	s.End(d.lost, d.lostEnds)
}

// installURL is where a customer begins.
func installURL(o *cluster.Operator) string {
	return o.URL + urls.Install(community, appName)
}

// consent does what a customer's browser does: the install page, Zoom's consent page, and the
// callback.
func (s *site) consent(ctx context.Context, o *cluster.Operator, account zoomtest.Account) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if _, err := open(ctx, browser, installURL(o), http.StatusOK); err != nil {
		return err
	}
	question, err := open(ctx, browser, o.URL+urls.Start(community, appName), http.StatusSeeOther)
	if err != nil {
		return err
	}
	answer, err := s.Consent(question, host(account).ID)
	if err != nil {
		return err
	}
	result, err := open(ctx, browser, answer, http.StatusSeeOther)
	if err != nil {
		return err
	}
	_, err = open(ctx, browser, o.URL+result, http.StatusOK)
	return err
}

// open loads a page and returns where it leads.
func open(ctx context.Context, browser *http.Client, address string, want int) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return "", err
	}
	resp, err := browser.Do(req)
	if err != nil {
		return "", err
	}
	_, readErr := io.Copy(io.Discard, resp.Body)
	if err := errors.Join(readErr, resp.Body.Close()); err != nil {
		return "", err
	}
	if resp.StatusCode != want {
		page, _ := url.Parse(address)
		return "", fmt.Errorf("%s answers %s", page.Path, resp.Status)
	}
	return resp.Header.Get("Location"), nil
}

// consents lets every group install the app, apart from the one that does not.
func (w *world) consents(ctx context.Context) error {
	for _, account := range accounts() {
		if account == workshop {
			continue
		}
		if err := w.site.consent(ctx, w.operator, account); err != nil {
			return fmt.Errorf("the consent of %s: %w", account.ID, err)
		}
	}
	return nil
}

// installation is the name of the ZoomInstallation of an account, as kubectl knows it.
func (w *world) installation(ctx context.Context, account zoomtest.Account) (string, error) {
	out, err := w.Kubectl(ctx, "get", "zi", "--field-selector", "spec.accountID="+account.ID, "-o", "name")
	name := strings.TrimSpace(out)
	if err == nil && (name == "" || strings.Contains(name, "\n")) {
		err = fmt.Errorf("kubectl shows not one installation of %s, but %q", account.ID, name)
	}
	return name, err
}
