// Package index has the field indexes by which the controllers list objects from the cache.
package index

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/clientids"
	"github.com/zoom-operator/zoom-operator/internal/meeting"
)

const (
	// App finds the installations and the meetings of an app.
	App = "spec.appRef.name"
	// Installation finds the meetings of an installation.
	Installation = "spec.installationRef.name"
	// Account finds the installations of an account.
	Account = "spec.accountID"
	// Customer finds the installations of one customer of an app: an account, or a user in it.
	Customer = "customer"
	// PersonalRoom finds the meetings that are planned in a personal room.
	PersonalRoom = "spec.schedule.personalRoom"
)

// Add adds the indexes to a cache, which takes each only once.
func Add(indexer client.FieldIndexer) error {
	installation := func(obj client.Object) []string {
		return []string{obj.(*v1alpha1.ZoomInstallation).Spec.AppRef.Name} //nolint:forcetypeassert // the indexer passes the type it was asked to index
	}
	meeting := func(obj client.Object) []string {
		return []string{obj.(*v1alpha1.ZoomMeeting).Spec.AppRef.Name} //nolint:forcetypeassert // the indexer passes the type it was asked to index
	}
	if err := indexer.IndexField(context.Background(), &v1alpha1.ZoomApp{}, clientids.Field, clientids.Index); err != nil {
		return fmt.Errorf("indexing apps by their client ID: %w", err)
	}
	if err := indexer.IndexField(context.Background(), &v1alpha1.ZoomInstallation{}, App, installation); err != nil {
		return fmt.Errorf("indexing installations by their app: %w", err)
	}
	if err := indexer.IndexField(context.Background(), &v1alpha1.ZoomMeeting{}, App, meeting); err != nil {
		return fmt.Errorf("indexing meetings by their app: %w", err)
	}
	account := func(obj client.Object) []string {
		return []string{obj.(*v1alpha1.ZoomInstallation).Spec.AccountID} //nolint:forcetypeassert // the indexer passes the type it was asked to index
	}
	if err := indexer.IndexField(context.Background(), &v1alpha1.ZoomInstallation{}, Account, account); err != nil {
		return fmt.Errorf("indexing installations by their account: %w", err)
	}
	customer := func(obj client.Object) []string {
		return []string{CustomerOf(obj.(*v1alpha1.ZoomInstallation))} //nolint:forcetypeassert // the indexer passes the type it was asked to index
	}
	if err := indexer.IndexField(context.Background(), &v1alpha1.ZoomInstallation{}, Customer, customer); err != nil {
		return fmt.Errorf("indexing installations by their customer: %w", err)
	}
	installationOf := func(obj client.Object) []string {
		return []string{obj.(*v1alpha1.ZoomMeeting).Spec.InstallationRef.Name} //nolint:forcetypeassert // the indexer passes the type it was asked to index
	}
	if err := indexer.IndexField(context.Background(), &v1alpha1.ZoomMeeting{}, Installation, installationOf); err != nil {
		return fmt.Errorf("indexing meetings by their installation: %w", err)
	}
	if err := indexer.IndexField(context.Background(), &v1alpha1.ZoomMeeting{}, PersonalRoom, plannedIn); err != nil {
		return fmt.Errorf("indexing meetings by their personal room: %w", err)
	}
	return nil
}

// CustomerOf is what Customer finds an installation by. None of the three has a slash in it.
func CustomerOf(in *v1alpha1.ZoomInstallation) string {
	return in.Spec.AppRef.Name + "/" + in.Spec.AccountID + "/" + in.Spec.UserID
}

// plannedIn is the personal room that a meeting is planned in, if it is.
func plannedIn(obj client.Object) []string {
	m := obj.(*v1alpha1.ZoomMeeting) //nolint:forcetypeassert // the indexer passes the type it was asked to index
	if number := meeting.PersonalRoom(m.Spec.Schedule); number != "" {
		return []string{number}
	}
	return nil
}
