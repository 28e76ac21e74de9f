package multiproc

import (
	"os"
	"strings"
	"testing"
)

// The example on the page is the one that is compiled and run.
func TestPageQuotesExample(t *testing.T) {
	page, err := os.ReadFile("../../docs/multiproc.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := 0
	for i, block := range strings.Split(string(page), "```") {
		code, ok := strings.CutPrefix(block, "go\n")
		if i%2 == 0 || !ok {
			continue
		}
		blocks++
		for line := range strings.Lines(code) {
			if line = strings.TrimSpace(line); line != "" && !strings.Contains(string(source), line) {
				t.Errorf("%q is not in example_test.go", line)
			}
		}
	}
	if blocks == 0 {
		t.Error("the page has no Go example")
	}
}
