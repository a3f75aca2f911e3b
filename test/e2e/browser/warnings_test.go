package browser

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/urls"
	"github.com/zoom-operator/zoom-operator/test/controlplane"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// Nothing ever warns of customers who are just installing the app: the installation is recorded
// before the token and the consent are, with controllers that look at it at once.
func TestNobodyWarnsOfAConsent(t *testing.T) {
	const people = 20
	var users []zoomtest.Login
	for i := range people {
		id := fmt.Sprintf("%04d", i)
		users = append(users, zoomtest.Login{Account: zoomtest.Account{ID: "AccW_" + id}, User: zoomtest.User{ID: "uW" + id, Name: "W"}})
	}
	s := newEmptyStage(t, nil, users...)
	seen := s.watchInstallations(t)
	for _, p := range users {
		if err := s.consent(t.Context(), p.User.ID); err != nil {
			t.Fatal(err)
		}
	}
	s.eventually(t, "all are ready", func(ctx context.Context) error {
		var list v1alpha1.ZoomInstallationList
		if err := s.client.List(ctx, &list, client.InNamespace(s.namespace)); err != nil {
			return err
		}
		ready := 0
		for i := range list.Items {
			if meta.IsStatusConditionTrue(list.Items[i].Status.Conditions, v1alpha1.ConditionReady) {
				ready++
			}
			if left, ok := list.Items[i].Annotations[v1alpha1.ConsentUnderWayAnnotation]; ok {
				t.Errorf("%s is left with the annotation %s=%s", list.Items[i].Name, v1alpha1.ConsentUnderWayAnnotation, left)
			}
		}
		if ready != people {
			return fmt.Errorf("%d of %d", ready, people)
		}
		return nil
	})
	states := map[string]int{}
	for _, in := range seen() {
		if c := meta.FindStatusCondition(in.Status.Conditions, v1alpha1.ConditionReady); c != nil {
			states[string(c.Status)+" "+c.Reason]++
			if c.Status == metav1.ConditionFalse {
				t.Errorf("%s was not ready for a moment: %s, %s", in.Name, c.Reason, c.Message)
			}
		}
	}
	if states["True Consented"] < people {
		t.Errorf("the watch saw %v, so this test shows nothing", states)
	}
	var events eventsv1.EventList
	if err := s.client.List(t.Context(), &events, client.InNamespace(s.namespace)); err != nil {
		t.Fatal(err)
	}
	for i := range events.Items {
		if e := &events.Items[i]; e.Type == corev1.EventTypeWarning && e.Regarding.Kind == "ZoomInstallation" {
			t.Errorf("of %s, an Event warns: %s, %s", e.Regarding.Name, e.Reason, e.Note)
		}
	}
}

// watchInstallations returns what gives all versions of all installations since.
func (s *stage) watchInstallations(t *testing.T) func() []v1alpha1.ZoomInstallation {
	t.Helper()
	c, err := client.NewWithWatch(controlplane.Config(t), client.Options{Scheme: controlplane.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	w, err := c.Watch(t.Context(), &v1alpha1.ZoomInstallationList{}, client.InNamespace(s.namespace))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Stop)
	var mu sync.Mutex
	var all []v1alpha1.ZoomInstallation
	go func() {
		for e := range w.ResultChan() {
			if in, ok := e.Object.(*v1alpha1.ZoomInstallation); ok {
				mu.Lock()
				all = append(all, *in)
				mu.Unlock()
			}
		}
	}()
	return func() []v1alpha1.ZoomInstallation {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

// consent goes the whole way as that user, faster than any browser.
func (s *stage) consent(ctx context.Context, user string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	var zoomAt string
	browser := &http.Client{Jar: jar, Transport: s.trusting, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/oauth/authorize" {
			zoomAt = r.URL.String()
			return http.ErrUseLastResponse
		}
		return nil
	}}
	get := func(at string) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, http.NoBody)
		if err != nil {
			return err
		}
		resp, err := browser.Do(req)
		if err != nil {
			return err
		}
		if resp.StatusCode >= http.StatusBadRequest {
			err = fmt.Errorf("%s has status %d", resp.Request.URL.Path, resp.StatusCode)
		}
		return errors.Join(err, resp.Body.Close())
	}
	if err := get(s.address + s.path(urls.Start)); err != nil {
		return err
	}
	callback, err := s.zoom.Consent(zoomAt, user)
	if err != nil {
		return err
	}
	return get(callback)
}
