package strategies

import (
	"context"

	"github.com/parbench/parbench/workloads"
)

// Sequential runs the tasks one after another on the calling goroutine. It is the reference of every speedup.
type Sequential struct{}

var _ Strategy = Sequential{}

// Info implements Strategy.
func (Sequential) Info() Info {
	return Info{Name: "sequential", Doc: "one task after another on one core: the reference", OneCore: true}
}

// Start implements Strategy.
func (Sequential) Start(ctx context.Context, cfg Config) (Executor, error) {
	tasks, err := cfg.Prepare(ctx)
	if err != nil {
		return nil, err
	}
	return &sequential{tasks: tasks}, nil
}

var _ Prober = (*sequential)(nil)

type sequential struct {
	tasks  workloads.Tasks
	closed bool
}

// Run implements Executor.
func (s *sequential) Run(ctx context.Context, n int) (uint64, error) {
	b := newBatch(ctx, s.tasks)
	return b.finish(ctx, s.loop(b, n))
}

func (s *sequential) loop(b *batch, n int) (sum uint64) {
	i, done := 0, false
	defer b.guard(&i, &done)
	sum, _ = b.run(b.ctx, 0, n, &i)
	done = true
	return sum
}

// Probe implements Prober.
func (s *sequential) Probe(p *Probe) error {
	s.tasks = p.Watch(s.tasks, only)
	return nil
}

// only is the worker of a strategy that has one.
func only(context.Context) int64 { return 1 }

// Close implements Executor.
func (s *sequential) Close(context.Context) error {
	if s.closed {
		return nil
	}
	s.closed = true
	return s.tasks.Close()
}
