package cli

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parbench/parbench/internal/testenv"
	"github.com/parbench/parbench/results"
)

// parbenchIn runs the test binary as parbench in a directory and returns what it writes to standard output.
func parbenchIn(t *testing.T, dir string, args ...string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Args[0], cmd.Dir = "parbench", dir
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(dir, ".cache"), "NO_COLOR=1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("parbench %q: %v: %s", args, err, errs.String())
	}
	return out.String()
}

// TestToRepeatIt measures, takes the arguments from the file, which reports show as the command that repeats the run, and
// compares the plans of the two.
func TestToRepeatIt(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(dir, "mybench")); err != nil {
		t.Fatal(err)
	}
	write("mine.py", "PARAMS = {'n': 3}\ndef task(i, params): return i * params['n']\n", 0o600)
	write("in", "hello\n", 0o600)
	python := "/nowhere"
	for name, c := range map[string]struct {
		args   string // by blanks; _ stands for one inside an argument
		python bool
		want   string // among the arguments
	}{
		"plain":              {args: "-w primes:limit=300 -s sequential,pool -c 1 --tasks 8"},
		"no split rounds":    {args: "-w primes:limit=300 -s pool:workers=2 -c 1 --tasks 8 --split-rounds 0", want: "--split-rounds=0"},
		"sweeps":             {args: "-w primes -L primes.limit=300,400 -s pool -P pool.workers=1..2+1 -c 1 --tasks 8"},
		"command":            {args: "--cmd true", want: "--cmd=true"},
		"commands":           {args: "--cmd true --cmd test_-e_in -n one -n two --reference two --prepare true --setup true --cleanup true -c 1"},
		"commands in a pool": {args: "--cmd test_{i}_-ge_0 --tasks 3 -s sequential -s pool:workers=2 -c 1 --check-output"},
		"parameters":         {args: "--cmd test_{n}_-ge_{m} -P n 1 2 -L m 0,1 -c 1"},
		"shell":              {args: "--cmd cat_|_cat --shell --input in --command-output null -i --warmup 1 -c 1"},
		"program":            {args: "--program ./mybench -w primes:limit=300 -s sequential,pool -c 1 --tasks 8", want: "--program=./mybench"},
		"python":             {args: "-w primes:limit=300 -s sequential,py-sequential -c 1 --tasks 8", python: true, want: "py-sequential"},
		"python by name":     {args: "-w primes:limit=300 -s py-sequential --python python3 -c 1 --tasks 8", python: true, want: "py-sequential:python=python3"},
		"python by path": {args: "-w primes:limit=300 -s py-sequential -s py-threads:workers=2 --python ./named -c 1 --tasks 8", python: true,
			want: "py-threads:python=PATH/TO/python"},
		"crossover":             {args: "crossover --grains 1us,20us,400us -s pool,goroutines -c 1 --tasks 8", want: "--grains=1us,20us,400us"},
		"crossover with python": {args: "crossover --grains 1us,20us,400us -s pool:workers=2 -s py-threads -c 1 --tasks 8", python: true, want: "py-threads"},
		"own python":            {args: "--python-workload mine.py -w mine:n=4 -s py-sequential,py-threads -c 1 --tasks 8", python: true, want: "--python-workload=mine.py"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.python {
				testenv.NeedCommand(t, "python3")
				if python == "/nowhere" {
					if python, err = exec.LookPath("python3"); err != nil {
						t.Fatal(err)
					}
					write("named", "#!/bin/sh\nexec '"+python+"' \"$@\"\n", 0o700)
				}
			}
			words := strings.Fields(c.args)
			args := []string{"run", "--seed", "7", "--rounds", "1"}
			if words[0] == "crossover" {
				args[0], words = words[0], words[1:]
			}
			for _, a := range words {
				args = append(args, strings.ReplaceAll(a, "_", " "))
			}
			want := parbenchIn(t, dir, append(slices.Clone(args), "--dry-run")...)
			out := "out-" + strings.ReplaceAll(name, " ", "-")
			parbenchIn(t, dir, append(slices.Clone(args), "-q", "-o", out)...)
			run, err := results.ReadFile(filepath.Join(dir, out, runName))
			if err != nil {
				t.Fatal(err)
			}
			again := slices.Clone(run.Header.Args)
			if !slices.ContainsFunc(again, func(a string) bool { return strings.HasPrefix(a, c.want) }) {
				t.Errorf("%q has no argument %s", again, c.want)
			}
			for i, a := range again {
				if strings.Contains(a, dir) {
					t.Errorf("%q tells where it was measured", a)
				}
				if at := strings.Index(a, results.PathPlaceholder); at >= 0 {
					place, _, _ := strings.Cut(a[at:], ",")
					again[i] = strings.Replace(a, place, "./named", 1) // as the reader is told to
				}
			}
			if got := parbenchIn(t, dir, append(again, "--dry-run")...); got != want {
				t.Errorf("the plan of %q is another one:\n%s", again, cmp.Diff(want, got))
			}
		})
	}
}
