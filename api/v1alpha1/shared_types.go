package v1alpha1

// AppReference names a ZoomApp in the namespace of the object that holds the reference.
type AppReference struct {
	// name of the ZoomApp.
	//
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Name string `json:"name,omitempty"`
}

// InstallationReference names a ZoomInstallation in the namespace of the object that holds the reference.
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

// Scope is one OAuth scope as Zoom spells it, for example `meeting:read:meeting` or, in the classic form, `meeting:read`.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=128
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_:.-]*$')",message="a scope is one word as Zoom spells it, for example meeting:read:meeting"
type Scope string
