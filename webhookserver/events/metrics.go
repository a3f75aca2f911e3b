package events

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// The reasons in zoom_operator_webhooks_total, beside those that it shares with pages and those
// of package recording: why a request was answered as it was.
const (
	reasonStored            = "stored"                   // it is stored, by this request or by an earlier one
	reasonChallenge         = "challenge"                // Zoom validated the webhook URL
	reasonUnsignedChallenge = "unsigned_challenge"       // a validation without a signature, which anybody can send
	reasonUnsigned          = "unsigned"                 // without a signature
	reasonSignature         = "wrong_signature"          // signed with another secret token than those of the app
	reasonVerificationToken = "wrong_verification_token" // with another verification token than those of the app
	reasonStale             = "stale"                    // older than maxEventAgeSeconds
	reasonSlow              = "body_too_slow"            // the body did not arrive in time
	reasonCutOff            = "body_cut_off"             // the body ended too early
)

// lagBuckets separate what is prompt, what is slow, and what Zoom has sent again.
var lagBuckets = []float64{.5, 1, 2.5, 10, 60, 330, 1900, 7200}

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

	// Events that Zoom had to send again, since they were answered 503 at first, are 5, 25 or 85
	// minutes late.
	storedLag = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "zoom_operator_event_stored_lag_seconds",
		Help:    "Time from when something happened, as Zoom says, until it was stored.",
		Buckets: lagBuckets,
	})

	ignoredFields = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "zoom_operator_ignored_fields_total",
		Help: "Fields of authenticated events that could not be understood and were left out, by event and field. An event counts each time Zoom sends it.",
	}, []string{"event", "field"})
)

func init() {
	metrics.Registry.MustRegister(webhooks, webhookSeconds, storedLag, ignoredFields)
}
