package logs

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

// Each level writes its own lines and those above, in either format, and a failure that is tried
// again is a warning.
func TestLevelsMeanSomething(t *testing.T) {
	lines := []string{"WARN msg=failed", "ERROR msg=broken", "INFO msg=changed", "DEBUG msg=refused", "DEBUG msg=library"}
	for level, want := range map[string]string{"error": "ERROR", "warn": "WARN ERROR", "info": "WARN ERROR INFO", "debug": "WARN ERROR INFO DEBUG"} {
		t.Run(level, func(t *testing.T) {
			var text, json bytes.Buffer
			for format, out := range map[string]*bytes.Buffer{"text": &text, "json": &json} {
				o := Options{Level: level, Format: format}
				if err := o.Check(); err != nil {
					t.Fatal(err)
				}
				logger := New(out, o, time.Now).WithName("events")
				logger.Info("failed", "cause", "no route")
				logger.Error(errors.New("no route"), "broken")
				logger.Info("changed")
				logger.V(Debug).Info("refused", "reason", "stale")
				logger.V(1).Info("library")
				logger.V(Debug + 1).Info("more than anybody reads")
			}
			if !strings.HasPrefix(json.String(), `{"time":`) {
				t.Errorf("JSON is %s", &json)
			}
			for _, line := range lines {
				name, _, _ := strings.Cut(line, " ")
				if got := strings.Contains(text.String(), "level="+line); got != strings.Contains(want, name) {
					t.Errorf("a line with %s: %v", line, got)
				}
			}
			if strings.Count(text.String(), "\n") != strings.Count(json.String(), "\n") || strings.Contains(text.String(), "more than") {
				t.Errorf("text is %s", &text)
			}
		})
	}
}
