package workloads

import (
	"context"
	"time"
)

type sleep struct{}

// Sleep returns the workload "sleep": a task that only waits, the classic of articles about parallelism.
func Sleep() Workload { return sleep{} }

func (sleep) Info() Info {
	return Info{
		Name: "sleep",
		Kind: IO,
		Doc:  "waits on a timer",
		Params: []Param{
			{Name: "duration", Type: Duration, Default: "5ms", Doc: "how long a task waits", Min: 1, Max: float64(time.Hour)},
		},
	}
}

func (w sleep) Prepare(_ context.Context, env Env) (Tasks, error) {
	if err := Check(w.Info().Params, env.Params); err != nil {
		return nil, err
	}
	return &sleepTasks{seed: env.Seed, duration: env.Params.Duration("duration")}, nil
}

type sleepTasks struct {
	NoClose
	seed     uint64
	duration time.Duration
}

func (t *sleepTasks) Task(ctx context.Context, i int) (uint64, error) {
	timer := time.NewTimer(t.duration)
	defer timer.Stop()
	select {
	case <-timer.C:
		return Key(t.seed, i), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}
