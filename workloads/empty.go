package workloads

import "context"

type empty struct{}

// Empty returns the probe "empty": a task that does nothing, so that what is left is the strategy's overhead per task.
func Empty() Workload { return empty{} }

func (empty) Info() Info {
	return Info{
		Name:  "empty",
		Kind:  CPU,
		Doc:   "does nothing: a strategy's overhead per task",
		Probe: true,
		OwnN:  true,
	}
}

func (w empty) Prepare(_ context.Context, env Env) (Tasks, error) {
	return &emptyTasks{seed: env.Seed}, nil
}

type emptyTasks struct {
	NoClose
	seed uint64
}

func (t *emptyTasks) Task(_ context.Context, i int) (uint64, error) { return Key(t.seed, i), nil }
