package installation

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/gate"
	"github.com/zoom-operator/zoom-operator/controllers/internal/testclock"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// restart is that another process goes on, and that nothing is in the status.
func (g *rig) restart(t *testing.T) {
	t.Helper()
	g.r.Gates = &gate.Gates{}
	if err := g.Get(t.Context(), client.ObjectKeyFromObject(g.in), g.in); err != nil {
		t.Fatal(err)
	}
	g.in.Status = v1alpha1.ZoomInstallationStatus{}
	if err := g.Status().Update(t.Context(), g.in); err != nil {
		t.Fatal(err)
	}
}

// tokenFresh is that condition.
func (g *rig) tokenFresh(t *testing.T) *metav1.Condition {
	t.Helper()
	if err := g.Get(t.Context(), client.ObjectKeyFromObject(g.in), g.in); err != nil {
		t.Fatal(err)
	}
	return meta.FindStatusCondition(g.in.Status.Conditions, v1alpha1.ConditionTokenFresh)
}

// Until when Zoom wants to be left alone is in the Secret: whoever comes next, and whatever became
// of the status, it is not asked before. The status says the same again.
func TestAFailureOutlivesTheStatus(t *testing.T) {
	asked := 0
	g := newRig(t, rigged{zoom: func(w http.ResponseWriter, r *http.Request) {
		if asked++; asked == 1 {
			zoomtest.RateLimited("7200")(w, r)
			return
		}
		zoomtest.Answer(http.StatusOK, `{"access_token":"another","refresh_token":"another","token_type":"bearer","expires_in":3599}`)(w, r)
	}})
	g.save(t, tokenOf("-59m"))
	g.reconcile(t)
	said := g.tokenFresh(t).Message
	if c := g.tokenFresh(t); c.Reason != v1alpha1.ReasonRefreshFailing || !strings.Contains(said, "rate limit is reached, for 2h0m0s. It is tried again at 2026-03-02T14:00:00Z.") {
		t.Errorf("TokenFresh is %+v", c)
	}
	for _, passed := range []string{"1m", "119m"} {
		g.now = when(passed)
		g.restart(t)
		if again := g.reconcile(t); again <= 0 || again > when("2h").Sub(g.now) {
			t.Errorf("after %s it is looked at in %v", passed, again)
		}
		if c := g.tokenFresh(t); asked != 1 || c.Reason != v1alpha1.ReasonRefreshFailing || c.Message != said {
			t.Errorf("after %s and %d requests TokenFresh is %+v", passed, asked, c)
		}
	}
	g.now = when("2h")
	g.restart(t)
	g.reconcile(t)
	if c, failed := g.tokenFresh(t), g.token(t).Failure; asked != 2 || c.Reason != v1alpha1.ReasonFresh || failed != (tokens.Failure{}) {
		t.Errorf("after %d requests TokenFresh is %+v, and what is kept of the failure %+v", asked, c, failed)
	}
}

// A failed revocation is recorded in the same way.
func TestAFailedRevocationOutlivesTheStatus(t *testing.T) {
	asked := 0
	g := newRig(t, rigged{
		in: func(in *v1alpha1.ZoomInstallation) { in.DeletionTimestamp = testclock.At("-1m") },
		zoom: func(w http.ResponseWriter, r *http.Request) {
			asked++
			zoomtest.RateLimited("600")(w, r)
		},
	})
	g.save(t, tokenOf("-1m"))
	g.reconcile(t) // it is reported first
	g.reconcile(t)
	at := g.token(t).Failure.NextAttemptAt
	if asked != 1 || at.Before(when("10m")) || at.After(when("20m")) {
		t.Fatalf("after %d requests it is tried again at %v", asked, at)
	}
	g.now = at.Add(-time.Second)
	g.restart(t)
	g.reconcile(t)
	g.reconcile(t)
	if c := g.tokenFresh(t); asked != 1 || c.Reason != v1alpha1.ReasonRefreshFailing {
		t.Errorf("after %d requests TokenFresh is %+v", asked, c)
	}
}

// An earlier version of the operator kept in the status when to try again. It is tried at once.
func TestAFailureOfAnEarlierVersionIsTriedAtOnce(t *testing.T) {
	asked := 0
	g := newRig(t, rigged{
		in: func(in *v1alpha1.ZoomInstallation) {
			in.Status.Conditions = []metav1.Condition{{
				Type: v1alpha1.ConditionTokenFresh, Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonRefreshFailing, Message: "m", LastTransitionTime: *testclock.At("-1h"),
			}}
			in.Status.Token = &v1alpha1.TokenStatus{SecretName: "grace-token", RefreshedAt: testclock.At("-59m"), NextRefreshAt: testclock.At("1h")}
		},
		zoom: func(w http.ResponseWriter, r *http.Request) {
			asked++
			zoomtest.Page(http.StatusBadGateway)(w, r)
		},
	})
	g.save(t, tokenOf("-59m"))
	g.reconcile(t)
	if failed := g.token(t).Failure; asked != 1 || !failed.Since.Equal(testclock.Noon) {
		t.Errorf("after %d requests it fails: %+v", asked, failed)
	}
}

// A clock that was set back by less than Zoom may ask to wait does not hold a refresh up either.
func TestAFailureOfTheFutureIsTriedAtOnce(t *testing.T) {
	asked := 0
	g := newRig(t, rigged{zoom: func(w http.ResponseWriter, r *http.Request) {
		asked++
		zoomtest.Page(http.StatusBadGateway)(w, r)
	}})
	g.save(t, with(tokenOf("-59m"), func(t *tokens.Token) {
		t.Failure = tokens.Failure{Since: when("6h"), NextAttemptAt: when("6h5s"), Cause: "Zoom answered with status 502"}
	}))
	g.reconcile(t)
	if failed := g.token(t).Failure; asked != 1 || !failed.Since.Equal(testclock.Noon) || !failed.NextAttemptAt.Equal(when("2m")) {
		t.Errorf("after %d requests it fails: %+v", asked, failed)
	}
}

// While Zoom refuses the app, that is the app's, and no failure of the token.
func TestARefusalOfTheAppIsNotTheToken(t *testing.T) {
	g := newRig(t, rigged{zoom: zoomtest.Answer(http.StatusUnauthorized, `{"reason":"Invalid client_id or client_secret","error":"invalid_client"}`)})
	g.save(t, with(tokenOf("-59m"), func(t *tokens.Token) {
		t.Failure = tokens.Failure{Since: when("-1h"), NextAttemptAt: when("-1s"), Cause: "Zoom answered with status 502"}
	}))
	g.reconcile(t)
	if c, failed := g.tokenFresh(t), g.token(t).Failure; c.Reason != v1alpha1.ReasonClientRejected || failed != (tokens.Failure{}) {
		t.Errorf("TokenFresh is %+v, and what is kept of the failure %+v", c, failed)
	}
	g.now = when("1s")
	g.reconcile(t)
	if c := g.tokenFresh(t); c.Reason != v1alpha1.ReasonClientRejected {
		t.Errorf("a moment later TokenFresh is %+v", c)
	}
}

// A token whose Secret cannot be written is not spent. That is reported, nothing of what the API
// server said is repeated, and the work queue tries it again. A namespace that is going does not
// wait for it for ever: Zoom is asked with the access token as it is.
func TestATokenThatCannotBeMarked(t *testing.T) {
	for name, refusal := range map[string]error{
		"immutable":   apierrors.NewInvalid(schema.GroupKind{Kind: "Secret"}, "grace-token", nil),
		"forbidden":   apierrors.NewForbidden(corev1.Resource("secrets"), "grace-token", errors.New("inside.example says no")),
		"interrupted": apierrors.NewInternalError(errors.New("inside.example does not answer")),
	} {
		t.Run(name, func(t *testing.T) {
			var paths []string
			namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "ns"}}
			g := newRig(t, rigged{
				in: func(in *v1alpha1.ZoomInstallation) {
					in.Status.Token = &v1alpha1.TokenStatus{AccessSecretName: "grace-access"}
				},
				zoom: func(w http.ResponseWriter, r *http.Request) {
					paths = append(paths, r.URL.Path)
					zoomtest.Answer(http.StatusOK, `{"status":"success"}`)(w, r)
				},
				failures: interceptor.Funcs{
					Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
						if there, ok := obj.(*corev1.Namespace); ok {
							namespace.DeepCopyInto(there)
							return nil
						}
						return c.Get(ctx, key, obj, opts...)
					},
					Update: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.UpdateOption) error {
						var there corev1.Secret
						secret, ok := obj.(*corev1.Secret)
						if ok && c.Get(ctx, client.ObjectKeyFromObject(obj), &there) == nil && !maps.EqualFunc(there.Data, secret.Data, slices.Equal[[]byte]) {
							return refusal
						}
						return c.Update(ctx, obj, opts...)
					},
				},
			})
			tok := tokenOf("-59m")
			tok.Client = tokens.Client{ID: "client", CredentialsSecret: "credentials", Secrets: []string{clientSecret}, Cloud: testCloud}
			g.save(t, tok)
			if err := tokens.Publish(t.Context(), g, g.in, tok.Token); err != nil {
				t.Fatal(err)
			}
			secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "grace-token"}}
			if err := g.Get(t.Context(), client.ObjectKeyFromObject(secret), secret); err != nil {
				t.Fatal(err)
			}
			secret.Immutable = new(name == "immutable")
			if err := g.Update(t.Context(), secret); err != nil {
				t.Fatal(err)
			}
			again := func() error {
				t.Helper()
				if err := client.IgnoreNotFound(g.Get(t.Context(), client.ObjectKeyFromObject(g.in), g.in)); err != nil {
					t.Fatal(err)
				}
				_, err := g.r.Reconcile(t.Context(), g.in.DeepCopy())
				return err
			}
			for range 2 {
				if err := again(); !errors.Is(err, errUnwritable) || strings.Contains(err.Error(), "inside.example") {
					t.Fatalf("Reconcile returned %v", err)
				}
				if c := g.tokenFresh(t); c.Reason != v1alpha1.ReasonRefreshFailing || !strings.Contains(c.Message, "does not let the operator write Secret grace-token") {
					t.Errorf("TokenFresh is %+v", c)
				}
			}
			if err := g.Get(t.Context(), client.ObjectKey{Namespace: "ns", Name: "grace-access"}, &corev1.Secret{}); !apierrors.IsNotFound(err) {
				t.Errorf("the app does not share the access token, and others have it still: %v", err)
			}
			namespace.DeletionTimestamp, g.r.NamespaceDeletionTimeout = testclock.At("0s"), 30*time.Second
			if err := g.Delete(t.Context(), g.in); err != nil {
				t.Fatal(err)
			}
			if err := again(); err != nil { // it is reported first
				t.Fatal(err)
			}
			if err := again(); !errors.Is(err, errUnwritable) {
				t.Fatalf("Reconcile returned %v", err)
			}
			if len(paths) > 0 || g.token(t) == nil {
				t.Fatalf("Zoom was asked for %v", paths)
			}
			g.now = when("30s")
			if err := again(); err != nil {
				t.Fatal(err)
			}
			if g.token(t) != nil || (len(paths) == 1) != (name == "immutable") {
				t.Errorf("at the end Zoom was asked for %v, and there is the token: %t", paths, g.token(t) != nil)
			}
		})
	}
}

// Where the Secret is immutable, it cannot hold that a revocation failed. The work queue tries it
// again, no worker waits for the Secret, and a namespace that is going does not wait for Zoom
// any longer than with another Secret.
func TestARevocationThatFailsBesideAnImmutableSecret(t *testing.T) {
	asked := 0
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "ns", DeletionTimestamp: testclock.At("0s")}}
	g := newRig(t, rigged{
		zoom: func(w http.ResponseWriter, r *http.Request) {
			asked++
			zoomtest.Page(http.StatusBadGateway)(w, r)
		},
		failures: interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
				if there, ok := obj.(*corev1.Namespace); ok {
					namespace.DeepCopyInto(there)
					return nil
				}
				return c.Get(ctx, key, obj, opts...)
			},
			Update: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.UpdateOption) error {
				var there corev1.Secret
				secret, ok := obj.(*corev1.Secret)
				if ok && c.Get(ctx, client.ObjectKeyFromObject(obj), &there) == nil && there.Immutable != nil && !maps.EqualFunc(there.Data, secret.Data, slices.Equal[[]byte]) {
					return apierrors.NewInvalid(schema.GroupKind{Kind: "Secret"}, "grace-token", nil)
				}
				return c.Update(ctx, obj, opts...)
			},
		},
	})
	g.r.NamespaceDeletionTimeout = 30 * time.Second
	tok := tokenOf("-1m")
	tok.Client = tokens.Client{ID: "client", CredentialsSecret: "credentials", Secrets: []string{clientSecret}, Cloud: testCloud}
	g.save(t, tok)
	secret := &corev1.Secret{}
	if err := g.Get(t.Context(), client.ObjectKey{Namespace: "ns", Name: "grace-token"}, secret); err != nil {
		t.Fatal(err)
	}
	secret.Immutable = new(true)
	if err := g.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	if err := g.Delete(t.Context(), g.in); err != nil {
		t.Fatal(err)
	}
	g.reconcile(t) // it is reported first
	again := func() error {
		t.Helper()
		if err := g.Get(t.Context(), client.ObjectKeyFromObject(g.in), g.in); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := g.r.Reconcile(ctx, g.in.DeepCopy())
		return err
	}
	began := time.Now()
	if err := again(); !errors.Is(err, errUnwritable) {
		t.Errorf("Reconcile returned %v", err)
	}
	if c := g.tokenFresh(t); asked != 1 || c.Reason != v1alpha1.ReasonRefreshFailing || !strings.Contains(c.Message, "status 502. It is tried again, every five minutes") {
		t.Errorf("after %d requests TokenFresh is %+v", asked, c)
	}
	g.now = when("30s")
	if err := again(); err != nil {
		t.Error(err)
	}
	if asked != 2 || g.token(t) != nil {
		t.Errorf("at the end Zoom was asked %d times, and there is the token: %t", asked, g.token(t) != nil)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("that took %v", took)
	}
}
