package meeting

import (
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/report"
)

// repeatEvery is how often a status is written at most that would only repeat itself with a newer
// observedGeneration: most events of a meeting change nothing in its status.
const repeatEvery = report.Remembered

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
