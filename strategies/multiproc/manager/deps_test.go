package manager

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Every process of a program with managers initialises this package: it must need nothing that package multiproc does
// not need anyway.
func TestDependenciesAreLean(t *testing.T) {
	deps := func(pkg string) []string {
		out, err := exec.Command("go", "list", "-deps", pkg).Output()
		ok(t, err)
		return strings.Fields(string(out))
	}
	base := deps("..")
	for _, p := range deps(".") {
		if !slices.Contains(base, p) && !strings.HasSuffix(p, "/manager") {
			t.Errorf("%s is imported: it delays the start of every process", p)
		}
	}
}
