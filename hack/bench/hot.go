package main

import (
	"context"
	"fmt"
	"reflect"
	"strconv"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

const (
	// maxHotWrites is how often the record and the status of a meeting may be written while all of
	// its joins come at once.
	maxHotWrites = 60
	// maxObject is how large its object may get, in bytes.
	maxObject = 6 << 10
)

// hot sends the joins of one large meeting as fast as they are answered, and those that were
// refused again, as Zoom does.
func (b *bench) hot(ctx context.Context) error {
	meeting := b.meetings(1)
	instance := meeting.meetings[0].Instance(time.Now().Add(-10 * time.Minute))
	if _, _, err := b.whole.store(ctx, []zoomtest.Event{instance.Started()}, 1); err != nil {
		return err
	}
	var joins []zoomtest.Event
	for i := range b.size.joins {
		joins = append(joins, instance.ParticipantJoined(instance.Start.Add(time.Duration(i%300)*time.Second), zoomtest.Participant{
			UserID: strconv.Itoa(16778240 + i), UUID: "uuid-" + strconv.Itoa(i), User: zoomtest.User{Name: "Guest " + strconv.Itoa(i)},
		}))
	}
	before, err := atRest(ctx, b.Config)
	if err != nil {
		return err
	}
	answers, took, err := b.whole.store(ctx, joins, crowd)
	if err != nil {
		return err
	}
	after, err := atRest(ctx, b.Config)
	if err != nil {
		return err
	}
	w := after.since(before)
	late := latencies(answers, answer.late)
	every := latencies(answers, answer.answered)
	b.table.info("joins/s of one meeting", "%.0f", perSecond(len(joins), took))
	b.table.atMost(fmt.Sprintf("  writes for %d of them", len(joins)), w.meetings(), maxHotWrites)
	b.table.info("    of the record, of the status", "%.0f, %.0f", w.record, w.status)
	b.table.atMost("  answers after more than 2.5 s", float64(len(late)), 0)
	b.table.info("  refused for now (503)", "%.0f", float64(len(latencies(answers, answer.refused))))
	b.table.info("  answered, median and last", "%.0f ms, %.0f ms", milliseconds(quantile(every, .5)), milliseconds(quantile(every, 1)))
	return b.checkHot(ctx, append([]zoomtest.Event{instance.Started()}, joins...), strconv.FormatInt(instance.Meeting.Number, 10))
}

// checkHot compares the meeting with what its events make of an empty one.
func (b *bench) checkHot(ctx context.Context, events []zoomtest.Event, number string) error {
	want := &v1alpha1.ZoomMeeting{}
	p := &plain{in: b.installed[whole]}
	for _, e := range events {
		if err := p.mergeAll([]*v1alpha1.ZoomMeeting{want}, []zoomtest.Event{e}); err != nil {
			return err
		}
	}
	key := client.ObjectKey{Namespace: whole, Name: names.Meeting(app, number)}
	got := &v1alpha1.ZoomMeeting{}
	if err := b.Client.Get(ctx, key, got); err != nil {
		return err
	}
	lost := 0.0
	if !reflect.DeepEqual(got.Annotations, want.Annotations) {
		lost = 1
	}
	raw, err := b.Kubectl(ctx, "get", "--raw", "/apis/"+v1alpha1.SchemeGroupVersion.String()+"/namespaces/"+key.Namespace+"/zoommeetings/"+key.Name)
	if err != nil {
		return err
	}
	b.table.atMost("  objects that differ from what the events make", lost, 0)
	b.table.atMost("  bytes of the object", float64(len(raw)), maxObject)
	return nil
}
