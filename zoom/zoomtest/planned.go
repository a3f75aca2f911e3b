package zoomtest

import (
	"slices"
	"time"
)

// listedAhead is how far ahead the list of upcoming meetings goes.
const listedAhead = 6 * 30 * 24 * time.Hour

// Plan lets the REST API know of a meeting that was planned at that time, and of no webhook.
func (s *Server) Plan(m Meeting, created time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.planned = append(s.planned, planned{m, created})
}

// json is the meeting as the REST API shows it.
func (p planned) json() object {
	o := p.plan()
	o["created_at"] = rfc3339(p.created)
	o["agenda"], o["start_url"] = Mark, "https://zoom.example/s/1?zak="+Mark
	o["join_url"], o["password"] = "https://zoom.example/j/1?pwd="+Mark, Mark
	return o
}

// listed is the meeting in the list of its host, where a series has an item for itself alone, with
// the next of its dates.
func (p planned) listed(now time.Time) object {
	o := p.json()
	for _, key := range []string{"settings", "occurrences", "recurrence", "password"} {
		delete(o, key)
	}
	if p.Type == TypeRecurringPlanned {
		for _, d := range p.Occurrences {
			if d.Start.After(now) {
				o["start_time"] = rfc3339(d.Start)
				break
			}
		}
	}
	if p.Type == TypeRecurring {
		o["start_time"] = "0001-01-01T00:00:00Z"
	}
	return o
}

// upcoming says whether the list of upcoming meetings has it.
func (p planned) upcoming(now time.Time) bool {
	switch p.Type {
	case TypeInstant:
		return false
	case TypeRecurring:
		return true
	case TypeRecurringPlanned:
		return slices.ContainsFunc(p.Occurrences, func(d Occurrence) bool { return d.Start.After(now) })
	}
	return p.Start.After(now) && p.Start.Before(now.Add(listedAhead))
}
