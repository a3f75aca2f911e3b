package zoomtest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrAccessToken is the Err of a request for which Zoom needed an access token of the endpoint's
// own authorization server, and got none: code -14 of Zoom's documentation, which is tried again.
var ErrAccessToken = errors.New("zoomtest: no access token for the endpoint")

// HeaderType is Zoom's number of a CustomHeader.
type HeaderType int

const (
	// HeaderDefault is nothing but the signature, which is sent in any case.
	HeaderDefault HeaderType = iota

	// HeaderBasic is a username and a password.
	HeaderBasic

	// HeaderOAuth is an access token that Zoom gets from the endpoint's own authorization server.
	HeaderOAuth

	// HeaderKeyValue is a header of the developer's choice.
	HeaderKeyValue
)

// The values of CustomHeader.Authentication.
const (
	AuthenticationHeader = "header" // the default
	AuthenticationBody   = "body"
)

// CustomHeader is what an event subscription sends besides the signature. Its JSON is that of
// Zoom's API.
type CustomHeader struct {
	Type HeaderType `json:"custom_header_type"`

	// VerificationToken is the app's retired one, which may still come by default.
	VerificationToken string `json:"-"`

	// Username and Password are those of HeaderBasic.
	Username string `json:"username,omitempty"`
	Password string `json:"password,omitempty"`

	// ClientID and the rest are those of HeaderOAuth. The token endpoint's URL has the grant type
	// in its query, as the developer wrote it.
	ClientID       string `json:"client_id,omitempty"`
	ClientSecret   string `json:"client_secret,omitempty"`
	TokenURL       string `json:"token_url,omitempty"`
	Scope          string `json:"scope,omitempty"`
	State          string `json:"state,omitempty"`
	Authentication string `json:"client_authentication,omitempty"`

	// Key and Value are those of HeaderKeyValue.
	Key   string `json:"custom_header_key,omitempty"`
	Value string `json:"custom_header_value,omitempty"`
}

const (
	// maxHeaderValue is how long a password or a value can be, maxTokenURL how long that URL.
	maxHeaderValue, maxTokenURL = 256, 1000

	// leastTokenLife is the least expires_in that Zoom takes, in seconds.
	leastTokenLife = 3599
)

var (
	headerKey = regexp.MustCompile(`^(?i:x-)[A-Za-z0-9-]*[A-Za-z0-9]$`)
	// reservedKeys begin the names of Zoom's own headers, and of those that stand in its examples.
	reservedKeys = []string{"x-zm-", "x-forwarded-"}
)

// errHeaderType is of a CustomHeader that Zoom does not know, and no other.
var errHeaderType = errors.New("the type of the custom header is invalid")

// validate names what Zoom refuses.
func (h CustomHeader) validate() error {
	filled := func(values ...string) bool {
		return !slices.ContainsFunc(values, func(v string) bool { return v == "" || len(v) > maxHeaderValue || strings.ContainsAny(v, "\r\n") })
	}
	switch h.Type {
	case HeaderDefault:
		return nil
	case HeaderBasic:
		if !filled(h.Username, h.Password) || strings.Contains(h.Username, ":") { // RFC 7617, 2
			return errors.New("the username or the password of the custom header is invalid")
		}
		return nil
	case HeaderOAuth:
		u, err := url.Parse(h.TokenURL)
		switch {
		case err != nil || u.Scheme != "https" || u.Host == "" || len(h.TokenURL) > maxTokenURL:
			return errors.New("the token URL of the custom header is invalid")
		case !filled(h.ClientID, h.ClientSecret):
			return errors.New("the client ID or the client secret of the custom header is invalid")
		case !slices.Contains([]string{"", AuthenticationHeader, AuthenticationBody}, h.Authentication):
			return errors.New("the client authentication of the custom header is invalid")
		}
		return nil
	case HeaderKeyValue:
		reserved := func(prefix string) bool { return strings.HasPrefix(strings.ToLower(h.Key), prefix) }
		switch {
		case !headerKey.MatchString(h.Key):
			return errors.New("the key of the custom header is invalid")
		case slices.ContainsFunc(reservedKeys, reserved):
			return errors.New("the key of the custom header is reserved by Zoom")
		case !filled(h.Value):
			return errors.New("the value of the custom header is invalid")
		}
		return nil
	}
	return errHeaderType
}

// tokenRequest is Zoom's request for an access token. With the client's credentials in the
// Authorization header its body is empty.
func (h CustomHeader) tokenRequest(ctx context.Context) (*http.Request, error) {
	form := url.Values{}
	if h.Authentication == AuthenticationBody {
		for key, value := range map[string]string{"client_id": h.ClientID, "client_secret": h.ClientSecret, "scope": h.Scope, "state": h.State} {
			if value != "" {
				form.Set(key, value)
			}
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.TokenURL, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if h.Authentication != AuthenticationBody {
		req.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(h.ClientID+":"+h.ClientSecret)))
	}
	return req, nil
}

// issued is the token of an answer, or why Zoom does not take it.
func issued(status int, body []byte) (token string, life time.Duration, why string) {
	var answer struct {
		AccessToken string          `json:"access_token"`
		TokenType   string          `json:"token_type"`
		ExpiresIn   json.RawMessage `json:"expires_in"`
	}
	if status != http.StatusOK {
		return "", 0, fmt.Sprintf("status %d, want 200", status)
	}
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&answer); err != nil {
		return "", 0, "the answer is not the JSON that Zoom expects"
	}
	var text string
	if err := json.Unmarshal(answer.ExpiresIn, &text); err != nil {
		return "", 0, "expires_in is not a string"
	}
	seconds, err := strconv.Atoi(text)
	switch {
	case answer.AccessToken == "":
		return "", 0, "access_token is missing"
	case answer.TokenType != "bearer":
		return "", 0, "token_type is not bearer"
	case err != nil || seconds < leastTokenLife:
		return "", 0, "expires_in is less than 3599"
	}
	return answer.AccessToken, time.Duration(seconds) * time.Second, ""
}
