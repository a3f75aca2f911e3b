package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zoom-operator/zoom-operator/internal/names"
	"github.com/zoom-operator/zoom-operator/zoom/zoomtest"
)

// dayLength is how long the community's day is.
const dayLength = 10 * time.Hour

// day is what happens in the community from begin on, in the order in which it happens.
type day struct {
	events []zoomtest.Event

	// evening is the number of a meeting that is moved, live at eveningHeld and over at the end of
	// the day.
	evening                    int64
	eveningStarts, eveningHeld time.Time

	cancelled int64 // the number of a meeting that is deleted

	// outage is not in events.
	outage outage

	// lost is an instance of which the event of the end, at lostEnds, never arrives.
	lost     zoomtest.Instance
	lostEnds time.Time
}

// chapters are the day before the evening starts, until it is well attended, and the rest.
func (d day) chapters() (before, during, after []zoomtest.Event) {
	for _, e := range d.events {
		switch {
		case e.Time.Before(d.eveningStarts):
			before = append(before, e)
		case e.Time.Before(d.eveningHeld):
			during = append(during, e)
		default:
			after = append(after, e)
		}
	}
	return before, during, after
}

// eveningName is the name of the evening's ZoomMeeting.
func (d day) eveningName() string {
	return names.Meeting(appName, strconv.FormatInt(d.evening, 10))
}

// cancelledName is the name of the cancelled meeting's ZoomMeeting.
func (d day) cancelledName() string {
	return names.Meeting(appName, strconv.FormatInt(d.cancelled, 10))
}

// lostName is the name of the ZoomMeeting whose end is lost.
func (d day) lostName() string {
	return names.Meeting(appName, strconv.FormatInt(d.lost.Meeting.Number, 10))
}

// newDay returns the events of the day, which are the same every time, apart from the date.
func newDay(begin time.Time) day {
	begin = begin.Truncate(time.Minute)
	at := func(hours, minutes int) time.Time {
		return begin.Add(time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute)
	}
	var s story

	books := plan(library, 81000000101, "Book club", at(2, 0), 60)
	s.add(books.Created(at(0, 5)))
	s.held(books, at(2, 2), at(3, 5), 6)

	tales := series(library, 81000000102, "Reading aloud for children", at(1, 0), 30)
	s.add(tales.Created(at(0, 10)))
	s.held(tales, at(1, 1), at(1, 35), 8)
	s.add(tales.Deleted(at(4, 10), tales.Occurrences[2].ID)) // that week the library is closed

	board := plan(library, 81000000103, "Board meeting", at(8, 30), 60)
	renamed := board
	renamed.Topic = "Board meeting: the new roof"
	s.add(board.Created(at(0, 50)), board.Updated(at(5, 20), renamed, ""))
	s.held(renamed, at(8, 32), at(9, 40), 5)

	parents := plan(school, 81000000201, "Parents' evening", at(3, 0), 90)
	moved := parents
	moved.Start = at(5, 0)
	s.add(parents.Created(at(0, 20)), parents.Updated(at(1, 40), moved, ""))
	eveningStarts, eveningEnds := at(5, 1), at(6, 20)
	s.held(moved, eveningStarts, eveningEnds, 9)

	s.held(instant(school, 81000000202, "Homework help"), at(2, 30), at(3, 10), 3)

	french := plan(school, 81000000203, "Café français", begin.Add(dayLength+3*time.Hour), 45)
	s.add(french.Created(at(6, 40))) // is still to come when the day is over

	rehearsal := plan(choir, 81000000301, "Rehearsal", at(4, 0), 120)
	s.add(rehearsal.Created(at(0, 30)))
	s.held(rehearsal, at(3, 55), at(6, 5), 12)

	concert := plan(choir, 81000000302, "Summer concert: who brings what", at(7, 0), 45)
	s.add(concert.Created(at(0, 40)), concert.Deleted(at(3, 30)))

	seeds := plan(garden, 81000000401, "Seed swap", at(6, 0), 45)
	s.add(seeds.Created(at(1, 10)), seeds.Deleted(at(2, 15)), seeds.Recovered(at(2, 50)))
	s.held(seeds, at(6, 3), at(6, 50), 7)

	compost := dropIn(garden, 81000000402, "Compost questions")
	s.add(compost.Created(at(0, 25)))
	s.held(compost, at(3, 20), at(3, 50), 4)
	s.held(compost, at(7, 30), at(8, 5), 3)

	lathe := plan(workshop, 81000000501, "Safe at the lathe", at(4, 30), 45)
	s.add(lathe.Created(at(1, 50)))
	s.held(lathe, at(4, 31), at(5, 15), 6)
	s.held(instant(workshop, 81000000502, "Help, my drill smokes"), at(8, 15), at(8, 40), 2)

	chairs := plan(choir, 81000000303, "Setting up the chairs", at(1, 30), 30)
	lost, lostEnds := chairs.Instance(at(1, 31)), at(1, 55)
	s.add(chairs.Created(at(0, 45)), lost.Started())

	return day{
		lost: lost, lostEnds: lostEnds,
		outage: newOutage(at),

		events:        s.sorted(),
		evening:       moved.Number,
		eveningStarts: eveningStarts,
		eveningHeld:   eveningStarts.Add(eveningEnds.Sub(eveningStarts) / 3),
		cancelled:     concert.Number,
	}
}

// outage is a time of the day in which Zoom cannot reach the operator, long enough for Zoom to give
// up what happens at its beginning: of that the webhook log alone knows.
type outage struct {
	begins, ends time.Time

	// read is when the operator is asked to read the log, with make run. It never reads the last
	// two minutes, of our time, and by then the last event of the meeting is older.
	read time.Time

	// meeting is planned, held by so many people, and over within the outage, by events.
	meeting zoomtest.Meeting
	people  int32
	events  []zoomtest.Event
}

// name is the name of the meeting's ZoomMeeting.
func (o outage) name() string {
	return names.Meeting(appName, strconv.FormatInt(o.meeting.Number, 10))
}

// newOutage is the outage of a day, of whose hours and minutes at has the times.
func newOutage(at func(hours, minutes int) time.Time) outage {
	o := outage{
		begins: at(3, 11), ends: at(5, 0), read: at(9, 50),
		meeting: plan(library, 81000000104, "Poetry at the window", at(3, 14), 15), people: 5,
	}
	var s story
	s.add(o.meeting.Created(at(3, 12)))
	s.held(o.meeting, at(3, 14), at(3, 28), int(o.people))
	o.events = s.sorted()
	return o
}

// all are the events of the day and of its outage.
func (d day) all() []zoomtest.Event {
	var s story
	s.add(d.events...)
	s.add(d.outage.events...)
	return s.sorted()
}

// plannedBefore is a meeting that was planned before its host installed the app, so that no event
// was sent of it.
func plannedBefore(now time.Time) zoomtest.Meeting {
	return plan(school, 81000000204, "Open day", now.Truncate(24*time.Hour).Add(9*24*time.Hour+10*time.Hour), 180)
}

// plannedBeforeName is the name of its ZoomMeeting.
func plannedBeforeName() string {
	return names.Meeting(appName, strconv.FormatInt(plannedBefore(time.Time{}).Number, 10))
}

// After the day, one spontaneous meeting follows the other: each is as long as spontaneousLength,
// and spontaneousBreak lies between.
const (
	spontaneousLength = 22 * time.Second
	spontaneousBreak  = 4 * time.Second
)

// spontaneous is the nth of them: a user starts it, some come in, and soon all have left.
func spontaneous(n int, start time.Time) []zoomtest.Event {
	topics := [...]string{"A cup of tea", "Can you hear me?", "Which key was it?", "Quick question", "Lost and found"}
	accounts := [...]zoomtest.Account{library, school, choir, garden, workshop}
	i := n % len(topics)
	var s story
	s.held(instant(accounts[i], 82000000000+int64(n), topics[i]), start, start.Add(spontaneousLength), 2+n%4)
	return s.sorted()
}

// story collects events.
type story struct {
	events []zoomtest.Event
}

func (s *story) add(events ...zoomtest.Event) {
	s.events = append(s.events, events...)
}

// sorted is the events in the order of their times; those of the same time keep the order in which
// they were added.
func (s *story) sorted() []zoomtest.Event {
	slices.SortStableFunc(s.events, func(a, b zoomtest.Event) int { return a.Time.Compare(b.Time) })
	return s.events
}

// held has participants join a meeting, in its first fifth, and leave in its last. Every fourth
// loses the connection in between and comes back.
func (s *story) held(m zoomtest.Meeting, start, end time.Time, people int) {
	random := rand.New(rand.NewPCG(uint64(m.Number), 1))
	length := end.Sub(start)
	share := func(from, to float64) time.Time {
		return start.Add(time.Duration((from + (to-from)*random.Float64()) * float64(length)))
	}
	live := m.Instance(start)
	s.add(live.Started())
	first := random.IntN(len(guests))
	for i := range people {
		who := person(first + i)
		stay := func(n int, from, to time.Time) {
			p := zoomtest.Participant{
				UserID: strconv.Itoa(16778240 + 1024*(2*i+n)),
				UUID:   fmt.Sprintf("%s-%d-%d", live.UUID[:8], i, n),
				User:   who,

				PublicIP:  address(first + i),
				PrivateIP: address(first + i),
			}
			s.add(live.ParticipantJoined(from, p), live.ParticipantLeft(to, p))
		}
		joins, leaves := share(0.02, 0.2), share(0.8, 0.98)
		if i%4 == 3 {
			stay(1, joins, share(0.35, 0.45))
			joins = share(0.5, 0.6)
		}
		stay(0, joins, leaves)
	}
	s.add(live.Ended(end))
}

// plan is a meeting with a fixed time. Its length is in minutes.
func plan(a zoomtest.Account, number int64, topic string, start time.Time, length int) zoomtest.Meeting {
	m := zoomtest.Meeting{
		Account: a, Number: number, Host: host(a), Topic: topic, Type: zoomtest.TypeScheduled,
		Start: start, Duration: length, Timezone: "Europe/Madrid", Passcode: passcode(number),
	}
	m.UUID = m.Instance(time.Time{}).UUID
	return m
}

// series is a meeting that is held four times, every week.
func series(a zoomtest.Account, number int64, topic string, first time.Time, length int) zoomtest.Meeting {
	m := plan(a, number, topic, first, length)
	m.Type = zoomtest.TypeRecurringPlanned
	m.Occurrences = zoomtest.Dates(first, 7*24*time.Hour, 4, length)
	return m
}

// dropIn is a meeting that is held again and again without fixed times.
func dropIn(a zoomtest.Account, number int64, topic string) zoomtest.Meeting {
	m := plan(a, number, topic, time.Time{}, 30)
	m.Type = zoomtest.TypeRecurring
	return m
}

// instant is a meeting that was not scheduled.
func instant(a zoomtest.Account, number int64, topic string) zoomtest.Meeting {
	m := plan(a, number, topic, time.Time{}, 0)
	m.Type = zoomtest.TypeInstant
	return m
}

// guests are the names of the participants.
var guests = [...]string{
	"Tamsin Oakhollow", "Bertil Quillfeather", "Ngozi Amberlight", "Ignacio Velahermosa", "Mirela Stonebrook",
	"Kenji Maplewood", "Odalys Fernwick", "Thaddeus Plumridge", "Saoirse Windermark", "Rashid Coppervale",
	"Wilhelmina Driftmoor", "Florian Appelschnut", "Yewande Brightwater", "Pavel Thistledown", "Linnea Frostgarden",
}

func person(i int) zoomtest.User {
	name := guests[i%len(guests)]
	first, last, _ := strings.Cut(strings.ToLower(name), " ")
	return zoomtest.User{ID: "user-" + last, Name: name, Email: first + "." + last + "@example.org"}
}

// address is where a person comes from: one of 203.0.113.0/24, which is for documentation.
func address(i int) string {
	return fmt.Sprintf("203.0.113.%d", 1+i%len(guests))
}

func host(a zoomtest.Account) zoomtest.User {
	return zoomtest.User{ID: "host-" + a.ID, Name: "Host of " + a.ID, Email: "host@" + strings.ToLower(a.ID) + ".example.org"}
}

// passcode is never shown anywhere, so it need not be pretty. Two meetings have different ones.
func passcode(number int64) string {
	return fmt.Sprintf("passcode-%x", number*7919)
}

// confidential is everything in the events that must not be kept: passcodes, which are also in join
// links, names, e-mail addresses (a host's is in started and ended events too) and network
// addresses.
func confidential(events []zoomtest.Event) []string {
	var found []string
	for i := range guests {
		found = append(found, person(i).Name, person(i).Email, address(i))
	}
	for _, a := range accounts() {
		found = append(found, host(a).Name, host(a).Email)
	}
	for _, e := range events {
		for _, after := range strings.Split(string(e.Body), `"password":"`)[1:] {
			code, _, _ := strings.Cut(after, `"`)
			found = append(found, code)
		}
	}
	slices.SortFunc(found, cmp.Compare[string])
	return slices.Compact(found)
}
