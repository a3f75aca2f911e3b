package missed_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/missed"
)

func at(text string) time.Time {
	d, err := time.ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return noon.Add(d)
}

// span is one of attempts between two times, that waits since then and was tried then.
func span(from, to, since, tried string, events int) missed.Span {
	return missed.Span{From: at(from), To: at(to), Since: at(since), Tried: at(tried), Events: events}
}

// The longer an event waits, the more seldom it is tried; and whenever that is asked for.
func TestWhenWhatIsHeldIsReadAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		since, tried string
		asked        string
		pause        time.Duration
	}{
		"that waits since now":             {since: "0s", tried: "0s", pause: 5 * time.Minute},
		"that waits for 20 minutes":        {since: "-20m", tried: "0s", pause: 5 * time.Minute},
		"that waits for an hour":           {since: "-1h", tried: "0s", pause: 15 * time.Minute},
		"that waits for a day":             {since: "-24h", tried: "0s", pause: 6 * time.Hour},
		"that waits for six days":          {since: "-144h", tried: "0s", pause: 6 * time.Hour},
		"that is due":                      {since: "-144h", tried: "-6h"},
		"that was not tried for long":      {since: "-144h", tried: "-9h", pause: -3 * time.Hour},
		"that is asked for":                {since: "-24h", tried: "-1s", asked: "0s"},
		"that was tried since it was":      {since: "-24h", tried: "-1s", asked: "-2s", pause: time.Hour},
		"that was tried when it was asked": {since: "-24h", tried: "0s", asked: "0s", pause: 6 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			r := missed.Record{Held: []missed.Span{span("-150h", "-149h", tt.since, tt.tried, 1)}}
			var asked time.Time
			if tt.asked != "" {
				asked = at(tt.asked)
			}
			next, ok := r.NextRetry()
			if due := len(r.Due(noon, asked)) > 0; due != (tt.pause <= 0) || !ok {
				t.Errorf("due is %t, next %s (%t)", due, next, ok)
			}
			if tt.asked == "" && next.Sub(noon) != tt.pause {
				t.Errorf("it is tried again after %s, want %s", next.Sub(noon), tt.pause)
			}
		})
	}
	if _, ok := (&missed.Record{}).NextRetry(); ok {
		t.Error("nothing is held, and tried again")
	}
}

// Neighbours are one span where that is read at once anyway, with the time of what waits longest.
func TestWhatIsHeldTogether(t *testing.T) {
	for name, tt := range map[string]struct{ held, want []missed.Span }{
		"within an hour": {
			held: []missed.Span{span("-90m", "-80m", "-1h", "-30m", 2), span("-40m", "-30m", "0s", "0s", 1)},
			want: []missed.Span{span("-90m", "-30m", "-1h", "-30m", 3)},
		},
		"within an hour, the later one first": {
			held: []missed.Span{span("-40m", "-30m", "0s", "0s", 1), span("-90m", "-80m", "-1h", "-30m", 2)},
			want: []missed.Span{span("-90m", "-30m", "-1h", "-30m", 3)},
		},
		"further from each other": {
			held: []missed.Span{span("-91m", "-80m", "-1h", "-30m", 2), span("-40m", "-30m", "0s", "0s", 1)},
			want: []missed.Span{span("-91m", "-80m", "-1h", "-30m", 2), span("-40m", "-30m", "0s", "0s", 1)},
		},
		"one within the other": {
			held: []missed.Span{span("-60m", "-30m", "0s", "0s", 1), span("-50m", "-40m", "-1m", "0s", 1)},
			want: []missed.Span{span("-60m", "-30m", "-1m", "0s", 2)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := missed.Record{Until: noon}
			for _, s := range tt.held {
				r.Hold(s)
			}
			if diff := cmp.Diff(tt.want, r.Held); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if !r.Stored().Equal(tt.want[0].From) {
				t.Errorf("all is stored up to %s", r.Stored())
			}
		})
	}
}

// What is held is of a time that was read; how far back the log does not reach is lost, once, and
// no time that was not read.
func TestWhatIsHeldForTooLong(t *testing.T) {
	r := missed.Record{Until: at("-10m"), Unusable: 1, Held: []missed.Span{
		span("-169h", "-168h", "-168h", "-1h", 4), span("-168h30m", "-167h", "-168h", "-1h", 2), span("-1h", "-59m", "-50m", "-10m", 1),
	}}
	if n := r.Expire(noon); n != 4 || r.Expire(noon) != 0 || r.Unusable != 5 || r.Waiting() != 3 {
		t.Errorf("%d events are given up: %+v", n, r)
	}
	want := []missed.Window{{From: at("-167h55m"), To: at("-167h")}}
	if diff := cmp.Diff(want, r.Held[0].Windows(noon)); diff != "" {
		t.Errorf("of the rest is read (-want +got):\n%s", diff)
	}
	want = []missed.Window{{From: at("-3h"), To: at("-2h")}, {From: at("-2h"), To: at("-1h")}, {From: at("-1h"), To: at("-30m")}}
	if diff := cmp.Diff(want, span("-3h", "-30m", "0s", "0s", 1).Windows(noon)); diff != "" {
		t.Errorf("of a long one is read (-want +got):\n%s", diff)
	}
	if w, _ := r.Next(noon, at("-1000h"), false); r.Gap != nil || !w.From.Equal(at("-20m")) {
		t.Errorf("next is read from %s, %+v", w.From, r.Gap)
	}
}

// What an event that could not be stored held back was read all the same, where an earlier version
// recorded that.
func TestRecordsOfEarlierVersions(t *testing.T) {
	app := &v1alpha1.ZoomApp{ObjectMeta: metav1.ObjectMeta{UID: "1", Annotations: map[string]string{}}}
	text := func(until, counted string) string {
		return fmt.Sprintf(`{"app":"1","until":%q,"counted":%q,"taken":2}`, at(until).Format(time.RFC3339), at(counted).Format(time.RFC3339))
	}
	for name, tt := range map[string]struct {
		until, counted string
		want           missed.Record
	}{
		"nothing waits": {until: "-10m", counted: "-10m", want: missed.Record{App: "1", Taken: 2, Until: at("-10m")}},
		"one event waits": {until: "-100h", counted: "-10m", want: missed.Record{
			App: "1", Taken: 2, Until: at("-10m"), Held: []missed.Span{span("-100h", "-10m", "-100h", "-100h", 1)},
		}},
		"it was just made": {until: "-10m", counted: "-12m", want: missed.Record{App: "1", Taken: 2, Until: at("-10m")}},
	} {
		t.Run(name, func(t *testing.T) {
			app.Annotations[missed.Annotation] = text(tt.until, tt.counted)
			r := missed.RecordOf(app)
			if diff := cmp.Diff(tt.want, r); diff != "" || !r.Stored().Equal(at(tt.until)) {
				t.Errorf("(-want +got):\n%s", diff)
			}
			r.Set(app)
			if diff := cmp.Diff(r, missed.RecordOf(app)); diff != "" {
				t.Errorf("recorded anew (-want +got):\n%s", diff)
			}
		})
	}
	for _, text := range []string{`{"app":"1","held":[[1,2]]}`, `{"app":"1","held":[7]}`} {
		app.Annotations[missed.Annotation] = text
		if r := missed.RecordOf(app); len(r.Held) > 0 {
			t.Errorf("of garbage: %+v", r)
		}
	}
}

func TestWhatIsHeldIsReleased(t *testing.T) {
	r := missed.Record{Until: noon}
	r.Hold(span("-3h", "-2h30m", "-1h", "-1h", 1))
	r.Hold(span("-1h", "-30m", "0s", "0s", 2))
	if !r.Holds(at("-3h")) || r.Holds(at("-2h")) || r.Holds(at("-30m")) {
		t.Error("it is not known what is held")
	}
	if _, ok := r.Release(span("-3h", "-2h", "0s", "0s", 0)); ok {
		t.Error("a span is released that is not there")
	}
	if s, ok := r.Release(span("-1h", "-30m", "0s", "0s", 9)); !ok || s.Events != 2 || len(r.Held) != 1 {
		t.Errorf("%+v is released, and there are %+v", s, r.Held)
	}
}

// Where something is refused all the time, and for good, the record stays short, and what is read
// again leaves most of a day's calls to what is new.
func TestWhatIsHeldIsBounded(t *testing.T) {
	r := missed.Record{App: "01234567-0123-0123-0123-0123456789ab", Since: noon, Until: noon}
	var rest time.Time
	calls, size := 0, 0
	for now := noon; now.Before(noon.Add(14 * 24 * time.Hour)); now = now.Add(time.Minute) {
		r.Expire(now)
		if now.Sub(noon)%(10*time.Minute) == 0 {
			r.Until = now
			r.Hold(missed.Span{From: now.Add(-5 * time.Minute), To: now.Add(-5*time.Minute + time.Second), Since: now, Tried: now, Events: 30})
		}
		n := 0
		if !rest.After(now) {
			for _, due := range r.Due(now, time.Time{}) {
				s, ok := r.Release(due)
				if !ok {
					continue
				}
				n += len(s.Windows(now))
				s.Tried = now
				r.Hold(s)
			}
		}
		if n > 0 {
			rest = now.Add(missed.RetryPause(n))
		}
		calls += n
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if size = max(size, len(text)); now.Sub(noon)%(24*time.Hour) == 0 {
			t.Logf("on day %d: %d calls, up to %d bytes, %d spans", now.Sub(noon)/(24*time.Hour), calls, size, len(r.Held))
			if calls > 600 || size > 1700 {
				t.Errorf("on day %d: %d calls, up to %d bytes", now.Sub(noon)/(24*time.Hour), calls, size)
			}
			calls = 0
		}
	}
}
