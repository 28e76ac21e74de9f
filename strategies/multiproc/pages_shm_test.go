//go:build linux && (amd64 || arm64)

package multiproc

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// pages are those with programs for their readers, and the file whose examples they quote.
var pages = []struct{ page, examples string }{
	{"multiproc.md", "example_test.go"},
	{"shm.md", ""},
	{"manager.md", "manager/example_test.go"},
}

// program is a Go block of a page that is a whole main.go, with the block after "It prints".
type program struct{ name, source, prints string }

// programsOf returns the programs of a page, and the lines of its other Go blocks.
func programsOf(t *testing.T, page string) (programs []program, quotes []string) {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(text), "```")
	for i := 1; i < len(parts); i += 2 {
		code, ok := strings.CutPrefix(parts[i], "go\n")
		if !ok {
			continue
		}
		if !strings.Contains(code, "\npackage main\n") {
			for line := range strings.Lines(code) {
				quotes = append(quotes, strings.TrimSpace(line))
			}
			continue
		}
		p := program{name: page + " " + strconv.Itoa(len(programs)+1), source: code}
		if i+2 < len(parts) && strings.TrimSpace(parts[i+1]) == "It prints" {
			p.prints = strings.TrimPrefix(parts[i+2], "\n")
		} else {
			t.Errorf("%s: what the program prints is not below it", p.name)
		}
		programs = append(programs, p)
	}
	return programs, quotes
}

// What the pages show is compiled and run: each program as it stands, the other Go code as part of the examples.
func TestPagesPrograms(t *testing.T) {
	var all []program
	for _, p := range pages {
		programs, quotes := programsOf(t, p.page)
		if len(programs) == 0 {
			t.Errorf("%s has no program", p.page)
		}
		all = append(all, programs...)
		var source []byte
		if p.examples != "" {
			var err error
			if source, err = os.ReadFile(p.examples); err != nil {
				t.Fatal(err)
			}
		}
		for _, line := range quotes {
			if !strings.Contains(string(source), line) {
				t.Errorf("%s: %q is in no example", p.page, line)
			}
		}
	}
	for i, bin := range build(t, all) {
		t.Run(all[i].name, func(t *testing.T) {
			cmd := exec.CommandContext(ctxT(t), bin)
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			if err != nil || string(out) != all[i].prints {
				t.Errorf("it printed\n%s(%v), the page says\n%s", out, err, all[i].prints)
			}
		})
	}
}

// build compiles the programs as packages of this module that exist for the compiler only.
func build(t *testing.T, programs []program) (bins []string) {
	t.Helper()
	dir := t.TempDir()
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	overlay := struct{ Replace map[string]string }{make(map[string]string)}
	args := []string{"build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", dir + "/"}
	for i, p := range programs {
		name := "page" + strconv.Itoa(i)
		file := filepath.Join(dir, name+".go")
		if err := os.WriteFile(file, []byte(p.source), 0o600); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[filepath.Join(here, name, "main.go")] = file
		args, bins = append(args, "./"+name), append(bins, filepath.Join(dir, name))
	}
	b, err := json.Marshal(overlay)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "overlay.json"), b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Fatalf("the programs of the pages do not compile: %v\n%s", err, out)
	}
	return bins
}
