package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"
)

// table is the result, in the order in which it was measured.
type table struct {
	rows []row
}

type row struct {
	what   string
	text   string    // the value for people
	values []float64 // what is in it
	target string
	missed bool
}

// info adds figures that nothing depends on. The format has a verb for each of them.
func (t *table) info(what, format string, values ...float64) {
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	t.rows = append(t.rows, row{what: what, text: fmt.Sprintf(format, args...), values: values})
}

// atLeast adds a figure that must not be lower than target.
func (t *table) atLeast(what string, value, target float64) {
	t.rows = append(t.rows, row{what: what, text: number(value), values: []float64{value}, target: "≥ " + number(target), missed: !(value >= target)})
}

// ratioAtLeast adds the median of several ratios, which must not be lower than target, and what
// noise makes of it.
func (t *table) ratioAtLeast(what string, values []float64, target float64) {
	from, to := interval(values)
	t.atLeast(what, median(values), target)
	last := &t.rows[len(t.rows)-1]
	last.text += fmt.Sprintf(" (%.2f to %.2f)", from, to)
	last.values = append(last.values, from, to)
}

// atMost adds a figure that must not be higher than target.
func (t *table) atMost(what string, value, target float64) {
	t.rows = append(t.rows, row{what: what, text: number(value), values: []float64{value}, target: "≤ " + number(target), missed: !(value <= target)})
}

// number is readable whether it is a ratio or a count.
func number(v float64) string {
	if v == float64(int64(v)) {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

func (t *table) missed() bool {
	for _, r := range t.rows {
		if r.missed {
			return true
		}
	}
	return false
}

func (t *table) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	_, _ = fmt.Fprintln(w, "WHAT\tVALUE\tTARGET\tHOLDS")
	for _, r := range t.rows {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.what, r.text, r.target, r.holds())
	}
	_ = w.Flush() // a strings.Builder takes everything
	return b.String()
}

func (r row) holds() string {
	switch {
	case r.missed:
		return "no"
	case r.target != "":
		return "yes"
	default:
		return ""
	}
}

// write writes the table for other programs. A row that is indented belongs to the one before that
// is not, and has its text before its own.
func (t *table) write(file string, took time.Duration) error {
	type figure struct {
		What   string    `json:"what"`
		Text   string    `json:"text"`
		Values []float64 `json:"values"`
		Target string    `json:"target,omitempty"`
		Holds  *bool     `json:"holds,omitempty"`
	}
	figures, heading := make([]figure, 0, len(t.rows)), ""
	for _, r := range t.rows {
		f := figure{What: r.what, Text: r.text, Values: r.values, Target: r.target}
		if name, indented := strings.CutPrefix(r.what, "  "); indented {
			f.What = heading + ": " + name
		} else {
			heading = r.what
		}
		if r.target != "" {
			f.Holds = new(!r.missed)
		}
		figures = append(figures, f)
	}
	text, err := json.MarshalIndent(struct {
		Seconds float64  `json:"seconds"`
		CPUs    int      `json:"cpus"`
		Figures []figure `json:"figures"`
	}{took.Seconds(), runtime.NumCPU(), figures}, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the result: %w", err)
	}
	return os.WriteFile(file, append(text, '\n'), 0o600)
}
