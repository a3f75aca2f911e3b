package events

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// The reasons in zoom_operator_webhooks_total, beside those that it shares with pages: why a
// request was answered as it was.
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
	reasonTooManyMeetings   = "too_many_meetings"
	reasonMakingRoom        = "making_room"
	reasonUnsigned          = "unsigned"
	reasonSignature         = "wrong_signature"
	reasonVerificationToken = "wrong_verification_token"
	reasonStale             = "stale"
	reasonFuture            = "future_event"
	reasonSlow              = "body_too_slow"
	reasonCutOff            = "body_cut_off"
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

	ignoredFields = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "zoom_operator_ignored_fields_total",
		Help: "Fields of authenticated events that could not be understood and were left out, by event and field. An event counts each time Zoom sends it.",
	}, []string{"event", "field"})
)

func init() {
	metrics.Registry.MustRegister(webhooks, webhookSeconds, ignoredFields)
}
