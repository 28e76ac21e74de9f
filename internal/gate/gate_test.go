package gate

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestBaselines(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "baselines")
	source := filepath.Join(t.TempDir(), "prog")
	for _, text := range []string{"first", "second"} {
		if err := os.WriteFile(source, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := Save(dir, Baseline{Name: "main", Kind: KindProgram, Created: time.Unix(0, 0), Tool: "parbench test"}, source); err != nil {
			t.Fatal(err)
		}
		b, err := Load(dir, "main")
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(b.Path())
		if err != nil || string(got) != text || b.Kind != KindProgram || b.Tool != "parbench test" {
			t.Errorf("%q, %v, %+v", got, err, b)
		}
		if fi, err := os.Stat(b.Path()); err != nil || fi.Mode().Perm()&0o111 == 0 {
			t.Errorf("mode %v, %v", fi.Mode(), err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	for _, name := range []string{"", ".", "..", "a/b", ".x", "a b", strings.Repeat("x", 101), "-x"} {
		if err := CheckName(name); err == nil {
			t.Errorf("%q is taken for a name", name)
		}
		if err := Save(dir, Baseline{Name: name, Kind: KindResults}, source); err == nil {
			t.Errorf("%q is stored", name)
		}
	}
	for what, c := range map[string][2]string{
		"none":    {"", "none of that name"},
		"garbage": {"{", "not a baseline's description"},
		"foreign": {`{"schema":"x","version":1,"kind":"program"}`, "schema"},
		"newer":   {`{"schema":"parbench/baseline","version":2,"kind":"program"}`, "version 2"},
		"kind":    {`{"schema":"parbench/baseline","version":1,"kind":"../../etc"}`, "unknown kind"},
		"empty":   {`{"schema":"parbench/baseline","version":1,"kind":"program"}`, "copy is missing"},
	} {
		if text := c[0]; text != "" {
			if err := os.MkdirAll(filepath.Join(dir, what), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, what, describedBy), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := Load(dir, what); err == nil || !strings.Contains(err.Error(), c[1]) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// Gates that end at the same time store one after another: none fails, and one of the copies is whole.
func TestBaselinesStoredAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "baselines")
	var all sync.WaitGroup
	for _, text := range []string{"aaaa", "bbbb", "cccc", "dddd"} {
		source := filepath.Join(t.TempDir(), "prog")
		if err := os.WriteFile(source, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			for range 50 {
				if err := Save(dir, Baseline{Name: "main", Kind: KindProgram}, source); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	b, err := Load(dir, "main")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(b.Path()); err != nil || len(got) != 4 || strings.Trim(string(got), string(got[:1])) != "" {
		t.Errorf("%q, %v", got, err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
