package main

import (
	"strings"
	"testing"
)

func TestTable(t *testing.T) {
	for name, tt := range map[string]struct {
		add    func(*table)
		want   string // the last line, its columns separated by one space
		missed bool
	}{
		"a figure without a target":       {func(tb *table) { tb.info("memory", "%d MiB", 3) }, "memory 3 MiB", false},
		"a ratio that is high enough":     {func(tb *table) { tb.atLeast("ratio", .85, .85) }, "ratio 0.85 ≥ 0.85 yes", false},
		"a ratio that is not":             {func(tb *table) { tb.atLeast("ratio", .8499, .85) }, "ratio 0.85 ≥ 0.85 no", true},
		"a count that is low enough":      {func(tb *table) { tb.atMost("late", 0, 0) }, "late 0 ≤ 0 yes", false},
		"a count that is not":             {func(tb *table) { tb.atMost("late", 1, 0) }, "late 1 ≤ 0 no", true},
		"a ratio of nothing to nothing":   {func(tb *table) { zero := 0.0; tb.atLeast("ratio", zero/zero, 1) }, "ratio NaN ≥ 1 no", true},
		"one that is missed among others": {func(tb *table) { tb.atMost("late", 1, 0); tb.info("memory", "-") }, "memory -", true},
	} {
		t.Run(name, func(t *testing.T) {
			var tb table
			tt.add(&tb)
			lines := strings.Split(strings.TrimSpace(tb.String()), "\n")
			if got := strings.Join(strings.Fields(lines[len(lines)-1]), " "); got != tt.want {
				t.Errorf("the last line is %q, want %q", got, tt.want)
			}
			if got := tb.missed(); got != tt.missed {
				t.Errorf("missed = %t, want %t", got, tt.missed)
			}
		})
	}
}
