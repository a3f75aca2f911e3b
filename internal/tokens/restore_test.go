package tokens

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
)

// customer is an installation as Zoom's consents make them.
func customer(uid types.UID) *v1alpha1.ZoomInstallation {
	return &v1alpha1.ZoomInstallation{
		ObjectMeta: metav1.ObjectMeta{Name: "grace-chapel", UID: uid},
		Spec: v1alpha1.ZoomInstallationSpec{
			AppRef: v1alpha1.AppReference{Name: "groups"}, AccountID: "AccT", UserID: "uSer",
			Consent: &v1alpha1.Consent{At: metav1.NewTime(noon.Truncate(time.Second))},
		},
	}
}

func TestARestoredSecretBelongsToWhomItNames(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*v1alpha1.ZoomInstallation)
		want   bool
	}{
		"the same customer and consent":          {func(*v1alpha1.ZoomInstallation) {}, true},
		"another account":                        {func(in *v1alpha1.ZoomInstallation) { in.Spec.AccountID = "acct" }, false},
		"another user":                           {func(in *v1alpha1.ZoomInstallation) { in.Spec.UserID = "" }, false},
		"nobody has consented":                   {func(in *v1alpha1.ZoomInstallation) { in.Spec.Consent = nil }, false},
		"consented again since":                  {func(in *v1alpha1.ZoomInstallation) { in.Spec.Consent.At.Time = noon.Add(time.Second) }, false},
		"read before the consent of the token":   {func(in *v1alpha1.ZoomInstallation) { in.Spec.Consent.At.Time = noon.Add(-time.Hour) }, true},
		"an invitation that nobody followed yet": {func(in *v1alpha1.ZoomInstallation) { in.Spec.AccountID, in.Spec.UserID, in.Spec.Consent = "", "", nil }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			secret := fill(&corev1.Secret{Type: SecretType}, customer("before"), "grace-chapel-token", encode(consented()))
			now := customer("now")
			tc.change(now)
			if got := ours(secret, now); got != tc.want {
				t.Errorf("it is taken for the installation's: %t, want %t", got, tc.want)
			}
		})
	}
}

// A Secret from a backup is known by the object that it was written for, or by being older than
// what the status tells of, and is one that may have been spent until Zoom gives out its successor.
func TestARestoredTokenMayBeSpent(t *testing.T) {
	c := controlplane.Client(t)
	created := func(t *testing.T, change func(*v1alpha1.ZoomInstallation)) (*v1alpha1.ZoomInstallation, *Stored) {
		t.Helper()
		in := customer("")
		in.Namespace = controlplane.Namespace(t)
		if err := c.Create(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		before := in.DeepCopy()
		change(before)
		if err := Save(t.Context(), c, before, consented(), nil); err != nil {
			t.Fatal(err)
		}
		return in, load(t, in)
	}
	keep := func(t *testing.T, in *v1alpha1.ZoomInstallation, s *Stored, now time.Time) {
		t.Helper()
		if err := s.SyncMetadata(t.Context(), c, in, Client{}, now); err != nil {
			t.Fatal(err)
		}
	}
	as := func(uid types.UID) func(*v1alpha1.ZoomInstallation) {
		return func(in *v1alpha1.ZoomInstallation) { in.UID = uid }
	}
	for name, tc := range map[string]struct {
		written   func(*v1alpha1.ZoomInstallation)
		refreshed time.Time // according to the status; zero for no status
		want      bool
	}{
		"written for this object":             {func(*v1alpha1.ZoomInstallation) {}, time.Time{}, false},
		"as the status tells":                 {func(*v1alpha1.ZoomInstallation) {}, noon, false},
		"the status is not up to date yet":    {func(*v1alpha1.ZoomInstallation) {}, noon.Add(-time.Hour), false},
		"older than the status tells":         {func(*v1alpha1.ZoomInstallation) {}, noon.Add(time.Hour), true},
		"written for the object of before":    {as("before"), time.Time{}, true},
		"of before, with a status of its own": {as("before"), noon, true},
	} {
		t.Run(name, func(t *testing.T) {
			in, s := created(t, tc.written)
			if !tc.refreshed.IsZero() {
				in.Status.Token = &v1alpha1.TokenStatus{RefreshedAt: &metav1.Time{Time: tc.refreshed.Truncate(time.Second)}}
			}
			keep(t, in, s, noon.Add(2*time.Hour))
			keep(t, in, s, noon.Add(3*time.Hour))
			want := consented()
			if tc.want {
				want.RestoredAt = noon.Add(2 * time.Hour)
			}
			holds(t, in, want)
			if s.MaybeSpent() != tc.want || s.Successor(successorAnswer(), noon, "").MaybeSpent() {
				t.Errorf("it may be spent: %t, want %t, or its successor may", s.MaybeSpent(), tc.want)
			}
			if !writtenFor(s.secret, in) {
				t.Error("it does not name the object that it belongs to now")
			}
		})
	}
	t.Run("without the finalizer, as some tools restore it", func(t *testing.T) {
		in, s := created(t, as("before"))
		s.secret.Finalizers = nil
		if err := c.Update(t.Context(), s.secret); err != nil {
			t.Fatal(err)
		}
		keep(t, in, load(t, in), noon)
		if s = load(t, in); len(s.secret.Finalizers) != 1 || s.secret.Finalizers[0] != Finalizer {
			t.Errorf("it has the finalizers %v", s.secret.Finalizers)
		}
		if err := c.Delete(t.Context(), s.secret); client.IgnoreNotFound(err) != nil {
			t.Fatal(err)
		}
		if !load(t, in).Deleting() {
			t.Error("who deletes it loses the token")
		}
	})
}
