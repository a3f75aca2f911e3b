package commit

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
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/zoom-operator/zoom-operator/test/bubble"
)

// server is an API server with a committer in front of it. The tests run in synctest's bubbles,
// where time passes only when all goroutines wait.
type server struct {
	client.WithWatch

	committer *Committer[*corev1.ConfigMap]

	// beforeWrite is called with what is about to be written; its error is the answer.
	beforeWrite func(context.Context, *corev1.ConfigMap) error

	mu                     sync.Mutex
	creates, updates, live int
}

var theObject = types.NamespacedName{Namespace: "team", Name: "object"}

// newServer holds these objects; its cache is up to date. The bubble lasts until all queues are at
// rest.
func newServer(t *testing.T, objects ...client.Object) *server {
	t.Helper()
	t.Cleanup(func() { bubble.Pass(2 * cacheTTL) })
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	s := &server{}
	write := func(ctx context.Context, obj client.Object, count *int, do func() error) error {
		s.mu.Lock()
		*count++
		before := s.beforeWrite
		s.mu.Unlock()
		if before != nil {
			if err := before(ctx, obj.(*corev1.ConfigMap)); err != nil { //nolint:forcetypeassert // nothing else is written
				return err
			}
		}
		return do()
	}
	s.WithWatch = fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()
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
	s.committer = &Committer[*corev1.ConfigMap]{
		Writer: counted, Live: counted, Cache: s.WithWatch,
		New: func() *corev1.ConfigMap { return &corev1.ConfigMap{} },
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
func (s *server) intercept(f func(context.Context, *corev1.ConfigMap) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.beforeWrite = f
}

// blockWrites makes writes wait until they are let through, one by one.
func (s *server) blockWrites() (let func()) {
	gate := make(chan struct{})
	s.intercept(func(context.Context, *corev1.ConfigMap) error {
		<-gate
		return nil
	})
	return func() { gate <- struct{}{} }
}

func (s *server) stored(t *testing.T) *corev1.ConfigMap {
	t.Helper()
	m := &corev1.ConfigMap{}
	if err := s.Get(t.Context(), theObject, m); err != nil {
		t.Fatal(err)
	}
	return m
}

// snapshot is a cache that has stopped at these objects.
func snapshot(t *testing.T, objects ...client.Object) client.Reader {
	t.Helper()
	return newServer(t, objects...).WithWatch
}

var errForeign = errors.New("the object belongs to another account")

// join is the change that one more participant makes.
func join(who int) func(*corev1.ConfigMap) error {
	return func(m *corev1.ConfigMap) error {
		if m.Data["account"] != "" {
			return errForeign
		}
		if m.Data == nil {
			m.Data = map[string]string{}
		}
		m.Data[fmt.Sprint("joined-", who)] = ""
		return nil
	}
}

func (s *server) commit(t *testing.T, change func(*corev1.ConfigMap) error) (*corev1.ConfigMap, error) {
	t.Helper()
	return s.committer.Commit(t.Context(), theObject, "account", Normal, change)
}

// mustCommit stores changes one after the other.
func (s *server) mustCommit(t *testing.T, changes ...func(*corev1.ConfigMap) error) {
	t.Helper()
	for _, c := range changes {
		if _, err := s.commit(t, c); err != nil {
			t.Fatal(err)
		}
	}
}

// answer is what a waiting request got.
type answer struct {
	stored *corev1.ConfigMap
	err    error
}

// ask commits changes at the same time; the answers arrive once they are there.
func (s *server) ask(t *testing.T, changes ...func(*corev1.ConfigMap) error) []<-chan answer {
	t.Helper()
	out := make([]<-chan answer, 0, len(changes))
	for _, c := range changes {
		done := make(chan answer, 1)
		out = append(out, done)
		go func() {
			m, err := s.committer.Commit(t.Context(), theObject, "account", Normal, c)
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

// objectWith is an object as it is stored after these joined.
func objectWith(t *testing.T, who ...int) *corev1.ConfigMap {
	t.Helper()
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: theObject.Namespace, Name: theObject.Name}}
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
		if d := cmp.Diff(objectWith(t, 1, 2).Data, s.stored(t).Data); d != "" {
			t.Errorf("(-want +stored):\n%s", d)
		}
		bubble.Pass(cacheTTL + time.Second) // until the queue is forgotten
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
					m := objectWith(t, tt.there...)
					m.ResourceVersion = "20"
					there = append(there, m)
				}
				if tt.cached != nil {
					m := objectWith(t, tt.cached...)
					m.ResourceVersion = "10"
					cached = append(cached, m)
				}
				s := newServer(t, there...)
				s.committer.Cache = snapshot(t, cached...)
				s.mustCommit(t, join(3))
				s.expect(t, tt.want)
				want := slices.Compact(append(slices.Clone(tt.there), 3)) // of a deleted object only the new fact is left
				if d := cmp.Diff(objectWith(t, want...).Data, s.stored(t).Data); d != "" {
					t.Errorf("(-want +stored):\n%s", d)
				}
			})
		})
	}
}

// An object that was deleted and created anew by another replica is another object: nothing of the
// old one comes back.
func TestCommitDoesNotBringADeletedObjectBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.mustCommit(t, join(1))
		if err := s.Delete(t.Context(), s.stored(t)); err != nil {
			t.Fatal(err)
		}
		s.mustCommit(t, join(2))
		if d := cmp.Diff(objectWith(t, 2).Data, s.stored(t).Data); d != "" {
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
		if n := len(s.stored(t).Data); n != 10 {
			t.Errorf("%d joins are stored, want 10", n)
		}
	})
}

// Every write of a record is followed by one of its status. It must not cost the next write a
// conflict.
func TestCommitStartsFromTheCacheOnceAnotherWriterWrote(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		for who := range 10 {
			s.mustCommit(t, join(who))
			m := s.stored(t)
			metav1.SetMetaDataAnnotation(&m.ObjectMeta, "status", strconv.Itoa(who))
			if err := s.Update(t.Context(), m); err != nil {
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
		seen := &observed{}
		s.committer.Observer = seen
		let := s.blockWrites()
		first := s.ask(t, join(0))
		synctest.Wait()
		var changes []func(*corev1.ConfigMap) error
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
		if a := <-first[0]; a.err != nil || len(a.stored.Data) != 1 {
			t.Errorf("the first was answered %v", a.err)
		}
		bubble.Pass(minBatchDelay)
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
		synctest.Wait()
		if want := (observed{wrote: []int{1, gathered}, most: gathered + 1}); !cmp.Equal(want, *seen, cmp.AllowUnexported(observed{})) {
			t.Errorf("the observer was told %+v, want %+v", *seen, want)
		}
	})
}

// observed is what an Observer was told.
type observed struct {
	wrote            []int
	unanswered, most int
}

func (o *observed) Wrote(changes int, _ time.Duration) { o.wrote = append(o.wrote, changes) }

func (o *observed) Unanswered(changes int) { o.unanswered, o.most = changes, max(o.most, changes) }

func TestCommitWritesAHotObjectSeldom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		began := time.Now()
		var asked []<-chan answer
		for who := range 1000 { // one per millisecond
			asked = append(asked, s.ask(t, join(who))...)
			bubble.Pass(time.Millisecond)
		}
		for _, c := range asked {
			if a := <-c; a.err != nil {
				t.Fatal(a.err)
			}
		}
		writes := s.creates + s.updates
		if most := int(time.Since(began)/minBatchDelay) + 1; writes > most {
			t.Errorf("1000 changes cost %d writes, want no more than %d", writes, most)
		}
		if n := len(s.stored(t).Data); n != 1000 {
			t.Errorf("%d joins are stored, want 1000", n)
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
		changes := make([]func(*corev1.ConfigMap) error, maxBatch+1)
		for i := range changes {
			changes[i] = func(m *corev1.ConfigMap) error {
				metav1.SetMetaDataAnnotation(&m.ObjectMeta, strconv.Itoa(i), "") // a set without bounds, in which none is superfluous
				return nil
			}
		}
		rest := s.ask(t, changes...)
		synctest.Wait()
		for i, want := range []int{1, 1 + maxBatch, 2 + maxBatch} {
			let()
			bubble.Pass(minBatchDelay)
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
				_, err := s.committer.Commit(t.Context(), types.NamespacedName{Namespace: "team", Name: fmt.Sprint("m", i)}, "account", Normal, join(1))
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
	refuse := func(*corev1.ConfigMap) error { return refused }
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		let := s.blockWrites()
		first := s.ask(t, join(0))
		synctest.Wait()
		rest := s.ask(t, join(1), refuse, join(2))
		synctest.Wait()
		let()
		bubble.Pass(minBatchDelay)
		let()
		for i, c := range append(first, rest...) {
			a := <-c
			if refusal := i == 2; refusal != (a.err == refused) || !refusal && a.err != nil { //nolint:errorlint // as it is
				t.Errorf("change %d was answered %v", i, a.err)
			}
		}
		s.expect(t, calls{Creates: 1, Updates: 1})
		if d := cmp.Diff(objectWith(t, 0, 1, 2).Data, s.stored(t).Data); d != "" {
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

// A write that fails is answered to every change in it, and none of them is in a later one.
func TestCommitForgetsWhatCouldNotBeStored(t *testing.T) {
	t.Parallel()
	down := apierrors.NewInternalError(errors.New("etcd is away"))
	refused := errors.New("not this one")
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.mustCommit(t, join(0))
		bubble.Pass(minBatchDelay)
		gate := make(chan struct{})
		s.intercept(func(context.Context, *corev1.ConfigMap) error {
			<-gate
			return down
		})
		first := s.ask(t, join(1))
		synctest.Wait()
		rest := s.ask(t, join(2), func(*corev1.ConfigMap) error { return refused }, join(3))
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
		if d := cmp.Diff(objectWith(t, 0, 4).Data, s.stored(t).Data); d != "" {
			t.Errorf("(-want +stored):\n%s", d)
		}
	})
}

// A write whose answer was lost may have been stored. What is sent again is merged into what is
// there.
func TestCommitAfterALostAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.committer.Cache = snapshot(t)
		s.intercept(func(ctx context.Context, m *corev1.ConfigMap) error {
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
		if d := cmp.Diff(objectWith(t, 1, 2).Data, s.stored(t).Data); d != "" {
			t.Errorf("(-want +stored):\n%s", d)
		}
	})
}

func TestCommitGivesUpOnAServerThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "configmaps"}, theObject.Name, nil)
	for name, before := range map[string]func(context.Context, *corev1.ConfigMap) error{
		"it says nothing": func(ctx context.Context, _ *corev1.ConfigMap) error {
			<-ctx.Done()
			return ctx.Err()
		},
		"somebody else always writes first": func(ctx context.Context, _ *corev1.ConfigMap) error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			bubble.Take(10 * time.Millisecond)
			return conflict
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, objectWith(t, 1))
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
		if _, err := s.committer.Commit(ctx, theObject, "account", Normal, join(1)); !errors.Is(err, gone) {
			t.Errorf("answered %v, want %v", err, gone)
		}
		second := s.ask(t, join(2))
		synctest.Wait()
		let()
		bubble.Pass(minBatchDelay)
		let()
		for _, c := range append(first, second...) {
			if a := <-c; a.err != nil {
				t.Error(a.err)
			}
		}
		if d := cmp.Diff(objectWith(t, 0, 1, 2).Data, s.stored(t).Data); d != "" {
			t.Errorf("(-want +stored):\n%s", d)
		}
	})
}

// An unforeseen event is refused, and no other with it.
func TestCommitOutlivesAPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		let := s.blockWrites()
		first := s.ask(t, join(0))
		synctest.Wait()
		poison := s.ask(t, func(m *corev1.ConfigMap) error {
			m.Data = map[string]string{"half": "a change"}
			panic("Jane Doe <jane@example.org>")
		})
		second := s.ask(t, join(1))
		synctest.Wait()
		let()
		bubble.Pass(minBatchDelay)
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
		if d := cmp.Diff(objectWith(t, 0, 1).Data, s.stored(t).Data); d != "" {
			t.Errorf("(-want +stored):\n%s", d)
		}
		if _, err := s.commit(t, func(*corev1.ConfigMap) error { panic("again") }); !errors.Is(err, errPanicked) {
			t.Errorf("alone, it is answered %v", err)
		}
	})
}

// What the API server never takes is refused alone, and not with whatever happened to share its
// write.
func TestCommitRefusesWhatIsInvalidAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		let := s.blockWrites()
		first := s.ask(t, join(0))
		synctest.Wait()
		bad := s.ask(t, func(m *corev1.ConfigMap) error {
			m.Labels = map[string]string{"too": "long"}
			return nil
		})
		good := s.ask(t, join(1), join(2), join(3), join(4), join(5), join(6))
		synctest.Wait()
		s.intercept(func(_ context.Context, m *corev1.ConfigMap) error {
			if m.Labels["too"] != "" {
				return apierrors.NewInvalid(corev1.SchemeGroupVersion.WithKind("ConfigMap").GroupKind(), m.Name, nil)
			}
			return nil
		})
		let()
		for i, c := range append(first, good...) {
			if a := <-c; a.err != nil {
				t.Errorf("join %d shared a write with what is invalid: %v", i, a.err)
			}
		}
		if a := <-bad[0]; !apierrors.IsInvalid(a.err) {
			t.Errorf("what is invalid is answered %v", a.err)
		}
		if n := len(s.stored(t).Data); n != 7 {
			t.Errorf("%d joins are stored, want 7", n)
		}
		if s.updates > 2*3+1 {
			t.Errorf("it took %d writes", s.updates)
		}
	})
}

// When too much waits, participants' events are refused first, and what matters most last. What was
// taken is stored.
func TestCommitShedsByClass(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		let := s.blockWrites()
		first := s.ask(t, join(0))
		synctest.Wait()

		ctx, cancel := context.WithCancel(t.Context())
		cancel() // so that no caller waits
		fill := func(priority Priority, upTo int) {
			t.Helper()
			for s.committer.admission.unanswered < upTo {
				if _, err := s.committer.Commit(ctx, theObject, "account", priority, join(1)); !errors.Is(err, context.Canceled) {
					t.Fatalf("priority %d, %d wait: %v", priority, s.committer.admission.unanswered, err)
				}
			}
			if _, err := s.committer.Commit(ctx, theObject, "account", priority, join(1)); !errors.Is(err, ErrOverloaded) {
				t.Errorf("priority %d is taken though %d wait: %v", priority, s.committer.admission.unanswered, err)
			}
		}
		fill(Low, maxUnanswered*4/5)
		fill(Normal, maxUnanswered*19/20)
		fill(High, maxUnanswered)

		let()
		if a := <-first[0]; a.err != nil {
			t.Error(a.err)
		}
		s.intercept(nil)
		bubble.Pass(time.Minute) // until all is written
		s.committer.mu.Lock()
		if s.committer.admission.unanswered != 0 {
			t.Errorf("%d still wait", s.committer.admission.unanswered)
		}
		s.committer.mu.Unlock()
		if n := len(s.stored(t).Data); n != 2 {
			t.Errorf("%d joins are stored, want 2", n)
		}
		s.mustCommit(t, join(2))
	})
}

// What could not be written within the time that Zoom waits is refused at once, so that the writes
// are for those who still wait.
func TestCommitRefusesWhatCannotBeStoredInTime(t *testing.T) {
	t.Parallel()
	const slow, burst = time.Second, 10 * maxWrites
	errLate := errors.New("stored too late for Zoom")
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t)
		s.intercept(func(context.Context, *corev1.ConfigMap) error {
			bubble.Take(slow)
			return nil
		})
		ask := func(priority Priority, object string) <-chan error {
			done := make(chan error, 1)
			asked := time.Now()
			go func() {
				_, err := s.committer.Commit(t.Context(), types.NamespacedName{Namespace: "team", Name: object}, "account", priority, join(1))
				if took := time.Since(asked); err == nil && took > writeTimeout {
					err = fmt.Errorf("%w: after %s", errLate, took)
				}
				done <- err
			}()
			synctest.Wait()
			return done
		}
		var before []<-chan error
		for i := range 4 * maxWrites { // which is how it learns how long a write takes
			before = append(before, ask(Normal, fmt.Sprint("before", i)))
		}
		for _, done := range before {
			// How long a write takes was not known yet, so some may have come too late for Zoom.
			if err := <-done; err != nil && !errors.Is(err, errLate) {
				t.Fatal(err)
			}
		}

		var taken []<-chan error
		refused, last := 0, ""
		for i := range burst {
			name := fmt.Sprint("meeting", i)
			done := ask(Low, name)
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
		taken = append(taken, ask(Low, last), ask(High, "essential"))
		for i, done := range taken {
			if err := <-done; err != nil {
				t.Errorf("%d of %d: %v", i, len(taken), err)
			}
		}
		if err := <-ask(Low, "afterwards"); err != nil {
			t.Errorf("when nothing waits any more: %v", err)
		}
	})
}

// A change that refuses the object as it is cached is asked again about the object as it is.
func TestCommitDoesNotRefuseBecauseOfAnOldObject(t *testing.T) {
	t.Parallel()
	foreign := objectWith(t, 7)
	foreign.Data["account"] = "somebody else's"
	foreign.ResourceVersion = "10"
	tests := map[string]struct {
		there []client.Object
		err   error
		want  calls
	}{
		"it is gone by now": {nil, nil, calls{Creates: 1, Live: 1}},
		"it is still there": {[]client.Object{foreign.DeepCopy()}, errForeign, calls{Live: 1}},
		"it is ours by now": {[]client.Object{objectWith(t, 1)}, nil, calls{Updates: 1, Live: 1}},
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

func TestBatchDelay(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ took, want time.Duration }{
		"a fast write leaves the rest of the time for gathering": {5 * time.Millisecond, minBatchDelay - 5*time.Millisecond},
		"a slow write is followed by three times its own time":   {40 * time.Millisecond, 120 * time.Millisecond},
		"nobody waits long because a write took forever":         {writeTimeout, maxBatchDelay},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := batchDelay(tt.took); got != tt.want {
				t.Errorf("pause after %s = %s, want %s", tt.took, got, tt.want)
			}
		})
	}
}

// Without a cache, what was written lately is remembered, and anything else read once.
func TestCommitWithoutACache(t *testing.T) {
	t.Parallel()
	alone := func(t *testing.T, objects ...client.Object) *server {
		t.Helper()
		s := newServer(t, objects...)
		s.committer.Cache = nil
		return s
	}
	// elsewhere is a write of another process.
	elsewhere := func(t *testing.T, s *server, change func(*corev1.ConfigMap)) {
		t.Helper()
		m := s.stored(t)
		change(m)
		if err := s.Update(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	status := func(m *corev1.ConfigMap) { metav1.SetMetaDataAnnotation(&m.ObjectMeta, "status", "another") }
	deleted := func(t *testing.T, s *server) {
		t.Helper()
		if err := s.Delete(t.Context(), s.stored(t)); err != nil {
			t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		there []int // who joined before
		do    func(*testing.T, *server)
		want  calls
		holds []int
	}{
		"a new object": {
			do: func(t *testing.T, s *server) {
				t.Helper()
				s.mustCommit(t, join(1))
			},
			want: calls{Creates: 1, Live: 1}, holds: []int{1},
		},
		"one that is supposed to be new": {
			do: func(t *testing.T, s *server) {
				t.Helper()
				s.committer.Suppose(theObject)
				s.mustCommit(t, join(1))
			},
			want: calls{Creates: 1}, holds: []int{1},
		},
		"and is not": {
			there: []int{1},
			do: func(t *testing.T, s *server) {
				t.Helper()
				s.committer.Suppose(theObject)
				s.mustCommit(t, join(2))
			},
			want: calls{Creates: 1, Live: 1, Updates: 1}, holds: []int{1, 2},
		},
		"one of which nothing is remembered": {
			there: []int{1},
			do: func(t *testing.T, s *server) {
				t.Helper()
				s.mustCommit(t, join(2))
			},
			want: calls{Live: 1, Updates: 1}, holds: []int{1, 2},
		},
		"a change that it contains": {
			there: []int{1},
			do: func(t *testing.T, s *server) {
				t.Helper()
				s.mustCommit(t, join(1))
			},
			want: calls{Live: 1}, holds: []int{1},
		},
		"a hot object": {
			there: []int{1},
			do: func(t *testing.T, s *server) {
				t.Helper()
				s.mustCommit(t, join(2), join(3), join(4), join(3))
			},
			want: calls{Live: 1, Updates: 3}, holds: []int{1, 2, 3, 4},
		},
		"what is remembered is read again before a change, and not for a duplicate": {
			do: func(t *testing.T, s *server) {
				t.Helper()
				s.mustCommit(t, join(1))
				elsewhere(t, s, status)
				bubble.Pass(aloneTTL / 2)
				s.mustCommit(t, join(1), join(2))
			},
			want: calls{Creates: 1, Live: 2, Updates: 1}, holds: []int{1, 2},
		},
		"another wrote in between": {
			there: []int{1},
			do: func(t *testing.T, s *server) {
				t.Helper()
				s.mustCommit(t, join(2))
				elsewhere(t, s, func(m *corev1.ConfigMap) { m.Data["joined-7"] = "" })
				s.mustCommit(t, join(3))
			},
			want: calls{Live: 2, Updates: 3}, holds: []int{1, 2, 3, 7},
		},
		"it was deleted a moment ago": {
			there: []int{1},
			do: func(t *testing.T, s *server) {
				t.Helper()
				s.mustCommit(t, join(2))
				deleted(t, s)
				s.mustCommit(t, join(3))
			},
			want: calls{Live: 2, Updates: 2, Creates: 1}, holds: []int{3},
		},
		"it was deleted a while ago": {
			there: []int{1},
			do: func(t *testing.T, s *server) {
				t.Helper()
				s.mustCommit(t, join(2))
				deleted(t, s)
				bubble.Pass(time.Minute)
				s.mustCommit(t, join(3))
			},
			want: calls{Live: 2, Updates: 1, Creates: 1}, holds: []int{3},
		},
		"it was deleted, and a duplicate comes when nothing is remembered": {
			there: []int{1},
			do: func(t *testing.T, s *server) {
				t.Helper()
				s.mustCommit(t, join(2))
				deleted(t, s)
				bubble.Pass(aloneTTL + time.Second)
				s.mustCommit(t, join(2))
			},
			want: calls{Live: 2, Updates: 1, Creates: 1}, holds: []int{2},
		},
		"it is another's, and then it is gone": {
			there: []int{1},
			do: func(t *testing.T, s *server) {
				t.Helper()
				elsewhere(t, s, func(m *corev1.ConfigMap) { m.Data["account"] = "another's" })
				if _, err := s.commit(t, join(2)); !errors.Is(err, errForeign) {
					t.Errorf("answered %v", err)
				}
				deleted(t, s)
				s.mustCommit(t, join(3))
			},
			want: calls{Live: 3, Creates: 1}, holds: []int{3},
		},
		"it is no longer remembered because of others": {
			there: []int{1},
			do: func(t *testing.T, s *server) {
				t.Helper()
				s.committer.recent.size = 2
				s.mustCommit(t, join(2))
				for _, other := range []string{"a", "b"} {
					if _, err := s.committer.Read(t.Context(), types.NamespacedName{Namespace: "team", Name: other}); err != nil {
						t.Fatal(err)
					}
				}
				s.mustCommit(t, join(2))
			},
			want: calls{Live: 4, Updates: 1}, holds: []int{1, 2},
		},
		"one that was read for another reason": {
			there: []int{1},
			do: func(t *testing.T, s *server) {
				t.Helper()
				if _, known, err := s.committer.Known(t.Context(), theObject); known || err != nil {
					t.Errorf("known is %v, %v", known, err)
				}
				if m, err := s.committer.Read(t.Context(), theObject); err != nil || len(m.Data) != 1 {
					t.Errorf("read %v, %v", m, err)
				}
				if m, known, err := s.committer.Known(t.Context(), theObject); !known || err != nil || len(m.Data) != 1 {
					t.Errorf("known is %v, %v", known, err)
				}
				s.mustCommit(t, join(2))
			},
			want: calls{Live: 1, Updates: 1}, holds: []int{1, 2},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var objects []client.Object
				if tt.there != nil {
					objects = append(objects, objectWith(t, tt.there...))
				}
				s := alone(t, objects...)
				tt.do(t, s)
				s.expect(t, tt.want)
				if d := cmp.Diff(objectWith(t, tt.holds...).Data, s.stored(t).Data); d != "" {
					t.Errorf("(-want +stored):\n%s", d)
				}
			})
		})
	}
}

// A thousand joins of a meeting that was not read yet read it once.
func TestCommitReadsOnceForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, objectWith(t, 0))
		s.committer.Cache = nil
		changes := make([]func(*corev1.ConfigMap) error, 1000)
		for i := range changes {
			changes[i] = join(i)
		}
		for _, c := range s.ask(t, changes...) {
			if a := <-c; a.err != nil {
				t.Fatal(a.err)
			}
		}
		if s.live != 1 || s.updates > 2 {
			t.Errorf("it took %d reads and %d writes", s.live, s.updates)
		}
	})
}

// What the API server ignores is not sent, and is there again in what it answers.
func TestCommitSendsNoStatus(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		there := objectWith(t, 1)
		there.BinaryData = map[string][]byte{"status": []byte("Live")}
		s := newServer(t, there)
		s.committer.WithoutStatus = func(m *corev1.ConfigMap) { m.BinaryData = nil }
		s.intercept(func(_ context.Context, m *corev1.ConfigMap) error {
			if m.BinaryData != nil {
				t.Errorf("an update carries %v", m.BinaryData)
			}
			m.BinaryData = there.BinaryData // as the API server keeps it
			return nil
		})
		for _, who := range []int{2, 3} { // from the cache, and from what was written
			got, err := s.commit(t, join(who))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(there.BinaryData, got.BinaryData); d != "" {
				t.Errorf("(-stored +returned):\n%s", d)
			}
		}
		s.expect(t, calls{Updates: 2})
	})
}
