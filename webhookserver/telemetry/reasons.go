package telemetry

// The reasons that zoom_operator_webhooks_total and zoom_operator_consent_pages_total have in
// common.
const (
	ReasonMethod        = "method"          // another method than the address takes
	ReasonNoApp         = "no_such_app"     // there is no ZoomApp of that name, or it is in a namespace that is not watched or selected
	ReasonNoCredentials = "no_credentials"  // the Secret of the app lacks what is needed
	ReasonTooLarge      = "too_large"       // the body is larger than any of Zoom's
	ReasonMalformed     = "malformed"       // it cannot be understood, or the API server will never take it
	ReasonOverloaded    = "overloaded"      // there was no room
	ReasonAddress       = "address_limited" // too many of the kind came from one address
	ReasonSuspended     = "suspended"       // the ZoomApp is suspended
	ReasonNotStored     = "not_stored"      // the API server did not take it, or not in time
)
