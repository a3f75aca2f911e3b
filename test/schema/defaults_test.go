package schema_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// kubectl explain shows no default but that in the description.
func TestEveryFieldSaysItsDefault(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "config", "crd", "bases", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatal("no CRD is there", err)
	}
	found := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var crd map[string]any
		if err := yaml.Unmarshal(raw, &crd); err != nil {
			t.Fatal(err)
		}
		walk(crd, "", func(path string, property map[string]any) {
			value, has := property["default"]
			if _, object := value.(map[string]any); !has || object { // whose fields have their own
				return
			}
			found++
			text := strings.Join(strings.Fields(fmt.Sprint(property["description"])), " ")
			said := fmt.Sprint(value)
			if number, ok := value.(float64); ok {
				said = fmt.Sprintf("%.0f", number)
			}
			if !strings.Contains(text, "The default is "+said) && !strings.Contains(text, "The default is `"+said+"`") {
				t.Errorf("%s does not say that its default is %s", path, said)
			}
		})
	}
	if found == 0 {
		t.Error("no field has a default, so this looks for the wrong thing")
	}
}

// walk calls do for each property of a schema.
func walk(node any, path string, do func(path string, property map[string]any)) {
	switch node := node.(type) {
	case []any:
		for _, v := range node {
			walk(v, path, do)
		}
	case map[string]any:
		if properties, ok := node["properties"].(map[string]any); ok {
			for name, v := range properties {
				if property, ok := v.(map[string]any); ok {
					do(path+"."+name, property)
					walk(property, path+"."+name, do)
				}
			}
		}
		for key, v := range node {
			if key != "properties" {
				walk(v, path, do)
			}
		}
	}
}
