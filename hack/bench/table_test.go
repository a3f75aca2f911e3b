package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTableForPrograms(t *testing.T) {
	var tb table
	tb.info("rates", "%.0f and %.1f", 3, 4.5)
	tb.atMost("  late", 1, 0)
	file := filepath.Join(t.TempDir(), "table.json")
	if err := tb.write(file, 2*time.Second); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Seconds float64
		Figures []struct {
			What, Text, Target string
			Values             []float64
			Holds              *bool
		}
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Figures) != 2 || got.Seconds != 2 {
		t.Fatalf("the file holds %s", text)
	}
	if rates := got.Figures[0]; rates.Text != "3 and 4.5" || !slices.Equal(rates.Values, []float64{3, 4.5}) || rates.Holds != nil {
		t.Errorf("a figure without a target is %+v", rates)
	}
	if late := got.Figures[1]; late.What != "rates: late" || late.Target != "≤ 0" || late.Holds == nil || *late.Holds {
		t.Errorf("a figure that is missed is %+v", late)
	}
}

func TestTable(t *testing.T) {
	for name, tt := range map[string]struct {
		add    func(*table)
		want   string // the last line, its columns separated by one space
		missed bool
	}{
		"a figure without a target":       {func(tb *table) { tb.info("memory", "%.0f MiB", 3) }, "memory 3 MiB", false},
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
