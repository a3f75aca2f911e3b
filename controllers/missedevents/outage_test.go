package missedevents_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/index"
	"github.com/zoom-operator/zoom-operator/controllers/internal/zoomcalls"
	"github.com/zoom-operator/zoom-operator/controllers/missedevents"
	"github.com/zoom-operator/zoom-operator/internal/clouds"
	"github.com/zoom-operator/zoom-operator/internal/commit"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/meeting"
	"github.com/zoom-operator/zoom-operator/internal/missed"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/internal/quota"
	"github.com/zoom-operator/zoom-operator/internal/recording"
	"github.com/zoom-operator/zoom-operator/internal/tombstones"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/test/bubble"
	"github.com/zoom-operator/zoom-operator/test/chronicle"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

const (
	site         = "https://zoom.example"
	external     = "https://operator.example"
	cloud        = v1alpha1.Cloud("Test")
	clientSecret = "client-secret-0123456789-abcdefg"
	secretToken  = "secret-token-123456789"
	outage       = 3 * time.Hour
)

// plan is a day with an outage.
type plan struct {
	seed     uint64
	meetings int
	// begins is when the outage begins.
	begins time.Duration
	// whole means that nothing of the operator runs then; otherwise no webhook arrives, and the log
	// is read all the same.
	whole bool
	// late is for how long the log is not read after such an outage, while everything else goes on.
	late time.Duration
	// refuses is for how long since the outage begins a policy of the cluster allows nothing to be
	// written of one meeting.
	refuses time.Duration
	// permitted means that the log may be read.
	permitted bool
	log       zoomtest.WebhookLog
}

// firstNumber is that of the first meeting.
const firstNumber = "81000000000"

// outcome is what is shown of a day at its end.
type outcome struct {
	want, got map[string]chronicle.Truth
	lost      int
	record    missed.Record
	gap       time.Time // when the outage began
	err       error
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// play lets a day pass, in a bubble whose time passes by itself.
func (p plan) play(ctx context.Context) (o outcome) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var delivering sync.WaitGroup
	// The bubble began in 2000, whose milliseconds the operator does not take for Zoom's.
	bubble.Pass(26 * 365 * 24 * time.Hour)
	random := rand.New(rand.NewPCG(p.seed, 1))
	begin := time.Now().Truncate(time.Second).Add(time.Minute)
	outageBegins := begin.Add(p.begins)
	away := func() bool { return !time.Now().Before(outageBegins) && time.Now().Before(outageBegins.Add(outage)) }
	o.gap = outageBegins

	app := &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "app", UID: "app", CreationTimestamp: metav1.NewTime(begin.Add(-time.Minute))}, Spec: v1alpha1.ZoomAppSpec{
		ClientID: "client", Cloud: cloud, ManagedBy: v1alpha1.ManagedByAdmin, Participants: v1alpha1.ParticipantsCount, MaxEventAgeSeconds: 7200,
		Retention:                     v1alpha1.Retention{Meetings: 2000, Instances: 10, EndedSeconds: 7 * 24 * 3600},
		DeveloperCredentialsSecretRef: &v1alpha1.SecretReference{Name: "developer"},
	}}
	in := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "account", UID: "in"}, Spec: v1alpha1.ZoomInstallationSpec{
		AppRef: v1alpha1.AppReference{Name: "app"}, AccountID: "Account",
	}}
	installation.MergeConsent(&in.Spec, begin.Add(-time.Hour), nil)
	developer := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "developer"}, Type: v1alpha1.DeveloperSecretType, Data: map[string][]byte{
		"appID": []byte("aPp_1"), "clientID": []byte("developer"), "clientSecret": []byte(clientSecret), "accountID": []byte("developers"),
	}}
	retention := meeting.RetentionOf(app)
	// The controller of meetings is never late: what it may drop is dropped at once.
	compacted := func(ctx context.Context, c client.Client, obj client.Object) error {
		m, ok := obj.(*v1alpha1.ZoomMeeting)
		if !ok {
			return nil
		}
		var current v1alpha1.ZoomApp
		if err := c.Get(ctx, client.ObjectKeyFromObject(app), &current); err != nil {
			return err
		}
		if m = m.DeepCopy(); !meeting.Compact(time.Now(), m, meeting.RetentionOf(&current)) {
			return nil
		}
		return c.Update(ctx, m)
	}
	refused := func(obj client.Object) error {
		if since := time.Since(outageBegins); since < 0 || since >= p.refuses || obj.GetName() != names.Meeting("app", firstNumber) {
			return nil
		}
		return apierrors.NewForbidden(schema.GroupResource{Resource: "zoommeetings"}, obj.GetName(), errors.New("policy"))
	}
	c := interceptor.NewClient(fake.NewClientBuilder().WithScheme(controlplane.Scheme()).WithObjects(app, in, developer).
		WithIndex(in, index.App, func(client.Object) []string { return []string{"app"} }).
		WithIndex(in, "spec.accountID", func(client.Object) []string { return []string{in.Spec.AccountID} }).
		WithIndex(in, "spec.userID", func(client.Object) []string { return []string{in.Spec.UserID} }).Build(), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			if err := refused(obj); err != nil {
				return err
			}
			return errors.Join(c.Create(ctx, obj, opts...), compacted(ctx, c, obj))
		},
		Update: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.UpdateOption) error {
			if err := refused(obj); err != nil {
				return err
			}
			if err := c.Update(ctx, obj, opts...); err != nil {
				return err
			}
			return compacted(ctx, c, obj)
		},
	})
	recorder := recording.New(recording.Config{
		Live: c, Tombstones: tombstones.New(c, c, time.Now), Quota: quota.New(time.Now), Now: time.Now, Spoke: func(*v1alpha1.ZoomInstallation) {},
		Meetings:      &commit.Committer[*v1alpha1.ZoomMeeting]{Writer: c, Live: c, Cache: c, New: func() *v1alpha1.ZoomMeeting { return &v1alpha1.ZoomMeeting{} }},
		Installations: &commit.Committer[*v1alpha1.ZoomInstallation]{Writer: c, Live: c, Cache: c, New: func() *v1alpha1.ZoomInstallation { return &v1alpha1.ZoomInstallation{} }},
	})

	webhooks, err := zoomtest.New(zoomtest.Config{
		Endpoint: external + urls.Webhook("team", "app"), SecretToken: secretToken, Seed: p.seed,
		Transport: roundTripper(func(req *http.Request) (*http.Response, error) {
			status := http.StatusServiceUnavailable
			if !away() {
				body, err := io.ReadAll(req.Body)
				if err != nil {
					return nil, err
				}
				ev, err := recorder.Decode(body, time.Now())
				if err == nil && recorder.Record(req.Context(), app, ev) == nil {
					status = http.StatusNoContent
				}
			}
			return &http.Response{StatusCode: status, Body: http.NoBody}, nil
		}),
	})
	if err != nil {
		o.err = err
		return o
	}
	server, err := zoomtest.NewServer(zoomtest.ServerConfig{Users: []zoomtest.Login{{Account: zoomtest.Account{ID: "Account"}, User: zoomtest.User{ID: "host"}}}})
	if err != nil {
		o.err = err
		return o
	}
	scopes := []string{"user:read:user:admin"}
	if p.permitted {
		scopes = append(scopes, zoom.LogScopeAdmin)
	}
	o.err = errors.Join(
		server.Register(zoomtest.App{
			ClientID: "client", ID: "aPp_1", ClientSecrets: []string{clientSecret}, RedirectURLs: []string{external},
			Scopes: []string{"meeting:read:meeting:admin", "user:read:user:admin"}, AdminManaged: true, Webhooks: webhooks, WebhookLog: p.log,
		}),
		server.Register(zoomtest.App{ClientID: "developer", ClientSecrets: []string{clientSecret}, AccountID: "developers", Scopes: scopes}))
	if o.err != nil {
		return o
	}
	toZoom := zoom.NewHTTPClient()
	toZoom.Transport = roundTripper(func(req *http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		server.ServeHTTP(w, req)
		return w.Result(), nil
	})
	leader := func() *missedevents.Reconciler {
		return &missedevents.Reconciler{
			Client: c, Live: c, Zoom: toZoom, Clouds: clouds.Others{cloud: {WebURL: site, APIURL: site}}, Calls: &zoomcalls.Calls{Now: time.Now},
			Recorder: recorder, ExternalURL: external, Now: time.Now,
		}
	}

	o.want = map[string]chronicle.Truth{}
	for n := range p.meetings {
		number := 81_000_000_000 + int64(n)
		m := zoomtest.Meeting{
			Account: zoomtest.Account{ID: "Account"}, Host: zoomtest.User{ID: "host"}, Number: number, Topic: "Circle", Type: zoomtest.TypeScheduled,
			Start: begin, Duration: 30, Timezone: "UTC",
		}
		at := time.Duration(random.Int64N(int64(6 * time.Hour)))
		if n%2 == 1 { // of which Zoom gives up the beginning, and delivers the end
			at = p.begins + outage - 85*time.Minute - time.Duration(random.Int64N(int64(30*time.Minute)))
		}
		facts := chronicle.Of(random, m, begin.Add(at).Truncate(time.Second), func(i int) zoomtest.Participant {
			return zoomtest.Participant{UserID: strconv.Itoa(16_778_240 + 1024*i), UUID: fmt.Sprint("stay", i)}
		})
		o.want[names.Meeting("app", strconv.FormatInt(number, 10))] = chronicle.Tell(facts)
		delivering.Go(func() {
			for _, f := range facts {
				select {
				case <-time.After(time.Until(f.Event.Time)):
					webhooks.Deliver(ctx, f.Event)
				case <-ctx.Done():
					return
				}
			}
		})
	}
	defer func() {
		stop()
		delivering.Wait()
		webhooks.Wait()
	}()

	// Whoever leads reads the log; after an outage of everything it is another one.
	reader, end := leader(), begin.Add(13*time.Hour)
	for time.Now().Before(end) {
		if p.whole && away() {
			bubble.Pass(time.Until(outageBegins.Add(outage + p.late)))
			reader = leader()
		}
		result, err := reader.Reconcile(ctx, app)
		switch {
		case apierrors.IsForbidden(err): // as the queue does
			result.RequeueAfter = 5 * time.Second
		case err != nil:
			o.err = err
			return o
		}
		if until := time.Now().Add(result.RequeueAfter); p.whole && until.After(outageBegins) && time.Now().Before(outageBegins) {
			bubble.Pass(time.Until(outageBegins)) // its work is lost with it
			continue
		}
		bubble.Pass(max(result.RequeueAfter, time.Second)) // nothing comes of waiting for nothing
	}
	webhooks.Wait()
	o.lost = len(webhooks.Lost())

	o.got = map[string]chronicle.Truth{}
	var list v1alpha1.ZoomMeetingList
	var now v1alpha1.ZoomApp
	if o.err = errors.Join(c.List(ctx, &list), c.Get(ctx, client.ObjectKeyFromObject(app), &now)); o.err != nil {
		return o
	}
	for i := range list.Items {
		m := &list.Items[i]
		m.Status = meeting.Status(time.Now(), m, retention)
		o.got[m.Name] = chronicle.Shown(m)
	}
	o.record = missed.RecordOf(&now)
	switch stats := server.Stats(); {
	case len(stats.Violations) > 0:
		o.err = fmt.Errorf("violations: %q", stats.Violations)
	case stats.Requests[zoomtest.StepWebhookLog] > 400: // some thirty readings of a few pages each
		o.err = fmt.Errorf("the log was asked for %d times", stats.Requests[zoomtest.StepWebhookLog])
	}
	return o
}

// After an outage of three hours in a busy day, in which Zoom gives events up, every meeting is in
// the end what its events make it, whichever part of the operator was away. Without the right to
// read the log, the record says that it is refused.
func TestAnOutageOfThreeHours(t *testing.T) {
	lost := 0
	rapid.Check(t, func(rt *rapid.T) {
		p := plan{
			seed: rapid.Uint64().Draw(rt, "seed"), meetings: rapid.IntRange(1, 5).Draw(rt, "meetings"),
			begins: time.Duration(rapid.IntRange(0, 4*60).Draw(rt, "outage begins after minutes")) * time.Minute,
			whole:  rapid.Bool().Draw(rt, "everything is away"), permitted: rapid.IntRange(0, 9).Draw(rt, "permitted") > 0,
			late:    time.Duration(rapid.IntRange(0, 5*60).Draw(rt, "the log is read after minutes")) * time.Minute,
			refuses: time.Duration(rapid.IntRange(-60, 5*60).Draw(rt, "a policy refuses for minutes")) * time.Minute,
			log:     zoomtest.WebhookLog{OddTimes: rapid.Bool().Draw(rt, "odd times"), NewestFirst: rapid.Bool().Draw(rt, "newest first")},
		}
		var o outcome
		synctest.Test(t, func(t *testing.T) { o = p.play(t.Context()) })
		lost += o.lost
		diff := cmp.Diff(o.want, o.got)
		switch {
		case o.err != nil:
			rt.Fatal(o.err)
		case p.permitted && diff != "":
			rt.Fatalf("%d events were lost, and afterwards (-want +got):\n%s", o.lost, diff)
		case p.permitted && (o.record.Refused != nil || o.record.Gap != nil || len(o.record.Held) > 0 || o.record.Unusable > 0):
			rt.Fatalf("recorded is %+v", o.record)
		case !p.permitted && (o.record.Refused == nil || o.record.Refused.Reason != v1alpha1.ReasonNotPermitted || !o.record.Until.Before(o.gap)):
			rt.Fatalf("without permission it is recorded that %+v", o.record)
		}
	})
	if lost == 0 {
		t.Error("nothing was lost, which shows nothing")
	}
}
