// Package controllers turns what is recorded of apps, installations and meetings into their status, tells people about
// changes by Events, and takes away what is no longer kept.
//
// Every reconciler observes, decides, acts and reports. What it decides is a pure function of what was observed and of the
// time, in the file <kind>_status.go.
package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

const (
	// fieldOwner owns what controllers write, in status and elsewhere.
	fieldOwner = client.FieldOwner("zoom-operator")
	// appIndex finds the installations and the meetings of an app.
	appIndex = "spec.appRef.name"
	// installationIndex finds the meetings of an installation.
	installationIndex = "spec.installationRef.name"
	// accountIndex finds the installations of an account.
	accountIndex = "spec.accountID"
	// afterConflict is how soon an object is looked at again that somebody else has just written. By then the cache has
	// what they wrote.
	afterConflict = 100 * time.Millisecond
)

// Options are what the controllers need to know of the world.
type Options struct {
	// ExternalURL is what Zoom and browsers reach the webhook server by, without a slash at the end; empty when that is
	// not known.
	ExternalURL string
	// Now is the clock.
	Now func() time.Time
}

// SetupWithManager adds every controller to a manager that has what Index adds.
func SetupWithManager(mgr ctrl.Manager, o Options) error {
	events := mgr.GetEventRecorder("zoom-operator")
	app := &AppReconciler{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), ExternalURL: o.ExternalURL, Now: o.Now}
	if err := app.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("the controller of apps: %w", err)
	}
	installation := &InstallationReconciler{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Events: events, Zoom: zoom.NewHTTPClient(), ExternalURL: o.ExternalURL, Now: o.Now,
	}
	if err := installation.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("the controller of installations: %w", err)
	}
	meeting := &MeetingReconciler{Client: mgr.GetClient(), Events: events, Now: o.Now}
	if err := meeting.SetupWithManager(mgr); err != nil {
		return fmt.Errorf("the controller of meetings: %w", err)
	}
	return nil
}

// Index adds what the controllers find objects by to a cache, which takes it only once.
func Index(indexer client.FieldIndexer) error {
	installation := func(obj client.Object) []string {
		return []string{obj.(*v1alpha1.ZoomInstallation).Spec.AppRef.Name} //nolint:forcetypeassert // the indexer passes the type it was asked to index
	}
	meeting := func(obj client.Object) []string {
		return []string{obj.(*v1alpha1.ZoomMeeting).Spec.AppRef.Name} //nolint:forcetypeassert // the indexer passes the type it was asked to index
	}
	if err := indexer.IndexField(context.Background(), &v1alpha1.ZoomInstallation{}, appIndex, installation); err != nil {
		return fmt.Errorf("indexing installations by their app: %w", err)
	}
	if err := indexer.IndexField(context.Background(), &v1alpha1.ZoomMeeting{}, appIndex, meeting); err != nil {
		return fmt.Errorf("indexing meetings by their app: %w", err)
	}
	account := func(obj client.Object) []string {
		return []string{obj.(*v1alpha1.ZoomInstallation).Spec.AccountID} //nolint:forcetypeassert // the indexer passes the type it was asked to index
	}
	if err := indexer.IndexField(context.Background(), &v1alpha1.ZoomInstallation{}, accountIndex, account); err != nil {
		return fmt.Errorf("indexing installations by their account: %w", err)
	}
	installationOf := func(obj client.Object) []string {
		return []string{obj.(*v1alpha1.ZoomMeeting).Spec.InstallationRef.Name} //nolint:forcetypeassert // the indexer passes the type it was asked to index
	}
	if err := indexer.IndexField(context.Background(), &v1alpha1.ZoomMeeting{}, installationIndex, installationOf); err != nil {
		return fmt.Errorf("indexing meetings by their installation: %w", err)
	}
	if err := indexer.IndexField(context.Background(), &v1alpha1.ZoomMeeting{}, roomIndex, plannedIn); err != nil {
		return fmt.Errorf("indexing meetings by their personal room: %w", err)
	}
	return nil
}

// limits are the bounds of a controller. Nothing here takes longer than a few requests to the API server.
func limits(concurrent int) controller.Options {
	return controller.Options{MaxConcurrentReconciles: concurrent, ReconciliationTimeout: time.Minute}
}

// fill states a whole status in the form that server-side apply takes. The two are the same JSON, so no field of a status
// can be forgotten here, and thereby given up.
func fill[T any](configuration *T, status any) (*T, error) {
	raw, err := json.Marshal(status)
	if err != nil {
		return nil, fmt.Errorf("encoding %T: %w", status, err)
	}
	if err := json.Unmarshal(raw, configuration); err != nil {
		return nil, fmt.Errorf("decoding %T: %w", configuration, err)
	}
	return configuration, nil
}
