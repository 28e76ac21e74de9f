package workloads

import (
	"context"
	"slices"
	"sync"
)

type sorting struct{}

// Sort returns the workload "sort": comparison sorting of random integers, with its unpredictable branches.
func Sort() Workload { return sorting{} }

func (sorting) Info() Info {
	return Info{
		Name: "sort",
		Kind: CPU,
		Doc:  "sorts random 64-bit integers",
		Params: []Param{
			{Name: "n", Type: Int, Default: "16384", Doc: "how many integers", Min: 1, Max: 100_000_000},
		},
	}
}

func (w sorting) Prepare(_ context.Context, env Env) (Tasks, error) {
	if err := Check(w.Info().Params, env.Params); err != nil {
		return nil, err
	}
	n := env.Params.Int("n")
	return &sortTasks{seed: env.Seed, scratch: sync.Pool{New: func() any {
		v := make([]uint64, n)
		return &v
	}}}, nil
}

type sortTasks struct {
	NoClose
	seed    uint64
	scratch sync.Pool
}

func (t *sortTasks) Task(_ context.Context, i int) (uint64, error) {
	p := t.scratch.Get().(*[]uint64)
	defer t.scratch.Put(p)
	v, s := *p, TaskStream(t.seed, i)
	for k := range v {
		v[k] = s.Next()
	}
	slices.Sort(v)
	h := Key(t.seed, i)
	for _, x := range v {
		h = Fold(h, x)
	}
	return h, nil
}
