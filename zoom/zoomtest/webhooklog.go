package zoomtest

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zoom-operator/zoom-operator/zoom"
)

const (
	webhookLogs = "/v2/marketplace/apps/{id}/webhook_logs"
	// logReach is how far back it goes.
	logReach = 7 * 24 * time.Hour
	// logTimes is the one form of its times that is understood.
	logTimes = "2006-01-02T15:04:05Z"
)

var logScopes = []string{zoom.LogScope, zoom.LogScopeAdmin}

// webhookLog lists the attempts to deliver an app's webhooks, one by one.
func (s *Server) webhookLog(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	g := s.live(token)
	app := s.appOfID(r.PathValue("id"))
	refuse := func(status, code int, message string) { restError(status, code, message+" "+Mark+".")(w, r) }
	switch {
	case g == nil:
		refuse(http.StatusUnauthorized, 124, "Invalid access token.")
		return
	case !slices.ContainsFunc(logScopes, func(scope string) bool { return slices.Contains(g.scopes, scope) }):
		refuse(http.StatusUnauthorized, 201, "No permission.")
		return
	case app == nil || s.apps[g.clientID].AccountID == "": // customers have no part in it
		refuse(http.StatusNotFound, 1401, "App does not exist.")
		return
	}
	now := s.config.Clock.Now()
	from, err1 := time.Parse(logTimes, r.FormValue("from"))
	to, err2 := time.Parse(logTimes, r.FormValue("to"))
	retry, err3 := strconv.Atoi(r.FormValue("retry_num"))
	byRetry := r.FormValue("retry_num") != ""
	switch {
	case err1 != nil || err2 != nil:
		refuse(http.StatusNotFound, 1503, "The format of a time is invalid.")
	case to.Before(from):
		refuse(http.StatusNotFound, 1501, "The end is before the beginning.")
	case from.After(now):
		refuse(http.StatusNotFound, 1504, "The beginning is in the future.")
	case from.Before(now.Add(-logReach)) || to.After(now):
		refuse(http.StatusNotFound, 1502, "The times are not within the last 7 days.")
	case byRetry && (err3 != nil || retry < 0 || retry > 3):
		refuse(http.StatusBadRequest, 1506, "retry_num is invalid.")
	default:
		s.paged(w, r, "webhook_logs", maxPage, func() []object { return s.logged(*app, r.URL.Query(), from, to) })
	}
}

// appOfID is the app with an ID of the Marketplace; nil when there is none. s.mu is held.
func (s *Server) appOfID(id string) *App {
	for _, app := range s.apps {
		if app.ID != "" && app.ID == id {
			return &app
		}
	}
	return nil
}

// logged are the attempts that a query is about.
func (s *Server) logged(app App, query url.Values, from, to time.Time) []object {
	items := []object{}
	if app.Webhooks == nil {
		return items
	}
	for _, d := range app.Webhooks.Deliveries() {
		at := d.Timestamp.Truncate(time.Second)
		wanted := map[string]bool{"": !d.Acknowledged(), "1": true, "2": !d.Acknowledged(), "3": d.Acknowledged()}[query.Get("type")]
		if d.Attempt == 0 || !wanted || at.Before(from) || at.After(to) ||
			query.Get("event") != "" && query.Get("event") != d.Event.Name || query.Get("retry_num") != "" && query.Get("retry_num") != strconv.Itoa(d.Attempt-1) {
			continue
		}
		items = append(items, app.WebhookLog.row(d))
	}
	if app.WebhookLog.NewestFirst {
		slices.Reverse(items)
	}
	return items
}

func (l WebhookLog) row(d Delivery) object {
	body, at, status := string(d.Event.Body), d.Timestamp.UTC().Format("2006-01-02T15:04:05Z"), d.Status
	if status == 0 {
		status = -1
	}
	if slices.Contains(l.CutOff, d.Event.Name) {
		body = body[:len(body)*2/3]
	}
	if l.OddTimes {
		at = strings.TrimSuffix(at, "Z") + ":387Z"
	}
	return object{
		"event": d.Event.Name, "status": status, "failed_reason_type": d.failedReason(), "user_id": Mark, "endpoint": d.Endpoint, "subscription_id": "9qwt8mkBEW2O6fPuxBpXpA",
		"request_headers": "N/A", "request_body": body, "response_headers": string(encode(object{"X-Secret": Mark})), "response_body": Mark,
		"date_time": at, "trace_id": "WEB_" + d.RequestID, "request_id": d.RequestID, "retry_num": d.Attempt - 1,
	}
}
