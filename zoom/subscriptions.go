package zoom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// What a refusal of a request about event subscriptions means.
var (
	// ErrEndpoint means that Zoom could not validate the webhook URL, which it does before it
	// creates a subscription.
	ErrEndpoint = errors.New("the webhook URL could not be validated by Zoom")

	// ErrEventRole means that one of the users may not receive one of the events.
	ErrEventRole = errors.New("a user may not receive one of the events")

	// ErrNotAuthorized means that one of the users, or the account, has not authorized the app, or
	// does so no more; or that a user is not in the account.
	ErrNotAuthorized = errors.New("the user or the account has not authorized the app")

	// ErrNoSubscription means that there is no such subscription that may be changed by the API:
	// one that was made in the build flow may not.
	ErrNoSubscription = errors.New("there is no such event subscription that the API may change")
)

// The scopes of a subscription: whom its events are of.
const (
	// ScopeUser is of single users, of a user-managed app.
	ScopeUser = "user"
	// ScopeAccount is of whole accounts, of an admin-managed app.
	ScopeAccount = "account"
)

// MaxSubscribers is how many users of an account one request can be about.
const MaxSubscribers = 10

// Subscription is an event subscription. The custom header in Zoom's answers is a secret, and is
// not decoded.
type Subscription struct {
	ID     string
	Name   string
	Scope  string
	Events []string
	// URL is where its events are sent.
	URL string
	// BuildFlow says that it was made in the app's build flow, where alone it can be changed.
	BuildFlow bool
}

// Subscribers are users of an account, at most MaxSubscribers; or with ScopeAccount, and no user,
// the account.
type Subscribers struct {
	AccountID string
	UserIDs   []string
}

const subscriptions = "/v2/marketplace/app/event_subscription"

var (
	byIDCodes           = map[string]error{"1001": ErrNotAuthorized, "1002": ErrNotAuthorized, "1003": ErrEventRole, "1300": ErrNotAuthorized, "1601": ErrNoSubscription}
	createCodes         = map[string]error{"1001": ErrNotAuthorized, "1002": ErrNotAuthorized, "1003": ErrEventRole, "1300": ErrNotAuthorized, "1601": ErrEventName, "1602": ErrEventScope, "1701": ErrEndpoint}
	subscriptionPattern = regexp.MustCompile(`^[A-Za-z0-9_=+-]{1,64}$`)
)

// CreateSubscription creates a subscription with its first subscribers, and returns its ID. Before
// it answers Zoom validates the URL. The token is one of ClientToken, as for all requests about
// subscriptions. What s.ID and s.BuildFlow are does not matter.
func (o *OAuth) CreateSubscription(ctx context.Context, token *Token, s Subscription, first Subscribers) (id string, err error) {
	body := map[string]any{
		"event_subscription_name": s.Name, "event_webhook_url": s.URL, "subscription_scope": s.Scope, "events": s.Events, "account_id": first.AccountID,
	}
	if len(first.UserIDs) > 0 {
		body["user_ids"] = first.UserIDs
	}
	answer, err := o.rest(ctx, restRequest{method: http.MethodPost, path: subscriptions, body: body, timeout: refreshTimeout, words: s.Events}, token, createCodes)
	if id = answer.scalar("event_subscription_id"); err == nil && !subscriptionPattern.MatchString(id) {
		err = errUnusable
	}
	if err != nil {
		return "", fmt.Errorf("zoom: creating an event subscription: %w", err)
	}
	return id, nil
}

// Subscriptions reads the subscriptions of an app that a user of an account, or the account, is
// subscribed to: of scope ScopeUser or ScopeAccount. Zoom has no list of all. It is not nil without
// an error.
func (o *OAuth) Subscriptions(ctx context.Context, token *Token, scope, accountID, userID string) ([]Subscription, error) {
	query := url.Values{"user_id": {userID}, "account_id": {accountID}, "subscription_scope": {scope}, "page_size": {strconv.Itoa(pageSize)}}
	list := []Subscription{}
	for range maxSubscriptionPages {
		answer, err := o.rest(ctx, restRequest{method: http.MethodGet, path: subscriptions + "?" + query.Encode(), timeout: answerTimeout}, token, byIDCodes)
		items, ok := answer.objects("event_subscriptions")
		if err == nil && !ok {
			err = errUnusable
		}
		if err != nil {
			return nil, fmt.Errorf("zoom: listing the event subscriptions of a customer: %w", err)
		}
		for _, item := range items {
			s := Subscription{
				ID: item.scalar("event_subscription_id"), Name: item.text("event_subscription_name"), Scope: item.text("subscription_scope"),
				URL: item.text("event_webhook_url"), BuildFlow: item.text("created_source") != "openapi",
			}
			_ = json.Unmarshal(item.raw("events"), &s.Events) // a list that is none has no events
			if subscriptionPattern.MatchString(s.ID) {
				list = append(list, s)
			}
		}
		next := answer.text("next_page_token")
		if next == "" {
			return list, nil
		}
		query.Set("next_page_token", next)
	}
	return list, nil
}

// maxSubscriptionPages bounds a list: an app has at most 20 subscriptions of the build flow.
const maxSubscriptionPages = 10

// Subscribe adds subscribers to a subscription; those who are subscribed already stay so.
func (o *OAuth) Subscribe(ctx context.Context, token *Token, id string, who Subscribers) error {
	body := map[string]any{"account_id": who.AccountID}
	if len(who.UserIDs) > 0 {
		body["user_ids"] = who.UserIDs
	}
	_, err := o.rest(ctx, restRequest{method: http.MethodPatch, path: subscriptions + "/" + url.PathEscape(id), body: body, timeout: answerTimeout}, token, byIDCodes)
	if err != nil {
		return fmt.Errorf("zoom: subscribing a customer: %w", err)
	}
	return nil
}

// Unsubscribe takes subscribers out of a subscription. For those who are not in it the error may
// wrap ErrNotAuthorized.
func (o *OAuth) Unsubscribe(ctx context.Context, token *Token, id string, who Subscribers) error {
	query := url.Values{"event_subscription_id": {id}, "account_id": {who.AccountID}}
	if len(who.UserIDs) > 0 {
		query.Set("user_ids", strings.Join(who.UserIDs, ","))
	}
	_, err := o.rest(ctx, restRequest{method: http.MethodDelete, path: subscriptions + "?" + query.Encode(), timeout: answerTimeout}, token, byIDCodes)
	if err != nil {
		return fmt.Errorf("zoom: unsubscribing a customer: %w", err)
	}
	return nil
}

// DeleteSubscription deletes a subscription. The error wraps ErrNoSubscription when there is none.
func (o *OAuth) DeleteSubscription(ctx context.Context, token *Token, id string) error {
	_, err := o.rest(ctx, restRequest{method: http.MethodDelete, path: subscriptions + "/" + url.PathEscape(id), timeout: answerTimeout}, token, byIDCodes)
	if err != nil {
		return fmt.Errorf("zoom: deleting an event subscription: %w", err)
	}
	return nil
}

// EventScope is the scope that an app has to select for an event, in the form of a user-managed
// app; empty of an event of which that is not known. Zoom documents it for the events of meetings,
// of their participants and of users; which scope goes with the waiting room and with joining
// before the host is concluded from that.
func EventScope(event string) string {
	switch name, _ := strings.CutPrefix(event, "meeting."); {
	case strings.HasPrefix(name, "participant_"):
		return "meeting:read:participant"
	case slices.Contains(EventsOfMeetings, event):
		return "meeting:read:meeting"
	case event == EventUserDeleted:
		return "user:read:user"
	}
	return ""
}

// EventsOfMeetings are the events about meetings that this project acts on.
var EventsOfMeetings = []string{
	EventMeetingCreated, EventMeetingUpdated, EventMeetingDeleted, EventMeetingPermanentlyDeleted, EventMeetingRecovered,
	EventMeetingStarted, EventMeetingEnded, EventMeetingConvertedToWebinar,
}

// EventsOfParticipants are those about their participants.
var EventsOfParticipants = []string{
	EventParticipantJoined, EventParticipantLeft, EventParticipantJoinedWaitingRoom, EventParticipantLeftWaitingRoom, EventParticipantAdmitted,
	EventParticipantPutInWaitingRoom, EventParticipantJBHWaiting, EventParticipantJBHWaitingLeft, EventParticipantJBHJoined,
}
