package v1alpha1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Seconds is t with the precision of the API, which knows no fractions of seconds. A date before
// 1970 is none that Zoom's clock showed; as 0001-01-01, the way some software says that it has no
// date, it could not be stored.
func Seconds(t time.Time) *metav1.Time {
	return &metav1.Time{Time: time.Unix(max(t.Unix(), 0), 0).UTC()}
}
