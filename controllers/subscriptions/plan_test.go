package subscriptions

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/subscription"
	"github.com/zoom-operator/zoom-operator/zoom"
)

func TestNext(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	user := func(account, id string, stands bool, is subscription.Membership) customer {
		return customer{account: account, user: id, stands: stands, is: is}
	}
	in := func(id string) subscription.Membership { return subscription.Membership{ID: id} }
	refused := func(id string, at time.Time) subscription.Membership {
		return subscription.Membership{ID: id, Refused: v1alpha1.ReasonNotSubscribed, Since: at, At: at}
	}
	refusal := func(reason string, since, at time.Time) *subscription.Refusal {
		return &subscription.Refusal{Name: "app-new", Reason: reason, Since: since, At: at}
	}
	serves := subscription.Record{ID: "1", Name: "app-new"}
	wanted, ana := &zoom.Subscription{Name: "app-new"}, user("a", "ana", true, subscription.Membership{})
	member := user("a", "ana", true, in("1"))
	var eleven []customer
	for i := range 11 {
		eleven = append(eleven, user("a", fmt.Sprint(i), true, subscription.Membership{}))
	}
	for name, tt := range map[string]struct {
		nothing   bool // is wanted
		record    subscription.Record
		customers []customer
		checked   time.Time
		want      string
	}{
		"a creation that is pending":              {record: subscription.Record{Pending: &subscription.Pending{Began: ago(time.Second)}}, customers: []customer{ana}, want: "wait 59s"},
		"a minute later":                          {record: subscription.Record{Pending: &subscription.Pending{Began: ago(time.Minute)}}, customers: []customer{ana}, want: "find"},
		"also where nothing is wanted":            {nothing: true, record: subscription.Record{Pending: &subscription.Pending{Began: ago(time.Minute)}}, want: "find"},
		"no customer":                             {want: "wait 1h0m0s"},
		"the first customer":                      {customers: []customer{user("a", "bob", false, subscription.Membership{}), ana}, want: "create ana"},
		"after one whom Zoom refused":             {customers: []customer{user("a", "ana", true, refused("app-new", ago(time.Minute))), user("a", "bob", true, subscription.Membership{})}, want: "create bob"},
		"who is tried again":                      {customers: []customer{user("a", "ana", true, refused("app-new", ago(time.Hour)))}, want: "create ana"},
		"a URL that was refused":                  {record: subscription.Record{Refused: refusal(v1alpha1.ReasonEndpointNotReached, now, now)}, customers: []customer{ana}, want: "wait 1m0s"},
		"for five minutes":                        {record: subscription.Record{Refused: refusal(v1alpha1.ReasonEndpointNotReached, ago(5*time.Minute), now)}, customers: []customer{ana}, want: "wait 5m0s"},
		"for days":                                {record: subscription.Record{Refused: refusal(v1alpha1.ReasonEndpointNotReached, ago(50*time.Hour), now)}, customers: []customer{ana}, want: "wait 15m0s"},
		"an event that was refused":               {record: subscription.Record{Refused: refusal(v1alpha1.ReasonEventUnknown, now, now)}, customers: []customer{ana}, want: "wait 15m0s"},
		"other events, of which nothing was said": {record: subscription.Record{Refused: &subscription.Refusal{Name: "app-old", At: now}}, customers: []customer{ana}, want: "create ana"},
		"a change":                                {record: subscription.Record{ID: "1", Name: "app-old"}, customers: []customer{member}, want: "create ana"},
		"a change that was refused: the old one serves whoever comes": {
			record: subscription.Record{ID: "1", Name: "app-old", Refused: refusal(v1alpha1.ReasonEventUnknown, now, now)}, customers: []customer{member, user("a", "bob", true, in(""))}, want: "subscribe bob",
		},
		"ten at once":                       {record: serves, customers: eleven, want: "subscribe 0 1 2 3 4 5 6 7 8 9"},
		"of one account":                    {record: serves, customers: []customer{ana, user("b", "bea", true, in("0")), user("a", "carl", true, in("0"))}, want: "subscribe ana carl"},
		"before the old one goes":           {record: subscription.Record{ID: "1", Name: "app-new", Old: []string{"0"}}, customers: []customer{user("a", "ana", true, in("0"))}, want: "subscribe ana"},
		"the old one goes":                  {record: subscription.Record{ID: "1", Name: "app-new", Old: []string{"0"}}, customers: []customer{member, user("a", "bob", true, refused("1", now))}, want: "remove 0"},
		"who was refused is tried again":    {record: serves, customers: []customer{user("a", "bob", true, refused("1", ago(time.Hour)))}, want: "subscribe bob"},
		"for days, less and less often":     {record: serves, customers: []customer{user("a", "bob", true, subscription.Membership{ID: "1", Refused: v1alpha1.ReasonNotSubscribed, Since: ago(50 * time.Hour), At: ago(20 * time.Hour)})}, want: "wait 1h0m0s"},
		"but every day":                     {record: serves, customers: []customer{user("a", "bob", true, subscription.Membership{ID: "1", Refused: v1alpha1.ReasonNotSubscribed, Since: ago(90 * time.Hour), At: ago(24 * time.Hour)})}, want: "subscribe bob"},
		"after whoever is new":              {record: serves, customers: []customer{user("a", "bob", true, refused("1", ago(2*time.Hour))), user("b", "carl", true, in(""))}, want: "subscribe carl"},
		"after the deletion of the old one": {record: subscription.Record{ID: "1", Name: "app-new", Old: []string{"0"}}, customers: []customer{user("a", "bob", true, refused("1", ago(2*time.Hour)))}, want: "remove 0"},
		"after the comparison":              {record: serves, customers: []customer{user("a", "bob", true, refused("1", ago(2*time.Hour))), user("b", "carl", true, in("1"))}, want: "check carl"},
		"a deletion of the old one that was refused": {
			record: subscription.Record{ID: "1", Name: "app-new", Old: []string{"0"}, Refused: &subscription.Refusal{Reason: v1alpha1.ReasonSubscriptionRefused, At: now}}, customers: []customer{member}, checked: now, want: "wait 15m0s",
		},
		"an app that may not manage any": {
			record: subscription.Record{ID: "1", Name: "app-new", Old: []string{"0"}, Refused: &subscription.Refusal{Reason: v1alpha1.ReasonSubscriptionRefused, Whole: true, At: now}}, customers: []customer{ana}, want: "wait 15m0s",
		},
		"nor find one": {
			record: subscription.Record{Pending: &subscription.Pending{Began: ago(time.Hour)}, Refused: &subscription.Refusal{Reason: v1alpha1.ReasonSubscriptionRefused, Whole: true, At: now}}, customers: []customer{ana}, want: "wait 15m0s",
		},
		"who has gone":                        {record: serves, customers: []customer{member, user("a", "bob", false, in("1"))}, want: "unsubscribe bob"},
		"who has gone and was not in it":      {record: serves, customers: []customer{user("a", "bob", false, in("0"))}, want: "wait 1h0m0s"},
		"not compared since the start":        {record: serves, customers: []customer{member}, want: "check ana"},
		"compared lately":                     {record: serves, customers: []customer{member}, checked: ago(59 * time.Minute), want: "wait"},
		"compared long ago":                   {record: serves, customers: []customer{member}, checked: ago(70 * time.Minute), want: "check ana"},
		"nothing is wanted any more":          {nothing: true, record: subscription.Record{ID: "1", Old: []string{"0"}}, want: "remove 1"},
		"nor what it replaced":                {nothing: true, record: subscription.Record{Old: []string{"0"}}, want: "remove 0"},
		"a deletion that was refused":         {nothing: true, record: subscription.Record{ID: "1", Refused: &subscription.Refusal{Reason: v1alpha1.ReasonSubscriptionRefused, At: now}}, want: "wait 15m0s"},
		"nothing is wanted and nothing there": {nothing: true, want: "finish"},
	} {
		t.Run(name, func(t *testing.T) {
			w := wanted
			if tt.nothing {
				w = nil
			}
			s := next(now, &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{UID: "uid"}}, w, tt.record, tt.customers, tt.checked)
			got := [...]string{wait: "wait", find: "find", create: "create", subscribe: "subscribe", unsubscribe: "unsubscribe", remove: "remove", check: "check", finish: "finish"}[s.do]
			for _, c := range s.who {
				got += " " + c.user
			}
			switch {
			case s.id != "":
				got += " " + s.id
			case s.do == wait && tt.want != "wait":
				got += " " + s.until.Sub(now).String()
			case s.do == wait && (s.until.Before(now.Add(time.Minute)) || s.until.After(now.Add(11*time.Minute))):
				t.Errorf("it waits until %v", s.until)
			}
			if got != tt.want {
				t.Errorf("next is %q, want %q", got, tt.want)
			}
		})
	}
}

// Of several installations of one customer whose consent has ended, that one counts which is
// subscribed: the customer is to be taken out.
func TestWhoHasGoneTwice(t *testing.T) {
	gone := func(name, annotation string) v1alpha1.ZoomInstallation {
		in := v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.ZoomInstallationSpec{
			AccountID: "a", UserID: "ana", Consent: &v1alpha1.Consent{At: metav1.Unix(1, 0)}, Deauthorization: &v1alpha1.Deauthorization{At: metav1.Unix(2, 0)},
		}}
		if annotation != "" {
			in.Annotations = map[string]string{subscription.Annotation: subscription.Membership{ID: annotation}.Text(&in)}
		}
		return in
	}
	if c := customersOf([]v1alpha1.ZoomInstallation{gone("ana", ""), gone("ana-2", "1")}, zoom.ScopeUser); len(c) != 1 || c[0].stands || c[0].is.ID != "1" {
		t.Errorf("the customers are %+v", c)
	}
}

// Of whom Zoom tried to deliver nothing, what they have planned is imported again.
func TestWhoWasNotHeard(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) *time.Time { return new(now.Add(-d)) }
	old := subscription.Membership{ID: "old", At: *ago(time.Hour)}
	for name, tt := range map[string]struct {
		record    subscription.Record
		consented time.Duration // ago
		was, is   subscription.Membership
		want      bool
	}{
		"at the consent":                        {consented: time.Minute, is: subscription.Membership{ID: "new"}},
		"later":                                 {consented: time.Hour, is: subscription.Membership{ID: "new"}, want: true},
		"later, beside one that was there":      {record: subscription.Record{ByHand: 1}, consented: time.Hour, is: subscription.Membership{ID: "new"}},
		"refused":                               {consented: time.Hour, is: subscription.Membership{ID: "new", Refused: "NotSubscribed"}},
		"no longer refused":                     {consented: 5 * time.Hour, was: subscription.Membership{ID: "new", Refused: "NotSubscribed", Since: *ago(4 * time.Hour)}, is: subscription.Membership{ID: "new"}, want: true},
		"refused for a moment":                  {consented: 5 * time.Hour, was: subscription.Membership{ID: "new", Refused: "NotSubscribed", Since: *ago(time.Hour)}, is: subscription.Membership{ID: "new"}},
		"taken out":                             {consented: time.Hour, was: old},
		"replaced":                              {consented: 2 * time.Hour, was: old, is: subscription.Membership{ID: "new"}},
		"lost":                                  {record: subscription.Record{Lost: ago(time.Minute)}, consented: 2 * time.Hour, was: old, is: subscription.Membership{ID: "new"}, want: true},
		"replaced, after one that had got lost": {record: subscription.Record{Lost: ago(2 * time.Hour)}, consented: 3 * time.Hour, was: old, is: subscription.Membership{ID: "new"}},
		"shown as taken out":                    {record: subscription.Record{Lost: ago(time.Minute)}, consented: 2 * time.Hour, was: old, is: old},
	} {
		t.Run(name, func(t *testing.T) {
			in := &v1alpha1.ZoomInstallation{Spec: v1alpha1.ZoomInstallationSpec{Consent: &v1alpha1.Consent{At: metav1.NewTime(now.Add(-tt.consented))}}}
			if got := unheard(now, tt.record, customer{in: in, is: tt.was}, tt.is); got != tt.want {
				t.Errorf("got %t", got)
			}
		})
	}
}
