package workloads_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/parbench/parbench/internal/testenv"
)

// TestImportsAreLean keeps the package light: worker processes initialise everything it imports before their first task.
func TestImportsAreLean(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), testenv.NeedCommand(t, "go"), "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 10 {
		t.Fatalf("go list returned only %v", deps)
	}
	for _, dep := range deps {
		if heavy(dep) {
			t.Errorf("imports %s", dep)
		}
	}
}

func heavy(dep string) bool {
	switch first, _, _ := strings.Cut(dep, "/"); first {
	case "fmt", "reflect", "encoding", "crypto", "net", "log", "regexp", "text", "html", "golang.org":
		return true
	}
	return false
}

func TestHeavy(t *testing.T) {
	for dep, want := range map[string]bool{
		"fmt": true, "encoding/json": true, "net/http": true, "crypto/sha256": true, "golang.org/x/sys/unix": true,
		"os": false, "internal/fmtsort": false, "sort": false, "github.com/parbench/parbench/workloads": false,
	} {
		if heavy(dep) != want {
			t.Errorf("heavy(%s) = %v", dep, !want)
		}
	}
}
