package zoom

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// What a refusal by Zoom means for the caller. Every error of OAuth's methods wraps one of these,
// is a *RateLimited or a *StatusError, or says that there was no usable answer; in the last case it
// is unknown what Zoom did. Zoom's error codes and the HTTP status decide, never Zoom's texts.
var (
	// ErrGrant means the authorization code, or the token, will never be accepted again: spent,
	// expired, revoked, or its owner is gone. Only a new consent helps.
	ErrGrant = errors.New("the code or token is dead at Zoom; the app has to be installed again")

	// ErrClient means Zoom refused the app itself: an unknown client ID, a wrong client secret, or
	// an app that is disabled. No code and no token was spent.
	ErrClient = errors.New("the app's client ID or client secret is wrong at Zoom, or the app is disabled")

	// ErrScope means the access token is good, but does not allow the request. Together with
	// ErrGrant it means that a refresh token has other scopes than the app by now, so that the app
	// has to be installed again.
	ErrScope = errors.New("the token lacks a scope that the request needs, such as user:read:user")

	// ErrUnauthorized goes with ErrGrant where Zoom says unauthorized_client: the app has no grant
	// any more. By RFC 6749 it is the answer to a client that was authenticated; it is not
	// documented that Zoom checks the client secret first.
	ErrUnauthorized = errors.New("the app may not use the code or token")

	// ErrToken means the access token is invalid or has expired.
	ErrToken = errors.New("the access token is invalid or has expired")

	// ErrPlan means that the account's plan, or the role of the user who consented, does not have
	// what the request asks for.
	ErrPlan = errors.New("the account's plan or the user's role does not allow the request")

	// ErrNoMeeting means that Zoom knows no such meeting: the number is unknown, has expired or is
	// that of a webinar, or, of a past meeting, it is not over yet or was over a year ago.
	ErrNoMeeting = errors.New("there is no such meeting at Zoom")

	// ErrHost means that the host of the meeting is unknown at Zoom, is in another account, or has
	// not permitted access.
	ErrHost = errors.New("the host is unknown to Zoom in this account, or access is not permitted")

	// ErrTooLong means that an answer is longer than any should be. A list may be asked for with
	// fewer items.
	ErrTooLong = errors.New("the answer is too long")

	// ErrEventName means that Zoom has no event of one of the names.
	ErrEventName = errors.New("there is no event of such a name at Zoom")

	// ErrEventScope means that the app has not selected the scope that one of the events needs.
	ErrEventScope = errors.New("the app lacks the scope that an event needs")

	// ErrNotSent means that not a byte of the request reached Zoom, so that no code and no token
	// was spent: the name did not resolve, the dial was refused or timed out, a proxy refused the
	// CONNECT, or TLS failed, for instance because the certificate is not trusted.
	ErrNotSent = errors.New("nothing was sent to Zoom")
)

// RateLimited means that Zoom wants no more requests for now (status 429).
//
//nolint:errname // It is a state of affairs that a caller waits for, and reads better without Error.
type RateLimited struct {
	// RetryAfter is how long to wait, where Zoom gave a number of seconds.
	RetryAfter time.Duration

	// Until is when requests are welcome again, where Zoom gave a date, as it does for limits per
	// day.
	Until time.Time
}

// maxWait is the longest that Zoom's limits can last: they count per second or per day.
const maxWait = 24 * time.Hour

// Wait is how long from now no request should be made, at most a day. It is 0 when Zoom did not
// say.
func (e *RateLimited) Wait(now time.Time) time.Duration {
	wait := e.RetryAfter
	if !e.Until.IsZero() {
		wait = e.Until.Sub(now)
	}
	return min(max(wait, 0), maxWait)
}

func (e *RateLimited) Error() string {
	switch {
	case !e.Until.IsZero():
		return "Zoom's rate limit is reached, until " + e.Until.Format(time.RFC3339)
	case e.RetryAfter > 0:
		return "Zoom's rate limit is reached, for " + e.RetryAfter.String()
	}
	return "Zoom's rate limit is reached"
}

// StatusError is a refusal that has no error of its own here.
type StatusError struct {
	// Status is the HTTP status. It is one of success where the refusal stands in the body alone.
	Status int

	// Code is Zoom's number for the error, or else the code of RFC 6749; empty when the answer had
	// neither.
	Code string
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("Zoom answered with status %d", e.Status)
	if e.Code != "" {
		text += ", code " + e.Code
	}
	return text
}

// Token is the access token and the refresh token of one consent. Printing it in any way shows
// nothing of it.
type Token struct {
	// AccessToken is good for ExpiresIn.
	AccessToken string `json:"-"`

	// RefreshToken can be spent once. Zoom's documentation gives it 90 days, older editions more.
	// After a refresh that was answered without a new one it is the one that was passed in, for
	// then nothing took its place.
	RefreshToken string `json:"-"`

	// ExpiresIn counts from the moment Zoom answered.
	ExpiresIn time.Duration `json:"-"`

	// Scopes are the granted ones, which need not be all that the app asks for.
	Scopes []string `json:"-"`

	// APIURL is the base of the REST API in the account's region. Empty when Zoom did not say, or
	// named a host that is not to be sent a token.
	APIURL string `json:"-"`

	// AnsweredAt is when Zoom gave the token, by Zoom's own clock and to the second: the Date
	// header of the answer, whatever the difference to the clock here. Zero when there was none
	// that can be parsed.
	AnsweredAt time.Time `json:"-"`
}

const redactedToken = "zoom.Token{redacted}"

// String hides the token.
func (Token) String() string { return redactedToken }

// GoString hides the token.
func (Token) GoString() string { return redactedToken }

// LogValue hides the token.
func (Token) LogValue() slog.Value { return slog.StringValue(redactedToken) }

// OAuth is one app's client at Zoom's authorization server and REST API. It is safe for concurrent
// use and never repeats a request that Zoom may have acted on: a refresh token can be spent only
// once.
type OAuth struct {
	// ClientID is the app's public name.
	ClientID string

	// ClientSecrets are the app's secrets, newest first: while one is being rotated there are two.
	// The next one is tried only when Zoom refused the app with the one before, which spends
	// neither a code nor a token.
	ClientSecrets []string `json:"-"`

	// WebURL is the base of the authorization server, https://zoom.us outside of government clouds
	// and tests.
	WebURL string

	// APIURL is the base of the REST API, https://api.zoom.us outside of government clouds and
	// tests.
	APIURL string

	// HTTP must be set; see NewHTTPClient.
	HTTP *http.Client `json:"-"`
}

// String hides the client secrets.
func (o OAuth) String() string { return "zoom.OAuth{ClientID: " + strconv.Quote(o.ClientID) + "}" }

// GoString hides the client secrets.
func (o OAuth) GoString() string { return o.String() }

// LogValue hides the client secrets.
func (o OAuth) LogValue() slog.Value { return slog.StringValue(o.String()) }

const (
	// answerTimeout bounds a call from the dial to the last byte of the answer.
	answerTimeout = 10 * time.Second

	// refreshTimeout does so for a refresh, which is given longer: when its answer is lost, so is
	// the installation.
	refreshTimeout = 20 * time.Second

	// dialTimeout is shorter than both, so that a dial that times out is known to have sent
	// nothing.
	dialTimeout = 3 * time.Second

	// maxAnswer bounds an answer. Zoom does not bound its tokens; they are 1 to 2 KB long, and a
	// page of meetings is up to 200 KB.
	maxAnswer = 256 << 10

	// maxHeader bounds the header of an answer.
	maxHeader = 64 << 10
)

// NewHTTPClient returns a client for OAuth.HTTP that a hostile server cannot hold on to: a request
// ends after 20 seconds, an answer after 256 KiB, and redirects are not followed, since they would
// carry tokens elsewhere. A request is never sent twice.
func NewHTTPClient() *http.Client {
	// Package net/http sends a request again when an HTTP/2 server refuses its stream.
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Client{
		Timeout: refreshTimeout,
		Transport: boundedTransport{&http.Transport{
			Proxy:                  proxyFromEnvironment,
			OnProxyConnectResponse: proxyAnswered,
			DialContext:            (&net.Dialer{Timeout: dialTimeout}).DialContext,
			Protocols:              protocols,
			MaxResponseHeaderBytes: maxHeader,
			// A connection that was kept alive may turn out dead, and package net/http then sends a
			// request again.
			DisableKeepAlives: true,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// proxyFromEnvironment wraps ErrNotSent when the URL of the proxy is invalid.
func proxyFromEnvironment(r *http.Request) (*url.URL, error) {
	proxy, err := http.ProxyFromEnvironment(r)
	if err != nil {
		return nil, fmt.Errorf("%w: the proxy's URL in the environment is invalid", ErrNotSent)
	}
	return proxy, nil
}

// proxyAnswered makes a proxy's refusal of a CONNECT an ErrNotSent with the status; package
// net/http has the proxy's text alone.
func proxyAnswered(_ context.Context, _ *url.URL, _ *http.Request, resp *http.Response) error {
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	return fmt.Errorf("%w: the proxy refused the connection with status %d", ErrNotSent, resp.StatusCode)
}

// boundedTransport makes reading more than maxAnswer of an answer, after decompression, an error.
type boundedTransport struct{ next http.RoundTripper }

var _ http.RoundTripper = boundedTransport{}

func (t boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswer)
	return resp, nil
}

// AuthorizeURL is where a browser is sent for consent. Zoom sends it back to redirectURL, which
// must be one of those that the app registered, with a code that is good for 5 minutes, and with
// state. The verifier of PKCE stays with the caller until the exchange; the URL carries its SHA-256
// alone. Scopes are chosen in the app's registration.
func (o *OAuth) AuthorizeURL(redirectURL, state, verifier string) string {
	c := oauth2.Config{
		ClientID:    o.ClientID,
		RedirectURL: redirectURL,
		Endpoint:    oauth2.Endpoint{AuthURL: o.web("/oauth/authorize")},
	}
	return c.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier))
}

// Exchange spends an authorization code. redirectURL and verifier are those of AuthorizeURL; a flow
// that began at Zoom has no verifier, and an empty one is not sent.
func (o *OAuth) Exchange(ctx context.Context, code, redirectURL, verifier string) (*Token, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirectURL}}
	if verifier != "" {
		form.Set("code_verifier", verifier)
	}
	token, err := o.token(ctx, form)
	if e, ok := errors.AsType[*StatusError](err); ok && e.Status == http.StatusBadRequest && e.Code == "invalid_request" {
		// Seen in the test data of a client library: this, without a number, is how Zoom refuses a
		// code that is unknown or was used before.
		err = ErrGrant
	}
	if err != nil {
		return nil, fmt.Errorf("zoom: exchanging an authorization code: %w", err)
	}
	return token, nil
}

// Refresh spends a refresh token with exactly one request: when it returns a token, the one passed
// in is dead, unless the answer had no other and it is returned again. The request is repeated with
// the next client secret alone, and only after Zoom refused the app and therefore spent nothing. An
// error that wraps ErrNotSent says that nothing was spent either.
func (o *OAuth) Refresh(ctx context.Context, refreshToken string) (*Token, error) {
	if refreshToken == "" {
		return nil, fmt.Errorf("zoom: refreshing without a refresh token: %w", ErrGrant)
	}
	ctx, cancel := context.WithTimeout(ctx, refreshTimeout)
	defer cancel()
	token, err := o.token(ctx, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}})
	if errors.Is(err, ErrToken) { // the only token in the request is the refresh token
		err = ErrGrant
	}
	if err != nil {
		return nil, fmt.Errorf("zoom: refreshing a token: %w", err)
	}
	token.RefreshToken = cmp.Or(token.RefreshToken, refreshToken)
	return token, nil
}

// Revoke removes the app from the account that accessToken belongs to: at Zoom, revoking is
// uninstalling, and triggers app_deauthorized. A token that is dead removes nothing: the error then
// wraps ErrToken or ErrGrant.
func (o *OAuth) Revoke(ctx context.Context, accessToken string) error {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	answer, err := o.post(ctx, "/oauth/revoke", url.Values{"token": {accessToken}})
	if err == nil && answer.text("status") != "success" {
		err = errUnusable
	}
	if err != nil {
		return fmt.Errorf("zoom: revoking a token: %w", err)
	}
	return nil
}

func (o *OAuth) web(path string) string {
	return strings.TrimRight(o.WebURL, "/") + path
}

// token asks for tokens. Of the answer only the access token has to be understood: a code or a
// token was spent on it, so nothing beside it is worth losing it.
func (o *OAuth) token(ctx context.Context, form url.Values) (*Token, error) {
	answer, err := o.post(ctx, "/oauth/token", form)
	if err != nil {
		return nil, err
	}
	t := &Token{
		AccessToken:  answer.text("access_token"),
		RefreshToken: answer.text("refresh_token"),
		ExpiresIn:    expiresIn(answer),
		Scopes:       strings.Fields(answer.text("scope")),
		APIURL:       o.region(answer.text("api_url")),
		AnsweredAt:   answer.date,
	}
	kind := answer.text("token_type")
	switch {
	case t.AccessToken == "":
		return nil, errUnusable
	case kind != "" && !strings.EqualFold(kind, "bearer"):
		return nil, errTokenType
	}
	return t, nil
}

// errTokenType leaves open, as errUnusable does, whether something was spent: such an answer has no
// usable token, and may not be Zoom's.
var errTokenType = errors.New("the answer of Zoom has another token_type than bearer, and such a token cannot be used")

const (
	// lifetime is how long an access token is good for, if the answer does not say.
	lifetime = time.Hour

	// maxLifetime is the longest that is believed. Zoom's access tokens are good for an hour.
	maxLifetime = 24 * time.Hour
)

// expiresIn reads expires_in, a number of seconds that may be in a string.
func expiresIn(answer answer) time.Duration {
	seconds, err := strconv.ParseFloat(strings.Trim(string(answer.raw("expires_in")), `"`), 64)
	if err != nil || !(1 <= seconds && seconds <= maxLifetime.Seconds()) { // written so that NaN fails
		return lifetime
	}
	return time.Duration(seconds * float64(time.Second))
}

// answer is a success of the authorization server.
type answer struct {
	object

	// date is Zoom's clock when it answered; zero when unknown.
	date time.Time
}

// post sends a form to the authorization server, with one client secret after the other until Zoom
// accepts the app, and returns the answer if it is a success.
func (o *OAuth) post(ctx context.Context, path string, form url.Values) (a answer, err error) {
	err = ErrClient
	for _, secret := range o.ClientSecrets {
		if a, err = o.postWith(ctx, secret, path, form); !errors.Is(err, ErrClient) {
			break
		}
	}
	return a, err
}

func (o *OAuth) postWith(ctx context.Context, secret, path string, form url.Values) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.web(path), strings.NewReader(form.Encode()))
	if err != nil {
		return answer{}, fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(url.QueryEscape(o.ClientID), url.QueryEscape(secret)) // escaped as RFC 6749 section 2.3.1 wants
	status, header, body, err := o.do(req)
	if err != nil {
		return answer{}, err
	}
	if status < 200 || status > 299 {
		err := refusal(status, header, body, tokenCodes, accessCodes)
		if e, ok := errors.AsType[*StatusError](err); ok && 400 <= status && status <= 499 && deadToken(e.Code, body) {
			err = ErrGrant
		}
		return answer{}, err
	}
	fields, ok := parseObject(body)
	success := object{fields: fields}
	if success.raw("access_token") == nil && success.text("status") != "success" {
		if err := refusalAsSuccess(status, body); err != nil {
			return answer{}, err
		}
	}
	if !ok {
		return answer{}, errUnusable
	}
	date, _ := http.ParseTime(header.Get("Date")) // the zero time, if it is none
	return answer{object: success, date: date.UTC()}, nil
}

// refusalAsSuccess is the refusal in an answer of status 200, as was seen of Zoom: with "status":
// false in its body. It is nil where the answer has no known cause.
func refusalAsSuccess(status int, body []byte) error {
	codes := errorCodes(body)
	code := slices.Concat(codes, []string{""})[0]
	switch class := classOf(codes, tokenCodes, accessCodes); {
	case class != nil:
		return class
	case deadToken(code, body):
		return ErrGrant
	case code != "":
		return &StatusError{Status: status, Code: code}
	}
	return nil
}

// errUnusable stands in for errors that may quote what Zoom sent, which may repeat the code or
// token of the request.
var errUnusable = errors.New("the connection broke or Zoom's answer cannot be understood")

// transportError is the reason for a missing answer. Unlike net/http it does not quote a broken
// one. It wraps ErrNotSent also after a timeout.
func transportError(ctx context.Context, err error, unsent bool) error {
	timeout, isNet := errors.AsType[net.Error](err)
	connection, isConnection := errors.AsType[*net.OpError](err)
	untrusted, isUntrusted := errors.AsType[*tls.CertificateVerificationError](err)
	unsent = unsent || isConnection && connection.Op == "dial"
	switch {
	case errors.Is(err, ErrNotSent): // by the proxy, which is quoted by its status alone
		return errors.Unwrap(err)
	case unsent && isUntrusted:
		return fmt.Errorf("%w: no trust in its server: %w", ErrNotSent, untrusted)
	case unsent && isConnection && (connection.Op == "dial" || connection.Op == "proxyconnect"):
		return fmt.Errorf("%w: no connection: %w", ErrNotSent, connection)
	case unsent && ctx.Err() != nil:
		return fmt.Errorf("%w: no connection: %w", ErrNotSent, ctx.Err())
	case unsent && isNet && timeout.Timeout():
		return fmt.Errorf("%w: no connection in time: %w", ErrNotSent, context.DeadlineExceeded)
	case unsent:
		return fmt.Errorf("%w: the connection broke before TLS was agreed on", ErrNotSent)
	case ctx.Err() != nil:
		return fmt.Errorf("no answer from Zoom: %w", ctx.Err())
	case isNet && timeout.Timeout():
		return fmt.Errorf("no answer from Zoom in time: %w", context.DeadlineExceeded)
	case isConnection:
		return fmt.Errorf("the connection to Zoom broke: %w", connection)
	}
	return errUnusable
}

// tokenCodes are the codes of the authorization server that decide what to do next: those of RFC
// 6749, and Zoom's numbers from its documentation of OAuth errors.
var tokenCodes = map[string]error{
	"invalid_client": ErrClient,
	"4702":           ErrClient, // client ID
	"4704":           ErrClient, // client secret
	"4717":           ErrClient, // the app is disabled

	"invalid_grant":       ErrGrant,
	"unauthorized_client": fmt.Errorf("%w: %w", ErrGrant, ErrUnauthorized), // the app has no grant any more
	"4711":                fmt.Errorf("%w: %w", ErrGrant, ErrScope),        // the refresh token's scopes are no longer those of the app
	"4733":                ErrGrant,                                        // the code has expired
	"4734":                ErrGrant,                                        // the code is invalid
	"4735":                ErrGrant,                                        // the token's owner is gone
	"4737":                ErrGrant,                                        // there is no such authorization
	"4738":                ErrGrant,                                        // an admin of the account withdrew the approval
	"4740":                ErrGrant,                                        // an older token was used too often
	"4741":                ErrGrant,                                        // revoked, for instance by a later consent of the same user
}

// accessCodes are the codes for an access token that is dead.
var accessCodes = map[string]error{
	"invalid_token": ErrToken, // RFC 6750
	"124":           ErrToken, // Zoom's number for it
}

// refusal classifies an answer that is no success, by the first of the classes that knows one of
// its codes. A code counts only with a status of 400 to 499: with any other the answer is of a
// broken server, or not of Zoom, and must not end an installation.
func refusal(status int, header http.Header, body []byte, classes ...map[string]error) error {
	if status == http.StatusTooManyRequests {
		return rateLimited(header.Get("Retry-After"))
	}
	codes := errorCodes(body)
	if 400 <= status && status <= 499 {
		if class := classOf(codes, classes...); class != nil {
			return class
		}
	}
	return &StatusError{Status: status, Code: slices.Concat(codes, []string{""})[0]}
}

// classOf is the first of the classes that knows one of the codes; nil when none does.
func classOf(codes []string, classes ...map[string]error) error {
	for _, known := range classes {
		for _, code := range codes {
			if class, ok := known[code]; ok {
				return class
			}
		}
	}
	return nil
}

// deadReasons are the texts, without the mark at their end, in which Zoom calls a token dead where
// its code does not say so. They were seen in public bug reports, and the last one in Zoom's
// documentation of OAuth errors.
var deadReasons = []string{"invalid token", "invalid refresh token", "refresh token invalid"}

// deadToken reports whether a refusal whose code leaves the cause open has one of deadReasons in
// its text.
func deadToken(code string, body []byte) bool {
	if code != "" && code != "invalid_request" {
		return false
	}
	reason := strings.ToLower(strings.TrimRight(errorFields(body)["reason"], "!. "))
	return slices.Contains(deadReasons, strings.TrimSpace(reason))
}

// standardCodes are the other error codes of RFC 6749, RFC 6750 and RFC 7009.
var standardCodes = []string{
	"invalid_request", "unauthorized_client", "unsupported_grant_type", "invalid_scope", "access_denied",
	"server_error", "temporarily_unavailable", "invalid_token", "insufficient_scope", "unsupported_token_type",
}

// errorCodes finds the codes in the body of a refusal, Zoom's number before the word of RFC 6749. A
// code is quoted in errors, so only known words and short numbers count: any other may contain the
// token of the request.
func errorCodes(body []byte) (codes []string) {
	fields := errorFields(body)
	for _, key := range []string{"code", "errorCode", "error"} {
		code := fields[key]
		if _, decides := tokenCodes[code]; decides || decimal(code, 5) || slices.Contains(standardCodes, code) {
			codes = append(codes, code)
		}
	}
	return codes
}

// errorFields are the strings and numbers in the body of a refusal: a flat object in JSON, or the
// same in XML, in which Zoom was seen to answer requests that do not accept JSON.
func errorFields(body []byte) map[string]string {
	texts := map[string]string{}
	if fields, ok := parseObject(body); ok {
		for key, raw := range fields {
			var text string
			if json.Unmarshal(raw, &text) != nil {
				text = string(raw)
			}
			texts[key] = text
		}
		return texts
	}
	// Of every element the text, whatever the elements around it are called. The page of a proxy is
	// no XML, or begins with html.
	var name string
	for reader := xml.NewDecoder(bytes.NewReader(body)); ; {
		token, err := reader.Token()
		switch token := token.(type) {
		case xml.StartElement:
			if name == "" && strings.EqualFold(token.Name.Local, "html") {
				return texts
			}
			name = token.Name.Local
		case xml.CharData:
			if text := strings.TrimSpace(string(token)); text != "" && texts[name] == "" {
				texts[name] = text
			}
		}
		if err != nil {
			return texts
		}
	}
}

// rateLimited reads Retry-After in all the forms seen of Zoom: seconds, a date as in HTTP, and a
// date as in ISO 8601.
func rateLimited(retryAfter string) *RateLimited {
	if decimal(retryAfter, 9) {
		seconds, _ := strconv.Atoi(retryAfter) // nine digits always fit
		return &RateLimited{RetryAfter: time.Duration(seconds) * time.Second}
	}
	if until, err := http.ParseTime(retryAfter); err == nil {
		return &RateLimited{Until: until.UTC()}
	}
	until, _, _ := parseDate(retryAfter)
	return &RateLimited{Until: until}
}

// userAgent names this software to Zoom, with the version in config/default.
const userAgent = "zoom-operator/v0.1.0"

// do sends a request and reads the answer, which o.HTTP bounds in time and size.
func (o *OAuth) do(req *http.Request) (status int, header http.Header, body []byte, err error) {
	ctx := req.Context()
	if ctx.Err() != nil {
		return 0, nil, nil, transportError(ctx, ctx.Err(), true)
	}
	req.Header.Set("Accept", "application/json") // without, Zoom answers some errors in XML
	req.Header.Set("User-Agent", userAgent)
	// There is a connection only after the dial, the proxy's CONNECT and TLS. Until then nothing of
	// a request was written.
	var wanted, had bool
	resp, err := o.HTTP.Do(req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { wanted = true },
		GotConn: func(httptrace.GotConnInfo) { had = true },
	})))
	if err != nil {
		return 0, nil, nil, transportError(ctx, err, wanted && !had)
	}
	body, err = io.ReadAll(resp.Body)
	_ = resp.Body.Close() // everything that counts has been read
	if err != nil {
		_, long := errors.AsType[*http.MaxBytesError](err)
		if err = transportError(ctx, err, false); long {
			err = fmt.Errorf("%w: %w", err, ErrTooLong)
		}
		return 0, nil, nil, err
	}
	return resp.StatusCode, resp.Header, body, nil
}
