package v1alpha1

// RetryAnnotation on a ZoomApp or a ZoomInstallation, with the value RetryNow, asks the controller
// to do at once what it would do again by itself later, at a time that a condition's message names.
// `kubectl annotate zapp/study-groups zoom-operator.io/retry=now` sets it; the controller takes it
// off when it has acted.
const RetryAnnotation = "zoom-operator.io/retry"

// RetryNow is the value of RetryAnnotation; what has another one is left alone.
const RetryNow = "now"

// CheckAnnotation on a ZoomMeeting, with the value CheckNow, has Zoom asked at once whether the
// live meeting is over, which the controller does by itself only when nothing was heard of it for
// long. `kubectl annotate zm/study-groups-81234567890 zoom-operator.io/check=now` sets it; the
// controller takes it off when it has acted.
const CheckAnnotation = "zoom-operator.io/check"

// CheckNow is the value of CheckAnnotation; what has another one is left alone.
const CheckNow = "now"

// AbandonAnnotation on a ZoomInstallation that is being deleted, with the value AbandonTrue, ends
// the attempts to remove the app at Zoom: what is kept here is deleted without. The customer may
// still have the app installed then; an Event says so.
const AbandonAnnotation = "zoom-operator.io/abandon"

// AbandonTrue is the value of AbandonAnnotation; what has another one is left alone.
const AbandonTrue = "true"

// AppReference names a ZoomApp in the namespace of the object that holds the reference.
type AppReference struct {
	// name of the ZoomApp.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Name string `json:"name,omitempty"`
}

// InstallationReference names a ZoomInstallation in the namespace of the object that holds the
// reference.
type InstallationReference struct {
	// name of the ZoomInstallation.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// SecretReference names a Secret in the namespace of the object that holds the reference.
type SecretReference struct {
	// name of the Secret.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// CredentialsSecretType is the type of the Secret with an app's credentials. It is what lets the
// operator read the Secret: who may write a ZoomApp names the Secret, and must not be able to name
// one that belongs to another program. A Secret's type cannot be changed.
const CredentialsSecretType = "zoom-operator.io/app"

// DeveloperSecretType is the type of the Secret with credentials of a developer's own account, for
// the same reason.
const DeveloperSecretType = "zoom-operator.io/developer"

// DisplayName is a name for people to read: one line in any script.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=64
// +kubebuilder:validation:XValidation:rule=`self.trim() == self && self.matches(r'^[^\p{Cc}\x{2028}-\x{202E}\x{2066}-\x{2069}]*$')`,message="this is a name for people: one line, with no spaces around it and no control characters"
type DisplayName string

// Scope is one OAuth scope as Zoom spells it, for example `meeting:read:meeting` or, in the classic
// form, `meeting:read`.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=128
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_:.-]*$')",message="a scope is one word as Zoom spells it, for example meeting:read:meeting"
type Scope string
