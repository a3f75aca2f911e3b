package events

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
)

func TestHealthIsReported(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	app := fixture.NewApp(t, c, namespace)
	in := fixture.Installed(t, c, app, "customer", "AccT", "hOsT", time.Now())
	watching, err := client.NewWithWatch(controlplane.Config(t), client.Options{Scheme: controlplane.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	var writes int
	var failure error
	writer := interceptor.NewClient(watching, interceptor.Funcs{
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, opts ...client.SubResourcePatchOption) error {
			writes++
			if failure != nil {
				return failure
			}
			return c.SubResource(sub).Patch(ctx, obj, patch, opts...)
		},
	})
	start := time.Unix(1772442005, 0)
	now := start
	clock := func() time.Time { return now }
	one, two := newHeartbeat(writer, writer, clock, logr.Discard()), newHeartbeat(writer, writer, clock, logr.Discard())
	expect := func(step string, wantWrites int, event, validation, spoke time.Duration) {
		t.Helper()
		app, in := fixture.Get(t, c, namespace, app.Name, &v1alpha1.ZoomApp{}), fixture.Get(t, c, namespace, in.Name, &v1alpha1.ZoomInstallation{})
		for name, check := range map[string]struct {
			got  *metav1.Time
			want time.Duration
		}{
			"lastEventAt of the app": {app.Status.LastEventAt, event}, "endpointValidatedAt": {app.Status.EndpointValidatedAt, validation},
			"lastEventAt of the installation": {in.Status.LastEventAt, spoke},
		} {
			if check.want < 0 {
				if check.got != nil {
					t.Errorf("%s: %s is %v, want none", step, name, check.got)
				}
			} else if check.got == nil || !check.got.Time.Equal(start.Add(check.want)) {
				t.Errorf("%s: %s is %v, want %v", step, name, check.got, start.Add(check.want))
			}
		}
		if writes != wantWrites {
			t.Errorf("%s: %d writes, want %d", step, writes, wantWrites)
		}
	}
	ctx := t.Context()

	one.eventArrived(app)
	one.reports.Flush(ctx)
	expect("the first event is reported at once", 1, 0, -1, -1)

	for range 29 {
		now = now.Add(time.Second)
		one.eventArrived(app)
		one.reports.Flush(ctx)
	}
	expect("for half a minute no other is", 1, 0, -1, -1)

	one.endpointValidated(app)
	one.installationSpoke(in)
	if next := one.reports.Flush(ctx); next > time.Second {
		t.Errorf("the next report is due in a second, and is planned in %v", next)
	}
	expect("each time goes its own way, and leaves the others alone", 3, 0, 29*time.Second, 29*time.Second)

	now = now.Add(time.Second)
	one.reports.Flush(ctx)
	expect("then the latest is", 4, 29*time.Second, 29*time.Second, 29*time.Second)

	two.eventArrived(app)
	two.reports.Flush(ctx)
	expect("another replica keeps what it sees", 4, 29*time.Second, 29*time.Second, 29*time.Second)

	now = now.Add(reportEvery)
	two.endpointValidated(app)
	two.reports.Flush(ctx)
	expect("until the time is due, and nothing is lost", 6, 30*time.Second, 60*time.Second, 29*time.Second)

	late := newHeartbeat(writer, writer, func() time.Time { return start }, logr.Discard())
	late.eventArrived(app)
	late.endpointValidated(app)
	late.installationSpoke(in)
	late.reports.Flush(ctx)
	expect("a replica that is late does not turn the time back", 6, 30*time.Second, 60*time.Second, 29*time.Second)

	failure = errors.New("away")
	one.eventArrived(app)
	one.reports.Flush(ctx)
	expect("a report that fails", 7, 30*time.Second, 60*time.Second, 29*time.Second)
	failure = nil
	one.reports.Flush(ctx)
	expect("is not repeated at once", 7, 30*time.Second, 60*time.Second, 29*time.Second)
	now = now.Add(reportEvery)
	one.reports.Flush(ctx)
	expect("but in its turn", 8, 60*time.Second, 60*time.Second, 29*time.Second)

	if err := c.Delete(ctx, in); err != nil {
		t.Fatal(err)
	}
	one.installationSpoke(in)
	one.reports.Flush(ctx)
	if len(fixture.Installations(t, c, namespace)) != 0 {
		t.Error("a report brought an installation back")
	}

	owners := map[string]string{}
	for _, entry := range fixture.Get(t, c, namespace, app.Name, &v1alpha1.ZoomApp{}).ManagedFields {
		if entry.Subresource == "status" {
			owners[entry.Manager] = strings.ReplaceAll(string(entry.FieldsV1.GetRawBytes()), `".":{},`, "") // that there is a status
		}
	}
	if len(owners) != 2 || owners[ownerEvents] != `{"f:status":{"f:lastEventAt":{}}}` || owners[ownerValidation] != `{"f:status":{"f:endpointValidatedAt":{}}}` {
		t.Errorf("the owners are %v", owners)
	}
}

func TestJustReported(t *testing.T) {
	now := fixture.Noon
	for name, test := range map[string]struct {
		reported time.Time
		want     bool
	}{
		"never":                    {time.Time{}, false},
		"now":                      {now, true},
		"a moment ago":             {now.Add(-time.Nanosecond), true},
		"almost half a minute ago": {now.Add(time.Nanosecond - reportEvery), true},
		"half a minute ago":        {now.Add(-reportEvery), false},
		"an hour ago":              {now.Add(-time.Hour), false},
		"ahead of this clock":      {now.Add(time.Nanosecond), false},
	} {
		if got := justReported(test.reported, now); got != test.want {
			t.Errorf("reported %s: %t, want %t", name, got, test.want)
		}
	}
}

func TestLastRefused(t *testing.T) {
	at := func(minute int) v1alpha1.RefusedEvents {
		return v1alpha1.RefusedEvents{LastAt: metav1.NewTime(fixture.Noon.Add(time.Duration(minute) * time.Minute))}
	}
	if got := lastRefused(nil); !got.IsZero() {
		t.Errorf("without any, %v", got)
	}
	if got := lastRefused([]v1alpha1.RefusedEvents{at(1), at(3), at(2)}); !got.Equal(fixture.Noon.Add(3 * time.Minute)) {
		t.Errorf("of several, %v", got)
	}
}

// However many replicas see events, each time is written once in half a minute. What the others saw
// is not lost.
func TestHealthIsReportedOnceByAllReplicas(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	app := fixture.NewApp(t, c, namespace)
	var ahead time.Duration
	clock := func() time.Time { return time.Now().Add(ahead) }
	one, two := newHeartbeat(c, c, clock, logr.Discard()), newHeartbeat(c, c, clock, logr.Discard())
	reported := func() *metav1.Time {
		return fixture.Get(t, c, namespace, app.Name, &v1alpha1.ZoomApp{}).Status.LastEventAt
	}

	one.eventArrived(app)
	one.reports.Flush(t.Context())
	first := reported()
	if first == nil {
		t.Fatal("the first event is not reported")
	}
	ahead = 10 * time.Second
	two.eventArrived(app)
	two.reports.Flush(t.Context())
	if at := reported(); !at.Equal(first) {
		t.Errorf("ten seconds later another replica reports %v", at)
	}
	two.endpointValidated(app)
	two.reports.Flush(t.Context())
	if fixture.Get(t, c, namespace, app.Name, &v1alpha1.ZoomApp{}).Status.EndpointValidatedAt == nil {
		t.Error("the other time waits as well")
	}
	ahead = 10*time.Second + reportEvery
	two.reports.Flush(t.Context())
	if at := reported(); at == nil || at.Sub(first.Time) < 9*time.Second || at.Sub(first.Time) > reportEvery {
		t.Errorf("what the other replica saw is reported as %v, the first event as %v", at, first)
	}
}
