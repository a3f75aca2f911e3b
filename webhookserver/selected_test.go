package webhookserver_test

import (
	"fmt"
	"net/http"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/fixture"
	"github.com/zoom-operator/zoom-operator/webhookserver/internal/servertest"
)

// An app in a namespace that the admin of the cluster has not selected is as good as none, until
// its labels change.
func TestOnlySelectedNamespacesAreServed(t *testing.T) {
	s := servertest.NewStage(t)
	c, namespace := s.C, s.Namespace
	selector, err := labels.Parse("zoom=allowed")
	if err != nil {
		t.Fatal(err)
	}
	r := s.Another(t, func(set *servertest.Settings) { set.Options.NamespaceSelector = selector })
	z := r.Zoom(t, namespace)
	event := fixture.Weekly("AccT_selected", "hOsT_selected", 82000000001).Created(fixture.MinutesAgo(1))
	install := "http://" + r.Address + urls.Install(namespace, fixture.AppName)
	status := func(method, url string) int { return fixture.Do(t, fixture.Request(t, method, url, nil)).Status }

	fixture.Send(t, z, event, http.StatusServiceUnavailable) // it may be selected before Zoom comes again
	if got := status(http.MethodPost, r.Endpoint(namespace)); got != http.StatusNotFound {
		t.Errorf("what is not signed is answered %d", got)
	}
	if got := status(http.MethodGet, install); got != http.StatusNotFound {
		t.Errorf("the page is answered %d", got)
	}
	if n := len(fixture.Meetings(t, c, namespace)); n > 0 {
		t.Errorf("%d meetings are stored", n)
	}

	label := func(value string) {
		t.Helper()
		ns := &corev1.Namespace{}
		if err := c.Get(t.Context(), client.ObjectKey{Name: namespace}, ns); err != nil {
			t.Fatal(err)
		}
		ns.Labels["zoom"] = value
		if err := c.Update(t.Context(), ns); err != nil {
			t.Fatal(err)
		}
	}
	becomes := func(webhook, page int) {
		t.Helper()
		fixture.Eventually(t, "the labels are known", func() error {
			answered, err := z.Send(t.Context(), event)
			if shown := status(http.MethodGet, install); err == nil && (answered != webhook || shown != page) {
				err = fmt.Errorf("an event is answered %d, and the page %d", answered, shown)
			}
			return err
		})
	}
	label("allowed")
	becomes(http.StatusNoContent, http.StatusOK)
	label("no")
	becomes(http.StatusServiceUnavailable, http.StatusNotFound)
}
