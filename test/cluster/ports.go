package cluster

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// The range of the ports. It is below the ephemeral ports of Linux (from 32768) and of other
// systems (from 49152): one of those could be taken, by an outgoing connection for instance, before
// the program that gets it starts.
const (
	firstPort = 15000
	lastPort  = 32000
)

// portAttempts is how many ports are tried before giving up.
const portAttempts = 1000

// FreePorts finds n different ports of the loopback interface that no process listens on, as
// addresses (host:port).
func FreePorts(ctx context.Context, n int) ([]string, error) {
	var addresses []string
	var refused error
	for range portAttempts {
		if len(addresses) == n {
			return addresses, nil
		}
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(firstPort+rand.IntN(lastPort-firstPort)))
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err != nil {
			refused = err
			continue
		}
		// All are open until the last one is found, so that they differ.
		defer func() { _ = l.Close() }()
		addresses = append(addresses, address)
	}
	return nil, fmt.Errorf("no free port from %d to %d: %w", firstPort, lastPort, refused)
}
