package telemetry

import (
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Each reason of each app is logged at once and then once a minute, with how many there were; names
// that strangers make up fill nothing.
func TestRefusalsAreLoggedOnceAMinute(t *testing.T) {
	noon := time.Unix(1772442000, 0)
	var log Sampler
	app := func(name string) types.NamespacedName { return types.NamespacedName{Namespace: "ns", Name: name} }
	now := noon
	count := func(name, reason string) int { return log.Count(now, app(name), reason) }
	for i := range 60 {
		now = noon.Add(time.Duration(i) * time.Second)
		want := 0
		if i == 0 {
			want = 1
		}
		if a, b, c := count("a", ReasonMalformed), count("a", ReasonTooLarge), count("b", ReasonMalformed); a != want || b != want || c != want {
			t.Fatalf("after %d s, lines stand for %d, %d and %d, want %d", i, a, b, c, want)
		}
	}
	now = noon.Add(time.Minute)
	if n := count("a", ReasonMalformed); n != 60 {
		t.Errorf("a minute later, a line stands for %d, want 60", n)
	}
	lines := 0
	for i := range 1000 {
		lines += count(fmt.Sprint("made-up-", i), ReasonNoApp)
	}
	if lines != maxMissingApps || len(log.samples) > maxMissingApps+3 {
		t.Errorf("%d of the names that somebody made up are logged, %d remembered", lines, len(log.samples))
	}
	if count("c", ReasonMalformed) != 1 {
		t.Error("made-up names keep an app out of the log")
	}
	now = noon.Add(2 * time.Minute)
	if count("made-up-1000", ReasonNoApp) != 1 {
		t.Error("a minute later no other name is logged")
	}
}
