package events

import (
	"cmp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// runEnds is how long after the last refused event a run of them is over: the next one begins a new
// count.
const runEnds = time.Hour

// tally counts refused events of one reason.
type tally struct {
	count       int64
	first, last time.Time
}

func (t *tally) add(other tally) {
	if t.count == 0 || other.first.Before(t.first) {
		t.first = other.first
	}
	if other.last.After(t.last) {
		t.last = other.last
	}
	t.count += other.count
}

// refusedEvents is what an app's status says of refused events once these are counted in.
func refusedEvents(status []v1alpha1.RefusedEvents, counted map[v1alpha1.RefusalReason]tally) []v1alpha1.RefusedEvents {
	out := slices.Clone(status)
	for reason, t := range counted {
		first, last := metav1.NewTime(t.first.UTC().Truncate(time.Second)), metav1.NewTime(t.last.UTC().Truncate(time.Second))
		i := slices.IndexFunc(out, func(r v1alpha1.RefusedEvents) bool { return r.Reason == reason })
		switch {
		case i < 0:
			out = append(out, v1alpha1.RefusedEvents{Reason: reason, Count: t.count, Since: first, LastAt: last})
		case first.Sub(out[i].LastAt.Time) >= runEnds:
			out[i] = v1alpha1.RefusedEvents{Reason: reason, Count: t.count, Since: first, LastAt: last}
		default:
			out[i].Count += t.count
			if first.Before(&out[i].Since) {
				out[i].Since = first
			}
			if out[i].LastAt.Before(&last) {
				out[i].LastAt = last
			}
		}
	}
	slices.SortFunc(out, func(a, b v1alpha1.RefusedEvents) int { return cmp.Compare(a.Reason, b.Reason) })
	return out
}

// lastRefused is when the last of the events was refused that an app's status counts; zero when it
// counts none.
func lastRefused(status []v1alpha1.RefusedEvents) (last time.Time) {
	for _, r := range status {
		if r.LastAt.After(last) {
			last = r.LastAt.Time
		}
	}
	return last
}
