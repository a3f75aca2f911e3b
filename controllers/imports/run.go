package imports

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/fieldowner"
	"github.com/zoom-operator/zoom-operator/controllers/internal/zoomcalls"
	"github.com/zoom-operator/zoom-operator/internal/meeting"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// typeSeries is Zoom's code of a recurring meeting with fixed times, whose dates are not in the
// list.
const typeSeries = 8

// run is the import of one installation.
type run struct {
	*Reconciler

	app      *v1alpha1.ZoomApp
	in       *v1alpha1.ZoomInstallation
	oauth    *zoom.OAuth
	token    tokens.Token
	meetings int
}

// errFull means that there are as many meetings as the app keeps of a customer.
var errFull = errors.New("there are as many meetings as the app keeps")

// outcome imports everything, and is what became of it; an error is not the end of it.
func (r *run) outcome(ctx context.Context) (reason string, err error) {
	switch err := r.all(ctx); {
	case err == nil:
		return v1alpha1.ReasonImported, nil
	case errors.Is(err, errFull):
		return v1alpha1.ReasonTooManyMeetings, nil
	case errors.Is(err, zoom.ErrScope):
		return v1alpha1.ReasonImportScopeMissing, nil
	case errors.Is(err, zoom.ErrPlan), errors.Is(err, zoom.ErrHost):
		return v1alpha1.ReasonImportNotPermitted, nil
	default:
		return "", err
	}
}

func (r *run) all(ctx context.Context) error {
	var list []zoom.PlannedMeeting
	for page := ""; ; {
		items, err := zoomcalls.Make(ctx, r.Calls, r.app, r.in.Spec.AccountID, zoomcalls.ListMeetings, func() (items []zoom.PlannedMeeting, err error) {
			items, page, err = r.oauth.UpcomingMeetings(ctx, r.token.AccessToken, r.token.APIURL, page)
			return items, err
		})
		if err != nil {
			return err
		}
		if list = append(list, items...); page == "" {
			break
		}
	}
	for _, m := range distinct(list) {
		if err := r.one(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// distinct has each number once, with the earliest of its starts: some accounts list a series with
// each of its dates.
func distinct(list []zoom.PlannedMeeting) []zoom.PlannedMeeting {
	var out []zoom.PlannedMeeting
	for _, m := range list {
		i := slices.IndexFunc(out, func(other zoom.PlannedMeeting) bool { return other.ID == m.ID })
		switch {
		case i < 0:
			out = append(out, m)
		case m.StartTime != nil && (out[i].StartTime == nil || m.StartTime.Before(*out[i].StartTime)):
			out[i] = m
		}
	}
	return out
}

// one imports a meeting. The list says of a series only when it is held next, which changes from
// one import to the next, so that its plan is read; of one whose dates are known there is no more to
// learn.
func (r *run) one(ctx context.Context, m zoom.PlannedMeeting) error {
	known, err := r.known(ctx, m.ID)
	if err != nil {
		return err
	}
	r.meetings++
	if m.Type != nil && *m.Type == typeSeries {
		if known != nil && known.Spec.Schedule != nil && len(known.Spec.Schedule.Occurrences) > 0 {
			return nil
		}
		plan, err := zoomcalls.Make(ctx, r.Calls, r.app, r.in.Spec.AccountID, zoomcalls.Series, func() (*zoom.PlannedMeeting, error) {
			return r.oauth.Plan(ctx, r.token.AccessToken, r.token.APIURL, m.ID)
		})
		switch {
		case err == nil:
			m = *plan
		case !errors.Is(err, zoom.ErrNoMeeting) && !errors.Is(err, zoom.ErrScope):
			return err
		} // otherwise it has gone meanwhile, or its dates may not be read, and the list is all there is
	}
	if err = r.store(ctx, meeting.Planned(&m, r.in.Spec.AccountID), known); err != nil {
		r.meetings--
	}
	return err
}

// keys are the names that a meeting can have; the second one while the first is another account's.
func (r *run) keys(number string) []types.NamespacedName {
	return []types.NamespacedName{
		{Namespace: r.app.Namespace, Name: names.Meeting(r.app.Name, number)},
		{Namespace: r.app.Namespace, Name: names.ReassignedMeeting(r.app.Name, number, r.in.Spec.AccountID)},
	}
}

// known is the meeting of a number, as cached; nil when there is none.
func (r *run) known(ctx context.Context, number string) (*v1alpha1.ZoomMeeting, error) {
	for _, key := range r.keys(number) {
		var m v1alpha1.ZoomMeeting
		switch err := r.Client.Get(ctx, key, &m); {
		case apierrors.IsNotFound(err):
		case err != nil:
			return nil, fmt.Errorf("reading ZoomMeeting %s: %w", key, err)
		case m.Spec.AccountID == r.in.Spec.AccountID:
			return &m, nil
		}
	}
	return nil, nil
}

// store merges what was planned into the object of its meeting, which costs no write where that is
// known.
func (r *run) store(ctx context.Context, ev *zoom.Event, known *v1alpha1.ZoomMeeting) error {
	if known != nil {
		key := client.ObjectKeyFromObject(known)
		return retry.RetryOnConflict(retry.DefaultBackoff, func() error { return r.merge(ctx, ev, key) })
	}
	for _, key := range r.keys(ev.Meeting.ID) {
		if limit := int(r.app.Spec.Retention.Meetings); limit > 0 {
			if _, ok, err := r.Kept.Take(ctx, r.in, key, limit); err != nil {
				return err
			} else if !ok {
				return errFull
			}
		}
		err := retry.RetryOnConflict(retry.DefaultBackoff, func() error { return r.merge(ctx, ev, key) })
		if err != nil {
			r.Kept.GiveBack(r.in, key)
		}
		if !errors.Is(err, meeting.ErrAnotherAccount) {
			return err
		}
	}
	return meeting.ErrAnotherAccount
}

// merge merges it into the object of that name as the API server has it now.
func (r *run) merge(ctx context.Context, ev *zoom.Event, key types.NamespacedName) error {
	m := &v1alpha1.ZoomMeeting{}
	err := r.Live.Get(ctx, key, m)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading ZoomMeeting %s: %w", key, err)
	}
	m.Namespace, m.Name = key.Namespace, key.Name
	before := m.DeepCopy()
	if err := meeting.Change(ev, r.in, r.app.Spec.Participants)(m); err != nil {
		return err
	}
	switch {
	case m.ResourceVersion == "":
		if err = r.Client.Create(ctx, m, fieldowner.Controller); apierrors.IsAlreadyExists(err) {
			return apierrors.NewConflict(v1alpha1.SchemeGroupVersion.WithResource("zoommeetings").GroupResource(), m.Name, err)
		}
	case equality.Semantic.DeepEqual(before, m):
		return nil
	default:
		err = r.Client.Update(ctx, m, fieldowner.Controller)
	}
	if err != nil {
		return fmt.Errorf("writing ZoomMeeting %s: %w", key, err)
	}
	return nil
}
