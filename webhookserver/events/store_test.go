package events_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/meeting"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/servertest"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// Every check reads the API server right after the answer: an answer is a promise.
func TestAcknowledgedMeansStored(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	servertest.CreateApp(t, c, namespace)
	r := servertest.StartReplica(t, namespace)
	z := r.Zoom(t, namespace)
	plan := fixture.Weekly("AccT_stored", "hOsT_stored", 82000000001)
	changed := plan
	changed.Topic, changed.Duration = "Réunion 日本語 🚒", 90
	held, ended := plan.Instance(fixture.MinutesAgo(5)), fixture.MinutesAgo(1)

	for _, step := range []struct {
		event zoomtest.Event
		check func(v1alpha1.ZoomMeetingSpec) bool
	}{
		{plan.Created(fixture.MinutesAgo(9)), func(s v1alpha1.ZoomMeetingSpec) bool {
			return s.AccountID == "AccT_stored" && s.HostID == "hOsT_stored" && s.MeetingID == "82000000001" &&
				s.Schedule.Topic == "Weekly sync" && s.Schedule.StartTime.Equal(&metav1.Time{Time: plan.Start}) && *s.Schedule.DurationMinutes == 60
		}},
		{plan.Updated(fixture.MinutesAgo(8), changed, ""), func(s v1alpha1.ZoomMeetingSpec) bool {
			return s.Schedule.Topic == "Réunion 日本語 🚒" && *s.Schedule.DurationMinutes == 90
		}},
		{plan.Deleted(fixture.MinutesAgo(7)), func(s v1alpha1.ZoomMeetingSpec) bool {
			return s.Removal != nil && s.Removal.Action == v1alpha1.RemovalDeleted
		}},
		{plan.Recovered(fixture.MinutesAgo(6)), func(s v1alpha1.ZoomMeetingSpec) bool {
			return s.Removal.Action == v1alpha1.RemovalRecovered
		}},
		{held.Started(), func(s v1alpha1.ZoomMeetingSpec) bool {
			return len(s.Instances) == 1 && s.Instances[0].UUID == held.UUID && s.Instances[0].EndedAt == nil &&
				s.Instances[0].StartedAt.Equal(&metav1.Time{Time: held.Start})
		}},
		{held.Ended(ended), func(s v1alpha1.ZoomMeetingSpec) bool {
			return len(s.Instances) == 1 && s.Instances[0].EndedAt.Equal(&metav1.Time{Time: ended})
		}},
	} {
		t.Run(step.event.Name, func(t *testing.T) {
			fixture.Send(t, z, step.event, http.StatusNoContent)
			stored := fixture.StoredMeeting(t, c, namespace, 82000000001)
			if !step.check(stored.Spec) {
				t.Errorf("right after the answer the API server has %+v", stored.Spec)
			}
			fixture.Send(t, z, step.event, http.StatusNoContent)
			if again := fixture.StoredMeeting(t, c, namespace, 82000000001); again.ResourceVersion != stored.ResourceVersion {
				t.Error("a duplicate cost a write")
			}
		})
	}
	in := fixture.StoredInstallation(t, c, namespace, "AccT_stored", "hOsT_stored")
	m := fixture.StoredMeeting(t, c, namespace, 82000000001)
	if m.Spec.InstallationRef.Name != in.Name || len(m.OwnerReferences) != 0 {
		t.Errorf("the meeting belongs to %q, want %s, and would go with %v", m.Spec.InstallationRef.Name, in.Name, m.OwnerReferences)
	}
}

func TestUnknownAccountsAreRecorded(t *testing.T) {
	for name, test := range map[string]struct {
		managedBy v1alpha1.ManagedBy
		user      string
		installed string // the name: app, dash, and the first ten digits of the SHA-256 of who consented
	}{
		"a user-managed app is consented to by the host": {
			// printf AccT_0001/hOsT_0001 | sha256sum
			managedBy: v1alpha1.ManagedByUser, user: "hOsT_0001", installed: "community-2198984996",
		},
		"an admin-managed app is consented to by the account": {
			// printf AccT_0001 | sha256sum
			managedBy: v1alpha1.ManagedByAdmin, installed: "community-a00f2c7b93",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, namespace := controlplane.Client(t), controlplane.Namespace(t)
			servertest.CreateApp(t, c, namespace, servertest.WithApp(func(spec *v1alpha1.ZoomAppSpec) { spec.ManagedBy = test.managedBy }))
			r := servertest.StartReplica(t, namespace)
			plan := fixture.Weekly("AccT_0001", "hOsT_0001", 82000000002)
			changed := plan
			changed.Topic = "Moved"
			z := r.Zoom(t, namespace)
			fixture.Send(t, z, plan.Created(fixture.MinutesAgo(3)), 204)
			r.UntilCached(t, fixture.StoredMeeting(t, c, namespace, plan.Number))
			// It names neither host nor uuid, and here another user changed it.
			updated := plan
			updated.Host = zoomtest.User{ID: "aDmIn_0001", Email: "admin@example.com"}
			after := changed
			after.Host = updated.Host
			fixture.Send(t, z, updated.Updated(fixture.MinutesAgo(2), after, ""), 204)

			list := fixture.Installations(t, c, namespace)
			if len(list) != 1 {
				t.Fatalf("there are %d installations, want 1", len(list))
			}
			in := list[0]
			want := v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: fixture.AppName}, AccountID: "AccT_0001", UserID: test.user}
			if diff := cmp.Diff(want, in.Spec); diff != "" {
				t.Errorf("spec (-want +got):\n%s", diff)
			}
			if in.Name != test.installed {
				t.Errorf("its name is %s, want %s", in.Name, test.installed)
			}
			if len(in.OwnerReferences) != 0 {
				t.Errorf("it would go with %v", in.OwnerReferences)
			}
			m := fixture.StoredMeeting(t, c, namespace, plan.Number)
			if m.Spec.Schedule.Topic != "Moved" || m.Spec.InstallationRef.Name != in.Name {
				t.Errorf("the change went to %q of %q", m.Spec.Schedule.Topic, m.Spec.InstallationRef.Name)
			}
			if len(m.OwnerReferences) != 0 {
				t.Errorf("the meeting would go with %v", m.OwnerReferences)
			}
		})
	}
}

func TestUnknownAccountsAreIgnoredOnRequest(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	app := servertest.CreateApp(t, c, namespace, servertest.WithApp(servertest.AdminManaged), servertest.WithApp(func(spec *v1alpha1.ZoomAppSpec) {
		spec.UnknownAccounts = v1alpha1.UnknownAccountsIgnore
	}))
	known := fixture.Installed(t, c, app, "customer", "AccT_known", "", time.Now().Add(-time.Hour))
	r := servertest.StartReplica(t, namespace)
	r.UntilCached(t, known)
	z := r.Zoom(t, namespace)
	fixture.Send(t, z, fixture.Weekly("AccT_unknown", "hOsT", 82000000003).Created(fixture.MinutesAgo(3)), 204)
	fixture.Send(t, z, fixture.Weekly("AccT_known", "hOsT", 82000000004).Created(fixture.MinutesAgo(3)), 204)
	if list := fixture.Meetings(t, c, namespace); len(list) != 1 || list[0].Spec.AccountID != "AccT_known" {
		t.Errorf("stored are %v", list)
	}
	if list := fixture.Installations(t, c, namespace); len(list) != 1 {
		t.Errorf("there are %d installations, want the one that was there", len(list))
	}
	if n := fixture.Counted(t, fixture.WebhooksTotal, "namespace", namespace, "reason", "unknown_account_ignored"); n != 1 {
		t.Errorf("%v events were counted as ignored, want 1", n)
	}
}

func TestRemovalsAreRecordedAndFinal(t *testing.T) {
	for name, form := range map[string]zoomtest.DeauthorizationForm{
		"the time is at the top":                zoomtest.TimeAtTop,
		"the time is in the payload":            zoomtest.TimeInPayload,
		"the time is a date in the payload":     zoomtest.DateInPayload,
		"the time is that of the removal alone": zoomtest.TimeMissing,
	} {
		t.Run(name, func(t *testing.T) {
			c, namespace := controlplane.Client(t), controlplane.Namespace(t)
			app := servertest.CreateApp(t, c, namespace)
			in := fixture.Installed(t, c, app, "customer", "AccT", "hOsT", time.Now().Add(-time.Hour))
			other := fixture.Installed(t, c, app, "colleague", "AccT", "hOsT_2", time.Now().Add(-time.Hour))
			r := servertest.StartReplica(t, namespace)
			r.UntilCached(t, in)
			r.UntilCached(t, other)
			z := r.Zoom(t, namespace)
			plan := fixture.Weekly("AccT", "hOsT", 82000000005)
			fixture.Send(t, z, plan.Created(fixture.MinutesAgo(50)), 204)
			before := fixture.StoredMeeting(t, c, namespace, plan.Number)

			removal := plan.Account.AppDeauthorized(fixture.MinutesAgo(5), "client", "hOsT", form)
			fixture.Send(t, z, removal, 204)
			read := func() *v1alpha1.ZoomInstallation {
				return fixture.Get(t, c, namespace, in.Name, &v1alpha1.ZoomInstallation{})
			}
			removed := read()
			if d := removed.Spec.Deauthorization; d == nil || d.UserID != "hOsT" || !d.At.Equal(&metav1.Time{Time: removal.Time}) {
				t.Fatalf("right after the answer, the removal is %v", d)
			}
			if got := fixture.Get(t, c, namespace, other.Name, &v1alpha1.ZoomInstallation{}); got.Spec.Deauthorization != nil {
				t.Error("the removal by one user removed another's")
			}
			r.UntilCached(t, removed)

			// An earlier one that comes late does not take the place of the later one, and a
			// duplicate writes nothing.
			fixture.Send(t, z, plan.Account.AppDeauthorized(fixture.MinutesAgo(40), "client", "hOsT", form), 204)
			fixture.Send(t, z, removal, 204)
			// What comes late of its meetings brings nothing back.
			fixture.Send(t, z, plan.Instance(fixture.MinutesAgo(20)).Started(), 204)
			fixture.Send(t, z, fixture.Weekly("AccT", "hOsT", 82000000006).Created(fixture.MinutesAgo(20)), 204)
			if diff := cmp.Diff(removed.Spec, read().Spec); diff != "" {
				t.Errorf("the installation changed (-before +after):\n%s", diff)
			}
			if list := fixture.Meetings(t, c, namespace); len(list) != 1 || list[0].ResourceVersion != before.ResourceVersion {
				t.Error("an event of a removed installation changed a meeting")
			}
			fixture.CountedOne(t, 1, "namespace", namespace, "reason", "installation_removed")

			// A customer who installs it again is back.
			asRemoved := client.MergeFrom(removed.DeepCopy())
			removed.Spec.Consent.At = metav1.NewTime(fixture.MinutesAgo(1))
			if err := c.Patch(t.Context(), removed, asRemoved); err != nil {
				t.Fatal(err)
			}
			r.UntilCached(t, removed)
			fixture.Send(t, z, removal, 204)
			fixture.Send(t, z, fixture.Weekly("AccT", "hOsT", 82000000006).Created(fixture.MinutesAgo(0)), 204)
			if list := fixture.Meetings(t, c, namespace); len(list) != 2 {
				t.Error("a customer who came back is still gone")
			}
		})
	}
}

// The signature's timestamp is all that some removals say of their time.
func TestRemovalWithoutAnyTime(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	app := servertest.CreateApp(t, c, namespace)
	in := fixture.Installed(t, c, app, "customer", "AccT", "hOsT", time.Now().Add(-time.Hour))
	r := servertest.StartReplica(t, namespace)
	r.UntilCached(t, in)
	body := []byte(`{"event":"app_deauthorized","payload":{"account_id":"AccT","user_id":"hOsT"}}`)
	now := time.Now()
	if got := fixture.Do(t, fixture.Request(t, http.MethodPost, r.Endpoint(namespace), body, fixture.Signed(fixture.SecretToken, now, body)...)); got.Status != 204 {
		t.Fatalf("got %d", got.Status)
	}
	in = fixture.Get(t, c, namespace, in.Name, in)
	if d := in.Spec.Deauthorization; d == nil || d.At.Unix() != now.Unix() {
		t.Errorf("the removal is %v", d)
	}
}

// A consent that the cache does not have yet ends all the same.
func TestRemovalOfAnInstallationThatTheCacheDoesNotHave(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	app := servertest.CreateApp(t, c, namespace, servertest.WithApp(servertest.AdminManaged))
	r := servertest.StartReplica(t, namespace, servertest.WithClient(servertest.Intercepted(interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if _, behind := list.(*v1alpha1.ZoomInstallationList); behind {
				return nil
			}
			return c.List(ctx, list, opts...)
		},
	})))
	in := fixture.Installed(t, c, app, "customer", "AccT", "", time.Now().Add(-time.Hour))
	fixture.Send(t, r.Zoom(t, namespace), zoomtest.Account{ID: "AccT"}.AppDeauthorized(fixture.MinutesAgo(1), "client", "aDmIn", zoomtest.TimeAtTop), 204)
	if in = fixture.Get(t, c, namespace, in.Name, in); in.Spec.Deauthorization == nil {
		t.Error("the removal was acknowledged and lost")
	}
}

// Zoom gives a number out again, 30 days after its last use. Ids are case-sensitive.
func TestNumberOfAnotherAccountIsAnotherMeeting(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	servertest.CreateApp(t, c, namespace, servertest.WithApp(servertest.AdminManaged))
	r := servertest.StartReplica(t, namespace)
	z := r.Zoom(t, namespace)
	first, second := fixture.Weekly("AccT_first", "hOsT_a", 82000000007), fixture.Weekly("accT_first", "hOsT_b", 82000000007)
	first.Topic, second.Topic = "first", "second"
	var events sync.WaitGroup
	for _, plan := range []zoomtest.Meeting{first, second} {
		events.Go(func() {
			for _, e := range []zoomtest.Event{plan.Created(fixture.MinutesAgo(9)), plan.Instance(fixture.MinutesAgo(5)).Started(), plan.Instance(fixture.MinutesAgo(5)).Ended(fixture.MinutesAgo(1))} {
				if status, err := z.Send(t.Context(), e); status != 204 || err != nil {
					t.Errorf("%s was answered %d, %v", e.Name, status, err)
				}
			}
		})
	}
	events.Wait()
	list := fixture.Meetings(t, c, namespace)
	if len(list) != 2 {
		t.Fatalf("there are %d meetings, want 2", len(list))
	}
	for _, m := range list {
		want := map[string]zoomtest.Meeting{"AccT_first": first, "accT_first": second}[m.Spec.AccountID]
		owner := fixture.StoredInstallation(t, c, namespace, m.Spec.AccountID, "")
		if m.Spec.Schedule.Topic != want.Topic || m.Spec.HostID != want.Host.ID || len(m.Spec.Instances) != 1 ||
			m.Spec.InstallationRef.Name != owner.Name {
			t.Errorf("%s of %s holds %+v", m.Name, m.Spec.AccountID, m.Spec)
		}
	}
}

// A name can be taken, by an admin or by a hash that happens to be the same. Nothing of one
// customer gets into another's.
func TestTakenNameIsNotShared(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	app := servertest.CreateApp(t, c, namespace, servertest.WithApp(servertest.AdminManaged))
	taken := fixture.Installed(t, c, app, names.Installation(fixture.AppName, "AccT_b", ""), "AccT_a", "", time.Now())
	r := servertest.StartReplica(t, namespace)
	r.UntilCached(t, taken)
	fixture.Send(t, r.Zoom(t, namespace), fixture.Weekly("AccT_b", "hOsT", 82000000008).Created(fixture.MinutesAgo(1)), 503)
	if list := fixture.Meetings(t, c, namespace); len(list) != 0 {
		t.Error("a meeting of one account was stored with another's installation")
	}
	if !strings.Contains(r.Logs.String(), "exists for another consent; delete it or give it another name") {
		t.Error("the log does not say what to do")
	}
}

// Two replicas get every event, in an order of their own and some of them twice; the object is as
// if one had got them in order.
func TestReplicasEndWithTheSame(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	servertest.CreateApp(t, c, namespace)
	replicas := []*servertest.Replica{servertest.StartReplica(t, namespace), servertest.StartReplica(t, namespace)}
	for round := range 3 {
		plan := fixture.Weekly("AccT", "hOsT", 82100000000+int64(round))
		history := historyOf(plan)
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 0))
		sent := slices.Concat(history, history[:len(history)/2])
		var replay sync.WaitGroup
		for _, r := range replicas {
			shuffled := slices.Clone(sent)
			random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			z := r.Zoom(t, namespace)
			for part := range slices.Chunk(shuffled, len(shuffled)/4) {
				replay.Go(func() {
					for _, e := range part {
						if status, err := z.Send(t.Context(), e); status != 204 || err != nil {
							t.Errorf("%s was answered %d, %v", e.Name, status, err)
						}
					}
				})
			}
		}
		replay.Wait()

		in := fixture.StoredInstallation(t, c, namespace, "AccT", "hOsT")
		var want v1alpha1.ZoomMeeting
		for _, e := range history {
			decoded, err := zoom.ParseEvent(e.Body)
			if err != nil {
				t.Fatal(err)
			}
			if err := meeting.Change(decoded, in, v1alpha1.ParticipantsCount)(&want); err != nil {
				t.Fatal(err)
			}
		}
		got := fixture.StoredMeeting(t, c, namespace, plan.Number)
		if !equality.Semantic.DeepEqual(want.Spec, got.Spec) {
			t.Errorf("with seed %d (-in order +by two replicas):\n%s", seed, cmp.Diff(want.Spec, got.Spec))
		}
	}
	if list := fixture.Installations(t, c, namespace); len(list) != 1 {
		t.Errorf("there are %d installations, want 1", len(list))
	}
}

// historyOf is what happens to a meeting, in order.
func historyOf(plan zoomtest.Meeting) []zoomtest.Event {
	renamed, longer := plan, plan
	renamed.Topic = "Renamed"
	longer.Topic, longer.Duration = "Renamed", 120
	history := []zoomtest.Event{
		plan.Created(fixture.MinutesAgo(100)), plan.Updated(fixture.MinutesAgo(95), renamed, ""), renamed.Updated(fixture.MinutesAgo(94), longer, ""),
		plan.Deleted(fixture.MinutesAgo(93)), plan.Recovered(fixture.MinutesAgo(92)),
	}
	for _, start := range []int{80, 60, 40} {
		held := longer.Instance(fixture.MinutesAgo(start))
		history = append(history, held.Started())
		for i := range 6 {
			who := zoomtest.Participant{UserID: strconv.Itoa(1000*start + i), User: zoomtest.User{ID: fmt.Sprintf("pArT_%d", i)}}
			history = append(history,
				held.ParticipantJoined(fixture.MinutesAgo(start-1-i), who), held.ParticipantLeft(fixture.MinutesAgo(start-8-i), who))
		}
		history = append(history, held.Ended(fixture.MinutesAgo(start-15)))
	}
	// Every event has a time of its own, as at Zoom.
	slices.SortStableFunc(history, func(a, b zoomtest.Event) int { return a.Time.Compare(b.Time) })
	return history
}
