package webhookserver

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/record"
	"github.com/zoom-operator/zoom-operator/zoom"
)

var errGone = errors.New("the installation is gone")

// storeRemoval records that a customer has removed the app, in every installation of theirs: each may have meetings.
func (h *webhookHandler) storeRemoval(ctx context.Context, app *v1alpha1.ZoomApp, ev *zoom.Event) answer {
	removal := ev.Deauthorization
	if removal.ClientID != "" && removal.ClientID != app.Spec.ClientID {
		return answer{code: http.StatusNoContent, reason: reasonOtherClient}
	}
	user, _, err := h.consenter(ctx, app, ev)
	if err != nil {
		return notStored(err)
	}
	// The consent may be so new that the cache does not have it, and its end must not be lost.
	list, err := h.consentsNow(ctx, app, ev.AccountID, user)
	if err != nil {
		return notStored(err)
	}
	if len(list) == 0 {
		return answer{code: http.StatusNoContent, reason: reasonNoInstallation}
	}
	result := answer{code: http.StatusNoContent, reason: reasonRemoved}
	back := !removal.At.Truncate(time.Second).After(lastConsent(list))
	for i := range list {
		in := &list[i]
		if back && in.Spec.Consent == nil {
			continue // what was recorded before the customer consented is no older than the consent that holds
		}
		_, err := h.installations.Commit(ctx, client.ObjectKeyFromObject(in), record.Essential, remove(in.UID, removal))
		switch {
		case errors.Is(err, errGone):
		case err != nil:
			return notStored(err)
		default:
			h.health.installationSpoke(in)
			result.reason = reasonStored
		}
	}
	return result
}

// remove records a removal in the installation that it was found to be about. One that has gone meanwhile does not come back.
func remove(uid types.UID, removal *zoom.Deauthorization) func(*v1alpha1.ZoomInstallation) error {
	return func(in *v1alpha1.ZoomInstallation) error {
		if in.UID != uid {
			return errGone
		}
		record.ApplyDeauthorization(&in.Spec, removal)
		return nil
	}
}

// lastConsent is when the latest of several installations was consented to; zero when none was.
func lastConsent(list []v1alpha1.ZoomInstallation) (last time.Time) {
	for i := range list {
		if c := list[i].Spec.Consent; c != nil && c.At.After(last) {
			last = c.At.Time
		}
	}
	return last
}

const (
	// rememberDeletion is how long a deletion is remembered: no app takes events that are older.
	rememberDeletion = 24 * time.Hour
	// maxDeletions is how many are remembered, at some 300 bytes each.
	maxDeletions = 10_000
)

// deletions remembers which installations were deleted here, so that an event which is older and comes late, as Zoom's
// retries do, does not record anew what somebody wanted gone. Every replica sees all deletions that happen while it runs; one
// that starts knows none of those before.
type deletions struct {
	now func() time.Time

	mu sync.Mutex
	of map[string]deletion // by namespace and consent
}

type deletion struct {
	uid types.UID
	at  time.Time
}

func deletionKey(namespace, app, account, user string) string {
	return namespace + "/" + consentKey(app, account, user)
}

// handler watches installations go: from the moment when somebody asks for it, since the end of it is told to a cache
// before it is told here.
func (d *deletions) handler() toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		UpdateFunc: func(_, obj any) {
			if in, ok := obj.(*v1alpha1.ZoomInstallation); ok && !in.DeletionTimestamp.IsZero() {
				d.note(in)
			}
		},
		DeleteFunc: func(obj any) {
			if unknown, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
				obj = unknown.Obj
			}
			if in, ok := obj.(*v1alpha1.ZoomInstallation); ok {
				d.note(in)
			}
		},
	}
}

func (d *deletions) note(in *v1alpha1.ZoomInstallation) {
	if in.Spec.AccountID == "" {
		return // nobody's events are behind it
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	key := deletionKey(in.Namespace, in.Spec.AppRef.Name, in.Spec.AccountID, in.Spec.UserID)
	if _, known := d.of[key]; !known && len(d.of) >= maxDeletions {
		d.forget()
	}
	if d.of == nil {
		d.of = map[string]deletion{}
	}
	d.of[key] = deletion{uid: in.UID, at: d.now()}
}

// forget makes room: of what is too old to matter, or else of the oldest.
func (d *deletions) forget() {
	var oldest string
	for key, del := range d.of {
		if d.now().Sub(del.at) > rememberDeletion {
			delete(d.of, key)
		} else if oldest == "" || del.at.Before(d.of[oldest].at) {
			oldest = key
		}
	}
	if len(d.of) >= maxDeletions {
		delete(d.of, oldest)
	}
}

// since says whether the installation of a consent was deleted when an event was on its way. Later ones show that Zoom
// still sends.
func (d *deletions) since(app *v1alpha1.ZoomApp, account, user string, event time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	del, ok := d.of[deletionKey(app.Namespace, app.Name, account, user)]
	return ok && !event.After(del.at)
}

// was says whether this very installation was deleted.
func (d *deletions) was(in *v1alpha1.ZoomInstallation) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return in.UID != "" && d.of[deletionKey(in.Namespace, in.Spec.AppRef.Name, in.Spec.AccountID, in.Spec.UserID)].uid == in.UID
}
