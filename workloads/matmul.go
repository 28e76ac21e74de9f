package workloads

import (
	"context"
	"math"
	"sync"
)

type matmul struct{}

// Matmul returns the workload "matmul": the product of two dense float64 matrices that fit the level-2 cache.
func Matmul() Workload { return matmul{} }

func (matmul) Info() Info {
	return Info{
		Name: "matmul",
		Kind: CPU,
		Doc:  "multiplies two dense float64 matrices",
		Params: []Param{
			{Name: "n", Type: Int, Default: "112", Doc: "rows and columns of each matrix", Min: 1, Max: 4096},
		},
	}
}

func (w matmul) Prepare(_ context.Context, env Env) (Tasks, error) {
	if err := Check(w.Info().Params, env.Params); err != nil {
		return nil, err
	}
	n := env.Params.Int("n")
	return &matmulTasks{seed: env.Seed, n: n, scratch: sync.Pool{New: func() any {
		return &matrices{make([]float64, n*n), make([]float64, n*n), make([]float64, n*n)}
	}}}, nil
}

// matrices are row-major: c = a·b.
type matrices struct{ a, b, c []float64 }

type matmulTasks struct {
	NoClose
	seed    uint64
	n       int
	scratch sync.Pool
}

func (t *matmulTasks) Task(_ context.Context, i int) (uint64, error) {
	m := t.scratch.Get().(*matrices)
	defer t.scratch.Put(m)
	s := TaskStream(t.seed, i)
	for k := range m.a {
		m.a[k] = s.Float() - 0.5
	}
	for k := range m.b {
		m.b[k] = s.Float() - 0.5
	}
	multiply(m.c, m.a, m.b, t.n)
	h := Key(t.seed, i)
	for _, v := range m.c {
		h = Fold(h, math.Float64bits(v))
	}
	return h, nil
}

// multiply sets c to a·b. The middle loop runs over k so that the inner one walks along rows; each element still sums
// its products in the order of k, which the specification fixes.
func multiply(c, a, b []float64, n int) {
	for r := range n {
		row := c[r*n : r*n+n]
		clear(row)
		for k := range n {
			x := a[r*n+k]
			for j, y := range b[k*n : k*n+n] {
				row[j] += float64(x * y) // the conversion forbids a fused multiply-add, which rounds once instead of twice
			}
		}
	}
}
