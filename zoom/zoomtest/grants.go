package zoomtest

import "net/http"

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
