package tokens

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/zoom"
)

func TestMain(m *testing.M) { controlplane.Main(m) }

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// consented is the token of a first consent.
func consented() Token {
	return New(&zoom.Token{
		AccessToken:  "marked-access-1",
		RefreshToken: "marked-refresh-1",
		ExpiresIn:    time.Hour,
		Scopes:       []string{"meeting:read:meeting", "user:read:user"},
		APIURL:       "https://api-eu.zoom.us",
	}, noon)
}

// successor is what the first token is exchanged for.
func successor() Token {
	return consented().Successor(&zoom.Token{AccessToken: "marked-access-2", RefreshToken: "marked-refresh-2", ExpiresIn: time.Hour}, noon.Add(48*time.Minute), "")
}

// reconsented is the token of another consent.
func reconsented() Token {
	return New(&zoom.Token{AccessToken: "marked-access-3", RefreshToken: "marked-refresh-3", ExpiresIn: time.Hour}, noon.Add(49*time.Minute))
}

// failed is of a token whose refresh or revocation did not succeed.
var failed = Failure{Since: noon, NextAttemptAt: noon.Add(2 * time.Hour), Cause: "status 502"}

func TestASecretHoldsATokenAsItIs(t *testing.T) {
	text := rapid.String()
	at := rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "s"), rapid.Int64Range(0, 1e9-1).Draw(t, "ns"))
	})
	failure := rapid.Custom(func(t *rapid.T) Failure {
		return Failure{
			Since: at.Draw(t, "since"), NextAttemptAt: at.Draw(t, "next"), Unexplained: rapid.Bool().Draw(t, "unexplained"),
			Cause: rapid.StringOfN(rapid.Rune(), 1, -1, maxCause).Draw(t, "cause"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		want := Token{
			AccessToken:      text.Draw(t, "access"),
			RefreshToken:     text.Draw(t, "refresh"),
			Scopes:           rapid.SliceOf(rapid.StringMatching(`[a-z:]{1,20}`)).Draw(t, "scopes"),
			APIURL:           text.Draw(t, "url"),
			IssuedAt:         at.Draw(t, "issued"),
			ExpiresAt:        at.Draw(t, "expires"),
			ConsentedAt:      at.Draw(t, "consented"),
			RefreshStartedAt: at.Draw(t, "started"),
			KeptAt:           at.Draw(t, "kept"),
			RestoredAt:       at.Draw(t, "restored"),
			UnexplainedSince: at.Draw(t, "unexplained"),
			Refusal:          rapid.SampledFrom([]Refusal{"", RefusedLost, RefusedRevoked, RefusedScopesChanged}).Draw(t, "refusal"),
			RefusedAt:        at.Draw(t, "refused"),
			RetryAt:          at.Draw(t, "retry"),
			DropAt:           at.Draw(t, "drop"),
			Failure:          rapid.OneOf(rapid.Just(Failure{}), failure).Draw(t, "failure"),
			Client: Client{
				ID: text.Draw(t, "client"), CredentialsSecret: text.Draw(t, "secret"), Cloud: v1alpha1.Cloud(text.Draw(t, "cloud")), FormerURL: text.Draw(t, "url"),
				Secrets: rapid.SliceOf(rapid.StringMatching(`[a-z:]{1,20}`)).Draw(t, "secrets"),
			},
		}
		if diff := cmp.Diff(want, decode(encode(want)), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}

func TestASecretSpoiltByHandIsATokenThatIsDue(t *testing.T) {
	got := decode(map[string][]byte{keyRefreshToken: []byte("r"), keyExpiresAt: []byte("tomorrow"), keyIssuedAt: nil})
	if diff := cmp.Diff(Token{RefreshToken: "r"}, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Whatever somebody puts into the Secret, what is read of a failure is whole, short and text, or
// there is none.
func TestASpoiltFailureIsNone(t *testing.T) {
	whole := Token{Failure: Failure{Since: noon, NextAttemptAt: noon.Add(time.Minute), Cause: "status 502", Unexplained: true}}
	for name, tc := range map[string]struct {
		key, value string
		want       Failure
	}{
		"as it was":                {want: whole.Failure},
		"since an unknown time":    {key: keyFailingSince, value: "yesterday"},
		"until an unknown time":    {key: keyNextAttemptAt, value: "tomorrow"},
		"of no cause":              {key: keyFailureCause},
		"of a cause that is long":  {key: keyFailureCause, value: strings.Repeat("x", maxCause+1)},
		"of a cause that is none":  {key: keyFailureCause, value: "\xff"},
		"explained in another way": {key: keyFailureUnexplained, value: "yes", want: Failure{Since: noon, NextAttemptAt: noon.Add(time.Minute), Cause: "status 502"}},
	} {
		t.Run(name, func(t *testing.T) {
			data := encode(whole)
			if tc.key != "" {
				data[tc.key] = []byte(tc.value)
			}
			if diff := cmp.Diff(tc.want, decode(data).Failure); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestASuccessorKeepsWhatZoomDoesNotTellAgain(t *testing.T) {
	answer := &zoom.Token{AccessToken: "marked-access-2", RefreshToken: "marked-refresh-2", ExpiresIn: time.Hour}
	later := noon.Add(48 * time.Minute)
	want := New(answer, later)
	want.ConsentedAt, want.Scopes, want.APIURL, want.Client.Cloud = noon, consented().Scopes, consented().APIURL, v1alpha1.CloudCommercial
	if diff := cmp.Diff(want, consented().Successor(answer, later, "")); diff != "" {
		t.Errorf("of a short answer (-want +got):\n%s", diff)
	}
	dropped := consented()
	dropped.DropAt, dropped.Failure = later.Add(time.Hour), failed
	if next := dropped.Successor(answer, later, ""); !next.DropAt.Equal(dropped.DropAt) || next.Failure != (Failure{}) {
		t.Errorf("the successor of a token that is to be deleted at %v is at %v, and failed: %+v", dropped.DropAt, next.DropAt, next.Failure)
	}
	answer.Scopes, answer.APIURL = []string{"user:read:user"}, "https://api-us.zoom.us"
	want.Scopes, want.APIURL = answer.Scopes, answer.APIURL
	if diff := cmp.Diff(want, consented().Successor(answer, later, "")); diff != "" {
		t.Errorf("of a complete answer (-want +got):\n%s", diff)
	}
	answer.RefreshToken = consented().RefreshToken // what is put into an answer that has none
	if kept := consented().Successor(answer, later, ""); !kept.KeptAt.Equal(later) || !kept.MaybeSpent() || kept.Successor(successorAnswer(), later, "").MaybeSpent() {
		t.Error("a refresh token that got no successor is not known to be one that may be spent, or its successor is")
	}
}

// An earlier version of the operator kept no client beside a token, and its app may have named the
// cloud by a URL that is gone.
func TestACloudThatNobodyNotedStaysOpenUntilARefresh(t *testing.T) {
	of := func(cloud v1alpha1.Cloud) Client { return Client{ID: "client", Cloud: cloud} }
	kept := of(v1alpha1.CloudCommercial).known(Client{})
	if kept.ID != "client" || kept.DiffersFrom(of(v1alpha1.CloudGovernment)) || kept.DiffersFrom(of(v1alpha1.CloudCommercial)) {
		t.Errorf("of the default, %+v is kept", kept)
	}
	if named := of(v1alpha1.CloudGovernment).known(kept); !named.DiffersFrom(of(v1alpha1.CloudCommercial)) {
		t.Errorf("of a cloud that the app names, %+v is kept", named)
	}
	token := consented()
	token.Client = kept
	shown := token.Successor(successorAnswer(), noon, v1alpha1.CloudCommercial).Client
	if !shown.DiffersFrom(of(v1alpha1.CloudGovernment)) || of(v1alpha1.CloudCommercial).known(shown).Cloud != v1alpha1.CloudCommercial {
		t.Errorf("after a refresh, %+v is kept", shown)
	}
}

// successorAnswer is an answer with another refresh token.
func successorAnswer() *zoom.Token {
	return &zoom.Token{AccessToken: "marked-access-2", RefreshToken: "marked-refresh-2", ExpiresIn: time.Hour}
}

func TestNoTwoSecretsHaveOneName(t *testing.T) {
	name := rapid.StringMatching(`[a-b](-(a|token|access)){0,3}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b := &v1alpha1.ZoomInstallation{}, &v1alpha1.ZoomInstallation{}
		a.Name, b.Name = name.Draw(t, "a"), name.Draw(t, "b")
		if SecretName(a) == AccessSecretName(b) {
			t.Fatalf("%q holds a refresh token and is shown to others as %q's access token", SecretName(a), b.Name)
		}
	})
}

func TestPrintingATokenShowsNothing(t *testing.T) {
	tok := consented()
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("a token", "value", tok, "stored", &Stored{Token: tok})
	asJSON, err := json.Marshal([]any{tok, &Stored{Token: tok}})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		fmt.Sprint(tok), fmt.Sprintf("%+v", tok), fmt.Sprintf("%#v", tok), fmt.Sprint(&tok),
		fmt.Sprintf("%v", &Stored{Token: tok}), fmt.Sprintf("%+v", Stored{Token: tok}), fmt.Sprintf("%#v", &Stored{Token: tok}),
		log.String(), string(asJSON),
	} {
		if strings.Contains(text, "marked") {
			t.Errorf("a token shows in %s", text)
		}
	}
}

// installation creates one in a namespace of its own.
func installation(t *testing.T) *v1alpha1.ZoomInstallation {
	t.Helper()
	in := &v1alpha1.ZoomInstallation{
		ObjectMeta: metav1.ObjectMeta{Namespace: controlplane.Namespace(t), Name: "grace-chapel"},
		Spec:       v1alpha1.ZoomInstallationSpec{AppRef: v1alpha1.AppReference{Name: "groups"}},
	}
	if err := controlplane.Client(t).Create(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	return in
}

// saved is an installation with the token of its first consent, loaded.
func saved(t *testing.T) (*v1alpha1.ZoomInstallation, *Stored) {
	t.Helper()
	in := installation(t)
	if err := Save(t.Context(), controlplane.Client(t), in, consented(), nil); err != nil {
		t.Fatal(err)
	}
	return in, load(t, in)
}

// load reads a token that must be there.
func load(t *testing.T, in *v1alpha1.ZoomInstallation) *Stored {
	t.Helper()
	s, err := Load(t.Context(), controlplane.Client(t), in)
	if err != nil || s == nil {
		t.Fatalf("Load returned %v, %v, want a token", s, err)
	}
	return s
}

// holds checks what is stored. Refresh tokens identify the tokens of these tests.
func holds(t *testing.T, in *v1alpha1.ZoomInstallation, want Token) {
	t.Helper()
	if diff := cmp.Diff(want, load(t, in).Token, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the Secret holds (-want +got):\n%s", diff)
	}
}

func TestSave(t *testing.T) {
	c := controlplane.Client(t)
	t.Run("a first consent", func(t *testing.T) {
		in, s := saved(t)
		holds(t, in, consented())
		if s.secret.Type != SecretType || s.secret.Labels[v1alpha1.AppLabel] != "groups" || len(s.secret.OwnerReferences) > 0 || !slices.Contains(s.secret.Finalizers, Finalizer) {
			t.Errorf("type %s, labels %v, owners %v, finalizers %v", s.secret.Type, s.secret.Labels, s.secret.OwnerReferences, s.secret.Finalizers)
		}
	})
	t.Run("another consent replaces marks and refusals too", func(t *testing.T) {
		in, s := saved(t)
		if err := errors.Join(s.BeginRefresh(t.Context(), c, noon), s.MarkUnusable(t.Context(), c, RefusedLost, noon, time.Time{})); err != nil {
			t.Fatal(err)
		}
		if err := Save(t.Context(), c, in, reconsented(), nil); err != nil {
			t.Fatal(err)
		}
		holds(t, in, reconsented())
	})
	t.Run("of two consents the later one's token stays, refreshed or not", func(t *testing.T) {
		in := installation(t)
		refreshed := reconsented().Successor(&zoom.Token{AccessToken: "marked-access-4", RefreshToken: "marked-refresh-4"}, noon.Add(2*time.Hour), "")
		for _, later := range []Token{reconsented(), refreshed} {
			if err := errors.Join(Save(t.Context(), c, in, later, nil), Save(t.Context(), c, in, consented(), nil)); err != nil {
				t.Fatal(err)
			}
			holds(t, in, later)
		}
	})
	t.Run("a later consent's token that Zoom refused stays in nobody's way", func(t *testing.T) {
		in := installation(t)
		if err := Save(t.Context(), c, in, reconsented(), nil); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(load(t, in).MarkUnusable(t.Context(), c, RefusedRevoked, noon, time.Time{}), Save(t.Context(), c, in, consented(), nil)); err != nil {
			t.Fatal(err)
		}
		holds(t, in, consented())
	})
	t.Run("a namespace that is gone is not waited for", func(t *testing.T) {
		in := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Namespace: "no-such-namespace", Name: "grace-chapel", UID: "uid"}}
		if err := Save(t.Context(), c, in, consented(), nil); !apierrors.IsNotFound(err) {
			t.Errorf("Save returned %v", err)
		}
	})
	t.Run("consents at the same time leave one of them, whole", func(t *testing.T) {
		in := installation(t)
		var all sync.WaitGroup
		for _, tok := range []Token{consented(), successor(), reconsented()} {
			all.Go(func() {
				if err := Save(t.Context(), c, in, tok, nil); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if got := load(t, in); got.AccessToken[len("marked-access-"):] != got.RefreshToken[len("marked-refresh-"):] {
			t.Error("the Secret holds one consent's access token and the other one's refresh token")
		}
	})
}

func TestLoadFindsOnlyTheInstallationsOwnToken(t *testing.T) {
	c := controlplane.Client(t)
	t.Run("none", func(t *testing.T) {
		s, err := Load(t.Context(), c, installation(t))
		if s != nil || err != nil {
			t.Errorf("Load returned %v, %v", s, err)
		}
	})
	t.Run("a Secret of somebody else is left alone", func(t *testing.T) {
		in := installation(t)
		other := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: in.Namespace, Name: SecretName(in)},
			Data:       map[string][]byte{"password": []byte("theirs")},
		}
		if err := c.Create(t.Context(), other); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(t.Context(), c, in); !errors.Is(err, ErrForeign) {
			t.Errorf("Load returned %v, want ErrForeign", err)
		}
		if err := Save(t.Context(), c, in, consented(), nil); !errors.Is(err, ErrForeign) {
			t.Errorf("Save returned %v, want ErrForeign", err)
		}
		var after corev1.Secret
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(other), &after); err != nil || after.ResourceVersion != other.ResourceVersion {
			t.Errorf("the Secret was touched: %v", err)
		}
	})
	t.Run("the token of a namesake that is gone", func(t *testing.T) {
		in, _ := saved(t)
		if err := c.Delete(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		again := &v1alpha1.ZoomInstallation{ObjectMeta: metav1.ObjectMeta{Namespace: in.Namespace, Name: in.Name}, Spec: in.Spec}
		if err := c.Create(t.Context(), again); err != nil {
			t.Fatal(err)
		}
		if s, err := Load(t.Context(), c, again); s != nil || err != nil {
			t.Errorf("Load returned %v, %v; the old consent is not this installation's", s, err)
		}
		if err := Save(t.Context(), c, again, reconsented(), nil); err != nil {
			t.Fatal(err)
		}
		holds(t, again, reconsented())
	})
}

func TestOfManyWhoWouldSpendATokenOneMay(t *testing.T) {
	for name, left := range map[string]bool{"the first time": false, "when an earlier refresh was interrupted": true} {
		t.Run(name, func(t *testing.T) {
			c := controlplane.Client(t)
			in, s := saved(t)
			if left {
				if err := s.BeginRefresh(t.Context(), c, noon); err != nil {
					t.Fatal(err)
				}
			}
			loaded := make([]*Stored, 8)
			for i := range loaded {
				loaded[i] = load(t, in)
			}
			var may atomic.Int32
			var all sync.WaitGroup
			for i, s := range loaded {
				all.Go(func() {
					err := s.BeginRefresh(t.Context(), c, noon.Add(time.Hour+time.Duration(i)))
					switch {
					case err == nil:
						may.Add(1)
					case !apierrors.IsConflict(err):
						t.Error(err)
					}
				})
			}
			all.Wait()
			if may.Load() != 1 {
				t.Errorf("%d of 8 may spend the token, want 1", may.Load())
			}
		})
	}
}

func TestAbortsAndRefusals(t *testing.T) {
	c := controlplane.Client(t)
	in, s := saved(t)
	want := consented()
	if err := s.BeginRefresh(t.Context(), c, noon.Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	want.RefreshStartedAt = noon.Add(time.Minute)
	holds(t, in, want)
	if err := s.AbortRefresh(t.Context(), c, Attempt{Unspent: true, UnexplainedSince: noon.Add(time.Minute), Failure: failed}); err != nil {
		t.Fatal(err)
	}
	want.RefreshStartedAt, want.UnexplainedSince, want.Failure = time.Time{}, noon.Add(time.Minute), failed
	holds(t, in, want)

	// What was left behind by somebody else is put back.
	if err := errors.Join(s.BeginRefresh(t.Context(), c, noon.Add(2*time.Minute)), s.AbortRefresh(t.Context(), c, Attempt{})); err != nil {
		t.Fatal(err)
	}
	s = load(t, in)
	if err := errors.Join(s.BeginRefresh(t.Context(), c, noon.Add(5*time.Minute)), s.AbortRefresh(t.Context(), c, Attempt{Unspent: true})); err != nil {
		t.Fatal(err)
	}
	want.RefreshStartedAt, want.UnexplainedSince, want.Failure = noon.Add(2*time.Minute), time.Time{}, Failure{}
	holds(t, in, want)

	// A failed revocation leaves everything else as it is, and is not written twice.
	if err := s.RecordFailure(t.Context(), c, failed); err != nil {
		t.Fatal(err)
	}
	want.Failure = failed
	holds(t, in, want)
	version := s.secret.ResourceVersion
	if err := s.RecordFailure(t.Context(), c, failed); err != nil || s.secret.ResourceVersion != version {
		t.Errorf("it is written again at once (%v)", err)
	}
	want.Failure = Failure{}

	// A refusal that is not final yet keeps its first time when it becomes final.
	for _, retryAt := range []time.Time{noon.Add(time.Hour), {}} {
		if err := s.MarkUnusable(t.Context(), c, RefusedRevoked, retryAt.Add(-time.Minute), retryAt); err != nil {
			t.Fatal(err)
		}
		want.RefreshStartedAt, want.Refusal, want.RefusedAt, want.RetryAt = time.Time{}, RefusedRevoked, noon.Add(59*time.Minute), retryAt
		holds(t, in, want)
		if want.Unusable() != retryAt.IsZero() {
			t.Errorf("a token that is tried again at %v is dead: %t", retryAt, want.Unusable())
		}
	}

	stale, revoking := load(t, in), load(t, in)
	if err := Save(t.Context(), c, in, reconsented(), nil); err != nil {
		t.Fatal(err)
	}
	if err := stale.MarkUnusable(t.Context(), c, RefusedRevoked, noon, time.Time{}); !errors.Is(err, ErrSuperseded) {
		t.Errorf("a refusal of the old token hit the new one: %v", err)
	}
	if err := revoking.RecordFailure(t.Context(), c, failed); !errors.Is(err, ErrSuperseded) {
		t.Errorf("a failed revocation of the old token hit the new one: %v", err)
	}
	holds(t, in, reconsented())

	touched := load(t, in)
	s = load(t, in)
	s.secret.Labels["team"] = "blue"
	if err := c.Update(t.Context(), s.secret); err != nil {
		t.Fatal(err)
	}
	if err := touched.MarkUnusable(t.Context(), c, RefusedScopesChanged, noon, time.Time{}); err != nil {
		t.Fatal(err)
	}
	want = reconsented()
	want.Refusal, want.RefusedAt = RefusedScopesChanged, noon
	holds(t, in, want)
}

// failing is the control plane's client with Update replaced.
func failing(t *testing.T, update func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.UpdateOption) error) client.Client {
	t.Helper()
	c, err := client.NewWithWatch(controlplane.Config(t), client.Options{Scheme: controlplane.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return interceptor.NewClient(c, interceptor.Funcs{Update: update})
}

func TestCommitRefresh(t *testing.T) {
	c := controlplane.Client(t)
	unavailable := apierrors.NewServiceUnavailable("the API server is away")
	tests := map[string]struct {
		meanwhile func(t *testing.T, in *v1alpha1.ZoomInstallation)
		with      func(t *testing.T) client.Client
		want      Token
		err       error
	}{
		"nothing in between": {want: successor()},
		"somebody labelled the Secret": {
			meanwhile: func(t *testing.T, in *v1alpha1.ZoomInstallation) {
				t.Helper()
				s := load(t, in)
				s.secret.Labels["team"] = "blue"
				if err := c.Update(t.Context(), s.secret); err != nil {
					t.Fatal(err)
				}
			},
			want: successor(),
		},
		"somebody took the attempt for dead and was refused": {
			meanwhile: func(t *testing.T, in *v1alpha1.ZoomInstallation) {
				t.Helper()
				s := load(t, in)
				if err := errors.Join(s.BeginRefresh(t.Context(), c, noon.Add(2*time.Hour)), s.MarkUnusable(t.Context(), c, RefusedLost, noon, time.Time{})); err != nil {
					t.Fatal(err)
				}
			},
			want: successor(),
		},
		"the customer consented again": {
			meanwhile: func(t *testing.T, in *v1alpha1.ZoomInstallation) {
				t.Helper()
				if err := Save(t.Context(), c, in, reconsented(), nil); err != nil {
					t.Fatal(err)
				}
			},
			want: reconsented(),
			err:  ErrSuperseded,
		},
		"the API server is away for a moment": {
			with: func(t *testing.T) client.Client {
				t.Helper()
				var calls int
				return failing(t, func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.UpdateOption) error {
					if calls++; calls <= 3 {
						return unavailable
					}
					return c.Update(ctx, obj, opts...)
				})
			},
			want: successor(),
		},
		"the API server stores it and its answer is lost": {
			with: func(t *testing.T) client.Client {
				t.Helper()
				var calls int
				return failing(t, func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.UpdateOption) error {
					calls++
					err := c.Update(ctx, obj, opts...)
					if calls == 1 {
						return unavailable
					}
					return err
				})
			},
			want: successor(),
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			in, s := saved(t)
			if err := s.BeginRefresh(t.Context(), c, noon.Add(48*time.Minute)); err != nil {
				t.Fatal(err)
			}
			if tc.meanwhile != nil {
				tc.meanwhile(t, in)
			}
			with := c
			if tc.with != nil {
				with = tc.with(t)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // the reconciler was told to stop while Zoom was asked
			if err := s.CommitRefresh(ctx, with, successor()); !errors.Is(err, tc.err) {
				t.Fatalf("Replace returned %v, want %v", err, tc.err)
			}
			holds(t, in, tc.want)
		})
	}
}

func TestDelete(t *testing.T) {
	c := controlplane.Client(t)
	in, s := saved(t)
	if err := Save(t.Context(), c, in, reconsented(), nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), c); !apierrors.IsConflict(err) {
		t.Errorf("deleting the token of before returned %v, want a conflict", err)
	}
	holds(t, in, reconsented())
	s = load(t, in)
	for range 2 {
		if err := s.Delete(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.CommitRefresh(t.Context(), c, successor()); !errors.Is(err, ErrSuperseded) {
		t.Errorf("Replace returned %v, want ErrSuperseded", err)
	}
	if got, err := Load(t.Context(), c, in); got != nil || err != nil {
		t.Errorf("a refresh that ended late brought the token back: %v, %v", got, err)
	}
}

func TestPublish(t *testing.T) {
	c := controlplane.Client(t)
	in, s := saved(t)
	get := func() *corev1.Secret {
		t.Helper()
		var secret corev1.Secret
		if err := c.Get(t.Context(), client.ObjectKey{Namespace: in.Namespace, Name: AccessSecretName(in)}, &secret); err != nil {
			t.Fatal(err)
		}
		return &secret
	}
	publish := func(tok Token) *corev1.Secret {
		t.Helper()
		if err := Publish(t.Context(), c, in, tok); err != nil {
			t.Fatal(err)
		}
		return get()
	}
	first := publish(s.Token)
	for key, value := range first.Data {
		if strings.Contains(string(value), "refresh") {
			t.Errorf("%s holds the refresh token", key)
		}
	}
	if got := string(first.Data[keyAccessToken]); got != "marked-access-1" {
		t.Errorf("the access token is %q", got)
	}
	if again := publish(s.Token); again.ResourceVersion != first.ResourceVersion {
		t.Error("a token that had not changed was written again")
	}
	if second := publish(successor()); string(second.Data[keyAccessToken]) != "marked-access-2" {
		t.Error("the successor was not published")
	}
	for range 2 {
		if err := Withdraw(t.Context(), c, in); err != nil {
			t.Fatal(err)
		}
	}
	holds(t, in, consented())
	if s, err := read(t.Context(), c, in, AccessSecretName(in), AccessSecretType); s != nil || err != nil {
		t.Errorf("the access token is there still: %v", err)
	}
}

func TestErrorsHoldNoToken(t *testing.T) {
	in, s := saved(t)
	once, cancel := context.WithCancel(t.Context())
	cancel() // or it would be tried for a minute
	c := failing(t, func(context.Context, client.WithWatch, client.Object, ...client.UpdateOption) error {
		return apierrors.NewForbidden(corev1.Resource("secrets"), SecretName(in), errors.New("not allowed"))
	})
	for name, err := range map[string]error{
		"BeginRefresh":  s.BeginRefresh(t.Context(), c, noon),
		"AbortRefresh":  s.AbortRefresh(once, c, Attempt{Unspent: true, UnexplainedSince: noon}),
		"RecordFailure": s.RecordFailure(once, c, failed),
		"MarkUnusable":  s.MarkUnusable(once, c, RefusedRevoked, noon, time.Time{}),
		"Save":          Save(t.Context(), c, in, reconsented(), nil),
		"Publish":       errors.Join(Publish(t.Context(), c, in, s.Token), Publish(t.Context(), c, in, successor())),
	} {
		if err == nil {
			t.Errorf("%s succeeded although the API server refused", name)
			continue
		}
		if strings.Contains(err.Error(), "marked") || !strings.Contains(err.Error(), in.Namespace) {
			t.Errorf("%s: %v", name, err)
		}
	}
	holds(t, in, consented())
}
