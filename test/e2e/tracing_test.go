package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/internal/tracing"
	"github.com/zoom-operator/zoom-operator/test/cluster"
	"github.com/zoom-operator/zoom-operator/test/collector"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

const (
	zoomsTrace, zoomsSpan = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	strangersTrace        = "11111111111111111111111111111111"
)

// A receiver and a controller send their spans to a collector, the last ones when they end: of a
// consent, of a refresh, and of a webhook, whose trace is Zoom's and goes on to the status that the
// other process writes. Strangers begin none. Without the flag nothing is sent, whatever the
// environment says.
func TestTracing(t *testing.T) {
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000") // an hour: all are sent at the end
	c := collector.New(t)
	crew := hireKinds(t, []cluster.Kind{cluster.Receiver, cluster.Controller}, "--otlp-endpoint="+c.URL)
	a := crew.stage(t, nil)
	in := a.install(t, ana)
	a.makeDue(t, in)
	a.kubectl(t, "annotate", "zi", in.Name, v1alpha1.RetryAnnotation+"="+v1alpha1.RetryNow)
	within(t, settleWithin, func(ctx context.Context) error {
		token, err := tokens.Load(ctx, system.Client, in)
		if err == nil && (token == nil || token.IssuedAt.IsZero()) {
			err = errors.New("the token is not refreshed")
		}
		return err
	})
	a.healthy(t, in)

	m := plan(ana.Account.ID)
	m.Host = ana.User
	created := m.Created(now())
	for status, options := range map[int][]zoomtest.RequestOption{
		http.StatusUnauthorized:       {zoomtest.Unsigned()},
		http.StatusServiceUnavailable: {zoomtest.SignedWith("a guess")},
	} {
		a.sends(t, created, strangersTrace, status, options...)
	}
	a.sends(t, created, zoomsTrace, http.StatusNoContent)
	stored := a.becomesScheduled(t, m)
	if !strings.Contains(stored.Annotations[tracing.Annotation], zoomsTrace) {
		t.Errorf("the annotations of the meeting are %v", stored.Annotations)
	}
	dismiss(t, &crew.service)

	spans := c.Spans()
	for _, s := range spans {
		nowhere(t, "a span", s.Text)
		for _, private := range []string{mark, fmt.Sprint(m.Number), ana.Account.ID, ana.User.ID, "127.0.0.1", strangersTrace} {
			if strings.Contains(s.Text, private) {
				t.Errorf("a span holds %q: %s", private, s.Text)
			}
		}
	}
	want := []string{
		"consent: installed",
		"consent / ask who consented",
		"consent / exchange the code",
		"consent / store",
		"refresh: refreshed",
		"refresh / ask Zoom",
		"refresh / mark the token",
		"refresh / store the answer",
		"Zoom / webhook meeting.created: stored",
		"Zoom / webhook meeting.created / store",
		"Zoom / webhook meeting.created / store / status",
	}
	got := paths(spans)
	for _, path := range want {
		if !got[path] {
			t.Errorf("there is no %q", path)
		}
	}
	if t.Failed() {
		t.Log("all spans:\n", cmp.Diff(nil, got))
	}

	unasked := collector.New(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", unasked.URL)
	crew.flags = crew.flags[:len(crew.flags)-1]
	crew.start(t)
	a.known(t)
	next := plan(ana.Account.ID)
	next.Host = ana.User
	a.sends(t, next.Created(now()), zoomsTrace, http.StatusNoContent)
	if annotations := a.becomesScheduled(t, next).Annotations; annotations[tracing.Annotation] != "" {
		t.Errorf("without tracing a meeting has the annotations %v", annotations)
	}
	dismiss(t, &crew.service)
	if spans := unasked.Spans(); len(spans) > 0 {
		t.Errorf("without the flag %d spans are sent", len(spans))
	}
}

// sends hands over an event as a part of a trace of Zoom's.
func (a *oauthApp) sends(t *testing.T, e zoomtest.Event, trace string, want int, options ...zoomtest.RequestOption) {
	t.Helper()
	req, err := a.webhooks.Request(t.Context(), e.Body, options...)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Traceparent", "00-"+trace+"-"+zoomsSpan+"-01")
	req.Header.Set("Tracestate", "zoom="+confidential)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if err := resp.Body.Close(); err != nil || resp.StatusCode != want {
		t.Fatalf("the event is answered %d, want %d (%v)", resp.StatusCode, want, err)
	}
}

// becomesScheduled returns a meeting when its status is there.
func (a *oauthApp) becomesScheduled(t *testing.T, m zoomtest.Meeting) *v1alpha1.ZoomMeeting {
	t.Helper()
	obj := &v1alpha1.ZoomMeeting{}
	within(t, settleWithin, func(ctx context.Context) error {
		err := system.Client.Get(ctx, a.object(names.Meeting(a.key.Name, fmt.Sprint(m.Number))), obj)
		if err == nil && obj.Status.State != v1alpha1.MeetingScheduled {
			err = fmt.Errorf("the meeting is %q", obj.Status.State)
		}
		return err
	})
	return obj
}

// paths are the spans with those that they are in, and what came of them.
func paths(spans []collector.Span) map[string]bool {
	byID := map[string]collector.Span{}
	for _, s := range spans {
		byID[s.ID] = s
	}
	var path func(collector.Span) string
	path = func(s collector.Span) string {
		parent, there := byID[s.Parent]
		switch {
		case s.Parent == "":
			return s.Name
		case s.Parent == zoomsSpan && s.Trace == zoomsTrace:
			return "Zoom / " + s.Name
		case !there || parent.Trace != s.Trace:
			return "? / " + s.Name
		default:
			return path(parent) + " / " + s.Name
		}
	}
	all := map[string]bool{}
	for _, s := range spans {
		text := path(s)
		if s.Failed {
			text += " (failed)"
		}
		if reason := s.Attributes["zoom.reason"]; reason != "" {
			text += ": " + reason
		}
		all[text] = true
	}
	return all
}
