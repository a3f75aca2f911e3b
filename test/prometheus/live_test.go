package prometheus

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

const (
	// scrapeEvery is how often the running operator is scraped.
	scrapeEvery = 250 * time.Millisecond
	// shownWithin is how long the dashboard may take to be full, on a machine that does other
	// things as well.
	shownWithin = 3 * time.Minute
	// pictured is how many scrapes the picture shows at least: a part of the time that make smoke
	// takes.
	pictured = 20
)

// What make smoke runs is scraped: each panel of the dashboard gets data, and no alert is about to
// fire.
func TestARunningOperatorFillsTheDashboard(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), shownWithin)
	defer cancel()
	url := operator(ctx, t)
	data := history{}
	panels := dashboard(t)
	tick := time.NewTicker(scrapeEvery)
	defer tick.Stop()
	for {
		if err := data.scrape(ctx, url); err != nil {
			t.Fatalf("%v; no data yet for %v", err, empty(ctx, t, data.series(), panels))
		}
		if len(data[0].samples) >= pictured && len(empty(ctx, t, data.series(), panels)) == 0 {
			break
		}
		<-tick.C
	}
	picture(ctx, t, data, panels)
	for name, rule := range rules(t) {
		// The day that is played was hours ago, so that its events are late.
		if strings.HasSuffix(name, "Late") {
			continue
		}
		if got := query(ctx, t, data.series(), rule.Expr, time.Now()); len(got) > 0 {
			t.Errorf("%s would fire for %v", name, got)
		}
	}
}

// empty are the panels of which a query returns nothing.
func empty(ctx context.Context, t *testing.T, data series, panels []panel) []string {
	t.Helper()
	var found []string
	for _, p := range panels {
		for _, target := range p.Targets {
			result := query(ctx, t, data, target.query(), time.Now())
			if !slices.ContainsFunc(result, func(s promql.Sample) bool { return !math.IsNaN(s.F) }) {
				found = append(found, p.Title)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// history is what was scraped, one entry for each series.
type history []*scraped

type scraped struct {
	labels  labels.Labels
	samples []chunks.Sample
}

// scrape adds what the operator says now.
func (h *history) scrape(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	page, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	now := time.Now()
	p := textparse.NewPromParser(page, labels.NewSymbolTable(), false)
	for {
		switch entry, err := p.Next(); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case entry == textparse.EntrySeries:
			_, _, value := p.Series()
			var said labels.Labels
			p.Labels(&said)
			// As a Prometheus does with honorLabels.
			with := labels.NewBuilder(said).Set("job", "zoom-operator").Set("instance", "local")
			if !said.Has("namespace") {
				with.Set("namespace", "zoom-operator-system")
			}
			h.add(with.Labels(), sample{at: now, value: value})
		}
	}
}

func (h *history) add(lbls labels.Labels, s sample) {
	i := slices.IndexFunc(*h, func(one *scraped) bool { return labels.Equal(one.labels, lbls) })
	if i < 0 {
		i = len(*h)
		*h = append(*h, &scraped{labels: lbls})
	}
	(*h)[i].samples = append((*h)[i].samples, s)
}

func (h history) series() series {
	var all series
	for _, one := range h {
		all = append(all, storage.NewListSeries(one.labels, one.samples))
	}
	return all
}

var metricsAt = regexp.MustCompile(`Metrics are at (http://\S+)`)

// operator starts what make smoke does, in a folder of its own, and returns where its metrics are.
func operator(ctx context.Context, t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for _, name := range []string{"bin", "config"} {
		if err := os.Symlink(filepath.Join(root, name), filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(folder, "local"), "./hack/local")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	said, says := io.Pipe()
	cmd := exec.Command(filepath.Join(folder, "local"), "--smoke")
	cmd.Dir = folder
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		cmd.Env = append(os.Environ(), "KUBEBUILDER_ASSETS="+filepath.Join(root, "bin", "k8s"))
	}
	cmd.Stdout, cmd.Stderr = says, says
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		_ = says.Close()
		ended <- err
	}()
	var output bytes.Buffer
	lines := bufio.NewScanner(io.TeeReader(said, &output))
	found := ""
	for found == "" && lines.Scan() {
		if m := metricsAt.FindStringSubmatch(lines.Text()); m != nil {
			found = m[1]
		}
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(&output, said)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		err := <-ended
		<-read
		if t.Failed() {
			t.Logf("%v\n%s", err, &output)
		}
	})
	if found == "" {
		t.Fatal("it does not say where its metrics are: ", lines.Err())
	}
	return found
}
