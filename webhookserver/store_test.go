package webhookserver

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
	"github.com/zoom-operator/zoom-operator/internal/record"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// Every check reads the API server right after the answer: an answer is a promise.
func TestAcknowledgedMeansStored(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	createApp(t, c, namespace)
	r := startReplica(t, namespace)
	z := r.zoom(t, namespace)
	plan := weekly("AccT_stored", "hOsT_stored", 82000000001)
	changed := plan
	changed.Topic, changed.Duration = "Réunion 日本語 🚒", 90
	held, ended := plan.Instance(minutesAgo(5)), minutesAgo(1)

	for _, step := range []struct {
		event zoomtest.Event
		check func(v1alpha1.ZoomMeetingSpec) bool
	}{
		{plan.Created(minutesAgo(9)), func(s v1alpha1.ZoomMeetingSpec) bool {
			return s.AccountID == "AccT_stored" && s.HostID == "hOsT_stored" && s.MeetingID == "82000000001" &&
				s.Schedule.Topic == "Weekly sync" && s.Schedule.StartTime.Equal(&metav1.Time{Time: plan.Start}) && *s.Schedule.DurationMinutes == 60
		}},
		{plan.Updated(minutesAgo(8), changed, ""), func(s v1alpha1.ZoomMeetingSpec) bool {
			return s.Schedule.Topic == "Réunion 日本語 🚒" && *s.Schedule.DurationMinutes == 90
		}},
		{plan.Deleted(minutesAgo(7)), func(s v1alpha1.ZoomMeetingSpec) bool {
			return s.Removal != nil && s.Removal.Action == v1alpha1.RemovalDeleted
		}},
		{plan.Recovered(minutesAgo(6)), func(s v1alpha1.ZoomMeetingSpec) bool {
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
			send(t, z, step.event, http.StatusNoContent)
			stored := meeting(t, c, namespace, 82000000001)
			if !step.check(stored.Spec) {
				t.Errorf("right after the answer the API server has %+v", stored.Spec)
			}
			send(t, z, step.event, http.StatusNoContent)
			if again := meeting(t, c, namespace, 82000000001); again.ResourceVersion != stored.ResourceVersion {
				t.Error("a duplicate cost a write")
			}
		})
	}
	in := installation(t, c, namespace, "AccT_stored", "hOsT_stored")
	m := meeting(t, c, namespace, 82000000001)
	if m.Spec.InstallationRef.Name != in.Name || len(m.OwnerReferences) != 1 || m.OwnerReferences[0].UID != in.UID {
		t.Errorf("the meeting belongs to %q and %v, want %s", m.Spec.InstallationRef.Name, m.OwnerReferences, in.Name)
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
			app := createApp(t, c, namespace, withApp(func(spec *v1alpha1.ZoomAppSpec) { spec.ManagedBy = test.managedBy }))
			r := startReplica(t, namespace)
			plan := weekly("AccT_0001", "hOsT_0001", 82000000002)
			changed := plan
			changed.Topic = "Moved"
			z := r.zoom(t, namespace)
			send(t, z, plan.Created(minutesAgo(3)), 204)
			r.untilCached(t, meeting(t, c, namespace, plan.Number))
			// It names neither host nor uuid, and here somebody else changed it.
			updated := plan
			updated.Host = zoomtest.User{ID: "aDmIn_0001", Email: "admin@example.com"}
			after := changed
			after.Host = updated.Host
			send(t, z, updated.Updated(minutesAgo(2), after, ""), 204)

			list := installations(t, c, namespace)
			if len(list) != 1 {
				t.Fatalf("there are %d installations, want 1", len(list))
			}
			in := list[0]
			want := v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: appName}, AccountID: "AccT_0001", UserID: test.user}
			if diff := cmp.Diff(want, in.Spec); diff != "" {
				t.Errorf("spec (-want +got):\n%s", diff)
			}
			if in.Name != test.installed {
				t.Errorf("its name is %s, want %s", in.Name, test.installed)
			}
			if len(in.OwnerReferences) != 1 || in.OwnerReferences[0].UID != app.UID || in.OwnerReferences[0].Kind != "ZoomApp" {
				t.Errorf("it belongs to %v, want the app", in.OwnerReferences)
			}
			m := meeting(t, c, namespace, plan.Number)
			if m.Spec.Schedule.Topic != "Moved" || m.Spec.InstallationRef.Name != in.Name {
				t.Errorf("the change went to %q of %q", m.Spec.Schedule.Topic, m.Spec.InstallationRef.Name)
			}
			if m.OwnerReferences[0].UID != in.UID || m.OwnerReferences[0].Kind != "ZoomInstallation" {
				t.Errorf("the meeting belongs to %v, want the installation", m.OwnerReferences)
			}
		})
	}
}

func TestUnknownAccountsAreIgnoredOnRequest(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	app := createApp(t, c, namespace, withApp(adminManaged), withApp(func(spec *v1alpha1.ZoomAppSpec) {
		spec.UnknownAccounts = v1alpha1.UnknownAccountsIgnore
	}))
	known := installed(t, c, app, "customer", "AccT_known", "", time.Now().Add(-time.Hour))
	r := startReplica(t, namespace)
	r.untilCached(t, known)
	z := r.zoom(t, namespace)
	send(t, z, weekly("AccT_unknown", "hOsT", 82000000003).Created(minutesAgo(3)), 204)
	send(t, z, weekly("AccT_known", "hOsT", 82000000004).Created(minutesAgo(3)), 204)
	if list := meetings(t, c, namespace); len(list) != 1 || list[0].Spec.AccountID != "AccT_known" {
		t.Errorf("stored are %v", list)
	}
	if list := installations(t, c, namespace); len(list) != 1 {
		t.Errorf("there are %d installations, want the one that was there", len(list))
	}
	if n := counted(t, "namespace", namespace, "reason", "unknown_account_ignored"); n != 1 {
		t.Errorf("%v events were counted as ignored, want 1", n)
	}
}

// installed is an installation with a consent, under a name that an admin chose.
func installed(t testing.TB, c client.Client, app *v1alpha1.ZoomApp, name, account, user string, at time.Time) *v1alpha1.ZoomInstallation {
	t.Helper()
	in := &v1alpha1.ZoomInstallation{
		ObjectMeta: metav1.ObjectMeta{Namespace: app.Namespace, Name: name},
		Spec: v1alpha1.ZoomInstallationSpec{
			AppRef: v1alpha1.AppReference{Name: app.Name}, AccountID: account, UserID: user,
			Consent: &v1alpha1.Consent{At: metav1.NewTime(at)},
		},
	}
	if err := c.Create(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	return in
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
			app := createApp(t, c, namespace)
			in := installed(t, c, app, "customer", "AccT", "hOsT", time.Now().Add(-time.Hour))
			other := installed(t, c, app, "colleague", "AccT", "hOsT_2", time.Now().Add(-time.Hour))
			r := startReplica(t, namespace)
			r.untilCached(t, in)
			r.untilCached(t, other)
			z := r.zoom(t, namespace)
			plan := weekly("AccT", "hOsT", 82000000005)
			send(t, z, plan.Created(minutesAgo(50)), 204)
			before := meeting(t, c, namespace, plan.Number)

			removal := plan.Account.AppDeauthorized(minutesAgo(5), "client", "hOsT", form)
			send(t, z, removal, 204)
			read := func() *v1alpha1.ZoomInstallation { return get(t, c, namespace, in.Name, &v1alpha1.ZoomInstallation{}) }
			removed := read()
			if d := removed.Spec.Deauthorization; d == nil || d.UserID != "hOsT" || !d.At.Equal(&metav1.Time{Time: removal.Time}) {
				t.Fatalf("right after the answer, the removal is %v", d)
			}
			if got := get(t, c, namespace, other.Name, &v1alpha1.ZoomInstallation{}); got.Spec.Deauthorization != nil {
				t.Error("the removal by one user removed another's")
			}
			r.untilCached(t, removed)

			// An earlier one that comes late does not take the place of the later one, and a duplicate writes nothing.
			send(t, z, plan.Account.AppDeauthorized(minutesAgo(40), "client", "hOsT", form), 204)
			send(t, z, removal, 204)
			// What comes late of its meetings brings nothing back.
			send(t, z, plan.Instance(minutesAgo(20)).Started(), 204)
			send(t, z, weekly("AccT", "hOsT", 82000000006).Created(minutesAgo(20)), 204)
			if diff := cmp.Diff(removed.Spec, read().Spec); diff != "" {
				t.Errorf("the installation changed (-before +after):\n%s", diff)
			}
			if list := meetings(t, c, namespace); len(list) != 1 || list[0].ResourceVersion != before.ResourceVersion {
				t.Error("an event of a removed installation changed a meeting")
			}
			countedOne(t, 1, "namespace", namespace, "reason", "installation_removed")

			// Whoever installs it again is back.
			asRemoved := client.MergeFrom(removed.DeepCopy())
			removed.Spec.Consent.At = metav1.NewTime(minutesAgo(1))
			if err := c.Patch(t.Context(), removed, asRemoved); err != nil {
				t.Fatal(err)
			}
			r.untilCached(t, removed)
			send(t, z, removal, 204)
			send(t, z, weekly("AccT", "hOsT", 82000000006).Created(minutesAgo(0)), 204)
			if list := meetings(t, c, namespace); len(list) != 2 {
				t.Error("a customer who came back is still gone")
			}
		})
	}
}

// The signature's timestamp is all that some removals say of their time.
func TestRemovalWithoutAnyTime(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	app := createApp(t, c, namespace)
	in := installed(t, c, app, "customer", "AccT", "hOsT", time.Now().Add(-time.Hour))
	r := startReplica(t, namespace)
	r.untilCached(t, in)
	body := []byte(`{"event":"app_deauthorized","payload":{"account_id":"AccT","user_id":"hOsT"}}`)
	now := time.Now()
	if got := do(t, request(t, http.MethodPost, r.endpoint(namespace), body, signed(secretToken, now, body)...)); got.status != 204 {
		t.Fatalf("got %d", got.status)
	}
	in = get(t, c, namespace, in.Name, in)
	if d := in.Spec.Deauthorization; d == nil || d.At.Unix() != now.Unix() {
		t.Errorf("the removal is %v", d)
	}
}

// A consent that the cache does not have yet ends all the same.
func TestRemovalOfAnInstallationThatTheCacheDoesNotHave(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	app := createApp(t, c, namespace, withApp(adminManaged))
	r := startReplica(t, namespace, withClient(intercepted(interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if _, behind := list.(*v1alpha1.ZoomInstallationList); behind {
				return nil
			}
			return c.List(ctx, list, opts...)
		},
	})))
	in := installed(t, c, app, "customer", "AccT", "", time.Now().Add(-time.Hour))
	send(t, r.zoom(t, namespace), zoomtest.Account{ID: "AccT"}.AppDeauthorized(minutesAgo(1), "client", "aDmIn", zoomtest.TimeAtTop), 204)
	if in = get(t, c, namespace, in.Name, in); in.Spec.Deauthorization == nil {
		t.Error("the removal was acknowledged and lost")
	}
}

// Zoom gives a number out again, 30 days after its last use. Ids are case-sensitive.
func TestNumberOfAnotherAccountIsAnotherMeeting(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	createApp(t, c, namespace, withApp(adminManaged))
	r := startReplica(t, namespace)
	z := r.zoom(t, namespace)
	first, second := weekly("AccT_first", "hOsT_a", 82000000007), weekly("accT_first", "hOsT_b", 82000000007)
	first.Topic, second.Topic = "first", "second"
	var events sync.WaitGroup
	for _, plan := range []zoomtest.Meeting{first, second} {
		events.Go(func() {
			for _, e := range []zoomtest.Event{plan.Created(minutesAgo(9)), plan.Instance(minutesAgo(5)).Started(), plan.Instance(minutesAgo(5)).Ended(minutesAgo(1))} {
				if status, err := z.Send(t.Context(), e); status != 204 || err != nil {
					t.Errorf("%s was answered %d, %v", e.Name, status, err)
				}
			}
		})
	}
	events.Wait()
	list := meetings(t, c, namespace)
	if len(list) != 2 {
		t.Fatalf("there are %d meetings, want 2", len(list))
	}
	for _, m := range list {
		want := map[string]zoomtest.Meeting{"AccT_first": first, "accT_first": second}[m.Spec.AccountID]
		owner := installation(t, c, namespace, m.Spec.AccountID, "")
		if m.Spec.Schedule.Topic != want.Topic || m.Spec.HostID != want.Host.ID || len(m.Spec.Instances) != 1 ||
			m.Spec.InstallationRef.Name != owner.Name || m.OwnerReferences[0].UID != owner.UID {
			t.Errorf("%s of %s holds %+v", m.Name, m.Spec.AccountID, m.Spec)
		}
	}
}

// A name can be taken, by an admin or by a hash that happens to be the same. Nothing of one customer gets into another's.
func TestTakenNameIsNotShared(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	app := createApp(t, c, namespace, withApp(adminManaged))
	taken := installed(t, c, app, record.InstallationName(appName, "AccT_b", ""), "AccT_a", "", time.Now())
	r := startReplica(t, namespace)
	r.untilCached(t, taken)
	send(t, r.zoom(t, namespace), weekly("AccT_b", "hOsT", 82000000008).Created(minutesAgo(1)), 503)
	if list := meetings(t, c, namespace); len(list) != 0 {
		t.Error("a meeting of one account was stored with another's installation")
	}
	if !strings.Contains(r.logs.String(), "exists for another consent; delete it or give it another name") {
		t.Error("the log does not say what to do")
	}
}

// Two replicas get every event, in an order of their own and some of them twice; the object is as if one had got them in order.
func TestReplicasEndWithTheSame(t *testing.T) {
	c, namespace := controlplane.Client(t), controlplane.Namespace(t)
	createApp(t, c, namespace)
	replicas := []*replica{startReplica(t, namespace), startReplica(t, namespace)}
	for round := range 3 {
		plan := weekly("AccT", "hOsT", 82100000000+int64(round))
		history := historyOf(plan)
		seed := rand.Uint64()
		random := rand.New(rand.NewPCG(seed, 0))
		sent := slices.Concat(history, history[:len(history)/2])
		var replay sync.WaitGroup
		for _, r := range replicas {
			shuffled := slices.Clone(sent)
			random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			z := r.zoom(t, namespace)
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

		in := installation(t, c, namespace, "AccT", "hOsT")
		var want v1alpha1.ZoomMeeting
		for _, e := range history {
			decoded, err := zoom.ParseEvent(e.Body)
			if err != nil {
				t.Fatal(err)
			}
			if err := record.FoldMeeting(decoded, in, record.Policy{Participants: true})(&want); err != nil {
				t.Fatal(err)
			}
		}
		got := meeting(t, c, namespace, plan.Number)
		if !equality.Semantic.DeepEqual(want.Spec, got.Spec) {
			t.Errorf("with seed %d (-in order +by two replicas):\n%s", seed, cmp.Diff(want.Spec, got.Spec))
		}
	}
	if list := installations(t, c, namespace); len(list) != 1 {
		t.Errorf("there are %d installations, want 1", len(list))
	}
}

// historyOf is what happens to a meeting, in order.
func historyOf(plan zoomtest.Meeting) []zoomtest.Event {
	renamed, longer := plan, plan
	renamed.Topic = "Renamed"
	longer.Topic, longer.Duration = "Renamed", 120
	history := []zoomtest.Event{
		plan.Created(minutesAgo(100)), plan.Updated(minutesAgo(95), renamed, ""), renamed.Updated(minutesAgo(94), longer, ""),
		plan.Deleted(minutesAgo(93)), plan.Recovered(minutesAgo(92)),
	}
	for _, start := range []int{80, 60, 40} {
		held := longer.Instance(minutesAgo(start))
		history = append(history, held.Started())
		for i := range 6 {
			who := zoomtest.Participant{UserID: strconv.Itoa(1000*start + i), User: zoomtest.User{ID: fmt.Sprintf("pArT_%d", i)}}
			history = append(history,
				held.ParticipantJoined(minutesAgo(start-1-i), who), held.ParticipantLeft(minutesAgo(start-8-i), who))
		}
		history = append(history, held.Ended(minutesAgo(start-15)))
	}
	// Every event has a time of its own, as at Zoom.
	slices.SortStableFunc(history, func(a, b zoomtest.Event) int { return a.Time.Compare(b.Time) })
	return history
}
