package strategytest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/parbench/parbench/strategies"
	"github.com/parbench/parbench/workloads"
)

// mutant names, in the environment of a copy of this test, the broken strategy that the copy runs the suite over.
const mutant = "STRATEGYTEST_MUTANT"

func TestMain(m *testing.M) { Main(m) }

// broken is the pool with something wrong: each function is nil or replaces what the pool does.
type broken struct {
	pool  strategies.Strategy
	info  func(strategies.Info) strategies.Info
	start func(context.Context, strategies.Config) (strategies.Executor, error)
	run   func(ctx context.Context, ex strategies.Executor, n int) (uint64, error)
	close func(context.Context, strategies.Executor) error
}

func (b broken) Info() strategies.Info {
	i := b.pool.Info()
	if b.info != nil {
		i = b.info(i)
	}
	return i
}

func (b broken) Start(ctx context.Context, cfg strategies.Config) (strategies.Executor, error) {
	start := b.pool.Start
	if b.start != nil {
		start = b.start
	}
	ex, err := start(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return &brokenExecutor{b, ex}, nil
}

type brokenExecutor struct {
	b  broken
	ex strategies.Executor
}

func (e *brokenExecutor) Run(ctx context.Context, n int) (uint64, error) {
	if e.b.run != nil {
		return e.b.run(ctx, e.ex, n)
	}
	return e.ex.Run(ctx, n)
}

func (e *brokenExecutor) Close(ctx context.Context) error {
	if e.b.close != nil {
		return e.b.close(ctx, e.ex)
	}
	return e.ex.Close(ctx)
}

var kept []*os.File

// mutants are strategies that break the contract, with the subtest that has to notice.
var mutants = map[string]struct {
	broken
	noticed string
}{
	"loses a task": {broken{run: func(ctx context.Context, ex strategies.Executor, n int) (uint64, error) {
		return ex.Run(ctx, max(n-1, 0))
	}}, "digest"},
	"doubles a task": {broken{run: func(ctx context.Context, ex strategies.Executor, n int) (uint64, error) {
		d, err := ex.Run(ctx, n)
		if n > 20 {
			d += Want(seed, 1)
		}
		return d, err
	}}, "digest"},
	"swallows errors": {broken{run: func(ctx context.Context, ex strategies.Executor, n int) (uint64, error) {
		d, _ := ex.Run(ctx, n)
		return d, nil
	}}, "task_error"},
	"forgets which task": {broken{run: func(ctx context.Context, ex strategies.Executor, n int) (uint64, error) {
		d, err := ex.Run(ctx, n)
		var task *strategies.TaskError
		if errors.As(err, &task) {
			err = task.Err
		}
		return d, err
	}}, "task_error"},
	"forgets the stack": {broken{run: func(ctx context.Context, ex strategies.Executor, n int) (uint64, error) {
		d, err := ex.Run(ctx, n)
		var task *strategies.TaskError
		if errors.As(err, &task) {
			task.Stack = ""
		}
		return d, err
	}}, "task_panic"},
	"hides cancellation": {broken{run: func(ctx context.Context, ex strategies.Executor, n int) (uint64, error) {
		d, err := ex.Run(ctx, n)
		if ctx.Err() != nil {
			err = errors.New("something else")
		}
		return d, err
	}}, "cancelled"},
	"starts under a cancelled context": {broken{run: func(ctx context.Context, ex strategies.Executor, n int) (uint64, error) {
		if ctx.Err() != nil {
			return Want(seed, n), nil
		}
		return ex.Run(ctx, n)
	}}, "cancelled_before"},
	"knows no bound": {broken{start: func(ctx context.Context, cfg strategies.Config) (strategies.Executor, error) {
		return strategies.Goroutines{}.Start(ctx, cfg)
	}}, "workers_meet"},
	"uses fewer workers": {broken{start: func(ctx context.Context, cfg strategies.Config) (strategies.Executor, error) {
		cfg.Workers = max(cfg.Workers-1, 1)
		return strategies.Pool{}.Start(ctx, cfg)
	}}, "workers_meet"},
	"starts anything": {broken{start: func(ctx context.Context, cfg strategies.Config) (strategies.Executor, error) {
		if _, err := cfg.Prepare(ctx); err != nil {
			cfg.Job.Workload, cfg.Job.Params = Name, workloads.Params{"do": "pass", "at": "0"}
		}
		return strategies.Pool{}.Start(ctx, cfg)
	}}, "unknown_workload"},
	"closes once": {broken{close: func(ctx context.Context, ex strategies.Executor) error {
		if _, err := ex.Run(ctx, 0); err != nil {
			return err
		}
		return errors.New("closed twice")
	}}, "digest"},
	"leaks goroutines": {broken{close: func(context.Context, strategies.Executor) error { return nil }}, "digest"},
	"leaks descriptors": {broken{run: func(ctx context.Context, ex strategies.Executor, n int) (uint64, error) {
		f, err := os.Open(os.DevNull)
		kept = append(kept, f)
		if err != nil {
			return 0, err
		}
		return ex.Run(ctx, n)
	}}, "digest"},
	"leaks processes": {broken{run: func(ctx context.Context, ex strategies.Executor, n int) (uint64, error) {
		cmd := exec.Command("true") // never waited for
		if err := cmd.Start(); err != nil {
			return 0, err
		}
		_ = cmd.Process.Release()
		return ex.Run(ctx, n)
	}}, "digest"},
}

// TestSuiteNotices runs the suite over strategies with one thing wrong each, in copies of this test: a suite that lets
// them pass would prove nothing about the real ones.
func TestSuiteNotices(t *testing.T) {
	if name := os.Getenv(mutant); name != "" {
		m := mutants[name]
		m.pool = strategies.Pool{}
		hang = 3 * time.Second // some of them do
		Run(t, m.broken, Options{})
		return
	}
	for name, m := range mutants {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(os.Args[0], "-test.run=^TestSuiteNotices$/^"+m.noticed+"$", "-test.v")
			cmd.Env = append(os.Environ(), mutant+"="+name)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestSuiteNotices/"+m.noticed+" (") {
				t.Errorf("the suite lets it pass in %q: %v\n%s", m.noticed, err, out)
			}
		})
	}
}
