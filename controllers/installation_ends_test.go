package controllers

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// dataDeleted says what is missing of the proof that data was deleted for that reason.
func (z *zoomWorld) dataDeleted(t *testing.T, in *v1alpha1.ZoomInstallation, reason v1alpha1.DeauthorizationReason) error {
	t.Helper()
	if err := z.get(t, in); err != nil {
		return err
	}
	if d := in.Status.DataDeletion; d == nil || d.At == nil || d.Reason != reason {
		return fmt.Errorf("the deletion is %+v", d)
	}
	return nil
}

// A token that Zoom takes shows that it was somebody else who removed the app; one that it refuses,
// that it was this customer.
func TestAnUnclearNoticeTriesTheToken(t *testing.T) {
	for name, removed := range map[string]bool{"Zoom takes the token": false, "Zoom refuses the token": true} {
		t.Run(name, func(t *testing.T) {
			z := newZoomWorld(t, nil)
			z.run(t, z.clock.Now)
			in := z.installed(t)
			z.meetings(t, in, 3)
			z.isReady(t, in, "Consented")
			before := z.zoom.Stats().Requests[zoomtest.StepRefresh]
			z.clock.Set(noon.Add(5 * time.Minute))
			if removed {
				if err := z.zoom.Kill("client", account, user, 4735); err != nil {
					t.Fatal(err)
				}
			}
			change(t, z.world, in, func(in *v1alpha1.ZoomInstallation) { installation.MergeRemovalNotice(in, noon.Add(4*time.Minute)) })
			if removed {
				z.isReady(t, in, "Deauthorized")
				eventually(t, func() error { return z.dataDeleted(t, in, v1alpha1.DeauthorizationNoticeConfirmed) })
				if n := z.meetingsOf(t, in.Name); n != 0 {
					t.Errorf("%d meetings are left", n)
				}
				return
			}
			eventually(t, func() error {
				if err := z.get(t, in); err != nil {
					return err
				}
				if !installation.RemovalNotice(in).IsZero() {
					return errors.New("it says something else")
				}
				return nil
			})
			z.isReady(t, in, "Consented")
			if n := z.zoom.Stats().Requests[zoomtest.StepRefresh]; n != before+1 {
				t.Errorf("Zoom was asked %d times, want once", n-before)
			}
			if n := z.meetingsOf(t, in.Name); n != 3 {
				t.Errorf("%d meetings are left, want 3", n)
			}
		})
	}
}
