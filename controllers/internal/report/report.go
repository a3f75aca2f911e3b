// Package report writes the status of objects for the controllers.
package report

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/controllers/internal/fieldowner"
)

// within is how long a write may take.
const within = 10 * time.Second

// Status writes the status of an object, if the object is still of the resourceVersion that was
// read. A write that has begun goes on when the process is asked to end, which waits for it: else
// the API server could have stored the status while the Event of what changed, which is recorded
// after the write, is not recorded by any process.
func Status(ctx context.Context, c client.Client, obj client.Object) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	return c.Status().Update(ctx, obj, fieldowner.Controller)
}
