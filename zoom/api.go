package zoom

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// User is who consented. The names and e-mails in Zoom's answer are not decoded.
type User struct {
	ID        string
	AccountID string
}

// restCodes are the codes of the REST API that decide what to do next.
var restCodes = map[string]error{
	"4711": ErrScope,
	"4700": ErrScope, // the older number
	"124":  ErrToken,
}

// Me asks whom accessToken belongs to. That needs the scope user:read:user, or user:read:user:admin in an admin-managed
// app. apiURL is the one of the Token.
func (o *OAuth) Me(ctx context.Context, accessToken, apiURL string) (*User, error) {
	user, err := o.me(ctx, accessToken, apiURL)
	if err != nil {
		return nil, fmt.Errorf("zoom: reading the consenting user: %w", err)
	}
	return user, nil
}

func (o *OAuth) me(ctx context.Context, accessToken, apiURL string) (*User, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.apiBase(apiURL)+"/v2/users/me", http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+accessToken)
	status, header, body, err := o.do(req)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		err := refusal(status, header, body, restCodes)
		if e, ok := errors.AsType[*StatusError](err); ok && e.Status == http.StatusUnauthorized {
			return nil, ErrToken
		}
		return nil, err
	}
	fields, _ := parseObject(body)
	var failure error
	answer := object{fields: fields, failure: &failure}
	user := &User{ID: answer.identifier("id"), AccountID: answer.identifier("account_id")}
	if failure != nil || user.ID == "" || user.AccountID == "" {
		return nil, errUnusable
	}
	return user, nil
}

// regions are the domains whose hosts are Zoom's. A token stays in the one that the app was registered in: the
// government's cloud is not the public one.
var regions = []string{".zoom.us", ".zoomgov.com"}

// apiBase returns where an access token may be sent. The token's own base, which keeps requests in the account's region,
// comes out of an answer: it counts only if it is the configured host, or one of Zoom's where the configured one is, too.
// Otherwise whoever could forge an answer would get the token, and could point this client at hosts inside the cluster.
func (o *OAuth) apiBase(apiURL string) string {
	base := strings.TrimRight(o.APIURL, "/")
	configured, err := url.Parse(base)
	if err != nil {
		return base
	}
	u, err := url.Parse(apiURL)
	if err != nil || u.Scheme != "https" || u.User != nil {
		return base
	}
	// A port would be part of the suffix: a region is reached at 443 only.
	own, host := strings.ToLower(configured.Host), strings.ToLower(u.Host)
	if host == own || slices.ContainsFunc(regions, func(domain string) bool {
		return strings.HasSuffix(own, domain) && strings.HasSuffix(host, domain)
	}) {
		return "https://" + host
	}
	return base
}
