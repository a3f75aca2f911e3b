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

// dashboard are the queries of the dashboard by the title of their panel.
func dashboard(t *testing.T) map[string][]string {
	t.Helper()
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "../../config/grafana/zoom-operator.json")), &board); err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			all[p.Title] = append(all[p.Title], strings.NewReplacer("$__rate_interval", "5m", "$namespace", ".*", "$app", ".*").Replace(target.Expr))
		}
	}
	return all
}

// Rules and dashboard use metrics that there are, and labels that these have.
func TestQueriesAreAboutMetricsThatThereAre(t *testing.T) {
	queries := dashboard(t)
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
