package strategies

import (
	"context"
	"sync"

	"github.com/parbench/parbench/workloads"
)

// Goroutines starts one goroutine per task, all at once, and leaves the rest to Go's scheduler. The number of workers
// has no meaning for it.
type Goroutines struct{}

var _ Strategy = Goroutines{}

// Info implements Strategy.
func (Goroutines) Info() Info {
	return Info{Name: "goroutines", Doc: "one goroutine per task, all at once", Unbounded: true}
}

// Start implements Strategy.
func (Goroutines) Start(ctx context.Context, cfg Config) (Executor, error) {
	tasks, err := cfg.Prepare(ctx)
	if err != nil {
		return nil, err
	}
	return &goroutines{tasks: tasks}, nil
}

var _ Prober = (*goroutines)(nil)

type goroutines struct {
	tasks  workloads.Tasks
	terms  Terms
	closed bool
}

// Run implements Executor.
func (g *goroutines) Run(ctx context.Context, n int) (uint64, error) {
	b := g.terms.Batch(ctx, g.tasks, n)
	var running sync.WaitGroup
	for i := 0; i < n && !b.Stopped(); i++ {
		running.Add(1)
		go func() {
			defer running.Done()
			b.Task(i)
		}()
	}
	running.Wait()
	return b.End()
}

// Probe implements Prober. A task is a goroutine of its own, so there is nobody to name.
func (g *goroutines) Probe(p *Probe) error {
	g.tasks = p.Watch(g.tasks, nil)
	return nil
}

// Close implements Executor.
func (g *goroutines) Close(context.Context) error {
	if g.closed {
		return nil
	}
	g.closed = true
	return g.tasks.Close()
}
