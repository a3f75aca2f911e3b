package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/test/cluster"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// definitions are the names of the CRDs.
var definitions = []string{"zoomapps.zoom-operator.io", "zoominstallations.zoom-operator.io", "zoommeetings.zoom-operator.io"}

// deserted is an app with two customers whose operator was deleted, and then the CRDs, which hang.
func deserted(t *testing.T) *oauthApp {
	t.Helper()
	deploy(t, "OVERLAY=single")
	c := newCrew(t)
	c.start(t)
	server, at := newOAuthServer(t, 1, ana, bea)
	a := c.newOAuthApp(t, server, at, nil)
	a.install(t, ana)
	a.install(t, bea)
	a.hosts(t, ana, 2)
	refuses(t, "The operator is there still", "remove-finalizers", "CONFIRM=consents-stay-at-zoom")
	for _, o := range c.service.operators() {
		c.crash(o)
	}
	bury(t)
	a.kubectl(t, "delete", "deployments", "--all", "--namespace="+cluster.OperatorNamespace)
	a.kubectl(t, append([]string{"delete", "customresourcedefinitions", "--wait=false"}, definitions...)...)
	a.kubectl(t, "delete", "secret", a.nameFor(ana)+"-token", "--wait=false")
	absent(t, []string{"customresourcedefinitions", definitions[0], definitions[2]})
	within(t, settleWithin, func(ctx context.Context) error {
		var all v1alpha1.ZoomInstallationList
		if err := system.Client.List(ctx, &all); err != nil {
			return err
		}
		if len(all.Items) != 2 || all.Items[0].DeletionTimestamp.IsZero() || all.Items[1].DeletionTimestamp.IsZero() {
			return fmt.Errorf("there are %d installations, want two that are being deleted", len(all.Items))
		}
		return nil
	})
	return a
}

// leftNothing waits until neither the CRDs nor a Secret of the operator is there.
func (a *oauthApp) leftNothing(t *testing.T) {
	t.Helper()
	absent(t, []string{"customresourcedefinitions", "--selector=app.kubernetes.io/name=zoom-operator"},
		[]string{"secrets", "--all-namespaces", "--field-selector=type!=Opaque,type!=zoom-operator.io/app"})
}

// Who deletes the operator and then the CRDs has two ways out.
func TestTheOperatorWentFirst(t *testing.T) {
	anotherCluster(t)
	t.Run("it runs again and tells Zoom", func(t *testing.T) {
		a := deserted(t)
		deploy(t, "OVERLAY=single")
		a.crew.start(t)
		absent(t, []string{"customresourcedefinitions", definitions[1]})
		for _, p := range []zoomtest.Login{ana, bea} {
			if a.zoom.Installed(a.clientID, p.Account.ID, p.User.ID) {
				t.Errorf("the app is installed at Zoom by %s still", p.User.ID)
			}
		}
		dismiss(t, &a.crew.service) // there is nothing left to do for it
		undeploy(t, "OVERLAY=single")
		a.leftNothing(t)
	})
	t.Run("it does not and consents stay at Zoom", func(t *testing.T) {
		a := deserted(t)
		refuses(t, "with their tokens: 2", "remove-finalizers")
		if names, err := a.secrets(t.Context()); err != nil || len(names) != 2 {
			t.Errorf("after a refusal there are the Secrets %q, %v; want both tokens", names, err)
		}
		out, err := runMake(t, "remove-finalizers", "CONFIRM=consents-stay-at-zoom")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out, "rror") {
			t.Error(out)
		}
		a.leftNothing(t)
		if !a.zoom.Installed(a.clientID, ana.Account.ID, ana.User.ID) {
			t.Error("the app is not installed at Zoom any more, and nobody was to tell it")
		}
	})
}
