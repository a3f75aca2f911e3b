package zoomtest

import (
	"fmt"
	"html"
	"net/http"
	"strings"
)

// refusal is an error of the authorization server.
type refusal struct {
	status int
	error  string // RFC 6749's code
	reason string // Zoom's text
	code   int    // Zoom's number; mostly missing
}

func (e *refusal) write(w http.ResponseWriter) {
	body := object{"reason": e.reason, "error": e.error}
	if e.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="zoom"`) // RFC 6749, 5.2
	}
	if e.code != 0 {
		body["code"] = e.code
	}
	Answer(e.status, string(encode(body)))(w, nil)
}

func (e *refusal) answer(w http.ResponseWriter, _ *http.Request) { e.write(w) }

func writeJSON(w http.ResponseWriter, body object) {
	Answer(http.StatusOK, string(encode(body)))(w, nil)
}

// restError is an error of the REST API. A request that does not accept JSON gets XML in the form
// that users of client libraries report.
func restError(status, code int, message string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Accept"), "application/json") {
			Answer(status, string(encode(object{"code": code, "message": message})))(w, r)
			return
		}
		answer(status, "application/xml;charset=UTF-8", fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8" standalone="yes"?>`+
			`<result><code>%d</code><message>%s</message></result>`, code, html.EscapeString(message)))(w, r)
	}
}
