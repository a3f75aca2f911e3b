package webhookserver

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// The reasons in zoom_operator_webhooks_total: why a request was answered as it was.
const (
	reasonStored            = "stored"
	reasonChallenge         = "challenge"
	reasonUnsignedChallenge = "unsigned_challenge"
	reasonUnknownEvent      = "unknown_event"
	reasonNoEffect          = "no_effect"
	reasonIgnored           = "unknown_account_ignored"
	reasonRemoved           = "installation_removed"
	reasonNoInstallation    = "no_such_installation"
	reasonOtherClient       = "other_client"
	reasonHostUnknown       = "host_unknown"
	reasonMethod            = "method"
	reasonNoApp             = "no_such_app"
	reasonNoCredentials     = "no_credentials"
	reasonUnsigned          = "unsigned"
	reasonSignature         = "wrong_signature"
	reasonVerificationToken = "wrong_verification_token"
	reasonStale             = "stale"
	reasonFuture            = "future_event"
	reasonTooLarge          = "too_large"
	reasonSlow              = "body_too_slow"
	reasonMalformed         = "malformed"
	reasonOverloaded        = "overloaded"
	reasonNotStored         = "not_stored"
)

var (
	webhooks = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "zoom_operator_webhooks_total",
		Help: "Requests to the webhook endpoint by app, event, HTTP status and reason. Events this version does not know are counted as other.",
	}, []string{"namespace", "app", "event", "code", "reason"})

	webhookSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "zoom_operator_webhook_duration_seconds",
		Help:    "Time from the first byte of a webhook to its answer, by HTTP status. Zoom gives up after 3 seconds.",
		Buckets: []float64{.002, .005, .01, .025, .05, .1, .25, .5, 1, 2, 2.5, 3},
	}, []string{"code"})

	consentPages = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "zoom_operator_consent_pages_total",
		Help: "Pages shown to customers who install an app, by app, page, HTTP status and reason.",
	}, []string{"namespace", "app", "page", "code", "reason"})
)

func init() {
	metrics.Registry.MustRegister(webhooks, webhookSeconds, consentPages)
}
