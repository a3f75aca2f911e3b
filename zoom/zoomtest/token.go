package zoomtest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Mark is part of every code and token that a Server issues, and of every name, address, link and
// text in its answers about meetings, so that a test can look for them where they must not be.
const Mark = "eyJ6b29tdGVzdCI"

// newToken is as long as Zoom's, whose tokens are signed JSON in practice.
func newToken(kind string) string {
	return Mark + "." + kind + "." + rand.Text() + strings.Repeat("0", 1000)
}

// token is POST /oauth/token. If the Server is lenient, it takes its parameters from the body or
// the query.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	switch r.FormValue("grant_type") {
	case "authorization_code":
		s.step(StepExchange, s.strictly("authorization_code", s.exchange))(w, r)
	case "refresh_token":
		defer s.flight(r.FormValue("refresh_token"))()
		s.step(StepRefresh, s.strictly("refresh_token", s.rotate))(w, r)
	case "client_credentials":
		s.step(StepClientToken, s.strictly("client_credentials", s.clientToken))(w, r)
	case "account_credentials":
		s.step(StepAccountToken, s.strictly("account_credentials", s.accountToken))(w, r)
	case "":
		s.strictly("token", (&refusal{http.StatusBadRequest, "invalid_request", "missing grant type", 4706}).answer)(w, r)
	default:
		unsupportedGrant.write(w)
	}
}

// flight counts a refresh of the token's installation until the returned function is called.
func (s *Server) flight(token string) (landed func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := s.refresh[token]
	if known == nil {
		return func() {}
	}
	g := known.grant
	g.inFlight++
	s.stats.MaxRefreshesInFlight = max(s.stats.MaxRefreshesInFlight, g.inFlight)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		g.inFlight--
	}
}

// client authenticates an app by the Authorization header. s.mu is held.
func (s *Server) client(r *http.Request) (App, *refusal) {
	id, secret, _ := r.BasicAuth()
	id, errID := url.QueryUnescape(id)
	secret, errSecret := url.QueryUnescape(secret)
	app, known := s.apps[id]
	if errID != nil || errSecret != nil || !known || !slices.Contains(app.ClientSecrets, secret) {
		return App{}, &refusal{http.StatusUnauthorized, "invalid_client", "Invalid client_id or client_secret", 0}
	}
	if app.Disabled {
		return App{}, &refusal{http.StatusBadRequest, "unauthorized_client", "The app has been disabled", 4717}
	}
	return app, nil
}

func (s *Server) exchange(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	app, refused := s.client(r)
	if refused != nil {
		refused.write(w)
		return
	}
	c, refused := s.redeem(app, r)
	if refused != nil {
		refused.write(w)
		return
	}
	g := &grant{
		installation: installation{app.ClientID, c.login.Account.ID, c.login.User.ID},
		login:        c.login, scopes: c.scopes,
	}
	if earlier := s.grants[g.installation]; earlier != nil {
		s.end(earlier, 4741)
	}
	s.grants[g.installation], c.grant = g, g
	writeJSON(w, s.issue(g))
}

// redeem uses up the code of the request. s.mu is held.
func (s *Server) redeem(app App, r *http.Request) (*code, *refusal) {
	c := s.codes[r.FormValue("code")]
	if c != nil && c.used && c.clientID == app.ClientID {
		s.stats.CodesSpentTwice++
		if c.grant != nil && !s.config.Lenient {
			s.end(c.grant, 0)
		}
	}
	if c == nil || c.used || c.clientID != app.ClientID {
		// Zoom's answer repeats the code, which is why answers must not end up in logs.
		return nil, &refusal{
			http.StatusBadRequest, "invalid_request", "Invalid authorization code " + r.FormValue("code"), 0,
		}
	}
	c.used = true
	switch {
	case s.config.Clock.Now().After(c.expires):
		return nil, &refusal{http.StatusBadRequest, "invalid_request", "The authorization code has expired", 4733}
	case c.redirectURL != r.FormValue("redirect_uri"):
		return nil, &refusal{http.StatusBadRequest, "invalid_request", "The redirect URL does not match", 4709}
	case !proves(r.FormValue("code_verifier"), c.challenge, c.method):
		return nil, &refusal{http.StatusBadRequest, "invalid_grant", "The code verifier does not match", 0}
	}
	return c, nil
}

// proves is PKCE, RFC 7636 section 4.6. A verifier for a code that was requested without a
// challenge proves nothing: an attacker's code would be injected that way.
func proves(verifier, challenge, method string) bool {
	switch {
	case challenge == "" || verifier == "":
		return challenge == verifier
	case method == "S256":
		sum := sha256.Sum256([]byte(verifier))
		return base64.RawURLEncoding.EncodeToString(sum[:]) == challenge
	default:
		return verifier == challenge
	}
}

func (s *Server) rotate(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	app, refused := s.client(r)
	if refused != nil {
		refused.write(w)
		return
	}
	now := s.config.Clock.Now()
	use := Refresh{At: now, ClientID: app.ClientID, Outcome: Refused}
	refused = &refusal{http.StatusBadRequest, "invalid_grant", "Invalid Token!", 0}
	token := s.refresh[r.FormValue("refresh_token")]
	if token == nil || token.grant.clientID != app.ClientID {
		s.stats.Refreshes = append(s.stats.Refreshes, use)
		refused.write(w)
		return
	}
	g := token.grant
	use.AccountID, use.UserID, use.Token = g.accountID, g.userID, token.number
	switch {
	case token.spent:
		use.Outcome = Reused
		s.stats.SpentTwice++
		if !s.config.Lenient {
			s.end(g, 0)
		}
	case g.dead && g.code != 0:
		refused.error, refused.reason, refused.code = "invalid_request", "The token can no longer be used", g.code
	case g.dead || now.After(token.expires):
	case app.RefuseOldScopes && !sameScopes(g.scopes, app.Scopes):
		refused.error, refused.reason, refused.code = "invalid_request", "The scopes of the token are not those of the client", 4711
	default:
		use.Outcome = Rotated
		token.spent = true
	}
	if use.Outcome == Rotated {
		answer := s.issue(g)
		use.Next = s.issued
		s.stats.Refreshes = append(s.stats.Refreshes, use)
		writeJSON(w, answer)
		return
	}
	s.stats.Refreshes = append(s.stats.Refreshes, use)
	refused.write(w)
}

func sameScopes(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// issue makes a pair of tokens. Earlier access tokens stay good until they expire, unless the app
// has one at most. s.mu is held.
func (s *Server) issue(g *grant) object {
	if s.apps[g.clientID].OneAccessToken {
		maps.DeleteFunc(s.access, func(_ string, t *accessToken) bool { return t.grant == g })
	}
	answer, refresh := s.issueAccess(g), newToken("refresh")
	s.issued++
	s.refresh[refresh] = &refreshToken{grant: g, number: s.issued, expires: s.config.Clock.Now().Add(s.scaled(refreshTokenLifetime))}
	answer["refresh_token"] = refresh
	return answer
}

// issueAccess makes an access token. s.mu is held.
func (s *Server) issueAccess(g *grant) object {
	// Zoom's answers say 3599 as a rule.
	expiresIn := max(1, int64(s.scaled(accessTokenLifetime-time.Second)/time.Second))
	access := newToken("access")
	s.access[access] = &accessToken{
		grant:   g,
		expires: s.config.Clock.Now().Add(max(s.scaled(accessTokenLifetime), time.Duration(expiresIn)*time.Second)),
	}
	answer := object{"access_token": access, "token_type": "bearer", "expires_in": expiresIn, "scope": strings.Join(g.scopes, " ")}
	if s.config.APIURL != "" {
		answer["api_url"] = s.config.APIURL
	}
	return answer
}

func (s *Server) scaled(d time.Duration) time.Duration {
	return time.Duration(float64(d) / s.config.Scale)
}

// live finds an access token that is still good. s.mu is held.
func (s *Server) live(token string) *grant {
	t := s.access[token]
	if t == nil || t.grant.dead || s.config.Clock.Now().After(t.expires) {
		return nil
	}
	return t.grant
}

func (s *Server) revoke(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	app, refused := s.client(r)
	if refused != nil {
		refused.write(w)
		return
	}
	g := s.live(r.FormValue("token"))
	dead := g == nil || g.clientID != app.ClientID
	if dead && !app.QuietRevocation {
		(&refusal{http.StatusBadRequest, "invalid_grant", "Invalid Token!", 0}).write(w)
		return
	}
	if !dead && !s.uninstall(r.Context(), g.installation) {
		s.end(g, 0) // of a token that no consent is behind
	}
	writeJSON(w, object{"status": "success"})
}

// profileScopes allow reading one's own profile, each: those of today and the classic ones, of a
// user and of an admin.
var profileScopes = []string{"user:read:user", "user:read:user:admin", "user:read", "user:read:admin"}

func (s *Server) me(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	g := s.live(token)
	switch {
	case g == nil && s.access[token] != nil:
		restError(http.StatusUnauthorized, 124, "Access token is expired.")(w, r)
	case g == nil:
		restError(http.StatusUnauthorized, 124, "Invalid access token.")(w, r)
	case !slices.ContainsFunc(profileScopes, func(scope string) bool { return slices.Contains(g.scopes, scope) }):
		restError(http.StatusBadRequest, 4711,
			"Invalid access token, does not contain scopes:[user:read:user, user:read:user:admin].")(w, r)
	case g.userID == "":
		noSuchUser(w, r)
	default:
		first, last, _ := strings.Cut(g.login.User.Name, " ")
		writeJSON(w, object{
			"id": g.userID, "account_id": g.accountID, "account_number": 1234567,
			"email": g.login.User.Email, "display_name": g.login.User.Name, "first_name": first, "last_name": last,
			"type": 2, "role_name": "Owner", "role_id": "0", "pmi": 4155551234, "use_pmi": false,
			"timezone": "Europe/Madrid", "status": "active", "verified": 1, "cluster": "us04",
			"created_at": "2020-01-01T09:00:00Z",
		})
	}
}

// appScopes are what Zoom lets every app do with a token of its own. They are not chosen in an
// app's registration.
var appScopes = []string{
	"marketplace:delete:event_subscription", "marketplace:read:list_event_subscriptions", "marketplace:update:client_secret",
	"marketplace:update:event_subscription", "marketplace:write:event_subscription", "marketplace:write:websocket_connection",
}

// unsupportedGrant refuses a grant that an app of this type has not.
var unsupportedGrant = &refusal{http.StatusBadRequest, "unsupported_grant_type", "unsupported grant type", 4705}

// noSuchUser is the answer to "me" of a token that is of no user.
var noSuchUser = restError(http.StatusNotFound, 1001, "User does not exist: me.")

// clientToken is the grant of a General app for itself.
func (s *Server) clientToken(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	app, refused := s.client(r)
	if refused == nil && app.AccountID != "" {
		refused = unsupportedGrant
	}
	if refused != nil {
		refused.write(w)
		return
	}
	writeJSON(w, s.issueAccess(&grant{installation: installation{clientID: app.ClientID}, scopes: appScopes}))
}

// accountToken is the grant of a Server-to-Server app for the account that it was made in.
func (s *Server) accountToken(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	app, refused := s.client(r)
	switch {
	case refused != nil:
	case app.AccountID == "":
		refused = unsupportedGrant
	case app.AccountID != r.FormValue("account_id"):
		refused = &refusal{http.StatusBadRequest, "invalid_request", "Bad Request", 0}
	}
	if refused != nil {
		refused.write(w)
		return
	}
	g := &grant{installation: installation{clientID: app.ClientID, accountID: app.AccountID}, scopes: app.Scopes}
	writeJSON(w, s.issueAccess(g))
}
