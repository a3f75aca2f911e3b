// Package proof checks with Zoom the credentials of apps that share their client ID with others. It
// asks Zoom to refresh a made-up token: Zoom refuses wrong credentials in other words than a token
// that it never issued. An answer is kept in memory for an hour, a refusal for five minutes.
package proof

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/clientids"
	"github.com/zoom-operator/zoom-operator/internal/clouds"
	"github.com/zoom-operator/zoom-operator/internal/refusal"
)

const (
	// madeUp is a refresh token that Zoom never gave out.
	madeUp = "made-up-to-ask-about-the-client"
	// acceptedLasts and refusedLasts are how long an answer of Zoom about an app's credentials
	// holds. Afterwards Zoom is asked again, where that matters: a client secret may have been
	// replaced at Zoom, or a disabled app enabled.
	acceptedLasts = time.Hour
	refusedLasts  = 5 * time.Minute
	// The rate limit for questions about the apps of one client ID in one namespace, whatever a
	// tenant changes there: a client secret cannot be guessed by having the operator try one after
	// the other.
	askEvery = time.Minute
	askBurst = 5
	// forgetAfter is how long an answer or a limit is kept that is not used.
	forgetAfter = 2 * acceptedLasts
)

// Proofs are Zoom's answers about the credentials of apps that share their client ID with others.
// They are kept in memory, where no tenant writes, so Zoom is asked again after a start; only the
// leader asks.
type Proofs struct {
	clouds clouds.Others
	zoom   *http.Client
	now    func() time.Time

	mu     sync.Mutex
	known  map[types.UID]*proof
	limits map[clientOfNamespace]*limit
	// asking makes questions single-flight: a caller that waited for it uses the answer that
	// another one got.
	asking sync.Mutex
}

// New returns Proofs without answers.
func New(others clouds.Others, http *http.Client, now func() time.Time) *Proofs {
	return &Proofs{clouds: others, zoom: http, now: now}
}

// proof is an answer of Zoom's.
type proof struct {
	credentials [sha256.Size]byte
	clientID    string
	cloud       v1alpha1.Cloud
	standing    clientids.Standing
	askedAt     time.Time
	usedAt      time.Time
}

// clientOfNamespace is the key of a rate limit.
type clientOfNamespace struct{ namespace, clientID string }

type limit struct {
	*rate.Limiter
	usedAt time.Time
}

// digest identifies what an app asks Zoom with.
func digest(app *v1alpha1.ZoomApp, clientSecrets []string) [sha256.Size]byte {
	text, err := json.Marshal([]any{app.Spec.ClientID, app.Spec.Cloud, clientSecrets})
	if err != nil {
		panic(err) // these types always have a JSON
	}
	return sha256.Sum256(text)
}

// Standing is Zoom's answer about the credentials that an app has now, and whether Zoom is to be
// asked, for the first time or again.
func (p *Proofs) Standing(app *v1alpha1.ZoomApp, clientSecrets []string) (s clientids.Standing, open bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.known[app.UID]
	if k == nil || k.credentials != digest(app, clientSecrets) {
		delete(p.known, app.UID)
		return clientids.Unknown, true
	}
	k.usedAt = p.now()
	if k.askedAt.IsZero() {
		return clientids.Unknown, true
	}
	lasts := acceptedLasts
	if k.standing == clientids.Refused {
		lasts = refusedLasts
	}
	age := k.usedAt.Sub(k.askedAt)
	return k.standing, age < 0 || age >= lasts
}

// Last is Zoom's answer about the credentials that an app had when it was last reconciled, if it
// had its present client ID then.
func (p *Proofs) Last(app *v1alpha1.ZoomApp) clientids.Standing {
	p.mu.Lock()
	defer p.mu.Unlock()
	if k := p.known[app.UID]; k != nil && k.clientID == app.Spec.ClientID && k.cloud == app.Spec.Cloud {
		return k.standing
	}
	return clientids.Unknown
}

// Refuse records, without asking Zoom, that an app's credentials are of no use now, for the
// judgement of other apps. Zoom is asked when the credentials change.
func (p *Proofs) Refuse(app *v1alpha1.ZoomApp, clientSecrets []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.put(app, &proof{credentials: digest(app, clientSecrets), standing: clientids.Refused, usedAt: p.now()})
}

func (p *Proofs) put(app *v1alpha1.ZoomApp, k *proof) {
	if p.known == nil {
		p.known = map[types.UID]*proof{}
	}
	k.clientID, k.cloud = app.Spec.ClientID, app.Spec.Cloud
	p.known[app.UID] = k
}

// Forget drops the answer about an app, so that Zoom is asked again.
func (p *Proofs) Forget(app *v1alpha1.ZoomApp) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.known, app.UID)
}

// Ask asks Zoom about an app's credentials, with a refresh token that does not exist: the
// authorization server authenticates the client before it looks at anything else (RFC 6749, section
// 5.2), so that the code of its refusal distinguishes a refused client from a refused token.
// Nothing is spent. Where there is no answer, or Zoom was asked too often, the previous answer
// stands.
func (p *Proofs) Ask(ctx context.Context, app *v1alpha1.ZoomApp, clientSecrets []string) clientids.Standing {
	p.asking.Lock()
	defer p.asking.Unlock()
	before, open := p.Standing(app, clientSecrets) // again, as another caller may have asked meanwhile
	cloud, known := p.clouds.Find(app.Spec.Cloud)
	switch {
	case !open || !known || len(clientSecrets) == 0:
		return before
	case !p.allow(app):
		if before == clientids.Unknown { // an app whose credentials change all the time must not keep others waiting
			p.Refuse(app, clientSecrets)
		}
		return before
	}
	oauth := cloud.OAuth(app.Spec.ClientID, clientSecrets, p.zoom)
	_, err := oauth.Refresh(ctx, madeUp)
	answer := refusal.OfToken(err)
	log.FromContext(ctx).Info("Credentials checked with Zoom", "app", app.Namespace+"/"+app.Name,
		"accepted", answer == refusal.ClientAccepted, "answered", answer != refusal.Nothing)
	now := p.now()
	k := &proof{credentials: digest(app, clientSecrets), askedAt: now, usedAt: now}
	switch answer {
	case refusal.ClientAccepted:
		k.standing = clientids.Accepted
	case refusal.ClientRejected:
		k.standing = clientids.Refused
	default:
		return before
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.put(app, k)
	return k.standing
}

// allow reports whether Zoom may be asked about an app now, and counts the question. It also drops
// answers and limits that were not used for long.
func (p *Proofs) allow(app *v1alpha1.ZoomApp) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	for uid, k := range p.known {
		if now.Sub(k.usedAt) > forgetAfter {
			delete(p.known, uid)
		}
	}
	for key, l := range p.limits {
		if now.Sub(l.usedAt) > forgetAfter {
			delete(p.limits, key)
		}
	}
	key := clientOfNamespace{app.Namespace, app.Spec.ClientID}
	if p.limits[key] == nil {
		if p.limits == nil {
			p.limits = map[clientOfNamespace]*limit{}
		}
		p.limits[key] = &limit{Limiter: rate.NewLimiter(rate.Every(askEvery), askBurst)}
	}
	p.limits[key].usedAt = now
	return p.limits[key].AllowN(now, 1)
}
