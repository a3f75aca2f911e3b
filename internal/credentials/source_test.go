package credentials

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/bubble"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
)

// However many apps there are, reading them again keeps to a budget, while none of them is judged
// by what is old; those without requests cost nothing.
func TestSecretsAreReadWithinABudget(t *testing.T) {
	const apps = 1000
	synctest.Test(t, func(t *testing.T) {
		var reads atomic.Int64
		var replaced, away atomic.Bool
		c := interceptor.NewClient(fake.NewClientBuilder().WithScheme(controlplane.Scheme()).Build(), interceptor.Funcs{
			Get: func(_ context.Context, _ client.WithWatch, _ client.ObjectKey, obj client.Object, _ ...client.GetOption) error {
				reads.Add(1)
				if away.Load() {
					return errors.New("the API server is away")
				}
				secret := obj.(*corev1.Secret) //nolint:forcetypeassert // nothing else is read
				token := "test-secret-token-0001"
				if replaced.Load() {
					token = "test-secret-token-0002"
				}
				secret.Type, secret.Data = v1alpha1.CredentialsSecretType, map[string][]byte{KeySecretToken: []byte(token)}
				return nil
			},
			List: func(_ context.Context, _ client.WithWatch, list client.ObjectList, _ ...client.ListOption) error {
				list.(*v1alpha1.ZoomAppList).Items = allOf(apps) //nolint:forcetypeassert // nothing else is listed
				return nil
			},
		})
		source := NewSource(c, time.Now, logr.Discard())
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- source.Run(ctx, c) }()
		defer func() {
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}()
		all := allOf(apps)
		// during lets time go by, in which each of so many apps has a request as often as that.
		during := func(what string, d, every time.Duration, busy, mostReads int, oldest time.Duration) {
			t.Helper()
			before := reads.Load()
			began := time.Now()
			for time.Since(began) < d {
				for i := range busy {
					source.Get(ctx, &all[i], KeySecretToken)
					e := source.entry(Key(&all[i]))
					e.mu.Lock()
					age := time.Since(e.goodAt)
					e.mu.Unlock()
					if age > oldest {
						t.Fatalf("%s: a request is judged by a Secret that was read %s ago, want no more than %s", what, age, oldest)
					}
				}
				bubble.Pass(every)
			}
			if n := int(reads.Load() - before); n > mostReads {
				t.Errorf("%s: %d reads in %s, want no more than %d", what, n, d, mostReads)
			}
		}
		budget := func(d time.Duration) int { return int(d/time.Second)*readsPerSecond + readsAtOnce }

		during("at the beginning", apps/readsPerSecond*time.Second, time.Second, 0, budget(apps/readsPerSecond*time.Second), 0)
		if n := reads.Load(); n < apps {
			t.Errorf("%d of %d Secrets are known", n, apps)
		}
		during("idle", 10*time.Minute, time.Minute, 0, 0, 0)
		during("a few are in use", 10*time.Minute, 5*time.Second, 100, 100+100*40, refreshEvery+10*time.Second)
		during("idle again", 10*time.Minute, time.Minute, 0, 3*100, 0) // until they count as idle
		// Each is read at once, since it was idle.
		during("many become busy", time.Second, time.Second, apps, apps+budget(time.Second), maxAge)
		during("many are busy", 10*time.Minute, 20*time.Second, apps, budget(10*time.Minute), maxAge)
		during("many have a request now and then", 10*time.Minute, 2*time.Minute, apps, budget(10*time.Minute), maxAge)

		// An outage, in which nothing can be read, leaves no debt behind.
		away.Store(true)
		for range 30 { // ten minutes
			for i := range all {
				source.Get(ctx, &all[i], KeySecretToken)
			}
			bubble.Pass(20 * time.Second)
		}
		away.Store(false)
		during("just after an outage", time.Minute, 5*time.Second, 100, 100+100*4, 2*time.Hour) // until it is tried again
		during("after an outage", 10*time.Minute, 5*time.Second, 100, 100+100*40, refreshEvery+10*time.Second)

		bubble.Pass(10 * time.Minute)
		replaced.Store(true)
		if got := source.Get(ctx, &all[0], KeySecretToken).SecretTokens; !slices.Equal(got, []string{"test-secret-token-0002"}) {
			t.Errorf("an app that was idle is judged by %q, which were replaced", got)
		}
	})
}

// allOf are that many apps, each with a Secret of its own.
func allOf(n int) []v1alpha1.ZoomApp {
	apps := make([]v1alpha1.ZoomApp, n)
	for i := range apps {
		apps[i].Namespace, apps[i].Name = "many", fmt.Sprint("app-", i)
		apps[i].Spec.CredentialsSecretRef.Name = fmt.Sprint("credentials-", i)
	}
	return apps
}

// Reads are few, whatever clients send, and what is known outlives an API server that cannot be
// reached.
func TestSecretsAreReadSeldom(t *testing.T) {
	var reads int
	var failure error
	app := &v1alpha1.ZoomApp{
		ObjectMeta: metav1.ObjectMeta{Namespace: "seldom", Name: "app"},
		Spec:       v1alpha1.ZoomAppSpec{CredentialsSecretRef: v1alpha1.SecretReference{Name: "credentials"}},
	}
	const secretToken, newToken = "test-secret-token-0001", "test-secret-token-0002"
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "seldom", Name: "credentials"},
		Type:       v1alpha1.CredentialsSecretType,
		Data:       map[string][]byte{"secretToken": []byte(secretToken)},
	}
	c := fake.NewClientBuilder().WithScheme(controlplane.Scheme()).WithObjects(secret, app).WithInterceptorFuncs(interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
			if _, ok := obj.(*corev1.Secret); ok {
				reads++
				if failure != nil {
					return failure
				}
			}
			return c.Get(ctx, key, obj, opts...)
		},
	}).Build()
	now := time.Unix(1772442005, 0)
	source := NewSource(c, func() time.Time { return now }, logr.Discard())
	tokens := func(ctx context.Context) []string { return source.Get(ctx, app, KeySecretToken).SecretTokens }
	reread := func(ctx context.Context) []string { return source.Reread(ctx, app).SecretTokens }
	expect := func(step string, got []string, want string, wantReads int) {
		t.Helper()
		if !slices.Equal(got, strings.Fields(want)) || reads != wantReads {
			t.Errorf("%s: got %q after %d reads, want %q after %d", step, got, reads, want, wantReads)
		}
	}
	ctx := t.Context()
	expect("the first event", tokens(ctx), secretToken, 1)
	expect("the second event", tokens(ctx), secretToken, 1)
	expect("a forged one at once", reread(ctx), secretToken, 1)
	now = now.Add(minRereadInterval)
	expect("a forged one after a second", reread(ctx), secretToken, 2)
	expect("and another", reread(ctx), secretToken, 2)
	failure = errors.New("away")
	now = now.Add(minRereadInterval)
	expect("a forged one in an outage", reread(ctx), secretToken, 3)
	expect("an event in an outage", tokens(ctx), secretToken, 3)
	failure = nil
	gone, leave := context.WithCancel(ctx)
	leave()
	now = now.Add(minRereadInterval)
	secret.Data["secretToken"] = []byte(newToken + "\n" + secretToken)
	if err := c.Update(ctx, secret); err != nil {
		t.Fatal(err)
	}
	source.read(gone, Key(app), source.entry(Key(app)))
	expect("whoever made it look has gone", tokens(ctx), newToken+"\n"+secretToken, 4)
	if err := c.Delete(ctx, secret); err != nil {
		t.Fatal(err)
	}
	now = now.Add(refreshEvery)
	source.refresh(ctx)
	expect("the Secret is gone", source.entry(Key(app)).values.SecretTokens, "", 5)
	if err := c.Delete(ctx, app); err != nil {
		t.Fatal(err)
	}
	source.find(ctx, c)
	if len(source.entries) != 0 {
		t.Error("the secrets of an app that is gone are kept")
	}
}
