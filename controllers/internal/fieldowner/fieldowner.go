// Package fieldowner is who the controllers are in metadata.managedFields.
package fieldowner

import "sigs.k8s.io/controller-runtime/pkg/client"

// Controller owns what controllers write, in status and elsewhere. The webhook server has owners of
// its own for what it reports in status.
const Controller = client.FieldOwner("zoom-operator")
