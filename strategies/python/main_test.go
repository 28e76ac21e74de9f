package python

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/internal/testenv"
	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

// patience bounds tests that would otherwise hang; none waits for it to pass.
const patience = 2 * time.Minute

func TestMain(m *testing.M) {
	testenv.HurryRace()
	// The program goes where it would go for a user, but not into the user's own cache.
	cache, err := os.MkdirTemp("", "parbench-python-test-*")
	if err != nil {
		panic(err)
	}
	os.Setenv("XDG_CACHE_HOME", cache)
	if err := spawn.BecomeSubreaper(); err != nil && err != spawn.ErrUnavailable {
		panic(err)
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(goleak.IgnoreAnyFunction("github.com/parbench/parbench/strategies/multiproc/spawn.spawnLoop")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.RemoveAll(cache)
	os.Exit(code)
}

// python returns the interpreter that the tests use by default.
func pythonHere(t *testing.T) Interpreter {
	t.Helper()
	testenv.NeedCommand(t, "python3")
	in, err := Find(t.Context(), "")
	testenv.Need(t, fmt.Sprintf("Python 3.9 or newer as python3 on PATH (%v)", err), err == nil)
	return in
}

var everyPython = sync.OnceValue(func() []Interpreter {
	names := []string{"python3"}
	for minor := 9; minor < 20; minor++ {
		for _, flags := range []string{"", "t"} {
			if path, err := exec.LookPath(fmt.Sprintf("python3.%d%s", minor, flags)); err == nil {
				names = append(names, path)
			}
		}
	}
	root := os.Getenv("PYENV_ROOT")
	if home, err := os.UserHomeDir(); root == "" && err == nil {
		root = filepath.Join(home, ".pyenv")
	}
	managed, _ := filepath.Glob(filepath.Join(root, "versions", "*", "bin", "python3"))
	var out []Interpreter
	seen := map[string]bool{}
	for _, name := range append(names, managed...) {
		in, err := Find(context.Background(), name)
		if err == nil && !seen[in.full()] {
			seen[in.full()] = true
			out = append(out, in)
		}
	}
	return out
})

// pythons returns every interpreter found on this machine: on PATH, and those of pyenv.
func pythons(t *testing.T) []Interpreter {
	t.Helper()
	pythonHere(t)
	return everyPython()
}

func unpacked(t *testing.T) *Program {
	t.Helper()
	p, err := Unpack()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// trial is one conversation with the program.
type trial struct {
	t       *testing.T
	child   *spawn.Child
	records *protocol.Reader
	writer  *protocol.Writer
	said    *os.File // what it wrote to standard output and error
}

// startArgs starts an interpreter as the harness does.
func startArgs(t *testing.T, in Interpreter, args []string) *trial {
	t.Helper()
	said, err := os.CreateTemp(t.TempDir(), "said")
	if err != nil {
		t.Fatal(err)
	}
	c, err := spawn.Start(spawn.Command{
		Path: in.Path, Args: append([]string{in.Path}, args...), Env: append(os.Environ(), protocol.Cookie+"="+protocol.CookieValue),
		Stdout: said, Stderr: said, NewGroup: true, Protocol: true,
	})
	if err != nil {
		testenv.Need(t, "Linux (spawn)", err != spawn.ErrUnavailable)
		t.Fatal(err)
	}
	if err := c.Out.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	tr := &trial{t: t, child: c, records: protocol.NewReader(c.Out), writer: protocol.NewWriter(c.In), said: said}
	t.Cleanup(func() {
		c.In.Close()
		_ = c.Kill()
		tr.reap()
		c.Out.Close()
		if text, err := os.ReadFile(said.Name()); t.Failed() && err == nil {
			t.Logf("the program wrote: %s", text)
		}
		said.Close()
	})
	return tr
}

func start(t *testing.T, in Interpreter, workload string) *trial {
	t.Helper()
	return startArgs(t, in, unpacked(t).Args(workload))
}

// reap waits for the program and for whatever is left of its group.
func (tr *trial) reap() spawn.State {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	st, err := tr.child.Wait(ctx)
	if err == nil {
		err = tr.child.Reap(ctx)
	}
	if err != nil {
		tr.t.Errorf("wait for the program: %v", err)
	}
	return st
}

func (tr *trial) send(q protocol.Request) {
	tr.t.Helper()
	q.Protocol = protocol.Version
	if err := tr.writer.Send(q); err != nil {
		tr.t.Fatal(err)
	}
}

func (tr *trial) next() protocol.Record {
	tr.t.Helper()
	r, err := tr.records.Record()
	if err != nil {
		text, _ := os.ReadFile(tr.said.Name())
		tr.t.Fatalf("wait for a record: %v; the program wrote %s", err, text)
	}
	return r
}

// finish runs the conversation to its end and returns the records by type, the last one of each.
func (tr *trial) finish() map[string]protocol.Record {
	tr.t.Helper()
	out := map[string]protocol.Record{}
	for {
		r := tr.next()
		out[r.Type] = r
		switch r.Type {
		case "ready":
			tr.send(protocol.Request{Op: "go"})
		case "done", "error":
			want := 0
			if r.Type == "error" {
				want = 1
			}
			if st := tr.reap(); st.Code != want {
				tr.t.Errorf("after %q the program ended with %v", r.Type, st)
			}
			return out
		}
	}
}

// cell is a small request that the tests change.
func cell(workload, strategy string, change func(*protocol.Run)) protocol.Request {
	r := &protocol.Run{
		Workload: workload, Strategy: strategy, Workers: 2, Cores: 2, Seed: 1<<63 + 5, Tasks: 12,
		MinBatches: 2, WarmupBatches: 1, DeadlineNS: patience.Nanoseconds(), Digests: []int{12},
	}
	if change != nil {
		change(r)
	}
	return protocol.Request{Op: "run", Run: r}
}

// variants are the strategies with the parameters that make a difference.
func variants() []struct {
	strategy string
	params   map[string]string
} {
	type p = map[string]string
	return []struct {
		strategy string
		params   map[string]string
	}{
		{"py-sequential", nil},
		{"py-threads", nil},
		{"py-dummy-pool", p{"mode": "map"}},
		{"py-dummy-pool", p{"mode": "imap-unordered", "chunk": "3"}},
		{"py-pool", p{"mode": "map", "start": "fork"}},
		{"py-pool", p{"mode": "imap", "chunk": "5", "start": "fork"}},
		{"py-pool", p{"mode": "imap-unordered", "start": "fork"}},
		{"py-pool", p{"mode": "apply", "start": "fork"}},
		{"py-pool", p{"mode": "apply-async", "start": "fork"}},
		{"py-pool", p{"mode": "map", "start": "spawn"}},
		{"py-pool", p{"mode": "map", "chunk": "1", "start": "forkserver"}},
		{"py-executor", p{"kind": "thread"}},
		{"py-executor", p{"kind": "process", "chunk": "5", "start": "fork"}},
		{"py-executor", p{"kind": "process", "start": "spawn"}},
		{"py-executor", p{"kind": "process", "start": "forkserver"}},
	}
}

func variantName(strategy string, params map[string]string) string {
	name := strategy
	for _, k := range []string{"kind", "mode", "chunk", "start"} {
		if v := params[k]; v != "" {
			name += " " + v
		}
	}
	return name
}

// file writes a workload file and returns its path.
func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(strings.TrimLeft(text, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
