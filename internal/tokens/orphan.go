package tokens

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// Orphan is a token whose installation went without it: a user took off the finalizer of the
// ZoomInstallation, and the consent lives on at Zoom.
type Orphan struct {
	*Stored
	// App is the name of the ZoomApp, and Account and User are the customer; empty where an earlier
	// version of the operator did not note it.
	App, Account, User string
	// Abandoned says that the token was of no use to anybody before its installation went; see
	// Abandon.
	Abandoned bool
	// Since is when the Secret was created here, which a restore from a backup does too.
	Since time.Time
}

// LoadOrphan reads the token in the Secret of an installation's name when it is of another
// installation than that one; nil when there is none. Where there is no installation of that name,
// it takes its namespace and name alone.
func LoadOrphan(ctx context.Context, r client.Reader, in *v1alpha1.ZoomInstallation) (*Orphan, error) {
	secret, err := read(ctx, r, in, SecretName(in), SecretType)
	if err != nil || secret == nil || in.UID != "" && ours(secret, in) {
		return nil, err
	}
	return &Orphan{
		Stored:    &Stored{Token: decode(secret.Data), secret: secret},
		App:       secret.Labels[v1alpha1.AppLabel],
		Account:   secret.Annotations[accountAnnotation],
		User:      secret.Annotations[userAnnotation],
		Abandoned: secret.Annotations[abandonedAnnotation] != "",
		Since:     secret.CreationTimestamp.Time,
	}, nil
}

// Matches says whether an installation of the same name without a consent can be the one
// that the token is of.
func (o *Orphan) Matches(in *v1alpha1.ZoomInstallation) bool {
	return !o.Abandoned && o.Account != "" && !o.ConsentedAt.IsZero() && o.App == in.Spec.AppRef.Name && !o.ofAnother(in)
}

// ofAnother says whether the token is of another customer than the one that an installation names.
func (o *Orphan) ofAnother(in *v1alpha1.ZoomInstallation) bool {
	account, user := in.Spec.AccountID, in.Spec.UserID
	return !o.Abandoned && account != "" && o.Account != "" && (o.Account != account || user != "" && o.User != user)
}
