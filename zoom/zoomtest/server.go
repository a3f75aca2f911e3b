package zoomtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/zoom-operator/zoom-operator/zoom"
)

// ServerConfig is the users of a Server, and how fast its tokens expire.
type ServerConfig struct {
	// Users are those who can consent. The consent page offers all of them; the first is the one
	// who is signed in.
	Users []Login

	// Clock is the time that codes and tokens expire by; nil means the real one.
	Clock Clock

	// Scale shortens the life of tokens: 1 (or 0) is Zoom's own pace, 60 turns the hour of an
	// access token into a minute, which its expires_in says too, and the 90 days of a refresh token
	// into 36 hours. Codes are good for CodeLifetime at any scale, for a browser runs at its own
	// speed.
	Scale float64

	// APIURL is the api_url of token answers; they have none when it is empty.
	APIURL string

	// Lenient makes a Server accept what Zoom's documentation shows or does not forbid. Without it
	// a Server is as strict as the RFCs of OAuth allow it to be: a code that is used twice ends
	// what was given for it (RFC 6749, 4.1.2), a refresh token that is used twice ends its consent
	// (RFC 9700, 4.14.2), the authorization server takes forms alone, with each known parameter
	// once and the client secret in the Authorization header.
	Lenient bool
}

// Login is a user, in the account that the user belongs to.
type Login struct {
	Account Account
	User    User

	// Inactive is a user whom an admin has deactivated.
	Inactive bool
}

// App is an app that a developer registered at Zoom.
type App struct {
	ClientID string

	// ID is that of the app in the Marketplace, by which its webhook log is read; without it the
	// app has none.
	ID string

	// ClientSecrets are accepted, each: there are two while one is being rotated.
	ClientSecrets []string

	// RedirectURLs are where consents may return to, compared letter by letter. A Server-to-Server
	// app needs none.
	RedirectURLs []string

	// AccountID makes it a Server-to-Server app of this account: it has no customers, and its token
	// is one of the account, with the Scopes.
	AccountID string

	// Scopes are what a consent grants from now on. Tokens of earlier consents keep theirs.
	Scopes []string

	// OptionalScopes are those of the Scopes that a user can leave out of a consent.
	OptionalScopes []string

	// AdminManaged makes every consent one for the whole account: when one admin removes the app,
	// the tokens of all admins of the account die.
	AdminManaged bool

	// Disabled makes the token endpoint refuse the app.
	Disabled bool

	// RefuseOldScopes makes the token endpoint refuse to refresh a token whose scopes are not the
	// app's Scopes any more, with code 4711. Zoom documents the code, but not whether a change of
	// the app's scopes leads to it.
	RefuseOldScopes bool

	// OneAccessToken makes a refresh end the previous access token. Zoom's staff said so in 2022;
	// the documentation of today lets several live, of another kind of app.
	OneAccessToken bool

	// QuietRevocation answers the revocation of a token that is dead or unknown with success, as
	// RFC 7009 (2.2) wants it. Zoom documents neither this nor the refusal that is given without
	// it.
	QuietRevocation bool

	// Callback is what callbacks carry besides code or error and state, for instance the iss of RFC
	// 9207, or an unknown parameter.
	Callback map[string]string

	// NamesEvents has a refusal of events say which it is about. Zoom does not document whether it
	// does.
	NamesEvents bool

	// KeepsSubscribers leaves customers who remove the app in its event subscriptions. Zoom does
	// not document whether it takes them out.
	KeepsSubscribers bool

	// DeauthorizationForm is that of app_deauthorized.
	DeauthorizationForm DeauthorizationForm

	// Webhooks sends app_deauthorized when the app is removed, and validates the URLs of event
	// subscriptions that are created; without it nothing is sent, and no URL is valid.
	Webhooks *Zoom

	// WebhookLog is how the log of these webhooks shows them.
	WebhookLog WebhookLog
}

// WebhookLog is how Zoom's log of an app's webhooks shows them.
type WebhookLog struct {
	// OddTimes has a colon before the milliseconds, as the example in Zoom's documentation.
	OddTimes bool
	// CutOff ends the bodies of these events too early.
	CutOff []string
	// NewestFirst has the latest attempts first: the order is not documented.
	NewestFirst bool
}

// CodeLifetime is how long an authorization code can be exchanged.
const CodeLifetime = 5 * time.Minute

const (
	accessTokenLifetime  = time.Hour
	refreshTokenLifetime = 90 * 24 * time.Hour
)

// Server is Zoom's web site and REST API, as far as consents, tokens and the reads of meetings go:
// an http.Handler with the consent page at GET /oauth/authorize, POST /oauth/token, POST
// /oauth/revoke, GET /v2/users, GET /v2/users/me, GET /v2/users/{id}/meetings, GET
// /v2/past_meetings/{uuid}, GET /v2/meetings/{number}, event subscriptions at /v2/marketplace/app,
// and the log of webhooks at GET /v2/marketplace/apps/{id}/webhook_logs. A request is answered by
// what is registered, consented, planned and held at the time, or by a Fault. Its methods may be
// used concurrently.
type Server struct {
	config ServerConfig
	mux    *http.ServeMux

	mu      sync.Mutex
	issued  int            // refresh tokens so far
	apps    map[string]App // by client ID
	grants  map[installation]*grant
	codes   map[string]*code
	refresh map[string]*refreshToken
	access  map[string]*accessToken
	held    []*held
	planned []planned
	pages   map[string]page
	subs    []*Subscription
	faults  map[Step][]*injected
	// forbidden are the events that the role of a user does not allow, each with the user's ID.
	forbidden map[[2]string]bool
	stats     Stats
}

// Register adds an app, or changes the one with the same client ID: other scopes, another secret.
// Consents stay.
func (s *Server) Register(app App) error {
	if app.ClientID == "" || len(app.ClientSecrets) == 0 || slices.Contains(app.ClientSecrets, "") ||
		(len(app.RedirectURLs) == 0) != (app.AccountID != "") {
		return errors.New("zoomtest: an app needs a client ID, client secrets, and either redirect URLs or an account")
	}
	app.ClientSecrets = slices.Clone(app.ClientSecrets)
	app.RedirectURLs = slices.Clone(app.RedirectURLs)
	app.Scopes = slices.Clone(app.Scopes)
	app.Callback = maps.Clone(app.Callback)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apps[app.ClientID] = app
	return nil
}

// Remove is what a customer does at Zoom: the user removes the app. Tokens die at once, and
// app_deauthorized is on its way; the Wait of the app's Webhooks ends when it has arrived.
func (s *Server) Remove(ctx context.Context, clientID, accountID, userID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.uninstall(ctx, installation{clientID, accountID, userID}) {
		return fmt.Errorf("zoomtest: user %s of account %s has not installed app %s", userID, accountID, clientID)
	}
	return nil
}

// Kill makes the tokens of a consent die silently, as they do when the user is deleted (4735), an
// admin withdraws an approval (4738) or the consent is revoked (4741). The code is Zoom's number
// for the cause.
func (s *Server) Kill(clientID, accountID, userID string, code int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.grants[installation{clientID, accountID, userID}]
	if g == nil {
		return fmt.Errorf("zoomtest: user %s of account %s has not installed app %s", userID, accountID, clientID)
	}
	s.end(g, code)
	return nil
}

// Installed reports whether there is a consent whose tokens live.
func (s *Server) Installed(clientID, accountID, userID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.grants[installation{clientID, accountID, userID}] != nil
}

// uninstall ends the consent, and in an admin-managed app all of the account's, and reports it.
// s.mu is held.
func (s *Server) uninstall(ctx context.Context, removed installation) bool {
	if s.grants[removed] == nil {
		return false
	}
	app := s.apps[removed.clientID]
	for at, g := range s.grants {
		if at == removed || app.AdminManaged && at.clientID == removed.clientID && at.accountID == removed.accountID {
			s.end(g, 0)
			s.leaves(at)
		}
	}
	if app.Webhooks != nil {
		account := Account{ID: removed.accountID}
		e := account.AppDeauthorized(s.config.Clock.Now(), removed.clientID, removed.userID, app.DeauthorizationForm)
		// In the background, and longer than the request: the client that asked for the removal may
		// be the one that answers the webhook.
		ctx = context.WithoutCancel(ctx)
		app.Webhooks.background(func() { app.Webhooks.Deliver(ctx, e) })
	}
	return true
}

// leaves takes a customer who removed the app out of its subscriptions. s.mu is held.
func (s *Server) leaves(removed installation) {
	if s.apps[removed.clientID].KeepsSubscribers {
		return
	}
	for _, sub := range s.subs {
		if sub.clientID == removed.clientID {
			sub.Members = slices.DeleteFunc(sub.Members, func(m string) bool {
				return m == removed.accountID+"/"+removed.userID || m == removed.accountID && !s.authorized(removed.clientID, m, "")
			})
		}
	}
}

// authorized says whether the user has the app, or without a user any one of the account. s.mu is
// held.
func (s *Server) authorized(clientID, accountID, userID string) bool {
	for in := range s.grants {
		if in.clientID == clientID && in.accountID == accountID && (userID == "" || in.userID == userID) {
			return true
		}
	}
	return false
}

// end makes a consent's tokens dead, once. s.mu is held.
func (s *Server) end(g *grant, code int) {
	if g.dead {
		return
	}
	g.dead, g.code = true, code
	delete(s.grants, g.installation)
}

// installation names a consent.
type installation struct {
	clientID, accountID, userID string
}

// grant is a consent that was exchanged. Its tokens point to it.
type grant struct {
	installation

	login  Login
	scopes []string

	dead bool
	code int // Zoom's number for why, if it has one

	inFlight int // refreshes
}

type code struct {
	clientID    string
	redirectURL string
	challenge   string
	method      string
	login       Login
	scopes      []string
	expires     time.Time
	used        bool
	grant       *grant // what it was exchanged for
}

type refreshToken struct {
	grant   *grant
	number  int
	expires time.Time
	spent   bool
}

type accessToken struct {
	grant   *grant
	expires time.Time
}

// planned is a meeting as the REST API knows it before it is held.
type planned struct {
	Meeting

	created time.Time
}

// page is the rest of a list that was begun.
type page struct {
	query   string // without the token
	rest    []object
	expires time.Time
}

// held is an instance as the REST API knows it.
type held struct {
	Instance

	end time.Time // zero while it is being held
}

// Subscription is an event subscription as the Server has it.
type Subscription struct {
	zoom.Subscription

	// Members are who is subscribed, each an account, or an account and a user with a slash between
	// them, sorted.
	Members []string

	// Header is what its requests carry besides the signature. That of the build flow is in the
	// Config of the app's Webhooks.
	Header CustomHeader

	clientID string
}

// Outcome is how a refresh ended.
type Outcome string

const (
	// Rotated means that the token was spent for a new one, though a Fault may have kept the new
	// one from the client.
	Rotated Outcome = "Rotated"

	// Reused means that the token had been spent before.
	Reused Outcome = "Reused"

	// Refused means that the token was unknown, dead or expired.
	Refused Outcome = "Refused"
)

// Refresh is one use of a refresh token.
type Refresh struct {
	At        time.Time
	ClientID  string
	AccountID string
	UserID    string
	Outcome   Outcome

	// Token is which of the refresh tokens it was that the Server has issued, in that order, and
	// Next the one that was issued for it; 0 when there is none.
	Token, Next int
}

// Stats counts what a Server has received.
type Stats struct {
	// Requests counts the requests of each step, those that met a Fault included.
	Requests map[Step]int

	// Refreshes are all uses of refresh tokens, except those that a Fault or a wrong client secret
	// kept from counting.
	Refreshes []Refresh

	// SpentTwice counts the Refreshes that were Reused.
	SpentTwice int

	// CodesSpentTwice counts the exchanges of codes that had been used before.
	CodesSpentTwice int

	// Violations are the reasons for which a Server that is not lenient refused requests.
	Violations []string

	// MaxRefreshesInFlight is the highest number of refreshes that one installation ever had at the
	// same time.
	MaxRefreshesInFlight int
}

// Stats returns the Stats so far.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.stats
	stats.Requests = maps.Clone(stats.Requests)
	stats.Refreshes = slices.Clone(stats.Refreshes)
	stats.Violations = slices.Clone(stats.Violations)
	return stats
}
