package zoomtest

import (
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
)

// formParameters are what each request to the authorization server may have in its body, by RFC
// 6749 (4.1.3, 4.4.2 and 6), RFC 7636, RFC 7009 and, of a Server-to-Server app, Zoom's
// documentation.
var formParameters = map[string][]string{
	"authorization_code":  {"grant_type", "code", "redirect_uri", "code_verifier"},
	"refresh_token":       {"grant_type", "refresh_token"},
	"client_credentials":  {"grant_type"},
	"account_credentials": {"grant_type", "account_id"},
	"revoke":              {"token"},
}

// unnamed reports whether the User-Agent of a request is missing, or Go's default.
func unnamed(r *http.Request) bool {
	agent := r.Header.Get("User-Agent")
	return agent == "" || strings.HasPrefix(agent, "Go-http-client/")
}

// violation is why a strict authorization server refuses a request, and empty for one that conforms
// to the RFCs. It quotes no value: they are codes and tokens.
func violation(r *http.Request, kind string) string {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch {
	case r.URL.RawQuery != "" || r.URL.ForceQuery:
		// Queries end up in logs. Zoom's own documentation still shows them.
		return "parameters in the query"
	case err != nil || mediaType != "application/x-www-form-urlencoded":
		return "the body is not a form"
	case r.ParseForm() != nil:
		return "the form is malformed"
	case len(r.Header.Values("Authorization")) != 1 || !strings.HasPrefix(r.Header.Get("Authorization"), "Basic "):
		return "the client is not authenticated by one Authorization header of type Basic"
	}
	for key, values := range r.PostForm {
		switch {
		case strings.HasPrefix(key, "client_"):
			return "client credentials in the body"
		case !slices.Contains(formParameters[kind], key):
			return "an unknown parameter"
		case len(values) != 1:
			return "a doubled " + key // RFC 6749, 3.2
		case values[0] == "":
			return "an empty " + key
		}
	}
	return ""
}

// strictly refuses a request that violates the RFCs, unless the Server is lenient, and keeps the
// reason for Stats.
func (s *Server) strictly(kind string, handler http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		why := violation(r, kind)
		if unnamed(r) {
			why = noAgent
		}
		if s.config.Lenient || why == "" {
			handler(w, r)
			return
		}
		s.violated(fmt.Sprintf("%s: %s", kind, why))
		(&refusal{http.StatusBadRequest, "invalid_request", why, 0}).write(w)
	}
}

const noAgent = "no User-Agent of its own"

// named refuses a request to the REST API without a User-Agent of its own, unless the Server is
// lenient.
func (s *Server) named(kind string, handler http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.config.Lenient || !unnamed(r) {
			handler(w, r)
			return
		}
		s.violated(kind + ": " + noAgent)
		restError(http.StatusForbidden, 0, noAgent)(w, r)
	}
}

func (s *Server) violated(why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stats.Violations = append(s.stats.Violations, why)
}
