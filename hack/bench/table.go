package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// table is the result, in the order in which it was measured.
type table struct {
	rows []row
}

type row struct {
	what, value, target string
	missed              bool
}

// info adds a figure that nothing depends on.
func (t *table) info(what, format string, args ...any) {
	t.rows = append(t.rows, row{what: what, value: fmt.Sprintf(format, args...)})
}

// atLeast adds a figure that must not be lower than target.
func (t *table) atLeast(what string, value, target float64) {
	t.rows = append(t.rows, row{what: what, value: number(value), target: "≥ " + number(target), missed: !(value >= target)})
}

// ratioAtLeast adds the median of several ratios, which must not be lower than target, and what
// noise makes of it.
func (t *table) ratioAtLeast(what string, values []float64, target float64) {
	from, to := interval(values)
	t.atLeast(what, median(values), target)
	t.rows[len(t.rows)-1].value += fmt.Sprintf(" (%.2f to %.2f)", from, to)
}

// atMost adds a figure that must not be higher than target.
func (t *table) atMost(what string, value, target float64) {
	t.rows = append(t.rows, row{what: what, value: number(value), target: "≤ " + number(target), missed: !(value <= target)})
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
		holds := ""
		switch {
		case r.missed:
			holds = "no"
		case r.target != "":
			holds = "yes"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.what, r.value, r.target, holds)
	}
	_ = w.Flush() // a strings.Builder takes everything
	return b.String()
}
