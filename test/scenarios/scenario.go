// Package scenarios has the expected behaviour of meetings as text files: Zoom's events, and the
// ZoomMeeting objects that follow from them. The same files run in memory, against an API server
// and through the operator's binary.
//
// A scenario (scenario.go) is a line with the time at which the objects are compared, a line for
// each event in the order in which they arrive, and the objects rendered as YAML (render.go),
// without the operator's bookkeeping:
//
//	scenario now=21:00
//	created number=81234567890 topic=(Book club) start=19:00 at=09:00
//	started uuid=A at=19:01
//	----
//	spec: ...
//	status: ...
//
// Events have Zoom's names. All times are of one day; 09:00+7d is a week later. What is left out of
// an event is as in the one before. go test ./test/scenarios -rewrite fills in the objects.
package scenarios

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/zoom-operator/zoom-operator/zoom"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// Scenario is what happens to the meetings of one app.
type Scenario struct {
	// Events are in the order in which they arrive.
	Events []zoomtest.Event
	// Accounts are the customers that they are of.
	Accounts []string
	// Expected is how the objects are rendered in the end.
	Expected string
	// Day is the midnight that all times are counted from, and Now when the objects are compared.
	Day, Now time.Time
	// Ordered means that the objects depend on the order of the events, as the names of two
	// meetings with one number do.
	Ordered bool
}

// Run runs all scenarios, each in a test of its own. outcome returns the objects as Render writes
// them, to be compared with those in the file.
//
// day returns the midnight that the times of a scenario are counted from, by how long after it the
// scenario ends.
func Run(t *testing.T, day func(now time.Duration) time.Time, outcome func(t *testing.T, s *Scenario) string) {
	t.Helper()
	_, file, _, _ := runtime.Caller(0)
	datadriven.Walk(t, filepath.Join(filepath.Dir(file), "testdata"), func(t *testing.T, path string) {
		t.Helper()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			t.Helper()
			s, err := parse(d, day)
			if err != nil {
				t.Fatalf("%s: %v", d.Pos, err)
			}
			return outcome(t, s)
		})
	})
}

func parse(d *datadriven.TestData, day func(time.Duration) time.Time) (*Scenario, error) {
	if d.Cmd != "scenario" {
		return nil, fmt.Errorf("%q, want scenario", d.Cmd)
	}
	first, err := fieldsOf("scenario", d.CmdArgs)
	if err != nil {
		return nil, err
	}
	end, err := offset(first.take("now"))
	if err != nil {
		return nil, err
	}
	s := &Scenario{Expected: d.Expected, Day: day(end), Ordered: first.take("ordered") != ""}
	s.Now = s.Day.Add(end)
	p := parser{scenario: s, meetings: map[string]zoomtest.Meeting{}, instances: map[string]zoomtest.Instance{}, stays: map[string]int{}}
	if err := first.unused(); err != nil {
		return nil, err
	}
	for line := range strings.Lines(d.Input) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := p.line(line); err != nil {
			return nil, fmt.Errorf("%s: %w", line, err)
		}
	}
	return s, nil
}

// fields are the arguments of a line that were not taken yet.
type fields map[string]string

func fieldsOf(command string, args []datadriven.CmdArg) (fields, error) {
	f := fields{}
	for _, arg := range args {
		if _, twice := f[arg.Key]; twice {
			return nil, fmt.Errorf("%s says %s twice", command, arg.Key)
		}
		f[arg.Key] = strings.Join(arg.Vals, ",")
		if len(arg.Vals) == 0 {
			f[arg.Key] = "yes"
		}
	}
	return f, nil
}

func (f fields) take(key string) string {
	value := f[key]
	delete(f, key)
	return value
}

func (f fields) unused() error {
	for key := range f {
		return fmt.Errorf("nothing is known of %s", key)
	}
	return nil
}

// offset is a time as it is written, 19:00 or 19:00:30 with +7d or -1d, as the time since midnight.
func offset(s string) (time.Duration, error) {
	clock, days := s, 0
	if i := strings.LastIndexAny(s, "+-"); i > 0 {
		var err error
		if days, err = strconv.Atoi(strings.TrimSuffix(s[i:], "d")); err != nil {
			return 0, fmt.Errorf("%q is no time: %w", s, err)
		}
		clock = s[:i]
	}
	if strings.Count(clock, ":") == 1 {
		clock += ":00"
	}
	at, err := time.Parse(time.TimeOnly, clock)
	if err != nil {
		return 0, fmt.Errorf("%q is no time: %w", s, err)
	}
	midnight := time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, time.UTC)
	return at.Sub(midnight) + time.Duration(days)*24*time.Hour, nil
}

// parser turns lines into events.
type parser struct {
	scenario  *Scenario
	meetings  map[string]zoomtest.Meeting
	instances map[string]zoomtest.Instance
	stays     map[string]int
	number    string // of the meeting that the previous line was about
	uuid      string // of the instance that it was about
	account   string
}

func (p *parser) time(s string) (time.Time, error) {
	d, err := offset(s)
	return p.scenario.Day.Add(d), err
}

func (p *parser) line(line string) error {
	name, args, err := datadriven.ParseLine(line)
	if err != nil {
		return err
	}
	f, err := fieldsOf(name, args)
	if err != nil {
		return err
	}
	at, err := p.time(f.take("at"))
	if err != nil {
		return err
	}
	before, m, err := p.meeting(f)
	if err != nil {
		return err
	}
	var events []zoomtest.Event
	if plan, ok := plans[name]; ok {
		events = []zoomtest.Event{plan(before, m, at, f.take("date"), p)}
	} else if held, ok := inInstances[name]; ok {
		in, err := p.instance(f, m, at)
		if err != nil {
			return err
		}
		events = held(in, at, p.participant(name, f.take("who"), at))
	} else {
		return fmt.Errorf("no event is called %s", name)
	}
	p.scenario.Events = append(p.scenario.Events, events...)
	return f.unused()
}

// plans are the events about a plan, as it was before the line and as the line changes it.
var plans = map[string]func(before, m zoomtest.Meeting, at time.Time, date string, p *parser) zoomtest.Event{
	"created": func(_, m zoomtest.Meeting, at time.Time, _ string, _ *parser) zoomtest.Event { return m.Created(at) },
	"updated": func(before, m zoomtest.Meeting, at time.Time, date string, p *parser) zoomtest.Event {
		if date == "" {
			return before.Updated(at, m, "")
		}
		return p.moved(before, m, at, date)
	},
	"deleted": func(_, m zoomtest.Meeting, at time.Time, date string, p *parser) zoomtest.Event {
		return m.Deleted(at, p.ids(date)...)
	},
	"permanently_deleted": func(_, m zoomtest.Meeting, at time.Time, date string, p *parser) zoomtest.Event {
		return m.PermanentlyDeleted(at, p.ids(date)...)
	},
	"recovered": func(_, m zoomtest.Meeting, at time.Time, date string, p *parser) zoomtest.Event {
		return m.Recovered(at, p.ids(date)...)
	},
}

// inInstances are the events of a meeting that is held.
var inInstances = map[string]func(in zoomtest.Instance, at time.Time, p zoomtest.Participant) []zoomtest.Event{
	"started": func(in zoomtest.Instance, _ time.Time, _ zoomtest.Participant) []zoomtest.Event {
		return []zoomtest.Event{in.Started()}
	},
	"ended": func(in zoomtest.Instance, at time.Time, _ zoomtest.Participant) []zoomtest.Event {
		return []zoomtest.Event{in.Ended(at)}
	},
	"alert": func(in zoomtest.Instance, at time.Time, _ zoomtest.Participant) []zoomtest.Event {
		return []zoomtest.Event{in.Alert(at, "Unstable audio quality")}
	},
	"recording_completed": func(in zoomtest.Instance, at time.Time, _ zoomtest.Participant) []zoomtest.Event {
		return []zoomtest.Event{in.RecordingCompleted(at, zoomtest.Mark)}
	},
	"summary_completed": func(in zoomtest.Instance, at time.Time, _ zoomtest.Participant) []zoomtest.Event {
		return []zoomtest.Event{in.SummaryCompleted(at, zoomtest.Mark)}
	},
	"sharing_started": one(zoomtest.Instance.SharingStarted), "sharing_ended": one(zoomtest.Instance.SharingEnded),
	"participant_joined": one(zoomtest.Instance.ParticipantJoined), "participant_left": one(zoomtest.Instance.ParticipantLeft),
	"participant_joined_waiting_room": one(zoomtest.Instance.ParticipantJoinedWaitingRoom),
	"participant_left_waiting_room":   one(zoomtest.Instance.ParticipantLeftWaitingRoom),
	"participant_put_in_waiting_room": one(zoomtest.Instance.ParticipantPutInWaitingRoom),
	"participant_admitted":            one(zoomtest.Instance.ParticipantAdmitted),
	"participant_jbh_waiting":         one(zoomtest.Instance.ParticipantJBHWaiting),
	"participant_jbh_waiting_left":    one(zoomtest.Instance.ParticipantJBHWaitingLeft),
	"participant_jbh_joined":          one(zoomtest.Instance.ParticipantJBHJoined),
	// What Zoom sends when a participant moves from one room of the meeting to another.
	"moved": func(in zoomtest.Instance, at time.Time, p zoomtest.Participant) []zoomtest.Event {
		left, joined, _ := in.ParticipantMoved(at, p, p.UserID+"1")
		return []zoomtest.Event{left, joined}
	},
}

func one(event func(zoomtest.Instance, time.Time, zoomtest.Participant) zoomtest.Event) func(zoomtest.Instance, time.Time, zoomtest.Participant) []zoomtest.Event {
	return func(in zoomtest.Instance, at time.Time, p zoomtest.Participant) []zoomtest.Event {
		return []zoomtest.Event{event(in, at, p)}
	}
}

// kinds are the types of meetings.
var kinds = map[string]int{
	"instant": zoomtest.TypeInstant, "scheduled": zoomtest.TypeScheduled, "recurring": zoomtest.TypeRecurringPlanned,
	"no-fixed-time": zoomtest.TypeRecurring, "personal-room": zoomtest.TypePersonalRoom,
}

// meeting is the meeting that a line is about, before the line and as the line changes its plan.
func (p *parser) meeting(f fields) (before, after zoomtest.Meeting, err error) {
	if account := f.take("account"); account != "" {
		p.account = account
	}
	if p.account == "" {
		p.account = "club"
	}
	if number := f.take("number"); number != "" {
		p.number = number
	}
	key := p.account + " " + p.number
	before, known := p.meetings[key]
	if !known {
		if before, err = p.another(); err != nil {
			return before, after, err
		}
	}
	after = before
	if err := p.describe(&after, f); err != nil {
		return before, after, err
	}
	p.meetings[key] = after
	return before, after, nil
}

// another is a meeting that no earlier line was about.
func (p *parser) another() (zoomtest.Meeting, error) {
	number, err := strconv.ParseInt(p.number, 10, 64)
	if err != nil {
		return zoomtest.Meeting{}, err
	}
	if !strings.Contains(strings.Join(p.scenario.Accounts, " ")+" ", p.account+" ") {
		p.scenario.Accounts = append(p.scenario.Accounts, p.account)
	}
	host := zoomtest.User{ID: "host-of-" + p.account, Name: "Ana", Email: "ana@example.org"}
	return zoomtest.Meeting{
		Account: zoomtest.Account{ID: p.account}, Number: number, UUID: "plan", Host: host, Topic: "Book club",
		Type: zoomtest.TypeScheduled, Duration: 60, Timezone: "Europe/Madrid", Passcode: "123456",
	}, nil
}

func (p *parser) describe(m *zoomtest.Meeting, f fields) (err error) {
	if topic := f.take("topic"); topic != "" {
		m.Topic = topic
	}
	if kind := f.take("type"); kind != "" {
		code, known := kinds[kind]
		if m.Type = code; !known {
			return fmt.Errorf("no type is called %s", kind)
		}
	}
	if host := f.take("host"); host != "" {
		m.Host.ID = host
	}
	if start := f.take("start"); start != "" {
		if m.Start, err = p.time(start); err != nil {
			return err
		}
	}
	if minutes := f.take("minutes"); minutes != "" {
		if m.Duration, err = strconv.Atoi(minutes); err != nil {
			return err
		}
	}
	if room := f.take("room"); room != "" {
		if m.PersonalRoom, err = strconv.ParseInt(room, 10, 64); err != nil {
			return err
		}
	}
	if dates := f.take("dates"); dates != "" {
		m.Type, m.Occurrences = zoomtest.TypeRecurringPlanned, nil
		for s := range strings.SplitSeq(dates, ",") {
			at, err := p.time(strings.TrimSpace(s))
			if err != nil {
				return err
			}
			m.Occurrences = append(m.Occurrences, zoomtest.Dates(at, 0, 1, m.Duration)...)
		}
		m.Start = m.Occurrences[0].Start
	}
	return nil
}

// moved is the update of one occurrence of a series to the start in the line.
func (p *parser) moved(before, m zoomtest.Meeting, at time.Time, date string) zoomtest.Event {
	id := p.ids(date)[0]
	series := before
	p.meetings[p.account+" "+p.number] = series // the series itself stays as it was
	was, is := before, m
	was.Type, is.Type = zoomtest.TypeRecurringPlanned, zoomtest.TypeRecurringPlanned
	was.Occurrences, is.Occurrences = nil, nil
	for _, o := range before.Occurrences {
		if o.ID == id {
			was.Occurrences = []zoomtest.Occurrence{o}
			o.Start, o.Duration = m.Start, m.Duration
			is.Occurrences = []zoomtest.Occurrence{o}
		}
	}
	return was.Updated(at, is, zoom.OperationSingle)
}

// ids is the occurrence that began at that time when it was first planned; none when the line names
// none.
func (p *parser) ids(date string) []string {
	if date == "" {
		return nil
	}
	at, err := p.time(date)
	if err != nil {
		return []string{date}
	}
	return []string{strconv.FormatInt(at.UnixMilli(), 10)}
}

// instance is the one that a line is about: of that uuid, or the one of the previous line. A new
// uuid starts at the time of the line, or at its argument since. Of a meeting that was never held,
// the uuid is that of its plan.
func (p *parser) instance(f fields, m zoomtest.Meeting, at time.Time) (zoomtest.Instance, error) {
	if uuid := f.take("uuid"); uuid != "" {
		p.uuid = uuid
	}
	key := p.account + " " + p.number + " " + p.uuid
	in, known := p.instances[key]
	if !known {
		in = zoomtest.Instance{UUID: p.uuid, Start: at}
		if in.UUID == "" {
			in.UUID = m.UUID
		}
	}
	in.Meeting = m
	if since := f.take("since"); since != "" {
		var err error
		if in.Start, err = p.time(since); err != nil {
			return in, err
		}
	}
	p.instances[key] = in
	return in, nil
}

// participant is a user in one of their stays: the first leave ends the first stay, and a join
// after it begins another one of the same user. A repeated line is about the same stay.
func (p *parser) participant(event, who string, at time.Time) zoomtest.Participant {
	if who == "" {
		return zoomtest.Participant{}
	}
	count, line := event+" "+who, fmt.Sprint(event, who, at)
	switch event {
	case "participant_joined", "participant_left":
		if p.stays[line] == 0 {
			p.stays[count]++
			p.stays[line] = p.stays[count]
		}
	default:
		p.stays[line] = max(1, p.stays["participant_joined "+who])
	}
	stay := fmt.Sprintf("%s-%d", who, p.stays[line])
	return zoomtest.Participant{UserID: "16778240" + stay, UUID: "67C1A429-" + stay, User: zoomtest.User{ID: who, Name: who}}
}
