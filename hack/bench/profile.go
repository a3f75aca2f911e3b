package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
)

// profileFor is how long each profile of a phase is taken. go tool pprof adds several up.
const profileFor = 5 * time.Second

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
// there is one. They cost each process a few percent. It returns when the last ones are taken,
// which reach beyond the end of what it does.
func (b *bench) withProfiles(ctx context.Context, phase int, do func(context.Context) error) error {
	processes, err := b.toProfile()
	if err != nil {
		return err
	}
	var over atomic.Bool
	var takers errgroup.Group
	for _, p := range processes {
		takers.Go(func() error {
			for n := 0; !over.Load(); n++ {
				if err := p.take(ctx, filepath.Join(b.profiles, fmt.Sprintf("%s-%d-%03d.pprof", p.name, phase, n))); err != nil {
					return fmt.Errorf("a profile of %s: %w", p.name, err)
				}
			}
			return nil
		})
	}
	err = do(ctx)
	over.Store(true)
	return errors.Join(err, takers.Wait())
}

// take takes one profile.
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
	case resp.StatusCode != http.StatusOK:
		return errors.New(resp.Status)
	}
	return os.WriteFile(file, body, 0o600)
}
