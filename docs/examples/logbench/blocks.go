package main

import (
	"context"
	"sync"

	"github.com/parbench/parbench/strategies"
	"github.com/parbench/parbench/workloads"
)

// blocks is a strategy of one's own: each worker gets an equal block of the tasks in advance. That is what one writes
// first; the built-in pool hands tasks out as workers become free. What that is worth, parbench tells.
type blocks struct{}

func (blocks) Info() strategies.Info {
	return strategies.Info{Name: "blocks", Doc: "an equal block of the tasks for each worker, in advance"}
}

func (blocks) Start(ctx context.Context, cfg strategies.Config) (strategies.Executor, error) {
	tasks, err := cfg.Prepare(ctx)
	if err != nil {
		return nil, err
	}
	return &blockwise{tasks: tasks, workers: cfg.Workers, close: sync.OnceValue(tasks.Close)}, nil
}

type blockwise struct {
	tasks   workloads.Tasks
	workers int
	terms   strategies.Terms
	close   func() error
}

// Run is what is measured. The batch takes care of digests, of errors and panics, and of ctx.
func (b *blockwise) Run(ctx context.Context, n int) (uint64, error) {
	batch := b.terms.Batch(ctx, b.tasks, n)
	var working sync.WaitGroup
	for w := range b.workers {
		working.Go(func() {
			for i := w * n / b.workers; i < (w+1)*n/b.workers; i++ {
				batch.Task(i)
			}
		})
	}
	working.Wait()
	return batch.End()
}

// Probe lets parbench see where the time of a batch goes. A strategy may do without.
func (b *blockwise) Probe(p *strategies.Probe) error {
	b.tasks = p.Watch(b.tasks, nil)
	return nil
}

func (b *blockwise) Close(context.Context) error { return b.close() }
