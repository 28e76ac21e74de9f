package strategies

import (
	"context"
	"errors"

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
	p := &processPool{unwatched: errNotAsked}
	job := poolJob{Job: cfg.Job}
	if cfg.Probed {
		if p.board, p.unwatched = newBoard(); p.unwatched == nil {
			job.Board = p.board.path()
		}
	}
	pool, err := multiproc.NewPool(ctx, taskOfJob, multiproc.Workers(cfg.Workers), multiproc.Init(initJob, job),
		multiproc.WithEnv(entryFor(cfg.Job)))
	if err != nil {
		_ = p.closeBoard() // the pool's error is the one to tell
		return nil, err
	}
	p.pooled, p.pool = newPooled(pool, cfg, p.closeBoard), pool
	return p, nil
}

var errNotAsked = errors.New("the pool was started without Config.Probed")

type processPool struct {
	*pooled
	pool      *multiproc.ProcessPool[int, uint64]
	board     *board // nil: none
	unwatched error  // why there is none
}

var (
	_ Pider  = (*processPool)(nil)
	_ Prober = (*processPool)(nil)
)

// Pids implements Pider.
func (p *processPool) Pids() []int { return p.pool.Pids() }

// Probe implements Prober: the workers stamp in memory that they share with this process.
func (p *processPool) Probe(probe *Probe) error {
	p.indices = p.indices[:0] // they begin elsewhere now
	if probe == nil {
		p.offset = 0
		p.pool.TimeTransfers(0)
		return nil
	}
	if p.unwatched != nil {
		return p.unwatched
	}
	spans := p.board.spans()
	if len(probe.slots) > len(spans) {
		return errors.New("the probe stamps more tasks than worker processes have room for")
	}
	p.offset, probe.slots = probedIndex, spans[:len(probe.slots)]
	*p.board.every() = int64(probe.every)
	timed := false
	probe.account = func() { timed = p.pool.TimeTransfers(probe.every) }
	probe.account()
	probe.total = func() Transfers {
		if !timed {
			return Transfers{}
		}
		t := p.pool.Transfers()
		return Transfers{Messages: t.Calls, Timed: t.Timed, Time: t.Time}
	}
	return nil
}

func (p *processPool) closeBoard() error {
	if p.board == nil {
		return nil
	}
	return p.board.close()
}
