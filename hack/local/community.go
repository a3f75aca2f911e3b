package main

import (
	"context"
	"crypto/rand"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/fixture"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// The names of what the community's admin made in the cluster.
const (
	community   = "community" // the namespace
	appName     = "circles"
	credentials = "circles-credentials"
	clientID    = "circles-client-id"
	cloud       = "Local" // the simulated Zoom

	appID                = "cIrClEs-of-the-community" // in the Marketplace
	developerCredentials = "circles-developer"
	developerClientID    = "circles-developer-client-id"
	developerAccount     = "Circles-Developer"
)

// The groups of the community, each with a Zoom account. Zoom's own ids are not as readable.
var (
	library  = zoomtest.Account{ID: "Riverside-Library"}
	school   = zoomtest.Account{ID: "Hilltop-School"}
	choir    = zoomtest.Account{ID: "Harbour-Choir"}
	garden   = zoomtest.Account{ID: "Garden-Neighbours"}
	workshop = zoomtest.Account{ID: "Old-Mill-Makers"} // sends events although it never consented
)

// accounts are all of them.
func accounts() []zoomtest.Account {
	return []zoomtest.Account{library, school, choir, garden, workshop}
}

// newCredentials are the app's, new for every run.
func newCredentials() fixture.Credentials {
	return fixture.Credentials{ClientSecret: "client-" + rand.Text(), SecretToken: "token-" + rand.Text()}
}

// newApp is the app as the admin declares it.
func newApp() *v1alpha1.ZoomApp {
	return fixture.App(types.NamespacedName{Namespace: community, Name: appName}, clientID, func(spec *v1alpha1.ZoomAppSpec) {
		spec.CredentialsSecretRef.Name = credentials
		spec.ManagedBy = v1alpha1.ManagedByAdmin
		spec.Cloud = cloud
		spec.EventSubscription = &v1alpha1.EventSubscription{}
		spec.Import = v1alpha1.ImportUpcoming
		spec.DeveloperCredentialsSecretRef = &v1alpha1.SecretReference{Name: developerCredentials}
	})
}

// settle makes what an admin would: a namespace, and the app with its Secret.
func settle(ctx context.Context, c client.Client, keys fixture.Credentials) error {
	if err := c.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: community}}); err != nil {
		return fmt.Errorf("creating namespace %s: %w", community, err)
	}
	return fixture.Create(ctx, c, newApp(), keys)
}
