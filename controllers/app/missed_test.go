package app

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/missed"
)

// What the condition says of a time is so: nothing is missing up to an event that has to wait, and
// of what is lost it says how much, or of which time.
func TestMissedEventsCondition(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) time.Time { return noon.Add(-d) }
	const waiting = " 2 could not be stored yet and are tried again by themselves; the operator's log says why."
	held := func(d time.Duration) []missed.Span {
		return []missed.Span{{From: ago(d), To: ago(d - time.Second), Since: ago(d), Tried: noon, Events: 2}}
	}
	for name, tc := range map[string]struct {
		record       missed.Record
		want, reason string
	}{
		"not read yet": {
			reason: v1alpha1.ReasonRecovering, want: "Zoom's webhook log was not read yet.",
		},
		"all is stored": {
			record: missed.Record{Since: ago(50 * time.Hour), Until: ago(2 * time.Minute), Taken: 3, TakenAt: ago(time.Hour), Unusable: 1},
			reason: v1alpha1.ReasonRecovered,
			want: "Since 2026-02-28 10:00 UTC nothing is missing that is in Zoom's webhook log up to 2026-03-02 11:58 UTC." +
				" 3 events that Zoom could not deliver at once were stored from it, the last ones at 2026-03-02 11:00 UTC. 1 could not be stored or understood.",
		},
		"an event waits": {
			record: missed.Record{Since: ago(50 * time.Hour), Until: ago(2 * time.Minute), Held: held(30 * time.Minute)},
			reason: v1alpha1.ReasonRecovered,
			want:   "Since 2026-02-28 10:00 UTC nothing is missing that is in Zoom's webhook log up to 2026-03-02 11:30 UTC." + waiting,
		},
		"an event waits for long": {
			record: missed.Record{Since: ago(50 * time.Hour), Until: ago(2 * time.Minute), Held: held(3 * time.Hour)},
			reason: v1alpha1.ReasonRecovering,
			want:   "Zoom's webhook log was read up to 2026-03-02 11:58 UTC, and all that is in it is stored up to 2026-03-02 09:00 UTC." + waiting,
		},
		"an event waits for long after others were lost": {
			record: missed.Record{Since: ago(500 * time.Hour), Until: ago(2 * time.Minute), Held: held(3 * time.Hour), Gap: &missed.Gap{From: ago(200 * time.Hour), To: ago(100 * time.Hour)}},
			reason: v1alpha1.ReasonEventsLost,
			want: "What Zoom could not deliver from 2026-02-22 04:00 UTC to 2026-02-26 08:00 UTC was in its webhook log no more, and is missing." +
				" Since then, and up to 2026-03-02 09:00 UTC, nothing is." + waiting,
		},
		"not read for long": {
			record: missed.Record{Since: ago(50 * time.Hour), Until: ago(2 * time.Hour), Held: held(3 * time.Hour)},
			reason: v1alpha1.ReasonRecovering,
			want:   "Zoom's webhook log was read up to 2026-03-02 10:00 UTC, and not since. It is tried again by itself.",
		},
		"refused while an event waits": {
			record: missed.Record{Since: ago(50 * time.Hour), Until: ago(2 * time.Hour), Held: held(3 * time.Hour), Refused: &missed.Refusal{Reason: v1alpha1.ReasonDeveloperCredentialsMissing}},
			reason: v1alpha1.ReasonDeveloperCredentialsMissing,
			want: "There is no Secret developer of the type zoom-operator.io/developer with the keys appID, clientID and clientSecret." +
				" What Zoom could not deliver since 2026-03-02 09:00 UTC may be missing.",
		},
	} {
		t.Run(name, func(t *testing.T) {
			app := &v1alpha1.ZoomApp{Spec: v1alpha1.ZoomAppSpec{DeveloperCredentialsSecretRef: &v1alpha1.SecretReference{Name: "developer"}}}
			tc.record.Set(app)
			var conditions []metav1.Condition
			setMissed(&conditions, noon, app)
			c := meta.FindStatusCondition(conditions, v1alpha1.ConditionMissedEventsRecovered)
			if c == nil || c.Reason != tc.reason || c.Message != tc.want {
				t.Errorf("the condition is %+v, want %s:\n%s", c, tc.reason, tc.want)
			}
		})
	}
}
