package shm

import (
	"os/exec"
	"strings"
	"testing"
)

// Worker processes initialise these packages before their first task, so each one costs every start.
func TestDependenciesAreLean(t *testing.T) {
	allowed := make(map[string]bool)
	for p := range strings.FieldsSeq(`cmp context encoding/binary errors io io/fs iter math math/bits os path reflect runtime slices
		strconv strings sync sync/atomic syscall time unicode unicode/utf8 unsafe
		github.com/parbench/parbench/strategies/multiproc/shm`) {
		allowed[p] = true
	}
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for p := range strings.FieldsSeq(string(out)) {
		if !allowed[p] && !strings.HasPrefix(p, "internal/") {
			t.Errorf("%s is imported: it delays the start of every worker", p)
		}
	}
}
