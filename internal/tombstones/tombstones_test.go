package tombstones

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

var (
	noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	app  = types.NamespacedName{Namespace: "ns", Name: "app"}
)

func consent(account, user string) Consent { return Consent{App: app, Account: account, User: user} }

// clock is moved by hand.
type clock struct{ at atomic.Int64 }

func (c *clock) set(t time.Time) { c.at.Store(t.UnixMilli()) }
func (c *clock) now() time.Time  { return time.UnixMilli(c.at.Load()) }

func newStore(t *testing.T, funcs interceptor.Funcs, objects ...client.Object) (*Store, client.Client, *clock) {
	t.Helper()
	c := fake.NewClientBuilder().WithObjects(objects...).WithInterceptorFuncs(funcs).Build()
	at := &clock{}
	at.set(noon)
	return New(c, c, at.now), c, at
}

func find(t *testing.T, s *Store, c Consent) Ends {
	t.Helper()
	ends, err := s.Find(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return ends
}

func TestAnEndIsRememberedForAWhileByAllReplicasAndNamesNoCustomer(t *testing.T) {
	t.Parallel()
	s, c, at := newStore(t, interceptor.Funcs{})
	if err := s.Delete(t.Context(), consent("AccT", "hOsT"), 2*time.Hour); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(t.Context(), consent("AccT", "other"), noon.Add(-time.Hour), time.Hour); err != nil {
		t.Fatal(err)
	}
	another := New(c, c, at.now) // another process
	for of, want := range map[Consent]Ends{
		consent("AccT", "hOsT"):  {Deleted: noon},
		consent("AccT", "other"): {Removed: noon.Add(-time.Hour)},
		consent("AccT", ""):      {},
		consent("acct", "hOsT"):  {},
		{App: types.NamespacedName{Namespace: "ns", Name: "app2"}, Account: "AccT", User: "hOsT"}: {},
	} {
		if got := find(t, another, of); !got.Deleted.Equal(want.Deleted) || !got.Removed.Equal(want.Removed) {
			t.Errorf("of %v is remembered %v, want %v", of, got, want)
		}
	}
	var secret corev1.Secret
	if err := c.Get(t.Context(), types.NamespacedName{Namespace: "ns", Name: secretName("app")}, &secret); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"AccT", "hOsT", "other"} {
		if strings.Contains(secret.String(), id) || bytes.Contains(secret.Data[keyTombstones], []byte(id)) {
			t.Errorf("the Secret names %s", id)
		}
	}
	if len(secret.OwnerReferences) > 0 {
		t.Error("the Secret goes with an app that is deleted and created again")
	}

	at.set(noon.Add(time.Hour))
	if ends := find(t, another, consent("AccT", "other")); !ends.Removed.IsZero() {
		t.Error("an end is remembered for longer than it must be")
	}
	if err := another.Prune(t.Context(), app); err != nil {
		t.Fatal(err)
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(&secret), &secret); err != nil || len(decode(secret.Data[keyTombstones])) != 1 {
		t.Errorf("after an hour there are %q, %v, want one tombstone", secret.Data[keyTombstones], err)
	}
	at.set(noon.Add(2 * time.Hour))
	for range 2 {
		if err := s.Prune(t.Context(), app); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(&secret), &secret); !apierrors.IsNotFound(err) {
		t.Errorf("the Secret is there after its last tombstone has served its time: %v", err)
	}
	if len(s.Written()) != 0 {
		t.Error("an app without tombstones is looked at for ever")
	}
}

// As many installations as make undeploy deletes fit, and share writes; of more than fit, the
// oldest are forgotten.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	var writes atomic.Int32
	s, c, _ := newStore(t, interceptor.Funcs{Update: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.UpdateOption) error {
		writes.Add(1)
		return c.Update(ctx, obj, opts...)
	}})
	var all sync.WaitGroup
	for i := range 1000 {
		all.Go(func() {
			if err := s.Delete(t.Context(), consent("AccT", fmt.Sprint(i)), time.Hour); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for i := range 1000 {
		if find(t, s, consent("AccT", fmt.Sprint(i))).Deleted.IsZero() {
			t.Fatalf("the deletion of %d is forgotten", i)
		}
	}
	if n := writes.Load(); n > 200 {
		t.Errorf("a thousand deletions at once cost %d writes", n)
	}
	var secret corev1.Secret
	if err := c.Get(t.Context(), types.NamespacedName{Namespace: "ns", Name: secretName("app")}, &secret); err != nil {
		t.Fatal(err)
	}
	list := decode(secret.Data[keyTombstones])
	for i := range maxTombstones - len(list) {
		list = append(list, tombstone{kind: kindDeleted, key: fmt.Sprintf("%022d", i), at: noon, until: noon.Add(2 * time.Hour)})
	}
	secret.Data[keyTombstones] = encode(list)
	if err := add(&secret, consent("more", ""), tombstone{kind: kindDeleted, at: noon, until: noon.Add(3 * time.Hour)}, noon); err != nil {
		t.Fatal(err)
	}
	if n := len(decode(secret.Data[keyTombstones])); n != maxTombstones || len(secret.Data[keyTombstones]) > 700_000 {
		t.Errorf("%d tombstones are kept, in %d bytes", n, len(secret.Data[keyTombstones]))
	}
	last := hash(secret.Data[keySalt], consent("more", ""))
	if !bytes.Contains(secret.Data[keyTombstones], []byte(last)) {
		t.Error("the latest one is not kept")
	}
}

func TestASecretOfAnotherTypeIsLeftAlone(t *testing.T) {
	t.Parallel()
	theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: secretName("app")}, Type: corev1.SecretTypeOpaque, Data: map[string][]byte{"a": []byte("b")}}
	s, c, _ := newStore(t, interceptor.Funcs{}, theirs)
	if err := s.Delete(t.Context(), consent("AccT", ""), time.Hour); err == nil || !strings.Contains(err.Error(), ErrForeign.Error()) {
		t.Errorf("got %v", err)
	}
	if err := s.Prune(t.Context(), app); err != nil {
		t.Error(err)
	}
	if ends := find(t, s, consent("AccT", "")); !ends.Latest().IsZero() {
		t.Error("something is read from it")
	}
	var secret corev1.Secret
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(theirs), &secret); err != nil || len(secret.Data) != 1 {
		t.Errorf("it holds %v, %v", secret.Data, err)
	}
}

// However many ask at once, there is one request at a time, and no caller is answered with what was
// read before its call.
func TestAFloodCostsOneReadingAtATime(t *testing.T) {
	t.Parallel()
	var under, reads atomic.Int32
	gate, entered := make(chan struct{}), make(chan struct{}, 100)
	s, _, _ := newStore(t, interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
		if under.Add(1) > 1 {
			t.Error("two readings at a time")
		}
		defer under.Add(-1)
		reads.Add(1)
		entered <- struct{}{}
		<-gate
		return c.Get(ctx, key, obj, opts...)
	}})
	var all sync.WaitGroup
	ask := func(n int) {
		for range n {
			all.Go(func() { _, _ = s.Find(t.Context(), consent("AccT", "")) })
		}
	}
	ask(1)
	<-entered // the first reading is under way
	ask(50)
	close(gate)
	all.Wait()
	if n := reads.Load(); n < 2 || n > 51 {
		t.Errorf("%d readings", n)
	}
	for kept := 1; kept > 0; runtime.Gosched() { // the last reading is forgotten just after its answer
		s.mu.Lock()
		kept = len(s.reads)
		s.mu.Unlock()
	}
}
