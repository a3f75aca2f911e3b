package prometheus

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
)

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// documented are the metrics of docs/metrics.md with their labels.
func documented(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	section := regexp.MustCompile("(?m)^### `(\\w+)`\n\n(\\w+)([^.]*)\\.")
	for _, found := range section.FindAllStringSubmatch(read(t, "../../docs/metrics.md"), -1) {
		all[found[1]] = found[3]
		if found[2] == "Histogram" {
			for _, suffix := range []string{"_bucket", "_count", "_sum"} {
				all[found[1]+suffix] = found[3] + " `le`"
			}
		}
	}
	if len(all) < 20 {
		t.Fatalf("docs/metrics.md has %d metrics", len(all))
	}
	return all
}

// panel is one of the dashboard, as Grafana has it.
type panel struct {
	Title, Type string
	GridPos     struct{ X, Y, W, H int }
	FieldConfig struct{ Defaults struct{ Unit string } }
	Targets     []target
}

// target is a query, and what its series are called.
type target struct{ Expr, LegendFormat string }

// query is the expression with all apps chosen.
func (q target) query() string {
	return strings.NewReplacer("$__rate_interval", "5m", "$namespace", ".*", "$app", ".*").Replace(q.Expr)
}

func dashboard(t *testing.T) []panel {
	t.Helper()
	var board struct{ Panels []panel }
	if err := json.Unmarshal([]byte(read(t, "../../config/grafana/zoom-operator.json")), &board); err != nil {
		t.Fatal(err)
	}
	return board.Panels
}

// Rules and dashboard use metrics that there are, and labels that these have.
func TestQueriesAreAboutMetricsThatThereAre(t *testing.T) {
	queries := map[string][]string{}
	for _, p := range dashboard(t) {
		for _, target := range p.Targets {
			queries[p.Title] = append(queries[p.Title], target.query())
		}
	}
	for name, rule := range rules(t) {
		queries[name] = []string{rule.Expr}
	}
	known := documented(t)
	for name, all := range queries {
		for _, q := range all {
			expression, err := language.ParseExpr(q)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			parser.Inspect(expression, func(node parser.Node, _ []parser.Node) error {
				selector, ok := node.(*parser.VectorSelector)
				if !ok {
					return nil
				}
				has, ok := known[selector.Name]
				if !ok {
					t.Errorf("%s is about %s, which docs/metrics.md does not have", name, selector.Name)
				}
				for _, m := range selector.LabelMatchers {
					if m.Name != model.MetricNameLabel && !strings.Contains(has, "`"+m.Name+"`") {
						t.Errorf("%s asks for the label %s, which %s does not have", name, m.Name, selector.Name)
					}
				}
				return nil
			})
		}
	}
}
