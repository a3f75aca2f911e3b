package missedevents

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/missed"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func at(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

func zoomApp() *v1alpha1.ZoomApp {
	return &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "app", UID: "1"}}
}

// What is new is read every ten minutes, whatever has to wait; that is read again in its own time,
// and all when it is asked for.
func TestWhatOfTheLogIsReadNow(t *testing.T) {
	waits := []missed.Span{{From: at(-60), To: at(-59), Since: at(-24 * 60), Tried: at(-6 * 60), Events: 1}}
	tried := []missed.Span{{From: at(-60), To: at(-59), Since: at(-24 * 60), Tried: at(-4 * 60), Events: 1}}
	refused := func(of string, minutes int) *missed.Refusal {
		return &missed.Refusal{Reason: v1alpha1.ReasonNotPermitted, Of: of, At: at(minutes)}
	}
	for name, tt := range map[string]struct {
		memory memory
		record missed.Record
		fresh  bool
		due    int
		wait   time.Duration
	}{
		"in a new process":                     {record: missed.Record{Held: tried}, fresh: true},
		"in a new process, of what is due too": {record: missed.Record{Held: waits}, fresh: true, due: 1},
		"nothing, shortly after":               {memory: memory{read: at(-4)}, wait: 6 * time.Minute},
		"after ten minutes":                    {memory: memory{read: at(-10)}, fresh: true},
		"what waits, shortly after":            {memory: memory{read: at(-4)}, record: missed.Record{Held: waits}, due: 1},
		"nothing, while what waits would take too many calls": {
			memory: memory{read: at(-4), rest: at(5)}, record: missed.Record{Held: waits}, wait: 5 * time.Minute,
		},
		"what is new, while what waits would take too many calls": {
			memory: memory{read: at(-11), rest: at(5)}, record: missed.Record{Held: waits}, fresh: true,
		},
		"all that is asked for": {
			memory: memory{read: at(-1), rest: at(5), asked: at(0)}, record: missed.Record{Held: tried}, fresh: true, due: 1,
		},
		"nothing that is refused":        {record: missed.Record{Refused: refused("now", -60), Held: waits}, wait: 5 * time.Hour},
		"what was refused six hours ago": {record: missed.Record{Refused: refused("now", -360)}, memory: memory{read: at(-1)}, fresh: true},
		"what was refused to others":     {record: missed.Record{Refused: refused("before", -60)}, memory: memory{read: at(-1)}, fresh: true},
		"what is refused, and asked for": {record: missed.Record{Refused: refused("now", -60)}, memory: memory{read: at(-1), asked: at(0)}, fresh: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := &run{Reconciler: &Reconciler{Now: func() time.Time { return noon }}, memory: &tt.memory, app: zoomApp(), record: tt.record, digest: "now"}
			wait := r.plan()
			if wait != tt.wait || wait == 0 && (r.fresh != tt.fresh || len(r.due) != tt.due) {
				t.Errorf("after %s, what is new %t, and again %+v", wait, r.fresh, r.due)
			}
		})
	}
}

// Of an app that is deleted nothing stays in memory, also where it is not reconciled any more.
func TestADeletedAppIsForgotten(t *testing.T) {
	r := &Reconciler{Now: func() time.Time { return noon }}
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	defer queue.ShutDown()
	app := zoomApp()
	r.retry(t.Context(), event.UpdateEvent{ObjectOld: app, ObjectNew: app}, queue)
	if m := r.memoryOf(client.ObjectKeyFromObject(app)); !m.asked.Equal(noon) || queue.Len() != 1 {
		t.Errorf("it is kept that %+v, and %d are queued", m, queue.Len())
	}
	r.deleted(t.Context(), event.DeleteEvent{Object: app}, queue)
	if len(r.apps) > 0 {
		t.Errorf("%d apps are kept", len(r.apps))
	}
}

// That the log is asked for while it is being read outlives the refusal that this ends in.
func TestWhatIsAskedForMeanwhileIsNotForgotten(t *testing.T) {
	for name, meanwhile := range map[string]bool{"before": false, "meanwhile": true} {
		t.Run(name, func(t *testing.T) {
			reconciler := &Reconciler{Now: func() time.Time { return noon }}
			app := zoomApp()
			m := reconciler.memoryOf(client.ObjectKeyFromObject(app))
			m.read, m.asked = at(-5), at(-2)
			r := &run{Reconciler: reconciler, memory: m, app: app, digest: "now"}
			if wait := r.plan(); wait != 0 || !r.fresh {
				t.Fatalf("it is read after %s", wait)
			}
			if meanwhile {
				m.asked = at(-1)
			}
			if asked := r.reset(); asked != meanwhile || m.asked.IsZero() == meanwhile || !m.read.IsZero() {
				t.Errorf("asked for is %t, and it is kept that %+v", asked, m)
			}
		})
	}
}
