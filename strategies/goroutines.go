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

type goroutines struct {
	tasks workloads.Tasks
	// terms are the tasks' terms of the batch digest, kept between batches. One slot per task scales to any number of
	// cores; a shared sum does not.
	terms  []uint64
	closed bool
}

// Run implements Executor.
func (g *goroutines) Run(ctx context.Context, n int) (uint64, error) {
	if cap(g.terms) < n {
		g.terms = make([]uint64, n)
	}
	terms := g.terms[:n]
	b := newBatch(ctx, g.tasks)
	var running sync.WaitGroup
	for i := 0; i < n && !b.stop.Load(); i++ {
		running.Add(1)
		go func() {
			defer running.Done()
			terms[i] = b.one(i)
		}()
	}
	running.Wait()
	var sum uint64
	for _, t := range terms {
		sum += t
	}
	return b.finish(ctx, sum)
}

// one runs task i and returns its term of the batch digest.
func (b *batch) one(i int) uint64 {
	done := false
	defer b.guard(&i, &done)
	d, err := b.tasks.Task(b.ctx, i)
	done = true
	if err != nil {
		b.fail(&TaskError{Index: i, Err: err})
		return 0
	}
	return workloads.Combine(0, i, d)
}

// Close implements Executor.
func (g *goroutines) Close(context.Context) error {
	if g.closed {
		return nil
	}
	g.closed = true
	return g.tasks.Close()
}
