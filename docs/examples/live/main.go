// Live prints a line for each meeting that starts, and one when it is over. It is an example of a
// program that uses the resources: it has only live meetings in memory, acts once on each start,
// and goes on after the API server was away.
//
//	cd docs/examples/live && go run . --namespace community
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"

	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

func main() {
	namespace := flag.String("namespace", "", "namespace of the meetings; empty for all")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *namespace)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, namespace string) error {
	config, err := ctrl.GetConfig() // --kubeconfig, KUBECONFIG, or the Pod's service account
	if err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return err
	}
	options := cache.Options{Scheme: scheme, ByObject: map[client.Object]cache.ByObject{
		// Under a selector a meeting is added when it starts, and deleted when it is over.
		&v1alpha1.ZoomMeeting{}: {Field: fields.OneTermEqualSelector("status.state", string(v1alpha1.MeetingLive))},
	}}
	if namespace != "" {
		options.DefaultNamespaces = map[string]cache.Config{namespace: {}}
	}
	meetings, err := cache.New(config, options)
	if err != nil {
		return err
	}
	informer, err := meetings.GetInformer(ctx, &v1alpha1.ZoomMeeting{})
	if err != nil {
		return err
	}
	if _, err := informer.AddEventHandler((&watcher{live: map[string]bool{}}).handler()); err != nil {
		return err
	}
	return meetings.Start(ctx)
}

// watcher knows which starts it has acted on, by Zoom's uuid, which every start has anew. What has
// to be so over a restart of the program needs a place that outlives it.
type watcher struct {
	mu   sync.Mutex
	live map[string]bool
}

func (w *watcher) handler() toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    w.changed,
		UpdateFunc: func(_, obj any) { w.changed(obj) },
		DeleteFunc: func(obj any) {
			if last, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
				obj = last.Obj // it was over while the watch was interrupted
			}
			w.over(obj)
		},
	}
}

// changed acts on the first sight of a start. Counts of participants change the object, too.
func (w *watcher) changed(obj any) {
	m, ok := obj.(*v1alpha1.ZoomMeeting)
	if !ok || m.Status.Live == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if uuid := m.Status.Live.UUID; !w.live[uuid] {
		w.live[uuid] = true
		fmt.Printf("%s/%s has started\n", m.Namespace, m.Name)
	}
}

func (w *watcher) over(obj any) {
	m, ok := obj.(*v1alpha1.ZoomMeeting)
	if !ok || m.Status.Live == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.live, m.Status.Live.UUID)
	fmt.Printf("%s/%s is over\n", m.Namespace, m.Name)
}
