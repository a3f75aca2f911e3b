package missed_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/missed"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func TestWhatIsReadNext(t *testing.T) {
	ago := func(d time.Duration) time.Time { return noon.Add(-d) }
	const day = 24 * time.Hour
	reach := ago(7*day - 5*time.Minute)
	for name, tt := range map[string]struct {
		until     time.Time
		created   time.Duration
		something bool
		want      missed.Window
		ok        bool
		after     missed.Record
	}{
		"of an app of two hours": {
			created: 2 * time.Hour,
			want:    missed.Window{From: ago(2*time.Hour + 10*time.Minute), To: ago(time.Hour)}, ok: true,
			after: missed.Record{Since: ago(2 * time.Hour), Until: ago(2 * time.Hour)},
		},
		"of one that was made now": {
			want: missed.Window{From: ago(12 * time.Minute), To: ago(2 * time.Minute)}, ok: true,
			after: missed.Record{Since: noon, Until: noon},
		},
		"of an old one, as much as is read at once": {
			created: 30 * day,
			want:    missed.Window{From: reach, To: reach.Add(time.Hour)}, ok: true,
			after: missed.Record{Since: reach, Until: reach},
		},
		"after an hour": {
			until: ago(time.Hour),
			want:  missed.Window{From: ago(70 * time.Minute), To: ago(2 * time.Minute)}, ok: true,
			after: missed.Record{Until: ago(time.Hour)},
		},
		"at once again": {until: ago(2 * time.Minute), after: missed.Record{Until: ago(2 * time.Minute)}},
		"at once again, whether it may be": {
			until: ago(2 * time.Minute), something: true,
			want: missed.Window{From: ago(12 * time.Minute), To: ago(2 * time.Minute)}, ok: true,
			after: missed.Record{Until: ago(2 * time.Minute)},
		},
		"after nine days": {
			until: ago(9 * day),
			want:  missed.Window{From: reach, To: reach.Add(time.Hour)}, ok: true,
			after: missed.Record{Until: reach, Gap: &missed.Gap{From: ago(9 * day), To: reach}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := missed.Record{Until: tt.until}
			w, ok := r.Next(noon, ago(tt.created), tt.something)
			if diff := cmp.Diff([]any{tt.want, tt.ok, tt.after}, []any{w, ok, r}); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// What is recorded of another app, as in a copy of its manifest, is nothing.
func TestRecordsAreOfOneApp(t *testing.T) {
	app := &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{UID: "1"}}
	r := missed.RecordOf(app)
	r.Until, r.Taken = noon, 3
	r.Set(app)
	if diff := cmp.Diff(r, missed.RecordOf(app)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	app.UID = "2"
	if got := missed.RecordOf(app); !got.Until.IsZero() || got.App != "2" {
		t.Errorf("of another app: %+v", got)
	}
	app.Annotations[missed.Annotation] = "{"
	if got := missed.RecordOf(app); !got.Until.IsZero() {
		t.Errorf("of garbage: %+v", got)
	}
}
