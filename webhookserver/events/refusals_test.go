package events

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/credentials"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/webhookserver/limits"
)

// attack is a request that is not taken, to an app of its own clock.
type attack struct {
	path    string
	body    []byte
	reader  io.Reader // in place of the body
	headers []string
	status  int
	mistake bool // it may be owed to one of ours
}

// Whatever is forged, unsigned or oversized changes nothing, and a thousand of each cost the API
// server no more than a read of the Secret in a second, whatever the answer. What may be Zoom's is
// answered so that it comes again.
func TestAttacksCostNothing(t *testing.T) {
	event := fixture.Weekly("AccT", "hOsT", 81).Created(fixture.Noon).Body
	future := fixture.Weekly("AccT", "hOsT", 81).Created(fixture.Noon.Add(time.Hour)).Body
	large := bytes.Repeat([]byte(" "), limits.MaxBody+1)
	broken := func() io.Reader { return readerFunc(func([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }) }
	ahead := fixture.Weekly("AccT", "hOsT", 81).Instance(fixture.Noon.Add(6 * time.Minute)).Started().Body
	for name, test := range map[string]attack{
		"a forged signature":                    {body: event, headers: fixture.Signed("forged", fixture.Noon, event), status: 503, mistake: true},
		"a forged signature from years ago":     {body: event, headers: fixture.Signed("forged", fixture.Noon.AddDate(-9, 0, 0), event), status: 503, mistake: true},
		"a forged signature of what is no JSON": {body: []byte("{"), headers: fixture.Signed("forged", fixture.Noon, []byte("{")), status: 503, mistake: true},
		"a forged challenge":                    {body: vector(t, "challenge.json"), headers: fixture.Signed("forged", fixture.Noon, nil), status: 503, mistake: true},
		"a body that is not the one signed":     {body: event, headers: fixture.Signed(fixture.SecretToken, fixture.Noon, future), status: 503, mistake: true},
		"no signature":                          {body: event, status: 401},
		"half a signature":                      {body: event, headers: fixture.Signed(fixture.SecretToken, fixture.Noon, event)[2:], status: 401},
		"a signature of another form":           {body: event, headers: []string{"x-zm-request-timestamp", "1", "x-zm-signature", "v1=" + strings.Repeat("0", 64)}, status: 401},
		"too much, signed":                      {body: large, headers: fixture.Signed(fixture.SecretToken, fixture.Noon, large), status: 413},
		"too much, forged":                      {body: large, headers: fixture.Signed("forged", fixture.Noon, large), status: 413},
		"too much, not signed":                  {body: large, status: 413},
		"a request that was recorded long ago":  {body: event, headers: fixture.Signed(fixture.SecretToken, fixture.Noon.Add(-3*time.Hour), event), status: 503, mistake: true},
		"an event of tomorrow":                  {body: future, headers: fixture.Signed(fixture.SecretToken, fixture.Noon, future), status: 503, mistake: true},
		"an event of six minutes hence":         {body: ahead, headers: fixture.Signed(fixture.SecretToken, fixture.Noon, ahead), status: 503, mistake: true},
		"half a body, forged":                   {reader: broken(), headers: fixture.Signed("forged", fixture.Noon, event), status: 503},
		"half a body, not signed":               {reader: broken(), status: 400},
		"no such app":                           {path: urls.Webhook("offline", "nobody"), body: event, headers: fixture.Signed("forged", fixture.Noon, event), status: 503, mistake: true},
		"no such namespace":                     {path: urls.Webhook("nowhere", fixture.AppName), body: event, headers: fixture.Signed("forged", fixture.Noon, event), status: 503, mistake: true},
		"no such app, not signed":               {path: urls.Webhook("offline", "nobody"), body: event, status: 404},
		"too much for no such app":              {path: urls.Webhook("offline", "nobody"), body: large, headers: fixture.Signed("forged", fixture.Noon, event), status: 413},
		"half a body for no such app":           {path: urls.Webhook("offline", "nobody"), reader: broken(), headers: fixture.Signed("forged", fixture.Noon, event), status: 503},
		"a name that none can have":             {path: urls.Webhook("offline", "NOBODY"), body: event, headers: fixture.Signed("forged", fixture.Noon, event), status: 404},
		"a namespace that none can have":        {path: urls.Webhook("a.b", fixture.AppName), body: event, headers: fixture.Signed("forged", fixture.Noon, event), status: 404},
	} {
		t.Run(name, func(t *testing.T) {
			app := fixture.AppOf("offline")
			_, c := newOffline(t, fixture.AtNoon, app, fixture.SecretToken)
			calls := countCalls(c)
			h := handlerOver(calls, c, calls, fixture.AtNoon)
			var log strings.Builder
			h.logger = funcr.New(func(_, args string) { log.WriteString(args + "\n") }, funcr.Options{})
			h.authenticator.credentials = credentials.NewSource(calls, fixture.AtNoon, h.logger)
			if test.path == "" {
				test.path = urls.Webhook("offline", fixture.AppName)
			}
			if len(test.body) == len(large) {
				h.slots = make(chan struct{}, 1) // one at a time is enough of those
			}
			for range 100 {
				if test.reader == nil {
					test.reader = bytes.NewReader(test.body)
				}
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, test.path, test.reader)
				for pair := range slices.Chunk(test.headers, 2) {
					r.Header.Set(pair[0], pair[1])
				}
				w := httptest.NewRecorder()
				serve(h).ServeHTTP(w, r)
				if w.Code != test.status || w.Body.Len() > 0 && test.status != 404 {
					t.Fatalf("answered %d %q, want %d", w.Code, w.Body, test.status)
				}
				if seeker, ok := test.reader.(io.Seeker); ok {
					_, _ = seeker.Seek(0, io.SeekStart)
				}
			}
			if n := len(fixture.Meetings(t, c, "offline")) + len(fixture.Installations(t, c, "offline")); n != 0 {
				t.Errorf("%d objects are stored", n)
			}
			if calls.reads > 1 || calls.writes > 0 {
				t.Errorf("%d reads and %d writes, want the Secret's alone", calls.reads, calls.writes)
			}
			lines := 0
			if test.mistake {
				lines = 1
			}
			if n := strings.Count(log.String(), "\n"); n != lines {
				t.Errorf("%d lines are logged, want %d:\n%s", n, lines, log.String())
			}
			h.heartbeat.reports.Flush(t.Context())
			h.heartbeat.reports.Flush(t.Context())
			if calls.reads > 2 || calls.writes > 1 {
				t.Errorf("with what is reported of them, %d reads and %d writes", calls.reads, calls.writes)
			}
		})
	}
}

// counting counts what the API server is asked.
type counting struct {
	client.WithWatch

	reads, writes int
}

func countCalls(c client.WithWatch) *counting {
	calls := &counting{}
	calls.WithWatch = interceptor.NewClient(c, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			calls.reads++
			return c.Get(ctx, key, obj, opts...)
		},
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			calls.reads++
			return c.List(ctx, list, opts...)
		},
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			calls.writes++
			return c.Create(ctx, obj, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.UpdateOption) error {
			calls.writes++
			return c.Update(ctx, obj, opts...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
			calls.writes++
			return c.SubResource(sub).Patch(ctx, obj, patch, opts...)
		},
	})
	return calls
}

func TestRefusedEventsAreCountedInRuns(t *testing.T) {
	at := func(minutes int) metav1.Time {
		return metav1.NewTime(fixture.Noon.Add(time.Duration(minutes) * time.Minute))
	}
	run := func(reason v1alpha1.RefusalReason, count int64, since, last int) v1alpha1.RefusedEvents {
		return v1alpha1.RefusedEvents{Reason: reason, Count: count, Since: at(since), LastAt: at(last)}
	}
	seen := func(count int64, first, last int) tally { return tally{count, at(first).Time, at(last).Time} }
	for name, test := range map[string]struct {
		status  []v1alpha1.RefusedEvents
		counted map[v1alpha1.RefusalReason]tally
		want    []v1alpha1.RefusedEvents
	}{
		"the first": {
			counted: map[v1alpha1.RefusalReason]tally{"WrongSignature": seen(3, 0, 1)},
			want:    []v1alpha1.RefusedEvents{run("WrongSignature", 3, 0, 1)},
		},
		"more of a run": {
			status:  []v1alpha1.RefusedEvents{run("WrongSignature", 3, 0, 1)},
			counted: map[v1alpha1.RefusalReason]tally{"WrongSignature": seen(2, 60, 61)},
			want:    []v1alpha1.RefusedEvents{run("WrongSignature", 5, 0, 61)},
		},
		"an hour without any ends it": {
			status:  []v1alpha1.RefusedEvents{run("WrongSignature", 3, 0, 1)},
			counted: map[v1alpha1.RefusalReason]tally{"WrongSignature": seen(2, 61, 62)},
			want:    []v1alpha1.RefusedEvents{run("WrongSignature", 2, 61, 62)},
		},
		"another replica saw earlier ones": {
			status:  []v1alpha1.RefusedEvents{run("WrongSignature", 3, 10, 20)},
			counted: map[v1alpha1.RefusalReason]tally{"WrongSignature": seen(2, 5, 15)},
			want:    []v1alpha1.RefusedEvents{run("WrongSignature", 5, 5, 20)},
		},
		"each reason is counted for itself": {
			status:  []v1alpha1.RefusedEvents{run("WrongSignature", 3, 0, 1)},
			counted: map[v1alpha1.RefusalReason]tally{"Stale": seen(1, 2, 2)},
			want:    []v1alpha1.RefusedEvents{run("Stale", 1, 2, 2), run("WrongSignature", 3, 0, 1)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, refusedEvents(test.status, test.counted)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// However many are refused, by however many replicas, they are written once in half a minute, and
// none is counted twice or forgotten.
func TestRefusedEventsAreReported(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	app := fixture.NewApp(t, c, namespace)
	watching, err := client.NewWithWatch(controlplane.Config(t), client.Options{Scheme: controlplane.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	calls := countCalls(watching)
	var ahead time.Duration
	start := time.Now()
	clock := func() time.Time { return start.Add(ahead) }
	one, two := newHeartbeat(calls, calls, clock, logr.Discard()), newHeartbeat(calls, calls, clock, logr.Discard())
	expect := func(step string, writes int, want map[v1alpha1.RefusalReason]int64) {
		t.Helper()
		got := map[v1alpha1.RefusalReason]int64{}
		for _, e := range fixture.Get(t, c, namespace, app.Name, &v1alpha1.ZoomApp{}).Status.RefusedEvents {
			got[e.Reason] = e.Count
			if d := e.Since.Sub(start); d > 0 || d < -time.Second {
				t.Errorf("%s: %s counts since %v, want %v", step, e.Reason, e.Since, start)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || calls.writes != writes {
			t.Errorf("%s: %d writes, want %d; counted (-want +got):\n%s", step, calls.writes, writes, diff)
		}
	}
	for range 5 {
		one.eventRefused(app, v1alpha1.RefusalWrongSignature)
	}
	one.reports.Flush(t.Context())
	expect("the first are reported at once", 1, map[v1alpha1.RefusalReason]int64{"WrongSignature": 5})
	for range 25 {
		ahead += time.Second
		one.eventRefused(app, v1alpha1.RefusalWrongSignature)
		two.eventRefused(app, v1alpha1.RefusalWrongSignature)
		one.reports.Flush(t.Context())
		two.reports.Flush(t.Context())
	}
	expect("for half a minute no more is written, by no replica", 1, map[v1alpha1.RefusalReason]int64{"WrongSignature": 5})
	ahead = 2 * reportEvery
	two.reports.Flush(t.Context())
	expect("then what one saw", 2, map[v1alpha1.RefusalReason]int64{"WrongSignature": 30})
	one.reports.Flush(t.Context()) // of these too, the last was half a minute ago
	expect("and what the other did", 3, map[v1alpha1.RefusalReason]int64{"WrongSignature": 55})

	turn := func(h *heartbeat, after time.Duration) {
		ahead += after
		h.eventRefused(app, v1alpha1.RefusalWrongSignature)
		h.reports.Flush(t.Context())
	}
	turn(one, reportEvery)
	turn(two, 10*time.Second)
	expect("one gives way to what another has just reported", 4, map[v1alpha1.RefusalReason]int64{"WrongSignature": 56})
	turn(one, reportEvery)
	turn(two, 10*time.Second)
	expect("but not again and again", 6, map[v1alpha1.RefusalReason]int64{"WrongSignature": 59})
}

// What an event says and no schema has room for is never taken. All else that the API server calls
// invalid may pass.
func TestNeverValid(t *testing.T) {
	kind := v1alpha1.SchemeGroupVersion.WithKind("ZoomMeeting").GroupKind()
	invalid := func(paths ...string) error {
		var list field.ErrorList
		for _, path := range paths {
			list = append(list, field.Invalid(field.NewPath(path), "x", "bad"))
		}
		return fmt.Errorf("storing: %w", apierrors.NewInvalid(kind, "m", list))
	}
	policy := &apierrors.StatusError{ErrStatus: metav1.Status{
		Reason: metav1.StatusReasonInvalid, Code: 422, Message: "ValidatingAdmissionPolicy 'freeze' with binding 'freeze' denied request: no changes today",
		Details: &metav1.StatusDetails{Causes: []metav1.StatusCause{{Message: "no changes today"}}},
	}}
	for name, test := range map[string]struct {
		err  error
		want int
	}{
		"a value that the schema has no room for": {invalid("spec.hostID"), 400},
		"two of them":                       {invalid("spec.hostID", "spec.schedule.topic"), 400},
		"something that is not the event's": {invalid("metadata.ownerReferences"), 503},
		"one of each":                       {invalid("spec.hostID", "metadata.labels"), 503},
		"an object that somebody else has made what is ": {invalid("spec"), 503},
		"nothing in particular":                          {invalid(), 503},
		"a policy of the cluster's":                      {policy, 503},
		"no room in the namespace":                       {apierrors.NewForbidden(v1alpha1.SchemeGroupVersion.WithResource("zoommeetings").GroupResource(), "m", errors.New("quota")), 503},
		"anything else":                                  {errors.New("away"), 503},
	} {
		t.Run(name, func(t *testing.T) {
			if got := responseTo(test.err); got.code != test.want {
				t.Errorf("answered %d, want %d", got.code, test.want)
			}
		})
	}
}
