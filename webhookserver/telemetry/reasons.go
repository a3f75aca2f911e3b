package telemetry

// The reasons that the counters of webhooks and of pages have in common.
const (
	ReasonMethod        = "method"
	ReasonNoApp         = "no_such_app"
	ReasonNoCredentials = "no_credentials"
	ReasonTooLarge      = "too_large"
	ReasonMalformed     = "malformed"
	ReasonOverloaded    = "overloaded"
	ReasonAddress       = "address_limited"
	ReasonNotStored     = "not_stored"
)
