package logs

import (
	"errors"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Cause is the text of an error for the log. The API server quotes the values that it refuses, and
// those are Zoom's: of its errors only the reason and the fields are in the text.
func Cause(err error) string {
	status, ok := errors.AsType[*apierrors.StatusError](err)
	if !ok {
		return err.Error()
	}
	text := []string{"the API server says " + string(status.ErrStatus.Reason)}
	if status.ErrStatus.Details != nil {
		for _, c := range status.ErrStatus.Details.Causes {
			text = append(text, c.Field)
		}
	}
	return strings.Join(text, ", ")
}

// Object names a Kubernetes object, as key-value pairs.
func Object(obj client.Object) []any {
	return []any{"namespace", obj.GetNamespace(), "name", obj.GetName()}
}
