package kinds

import (
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// discovery finds a kind after some failures, and counts how often it is asked.
type discovery struct {
	meta.RESTMapper
	failures, asked int
}

func (d *discovery) RESTMapping(kind schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	if d.asked++; d.asked <= d.failures {
		return nil, errors.New("the API server is away")
	}
	return &meta.RESTMapping{GroupVersionKind: kind.WithVersion(versions[0])}, nil
}

func TestAMappingIsAskedForOnce(t *testing.T) {
	d := &discovery{failures: 1}
	m := &mapper{RESTMapper: d}
	kind := schema.GroupKind{Group: "example.org", Kind: "Example"}
	if _, err := m.RESTMapping(kind, "v1"); err == nil {
		t.Fatal("no error while there is nothing to ask")
	}
	for _, version := range []string{"v1", "v1", "v2", "v1"} {
		mapping, err := m.RESTMapping(kind, version)
		if err != nil || mapping.GroupVersionKind != kind.WithVersion(version) {
			t.Fatalf("the mapping of %s is %v, %v", version, mapping, err)
		}
	}
	if d.asked != 3 { // one that failed, and one of each version
		t.Errorf("asked %d times, want 3", d.asked)
	}
	if _, err := m.RESTMapping(kind, "v1", "v2"); err != nil || d.asked != 4 {
		t.Errorf("of any of several versions: asked %d times, %v", d.asked, err)
	}
}
