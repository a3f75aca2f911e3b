package controllers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// A customer who has as many meetings as are kept gives up those that have been over for longest;
// when none is over, the installation says that new ones are not stored.
func TestRoomIsMadeForMeetings(t *testing.T) {
	const limit = 10
	z := newZoomWorld(t, func(spec *v1alpha1.ZoomAppSpec) { spec.Retention.Meetings = limit })
	in := z.installed(t)
	now := z.clock.Now()
	held := func(number int, ended time.Duration) {
		t.Helper()
		z.meeting(t, fmt.Sprint(81000000000+number), func(spec *v1alpha1.ZoomMeetingSpec) {
			spec.InstallationRef.Name, spec.AccountID = in.Name, account
			start, end := metav1.NewTime(now.Add(-ended-time.Hour)), metav1.NewTime(now.Add(-ended))
			instance := v1alpha1.MeetingInstance{UUID: fmt.Sprint(number), StartedAt: &start}
			if ended > 0 {
				instance.EndedAt = &end
			}
			spec.Instances = []v1alpha1.MeetingInstance{instance}
		})
	}
	for i := range 8 {
		held(i, 0) // live
	}
	held(20, 24*time.Hour)
	held(21, 48*time.Hour)
	held(22, time.Hour) // of which Zoom may still report something
	held(23, 72*time.Hour)
	z.run(t, z.clock.Now)
	numbers := func() (list []string) {
		var all v1alpha1.ZoomMeetingList
		if err := z.List(t.Context(), &all, client.InNamespace(z.namespace)); err != nil {
			t.Fatal(err)
		}
		for _, m := range all.Items {
			list = append(list, strings.TrimPrefix(m.Spec.MeetingID, "8100000000"))
		}
		return list
	}
	// 9 of 10, so that there is room for one.
	eventually(t, func() error {
		if got := numbers(); len(got) != limit-1 || strings.Contains(strings.Join(got, " "), "20") || !strings.Contains(strings.Join(got, " "), "22") {
			return fmt.Errorf("there are %v", got)
		}
		return nil
	})
	full := func(want bool) {
		t.Helper()
		eventually(t, func() error {
			if err := z.get(t, in); err != nil {
				return err
			}
			c := meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionMeetingsStored)
			if (c != nil) != want || want && (c.Reason != v1alpha1.ReasonTooManyMeetings || !strings.Contains(c.Message, "10 meetings")) {
				return fmt.Errorf("the condition is %+v", c)
			}
			return nil
		})
	}
	full(false)
	held(30, 0)
	full(true)
	if ready := meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionReady); ready == nil || ready.Reason != "Consented" && ready.Status != metav1.ConditionTrue {
		t.Errorf("the installation is %+v", ready)
	}
	change(t, z.world, z.app, func(app *v1alpha1.ZoomApp) { app.Spec.Retention.Meetings = 20 })
	full(false)
}
