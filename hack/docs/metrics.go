package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// metric is a metric as the source declares it.
type metric struct {
	name, kind, help string
	labels           []string
	text             []string // paragraphs of the comment
	folder           string
	values           []value // that a label has
}

// value is a constant that a label has, and what it means.
type value struct{ name, meaning string }

// constructors are the functions that declare a metric, with its kind. A description alone is one
// of a collector's, which are gauges all.
var constructors = map[string]string{
	"NewCounter": "counter", "NewCounterVec": "counter", "NewGauge": "gauge", "NewGaugeVec": "gauge",
	"NewHistogram": "histogram", "NewHistogramVec": "histogram", "NewDesc": "gauge",
}

// libraries are metrics of controller-runtime that rules and panels use, and of what they are told
// apart by.
var libraries = []metric{
	{name: "controller_runtime_reconcile_errors_total", kind: "counter", labels: []string{"controller"}, help: "Reconciliations that failed and are tried again."},
	{name: "leader_election_master_status", kind: "gauge", labels: []string{"name"}, help: "1 in the process that holds the lease of that name, 0 in those that wait for it. A process without --leader-elect has none."},
	{name: "process_cpu_seconds_total", kind: "counter", help: "CPU time of the process."},
	{name: "process_resident_memory_bytes", kind: "gauge", help: "Memory of the process."},
	{name: "rest_client_requests_total", kind: "counter", labels: []string{"code", "method"}, help: "Requests to the API server, by the answer's status."},
	{name: "workqueue_depth", kind: "gauge", labels: []string{"name"}, help: "Objects that wait to be reconciled, by controller: zoomapp, zoominstallation, zoommeeting, zoommeeting-check or zoommeeting-import."},
}

// places are who has the metrics of a folder, in the order of the page. The first one that fits
// counts.
var places = []struct{ folder, title, text string }{
	{"webhookserver", "Receivers", "In every process with the public listener."},
	{"controllers", "Controllers", "In the process that runs the controllers: of several replicas, the one that leads. What there is in the cluster is read from its cache when it is asked for, so that it is counted once."},
	{".", "Every process", ""},
}

// declaredMetrics are the metrics that the folders of a project declare, in the order of their
// names.
func declaredMetrics(root string) ([]metric, error) {
	var found []metric
	values := map[string][]value{}
	for _, folder := range []string{".", "internal", "webhookserver", "controllers"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && folder == "." && path != filepath.Join(root, folder):
				return fs.SkipDir
			case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
				return nil
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
			if err != nil {
				return err
			}
			in, err := metricsOf(file, folder, values)
			found = append(found, in...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(found, func(a, b metric) int { return cmp.Compare(a.name, b.name) })
	for i := range found {
		found[i].values = values[found[i].name]
		delete(values, found[i].name)
	}
	for name := range values {
		return nil, fmt.Errorf("constants are said to be of %s, which is no metric", name)
	}
	return found, nil
}

// metricName is one of the operator's own.
var metricName = regexp.MustCompile(`zoom_operator_\w+`)

// metricsOf are the metrics that a file declares. Constants whose comment names metrics are added
// to the values of these.
func metricsOf(file *ast.File, folder string, values map[string][]value) ([]metric, error) {
	var found []metric
	var errs []error
	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, spec := range group.Specs {
			v, ok := spec.(*ast.ValueSpec)
			if !ok || len(v.Values) != 1 {
				continue
			}
			if group.Tok == token.CONST {
				for _, name := range metricName.FindAllString(group.Doc.Text(), -1) {
					values[name] = append(values[name], value{literal(v.Values[0]), strings.Join(strings.Fields(v.Comment.Text()), " ")})
				}
				continue
			}
			m, ok, err := metricOf(v.Values[0])
			if !ok {
				continue
			}
			errs = append(errs, err)
			m.folder, m.text = folder, commentOf(v, group)
			found = append(found, m)
		}
	}
	return found, errors.Join(errs...)
}

// commentOf are the paragraphs of a variable's comment, which is the group's where it stands alone.
func commentOf(v *ast.ValueSpec, group *ast.GenDecl) []string {
	doc := v.Doc.Text()
	if doc == "" && !group.Lparen.IsValid() {
		doc = group.Doc.Text()
	}
	if doc == "" {
		return nil
	}
	return paragraphs(doc)
}

// metricOf is the metric that an expression makes, if it does.
func metricOf(made ast.Expr) (m metric, ok bool, err error) {
	call, ok := made.(*ast.CallExpr)
	if !ok {
		return metric{}, false, nil
	}
	function, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return metric{}, false, nil
	}
	if pkg, isName := function.X.(*ast.Ident); !isName || pkg.Name != "prometheus" || constructors[function.Sel.Name] == "" {
		return metric{}, false, nil
	}
	m.kind = constructors[function.Sel.Name]
	arguments := call.Args
	if function.Sel.Name == "NewDesc" {
		m.name, m.help, arguments = literal(arguments[0]), literal(arguments[1]), arguments[1:]
	} else if options, isLiteral := arguments[0].(*ast.CompositeLit); isLiteral {
		for _, element := range options.Elts {
			field, isField := element.(*ast.KeyValueExpr)
			if !isField {
				continue
			}
			switch fmt.Sprint(field.Key) {
			case "Name":
				m.name = literal(field.Value)
			case "Help":
				m.help = literal(field.Value)
			}
		}
	}
	if len(arguments) > 1 {
		if list, isLiteral := arguments[1].(*ast.CompositeLit); isLiteral {
			for _, label := range list.Elts {
				m.labels = append(m.labels, literal(label))
			}
		}
	}
	if m.name == "" || m.help == "" || slices.Contains(m.labels, "") {
		return m, true, fmt.Errorf("the metric %q must have its name, help and labels where it is declared, as strings", m.name)
	}
	return m, true, nil
}

// literal is the string of an expression; empty when it is none.
func literal(e ast.Expr) string {
	if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
		if text, err := strconv.Unquote(l.Value); err == nil {
			return text
		}
	}
	return ""
}

const metricsPreface = `# Metrics

<!-- Written by make generate from where the metrics are declared. -->

Metrics are at port 8443 of the Service ` + "`zoom-operator-metrics`" + `, for who is bound to the ClusterRole ` + "`zoom-operator-metrics-reader`" + `. No account
and no person is in a label: ` + "`namespace` and `app`" + ` are those of a ZoomApp. A Prometheus has to keep these labels as they are, which a
ServiceMonitor does with ` + "`honorLabels: true`" + `; otherwise ` + "`namespace`" + ` becomes that of the operator's Pods. [Alerts](alerts.md) and the dashboard in
` + "`config/grafana`" + ` rely on that. The series of an app go with it.
`

// metricsPage is the page about the metrics.
func metricsPage(all []metric) []byte {
	var page bytes.Buffer
	page.WriteString(metricsPreface)
	left := slices.Clone(all)
	for _, place := range places {
		fmt.Fprintf(&page, "\n## %s\n", place.title)
		if place.text != "" {
			fmt.Fprintf(&page, "\n%s\n", place.text)
		}
		left = slices.DeleteFunc(left, func(m metric) bool {
			if m.folder != place.folder {
				return false
			}
			m.write(&page)
			return true
		})
	}
	page.WriteString("\n## Of libraries\n\nThese are controller-runtime's and Go's, which every process has; the operator's rules and dashboard use some.\n")
	for _, m := range libraries {
		m.write(&page)
	}
	return page.Bytes()
}

func (m metric) write(page *bytes.Buffer) {
	fmt.Fprintf(page, "\n### `%s`\n\n%s", m.name, strings.ToUpper(m.kind[:1])+m.kind[1:])
	for i, label := range m.labels {
		separator := ", "
		if i == 0 {
			separator = ", by "
		}
		fmt.Fprintf(page, "%s`%s`", separator, label)
	}
	fmt.Fprintf(page, ". %s\n", strings.Join(append([]string{m.help}, m.text...), "\n\n"))
	if len(m.values) == 0 {
		return
	}
	page.WriteString("\n| Value | Meaning |\n|---|---|\n")
	for _, v := range m.values {
		fmt.Fprintf(page, "| `%s` | %s |\n", v.name, cmp.Or(v.meaning, " "))
	}
}
