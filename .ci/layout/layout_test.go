package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tree writes files below a new directory, changes to it and returns their names.
func tree(t *testing.T, files map[string]string) []string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	names, err := list(".")
	if err != nil {
		t.Fatal(err)
	}
	if len(names) != len(files) {
		t.Fatalf("list found %v, want %d files", names, len(files))
	}
	return names
}

// code is a Go file that imports the given packages.
func code(imports ...string) string {
	return "package x\n\nimport (\n\t_ \"" + strings.Join(imports, "\"\n\t_ \"") + "\"\n)\n"
}

func TestViolations(t *testing.T) {
	const ours = module + "/"
	tests := []struct {
		name, file, text string
		want             string // part of the one violation; empty: none
	}{
		{"allowed", "results/analysis/a.go", code(ours+"results", ours+"results/stat", "fmt"), ""},
		{"against the flow", "results/a.go", code(ours + "report"), "results must not import report"},
		{"for another system", "results/a_windows.go", code(ours + "report"), "results must not import report"},
		{"a test may", "results/a_test.go", code(ours+"report", "go.uber.org/goleak"), ""},
		{"below itself", "strategies/multiproc/shm/a.go", code(ours + "strategies/multiproc/spawn"), ""},
		{"not below itself", "strategies/multiproc/shm/a.go", code(ours + "workloads"), "must not import workloads"},
		{"any", "internal/cli/a.go", code(ours+"results/codec", "github.com/spf13/cobra"), ""},
		{"any but test helpers", "internal/cli/a.go", code(ours + "internal/testenv"), "which is for tests"},
		{"unknown package", "internal/odd/a.go", code("fmt"), "internal/odd: not in the import table"},
		{"flags outside the CLI", "report/a_test.go", code("github.com/spf13/pflag"), "only internal/cli does"},
		{"part of a plot library", "report/a.go", code("gonum.org/v1/plot/vg"), "only report/plot does"},
		{"numerics are free", "results/stat/a.go", code("gonum.org/v1/gonum/stat"), ""},
		{"pool library with version", "strategies/a.go", code("github.com/panjf2000/ants/v2"), "only strategies/thirdparty does"},
		{"test library", "report/a.go", code("github.com/google/go-cmp/cmp"), "outside its tests"},
		{"test library in the suite", "strategies/strategytest/a.go", code("go.uber.org/goleak"), ""},
		{"name at the top", "notes.txt", "", "the top level holds only"},
		{"directory at the top", "scripts/a.sh", "", "the top level holds only"},
		{"dot-file at the top", ".anything", "", ""},
		{"long", "results/a.go", "package x\n" + strings.Repeat("\n", maxLines), "601 lines"},
		{"long test", "results/a_test.go", "package x\n" + strings.Repeat("\n", maxLines), ""},
		{"large", "docs/a.svg", strings.Repeat("x", maxBytes+1), "1048577 bytes"},
		{"home directory", "docs/a.md", "see /" + "home/alice/notes\n", "docs/a.md:1: "},
		{"checkout", "docs/a.md", "a\nb in (/" + "work/tree)\n", "docs/a.md:2: "},
		{"part of a longer path", "docs/a.md", "net/" + "work/x and proto/" + "root/y, https://h.org/" + "home/page/\n", ""},
		{"link to itself and outside", "docs/a.md", "[a](a.md#top), [b](#b), [c](https://h.org/x.md), `docs/a.md`, ![d](../docs/a.md)\n", ""},
		{"dead link", "docs/a.md", "\n[b](b.md)\n", "docs/a.md:2: links to b.md"},
		{"code", "docs/a.md", "```go\nf[int](\"x\")\n```\n", ""},
		{"dead link after code", "docs/a.md", "```sh\nls\n```\n[b](b.md)\n", "docs/a.md:4: links to b.md"},
		{"dead picture", "docs/a.md", "![b](../img/b.svg)\n", "links to ../img/b.svg"},
		{"file that moved", "docs/a.md", "see `results/gone.go`\n", "names the file results/gone.go"},
		{"binary", "docs/a.png", "\x00/" + "home/alice/\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := tree(t, map[string]string{tt.file: tt.text})
			var found []string
			for _, check := range []func([]string) ([]string, error){topLevel, imports, contents, links} {
				v, err := check(files)
				if err != nil {
					t.Fatal(err)
				}
				found = append(found, v...)
			}
			switch {
			case tt.want == "" && len(found) > 0:
				t.Errorf("violations %q, want none", found)
			case tt.want != "" && (len(found) != 1 || !strings.Contains(found[0], tt.want)):
				t.Errorf("violations %q, want one with %q", found, tt.want)
			}
		})
	}
}

// A package that must stay lean is charged with what its dependencies import.
func TestLean(t *testing.T) {
	files := tree(t, map[string]string{
		"go.mod":              "module " + module + "\n\ngo 1.26\n",
		"workloads/a.go":      code("strconv", module+"/results"),
		"results/a.go":        code("encoding/json"),
		"internal/entry/a.go": code("errors", "os"),
	})
	found, err := lean(files)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(found, "\n")
	if !strings.Contains(all, "workloads: depends on encoding/json;") || strings.Contains(all, "entry") {
		t.Errorf("violations:\n%s\nwant encoding/json in workloads and nothing in internal/entry", all)
	}
}

func TestPrivateHosts(t *testing.T) {
	t.Setenv("GOPROXY", "https://mirror.example.net:8443/go,https://"+"proxy.golang.org,direct")
	t.Setenv("PIP_INDEX_URL", "https://pypi.org/simple")
	t.Setenv("npm_config_registry", "")
	hosts := privateHosts()
	if len(hosts) != 1 || hosts[0] != "mirror.example.net" {
		t.Fatalf("private hosts %q, want the mirror alone", hosts)
	}
	found := private("go.env", []byte("# set-up\nGOPROXY=https://mirror.example.net:8443\n"), hosts)
	if len(found) != 1 || !strings.HasPrefix(found[0], "go.env:2: ") || strings.Contains(found[0], "mirror") {
		t.Errorf("violations %q, want one for line 2 that does not repeat the name", found)
	}
}

// The table itself must name only packages it knows.
func TestTable(t *testing.T) {
	for pkg, entry := range mayImport {
		for _, e := range entry {
			if e == anyPackage {
				continue
			}
			if _, ok := entryFor(strings.TrimSuffix(e, "/...")); !ok {
				t.Errorf("%s may import %s, which has no entry", pkg, e)
			}
		}
	}
}
