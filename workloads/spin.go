package workloads

import (
	"context"
	"time"
)

type spin struct{}

// Spin returns the probe "spin": busy work of a given length, to find how large a task must be for a strategy to pay.
// The length is set by a number of iterations, calibrated once, because reading the clock in the loop would measure
// the clock and would hide a core that slows down.
func Spin() Workload { return spin{} }

func (spin) Info() Info {
	return Info{
		Name: "spin",
		Kind: CPU,
		Doc:  "busy work of a given grain in calibrated iterations",
		Params: []Param{
			{Name: "grain", Type: Duration, Default: "100µs", Doc: "how long a task should take alone", Min: 1, Max: float64(time.Minute)},
			{Name: "iterations", Type: Int, Auto: "calibrate:grain", Doc: "steps of the generator per task", Min: 1, Max: 1e12},
		},
		Probe: true,
	}
}

func (w spin) Prepare(_ context.Context, env Env) (Tasks, error) {
	if err := Check(w.Info().Params, env.Params); err != nil {
		return nil, err
	}
	return &spinTasks{seed: env.Seed, iterations: env.Params.Int("iterations")}, nil
}

type spinTasks struct {
	NoClose
	seed       uint64
	iterations int
}

func (t *spinTasks) Task(ctx context.Context, i int) (uint64, error) {
	const stride = 1 << 16 // looks at ctx a few times per millisecond, which costs nothing that can be measured
	h := Key(t.seed, i)
	for left := t.iterations; left > 0; left -= stride {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		// Each step needs the one before, and the last is the digest: the compiler can drop none and the processor
		// cannot overlap them.
		for range min(left, stride) {
			h = Fold(h, 0)
		}
	}
	return h, nil
}
