package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ZoomApp is one OAuth app registered at Zoom: where its credentials are, how it is distributed,
// and what to keep of its events. Everything that belongs to the app lives in its namespace.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=zapp,categories=zoom
// +kubebuilder:subresource:status
// +kubebuilder:selectablefield:JSONPath=`.spec.clientID`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Validated",type=string,JSONPath=`.status.conditions[?(@.type=="EndpointValidated")].status`
// +kubebuilder:printcolumn:name="Authorized",type=integer,JSONPath=`.status.authorizedInstallations`
// +kubebuilder:printcolumn:name="Last-Event",type=date,JSONPath=`.status.lastEventAt`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Distribution",type=string,priority=1,JSONPath=`.spec.distribution`
// +kubebuilder:printcolumn:name="Suspend",type=string,priority=1,JSONPath=`.spec.suspend`
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
// +kubebuilder:validation:XValidation:rule="!has(self.accountID) || self.distribution == 'Account'",message="accountID goes with distribution Account; an app for several accounts has none, so take it away in the same change"
// +kubebuilder:validation:XValidation:rule="!has(self.accessTokens) || self.accessTokens != 'Shared' || !has(self.tokenPolicy) || self.tokenPolicy == 'Continuous'",message="accessTokens Shared needs tokenPolicy Continuous; under another policy there is no access token that others could use"
// +kubebuilder:validation:XValidation:rule="self.managedBy == oldSelf.managedBy",message="managedBy cannot be changed, because installations are named after it; create another ZoomApp"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.accountID) || self.distribution != 'Account' || (has(self.accountID) && self.accountID == oldSelf.accountID)",message="accountID cannot be changed or taken away once it is set, also by the first account that installed the app; keep it, or create another ZoomApp"
// +kubebuilder:validation:XValidation:rule="!has(self.managedBy) || self.managedBy != 'Admin' || !has(self.scopes) || self.scopes.all(s, !s.matches('^(meeting|webinar|user|recording|cloud_recording):') || s.matches(':(admin|master)$') || s.matches('^(meeting|webinar):read:(meeting|webinar)_(audio|video|transcript|chat|screenshare)$'))",message="an admin-managed app has the admin's form of a scope, for example meeting:read:meeting:admin; add :admin, or set managedBy to User"
type ZoomAppSpec struct {
	// clientID is the app's OAuth client ID, from App Credentials in Zoom's build flow. Development
	// and production have different ones; each is a ZoomApp of its own.
	//
	// Of several ZoomApps with one client ID, in whatever namespaces of the operator, one has the
	// use of it, because Zoom knows one app: a consent given to one would end that given to
	// another, and a revocation both. It is the one whose credentials Zoom has accepted, before one
	// of which that is not known, before one whose credentials Zoom refuses or that has none; the
	// operator asks Zoom while that is open. Of equals it is one with customers, then the older.
	// The others say ClientIDInUse and ask Zoom for nothing. So no tenant who knows a client ID,
	// which is public, can take it from who knows the client secret. Events that are signed are
	// recorded by any of them.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_-]*$')",message="clientID is one word of letters, digits, - and _, as App Credentials in Zoom's build flow shows it"
	ClientID string `json:"clientID,omitempty"`

	// credentialsSecretRef names the Secret, of the type `zoom-operator.io/app`, with the keys
	// `clientSecret` and `secretToken`, and `verificationToken` when verification asks for it.
	// Nothing in a Secret of another type is used. Each holds one value per line, newest first, so
	// that a value can be rotated without losing an event: put the new one above the old one,
	// change it at Zoom, then take the old one away.
	//
	// +required
	CredentialsSecretRef SecretReference `json:"credentialsSecretRef,omitzero"`

	// displayName is what customers read on the consent pages in place of the ZoomApp's name: the
	// name that the app has at Zoom. The default is the name of the ZoomApp.
	//
	// +optional
	DisplayName DisplayName `json:"displayName,omitempty"`

	// publisher is who runs the app. The consent pages show it, with its links, so that customers
	// know whom they deal with; the same belongs into the app's listing at Zoom.
	//
	// +optional
	Publisher *Publisher `json:"publisher,omitempty"`

	// domainVerification is the code in the file `verifyzoom.html` that Zoom offers when an app is
	// submitted for review. The operator answers it at `/zoomverify/verifyzoom.html`, so that Zoom
	// knows that the host of the app's URLs is its publisher's. That path is one for all apps of a
	// host: of several apps with a code, that of the oldest is answered. Zoom asks once; take it
	// away afterwards.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_-]*$')",message="domainVerification is the code in Zoom's file verifyzoom.html: one word of letters, digits, - and _, without anything around it"
	DomainVerification string `json:"domainVerification,omitempty"`

	// deletionPolicy is what happens to the app's installations when the ZoomApp is deleted.
	// `Retain` leaves them, with their tokens and meetings: they say that their app is gone, and an
	// app that is created again under the same name with the same clientID finds them in order.
	// `Revoke` first removes the app at Zoom from every customer's account and deletes their data;
	// the ZoomApp goes when that is done. From when it is deleted that cannot be taken back. The
	// default is `Retain`.
	//
	// +optional
	// +default="Retain"
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// managedBy is Zoom's user-managed or admin-managed: whether each user consents, or an admin
	// for the whole account. The default is `User`.
	//
	// +optional
	// +default="User"
	ManagedBy ManagedBy `json:"managedBy,omitempty"`

	// distribution is who may install the app. `Marketplace` lets anybody, also when the flow
	// starts at Zoom's own Add button. `Private` lets only those whom a ZoomInstallation invites.
	// `Account` lets only one account, accountID.
	//
	// +required
	Distribution Distribution `json:"distribution,omitempty"`

	// accountID is the only account that may install an app of distribution Account. When it is
	// empty, the first account that consents is the one, and the operator writes it here.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_-]*$')",message="accountID is Zoom's ID of an account: one word of letters, digits, - and _"
	AccountID string `json:"accountID,omitempty"`

	// scopes are what the app needs. An installation that was granted less is reported. Zoom has
	// admin-managed apps ask for the scopes of meetings, webinars, recordings and users in their
	// forms for admins, which end in `:admin` or `:master`.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.map(s, s.size()).sum() <= 2000",message="the scopes have at most 2000 characters together"
	// +kubebuilder:validation:XValidation:rule="self.all(s, s.matches('^[A-Za-z0-9_.-]+(:[A-Za-z0-9_.-]+)+$'))",message="a scope has parts with colons between them, as the scopes of the app in Zoom's build flow show it, for example meeting:read:meeting"
	Scopes []Scope `json:"scopes,omitempty"`

	// tokenPolicy is what happens to OAuth tokens after the consent. `Continuous` keeps an access
	// token fresh at all times, and so finds within the hour that a consent has died of which Zoom
	// sent no notice. `KeepAlive` refreshes once a week, which keeps the refresh token from dying
	// of age, and finds a dead consent as late. `None` exchanges the code, because Zoom counts an
	// installation only then, and keeps no token; one that an earlier policy kept is deleted a day
	// later, and cannot be had again without another consent. Until then the policy can be changed
	// back. The default is `Continuous`.
	//
	// +optional
	// +default="Continuous"
	TokenPolicy TokenPolicy `json:"tokenPolicy,omitempty"`

	// accessTokens is who may use the access tokens. `Internal` keeps them to the operator.
	// `Shared` puts each installation's into a Secret of its own, named in its status, for other
	// programs in the namespace; refresh tokens are never shared. The default is `Internal`.
	//
	// +optional
	// +default="Internal"
	AccessTokens AccessTokens `json:"accessTokens,omitempty"`

	// verification is how events are recognised as Zoom's. `SecretToken` checks the signature in
	// x-zm-signature. `VerificationToken` is Zoom's retired scheme, a fixed token in a header; use
	// it only where Zoom still sends no signature. The default is `SecretToken`.
	//
	// +optional
	// +default="SecretToken"
	Verification Verification `json:"verification,omitempty"`

	// maxEventAgeSeconds is the age, by the signature's timestamp, beyond which an event is refused
	// as a replay. Zoom retries for 85 minutes, so less than 5400 can lose events. The default is
	// 7200.
	//
	// +optional
	// +default=7200
	// +kubebuilder:validation:Minimum=60
	// +kubebuilder:validation:Maximum=86400
	MaxEventAgeSeconds int32 `json:"maxEventAgeSeconds,omitempty"`

	// participants is what is kept of participants. `Count` keeps how many there are and were,
	// never who. `None` keeps nothing. The default is `Count`.
	//
	// +optional
	// +default="Count"
	Participants ParticipantsPolicy `json:"participants,omitempty"`

	// retention is how much of the past is kept.
	//
	// +optional
	// +default={}
	Retention Retention `json:"retention,omitzero"`

	// unknownAccounts is what happens to events of an account that has not installed the app
	// through this operator. `Record` keeps them, together with a ZoomInstallation that says so.
	// `Ignore` drops them. The default is `Record`.
	//
	// +optional
	// +default="Record"
	UnknownAccounts UnknownAccountsPolicy `json:"unknownAccounts,omitempty"`

	// import is whether what a host had planned before they installed the app is read from Zoom
	// after each consent, and known before any event says so. It needs the scope
	// meeting:read:list_meetings, which the app may ask for as an optional one: without it nothing
	// is imported, and the condition MeetingsImported of the ZoomInstallation says so. The default
	// is `Upcoming` in a user-managed app.
	//
	// In an admin-managed app the default is `None`. With `Upcoming` the meetings of all users of
	// the account are read, of one after the other, within the calls that apiCalls allows: of a
	// thousand users that takes days. It needs user:read:list_users:admin and
	// meeting:read:list_meetings:admin.
	//
	// +optional
	Import ImportPolicy `json:"import,omitempty"`

	// eventSubscription has the operator make the app's event subscription at Zoom, through Zoom's
	// API and with the app's client ID and client secret, and keep it as it is declared here: every
	// customer who consents is subscribed, and who leaves is taken out. An empty one, `{}`, is of
	// the events that the operator understands. Without it, which is the default, the subscription
	// is made by hand in Zoom's build flow, and nothing is asked of Zoom. Taken away, what the
	// operator made is deleted at Zoom.
	//
	// Zoom creates a subscription only with the scopes selected that its events need, and once it
	// has validated the webhook URL. Subscriptions that were made in the build flow are left alone;
	// an event that two subscriptions have arrives twice, which does no harm. Condition
	// EventsSubscribed says what became of it.
	//
	// +optional
	EventSubscription *EventSubscription `json:"eventSubscription,omitempty"`

	// developerCredentialsSecretRef has the operator read from Zoom's webhook log the events that
	// Zoom could not deliver, and record them as if they had arrived. It names a Secret of the type
	// `zoom-operator.io/developer` with credentials of the developer's own account, never of a
	// customer's: `appID`, the ID in the URL of the app's page in the Marketplace; `clientID` and
	// `clientSecret` of a Server-to-Server app with the scope `marketplace_app:read:admin`; and
	// `accountID`, that app's account. Without `accountID` they are those of a General app. Without
	// this field, which is the default, Zoom's log is not asked for.
	//
	// The log is read when the operator starts and every ten minutes, and at once with the
	// annotation zoom-operator.io/retry=now. It reaches back 7 days. Condition
	// MissedEventsRecovered says what came of it.
	//
	// +optional
	DeveloperCredentialsSecretRef *SecretReference `json:"developerCredentialsSecretRef,omitempty"`

	// suspend holds the app still, as for maintenance of what reacts to its meetings. `PutOff`
	// answers Zoom's events 503, and nothing of them is written; Zoom sends each again three times
	// within 85 minutes, and what is put off for longer is lost. `Record` stores them, for any
	// time. With either, ZoomMeetings keep the status that they have and none goes because of its
	// age, and customers who want to install the app are asked to come back later.
	//
	// Tokens go on being refreshed, so that no consent dies, Zoom's validation of the webhook URL
	// is answered, and the data of a customer whose removal is known is deleted. Taken away,
	// suspend ends, and what was recorded meanwhile takes effect.
	//
	// +optional
	Suspend Suspension `json:"suspend,omitempty"`

	// apiCalls is how often Zoom's REST API is asked for each customer, beside what tokens take:
	// what was planned before a consent, and whether a meeting is over of which nothing was heard
	// for long. The limits that Zoom sets are the customer's, for all apps of the account together.
	//
	// +optional
	// +default={}
	APICalls APICalls `json:"apiCalls,omitzero"`

	// removalGraceSeconds is how long the data of a customer is kept after Zoom has refused their
	// refresh token for good, while Zoom sends no event of them either: the notice of a removal may
	// have been lost. Afterwards it is deleted as after a removal; a consent in the meantime keeps
	// all of it. The default is 604800, 7 days; the least is an hour, the most 90 days.
	//
	// +optional
	// +default=604800
	// +kubebuilder:validation:Minimum=3600
	// +kubebuilder:validation:Maximum=7776000
	RemovalGraceSeconds int32 `json:"removalGraceSeconds,omitempty"`

	// cloud is which of Zoom's clouds the app is registered in: `Commercial`, or `Government` for
	// Zoom for Government, which has apps, accounts and tokens of its own. Whoever runs the
	// operator can name others, for tests, by --cloud; where they are is never in a ZoomApp, so
	// that no author of a ZoomApp can have credentials sent to a place of their choice. The default
	// is `Commercial`.
	//
	// +optional
	// +default="Commercial"
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Z][A-Za-z0-9]*$')",message="cloud is Commercial or Government, or the name of another one that the operator was started with"
	Cloud Cloud `json:"cloud,omitempty"`
}

// Publisher is who runs an app, as customers see it.
//
// +structType=atomic
type Publisher struct {
	// name is the person, organisation or company.
	//
	// +required
	Name DisplayName `json:"name,omitempty"`

	// supportURL is where customers find help.
	//
	// +optional
	SupportURL PublicURL `json:"supportURL,omitempty"`

	// privacyURL is where the privacy policy is.
	//
	// +optional
	PrivacyURL PublicURL `json:"privacyURL,omitempty"`

	// termsURL is where the terms of use are.
	//
	// +optional
	TermsURL PublicURL `json:"termsURL,omitempty"`

	// logo is the key of a picture in the ConfigMap `zoom-logos` of the app's namespace, which the
	// consent pages show: a PNG or JPEG of at most 64 KiB and 1024 pixels a side. The operator
	// reads no ConfigMap of another name. Without a picture that it can show the pages have none,
	// and the logs of the receivers say why.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9._-]*$')",message="logo is a key of the ConfigMap zoom-logos: letters, digits, -, _ and ."
	Logo string `json:"logo,omitempty"`
}

// LogosConfigMap is the name of the ConfigMap with the logos of a namespace's apps.
const LogosConfigMap = "zoom-logos"

// PublicURL is the address of a page for everybody. The consent pages, which load nothing from
// elsewhere, link to it.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=200
// +kubebuilder:validation:XValidation:rule="isURL(self) && self.matches('^https://[A-Za-z0-9.-]+(:[0-9]+)?([/?#][!-~]*)?$')",message="this is a link for customers: begin it with https:// and a host, without a user name, and with no spaces or letters beyond ASCII"
type PublicURL string

// AppFinalizer keeps a ZoomApp of deletionPolicy Revoke that is deleted until its installations are
// gone.
const AppFinalizer = "zoom-operator.io/revoke-installations"

// DeletionPolicy is what happens to the installations of a ZoomApp that is deleted.
//
// +kubebuilder:validation:Enum=Retain;Revoke
type DeletionPolicy string

// The deletion policies, called as those of PersistentVolumes and StorageClasses are.
const (
	// DeletionPolicyRetain leaves the installations as they are.
	DeletionPolicyRetain DeletionPolicy = "Retain"
	// DeletionPolicyRevoke removes the app at Zoom for every customer first.
	DeletionPolicyRevoke DeletionPolicy = "Revoke"
)

// Cloud is the name of one of Zoom's clouds.
type Cloud string

// The clouds that every operator knows.
const (
	// CloudCommercial is the cloud at zoom.us.
	CloudCommercial Cloud = "Commercial"
	// CloudGovernment is Zoom for Government, at zoomgov.com.
	CloudGovernment Cloud = "Government"
)

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
	// TokenPolicyContinuous keeps an access token fresh at all times, and so finds a dead consent
	// within the hour.
	TokenPolicyContinuous TokenPolicy = "Continuous"
	// TokenPolicyKeepAlive refreshes once a week, only to keep the refresh token alive.
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

// ImportPolicy is what is read from Zoom after a consent.
//
// +kubebuilder:validation:Enum=None;Upcoming
type ImportPolicy string

// The import policies.
const (
	// ImportNone reads nothing.
	ImportNone ImportPolicy = "None"
	// ImportUpcoming reads the meetings that are still to come, for the next six months.
	ImportUpcoming ImportPolicy = "Upcoming"
)

// EventSubscription is what Zoom is to send.
type EventSubscription struct {
	// events are the names of the events, as in Zoom's documentation, for example
	// `meeting.started`. The default is those of meetings, and those of their participants unless
	// participants is `None`, or spec.scopes is given and has no meeting:read:participant in it.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.map(e, e.size()).sum() <= 2000",message="the events have at most 2000 characters together"
	Events []EventName `json:"events,omitempty"`
}

// EventName is Zoom's name of an event.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9_]+([.][a-z0-9_]+)+$')",message="an event has parts with dots between them, as Zoom's documentation has it, for example meeting.started"
type EventName string

// SubscriptionFinalizer keeps a ZoomApp that is deleted until the event subscription that the
// operator made for it is deleted at Zoom.
const SubscriptionFinalizer = "zoom-operator.io/delete-subscription"

// Suspension is what happens to events of an app that is suspended.
//
// +kubebuilder:validation:Enum=PutOff;Record
type Suspension string

// The suspensions; one that is empty is none.
const (
	// SuspensionPutOff has Zoom send events again later.
	SuspensionPutOff Suspension = "PutOff"
	// SuspensionRecord stores events, and lets nothing follow from them.
	SuspensionRecord Suspension = "Record"
)

// APICalls bounds the calls to Zoom's REST API for one account.
type APICalls struct {
	// perSecond is how many calls are made within a second. The default is 1.
	//
	// +optional
	// +default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10
	PerSecond int32 `json:"perSecond,omitempty"`

	// perDay is how many calls are made from midnight to midnight in UTC; a restart of the operator
	// begins to count anew. The default is 200. Zoom lets an account on its free plan make 2000 of
	// them in a day, by all of its apps.
	//
	// +optional
	// +default=200
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	PerDay int32 `json:"perDay,omitempty"`
}

// Retention is how much of the past is kept.
type Retention struct {
	// endedSeconds is how long a meeting is kept after it ended or was deleted, when no further
	// start is planned. The default is 604800, 7 days. However small it is, a meeting is kept for
	// two hours, and for maxEventAgeSeconds, because Zoom may still report something of it until
	// then.
	//
	// A live meeting of which nothing was heard for 30 hours, the longest that Zoom lets one last,
	// counts as ended then, and a series without listed dates 30 days after it was last used, when
	// Zoom gives up its number.
	//
	// +optional
	// +default=604800
	// +kubebuilder:validation:Minimum=60
	// +kubebuilder:validation:Maximum=31536000
	EndedSeconds int32 `json:"endedSeconds,omitempty"`

	// instances is how many of the latest instances of a meeting are kept. What no longer is goes
	// soon after this changes, or the meeting starts anew. The default is 10.
	//
	// +optional
	// +default=10
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=20
	Instances int32 `json:"instances,omitempty"`

	// meetings is how many meetings of one installation are kept at once. When there are as many,
	// the oldest that are over go first. When none is over, new ones are not stored, and condition
	// MeetingsStored of the ZoomInstallation says so. The default is 2000.
	//
	// +optional
	// +default=2000
	// +kubebuilder:validation:Minimum=10
	// +kubebuilder:validation:Maximum=20000
	Meetings int32 `json:"meetings,omitempty"`

	// removedSeconds is how long the ZoomInstallation of a customer who removed the app is kept as
	// the proof that their data is gone, counted from when it was: it holds an account ID, which is
	// personal data too. The default is 2592000, 30 days; the least is an hour, the most a year.
	//
	// +optional
	// +default=2592000
	// +kubebuilder:validation:Minimum=3600
	// +kubebuilder:validation:Maximum=31536000
	RemovedSeconds int32 `json:"removedSeconds,omitempty"`
}

// ZoomAppStatus is what the operator found.
type ZoomAppStatus struct {
	// conditions are Ready, Stalled, CredentialsAvailable, EndpointValidated, EventsVerified,
	// LegacyVerification, ClientIDHeld and, with an eventSubscription, EventsSubscribed, and with
	// developerCredentialsSecretRef, MissedEventsRecovered.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the metadata.generation that the conditions are about.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// webhookURL is where Zoom has to send events: Event notification endpoint URL in Zoom's build
	// flow.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=320
	WebhookURL string `json:"webhookURL,omitempty"`

	// installURL is where a customer begins: the link to publish.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=320
	InstallURL string `json:"installURL,omitempty"`

	// redirectURL is the OAuth Redirect URL in Zoom's build flow.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=320
	RedirectURL string `json:"redirectURL,omitempty"`

	// accountID is deprecated: spec.accountID is what an app of distribution Account is bound to.
	// What an earlier version of the operator wrote here is moved there. The next version has no
	// such field.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	AccountID string `json:"accountID,omitempty"`

	// refusal is that Zoom refused the app itself when it was last asked in its name; unset since
	// Zoom accepted it, or since what Zoom refused was changed here.
	//
	// +optional
	Refusal *AppRefusal `json:"refusal,omitempty"`

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

	// lastEventAt is when the last authenticated event arrived.
	//
	// +optional
	LastEventAt *metav1.Time `json:"lastEventAt,omitempty"`

	// refusedEvents counts the requests that may be events of Zoom's and were not taken, by the
	// reason for it. Anybody can send requests that fit no secret; condition EventsVerified says
	// what follows. They are counted over all replicas, about twice a minute.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	RefusedEvents []RefusedEvents `json:"refusedEvents,omitempty"`
}

// RefusedEvents is a run of requests that were not taken for one reason. It ends with an hour
// without any; the next one begins another run.
type RefusedEvents struct {
	// reason is why they were not taken.
	//
	// +required
	Reason RefusalReason `json:"reason,omitempty"`

	// count is how many there were in the run. Zoom sends an event that is not taken up to four
	// times, and each time counts.
	//
	// +required
	// +kubebuilder:validation:Minimum=1
	Count int64 `json:"count,omitempty"`

	// since is when the run began.
	//
	// +required
	Since metav1.Time `json:"since,omitzero"`

	// lastAt is when the last one came.
	//
	// +required
	LastAt metav1.Time `json:"lastAt,omitzero"`
}

// RefusalReason is why requests that may be events of Zoom's were not taken.
//
// +kubebuilder:validation:Enum=WrongSignature;WrongVerificationToken;NoCredentials;Stale;Future
type RefusalReason string

// The reasons.
const (
	// RefusalWrongSignature means that they are signed with another secret token than those in the
	// app's Secret.
	RefusalWrongSignature RefusalReason = "WrongSignature"
	// RefusalWrongVerificationToken means that they carry another verification token than those in
	// the app's Secret.
	RefusalWrongVerificationToken RefusalReason = "WrongVerificationToken"
	// RefusalNoCredentials means that the app's Secret held nothing that they could be verified
	// with.
	RefusalNoCredentials RefusalReason = "NoCredentials"
	// RefusalStale means that they are Zoom's, and were sent longer ago than maxEventAgeSeconds, or
	// ahead of the clock here.
	RefusalStale RefusalReason = "Stale"
	// RefusalFuture means that they are Zoom's, and are of things that happened ahead of the clock
	// here.
	RefusalFuture RefusalReason = "Future"
)

// AppRefusal is what Zoom refused an app for.
//
// +structType=atomic
type AppRefusal struct {
	// reason is `ClientRejected` when Zoom does not accept the app's client ID and client secret,
	// and `ScopeMissing` when the app may not ask who consented.
	//
	// +required
	Reason AppRefusalReason `json:"reason,omitempty"`

	// at is when Zoom refused it first.
	//
	// +required
	At metav1.Time `json:"at,omitzero"`

	// credentials identifies what was refused: a piece of a digest of the client ID, the client
	// secrets, the scopes and where Zoom is, too short to find any of them by. When it is not that
	// of what is configured now, the refusal holds no longer.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Credentials string `json:"credentials,omitempty"`
}

// AppRefusalReason is why Zoom refused an app; the reason of its condition Ready.
//
// +kubebuilder:validation:Enum=ClientRejected;ScopeMissing
type AppRefusalReason string

// The reasons.
const (
	// AppRefusalClientRejected means that Zoom does not accept the app's client ID and client
	// secret.
	AppRefusalClientRejected AppRefusalReason = ReasonClientRejected
	// AppRefusalScopeMissing means that the app may not ask Zoom who consented.
	AppRefusalScopeMissing AppRefusalReason = ReasonScopeMissing
)
