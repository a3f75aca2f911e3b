package subscriptions

import (
	"cmp"
	"slices"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/jitter"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/subscription"
	"github.com/zoom-operator/zoom-operator/zoom"
)

const (
	// pendingFor is how long a creation is left alone whose answer was lost: Zoom may still be at
	// it.
	pendingFor = time.Minute
	// retryEndpoint, retryRefused and retryCustomer are after how long what Zoom refused is tried
	// again: for the URL, at first, and then less and less often; for another cause; and for a
	// customer, at first, and then less and less often, at least every retryCustomerAtLeast.
	retryEndpoint        = time.Minute
	retryRefused         = 15 * time.Minute
	retryCustomer        = time.Hour
	retryCustomerAtLeast = 24 * time.Hour
	// checkEvery is how often a subscription is compared with what Zoom has, and checkJitter by how
	// much less often that of one app than that of another.
	checkEvery  = time.Hour
	checkJitter = 10 * time.Minute
)

// customer is an account, or a user of it.
type customer struct {
	account, user string
	// in is the installation whose consent stands, or one that had one.
	in     *v1alpha1.ZoomInstallation
	stands bool
	is     subscription.Membership
}

// customersOf are those of an app of this scope, each once, in the order of their accounts.
func customersOf(list []v1alpha1.ZoomInstallation, scope string) []customer {
	var all []customer
	for i := range list {
		in := &list[i]
		if in.Spec.AccountID == "" || (in.Spec.UserID == "") != (scope == zoom.ScopeAccount) {
			continue
		}
		c := customer{
			account: in.Spec.AccountID, user: in.Spec.UserID, in: in, is: subscription.MembershipOf(in),
			stands: installation.ConsentStands(in) && !installation.OfAnotherClient(in),
		}
		same := slices.IndexFunc(all, func(other customer) bool { return other.account == c.account && other.user == c.user })
		switch {
		case same < 0:
			all = append(all, c)
		case c.stands && !all[same].stands, c.stands == all[same].stands && all[same].is.ID == "" && c.is.ID != "":
			all[same] = c
		}
	}
	slices.SortStableFunc(all, func(a, b customer) int {
		return cmp.Or(cmp.Compare(a.account, b.account), cmp.Compare(a.user, b.user))
	})
	return all
}

// action is what is done next.
type action int

const (
	// wait is for the time of the step.
	wait action = iota
	// find looks for what came of a creation whose answer was lost.
	find
	// create creates the subscription that is wanted, with the customer of the step.
	create
	// subscribe adds the customers of the step, who are of one account.
	subscribe
	// unsubscribe takes them out.
	unsubscribe
	// remove deletes the subscription of the step's ID.
	remove
	// check compares with what Zoom has of the customer of the step.
	check
	// finish ends it: there is nothing at Zoom, and nothing is wanted there.
	finish
)

type step struct {
	do    action
	who   []customer
	id    string
	until time.Time
}

// next is what is to be done for an app, of which wanted is to be at Zoom, nil for nothing. checked
// is when that was compared with what Zoom has; zero when it was not since the start.
//
// What Zoom refused before comes last: however many they are, and however often Zoom refuses them,
// nothing else waits for that.
func next(now time.Time, app *v1alpha1.ZoomApp, wanted *zoom.Subscription, r subscription.Record, customers []customer, checked time.Time) step {
	if r.Pending != nil {
		at := slices.MaxFunc([]time.Time{r.Pending.Began.Add(pendingFor), wholeUntil(r)}, time.Time.Compare)
		if now.Before(at) {
			return step{do: wait, until: at}
		}
		return step{do: find}
	}
	if wanted == nil {
		return ending(now, r)
	}
	if at := wholeUntil(r); now.Before(at) {
		return step{do: wait, until: at}
	}
	idle := step{do: wait, until: now.Add(checkEvery)}
	if r.Name != wanted.Name {
		at := retryAt(r, wanted.Name)
		if i := slices.IndexFunc(customers, func(c customer) bool { return c.stands && !c.refused(now, wanted.Name) }); i >= 0 && !now.Before(at) {
			return step{do: create, who: customers[i : i+1]}
		}
		if at.After(now) {
			idle.until = at
		}
	}
	if r.ID == "" {
		return idle
	}
	if who := together(customers, func(c customer) bool { return c.stands && c.is.ID != r.ID }); len(who) > 0 {
		return step{do: subscribe, who: who}
	}
	if who := together(customers, func(c customer) bool { return !c.stands && c.is.ID == r.ID }); len(who) > 0 {
		return step{do: unsubscribe, who: who}
	}
	if r.Name == wanted.Name {
		if s := care(now, app, r, customers, checked); s.do != wait {
			return s
		} else if s.until.Before(idle.until) {
			idle.until = s.until
		}
	}
	if who := together(customers, func(c customer) bool { return c.stands && c.is.Refused != "" && !c.refused(now, r.ID) }); len(who) > 0 {
		return step{do: subscribe, who: who}
	}
	return idle
}

// care is what is to be done for the subscription that is wanted when all customers are in it.
func care(now time.Time, app *v1alpha1.ZoomApp, r subscription.Record, customers []customer, checked time.Time) step {
	idle := step{do: wait, until: now.Add(checkEvery)}
	if len(r.Old) > 0 {
		at := retryAt(r, "")
		if !now.Before(at) {
			return step{do: remove, id: r.Old[0]}
		}
		idle.until = at
	}
	members := slices.DeleteFunc(slices.Clone(customers), func(c customer) bool { return !c.stands || c.is.Refused != "" })
	if at := checked.Add(checkEvery + jitter.Of(app.UID, checkJitter)); len(members) > 0 && now.Before(at) {
		if len(r.Old) == 0 || at.Before(idle.until) {
			idle.until = at
		}
	} else if len(members) > 0 { // one after the other
		i := int(now.Unix()/int64(checkEvery/time.Second)) % len(members)
		return step{do: check, who: members[i : i+1]}
	}
	return idle
}

// withoutEvents is how long a customer is without a subscription after a consent, at most, if it is
// not to count that no event came in that time.
const withoutEvents = time.Minute

// refusedLong is how long a customer was refused, at least, if it is to count that no event came in
// that time: one whom Zoom refuses and takes by turns is not imported each time.
const refusedLong = 3 * time.Hour

// unheard says whether a customer had no subscription before this one, so that Zoom did not try to
// deliver events of theirs, and its log has none of them: what they have planned is imported again.
// A subscription that was made by hand had the events.
func unheard(now time.Time, r subscription.Record, c customer, is subscription.Membership) bool {
	switch {
	case is.ID == "", is.Refused != "", r.ByHand > 0:
		return false
	case c.is.ID == "":
		return now.Sub(c.in.Spec.Consent.At.Time) > withoutEvents
	case c.is.Refused != "":
		return now.Sub(c.is.Since) >= refusedLong
	}
	// Of one who was taken out that is not certain: what Zoom shows may be less than there is.
	return c.is.ID != is.ID && r.Lost != nil && c.is.At.Before(*r.Lost)
}

// wholeUntil is until when nothing is asked for an app that may not manage its subscriptions.
func wholeUntil(r subscription.Record) time.Time {
	if r.Refused == nil || !r.Refused.Whole {
		return time.Time{}
	}
	return r.Refused.At.Add(retryRefused)
}

// ending is what is to be done for an app for which nothing is wanted at Zoom.
func ending(now time.Time, r subscription.Record) step {
	if at := retryAt(r, ""); now.Before(at) {
		return step{do: wait, until: at}
	}
	switch {
	case r.ID != "":
		return step{do: remove, id: r.ID}
	case len(r.Old) > 0:
		return step{do: remove, id: r.Old[0]}
	default:
		return step{do: finish}
	}
}

// retryAt is when what Zoom refused of a subscription is tried again; zero when it refused nothing
// of that name.
func retryAt(r subscription.Record, name string) time.Time {
	switch {
	case r.Refused == nil || r.Refused.Name != name:
		return time.Time{}
	case r.Refused.Reason == v1alpha1.ReasonEndpointNotReached:
		lasts := r.Refused.At.Sub(r.Refused.Since)
		return r.Refused.At.Add(min(max(lasts, retryEndpoint), retryRefused))
	default:
		return r.Refused.At.Add(retryRefused)
	}
}

// refused says whether Zoom has refused a customer for a subscription lately.
func (c customer) refused(now time.Time, id string) bool {
	pause := min(max(c.is.At.Sub(c.is.Since), retryCustomer), retryCustomerAtLeast)
	return c.is.ID == id && c.is.Refused != "" && now.Before(c.is.At.Add(pause))
}

// together are the first of those that can be in one request: of one account.
func together(customers []customer, which func(customer) bool) []customer {
	var who []customer
	for _, c := range customers {
		if which(c) && len(who) < zoom.MaxSubscribers && (len(who) == 0 || c.account == who[0].account) {
			who = append(who, c)
		}
	}
	return who
}

// subscribers are customers of one account.
func subscribers(who []customer) zoom.Subscribers {
	s := zoom.Subscribers{AccountID: who[0].account}
	for _, c := range who {
		if c.user != "" {
			s.UserIDs = append(s.UserIDs, c.user)
		}
	}
	return s
}
