package endcheck

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/controllers/internal/memory"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// gaps are times in which events of apps may have been lost for good: before this process began to
// lead, and while an app had no event for longer than Zoom tries to deliver one. They are in memory
// alone, since with a restart another one begins.
type gaps struct {
	begin sync.Once
	began time.Time
	ended memory.Map[types.NamespacedName, time.Time]
}

// of is when the latest one of an app ended. The first who asks is the first who is looked at since
// this process leads.
func (g *gaps) of(app types.NamespacedName, now time.Time) time.Time {
	g.begin.Do(func() { g.began = now })
	if at := g.ended.Get(app); at.After(g.began) {
		return at
	}
	return g.began
}

// gapEnded says whether an app has events again for the first time in that long. Whether it had
// none because nothing happened is not known.
func gapEnded(before, after *v1alpha1.ZoomApp) bool {
	last, next := before.Status.LastEventAt, after.Status.LastEventAt
	return last != nil && next != nil && next.Sub(last.Time) >= zoom.GivenUpAfter
}

// note keeps when a gap of an app ended.
func (g *gaps) note(e event.UpdateEvent) {
	before, ok := e.ObjectOld.(*v1alpha1.ZoomApp)
	after, ok2 := e.ObjectNew.(*v1alpha1.ZoomApp)
	if ok && ok2 && gapEnded(before, after) {
		g.ended.Put(client.ObjectKeyFromObject(after), after.Status.LastEventAt.Time)
	}
}
