package strategies

import (
	"context"

	"github.com/parbench/parbench/strategies/multiproc"
	"github.com/parbench/parbench/workloads"
)

// DummyPool hands the tasks to a pool with the interface of process-pool whose workers are threads of this process, as
// Python's multiprocessing.dummy does. The difference between the two is the price of crossing to another process.
type DummyPool struct{}

var (
	_ Strategy = DummyPool{}
	_ Executor = (*pooled)(nil)
	_ Prober   = (*dummyPool)(nil)
)

// Info implements Strategy.
func (DummyPool) Info() Info {
	return Info{Name: "dummy-pool", Doc: "the interface of process-pool, on threads of this process", Params: poolParams(), ModeCaps: applyCap()}
}

// Start implements Strategy.
func (DummyPool) Start(ctx context.Context, cfg Config) (Executor, error) {
	tasks, err := cfg.Prepare(ctx)
	if err != nil {
		return nil, err
	}
	e := &dummyPool{tasks: tasks}
	pool, err := multiproc.NewLocalPool(e.task, multiproc.Workers(cfg.Workers), multiproc.OnThreads())
	if err != nil {
		_ = tasks.Close() // the pool's error is the one to tell
		return nil, err
	}
	e.pooled = newPooled(pool, cfg, tasks.Close)
	return e, nil
}

// dummyPool holds the tasks, because the pool was given its function once and for all.
type dummyPool struct {
	*pooled
	tasks workloads.Tasks
}

func (d *dummyPool) task(ctx context.Context, i int) (uint64, error) { return d.tasks.Task(ctx, i) }

// Probe implements Prober.
func (d *dummyPool) Probe(p *Probe) error {
	d.tasks = p.Watch(d.tasks, threadOf)
	return nil
}
