package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/parbench/parbench/.ci/bench-multiproc/work"
	"github.com/parbench/parbench/internal/host"
	"github.com/parbench/parbench/internal/testenv"
	"github.com/parbench/parbench/strategies/multiproc"
)

// The test program is its own measuring process.
func TestMain(m *testing.M) {
	multiproc.Main()
	if len(os.Args) > 1 && os.Args[1] == "job" {
		os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// Every row names a measurement that exists, on both sides, and no measurement is without a row.
func TestRowsHaveTheirJobs(t *testing.T) {
	have := map[side]map[string]bool{own: {}, python: pythonJobs(t)}
	for name := range jobs() {
		have[own][name] = true
	}
	wanted := map[side]map[string]bool{own: {}, python: {}}
	names := make(map[string]bool)
	for _, r := range table() {
		if names[r.name] {
			t.Errorf("two rows are named %q", r.name)
		}
		names[r.name] = true
		for _, f := range []figure{r.own, r.peer} {
			if f.side != "" {
				wanted[f.side][f.job] = true
			}
		}
	}
	for s := range have {
		for job := range wanted[s] {
			if !have[s][job] {
				t.Errorf("%s has no job %q", s, job)
			}
		}
		for job := range have[s] {
			if !wanted[s][job] {
				t.Errorf("no row shows the job %q of %s", job, s)
			}
		}
	}
}

// pythonJobs asks peer.py what it can do.
func pythonJobs(t *testing.T) map[string]bool {
	command := testenv.NeedCommand(t, "python3")
	out, err := exec.Command(command, "-B", "-c", "import peer; print('\\n'.join(peer.JOBS))").Output()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]bool)
	for name := range strings.FieldsSeq(string(out)) {
		all[name] = true
	}
	return all
}

// twoCPUs skips where the program itself refuses to measure.
func twoCPUs(t *testing.T) {
	t.Helper()
	testenv.Need(t, "Linux on amd64 or arm64: worker processes and shared memory",
		runtime.GOOS == "linux" && (runtime.GOARCH == "amd64" || runtime.GOARCH == "arm64"))
	usable, err := host.Open("/").Usable()
	if err != nil {
		t.Fatal(err)
	}
	testenv.Need(t, "two usable CPUs", len(usable.CPUs) >= 2)
}

// One round of three rows: a figure of its own, one against Python and one in two places.
func TestRun(t *testing.T) {
	twoCPUs(t)
	testenv.NeedCommand(t, "python3")
	dir := t.TempDir()
	out, raw := filepath.Join(dir, "table.md"), filepath.Join(dir, "raw", "figures.jsonl")
	var stdout, stderr bytes.Buffer
	status := run(t.Context(), []string{"-run", "^(lock-1|event-blocking|array-slice)$", "-rounds", "1", "-repeats", "0", "-seed", "7",
		"-o", out, "-raw", raw}, &stdout, &stderr)
	if status != 0 && status != 1 { // which bars are reached is the machine's affair
		t.Fatalf("status %d\n%s", status, &stderr)
	}
	text := stdout.String()
	for _, want := range []string{"Lock, uncontended", "Event ping-pong, blocking, apart", "plain slice", "CPython", "from seed 7",
		"BENCH='^(lock-1"} {
		if !strings.Contains(text, want) {
			t.Errorf("the table does not say %q", want)
		}
	}
	if strings.Contains(text, "failed") || strings.Contains(text, "own:") {
		t.Errorf("something failed:\n%s", text)
	}
	if b, err := os.ReadFile(out); err != nil || string(b) != text {
		t.Errorf("the file is not what was printed (%v)", err)
	}
	b, err := os.ReadFile(raw)
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(b, []byte("\n")); n != 5 {
		t.Errorf("%d raw figures instead of 5:\n%s", n, b)
	}
}

// Without Python the rows that need it are left out, and the table says why.
func TestRunWithoutPython(t *testing.T) {
	twoCPUs(t)
	var stdout, stderr bytes.Buffer
	status := run(t.Context(), []string{"-run", "^lock-1$", "-rounds", "1", "-repeats", "0", "-python", "/nonexistent/python"}, &stdout, &stderr)
	if status != 0 {
		t.Errorf("status %d", status)
	}
	if !strings.Contains(stderr.String(), "no Python") || !strings.Contains(stdout.String(), "not compared: there is no Python here") {
		t.Errorf("it does not say that Python is missing:\n%s%s", &stderr, &stdout)
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args string
		want string
	}{
		{"-run (", "-run"},
		{"-run nothing-like-this", "no row matches"},
		{"-rounds 0", "-rounds"},
		{"queue", "unexpected argument"},
		{"job nothing", "no job"},
		{"job lock-1 first", "no CPU"},
	} {
		var stdout, stderr bytes.Buffer
		if status := run(t.Context(), strings.Fields(c.args), &stdout, &stderr); status != 2 || !strings.Contains(stderr.String(), c.want) {
			t.Errorf("%q: status %d, %q", c.args, status, &stderr)
		}
	}
}

// A process of this program, which is as heavy as parbench, begins its work before most packages are initialised.
func TestEarlyEntry(t *testing.T) {
	testenv.Need(t, "Linux: worker processes", runtime.GOOS == "linux")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, err = multiproc.Call(t.Context(), work.Nothing, struct{}{}, multiproc.WithEnv("GODEBUG=inittrace=1"), multiproc.WithStderr(w))
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	var trace bytes.Buffer
	if _, err := trace.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	initialised := regexp.MustCompile(`(?m)^init (\S+) @`).FindAllStringSubmatch(trace.String(), -1)
	if len(initialised) == 0 {
		t.Fatalf("no trace of initialisation: %q", &trace)
	}
	if slices.ContainsFunc(initialised, func(m []string) bool { return m[1] == "net/http" || strings.HasSuffix(m[1], "internal/cli") }) {
		t.Errorf("the process initialised all of parbench before its work:\n%s", &trace)
	}
}
