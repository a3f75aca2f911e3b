package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
)

// Names and helps are as promtool wants them, and no label names a participant.
func TestMetricsAreNamedByTheRules(t *testing.T) {
	all, err := declaredMetrics(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]dto.MetricType{"counter": dto.MetricType_COUNTER, "gauge": dto.MetricType_GAUGE, "histogram": dto.MetricType_HISTOGRAM}
	var families []*dto.MetricFamily
	for _, m := range all {
		metric := &dto.Metric{Counter: &dto.Counter{}, Gauge: &dto.Gauge{}, Histogram: &dto.Histogram{}}
		for _, label := range m.labels {
			metric.Label = append(metric.Label, &dto.LabelPair{Name: &label})
		}
		families = append(families, &dto.MetricFamily{Name: &m.name, Help: &m.help, Type: kinds[m.kind].Enum(), Metric: []*dto.Metric{metric}})
		if !strings.HasPrefix(m.name, "zoom_operator_") {
			t.Errorf("%s is not called after the operator", m.name)
		}
		if bad := slices.IndexFunc(m.labels, func(label string) bool {
			return strings.Contains("account user host email installation meeting uuid", label)
		}); bad >= 0 {
			t.Errorf("%s has the label %s", m.name, m.labels[bad])
		}
		for _, v := range m.values {
			if v.name == "" || v.meaning == "" {
				t.Errorf("the value %q of %s has no comment that says what it means", v.name, m.name)
			}
		}
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
	if len(all) < 20 {
		t.Errorf("%d metrics are found", len(all))
	}
}
