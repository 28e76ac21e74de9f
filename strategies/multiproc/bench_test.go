package multiproc

import (
	"context"
	"slices"
	"testing"
)

// Two workers; PEERS-style figures: calls or items a second. Compare ratios within one run only.

func benchPools(b *testing.B, run func(b *testing.B, p Pool[int, int])) {
	ctx := context.Background()
	b.Run("process", func(b *testing.B) {
		p, err := NewPool(ctx, square, Workers(2))
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = p.Terminate() }()
		run(b, p)
	})
	for name, opts := range map[string][]PoolOption{"local": nil, "threads": {OnThreads()}} {
		b.Run(name, func(b *testing.B) {
			p, err := NewLocalPool(fnSquare, append(opts, Workers(2))...)
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = p.Terminate() }()
			run(b, p)
		})
	}
}

func rate(b *testing.B, items int) {
	b.ReportMetric(float64(b.N)*float64(items)/b.Elapsed().Seconds(), "items/s")
}

func BenchmarkApply(b *testing.B) {
	ctx := context.Background()
	benchPools(b, func(b *testing.B, p Pool[int, int]) {
		for b.Loop() {
			if _, err := p.Apply(ctx, 7); err != nil {
				b.Fatal(err)
			}
		}
		rate(b, 1)
	})
}

func BenchmarkApplyAsync(b *testing.B) {
	ctx := context.Background()
	benchPools(b, func(b *testing.B, p Pool[int, int]) {
		futs := make([]*Future[int], 0, 1000)
		for b.Loop() {
			futs = futs[:0]
			for i := range cap(futs) {
				f, err := p.ApplyAsync(ctx, i)
				if err != nil {
					b.Fatal(err)
				}
				futs = append(futs, f)
			}
			for _, f := range futs {
				if _, err := f.Get(ctx); err != nil {
					b.Fatal(err)
				}
			}
		}
		rate(b, cap(futs))
	})
}

func benchMap(b *testing.B, n int, opts ...CallOption) {
	ctx := context.Background()
	in := numbers(n)
	benchPools(b, func(b *testing.B, p Pool[int, int]) {
		for b.Loop() {
			if _, err := p.Map(ctx, in, opts...); err != nil {
				b.Fatal(err)
			}
		}
		rate(b, n)
	})
}

func BenchmarkMapChunk1(b *testing.B)  { benchMap(b, 50_000, Chunk(1)) }
func BenchmarkMapDefault(b *testing.B) { benchMap(b, 1_000_000) }

func BenchmarkImapChunk100(b *testing.B) {
	ctx := context.Background()
	in := numbers(100_000)
	benchPools(b, func(b *testing.B, p Pool[int, int]) {
		for b.Loop() {
			for _, err := range p.Imap(ctx, slices.Values(in), Chunk(100)) {
				if err != nil {
					b.Fatal(err)
				}
			}
		}
		rate(b, len(in))
	})
}

// BenchmarkProcess starts and joins a process; the executable is this test's.
func BenchmarkProcess(b *testing.B) {
	ctx := context.Background()
	for b.Loop() {
		if _, err := Call(ctx, square, 7); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPool starts two workers, has each do something, and joins them.
func BenchmarkPool(b *testing.B) {
	ctx := context.Background()
	for b.Loop() {
		p, err := NewPool(ctx, square, Workers(2))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := p.Map(ctx, []int{1, 2}); err != nil {
			b.Fatal(err)
		}
		if err := p.Shutdown(ctx); err != nil {
			b.Fatal(err)
		}
	}
}
