package subscriptions

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/events"
	"github.com/zoom-operator/zoom-operator/controllers/internal/fieldowner"
	"github.com/zoom-operator/zoom-operator/controllers/internal/zoomcalls"
	"github.com/zoom-operator/zoom-operator/internal/budget"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/subscription"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// do does a step and records what came of it. What went well is refused no more.
func (r *run) do(ctx context.Context, s step) error {
	before := r.record.Refused
	err := r.act(ctx, s)
	if err != nil || before == nil || r.record.Refused != before || !before.Whole && s.do != remove {
		return err
	}
	r.record.Refused = nil
	return r.save(ctx, nil)
}

func (r *run) act(ctx context.Context, s step) error {
	switch s.do {
	case find:
		return r.find(ctx)
	case create:
		return r.create(ctx, s.who[0])
	case subscribe:
		return r.subscribe(ctx, s.who)
	case unsubscribe:
		return r.unsubscribe(ctx, s.who)
	case remove:
		return r.remove(ctx, s.id)
	case check:
		return r.check(ctx, s.who[0])
	default:
		return nil
	}
}

// find looks for the subscription whose creation began and of which nothing is known. It is found
// through the customer that it was to be created with.
func (r *run) find(ctx context.Context) error {
	p := r.record.Pending
	i := slices.IndexFunc(r.customers, func(c customer) bool { return c.account == p.Account && c.user == p.User })
	if i < 0 {
		i, r.customers = len(r.customers), append(r.customers, customer{account: p.Account, user: p.User})
	}
	list, err := r.list(ctx, r.customers[i])
	if err != nil && !ofCustomer(err) {
		return r.concerned(ctx, r.name(), err)
	}
	r.record.Pending = nil
	r.adopt(list)
	return r.save(ctx, nil)
}

// adopt takes over what there is at Zoom of the app: the one that is wanted, if it is there, and
// others that no record has.
func (r *run) adopt(list []zoom.Subscription) {
	url := r.webhookURL()
	r.record.ByHand = 0
	for _, s := range list {
		switch {
		case s.BuildFlow:
			if r.wanted != nil && slices.ContainsFunc(s.Events, func(event string) bool { return slices.Contains(r.wanted.Events, event) }) {
				r.record.ByHand++
			}
		case s.ID == r.record.ID, slices.Contains(r.record.Old, s.ID), !subscription.Ours(r.app, s, url):
		case r.wanted != nil && r.record.Name != r.wanted.Name && s.Name == r.wanted.Name && subscription.Same(s, *r.wanted):
			r.serves(s.ID)
		default:
			r.record.Old = append(r.record.Old, s.ID)
		}
	}
}

// serves makes a subscription the one that serves, in the place of the one that did.
func (r *run) serves(id string) {
	if r.record.ID != "" {
		r.record.Old = append(r.record.Old, r.record.ID)
	}
	r.record.ID, r.record.Name, r.record.Refused = id, r.wanted.Name, nil
}

// create creates the subscription that is wanted, unless it is there already: what was recorded of
// it may have been lost. That it begins is recorded first, so that a lost answer leaves none of
// which nothing is known.
func (r *run) create(ctx context.Context, first customer) error {
	list, err := r.list(ctx, first)
	switch {
	case ofCustomer(err):
		return r.refuse(ctx, first, r.wanted.Name, err)
	case err != nil:
		return r.concerned(ctx, r.wanted.Name, err)
	}
	if r.adopt(list); r.record.Name == r.wanted.Name {
		return r.save(ctx, nil)
	}
	r.record.Pending = &subscription.Pending{Account: first.account, User: first.user, Began: r.Now().UTC()}
	if err := r.save(ctx, &client.MergeFromWithOptimisticLock{}); err != nil {
		return err
	}
	id, err := zoomcalls.MakeOwn(ctx, r.own, zoomcalls.CreateSubscription, func(token *zoom.Token) (string, error) {
		return r.oauth.CreateSubscription(ctx, token, *r.wanted, subscribers([]customer{first}))
	})
	if err != nil && !settled(err) {
		return err
	}
	ctx = context.WithoutCancel(ctx) // what Zoom said is not to be lost because this process ends
	r.record.Pending = nil
	switch {
	case err == nil:
		r.serves(id)
		r.checks.Put(r.app.UID, r.Now())
		log.FromContext(ctx).Info("Event subscription created", "subscription", id, "events", len(r.wanted.Events))
	case errors.Is(err, zoom.ErrNotAuthorized), errors.Is(err, zoom.ErrEventRole):
		return errors.Join(r.save(ctx, nil), r.refuse(ctx, first, r.wanted.Name, err))
	default:
		return errors.Join(r.save(ctx, nil), r.concerned(ctx, r.wanted.Name, err))
	}
	if err := r.save(ctx, nil); err != nil {
		return err
	}
	return r.member(ctx, first, subscription.Membership{ID: id, At: r.Now()})
}

// settled says whether it is known of a creation that failed that Zoom created nothing.
func settled(err error) bool {
	return err == nil || errors.Is(err, zoom.ErrNotSent) || limited(err) || reasonOf(err) != "" ||
		errors.Is(err, zoom.ErrNotAuthorized) || errors.Is(err, zoom.ErrEventRole) || errors.Is(err, zoom.ErrToken)
}

// reasonOf is the reason of the condition EventsSubscribed for a refusal that concerns the app;
// empty of any other error.
func reasonOf(err error) string {
	switch {
	case errors.Is(err, zoom.ErrEndpoint):
		return v1alpha1.ReasonEndpointNotReached
	case errors.Is(err, zoom.ErrEventName):
		return v1alpha1.ReasonEventUnknown
	case errors.Is(err, zoom.ErrEventScope):
		return v1alpha1.ReasonEventScopeMissing
	case whole(err), refusedOtherwise(err):
		return v1alpha1.ReasonSubscriptionRefused
	}
	return ""
}

// whole says whether an error is that the app may not manage its subscriptions at all.
func whole(err error) bool {
	_, ofToken := errors.AsType[zoomcalls.TokenError](err)
	return ofToken && refusedOtherwise(err) || errors.Is(err, zoom.ErrClient) || errors.Is(err, zoom.ErrGrantType) || errors.Is(err, zoom.ErrScope) || errors.Is(err, zoom.ErrPlan)
}

// ofCustomer says whether an error of a request about customers is Zoom's refusal of one of them.
// What Zoom answers about an account that it no longer knows is not documented. A request to
// subscribe differs from others in its customers alone, so that any refusal is one of theirs.
func ofCustomer(err error) bool {
	return errors.Is(err, zoom.ErrNotAuthorized) || errors.Is(err, zoom.ErrEventRole) ||
		refusedOtherwise(err) && !whole(err) && !errors.Is(err, zoom.ErrNoSubscription) && !errors.Is(err, zoom.ErrToken)
}

func refusedOtherwise(err error) bool {
	refused, ok := errors.AsType[*zoom.StatusError](err)
	return ok && http.StatusBadRequest <= refused.Status && refused.Status < http.StatusInternalServerError && refused.Status != http.StatusRequestTimeout
}

// name is that of the subscription that is wanted; empty where none is.
func (r *run) name() string {
	if r.wanted == nil {
		return ""
	}
	return r.wanted.Name
}

// maxNamed is how many of the events are kept that a refusal is about.
const maxNamed = 8

// concerned records an error that is a refusal of the subscription of that name, or, of none, of a
// deletion, which is tried again later; any other is returned.
func (r *run) concerned(ctx context.Context, name string, err error) error {
	reason := reasonOf(err)
	if reason == "" {
		return err
	}
	refused := &subscription.Refusal{Name: name, Reason: reason, Whole: whole(err), Since: r.Now().UTC(), At: r.Now().UTC(), Cause: err.Error()}
	if before := subscription.RecordOf(r.app).Refused; before != nil && before.Name == name && before.Reason == reason {
		refused.Since = before.Since
	}
	if named, ok := errors.AsType[zoom.EventsError](err); ok {
		refused.Events = named[:min(len(named), maxNamed)]
	}
	log.FromContext(ctx).Info("Event subscription refused by Zoom", "reason", reason, "cause", err.Error())
	if r.record.Refused = refused; refused.Whole {
		r.tokens.Forget(client.ObjectKeyFromObject(r.app)) // the next one may have the scope
	}
	return r.save(ctx, nil)
}

// subscribe adds customers of one account. If Zoom refuses one of them it does not say which, so
// that each is asked for alone.
func (r *run) subscribe(ctx context.Context, who []customer) error {
	err := change(ctx, r, zoomcalls.Subscribe, func(token *zoom.Token) error { return r.oauth.Subscribe(ctx, token, r.record.ID, subscribers(who)) })
	switch {
	case err == nil:
		for _, c := range who {
			if err := r.member(ctx, c, subscription.Membership{ID: r.record.ID, At: r.Now()}); err != nil {
				return err
			}
		}
		return nil
	case errors.Is(err, zoom.ErrNoSubscription):
		return r.vanished(ctx, err)
	case !ofCustomer(err):
		return r.concerned(ctx, r.name(), err)
	case len(who) == 1:
		return r.refuse(ctx, who[0], r.record.ID, err)
	}
	for i, before := 0, r.record.Refused; i < len(who); i++ {
		if err := r.subscribe(ctx, who[i:i+1]); err != nil || r.record.ID == "" || r.record.Refused != before {
			return err
		}
	}
	return nil
}

// lostAgain is how long after the subscription that served was lost another one is not given up as
// well: then Zoom may only not find it yet.
const lostAgain = 15 * time.Minute

// vanished notes that the subscription that serves is there no more, so that another is created. It
// is deleted nevertheless, for it may be there.
func (r *run) vanished(ctx context.Context, err error) error {
	now := r.Now().UTC()
	if r.record.Lost != nil && now.Before(r.record.Lost.Add(lostAgain)) {
		return err
	}
	events.Record(r.Events, r.app, events.Warning("SubscriptionLost", "Subscribe",
		"Event subscription "+r.record.ID+" is no longer there at Zoom, where another hand deleted it. It is created again."))
	r.record.ID, r.record.Name, r.record.Old, r.record.Lost = "", "", append(r.record.Old, r.record.ID), &now
	return r.save(ctx, nil)
}

// refuse records that Zoom does not let the app subscribe a customer.
func (r *run) refuse(ctx context.Context, c customer, id string, why error) error {
	reason := v1alpha1.ReasonNotSubscribed
	if errors.Is(why, zoom.ErrEventRole) {
		reason = v1alpha1.ReasonEventNotPermitted
	}
	is := subscription.Membership{ID: id, Refused: reason, Since: r.Now(), At: r.Now()}
	if c.is.ID == id && c.is.Refused != "" {
		is.Since = c.is.Since
	}
	return r.member(ctx, c, is)
}

// unsubscribe takes customers of one account out. Whom Zoom does not find there has gone.
func (r *run) unsubscribe(ctx context.Context, who []customer) error {
	err := change(ctx, r, zoomcalls.Unsubscribe, func(token *zoom.Token) error {
		return r.oauth.Unsubscribe(ctx, token, r.record.ID, subscribers(who))
	})
	gone := ofCustomer(err)
	switch {
	case gone && len(who) > 1:
		for i, before := 0, r.record.Refused; i < len(who); i++ {
			if err := r.unsubscribe(ctx, who[i:i+1]); err != nil || r.record.Refused != before {
				return err
			}
		}
		return nil
	case err != nil && !gone && !errors.Is(err, zoom.ErrNoSubscription):
		return r.concerned(ctx, r.name(), err)
	}
	for _, c := range who {
		if err := r.member(ctx, c, subscription.Membership{}); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes a subscription that is of no use any more. That one which served serves no more is
// recorded first: if the answer is lost and it is wanted again, it may be gone.
func (r *run) remove(ctx context.Context, id string) error {
	if r.record.ID == id {
		r.record.ID, r.record.Name, r.record.Old = "", "", append(r.record.Old, id)
		if err := r.save(ctx, &client.MergeFromWithOptimisticLock{}); err != nil {
			return err
		}
	}
	err := change(ctx, r, zoomcalls.DeleteSubscription, func(token *zoom.Token) error { return r.oauth.DeleteSubscription(ctx, token, id) })
	if err != nil && !errors.Is(err, zoom.ErrNoSubscription) {
		return r.concerned(ctx, "", err)
	}
	log.FromContext(ctx).Info("Event subscription deleted", "subscription", id)
	r.record.Old = slices.DeleteFunc(r.record.Old, func(old string) bool { return old == id })
	return r.save(context.WithoutCancel(ctx), nil)
}

// check compares with what Zoom has of a customer who is subscribed.
func (r *run) check(ctx context.Context, c customer) error {
	list, err := r.list(ctx, c)
	switch {
	case errors.Is(err, zoom.ErrNotAuthorized):
		r.checks.Put(r.app.UID, r.Now())
		return r.refuse(ctx, c, r.record.ID, err)
	case ofCustomer(err): // which says nothing of whether they are subscribed
		r.checks.Put(r.app.UID, r.Now())
		return nil
	case err != nil:
		return r.concerned(ctx, r.name(), err)
	}
	r.checks.Put(r.app.UID, r.Now())
	before := r.record
	r.adopt(list)
	i := slices.IndexFunc(list, func(s zoom.Subscription) bool { return s.ID == r.record.ID })
	switch {
	case i < 0: // taken out, or it is gone; without a list, Zoom says so here
		if err := r.subscribe(ctx, []customer{c}); err != nil || r.record.ID == "" {
			return err
		}
	case i >= 0 && subscription.Same(list[i], *r.wanted):
		r.record.Changed = ""
	case i >= 0 && subscription.Shown(list[i]) == r.record.Changed: // also of its successor
		log.FromContext(ctx).Info("Zoom shows the event subscription otherwise than it was made", "subscription", r.record.ID)
	case i >= 0:
		r.record.Changed = subscription.Shown(list[i])
		events.Record(r.Events, r.app, events.Warning("SubscriptionChanged", "Check",
			"Event subscription "+r.record.ID+" has other events or another URL at Zoom than it was made with. It is replaced."))
		r.record.Name = ""
	}
	if before.Changed == r.record.Changed && before.Name == r.record.Name && before.ByHand == r.record.ByHand && len(before.Old) == len(r.record.Old) {
		return nil
	}
	return r.save(ctx, nil)
}

// list are the subscriptions of the app that a customer is in. Zoom shows those of an account
// through a user of it, whom only the account's own token names; nil when there is none.
func (r *run) list(ctx context.Context, c customer) ([]zoom.Subscription, error) {
	user, scope := c.user, zoom.ScopeUser
	if user == "" {
		scope = zoom.ScopeAccount
		var err error
		if user, err = r.userOf(ctx, c); err != nil || user == "" {
			return nil, err
		}
	}
	return zoomcalls.MakeOwn(ctx, r.own, zoomcalls.ListSubscriptions, func(token *zoom.Token) ([]zoom.Subscription, error) {
		return r.oauth.Subscriptions(ctx, token, scope, c.account, user)
	})
}

// userOf is the user who consented for an account, as Zoom says to that one's access token; empty
// while there is none that Zoom takes.
func (r *run) userOf(ctx context.Context, c customer) (string, error) {
	if c.in == nil {
		return "", nil
	}
	token, err := tokens.Load(ctx, r.Live, c.in)
	switch {
	case errors.Is(err, tokens.ErrForeign):
		return "", nil
	case err != nil:
		return "", err
	case token == nil || token.AccessToken == "" || token.Refusal != "" || !r.Now().Before(token.ExpiresAt) || token.Client.DiffersFrom(tokens.ClientOf(r.app, nil)):
		return "", nil
	}
	user, err := zoomcalls.Make(ctx, r.Calls, r.app, c.account, zoomcalls.ConsentingUser, func() (*zoom.User, error) {
		return r.oauth.Me(ctx, token.AccessToken, token.APIURL)
	})
	switch {
	case errors.Is(err, zoom.ErrScope), errors.Is(err, zoom.ErrToken), refusedOtherwise(err):
		return "", nil
	case err != nil:
		return "", err
	}
	return user.ID, nil
}

// save records what is known of the subscriptions, and keeps the app until they are deleted. With a
// lock it fails where the app was written since it was read. Without, what Zoom has said is not
// lost over that.
func (r *run) save(ctx context.Context, lock *client.MergeFromWithOptimisticLock) error {
	after := r.app.DeepCopy()
	r.record.Set(after)
	if after.DeletionTimestamp.IsZero() && !r.record.Empty() {
		controllerutil.AddFinalizer(after, v1alpha1.SubscriptionFinalizer)
	}
	if err := r.patch(ctx, after, lock); err != nil {
		return err
	}
	r.app = after
	return nil
}

// patch writes an app as it is to become.
func (r *run) patch(ctx context.Context, after *v1alpha1.ZoomApp, lock *client.MergeFromWithOptimisticLock) error {
	var options []client.MergeFromOption
	if lock != nil || len(after.Finalizers) != len(r.app.Finalizers) { // which are a list, and written whole
		options = append(options, client.MergeFromWithOptimisticLock{})
	}
	if err := r.Client.Patch(ctx, after, client.MergeFromWithOptions(r.app, options...), fieldowner.Controller); err != nil {
		return fmt.Errorf("recording the event subscription of ZoomApp %s/%s: %w", r.app.Namespace, r.app.Name, err)
	}
	return nil
}

// member records what became of subscribing a customer, also here, where the cache is behind.
// Whoever consented meanwhile is subscribed again.
func (r *run) member(ctx context.Context, c customer, is subscription.Membership) error {
	ctx = context.WithoutCancel(ctx)
	err := retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		var now v1alpha1.ZoomInstallation
		err := r.Live.Get(ctx, client.ObjectKeyFromObject(c.in), &now)
		if err != nil || now.UID != c.in.UID || now.Spec.Consent == nil || !now.Spec.Consent.At.Equal(&c.in.Spec.Consent.At) {
			return client.IgnoreNotFound(err)
		}
		if is.ID == "" {
			delete(now.Annotations, subscription.Annotation)
		} else {
			if now.Annotations == nil {
				now.Annotations = map[string]string{}
			}
			now.Annotations[subscription.Annotation] = is.Text(&now)
		}
		if unheard(r.Now(), r.record, c, is) {
			installation.ForgetImport(&now)
		}
		return client.IgnoreNotFound(r.Client.Update(ctx, &now, fieldowner.Controller))
	})
	if err != nil {
		return fmt.Errorf("recording the event subscription of ZoomInstallation %s/%s: %w", c.in.Namespace, c.in.Name, err)
	}
	for i := range r.customers {
		if r.customers[i].account == c.account && r.customers[i].user == c.user {
			r.customers[i].is = is
		}
	}
	return nil
}

// limited says whether a call was not made, or not taken, because of a limit.
func limited(err error) bool {
	_, spent := errors.AsType[*budget.SpentError](err)
	return spent
}

func (r *run) webhookURL() string {
	return r.ExternalURL + urls.Webhook(r.app.Namespace, r.app.Name)
}
