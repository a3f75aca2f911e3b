package webhookserver

import (
	"net/http"
	"net/url"
	"strings"
)

// withoutRedirects takes a path for what it means before http.ServeMux does, which redirects to the
// path that it would like better. Zoom follows no redirect and does not send an event again that
// met one. An ingress that rewrites paths doubles a slash, or leaves one at the end; those are
// dropped. A path with "." or ".." in it, however spelled, has no handler here, and is not resolved
// either: what a proxy let through as the one path must not be served as another.
func withoutRedirects(next, nowhere http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, ok := plainPath(r.URL)
		if !ok {
			nowhere.ServeHTTP(w, r)
			return
		}
		plain := *r
		plain.URL = path
		next.ServeHTTP(w, &plain)
	})
}

// orNowhere serves a mux, and in place of its bare 404 what is for browsers that are led nowhere.
func orNowhere(mux *http.ServeMux, nowhere http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		browser := r.Method == http.MethodGet || r.Method == http.MethodHead
		if _, pattern := mux.Handler(r); browser && pattern == "" {
			nowhere.ServeHTTP(w, r)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// plainPath is a URL without empty segments in its path. It is not ok with a segment that would be
// resolved. Segments are taken apart as they came, so that a slash that is escaped stays a part of
// its segment.
func plainPath(u *url.URL) (*url.URL, bool) {
	var segments []string
	for segment := range strings.SplitSeq(u.EscapedPath(), "/") {
		decoded, err := url.PathUnescape(segment)
		switch {
		case err != nil, decoded == ".", decoded == "..":
			return nil, false
		case segment != "":
			segments = append(segments, segment)
		}
	}
	plain := *u
	plain.RawPath = "/" + strings.Join(segments, "/")
	var err error
	plain.Path, err = url.PathUnescape(plain.RawPath)
	return &plain, err == nil
}
