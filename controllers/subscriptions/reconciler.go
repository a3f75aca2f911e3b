package subscriptions

import (
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/recorder"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/memory"
	"github.com/zoom-operator/zoom-operator/controllers/internal/zoomcalls"
	"github.com/zoom-operator/zoom-operator/internal/clouds"
	"github.com/zoom-operator/zoom-operator/internal/selected"
	"github.com/zoom-operator/zoom-operator/internal/subscription"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// Reconciler makes the event subscriptions of ZoomApps.
type Reconciler struct {
	Client client.Client
	// Live reads from the API server: Secrets, and what is to be written.
	Live        client.Reader
	Events      recorder.EventRecorder
	Zoom        *http.Client
	Clouds      clouds.Others
	Calls       *zoomcalls.Calls
	ExternalURL string
	// Served are the namespaces whose apps are served.
	Served *selected.Namespaces
	Now    func() time.Time

	tokens zoomcalls.OwnTokens
	// checks are when a subscription was compared with what Zoom has, and asked when a retry was
	// asked for, by the UID of the app.
	checks, asked memory.Map[types.UID, time.Time]
}

// run is what is done for an app at one time.
type run struct {
	*Reconciler

	app       *v1alpha1.ZoomApp
	oauth     *zoom.OAuth
	own       *zoomcalls.Own
	wanted    *zoom.Subscription
	record    subscription.Record
	customers []customer
}
