package zoomtest_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// subscriber is a world whose app has a token of its own.
type subscriber struct {
	*world
	token *zoom.Token
	made  zoom.Subscription
}

func newSubscriber(t *testing.T, change func(*zoomtest.App)) *subscriber {
	t.Helper()
	w := newWorld(t, nil)
	if change != nil {
		w.register(change)
	}
	token, err := w.client.ClientToken(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return &subscriber{w, token, zoom.Subscription{
		Name: "app-01234567", URL: w.endpoint.URL, Scope: zoom.ScopeUser, Events: []string{zoom.EventMeetingStarted, zoom.EventMeetingEnded},
	}}
}

func (s *subscriber) create(who zoom.Subscribers) (string, error) {
	return s.client.CreateSubscription(s.t.Context(), s.token, s.made, who)
}

func of(l zoomtest.Login) zoom.Subscribers {
	return zoom.Subscribers{AccountID: l.Account.ID, UserIDs: []string{l.User.ID}}
}

func TestSubscriptions(t *testing.T) {
	s := newSubscriber(t, nil)
	s.BuildFlow("cLiEnT", "by hand", s.endpoint.URL, zoom.EventMeetingStarted)
	s.install(anaLogin)
	s.install(bobLogin)
	id, err := s.create(of(anaLogin))
	if err != nil {
		t.Fatal(err)
	}
	s.made.ID = id
	members := func() []string { return s.Subscriptions("cLiEnT")[1].Members }
	for range 2 { // the second time changes nothing
		if err := s.client.Subscribe(t.Context(), s.token, id, of(bobLogin)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"AccT_1/uSeR_Ana", "AccT_1/uSeR_Bob"}, members()); diff != "" {
			t.Errorf("members (-want +got):\n%s", diff)
		}
	}
	list, err := s.client.Subscriptions(t.Context(), s.token, zoom.ScopeUser, "AccT_1", "uSeR_Bob")
	hand := s.Subscriptions("cLiEnT")[0].Subscription
	if diff := cmp.Diff([]zoom.Subscription{hand, s.made}, list); err != nil || diff != "" {
		t.Errorf("%v, subscriptions (-want +got):\n%s", err, diff)
	}
	if !hand.BuildFlow || strings.Contains(fmt.Sprint(list), zoomtest.Mark) {
		t.Errorf("subscriptions: %v", list)
	}

	s.install(eveLogin)
	s.Forbid(eveLogin.User.ID, zoom.EventMeetingEnded)
	if err := s.client.Subscribe(t.Context(), s.token, id, of(eveLogin)); !errors.Is(err, zoom.ErrEventRole) {
		t.Errorf("subscribing a user who may not receive it: %v", err)
	}

	// Events come through it to its members alone, and those alone that it is of.
	started := circle.Instance(nine).Started()
	for login, want := range map[zoomtest.Login]int{anaLogin: 1, bobLogin: 1, eveLogin: 0} {
		if n, err := s.Publish(t.Context(), "cLiEnT", login, started); n != want || err != nil {
			t.Errorf("an event of %s came through %d, %v, want %d", login.User.ID, n, err, want)
		}
	}
	if n, _ := s.Publish(t.Context(), "cLiEnT", anaLogin, circle.Created(nine)); n != 0 {
		t.Errorf("another event came through %d", n)
	}
	if err := s.client.Unsubscribe(t.Context(), s.token, id, of(bobLogin)); err != nil {
		t.Error(err)
	}
	if err := s.client.Unsubscribe(t.Context(), s.token, id, of(bobLogin)); !errors.Is(err, zoom.ErrNotAuthorized) {
		t.Errorf("who is not in it: %v", err)
	}
	if n, _ := s.Publish(t.Context(), "cLiEnT", bobLogin, started); n != 0 || len(members()) != 1 {
		t.Errorf("of who was taken out it came through %d, members %q", n, members())
	}
	if err := s.Remove(t.Context(), "cLiEnT", "AccT_1", "uSeR_Ana"); err != nil || len(members()) != 0 {
		t.Errorf("who removed the app is still in it: %v, %v", members(), err)
	}
	if err := s.client.DeleteSubscription(t.Context(), s.token, id); err != nil {
		t.Error(err)
	}
	for _, id := range []string{id, hand.ID} {
		if err := s.client.DeleteSubscription(t.Context(), s.token, id); !errors.Is(err, zoom.ErrNoSubscription) {
			t.Errorf("deleting what is not there, or not made by the API: %v", err)
		}
		if err := s.client.Subscribe(t.Context(), s.token, id, of(bobLogin)); !errors.Is(err, zoom.ErrNoSubscription) {
			t.Errorf("subscribing to what is not there, or not made by the API: %v", err)
		}
	}
	if v := s.Stats().Violations; len(v) > 0 || len(s.Subscriptions("cLiEnT")) != 1 {
		t.Errorf("violations %q, subscriptions %+v", v, s.Subscriptions("cLiEnT"))
	}
}

func TestSubscriptionsOfAccounts(t *testing.T) {
	s := newSubscriber(t, func(app *zoomtest.App) {
		app.AdminManaged, app.Scopes, app.KeepsSubscribers = true, []string{"meeting:read:meeting:admin", "user:read:user:admin"}, true
	})
	s.made.Scope = zoom.ScopeAccount
	account := zoom.Subscribers{AccountID: "AccT_1"}
	if _, err := s.create(account); !errors.Is(err, zoom.ErrNotAuthorized) {
		t.Errorf("before the consent: %v", err)
	}
	s.install(anaLogin)
	if _, err := s.create(of(anaLogin)); err == nil {
		t.Error("it took users of an account")
	}
	id, err := s.create(account)
	if err != nil {
		t.Fatal(err)
	}
	if list, err := s.client.Subscriptions(t.Context(), s.token, zoom.ScopeAccount, "AccT_1", "uSeR_Ana"); err != nil || len(list) != 1 || list[0].ID != id {
		t.Errorf("%+v, %v", list, err)
	}
	if n, err := s.Publish(t.Context(), "cLiEnT", bobLogin, circle.Instance(nine).Started()); n != 1 || err != nil {
		t.Errorf("an event of another user of the account came through %d, %v", n, err)
	}
	if err := s.Remove(t.Context(), "cLiEnT", "AccT_1", "uSeR_Ana"); err != nil {
		t.Fatal(err)
	}
	if n, _ := s.Publish(t.Context(), "cLiEnT", bobLogin, circle.Instance(nine).Started()); n != 0 || len(s.Subscriptions("cLiEnT")[0].Members) != 1 {
		t.Errorf("after the removal it came through %d, members %q", n, s.Subscriptions("cLiEnT")[0].Members)
	}
}

func TestSubscriptionsAreRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		prepare func(*subscriber)
		who     zoom.Subscribers
		want    error
		events  []string // that the refusal names
	}{
		"an event of no such name":        {func(s *subscriber) { s.made.Events = append(s.made.Events, "meeting.begun") }, of(anaLogin), zoom.ErrEventName, nil},
		"an event of no such name, named": {func(s *subscriber) { s.app.NamesEvents = true; s.made.Events = append(s.made.Events, "meeting.begun") }, of(anaLogin), zoom.ErrEventName, []string{"meeting.begun"}},
		"an event without its scope":      {func(s *subscriber) { s.made.Events = append(s.made.Events, zoom.EventParticipantLeft) }, of(anaLogin), zoom.ErrEventScope, nil},
		"an event without its scope, named": {func(s *subscriber) {
			s.app.NamesEvents = true
			s.made.Events = append(s.made.Events, zoom.EventParticipantLeftWaitingRoom, zoom.EventParticipantLeft)
		}, of(anaLogin), zoom.ErrEventScope, []string{zoom.EventParticipantLeftWaitingRoom}},
		"no event":                              {func(s *subscriber) { s.made.Events = nil }, of(anaLogin), nil, nil},
		"a user who did not install the app":    {func(*subscriber) {}, of(bobLogin), zoom.ErrNotAuthorized, nil},
		"a user of another account":             {func(*subscriber) {}, zoom.Subscribers{AccountID: "AccT_2", UserIDs: []string{"uSeR_Ana"}}, zoom.ErrNotAuthorized, nil},
		"eleven users":                          {func(*subscriber) {}, zoom.Subscribers{AccountID: "AccT_1", UserIDs: slices.Repeat([]string{"uSeR_Ana"}, 11)}, nil, nil},
		"two users in one":                      {func(*subscriber) {}, zoom.Subscribers{AccountID: "AccT_1", UserIDs: []string{"uSeR_Ana,uSeR_Bob"}}, nil, nil},
		"a user without an account":             {func(*subscriber) {}, zoom.Subscribers{UserIDs: []string{"uSeR_Ana"}}, nil, nil},
		"a user who may not receive it":         {func(s *subscriber) { s.Forbid(anaLogin.User.ID, zoom.EventMeetingEnded) }, of(anaLogin), zoom.ErrEventRole, nil},
		"a URL that does not answer":            {func(s *subscriber) { s.made.URL = "http://127.0.0.1:1/" }, of(anaLogin), zoom.ErrEndpoint, nil},
		"a URL that knows another secret token": {func(s *subscriber) { s.webhooks.Regenerate("another") }, of(anaLogin), zoom.ErrEndpoint, nil},
		"a token of a customer":                 {func(s *subscriber) { s.token = s.install(anaLogin) }, of(anaLogin), zoom.ErrScope, nil},
		"a token that is none":                  {func(s *subscriber) { s.token = &zoom.Token{AccessToken: "none"} }, of(anaLogin), zoom.ErrToken, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSubscriber(t, nil)
			s.install(anaLogin)
			tt.prepare(s)
			s.register(func(*zoomtest.App) {})
			_, err := s.create(tt.who)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			named, _ := errors.AsType[zoom.EventsError](err)
			if !slices.Equal(named, tt.events) {
				t.Errorf("the events %q are named, want %q", named, tt.events)
			}
			if strings.Contains(fmt.Sprint(err), zoomtest.Mark) || len(s.Subscriptions("cLiEnT")) != 0 {
				t.Errorf("%v, subscriptions %+v", err, s.Subscriptions("cLiEnT"))
			}
		})
	}
}
