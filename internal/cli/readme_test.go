package cli

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/parbench/parbench/internal/host"
	"github.com/parbench/parbench/internal/testenv"
)

// shBlock finds the commands a page tells its reader to type.
var shBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// TestReadme runs every command of the README in one directory and in its order, with a single round and few tasks so
// that it takes seconds; "make" targets are only checked to exist.
func TestReadme(t *testing.T) {
	u, err := host.Open("").Usable()
	testenv.Need(t, "two usable CPUs", err == nil && u.Cores >= 2)
	if ran := runPage(t, "README.md", t.TempDir()); ran < 10 {
		t.Errorf("only %d commands were found", ran)
	}
}

// TestPythonPage does the same with the page on Python, with the workload that it shows. Whatever interpreters the page
// names are the one that is here.
func TestPythonPage(t *testing.T) {
	python3 := testenv.NeedCommand(t, "python3")
	page, err := os.ReadFile("../../docs/python.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "```python\n")
	source, _, closed := strings.Cut(rest, "```")
	if !found || !closed {
		t.Fatal("the page shows no workload")
	}
	dir := t.TempDir()
	for _, name := range []string{"squares.py", "mine.py"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	everyPythonIs(t, python3, string(page))
	t.Setenv("PARBENCH_CORES", "1")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	if ran := runPage(t, "docs/python.md", dir); ran < 8 {
		t.Errorf("only %d commands were found", ran)
	}
}

// TestClaimsPage does the same with the page on claims, for one quick claim and for those that the page names.
func TestClaimsPage(t *testing.T) {
	python3 := testenv.NeedCommand(t, "python3")
	page, err := os.ReadFile("../../docs/claims.md")
	if err != nil {
		t.Fatal(err)
	}
	everyPythonIs(t, python3, string(page))
	t.Setenv("PARBENCH_ONLY", "C12")
	if ran := runPage(t, "docs/claims.md", t.TempDir()); ran < 5 {
		t.Errorf("only %d commands were found", ran)
	}
}

// everyPythonIs puts the interpreters that a page names on PATH: all of them are one.
func everyPythonIs(t *testing.T, interpreter, page string) {
	t.Helper()
	bin := t.TempDir()
	for _, name := range regexp.MustCompile(`python3\.\d+t?`).FindAllString(page, -1) {
		// Not a link: the shim of a version manager looks at its name.
		script := "#!/bin/sh\nexec '" + interpreter + "' \"$@\"\n"
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
}

// runPage runs the commands of a page in dir and returns how many there were.
func runPage(t *testing.T, name, dir string) int {
	t.Helper()
	if testenv.Race {
		// It is the page that is tested; the scripts put the same commands under the race detector.
		testenv.DoesNotApply(t, "a page's commands race no other way than the scripts'")
	}
	page, err := os.ReadFile("../../" + name)
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// By this name the test binary is parbench: see TestMain.
	bin := filepath.Join(dir, "bin")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(self, filepath.Join(bin, "parbench")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"old", "new", "mybench"} { // two builds of a program, and two commands; the reader's own
		if err := os.Symlink(self, filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrExist) {
			t.Fatal(err)
		}
	}
	gates := []string{"PARBENCH_GATES=1", "PARBENCH_INJECT_GATES=1", "PARBENCH_PAIRS=6", "PARBENCH_MIN_EFFECT=90%", "PARBENCH_BUDGET=3s"}
	env := append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "PARBENCH_TASKS=16", "PARBENCH_NOISE=50ms")
	explicit := regexp.MustCompile(`--rounds \d+`)
	ran := 0
	for _, block := range shBlock.FindAllStringSubmatch(string(page), -1) {
		for line := range strings.Lines(block[1]) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), "  #")
			line = strings.TrimSpace(line)
			env := env
			cwd := dir
			switch {
			case line == "":
				continue
			case strings.HasPrefix(line, "make "):
				line, cwd = "make -n "+strings.TrimPrefix(line, "make "), "../.."
			case strings.HasPrefix(line, "go run . "):
				line = "parbench " + strings.TrimPrefix(line, "go run . ")
			case !strings.HasPrefix(line, "parbench "):
				t.Errorf("%s tells to run %q, which this test does not know", name, line)
				continue
			}
			line = explicit.ReplaceAllString(line, "--rounds 1")
			if strings.HasPrefix(line, "parbench gate ") {
				env = append(slices.Clip(env), gates...)
			}
			if !strings.Contains(line, "--quick") {
				env = append(env, "PARBENCH_ROUNDS=1")
			}
			if strings.Contains(line, "--resume") { // its plan is in the file
				env = os.Environ()
				env = append(env, "PATH="+bin+":"+os.Getenv("PATH"))
			}
			cmd := exec.Command("sh", "-c", line)
			cmd.Dir, cmd.Env = cwd, env
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", line, err, out)
			}
			ran++
		}
	}
	return ran
}
