package consent

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/zoom-operator/zoom-operator/internal/sealing"
)

const (
	// consentWithin is how long a user may take at Zoom: to sign in, read and agree.
	consentWithin = 10 * time.Minute
	// maxFlows is how many flows one browser can have under way, in as many tabs. The oldest
	// makes room.
	maxFlows = 4
	// maxCookies is how many cookies of the name are tried: others than ours can only come from
	// another site of the domain.
	maxCookies = 4
)

// flow is a consent that has begun in this browser. All that a consent needs on its way is in the
// sealed cookie, so that any replica can finish what another one began.
type flow struct {
	// State comes back from Zoom in the URL, and proves that the consent began in this browser.
	State string `json:"s"`
	// Verifier is the secret of PKCE, which proves the same to Zoom. A flow that began at Zoom has
	// none.
	Verifier string `json:"v,omitempty"`
	// Invitation is the sealed one that was in the link.
	Invitation string `json:"i,omitempty"`
	// Code is what came from Zoom without a state, and waits for a click.
	Code string `json:"c,omitempty"`
	// Expires is a Unix time in seconds.
	Expires int64 `json:"e"`
	// Used says that Zoom has been asked to take the code; another time can only do harm.
	Used bool `json:"u,omitempty"`
	// End is what came of it, of one that is used.
	End *ending `json:"r,omitempty"`
	// CodeSum is a hash of the code that came without a state, of one that is used.
	CodeSum string `json:"h,omitempty"`
}

// ending is what came of a consent, for the page that says so whenever it is loaded.
type ending struct {
	// Reason is that of the page.
	Reason string `json:"r"`
	// Installation and UID are those of the installation that the consent went into; empty when it
	// went into none.
	Installation string    `json:"n,omitempty"`
	UID          types.UID `json:"d,omitempty"`
}

// flows are those under way in one browser for one app, oldest first.
type flows []flow

// begin adds one and returns its state.
func (c *flows) begin(p flow, now time.Time) string {
	p.State = rand.Text()
	p.Expires = now.Add(consentWithin).Unix()
	*c = append(*c, p)
	if len(*c) > maxFlows {
		*c = (*c)[len(*c)-maxFlows:]
	}
	return p.State
}

// find is the one with that state; nil when there is none.
func (c flows) find(state string) *flow {
	var found *flow
	for i := range c {
		if subtle.ConstantTimeCompare([]byte(c[i].State), []byte(state)) == 1 {
			found = &c[i]
		}
	}
	return found
}

// id names the flow where its state must not be: in an address, on an object.
func (p *flow) id() string { return digest("flow", p.State) }

// digest is the beginning of a SHA-256, from which the text cannot be found if it was random.
func digest(kind, text string) string {
	sum := sha256.Sum256([]byte(kind + "\x00" + text))
	return hex.EncodeToString(sum[:16])
}

// ended is the one whose result has that name; nil when there is none.
func (c flows) ended(flow string) *flow {
	for i := range c {
		if c[i].Used && c[i].id() == flow {
			return &c[i]
		}
	}
	return nil
}

// ofCode is the one with the code that came without a state; nil when there is none.
func (c flows) ofCode(code string) *flow {
	sum := digest("code", code)
	for i := range c {
		if code != "" && c[i].Code == code || c[i].CodeSum == sum {
			return &c[i]
		}
	}
	return nil
}

// use notes what came of one. It is remembered for as long again, so that a page that is loaded
// again can say it.
func (p *flow) use(end ending, now time.Time) {
	used := flow{State: p.State, Invitation: p.Invitation, Expires: now.Add(consentWithin).Unix(), Used: true, End: &end}
	if p.Code != "" {
		used.CodeSum = digest("code", p.Code)
	}
	*p = used
}

// cookieName is the name of the cookie. Browsers take __Secure- to mean that no page without TLS
// can set it.
func cookieName(secure bool) string {
	if secure {
		return "__Secure-zoom-consent"
	}
	return "zoom-consent"
}

// openFlows are the flows under way according to the cookies of a request. A cookie that does
// not open counts as none: it is too old, of another app, or forged.
func openFlows(box *sealing.Box, cookies []*http.Cookie, now time.Time) (c flows, opened bool) {
	for i, cookie := range cookies {
		if i == maxCookies {
			break
		}
		if box.Open(sealing.PurposeConsent, now, cookie.Value, &c) == nil {
			c = slices.DeleteFunc(c, func(p flow) bool { return now.Unix() >= p.Expires })
			return c, true
		}
	}
	return nil, false
}

// seal is the cookie that holds the flows, sent to the pages of this app alone. What does not
// fit is dropped, oldest first.
func (c flows) seal(box *sealing.Box, base string, secure bool, now time.Time) (*http.Cookie, error) {
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
		// Zoom sends the browser back by a link, with which Lax cookies go; a form on a foreign
		// page gets none.
		SameSite: http.SameSiteLaxMode,
	}, nil
}
