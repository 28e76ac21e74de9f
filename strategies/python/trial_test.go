package python

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parbench/parbench/internal/protocol"
)

// The tests below hold the Python strategies to what strategies/strategytest asks of the others, as far as a whole trial
// shows it.

// stage is where tasks report themselves, in whatever process they run, and where they wait to be let go on.
type stage struct {
	path   string // of a workload file whose tasks report
	events *bufio.Reader
	gate   *os.File
}

const reporting = `
import os

DIR = os.path.dirname(os.path.abspath(__file__))
events = None


def report(i):
    global events
    if events is None:
        events = os.open(os.path.join(DIR, "events"), os.O_WRONLY)
    os.write(events, b"%d\n" % i)


def wait():
    gate = os.open(os.path.join(DIR, "gate"), os.O_RDONLY)
    os.read(gate, 1)
    os.close(gate)


def task(i, params):
    report(i)
    wait()
    return i
`

// newStage makes the named pipes. With only, the test does not hold the writing end of the events open itself, so that the
// end of the last process that does is the end of the file.
func newStage(t *testing.T) *stage {
	t.Helper()
	st := &stage{path: file(t, "reports.py", reporting)}
	open := func(name string, mode int) *os.File {
		path := filepath.Join(filepath.Dir(st.path), name)
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.OpenFile(path, mode|syscall.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	st.gate = open("gate", os.O_RDWR)
	events := open("events", os.O_RDONLY)
	if err := events.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	st.events = bufio.NewReader(events)
	return st
}

// await reads n reports. Before the first writer has opened the pipe it is at its end.
func (st *stage) await(t *testing.T, n int) {
	t.Helper()
	for end := time.Now().Add(patience); n > 0; {
		_, err := st.events.ReadString('\n')
		switch {
		case err == nil:
			n--
		case time.Now().After(end):
			t.Fatalf("%d tasks have not begun (%v)", n, err)
		default:
			time.Sleep(time.Millisecond)
		}
	}
}

// gone waits until no process holds the events open.
func (st *stage) gone(t *testing.T) {
	t.Helper()
	for {
		if _, err := st.events.ReadString('\n'); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("processes of the trial are still there")
		} else if err != nil {
			return
		}
	}
}

// parallel are the variants that run two tasks at once.
func parallel(params map[string]string, strategy string) bool {
	return strategy != "py-sequential" && params["mode"] != "apply"
}

// As many tasks run at once as there are workers, whatever they do: each of two waits until both have begun.
func TestWorkersMeet(t *testing.T) {
	in := pythonHere(t)
	for _, v := range variants() {
		if !parallel(v.params, v.strategy) || v.params["chunk"] == "5" || v.params["chunk"] == "3" {
			continue // four tasks in one chunk are one worker's
		}
		t.Run(variantName(v.strategy, v.params), func(t *testing.T) {
			st := newStage(t)
			tr := start(t, in, st.path)
			tr.send(cell("reports", v.strategy, func(r *protocol.Run) {
				r.StrategyParams, r.Tasks, r.Digests = v.params, 4, nil
				r.WarmupBatches, r.MinBatches = 0, 1
			}))
			if r := tr.next(); r.Type != "ready" {
				t.Fatalf("got %+v, want ready", r)
			}
			tr.send(protocol.Request{Op: "go"})
			st.await(t, 2)
			if _, err := st.gate.WriteString("...."); err != nil {
				t.Fatal(err)
			}
			if got := tr.finish(); got["batches"].Batches == nil {
				t.Errorf("no batches: %+v", got)
			}
		})
	}
}

// When the harness is gone, so are all processes of the trial, in the middle of their tasks.
func TestTheLifelineEndsEveryProcess(t *testing.T) {
	in := pythonHere(t)
	for _, killed := range []bool{false, true} {
		for _, v := range variants() {
			name := variantName(v.strategy, v.params)
			if killed {
				name += " killed as well" // as the kernel does it when the harness dies
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				st := newStage(t)
				tr := start(t, in, st.path)
				tr.send(cell("reports", v.strategy, func(r *protocol.Run) { r.StrategyParams, r.WarmupBatches, r.Digests = v.params, 0, nil }))
				if r := tr.next(); r.Type != "ready" {
					t.Fatalf("got %+v, want ready", r)
				}
				tr.send(protocol.Request{Op: "go"})
				st.await(t, 1)
				if killed {
					if err := syscall.Kill(tr.child.Pid(), syscall.SIGKILL); err != nil {
						t.Fatal(err)
					}
				}
				tr.child.In.Close()
				st.gone(t)
			})
		}
	}
}

// From the moment that a trial is ready, and after a set-up that fails, nothing of it has a name that could outlive it.
func TestTrialsHaveNoNames(t *testing.T) {
	in := pythonHere(t)
	for _, v := range variants() {
		for rows, ready := range map[string]bool{"3": true, "5": false} {
			dir := t.TempDir()
			t.Setenv("TMPDIR", dir)
			tr := start(t, in, "")
			tr.send(cell("mandelbrot", v.strategy, func(r *protocol.Run) {
				r.Params, r.StrategyParams = map[string]string{"size": "12", "rows": rows, "iterations": "5"}, v.params
			}))
			if r := tr.next(); (r.Type == "ready") != ready {
				t.Fatalf("%s: got %+v", variantName(v.strategy, v.params), r)
			}
			if !ready {
				tr.reap()
			}
			if left, err := filepath.Glob(dir + "/*"); err != nil || len(left) > 0 {
				t.Errorf("%s: %q (%v)", variantName(v.strategy, v.params), left, err)
			}
		}
	}
}

func TestTheDeadlineEndsTheTrial(t *testing.T) {
	in := pythonHere(t)
	for _, v := range variants() {
		t.Run(variantName(v.strategy, v.params), func(t *testing.T) {
			t.Parallel()
			st := newStage(t)
			tr := start(t, in, st.path)
			tr.send(cell("reports", v.strategy, func(r *protocol.Run) {
				r.StrategyParams, r.WarmupBatches, r.Digests, r.DeadlineNS = v.params, 0, nil, (1500 * time.Millisecond).Nanoseconds()
			}))
			r := tr.next()
			if r.Type == "ready" { // a busy machine may not get so far
				tr.send(protocol.Request{Op: "go"})
				r = tr.next()
			}
			if r.Error == nil || r.Error.Kind != protocol.ErrDeadline || !strings.Contains(r.Error.Message, "not finished within 1.5 s") {
				t.Errorf("got %+v", r)
			}
			tr.reap()
			st.gone(t)
		})
	}
}

const staying = `
import threading

threading.Thread(target=threading.Event().wait).start()


def task(i, params):
    return i
`

// Whatever another thread does or holds meanwhile, a process that gives up ends with its group.
func TestGivingUpWaitsForNobody(t *testing.T) {
	in := pythonHere(t)
	for name, program := range map[string]string{
		"tidying never ends":        "session.tidy = lambda: session.select.select([], [], [])\nsession.give_up('deadline', 'late')",
		"the main thread is failed": "gone = session._thread.allocate_lock()\ngone.acquire()\nsession.tidy = gone.release\nsession._thread.start_new_thread(session.give_up, ('deadline', 'late'))\ngone.acquire()\nsession.leave(1)",
	} {
		t.Run(name, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			cmd := exec.CommandContext(ctx, in.Path, "-I", "-S", "-c", "import sys; sys.path.insert(0, sys.argv[1])\nfrom parbench import session\n"+program, unpacked(t).dir)
			cmd.ExtraFiles = []*os.File{nil, w} // records are on descriptor 4
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			err = cmd.Start()
			w.Close()
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(r)
			err = cmd.Wait()
			// Its own signal to its group, and not that of the test's patience.
			if ctx.Err() != nil || err == nil || err.Error() != "signal: killed" || !strings.Contains(string(text), `"kind":"deadline"`) {
				t.Errorf("%v: %s", err, text)
			}
		})
	}
}

// A trial whose workers do not end because of a thread says so, and not only that it took too long.
func TestTheDeadlineNamesThePhase(t *testing.T) {
	in := pythonHere(t)
	path := file(t, "staying.py", staying)
	for limit := 2 * time.Second; ; limit *= 2 {
		tr := start(t, in, path)
		tr.send(cell("staying", "py-pool", func(r *protocol.Run) { r.Params, r.DeadlineNS = nil, limit.Nanoseconds() }))
		r := tr.next()
		for ; r.Error == nil; r = tr.next() {
			if r.Type == "ready" {
				tr.send(protocol.Request{Op: "go"})
			}
		}
		tr.reap()
		e := r.Error
		if e.Kind != protocol.ErrDeadline {
			t.Fatalf("got %+v", e)
		}
		if strings.HasPrefix(e.Message, "ending the workers after the last batch, which waits for every thread of theirs that is no daemon: not finished within ") {
			return
		}
		if limit > time.Minute { // a busy machine may need more time for what comes before
			t.Fatalf("got %+v", e)
		}
	}
}

const failing = `
import os, sys

PARAMS = {"how": ("fine", "raise", "exit", "die", "value")}


def task(i, params):
    if i != 5 or params["how"] == "fine":
        return i
    if params["how"] == "raise":
        raise LookupError("no luck with \u00e9")
    if params["how"] == "exit":
        sys.exit(3)
    if params["how"] == "value":
        return object()
    os._exit(9)
`

// A task that raises, leaves, or returns what has no digest ends the trial with its index, whatever runs it.
func TestFailingTasks(t *testing.T) {
	in := pythonHere(t)
	path := file(t, "failing.py", failing)
	for _, v := range variants() {
		for how, want := range map[string]string{
			"raise": "task 5: LookupError: no luck with é", "exit": "task 5: SystemExit: 3",
			"value": "task 5: TypeError: task returned a object, which has no digest",
		} {
			t.Run(variantName(v.strategy, v.params)+" "+how, func(t *testing.T) {
				t.Parallel()
				tr := start(t, in, path)
				tr.send(cell("failing", v.strategy, func(r *protocol.Run) {
					r.Params, r.StrategyParams = map[string]string{"how": how}, v.params
				}))
				e := tr.finish()["error"].Error
				if e == nil {
					t.Fatal("no error")
				}
				if e.Kind != protocol.ErrPanic || e.Task != 5 || !strings.HasPrefix(e.Message, want) || !strings.Contains(e.Stack, "failing.py") && how != "value" {
					t.Errorf("got %+v, want %q", e, want)
				}
			})
		}
	}
}

// multiprocessing.Pool waits for ever for the task of a worker that died. The trial does not.
func TestAWorkerThatDies(t *testing.T) {
	in := pythonHere(t)
	path := file(t, "failing.py", failing)
	for _, v := range variants() {
		if v.strategy != "py-pool" && v.params["kind"] != "process" {
			continue
		}
		t.Run(variantName(v.strategy, v.params), func(t *testing.T) {
			t.Parallel()
			tr := start(t, in, path)
			tr.send(cell("failing", v.strategy, func(r *protocol.Run) {
				r.Params, r.StrategyParams = map[string]string{"how": "die"}, v.params
			}))
			var e *protocol.Error
			for e == nil {
				r := tr.next()
				if r.Type == "ready" {
					tr.send(protocol.Request{Op: "go"})
				}
				e = r.Error
			}
			want := "exited with status 9"
			if v.strategy == "py-executor" {
				want = "BrokenProcessPool"
			}
			if !strings.Contains(e.Message, want) {
				t.Errorf("got %+v, want %q", e, want)
			}
			tr.reap()
		})
	}
}

// What cannot be prepared in a worker is an error of the set-up.
func TestFailingPreparation(t *testing.T) {
	in := pythonHere(t)
	for _, v := range variants() {
		tr := start(t, in, "")
		tr.send(cell("mandelbrot", v.strategy, func(r *protocol.Run) {
			r.Params, r.StrategyParams = map[string]string{"size": "10", "rows": "3", "iterations": "5"}, v.params
		}))
		if e := tr.finish()["error"].Error; e == nil || e.Kind != protocol.ErrSetup || !strings.Contains(e.Message, "rows must divide size") {
			t.Errorf("%s: %+v", variantName(v.strategy, v.params), e)
		}
	}
}

func TestRequestsThatCannotBe(t *testing.T) {
	in := pythonHere(t)
	for _, c := range []struct {
		request protocol.Request
		want    string
	}{
		{protocol.Request{Op: "serve", Serve: &protocol.Serve{Fixture: "http"}}, "expected one of describe, run"},
		{cell("pimes", "py-pool", nil), "unknown workload 'pimes'"},
		{cell("primes", "pool", nil), "unknown strategy 'pool'"},
		{cell("primes", "py-pool", func(r *protocol.Run) { r.Workers = 0 }), "workers: give at least 1"},
		{cell("primes", "py-pool", func(r *protocol.Run) { r.Tasks = 0 }), "tasks: give at least 1"},
	} {
		tr := start(t, in, "")
		tr.send(c.request)
		if e := tr.finish()["error"].Error; e == nil || e.Kind != protocol.ErrRequest || !strings.Contains(e.Message, c.want) {
			t.Errorf("got %+v, want %q", e, c.want)
		}
	}
	for text, want := range map[string]string{
		"{]\n": "request not understood", `{"protocol":2,"op":"describe"}` + "\n": "version 1 of the protocol", "[]\n": "version 1 of the protocol",
	} {
		tr := start(t, in, "")
		if _, err := tr.child.In.WriteString(text); err != nil {
			t.Fatal(err)
		}
		if e := tr.finish()["error"].Error; e == nil || e.Kind != protocol.ErrRequest || !strings.Contains(e.Message, want) {
			t.Errorf("%q: got %+v, want %q", text, e, want)
		}
	}
}

func TestASecondGo(t *testing.T) {
	tr := start(t, pythonHere(t), "")
	tr.send(cell("primes", "py-sequential", func(r *protocol.Run) { r.Params = map[string]string{"limit": "100"} }))
	if r := tr.next(); r.Type != "ready" {
		t.Fatalf("got %+v", r)
	}
	tr.send(protocol.Request{Op: "go"})
	tr.send(protocol.Request{Op: "go"})
	if e := tr.finish()["error"].Error; e == nil || e.Kind != protocol.ErrRequest || !strings.Contains(e.Message, "more requests") {
		t.Errorf("got %+v", e)
	}
}

// Two batches that disagree are an error, even where each agrees with itself.
func TestImpureTasks(t *testing.T) {
	path := file(t, "impure.py", "n = 0\ndef task(i, params):\n    global n\n    n += 1\n    return n\n")
	tr := start(t, pythonHere(t), path)
	tr.send(cell("impure", "py-sequential", nil))
	if e := tr.finish()["error"].Error; e == nil || e.Kind != protocol.ErrDigest || !strings.Contains(e.Message, "pure function of its index") {
		t.Errorf("got %+v", e)
	}
}

// Without the cookie the program says what it is for.
func TestStartedByAPerson(t *testing.T) {
	in := pythonHere(t)
	t.Setenv(protocol.Cookie, "0")
	tr := startArgs(t, in, append([]string{"-I", "-S", "-c", "import os; os.environ['" + protocol.Cookie + "'] = '0'\n" + unpacked(t).Args("")[3]}, "x"))
	if st := tr.reap(); st.Code != 1 {
		t.Errorf("it ended with %v", st)
	}
	text, err := os.ReadFile(tr.said.Name())
	if err != nil || !strings.Contains(string(text), "this is a program for parbench") {
		t.Errorf("it said %q (%v)", text, err)
	}
}
