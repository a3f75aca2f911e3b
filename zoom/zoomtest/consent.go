package zoomtest

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
)

// Consent allows the app its scopes, as a user does at the consent page. It returns where Zoom
// sends the browser. An authorizeURL without a state is a flow that began at Zoom.
func (s *Server) Consent(authorizeURL, userID string) (callback string, err error) {
	return s.answer(authorizeURL, userID, true, nil)
}

// ConsentWithout allows the app its scopes but for these, which have to be among the app's
// OptionalScopes.
func (s *Server) ConsentWithout(authorizeURL, userID string, without ...string) (callback string, err error) {
	return s.answer(authorizeURL, userID, true, without)
}

// Refuse declines, as a user does at the consent page.
func (s *Server) Refuse(authorizeURL string) (callback string, err error) {
	return s.answer(authorizeURL, s.config.Users[0].User.ID, false, nil)
}

func (s *Server) answer(authorizeURL, userID string, accept bool, without []string) (callback string, err error) {
	u, err := url.Parse(authorizeURL)
	if err != nil {
		return "", errors.New("zoomtest: the authorize URL cannot be parsed")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	app, err := s.check(u.Query())
	if err != nil {
		return "", err
	}
	if slices.ContainsFunc(without, func(scope string) bool { return !slices.Contains(app.OptionalScopes, scope) }) {
		return "", fmt.Errorf("zoomtest: not all of %q are optional scopes of the app", without)
	}
	return s.callback(u.Query(), userID, accept, without)
}

// check finds the app of an authorization request. Zoom shows its errors to the user, and does not
// report them to the app. s.mu is held.
func (s *Server) check(q url.Values) (App, error) {
	app, known := s.apps[q.Get("client_id")]
	switch {
	case !known:
		return App{}, errors.New("invalid client_id (4,702)")
	case app.Disabled:
		return App{}, errors.New("this app has been disabled (4,717)")
	case !slices.Contains(app.RedirectURLs, q.Get("redirect_uri")):
		return App{}, errors.New("invalid redirect (4,700)")
	case q.Get("response_type") != "code":
		return App{}, errors.New("unsupported response type")
	case !slices.Contains([]string{"", "plain", "S256"}, q.Get("code_challenge_method")):
		return App{}, errors.New("unsupported code challenge method")
	}
	return app, nil
}

// callback is where the browser goes after the decision about a request that passed check, of which
// the user may have left scopes out. s.mu is held.
func (s *Server) callback(q url.Values, userID string, accept bool, without []string) (string, error) {
	u, err := url.Parse(q.Get("redirect_uri"))
	if err != nil {
		return "", errors.New("invalid redirect (4,700)")
	}
	answer := u.Query()
	for key, value := range s.apps[q.Get("client_id")].Callback {
		answer.Set(key, value)
	}
	if q.Has("state") {
		answer.Set("state", q.Get("state"))
	}
	if accept {
		login, known := s.login(userID)
		if !known {
			return "", fmt.Errorf("there is no user %q", userID)
		}
		text := newToken("code")
		s.codes[text] = &code{
			clientID:    q.Get("client_id"),
			redirectURL: q.Get("redirect_uri"),
			challenge:   q.Get("code_challenge"),
			method:      q.Get("code_challenge_method"),
			login:       login,
			scopes: slices.DeleteFunc(slices.Clone(s.apps[q.Get("client_id")].Scopes), func(scope string) bool {
				return slices.Contains(without, scope)
			}),
			expires: s.config.Clock.Now().Add(CodeLifetime),
		}
		answer.Set("code", text)
	} else {
		answer.Set("error", "access_denied")
		answer.Set("error_description", "The user denied the request")
	}
	u.RawQuery = answer.Encode()
	return u.String(), nil
}

func (s *Server) login(userID string) (Login, bool) {
	i := slices.IndexFunc(s.config.Users, func(l Login) bool { return l.User.ID == userID })
	if i < 0 {
		return Login{}, false
	}
	return s.config.Users[i], true
}

// consentPage needs no script, so that any browser can press its buttons.
var consentPage = template.Must(template.New("consent").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>A pretended Zoom</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 3rem auto; padding: 0 1rem; }
button, select { font: inherit; padding: .4rem 1rem; }
</style>
<main>
{{if .Error}}
<h1>Something is wrong with this link</h1>
<p id="error">{{.Error}}</p>
{{else}}
<h1>Allow <code>{{.App.ClientID}}</code> to use your account?</h1>
<p>This is a Zoom for tests. The app asks for:</p>
<ul>{{range .App.Scopes}}<li><code>{{.}}</code></li>{{else}}<li>nothing</li>{{end}}</ul>
<form method="post" action="/oauth/authorize">
{{range $key, $values := .Request}}{{range $values}}<input type="hidden" name="{{$key}}" value="{{.}}">
{{end}}{{end}}<p><label for="user">Signed in as</label>
<select id="user" name="user">
{{range .Users}}<option value="{{.User.ID}}"{{if eq .User.ID $.User}} selected{{end}}>{{.User.Name}} ({{.Account.ID}})</option>
{{end}}</select></p>
<p><button id="allow" name="decision" value="allow">Allow</button>
<button id="decline" name="decision" value="decline">Decline</button></p>
</form>
{{end}}
</main>
</html>
`))

type consent struct {
	Error   error
	App     App
	Request url.Values
	Users   []Login
	User    string // preselected
}

// authorize shows the consent page. The query can name the user who is signed in.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	page := consent{Request: q, Users: s.config.Users, User: q.Get("user")}
	q.Del("user") // comes back from the form
	s.mu.Lock()
	page.App, page.Error = s.check(q)
	s.mu.Unlock()
	page.write(w)
}

// decide is a press of one of the page's buttons.
func (s *Server) decide(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		consent{Error: errors.New("the form cannot be read")}.write(w)
		return
	}
	s.mu.Lock()
	_, err := s.check(r.PostForm)
	var callback string
	if err == nil {
		callback, err = s.callback(r.PostForm, r.PostForm.Get("user"), r.PostForm.Get("decision") == "allow", nil)
	}
	s.mu.Unlock()
	if err != nil {
		consent{Error: err}.write(w)
		return
	}
	http.Redirect(w, r, callback, http.StatusFound)
}

func (c consent) write(w http.ResponseWriter) {
	var b bytes.Buffer
	if err := consentPage.Execute(&b, c); err != nil {
		panic(fmt.Sprintf("zoomtest: the consent page: %v", err))
	}
	status := http.StatusOK
	if c.Error != nil {
		status = http.StatusBadRequest
	}
	answer(status, "text/html;charset=UTF-8", b.String())(w, nil)
}
