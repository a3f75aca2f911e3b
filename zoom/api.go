package zoom

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// User is the user who consented. The names and e-mails in Zoom's answer are not decoded.
type User struct {
	ID        string
	AccountID string
}

// restCodes are the codes of the REST API that decide what to do next.
var restCodes = map[string]error{
	"4711": ErrScope,
	"4700": ErrScope, // the older number
	"201":  ErrScope, // how the API of the Marketplace puts it
}

// Me returns the user that accessToken belongs to. That needs the scope user:read:user, or
// user:read:user:admin in an admin-managed app. apiURL is the one of the Token.
func (o *OAuth) Me(ctx context.Context, accessToken, apiURL string) (*User, error) {
	user, err := o.me(ctx, accessToken, apiURL)
	if err != nil {
		return nil, fmt.Errorf("zoom: reading the consenting user: %w", err)
	}
	return user, nil
}

func (o *OAuth) me(ctx context.Context, accessToken, apiURL string) (*User, error) {
	answer, err := o.get(ctx, "/v2/users/me", accessToken, apiURL)
	if err != nil {
		return nil, err
	}
	user := &User{ID: answer.scalar("id"), AccountID: answer.scalar("account_id")}
	if !userIDPattern.MatchString(user.ID) || !accountIDPattern.MatchString(user.AccountID) {
		return nil, errUnusable
	}
	return user, nil
}

// get reads a resource of the REST API, whose codes are restCodes and these. A body that is no
// object, as one that was cut off, is an error.
func (o *OAuth) get(ctx context.Context, path, accessToken, apiURL string, codes ...map[string]error) (answer, error) {
	return o.rest(ctx, restRequest{method: http.MethodGet, path: path, timeout: answerTimeout}, &Token{AccessToken: accessToken, APIURL: apiURL}, codes...)
}

// restRequest is a request to the REST API.
type restRequest struct {
	method  string
	path    string         // with the query
	body    map[string]any // sent as JSON, if there is any
	timeout time.Duration
	words   []string // those that a refusal may name
}

// rest makes a request to the REST API, the codes of which are restCodes and these. An answer
// without a body is one to a request that changes something.
func (o *OAuth) rest(ctx context.Context, r restRequest, token *Token, codes ...map[string]error) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	var body []byte
	if r.body != nil {
		var err error
		if body, err = json.Marshal(r.body); err != nil {
			return answer{}, fmt.Errorf("%w: %w", ErrNotSent, err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, r.method, o.apiBase(token.APIURL)+r.path, bytes.NewReader(body))
	if err != nil {
		return answer{}, fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Authorization", "Bearer "+token.AccessToken)
	status, header, body, err := o.do(req)
	if err != nil {
		return answer{}, err
	}
	a, err := readREST(r.method, status, header, body, append([]map[string]error{restCodes, accessCodes}, codes...))
	if named := quoted(body, r.words); len(named) > 0 && (errors.Is(err, ErrEventName) || errors.Is(err, ErrEventScope)) {
		err = fmt.Errorf("%w: %w", err, EventsError(named))
	}
	return a, err
}

// EventsError goes with ErrEventName and ErrEventScope, and has the events that Zoom's answer names
// of those that were asked for. It is not documented that it names any.
type EventsError []string

func (e EventsError) Error() string { return strings.Join(e, ", ") }

// quoted are those of the words that an answer names.
func quoted(body []byte, words []string) (named []string) {
	text := strings.FieldsFunc(string(body), func(r rune) bool { return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' && r != '.' })
	for i := range text {
		text[i] = strings.Trim(text[i], ".")
	}
	for _, word := range words {
		if slices.Contains(text, word) {
			named = append(named, word)
		}
	}
	return named
}

func readREST(method string, status int, header http.Header, body []byte, classes []map[string]error) (answer, error) {
	success := status == http.StatusOK || method != http.MethodGet && 200 <= status && status <= 299
	if !success {
		err := refusal(status, header, body, classes...)
		if e, ok := errors.AsType[*StatusError](err); ok && e.Status == http.StatusUnauthorized {
			err = ErrToken
		}
		return answer{}, err
	}
	date, _ := http.ParseTime(header.Get("Date")) // the zero time, if it is none
	if method != http.MethodGet && len(body) == 0 {
		return answer{date: date.UTC()}, nil
	}
	fields, ok := parseObject(body)
	if class := classOf(errorCodes(body), classes...); class != nil && fields["id"] == nil {
		return answer{}, class // a refusal with status 200, as at the authorization server
	}
	if !ok {
		return answer{}, errUnusable
	}
	return answer{object: object{fields: fields}, date: date.UTC()}, nil
}

// apiHost matches the hosts of Zoom's REST API: api.zoom.us, and api-eu.zoom.us of a region. The
// other domain is that of the government cloud.
var apiHost = regexp.MustCompile(`^api(?:-[a-z0-9]+)*\.(zoom\.us|zoomgov\.com)$`)

// apiBase returns where an access token may be sent: to the region, if apiURL names one, or else
// where this client is configured to send it.
func (o *OAuth) apiBase(apiURL string) string {
	return cmp.Or(o.region(apiURL), o.api())
}

// region returns the base that an answer names, as far as it may be sent a token, and otherwise
// nothing. It keeps requests in the account's region, but comes out of an answer: it counts only if
// it is the configured host, or one of Zoom's for this API in the domain of the configured one.
// Otherwise a forged answer would have the token sent to its author, and could point this client at
// hosts inside the cluster.
func (o *OAuth) region(apiURL string) string {
	configured, err := url.Parse(o.api())
	if err != nil {
		return ""
	}
	u, err := url.Parse(apiURL)
	if err != nil || u.User != nil {
		return ""
	}
	// A port would be part of the host: a region is reached at 443 only.
	own, host := strings.ToLower(configured.Host), strings.ToLower(u.Host)
	switch {
	case host == own:
		return o.api()
	case u.Scheme == "https" && apiDomain(host) != "" && apiDomain(host) == apiDomain(own):
		return "https://" + host
	}
	return ""
}

// apiDomain is the domain of a host of Zoom's REST API, and empty for any other host.
func apiDomain(host string) string {
	if match := apiHost.FindStringSubmatch(host); match != nil {
		return match[1]
	}
	return ""
}

func (o *OAuth) api() string {
	return strings.TrimRight(o.APIURL, "/")
}
