package strategies

import (
	"os/exec"
	"strings"
	"testing"
)

// heavy are packages that a worker process must not have to initialise before its first task.
const heavy = `fmt encoding/json encoding/gob net net/http net/url os/exec log log/slog text/template crypto/sha256
	runtime/debug golang.org/x/sys/unix`

func TestDependenciesAreLean(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	deps := strings.Fields(string(out))
	if len(deps) < 20 {
		t.Fatalf("go list names only %q", deps)
	}
	for _, p := range deps {
		for h := range strings.FieldsSeq(heavy) {
			if p == h {
				t.Errorf("%s is imported, which delays the start of every worker process", p)
			}
		}
	}
}
