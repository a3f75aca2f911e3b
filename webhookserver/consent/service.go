package consent

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/clouds"
	"github.com/zoom-operator/zoom-operator/internal/commit"
	"github.com/zoom-operator/zoom-operator/internal/credentials"
	"github.com/zoom-operator/zoom-operator/internal/tombstones"
	"github.com/zoom-operator/zoom-operator/internal/tracing"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/webhookserver/limits"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// elsewhereWithin is how long another replica has for storing the consent of a code that Zoom
// refuses here as used.
const elsewhereWithin = 1500 * time.Millisecond

// service is what the pages work with.
type service struct {
	cache         client.Reader
	live          client.Reader
	writer        client.Client
	credentials   *credentials.Source
	reports       *refusalReports
	installations *commit.Committer[*v1alpha1.ZoomInstallation]
	tombstones    *tombstones.Store
	zoom          *http.Client
	clouds        clouds.Others
	// externalURL is what browsers reach this server by. Nothing is ever derived from a request's
	// Host.
	externalURL string
	tracing     *tracing.Tracer
	now         func() time.Time
	logger      logr.Logger
	waits       waits
	flights     *flights

	mu        sync.Mutex
	exchanges map[types.NamespacedName]*rate.Limiter
}

// waits are how long the steps of a page may take.
type waits struct{ page, ask, store, revoke, elsewhere time.Duration }

func defaultWaits() waits {
	return waits{page: limits.PageWithin, ask: limits.AskWithin, store: limits.StoreWithin, revoke: limits.RevokeWithin, elsewhere: elsewhereWithin}
}

// mayBegin says whether the app has all that it needs to work: a customer whose events nothing here
// could recognise would have agreed in vain. That Zoom refuses the app is no hindrance: the next
// consent may be the one that shows that it does not any more.
func (s *service) mayBegin(ctx context.Context, req *consentRequest) bool {
	needed := credentials.Needed(req.app)
	return s.credentials.Get(ctx, req.app, needed...).Have(needed...)
}

func (s *service) secure() bool {
	u, err := url.Parse(s.externalURL)
	return err == nil && u.Scheme == "https"
}

// oauth is the app's client at Zoom.
func (s *service) oauth(req *consentRequest) *zoom.OAuth {
	return req.cloud.OAuth(req.app.Spec.ClientID, req.secrets, s.zoom)
}

// redirectURL is where Zoom sends the browser, the same as in status.redirectURL.
func (s *service) redirectURL(req *consentRequest) string {
	return s.externalURL + req.path(urls.Callback)
}

// mayExchange says whether Zoom may be asked about another code of this app now.
func (s *service) mayExchange(app *v1alpha1.ZoomApp) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := client.ObjectKeyFromObject(app)
	if s.exchanges == nil {
		s.exchanges = map[types.NamespacedName]*rate.Limiter{}
	}
	l := s.exchanges[key]
	if l == nil {
		// One that has filled up again is as good as a new one.
		maps.DeleteFunc(s.exchanges, func(_ types.NamespacedName, l *rate.Limiter) bool { return l.TokensAt(s.now()) >= limits.ExchangeBurst })
		l = rate.NewLimiter(limits.ExchangesPerSecond, limits.ExchangeBurst)
		s.exchanges[key] = l
	}
	return l.AllowN(s.now(), 1)
}
