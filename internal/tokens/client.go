package tokens

import (
	"cmp"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// Client is the OAuth client that a token was issued to, with what a revocation in its name takes:
// it has to be possible when the ZoomApp and its Secret are gone.
type Client struct {
	ID string
	// CredentialsSecret is the name of the Secret with its client secrets.
	CredentialsSecret string
	// Secrets are the client secrets, as they were seen last, newest first.
	Secrets []string
	// Cloud is the name of Zoom's cloud that issued the token; empty while it is not known. It
	// never says where that is.
	Cloud v1alpha1.Cloud
	// FormerURL is what an earlier version of the operator kept in place of the cloud: where people
	// consent. It is to be compared with what the operator knows, and nothing is ever sent there.
	FormerURL string
}

// ClientOf is the client of an app with those client secrets.
func ClientOf(app *v1alpha1.ZoomApp, secrets []string) Client {
	return Client{
		ID:                app.Spec.ClientID,
		CredentialsSecret: app.Spec.CredentialsSecretRef.Name,
		Secrets:           secrets,
		Cloud:             cmp.Or(app.Spec.Cloud, v1alpha1.CloudCommercial),
	}
}

// DiffersFrom says whether a token that was issued to this client is of no use to that one: it has
// another client ID, or is in another cloud.
func (c Client) DiffersFrom(that Client) bool {
	return c.ID != "" && (c.ID != that.ID || c.Cloud != "" && c.Cloud != that.Cloud)
}

// known is the client as it is kept beside a token that this one was issued to, or may have been:
// where before is another client, it stays. Client secrets that are gone are remembered. Where an
// earlier version of the operator noted no cloud and the app says the default, that stays open
// until a refresh shows it: the app may have named the cloud by a URL, which is gone.
func (c Client) known(before Client) Client {
	if c.ID == "" || before.DiffersFrom(c) {
		return before
	}
	if len(c.Secrets) == 0 {
		c.Secrets = before.Secrets
	}
	if before.Cloud != "" || before.FormerURL != "" || c.Cloud == v1alpha1.CloudCommercial {
		c.Cloud, c.FormerURL = before.Cloud, before.FormerURL
	}
	return c
}

// String hides the client secrets.
func (Client) String() string { return "tokens.Client{redacted}" }

// GoString hides the client secrets.
func (Client) GoString() string { return "tokens.Client{redacted}" }
