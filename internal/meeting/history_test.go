package meeting

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/zoom"
)

const (
	testApp     = "groups"
	testAccount = "AccT_0001aaaaBBBBccccDD"
	testNumber  = "81234567890"
	testHost    = "hOsT_0001eeeeFFFFgggg"
)

// t0 is when the histories of these tests begin.
var t0 = time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC)

// delivery is an event and the name of the installation through which it came.
type delivery struct {
	event        *zoom.Event
	installation string
}

// mergeAll is what a sequence of events makes of an empty record.
func mergeAll(history []delivery, participants v1alpha1.ParticipantsPolicy) record {
	var r record
	for _, h := range history {
		merge(&r, h.event, h.installation, participants)
	}
	return r
}

// mergeAllStored is mergeAll, with the meeting written and read again between the events, as over
// the API server.
func mergeAllStored(t testing.TB, history []delivery, participants v1alpha1.ParticipantsPolicy) record {
	t.Helper()
	var r record
	for _, h := range history {
		merge(&r, h.event, h.installation, participants)
		raw, err := json.Marshal(r.stored())
		if err != nil {
			t.Fatal(err)
		}
		var m v1alpha1.ZoomMeeting
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatal(err)
		}
		r = *load(&m)
	}
	return r
}

// stored is an object with the record.
func (r *record) stored() *v1alpha1.ZoomMeeting {
	var m v1alpha1.ZoomMeeting
	r.store(&m)
	return &m
}

// diff compares two records, and the objects in which they are stored, to the last byte of the
// merge state.
func diff(want, got record) string {
	return cmp.Diff(want, got, cmpopts.EquateEmpty()) + cmp.Diff(want.stored(), got.stored(), cmpopts.EquateEmpty())
}

// generator draws what may happen to one meeting, and emits the events as Zoom does: some at the
// same time, and all events of one instance with the same start_time or without one.
type generator struct {
	*rapid.T

	clock     time.Time
	hosts     []string
	instances []*staged
	dates     []string
	stays     int
	history   []delivery
}

// staged is one instance of the meeting on its way.
type staged struct {
	uuid    string
	start   time.Time
	present []zoom.Participant
}

// drawHistory draws the history of one meeting, in order. Some of its events are lost.
func drawHistory(t *rapid.T) []delivery {
	s := &generator{T: t, clock: t0, hosts: []string{testHost}}
	acts := map[string]func(){
		"plan":         s.plan,
		"update":       s.update,
		"occurrence":   s.updateOccurrence,
		"remove":       s.remove,
		"start":        s.start,
		"end":          s.end,
		"join":         s.join,
		"leave":        s.leave,
		"move":         s.move,
		"quality":      s.quality,
		"completed":    s.completed,
		"waiting room": s.waitingRoom,
		"hand over":    s.handOver,
	}
	names := []string{
		"plan", "update", "occurrence", "occurrence", "remove", "start", "start", "end",
		"join", "join", "join", "join", "leave", "leave", "move", "move", "quality", "completed", "waiting room", "waiting room", "hand over",
	}
	for range s.number("acts", 1, 40) {
		acts[rapid.SampledFrom(names).Draw(t, "act")]()
	}
	return s.history
}

func (s *generator) number(label string, from, to int) int {
	return rapid.IntRange(from, to).Draw(s.T, label)
}

func (s *generator) chance(label string, in int) bool {
	return s.number(label, 1, in) == 1
}

// emit adds an event to the history, unless it is lost.
func (s *generator) emit(name string, m *zoom.Meeting, p *zoom.Participant, with ...func(*zoom.Event)) {
	if !s.chance("at once", 8) {
		s.clock = s.clock.Add(time.Duration(s.number("ms later", 1, 20*60*1000)) * time.Millisecond)
	}
	host := s.hosts[len(s.hosts)-1]
	m.ID = testNumber
	if name != zoom.EventMeetingUpdated {
		m.HostID = host
	}
	ev := &zoom.Event{Name: name, Time: s.clock, AccountID: testAccount, Meeting: m, Participant: p}
	for _, w := range with {
		w(ev)
	}
	if !s.chance("lost", 8) {
		s.history = append(s.history, delivery{ev, names.Installation(testApp, testAccount, host)})
	}
}

// described sets some of what an event may say of the meeting as a whole.
func (s *generator) described(m *zoom.Meeting) *zoom.Meeting {
	if s.chance("topic", 2) {
		m.Topic = new(rapid.SampledFrom([]string{"Weekly sync", "Réunion 日本語 🚒", "a\x1bb", "\x00", "z"}).Draw(s.T, "topic"))
	}
	if s.chance("type", 2) {
		m.Type = new(rapid.SampledFrom([]int{1, 2, 3, 4, 8, 5, 99}).Draw(s.T, "type"))
	}
	if s.chance("duration", 2) {
		m.Duration = new(rapid.SampledFrom([]int{0, 30, 45, 60, 1 << 30}).Draw(s.T, "duration"))
	}
	if s.chance("timezone", 2) {
		m.Timezone = new(rapid.SampledFrom([]string{"Europe/Madrid", "Asia/Tokyo"}).Draw(s.T, "timezone"))
	}
	return m
}

func (s *generator) planned(m *zoom.Meeting) *zoom.Meeting {
	if s.chance("start", 2) {
		m.StartTime = new(s.clock.Add(time.Duration(s.number("hours ahead", 1, 100)) * time.Hour))
	}
	if s.chance("personal room", 3) {
		m.UsePMI = new(s.chance("in it", 2))
		m.PMI = rapid.SampledFrom([]string{"", "5551112222", "5553334444"}).Draw(s.T, "room")
	}
	return s.described(m)
}

func (s *generator) date() zoom.Occurrence {
	o := zoom.Occurrence{ID: rapid.SampledFrom(s.dates).Draw(s.T, "date")}
	if s.chance("moved", 2) {
		o.StartTime = new(s.clock.Add(time.Duration(s.number("moved to", 1, 100)) * time.Hour))
	}
	if s.chance("resized", 2) {
		o.Duration = new(s.number("minutes", 0, 90))
	}
	o.Status = rapid.SampledFrom([]string{"", zoom.OccurrenceAvailable, zoom.OccurrenceDeleted}).Draw(s.T, "status")
	return o
}

func (s *generator) series(m *zoom.Meeting) *zoom.Meeting {
	if !s.chance("series", 2) {
		return m
	}
	first := s.number("first", 0, 20)
	s.dates = nil
	list := []zoom.Occurrence{}
	for i := range s.number("dates", 0, 5) {
		start := t0.AddDate(0, 0, first+i)
		id := strconv.FormatInt(start.UnixMilli(), 10)
		s.dates = append(s.dates, id)
		o := zoom.Occurrence{ID: id, StartTime: &start, Duration: new(30)}
		if s.chance("deleted date", 8) {
			o.Status = zoom.OccurrenceDeleted
		}
		list = append(list, o)
	}
	m.Occurrences = &list
	return m
}

func (s *generator) plan() {
	s.emit(zoom.EventMeetingCreated, s.series(s.planned(&zoom.Meeting{})), nil)
}

func (s *generator) update() {
	s.emit(zoom.EventMeetingUpdated, s.series(s.planned(&zoom.Meeting{})), nil, func(ev *zoom.Event) {
		ev.Scope = rapid.SampledFrom([]string{"", zoom.OperationAll}).Draw(s.T, "scope")
	})
}

func (s *generator) updateOccurrence() {
	if len(s.dates) == 0 {
		return
	}
	m := s.planned(&zoom.Meeting{})
	if !s.chance("unnamed", 4) {
		m.Occurrences = &[]zoom.Occurrence{s.date()}
	}
	s.emit(zoom.EventMeetingUpdated, m, nil, func(ev *zoom.Event) { ev.Scope = zoom.OperationSingle })
}

func (s *generator) remove() {
	name := rapid.SampledFrom([]string{
		zoom.EventMeetingDeleted, zoom.EventMeetingRecovered, zoom.EventMeetingPermanentlyDeleted, zoom.EventMeetingConvertedToWebinar,
	}).Draw(s.T, "removal")
	if len(s.dates) > 0 && s.chance("one date", 2) {
		m := s.planned(&zoom.Meeting{})
		if !s.chance("unnamed", 4) {
			m.Occurrences = &[]zoom.Occurrence{s.date()}
		}
		s.emit(name, m, nil, func(ev *zoom.Event) { ev.Operation = zoom.OperationSingle })
		return
	}
	s.emit(name, s.planned(&zoom.Meeting{}), nil, func(ev *zoom.Event) { ev.Operation = zoom.OperationAll })
}

// start begins another instance, also while the previous one is being held.
func (s *generator) start() {
	if len(s.instances) == maxInstances {
		return
	}
	in := &staged{uuid: fmt.Sprintf("uuid/%d==", len(s.instances)), start: s.clock.Truncate(time.Second)}
	s.instances = append(s.instances, in)
	s.emit(zoom.EventMeetingStarted, s.in(in), nil)
}

func (in *staged) meeting() *zoom.Meeting {
	return &zoom.Meeting{UUID: in.uuid, StartTime: &in.start}
}

// in is the meeting as events in that instance have it, now and then without its start.
func (s *generator) in(in *staged) *zoom.Meeting {
	m := s.described(in.meeting())
	if s.chance("startless", 6) {
		m.StartTime = nil
	}
	if s.chance("another uuid", 8) { // it may sort before or after the one that the instance started with
		m.UUID = rapid.SampledFrom([]string{"another", "zother"}).Draw(s.T, "uuid") + strings.TrimPrefix(in.uuid, "uuid")
	}
	return m
}

// some is one of the instances, most often the latest; nil when there is none.
func (s *generator) some() *staged {
	if len(s.instances) == 0 {
		return nil
	}
	if s.chance("earlier", 4) {
		return rapid.SampledFrom(s.instances).Draw(s.T, "instance")
	}
	return s.instances[len(s.instances)-1]
}

func (s *generator) end() {
	if in := s.some(); in != nil {
		m := s.in(in)
		if !s.chance("no end", 4) {
			m.EndTime = new(s.clock)
		}
		s.emit(zoom.EventMeetingEnded, m, nil)
	}
}

func (s *generator) participant() zoom.Participant {
	s.stays++
	id := strconv.Itoa(16778240 + s.stays)
	switch s.number("known by", 1, 6) {
	case 1:
		return zoom.Participant{UUID: "67C1A429-" + id}
	case 2:
		return zoom.Participant{UserID: id}
	default:
		return zoom.Participant{UserID: id, UUID: "67C1A429-" + id}
	}
}

// move is a participant's move into a breakout room, or back.
func (s *generator) move() {
	in := s.some()
	if in == nil || len(in.present) == 0 {
		return
	}
	p := &in.present[s.number("who", 0, len(in.present)-1)]
	before, after := *p, *p
	s.stays++
	after.UserID = strconv.Itoa(16778240 + s.stays)
	*p = after
	before.LeaveTime, after.JoinTime = new(s.clock), new(s.clock)
	s.emit(zoom.EventParticipantLeft, s.in(in), &before)
	s.emit(zoom.EventParticipantJoined, s.in(in), &after)
}

func (s *generator) join() {
	in := s.some()
	if in == nil {
		return
	}
	p := s.participant()
	if len(in.present) > 0 && s.chance("once more", 8) {
		p = rapid.SampledFrom(in.present).Draw(s.T, "who") // Zoom says that it does not happen
	} else {
		in.present = append(in.present, p)
	}
	if !s.chance("untimed", 5) {
		p.JoinTime = new(s.clock)
	}
	s.emit(zoom.EventParticipantJoined, s.in(in), &p)
}

func (s *generator) leave() {
	in := s.some()
	if in == nil || len(in.present) == 0 {
		return
	}
	i := s.number("who", 0, len(in.present)-1)
	p := in.present[i]
	in.present = slices.Delete(in.present, i, i+1)
	if !s.chance("untimed", 5) {
		p.LeaveTime = new(s.clock)
	}
	s.emit(zoom.EventParticipantLeft, s.in(in), &p)
}

func (s *generator) quality() {
	in := s.some()
	if in == nil {
		return
	}
	name := rapid.SampledFrom([]string{
		zoom.EventMeetingAlert, zoom.EventMeetingSharingStarted, zoom.EventMeetingSharingEnded,
	}).Draw(s.T, "quality")
	s.emit(name, s.in(in), &zoom.Participant{DateTime: new(s.clock)})
}

// completed emits what is ready when an instance is over, which may be much later.
func (s *generator) completed() {
	in := s.some()
	if in == nil {
		return
	}
	name := rapid.SampledFrom([]string{zoom.EventRecordingCompleted, zoom.EventMeetingSummaryCompleted}).Draw(s.T, "completed")
	s.emit(name, &zoom.Meeting{UUID: in.uuid}, nil)
}

// waitingRoom emits events of participants in the waiting room, whom Zoom identifies, and of those
// who come before the host, whom it does not.
func (s *generator) waitingRoom() {
	p, names := zoom.Participant{}, []string{
		zoom.EventParticipantJBHWaiting, zoom.EventParticipantJBHWaitingLeft, zoom.EventParticipantJBHJoined,
	}
	if s.chance("waiting room", 2) {
		p = zoom.Participant{UserID: strconv.Itoa(s.number("guest", 1, 4)), DateTime: new(s.clock)}
		names = []string{
			zoom.EventParticipantJoinedWaitingRoom, zoom.EventParticipantPutInWaitingRoom,
			zoom.EventParticipantLeftWaitingRoom, zoom.EventParticipantAdmitted,
		}
	}
	s.emit(rapid.SampledFrom(names).Draw(s.T, "waiting room"), s.described(&zoom.Meeting{}), &p)
}

func (s *generator) handOver() {
	s.hosts = append(s.hosts, fmt.Sprintf("host%d", s.number("host", 1, 3)))
}

// disorder is the history as it may arrive: in any order, and some of it again.
func disorder(t *rapid.T, history []delivery) []delivery {
	again := rapid.SliceOfN(rapid.SampledFrom(history), 0, 10).Draw(t, "again")
	return rapid.Permutation(slices.Concat(history, again)).Draw(t, "order")
}

// shuffled is disorder for long histories.
func shuffled(rng *rand.Rand, history []delivery) []delivery {
	out := slices.Clone(history)
	for range len(history) / 10 {
		out = append(out, history[rng.IntN(len(history))])
	}
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// crowd is a history that exceeds every bound: many instances with many participants, more changes
// to single occurrences than are kept, and more waiting participants.
func crowd(rng *rand.Rand, instances, joins int) []delivery {
	at := t0
	var history []delivery
	emit := func(name string, m *zoom.Meeting, p *zoom.Participant, with ...func(*zoom.Event)) {
		at = at.Add(time.Duration(1+rng.IntN(3000)) * time.Millisecond)
		m.ID, m.HostID = testNumber, testHost
		ev := &zoom.Event{Name: name, Time: at, AccountID: testAccount, Meeting: m, Participant: p}
		for _, w := range with {
			w(ev)
		}
		history = append(history, delivery{ev, "in"})
	}
	dates := func(n int) *[]zoom.Occurrence {
		list := make([]zoom.Occurrence, 0, n)
		for range n {
			start := t0.AddDate(0, 0, rng.IntN(150))
			list = append(list, zoom.Occurrence{
				ID: strconv.FormatInt(start.UnixMilli(), 10), StartTime: new(start.Add(time.Duration(rng.IntN(90)) * time.Minute)),
				Duration: new(1 + rng.IntN(90)), Status: zoom.OccurrenceAvailable, // all of it: what is lost of a date is lost
			})
		}
		return &list
	}
	single := func(ev *zoom.Event) { ev.Scope, ev.Operation = zoom.OperationSingle, zoom.OperationSingle }
	for i := range instances {
		if rng.IntN(2) == 0 {
			emit(zoom.EventMeetingUpdated, &zoom.Meeting{Occurrences: dates(rng.IntN(90))}, nil)
		}
		for range rng.IntN(60) {
			name := []string{zoom.EventMeetingUpdated, zoom.EventMeetingDeleted, zoom.EventMeetingRecovered}[rng.IntN(3)]
			emit(name, &zoom.Meeting{Occurrences: dates(1 + rng.IntN(2))}, nil, single)
		}
		for j := range rng.IntN(120) {
			emit(zoom.EventParticipantJBHWaiting, &zoom.Meeting{}, &zoom.Participant{})
			guest := &zoom.Participant{UserID: strconv.Itoa(rng.IntN(j + 1))}
			name := []string{zoom.EventParticipantJoinedWaitingRoom, zoom.EventParticipantAdmitted}[rng.IntN(2)]
			emit(name, &zoom.Meeting{}, guest)
		}
		in := staged{uuid: fmt.Sprintf("uuid/%d==", i), start: at.Truncate(time.Second)}
		emit(zoom.EventMeetingStarted, in.meeting(), nil)
		for j := range joins {
			emit(zoom.EventParticipantJoined, in.meeting(), roomOf(j, 0))
			if rng.IntN(3) == 0 {
				emit(zoom.EventParticipantLeft, in.meeting(), roomOf(rng.IntN(j+1), 0))
			}
			if rng.IntN(3) == 0 {
				who, room := rng.IntN(j+1), 1+rng.IntN(5)
				emit(zoom.EventParticipantJoined, in.meeting(), roomOf(who, room))
				emit(zoom.EventParticipantLeft, in.meeting(), roomOf(who, room-1))
			}
			if rng.IntN(20) == 0 {
				emit(zoom.EventMeetingAlert, in.meeting(), nil)
				emit(zoom.EventMeetingSharingStarted, in.meeting(), &zoom.Participant{})
			}
		}
		if rng.IntN(3) > 0 {
			m := in.meeting()
			m.EndTime = new(at)
			if rng.IntN(4) == 0 {
				m.UUID = "another/" + m.UUID
			}
			emit(zoom.EventMeetingEnded, m, nil)
		}
	}
	return history
}

// roomOf is one in a crowd by the ids of that room; every third one has no participant_uuid.
func roomOf(who, room int) *zoom.Participant {
	p := &zoom.Participant{UserID: strconv.Itoa(16778240 + who*100 + room)}
	if who%3 != 0 {
		p.UUID = "67C1A429-" + strconv.Itoa(who)
	}
	return p
}
