package v1alpha1

// Conditions of a ZoomApp.
const (
	// ConditionReady sums up the other conditions.
	//
	// Of a ZoomApp: the app is wired up on this side, so that Zoom's webhooks can be verified and
	// are expected at status.webhookURL, and Zoom did not refuse the app when a customer consented
	// or a token was refreshed last.
	//
	// True: Configured. False: Terminating, SecretNotFound, SecretTypeWrong, SecretPlaceholder,
	// SecretIncomplete, CloudUnknown, ClientIDInUse, ClientIDContested, NamespaceNotSelected,
	// ExternalURLUnknown, ClientRejected, ScopeMissing, Suspended.
	// Unknown: SecretTokenWrong, VerificationTokenWrong, ClockDiffers.
	//
	// Of a ZoomInstallation: the consent stands, the token is as the app's tokenPolicy wants it,
	// and nothing speaks against events arriving. The reason is that of the first condition that is
	// not as it should be.
	//
	// True: Consented. False: Terminating, Invited, NeverAuthorized, Deauthorized, WrongAccount,
	// UserNotExpected, Duplicate, AnotherClient, TokenRevoked, RefreshLost, TokenMissing,
	// SecretConflict, ScopesChanged, RefreshFailing, ClientRejected, AppNotReady, CloudUnknown,
	// ClientIDInUse, ClientIDContested, ValidationOverdue, NoRecentEvents. Unknown: Installing,
	// RemovalUnclear, RefreshFailing, ClientRejected, AppNotReady, CloudUnknown, ClientIDInUse,
	// ClientIDContested.
	ConditionReady = "Ready"

	// ConditionStalled is there only while it is True: Ready is False, and remains so until an
	// admin or a customer changes something. Tools that wait for an object take that for a failure,
	// and wait no longer.
	//
	// Of a ZoomApp: the reason is that of Ready.
	//
	// True: SecretNotFound, SecretTypeWrong, SecretPlaceholder, SecretIncomplete, CloudUnknown,
	// ClientIDInUse, NamespaceNotSelected, ExternalURLUnknown, ClientRejected, ScopeMissing.
	//
	// Of a ZoomInstallation: the reason is that of Ready.
	//
	// True: Deauthorized, WrongAccount, UserNotExpected, Duplicate, AnotherClient, TokenRevoked,
	// RefreshLost, TokenMissing, SecretConflict, ScopesChanged, ClientRejected, AppNotReady,
	// CloudUnknown, ClientIDInUse, ValidationOverdue.
	ConditionStalled = "Stalled"

	// ConditionCredentialsAvailable says whether the Secret in spec.credentialsSecretRef holds what
	// the app needs. The Secret is read again within half a minute, and at once when the ZoomApp
	// gets the annotation zoom-operator.io/retry=now.
	//
	// True: CredentialsFound. False: SecretNotFound, SecretTypeWrong, SecretPlaceholder,
	// SecretIncomplete.
	ConditionCredentialsAvailable = "CredentialsAvailable"

	// ConditionEndpointValidated says whether Zoom has validated the webhook URL lately. Zoom
	// repeats the validation every 72 hours; an endpoint that misses it too often has its event
	// subscription disabled.
	//
	// True: Validated. False: ValidationOverdue. Unknown: NeverValidated.
	ConditionEndpointValidated = "EndpointValidated"

	// ConditionEventsVerified says whether the events that arrive are verified, so that none is
	// lost. Anybody can send requests that fit no secret; they count against the app only as long
	// as nothing of Zoom's verifies, for its events, and its validation every 72 hours, do so when
	// the secret is right.
	//
	// True: Verified. False: SecretTokenWrong, VerificationTokenWrong, NoCredentials, ClockDiffers.
	// Unknown: RefusedLately, NoEventYet.
	ConditionEventsVerified = "EventsVerified"

	// ConditionLegacyVerification warns that events are recognised by the scheme that Zoom has
	// retired.
	//
	// True: VerificationTokenAccepted. False: SignatureRequired.
	ConditionLegacyVerification = "LegacyVerification"

	// ConditionMissedEventsRecovered says whether the events that Zoom could not deliver are read
	// from its webhook log, which a ZoomApp has with developerCredentialsSecretRef, and from when
	// on nothing is missing. What Zoom never tried to deliver is not in its log, as while the event
	// subscription was disabled.
	//
	// True: Recovered. False: EventsLost, NotPermitted, DeveloperCredentialsMissing,
	// DeveloperCredentialsRejected, DeveloperAppUnknown. Unknown: Recovering.
	ConditionMissedEventsRecovered = "MissedEventsRecovered"

	// ConditionEventsSubscribed says what became of spec.eventSubscription.
	//
	// Of a ZoomApp, which has it while there is one, or one is still to be deleted: whether the
	// subscription is there at Zoom as it is declared.
	//
	// True: Subscribed. False: EndpointNotReached, EventUnknown, EventScopeMissing,
	// SubscriptionRefused, Unsubscribing. Unknown: NoCustomers, Subscribing.
	//
	// Of a ZoomInstallation, which has it only while it is False: Zoom does not let the app
	// subscribe this customer.
	//
	// False: EventNotPermitted, NotSubscribed.
	ConditionEventsSubscribed = "EventsSubscribed"

	// ConditionClientIDHeld says whether the app has the use of its client ID, which only one
	// ZoomApp has at a time, see spec.clientID. While it is not True, Zoom is asked for nothing in
	// the app's name, whatever the other conditions say.
	//
	// True: Held. False: ClientIDInUse. Unknown: ClientIDContested.
	ConditionClientIDHeld = "ClientIDHeld"
)

// Reasons of the conditions of a ZoomApp.
const (
	// ReasonConfigured means that nothing is missing on this side.
	ReasonConfigured = "Configured"
	// ReasonCredentialsFound means that the Secret exists and holds every key that is needed.
	ReasonCredentialsFound = "CredentialsFound"
	// ReasonSecretNotFound means that the Secret in spec.credentialsSecretRef does not exist.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonSecretTypeWrong means that the Secret exists but is not of the type
	// zoom-operator.io/app, so nothing in it is used. Delete it and create it again with that type;
	// the values can stay.
	ReasonSecretTypeWrong = "SecretTypeWrong"
	// ReasonSecretPlaceholder means that a key of the Secret holds nothing but what was to be
	// replaced, as the samples have it, or less than a whole value.
	ReasonSecretPlaceholder = "SecretPlaceholder"
	// ReasonSecretIncomplete means that the Secret exists but lacks a key or holds nothing under
	// it.
	ReasonSecretIncomplete = "SecretIncomplete"
	// ReasonNamespaceNotSelected means that the operator runs with --namespace-selector, and the
	// app's namespace does not have the labels that it selects: no page and no webhook of the app
	// is served, Zoom's events are answered 503, and tokens go on being refreshed. The admin of the
	// cluster decides who may label the namespace.
	ReasonNamespaceNotSelected = "NamespaceNotSelected"
	// ReasonExternalURLUnknown means that the operator runs without --external-url, so it does
	// not know where Zoom has to send its webhooks.
	ReasonExternalURLUnknown = "ExternalURLUnknown"
	// ReasonSuspended means that the app is held still by spec.suspend, and that nothing else is
	// missing. Take spec.suspend away to go on.
	ReasonSuspended = "Suspended"
	// ReasonCloudUnknown means that spec.cloud of the ZoomApp names a cloud that the operator does
	// not know. Nothing is sent anywhere.
	ReasonCloudUnknown = "CloudUnknown"
	// ReasonClientIDInUse means that another ZoomApp has the same client ID and the better claim to
	// it, see spec.clientID. No customer can install this one, and its tokens are neither refreshed
	// nor revoked, since that would end the consents of the other's customers. When the other goes,
	// or gives up the client ID, this one takes over within seconds.
	ReasonClientIDInUse = "ClientIDInUse"
	// ReasonClientIDContested means that another ZoomApp has the same client ID, that this one has
	// customers, and that Zoom has not answered when it was asked about the credentials. Until it
	// does, nothing is asked in this one's name, and nothing of it is let go.
	ReasonClientIDContested = "ClientIDContested"
	// ReasonHeld means that no other ZoomApp has the client ID with a better claim to it.
	ReasonHeld = "Held"
	// ReasonScopeMissing means that a customer consented, but the operator may not ask Zoom who it
	// was, so nothing was connected: the app lacks the scope user:read:user, with `:admin` at the
	// end for an app that admins manage. Add it under Scopes in Zoom's build flow, and have the
	// customer install the app again.
	ReasonScopeMissing = "ScopeMissing"
	// ReasonValidated means that Zoom validated the webhook URL within the last six days.
	ReasonValidated = "Validated"
	// ReasonValidationOverdue means that Zoom has not validated the webhook URL for six days, that
	// is two rounds.
	ReasonValidationOverdue = "ValidationOverdue"
	// ReasonVerified means that the last event that arrived was verified, or that others were
	// meanwhile.
	ReasonVerified = "Verified"
	// ReasonSecretTokenWrong means that signed events arrive that fit no secret token in the app's
	// Secret, and none that fits one: it is wrong there, or was regenerated at Zoom. Zoom sends
	// them again for 85 minutes; what is refused until then is lost.
	ReasonSecretTokenWrong = "SecretTokenWrong"
	// ReasonVerificationTokenWrong means that the same is so of the verification token, in an app
	// that uses Zoom's retired scheme.
	ReasonVerificationTokenWrong = "VerificationTokenWrong"
	// ReasonNoCredentials means that events arrive and the app's Secret holds nothing that they
	// could be verified with.
	ReasonNoCredentials = "NoCredentials"
	// ReasonClockDiffers means that events arrive whose signature is right and whose time is not:
	// the clock of a node is wrong, or maxEventAgeSeconds is too small.
	ReasonClockDiffers = "ClockDiffers"
	// ReasonRefusedLately means that events were refused for less than four minutes, as happens
	// when a secret is changed at Zoom and then here, and nothing has verified since.
	ReasonRefusedLately = "RefusedLately"
	// ReasonVerificationTokenAccepted means that an event needs no signature when it carries the
	// verification token, which whoever sees one event can copy.
	ReasonVerificationTokenAccepted = "VerificationTokenAccepted"
	// ReasonSignatureRequired means that every event has to carry a signature by the app's secret
	// token.
	ReasonSignatureRequired = "SignatureRequired"
	// ReasonNeverValidated means that no validation has been seen: the URL is not in Zoom's build
	// flow yet, or was validated before this ZoomApp existed.
	ReasonNeverValidated = "NeverValidated"
)

// Reasons of the condition MissedEventsRecovered.
const (
	// ReasonRecovered means that everything is stored that is in Zoom's webhook log; the message
	// says since when, and how many events were stored from it.
	ReasonRecovered = "Recovered"
	// ReasonRecovering means that the log was not read yet, or not for some hours, when Zoom does
	// not answer; or that something in it could not be stored for an hour, as when a policy of the
	// cluster does not allow it. It is tried again by itself, for as long as Zoom has it.
	ReasonRecovering = "Recovering"
	// ReasonEventsLost means that the log did not reach back far enough: what Zoom could not
	// deliver in the time that the message names is lost. Meetings that are planned were imported
	// again where import allows it. It is said for 7 days.
	ReasonEventsLost = "EventsLost"
	// ReasonNotPermitted means that the developer's app lacks the scope marketplace_app:read:admin,
	// or marketplace_app:read, or its user the right to see the app in the Marketplace. What Zoom
	// could not deliver stays missing. It is tried again after 6 hours, and at once with the
	// annotation zoom-operator.io/retry=now.
	ReasonNotPermitted = "NotPermitted"
	// ReasonDeveloperCredentialsMissing means that there is no Secret of that name and of the type
	// zoom-operator.io/developer with the keys appID, clientID and clientSecret.
	ReasonDeveloperCredentialsMissing = "DeveloperCredentialsMissing"
	// ReasonDeveloperCredentialsRejected means that Zoom does not accept the developer's client ID,
	// client secret or account, or gives an app of that type no token.
	ReasonDeveloperCredentialsRejected = "DeveloperCredentialsRejected"
	// ReasonDeveloperAppUnknown means that the developer's account has no app of the appID.
	ReasonDeveloperAppUnknown = "DeveloperAppUnknown"
)

// Reasons of the condition EventsSubscribed.
const (
	// ReasonSubscribed means that the event subscription is there at Zoom, with the declared
	// events, and sends them to status.webhookURL.
	ReasonSubscribed = "Subscribed"
	// ReasonNoCustomers means that no customer has the app yet. The subscription is made with the
	// first consent, since Zoom shows one only to who is subscribed.
	ReasonNoCustomers = "NoCustomers"
	// ReasonSubscribing means that the subscription is not made yet: Zoom has not answered, or
	// condition Ready says why the operator asks Zoom for nothing.
	ReasonSubscribing = "Subscribing"
	// ReasonUnsubscribing means that eventSubscription was taken away, and that Zoom has not
	// deleted yet what the operator made. It is tried again by itself.
	ReasonUnsubscribing = "Unsubscribing"
	// ReasonEndpointNotReached means that Zoom could not validate the webhook URL: it does not
	// reach it, or the secret token in the app's Secret is another one than Zoom's. It is tried
	// again after a minute, later every quarter of an hour, and at once with the annotation
	// zoom-operator.io/retry=now.
	ReasonEndpointNotReached = "EndpointNotReached"
	// ReasonEventUnknown means that Zoom has no event of one of the names in
	// eventSubscription.events; the message names them. Correct it.
	ReasonEventUnknown = "EventUnknown"
	// ReasonEventScopeMissing means that the app at Zoom lacks the scope that one of the events
	// needs; the message names it where it is known. Add the scope under Scopes in Zoom's build
	// flow, or leave the event out. It is tried again every quarter of an hour, and at once with
	// the annotation zoom-operator.io/retry=now.
	ReasonEventScopeMissing = "EventScopeMissing"
	// ReasonEventNotPermitted means that Zoom does not let the user, or the account, who consented
	// receive one of the events, by their role or plan. Other customers are not concerned.
	ReasonEventNotPermitted = "EventNotPermitted"
	// ReasonSubscriptionRefused means that Zoom does not let the app manage its event
	// subscriptions, for another cause, which the message names as far as it is known.
	ReasonSubscriptionRefused = "SubscriptionRefused"
	// ReasonNotSubscribed means that Zoom does not let the app subscribe the customer, as one who
	// has not authorized the app, so that nothing of theirs is sent. If they have removed it, the
	// next refresh of the token shows it. It is tried again after an hour, and then less and less
	// often, once a day in the end.
	ReasonNotSubscribed = "NotSubscribed"
)

// Conditions of a ZoomInstallation; Ready is shared with ZoomApp.
const (
	// ConditionAuthorized says whether a user who may has consented, to everything that the app
	// needs, and has not withdrawn it. When it is False, such a user has to consent at
	// status.installURL, for the first time or again, unless the reason says something else.
	//
	// True: Consented. False: Invited, NeverAuthorized, Deauthorized, WrongAccount,
	// UserNotExpected, Duplicate, AppNotReady, CloudUnknown, ClientIDInUse, ClientIDContested,
	// AnotherClient, TokenRevoked, RefreshLost, TokenMissing, SecretConflict, ScopesChanged.
	// Unknown: Installing, RemovalUnclear.
	ConditionAuthorized = "Authorized"

	// ConditionTokenFresh says whether the token is as the app's tokenPolicy wants it. What keeps
	// it from being refreshed makes it Unknown while the access token is still good, and False
	// afterwards.
	//
	// True: Fresh, KeptAlive, TokenNotStored, DropScheduled. False: NoConsent, TokenRevoked,
	// RefreshLost, TokenMissing, SecretConflict, ScopesChanged, RefreshFailing, ClientRejected,
	// AppNotReady, CloudUnknown, ClientIDInUse, ClientIDContested. Unknown: RefreshFailing,
	// ClientRejected, AppNotReady, CloudUnknown, ClientIDInUse, ClientIDContested.
	ConditionTokenFresh = "TokenFresh"

	// ConditionEventsFlowing says whether Zoom seems to send this installation's events. Zoom does
	// not tell when it stops, so this is a conclusion from when it was heard of last.
	//
	// True: EventsArriving. False: ValidationOverdue, NoRecentEvents. Unknown: NoEventYet,
	// NoConsent.
	ConditionEventsFlowing = "EventsFlowing"

	// ConditionMeetingsStored is there only while it is False: new meetings of the customer are not
	// stored, because there are as many as the app's retention.meetings and none of them is over.
	//
	// False: TooManyMeetings.
	ConditionMeetingsStored = "MeetingsStored"

	// ConditionMeetingsImported is there when what the customer had planned before they installed
	// the app has been read from Zoom, or cannot be, or takes long.
	//
	// True: Imported. False: Importing, ImportDelayed, ImportIncomplete, UsersNotRead,
	// ImportScopeMissing, ImportNotPermitted.
	ConditionMeetingsImported = "MeetingsImported"
)

// Reasons of the conditions of a ZoomInstallation.
const (
	// ReasonTooManyMeetings means that so many meetings of the customer are planned or live that no
	// new one is stored: its events are not taken, and Zoom does not send them again. Raise
	// retention.meetings of the ZoomApp, or delete ZoomMeetings that are not needed.
	ReasonTooManyMeetings = "TooManyMeetings"
	// ReasonImported means that the meetings of the next six months were read once after the
	// consent.
	ReasonImported = "Imported"
	// ReasonImporting means that the meetings of the users of an account are being read, of one
	// user after the other.
	ReasonImporting = "Importing"
	// ReasonImportDelayed means that there are no calls to Zoom left for the customer, or that Zoom
	// wants to be asked later. The import goes on by itself, at midnight UTC at the latest. The
	// calls of a day are apiCalls.perDay of the ZoomApp.
	ReasonImportDelayed = "ImportDelayed"
	// ReasonImportIncomplete means that there were as many meetings of the customer as are kept, so
	// that the rest of what was planned before the consent is known from its next event on. When
	// retention.meetings of the ZoomApp is raised, the rest is read.
	ReasonImportIncomplete = "ImportIncomplete"
	// ReasonUsersNotRead means that Zoom answered with errors about some users of the account for
	// half a day, so that what they had planned is known from its next event on. The message says
	// how many were read.
	ReasonUsersNotRead = "UsersNotRead"
	// ReasonImportScopeMissing means that the customer has not granted meeting:read:list_meetings,
	// or for an account user:read:list_users:admin and meeting:read:list_meetings:admin, so that a
	// meeting planned before the consent is known from its next event on. Nothing else suffers. Add
	// the scope to the app at Zoom, as an optional one if you like, and let the customer consent
	// again; or set import to None in the ZoomApp.
	ReasonImportScopeMissing = "ImportScopeMissing"
	// ReasonImportNotPermitted means that the customer's plan, or their account, does not let the
	// app list their meetings, so that a meeting planned before the consent is known from its next
	// event on. Nothing else suffers.
	ReasonImportNotPermitted = "ImportNotPermitted"
	// ReasonConsented means that the account, or the user, has installed the app.
	ReasonConsented = "Consented"
	// ReasonInvited means that no customer has followed the invitation yet. Send the customer
	// status.installURL, or, of an invitation without an accountID, the link in the Secret that
	// status.invitationSecretName names.
	ReasonInvited = "Invited"
	// ReasonInstalling means that a user seems to be installing the app at this moment: the
	// ZoomInstallation was recorded, and their consent will be within seconds. When it is not, the
	// reason becomes another one by itself.
	ReasonInstalling = "Installing"
	// ReasonNeverAuthorized means that Zoom sends events of an account that has not consented here,
	// or that a consent could not be stored. A user of that account has to install the app at
	// status.installURL; where the app is Private and there is none, invite the account by another
	// ZoomInstallation with its spec.accountID.
	ReasonNeverAuthorized = "NeverAuthorized"
	// ReasonDeauthorized means that the customer removed the app, or that Zoom has refused their
	// token for longer than the app's removalGraceSeconds. Their data is deleted;
	// status.dataDeletion says why, when and how much. If they want the app back, they install it
	// again at status.installURL. The ZoomInstallation itself is deleted after the app's
	// retention.removedSeconds.
	ReasonDeauthorized = "Deauthorized"
	// ReasonRemovalUnclear means that a user of the account removed the app, that Zoom's notice
	// names no user who has an installation here, and that no token is kept that could be tried. If
	// it was this customer, delete the ZoomInstallation; nothing is deleted by itself. An event
	// that arrives long enough after the removal shows that it was not.
	ReasonRemovalUnclear = "RemovalUnclear"
	// ReasonTokenRevoked means that Zoom no longer accepts the refresh token, although it was never
	// used: the user who consented is gone, an admin withdrew the approval, or it was revoked or
	// consented to elsewhere. The customer has to install the app again at status.installURL. In
	// case Zoom was mistaken, the token is tried once more an hour later, at the time in the
	// message; until then other programs have no access token.
	ReasonTokenRevoked = "TokenRevoked"
	// ReasonRefreshLost means that Zoom probably gave out a new token that was never stored,
	// because the operator or the connection broke in between: it no longer takes the old one. Or
	// the token comes from a backup that is older than its last refresh. The customer has to
	// install the app again at status.installURL.
	ReasonRefreshLost = "RefreshLost"
	// ReasonTokenMissing means that the consent stands but its token is not here: the Secret was
	// deleted, or the app's tokenPolicy was None at the time. The customer has to install the app
	// again at status.installURL.
	ReasonTokenMissing = "TokenMissing"
	// ReasonSecretConflict means that a Secret of another type has the name of the one that the
	// token, or the access token for other programs, is to be in, or one with the token of another
	// customer. It is left alone. Delete it or give it another name, unless the message says what
	// else to do; it says which it is, and whether the app has to be installed again.
	ReasonSecretConflict = "SecretConflict"
	// ReasonWrongAccount means that the ZoomApp is of distribution Account and belongs to another
	// account. Delete the ZoomInstallation, or correct the accountID of the ZoomApp.
	ReasonWrongAccount = "WrongAccount"
	// ReasonUserNotExpected means that the installation names a user, and its app is managed by
	// admins, so that consents and events are of whole accounts and never get here. Delete the
	// ZoomInstallation.
	ReasonUserNotExpected = "UserNotExpected"
	// ReasonDuplicate means that another ZoomInstallation is of the same app, account and user, and
	// consents and events go there. Delete this one; the message names the other.
	ReasonDuplicate = "Duplicate"
	// ReasonScopesChanged means that the app needs more than was consented to, or that its scopes
	// at Zoom are others than those of the token. The customer has to install the app again at
	// status.installURL.
	ReasonScopesChanged = "ScopesChanged"
	// ReasonAnotherClient means that the token was issued to another client ID than the one that
	// the ZoomApp has, as when the ZoomApp was created again for another app. The token is left
	// alone.
	ReasonAnotherClient = "AnotherClient"
	// ReasonTerminating means that the ZoomInstallation is being deleted: the app is removed at
	// Zoom, then the data here. Of an invitation that no customer followed it means that it is
	// withdrawn, and of a ZoomApp of deletionPolicy Revoke that all its installations are being
	// deleted.
	ReasonTerminating = "Terminating"
	// ReasonFresh means that there is an access token that is good now.
	ReasonFresh = "Fresh"
	// ReasonKeptAlive means that the refresh token is kept alive, as tokenPolicy KeepAlive wants
	// it, and the access token is not.
	ReasonKeptAlive = "KeptAlive"
	// ReasonTokenNotStored means that no token is kept, as tokenPolicy None wants it.
	ReasonTokenNotStored = "TokenNotStored"
	// ReasonDropScheduled means that the app's tokenPolicy has become None while a token is kept.
	// It is deleted a day later, at the time in the message; until then another tokenPolicy keeps
	// it, and all is as it was.
	ReasonDropScheduled = "DropScheduled"
	// ReasonNoConsent means that there is nothing to expect without a consent.
	ReasonNoConsent = "NoConsent"
	// ReasonRefreshFailing means that the last refresh did not succeed, for a cause that may pass:
	// Zoom cannot be reached, fails, or asks to wait, or the operator may not write the token's
	// Secret. It is tried again by itself, as the message says; the annotation
	// zoom-operator.io/retry: now has it tried at once. What Zoom refuses for six hours in words
	// that are not known is probably a dead consent, and the message says so.
	ReasonRefreshFailing = "RefreshFailing"
	// ReasonClientRejected means that Zoom refuses the app itself: its client ID or client secret
	// is wrong, or the app is disabled. No token was lost. Put the current client secret into the
	// Secret in the app's spec.credentialsSecretRef. One installation of the app tries again by
	// itself, at most five minutes later; when Zoom accepts the app, all follow.
	ReasonClientRejected = "ClientRejected"
	// ReasonAppNotReady means that the ZoomApp, or the client secret in its Secret, is not there,
	// so that no event is taken, no customer can consent and no token is refreshed. Nothing is lost
	// by that: an app that is created again, under its name and with its clientID, finds its
	// installations in order.
	ReasonAppNotReady = "AppNotReady"
	// ReasonEventsArriving means that an event of this installation has arrived, and not too long
	// ago.
	ReasonEventsArriving = "EventsArriving"
	// ReasonNoEventYet means that no event of this installation, or of this app, has arrived yet.
	ReasonNoEventYet = "NoEventYet"
	// ReasonNoRecentEvents means that the last event of this installation arrived 35 days ago or
	// earlier, so that not even a monthly meeting was heard of. The account may just hold no
	// meetings; if it does, look at the app's event subscription at Zoom.
	ReasonNoRecentEvents = "NoRecentEvents"
)

// Conditions of a ZoomMeeting.
const (
	// ConditionLive says whether the meeting is being held now.
	//
	// True: Started. False: NotStarted, Ended, Deleted.
	ConditionLive = "Live"

	// ConditionWaitingForHost says whether people wait for the meeting to begin. It is absent until
	// a participant has waited.
	//
	// True: PeopleWaiting. False: NobodyWaiting.
	ConditionWaitingForHost = "WaitingForHost"

	// ConditionEndOverdue says whether the meeting has been live for so long without any event that
	// the event of its end was probably lost, and why Zoom, which is asked then, could not say
	// more. It is absent until that has been so.
	//
	// True: NoEventForLong, ReadScopeMissing, NotInPlan, NoAccessToken, BudgetSpent, HostUnknown,
	// MeetingUnknown, ZoomUnavailable. False: ConfirmedLive, AsExpected.
	ConditionEndOverdue = "EndOverdue"

	// ConditionInstallationFound is there only while it is False: the ZoomInstallation that the
	// meeting refers to is not there.
	//
	// False: InstallationNotFound.
	ConditionInstallationFound = "InstallationFound"
)

// Reasons of the conditions of a ZoomMeeting.
const (
	// ReasonStarted means that Zoom reported a start, or a participant in the meeting, and no end.
	ReasonStarted = "Started"
	// ReasonNotStarted means that no instance of the meeting has been seen.
	ReasonNotStarted = "NotStarted"
	// ReasonEnded means that the last instance has ended.
	ReasonEnded = "Ended"
	// ReasonDeleted means that the meeting was deleted at Zoom.
	ReasonDeleted = "Deleted"
	// ReasonPeopleWaiting means that a participant came to the meeting, has not left, and the host
	// has not started it.
	ReasonPeopleWaiting = "PeopleWaiting"
	// ReasonNobodyWaiting means that no participant is known to wait.
	ReasonNobodyWaiting = "NobodyWaiting"
	// ReasonNoEventForLong means that no event has arrived for a day from a meeting that is
	// supposed to be live.
	ReasonNoEventForLong = "NoEventForLong"
	// ReasonReadScopeMissing means that the consent has neither the scope to read past meetings nor
	// the one to read meetings. Add meeting:read:past_meeting to the app at Zoom, where it may be
	// optional, and have the customer install the app again.
	ReasonReadScopeMissing = "ReadScopeMissing"
	// ReasonNotInPlan means that the account's plan, or the role of the user who consented, does
	// not let the app ask.
	ReasonNotInPlan = "NotInPlan"
	// ReasonNoAccessToken means that there is no access token to ask with: the app's tokenPolicy is
	// KeepAlive, the installation has none, or Zoom does not take it. Under tokenPolicy None Zoom
	// is asked on demand alone.
	ReasonNoAccessToken = "NoAccessToken"
	// ReasonBudgetSpent means that Zoom may not be asked for now: the account's calls of the day
	// are spent, of those in the app's apiCalls or of Zoom's own limit, or too many of the app's
	// calls failed.
	ReasonBudgetSpent = "BudgetSpent"
	// ReasonHostUnknown means that Zoom does not show the host to the app any more, so that it is
	// asked no more until an event arrives.
	ReasonHostUnknown = "HostUnknown"
	// ReasonMeetingUnknown means that Zoom, asked twice, does not know the meeting any more.
	// Whether it is over is not known.
	ReasonMeetingUnknown = "MeetingUnknown"
	// ReasonZoomUnavailable means that Zoom gave no answer that can be understood.
	ReasonZoomUnavailable = "ZoomUnavailable"
	// ReasonConfirmedLive means that Zoom said, when it was asked, that the meeting is being held.
	ReasonConfirmedLive = "ConfirmedLive"
	// ReasonInstallationNotFound means that spec.installationRef names no ZoomInstallation of the
	// namespace: a user made the ZoomMeeting by hand, or restored it without its installation.
	// Delete it; Zoom's events record meetings by themselves.
	ReasonInstallationNotFound = "InstallationNotFound"
	// ReasonAsExpected means that the meeting is not live, or not for implausibly long.
	ReasonAsExpected = "AsExpected"
)
