package record

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// server is an API server with a committer in front of it. The tests run in synctest's bubbles, where time passes only
// when everybody waits.
type server struct {
	client.WithWatch

	committer *Committer[*v1alpha1.ZoomMeeting]

	// beforeWrite is called with what is about to be written; its error is the answer.
	beforeWrite func(context.Context, *v1alpha1.ZoomMeeting) error

	mu                     sync.Mutex
	creates, updates, live int
}

var theMeeting = types.NamespacedName{Namespace: "team", Name: MeetingName(testApp, testNumber)}

// newServer holds these objects; its cache is up to date. The bubble lasts until all queues are at rest.
func newServer(t *testing.T, objects ...client.Object) *server {
	t.Helper()
	t.Cleanup(func() { time.Sleep(2 * remember) })
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	s := &server{}
	write := func(ctx context.Context, obj client.Object, count *int, do func() error) error {
		s.mu.Lock()
		*count++
		before := s.beforeWrite
		s.mu.Unlock()
		if before != nil {
			if err := before(ctx, obj.(*v1alpha1.ZoomMeeting)); err != nil { //nolint:forcetypeassert // nothing else is written
				return err
			}
		}
		return do()
	}
	s.WithWatch = fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.ZoomMeeting{}).WithObjects(objects...).Build()
	counted := interceptor.NewClient(s.WithWatch, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			return write(ctx, obj, &s.creates, func() error { return c.Create(ctx, obj, opts...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.UpdateOption) error {
			return write(ctx, obj, &s.updates, func() error { return c.Update(ctx, obj, opts...) })
		},
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			s.mu.Lock()
			s.live++
			s.mu.Unlock()
			return c.Get(ctx, key, obj, opts...)
		},
	})
	s.committer = &Committer[*v1alpha1.ZoomMeeting]{
		Writer: counted, Live: counted, Cache: s.WithWatch,
		New: func() *v1alpha1.ZoomMeeting { return &v1alpha1.ZoomMeeting{} },
	}
	return s
}

// calls is how often the API server was asked for what.
type calls struct{ Creates, Updates, Live int }

func (s *server) expect(t *testing.T, want calls) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := (calls{s.creates, s.updates, s.live}); got != want {
		t.Errorf("the API server was asked %+v, want %+v", got, want)
	}
}

// intercept replaces beforeWrite.
func (s *server) intercept(f func(context.Context, *v1alpha1.ZoomMeeting) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beforeWrite = f
}

// blockWrites makes writes wait until they are let through, one by one.
func (s *server) blockWrites() (let func()) {
	gate := make(chan struct{})
	s.intercept(func(context.Context, *v1alpha1.ZoomMeeting) error {
		<-gate
		return nil
	})
	return func() { gate <- struct{}{} }
}

func (s *server) stored(t *testing.T) *v1alpha1.ZoomMeeting {
	t.Helper()
	m := &v1alpha1.ZoomMeeting{}
	if err := s.Get(t.Context(), theMeeting, m); err != nil {
		t.Fatal(err)
	}
	return m
}

// snapshot is a cache that has stopped at these objects.
func snapshot(t *testing.T, objects ...client.Object) client.Reader {
	t.Helper()
	return newServer(t, objects...).WithWatch
}

// join is the change that one more participant makes.
func join(who int) func(*v1alpha1.ZoomMeeting) error {
	in := installation("in", "")
	return FoldMeeting(joined(who, who), in, keepAll)
}

func (s *server) commit(t *testing.T, change func(*v1alpha1.ZoomMeeting) error) (*v1alpha1.ZoomMeeting, error) {
	t.Helper()
	return s.committer.Commit(t.Context(), theMeeting, Ordinary, change)
}

// mustCommit stores changes one after the other.
func (s *server) mustCommit(t *testing.T, changes ...func(*v1alpha1.ZoomMeeting) error) {
	t.Helper()
	for _, c := range changes {
		if _, err := s.commit(t, c); err != nil {
			t.Fatal(err)
		}
	}
}

// answer is what a waiting request got.
type answer struct {
	stored *v1alpha1.ZoomMeeting
	err    error
}

// ask commits changes at the same time; the answers arrive once they are there.
func (s *server) ask(t *testing.T, changes ...func(*v1alpha1.ZoomMeeting) error) []<-chan answer {
	t.Helper()
	out := make([]<-chan answer, 0, len(changes))
	for _, c := range changes {
		done := make(chan answer, 1)
		out = append(out, done)
		go func() {
			m, err := s.committer.Commit(t.Context(), theMeeting, Ordinary, c)
			done <- answer{m, err}
		}()
	}
	return out
}

func answered(list []<-chan answer) int {
	n := 0
	for _, c := range list {
		n += len(c)
	}
	return n
}

func joins(t *testing.T, m *v1alpha1.ZoomMeeting) int32 {
	t.Helper()
	if len(m.Spec.Instances) == 0 {
		return 0
	}
	n, _ := CountParticipants(m.Spec.Instances[0].Attendance)
	return n.Joins
}

// meetingWith is an object as it is stored after these joined.
func meetingWith(t *testing.T, who ...int) *v1alpha1.ZoomMeeting {
	t.Helper()
	m := &v1alpha1.ZoomMeeting{ObjectMeta: metav1.ObjectMeta{Namespace: theMeeting.Namespace, Name: theMeeting.Name}}
	for _, w := range who {
		if err := join(w)(m); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func TestCommitCreatesThenUpdatesThenWritesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.mustCommit(t, join(1))
		s.expect(t, calls{Creates: 1})
		s.mustCommit(t, join(2))
		s.expect(t, calls{Creates: 1, Updates: 1})
		s.mustCommit(t, join(1), join(2), join(2))
		s.expect(t, calls{Creates: 1, Updates: 1})
		if d := cmp.Diff(meetingWith(t, 1, 2).Spec, s.stored(t).Spec); d != "" {
			t.Errorf("(-want +stored):\n%s", d)
		}
		time.Sleep(remember + time.Second) // in the bubble: until the queue is forgotten
		s.committer.mu.Lock()
		if n := len(s.committer.queues); n != 0 {
			t.Errorf("%d queues are left of an object at rest", n)
		}
		s.committer.mu.Unlock()
		s.mustCommit(t, join(1))
		s.expect(t, calls{Creates: 1, Updates: 1})
	})
}

func TestCommitReturnsWhatIsStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		for _, who := range []int{1, 2, 2} { // created, updated, left as it is
			got, err := s.commit(t, join(who))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(s.stored(t), got); d != "" {
				t.Errorf("(-stored +returned):\n%s", d)
			}
		}
	})
}

// Another replica wrote, and the cache has not noticed.
func TestCommitMergesIntoWhatAnotherWrote(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		there, cached []int // who joined, as stored and as cached; nil for no object
		want          calls
	}{
		"it updated the object":                        {[]int{1, 2}, []int{1}, calls{Updates: 2, Live: 1}},
		"it created the object":                        {[]int{1, 2}, nil, calls{Creates: 1, Updates: 1, Live: 1}},
		"it stored the very change":                    {[]int{1, 3}, []int{1}, calls{Updates: 1, Live: 1}},
		"somebody deleted the object":                  {nil, []int{1, 2}, calls{Updates: 1, Creates: 1, Live: 1}},
		"the cache knows the change, it costs nothing": {[]int{1, 2, 3}, []int{1, 2, 3}, calls{}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var there, cached []client.Object
				if tt.there != nil {
					m := meetingWith(t, tt.there...)
					m.ResourceVersion = "20"
					there = append(there, m)
				}
				if tt.cached != nil {
					m := meetingWith(t, tt.cached...)
					m.ResourceVersion = "10"
					cached = append(cached, m)
				}
				s := newServer(t, there...)
				s.committer.Cache = snapshot(t, cached...)
				s.mustCommit(t, join(3))
				s.expect(t, tt.want)
				want := slices.Compact(append(slices.Clone(tt.there), 3)) // of a deleted object only the new fact is left
				if d := cmp.Diff(meetingWith(t, want...).Spec, s.stored(t).Spec); d != "" {
					t.Errorf("(-want +stored):\n%s", d)
				}
			})
		})
	}
}

// An object that was deleted and created anew by another replica is another object: nothing of the old one comes back.
func TestCommitDoesNotBringADeletedObjectBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.mustCommit(t, join(1))
		if err := s.Delete(t.Context(), s.stored(t)); err != nil {
			t.Fatal(err)
		}
		s.mustCommit(t, join(2))
		if d := cmp.Diff(meetingWith(t, 2).Spec, s.stored(t).Spec); d != "" {
			t.Errorf("(-want +stored):\n%s", d)
		}
		s.expect(t, calls{Creates: 2, Updates: 1, Live: 1})
	})
}

func TestCommitStartsFromItsLastWriteWhileTheCacheIsBehind(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.committer.Cache = snapshot(t)
		for who := range 10 {
			s.mustCommit(t, join(who))
		}
		s.expect(t, calls{Creates: 1, Updates: 9})
		if n := joins(t, s.stored(t)); n != 10 {
			t.Errorf("%d joins are stored, want 10", n)
		}
	})
}

// Every write of the spec is followed by one of the status. It must not cost the next write of the spec a conflict.
func TestCommitStartsFromTheCacheOnceAControllerWroteTheStatus(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		for who := range 10 {
			s.mustCommit(t, join(who))
			m := s.stored(t)
			m.Status.State = v1alpha1.MeetingLive
			m.Status.Duration = strconv.Itoa(who) + "m"
			if err := s.Status().Update(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		s.expect(t, calls{Creates: 1, Updates: 9})
	})
}

// What arrives while a write is in flight goes into the next one, and is answered by that one.
func TestCommitGathersWhatArrivesDuringAWrite(t *testing.T) {
	t.Parallel()
	const gathered = 500
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		let := s.blockWrites()
		first := s.ask(t, join(0))
		synctest.Wait()
		var changes []func(*v1alpha1.ZoomMeeting) error
		for who := range gathered {
			changes = append(changes, join(who+1))
		}
		rest := s.ask(t, changes...)
		synctest.Wait()
		s.expect(t, calls{Creates: 1})

		let()
		synctest.Wait()
		if a, b := answered(first), answered(rest); a != 1 || b != 0 {
			t.Errorf("after the first write %d of the first and %d of the rest are answered", a, b)
		}
		if a := <-first[0]; a.err != nil || joins(t, a.stored) != 1 {
			t.Errorf("the first was answered %v", a.err)
		}
		time.Sleep(gather) // in the bubble
		let()
		for i, c := range rest {
			a := <-c
			if a.err != nil {
				t.Fatal(a.err)
			}
			again := a.stored.DeepCopy()
			if err := changes[i](again); err != nil {
				t.Fatal(err)
			}
			if !equality.Semantic.DeepEqual(a.stored, again) {
				t.Fatalf("change %d was answered by a write that does not contain it", i)
			}
		}
		s.expect(t, calls{Creates: 1, Updates: 1})
	})
}

func TestCommitWritesAHotObjectSeldom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		began := time.Now()
		var asked []<-chan answer
		for who := range 1000 { // one per millisecond
			asked = append(asked, s.ask(t, join(who))...)
			time.Sleep(time.Millisecond)
		}
		for _, c := range asked {
			if a := <-c; a.err != nil {
				t.Fatal(a.err)
			}
		}
		writes := s.creates + s.updates
		if most := int(time.Since(began)/gather) + 1; writes > most {
			t.Errorf("1000 changes cost %d writes, want no more than %d", writes, most)
		}
		if n, _ := CountParticipants(s.stored(t).Spec.Instances[0].Attendance); n.Precision != v1alpha1.PrecisionEstimated {
			t.Errorf("1000 joins are %+v, want an estimate", n)
		}
	})
}

func TestCommitBoundsWhatGoesIntoOneWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		let := s.blockWrites()
		first := s.ask(t, join(0))
		synctest.Wait()
		changes := make([]func(*v1alpha1.ZoomMeeting) error, maxBatch+1)
		for i := range changes {
			changes[i] = func(m *v1alpha1.ZoomMeeting) error {
				metav1.SetMetaDataAnnotation(&m.ObjectMeta, strconv.Itoa(i), "") // a set without bounds, in which none is superfluous
				return nil
			}
		}
		rest := s.ask(t, changes...)
		synctest.Wait()
		for i, want := range []int{1, 1 + maxBatch, 2 + maxBatch} {
			let()
			time.Sleep(gather) // in the bubble
			synctest.Wait()
			if n := answered(first) + answered(rest); n != want {
				t.Errorf("write %d answers %d in all, want %d", i+1, n, want)
			}
		}
		s.expect(t, calls{Creates: 1, Updates: 2})
	})
}

func TestCommitBoundsConcurrentWrites(t *testing.T) {
	t.Parallel()
	const objects = 3 * maxWrites
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		let := s.blockWrites()
		done := make(chan error, objects)
		for i := range objects {
			go func() {
				_, err := s.committer.Commit(t.Context(), types.NamespacedName{Namespace: "team", Name: fmt.Sprint("m", i)}, Ordinary, join(1))
				done <- err
			}()
		}
		synctest.Wait()
		s.expect(t, calls{Creates: maxWrites})
		for range objects {
			let()
		}
		for range objects {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		s.expect(t, calls{Creates: objects})
	})
}

func TestCommitAnswersAFoldErrorToItsCallerAlone(t *testing.T) {
	t.Parallel()
	refused := errors.New("not this one")
	refuse := func(*v1alpha1.ZoomMeeting) error { return refused }
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		let := s.blockWrites()
		first := s.ask(t, join(0))
		synctest.Wait()
		rest := s.ask(t, join(1), refuse, join(2))
		synctest.Wait()
		let()
		time.Sleep(gather)
		let()
		for i, c := range append(first, rest...) {
			a := <-c
			if refusal := i == 2; refusal != (a.err == refused) || !refusal && a.err != nil { //nolint:errorlint // as it is
				t.Errorf("change %d was answered %v", i, a.err)
			}
		}
		s.expect(t, calls{Creates: 1, Updates: 1})
		if d := cmp.Diff(meetingWith(t, 0, 1, 2).Spec, s.stored(t).Spec); d != "" {
			t.Errorf("(-want +stored):\n%s", d)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		if _, err := s.commit(t, refuse); err != refused { //nolint:errorlint // as it is
			t.Errorf("alone it was answered %v", err)
		}
		s.expect(t, calls{})
	})
}

// A write that fails is answered to everybody in it, and none of it turns up in a later one.
func TestCommitForgetsWhatCouldNotBeStored(t *testing.T) {
	t.Parallel()
	down := apierrors.NewInternalError(errors.New("etcd is away"))
	refused := errors.New("not this one")
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.mustCommit(t, join(0))
		time.Sleep(gather)
		gate := make(chan struct{})
		s.intercept(func(context.Context, *v1alpha1.ZoomMeeting) error {
			<-gate
			return down
		})
		first := s.ask(t, join(1))
		synctest.Wait()
		rest := s.ask(t, join(2), func(*v1alpha1.ZoomMeeting) error { return refused }, join(3))
		synctest.Wait()
		close(gate)
		for i, c := range append(first, rest...) {
			a := <-c
			if own := i == 2; own && a.err != refused || !own && !apierrors.IsInternalError(a.err) { //nolint:errorlint // as it is
				t.Errorf("change %d was answered %v", i, a.err)
			}
		}
		s.intercept(nil)
		s.mustCommit(t, join(4))
		if d := cmp.Diff(meetingWith(t, 0, 4).Spec, s.stored(t).Spec); d != "" {
			t.Errorf("(-want +stored):\n%s", d)
		}
	})
}

// A write whose answer was lost may have been stored. What is sent again is merged into what is there.
func TestCommitAfterALostAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.committer.Cache = snapshot(t)
		s.intercept(func(ctx context.Context, m *v1alpha1.ZoomMeeting) error {
			if err := s.Create(ctx, m.DeepCopy()); err != nil {
				return err
			}
			return errors.New("connection reset by peer")
		})
		if _, err := s.commit(t, join(1)); err == nil {
			t.Error("stored without an answer")
		}
		s.intercept(nil)
		s.mustCommit(t, join(1), join(2))
		if d := cmp.Diff(meetingWith(t, 1, 2).Spec, s.stored(t).Spec); d != "" {
			t.Errorf("(-want +stored):\n%s", d)
		}
	})
}

func TestCommitGivesUpOnAServerThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "zoommeetings"}, theMeeting.Name, nil)
	for name, before := range map[string]func(context.Context, *v1alpha1.ZoomMeeting) error{
		"it says nothing": func(ctx context.Context, _ *v1alpha1.ZoomMeeting) error {
			<-ctx.Done()
			return ctx.Err()
		},
		"somebody else always writes first": func(ctx context.Context, _ *v1alpha1.ZoomMeeting) error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			time.Sleep(10 * time.Millisecond)
			return conflict
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, meetingWith(t, 1))
				s.intercept(before)
				began := time.Now()
				_, err := s.commit(t, join(2))
				if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > writeTimeout+10*time.Millisecond {
					t.Errorf("answered %v after %s", err, took)
				}
			})
		})
	}
}

func TestCommitWhoseCallerGivesUpIsStoredAllTheSame(t *testing.T) {
	t.Parallel()
	gone := errors.New("the connection is gone")
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		let := s.blockWrites()
		first := s.ask(t, join(0))
		synctest.Wait()
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(gone)
		if _, err := s.committer.Commit(ctx, theMeeting, Ordinary, join(1)); !errors.Is(err, gone) {
			t.Errorf("answered %v, want %v", err, gone)
		}
		second := s.ask(t, join(2))
		synctest.Wait()
		let()
		time.Sleep(gather)
		let()
		for _, c := range append(first, second...) {
			if a := <-c; a.err != nil {
				t.Error(a.err)
			}
		}
		if d := cmp.Diff(meetingWith(t, 0, 1, 2).Spec, s.stored(t).Spec); d != "" {
			t.Errorf("(-want +stored):\n%s", d)
		}
	})
}

// An event that nobody thought of is refused, and takes no other with it.
func TestCommitOutlivesAPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		let := s.blockWrites()
		first := s.ask(t, join(0))
		synctest.Wait()
		poison := s.ask(t, func(m *v1alpha1.ZoomMeeting) error {
			m.Spec.AccountID = "half a change"
			panic("Jane Doe <jane@example.org>")
		})
		second := s.ask(t, join(1))
		synctest.Wait()
		let()
		time.Sleep(gather)
		let()
		for _, c := range append(first, second...) {
			if a := <-c; a.err != nil {
				t.Error(a.err)
			}
		}
		a := <-poison[0]
		if !errors.Is(a.err, errPanicked) || !strings.Contains(a.err.Error(), "committer_test.go") || strings.Contains(a.err.Error(), "jane") {
			t.Errorf("the change that panicked is answered %v", a.err)
		}
		if d := cmp.Diff(meetingWith(t, 0, 1).Spec, s.stored(t).Spec); d != "" {
			t.Errorf("(-want +stored):\n%s", d)
		}
		if _, err := s.commit(t, func(*v1alpha1.ZoomMeeting) error { panic("again") }); !errors.Is(err, errPanicked) {
			t.Errorf("alone, it is answered %v", err)
		}
	})
}

// When too much waits, participants' events are refused first, and what matters most last. What was taken is stored.
func TestCommitShedsByClass(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		let := s.blockWrites()
		first := s.ask(t, join(0))
		synctest.Wait()

		ctx, cancel := context.WithCancel(t.Context())
		cancel() // so that nobody waits
		fill := func(class Class, upTo int) {
			t.Helper()
			for s.committer.waiting < upTo {
				if _, err := s.committer.Commit(ctx, theMeeting, class, join(1)); !errors.Is(err, context.Canceled) {
					t.Fatalf("class %d, %d wait: %v", class, s.committer.waiting, err)
				}
			}
			if _, err := s.committer.Commit(ctx, theMeeting, class, join(1)); !errors.Is(err, ErrOverloaded) {
				t.Errorf("class %d is taken though %d wait: %v", class, s.committer.waiting, err)
			}
		}
		fill(Participants, maxWaiting*4/5)
		fill(Ordinary, maxWaiting*19/20)
		fill(Essential, maxWaiting)

		let()
		if a := <-first[0]; a.err != nil {
			t.Error(a.err)
		}
		s.intercept(nil)
		time.Sleep(time.Minute) // in the bubble: until all is written
		s.committer.mu.Lock()
		if s.committer.waiting != 0 {
			t.Errorf("%d still wait", s.committer.waiting)
		}
		s.committer.mu.Unlock()
		if n := joins(t, s.stored(t)); n != 2 {
			t.Errorf("%d joins are stored, want 2", n)
		}
		s.mustCommit(t, join(2))
	})
}

// What could not be written within the time that Zoom waits is refused at once, so that the writes are for those who
// still wait.
func TestCommitRefusesWhatCannotBeStoredInTime(t *testing.T) {
	t.Parallel()
	const slow, burst = time.Second, 10 * maxWrites
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.intercept(func(context.Context, *v1alpha1.ZoomMeeting) error {
			time.Sleep(slow) // in the bubble
			return nil
		})
		ask := func(class Class, object string) <-chan error {
			done := make(chan error, 1)
			asked := time.Now()
			go func() {
				_, err := s.committer.Commit(t.Context(), types.NamespacedName{Namespace: "team", Name: object}, class, join(1))
				if took := time.Since(asked); err == nil && took > writeTimeout {
					err = fmt.Errorf("stored after %s", took)
				}
				done <- err
			}()
			synctest.Wait()
			return done
		}
		for i := range 4 * maxWrites { // which is how it learns how long a write takes
			ask(Ordinary, fmt.Sprint("before", i))
		}
		time.Sleep(time.Minute) // in the bubble: until they are written

		var taken []<-chan error
		refused, last := 0, ""
		for i := range burst {
			name := fmt.Sprint("meeting", i)
			done := ask(Participants, name)
			if len(done) == 0 {
				taken, last = append(taken, done), name
				continue
			}
			if err := <-done; !errors.Is(err, ErrOverloaded) {
				t.Fatal(err)
			}
			refused++
		}
		if len(taken) < maxWrites || refused == 0 {
			t.Errorf("%d are taken and %d refused", len(taken), refused)
		}
		taken = append(taken, ask(Participants, last), ask(Essential, "essential"))
		for i, done := range taken {
			if err := <-done; err != nil {
				t.Errorf("%d of %d: %v", i, len(taken), err)
			}
		}
		time.Sleep(time.Minute) // in the bubble
		if err := <-ask(Participants, "afterwards"); err != nil {
			t.Errorf("when nothing waits any more: %v", err)
		}
	})
}

// A fold that refuses the object as it is cached is asked again about the object as it is.
func TestCommitDoesNotRefuseBecauseOfAnOldObject(t *testing.T) {
	t.Parallel()
	foreign := meetingWith(t, 7)
	foreign.Spec.AccountID = "somebody else's"
	foreign.ResourceVersion = "10"
	tests := map[string]struct {
		there []client.Object
		err   error
		want  calls
	}{
		"it is gone by now": {nil, nil, calls{Creates: 1, Live: 1}},
		"it is still there": {[]client.Object{foreign.DeepCopy()}, ErrAnotherAccount, calls{Live: 1}},
		"it is ours by now": {[]client.Object{meetingWith(t, 1)}, nil, calls{Updates: 1, Live: 1}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, tt.there...)
				s.committer.Cache = snapshot(t, foreign.DeepCopy())
				if _, err := s.commit(t, join(3)); err != tt.err { //nolint:errorlint // as it is
					t.Errorf("answered %v, want %v", err, tt.err)
				}
				s.expect(t, tt.want)
			})
		})
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ took, want time.Duration }{
		"a fast write leaves the rest of the time for gathering": {5 * time.Millisecond, gather - 5*time.Millisecond},
		"a slow write is followed by three times its own time":   {40 * time.Millisecond, 120 * time.Millisecond},
		"nobody waits long because a write took forever":         {writeTimeout, gatherMost},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := pause(tt.took); got != tt.want {
				t.Errorf("pause after %s = %s, want %s", tt.took, got, tt.want)
			}
		})
	}
}
