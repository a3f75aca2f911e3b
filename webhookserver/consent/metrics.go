package consent

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// The pages, as zoom_operator_consent_pages_total calls them.
const (
	pageInstall  = "install"
	pageStart    = "start"
	pageCallback = "callback"
	pageConfirm  = "confirm"
	pageResult   = "result"
)

// The reasons in zoom_operator_consent_pages_total beside those that it shares with webhooks:
// what a page said.
const (
	reasonShown             = "shown"
	reasonSentToZoom        = "sent_to_zoom"
	reasonBeganAtZoom       = "began_at_zoom"
	reasonInstalled         = "installed"
	reasonRefused           = "refused"
	reasonZoomRefused       = "zoom_refused"
	reasonUnknownState      = "unknown_state"
	reasonNoState           = "no_state"
	reasonUsedState         = "used_state"
	reasonCode              = "code_not_accepted"
	reasonSuperseded        = "superseded"
	reasonNoResult          = "result_unknown"
	reasonDisconnected      = "disconnected"
	reasonReconnect         = "consent_dead"
	reasonUnclear           = "not_looked_up"
	reasonWrongAccount      = "wrong_account"
	reasonAlreadyInstalled  = "already_installed"
	reasonNotInvited        = "not_invited"
	reasonBadInvitation     = "invitation_invalid"
	reasonOldInvitation     = "invitation_expired"
	reasonNoInvitation      = "invitation_gone"
	reasonBeingRemoved      = "being_removed"
	reasonClient            = "client_refused"
	reasonScope             = "scope_missing"
	reasonRateLimited       = "rate_limited"
	reasonZoomUnreachable   = "zoom_unreachable"
	reasonExternalURLAbsent = "external_url_unknown"
	reasonCloudUnknown      = "cloud_unknown"
	reasonClientIDInUse     = "client_id_in_use"
)

var consentPages = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "zoom_operator_consent_pages_total",
	Help: "Pages shown to customers who install an app, by app, page, HTTP status and reason.",
}, []string{"namespace", "app", "page", "code", "reason"})

func init() {
	metrics.Registry.MustRegister(consentPages)
}
