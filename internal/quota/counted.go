package quota

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

const (
	// lastsFor is how long a count holds by which a meeting is refused.
	lastsFor = 2 * time.Second
	// pageFrom is the bound from which on meetings are counted in pages, so that they need not be
	// in memory all at once. Up to that the API server answers in one go, from its own cache.
	pageFrom, pageSize = 5000, 1000
	// idleFor is how long an installation is remembered for which nothing is stored.
	idleFor = 24 * time.Hour
	// countWithin is how long it may take to count the meetings of one installation. Requests wait
	// for as long as they can, and the next ones find the count.
	countWithin = 30 * time.Second
)

// errUnsettled means that meetings are stored faster than they are counted.
var errUnsettled = errors.New("counting the meetings of an installation is behind")

// Asked counts the ZoomMeetings of an installation by asking the API server, where no informer
// watches them. That costs the more the more there are, so it is done seldom: for the first time
// after a twentieth of the bound was stored here, or when the controller has found no room, then
// each time that half of what was left has been stored, and before a meeting is refused.
//
// So each process goes beyond a bound by a twentieth of it at most, or by one, and by what the
// others have stored since it last counted. The controller takes away what is too much.
type Asked struct {
	live client.Reader
	now  func() time.Time

	counts singleflight.Group // by installation

	mu            sync.Mutex
	installations map[types.NamespacedName]*asked
	swept         time.Time
}

// asked is what is known of one installation, guarded by the mutex of Asked.
type asked struct {
	count     Count // when they were counted last
	counted   bool  // also those that are over
	countedAt time.Time
	stored    map[types.NamespacedName]time.Time // since then, and not counted
	used      time.Time
}

var (
	_ Bound = &Asked{}
	_ Bound = &Meetings{}
)

// Bound holds the meetings of each installation to a number.
type Bound interface {
	// Take counts a new meeting, unless its installation has as many as the limit; then it says how
	// many there are.
	Take(ctx context.Context, in *v1alpha1.ZoomInstallation, meeting types.NamespacedName, limit int) (Count, bool, error)
	// GiveBack says that a meeting was not stored.
	GiveBack(in *v1alpha1.ZoomInstallation, meeting types.NamespacedName)
}

// Ask counts nothing yet.
func Ask(live client.Reader, now func() time.Time) *Asked {
	return &Asked{live: live, now: now, installations: map[types.NamespacedName]*asked{}}
}

// Take implements Bound.
func (a *Asked) Take(ctx context.Context, in *v1alpha1.ZoomInstallation, meeting types.NamespacedName, limit int) (Count, bool, error) {
	known := a.of(client.ObjectKeyFromObject(in))
	full := meta.IsStatusConditionFalse(in.Status.Conditions, v1alpha1.ConditionMeetingsStored)
	for range 3 { // others may take what was left while it is counted
		count, ok, sure := a.take(known, meeting, limit, full)
		if ok || sure {
			return count, ok, nil
		}
		if err := a.askOnce(ctx, known, client.ObjectKeyFromObject(in), limit); err != nil {
			return Count{}, false, err
		}
		full = false
	}
	return Count{}, false, errUnsettled
}

// askOnce counts the meetings for all requests that wait for it, and goes on when they do not wait
// any longer.
func (a *Asked) askOnce(ctx context.Context, in *asked, installation types.NamespacedName, limit int) error {
	done := a.counts.DoChan(installation.String(), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countWithin)
		defer cancel()
		return nil, a.ask(ctx, in, installation, limit)
	})
	select {
	case result := <-done:
		return result.Err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// GiveBack implements Bound.
func (a *Asked) GiveBack(in *v1alpha1.ZoomInstallation, meeting types.NamespacedName) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if known := a.installations[client.ObjectKeyFromObject(in)]; known != nil {
		delete(known.stored, meeting)
	}
}

// of is what is known of an installation. Those for which nothing is stored any more are forgotten.
func (a *Asked) of(installation types.NamespacedName) *asked {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	if now.Sub(a.swept) > idleFor {
		a.swept = now
		for key, in := range a.installations {
			if now.Sub(in.used) > idleFor {
				delete(a.installations, key)
			}
		}
	}
	in := a.installations[installation]
	if in == nil {
		in = &asked{stored: map[types.NamespacedName]time.Time{}}
		a.installations[installation] = in
	}
	in.used = now
	return in
}

// take counts a meeting by what is known. It is not sure when the meetings have to be counted
// first, those that are over, too, where there is no room.
func (a *Asked) take(in *asked, meeting types.NamespacedName, limit int, full bool) (count Count, ok, sure bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	count = Count{All: in.count.All + len(in.stored), Over: in.count.Over}
	if _, ours := in.stored[meeting]; ours {
		return count, true, true
	}
	fresh := !in.countedAt.IsZero() && a.now().Sub(in.countedAt) < lastsFor
	unasked := max(limit/20, 1)
	switch {
	case full:
		unasked = 0
	case !in.countedAt.IsZero():
		unasked = (limit - in.count.All + 1) / 2
	}
	switch {
	case count.All >= limit:
		return count, false, fresh && in.counted
	case !fresh && len(in.stored) >= unasked:
		return count, false, false
	}
	in.stored[meeting] = a.now()
	return count, true, true
}

// ask counts the meetings of an installation; those that are over only when there is no room.
func (a *Asked) ask(ctx context.Context, in *asked, installation types.NamespacedName, limit int) error {
	began := a.now()
	listed := map[string]bool{}
	if err := a.list(ctx, installation, limit, "", func(name string) { listed[name] = true }); err != nil {
		return err
	}
	count := Count{All: len(listed)}
	counted := count.All+a.besides(in, listed, began) >= limit
	if counted {
		for _, state := range []v1alpha1.MeetingState{v1alpha1.MeetingEnded, v1alpha1.MeetingDeleted} {
			if err := a.list(ctx, installation, limit, state, func(string) { count.Over++ }); err != nil {
				return err
			}
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	in.count, in.counted, in.countedAt = count, counted, a.now()
	maps.DeleteFunc(in.stored, func(meeting types.NamespacedName, at time.Time) bool { return settled(meeting, at, listed, began) })
	return nil
}

// besides is how many meetings were stored here and are not counted by having been listed.
func (a *Asked) besides(in *asked, listed map[string]bool, began time.Time) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for meeting, at := range in.stored {
		if !settled(meeting, at, listed, began) {
			n++
		}
	}
	return n
}

// settled says of a meeting that was stored here whether it is among those that were listed, or
// should be by then: then it was not stored after all, or is gone.
func settled(meeting types.NamespacedName, at time.Time, listed map[string]bool, began time.Time) bool {
	return listed[meeting.Name] || began.Sub(at) > unseen
}

// list names the meetings of an installation, in a state if one is given.
func (a *Asked) list(ctx context.Context, installation types.NamespacedName, limit int, state v1alpha1.MeetingState, each func(name string)) error {
	fields := client.MatchingFields{"spec.installationRef.name": installation.Name}
	if state != "" {
		fields["status.state"] = string(state)
	}
	options := &client.ListOptions{Namespace: installation.Namespace}
	fields.ApplyToList(options)
	if limit >= pageFrom {
		options.Limit = pageSize
	}
	for {
		var page metav1.PartialObjectMetadataList
		page.SetGroupVersionKind(v1alpha1.SchemeGroupVersion.WithKind("ZoomMeetingList"))
		if err := a.live.List(ctx, &page, options); err != nil {
			return fmt.Errorf("counting the meetings of ZoomInstallation %s: %w", installation, err)
		}
		for i := range page.Items {
			each(page.Items[i].Name)
		}
		if options.Continue = page.Continue; options.Continue == "" {
			return nil
		}
	}
}
