package builtin_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parbench/parbench/workloads/builtin"
)

func TestDir(t *testing.T) {
	for _, where := range []string{t.TempDir(), ""} {
		t.Setenv("TMPDIR", where)
		dir, stop, err := builtin.Dir{}.Serve(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if where != "" && filepath.Dir(dir) != where {
			t.Errorf("%s is not in TMPDIR=%s", dir, where)
		}
		other, stopOther, err := builtin.Dir{}.Serve(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if other == dir {
			t.Errorf("two fixtures share %s", dir)
		}
		if err := os.WriteFile(filepath.Join(dir, "left"), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 { // stop is idempotent
			if err := errors.Join(stop(), stopOther()); err != nil {
				t.Error(err)
			}
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", dir, err)
		}
	}
}

func TestDirSaysWhatToDo(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), "absent"))
	if _, _, err := (builtin.Dir{}).Serve(t.Context()); err == nil || !strings.Contains(err.Error(), "TMPDIR") {
		t.Errorf("error is %v", err)
	}
}
