package installation

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/gate"
	"github.com/zoom-operator/zoom-operator/internal/refusal"
)

// enter is the right to ask Zoom in the app's name, to be handed back; nil when it is not the time,
// and then the facts say when it is. A deletion that is about to go on without Zoom asks once,
// whatever the others do.
func (r *Reconciler) enter(in *v1alpha1.ZoomInstallation, f *facts) *gate.Pass {
	now := r.Now()
	pass := r.Gates.Enter(now, f.issuer(), f.credentials, in, f.givesUp(now))
	if pass == nil {
		r.look(in, f)
	}
	return pass
}

// look takes in when the installation may ask Zoom in the app's name.
func (r *Reconciler) look(in *v1alpha1.ZoomInstallation, f *facts) {
	now := r.Now()
	f.held(now, in, r.Gates.Look(now, f.issuer(), f.credentials, in))
}

// heard takes in what an answer of Zoom says of the app.
func (r *Reconciler) heard(in *v1alpha1.ZoomInstallation, f *facts, p *gate.Pass, err error) {
	f.answer = refusal.OfToken(err)
	p.Answered(r.Now(), f.answer)
	r.look(in, f)
}

// tellApp keeps in the app's status what Zoom's answer says of the app. Of an app that Zoom did not
// refuse nothing is written.
func (r *Reconciler) tellApp(ctx context.Context, f *facts) error {
	if f.app == nil || f.issuer() != f.app { // what Zoom says of an app that is gone has no reader
		return nil
	}
	if f.answer == refusal.Nothing || f.answer == refusal.ClientAccepted && f.app.Status.Refusal == nil {
		return nil
	}
	return refusal.Update(ctx, r.Live, r.Client, client.ObjectKeyFromObject(f.app), func(stands *v1alpha1.AppRefusal) *v1alpha1.AppRefusal {
		return refusal.Next(stands, f.answer, f.credentials, r.Now())
	})
}
