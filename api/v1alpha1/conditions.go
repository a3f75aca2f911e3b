package v1alpha1

// Conditions of a ZoomApp.
const (
	// ConditionReady sums up the other conditions.
	//
	// Of a ZoomApp: the app is wired up on this side, so that Zoom's webhooks can be verified and are expected at
	// status.webhookURL.
	//
	// True: Configured. False: SecretNotFound, SecretIncomplete, ExternalURLUnknown, ClientRejected.
	//
	// Of a ZoomInstallation: the consent stands, the token is as the app's tokenPolicy wants it, and nothing speaks against
	// events arriving. The reason is that of the first condition that is not as it should be.
	//
	// True: Consented. False: Terminating, Invited, NeverAuthorized, Deauthorized, WrongAccount, TokenRevoked, RefreshLost,
	// TokenMissing, SecretConflict, ScopesChanged, RefreshFailing, ClientRejected, AppNotReady, ValidationOverdue, Silent.
	// Unknown: RefreshFailing, ClientRejected, AppNotReady.
	ConditionReady = "Ready"

	// ConditionCredentialsAvailable says whether the Secret in spec.credentialsSecretRef holds what the app needs.
	//
	// True: CredentialsFound. False: SecretNotFound, SecretIncomplete.
	ConditionCredentialsAvailable = "CredentialsAvailable"

	// ConditionEndpointValidated says whether Zoom has validated the webhook URL lately. Zoom repeats the validation every
	// 72 hours; an endpoint that misses it too often has its event subscription disabled.
	//
	// True: Validated. False: ValidationOverdue. Unknown: NeverValidated.
	ConditionEndpointValidated = "EndpointValidated"

	// ConditionLegacyVerification warns that events are recognised by the scheme that Zoom has retired.
	//
	// True: VerificationTokenAccepted. False: SignatureRequired.
	ConditionLegacyVerification = "LegacyVerification"
)

// Reasons of the conditions of a ZoomApp.
const (
	// ReasonConfigured means that nothing is missing on this side.
	ReasonConfigured = "Configured"
	// ReasonCredentialsFound means that the Secret exists and holds every key that is needed.
	ReasonCredentialsFound = "CredentialsFound"
	// ReasonSecretNotFound means that the Secret in spec.credentialsSecretRef does not exist.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonSecretIncomplete means that the Secret exists but lacks a key or holds nothing under it.
	ReasonSecretIncomplete = "SecretIncomplete"
	// ReasonExternalURLUnknown means that the operator runs without --external-url, so nobody can be told where Zoom has to
	// send its webhooks.
	ReasonExternalURLUnknown = "ExternalURLUnknown"
	// ReasonValidated means that Zoom validated the webhook URL within the last six days.
	ReasonValidated = "Validated"
	// ReasonValidationOverdue means that Zoom has not validated the webhook URL for six days, that is two rounds.
	ReasonValidationOverdue = "ValidationOverdue"
	// ReasonVerificationTokenAccepted means that an event needs no signature when it carries the verification token, which
	// whoever sees one event can copy.
	ReasonVerificationTokenAccepted = "VerificationTokenAccepted"
	// ReasonSignatureRequired means that every event has to carry a signature by the app's secret token.
	ReasonSignatureRequired = "SignatureRequired"
	// ReasonNeverValidated means that no validation has been seen: the URL is not in Zoom's build flow yet, or was validated
	// before this ZoomApp existed.
	ReasonNeverValidated = "NeverValidated"
)

// Conditions of a ZoomInstallation; Ready is shared with ZoomApp.
const (
	// ConditionAuthorized says whether somebody who may has consented, to everything that the app needs, and has not
	// withdrawn it. When it is False, somebody has to consent at status.installURL, for the first time or again, unless the
	// reason says something else.
	//
	// True: Consented. False: Invited, NeverAuthorized, Deauthorized, WrongAccount, TokenRevoked, RefreshLost, TokenMissing,
	// SecretConflict, ScopesChanged.
	ConditionAuthorized = "Authorized"

	// ConditionTokenFresh says whether the token is as the app's tokenPolicy wants it. What keeps it from being refreshed makes
	// it Unknown while the access token is still good, and False afterwards.
	//
	// True: Fresh, KeptAlive, NotKept. False: NoConsent, TokenRevoked, RefreshLost, TokenMissing, SecretConflict, ScopesChanged,
	// RefreshFailing, ClientRejected, AppNotReady. Unknown: RefreshFailing, ClientRejected, AppNotReady.
	ConditionTokenFresh = "TokenFresh"

	// ConditionEventsFlowing says whether Zoom seems to send this installation's events. Zoom does not tell when it stops,
	// so this is a conclusion from when it was heard of last.
	//
	// True: EventsArriving. False: ValidationOverdue, Silent. Unknown: NoEventYet, NoConsent.
	ConditionEventsFlowing = "EventsFlowing"
)

// Reasons of the conditions of a ZoomInstallation.
const (
	// ReasonConsented means that the account, or the user, has installed the app.
	ReasonConsented = "Consented"
	// ReasonInvited means that nobody has followed the invitation yet. Send the customer status.installURL.
	ReasonInvited = "Invited"
	// ReasonNeverAuthorized means that Zoom sends events of an account that has not consented here. Somebody of that account
	// has to install the app at status.installURL.
	ReasonNeverAuthorized = "NeverAuthorized"
	// ReasonDeauthorized means that the customer removed the app. Their data is deleted; status.dataDeletion says when and
	// how much. If they want the app back, they install it again at status.installURL.
	ReasonDeauthorized = "Deauthorized"
	// ReasonTokenRevoked means that Zoom no longer accepts the refresh token, although it was never used: the user who
	// consented is gone, an admin withdrew the approval, or it was revoked or consented to elsewhere. Somebody has to install
	// the app again at status.installURL.
	ReasonTokenRevoked = "TokenRevoked"
	// ReasonRefreshLost means that Zoom probably gave out a new token that was never stored, because the operator or the
	// connection broke in between: it no longer takes the old one. Somebody has to install the app again at status.installURL.
	ReasonRefreshLost = "RefreshLost"
	// ReasonTokenMissing means that the consent stands but its token is not here: somebody deleted the Secret, or the app's
	// tokenPolicy was None at the time. Somebody has to install the app again at status.installURL.
	ReasonTokenMissing = "TokenMissing"
	// ReasonSecretConflict means that a Secret of another type has the name of the one that the token, or the access token
	// for other programs, is to be in. It is left alone. Delete it or give it another name; the message says which it is, and
	// whether the app has to be installed again.
	ReasonSecretConflict = "SecretConflict"
	// ReasonWrongAccount means that the ZoomApp is of distribution Account and belongs to another account. Delete the
	// ZoomInstallation, or correct the accountID of the ZoomApp.
	ReasonWrongAccount = "WrongAccount"
	// ReasonScopesChanged means that the app needs more than was consented to, or that its scopes at Zoom are others than
	// those of the token. Somebody has to install the app again at status.installURL.
	ReasonScopesChanged = "ScopesChanged"
	// ReasonTerminating means that the ZoomInstallation is being deleted: the app is removed at Zoom, then the data here.
	ReasonTerminating = "Terminating"
	// ReasonFresh means that there is an access token that is good now.
	ReasonFresh = "Fresh"
	// ReasonKeptAlive means that the refresh token is kept alive, as tokenPolicy KeepAlive wants it, and the access token is not.
	ReasonKeptAlive = "KeptAlive"
	// ReasonNotKept means that no token is kept, as tokenPolicy None wants it.
	ReasonNotKept = "NotKept"
	// ReasonNoConsent means that there is nothing to expect without a consent.
	ReasonNoConsent = "NoConsent"
	// ReasonRefreshFailing means that the last refresh did not succeed, for a cause that may pass: Zoom cannot be reached,
	// fails, or asks to wait, or the operator may not write the token's Secret. It is tried again by itself.
	ReasonRefreshFailing = "RefreshFailing"
	// ReasonClientRejected means that Zoom refuses the app itself: its client ID or client secret is wrong, or the app is
	// disabled. No token was lost. Put the current client secret into the Secret in the app's spec.credentialsSecretRef.
	ReasonClientRejected = "ClientRejected"
	// ReasonAppNotReady means that the ZoomApp, or the client secret in its Secret, is not there, so that no token can be
	// refreshed.
	ReasonAppNotReady = "AppNotReady"
	// ReasonEventsArriving means that an event of this installation has arrived, and not too long ago.
	ReasonEventsArriving = "EventsArriving"
	// ReasonNoEventYet means that no event of this installation has arrived yet.
	ReasonNoEventYet = "NoEventYet"
	// ReasonSilent means that the last event of this installation arrived 35 days ago or earlier, so that not even a monthly
	// meeting was heard of. The account may just hold no meetings; if it does, look at the app's event subscription at Zoom.
	ReasonSilent = "Silent"
)

// Conditions of a ZoomMeeting.
const (
	// ConditionLive says whether the meeting is being held now.
	//
	// True: Started. False: NotStarted, Ended, Deleted.
	ConditionLive = "Live"

	// ConditionWaitingForHost says whether people wait for the meeting to begin.
	//
	// True: PeopleWaiting. False: NobodyWaiting.
	ConditionWaitingForHost = "WaitingForHost"

	// ConditionEndOverdue says whether the meeting has been live for so long without any event that the event of its end
	// was probably lost.
	//
	// True: NoEventForLong. False: AsExpected.
	ConditionEndOverdue = "EndOverdue"
)

// Reasons of the conditions of a ZoomMeeting.
const (
	// ReasonStarted means that Zoom reported a start, or somebody in the meeting, and no end.
	ReasonStarted = "Started"
	// ReasonNotStarted means that no instance of the meeting has been seen.
	ReasonNotStarted = "NotStarted"
	// ReasonEnded means that the last instance has ended.
	ReasonEnded = "Ended"
	// ReasonDeleted means that the meeting was deleted at Zoom.
	ReasonDeleted = "Deleted"
	// ReasonPeopleWaiting means that somebody came to the meeting, has not left, and the host has not started it.
	ReasonPeopleWaiting = "PeopleWaiting"
	// ReasonNobodyWaiting means that nobody is known to wait.
	ReasonNobodyWaiting = "NobodyWaiting"
	// ReasonNoEventForLong means that no event has arrived for a day from a meeting that is supposed to be live.
	ReasonNoEventForLong = "NoEventForLong"
	// ReasonAsExpected means that the meeting is not live, or not for implausibly long.
	ReasonAsExpected = "AsExpected"
)
