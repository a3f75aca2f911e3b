package installation

import (
	"net/http"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/recorder"

	"github.com/zoom-operator/zoom-operator/controllers/internal/gate"
	"github.com/zoom-operator/zoom-operator/controllers/internal/proof"
	"github.com/zoom-operator/zoom-operator/controllers/internal/report"
	"github.com/zoom-operator/zoom-operator/internal/clouds"
	"github.com/zoom-operator/zoom-operator/internal/quota"
	"github.com/zoom-operator/zoom-operator/internal/tombstones"
	"github.com/zoom-operator/zoom-operator/internal/tracing"
)

// Reconciler keeps a consent's token as its app wants it, takes away what is left when
// the consent ends, and says whether the installation works.
type Reconciler struct {
	Client client.Client
	// Live reads from the API server.
	Live   client.Reader
	Events recorder.EventRecorder
	// Zoom is what requests to Zoom are made with.
	Zoom *http.Client
	// Tombstones remembers which installations were deleted.
	Tombstones *tombstones.Store
	// ExternalURL is what browsers reach the webhook server by; empty when that is not known.
	ExternalURL string
	// Clouds are those that apps can name besides Zoom's own.
	Clouds clouds.Others
	Now    func() time.Time
	// NamespaceDeletionTimeout is how long a namespace that is being deleted waits for Zoom to take
	// the revocations of its installations.
	NamespaceDeletionTimeout time.Duration
	// Refreshes counts the refreshes in flight; nil when nothing waits for them.
	Refreshes *sync.WaitGroup
	// Tracing begins the traces of refreshes; nil for none.
	Tracing *tracing.Tracer

	Gates *gate.Gates
	// Proofs are what Zoom says of the credentials of apps of one client ID.
	Proofs *proof.Proofs
	// Kept counts the meetings of each installation.
	Kept *quota.Meetings

	statuses report.Statuses
}
