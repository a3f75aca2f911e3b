package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"
)

// definition is what the page needs of a CustomResourceDefinition.
type definition struct {
	Spec struct {
		Names struct {
			Kind       string
			ShortNames []string
		}
		Versions []struct {
			Schema           struct{ OpenAPIV3Schema schema }
			SelectableFields []struct{ JSONPath string }
		}
	}
}

// schema is what the page needs of a field.
type schema struct {
	Description          string
	Type, Format         string
	Properties           map[string]schema
	Items                *schema
	AdditionalProperties *schema
	Required             []string
	Enum                 []any
	Default              any
	Minimum, Maximum     *float64
	MaxLength, MaxItems  *int64
}

const referencePreface = `# Reference

<!-- Written by make generate from the CustomResourceDefinitions in config/crd/bases. -->

Every field of the resources, as ` + "`kubectl explain --recursive`" + ` knows them. What their conditions say is in [conditions](conditions.md), and
what the resources are for in [resources](resources.md). A field selector, as in ` + "`kubectl get zm --field-selector status.state=Live`" + `, takes the
fields that are named as selectable, with values as they are written here: ` + "`live`" + ` finds nothing, and any other field is an error that
says ` + "`field label not supported`" + `.
`

// reference is the page about the resources in a folder of CustomResourceDefinitions.
func reference(folder string) ([]byte, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return nil, err
	}
	var all []definition
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var d definition
		if err := yaml.Unmarshal(text, &d); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, d)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no CustomResourceDefinition is in %s", folder)
	}
	var page bytes.Buffer
	page.WriteString(referencePreface + "\n")
	for _, d := range all {
		kind := d.Spec.Names.Kind
		fmt.Fprintf(&page, "- [%s](#%s)\n", kind, strings.ToLower(kind))
	}
	for _, d := range all {
		d.write(&page)
	}
	return page.Bytes(), nil
}

func (d *definition) write(page *bytes.Buffer) {
	version := d.Spec.Versions[0]
	root := version.Schema.OpenAPIV3Schema
	fmt.Fprintf(page, "\n## %s\n\nShort name: `%s`. %s\n\nSelectable:", d.Spec.Names.Kind, strings.Join(d.Spec.Names.ShortNames, "`, `"), inCell(root.Description))
	for i, field := range version.SelectableFields {
		fmt.Fprintf(page, "%s `%s`", []string{"", ","}[min(i, 1)], strings.TrimPrefix(field.JSONPath, "."))
	}
	page.WriteString(", and those of every object, `metadata.name` and `metadata.namespace`.\n")
	for _, part := range []string{"spec", "status"} {
		s := root.Properties[part]
		fmt.Fprintf(page, "\n### %s of a %s\n\n%s\n\n| Field | Type | Meaning |\n|---|---|---|\n", part, d.Spec.Names.Kind, inCell(s.Description))
		s.write(page, part+".")
	}
}

// write writes a row for each field below a path, and for each that those have.
func (s *schema) write(page *bytes.Buffer, path string) {
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		field := s.Properties[name]
		notes := field.notes()
		if slices.Contains(s.Required, name) {
			notes = append([]string{"required"}, notes...)
		}
		fmt.Fprintf(page, "| `%s` | %s | %s |\n", path+name, strings.Join(append([]string{field.kind()}, notes...), ", "), inCell(field.Description))
		if name == "conditions" {
			continue // they are the same everywhere, and have a page of their own
		}
		below := path + name + "."
		if field.Items != nil {
			field, below = *field.Items, path+name+"[]."
		}
		field.write(page, below)
	}
}

// kind is the type of a field, in words.
func (s *schema) kind() string {
	switch {
	case s.Items != nil:
		return "list of " + s.Items.kind()
	case s.AdditionalProperties != nil:
		return "map of " + s.AdditionalProperties.kind()
	case s.Format == "date-time":
		return "time"
	case s.Format == "byte":
		return "bytes"
	default:
		return cmp.Or(s.Type, "any")
	}
}

// notes are the bounds and the default of a field.
func (s *schema) notes() []string {
	var notes []string
	if s.Default != nil {
		text, _ := json.Marshal(s.Default) // what came from YAML can be encoded
		notes = append(notes, "default `"+strings.Trim(string(text), `"`)+"`")
	}
	if len(s.Enum) > 0 {
		var values []string
		for _, v := range s.Enum {
			values = append(values, fmt.Sprintf("`%v`", v))
		}
		notes = append(notes, strings.Join(values, " or "))
	}
	for _, bound := range []struct {
		what  string
		value any
		is    bool
	}{
		{"at least %.0f", ptr.Deref(s.Minimum, 0), s.Minimum != nil},
		{"at most %.0f", ptr.Deref(s.Maximum, 0), s.Maximum != nil},
		{"at most %d characters", ptr.Deref(s.MaxLength, 0), s.MaxLength != nil && s.Format != "byte"},
		{"at most %d", ptr.Deref(s.MaxItems, 0), s.MaxItems != nil},
	} {
		if bound.is {
			notes = append(notes, fmt.Sprintf(bound.what, bound.value))
		}
	}
	return notes
}

// inCell is a text as it can stand in a table.
func inCell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}
