package logs

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/go-logr/logr"
)

// The levels, as flags name them. Error is what an admin has to look into, warn what failed and is
// tried again, info what changed, and debug why each request was refused.
var levels = map[string]slog.Level{"error": slog.LevelError, "warn": slog.LevelWarn, "info": slog.LevelInfo, "debug": slog.LevelDebug}

// Debug is the verbosity of lines that are for the level debug, of which there may be one for each
// request.
const Debug = 4 // as logr has it, slog.LevelDebug

// Options say what is written, and how.
type Options struct {
	// Level is the least that is written: error, warn, info or debug.
	Level string
	// Format is json or text.
	Format string
}

// Check says what is wrong with the options, as flags that are set wrongly.
func (o Options) Check() error {
	if _, known := levels[o.Level]; !known {
		return fmt.Errorf("--log-level must be error, warn, info or debug, not %q", o.Level)
	}
	if o.Format != "json" && o.Format != "text" {
		return fmt.Errorf("--log-format must be json or text, not %q", o.Format)
	}
	return nil
}

// New returns a logger of options that Check has found nothing wrong with.
func New(to io.Writer, o Options, now func() time.Time) logr.Logger {
	options := &slog.HandlerOptions{Level: levels[o.Level], ReplaceAttr: plainLevel}
	var lines slog.Handler = slog.NewJSONHandler(to, options)
	if o.Format == "text" {
		lines = slog.NewTextHandler(to, options)
	}
	return logr.FromSlogHandler(bounded(lines, now))
}

// plainLevel has verbosities between info and debug, as libraries have them, written as debug.
func plainLevel(groups []string, a slog.Attr) slog.Attr {
	if level, ok := a.Value.Any().(slog.Level); ok && len(groups) == 0 && a.Key == slog.LevelKey && level < slog.LevelInfo {
		a.Value = slog.AnyValue(slog.LevelDebug)
	}
	return a
}
