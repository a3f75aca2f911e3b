package scenarios

import (
	"errors"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/commit"
	"github.com/zoom-operator/zoom-operator/internal/meeting"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/zoom"
)

func TestMain(m *testing.M) { controlplane.Main(m) }

// All events arrive at once, at two replicas, and each at both of them.
func TestAPIServer(t *testing.T) {
	c := controlplane.Client(t)
	Run(t, aDay, func(t *testing.T, s *Scenario) string {
		t.Helper()
		namespace := controlplane.Namespace(t)
		app := &v1alpha1.ZoomApp{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: appName},
			Spec: v1alpha1.ZoomAppSpec{
				ClientID: "client", CredentialsSecretRef: v1alpha1.SecretReference{Name: "credentials"}, Distribution: v1alpha1.DistributionMarketplace,
			},
		}
		if err := c.Create(t.Context(), app); err != nil {
			t.Fatal(err)
		}
		for _, account := range s.Accounts {
			in := installation(account)
			in.Namespace = namespace
			if err := c.Create(t.Context(), in); err != nil {
				t.Fatal(err)
			}
		}
		var replicas [2]*commit.Committer[*v1alpha1.ZoomMeeting]
		for i := range replicas {
			replicas[i] = &commit.Committer[*v1alpha1.ZoomMeeting]{
				Writer: c, Live: c, Cache: c, New: func() *v1alpha1.ZoomMeeting { return &v1alpha1.ZoomMeeting{} },
			}
		}
		var wg sync.WaitGroup
		for i, e := range s.Events {
			ev, err := zoom.ParseEvent(e.Body)
			if err != nil {
				t.Fatal(err)
			}
			send := func(replica int) {
				if err := commitTo(t, replicas[replica], namespace, ev); err != nil {
					t.Errorf("%s: %v", ev.Name, err)
				}
			}
			if s.Ordered {
				send(i % 2)
				continue
			}
			wg.Go(func() { send(i % 2); send((i + 1) % 2) })
		}
		wg.Wait()
		return reconciled(t, s, c, namespace)
	})
}

// commitTo stores what an event changes.
func commitTo(t *testing.T, replica *commit.Committer[*v1alpha1.ZoomMeeting], namespace string, ev *zoom.Event) (err error) {
	t.Helper()
	change := meeting.Change(ev, installation(ev.AccountID), v1alpha1.ParticipantsCount)
	for _, name := range namesOf(ev) {
		key := types.NamespacedName{Namespace: namespace, Name: name}
		if _, err = replica.Commit(t.Context(), key, ev.AccountID, commit.High, change); !errors.Is(err, meeting.ErrAnotherAccount) {
			return err
		}
	}
	return err
}
