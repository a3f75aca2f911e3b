package consent

import (
	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// The pages, as zoom_operator_consent_pages_total calls them.
const (
	pageInstall  = "install"  // says what is shared
	pageStart    = "start"    // sends the browser to Zoom
	pageCallback = "callback" // where Zoom sends it afterwards
	pageConfirm  = "confirm"  // asks who came from Zoom by themselves
	pageResult   = "result"   // says what came of it

	pageDomainVerification = "domain_verification" // answers Zoom's validation of the domain
)

// The reasons in zoom_operator_consent_pages_total beside those that it shares with webhooks:
// what a page said.
const (
	reasonShown             = "shown"                // the page was shown
	reasonSentToZoom        = "sent_to_zoom"         // the customer went on to Zoom
	reasonBeganAtZoom       = "began_at_zoom"        // the customer comes from Zoom's own page and is asked
	reasonInstalled         = "installed"            // a consent is stored
	reasonRefused           = "refused"              // the customer did not agree
	reasonZoomRefused       = "zoom_refused"         // Zoom sent the browser back with an error
	reasonUnknownState      = "unknown_state"        // the flow is of another browser, or of long ago
	reasonNoState           = "no_state"             // there is no state, and the app is not one that can be installed without
	reasonUsedState         = "used_state"           // the flow has been used
	reasonCode              = "code_not_accepted"    // Zoom does not take the code
	reasonSuperseded        = "superseded"           // the customer consented once more meanwhile
	reasonNoResult          = "result_unknown"       // what came of the flow is no longer kept
	reasonDisconnected      = "disconnected"         // the consent has ended since
	reasonReconnect         = "consent_dead"         // Zoom no longer takes the token of the consent
	reasonUnclear           = "not_looked_up"        // the API server could not be asked whether the consent stands
	reasonWrongAccount      = "wrong_account"        // another account than the one that it is for
	reasonAlreadyInstalled  = "already_installed"    // the account has the app already, and the invitation is for another
	reasonNotInvited        = "not_invited"          // the app is Private and the account is not invited
	reasonBadInvitation     = "invitation_invalid"   // the link of the invitation is not one
	reasonOldInvitation     = "invitation_expired"   // the link has expired
	reasonNoInvitation      = "invitation_gone"      // the invitation is withdrawn
	reasonBeingRemoved      = "being_removed"        // the installation is being deleted
	reasonClient            = "client_refused"       // Zoom refuses the app's own credentials
	reasonScope             = "scope_missing"        // the app may not ask Zoom who consented
	reasonRateLimited       = "rate_limited"         // Zoom is asked too often
	reasonZoomUnreachable   = "zoom_unreachable"     // Zoom does not answer
	reasonExternalURLAbsent = "external_url_unknown" // the operator runs without --external-url
	reasonCloudUnknown      = "cloud_unknown"        // the app is in a cloud that is not known
	reasonClientIDInUse     = "client_id_in_use"     // another ZoomApp has the client ID
	reasonDomainVerified    = "domain_verification"  // Zoom's validation of the domain was answered
)

// A customer who installs an app is counted as page="callback" or "confirm", reason="installed";
// one who loads the result again, as page="result".
var consentPages = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "zoom_operator_consent_pages_total",
	Help: "Pages shown to customers who install an app, by app, page, HTTP status and reason.",
}, []string{"namespace", "app", "page", "code", "reason"})

func init() {
	metrics.Registry.MustRegister(consentPages)
}
