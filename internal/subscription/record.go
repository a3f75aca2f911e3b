package subscription

import (
	"cmp"
	"encoding/json"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// Annotation is what is known of the subscriptions that were made for a ZoomApp, and of a
// ZoomInstallation the one that its customer is in. It is in no status, from which nothing is read
// back.
const Annotation = "internal.zoom-operator.io/subscription"

// Record is what is known of the subscriptions of an app.
type Record struct {
	// App is the UID of the ZoomApp that it is of: what was copied to another one says nothing of
	// that, and must not have it delete what is not its own.
	App types.UID `json:"app"`
	// Client is the cloud and the client ID of the app at Zoom whose subscriptions they are:
	// another one's token can neither find nor delete them. It is empty in what versions before it
	// recorded.
	Client string `json:"client,omitempty"`

	// ID and Name are of the one that serves; empty while there is none.
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`

	// Pending is a creation that began and whose end is not recorded.
	Pending *Pending `json:"pending,omitempty"`

	// Old are the IDs of those that are to be deleted when all customers are in the one that
	// serves.
	Old []string `json:"old,omitempty"`

	// Refused is what Zoom refused last; nil since it accepted it.
	Refused *Refusal `json:"refused,omitempty"`

	// Lost is when the one that served was found to be there no more; nil when it never was.
	Lost *time.Time `json:"lost,omitempty"`

	// Changed is a digest of what Zoom showed of the one that was replaced last because it showed
	// something else than was asked for.
	Changed string `json:"changed,omitempty"`

	// ByHand is how many subscriptions of the build flow have some of the events too.
	ByHand int `json:"byHand,omitempty"`
}

// Pending is a creation of which it is not known whether Zoom acted on it.
type Pending struct {
	// Account and User are whom it was to be created with, through whom it can be found. User is
	// empty of an account.
	Account string `json:"account"`
	User    string `json:"user,omitempty"`
	// Began is when.
	Began time.Time `json:"began"`
}

// Refusal is a refusal that another attempt alone does not change.
type Refusal struct {
	// Name is that of the subscription that was refused.
	Name string `json:"name"`
	// Reason is that of the condition EventsSubscribed.
	Reason string `json:"reason"`
	// Whole says that the app may not manage its subscriptions at all.
	Whole bool `json:"whole,omitempty"`
	// Events are those that it is about, where Zoom named them.
	Events []string `json:"events,omitempty"`
	// Cause is the error, without anything of Zoom's texts.
	Cause string `json:"cause,omitempty"`
	// Since is when it was refused so first, and At when last.
	Since time.Time `json:"since"`
	At    time.Time `json:"at"`
}

// Empty says whether there is nothing at Zoom, and nothing that may be there.
func (r Record) Empty() bool { return r.ID == "" && r.Pending == nil && len(r.Old) == 0 }

// RecordOf is what is recorded of an app.
func RecordOf(app *v1alpha1.ZoomApp) Record {
	var r Record
	client := string(cmp.Or(app.Spec.Cloud, v1alpha1.CloudCommercial)) + "/" + app.Spec.ClientID
	if err := json.Unmarshal([]byte(app.Annotations[Annotation]), &r); err != nil || r.App != app.UID || r.Client != "" && r.Client != client {
		return Record{App: app.UID, Client: client}
	}
	r.Client = client
	return r
}

// Set records it.
func (r Record) Set(app *v1alpha1.ZoomApp) {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // these types always have a JSON
	}
	if app.Annotations == nil {
		app.Annotations = map[string]string{}
	}
	app.Annotations[Annotation] = string(text)
}
