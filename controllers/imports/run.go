package imports

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/fieldowner"
	"github.com/zoom-operator/zoom-operator/controllers/internal/zoomcalls"
	"github.com/zoom-operator/zoom-operator/internal/budget"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/meeting"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// typeSeries is Zoom's code of a recurring meeting with fixed times, whose dates are not in the
// list.
const typeSeries = 8

// meetingScope allows the plan of a series to be read.
const meetingScope v1alpha1.Scope = "meeting:read:meeting"

// run is what is done of an import until a call to Zoom has to wait.
type run struct {
	*Reconciler
	*progress

	app   *v1alpha1.ZoomApp
	in    *v1alpha1.ZoomInstallation
	oauth *zoom.OAuth
	token tokens.Token
}

// errEnded means that the consent has ended, or another one has taken its place.
var errEnded = errors.New("the consent does not stand any more")

// errAgain means that what was recorded of the import is gone: it is to begin anew.
var errAgain = errors.New("the import is to begin anew")

// errFull means that there are as many meetings as the app keeps of a customer.
var errFull = errors.New("there are as many meetings as the app keeps")

// outcome goes on to the end, and is what became of the import then; an error is not the end of it.
func (r *run) outcome(ctx context.Context) (reason string, err error) {
	switch err := r.all(ctx); {
	case err == nil && r.unread > 0:
		log.FromContext(ctx).Info("Meetings of users not imported", "users", r.unread)
		return v1alpha1.ReasonUsersNotRead, nil
	case err == nil:
		return v1alpha1.ReasonImported, nil
	case errors.Is(err, errFull):
		return v1alpha1.ReasonImportIncomplete, nil
	case errors.Is(err, zoom.ErrScope):
		return v1alpha1.ReasonImportScopeMissing, nil
	case errors.Is(err, zoom.ErrPlan), errors.Is(err, zoom.ErrHost):
		return v1alpha1.ReasonImportNotPermitted, nil
	default:
		return "", err
	}
}

func (r *run) all(ctx context.Context) error {
	if err := r.listUsers(ctx); err != nil {
		return err
	}
	for {
		if err := r.allLeft(ctx); err != nil {
			return err
		}
		at, again := r.roundAt(r.Now())
		if !again {
			return nil
		}
		if err := r.record(ctx, r.in, r.progress, r.result(r.app, v1alpha1.ReasonImporting)); err != nil {
			return err
		}
		if !at.IsZero() {
			return &asideError{at}
		}
	}
}

// allLeft reads the users who are left.
func (r *run) allLeft(ctx context.Context) error {
	for len(r.users) > 0 {
		if r.of > 0 && (r.recorded < 0 || r.done() >= r.recorded+recordEvery) {
			if err := r.record(ctx, r.in, r.progress, r.result(r.app, v1alpha1.ReasonImporting)); err != nil {
				return err
			}
			r.recorded = r.done()
		}
		switch err := r.user(ctx); {
		case err == nil, r.of > 0 && errors.Is(err, zoom.ErrHost): // who has left the account, or may not be seen
			r.goOn()
		case r.of > 0 && ofUser(err) && ctx.Err() == nil && r.mayPutAside(r.Now()):
			log.FromContext(ctx).Info("Meetings of a user not read", "cause", err.Error())
			r.putAside(r.Now())
		default:
			return err
		}
	}
	return nil
}

// asideError says when those are to be tried again who were put aside. None are left but they.
type asideError struct{ at time.Time }

func (e *asideError) Error() string { return "some users are to be read again at " + e.at.String() }

// ofUser says whether an error may be one that Zoom has with a user alone: Zoom was asked, and what
// it answered, if it did, is not documented, and concerns neither the token nor the account.
func ofUser(err error) bool {
	_, asked := errors.AsType[answerError](err)
	_, limited := errors.AsType[*budget.SpentError](err)
	return asked && !limited && !errors.Is(err, zoom.ErrNotSent) &&
		!errors.Is(err, zoom.ErrToken) && !errors.Is(err, zoom.ErrScope) && !errors.Is(err, zoom.ErrPlan)
}

// answerError is of a call to Zoom.
type answerError struct{ error }

func (e answerError) Unwrap() error { return e.error }

// listUsers reads who the users of an account are.
func (r *run) listUsers(ctx context.Context) error {
	for !r.listed {
		users, next, err := page(r, zoomcalls.ListUsers, func() ([]string, string, error) {
			return r.oauth.ActiveUsers(ctx, r.token.AccessToken, r.token.APIURL, r.page)
		})
		if err != nil {
			return err
		}
		if r.users, r.page = append(r.users, users...), next; next == "" {
			r.allListed()
		}
	}
	return nil
}

// user imports the meetings of the first user who is left.
func (r *run) user(ctx context.Context) error {
	for !r.read {
		items, next, err := page(r, zoomcalls.ListMeetings, func() ([]zoom.PlannedMeeting, string, error) {
			return r.oauth.UpcomingMeetings(ctx, r.token.AccessToken, r.token.APIURL, r.users[0], r.page)
		})
		if err != nil {
			return err
		}
		if r.list, r.page = append(r.list, items...), next; next == "" {
			r.list, r.read = distinct(r.list), true
		}
	}
	for ; len(r.list) > 0; r.list = r.list[1:] {
		if err := r.one(ctx, r.list[0]); err != nil {
			return err
		}
	}
	return nil
}

// page makes a call that reads a page of a list.
func page[T any](r *run, name string, read func() ([]T, string, error)) (items []T, next string, err error) {
	items, err = call(r, name, func() (items []T, err error) {
		items, next, err = read()
		return items, err
	})
	return items, next, err
}

// call makes a call for a run. While it has to wait, the error is a *budget.SpentError, and the
// run makes room for others.
func call[T any](r *run, name string, do func() (T, error)) (T, error) {
	if err := r.reserve(r.app, r.in, r.progress); err != nil {
		var none T
		return none, err
	}
	r.slot = time.Time{}
	answer, err := zoomcalls.MakeReserved(r.Calls, r.app, r.in.Spec.AccountID, name, do)
	if err != nil {
		err = answerError{err}
	}
	return answer, err
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
// one import to the next, so that its plan is read; of one whose dates are known there is no more
// to learn.
func (r *run) one(ctx context.Context, m zoom.PlannedMeeting) error {
	if err := r.stands(ctx); err != nil {
		return err
	}
	known, err := r.known(ctx, m.ID)
	if err != nil {
		return err
	}
	if m.Type != nil && *m.Type == typeSeries {
		if known != nil && meeting.DatesKnown(known) {
			r.current++
			return nil
		}
		switch plan, err := r.plan(ctx, m.ID); {
		case errors.Is(err, zoom.ErrNoMeeting): // it has gone meanwhile
			return nil
		case errors.Is(err, zoom.ErrScope), errors.Is(err, zoom.ErrPlan), errors.Is(err, zoom.ErrHost): // the list is all there is of this one
		case err != nil:
			return err
		default:
			m = *plan
		}
	}
	if err := r.store(ctx, meeting.Planned(r.Now(), &m, r.in.Spec.AccountID), known); err != nil {
		return err
	}
	r.current++
	return nil
}

// plan is what is planned under the number of a series. Where the consent is known not to allow
// that, Zoom is not asked, for it counts what fails.
func (r *run) plan(ctx context.Context, number string) (*zoom.PlannedMeeting, error) {
	if r.listOnly || !installation.MayBeGranted(meetingScope, r.in.Spec.Consent.Scopes) {
		return nil, zoom.ErrScope
	}
	plan, err := call(r, zoomcalls.Series, func() (*zoom.PlannedMeeting, error) {
		return r.oauth.Plan(ctx, r.token.AccessToken, r.token.APIURL, number)
	})
	r.listOnly = errors.Is(err, zoom.ErrScope)
	return plan, err
}

// stands returns an error when the consent is not the one that the import began with: the customer
// may have removed the app meanwhile, and nothing of theirs is written then.
func (r *run) stands(ctx context.Context) error {
	var now v1alpha1.ZoomInstallation
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(r.in), &now); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading the installation again: %w", err)
	}
	if now.UID != r.in.UID || !installation.ConsentStands(&now) || !now.Spec.Consent.At.Equal(&r.in.Spec.Consent.At) {
		return errEnded
	}
	return nil
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
