package consent

import (
	"context"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/internal/logs"
	"github.com/zoom-operator/zoom-operator/internal/refusal"
)

// judgeEvery is how often a replica asks the API server about what Zoom says of one app, at most.
// It bounds what strangers with made-up codes cost: what the status says already costs nothing, and
// all else one read, and perhaps one write, in that time.
const judgeEvery = 5 * time.Second

// verdicts report in the apps' status, apart from the path of an answer, that Zoom refused an app
// itself at a consent, and that it accepted it.
type verdicts struct {
	writer client.Client
	live   client.Reader
	now    func() time.Time
	logger logr.Logger
	wake   chan struct{}

	mu   sync.Mutex
	apps map[types.NamespacedName]*judged
}

// judged is the latest that Zoom said of an app.
type judged struct {
	answer      refusal.Answer
	credentials string
	at          time.Time
	written     time.Time // when the API server was last asked
	// stands is what the status said then, after what was written; settled says that this is known.
	stands  *v1alpha1.AppRefusal
	settled bool
}

func newVerdicts(writer client.Client, live client.Reader, now func() time.Time, logger logr.Logger) *verdicts {
	return &verdicts{writer: writer, live: live, now: now, logger: logger, wake: make(chan struct{}, 1), apps: map[types.NamespacedName]*judged{}}
}

// note takes in what Zoom said of an app that asked with these client secrets, when that is new.
func (r *verdicts) note(app *v1alpha1.ZoomApp, clientSecrets []string, answer refusal.Answer) {
	if answer == refusal.Nothing {
		return
	}
	now, credentials := r.now(), refusal.Credentials(app, clientSecrets)
	r.mu.Lock()
	defer r.mu.Unlock()
	key := client.ObjectKeyFromObject(app)
	j := r.apps[key]
	// The status in the cache may be older than what was written a moment ago.
	current := j == nil || j.answer == refusal.Nothing && j.settled && equality.Semantic.DeepEqual(app.Status.Refusal, j.stands)
	if current && refusal.Next(app.Status.Refusal, answer, credentials, now) == app.Status.Refusal {
		return
	}
	if j == nil {
		j = &judged{}
		r.apps[key] = j
	}
	j.answer, j.credentials, j.at = answer, credentials, now
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// run writes what is due until ctx ends.
func (r *verdicts) run(ctx context.Context) error {
	timer := time.NewTimer(judgeEvery)
	defer timer.Stop()
	for {
		timer.Reset(r.flush(ctx))
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
		case <-timer.C:
		}
	}
}

// flush writes what is due, and returns when to do so again.
func (r *verdicts) flush(ctx context.Context) time.Duration {
	due, next := r.due()
	for key, j := range due {
		var now *v1alpha1.AppRefusal
		err := refusal.Update(ctx, r.live, r.writer, key, func(stands *v1alpha1.AppRefusal) *v1alpha1.AppRefusal {
			now = refusal.Next(stands, j.answer, j.credentials, j.at)
			return now
		})
		r.wrote(key, j, now, err)
		if err != nil && ctx.Err() == nil {
			r.logger.Info("Reporting Zoom's answer in status failed", "namespace", key.Namespace, "app", key.Name, "cause", logs.Cause(err))
		}
	}
	return next
}

// due takes what is to be written now, and says when there may be more. Apps of which nothing was
// heard since the last time are forgotten.
func (r *verdicts) due() (map[types.NamespacedName]judged, time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now, next := r.now(), time.Hour
	due := map[types.NamespacedName]judged{}
	for key, j := range r.apps {
		wait := judgeEvery - now.Sub(j.written)
		switch {
		case wait > 0:
			next = min(next, wait)
		case j.answer == refusal.Nothing:
			delete(r.apps, key)
		default:
			due[key] = *j
			j.answer, j.written, j.settled = refusal.Nothing, now, false
			next = min(next, judgeEvery)
		}
	}
	return due, next
}

// wrote notes what stands since an answer was written. What could not be is due once more, unless
// something newer is.
func (r *verdicts) wrote(key types.NamespacedName, tried judged, stands *v1alpha1.AppRefusal, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	j := r.apps[key]
	switch {
	case j == nil:
	case err == nil:
		j.stands, j.settled = stands, true
	case j.answer == refusal.Nothing:
		j.answer, j.credentials, j.at = tried.answer, tried.credentials, tried.at
	}
}
