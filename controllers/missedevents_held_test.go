package controllers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/missedevents"
	"github.com/zoom-operator/zoom-operator/internal/clouds"
	"github.com/zoom-operator/zoom-operator/internal/missed"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// forbidding is a client of a cluster whose policy allows no meeting that it refuses.
func forbidding(t *testing.T, refuses func(*v1alpha1.ZoomMeeting) bool) client.Client {
	t.Helper()
	base, err := client.NewWithWatch(controlplane.Config(t), client.Options{Scheme: controlplane.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return interceptor.NewClient(base, interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
		if m, ok := obj.(*v1alpha1.ZoomMeeting); ok && refuses(m) {
			return apierrors.NewForbidden(schema.GroupResource{Resource: "zoommeetings"}, obj.GetName(), errors.New("policy"))
		}
		return c.Create(ctx, obj, opts...)
	}})
}

// follows has the log read whenever that is due, for so long, as the queue does: after an error
// soon. Each reading may be followed by something.
func (w *missedWorld) follows(t *testing.T, r *missedevents.Reconciler, d time.Duration, then func(missed.Record)) missed.Record {
	t.Helper()
	var record missed.Record
	for end := w.clock.Now().Add(d); w.clock.Now().Before(end); {
		result, err := r.Reconcile(t.Context(), w.app)
		if err != nil {
			result.RequeueAfter = 5 * time.Second
		}
		if err := w.get(t, w.app); err != nil {
			t.Fatal(err)
		}
		if record = missed.RecordOf(w.app); then != nil {
			then(record)
		}
		w.pass(max(result.RequeueAfter, time.Second))
	}
	return record
}

// An event that is refused for good is tried more and more seldom, spends no day's calls, and holds
// up nothing else; a week later it is lost, as one.
func TestMissedEventsThatAreRefusedForGood(t *testing.T) {
	w := newMissedWorld(t)
	w.consents(t, "user0")
	attempts := map[any]int{} // by when they were made
	r := w.reads(forbidding(t, func(m *v1alpha1.ZoomMeeting) bool { return m.Spec.MeetingID == "92" }), rewriting(t, func(a map[string]any) {
		if strings.Contains(fmt.Sprint(a["request_body"]), `"id":92,`) {
			if _, known := attempts[a["date_time"]]; !known {
				attempts[a["date_time"]] = len(attempts)
			}
			a["request_id"], a["retry_num"] = "one", attempts[a["date_time"]]
		}
	}, false))
	refused := planFor("user0", 92, w.clock.Now()).Created(w.clock.Now())
	for range 4 { // Zoom tries it again within 85 minutes, and the log has each attempt
		w.sends(t, false, refused)
		w.follows(t, r, 25*time.Minute, nil)
	}
	first := w.clock.Now().Add(-100 * time.Minute)
	asked := func() int { return w.zoom.Stats().Requests[zoomtest.StepWebhookLog] }
	for day := range 2 {
		w.sends(t, false, planFor("user0", int64(100+day), w.clock.Now()).Created(w.clock.Now()))
		begin, before := w.clock.Now(), asked()
		stored := time.Time{}
		record := w.follows(t, r, 24*time.Hour, func(record missed.Record) {
			if stored.IsZero() && record.Taken == day+1 {
				stored = w.clock.Now()
			}
			if now := w.clock.Now(); now.Sub(record.Until) > 15*time.Minute {
				t.Fatalf("at %s it is read up to %s", now, record.Until)
			}
		})
		if stored.IsZero() || stored.Sub(begin) > 15*time.Minute {
			t.Errorf("on day %d the event of another meeting is stored at %s, %+v", day, stored, record)
		}
		// Every ten or eleven minutes what is new is read.
		if n, most := asked()-before, 144+[]int{40, 10}[day]; n > most {
			t.Errorf("on day %d the log was asked for %d times, want %d at most", day, n, most)
		}
		if record.Gap != nil || record.Waiting() != 1 || record.Unusable > 0 {
			t.Errorf("on day %d it is recorded that %+v", day, record)
		}
	}
	w.clock.Set(first.Add(zoom.LogReach - 3*time.Hour))
	if record := w.follows(t, r, time.Hour, nil); record.Waiting() != 1 || record.Unusable > 0 {
		t.Errorf("in the end it is recorded that %+v", record)
	}
	record := w.follows(t, r, 5*time.Hour, nil)
	if record.Waiting() != 0 || record.Unusable != 1 || record.Taken != 2 || record.Gap != nil || !record.Stored().Equal(record.Until) {
		t.Errorf("later it is recorded that %+v", record)
	}
}

// Many events of one customer that are refused hold up nothing of another, and when they leave the
// log nothing is imported again: the log was read.
func TestMissedEventsOfACustomerWhoIsRefused(t *testing.T) {
	w := newMissedWorld(t)
	w.consents(t, "user0")
	w.consents(t, "user1")
	other := &v1alpha1.ZoomInstallation{}
	other.Namespace, other.Name = w.namespace, "user1"
	change(t, w.world, other, func(in *v1alpha1.ZoomInstallation) {
		in.Annotations = map[string]string{"internal.zoom-operator.io/import": "x"}
	})
	c := forbidding(t, func(m *v1alpha1.ZoomMeeting) bool { return m.Spec.HostID == "user0" })
	begin := w.clock.Now()
	const refused = 25
	for n := range int64(refused) {
		w.sends(t, false, planFor("user0", 100+n, w.clock.Now()).Created(w.clock.Now()))
		w.pass(4 * time.Minute)
	}
	w.sends(t, false, planFor("user1", 200, w.clock.Now()).Created(w.clock.Now()))
	w.pass(5 * time.Minute)
	if _, err := w.reads(c, nil).Reconcile(t.Context(), w.app); err == nil || !strings.Contains(err.Error(), "policy") {
		t.Errorf("the error is %v", err)
	}
	if l := w.list(t); len(l) != 1 || l[0].Spec.MeetingID != "200" {
		t.Errorf("%d meetings are stored, want that of the other customer", len(l))
	}
	// Another process, when they leave the log.
	w.clock.Set(begin.Add(zoom.LogReach - 10*time.Minute))
	record := w.follows(t, w.reads(c, nil), 3*time.Hour, nil)
	if record.Gap != nil || record.Waiting() > 0 || record.Taken != 1 || record.Unusable == 0 || record.Unusable > refused {
		t.Errorf("%+v", record)
	}
	if err := w.get(t, other); err != nil || len(other.Annotations) == 0 {
		t.Errorf("what was planned is read anew (%v)", err)
	}
}

// Where a part of the log cannot be read again, what waits in another part has its turn.
func TestMissedEventsThatCannotBeReadAgain(t *testing.T) {
	w := newMissedWorld(t)
	w.consents(t, "user0")
	var refuses atomic.Bool
	refuses.Store(true)
	unreadable := w.clock.Now()
	w.sends(t, false, planFor("user0", 92, unreadable).Created(unreadable))
	w.pass(90 * time.Minute)
	w.sends(t, false, planFor("user0", 93, w.clock.Now()).Created(w.clock.Now()))
	next := zoom.NewHTTPClient().Transport
	r := w.reads(forbidding(t, func(*v1alpha1.ZoomMeeting) bool { return refuses.Load() }), roundTripper(func(req *http.Request) (*http.Response, error) {
		if from, err := time.Parse(time.RFC3339, req.URL.Query().Get("from")); err == nil && !refuses.Load() && from.Sub(unreadable).Abs() < time.Minute {
			return nil, errors.New("the connection broke")
		}
		return next.RoundTrip(req)
	}))
	if record := w.follows(t, r, 30*time.Minute, nil); record.Waiting() != 2 || len(record.Held) != 2 {
		t.Fatalf("%+v", record)
	}
	refuses.Store(false)
	if record := w.follows(t, r, 2*time.Hour, nil); record.Waiting() != 1 || record.Taken != 1 || w.clock.Now().Sub(record.Until) > 20*time.Minute {
		t.Errorf("%+v", record)
	}
	if l := w.list(t); len(l) != 1 || l[0].Spec.MeetingID != "93" {
		t.Errorf("%d meetings are stored", len(l))
	}
}

// What an earlier version has recorded, while an event held it back, is read again once.
func TestMissedEventsThatAnEarlierVersionHeld(t *testing.T) {
	w := newMissedWorld(t)
	w.consents(t, "user0")
	held := w.clock.Now()
	w.sends(t, false, planFor("user0", 92, held).Created(held))
	w.pass(50 * time.Hour)
	change(t, w.world, w.app, func(app *v1alpha1.ZoomApp) {
		app.Annotations = map[string]string{missed.Annotation: fmt.Sprintf(`{"app":%q,"since":%[2]q,"until":%[2]q,"counted":%[3]q}`,
			app.UID, held.UTC().Format(time.RFC3339), w.clock.Now().Add(-5*time.Minute).UTC().Format(time.RFC3339))}
	})
	record, _ := w.recovers(t, w.reads(w, nil))
	if len(w.list(t)) != 1 || record.Taken != 1 || record.Waiting() > 0 || w.clock.Now().Sub(record.Stored()) > 5*time.Minute {
		t.Errorf("%d meetings are stored, %+v", len(w.list(t)), record)
	}
}

// Whenever the process ends, while an event has to wait and when it is read again, it is stored in
// the end.
func TestMissedEventsThatWaitOutliveTheProcess(t *testing.T) {
	killed := errors.New("killed")
	for n := int64(1); ; n++ {
		w := newMissedWorld(t)
		w.consents(t, "user0")
		var refuses atomic.Bool
		refuses.Store(true)
		policy := forbidding(t, func(m *v1alpha1.ZoomMeeting) bool { return m.Spec.MeetingID == "92" && refuses.Load() })
		var left atomic.Int64
		left.Store(n)
		step := func(do func() error) error {
			if left.Load() <= 0 {
				return killed
			}
			err := do()
			if left.Add(-1) == 0 {
				return killed
			}
			return err
		}
		w.sends(t, false, planFor("user0", 91, w.clock.Now()).Created(w.clock.Now()))
		w.pass(time.Minute)
		w.sends(t, false, planFor("user0", 92, w.clock.Now()).Created(w.clock.Now()))
		w.pass(time.Minute)
		w.sends(t, false, planFor("user0", 93, w.clock.Now()).Created(w.clock.Now()))
		w.pass(20 * time.Minute) // which is longer than what is read twice
		mortal := w.reads(stepping{policy, step}, nil)
		for range 3 {
			_, err := mortal.Reconcile(t.Context(), w.app)
			if w.pass(6 * time.Minute); err != nil && left.Load() > 0 && !strings.Contains(err.Error(), "policy") {
				t.Fatal(err)
			}
			refuses.Store(false)
		}
		r := w.reads(w, nil)
		w.recovers(t, r)
		w.pass(6 * time.Minute)
		record, _ := w.recovers(t, r)
		if len(w.list(t)) != 3 || record.Waiting() != 0 || !record.Stored().Equal(record.Until) {
			t.Fatalf("killed after %d steps: %d meetings are stored, %+v", n, len(w.list(t)), record)
		}
		if left.Load() > 0 {
			if n < 6 {
				t.Errorf("it was killed at %d steps only", n-1)
			}
			return
		}
	}
}

// stepping is a client each of whose changes is a step.
type stepping struct {
	client.Client

	step func(func() error) error
}

func (s stepping) Create(ctx context.Context, obj client.Object, opts ...client.CreateOption) error {
	return s.step(func() error { return s.Client.Create(ctx, obj, opts...) })
}

func (s stepping) Update(ctx context.Context, obj client.Object, opts ...client.UpdateOption) error {
	return s.step(func() error { return s.Client.Update(ctx, obj, opts...) })
}

func (s stepping) Patch(ctx context.Context, obj client.Object, patch client.Patch, opts ...client.PatchOption) error {
	return s.step(func() error { return s.Client.Patch(ctx, obj, patch, opts...) })
}

// Where the cloud of an app changes, nothing of the one is for the other: neither a token that is
// kept, nor that it refused.
func TestMissedEventsOfAnotherCloud(t *testing.T) {
	const another = v1alpha1.Cloud("Another")
	begin := func(t *testing.T, status int, body string) (w *missedWorld, r *missedevents.Reconciler, sent *[]string) {
		t.Helper()
		w, sent = newMissedWorld(t), &[]string{}
		next := zoom.NewHTTPClient().Transport
		r = w.reads(w, roundTripper(func(req *http.Request) (*http.Response, error) {
			if req.URL.Host != "another.example" {
				return next.RoundTrip(req)
			}
			*sent = append(*sent, req.Header.Get("Authorization"))
			return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
		}))
		r.Clouds = clouds.Others{another: {WebURL: "https://another.example", APIURL: "https://another.example"}}
		maps.Copy(r.Clouds, w.clouds)
		return w, r, sent
	}
	t.Run("a token", func(t *testing.T) {
		w, r, sent := begin(t, http.StatusNotFound, "")
		w.recovers(t, r)
		change(t, w.world, w.app, func(app *v1alpha1.ZoomApp) { app.Spec.Cloud = another })
		w.pass(20 * time.Minute)
		_, err := r.Reconcile(t.Context(), w.app)
		if len(*sent) == 0 {
			t.Errorf("nothing was sent to the other cloud (%v)", err)
		}
		for _, header := range *sent {
			if strings.HasPrefix(header, "Bearer ") {
				t.Errorf("the token of one cloud was sent to another (%v)", err)
			}
		}
	})
	t.Run("a refusal", func(t *testing.T) {
		w, r, _ := begin(t, http.StatusUnauthorized, `{"error":"invalid_client"}`)
		right := w.app.Spec.Cloud
		change(t, w.world, w.app, func(app *v1alpha1.ZoomApp) { app.Spec.Cloud = another })
		if record, _ := w.recovers(t, r); record.Refused == nil || record.Refused.Reason != v1alpha1.ReasonDeveloperCredentialsRejected {
			t.Fatalf("by the other cloud: %+v", record)
		}
		change(t, w.world, w.app, func(app *v1alpha1.ZoomApp) { app.Spec.Cloud = right })
		w.pass(time.Minute)
		if record, result := w.recovers(t, r); record.Refused != nil {
			t.Errorf("with the right cloud: %+v, again after %s", record.Refused, result.RequeueAfter)
		}
	})
}
