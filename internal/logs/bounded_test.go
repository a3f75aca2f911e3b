package logs

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
)

func TestAFailureOfEveryObjectIsbounded(t *testing.T) {
	now := time.Unix(1772442005, 0)
	var out bytes.Buffer
	logger := logr.FromSlogHandler(bounded(slog.NewJSONHandler(&out, nil), func() time.Time { return now }))
	lines := func(part string) int { return strings.Count(out.String(), part) }
	outage := func() {
		for i := range 1000 {
			apps, meetings := logger.WithValues("controller", "zoomapp"), logger.WithValues("controller", "zoommeeting")
			apps.Error(errors.New("no route"), "Reconciler error", "name", i)
			meetings.Error(errors.New("no route"), "Reconciler error", "name", i)
			meetings.Info("What was tried did not succeed", "cause", "no route", "name", i)
			logger.Info("an event was not taken", "reason", "not_stored", "cause", "no route")
			logger.Info("an event was not taken", "reason", "overloaded", "cause", "no route")
			logger.Info("the app was installed", "installation", i)
		}
	}
	outage()
	for part, want := range map[string]int{
		`"controller":"zoomapp"`: linesPerWindow, `"Reconciler error"`: 2 * linesPerWindow, "did not succeed": linesPerWindow,
		"not_stored": linesPerWindow, "overloaded": linesPerWindow, "was installed": 1000, "suppressed": 0,
	} {
		if n := lines(part); n != want {
			t.Errorf("%d lines have %s, want %d", n, part, want)
		}
	}
	out.Reset()
	now = now.Add(window)
	outage()
	if n := lines(`"suppressed":990`); n != 5 {
		t.Errorf("%d failures say how many lines were left out, want 5", n)
	}
}

// A library that writes another message each time fills neither the log nor the memory.
func TestMessagesWithValuesArebounded(t *testing.T) {
	var out bytes.Buffer
	h := bounded(slog.NewJSONHandler(&out, nil), func() time.Time { return time.Unix(1772442005, 0) })
	logger := logr.FromSlogHandler(h)
	for i := range 10 * maxFailures {
		logger.Error(nil, fmt.Sprint("failed for ", i))
	}
	if n := strings.Count(out.String(), "\n"); n != maxFailures+linesPerWindow {
		t.Errorf("%d lines are written", n)
	}
	if n := len(h.(handler).failures.of); n > maxFailures+1 { //nolint:forcetypeassert // it is the only one
		t.Errorf("%d failures are remembered", n)
	}
}
