package sentences_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/test/sentences"
)

func TestCheck(t *testing.T) {
	for message, whole := range map[string]bool{
		"Zoom has not reported a start of the meeting. Its start is 10:00.":  true,
		"spec.clientID names an app that another ZoomApp has, too.":          true,
		"Zoom has not reported a start of the  Its start is 10:00.":          false,
		"Zoom has not reported a start of the. Its start is 10:00.":          false,
		"Zoom has not reported a start":                                      false,
		"Zoom has not reported a start of the meeting.\nIts start is 10:00.": false,
		"": false,
	} {
		if err := sentences.Check([]metav1.Condition{{Type: "Live", Reason: "NotStarted", Message: message}}); (err == nil) != whole {
			t.Errorf("%q: %v", message, err)
		}
	}
}
