package zoomcalls

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/zoom-operator/zoom-operator/zoom"
)

// The calls, as zoom_operator_zoom_calls_total calls them.
const (
	PastMeeting  = "past_meeting"  // an instance that may be over
	Meeting      = "meeting"       // whether a meeting is being held
	ListUsers    = "list_users"    // a page of the users of an account
	ListMeetings = "list_meetings" // a page of what a user has planned
	Series       = "series"        // the dates of a series

	ClientToken        = "client_token"        // a token of the app itself
	CreateSubscription = "create_subscription" // an event subscription is created
	ListSubscriptions  = "list_subscriptions"  // those that a customer is in
	Subscribe          = "subscribe"           // customers are added to one
	Unsubscribe        = "unsubscribe"         // customers are taken out of one
	DeleteSubscription = "delete_subscription" // one is deleted
	ConsentingUser     = "consenting_user"     // who consented for an account

	DeveloperToken = "developer_token" // a token of the developer's own account
	WebhookLog     = "webhook_log"     // a page of the webhooks that could not be delivered
)

// What came of a call, as zoom_operator_zoom_calls_total calls it.
const (
	classOK       = "ok"           // Zoom answered
	classToken    = "token"        // the access token is not good
	classScope    = "scope"        // the consent lacks a scope
	classPlan     = "plan"         // the account's plan does not allow it
	classNotFound = "not_found"    // Zoom knows no such meeting, subscription or app; of an instance it is the answer while it is being held
	classHost     = "host"         // the host is not visible to the app
	classEndpoint = "endpoint"     // Zoom could not validate the webhook URL
	classEvents   = "events"       // Zoom does not know an event, or the app or the user may not receive it
	classCustomer = "customer"     // the customer has not authorized the app
	classLimited  = "rate_limited" // Zoom is asked too often
	classFailed   = "failed"       // Zoom could not be reached, or answered something else
)

// What is not asked, because a scope is known to be missing or the budget is spent, does not count.
var zoomCalls = prometheus.NewCounterVec(prometheus.CounterOpts{
	Name: "zoom_operator_zoom_calls_total",
	Help: "Calls to Zoom's REST API about meetings, event subscriptions and missed events, by call and by what came of it.",
}, []string{"call", "class"})

func init() {
	metrics.Registry.MustRegister(zoomCalls)
	for _, call := range []string{PastMeeting, Meeting, ListUsers, ListMeetings, Series} {
		for _, class := range []string{classOK, classToken, classScope, classPlan, classNotFound, classHost, classLimited, classFailed} {
			zoomCalls.WithLabelValues(call, class)
		}
	}
	for _, call := range []string{ClientToken, CreateSubscription, ListSubscriptions, Subscribe, Unsubscribe, DeleteSubscription, ConsentingUser, DeveloperToken, WebhookLog} {
		for _, class := range []string{classOK, classLimited, classFailed} {
			zoomCalls.WithLabelValues(call, class)
		}
	}
}

func count(call string, err error) { zoomCalls.WithLabelValues(call, classOf(err)).Inc() }

func classOf(err error) string {
	if err == nil {
		return classOK
	}
	if _, limited := errors.AsType[*zoom.RateLimited](err); limited {
		return classLimited
	}
	for _, known := range []struct {
		err   error
		class string
	}{
		{zoom.ErrToken, classToken},
		{zoom.ErrScope, classScope},
		{zoom.ErrPlan, classPlan},
		{zoom.ErrNoMeeting, classNotFound},
		{zoom.ErrNoSubscription, classNotFound},
		{zoom.ErrNoApp, classNotFound},
		{zoom.ErrEndpoint, classEndpoint},
		{zoom.ErrEventName, classEvents},
		{zoom.ErrEventScope, classEvents},
		{zoom.ErrEventRole, classEvents},
		{zoom.ErrNotAuthorized, classCustomer},
		{zoom.ErrHost, classHost},
	} {
		if errors.Is(err, known.err) {
			return known.class
		}
	}
	return classFailed
}
