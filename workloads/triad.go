package workloads

import (
	"context"
	"errors"
	"math"
	"sync"
)

type triad struct{}

// Triad returns the workload "triad": a = b + s·c over arrays that no cache holds, after the kernel of that name in
// McCalpin's STREAM benchmark. Its speed-up is bounded by the memory's bandwidth rather than by the number of cores.
func Triad() Workload { return triad{} }

func (triad) Info() Info {
	return Info{
		Name: "triad",
		Kind: Memory,
		Doc:  "computes a = b + s*c over arrays larger than a core's share of the last-level cache",
		Params: []Param{
			{Name: "bytes", Type: Bytes, Auto: "llc-share", Doc: "size of the three arrays together, in bytes", Min: 24, Max: 1 << 40},
			{Name: "blocks", Type: Int, Default: "16", Doc: "blocks the arrays are divided into; a task works on one", Min: 1, Max: 1 << 20},
		},
	}
}

func (w triad) Prepare(ctx context.Context, env Env) (Tasks, error) {
	if err := Check(w.Info().Params, env.Params); err != nil {
		return nil, err
	}
	blocks := env.Params.Int("blocks")
	length := env.Params.Int("bytes") / 24 / blocks
	if length == 0 {
		return nil, &paramError{"parameter bytes: " + env.Params["bytes"] + " is less than 24 for each of blocks=" + env.Params["blocks"]}
	}
	t := &triadTasks{seed: env.Seed, blocks: blocks, length: length}
	if err := t.build(ctx); err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return t, nil
}

// build makes the arrays.
func (t *triadTasks) build(ctx context.Context) (err error) {
	n, length := t.blocks*t.length, t.length
	var a []float64
	for _, v := range []*[]float64{&t.b, &t.c, &a} {
		if *v, err = t.floats(n); err != nil {
			return err
		}
	}
	s := Stream(t.seed)
	for k := range t.blocks {
		if err := ctx.Err(); err != nil {
			return err
		}
		from, to := k*length, (k+1)*length
		s = interleave(t.b[from:to], t.c[from:to], s)
		clear(a[from:to]) // takes the page faults now rather than in the timed region
		t.free = append(t.free, a[from:to])
	}
	return nil
}

// interleave fills b and c in turns and returns the advanced stream. The stream is passed by value so that it stays in
// a register.
func interleave(b, c []float64, s Stream) Stream {
	c = c[:len(b)]
	for j := range b {
		b[j] = s.Float()
		c[j] = s.Float()
	}
	return s
}

// triadTasks owns the arrays. Tasks i and i+blocks read the same block and may run at once, so block k of a cannot
// belong to block k of b. Giving each worker one block of a would be free of races too, but that block would stay in
// its core's cache and the stores would never reach memory. So the blocks of a are a queue: a task takes the one that
// was written longest ago and puts it back at the end. Stores then walk through all of a, as loads do through b and c,
// and every element moves 24 bytes (32 where the store first reads the line).
type triadTasks struct {
	seed           uint64
	blocks, length int
	b, c           []float64

	mu       sync.Mutex
	free     [][]float64
	releases []func() error
}

// floats allocates n zeros that live until Close.
func (t *triadTasks) floats(n int) ([]float64, error) {
	v, release, err := mapFloats(n)
	if err != nil {
		return nil, &memoryError{err}
	}
	t.releases = append(t.releases, release)
	return v, nil
}

// memoryError says what to do about memory that is not to be had.
type memoryError struct{ err error }

func (e *memoryError) Error() string {
	return "triad: " + e.err.Error() + "; a smaller parameter bytes, or fewer processes, need less memory"
}

func (e *memoryError) Unwrap() error { return e.err }

// take returns the block of a that has rested longest. With more tasks at once than blocks it adds one: waiting would
// hide the cost of oversubscription.
func (t *triadTasks) take() ([]float64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.free) == 0 {
		return t.floats(t.length)
	}
	a := t.free[0]
	t.free = t.free[1:]
	return a, nil
}

func (t *triadTasks) put(a []float64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.free = append(t.free, a)
}

func (t *triadTasks) Task(_ context.Context, i int) (uint64, error) {
	str := TaskStream(t.seed, i)
	scale := 1 + str.Float()
	at := i % t.blocks * t.length
	a, err := t.take()
	if err != nil {
		return 0, err
	}
	sum := stream(a, t.b[at:at+t.length], t.c[at:at+t.length], scale)
	t.put(a)
	return Fold(Key(t.seed, i), sum), nil
}

// stream sets a = b + scale·c and returns the sum of the bits of a, modulo 2^64. It sums what it holds in registers;
// reading a again would add a fourth stream.
func stream(a, b, c []float64, scale float64) (sum uint64) {
	b, c = b[:len(a)], c[:len(a)] // no bounds checks below
	for j := range a {
		v := b[j] + float64(scale*c[j]) // the conversion forbids a fused multiply-add
		a[j] = v
		sum += math.Float64bits(v)
	}
	return sum
}

// Close returns the arrays to the system.
func (t *triadTasks) Close() error {
	var errs []error
	for _, release := range t.releases {
		errs = append(errs, release())
	}
	t.b, t.c, t.free, t.releases = nil, nil, nil, nil
	return errors.Join(errs...)
}
