package consent

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/installation"
	"github.com/zoom-operator/zoom-operator/internal/tokens"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// lookAgainAfter is the pause between looks into the cache for what another replica may be storing.
const lookAgainAfter = 100 * time.Millisecond

// flowIndex finds an installation by the flow that led to its consent.
const flowIndex = ".flow"

// AddIndexes lets a cache find installations by the flow that led to their consent.
func AddIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	return indexer.IndexField(ctx, &v1alpha1.ZoomInstallation{}, flowIndex, func(obj client.Object) []string {
		if flow := obj.GetLabels()[v1alpha1.ConsentFlowLabel]; flow != "" {
			return []string{flow}
		}
		return nil
	})
}

// cachedOf is the installation that a flow led to, as cached, while the consent is in force; nil
// when there is none.
func (s *service) cachedOf(ctx context.Context, app *v1alpha1.ZoomApp, flow string) *v1alpha1.ZoomInstallation {
	return s.ofFlow(ctx, s.cache, app, client.MatchingFields{flowIndex: flow})
}

func (*service) ofFlow(ctx context.Context, from client.Reader, app *v1alpha1.ZoomApp, by client.ListOption) *v1alpha1.ZoomInstallation {
	var list v1alpha1.ZoomInstallationList
	if err := from.List(ctx, &list, client.InNamespace(app.Namespace), by); err != nil {
		return nil // as good as unknown: the code is refused then, and the page says what that may mean
	}
	for i := range list.Items {
		if in := &list.Items[i]; in.Spec.AppRef.Name == app.Name && installation.ConsentStands(in) {
			return in
		}
	}
	return nil
}

// usedElsewhere finds out whether Zoom refuses a code because another replica has used it in the
// same flow. The other one may be storing the consent at this moment, so the cache, which costs
// nothing, is looked into for a while; then the API server is asked once. A client that makes codes
// up gets no further than the limit of exchanges lets it.
func (s *service) usedElsewhere(ctx context.Context, req *consentRequest, oauth *zoom.OAuth, begun *flow, invited *v1alpha1.ZoomInstallation) (outcome, bool) {
	flow := begun.id()
	var in *v1alpha1.ZoomInstallation
	_ = wait.PollUntilContextTimeout(ctx, lookAgainAfter, s.waits.elsewhere, true, func(ctx context.Context) (bool, error) {
		in = s.cachedOf(ctx, req.app, flow)
		return in != nil, nil
	})
	if in == nil {
		in = s.ofFlow(ctx, s.live, req.app, client.MatchingLabels{v1alpha1.ConsentFlowLabel: flow})
	}
	switch {
	case in == nil:
		return outcome{}, false
	case s.tokenOf(ctx, req.app, oauth, in) == dead:
		// The code came to Zoom a second time, and some servers end what they gave for the first.
		return outcome{reason: reasonReconnect, final: true}, true
	}
	return connected(in, invited), true
}

// tokenOf says whether Zoom takes the token of an installation. Where none is kept, that is
// unknown.
func (s *service) tokenOf(ctx context.Context, app *v1alpha1.ZoomApp, oauth *zoom.OAuth, in *v1alpha1.ZoomInstallation) life {
	if app.Spec.TokenPolicy == v1alpha1.TokenPolicyNone {
		return unknown
	}
	stored, err := tokens.Load(ctx, s.live, in)
	if err != nil || stored == nil {
		return unknown
	}
	return lifeOf(ctx, oauth, stored.Token)
}
