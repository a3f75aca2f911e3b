package limits

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
)

// The limits fit into the memory that the manifest gives to a receiver.
func TestLimitsFitTheMemory(t *testing.T) {
	manifest, err := os.ReadFile("../../config/receiver/deployment.yaml")
	if err != nil {
		t.Fatal(err)
	}
	find := func(pattern string) int64 {
		found := regexp.MustCompile(pattern).FindSubmatch(manifest)
		if found == nil {
			t.Fatalf("the manifest has no %s", pattern)
		}
		q := resource.MustParse(strings.TrimSuffix(string(found[1]), "B"))
		return q.Value()
	}
	const sum = baseMemory + MaxConnections*(connectionMemory+MaxSmall) + MaxLarge
	collect, limit := find(`name: GOMEMLIMIT\s+value: (\w+)`), find(`limits:\s+memory: (\w+)`)
	if sum > 400<<20 || sum > collect*9/10 || collect > limit*9/10 {
		t.Errorf("the limits need %d bytes, GOMEMLIMIT is %d and the container's limit %d", sum, collect, limit)
	}
	if MaxRequests+MaxConsentRequests >= MaxConnections {
		t.Error("all connections can be answered at once, so that none can go")
	}
}
