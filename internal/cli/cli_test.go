package cli

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/parbench/parbench/internal/testenv"
	"github.com/parbench/parbench/strategies/command"
	"github.com/parbench/parbench/strategies/trial"
	"github.com/parbench/parbench/workloads"
	"github.com/parbench/parbench/workloads/builtin"
)

// TestMain lets the test binary be parbench: for the scripts, and for the trials and workers that parbench starts.
func TestMain(m *testing.M) {
	testenv.HurryRace()
	if os.Getenv("TEST_OTHER_RESULTS") != "" {
		trial.Main(otherResults{workloads.Primes()}, workloads.Spin(), workloads.Sleep())
	}
	if program, ok := testPrograms[os.Getenv("TEST_PROGRAM")]; ok {
		program()
		return
	}
	command.Main()
	trial.Program{Workloads: builtin.Registry(), Strategies: ownStrategies()}.Main()
	testscript.Main(m, map[string]func(){
		"parbench": func() { os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
		"makerun":  makeRun,
		"old":      func() {}, // commands to gate
		"new":      func() {},
	})
}

// otherResults is a workload that computes something else than it did before.
type otherResults struct{ workloads.Workload }

func (w otherResults) Prepare(ctx context.Context, env workloads.Env) (workloads.Tasks, error) {
	t, err := w.Workload.Prepare(ctx, env)
	return otherTasks{t}, err
}

type otherTasks struct{ workloads.Tasks }

func (t otherTasks) Task(ctx context.Context, i int) (uint64, error) {
	d, err := t.Tasks.Task(ctx, i)
	return d + 1, err
}

var keep = flag.Bool("keep", false, "keep the scripts' working directories")

// TestScripts runs a user's sessions: testdata/script/*.txtar.
func TestScripts(t *testing.T) { runScripts(t, "testdata/script") }

// TestFullDisk runs the scripts that need a file system of their own.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	err := mount(dir, "64k")
	testenv.Need(t, "permission to mount a tmpfs (run as root)", err == nil)
	if err := exec.Command("umount", dir).Run(); err != nil {
		t.Fatal(err)
	}
	runScripts(t, "testdata/fulldisk")
}

// TestPythonScripts runs the scripts that need an interpreter.
func TestPythonScripts(t *testing.T) {
	testenv.NeedCommand(t, "python3")
	runScripts(t, "testdata/python")
}

func runScripts(t *testing.T, dir string, env ...string) {
	testscript.Run(t, testscript.Params{
		Dir: dir, TestWork: *keep, RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			// Marks every process a script starts, whatever becomes of its parents.
			e.Setenv("SCRIPT_MARK", filepath.Base(e.WorkDir)+"-"+strconv.Itoa(os.Getpid()))
			e.Setenv("GORACE", os.Getenv("GORACE")) // as testenv.HurryRace made it
			e.Setenv("NO_COLOR", "1")
			e.Setenv("XDG_CACHE_HOME", filepath.Join(e.WorkDir, ".cache"))
			e.Vars = append(e.Vars, env...)
			program, err := os.Executable() // as a program of the trial protocol
			e.Setenv("PROGRAM", program)
			return err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": code, "waitfor": waitFor, "gone": gone, "tmpfs": tmpfs, "tear": tear, "png": png,
		},
	})
}

// code N CMD ARGS... runs a command that must exit with status N. With a leading "<FILE" argument FILE is its input.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N command args...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var ee *exec.ExitError
	if errors.As(err, &ee) {
		got = ee.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}

// waitFor FILE N waits until FILE has at least N lines. The bound is generous: it is met only by a program that hangs.
func waitFor(ts *testscript.TestScript, neg bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		b, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && bytes.Count(b, []byte("\n")) >= n {
			return
		}
	}
	ts.Fatalf("%s did not reach %d lines", args[0], n)
}

// gone waits until no process of this script is left.
func gone(ts *testscript.TestScript, neg bool, args []string) {
	var left []string
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if left = marked(ts.Getenv("SCRIPT_MARK")); len(left) == 0 {
			return
		}
	}
	ts.Fatalf("still running: %s", strings.Join(left, ", "))
}

func marked(mark string) []string {
	var out []string
	envs, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, e := range envs {
		b, err := os.ReadFile(e)
		if err == nil && bytes.Contains(b, []byte("SCRIPT_MARK="+mark)) {
			out = append(out, filepath.Base(filepath.Dir(e)))
		}
	}
	return out
}

// tmpfs DIR SIZE mounts a small file system for the rest of the script.
func tmpfs(ts *testscript.TestScript, neg bool, args []string) {
	dir := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(dir, 0o755))
	ts.Check(mount(dir, args[1]))
	ts.Defer(func() { _ = exec.Command("umount", "-l", dir).Run() })
}

func mount(dir, size string) error {
	return exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir).Run()
}

// tear FILE N cuts the last N lines off, and half of the one before.
func tear(ts *testscript.TestScript, neg bool, args []string) {
	path := ts.MkAbs(args[0])
	text, err := os.ReadFile(path)
	ts.Check(err)
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	lines := bytes.SplitAfter(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	if len(lines) < n+2 {
		ts.Fatalf("%s has %d lines only", args[0], len(lines))
	}
	torn := lines[len(lines)-n-1]
	whole := bytes.Join(lines[:len(lines)-n-1], nil)
	ts.Check(os.WriteFile(path, append(whole, torn[:len(torn)/2]...), 0o644))
}

// png FILE checks that a file is a PNG picture.
func png(ts *testscript.TestScript, neg bool, args []string) {
	if !strings.HasPrefix(ts.ReadFile(args[0]), "\x89PNG\r\n") {
		ts.Fatalf("%s is not a PNG file", args[0])
	}
}
