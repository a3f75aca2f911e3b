package prometheus

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/template"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

// language is PromQL as Prometheus speaks it by default.
var language = parser.NewParser(parser.Options{})

// interval is how far samples and evaluations are apart. Every range of the rules holds several.
const interval = time.Minute

// begin is when the series begin.
var begin = time.Unix(1772442000, 0).UTC()

// series are samples in memory.
type series []storage.Series

// parse makes series of promtool's notation, for example up{job="a"} 1x60 0x5.
func parse(t *testing.T, lines ...string) series {
	t.Helper()
	var all series
	for _, line := range lines {
		lbls, values, err := language.ParseSeriesDesc(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		var samples []chunks.Sample
		for i, v := range values {
			if !v.Omitted {
				samples = append(samples, sample{at: begin.Add(time.Duration(i) * interval), value: v.Value})
			}
		}
		all = append(all, storage.NewListSeries(lbls, samples))
	}
	return all
}

// sample is a chunks.Sample of a number.
type sample struct {
	at    time.Time
	value float64
}

func (s sample) T() int64                    { return s.at.UnixMilli() }
func (sample) ST() int64                     { return 0 }
func (s sample) F() float64                  { return s.value }
func (sample) H() *histogram.Histogram       { return nil }
func (sample) FH() *histogram.FloatHistogram { return nil }
func (sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample         { return s }

// Querier implements storage.Queryable.
func (s series) Querier(int64, int64) (storage.Querier, error) {
	return &storage.MockQuerier{SelectMockFunction: func(_ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
		found := &set{}
		for _, one := range s {
			if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(one.Labels().Get(m.Name)) }) {
				found.left = append(found.left, one)
			}
		}
		slices.SortFunc(found.left, func(a, b storage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
		return found
	}}, nil
}

// set is a storage.SeriesSet.
type set struct {
	now  storage.Series
	left []storage.Series
}

func (s *set) Next() bool {
	if len(s.left) == 0 {
		return false
	}
	s.now, s.left = s.left[0], s.left[1:]
	return true
}

func (s *set) At() storage.Series              { return s.now }
func (*set) Err() error                        { return nil }
func (*set) Warnings() annotations.Annotations { return nil }

// engine evaluates queries.
func engine() *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{MaxSamples: 10_000_000, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, Parser: language})
}

// query is the value of an expression at a moment.
func query(ctx context.Context, t *testing.T, data series, expression string, at time.Time) promql.Vector {
	t.Helper()
	q, err := engine().NewInstantQuery(ctx, data, nil, expression, at)
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	defer q.Close()
	result, err := q.Exec(ctx).Vector()
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	return slices.Clone(result)
}

// firing are the labels of an alert that fire at a moment, with what their annotations say: those
// for which the expression has held at each evaluation as long as the rule wants it.
func firing(t *testing.T, data series, rule rulefmt.Rule, at time.Time) map[string]string {
	t.Helper()
	ctx := t.Context()
	q, err := engine().NewRangeQuery(ctx, data, nil, rule.Expr, at.Add(-time.Duration(rule.For)), at, interval)
	if err != nil {
		t.Fatalf("%s: %v", rule.Alert, err)
	}
	defer q.Close()
	matrix, err := q.Exec(ctx).Matrix()
	if err != nil {
		t.Fatalf("%s: %v", rule.Alert, err)
	}
	found := map[string]string{}
	for _, s := range matrix {
		if len(s.Floats) <= int(time.Duration(rule.For)/interval) {
			continue // it has not held all the time
		}
		last := s.Floats[len(s.Floats)-1]
		summary, err := expand(ctx, rule.Annotations["summary"], s.Metric, last.F, at)
		if err != nil {
			t.Errorf("%s: %v", rule.Alert, err)
		}
		found[s.Metric.String()] = summary
	}
	return found
}

// expand is an annotation of an alert with these labels and this value.
func expand(ctx context.Context, text string, lbls labels.Labels, value float64, at time.Time) (string, error) {
	const names = "{{$labels := .Labels}}{{$value := .Value}}"
	data := template.AlertTemplateData(lbls.Map(), nil, "", promql.Sample{Metric: lbls, F: value})
	return template.NewTemplateExpander(ctx, names+text, "summary", data, model.TimeFromUnixNano(at.UnixNano()), nil, nil, nil).Expand()
}
