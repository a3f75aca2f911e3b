package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/tracing"
	"github.com/zoom-operator/zoom-operator/test/collector"
)

const (
	zoomTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	zoomSpan  = "00f067aa0ba902b7"
)

var (
	fromZoom = http.Header{"Traceparent": {"00-" + zoomTrace + "-" + zoomSpan + "-01"}}
	app      = &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Namespace: "community", Name: "groups"}}
	noon     = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	clock    = func() time.Time { return noon }
)

func newTracer(t *testing.T, endpoint string, ratio float64) *tracing.Tracer {
	t.Helper()
	o := tracing.Options{Endpoint: endpoint, Ratio: ratio}
	if err := o.Check(); err != nil {
		t.Fatal(err)
	}
	tracer, err := tracing.New(t.Context(), o, "v1.2.3", logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	return tracer
}

// schedule is a change as of an event, the same each time.
func schedule(topic string) func(*v1alpha1.ZoomMeeting) error {
	return func(m *v1alpha1.ZoomMeeting) error {
		m.Spec.Schedule = &v1alpha1.MeetingSchedule{Topic: topic}
		return nil
	}
}

// A trace goes from a webhook through the object that it changed to the status, with Zoom's span at
// the top.
func TestTraceThroughAnObject(t *testing.T) {
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	c := collector.New(t)
	receiver, controller := newTracer(t, c.URL, 1), newTracer(t, c.URL+"/", 1)

	ctx, answered := receiver.Webhook(t.Context(), fromZoom, noon, app, "meeting.created")
	storing, stored := tracing.Step(ctx, "store")
	m := &v1alpha1.ZoomMeeting{}
	if err := tracing.Carry(storing, clock, schedule("Weekly"))(m); err != nil {
		t.Fatal(err)
	}
	m.Generation = 1 // as the API server counts
	stored(nil)
	answered(http.StatusNoContent, "stored")
	_, written := controller.Status(t.Context(), noon.Add(time.Second), m)
	written(errors.New("a text that quotes a value"))
	receiver.Shutdown(t.Context())
	controller.Shutdown(t.Context())

	byName := map[string]collector.Span{}
	for _, s := range c.Spans() {
		byName[s.Name] = s
		if strings.Contains(s.Text, "quotes") {
			t.Errorf("a span has the text of an error: %s", s.Text)
		}
	}
	webhook, store, status := byName["webhook meeting.created"], byName["store"], byName["status"]
	type place struct {
		Trace, Parent string
		Failed        bool
	}
	got := []place{{webhook.Trace, webhook.Parent, webhook.Failed}, {store.Trace, store.Parent, store.Failed}, {status.Trace, status.Parent, status.Failed}}
	want := []place{{zoomTrace, zoomSpan, false}, {zoomTrace, webhook.ID, false}, {zoomTrace, store.ID, true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"k8s.namespace.name": "community", "zoom.app": "groups", "zoom.reason": "stored"}, webhook.Attributes); diff != "" {
		t.Errorf("attributes of the webhook (-want +got):\n%s", diff)
	}
	resource := strings.Join(c.Resources(), "\n")
	for _, part := range []string{"zoom-operator", "v1.2.3", "deployment.environment.name"} {
		if !strings.Contains(resource, part) {
			t.Errorf("the resource has no %s:\n%s", part, resource)
		}
	}
}

// Nothing else is written because of a trace, and what an object says goes with the next change.
func TestCarryAddsNoWrite(t *testing.T) {
	tracer := newTracer(t, collector.New(t).URL, 1)
	traced, answered := tracer.Webhook(t.Context(), nil, noon, app, "meeting.created")
	defer answered(http.StatusNoContent, "stored")

	plain := &v1alpha1.ZoomMeeting{Spec: v1alpha1.ZoomMeetingSpec{Schedule: &v1alpha1.MeetingSchedule{Topic: "Weekly"}}}
	m := plain.DeepCopy()
	refused := errors.New("refused")
	for _, err := range []error{
		tracing.Carry(traced, clock, schedule("Weekly"))(m),
		tracing.Carry(t.Context(), clock, schedule("Weekly"))(m),
		tracing.Carry(traced, clock, func(*v1alpha1.ZoomMeeting) error { return refused })(m),
	} {
		if err != nil && !errors.Is(err, refused) {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(plain, m); diff != "" {
		t.Errorf("a trace is written though nothing changed (-before +after):\n%s", diff)
	}

	change := func(ctx context.Context, topic string) {
		if err := tracing.Carry(ctx, clock, schedule(topic))(m); err != nil {
			t.Fatal(err)
		}
	}
	change(traced, "Biweekly")
	said := m.Annotations[tracing.Annotation]
	if said == "" {
		t.Fatal("a change that is traced does not say so")
	}
	change(t.Context(), "Monthly") // in the same write
	change(traced, "Monthly")      // which is so already
	if m.Annotations[tracing.Annotation] != said {
		t.Error("a trace is lost to another change in the same write, or given to one that there was none of")
	}
	m.Generation++
	change(t.Context(), "Monthly")
	if m.Annotations[tracing.Annotation] != said {
		t.Error("what changes nothing takes the annotation off, which is a write")
	}
	change(t.Context(), "Yearly")
	if _, there := m.Annotations[tracing.Annotation]; there {
		t.Error("a change outside of any trace leaves the one of before")
	}
}

// What has nothing to do with the change is not in its trace.
func TestStatusOfSomethingElse(t *testing.T) {
	c := collector.New(t)
	tracer := newTracer(t, c.URL, 1)
	good := fmt.Sprintf("%s 4 %d", fromZoom.Get("Traceparent"), noon.Unix())
	for said, when := range map[string]time.Time{
		good:                                     noon.Add(time.Hour), // because of the time of the day
		"00-4bf92f-00f0-01 ":                     noon,
		"nonsense 4 1":                           noon,
		strings.Replace(good, " 4 ", " 3 ", 1):   noon, // a later change
		strings.Replace(good, " 4 ", " one ", 1): noon,
	} {
		m := &v1alpha1.ZoomMeeting{ObjectMeta: metav1.ObjectMeta{Generation: 5, Annotations: map[string]string{tracing.Annotation: said}}}
		_, written := tracer.Status(t.Context(), when, m)
		written(nil)
	}
	_, written := tracer.Status(t.Context(), noon, &v1alpha1.ZoomMeeting{})
	written(nil)
	tracer.Shutdown(t.Context())
	if spans := c.Spans(); len(spans) > 0 {
		t.Errorf("these have a span: %v", spans)
	}
}

// Zoom marks each request as sampled; what is kept is the admin's to say, and two headers are none.
func TestSampling(t *testing.T) {
	c := collector.New(t)
	none, all := newTracer(t, c.URL, 0), newTracer(t, c.URL, 1)
	_, answered := none.Webhook(t.Context(), fromZoom, noon, app, "meeting.started")
	answered(http.StatusNoContent, "stored")
	_, answered = all.Webhook(t.Context(), http.Header{"Traceparent": append(fromZoom["Traceparent"], fromZoom["Traceparent"]...)}, noon, app, "meeting.ended")
	answered(http.StatusServiceUnavailable, "not_stored")
	none.Shutdown(t.Context())
	all.Shutdown(t.Context())
	spans := c.Spans()
	if len(spans) != 1 || spans[0].Name != "webhook meeting.ended" || spans[0].Trace == zoomTrace || !spans[0].Failed {
		t.Errorf("spans: %v", spans)
	}
}

// Off is a nil pointer away from nothing at all.
func TestOffCostsNothing(t *testing.T) {
	off := newTracer(t, "", 1)
	if off != nil {
		t.Fatal("there is a tracer without a collector")
	}
	m, failed, ctx := &v1alpha1.ZoomMeeting{}, errors.New("failed"), t.Context()
	change := tracing.Carry(ctx, clock, func(*v1alpha1.ZoomMeeting) error { return nil })
	allocations := testing.AllocsPerRun(100, func() {
		ctx, answered := off.Webhook(ctx, fromZoom, noon, app, "meeting.started")
		_, stored := tracing.Step(ctx, "store")
		if err := change(m); err != nil {
			panic(err)
		}
		stored(failed)
		answered(http.StatusServiceUnavailable, "not_stored")
		_, written := off.Status(ctx, noon, m)
		written(nil)
		_, ended := off.Consent(ctx, app)
		ended("installed")
		_, ended = off.Refresh(ctx, app)
		ended("refreshed")
	})
	off.Shutdown(ctx)
	if allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}

func TestOptionsThatAreWrong(t *testing.T) {
	for want, o := range map[string]tracing.Options{
		"--trace-sampling-ratio must be from 0 to 1, not 2":    {Ratio: 2},
		"--trace-sampling-ratio must be from 0 to 1, not NaN":  {Ratio: math.NaN()},
		"--trace-sampling-ratio must be from 0 to 1, not -0.1": {Ratio: -0.1},
		`not "collector:4317"`:                                 {Endpoint: "collector:4317"},
		`not "grpc://collector:4317"`:                          {Endpoint: "grpc://collector:4317"},
		"holds a user: what":                                   {Endpoint: "http://me:secret@collector"},
	} {
		if err := o.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", o, err, want)
		}
	}
}
