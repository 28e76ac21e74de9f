package workloads

import "context"

type mandelbrot struct{}

// Mandelbrot returns the workload "mandelbrot": one band of rows of the set per task. Bands differ in cost by an order
// of magnitude, which makes it the workload that shows how well a strategy balances its load.
func Mandelbrot() Workload { return mandelbrot{} }

func (mandelbrot) Info() Info {
	return Info{
		Name: "mandelbrot",
		Kind: CPU,
		Doc:  "iterates a band of rows of the Mandelbrot set; bands differ in cost",
		Params: []Param{
			{Name: "size", Type: Int, Default: "256", Doc: "width and height of the picture in pixels", Min: 1, Max: 65536},
			{Name: "rows", Type: Int, Default: "4", Doc: "rows of a band; divides size", Min: 1, Max: 65536},
			{Name: "iterations", Type: Int, Default: "1000", Doc: "most iterations per pixel", Min: 1, Max: 1_000_000},
		},
	}
}

func (w mandelbrot) Prepare(_ context.Context, env Env) (Tasks, error) {
	if err := Check(w.Info().Params, env.Params); err != nil {
		return nil, err
	}
	p := env.Params
	t := &mandelbrotTasks{seed: env.Seed, size: p.Int("size"), rows: p.Int("rows"), limit: p.Int("iterations")}
	if t.size%t.rows != 0 {
		return nil, &paramError{"parameter rows: " + p["rows"] + " does not divide size " + p["size"]}
	}
	t.bands = t.size / t.rows
	t.stride = (5*t.bands + 7) / 8
	for gcd(t.stride, t.bands) != 1 {
		t.stride++
	}
	return t, nil
}

type mandelbrotTasks struct {
	NoClose
	seed              uint64
	size, rows, limit int
	// Consecutive tasks take bands stride apart, so that any run of tasks is a fair sample of cheap and costly ones: a batch
	// that is shorter than the picture would otherwise be its empty upper part.
	bands, stride int
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func (t *mandelbrotTasks) Task(_ context.Context, i int) (uint64, error) {
	s := TaskStream(t.seed, i)
	dx, dy := s.Float(), s.Float() // every task looks at points of its own, less than a pixel away
	step := 2.5 / float64(t.size)
	first := i % t.bands * t.stride % t.bands * t.rows
	h := Key(t.seed, i)
	for y := first; y < first+t.rows; y++ {
		cy := float64((float64(y)+dy)*step) - 1.25
		for x := range t.size {
			cx := float64((float64(x)+dx)*step) - 2
			h = Fold(h, uint64(escape(cx, cy, t.limit)))
		}
	}
	return h, nil
}

// escape returns how often z = z²+c was applied, from z = 0, before |z|² exceeded 4; limit if it never did. The
// conversions forbid fused operations.
func escape(cx, cy float64, limit int) int {
	var zx, zy float64
	for k := range limit {
		xx, yy := float64(zx*zx), float64(zy*zy)
		if xx+yy > 4 {
			return k
		}
		zy = float64(2*zx*zy) + cy
		zx = xx - yy + cx
	}
	return limit
}
