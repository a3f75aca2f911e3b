package v1alpha1

// The labels that the operator keeps on ZoomInstallations and ZoomMeetings, and on the Secrets that
// it makes for them, so that one selector finds them all: `kubectl get zi,zm,secrets -l
// zoom-operator.io/app=study-groups`.
const (
	// AppLabel names the ZoomApp.
	AppLabel = "zoom-operator.io/app"
	// InstallationLabel names the ZoomInstallation; also on itself. One whose name is no value of a
	// label, which has at most 63 characters, is not named.
	InstallationLabel = "zoom-operator.io/installation"
	// ManagedByLabel is on what the operator made, with the value ManagedByOperator. What a person
	// or another tool declared does not get it, and keeps its own: Helm, for one, takes an object
	// for its own by it.
	ManagedByLabel = "app.kubernetes.io/managed-by"
)

// ManagedByOperator is the value of ManagedByLabel.
const ManagedByOperator = "zoom-operator"
