package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/parbench/parbench/internal/host"
	"github.com/parbench/parbench/internal/testenv"
	"github.com/parbench/parbench/strategies/trial"
	"github.com/parbench/parbench/workloads"
)

// testPrograms are programs of a user's that behave as they should not. The test binary becomes one by its name in
// TEST_PROGRAM.
var testPrograms = map[string]func(){
	"blank": func() { trial.Main(workload("My Bench", workloads.CPU, good)) },
	"kind":  func() { trial.Main(workload("bench", "", good)) },
	"twice": func() { trial.Main(workload("bench", workloads.CPU, good), workload("bench", workloads.CPU, good)) },
	"none":  func() { trial.Main() },
	"default": func() {
		trial.Main(workloads.Func(workloads.Info{Name: "bench", Kind: workloads.CPU, Params: []workloads.Param{
			{Name: "size", Type: workloads.Int, Default: "many", Doc: "d"},
		}}, good))
	},
	"fixture": func() {
		trial.Main(workloads.Func(workloads.Info{Name: "bench", Kind: workloads.CPU, Fixture: "db"}, good))
	},
	"forgets": func() { os.Stdout.WriteString("my own work\n") },
	"late": func() {
		time.Sleep(slowProgram + 200*time.Millisecond) // its own work before trial.Main
		trial.Main(workload("bench", workloads.CPU, good))
	},
	"cells": func() {
		trial.Main(workload("good", workloads.CPU, good), workload("fails", workloads.CPU, fails),
			workload("panics", workloads.CPU, panics), workload("dies", workloads.CPU, dies), workload("moody", workloads.CPU, moody),
			workload("pid", workloads.CPU, pid), workload("hangs", workloads.CPU, hangs), workload("background", workloads.CPU, background))
	},
	"primes": func() {
		trial.Main(workloads.Func(workloads.Info{Name: "primes", Kind: workloads.CPU, Doc: "mine"}, good))
	},
}

func workload(name string, kind workloads.Kind, task workloads.TaskFunc) workloads.Workload {
	return workloads.Func(workloads.Info{Name: name, Kind: kind, Doc: "for tests"}, task)
}

func good(_ context.Context, env workloads.Env, i int) (uint64, error) {
	return workloads.Key(env.Seed, i), nil
}

func fails(context.Context, workloads.Env, int) (uint64, error) {
	return 0, errors.New("the disk is\x1b[31m full")
}

func panics(context.Context, workloads.Env, int) (uint64, error) { panic("out of ideas") }

func dies(context.Context, workloads.Env, int) (uint64, error) {
	os.Stderr.WriteString("last words\n")
	os.Exit(7)
	return 0, nil
}

var moods atomic.Uint64

func moody(context.Context, workloads.Env, int) (uint64, error) { return moods.Add(1), nil }

// background panics where nobody can catch it.
func background(ctx context.Context, _ workloads.Env, _ int) (uint64, error) {
	go panic("in the background")
	<-ctx.Done()
	return 0, ctx.Err()
}

// pid gives the same in all batches of a trial, and something else in each trial.
func pid(context.Context, workloads.Env, int) (uint64, error) { return uint64(os.Getpid()), nil }

func hangs(context.Context, workloads.Env, int) (uint64, error) { select {} }

// TestProgramScripts runs the scripts on programs of a user's own: the documented example, which is a module of its own
// and built here without a network, and programs that misbehave.
func TestProgramScripts(t *testing.T) {
	dir := t.TempDir()
	slower := buildExample(t, filepath.Join(dir, "logbench-regexp"), "-tags", "regexp")
	runScripts(t, "testdata/program", "LOGBENCH="+buildExample(t, filepath.Join(dir, "logbench")), "SLOWER="+slower)
}

// TestExampleModule vets and tests the documented example in both of its builds.
func TestExampleModule(t *testing.T) {
	for _, args := range [][]string{{"vet", "./..."}, {"test", "./..."}, {"test", "-tags", "regexp", "./..."}, {"mod", "verify"}} {
		goCommand(t, "../../docs/examples/logbench", args...)
	}
	// It depends on what parbench depends on, in the same versions.
	ours, err := os.ReadFile("../../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	its, err := os.ReadFile("../../docs/examples/logbench/go.sum")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(its)) {
		if !strings.Contains(string(ours), line) {
			t.Errorf("docs/examples/logbench/go.sum: parbench's has no line %s: run go mod tidy there", line)
		}
	}
}

func buildExample(t *testing.T, to string, flags ...string) string {
	t.Helper()
	goCommand(t, "../../docs/examples/logbench", slices.Concat([]string{"build", "-o", to}, flags, []string{"."})...)
	return to
}

// goCommand runs go in a directory, for a module that needs nothing from anywhere.
func goCommand(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command(testenv.NeedCommand(t, "go"), args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOPROXY=off", "GOFLAGS=-mod=readonly", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// TestProgramsPage builds the program that the page on programs begins with, and runs the page's commands, the
// one with the Python twin that the page shows among them: both listings as they stand there.
func TestProgramsPage(t *testing.T) {
	u, err := host.Open("").Usable()
	testenv.Need(t, "two usable CPUs", err == nil && u.Cores >= 2)
	testenv.NeedCommand(t, "python3")
	page, err := os.ReadFile("../../docs/programs.md")
	if err != nil {
		t.Fatal(err)
	}
	block := func(language string) string {
		_, rest, found := strings.Cut(string(page), "```"+language+"\n")
		source, _, closed := strings.Cut(rest, "```")
		if !found || !closed {
			t.Fatalf("the page shows no %s", language)
		}
		return source
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir, module := t.TempDir(), t.TempDir()
	for path, text := range map[string]string{
		filepath.Join(dir, "hash.py"):    block("python"),
		filepath.Join(module, "main.go"): block("go"),
		filepath.Join(module, "go.mod"):  "module example.com/mybench\n\ngo 1.26.0\n\nrequire github.com/parbench/parbench v0.0.0\n\nreplace github.com/parbench/parbench => " + root + "\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	goCommand(t, module, "build", "-o", filepath.Join(dir, "mybench"), ".")
	buildExample(t, filepath.Join(dir, "logbench"))
	buildExample(t, filepath.Join(dir, "logbench-regexp"), "-tags", "regexp")
	t.Setenv("PARBENCH_CORES", "1")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	if ran := runPage(t, "docs/programs.md", dir); ran < 11 {
		t.Errorf("only %d commands were found", ran)
	}
}

func TestShortestLabels(t *testing.T) {
	for _, c := range []struct{ files, want []string }{
		{[]string{"/a/b/bench"}, []string{"bench"}},
		{[]string{"/a/old/bench", "/a/new/bench"}, []string{"old/bench", "new/bench"}},
		{[]string{"/a/x/bench", "/b/x/bench", "/other"}, []string{"a/x/bench", "b/x/bench", "other"}},
		{[]string{"/a/self"}, []string{"./self"}},
		{[]string{"/a/b,c"}, []string{"b_c"}},
	} {
		if d := cmp.Diff(c.want, shortest(c.files)); d != "" {
			t.Errorf("%v: %s", c.files, d)
		}
	}
}

func TestPatterns(t *testing.T) {
	all := []string{"parse", "parse-json", "compress"}
	for text, want := range map[string]string{
		"parse*":        "parse parse-json",
		"*e":            "parse",
		"[pc]*s":        "compress",
		"parse,c*":      "parse compress",
		"p*:lines=3":    "parse:lines=3 parse-json:lines=3",
		"unknown":       "unknown", // the harness knows what it could have been
		"parse,p*,all":  "parse parse-json compress",
		"*-json,*-json": "parse-json",
	} {
		sels, err := parseSelections("workload", []string{text}, all)
		var got []string
		for _, s := range sels {
			got = append(got, s.Label())
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"x*":   `--workload "x*": it matches nothing; there are parse, parse-json, compress`,
		"[a":   `--workload "[a": a [ without its ]`,
		"x*:a": "is not name=value",
	} {
		if _, err := parseSelections("workload", []string{text}, all); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
