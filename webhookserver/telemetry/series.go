package telemetry

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// sweepInterval is how often the series of apps that are gone are taken away.
const sweepInterval = 30 * time.Second

// AppSeries are the apps by whose name this replica counts. Only an app that is there has series of
// its own: what is sent to any other name is counted without one.
type AppSeries struct {
	vectors []*prometheus.MetricVec

	mu   sync.Mutex
	apps map[types.NamespacedName]struct{}
}

// NewAppSeries returns the series of apps in these metrics, which have the labels namespace and
// app.
func NewAppSeries(vectors ...*prometheus.MetricVec) *AppSeries {
	return &AppSeries{vectors: vectors, apps: map[types.NamespacedName]struct{}{}}
}

// Note says that something is being counted of an app; nil for none.
func (s *AppSeries) Note(app *v1alpha1.ZoomApp) {
	if app == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apps[client.ObjectKeyFromObject(app)] = struct{}{}
}

// Run sweeps until ctx ends.
func (s *AppSeries) Run(ctx context.Context, apps client.Reader) error {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			s.Sweep(ctx, apps)
		}
	}
}

// Sweep takes away the series of apps that are gone.
func (s *AppSeries) Sweep(ctx context.Context, apps client.Reader) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for app := range s.apps {
		if err := apps.Get(ctx, app, &v1alpha1.ZoomApp{}); !apierrors.IsNotFound(err) {
			continue
		}
		// What is still being answered may count once more, and is noted after that.
		delete(s.apps, app)
		for _, vector := range s.vectors {
			vector.DeletePartialMatch(prometheus.Labels{"namespace": app.Namespace, "app": app.Name})
		}
	}
}
