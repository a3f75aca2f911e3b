// Package missed says which part of Zoom's log of webhooks that it could not deliver is to be read
// for an app, and keeps what is known of what was read: in an annotation of the ZoomApp, which
// outlives every process, and from which a condition follows.
package missed

import (
	"encoding/json"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

// Annotation is what is known of the events that Zoom could not deliver to a ZoomApp.
const Annotation = "internal.zoom-operator.io/missed-events"

const (
	// overlap is read once more each time: the log may have had an attempt late. Zoom does not
	// document how late it is.
	overlap = 10 * time.Minute
	// behind is how far the end of what is read is from the present, for the same reason.
	behind = 2 * time.Minute
	// margin keeps the beginning within the reach of the log while the request is on its way, and
	// by a clock of Zoom's that is ahead.
	margin = zoom.MaxClockSkew
	// atOnce is how much of the log is read before it is recorded how far it was read.
	atOnce = time.Hour
)

// Record is what is known of the log of an app.
type Record struct {
	// App is the UID of the ZoomApp that it is of: what was copied to another one says nothing.
	App types.UID `json:"app"`
	// Since is where the first reading began.
	Since time.Time `json:"since,omitzero"`
	// Until is up to when the log was read. All that is in it is stored but for what is in Held.
	Until time.Time `json:"until,omitzero"`
	// Held are the parts of it that are to be read again, from the earliest on.
	Held []Span `json:"held,omitempty"`
	// Taken is how many events were stored from it, and TakenAt when the last of them.
	Taken   int       `json:"taken,omitempty"`
	TakenAt time.Time `json:"takenAt,omitzero"`
	// Unusable is how many could not be understood, are nothing that can be stored, or could not be
	// stored for as long as the log reached back to them.
	Unusable int `json:"unusable,omitempty"`
	// Gap is the last time of which the log was read too late.
	Gap *Gap `json:"gap,omitempty"`
	// Refused is why the log cannot be read; nil since it could.
	Refused *Refusal `json:"refused,omitempty"`
}

// Gap is a time of which the log had nothing any more when it was to be read.
type Gap struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// Refusal is why the log cannot be read. Another attempt alone does not change it.
type Refusal struct {
	// Reason is that of the condition MissedEventsRecovered.
	Reason string `json:"reason"`
	// At is when it was tried last, and Of a digest of what it was tried with.
	At time.Time `json:"at"`
	Of string    `json:"of"`
}

// RecordOf is what is recorded of an app.
func RecordOf(app *v1alpha1.ZoomApp) Record {
	var r struct {
		Record

		// Counted is up to when the log was read where that was recorded by a version that let an
		// event that could not be stored hold Until back.
		Counted time.Time `json:"counted,omitzero"`
	}
	if err := json.Unmarshal([]byte(app.Annotations[Annotation]), &r); err != nil || r.App != app.UID {
		return Record{App: app.UID}
	}
	if r.Counted.After(r.Until) && !r.Until.IsZero() {
		r.Held = append(r.Held, Span{From: r.Until, To: r.Counted, Since: r.Until, Tried: r.Until, Events: 1})
		r.Until = r.Counted
	}
	return r.Record
}

// Set records it.
func (r Record) Set(app *v1alpha1.ZoomApp) {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // these types always have a JSON
	}
	if app.Annotations == nil {
		app.Annotations = map[string]string{}
	}
	app.Annotations[Annotation] = string(text)
}

// Window is a time of which the log is to be read.
type Window struct{ From, To time.Time }

// Next is what is to be read next for an app that exists since then. It is not ok while there is
// nothing, unless something is to be read all the same, so that it is known whether it can be.
// Where the log does not reach back to what was read last, it is recorded that there is a gap.
func (r *Record) Next(now, created time.Time, something bool) (w Window, ok bool) {
	end, earliest := now.Add(-behind).Truncate(time.Second), reach(now)
	w.From = r.Until
	if w.From.IsZero() {
		w.From = latest(created.Truncate(time.Second), earliest)
		r.Since, r.Until = w.From, w.From
		something = true
	}
	if w.From.Before(earliest) {
		r.Gap = &Gap{From: w.From, To: earliest}
		w.From, r.Until = earliest, earliest
	}
	w.To = w.From.Add(atOnce)
	switch {
	case w.From.Before(end) && w.To.After(end):
		w.To = end
	case w.From.Before(end):
	case something:
		w.From, w.To = end, end
	default:
		return Window{}, false
	}
	w.From = latest(w.From.Add(-overlap), earliest)
	return w, true
}

// Stored is up to when all is stored that is in the log.
func (r *Record) Stored() time.Time {
	if len(r.Held) > 0 && r.Held[0].From.Before(r.Until) {
		return r.Held[0].From
	}
	return r.Until
}

// StoredFor is Stored, but for what has been waiting for longer than that before what was read
// last.
func (r *Record) StoredFor(wait time.Duration) time.Time {
	return latest(r.Stored(), r.Until.Add(-wait))
}

// Whole is from when on nothing is missing that Zoom tried to deliver.
func (r *Record) Whole() time.Time {
	if r.Gap != nil {
		return r.Gap.To
	}
	return r.Since
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
