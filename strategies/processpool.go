package strategies

import (
	"context"

	"github.com/parbench/parbench/strategies/multiproc"
)

// ProcessPool hands the tasks to worker processes that live between batches. Each of them receives the job once and
// prepares it; what travels after that are indices and digests.
type ProcessPool struct{}

var _ Strategy = ProcessPool{}

// Info implements Strategy.
func (ProcessPool) Info() Info {
	return Info{
		Name: "process-pool", Doc: "worker processes that live between batches", Params: poolParams(), ModeCaps: applyCap(), Processes: true,
	}
}

// Start implements Strategy.
func (ProcessPool) Start(ctx context.Context, cfg Config) (Executor, error) {
	pool, err := multiproc.NewPool(ctx, taskOfJob, multiproc.Workers(cfg.Workers), multiproc.Init(initJob, cfg.Job),
		multiproc.WithEnv(entryFor(cfg.Job)))
	if err != nil {
		return nil, err
	}
	return &processPool{newPooled(pool, cfg, nil), pool}, nil
}

type processPool struct {
	*pooled
	pool *multiproc.ProcessPool[int, uint64]
}

var _ Pider = (*processPool)(nil)

// Pids implements Pider.
func (p *processPool) Pids() []int { return p.pool.Pids() }
