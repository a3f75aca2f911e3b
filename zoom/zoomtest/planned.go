package zoomtest

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

const (
	userMeetings = "/v2/users/me/meetings"
	// pageLifetime is how long a page of a list can be asked for.
	pageLifetime = 15 * time.Minute
	// listedAhead is how far ahead the list of upcoming meetings goes.
	listedAhead = 6 * 30 * 24 * time.Hour
	// maxPage and defaultPage are how many meetings a page has.
	maxPage, defaultPage = 300, 30
)

// listScopes allow the list of a user's meetings.
var listScopes = []string{"meeting:read:list_meetings", "meeting:read:list_meetings:admin", "meeting:read", "meeting:read:admin"}

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

// Plan lets the REST API know of a meeting that was planned at that time, and of no webhook.
func (s *Server) Plan(m Meeting, created time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.planned = append(s.planned, planned{m, created})
}

// json is the meeting as the REST API shows it.
func (p planned) json() object {
	o := p.plan()
	o["created_at"] = rfc3339(p.created)
	o["agenda"], o["start_url"] = Mark, "https://zoom.example/s/1?zak="+Mark
	o["join_url"], o["password"] = "https://zoom.example/j/1?pwd="+Mark, Mark
	return o
}

// listed is the meeting in the list of its host, where a series has an item for itself alone, with
// the next of its dates.
func (p planned) listed(now time.Time) object {
	o := p.json()
	for _, key := range []string{"settings", "occurrences", "recurrence", "password"} {
		delete(o, key)
	}
	if p.Type == TypeRecurringPlanned {
		for _, d := range p.Occurrences {
			if d.Start.After(now) {
				o["start_time"] = rfc3339(d.Start)
				break
			}
		}
	}
	if p.Type == TypeRecurring {
		o["start_time"] = "0001-01-01T00:00:00Z"
	}
	return o
}

// upcoming says whether the list of upcoming meetings has it.
func (p planned) upcoming(now time.Time) bool {
	switch p.Type {
	case TypeInstant:
		return false
	case TypeRecurring:
		return true
	case TypeRecurringPlanned:
		return slices.ContainsFunc(p.Occurrences, func(d Occurrence) bool { return d.Start.After(now) })
	}
	return p.Start.After(now) && p.Start.Before(now.Add(listedAhead))
}

// list is the list of a user's meetings.
func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.permitted(w, r, listScopes)
	if g == nil {
		return
	}
	query, now := r.URL.Query(), s.config.Clock.Now()
	token := query.Get("next_page_token")
	query.Del("next_page_token")
	size := defaultPage
	if text := query.Get("page_size"); text != "" {
		size, _ = strconv.Atoi(text)
	}
	if kind := query.Get("type"); size < 1 || size > maxPage || kind != "upcoming" {
		restError(http.StatusBadRequest, 300, "Validation Failed.")(w, r)
		return
	}
	var items []object
	if token == "" {
		items = s.upcomingOf(g, now)
	} else {
		p, ok := s.pages[token]
		if !ok || now.After(p.expires) || p.query != query.Encode() {
			restError(http.StatusBadRequest, 300, "The next page token is either invalid or expired.")(w, r)
			return
		}
		items = p.rest
	}
	next := ""
	if len(items) > size {
		next = rand.Text()
		s.pages[next] = page{query: query.Encode(), rest: items[size:], expires: now.Add(pageLifetime)}
		items = items[:size]
	}
	writeJSON(w, object{"page_size": size, "total_records": len(items), "next_page_token": next, "meetings": items})
}

func (s *Server) upcomingOf(g *grant, now time.Time) []object {
	items := []object{}
	for _, p := range s.planned {
		if p.Account.ID == g.accountID && p.Host.ID == g.userID && p.upcoming(now) {
			items = append(items, p.listed(now))
		}
	}
	return items
}

// plannedUnder is the meeting of a number; nil of one that is not planned.
func (s *Server) plannedUnder(number string) *planned {
	i := slices.IndexFunc(s.planned, func(p planned) bool { return strconv.FormatInt(p.Number, 10) == number })
	if i < 0 {
		return nil
	}
	return &s.planned[i]
}

// isList says whether a request is for the list of a user's meetings.
func isList(u *url.URL) bool { return u.EscapedPath() == userMeetings }
