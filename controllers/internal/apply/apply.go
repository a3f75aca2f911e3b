// Package apply helps the controllers with server-side apply.
package apply

import (
	"encoding/json"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Owner is the field owner of what controllers write, in status and elsewhere.
const Owner = client.FieldOwner("zoom-operator")

// Fill converts a whole status to the apply configuration that server-side apply takes. The two are
// the same JSON, so no field of a status can be missing, and thereby be given up.
func Fill[T any](configuration *T, status any) (*T, error) {
	raw, err := json.Marshal(status)
	if err != nil {
		return nil, fmt.Errorf("encoding %T: %w", status, err)
	}
	if err := json.Unmarshal(raw, configuration); err != nil {
		return nil, fmt.Errorf("decoding %T: %w", configuration, err)
	}
	return configuration, nil
}
