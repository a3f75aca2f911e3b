package endcheck

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/zoomcalls"
	"github.com/zoom-operator/zoom-operator/internal/budget"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/meeting"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// The scopes that the calls need; in an admin-managed app they end in :admin.
const (
	pastMeetingScope v1alpha1.Scope = "meeting:read:past_meeting"
	meetingScope     v1alpha1.Scope = "meeting:read:meeting"
)

// ask asks Zoom about an instance: whether it is among those that are over, and if that is not the
// answer, whether the meeting is being held. The error is a *budget.SpentError while Zoom must not
// be asked.
func (r *Reconciler) ask(ctx context.Context, app *v1alpha1.ZoomApp, m *v1alpha1.ZoomMeeting, uuid string, token *tokens.Stored) (answer, error) {
	if token == nil {
		return answer{outcome: meeting.CheckedToken}, nil
	}
	cloud, known := r.Clouds.Find(app.Spec.Cloud)
	if !known {
		return answer{outcome: meeting.CheckedToken}, nil
	}
	oauth := cloud.OAuth(app.Spec.ClientID, nil, r.Zoom)
	c := calls{reconciler: r, app: app, account: m.Spec.AccountID, scopes: scopesOf(token)}

	askPast := func() (*zoom.PastMeeting, error) {
		return made(ctx, c, zoomcalls.PastMeeting, pastMeetingScope, func() (*zoom.PastMeeting, error) {
			return oauth.PastMeeting(ctx, token.AccessToken, token.APIURL, uuid)
		})
	}
	past, pastErr := askPast()
	if spent, ok := errors.AsType[*budget.SpentError](pastErr); ok {
		return answer{}, spent
	}
	if a, conclusive := ofPastMeeting(r.Now(), uuid, past, pastErr); conclusive {
		return a, nil
	}
	current, err := made(ctx, c, zoomcalls.Meeting, meetingScope, func() (*zoom.ScheduledMeeting, error) {
		return oauth.ScheduledMeeting(ctx, token.AccessToken, token.APIURL, m.Spec.MeetingID)
	})
	if spent, ok := errors.AsType[*budget.SpentError](err); ok {
		return answer{}, spent
	}
	a := ofMeeting(r.Now(), uuid, pastErr, current, err)
	if a.found == nil || a.found.OverAt == nil || !errors.Is(pastErr, zoom.ErrNoMeeting) {
		return a, nil
	}
	// It may have ended between the two answers, and when is not asked again of what is over.
	past, pastErr = askPast()
	if ended, conclusive := ofPastMeeting(r.Now(), uuid, past, pastErr); conclusive && ended.found != nil {
		return ended, nil
	}
	return a, nil
}

// token is the access token that a meeting is asked about with; nil when there is none that Zoom
// can be expected to take. It is never refreshed here.
func (r *Reconciler) token(ctx context.Context, app *v1alpha1.ZoomApp, m *v1alpha1.ZoomMeeting) (*tokens.Stored, error) {
	var in v1alpha1.ZoomInstallation
	err := r.Client.Get(ctx, client.ObjectKey{Namespace: m.Namespace, Name: m.Spec.InstallationRef.Name}, &in)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading the ZoomInstallation %s of ZoomMeeting %s/%s: %w", m.Spec.InstallationRef.Name, m.Namespace, m.Name, err)
	case !installation.Stands(&in) || !in.DeletionTimestamp.IsZero() || in.Spec.AppRef != m.Spec.AppRef || in.Spec.AccountID != m.Spec.AccountID:
		return nil, nil
	}
	return zoomcalls.Token(ctx, r.Live, r.Now(), app, &in)
}

// calls are those for one meeting.
type calls struct {
	reconciler *Reconciler
	app        *v1alpha1.ZoomApp
	account    string
	scopes     []v1alpha1.Scope
}

// made makes a call within the budget. One for which the consent is known to lack the scope is not
// made, for Zoom counts what fails.
func made[T any](ctx context.Context, c calls, name string, scope v1alpha1.Scope, call func() (*T, error)) (*T, error) {
	if !installation.MayBeGranted(scope, c.scopes) {
		return nil, zoom.ErrScope
	}
	return zoomcalls.Make(ctx, c.reconciler.Calls, c.app, c.account, name, call)
}

func scopesOf(token *tokens.Stored) []v1alpha1.Scope {
	granted := make([]v1alpha1.Scope, 0, len(token.Scopes))
	for _, scope := range token.Scopes {
		granted = append(granted, v1alpha1.Scope(scope))
	}
	return granted
}

// forget drops what is known of an app that is gone.
func (r *Reconciler) forget(_ context.Context, e event.DeleteEvent, _ workqueue.TypedRateLimitingInterface[reconcile.Request]) {
	r.Calls.Forget(client.ObjectKeyFromObject(e.Object))
	r.gaps.ended.Forget(client.ObjectKeyFromObject(e.Object))
}
