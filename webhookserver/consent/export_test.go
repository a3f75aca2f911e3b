package consent

import (
	"net/http"
	"time"

	"github.com/zoom-operator/zoom-operator/internal/sealing"
)

// What the tests of the whole server look at.
const MaxCode = maxCode

var (
	ContentSecurityPolicy = contentSecurityPolicy
	CookieName            = cookieName
)

// Problem is the page that a reason has.
type Problem struct {
	Code  int
	Title string
}

// ProblemOf is the page of a reason; zero when it has none.
func ProblemOf(reason string) Problem {
	return Problem{problems[reason].code, english.Problems[reason].Title}
}

// Begin is a cookie with a consent under way that began in no browser, and its state.
func Begin(box *sealing.Box, path string) (cookie *http.Cookie, state string, err error) {
	var c flows
	state = c.begin(flow{Verifier: "v"}, time.Now())
	cookie, err = c.seal(box, path, true, time.Now())
	return cookie, state, err
}
