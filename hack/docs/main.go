// Docs writes docs/conditions.md from the constants in api/v1alpha1/conditions.go and their
// comments, and fails when a condition and its reasons do not fit together (main.go). It writes
// docs/reference.md from the CustomResourceDefinitions (reference.go), docs/metrics.md from where
// the metrics are declared (metrics.go), the dashboard config/grafana/zoom-operator.json from its
// list of panels (dashboard.go), and a PrometheusRule of the rules of config/prometheus.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	source = "api/v1alpha1/conditions.go"
	target = "docs/conditions.md"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "hack/docs:", err)
		os.Exit(1)
	}
}

func run() error {
	text, err := os.ReadFile(source)
	if err != nil {
		return fmt.Errorf("to be run at the root of the repository: %w", err)
	}
	page, err := conditions(text)
	if err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	metrics, err := declaredMetrics(".")
	if err != nil {
		return err
	}
	board, err := dashboard()
	if err != nil {
		return err
	}
	fields, err := reference("config/crd/bases")
	if err != nil {
		return err
	}
	rules, err := os.ReadFile("config/prometheus/rules.yaml")
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(target, page, 0o644),
		os.WriteFile("docs/reference.md", fields, 0o644),
		os.WriteFile("docs/metrics.md", metricsPage(metrics), 0o644),
		os.WriteFile("config/grafana/zoom-operator.json", board, 0o644),
		os.WriteFile("config/components/with-prometheus/prometheus_rule.yaml", prometheusRule(rules), 0o644),
	)
}

// prometheusRule is a file of rules as the Prometheus Operator takes it.
func prometheusRule(rules []byte) []byte {
	page := []byte(`# Written by make generate from config/prometheus/rules.yaml.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: zoom-operator
  namespace: zoom-operator-system
  labels:
    app.kubernetes.io/name: zoom-operator
    app.kubernetes.io/part-of: zoom-operator
spec:
`)
	for line := range bytes.Lines(rules) {
		if len(bytes.TrimSpace(line)) > 0 {
			page = append(page, "  "...)
		}
		page = append(page, line...)
	}
	return page
}

// kind is the conditions of one API type.
type kind struct {
	name       string
	conditions []condition
}

// condition is a condition type as its comment describes it.
type condition struct {
	name     string
	text     []string // paragraphs
	verdicts []verdict
}

// verdict is a status and the reasons that go with it.
type verdict struct {
	status  string
	reasons []string
}

const preface = `# Conditions

<!-- Written by make generate from api/v1alpha1/conditions.go. -->

What the operator concludes is in ` + "`status.conditions`" + ` of every object. ` + "`kubectl describe`" + ` shows them with a message that says
what to do; ` + "`kubectl wait --for=condition=Ready`" + ` waits for one. When Ready of a ZoomInstallation gets another reason, an Event tells.
`

// conditions is the page about the conditions and reasons that are declared in a Go source.
func conditions(source []byte) ([]byte, error) {
	d, err := declared(source)
	if err != nil {
		return nil, err
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	var page bytes.Buffer
	page.WriteString(preface)
	for _, k := range d.kinds {
		fmt.Fprintf(&page, "\n## %s\n", k.name)
		for _, c := range k.conditions {
			fmt.Fprintf(&page, "\n### %s of a %s\n\n%s\n\n| Status | Reason | Meaning |\n|---|---|---|\n", c.name, k.name, strings.Join(c.text, "\n\n"))
			for _, v := range c.verdicts {
				for _, r := range v.reasons {
					fmt.Fprintf(&page, "| %s | %s | %s |\n", v.status, r, d.reasons[r])
				}
			}
		}
	}
	return page.Bytes(), nil
}

// group is the comment of a group of constants that declares conditions.
var group = regexp.MustCompile(`^Conditions of a (\w+)`)

// declarations are the conditions of each kind, in the order in which they are declared, and the
// meaning of each reason.
type declarations struct {
	kinds   []*kind
	reasons map[string]string
}

// kind finds a kind, or begins it.
func (d *declarations) kind(name string) *kind {
	at := slices.IndexFunc(d.kinds, func(k *kind) bool { return k.name == name })
	if at < 0 {
		d.kinds = append(d.kinds, &kind{name: name})
		at = len(d.kinds) - 1
	}
	return d.kinds[at]
}

func declared(source []byte) (*declarations, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "", source, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	d := &declarations{reasons: map[string]string{}}
	var owner string
	var errs []error
	for _, decl := range file.Decls {
		constants, ok := decl.(*ast.GenDecl)
		if !ok || constants.Tok != token.CONST {
			continue
		}
		if m := group.FindStringSubmatch(constants.Doc.Text()); m != nil {
			owner = m[1]
		}
		for _, spec := range constants.Specs {
			errs = append(errs, d.add(owner, spec))
		}
	}
	return d, errors.Join(errs...)
}

// add adds a constant of a group about the conditions of that kind.
func (d *declarations) add(owner string, spec ast.Spec) error {
	name, value, doc := constant(spec)
	switch name {
	case "Condition" + value:
		d.condition(owner, value, doc)
		return nil
	case "Reason" + value:
		meaning, ok := strings.CutPrefix(strings.Join(paragraphs(doc), " "), name+" means that ")
		if !ok {
			return fmt.Errorf("the comment of %s must begin with %q", name, name+" means that")
		}
		d.reasons[value] = sentence(meaning)
		return nil
	default:
		return fmt.Errorf("%s is neither Condition%s nor Reason%[2]s", name, value)
	}
}

func constant(spec ast.Spec) (name, value, doc string) {
	v, ok := spec.(*ast.ValueSpec)
	if !ok || len(v.Names) != 1 || len(v.Values) != 1 {
		return "", "", ""
	}
	if literal, ok := v.Values[0].(*ast.BasicLit); ok {
		value, _ = strconv.Unquote(literal.Value) // no string constant is taken for a wrong name, which is reported
	}
	return v.Names[0].Name, value, v.Doc.Text()
}

var (
	verdictsBegin = regexp.MustCompile(`^(True|False|Unknown): `)
	verdictText   = regexp.MustCompile(`(True|False|Unknown): ([\w, ]+)\.`)
	ofAKind       = regexp.MustCompile(`^Of a (\w+): `)
)

// condition adds a condition to a kind or, where paragraphs of its comment say of which kind they
// are, to those. What comes before such paragraphs is said of all of them.
func (d *declarations) condition(owner, name, doc string) {
	said := condition{name: name}
	current := &said
	for _, p := range paragraphs(doc) {
		if m := ofAKind.FindStringSubmatch(p); m != nil {
			k := d.kind(m[1])
			k.conditions = append(k.conditions, condition{name: name, text: slices.Clone(said.text)})
			current, owner = &k.conditions[len(k.conditions)-1], ""
			p = p[len(m[0]):]
		}
		p = strings.TrimPrefix(p, "Condition"+name+" ")
		if !verdictsBegin.MatchString(p) {
			current.text = append(current.text, sentence(p))
			continue
		}
		for _, v := range verdictText.FindAllStringSubmatch(p, -1) {
			current.verdicts = append(current.verdicts, verdict{v[1], strings.Split(v[2], ", ")})
		}
	}
	if owner != "" {
		k := d.kind(owner)
		k.conditions = append(k.conditions, said)
	}
}

// paragraphs are the paragraphs of a comment, each as one line.
func paragraphs(doc string) []string {
	var out []string
	for p := range strings.SplitSeq(strings.TrimSpace(doc), "\n\n") {
		out = append(out, strings.Join(strings.Fields(p), " "))
	}
	return out
}

func sentence(text string) string {
	return strings.ToUpper(text[:1]) + text[1:]
}

// check finds reasons that no condition has, and conditions with reasons that have no comment.
func (d *declarations) check() error {
	var errs []error
	used := map[string]bool{}
	for _, k := range d.kinds {
		for _, c := range k.conditions {
			if len(c.verdicts) == 0 {
				errs = append(errs, fmt.Errorf("the comment of %s of a %s lists no reasons, as in: True: Good. False: Bad", c.name, k.name))
			}
			for _, v := range c.verdicts {
				for _, r := range v.reasons {
					used[r] = true
					if d.reasons[r] == "" {
						errs = append(errs, fmt.Errorf("%s of a %s can have the reason %s, which is not declared", c.name, k.name, r))
					}
				}
			}
		}
	}
	for _, r := range slices.Sorted(maps.Keys(d.reasons)) {
		if !used[r] {
			errs = append(errs, fmt.Errorf("the reason %s belongs to no condition", r))
		}
	}
	return errors.Join(errs...)
}
