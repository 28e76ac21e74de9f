package manager

import (
	"context"
	"sync"
	"testing"
)

// The benchmarks mirror what Python's managers were measured with: one caller, one call after another, a rate each.
// BenchmarkCalls/… has the same with many callers and over the socket.

func benchManager(b *testing.B, opts ...Option) *Manager {
	b.Helper()
	m, err := Start(context.Background(), opts...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := m.Shutdown(context.Background()); err != nil {
			b.Error(err)
		}
	})
	return m
}

// rate reports calls per second.
func rate(b *testing.B, each int) {
	b.ReportMetric(float64(b.N*each)/b.Elapsed().Seconds(), "calls/s")
}

func check(b *testing.B, err error) {
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkDictSet sets one key.
func BenchmarkDictSet(b *testing.B) {
	ctx := context.Background()
	d, err := NewDict[string, int](ctx, benchManager(b))
	check(b, err)
	for i := 0; b.Loop(); i++ {
		check(b, d.Set(ctx, "a", i))
	}
	rate(b, 1)
}

// BenchmarkDictGet gets one key.
func BenchmarkDictGet(b *testing.B) {
	ctx := context.Background()
	d, err := NewDict[string, int](ctx, benchManager(b))
	check(b, err)
	check(b, d.Set(ctx, "a", 1))
	for b.Loop() {
		_, err := d.Get(ctx, "a")
		check(b, err)
	}
	rate(b, 1)
}

// BenchmarkListAppend appends one item.
func BenchmarkListAppend(b *testing.B) {
	ctx := context.Background()
	l, err := NewList[int](ctx, benchManager(b))
	check(b, err)
	for i := 0; b.Loop(); i++ {
		check(b, l.Append(ctx, i))
	}
	rate(b, 1)
}

// BenchmarkQueue puts one item and gets it.
func BenchmarkQueue(b *testing.B) {
	ctx := context.Background()
	q, err := NewQueue[int](ctx, benchManager(b), 16)
	check(b, err)
	for i := 0; b.Loop(); i++ {
		check(b, q.Put(ctx, i))
		_, err := q.Get(ctx)
		check(b, err)
	}
	rate(b, 1)
}

// BenchmarkMutex locks and unlocks.
func BenchmarkMutex(b *testing.B) {
	ctx := context.Background()
	l, err := NewMutex(ctx, benchManager(b))
	check(b, err)
	for b.Loop() {
		_, err := l.Lock(ctx)
		check(b, err)
		check(b, l.Unlock(ctx))
	}
	rate(b, 1)
}

// BenchmarkStartStop starts a manager and shuts it down.
func BenchmarkStartStop(b *testing.B) {
	ctx := context.Background()
	for b.Loop() {
		m, err := Start(ctx)
		check(b, err)
		check(b, m.Shutdown(ctx))
	}
}

// BenchmarkCalls measures Dict.Get in the ways in which it can be reached.
func BenchmarkCalls(b *testing.B) {
	ctx := context.Background()
	run := func(name string, callers, size int, opts ...Option) {
		b.Run(name, func(b *testing.B) {
			d, err := NewDict[string, []byte](ctx, benchManager(b, opts...))
			check(b, err)
			check(b, d.Set(ctx, "a", make([]byte, size)))
			b.ResetTimer()
			var wg sync.WaitGroup
			for i := range callers {
				wg.Go(func() {
					for range (b.N + i) / callers {
						if _, err := d.Get(ctx, "a"); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			rate(b, 1)
		})
	}
	run("1 caller 8B", 1, 8)
	run("1 caller 1KiB", 1, 1<<10)
	run("1 caller 1MiB", 1, 1<<20)
	run("16 callers 8B", 16, 8)
	run("256 callers 8B", 256, 8)
	run("socket 1 caller 8B", 1, 8, SocketOnly())
	run("socket 16 callers 8B", 16, 8, SocketOnly())
	run("socket 256 callers 8B", 256, 8, SocketOnly())
}

// BenchmarkLocal is Dict.Get of a local manager.
func BenchmarkLocal(b *testing.B) {
	ctx := context.Background()
	m, err := NewLocal()
	check(b, err)
	defer func() { _ = m.Close() }()
	d, err := NewDict[string, int](ctx, m)
	check(b, err)
	check(b, d.Set(ctx, "a", 1))
	for b.Loop() {
		_, err := d.Get(ctx, "a")
		check(b, err)
	}
	rate(b, 1)
}
