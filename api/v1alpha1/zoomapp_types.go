package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ZoomApp is one OAuth app registered at Zoom: where its credentials are, how it is distributed, and what to keep of its
// events. Everything that belongs to the app lives in its namespace.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=zapp,categories=zoom
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Validated",type=string,JSONPath=`.status.conditions[?(@.type=="EndpointValidated")].status`
// +kubebuilder:printcolumn:name="Installations",type=integer,JSONPath=`.status.installations`
// +kubebuilder:printcolumn:name="Last-Event",type=date,JSONPath=`.status.lastEventAt`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Distribution",type=string,priority=1,JSONPath=`.spec.distribution`
// +kubebuilder:printcolumn:name="Webhook-URL",type=string,priority=1,JSONPath=`.status.webhookURL`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 40",message="the name of a ZoomApp has at most 40 characters, because the names of its meetings begin with it"
// +kubebuilder:validation:XValidation:rule="self.spec.clientID == oldSelf.spec.clientID || !has(oldSelf.status) || !has(oldSelf.status.authorizedInstallations) || oldSelf.status.authorizedInstallations == 0",message="clientID cannot be changed while customers have the app installed, because their tokens belong to it; create another ZoomApp"
type ZoomApp struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is standard object metadata.
	//
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec says which app this is and how the operator treats it.
	//
	// +required
	Spec ZoomAppSpec `json:"spec,omitzero"`

	// status is what the operator found.
	//
	// +optional
	Status ZoomAppStatus `json:"status,omitzero"`
}

// ZoomAppList is a list of ZoomApps.
//
// +kubebuilder:object:root=true
type ZoomAppList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard list metadata.
	//
	// +optional
	metav1.ListMeta `json:"metadata,omitzero"`
	// items are the ZoomApps.
	Items []ZoomApp `json:"items"`
}

// ZoomAppSpec says which app this is and how the operator treats it. An admin writes it.
//
// +kubebuilder:validation:XValidation:rule="!has(self.accountID) || self.distribution == 'Account'",message="accountID goes with distribution Account; an app for several accounts has none"
// +kubebuilder:validation:XValidation:rule="!has(self.accessTokens) || self.accessTokens != 'Shared' || !has(self.tokenPolicy) || self.tokenPolicy == 'Continuous'",message="accessTokens Shared needs tokenPolicy Continuous; under another policy there is no access token that others could use"
// +kubebuilder:validation:XValidation:rule="self.managedBy == oldSelf.managedBy",message="managedBy cannot be changed, because installations are named after it; create another ZoomApp"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.accountID) || (has(self.accountID) && self.accountID == oldSelf.accountID)",message="accountID cannot be changed once it is set; create another ZoomApp"
type ZoomAppSpec struct {
	// clientID is the app's OAuth client ID, from App Credentials in Zoom's build flow. Development and production have
	// different ones; each is a ZoomApp of its own.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_-]*$')",message="clientID is one word of letters, digits, - and _, as App Credentials in Zoom's build flow shows it"
	ClientID string `json:"clientID,omitempty"`

	// credentialsSecretRef names the Secret with the keys `clientSecret` and `secretToken`, and `verificationToken` when
	// verification asks for it. Each holds one value per line, newest first, so that a value can be rotated without losing
	// an event: put the new one above the old one, change it at Zoom, then take the old one away.
	//
	// +required
	CredentialsSecretRef SecretReference `json:"credentialsSecretRef,omitzero"`

	// managedBy is Zoom's user-managed or admin-managed: whether each user consents, or an admin for the whole account.
	//
	// +optional
	// +default="User"
	ManagedBy ManagedBy `json:"managedBy,omitempty"`

	// distribution is who may install the app. `Marketplace` lets anybody, also when the flow starts at Zoom's own Add
	// button. `Private` lets only those whom a ZoomInstallation invites. `Account` lets only one account, accountID.
	//
	// +required
	Distribution Distribution `json:"distribution,omitempty"`

	// accountID is the only account that may install an app of distribution Account. When it is empty, the first account
	// that consents is the one.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_-]*$')",message="accountID is Zoom's ID of an account: one word of letters, digits, - and _"
	AccountID string `json:"accountID,omitempty"`

	// scopes are what the app needs. An installation that was granted less is reported.
	//
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	Scopes []Scope `json:"scopes,omitempty"`

	// tokenPolicy is what happens to OAuth tokens after the consent. `Continuous` keeps an access token fresh at all times.
	// `KeepAlive` refreshes only so often that the refresh token never dies. `None` exchanges the code, because Zoom counts
	// an installation only then, and keeps no token; one that an earlier policy kept is deleted, and cannot be had again
	// without another consent.
	//
	// +optional
	// +default="Continuous"
	TokenPolicy TokenPolicy `json:"tokenPolicy,omitempty"`

	// accessTokens is who may use the access tokens. `Internal` keeps them to the operator. `Shared` puts each
	// installation's into a Secret of its own, named in its status, for other programs in the namespace; refresh tokens
	// are never shared.
	//
	// +optional
	// +default="Internal"
	AccessTokens AccessTokens `json:"accessTokens,omitempty"`

	// verification is how events are recognised as Zoom's. `SecretToken` checks the signature in x-zm-signature.
	// `VerificationToken` is Zoom's retired scheme, a fixed token in a header; use it only where Zoom still sends no signature.
	//
	// +optional
	// +default="SecretToken"
	Verification Verification `json:"verification,omitempty"`

	// maxEventAgeSeconds is the age, by the signature's timestamp, beyond which an event is refused as a replay. Zoom
	// retries for 85 minutes, so less than 5400 can lose events.
	//
	// +optional
	// +default=7200
	// +kubebuilder:validation:Minimum=60
	// +kubebuilder:validation:Maximum=86400
	MaxEventAgeSeconds int32 `json:"maxEventAgeSeconds,omitempty"`

	// participants is what is kept of participants. `Count` keeps how many there are and were, never who. `None` keeps nothing.
	//
	// +optional
	// +default="Count"
	Participants ParticipantsPolicy `json:"participants,omitempty"`

	// retention is how much of the past is kept.
	//
	// +optional
	// +default={}
	Retention Retention `json:"retention,omitzero"`

	// unknownAccounts is what happens to events of an account that has not installed the app through this operator.
	// `Record` keeps them, together with a ZoomInstallation that says so. `Ignore` drops them.
	//
	// +optional
	// +default="Record"
	UnknownAccounts UnknownAccountsPolicy `json:"unknownAccounts,omitempty"`

	// zoom is where Zoom is.
	//
	// +optional
	// +default={}
	Zoom ZoomEndpoints `json:"zoom,omitzero"`
}

// ManagedBy is whose consent an installation is.
//
// +kubebuilder:validation:Enum=User;Admin
type ManagedBy string

// The two kinds of consent Zoom knows.
const (
	// ManagedByUser means that each user installs the app for themselves.
	ManagedByUser ManagedBy = "User"
	// ManagedByAdmin means that an admin installs the app for the account.
	ManagedByAdmin ManagedBy = "Admin"
)

// Distribution is who may install an app.
//
// +kubebuilder:validation:Enum=Marketplace;Private;Account
type Distribution string

// The three distributions.
const (
	// DistributionMarketplace means a published or unlisted app: anybody may install it.
	DistributionMarketplace Distribution = "Marketplace"
	// DistributionPrivate means a beta: only invited installations may complete.
	DistributionPrivate Distribution = "Private"
	// DistributionAccount means an app that one customer created in their own account.
	DistributionAccount Distribution = "Account"
)

// TokenPolicy is what happens to OAuth tokens after a consent.
//
// +kubebuilder:validation:Enum=Continuous;KeepAlive;None
type TokenPolicy string

// The token policies.
const (
	// TokenPolicyContinuous keeps an access token fresh at all times.
	TokenPolicyContinuous TokenPolicy = "Continuous"
	// TokenPolicyKeepAlive refreshes only to keep the refresh token alive.
	TokenPolicyKeepAlive TokenPolicy = "KeepAlive"
	// TokenPolicyNone keeps no token.
	TokenPolicyNone TokenPolicy = "None"
)

// AccessTokens is who may use an app's access tokens.
//
// +kubebuilder:validation:Enum=Internal;Shared
type AccessTokens string

// The uses of access tokens.
const (
	// AccessTokensInternal keeps access tokens to the operator.
	AccessTokensInternal AccessTokens = "Internal"
	// AccessTokensShared puts each installation's access token into a Secret for other programs.
	AccessTokensShared AccessTokens = "Shared"
)

// Verification is how an event is recognised as Zoom's.
//
// +kubebuilder:validation:Enum=SecretToken;VerificationToken
type Verification string

// The ways to recognise an event.
const (
	// VerificationSecretToken checks the HMAC in x-zm-signature.
	VerificationSecretToken Verification = "SecretToken"
	// VerificationVerificationToken compares a fixed token; retired by Zoom.
	VerificationVerificationToken Verification = "VerificationToken"
)

// ParticipantsPolicy is what is kept of participants.
//
// +kubebuilder:validation:Enum=Count;None
type ParticipantsPolicy string

// The participants policies.
const (
	// ParticipantsCount keeps numbers, never persons.
	ParticipantsCount ParticipantsPolicy = "Count"
	// ParticipantsNone keeps nothing.
	ParticipantsNone ParticipantsPolicy = "None"
)

// UnknownAccountsPolicy is what happens to events of accounts that have not consented here.
//
// +kubebuilder:validation:Enum=Record;Ignore
type UnknownAccountsPolicy string

// The policies for unknown accounts.
const (
	// UnknownAccountsRecord keeps the events and shows the account as never authorized.
	UnknownAccountsRecord UnknownAccountsPolicy = "Record"
	// UnknownAccountsIgnore drops the events.
	UnknownAccountsIgnore UnknownAccountsPolicy = "Ignore"
)

// Retention is how much of the past is kept.
type Retention struct {
	// endedSeconds is how long a meeting is kept after it ended or was deleted, when no further start is planned. The
	// default is 7 days. However small it is, a meeting is kept for two hours, and for maxEventAgeSeconds, because Zoom may
	// still report something of it until then.
	//
	// A live meeting of which nothing was heard for 30 hours, the longest that Zoom lets one last, counts as ended then, and
	// a series without listed dates 30 days after it was last used, when Zoom gives up its number.
	//
	// +optional
	// +default=604800
	// +kubebuilder:validation:Minimum=60
	// +kubebuilder:validation:Maximum=31536000
	EndedSeconds int32 `json:"endedSeconds,omitempty"`

	// instances is how many of the latest instances of a meeting are kept. What no longer is goes soon after this changes, or
	// the meeting starts anew.
	//
	// +optional
	// +default=10
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=20
	Instances int32 `json:"instances,omitempty"`
}

// ZoomEndpoints is where Zoom is. The defaults are right except for Zoom for Government and for tests.
type ZoomEndpoints struct {
	// webURL is where people consent and tokens are exchanged.
	//
	// +optional
	// +default="https://zoom.us"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self == '' || self.matches('^https?://[^/?#@[:space:]]+$')",message="webURL is a scheme and a host, with no path and no slash at the end, for example https://zoom.us"
	WebURL string `json:"webURL,omitempty"`

	// apiURL is the base of Zoom's REST API, without the version.
	//
	// +optional
	// +default="https://api.zoom.us"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self == '' || self.matches('^https?://[^/?#@[:space:]]+$')",message="apiURL is a scheme and a host, with no path and no slash at the end, for example https://api.zoom.us"
	APIURL string `json:"apiURL,omitempty"`
}

// ZoomAppStatus is what the operator found.
type ZoomAppStatus struct {
	// conditions are Ready, CredentialsAvailable, EndpointValidated and LegacyVerification.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// webhookURL is where Zoom has to send events: Event notification endpoint URL in Zoom's build flow.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	WebhookURL string `json:"webhookURL,omitempty"`

	// installURL is where a customer begins: the link to publish.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	InstallURL string `json:"installURL,omitempty"`

	// redirectURL is the OAuth Redirect URL in Zoom's build flow.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	RedirectURL string `json:"redirectURL,omitempty"`

	// accountID is the account that an app of distribution Account without spec.accountID is bound to: the first one that
	// consented. Nobody of another account can install the app since; spec.accountID goes before it.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	AccountID string `json:"accountID,omitempty"`

	// installations is how many ZoomInstallations of the app there are.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	Installations *int32 `json:"installations,omitempty"`

	// authorizedInstallations is how many of them have a consent that stands.
	//
	// +optional
	// +kubebuilder:validation:Minimum=0
	AuthorizedInstallations *int32 `json:"authorizedInstallations,omitempty"`

	// endpointValidatedAt is when Zoom last validated the webhook URL.
	//
	// +optional
	EndpointValidatedAt *metav1.Time `json:"endpointValidatedAt,omitempty"`

	// lastEventAt is when the last genuine event arrived.
	//
	// +optional
	LastEventAt *metav1.Time `json:"lastEventAt,omitempty"`
}
