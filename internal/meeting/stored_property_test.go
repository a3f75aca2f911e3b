package meeting

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/commit"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/test/bubble"
)

// unsteady is an API server that holds one object. Writes take their time, and now and then the
// answer to one is lost; caches are behind by any number of versions.
type unsteady struct {
	client.Writer // for the methods that are not called

	mu       sync.Mutex
	rng      *rand.Rand
	versions []*v1alpha1.ZoomMeeting
}

var errLostAnswer = errors.New("the answer was lost")

func (u *unsteady) Create(_ context.Context, obj client.Object, _ ...client.CreateOption) error {
	return u.write(obj, func(stored int) error {
		if stored > 0 {
			return apierrors.NewAlreadyExists(meetingResource, obj.GetName())
		}
		return nil
	})
}

func (u *unsteady) Update(_ context.Context, obj client.Object, _ ...client.UpdateOption) error {
	return u.write(obj, func(stored int) error {
		if obj.GetResourceVersion() != strconv.Itoa(stored) {
			return apierrors.NewConflict(meetingResource, obj.GetName(), nil)
		}
		return nil
	})
}

func (u *unsteady) write(obj client.Object, refuse func(stored int) error) error {
	bubble.Take(u.upTo(200 * time.Millisecond))
	u.mu.Lock()
	defer u.mu.Unlock()
	if err := refuse(len(u.versions)); err != nil {
		return err
	}
	obj.SetResourceVersion(strconv.Itoa(len(u.versions) + 1))
	u.versions = append(u.versions, obj.DeepCopyObject().(*v1alpha1.ZoomMeeting)) //nolint:forcetypeassert // nothing else is written
	if u.rng.IntN(8) == 0 {
		return errLostAnswer
	}
	return nil
}

func (u *unsteady) upTo(d time.Duration) time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	return time.Duration(u.rng.Int64N(int64(d)))
}

// reader reads the newest version, or any one.
type reader struct {
	*unsteady

	cache bool
}

func (r reader) Get(_ context.Context, key client.ObjectKey, obj client.Object, _ ...client.GetOption) error {
	bubble.Take(r.upTo(5 * time.Millisecond))
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := len(r.versions)
	if r.cache {
		seen = r.rng.IntN(seen + 1)
	}
	if seen == 0 {
		return apierrors.NewNotFound(meetingResource, key.Name)
	}
	r.versions[seen-1].DeepCopyInto(obj.(*v1alpha1.ZoomMeeting)) //nolint:forcetypeassert // nothing else is read
	return nil
}

func (reader) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return errors.New("nobody lists here")
}

var meetingResource = v1alpha1.SchemeGroupVersion.WithResource("zoommeetings").GroupResource()

var theMeeting = types.NamespacedName{Namespace: "team", Name: names.Meeting(testApp, testNumber)}

// arrival is an event that reaches one of two replicas, some time after the first one did.
type arrival struct {
	delivery

	replica int
	after   time.Duration
}

// deliver has two committers store what arrives, each event again until it is taken, and returns
// what is stored then.
func deliver(t *testing.T, seed uint64, arrivals []arrival) (stored v1alpha1.ZoomMeeting, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		u := &unsteady{rng: rand.New(rand.NewPCG(seed, 2))}
		var replicas [2]*commit.Committer[*v1alpha1.ZoomMeeting]
		for i := range replicas {
			replicas[i] = &commit.Committer[*v1alpha1.ZoomMeeting]{
				Writer: u, Live: reader{u, false}, Cache: reader{u, true}, New: func() *v1alpha1.ZoomMeeting { return &v1alpha1.ZoomMeeting{} },
			}
		}
		taken := make([]error, len(arrivals))
		var waiting sync.WaitGroup
		for i, a := range arrivals {
			waiting.Go(func() {
				bubble.Take(a.after)
				change := Change(a.event, installationOf(a.installation, ""), v1alpha1.ParticipantsCount)
				for attempt := range 20 {
					_, taken[i] = replicas[(a.replica+attempt)%len(replicas)].Commit(t.Context(), theMeeting, testAccount, commit.High, change)
					if taken[i] == nil {
						return
					}
					bubble.Take(time.Second)
				}
			})
		}
		waiting.Wait()
		bubble.Pass(10 * time.Second) // the bubble lasts until all queues are at rest
		if err = errors.Join(taken...); err == nil {
			err = reader{u, false}.Get(t.Context(), theMeeting, &stored)
		}
	})
	return stored, err
}

// However a history is split over two replicas, in whatever order, with every event twice if need
// be, and although their caches are behind and answers get lost: what is stored is what one would
// have stored in order.
func TestStoredSpecDoesNotDependOnTheReplicas(t *testing.T) {
	t.Parallel()
	for range 10 { // times rapid's hundred
		rapid.Check(t, func(rt *rapid.T) {
			history := drawHistory(rt)
			if len(history) == 0 {
				return
			}
			arrivals := make([]arrival, 0, len(history))
			for i, h := range disorder(rt, history) {
				arrivals = append(arrivals, arrival{
					delivery: h,
					replica:  rapid.IntRange(0, 1).Draw(rt, fmt.Sprintf("replica of %d", i)),
					after:    time.Duration(rapid.IntRange(0, 500).Draw(rt, fmt.Sprintf("ms until %d", i))) * time.Millisecond,
				})
			}
			var want v1alpha1.ZoomMeeting
			for _, h := range history {
				if err := Change(h.event, installationOf(h.installation, ""), v1alpha1.ParticipantsCount)(&want); err != nil {
					rt.Fatal(err)
				}
			}
			got, err := deliver(t, rapid.Uint64().Draw(rt, "seed"), arrivals)
			if err != nil {
				rt.Fatal(err)
			}
			if d := diff(*load(&want), *load(&got)); d != "" {
				rt.Fatalf("%d events (-in order +stored):\n%s", len(history), d)
			}
		})
	}
}
