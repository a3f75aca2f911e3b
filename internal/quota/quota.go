// Package quota counts the ZoomMeetings of each ZoomInstallation in the cache, for the bound of
// retention.meetings of a ZoomApp: a receiver stores no new meeting beyond it, and the controller
// of installations deletes the oldest that are over.
package quota

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// Meetings counts the ZoomMeetings of each installation, as a cache has them, and those that were
// just stored here and are not in the cache yet.
//
// So one process never goes beyond a bound. Several that store at once may go beyond it by what the
// others have stored within the delay of their watches, and at the worst, with every watch broken,
// each up to the bound: the controller takes away what is too much.
type Meetings struct {
	now func() time.Time

	mu    sync.Mutex
	count map[types.NamespacedName]Count
	// stored are the meetings that this process has stored, or is storing, and not seen yet.
	stored map[types.NamespacedName]reservation
}

// Count is how many meetings an installation has.
type Count struct {
	// All is how many there are.
	All int
	// Over is how many of them are over, so that room can be made by deleting them.
	Over int
}

type reservation struct {
	installation types.NamespacedName
	at           time.Time
}

// unseen is how long a meeting that was stored counts although the cache does not have it: it may
// have gone unseen.
const unseen = time.Minute

// Watch counts what a cache has.
func Watch(ctx context.Context, c cache.Cache, now func() time.Time) (*Meetings, error) {
	informer, err := c.GetInformer(ctx, &v1alpha1.ZoomMeeting{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, fmt.Errorf("watching meetings: %w", err)
	}
	m := New(now)
	_, err = informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { m.see(nil, obj) },
		UpdateFunc: m.see,
		DeleteFunc: func(obj any) { m.see(obj, nil) },
	})
	if err != nil {
		return nil, fmt.Errorf("watching meetings: %w", err)
	}
	return m, nil
}

// New counts nothing but what is taken.
func New(now func() time.Time) *Meetings {
	return &Meetings{now: now, count: map[types.NamespacedName]Count{}, stored: map[types.NamespacedName]reservation{}}
}

// see counts a meeting as it is now and no longer as it was.
func (m *Meetings) see(before, after any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if gone, ok := before.(toolscache.DeletedFinalStateUnknown); ok {
		before = gone.Obj
	}
	m.add(before, -1)
	m.add(after, 1)
	if seen, ok := after.(*v1alpha1.ZoomMeeting); ok {
		delete(m.stored, types.NamespacedName{Namespace: seen.Namespace, Name: seen.Name})
	}
}

func (m *Meetings) add(obj any, n int) {
	meeting, ok := obj.(*v1alpha1.ZoomMeeting)
	if !ok {
		return
	}
	key := types.NamespacedName{Namespace: meeting.Namespace, Name: meeting.Spec.InstallationRef.Name}
	c := m.count[key]
	c.All += n
	if s := meeting.Status.State; s == v1alpha1.MeetingEnded || s == v1alpha1.MeetingDeleted {
		c.Over += n
	}
	m.count[key] = c
	if c == (Count{}) {
		delete(m.count, key)
	}
}

// Of is how many meetings an installation has.
func (m *Meetings) Of(installation types.NamespacedName) Count {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.of(installation)
}

func (m *Meetings) of(installation types.NamespacedName) Count {
	c := m.count[installation]
	for meeting, r := range m.stored {
		switch {
		case m.now().Sub(r.at) > unseen:
			delete(m.stored, meeting)
		case r.installation == installation:
			c.All++
		}
	}
	return c
}

// Take implements Bound.
func (m *Meetings) Take(_ context.Context, in *v1alpha1.ZoomInstallation, meeting types.NamespacedName, limit int) (Count, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ours := m.stored[meeting]; ours {
		return Count{}, true, nil
	}
	installation := client.ObjectKeyFromObject(in)
	c := m.of(installation)
	if c.All >= limit {
		return c, false, nil
	}
	m.stored[meeting] = reservation{installation, m.now()}
	return c, true, nil
}

// GiveBack implements Bound.
func (m *Meetings) GiveBack(_ *v1alpha1.ZoomInstallation, meeting types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.stored, meeting)
}
