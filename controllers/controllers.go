// Package controllers runs the reconcilers of apps, installations and meetings. They turn what is
// recorded into status, record Events about changes, and remove what is no longer kept.
//
// Each has a package of its own, app, installation, imports, meeting, endcheck, subscriptions and
// missedevents,
// and none knows another. Every one observes, decides, acts and reports; what it decides is a pure
// function of what was observed and of the time. What two of them share is below internal.
package controllers

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/app"
	"github.com/zoom-operator/zoom-operator/controllers/endcheck"
	"github.com/zoom-operator/zoom-operator/controllers/imports"
	"github.com/zoom-operator/zoom-operator/controllers/installation"
	"github.com/zoom-operator/zoom-operator/controllers/internal/gate"
	"github.com/zoom-operator/zoom-operator/controllers/internal/index"
	"github.com/zoom-operator/zoom-operator/controllers/internal/proof"
	"github.com/zoom-operator/zoom-operator/controllers/internal/zoomcalls"
	"github.com/zoom-operator/zoom-operator/controllers/meeting"
	"github.com/zoom-operator/zoom-operator/controllers/missedevents"
	"github.com/zoom-operator/zoom-operator/controllers/subscriptions"

	"k8s.io/apimachinery/pkg/labels"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/zoom-operator/zoom-operator/internal/clouds"
	"github.com/zoom-operator/zoom-operator/internal/commit"
	"github.com/zoom-operator/zoom-operator/internal/quota"
	"github.com/zoom-operator/zoom-operator/internal/recording"
	"github.com/zoom-operator/zoom-operator/internal/selected"
	"github.com/zoom-operator/zoom-operator/internal/tombstones"
	"github.com/zoom-operator/zoom-operator/internal/tracing"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// Options are the controllers' configuration.
type Options struct {
	// ExternalURL is what Zoom and browsers reach the webhook server by, without a slash at the
	// end; empty when that is not known.
	ExternalURL string
	// Clouds are those that apps can name besides Zoom's own.
	Clouds clouds.Others
	// NamespaceSelector is of the labels of the namespaces whose apps are served; nil or empty for
	// all.
	NamespaceSelector labels.Selector
	// Now is the clock.
	Now func() time.Time
	// NamespaceDeletionTimeout is how long a namespace that is being deleted waits for Zoom to take
	// the revocations of its installations; afterwards it goes without.
	NamespaceDeletionTimeout time.Duration
	// Refreshes counts the refreshes in flight. The process waits for it before it ends.
	Refreshes *sync.WaitGroup
	// Tracing begins the traces of refreshes, and goes on with those of webhooks; nil for none.
	Tracing *tracing.Tracer
}

// countDelay is short for a person who watches, and long enough for a classroom that comes in.
const countDelay = 300 * time.Millisecond

// SetupWithManager adds every controller to a manager that has what Index adds.
func SetupWithManager(mgr ctrl.Manager, o Options) error {
	events := mgr.GetEventRecorder("zoom-operator")
	served, err := selected.Watch(context.Background(), mgr.GetCache(), o.NamespaceSelector)
	if err != nil {
		return err
	}
	kept, err := quota.Watch(context.Background(), mgr.GetCache(), o.Now)
	if err != nil {
		return err
	}
	gates := &gate.Gates{}
	stones := tombstones.New(mgr.GetClient(), mgr.GetAPIReader(), o.Now)
	proofs := proof.New(o.Clouds, zoom.NewHTTPClient(), o.Now)
	apps := &app.Reconciler{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Events: events, ExternalURL: o.ExternalURL, Clouds: o.Clouds, Now: o.Now,
		Proofs: proofs, Gates: gates, Served: served,
	}
	if err := apps.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("the controller of apps: %w", err)
	}
	installations := &installation.Reconciler{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Events: events, Zoom: zoom.NewHTTPClient(), ExternalURL: o.ExternalURL, Clouds: o.Clouds, Now: o.Now,
		NamespaceDeletionTimeout: o.NamespaceDeletionTimeout, Refreshes: o.Refreshes, Tracing: o.Tracing,
		Gates: gates, Proofs: proofs, Kept: kept, Tombstones: stones,
	}
	if err := mgr.Add(manager.RunnableFunc(installations.PruneTombstones)); err != nil {
		return fmt.Errorf("the controller of installations: %w", err)
	}
	if err := installations.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("the controller of installations: %w", err)
	}
	calls := &zoomcalls.Calls{Now: o.Now}
	importer := &imports.Reconciler{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Zoom: zoom.NewHTTPClient(), Clouds: o.Clouds, Calls: calls, Kept: kept, Now: o.Now,
	}
	if err := importer.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("the controller of imports: %w", err)
	}
	meetings := &meeting.Reconciler{Client: mgr.GetClient(), Events: events, Now: o.Now, CountDelay: countDelay, Tracing: o.Tracing}
	if err := meetings.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("the controller of meetings: %w", err)
	}
	checks := &endcheck.Reconciler{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Zoom: zoom.NewHTTPClient(), Clouds: o.Clouds, Now: o.Now, Calls: calls}
	if err := checks.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("the controller that checks live meetings: %w", err)
	}
	subscriber := &subscriptions.Reconciler{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Events: events, Zoom: zoom.NewHTTPClient(), Clouds: o.Clouds, Calls: calls,
		ExternalURL: o.ExternalURL, Served: served, Now: o.Now,
	}
	if err := subscriber.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("the controller of event subscriptions: %w", err)
	}
	recovery := &missedevents.Reconciler{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Zoom: zoom.NewHTTPClient(), Clouds: o.Clouds, Calls: calls,
		ExternalURL: o.ExternalURL, Served: served, Now: o.Now, Recorder: recorder(mgr.GetClient(), mgr.GetAPIReader(), kept, stones, o.Now),
	}
	if err := recovery.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("the controller of missed events: %w", err)
	}
	return mgr.Add(manager.RunnableFunc(objects.while(mgr.GetCache())))
}

// recorder records events that did not arrive as webhooks. It reads what it changes from the API
// server: that is seldom, and what a cache does not have yet would be lost.
func recorder(c client.Client, live client.Reader, kept quota.Bound, stones *tombstones.Store, now func() time.Time) *recording.Recorder {
	return recording.New(recording.Config{
		Live: live, Tombstones: stones, Quota: kept, Now: now,
		Spoke:    func(*v1alpha1.ZoomInstallation) {}, // when events arrive is the webhook server's to say
		Meetings: recording.Meetings(c, nil, live, nil),
		Installations: &commit.Committer[*v1alpha1.ZoomInstallation]{
			Writer: c, Live: live, New: func() *v1alpha1.ZoomInstallation { return &v1alpha1.ZoomInstallation{} },
		},
	})
}

// Index adds the field indexes of the controllers to a cache, which takes each only once.
func Index(indexer client.FieldIndexer) error { return index.Add(indexer) }
