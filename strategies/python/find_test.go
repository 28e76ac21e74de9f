package python

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/parbench/parbench/internal/protocol"
)

// command puts a shell script on PATH.
func command(t *testing.T, dir, name, script string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFindSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	answers := func(version string) string {
		return `printf 'parbench\n/usr/bin/python\ncpython\n` + version + `\n\n'`
	}
	command(t, dir, "python2", answers("2.7.18"))
	command(t, dir, "python3.6", answers("3.6.15"))
	command(t, dir, "garbage", "echo hello")
	command(t, dir, "endless", "yes")
	command(t, dir, "dies", "echo 'out of luck' >&2; echo more >&2; exit 3")
	command(t, dir, "traceback", "echo 'Traceback (most recent call last):' >&2; echo 'ImportError: no os' >&2; exit 1")
	if err := os.WriteFile(filepath.Join(dir, "data"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	for name, want := range map[string]string{
		"python3.99":                 "there is no Python interpreter python3.99 on PATH (executable file not found in $PATH): install it, or name another with --python",
		filepath.Join(dir, "nobody"): "cannot be started (no such file or directory): check --python",
		filepath.Join(dir, "data"):   "cannot be started (permission denied): check --python",
		"python2":                    "python2 is Python 2.7.18, and 3.9 or newer is needed: name another with --python",
		"python3.6":                  "python3.6 is Python 3.6.15, and 3.9 or newer is needed",
		"garbage":                    `garbage is no Python interpreter (it answered "hello\n"): name another with --python`,
		"dies":                       `dies does not run (exit status 3: "out of luck"): name another interpreter with --python`,
		"traceback":                  `"ImportError: no os"`,
	} {
		_, err := Find(t.Context(), name)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := Find(t.Context(), ""); err == nil || err.Error() != "there is no Python interpreter on PATH: install python3, or name one with --python" {
		t.Errorf("an empty PATH: %v", err)
	}
}

// One that never answers, or never stops, is ended with all that it has started.
func TestFindEndsWhatDoesNotAnswer(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	for name, script := range map[string]string{"hangs": "sleep 1000 & echo $! >" + dir + "/pid; wait", "endless": "while :; do echo x; done"} {
		_, err := Find(ctx, command(t, dir, name, script))
		if err == nil || !strings.Contains(err.Error(), "did not answer") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A version manager's shim is asked once; what it leads to is what runs.
func TestFindLooksThroughShims(t *testing.T) {
	in := pythonHere(t)
	dir := t.TempDir()
	path := command(t, dir, "python3.77", `exec "`+in.Path+`" "$@"`)
	got, err := Find(t.Context(), path)
	if err != nil || got != in {
		t.Errorf("got %+v, %v; want %+v", got, err, in)
	}
	t.Setenv("PATH", dir)
	if _, err := Find(t.Context(), "python3.77"); err != nil {
		t.Error(err)
	}
	// python3 is not there, python is.
	command(t, dir, "python", `exec "`+in.Path+`" "$@"`)
	if got, err := Find(t.Context(), ""); err != nil || got != in {
		t.Errorf("got %+v, %v; want %+v", got, err, in)
	}
}

func TestLabels(t *testing.T) {
	list := []Interpreter{
		{Name: "python", Version: "3.11.2"}, {Name: "python", Version: "3.13.0"}, {Name: "python", Version: "3.13.0", Flags: "t"},
		{Name: "python", Version: "3.11.7"}, {Name: "pypy", Version: "3.10.14"}, {Name: "python", Version: "3.11.7", Path: "/other"},
	}
	want := []string{"python3.11.2", "python3.13", "python3.13t", "python3.11.7", "pypy3.10", "python3.11.7-2"}
	if got := Labels(list); !reflect.DeepEqual(got, want) {
		t.Errorf("labels %q, want %q", got, want)
	}
}

// A build without what worker processes need still offers the rest, and says what it lacks.
func TestBuildsThatLackSomething(t *testing.T) {
	in := pythonHere(t)
	for _, c := range []struct{ name, lacking, want string }{
		{"no _multiprocessing", "sys.modules['_multiprocessing'] = None", "cannot start worker processes"},
		{"no semaphores", "import multiprocessing.synchronize as s\ns.SemLock.__init__ = lambda *a, **k: (_ for _ in ()).throw(OSError(38, 'Function not implemented'))", "Function not implemented"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := unpacked(t).Args("")
			args[3] = "import sys\n" + c.lacking + "\n" + args[3]
			tr := startArgs(t, in, args)
			tr.send(protocol.Request{Op: "describe"})
			for _, s := range tr.finish()["description"].Describe.Strategies {
				switch s.Name {
				case "py-pool":
					if !strings.Contains(s.Unavailable, c.want) || !strings.Contains(s.Unavailable, "--python") {
						t.Errorf("%s: %q", s.Name, s.Unavailable)
					}
				case "py-executor":
					if why := s.Params[0].Unavailable["process"]; s.Unavailable != "" || !strings.Contains(why, c.want) {
						t.Errorf("%s: %+v", s.Name, s)
					}
				case "py-sequential", "py-threads":
					if s.Unavailable != "" {
						t.Errorf("%s: %q", s.Name, s.Unavailable)
					}
				}
			}
		})
	}
}

// Where no lock keeps threads apart, they are measured on every number of cores. The user's file may bring the lock back.
func TestThreadsWithoutALock(t *testing.T) {
	in := pythonHere(t)
	for state, locked := range map[string]bool{"False": false, "True": true} {
		args := unpacked(t).Args(file(t, "brings.py", "import sys\nsys._is_gil_enabled = lambda: "+state+"\ndef task(i, params): pass\n"))
		tr := startArgs(t, in, args)
		tr.send(protocol.Request{Op: "describe"})
		d := tr.finish()["description"].Describe
		for _, s := range d.Strategies {
			if (s.Name == "py-threads" || s.Name == "py-dummy-pool") && s.Serial != locked {
				t.Errorf("lock %v: %s is serial: %v", locked, s.Name, s.Serial)
			}
		}
		if want := map[bool]string{false: "GIL off", true: "GIL on"}[locked]; !strings.Contains(d.Runtime, want) {
			t.Errorf("%q lacks %q", d.Runtime, want)
		}
	}
}

// A start method that this Python lacks is not available; its default is the interpreter's own.
func TestStartMethods(t *testing.T) {
	in := pythonHere(t)
	args := unpacked(t).Args("")
	args[3] = "import multiprocessing as m\nm.get_all_start_methods = lambda: ['spawn']\n" + args[3]
	tr := startArgs(t, in, args)
	tr.send(protocol.Request{Op: "describe"})
	for _, s := range tr.finish()["description"].Describe.Strategies {
		for _, p := range s.Params {
			if p.Name == "start" && (p.Default != "spawn" || len(p.Unavailable) != 2 || !strings.Contains(p.Unavailable["fork"], "no start method fork")) {
				t.Errorf("%s: %+v", s.Name, p)
			}
		}
	}
}

func TestWorkloadFilesThatCannotRun(t *testing.T) {
	in := pythonHere(t)
	for name, c := range map[string]struct{ text, want string }{
		"syntax.py":  {"def task(i, params)\n    return i\n", "syntax.py, line 1: "},
		"empty.py":   {"x = 1\n", "empty.py has no function task(i, params); add one"},
		"import.py":  {"\nimport nosuchmodule_parbench\n", "import.py, line 1: No module named 'nosuchmodule_parbench'; install it for "},
		"raises.py":  {"x = 1\n1 / 0\n", "raises.py, line 2: ZeroDivisionError: division by zero while it was loaded; correct it"},
		"leaves.py":  {"import sys\nsys.exit(3)\n", "leaves.py, line 2: SystemExit: 3 while it was loaded"},
		"params.py":  {"PARAMS = 3\ndef task(i, params): pass\n", "PARAMS is not a dictionary"},
		"values.py":  {"PARAMS = {'x': object()}\ndef task(i, params): pass\n", "PARAMS['x'] is neither a number"},
		"seed.py":    {"PARAMS = {'seed': 1}\ndef task(i, params): pass\n", "PARAMS has a name 'seed'"},
		"umlaut.py":  {"PARAMS = {'gr\u00f6\u00dfe': 1}\ndef task(i, params): pass\n", "PARAMS has a name 'gr\u00f6\u00dfe'; use ASCII letters, digits, - and _, begin with a letter or digit"},
		"under.py":   {"PARAMS = {'_x': 1}\ndef task(i, params): pass\n", "PARAMS has a name '_x'"},
		"dash.py":    {"PARAMS = {'-': 1}\ndef task(i, params): pass\n", "PARAMS has a name '-'"},
		"no.py":      {"PARAMS = {'': 1}\ndef task(i, params): pass\n", "PARAMS has a name ''"},
		"blank.py":   {"PARAMS = {'a b': 1}\ndef task(i, params): pass\n", "PARAMS has a name 'a b'"},
		"kind.py":    {"KIND = 'fast'\ndef task(i, params): pass\n", "KIND is 'fast'; write one of cpu, memory, io, mixed"},
		"one.py":     {"def task(i): return i\n", "one.py: task(i) cannot be called as task(i, params): too many positional arguments; make it def task(i, params)"},
		"more.py":    {"def task(i, params, *, n): return i\n", "missing a required argument: 'n'; make it def task(i, params)"},
		"object.py":  {"class T:\n    def __call__(self): pass\ntask = T()\n", "object.py: task() cannot be called as task(i, params)"},
		"async.py":   {"async def task(i, params): return i\n", "async.py: task is async, and what it returns would never run; make it def task(i, params)"},
		"awaits.py":  {"class T:\n    async def __call__(self, i, params): pass\ntask = T()\n", "awaits.py: task is async"},
		"yields.py":  {"def task(i, params):\n    yield i\n", "yields.py: task yields, and a generator that nobody reads does nothing; return the result instead"},
		"missing.py": {"", "missing.py cannot be read: No such file or directory; check --python-workload"},
	} {
		t.Run(name, func(t *testing.T) {
			path := file(t, name, c.text)
			if c.text == "" {
				path += "x/" + name
			}
			tr := start(t, in, path)
			tr.send(protocol.Request{Op: "describe"})
			d := tr.finish()["description"].Describe
			w := d.Workloads[len(d.Workloads)-1]
			if !strings.Contains(w.Unavailable, c.want) || strings.Contains(w.Unavailable, "\n") {
				t.Errorf("%s: %q, want %q", w.Name, w.Unavailable, c.want)
			}
			if len(d.Workloads) != len(Offer().Workloads)+1 {
				t.Errorf("%d workloads", len(d.Workloads))
			}
		})
	}
}

// Whatever can be called with two arguments is a task, also where it does not tell how it is called.
func TestTasksOfAllKinds(t *testing.T) {
	in := pythonHere(t)
	for name, text := range map[string]string{
		"function.py": "def task(i, params, more=3): return i\n",
		"any.py":      "def task(*args, **named): return args[0]\n",
		"partial.py":  "import functools\ndef f(a, i, params): return i\ntask = functools.partial(f, 1)\n",
		"object.py":   "class T:\n    def __call__(self, i, params): return i\ntask = T()\n",
		"bound.py":    "class T:\n    def run(self, i, params): return i\ntask = T().run\n",
		"builtin.py":  "task = max\n", // has no signature
		"class.py":    "class task:\n    def __init__(self, i, params): pass\n    def __index__(self): return 1\n",
	} {
		tr := start(t, in, file(t, name, text))
		tr.send(protocol.Request{Op: "describe"})
		d := tr.finish()["description"].Describe
		if w := d.Workloads[len(d.Workloads)-1]; w.Unavailable != "" {
			t.Errorf("%s: %s", name, w.Unavailable)
		}
	}
}

// The file's parameters, neighbours and installed modules are there, in worker processes too.
func TestWorkloadFile(t *testing.T) {
	in := pythonHere(t)
	path := file(t, "mine.py", `
"""Counts.

More."""
import neighbour

KIND = "io"
PARAMS = {"n": 3, "x": 0.5, "deep": False, "how": ("up", "down")}


class Thing:
    pass


def task(i, params):
    assert params == {"n": 4, "x": 0.25, "deep": True, "how": "down", "seed": 9223372036854775813}, params
    return neighbour.double(i)
`)
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "neighbour.py"), []byte("def double(i): return 2 * i\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tr := start(t, in, path)
	tr.send(protocol.Request{Op: "describe"})
	d := tr.finish()["description"].Describe
	w := d.Workloads[len(d.Workloads)-1]
	want := protocol.Workload{Name: "mine", Kind: "io", Doc: "Counts.", Params: []protocol.Param{
		{Name: "n", Type: "int", Default: "3", Doc: "from PARAMS of mine.py"}, {Name: "x", Type: "float", Default: "0.5", Doc: "from PARAMS of mine.py"},
		{Name: "deep", Type: "choice", Default: "no", Doc: "from PARAMS of mine.py", Choices: []string{"yes", "no"}},
		{Name: "how", Type: "choice", Default: "up", Doc: "from PARAMS of mine.py", Choices: []string{"up", "down"}},
	}}
	if !reflect.DeepEqual(w, want) {
		t.Errorf("got %+v\nwant %+v", w, want)
	}
	digests := map[string]bool{}
	for _, v := range variants() {
		tr := start(t, in, path)
		tr.send(cell("mine", v.strategy, func(r *protocol.Run) {
			r.Params = map[string]string{"n": "4", "x": "0.25", "deep": "yes", "how": "down"}
			r.StrategyParams = v.params
		}))
		got := tr.finish()
		if got["batches"].Batches == nil {
			t.Fatalf("%s: %+v", variantName(v.strategy, v.params), got["error"].Error)
		}
		digests[got["batches"].Batches.Digest] = true
	}
	if len(digests) != 1 {
		t.Errorf("%d digests: %v", len(digests), digests)
	}
}

func TestUnpack(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	p := unpacked(t)
	own := filepath.Join(p.dir, "parbench", "own.py")
	if err := os.WriteFile(own, []byte("changed"), 0o600); err != nil {
		t.Fatal(err)
	}
	if again := unpacked(t); again.dir != p.dir || len(again.Files("x")) != len(p.files)+1 {
		t.Errorf("unpacked to %s and %s", p.dir, again.dir)
	}
	if text, err := os.ReadFile(own); err != nil || string(text) == "changed" {
		t.Errorf("a changed file stays (%v)", err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(own); err != nil {
		t.Errorf("the cache is kept: %v", err)
	}
	// Without a place for caches it is a temporary directory, and removed.
	t.Setenv("XDG_CACHE_HOME", "/dev/null/nowhere")
	t.Setenv("TMPDIR", t.TempDir())
	p = unpacked(t)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(p.dir); !os.IsNotExist(err) {
		t.Errorf("it left %s (%v)", p.dir, err)
	}
}

// Paths with quotes, spaces and bytes that are no text reach Python as they are.
func TestLiteral(t *testing.T) {
	in := pythonHere(t)
	path := "/a 'b' \"c\" \\d \xff\n\u00e9"
	out, err := exec.Command(in.Path, "-I", "-S", "-c", "import sys, os; sys.stdout.buffer.write(os.fsencode("+literal(path)+"))").Output()
	if err != nil || string(out) != path {
		t.Errorf("got %q (%v), want %q", out, err, path)
	}
}
