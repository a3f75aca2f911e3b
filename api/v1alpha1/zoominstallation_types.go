package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// InstallationFinalizer keeps a ZoomInstallation that is deleted until the app is removed at Zoom
// and the customer's data here is gone.
const InstallationFinalizer = "zoom-operator.io/revoke"

// RemovalNoticeAnnotation is on a ZoomInstallation whose token is to be tried at once: at the time
// that it names, as in RFC 3339, a user of the account removed a user-managed app, and Zoom's
// notice of it names no user who has an installation here. The controller takes it off when Zoom
// has taken the token; when Zoom refuses it, the removal was this one's.
const RemovalNoticeAnnotation = "zoom-operator.io/removal-notice"

const (
	// ConsentUnderWayAnnotation is on a ZoomInstallation while its first consent is being stored:
	// since when, as in RFC 3339, by the clock of the replica that stores it. The write that
	// records the consent takes it off. One that stays behind is of a consent that was never
	// stored.
	ConsentUnderWayAnnotation = "zoom-operator.io/consent-under-way"
	// ConsentFlowLabel names the flow that led to the latest consent: a hash of the state that Zoom
	// was sent with it. By it, any replica finds what became of an authorization code that Zoom
	// refuses because another replica has used it.
	ConsentFlowLabel = "zoom-operator.io/consent-flow"
)

// ZoomInstallation is one consent to a ZoomApp: an account's, or a user's in an account. It is
// recorded by the webhook server, or declared by an admin first, as an invitation.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=zi,categories=zoom
// +kubebuilder:subresource:status
// +kubebuilder:selectablefield:JSONPath=`.spec.appRef.name`
// +kubebuilder:selectablefield:JSONPath=`.spec.accountID`
// +kubebuilder:selectablefield:JSONPath=`.spec.userID`
// +kubebuilder:printcolumn:name="Customer",type=string,JSONPath=`.spec.displayName`
// +kubebuilder:printcolumn:name="Account",type=string,JSONPath=`.spec.accountID`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Token-Expires",type=string,JSONPath=`.status.token.expiresAt`
// +kubebuilder:printcolumn:name="Last-Event",type=date,JSONPath=`.status.lastEventAt`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="User",type=string,priority=1,JSONPath=`.spec.userID`
// +kubebuilder:printcolumn:name="App",type=string,priority=1,JSONPath=`.spec.appRef.name`
// +kubebuilder:validation:XValidation:rule="oldSelf.hasValue() || self.metadata.name.size() <= 63",optionalOldSelf=true,message="the name of a ZoomInstallation has at most 63 characters, because it is the value of a label on what belongs to it"
type ZoomInstallation struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is standard object metadata.
	//
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is who consented, and whether they still do.
	//
	// +required
	Spec ZoomInstallationSpec `json:"spec,omitzero"`

	// status is what follows from it.
	//
	// +optional
	Status ZoomInstallationStatus `json:"status,omitzero"`
}

// ZoomInstallationList is a list of ZoomInstallations.
//
// +kubebuilder:object:root=true
type ZoomInstallationList struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard list metadata.
	//
	// +optional
	metav1.ListMeta `json:"metadata,omitzero"`
	// items are the ZoomInstallations.
	Items []ZoomInstallation `json:"items"`
}

// ZoomInstallationSpec is who consented, and whether they still do.
//
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.accountID) || (has(self.accountID) && self.accountID == oldSelf.accountID)",message="accountID cannot be changed once it is set; create another ZoomInstallation"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.userID) || (has(self.userID) && self.userID == oldSelf.userID)",message="userID cannot be changed once it is set; create another ZoomInstallation"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.consent) || has(self.consent)",message="a consent cannot be taken away; to change the rest, use kubectl apply and not replace, and to end the consent, delete the ZoomInstallation"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.deauthorization) || has(self.deauthorization) || (has(oldSelf.deauthorization.reason) && oldSelf.deauthorization.reason == 'TokenRefused')",message="a removal cannot be taken away; to change the rest, use kubectl apply and not replace, and to have the customer back, have them install the app again"
// +kubebuilder:validation:XValidation:rule="!has(self.userID) || has(self.accountID)",message="userID needs the accountID that the user belongs to"
type ZoomInstallationSpec struct {
	// appRef names the ZoomApp that was installed.
	//
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="appRef cannot be changed; create another ZoomInstallation"
	AppRef AppReference `json:"appRef,omitzero"`

	// displayName is an admin's own word for the customer, for lists. Customers never see it, and
	// the operator neither writes nor reads it. Zoom's names are not kept.
	//
	// +optional
	DisplayName DisplayName `json:"displayName,omitempty"`

	// accountID is the Zoom account that installed the app. In an invitation it may be empty; the
	// consent fills it.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_-]*$')",message="accountID is Zoom's ID of an account: one word of letters, digits, - and _"
	AccountID string `json:"accountID,omitempty"`

	// userID is the Zoom user who installed a user-managed app.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_.+/=-]*$')",message="userID is Zoom's ID of a user: one word of letters, digits and -, _, ., +, / and ="
	UserID string `json:"userID,omitempty"`

	// consent is the latest consent. It cannot be taken away: deleting the ZoomInstallation is what
	// ends it.
	//
	// +optional
	Consent *Consent `json:"consent,omitempty"`

	// deauthorization is the latest removal of the app by the customer. It counts when it is later
	// than the consent, and cannot be taken away, except one that was only concluded
	// (TokenRefused), which ends when Zoom sends a later event.
	//
	// +optional
	Deauthorization *Deauthorization `json:"deauthorization,omitempty"`
}

// Consent is what a user agreed to.
//
// +structType=atomic
type Consent struct {
	// at is when the consent was given.
	//
	// +required
	At metav1.Time `json:"at,omitzero"`

	// scopes are what Zoom granted, which may be less than the app asked for.
	//
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=128
	// +kubebuilder:validation:XValidation:rule="self.map(s, s.size()).sum() <= 3000",message="the scopes have at most 3000 characters together"
	Scopes []Scope `json:"scopes,omitempty"`
}

// Deauthorization is a removal of the app by the customer.
//
// +structType=atomic
type Deauthorization struct {
	// at is when the app was removed, by Zoom's clock; of reason TokenRefused, when Zoom was first
	// found to refuse the token.
	//
	// +required
	At metav1.Time `json:"at,omitzero"`

	// reason is how the removal is known. It is Notified when it is empty.
	//
	// +optional
	Reason DeauthorizationReason `json:"reason,omitempty"`

	// userID is the Zoom user who removed it.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	UserID string `json:"userID,omitempty"`
}

// DeauthorizationReason is how a removal of the app is known.
//
// +kubebuilder:validation:Enum=Notified;UserLeft;NoticeConfirmed;TokenRefused
type DeauthorizationReason string

// The ways in which a removal becomes known.
const (
	// DeauthorizationNotified means that Zoom told of the removal, by app_deauthorized.
	DeauthorizationNotified DeauthorizationReason = "Notified"
	// DeauthorizationUserLeft means that Zoom reported that the user was deleted or has left the
	// account, and no token is kept that could be tried.
	DeauthorizationUserLeft DeauthorizationReason = "UserLeft"
	// DeauthorizationNoticeConfirmed means that Zoom told of a removal in the account without
	// saying whose, or that the user was deleted or has left the account, and then refused this
	// installation's token.
	DeauthorizationNoticeConfirmed DeauthorizationReason = "NoticeConfirmed"
	// DeauthorizationTokenRefused means that no notice arrived, but Zoom has refused the token for
	// longer than the app's removalGraceSeconds, and no user installed the app again.
	DeauthorizationTokenRefused DeauthorizationReason = "TokenRefused"
)

// ZoomInstallationStatus is what follows from a consent.
type ZoomInstallationStatus struct {
	// conditions are Ready, Authorized, TokenFresh and EventsFlowing, and, while there is cause,
	// Stalled, MeetingsStored, MeetingsImported and EventsSubscribed.
	//
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the metadata.generation that the conditions are about.
	//
	// +optional
	// +kubebuilder:validation:Minimum=1
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// installURL is where the customer consents, for the first time or again. It is no secret: with
	// an accountID, no user of another account can take the invitation. One without is for whoever
	// has its link, and that is in invitationSecretName.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=700
	InstallURL string `json:"installURL,omitempty"`

	// invitationSecretName is the Secret that holds, under the key `installURL`, the link of an
	// invitation without an accountID: whoever follows it first is the customer. It goes when
	// somebody has. To withdraw the link, delete the ZoomInstallation.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	InvitationSecretName string `json:"invitationSecretName,omitempty"`

	// token is where the token is and how fresh, never the token itself.
	//
	// +optional
	Token *TokenStatus `json:"token,omitempty"`

	// lastEventAt is when the last authenticated event of this installation arrived.
	//
	// +optional
	LastEventAt *metav1.Time `json:"lastEventAt,omitempty"`

	// dataDeletion proves that the data of a removed installation is gone.
	//
	// +optional
	DataDeletion *DataDeletion `json:"dataDeletion,omitempty"`
}

// TokenStatus is where a token is and how fresh.
//
// +structType=atomic
type TokenStatus struct {
	// secretName is the Secret that holds the token for the operator.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName,omitempty"`

	// accessSecretName is the Secret that holds the access token for other programs, where the app
	// shares access tokens.
	//
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	AccessSecretName string `json:"accessSecretName,omitempty"`

	// expiresAt is when the access token expires.
	//
	// +optional
	ExpiresAt *metav1.Time `json:"expiresAt,omitempty"`

	// refreshedAt is when it was last refreshed.
	//
	// +optional
	RefreshedAt *metav1.Time `json:"refreshedAt,omitempty"`

	// nextRefreshAt is when it will be refreshed next.
	//
	// +optional
	NextRefreshAt *metav1.Time `json:"nextRefreshAt,omitempty"`
}

// DataDeletion proves that the data of a removed installation is gone.
//
// +structType=atomic
type DataDeletion struct {
	// reason is how the removal became known that the data was deleted for.
	//
	// +optional
	Reason DeauthorizationReason `json:"reason,omitempty"`

	// startedAt is when the deletion began. The token was deleted by then.
	//
	// +required
	StartedAt metav1.Time `json:"startedAt,omitzero"`

	// at is when the last piece was deleted; unset while there is more.
	//
	// +optional
	At *metav1.Time `json:"at,omitempty"`

	// meetings is how many ZoomMeetings were deleted, or are to be deleted while at is unset.
	//
	// +required
	// +kubebuilder:validation:Minimum=0
	Meetings *int32 `json:"meetings,omitempty"`
}
