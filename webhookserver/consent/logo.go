package consent

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"image"
	_ "image/jpeg" // what a logo may be
	_ "image/png"  // what a logo may be
	"maps"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/logs"
)

const (
	// maxLogo and maxLogoSide bound a logo in bytes and in pixels: it is a part of every page, and
	// a few bytes can be many pixels.
	maxLogo     = 64 << 10
	maxLogoSide = 1024
	// logoFor is how long a logo is shown as it was read. The logos of apps without requests for
	// logoIdle are forgotten.
	logoFor  = time.Minute
	logoIdle = 10 * time.Minute
	// logoWithin is how long a page waits for its logo, once in logoFor.
	logoWithin = 500 * time.Millisecond
	// logoReadsPerSecond is how many logos a process reads in a second in the long run, and
	// logoReadsAtOnce after a quiet time; beyond that pages have the logo of before, or none.
	logoReadsPerSecond = 5
	logoReadsAtOnce    = 20
)

// logos caches the logos of all apps. The name of their ConfigMap is fixed, so that who may write a
// ZoomApp can have no other one shown, and the right to read it goes no further.
type logos struct {
	live   client.Reader
	now    func() time.Time
	logger logr.Logger
	budget *rate.Limiter

	mu    sync.Mutex
	known map[types.NamespacedName]logo
}

// logo is what was found of an app's logo under a key.
type logo struct {
	key    string
	readAt time.Time
	url    template.URL // of the picture itself; empty where there is none
}

// +kubebuilder:rbac:groups="",resources=configmaps,resourceNames=zoom-logos,verbs=get

func newLogos(live client.Reader, now func() time.Time, logger logr.Logger) *logos {
	return &logos{live: live, now: now, logger: logger, budget: rate.NewLimiter(logoReadsPerSecond, logoReadsAtOnce), known: map[types.NamespacedName]logo{}}
}

// of is the app's logo, as a URL that holds all of it: nothing is to be fetched for a page, and
// nothing but a page shows a tenant's bytes under the operator's address. It is empty where there
// is none.
func (l *logos) of(ctx context.Context, app *v1alpha1.ZoomApp) template.URL {
	if app == nil || app.Spec.Publisher == nil || app.Spec.Publisher.Logo == "" {
		return ""
	}
	found, fresh := l.claim(app)
	if fresh {
		return found.url
	}
	ctx, cancel := context.WithTimeout(ctx, logoWithin)
	defer cancel()
	picture, err := l.read(ctx, app.Namespace, found.key)
	if err != nil {
		l.logger.Info("Logo not shown", append(logs.Object(app), "cause", logs.Cause(err))...)
	}
	if err == nil || errors.Is(err, errNoLogo) { // and what was there holds while that is not known
		found.url = picture
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known[client.ObjectKeyFromObject(app)] = found
	return found.url
}

// claim is what is known of an app's logo, and whether that is to do. Where it is not, the caller
// reads the logo, and others go on with what is known meanwhile.
func (l *logos) claim(app *v1alpha1.ZoomApp) (found logo, fresh bool) {
	now, name := l.now(), client.ObjectKeyFromObject(app)
	l.mu.Lock()
	defer l.mu.Unlock()
	found = l.known[name]
	if found.key != app.Spec.Publisher.Logo {
		found = logo{key: app.Spec.Publisher.Logo}
	}
	if now.Sub(found.readAt) < logoFor || !l.budget.AllowN(now, 1) {
		return found, true
	}
	maps.DeleteFunc(l.known, func(_ types.NamespacedName, other logo) bool { return now.Sub(other.readAt) > logoIdle })
	found.readAt = now
	l.known[name] = found
	return found, false
}

// errNoLogo is of what is wrong with a logo itself.
var errNoLogo = errors.New("there is no picture to show")

func (l *logos) read(ctx context.Context, namespace, key string) (template.URL, error) {
	var all corev1.ConfigMap
	switch err := l.live.Get(ctx, types.NamespacedName{Namespace: namespace, Name: v1alpha1.LogosConfigMap}, &all); {
	case apierrors.IsNotFound(err):
		return "", fmt.Errorf("%w: the namespace has no ConfigMap %s", errNoLogo, v1alpha1.LogosConfigMap)
	case err != nil:
		return "", fmt.Errorf("reading ConfigMap %s: %w", v1alpha1.LogosConfigMap, err)
	}
	picture, ok := all.BinaryData[key]
	if !ok {
		return "", fmt.Errorf("%w: ConfigMap %s has no binaryData of the key", errNoLogo, v1alpha1.LogosConfigMap)
	}
	return pictureURL(picture)
}

// pictureURL is a PNG or JPEG as a URL.
func pictureURL(picture []byte) (template.URL, error) {
	if len(picture) > maxLogo {
		return "", fmt.Errorf("%w: it has more than %d bytes", errNoLogo, maxLogo)
	}
	config, format, err := image.DecodeConfig(bytes.NewReader(picture))
	switch {
	case err != nil, format != "png" && format != "jpeg":
		return "", fmt.Errorf("%w: it is neither PNG nor JPEG", errNoLogo)
	case config.Width > maxLogoSide, config.Height > maxLogoSide:
		return "", fmt.Errorf("%w: it is more than %d pixels wide or high", errNoLogo, maxLogoSide)
	}
	return template.URL("data:image/" + format + ";base64," + base64.StdEncoding.EncodeToString(picture)), nil //nolint:gosec // base64 of a picture
}
