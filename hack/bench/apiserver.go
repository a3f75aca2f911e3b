package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"k8s.io/client-go/rest"
)

const (
	// lookEvery is how often the counters are read while something may still be written.
	lookEvery = 200 * time.Millisecond
	// restFor is how long nothing was written when everything that follows from an event has been.
	// What a controller puts off, it puts off by a third of that.
	restFor = time.Second
	// restWithin is how long that may take.
	restWithin = 3 * time.Minute
)

// writes are requests that change something, as the API server counted them, refused ones too.
type writes struct {
	record float64 // of meetings
	status float64 // of meetings' status
	events float64 // of Kubernetes' Events about transitions
	health float64 // of the status of apps and installations: when the last event arrived, and what is judged by that
	// heartbeats are those of health by which a receiver says when an installation had its last
	// event.
	heartbeats float64
}

func (w writes) since(before writes) writes {
	return writes{record: w.record - before.record, status: w.status - before.status, events: w.events - before.events, health: w.health - before.health, heartbeats: w.heartbeats - before.heartbeats}
}

// meetings are all writes of meetings.
func (w writes) meetings() float64 { return w.record + w.status }

// readWrites asks the API server for its counters.
func readWrites(ctx context.Context, config *rest.Config) (writes, error) {
	families, err := scrape(ctx, config, config.Host+"/metrics", "apiserver_request_total")
	if err != nil {
		return writes{}, err
	}
	var w writes
	for _, m := range families["apiserver_request_total"].GetMetric() {
		labels := map[string]string{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		n := m.GetCounter().GetValue()
		switch {
		case labels["verb"] == "GET" || labels["verb"] == "LIST" || labels["verb"] == "WATCH":
		case labels["resource"] == "events":
			w.events += n
		case labels["resource"] == "zoommeetings" && labels["subresource"] == "status":
			w.status += n
		case labels["resource"] == "zoommeetings":
			w.record += n
		case labels["subresource"] == "status" && (labels["resource"] == "zoomapps" || labels["resource"] == "zoominstallations"):
			w.health += n
			if labels["resource"] == "zoominstallations" && labels["verb"] == "PATCH" { // a controller updates
				w.heartbeats += n
			}
		}
	}
	return w, nil
}

// atRest waits until the API server has not been written to for a while, and returns its counters.
func atRest(ctx context.Context, config *rest.Config) (writes, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, restWithin, fmt.Errorf("meetings are still written after %s", restWithin))
	defer cancel()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var last writes
	var since time.Time
	for {
		w, err := readWrites(ctx, config)
		if err != nil {
			return w, err
		}
		if w != last {
			last, since = w, time.Now()
		}
		if time.Since(since) >= restFor {
			return w, nil
		}
		select {
		case <-ctx.Done():
			return w, context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// residentMemory is the memory, in bytes, of a process that serves its metrics without protection.
func residentMemory(ctx context.Context, url string) (float64, error) {
	const name = "process_resident_memory_bytes"
	families, err := scrape(ctx, &rest.Config{}, url, name)
	if err != nil {
		return 0, err
	}
	for _, m := range families[name].GetMetric() {
		return m.GetGauge().GetValue(), nil
	}
	return 0, fmt.Errorf("%s has no %s", url, name)
}

// scrape reads metric families. The rest is not even parsed: an API server has tens of thousands of
// lines.
func scrape(ctx context.Context, config *rest.Config, url string, names ...string) (_ map[string]*dto.MetricFamily, err error) {
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the metrics at %s: %s", url, resp.Status)
	}
	var wanted strings.Builder
	lines := bufio.NewReader(resp.Body)
	for {
		line, err := lines.ReadString('\n')
		if slices.ContainsFunc(names, func(name string) bool {
			return strings.HasPrefix(line, name) || strings.HasPrefix(line, "# TYPE "+name+" ")
		}) {
			wanted.WriteString(line)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("the metrics at %s: %w", url, err)
		}
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(wanted.String()))
	if err != nil {
		return nil, fmt.Errorf("the metrics at %s: %w", url, err)
	}
	return families, nil
}
