package multiproc

import (
	"context"
	"encoding/binary"
	"slices"
	"testing"
	"time"
)

// The rows of PoolRows have the shape of those that Python's multiprocessing is measured by: two workers that return
// what they get. Compare ratios of the same minutes.

func echoOf[T any](_ context.Context, v T) (T, error) { return v, nil }

var (
	echoInt   = Register("bench.int", echoOf[int])
	echoBytes = Register("bench.bytes", echoOf[[]byte])
)

func ints(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i % 256
	}
	return s
}

// blobs are distinct values, as pickle would send a repeated one only once.
func blobs(n, size int) [][]byte {
	s := make([][]byte, n)
	for i := range s {
		s[i] = make([]byte, size)
		binary.LittleEndian.PutUint64(s[i], uint64(i))
	}
	return s
}

const applies = 200

// row is one call pattern over all inputs.
type row[T any] struct {
	name string
	most int // items at once
	run  func(ctx context.Context, p Pool[T, T], in []T) error
}

func rows[T any]() []row[T] {
	return []row[T]{
		{"apply", 1, func(ctx context.Context, p Pool[T, T], in []T) error {
			for range applies {
				if _, err := p.Apply(ctx, in[0]); err != nil {
					return err
				}
			}
			return nil
		}},
		{"async", 20000, func(ctx context.Context, p Pool[T, T], in []T) error {
			futs := make([]*Future[T], 0, len(in))
			for _, v := range in {
				f, err := p.ApplyAsync(ctx, v)
				if err != nil {
					return err
				}
				futs = append(futs, f)
			}
			for _, f := range futs {
				if _, err := f.Get(ctx); err != nil {
					return err
				}
			}
			return nil
		}},
		{"mapDefault", 100000, func(ctx context.Context, p Pool[T, T], in []T) error {
			_, err := p.Map(ctx, in)
			return err
		}},
		{"map1", 20000, func(ctx context.Context, p Pool[T, T], in []T) error {
			_, err := p.Map(ctx, in, Chunk(1))
			return err
		}},
		{"imap1", 20000, func(ctx context.Context, p Pool[T, T], in []T) error {
			for _, err := range p.Imap(ctx, slices.Values(in)) {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		{"unordered1", 20000, func(ctx context.Context, p Pool[T, T], in []T) error {
			for _, err := range p.ImapUnordered(ctx, slices.Values(in)) {
				if err != nil {
					return err
				}
			}
			return nil
		}},
		{"imap100", 50000, func(ctx context.Context, p Pool[T, T], in []T) error {
			for _, err := range p.Imap(ctx, slices.Values(in), Chunk(100)) {
				if err != nil {
					return err
				}
			}
			return nil
		}},
	}
}

func benchRows[T any](b *testing.B, size string, start func(ctx context.Context) (Pool[T, T], error), in []T) {
	ctx := context.Background()
	for _, r := range rows[T]() {
		if r.name == "imap100" && len(in) < 100 {
			continue // not a row of Python's either
		}
		b.Run(size+"/"+r.name, func(b *testing.B) {
			p, err := start(ctx)
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = p.Terminate() }()
			in := in[:min(len(in), r.most)]
			if err := r.run(ctx, p, in); err != nil { // warm up
				b.Fatal(err)
			}
			n := len(in)
			if r.name == "apply" {
				n = applies
			}
			for b.Loop() {
				if err := r.run(ctx, p, in); err != nil {
					b.Fatal(err)
				}
			}
			rate(b, n)
		})
	}
}

// BenchmarkPoolRows is items a second for every way to use a pool.
func BenchmarkPoolRows(b *testing.B) {
	benchRows(b, "int", processes(echoInt), ints(100_000))
	benchRows(b, "1KiB", processes(echoBytes), blobs(20_000, 1<<10))
	benchRows(b, "1MiB", processes(echoBytes), blobs(64, 1<<20))
}

func processes[T any](fn Func[T, T]) func(context.Context) (Pool[T, T], error) {
	return func(ctx context.Context) (Pool[T, T], error) { return NewPool(ctx, fn, Workers(2)) }
}

// BenchmarkLocalRows is the same on goroutines: the dummy pool.
func BenchmarkLocalRows(b *testing.B) {
	benchRows(b, "int", func(context.Context) (Pool[int, int], error) { return NewLocalPool(echoOf[int], Workers(2)) }, ints(100_000))
}

// BenchmarkPoolIdle is the time of a call that finds the workers asleep.
func BenchmarkPoolIdle(b *testing.B) {
	ctx := context.Background()
	p, err := NewPool(ctx, echoInt, Workers(2))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = p.Terminate() }()
	var all []time.Duration
	for b.Loop() {
		time.Sleep(2 * time.Millisecond)
		t := time.Now()
		if _, err := p.Apply(ctx, 7); err != nil {
			b.Fatal(err)
		}
		all = append(all, time.Since(t))
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Nanoseconds())/1e3, "µs/median")
}

var busyFor = Register("bench.busy", func(_ context.Context, d time.Duration) (int, error) {
	n := 0
	for t := time.Now(); time.Since(t) < d; n++ {
	}
	return n, nil
})

// BenchmarkPoolEfficiency is the share of two CPUs that a Map with chunks of one spends in its tasks, by their length.
func BenchmarkPoolEfficiency(b *testing.B) {
	ctx := context.Background()
	for name, opts := range map[string][]PoolOption{"memory": nil, "pipes": {pipesOnly}} {
		for _, d := range []time.Duration{5e3, 20e3, 100e3, 1e6} {
			b.Run(name+"/"+d.String(), func(b *testing.B) {
				p, err := NewPool(ctx, busyFor, append(opts, Workers(2))...)
				if err != nil {
					b.Fatal(err)
				}
				defer func() { _ = p.Terminate() }()
				in := slices.Repeat([]time.Duration{d}, int(20*time.Millisecond/d))
				for b.Loop() {
					if _, err := p.Map(ctx, in, Chunk(1)); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.N)*float64(len(in))*d.Seconds()/2/b.Elapsed().Seconds()*100, "%-of-2-CPUs")
			})
		}
	}
}
