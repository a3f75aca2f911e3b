package controllers

import (
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// What a backup holds.
const (
	theSecrets       = "Secrets"
	theApp           = "app"
	theInstallations = "installations"
	theMeetings      = "meetings"
)

// backup is what a backup tool keeps of a namespace: everything that people and programs wrote, and
// nothing that the API server gives an object, nor its status.
type backup map[string][]client.Object

// everything is every object of the namespace that a backup holds.
func (z *zoomWorld) everything(t *testing.T) backup {
	t.Helper()
	b := backup{}
	for kind, list := range map[string]client.ObjectList{
		theSecrets: &corev1.SecretList{}, theApp: &v1alpha1.ZoomAppList{}, theInstallations: &v1alpha1.ZoomInstallationList{}, theMeetings: &v1alpha1.ZoomMeetingList{},
	} {
		if err := z.List(t.Context(), list, client.InNamespace(z.namespace)); err != nil {
			t.Fatal(err)
		}
		if err := meta.EachListItem(list, func(obj runtime.Object) error {
			b[kind] = append(b[kind], obj.(client.Object)) //nolint:forcetypeassert // every kind in these lists is one
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// lose takes everything out of the namespace without the operator, which must not run, so that Zoom
// hears nothing of it.
func (z *zoomWorld) lose(t *testing.T) {
	t.Helper()
	for _, objects := range z.everything(t) {
		for _, obj := range objects {
			obj.SetFinalizers(nil)
			if err := z.Update(t.Context(), obj); err != nil {
				t.Fatal(err)
			}
			z.deleteAll(t, obj)
		}
	}
}

// restore creates everything of some kinds again.
func (z *zoomWorld) restore(t *testing.T, b backup, change func(client.Object), kinds ...string) {
	t.Helper()
	for _, kind := range kinds {
		for _, obj := range b[kind] {
			again := obj.DeepCopyObject().(client.Object) //nolint:forcetypeassert // a copy has the type of its original
			again.SetUID("")
			again.SetResourceVersion("")
			again.SetCreationTimestamp(metav1.Time{})
			again.SetManagedFields(nil)
			if change != nil {
				change(again)
			}
			if err := z.Create(t.Context(), again); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// lively is an installation with meetings and a shared access token, that the operator has come by
// at.
func lively(t *testing.T) (z *zoomWorld, in *v1alpha1.ZoomInstallation, stop func()) {
	t.Helper()
	z = newZoomWorld(t, func(spec *v1alpha1.ZoomAppSpec) { spec.AccessTokens = v1alpha1.AccessTokensShared })
	in = z.installed(t)
	z.meetings(t, in, 3)
	stop = z.run(t, z.clock.Now)
	z.isReady(t, in, "Consented")
	return z, in, stop
}

// Everything is restored from a backup into a cluster that has nothing of it, in any order: no
// token is lost, no consent is revoked, and no meeting goes.
func TestARestoreKeepsEverything(t *testing.T) {
	withoutFinalizers := func(obj client.Object) { obj.SetFinalizers(nil) }
	withoutOwners := func(obj client.Object) { obj.SetOwnerReferences(nil) }
	for name, tc := range map[string]struct {
		order  []string
		change func(client.Object) // what else the tool leaves out
	}{
		"Secrets first, the app last": {order: []string{theSecrets, theMeetings, theInstallations, theApp}},
		"Secrets last":                {order: []string{theMeetings, theApp, theInstallations, theSecrets}},
		"installations first":         {order: []string{theInstallations, theSecrets, theApp, theMeetings}, change: withoutOwners},
		"without finalizers":          {order: []string{theSecrets, theInstallations, theMeetings, theApp}, change: withoutFinalizers},
	} {
		t.Run(name, func(t *testing.T) {
			z, in, stop := lively(t)
			stop()
			b, before := z.everything(t), z.token(t, in)
			z.lose(t)
			z.run(t, z.clock.Now)
			for _, kind := range tc.order {
				z.restore(t, b, tc.change, kind)
				eventually(t, func() error { // so that the next ones come late
					for _, m := range z.everything(t)[theMeetings] {
						if m.(*v1alpha1.ZoomMeeting).Status.State == "" { //nolint:forcetypeassert // they are meetings
							return errors.New("the operator has not come by at a meeting")
						}
					}
					return nil
				})
			}
			z.isReady(t, in, "Consented")
			z.asked(t, 1) // at once: the age of a backup is unknown
			eventually(t, func() error {
				now := z.token(t, in)
				if now == nil || now.RefreshToken == before.RefreshToken || now.MaybeSpent() {
					return errors.New("the token from the backup is not refreshed")
				}
				shared := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: z.namespace, Name: in.Name + "-access"}}
				if err := z.get(t, shared); err != nil || string(shared.Data["accessToken"]) != now.AccessToken {
					return errors.Join(err, errors.New("other programs have another access token"))
				}
				return nil
			})
			if n, twice := z.meetingsOf(t, in.Name), z.zoom.Stats().SpentTwice; n != 3 || twice != 0 || !z.installedAtZoom() {
				t.Errorf("there are %d meetings, %d tokens were spent twice, at Zoom: %t", n, twice, z.installedAtZoom())
			}
			for _, m := range z.everything(t)[theMeetings] {
				if len(m.GetOwnerReferences()) > 0 {
					t.Errorf("%s would be collected as garbage of %v", m.GetName(), m.GetOwnerReferences())
				}
			}
			z.deleteAll(t, in)
			z.left(t, in)
			if z.installedAtZoom() || z.token(t, in) != nil || z.meetingsOf(t, in.Name) != 0 {
				t.Error("a restored installation does not end as others do")
			}
		})
	}
}

// A backup may be older than the last refresh, or than a removal. Zoom's refusal does not say
// which, so nothing is deleted for it.
func TestAnOldBackupSaysSo(t *testing.T) {
	for name, since := range map[string]func(*testing.T, *zoomWorld, *v1alpha1.ZoomInstallation){
		"the token was refreshed since": func(t *testing.T, z *zoomWorld, in *v1alpha1.ZoomInstallation) {
			t.Helper()
			stop := z.run(t, z.clock.Now)
			z.pass(t, 50*time.Minute)
			z.asked(t, 1)
			z.isReady(t, in, "Consented")
			stop()
		},
		"the customer has removed the app since": func(t *testing.T, z *zoomWorld, _ *v1alpha1.ZoomInstallation) {
			t.Helper()
			if err := z.zoom.Remove(t.Context(), "client", account, user); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			z, in, stop := lively(t)
			stop()
			b := z.everything(t)
			since(t, z, in)
			z.lose(t)
			z.restore(t, b, nil, theSecrets, theInstallations, theMeetings, theApp)
			z.run(t, z.clock.Now)
			c := z.isReady(t, in, v1alpha1.ReasonRefreshLost)
			if !strings.Contains(c.Message, "backup") || !strings.Contains(c.Message, "status.installURL") || in.Status.InstallURL == "" {
				t.Errorf("nobody is told why and what to do: %q, at %q", c.Message, in.Status.InstallURL)
			}
			if n := z.meetingsOf(t, in.Name); n != 3 || strings.Contains(c.Message, "is deleted") {
				t.Errorf("there are %d meetings, and the condition says %q", n, c.Message)
			}
			z.clock.Set(z.clock.Now().Add(2 * time.Second)) // consents have whole seconds
			z.consent(t, in)
			z.isReady(t, in, "Consented")
		})
	}
}

// Of meetings without an installation only those go whose consent is remembered to have ended: they
// are late.
func TestALateMeetingGoesAndARestoredOneStays(t *testing.T) {
	z, in, _ := lively(t)
	of := func(number, account, host string) *v1alpha1.ZoomMeeting {
		return z.meeting(t, number, func(s *v1alpha1.ZoomMeetingSpec) {
			s.InstallationRef.Name, s.AccountID, s.HostID = in.Name, account, host
		})
	}
	z.deleteAll(t, in)
	z.left(t, in)
	restored := of("81234567890", "another-account", "hOsT")
	late := []*v1alpha1.ZoomMeeting{of("81234567891", account, ""), of("81234567892", account, "hOsT")}
	for _, m := range late {
		z.gone(t, m)
	}
	if err := z.get(t, restored); err != nil {
		t.Errorf("a meeting that may have been restored before its installation: %v", err)
	}
	if n := z.meetingsOf(t, in.Name); n != 1 {
		t.Errorf("there are %d meetings", n)
	}
}
