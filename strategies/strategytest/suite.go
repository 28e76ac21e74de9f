// Package strategytest is the conformance suite of strategies: what every executor owes to the trial that uses it. A
// package with strategies of its own runs it over each of them:
//
//	func TestMain(m *testing.M) { strategytest.Main(m) }
//
//	func TestConformance(t *testing.T) { strategytest.Run(t, mine.Strategy{}, strategytest.Options{}) }
//
// Nothing in it waits for time to pass: tasks report themselves over named pipes, which reach into worker processes
// too. Non-goals: speed, and what a strategy does beyond the contract.
package strategytest

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parbench/parbench/internal/testenv"
	"github.com/parbench/parbench/strategies"
	"github.com/parbench/parbench/workloads"
)

// Options adapts the suite to a strategy.
type Options struct {
	// Params are the strategy's own parameters; the others have their defaults.
	Params map[string]string
	// OneAtATime marks a strategy that never runs two tasks at once, such as a pool used through apply.
	OneAtATime bool
	// KeepsSiblings marks a strategy that lets the other tasks of a batch run on when one has failed.
	KeepsSiblings bool
	// Prefetches marks a strategy that hands a worker its next tasks before it has asked for them, so that one worker may
	// be idle for a moment while tasks wait at another.
	Prefetches bool
	// NoPanics marks a strategy whose tasks run none of the caller's code that could panic: they are commands.
	NoPanics bool
}

// hang is how long something may take before the suite calls it stuck. It bounds failing tests only, and is a variable
// for the suite's own test, whose strategies are meant to fail.
var hang = time.Minute

const seed = 42

// Run tests strategy s against the contract of strategies.Executor.
func Run(t *testing.T, s strategies.Strategy, o Options) {
	t.Helper()
	c := suite{s: s, o: o}
	params, err := workloads.Resolve(s.Info().Params, o.Params)
	if err != nil {
		t.Fatal(err)
	}
	c.params, c.most = params, s.Info().Cap(params)
	for _, test := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"digest", c.digest},
		{"task error", c.taskError},
		{"task panic", c.taskPanic},
		{"failure ends siblings", c.failureEndsSiblings},
		{"cancelled before", c.cancelledBefore},
		{"cancelled", c.cancelled},
		{"workers meet", c.workersMeet},
		{"unknown workload", c.unknownWorkload},
		{"failing preparation", c.refused},
		{"worker processes", c.workerProcesses},
		{"probe", c.probe},
	} {
		t.Run(test.name, func(t *testing.T) {
			c.warm(t)
			defer checkLeaks(t)()
			test.run(t)
		})
	}
}

type suite struct {
	s      strategies.Strategy
	o      Options
	params workloads.Params
	most   int
}

// warm starts and closes the strategy once, so that what a process keeps for good (the runtime's poller, a goroutine
// that starts processes) is not taken for a leak.
func (c suite) warm(t *testing.T) {
	t.Helper()
	ex := c.start(t, 1, "pass", 0, "")
	if _, err := ex.Run(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	c.close(t, ex)
}

func (c suite) config(workers int, do string, at int, dir string) strategies.Config {
	return strategies.Config{
		Job: strategies.Job{
			Workload: Name, Seed: seed, Fixture: dir,
			Params: workloads.Params{"do": do, "at": strconv.Itoa(at)},
		},
		Workloads: Workloads(), Params: c.params, Workers: workers, Cores: 2, Probed: true,
	}
}

func (c suite) start(t *testing.T, workers int, do string, at int, dir string) strategies.Executor {
	t.Helper()
	ex, err := c.s.Start(t.Context(), c.config(workers, do, at, dir))
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	return ex
}

// close closes an executor, twice: Close is idempotent.
func (c suite) close(t *testing.T, ex strategies.Executor) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hang)
	defer cancel()
	for range 2 {
		if err := ex.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}

// run runs a batch and fails the test when it hangs.
func run(t *testing.T, ctx context.Context, ex strategies.Executor, n int) (uint64, error) {
	t.Helper()
	type result struct {
		d   uint64
		err error
	}
	done := make(chan result, 1)
	go func() {
		d, err := ex.Run(ctx, n)
		done <- result{d, err}
	}()
	stuck := time.NewTimer(hang)
	defer stuck.Stop()
	select {
	case r := <-done:
		return r.d, r.err
	case <-stuck.C:
		t.Fatalf("Run of %d tasks did not return", n)
		return 0, nil
	}
}

// digest runs batches of several sizes, growing and shrinking, on one executor for each number of workers.
func (c suite) digest(t *testing.T) {
	for _, workers := range []int{1, 2, 3, 8} {
		ex := c.start(t, workers, "pass", 0, "")
		for _, n := range []int{workers, 1, 0, workers + 1, 500, workers - 1, 33} {
			if c.most > 0 {
				n = min(n, c.most, 16) // each task is expensive
			}
			got, err := run(t, t.Context(), ex, n)
			if err != nil {
				t.Errorf("%d workers, %d tasks: %v", workers, n, err)
			} else if want := Want(seed, n); got != want {
				t.Errorf("%d workers, %d tasks: digest %016x, want %016x", workers, n, got, want)
			}
		}
		c.close(t, ex)
	}
}

func (c suite) taskError(t *testing.T) {
	for _, at := range []int{0, 5, 8} {
		ex := c.start(t, 3, "fail", at, "")
		_, err := run(t, t.Context(), ex, 9)
		var task *strategies.TaskError
		if !errors.As(err, &task) || task.Index != at || !strings.Contains(err.Error(), ErrTask.Error()) {
			t.Errorf("task %d fails: got error %v, want a TaskError of that task with its text", at, err)
		}
		if errors.Is(err, strategies.ErrPanic) {
			t.Errorf("task %d fails: the error claims a panic: %v", at, err)
		}
		c.usableOrClosable(t, ex, at)
	}
}

// usableOrClosable runs a batch that stops short of the failing task. It may be refused, but not give a wrong digest.
func (c suite) usableOrClosable(t *testing.T, ex strategies.Executor, n int) {
	t.Helper()
	if got, err := run(t, t.Context(), ex, n); err == nil && got != Want(seed, n) {
		t.Errorf("after a failure: digest %016x of %d tasks, want %016x", got, n, Want(seed, n))
	}
	c.close(t, ex)
}

func (c suite) taskPanic(t *testing.T) {
	if c.o.NoPanics {
		testenv.DoesNotApply(t, "a task cannot panic")
	}
	const at = 4
	ex := c.start(t, 2, "panic", at, "")
	_, err := run(t, t.Context(), ex, 6)
	var task *strategies.TaskError
	if !errors.As(err, &task) || task.Index != at {
		t.Fatalf("task %d panics: got error %v, want a TaskError of that task", at, err)
	}
	if !errors.Is(err, strategies.ErrPanic) || !strings.Contains(err.Error(), PanicText) {
		t.Errorf("error %v does not wrap ErrPanic and tell the panic's value", err)
	}
	if !strings.Contains(task.Stack, "panicAsTold") {
		t.Errorf("the stack does not show where the task panicked:\n%s", task.Stack)
	}
	c.usableOrClosable(t, ex, at)
}

// failureEndsSiblings lets a task fail while another one waits for its context: Run must end that one, or it hangs.
func (c suite) failureEndsSiblings(t *testing.T) {
	if c.oneAtATime() || c.o.KeepsSiblings {
		testenv.DoesNotApply(t, "no task ends because another one failed")
	}
	st := newStage(t)
	ex := c.start(t, 2, "strand", 0, st.dir)
	st.direct(func() {
		st.await('s')
		st.await('s')
		st.release(1)
	})
	_, err := run(t, t.Context(), ex, 2)
	var task *strategies.TaskError
	if !errors.As(err, &task) || task.Index != 0 || !strings.Contains(err.Error(), ErrTask.Error()) {
		t.Errorf("got error %v, want a TaskError of task 0", err)
	}
	st.close()
	c.close(t, ex)
}

func (c suite) oneAtATime() bool { return c.o.OneAtATime || c.s.Info().OneCore }

func (c suite) cancelledBefore(t *testing.T) {
	ex := c.start(t, 2, "pass", 0, "")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := run(t, ctx, ex, 4); !errors.Is(err, context.Canceled) {
		t.Errorf("Run under a cancelled context returned %v, want context.Canceled", err)
	}
	c.usableOrClosable(t, ex, 4)
}

func (c suite) cancelled(t *testing.T) {
	st := newStage(t)
	ex := c.start(t, 2, "hang", 1, st.dir)
	ctx, cancel := context.WithCancel(t.Context())
	st.direct(func() {
		st.await('s')
		cancel()
	})
	if _, err := run(t, ctx, ex, 4); !errors.Is(err, context.Canceled) {
		t.Errorf("Run returned %v, want context.Canceled", err)
	}
	st.close()
	cancel()
	c.usableOrClosable(t, ex, 1)
}

// workersMeet shows that as many tasks run at once as there are workers, and never more.
func (c suite) workersMeet(t *testing.T) {
	if c.oneAtATime() {
		testenv.DoesNotApply(t, "tasks run one at a time")
	}
	const workers = 3
	st := newStage(t)
	ex := c.start(t, workers, "meet", 0, st.dir)
	n := 3 * workers
	if c.s.Info().Unbounded {
		n = workers
	}
	st.direct(func() {
		for range workers {
			st.await('s')
		}
		if c.o.Prefetches {
			st.countDown(workers, n)
			return
		}
		// From now on a task can begin only when another one has ended. One worker too many would have begun a task
		// whose report comes, at the latest, where the next end is due.
		for range n - workers {
			st.release(1)
			st.await('e')
			st.await('s')
		}
		st.release(workers)
		for range workers {
			st.await('e')
		}
	})
	got, err := run(t, t.Context(), ex, n)
	if err != nil || got != Want(seed, n) {
		t.Errorf("digest %016x, error %v, want %016x", got, err, Want(seed, n))
	}
	st.close()
	c.close(t, ex)
}

func (c suite) unknownWorkload(t *testing.T) {
	cfg := c.config(2, "pass", 0, "")
	cfg.Job.Workload = "no-such-workload"
	c.wantNoStart(t, cfg, cfg.Job.Workload)
}

func (c suite) refused(t *testing.T) {
	c.wantNoStart(t, c.config(2, "refuse", 0, ""), "told to refuse")
}

// wantNoStart expects an error that tells the reason, from Start or, where workers appear later, from the first batch.
func (c suite) wantNoStart(t *testing.T, cfg strategies.Config, reason string) {
	t.Helper()
	ex, err := c.s.Start(t.Context(), cfg)
	if err == nil {
		c.close(t, ex)
		t.Fatal("Start succeeded")
	}
	if !strings.Contains(err.Error(), reason) {
		t.Errorf("the error does not say %q: %v", reason, err)
	}
}

// workerProcesses checks the process ids that a trial would account for.
func (c suite) workerProcesses(t *testing.T) {
	const workers = 2
	ex := c.start(t, workers, "pass", 0, "")
	p, ok := ex.(strategies.Pider)
	if !ok {
		c.close(t, ex)
		testenv.DoesNotApply(t, "no worker processes between batches")
	}
	if _, err := run(t, t.Context(), ex, 8); err != nil {
		t.Error(err)
	}
	pids := p.Pids()
	if len(pids) != workers {
		t.Errorf("pids %v, want %d", pids, workers)
	}
	for _, pid := range pids {
		if pid == os.Getpid() || syscall.Kill(pid, 0) != nil {
			t.Errorf("pid %d is not a living process of its own", pid)
		}
	}
	c.close(t, ex)
	for _, pid := range pids {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("worker %d is still there after Close: %v", pid, err)
		}
	}
}

// probe runs batches under a probe, and between them one without.
func (c suite) probe(t *testing.T) {
	const workers, n = 3, 12
	ex := c.start(t, workers, "pass", 0, "")
	defer c.close(t, ex)
	w, ok := ex.(strategies.Prober)
	if !ok {
		testenv.DoesNotApply(t, "an executor without a probe of its own")
	}
	for _, every := range []int{1, 5, 0} { // 0: not watched
		var p *strategies.Probe
		if every > 0 {
			p = strategies.NewProbe(n, every)
		}
		if err := w.Probe(p); err != nil {
			t.Fatal(err)
		}
		begin := strategies.Monotonic()
		got, err := run(t, t.Context(), ex, n)
		end := strategies.Monotonic()
		if err != nil || got != Want(seed, n) {
			t.Fatalf("every %d: digest %016x, error %v, want %016x", every, got, err, Want(seed, n))
		}
		if p != nil {
			checkSpans(t, p.Spans(), (n+every-1)/every, workers, begin, end)
			p.Reset()
			if left := p.Spans(); len(left) > 0 {
				t.Errorf("%d stamps after Reset", len(left))
			}
		}
	}
}

// checkSpans checks what a probe saw of a batch. Clocks of two processes may differ by less than a task of a process takes.
func checkSpans(t *testing.T, spans []strategies.Span, n, workers int, begin, end int64) {
	t.Helper()
	const apart = int64(100 * time.Microsecond)
	if len(spans) != n {
		t.Fatalf("%d stamps, want %d", len(spans), n)
	}
	last := map[int64][]strategies.Span{}
	for _, s := range spans {
		if s.Begin < begin-apart || s.End < s.Begin || s.End > end+apart {
			t.Errorf("a task from %d to %d in a batch from %d to %d", s.Begin, s.End, begin, end)
		}
		for _, o := range last[s.Worker] {
			if s.Worker != 0 && s.Begin < o.End && o.Begin < s.End {
				t.Errorf("worker %d ran two tasks at once: %v and %v", s.Worker, s, o)
			}
		}
		last[s.Worker] = append(last[s.Worker], s)
	}
	if _, nobody := last[0]; !nobody && len(last) > workers {
		t.Errorf("stamps of %d workers, there are %d", len(last), workers)
	}
}

// checkLeaks returns a function that compares goroutines, descriptors and child processes with those of now.
func checkLeaks(t *testing.T) func() {
	goroutines := goleak.IgnoreCurrent()
	fds := descriptors()
	return func() {
		t.Helper()
		if t.Failed() || t.Skipped() {
			return
		}
		if err := goleak.Find(goroutines); err != nil {
			t.Errorf("goroutines left: %v", err)
		}
		if now := descriptors(); len(now) > len(fds) {
			t.Errorf("descriptors left: %v, before %v", now, fds)
		}
		var status syscall.WaitStatus
		if pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil); !errors.Is(err, syscall.ECHILD) {
			t.Errorf("child processes left: wait4 returned %d, %v", pid, err)
		}
	}
}

// descriptors lists the open descriptors with what they are open on; nil where there is no /proc.
func descriptors() []string {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return nil
	}
	var out []string
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err != nil {
			continue // the one ReadDir itself had open
		}
		out = append(out, e.Name()+" "+target)
	}
	return out
}

// Workloads returns the registry that the suite's strategies look their workload up in.
func Workloads() *workloads.Registry { return workloads.NewRegistry(Workload{}) }
