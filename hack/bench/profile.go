package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/rest"
)

// profileFor is how long each profile of a phase is taken. go tool pprof adds several up.
const profileFor = 5 * time.Second

// profiled does something, and meanwhile writes CPU profiles of the API server into the folder of
// b.profiles, if there is one. It costs the API server a few percent.
func (b *bench) profiled(ctx context.Context, phase int, do func(context.Context) error) error {
	if b.profiles == "" || b.Config == nil {
		return do(ctx)
	}
	ctx, end := context.WithCancel(ctx)
	failed := make(chan error, 1)
	go func() {
		var err error
		for n := 0; err == nil && ctx.Err() == nil; n++ {
			err = b.profile(ctx, filepath.Join(b.profiles, fmt.Sprintf("apiserver-%d-%03d.pprof", phase, n)))
		}
		if ctx.Err() != nil {
			err = nil // the phase is over
		}
		failed <- err
	}()
	err := do(ctx)
	end()
	if profiling := <-failed; err == nil {
		err = profiling
	}
	return err
}

// profile takes one profile. The last one of a phase, which is cut off, is left out.
func (b *bench) profile(ctx context.Context, file string) error {
	client, err := rest.HTTPClientFor(b.Config)
	if err != nil {
		return err
	}
	url := fmt.Sprintf("%s/debug/pprof/profile?seconds=%.0f", b.Config.Host, profileFor.Seconds())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("a profile of the API server: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return fmt.Errorf("a profile of the API server: %w", err)
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("a profile of the API server: %s", resp.Status)
	}
	return os.WriteFile(file, body, 0o600)
}
