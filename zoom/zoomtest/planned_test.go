package zoomtest_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// What a host has planned is listed page by page, for a quarter of an hour, and only to an app with
// the scope.
func TestPlannedMeetings(t *testing.T) {
	w := newWorld(t, nil)
	w.register(func(app *zoomtest.App) { app.Scopes = append(app.Scopes, "meeting:read:list_meetings") })
	token := w.install(anaLogin)
	list := func(page string) ([]zoom.PlannedMeeting, string, error) {
		return w.client.UpcomingMeetings(t.Context(), token.AccessToken, "", zoom.Me, page)
	}
	if got, next, err := list(""); err != nil || len(got) != 0 || next != "" {
		t.Errorf("of nothing: %v, %q, %v", got, next, err)
	}

	now := w.clock.Now().Truncate(time.Second).UTC()
	created := now.Add(-30 * 24 * time.Hour)
	single := circle
	single.Topic, single.Start, single.Duration, single.Timezone, single.Passcode = "Circle", now.Add(time.Hour), 45, "Europe/Madrid", "p4ss"
	series := circle
	series.Number, series.Type, series.Occurrences = 82, zoomtest.TypeRecurringPlanned, zoomtest.Dates(now.Add(-time.Hour), 24*time.Hour, 3, 30)
	open := circle
	open.Number, open.Type = 83, zoomtest.TypeRecurring
	over, instant, another, inRoom := single, single, single, single
	inRoom.Number, inRoom.PersonalRoom = 87, 5551112222
	over.Number, over.Start = 84, now.Add(-time.Hour)
	instant.Number, instant.Type = 85, zoomtest.TypeInstant
	another.Number, another.Host = 86, zoomtest.User{ID: "another"}
	for _, m := range []zoomtest.Meeting{single, series, open, over, instant, another, inRoom} {
		w.Plan(m, created)
	}
	got, next, err := list("")
	if err != nil || next != "" || len(got) != 4 {
		t.Fatalf("%v, %q, %v; want four meetings", got, next, err)
	}
	if room := got[3]; room.PMI != "5551112222" || room.UsePMI == nil || !*room.UsePMI || got[0].UsePMI != nil {
		t.Errorf("the meeting in the personal room is %+v", room)
	}
	want := zoom.PlannedMeeting{CreatedAt: created, Meeting: zoom.Meeting{
		ID: "81234567890", UUID: "next==", HostID: anaLogin.User.ID, Topic: new("Circle"), Type: new(2), StartTime: &single.Start,
		Duration: new(45), Timezone: new("Europe/Madrid"),
	}}
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Errorf("meeting differs (-want +got):\n%s", diff)
	}
	if at := got[1].StartTime; at == nil || !at.Equal(series.Occurrences[1].Start) || got[1].Occurrences != nil {
		t.Errorf("the series is %+v", got[1])
	}
	if got[2].StartTime != nil {
		t.Errorf("a meeting without a time is at %v", got[2].StartTime)
	}
	plan, err := w.client.Plan(t.Context(), token.AccessToken, "", "82")
	if err != nil || plan.Occurrences == nil || len(*plan.Occurrences) != 3 || !plan.CreatedAt.Equal(created) {
		t.Errorf("the plan of the series is %+v, %v", plan, err)
	}

	for n := range 60 {
		m := single
		m.Number = 90 + int64(n)
		w.Plan(m, created)
	}
	seen, pages := map[string]bool{}, 0
	first := ""
	for page := ""; pages == 0 || page != ""; pages++ {
		var got []zoom.PlannedMeeting
		if got, page, err = list(page); err != nil {
			t.Fatal(err)
		}
		if pages == 0 {
			first = page
		}
		for _, m := range got {
			seen[m.ID] = true
		}
	}
	if len(seen) != 64 || pages != 3 {
		t.Errorf("%d meetings on %d pages, want 64 on 3", len(seen), pages)
	}
	w.clock.pass(16 * time.Minute)
	if _, _, err := list(first); err == nil {
		t.Error("a page is there after a quarter of an hour")
	}

	w.register(func(app *zoomtest.App) { app.Scopes = []string{"meeting:read:meeting", "user:read:user"} })
	token = w.install(anaLogin)
	if _, _, err := list(""); !errors.Is(err, zoom.ErrScope) {
		t.Errorf("without the scope: %v", err)
	}
}

// An admin-managed app with the scope can list the active users of an account, page by page, and
// what each has planned; any other app cannot.
func TestUsersOfAnAccount(t *testing.T) {
	w := newWorld(t, func(c *zoomtest.ServerConfig) {
		for n := range 150 {
			c.Users = append(c.Users, zoomtest.Login{Account: anaLogin.Account, User: zoomtest.User{ID: fmt.Sprint("u", n)}, Inactive: n%3 == 0})
		}
	})
	scopes := []string{"user:read:user:admin", "user:read:list_users:admin", "meeting:read:list_meetings:admin"}
	w.register(func(app *zoomtest.App) { app.AdminManaged, app.Scopes = true, scopes })
	token := w.install(anaLogin)
	planned := circle
	planned.Host.ID, planned.Start = "u1", w.clock.Now().Add(time.Hour)
	w.Plan(planned, w.clock.Now())

	seen, pages, first := map[string]bool{}, 0, ""
	for page := ""; pages == 0 || page != ""; pages++ {
		ids, next, err := w.client.ActiveUsers(t.Context(), token.AccessToken, "", page)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			seen[id] = true
		}
		if page = next; pages == 0 {
			first = next
		}
	}
	if pages != 2 || !seen[anaLogin.User.ID] || seen["u0"] || !seen["u1"] || len(seen) < 100 {
		t.Errorf("%d users on %d pages: %v", len(seen), pages, seen)
	}
	if list, _, err := w.client.UpcomingMeetings(t.Context(), token.AccessToken, "", "u1", ""); err != nil || len(list) != 1 || list[0].HostID != "u1" {
		t.Errorf("the meetings of another user are %v, %v", list, err)
	}
	if _, _, err := w.client.UpcomingMeetings(t.Context(), token.AccessToken, "", "nobody", ""); !errors.Is(err, zoom.ErrHost) {
		t.Errorf("of a user who is not in the account: %v", err)
	}
	w.clock.pass(16 * time.Minute)
	if _, _, err := w.client.ActiveUsers(t.Context(), token.AccessToken, "", first); err == nil {
		t.Error("a page is there after a quarter of an hour")
	}
	for _, granted := range [][]string{scopes[:1], {"user:read", "meeting:read"}} {
		w.register(func(app *zoomtest.App) { app.AdminManaged, app.Scopes = true, granted })
		token = w.install(anaLogin)
		if _, _, err := w.client.ActiveUsers(t.Context(), token.AccessToken, "", ""); !errors.Is(err, zoom.ErrScope) {
			t.Errorf("with %v: %v", granted, err)
		}
		if _, _, err := w.client.UpcomingMeetings(t.Context(), token.AccessToken, "", "u1", ""); !errors.Is(err, zoom.ErrScope) {
			t.Errorf("with %v, of another user: %v", granted, err)
		}
	}
}
