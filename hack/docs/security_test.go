package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// SECURITY.md names a test for each promise. Each is where it says.
func TestSecurityNamesTestsThatExist(t *testing.T) {
	root := filepath.Join("..", "..")
	page, err := os.ReadFile(filepath.Join(root, "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test[^`]*)`(?:\\]\\(([^)]*)\\))?").FindAllStringSubmatch(string(page), -1)
	if len(named) == 0 {
		t.Error("SECURITY.md names no test")
	}
	for _, n := range named {
		test, file := n[1], n[2]
		source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
		if err != nil || !strings.Contains(string(source), "\nfunc "+test+"(") {
			t.Errorf("SECURITY.md names the test %s of %q, which is not there (%v)", test, file, err)
		}
	}
	for promise := range strings.Lines(string(page)) {
		if strings.HasPrefix(promise, "| ") && !strings.HasPrefix(promise, "| Promise ") && !strings.Contains(promise, "[`Test") {
			t.Errorf("SECURITY.md names no test of this promise: %s", promise)
		}
	}
}
