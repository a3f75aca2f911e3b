package meeting

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/zoom-operator/zoom-operator/api/v1alpha1"
	"github.com/zoom-operator/zoom-operator/zoom"
)

func drawPolicy(t *rapid.T) v1alpha1.ParticipantsPolicy {
	if rapid.IntRange(0, 5).Draw(t, "participants") == 0 {
		return v1alpha1.ParticipantsNone
	}
	return v1alpha1.ParticipantsCount
}

// The promise of this package: what is stored depends on which events happened, and on nothing
// else.
func TestSpecDoesNotDependOnOrderOrRepetition(t *testing.T) {
	t.Parallel()
	for range 30 { // times rapid's hundred
		rapid.Check(t, func(t *rapid.T) {
			history, participants := drawHistory(t), drawPolicy(t)
			if len(history) == 0 {
				return
			}
			want := mergeAll(history, participants)
			if d := diff(want, mergeAll(disorder(t, history), participants)); d != "" {
				t.Fatalf("in another order (-in order +arrived):\n%s", d)
			}
		})
	}
}

func TestSpecDoesNotDependOnBeingStoredInBetween(t *testing.T) {
	t.Parallel()
	for range 3 {
		rapid.Check(t, func(rt *rapid.T) {
			history, participants := drawHistory(rt), drawPolicy(rt)
			if len(history) == 0 {
				return
			}
			if d := diff(mergeAll(history, participants), mergeAllStored(t, disorder(rt, history), participants)); d != "" {
				rt.Fatalf("stored in between (-in memory +stored):\n%s", d)
			}
		})
	}
}

// An event that was merged in before changes nothing, so that it costs no write.
func TestEveryEventIsIdempotent(t *testing.T) {
	t.Parallel()
	for range 2 {
		rapid.Check(t, func(t *rapid.T) {
			history, participants := drawHistory(t), drawPolicy(t)
			r := mergeAll(history, participants)
			for _, h := range history {
				again := *load(r.stored())
				merge(&again, h.event, h.installation, participants)
				if d := diff(r, again); d != "" {
					t.Fatalf("%s once more:\n%s", h.event.Name, d)
				}
			}
		})
	}
}

// Beyond the bounds, where instances, sessions, dates and waiting people are cut off, the order
// must not matter either.
func TestSpecBeyondItsBoundsDoesNotDependOnOrderOrRepetition(t *testing.T) {
	t.Parallel()
	for seed := range uint64(24) {
		rng := rand.New(rand.NewPCG(seed, 1))
		instances, joins := 1+rng.IntN(6), 1+rng.IntN(400)
		switch seed {
		case 0:
			instances, joins = 2, 3000
		case 1, 2:
			instances, joins = 2*maxInstances, 20
		}
		history := crowd(rng, instances, joins)
		want := mergeAll(history, v1alpha1.ParticipantsCount)
		for range 3 {
			if d := diff(want, mergeAll(shuffled(rng, history), v1alpha1.ParticipantsCount)); d != "" {
				t.Fatalf("seed %d, %d instances with %d joins (-in order +arrived):\n%s", seed, instances, joins, d)
			}
		}
	}
}

func TestEstimatesAreNear(t *testing.T) {
	t.Parallel()
	const joins, left = 2000, 500
	for i := range 10 {
		uuid := "uuid" + strconv.Itoa(i)
		var r record
		for j := range joins {
			apply(&r, event(zoom.EventParticipantJoined, time.Duration(j)*time.Second, uuid, user(j)))
		}
		for j := range left {
			apply(&r, event(zoom.EventParticipantLeft, (joins+time.Duration(j))*time.Second, uuid, user(j)))
		}
		got, ok := countParticipants(r.Instances[0].Attendance)
		if !ok || got.Precision != v1alpha1.PrecisionEstimated {
			t.Fatalf("%s: %+v, known %t; want an estimate that is marked as one", uuid, got, ok)
		}
		for what, n := range map[string]struct{ got, want int32 }{
			"joins": {got.Joins, joins}, "peak": {got.Peak, joins}, "present": {got.Present, joins - left},
		} {
			if off := float64(n.got)/float64(n.want) - 1; off < -.25 || off > .25 {
				t.Errorf("%s: %s is %d, want %d give or take a quarter", uuid, what, n.got, n.want)
			}
		}
	}
}
