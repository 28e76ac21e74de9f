package strategies

import (
	"context"

	"github.com/parbench/parbench/strategies/multiproc"
)

// DummyPool hands the tasks to a pool with the interface of process-pool whose workers are threads of this process, as
// Python's multiprocessing.dummy does. The difference between the two is the price of crossing to another process.
type DummyPool struct{}

var (
	_ Strategy = DummyPool{}
	_ Executor = (*pooled)(nil)
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
	pool, err := multiproc.NewLocalPool(tasks.Task, multiproc.Workers(cfg.Workers), multiproc.OnThreads())
	if err != nil {
		_ = tasks.Close() // the pool's error is the one to tell
		return nil, err
	}
	return newPooled(pool, cfg, tasks.Close), nil
}
