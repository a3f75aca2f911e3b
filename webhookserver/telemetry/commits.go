package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

var (
	// Each is of one kind of object: meeting or installation. What arrives for an object while it
	// is being written goes into the next write together.
	commitSeconds = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "zoom_operator_commit_duration_seconds",
		Help:    "Time that one write of an object takes with all that waited for it, conflicts included, by kind.",
		Buckets: []float64{.005, .02, .1, .5, 2.5},
	}, []string{"kind"})

	// A mean above one means that events of the same object arrive faster than they can be written
	// one by one, as when a class comes in; it is no fault.
	commitChanges = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "zoom_operator_commit_changes",
		Help:    "Changes that went into one write, by kind.",
		Buckets: []float64{1, 4, 16, 64, 256},
	}, []string{"kind"})

	// At 3072 the last ones are answered 503, and before that those that matter less.
	unansweredChanges = prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "zoom_operator_commit_unanswered_changes",
		Help: "Changes that wait to be written, or are being written, by kind.",
	}, []string{"kind"})
)

func init() {
	metrics.Registry.MustRegister(commitSeconds, commitChanges, unansweredChanges)
}

// Commits counts what is written of one kind of object.
type Commits struct {
	seconds, changes prometheus.Observer
	unanswered       prometheus.Gauge
}

// CommitsOf returns the counters of that kind.
func CommitsOf(kind string) Commits {
	return Commits{commitSeconds.WithLabelValues(kind), commitChanges.WithLabelValues(kind), unansweredChanges.WithLabelValues(kind)}
}

// Wrote implements commit.Observer.
func (c Commits) Wrote(changes int, took time.Duration) {
	c.seconds.Observe(took.Seconds())
	c.changes.Observe(float64(changes))
}

// Unanswered implements commit.Observer.
func (c Commits) Unanswered(changes int) { c.unanswered.Set(float64(changes)) }
