package telemetry

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

const (
	// SampleInterval is how often one reason of one app is logged at most.
	SampleInterval = time.Minute
	// maxMissingApps is how many apps that are not there are logged within that time. Their names
	// come from the requests.
	maxMissingApps = 8
)

// Sampler bounds what strangers or an outage write to the log: one line in SampleInterval for each
// app and reason, with the number of times that it stands for. Its zero value is ready to use.
type Sampler struct {
	mu      sync.Mutex
	samples map[sampleKey]*sample
}

type sampleKey struct {
	app    types.NamespacedName
	reason string
}

type sample struct {
	loggedAt time.Time
	dropped  int // since then
}

// Count counts one more, and returns how many a line stands for that is due now; 0 when none is.
func (s *Sampler) Count(now time.Time, app types.NamespacedName, reason string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := sampleKey{app, reason}
	known := s.samples[key]
	switch {
	case known == nil && !s.admit(now, key):
		return 0
	case known == nil:
		s.samples[key] = &sample{loggedAt: now}
		return 1
	case now.Sub(known.loggedAt) < SampleInterval:
		known.dropped++
		return 0
	}
	count := known.dropped + 1
	known.loggedAt, known.dropped = now, 0
	return count
}

// admit forgets what was logged long ago, and says whether one more may be remembered. Apps that
// are there are as few as the apps of the cluster.
func (s *Sampler) admit(now time.Time, key sampleKey) bool {
	if s.samples == nil {
		s.samples = map[sampleKey]*sample{}
	}
	missing := 0
	for other, known := range s.samples {
		switch {
		case now.Sub(known.loggedAt) >= SampleInterval:
			delete(s.samples, other)
		case other.reason == ReasonNoApp:
			missing++
		}
	}
	return key.reason != ReasonNoApp || missing < maxMissingApps
}
