package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// The names of what the community's admin made in the cluster.
const (
	community   = "community" // the namespace
	appName     = "circles"
	credentials = "circles-credentials"
	clientID    = "circles-client-id"
	cloud       = "Local" // the simulated Zoom
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

// secrets are the app's, new for every run.
type secrets struct {
	clientSecret string
	secretToken  string
}

func newSecrets() secrets {
	return secrets{clientSecret: "client-" + rand.Text(), secretToken: "token-" + rand.Text()}
}

// settle makes what an admin would: a namespace, and the app with its Secret.
func settle(ctx context.Context, c client.Client, s secrets) error {
	in := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: community, Name: name} }
	objects := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: community}},
		&corev1.Secret{
			ObjectMeta: in(credentials),
			Type:       v1alpha1.CredentialsSecretType,
			StringData: map[string]string{"clientSecret": s.clientSecret, "secretToken": s.secretToken},
		},
		&v1alpha1.ZoomApp{
			ObjectMeta: in(appName),
			Spec: v1alpha1.ZoomAppSpec{
				ClientID:             clientID,
				CredentialsSecretRef: v1alpha1.SecretReference{Name: credentials},
				ManagedBy:            v1alpha1.ManagedByAdmin,
				Distribution:         v1alpha1.DistributionMarketplace,
				Cloud:                cloud,
			},
		},
	}
	var errs []error
	for _, o := range objects {
		if err := c.Create(ctx, o); err != nil {
			errs = append(errs, fmt.Errorf("creating %T %s: %w", o, o.GetName(), err))
		}
	}
	return errors.Join(errs...)
}
