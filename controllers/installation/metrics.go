package installation

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// What becomes of a refresh, as zoom_operator_token_refreshes_total calls it.
const (
	refreshed       = "refreshed"       // there is a new token
	refreshRevoked  = "revoked"         // Zoom no longer takes the token, and the customer has to consent again
	refreshLost     = "lost"            // the same, of a token that may have been spent by a refresh that was interrupted
	refreshScopes   = "scopes_changed"  // the same, since the app's scopes have changed at Zoom
	refreshRejected = "client_rejected" // Zoom refuses the app
	refreshLimited  = "rate_limited"    // Zoom is asked too often
	refreshFailed   = "failed"          // Zoom could not be reached, or answered something else
)

// A refresh of a token whose app is not there any more has no app.
var tokenRefreshes = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "zoom_operator_token_refreshes_total",
	Help: "Refreshes of OAuth tokens at Zoom, by app and by what became of them.",
}, []string{"namespace", "app", "outcome"})

func init() {
	metrics.Registry.MustRegister(tokenRefreshes)
}

func countRefresh(app *v1alpha1.ZoomApp, outcome string) {
	var key client.ObjectKey
	if app != nil {
		key = client.ObjectKeyFromObject(app)
	}
	tokenRefreshes.WithLabelValues(key.Namespace, key.Name, outcome).Inc()
}

// beginSeries makes the series of an app, so that the first of each outcome is an increase.
func beginSeries(app client.Object) {
	for _, outcome := range []string{refreshed, refreshRevoked, refreshLost, refreshScopes, refreshRejected, refreshLimited, refreshFailed} {
		tokenRefreshes.WithLabelValues(app.GetNamespace(), app.GetName(), outcome)
	}
}

// endSeries takes the series of an app away that is gone.
func endSeries(app client.Object) {
	tokenRefreshes.DeletePartialMatch(prometheus.Labels{"namespace": app.GetNamespace(), "app": app.GetName()})
}
