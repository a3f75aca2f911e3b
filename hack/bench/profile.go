package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
)

// profileFor is how long each profile of a phase is taken. go tool pprof adds several up.
const profileFor = 5 * time.Second

// retryAfter is when a process is asked again that was busy.
const retryAfter = 50 * time.Millisecond

// errBusy is the answer while another profile is taken: for a moment, the last one of the phase
// before, which was cut off.
var errBusy = errors.New("another profile is being taken")

// profiled is a process that CPU profiles are taken of.
type profiled struct {
	name   string
	url    string // without path
	client *http.Client
}

// toProfile are the processes that run throughout the phases from now on: the API server and the
// operators that have said where their profiles are.
func (b *bench) toProfile() ([]profiled, error) {
	if b.profiles == "" || b.Config == nil {
		return nil, nil
	}
	client, err := rest.HTTPClientFor(b.Config)
	if err != nil {
		return nil, err
	}
	all := []profiled{{name: "apiserver", url: b.Config.Host, client: client}}
	for name, address := range b.pprof {
		all = append(all, profiled{name: name, url: "http://" + address, client: http.DefaultClient})
	}
	return all, nil
}

// withProfiles does something, and meanwhile writes CPU profiles into the folder of b.profiles, if
// there is one. They cost each process a few percent.
func (b *bench) withProfiles(ctx context.Context, phase int, do func(context.Context) error) error {
	processes, err := b.toProfile()
	if err != nil {
		return err
	}
	profiling, end := context.WithCancel(ctx)
	var takers errgroup.Group
	for _, p := range processes {
		takers.Go(func() error {
			for n := 0; profiling.Err() == nil; {
				file := filepath.Join(b.profiles, fmt.Sprintf("%s-%d-%03d.pprof", p.name, phase, n))
				switch err := p.take(profiling, file); {
				case err == nil:
					n++
				case errors.Is(err, errBusy):
					_ = pause(profiling, retryAfter)
				case profiling.Err() == nil:
					return fmt.Errorf("a profile of %s: %w", p.name, err)
				}
			}
			return nil
		})
	}
	err = do(ctx)
	end()
	return errors.Join(err, takers.Wait())
}

// take takes one profile. The last one of a phase, which is cut off, is left out.
func (p profiled) take(ctx context.Context, file string) error {
	url := fmt.Sprintf("%s/debug/pprof/profile?seconds=%.0f", p.url, profileFor.Seconds())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode == http.StatusInternalServerError:
		return errBusy
	case resp.StatusCode != http.StatusOK:
		return errors.New(resp.Status)
	}
	return os.WriteFile(file, body, 0o600)
}
