package multiproc

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Every row of the tables has a test that exists or a reason, no row is missing, and no test named after a row is left
// out.
func TestRowsHaveTests(t *testing.T) {
	page, err := os.ReadFile("../../docs/multiproc.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := make(map[string]bool)
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Example|Fuzz)\w*)\(`)
	err = filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range declared.FindAllStringSubmatch(string(b), -1) {
			tests[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`((?:Test|Example|Fuzz)\\w*)`")
	rows, used := make(map[string]bool), make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^\| ([A-Z]\d+(?:-\d+)?) \| .* \| (.*) \|$`).FindAllStringSubmatch(string(page), -1) {
		id, cell := m[1], m[2]
		if rows[id] {
			t.Errorf("row %s is there twice", id)
		}
		rows[id] = true
		found := named.FindAllStringSubmatch(cell, -1)
		for _, n := range found {
			if used[n[1]] = true; !tests[n[1]] {
				t.Errorf("row %s names %s, which does not exist", id, n[1])
			}
		}
		// TestS001_15_Pool, or TestR02_R03_Both for two rows at once.
		own := "_" + strings.ReplaceAll(id, "-", "_") + "_"
		held := slices.ContainsFunc(found, func(n []string) bool {
			return strings.Contains("_"+strings.TrimPrefix(n[1], "Test")+"_", own)
		})
		if !held && !strings.HasPrefix(cell, "none: ") {
			t.Errorf("row %s has neither a test of its name nor a reason", id)
		}
	}
	for family, n := range map[string]int{"P%02d": 28, "O%02d": 33, "F%02d": 5, "D%02d": 5, "G%02d": 14, "Q%02d": 12, "N%02d": 16,
		"L%02d": 5, "E%02d": 3, "K%02d": 4, "V%02d": 2, "R%02d": 7, "A%02d": 8, "Z%02d": 8, "S000-%d": 16, "S001-%d": 21,
		"S002-%d": 17, "S003-%d": 9, "S004-%d": 21} {
		for i := 1; i <= n; i++ {
			if id := fmt.Sprintf(family, i); !rows[id] {
				t.Errorf("row %s is missing", id)
			}
		}
	}
	ofRow := regexp.MustCompile(`^Test[A-Z]\d+_`)
	for name := range tests {
		if ofRow.MatchString(name) && !used[name] {
			t.Errorf("%s is in no row", name)
		}
	}
}
