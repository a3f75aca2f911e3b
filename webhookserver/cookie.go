package webhookserver

import (
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"slices"
	"time"

	"github.com/zoom-operator/zoom-operator/internal/sealing"
)

const (
	// consentWithin is how long somebody may take at Zoom: to sign in, read and agree.
	consentWithin = 10 * time.Minute
	// maxPending is how many consents one browser can have under way, in as many tabs. The oldest makes room.
	maxPending = 4
	// maxCookies is how many cookies of the name are tried: others than ours can only come from another site of the domain.
	maxCookies = 4
)

// pending is a consent that somebody has begun in this browser. All that a consent needs on its way is in the sealed
// cookie, so that any replica can finish what another one began.
type pending struct {
	// State comes back from Zoom in the URL, and proves that the consent began in this browser.
	State string `json:"s"`
	// Verifier is the secret of PKCE, which proves the same to Zoom. A flow that began at Zoom has none.
	Verifier string `json:"v,omitempty"`
	// Invitation is the sealed one that was in the link.
	Invitation string `json:"i,omitempty"`
	// Code is what came from Zoom without a state, and waits for a click.
	Code string `json:"c,omitempty"`
	// Expires is a Unix time in seconds.
	Expires int64 `json:"e"`
	// Used says that Zoom has been asked to take the code; another time can only fail.
	Used bool `json:"u,omitempty"`
}

// consents are those under way in one browser for one app, oldest first.
type consents []pending

// begin adds one and returns its state.
func (c *consents) begin(p pending, now time.Time) string {
	p.State = rand.Text()
	p.Expires = now.Add(consentWithin).Unix()
	*c = append(*c, p)
	if len(*c) > maxPending {
		*c = (*c)[len(*c)-maxPending:]
	}
	return p.State
}

// find is the one with that state; nil when there is none.
func (c consents) find(state string) *pending {
	var found *pending
	for i := range c {
		if subtle.ConstantTimeCompare([]byte(c[i].State), []byte(state)) == 1 {
			found = &c[i]
		}
	}
	return found
}

// use marks one as used. It is remembered, so that a page that is loaded again can say what happened.
func (p *pending) use() {
	*p = pending{State: p.State, Expires: p.Expires, Used: true}
}

// cookieName is the name of the cookie. Browsers take __Secure- to mean that no page without TLS can set it.
func cookieName(secure bool) string {
	if secure {
		return "__Secure-zoom-consent"
	}
	return "zoom-consent"
}

// openConsents are the consents under way according to the cookies of a request. A cookie that does not open counts as none:
// it is too old, of another app, or forged.
func openConsents(box *sealing.Box, cookies []*http.Cookie, now time.Time) (c consents, opened bool) {
	for i, cookie := range cookies {
		if i == maxCookies {
			break
		}
		if box.Open(sealing.PurposeConsent, now, cookie.Value, &c) == nil {
			c = slices.DeleteFunc(c, func(p pending) bool { return now.Unix() >= p.Expires })
			return c, true
		}
	}
	return nil, false
}

// seal is the cookie that holds the consents, sent to the pages of this app alone. What does not fit is dropped, oldest first.
func (c consents) seal(box *sealing.Box, base string, secure bool, now time.Time) (*http.Cookie, error) {
	value, err := box.Seal(sealing.PurposeConsent, now.Add(consentWithin), c)
	for err != nil && len(c) > 1 {
		c = c[1:]
		value, err = box.Seal(sealing.PurposeConsent, now.Add(consentWithin), c)
	}
	if err != nil {
		return nil, err
	}
	return &http.Cookie{ //nolint:gosec // Secure whenever the external URL is https
		Name:     cookieName(secure),
		Value:    value,
		Path:     base + "/",
		MaxAge:   int(consentWithin.Seconds()),
		Secure:   secure,
		HttpOnly: true,
		// Zoom sends the browser back by a link, with which Lax cookies go; a form on a foreign page gets none.
		SameSite: http.SameSiteLaxMode,
	}, nil
}
