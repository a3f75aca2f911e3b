package zoomtest

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zoom-operator/zoom-operator/zoom"
)

// Hold lets the REST API know of an instance that is being held.
func (s *Server) Hold(i Instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = append(s.held, &held{Instance: i})
}

// End lets the REST API know that an instance is over.
func (s *Server) End(i Instance, at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.held {
		if h.UUID == i.UUID {
			h.end = at
		}
	}
}

// Forget makes the REST API know nothing more of a meeting number, as when it has expired.
func (s *Server) Forget(number int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = slices.DeleteFunc(s.held, func(h *held) bool { return h.Meeting.Number == number })
}

// Refusals of reads that have another cause than the state of the Server.
var (
	// NotInPlan is the refusal of what the account's plan does not have.
	NotInPlan = restError(http.StatusBadRequest, 200, "Only available for Paid or ZMP account: "+Mark+".")
	// HostGone is the refusal of what belongs to a user who is gone.
	HostGone = restError(http.StatusNotFound, 1001, "User does not exist: "+Mark+".")
	// CutOff is an answer that ends too early, in a body that is complete as far as HTTP goes.
	CutOff = Answer(http.StatusOK, `{"uuid":"`+Mark+`","status":"waiting","end_ti`)
)

const (
	pastMeetings = "/v2/past_meetings/"
	meetings     = "/v2/meetings/"
	users        = "/v2/users"
)

// userMeetings matches the path of the list of a user's meetings.
var userMeetings = regexp.MustCompile("^/v2/users/([^/]+)/meetings$")

const (
	// pageLifetime is how long a page of a list can be asked for.
	pageLifetime = 15 * time.Minute
	// maxPage and defaultPage are how many items a page has, maxUsers how many users.
	maxPage, defaultPage = 300, 30
	maxUsers             = 2000
)

// The scopes that allow the reads of meetings, each: those of today and the classic ones, of a user
// and of an admin.
var (
	pastMeetingScopes = []string{"meeting:read:past_meeting", "meeting:read:past_meeting:admin", "meeting:read", "meeting:read:admin"}
	usersScopes       = []string{"user:read:list_users:admin", "user:read:admin"}
	listScopes        = []string{"meeting:read:list_meetings", "meeting:read:list_meetings:admin", "meeting:read", "meeting:read:admin"}
	meetingScopes     = []string{"meeting:read:meeting", "meeting:read:meeting:admin", "meeting:read", "meeting:read:admin"}
)

// read is the handler of a read of a meeting; nil for any other request. The path of one is not
// that of a file: it must not be cleaned, as http.ServeMux does.
func (s *Server) read(r *http.Request) http.HandlerFunc {
	path := r.URL.EscapedPath()
	switch {
	case r.Method != http.MethodGet:
		return nil
	case path == users:
		return s.step(StepUsers, s.accepting("users", s.users))
	case userMeetings.MatchString(path):
		return s.step(StepList, s.accepting("list", s.list))
	case strings.HasPrefix(path, pastMeetings):
		return s.step(StepPastMeeting, s.accepting("past meeting", s.pastMeeting))
	case strings.HasPrefix(path, meetings):
		return s.step(StepMeeting, s.accepting("meeting", s.meeting))
	}
	return nil
}

// accepting refuses a read without a User-Agent of its own, and one that does not accept JSON
// alone, unless the Server is lenient.
func (s *Server) accepting(kind string, handler http.HandlerFunc) http.HandlerFunc {
	return s.named(kind, func(w http.ResponseWriter, r *http.Request) {
		if !s.config.Lenient && r.Header.Get("Accept") != "application/json" {
			s.violated(kind + ": does not accept JSON alone")
			restError(http.StatusNotAcceptable, 0, "does not accept JSON alone")(w, r)
			return
		}
		handler(w, r)
	})
}

// permitted is the consent that a read is made by, if it has one of the scopes, and otherwise
// answers. s.mu is held.
func (s *Server) permitted(w http.ResponseWriter, r *http.Request, scopes []string) *grant {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	g := s.live(token)
	switch {
	case g == nil:
		restError(http.StatusUnauthorized, 124, "Access token is expired.")(w, r)
	case !slices.ContainsFunc(scopes, func(scope string) bool { return slices.Contains(g.scopes, scope) }):
		restError(http.StatusBadRequest, 4711, "Invalid access token, does not contain scopes:["+strings.Join(scopes[:2], ", ")+"].")(w, r)
		return nil
	}
	return g
}

// uuidOf is the uuid in a path: escaped once, or twice if it begins with a slash or has two in a
// row; empty when it is not escaped as Zoom wants it.
func uuidOf(segment string) string {
	special := func(uuid string) bool { return strings.HasPrefix(uuid, "/") || strings.Contains(uuid, "//") }
	once, err := url.PathUnescape(segment)
	if err != nil || strings.Contains(segment, "/") || special(once) {
		return ""
	}
	if twice, err := url.PathUnescape(once); err == nil && special(twice) {
		return twice
	}
	return once
}

// sees reports whether a consent lets its app see a meeting, and otherwise answers. s.mu is held.
func (s *Server) sees(w http.ResponseWriter, r *http.Request, g *grant, m Meeting) bool {
	app := s.apps[g.clientID]
	if m.Account.ID != g.accountID || !app.AdminManaged && app.AccountID == "" && m.Host.ID != g.userID {
		restError(http.StatusBadRequest, 1010, "User does not belong to this account: "+Mark+".")(w, r)
		return false
	}
	return true
}

func (s *Server) pastMeeting(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.permitted(w, r, pastMeetingScopes)
	if g == nil {
		return
	}
	uuid := uuidOf(strings.TrimPrefix(r.URL.EscapedPath(), pastMeetings))
	for _, h := range s.held {
		if h.UUID != uuid || h.end.IsZero() {
			continue
		}
		if s.sees(w, r, g, h.Meeting) {
			writeJSON(w, object{
				"uuid": h.UUID, "id": h.Meeting.Number, "host_id": h.Meeting.Host.ID, "type": h.Meeting.Type, "topic": Mark, "dept": Mark,
				"user_name": Mark, "user_email": Mark + "@example.com", "start_time": rfc3339(h.Start), "end_time": rfc3339(h.end),
				"duration": int(h.end.Sub(h.Start) / time.Minute), "total_minutes": 17, "participants_count": 3, "source": "Zoom",
			})
		}
		return
	}
	restError(http.StatusNotFound, 3001, "Meeting ID is invalid or not end: "+Mark+".")(w, r)
}

func (s *Server) meeting(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.permitted(w, r, meetingScopes)
	if g == nil {
		return
	}
	number := strings.TrimPrefix(r.URL.EscapedPath(), meetings)
	var latest *held
	for _, h := range s.held {
		if strconv.FormatInt(h.Meeting.Number, 10) == number && (latest == nil || !h.Start.Before(latest.Start)) {
			latest = h
		}
	}
	plan := s.plannedUnder(number)
	switch {
	case latest == nil && plan == nil:
		restError(http.StatusNotFound, 3001, "Meeting does not exist: "+Mark+".")(w, r)
	case latest == nil:
		if s.sees(w, r, g, plan.Meeting) {
			o := plan.json()
			o["status"] = zoom.StatusWaiting
			writeJSON(w, o)
		}
	case s.sees(w, r, g, latest.Meeting):
		uuid, status := latest.UUID, zoom.StatusStarted
		if !latest.end.IsZero() {
			uuid, status = latest.Meeting.UUID, zoom.StatusWaiting
		}
		writeJSON(w, object{
			"uuid": uuid, "id": latest.Meeting.Number, "host_id": latest.Meeting.Host.ID, "status": status, "type": latest.Meeting.Type,
			"host_email": Mark + "@example.com", "topic": Mark, "agenda": Mark, "password": Mark, "encrypted_password": Mark,
			"start_url": "https://zoom.us/s/1?zak=" + Mark, "join_url": "https://zoom.us/j/1?pwd=" + Mark, "creation_source": "other",
			"settings": object{"contact_name": Mark, "alternative_hosts": Mark + "@example.com"},
		})
	}
}

// users is the list of an account's users.
func (s *Server) users(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.permitted(w, r, usersScopes)
	if g == nil {
		return
	}
	status := cmp.Or(r.URL.Query().Get("status"), "active")
	s.paged(w, r, "users", maxUsers, func() []object {
		items := []object{}
		for _, l := range s.config.Users {
			is := map[bool]string{true: "inactive", false: "active"}[l.Inactive]
			if l.Account.ID == g.accountID && is == status {
				items = append(items, object{
					"id": l.User.ID, "status": is, "type": 2, "role_id": "2", "email": Mark + "@example.com", "display_name": Mark, "first_name": Mark,
					"last_name": Mark, "dept": Mark, "pmi": 4155551234, "verified": 1, "created_at": "2020-01-01T09:00:00Z",
				})
			}
		}
		return items
	})
}

// list is the list of a user's meetings.
func (s *Server) list(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	user, scopes := userMeetings.FindStringSubmatch(r.URL.EscapedPath())[1], listScopes
	if user != zoom.Me {
		scopes = slices.DeleteFunc(slices.Clone(listScopes), func(scope string) bool { return !strings.HasSuffix(scope, ":admin") })
	}
	g := s.permitted(w, r, scopes)
	if g == nil {
		return
	}
	if user == zoom.Me {
		user = g.userID
	}
	if !slices.ContainsFunc(s.config.Users, func(l Login) bool { return l.Account.ID == g.accountID && l.User.ID == user }) {
		HostGone(w, r)
		return
	}
	if r.URL.Query().Get("type") != "upcoming" {
		restError(http.StatusBadRequest, 300, "Validation Failed.")(w, r)
		return
	}
	s.paged(w, r, "meetings", maxPage, func() []object { return s.upcomingOf(g.accountID, user, s.config.Clock.Now()) })
}

// paged answers with a page of a list, of which the rest is kept for as long as its page can be
// asked for. s.mu is held.
func (s *Server) paged(w http.ResponseWriter, r *http.Request, key string, most int, all func() []object) {
	query, now := r.URL.Query(), s.config.Clock.Now()
	token := query.Get("next_page_token")
	query.Del("next_page_token")
	size := defaultPage
	if text := query.Get("page_size"); text != "" {
		size, _ = strconv.Atoi(text)
	}
	if size < 1 || size > most {
		restError(http.StatusBadRequest, 300, "Validation Failed.")(w, r)
		return
	}
	var items []object
	if token == "" {
		items = all()
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
	writeJSON(w, object{"page_size": size, "total_records": len(items), "next_page_token": next, key: items})
}

func (s *Server) upcomingOf(account, user string, now time.Time) []object {
	items := []object{}
	for _, p := range s.planned {
		if p.Account.ID == account && p.Host.ID == user && p.upcoming(now) {
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
