package controllers

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/logs"
)

var (
	// Of receivers, and of controllers that wait for the lease, it is 0. Without --leader-elect it
	// is 1 all the same.
	controllersRunning = prometheus.NewDesc("zoom_operator_controllers_running",
		"Whether this process runs the controllers: 1 for the one that leads, 0 for every other.",
		nil, nil)

	// docs/conditions.md says what each reason means. Count with one condition at a time: an
	// installation is in each. Consents that stand have condition="Authorized", status="True", a
	// series that is always there.
	installationConditions = prometheus.NewDesc("zoom_operator_installation_conditions",
		"ZoomInstallations by app and by the status and reason of each of their conditions.",
		[]string{"namespace", "app", "condition", "status", "reason"}, nil)

	// The value is always 1; docs/conditions.md says what each reason means.
	appConditions = prometheus.NewDesc("zoom_operator_app_conditions",
		"The status and reason of each condition of a ZoomApp.",
		[]string{"namespace", "app", "condition", "status", "reason"}, nil)

	// States without a meeting are 0.
	meetingStates = prometheus.NewDesc("zoom_operator_meetings",
		"ZoomMeetings by app and state: Scheduled, Live, Ended or Deleted.",
		[]string{"namespace", "app", "state"}, nil)

	// Zoom repeats the validation every 72 hours. It is not there for an app that Zoom has never
	// validated.
	appValidated = prometheus.NewDesc("zoom_operator_app_endpoint_validated_timestamp_seconds",
		"When Zoom last validated the webhook URL of an app, in seconds since 1970.",
		[]string{"namespace", "app"}, nil)

	// It is reported twice a minute. A validation counts as an event. It is not there for an app
	// that has had none.
	appLastEvent = prometheus.NewDesc("zoom_operator_app_last_event_timestamp_seconds",
		"When the last authenticated event of an app arrived, in seconds since 1970.",
		[]string{"namespace", "app"}, nil)
)

// objects are the metrics of what there is in the cluster. They are read from the cache when they
// are asked for, and only in the process that runs the controllers: otherwise everything would be
// counted once for each replica.
var objects = &objectMetrics{}

func init() {
	metrics.Registry.MustRegister(objects)
}

// scrapeWithin bounds a reading of the cache that has not synced yet.
const scrapeWithin = 5 * time.Second

type objectMetrics struct{ cache atomic.Pointer[client.Reader] }

// while has the objects of a cache counted until ctx ends.
func (o *objectMetrics) while(cache client.Reader) func(context.Context) error {
	return func(ctx context.Context) error {
		o.cache.Store(&cache)
		<-ctx.Done()
		o.cache.CompareAndSwap(&cache, nil)
		return nil
	}
}

// Describe implements prometheus.Collector.
func (*objectMetrics) Describe(all chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{controllersRunning, installationConditions, appConditions, meetingStates, appValidated, appLastEvent} {
		all <- d
	}
}

// Collect implements prometheus.Collector.
func (o *objectMetrics) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	cache := o.cache.Load()
	if cache == nil {
		gauge(controllersRunning, 0)
		return
	}
	gauge(controllersRunning, 1)
	ctx, cancel := context.WithTimeout(context.Background(), scrapeWithin)
	defer cancel()
	c, err := count(ctx, *cache)
	if err != nil {
		log.Log.Info("Reading the cache for metrics failed", "cause", logs.Cause(err))
		return
	}
	for key, n := range c.installations {
		gauge(installationConditions, float64(n), key.namespace, key.app, key.condition, key.status, key.reason)
	}
	for key, n := range c.meetings {
		gauge(meetingStates, float64(n), key.namespace, key.app, string(key.state))
	}
	for i := range c.apps {
		app := &c.apps[i]
		for _, condition := range app.Status.Conditions {
			gauge(appConditions, 1, app.Namespace, app.Name, condition.Type, string(condition.Status), condition.Reason)
		}
		for d, at := range map[*prometheus.Desc]*metav1.Time{appValidated: app.Status.EndpointValidatedAt, appLastEvent: app.Status.LastEventAt} {
			if at != nil {
				gauge(d, float64(at.Unix()), app.Namespace, app.Name)
			}
		}
	}
}

type conditionKey struct{ namespace, app, condition, status, reason string }

type stateKey struct {
	namespace, app string
	state          v1alpha1.MeetingState
}

// counts are what there is of each app.
type counts struct {
	apps          []v1alpha1.ZoomApp
	installations map[conditionKey]int
	meetings      map[stateKey]int
}

// count reads everything, without a copy. What has no ZoomApp is counted by the name of the one
// that it is of.
func count(ctx context.Context, cache client.Reader) (counts, error) {
	c := counts{installations: map[conditionKey]int{}, meetings: map[stateKey]int{}}
	var apps v1alpha1.ZoomAppList
	if err := cache.List(ctx, &apps, client.UnsafeDisableDeepCopy); err != nil {
		return c, err
	}
	c.apps = apps.Items
	for i := range c.apps {
		app := &c.apps[i]
		c.installations[conditionKey{app.Namespace, app.Name, v1alpha1.ConditionAuthorized, string(metav1.ConditionTrue), v1alpha1.ReasonConsented}] = 0
		for _, state := range []v1alpha1.MeetingState{v1alpha1.MeetingScheduled, v1alpha1.MeetingLive, v1alpha1.MeetingEnded, v1alpha1.MeetingDeleted} {
			c.meetings[stateKey{app.Namespace, app.Name, state}] = 0
		}
	}
	var installations v1alpha1.ZoomInstallationList
	if err := cache.List(ctx, &installations, client.UnsafeDisableDeepCopy); err != nil {
		return c, err
	}
	for i := range installations.Items {
		in := &installations.Items[i]
		for _, condition := range in.Status.Conditions {
			c.installations[conditionKey{in.Namespace, in.Spec.AppRef.Name, condition.Type, string(condition.Status), condition.Reason}]++
		}
	}
	var meetings v1alpha1.ZoomMeetingList
	if err := cache.List(ctx, &meetings, client.UnsafeDisableDeepCopy); err != nil {
		return c, err
	}
	for i := range meetings.Items {
		m := &meetings.Items[i]
		if m.Status.State != "" {
			c.meetings[stateKey{m.Namespace, m.Spec.AppRef.Name, m.Status.State}]++
		}
	}
	return c, nil
}
