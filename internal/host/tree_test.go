package host

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// tree writes the files of testdata/NAME.txtar below a fresh root and opens it; an empty name gives a machine that tells
// nothing. extra adds or overrides files.
func tree(t testing.TB, name string, extra map[string]string) *Machine {
	t.Helper()
	root := t.TempDir()
	if name != "" {
		a, err := txtar.ParseFile(filepath.Join("testdata", name+".txtar"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files {
			put(t, root, f.Name, string(f.Data))
		}
	}
	for p, text := range extra {
		put(t, root, p, text)
	}
	return Open(root)
}

// put writes one file, making its directories.
func put(t testing.TB, root, name, text string) {
	t.Helper()
	p := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// trees are the machines of testdata, and one that tells nothing.
var trees = []string{"server", "laptop", "vm-cgroup1", "container", "cpuset", ""}
