package meeting

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// repeatEvery is how often a status is written at most that would only repeat itself with a newer
// observedGeneration: most events of a meeting change nothing in its status.
const repeatEvery = time.Minute

// repeats reports whether a status only repeats another one, perhaps for a newer generation.
func repeats(before, after *v1alpha1.ZoomMeetingStatus) bool {
	return equality.Semantic.DeepEqual(withoutGeneration(before), withoutGeneration(after))
}

func withoutGeneration(status *v1alpha1.ZoomMeetingStatus) v1alpha1.ZoomMeetingStatus {
	rest := *status
	rest.Conditions = append([]metav1.Condition(nil), status.Conditions...)
	for i := range rest.Conditions {
		rest.Conditions[i].ObservedGeneration = 0
	}
	return rest
}

// statusWrites knows which statuses this process has written within repeatEvery. It forgets them
// all in twice that time, also of meetings that are gone. The zero value knows none.
type statusWrites struct {
	mu            sync.Mutex
	since         time.Time // when recent was begun
	recent, older map[types.NamespacedName]time.Time
}

// wrote notes that a status was written.
func (w *statusWrites) wrote(meeting types.NamespacedName, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if age := now.Sub(w.since); w.recent == nil || age < 0 || age >= repeatEvery {
		w.recent, w.older, w.since = map[types.NamespacedName]time.Time{}, w.recent, now
	}
	w.recent[meeting] = now
}

// wait is how long a status that only repeats itself waits before it is written; 0 when it is
// written now.
func (w *statusWrites) wait(meeting types.NamespacedName, now time.Time) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	last, ok := w.recent[meeting]
	if !ok {
		last, ok = w.older[meeting]
	}
	if since := now.Sub(last); ok && since >= 0 && since < repeatEvery {
		return repeatEvery - since
	}
	return 0
}
