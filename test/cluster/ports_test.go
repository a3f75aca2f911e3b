package cluster

import (
	"net"
	"testing"
)

func TestFreePorts(t *testing.T) {
	addresses, err := FreePorts(t.Context(), 20)
	if err != nil {
		t.Fatal(err)
	}
	if len(addresses) != 20 {
		t.Errorf("%d ports, want 20", len(addresses))
	}
	for _, address := range addresses {
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Errorf("one of them is not free: %v", err)
			continue
		}
		// It stays open, so that a port that was given out twice is not free the second time.
		defer func() { _ = l.Close() }()
	}
}
