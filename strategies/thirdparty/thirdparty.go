// Package thirdparty has goroutine pools from other modules as strategies, each used as its documentation recommends:
// ants, pond, conc, errgroup, workerpool and tunny. They make parbench's own pools comparable, and each other.
//
// A pool that lives is started in Start and closed in Close. A group that a library means to be used once, conc's and
// errgroup's, is made anew for every batch, inside of what is timed: that is its use. What an adapter adds to a task is
// what any program would: a closure that knows its index, a place for its result, and the recovery from a panic;
// BenchmarkOverhead measures how far that is from a program written by hand; docs/pools.md has the result.
//
// Non-goals: options beyond the number of workers, and futures, which no strategy needs.
package thirdparty

import (
	"context"
	"runtime/debug"
	"sync"

	"github.com/parbench/parbench/strategies"
	"github.com/parbench/parbench/workloads"
)

// All returns the strategies, in alphabetical order.
func All() []strategies.Strategy {
	return []strategies.Strategy{
		library{"ants", antsModule, "tasks submitted to a pool of reused goroutines", startAnts},
		library{"conc", concModule, "a group of goroutines for each batch that shares a channel of tasks", startConc},
		library{"errgroup", errgroupModule, "one goroutine per task, as many at once as there are workers", startErrgroup},
		library{"pond", pondModule, "tasks given to a pool of workers", startPond},
		library{"tunny", tunnyModule, "as many callers as workers, each waiting for its result", startTunny},
		library{"workerpool", workerpoolModule, "tasks queued without bound for a pool of workers", startWorkerpool},
	}
}

// library is one module's pool.
type library struct {
	name, module, doc string
	start             func(workers int) (pool, error)
}

// pool runs the tasks of a batch.
type pool interface {
	// run hands out tasks 0..n-1 until b is stopped, and returns when none is running any more.
	run(b *strategies.Batch, n int)
	close()
}

// Info implements strategies.Strategy. The module's version is that which is linked into this program.
func (l library) Info() strategies.Info {
	is := l.module + " " + version(l.module)
	return strategies.Info{Name: l.name, Doc: l.doc + " (" + is + ")", Library: is}
}

// versions maps modules to their versions in this program.
var versions = sync.OnceValue(func() map[string]string {
	m := make(map[string]string)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Replace != nil {
				d = d.Replace
			}
			m[d.Path] = d.Version
		}
	}
	return m
})

func version(module string) string {
	if v := versions()[module]; v != "" {
		return v
	}
	return "of unknown version" // a test binary has none
}

// Start implements strategies.Strategy.
func (l library) Start(ctx context.Context, cfg strategies.Config) (strategies.Executor, error) {
	tasks, err := cfg.Prepare(ctx)
	if err != nil {
		return nil, err
	}
	p, err := l.start(cfg.Workers)
	if err != nil {
		_ = tasks.Close()
		return nil, err
	}
	return &executor{tasks: tasks, pool: p}, nil
}

var _ strategies.Prober = (*executor)(nil)

type executor struct {
	tasks  workloads.Tasks
	terms  strategies.Terms
	pool   pool
	closed bool
}

// Run implements strategies.Executor.
func (e *executor) Run(ctx context.Context, n int) (uint64, error) {
	b := e.terms.Batch(ctx, e.tasks, n)
	e.pool.run(b, n)
	return b.End()
}

// Probe implements strategies.Prober. No library says which of its workers runs a task.
func (e *executor) Probe(p *strategies.Probe) error {
	e.tasks = p.Watch(e.tasks, nil)
	return nil
}

// Close implements strategies.Executor. The workers are idle between batches: there is nothing to force.
func (e *executor) Close(context.Context) error {
	if e.closed {
		return nil
	}
	e.closed = true
	e.pool.close()
	return e.tasks.Close()
}
