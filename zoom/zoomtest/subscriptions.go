package zoomtest

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/zoom-operator/zoom-operator/zoom"
)

const subscriptions = "/v2/marketplace/app/event_subscription"

// BuildFlow is what a developer does in an app's build flow: a subscription with these events, for
// all who have installed the app.
func (s *Server) BuildFlow(clientID, name, url string, events ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subs = append(s.subs, &Subscription{clientID: clientID, Subscription: zoom.Subscription{
		ID: rand.Text()[:22], Name: name, URL: url, Events: events, Scope: s.scopeOf(clientID), BuildFlow: true,
	}})
}

// Subscriptions are those of an app, in the order in which they were made.
func (s *Server) Subscriptions(clientID string) []Subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Subscription
	for _, sub := range s.subs {
		if sub.clientID == clientID {
			copied := *sub
			copied.Events, copied.Members = slices.Clone(sub.Events), slices.Sorted(slices.Values(sub.Members))
			list = append(list, copied)
		}
	}
	return list
}

// Publish sends an event of a user's through the subscriptions of an app that were made by the API,
// and of which the user, or their account, is a member, and says through how many. It returns when
// it is acknowledged or given up.
func (s *Server) Publish(ctx context.Context, clientID string, of Login, e Event) (int, error) {
	s.mu.Lock()
	app := s.apps[clientID]
	var through []*Subscription
	for _, sub := range s.subs {
		if sub.clientID == clientID && !sub.BuildFlow && slices.Contains(sub.Events, e.Name) && s.receives(sub, of) {
			through = append(through, sub)
		}
	}
	s.mu.Unlock()
	for _, sub := range through {
		z, err := app.Webhooks.through(sub)
		if err != nil {
			return 0, err
		}
		z.Deliver(ctx, e)
		z.Wait()
	}
	return len(through), nil
}

// through is a Zoom that sends by a subscription.
func (z *Zoom) through(sub *Subscription) (*Zoom, error) {
	return z.With(func(c *Config) { c.Endpoint, c.CustomHeader = sub.URL, sub.Header })
}

// Forbid lets a user's role not allow an event, so that no subscription of them can have it.
func (s *Server) Forbid(userID, event string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forbidden[[2]string{userID, event}] = true
}

// permits says whether the roles of users allow events, and otherwise answers. s.mu is held.
func (s *Server) permits(w http.ResponseWriter, r *http.Request, users, events []string) bool {
	for _, user := range users {
		if slices.ContainsFunc(events, func(event string) bool { return s.forbidden[[2]string{user, event}] }) {
			restError(http.StatusBadRequest, 1003, "The user has no permission for the event: "+Mark+".")(w, r)
			return false
		}
	}
	return true
}

// receives says whether a subscription is of a user, who still has the app. s.mu is held.
func (s *Server) receives(sub *Subscription, of Login) bool {
	if sub.Scope == zoom.ScopeAccount {
		return slices.Contains(sub.Members, of.Account.ID) && s.authorized(sub.clientID, of.Account.ID, "")
	}
	return slices.Contains(sub.Members, of.Account.ID+"/"+of.User.ID) && s.authorized(sub.clientID, of.Account.ID, of.User.ID)
}

// eventScopes are the scopes that allow an event, each; nil when there is no such event.
func eventScopes(event string) []string {
	forms := func(scope, classic string) []string {
		return []string{scope, scope + ":admin", classic, classic + ":admin"}
	}
	name, meeting := strings.CutPrefix(event, "meeting.")
	switch {
	case slices.Contains(zoom.EventsOfParticipants, event):
		return forms("meeting:read:participant", "meeting:read")
	case name == "sharing_started" || name == "sharing_ended":
		return forms("meeting:read:participant_sharing", "meeting:read")
	case name == "alert":
		return forms("meeting:read:alert", "meeting:read")
	case meeting && slices.Contains(zoom.EventsOfMeetings, event):
		return forms("meeting:read:meeting", "meeting:read")
	case event == zoom.EventUserDeleted:
		return forms("user:read:user", "user:read")
	case slices.Contains([]string{zoom.EventUserActivated, zoom.EventUserDeactivated, zoom.EventUserDisassociated}, event):
		return []string{"user:read:user:admin", "user:read:admin"}
	}
	return nil
}

// subscriptionRequest is the body of a request about subscriptions.
type subscriptionRequest struct {
	Name    string   `json:"event_subscription_name"`
	URL     string   `json:"event_webhook_url"`
	Scope   string   `json:"subscription_scope"`
	Events  []string `json:"events"`
	Account string   `json:"account_id"`
	Users   []string `json:"user_ids"`

	Header CustomHeader `json:"custom_header"`
}

// decode reads the body of a request, and otherwise answers.
func (s *Server) decode(w http.ResponseWriter, r *http.Request) (body subscriptionRequest, ok bool) {
	decoder := json.NewDecoder(r.Body)
	if !s.config.Lenient {
		decoder.DisallowUnknownFields()
	}
	if err := decoder.Decode(&body); err != nil || r.Header.Get("Content-Type") != "application/json" {
		s.violated("subscription: the body is not the JSON that Zoom documents")
		restError(http.StatusBadRequest, 300, "Validation Failed.")(w, r)
		return body, false
	}
	return body, true
}

// managing is the client ID of the app of a request's token, which has to be one of its own, and
// otherwise answers. s.mu is held.
func (s *Server) managing(w http.ResponseWriter, r *http.Request, scope string) string {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch g := s.live(token); {
	case g == nil:
		restError(http.StatusUnauthorized, 124, "Access token is expired.")(w, r)
	case !slices.Contains(g.scopes, scope):
		restError(http.StatusUnauthorized, 201, "Invalid access token, does not contain scopes:["+scope+"].")(w, r)
	default:
		return g.clientID
	}
	return ""
}

// scopeOf is whom the subscriptions of an app are of. s.mu is held.
func (s *Server) scopeOf(clientID string) string {
	if s.apps[clientID].AdminManaged {
		return zoom.ScopeAccount
	}
	return zoom.ScopeUser
}

// members are those whom a request names, and otherwise answers with this code for whom has not
// authorized the app. s.mu is held.
func (s *Server) members(w http.ResponseWriter, r *http.Request, clientID, scope, account string, users []string, unauthorized int) ([]string, bool) {
	switch {
	case len(users) > zoom.MaxSubscribers,
		slices.ContainsFunc(users, func(user string) bool { return user == "" || strings.Contains(user, ",") }),
		!s.config.Lenient && scope == zoom.ScopeAccount && len(users) > 0,
		account == "" && len(users) > 0:
		restError(http.StatusBadRequest, 300, "Validation Failed.")(w, r)
		return nil, false
	case scope == zoom.ScopeAccount && account != "":
		if !s.authorized(clientID, account, "") {
			restError(http.StatusBadRequest, unauthorized, "The user don't authorize the app: "+Mark+".")(w, r)
			return nil, false
		}
		return []string{account}, true
	}
	var members []string
	for _, user := range users {
		switch {
		case !slices.ContainsFunc(s.config.Users, func(l Login) bool { return l.Account.ID == account && l.User.ID == user }):
			restError(http.StatusNotFound, 1001, "User does not exist: "+Mark+".")(w, r)
			return nil, false
		case !s.authorized(clientID, account, user):
			restError(http.StatusBadRequest, unauthorized, "The user don't authorize the app: "+Mark+".")(w, r)
			return nil, false
		}
		members = append(members, account+"/"+user)
	}
	return members, true
}

// createSubscription is the creation of a subscription. Its URL is validated while the client
// waits.
func (s *Server) createSubscription(w http.ResponseWriter, r *http.Request) {
	body, ok := s.decode(w, r)
	if !ok {
		return
	}
	sub, webhooks := s.requested(w, r, body)
	if sub == nil {
		return
	}
	switch err := valid(r.Context(), webhooks, sub); {
	case errors.Is(err, ErrAccessToken):
		restError(http.StatusNotFound, 1702, "Token URL validation failed: "+Mark+".")(w, r)
		return
	case err != nil:
		restError(http.StatusNotFound, 1701, "Webhook URL validation failed: "+Mark+".")(w, r)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subs = append(s.subs, sub)
	Answer(http.StatusCreated, string(encode(object{"event_subscription_id": sub.ID})))(w, r)
}

// valid returns an error unless the URL of a subscription is valid.
func valid(ctx context.Context, webhooks *Zoom, sub *Subscription) error {
	if webhooks == nil {
		return errors.New("zoomtest: the app has no webhooks")
	}
	z, err := webhooks.through(sub)
	if err != nil {
		return err
	}
	return z.Validate(ctx)
}

// requested is the subscription that is to be created, and otherwise answers; and what sends the
// app's webhooks.
func (s *Server) requested(w http.ResponseWriter, r *http.Request, body subscriptionRequest) (*Subscription, *Zoom) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clientID := s.managing(w, r, "marketplace:write:event_subscription")
	if clientID == "" {
		return nil, nil
	}
	app := s.apps[clientID]
	if len(body.Events) == 0 || body.URL == "" || body.Scope == "" {
		restError(http.StatusBadRequest, 1500, "Events, URL or scope is empty.")(w, r)
		return nil, nil
	}
	switch err := body.Header.validate(); {
	case errors.Is(err, errHeaderType):
		restError(http.StatusNotFound, 1801, "Header type is invalid.")(w, r)
		return nil, nil
	case err != nil:
		restError(http.StatusBadRequest, 1500, "A field is invalid: "+err.Error()+".")(w, r)
		return nil, nil
	}
	if body.Scope != s.scopeOf(clientID) {
		restError(http.StatusBadRequest, 300, "Validation Failed.")(w, r)
		return nil, nil
	}
	for _, event := range body.Events {
		scopes := eventScopes(event)
		named := ""
		if app.NamesEvents {
			named = ": " + event
		}
		switch {
		case scopes == nil:
			restError(http.StatusNotFound, 1601, "Event does not exist"+named+".")(w, r)
			return nil, nil
		case !slices.ContainsFunc(scopes, func(scope string) bool { return slices.Contains(app.Scopes, scope) }):
			restError(http.StatusBadRequest, 1602, "Event is not allowed for the app"+named+".")(w, r)
			return nil, nil
		}
	}
	members, ok := s.members(w, r, clientID, body.Scope, body.Account, body.Users, 1300)
	if !ok || !s.permits(w, r, body.Users, body.Events) {
		return nil, nil
	}
	return &Subscription{clientID: clientID, Members: members, Header: body.Header, Subscription: zoom.Subscription{
		ID: rand.Text()[:22], Name: body.Name, URL: body.URL, Scope: body.Scope, Events: body.Events,
	}}, app.Webhooks
}

// listSubscriptions are those that a customer is subscribed to.
func (s *Server) listSubscriptions(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clientID := s.managing(w, r, "marketplace:read:list_event_subscriptions")
	if clientID == "" {
		return
	}
	account, user := r.FormValue("account_id"), r.FormValue("user_id")
	of := slices.IndexFunc(s.config.Users, func(l Login) bool { return l.Account.ID == account && l.User.ID == user })
	switch {
	case account == "" || user == "":
		restError(http.StatusBadRequest, 1500, "The user or the account is empty.")(w, r)
		return
	case of < 0:
		restError(http.StatusNotFound, 1001, "User does not exist: "+Mark+".")(w, r)
		return
	}
	items := []object{}
	for _, sub := range s.subs {
		if sub.clientID != clientID || r.FormValue("subscription_scope") != "" && r.FormValue("subscription_scope") != sub.Scope ||
			!sub.BuildFlow && !s.receives(sub, s.config.Users[of]) {
			continue
		}
		source, header := "openapi", sub.Header
		if webhooks := s.apps[clientID].Webhooks; sub.BuildFlow {
			source = "default"
			// The one of which no more is known has a secret, too.
			header = CustomHeader{Type: HeaderKeyValue, Key: "x-secret", Value: Mark}
			if webhooks != nil && webhooks.config.CustomHeader.Type != HeaderDefault {
				header = webhooks.config.CustomHeader
			}
		}
		items = append(items, object{
			"event_subscription_id": sub.ID, "event_subscription_name": sub.Name, "event_webhook_url": sub.URL, "events": sub.Events,
			"subscription_scope": sub.Scope, "created_source": source, "subscriber_id": cmp.Or(user, account),
			"custom_header": header,
		})
	}
	writeJSON(w, object{"next_page_token": "", "page_size": len(items), "event_subscriptions": items})
}

// changeable is the subscription of that ID, if the API may change it, and otherwise answers. s.mu
// is held.
func (s *Server) changeable(w http.ResponseWriter, r *http.Request, scope, id string) *Subscription {
	clientID := s.managing(w, r, scope)
	if clientID == "" {
		return nil
	}
	for _, sub := range s.subs {
		if sub.clientID == clientID && sub.ID == id && !sub.BuildFlow {
			return sub
		}
	}
	restError(http.StatusNotFound, 1601, "Event subscription does not exist.")(w, r)
	return nil
}

func (s *Server) subscribe(w http.ResponseWriter, r *http.Request) {
	body, ok := s.decode(w, r)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.changeable(w, r, "marketplace:update:event_subscription", r.PathValue("id"))
	if sub == nil {
		return
	}
	members, ok := s.members(w, r, sub.clientID, sub.Scope, body.Account, body.Users, 1002)
	if !ok || !s.permits(w, r, body.Users, sub.Events) {
		return
	}
	for _, member := range members {
		if !slices.Contains(sub.Members, member) {
			sub.Members = append(sub.Members, member)
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) unsubscribe(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.changeable(w, r, "marketplace:update:event_subscription", r.FormValue("event_subscription_id"))
	if sub == nil {
		return
	}
	gone := []string{r.FormValue("account_id")}
	if sub.Scope == zoom.ScopeUser {
		gone = nil
		for user := range strings.SplitSeq(r.FormValue("user_ids"), ",") {
			gone = append(gone, r.FormValue("account_id")+"/"+user)
		}
	}
	if len(gone) > zoom.MaxSubscribers {
		restError(http.StatusBadRequest, 300, "Validation Failed.")(w, r)
		return
	}
	if slices.ContainsFunc(gone, func(member string) bool { return !slices.Contains(sub.Members, member) }) {
		restError(http.StatusNotFound, 1001, "User does not exist: "+Mark+".")(w, r)
		return
	}
	sub.Members = slices.DeleteFunc(sub.Members, func(member string) bool { return slices.Contains(gone, member) })
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) deleteSubscription(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub := s.changeable(w, r, "marketplace:delete:event_subscription", r.PathValue("id"))
	if sub == nil {
		return
	}
	s.subs = slices.DeleteFunc(s.subs, func(other *Subscription) bool { return other == sub })
	w.WriteHeader(http.StatusNoContent)
}
