package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
)

// crowdEvery is how often a change of the number of participants of one meeting is printed.
const crowdEvery = 4 * time.Second

// watcher prints a line for every change of a meeting, from an informer.
type watcher struct {
	out io.Writer
	now func() time.Time // the community's

	mu      sync.Mutex
	printed map[string]printed // by meeting
}

// printed is the last line about a meeting.
type printed struct {
	change string
	at     time.Time // by our clock
}

// watch prints until ctx ends. It returns once the first changes can be seen.
func (w *watcher) watch(ctx context.Context, config *rest.Config, scheme *runtime.Scheme) error {
	meetings, err := cache.New(config, cache.Options{Scheme: scheme, DefaultNamespaces: map[string]cache.Config{community: {}}})
	if err != nil {
		return fmt.Errorf("the meetings cannot be watched: %w", err)
	}
	informer, err := meetings.GetInformer(ctx, &v1alpha1.ZoomMeeting{}, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("the meetings cannot be watched: %w", err)
	}
	if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) { w.changed(&v1alpha1.ZoomMeeting{}, obj) },
		UpdateFunc: func(old, obj any) {
			if before, ok := old.(*v1alpha1.ZoomMeeting); ok {
				w.changed(before, obj)
			}
		},
	}); err != nil {
		return fmt.Errorf("the meetings cannot be watched: %w", err)
	}
	go func() { _ = meetings.Start(ctx) }() // it ends with ctx, and tries again until then
	if !meetings.WaitForCacheSync(ctx) {
		return fmt.Errorf("the meetings cannot be watched: %w", context.Cause(ctx))
	}
	return nil
}

func (w *watcher) changed(before *v1alpha1.ZoomMeeting, obj any) {
	m, ok := obj.(*v1alpha1.ZoomMeeting)
	if !ok {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	change, important := describe(before, m, now)
	last, our := w.printed[m.Name], time.Now()
	if change == "" || change == last.change || (!important && our.Sub(last.at) < crowdEvery) {
		return
	}
	if w.printed == nil {
		w.printed = map[string]printed{}
	}
	w.printed[m.Name] = printed{change: change, at: our}
	topic := ""
	if m.Spec.Schedule != nil {
		topic = m.Spec.Schedule.Topic
	}
	_, _ = fmt.Fprintf(w.out, lineFormat, now.UTC().Format("15:04"), m.Spec.AccountID, topic, change)
}

// lineFormat is one line: time, account, topic, change.
const lineFormat = "%5s  %-17s  %-31s  %s\n"

// describe is the change of a meeting in a few words, empty when a user would see none. Unimportant
// is a change of the number of participants alone.
func describe(before, after *v1alpha1.ZoomMeeting, at time.Time) (change string, important bool) {
	old, now := before.Status, after.Status
	switch {
	case now.State == "":
		return "", false
	case old.State != now.State:
		from := "new"
		if old.State != "" {
			from = string(old.State)
		}
		return strings.TrimRight(fmt.Sprintf("%-9s → %-9s  %s", from, now.State, detail(now, at)), " "), true
	case now.State == v1alpha1.MeetingScheduled && old.StartTime != nil && now.StartTime != nil && !old.StartTime.Equal(now.StartTime):
		return fmt.Sprintf("%-9s   %-9s  was %s, %s", "", now.State, when(old.StartTime.Time, at), detail(now, at)), true
	case now.State == v1alpha1.MeetingLive && people(now) > 0 && people(old) != people(now):
		return fmt.Sprintf("%-9s   %-9s  %s", "", now.State, detail(now, at)), false
	}
	return "", false
}

// detail is what is most interesting of a meeting in its state.
func detail(s v1alpha1.ZoomMeetingStatus, at time.Time) string {
	switch s.State {
	case v1alpha1.MeetingLive:
		if n := people(s); n > 0 {
			return fmt.Sprintf("%d in it", n)
		}
	case v1alpha1.MeetingScheduled:
		if s.StartTime == nil {
			return "no fixed time"
		}
		return "starts " + when(s.StartTime.Time, at)
	case v1alpha1.MeetingEnded:
		if s.Last == nil || s.Last.PeakParticipants == nil {
			return s.Duration
		}
		return fmt.Sprintf("%s, %d at most", s.Duration, *s.Last.PeakParticipants)
	case v1alpha1.MeetingDeleted:
	}
	return ""
}

func people(s v1alpha1.ZoomMeetingStatus) int32 {
	if s.Live == nil || s.Live.Participants == nil {
		return 0
	}
	return *s.Live.Participants
}

// when is a time, with its date unless it is within half a day of near.
func when(t, near time.Time) string {
	if t.Sub(near).Abs() > 12*time.Hour {
		return t.UTC().Format("15:04 on 2 January")
	}
	return t.UTC().Format("15:04")
}
