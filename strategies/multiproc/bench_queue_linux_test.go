package multiproc

import (
	"context"
	"testing"

	"github.com/parbench/parbench/strategies/multiproc/shm"
)

type benchQueue struct {
	Ints *Queue[int]
	Data *Queue[[]byte]
	Back *Queue[int]
	Pipe *Sender[[]byte]
	N    int
	Size int
}

var (
	benchPut = Register("test.queue.bench.put", func(ctx context.Context, b benchQueue) (int, error) {
		data := make([]byte, b.Size)
		for i := range b.N {
			var err error
			switch {
			case b.Ints != nil:
				err = b.Ints.Put(ctx, i)
			case b.Pipe != nil:
				err = b.Pipe.Send(ctx, data)
			default:
				err = b.Data.Put(ctx, data)
			}
			if err != nil {
				return i, err
			}
		}
		return b.N, nil
	})
	benchEcho = Register("test.queue.bench.echo", func(ctx context.Context, b benchQueue) (int, error) {
		for v, err := range b.Ints.All(ctx) {
			if err == nil {
				err = b.Back.Put(ctx, v)
			}
			if err != nil {
				return v, err
			}
		}
		return 0, nil
	})
)

// BenchmarkQueue measures one process putting and one getting, through queues and pipes.
func BenchmarkQueue(b *testing.B) {
	ctx := context.Background()
	run := func(b *testing.B, in benchQueue, get func() error) {
		in.N = b.N
		p := NewProcess(benchPut, in)
		if err := p.Start(ctx); err != nil {
			b.Fatal(err)
		}
		if err := get(); err != nil { // the child is up
			b.Fatal(err)
		}
		b.ResetTimer()
		for range b.N - 1 {
			if err := get(); err != nil {
				b.Fatal(err)
			}
		}
		rate(b, 1)
		b.StopTimer()
		if _, err := Result[int](ctx, p); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("int", func(b *testing.B) {
		q, err := NewQueue[int](4096)
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = q.Detach() }()
		run(b, benchQueue{Ints: q}, func() error { _, err := q.Get(ctx); return err })
	})
	for name, size := range map[string]int{"8B": 8, "1KiB": 1 << 10, "1MiB": 1 << 20} {
		b.Run("pipe "+name, func(b *testing.B) {
			r, s, err := NewPipe[[]byte]()
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = r.Close() }()
			run(b, benchQueue{Pipe: s, Size: size}, func() error { _, err := r.Recv(ctx); return err })
		})
	}
	for name, size := range map[string]int{"1KiB": 1 << 10, "1MiB": 1 << 20} {
		b.Run(name, func(b *testing.B) {
			q, err := NewQueue[[]byte](1024)
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = q.Detach() }()
			run(b, benchQueue{Data: q, Size: size}, func() error { _, err := q.Get(ctx); return err })
		})
	}
}

// BenchmarkQueuePingPong measures round trips between two processes.
func BenchmarkQueuePingPong(b *testing.B) {
	ctx := context.Background()
	there, err := NewQueue[int](16)
	if err != nil {
		b.Fatal(err)
	}
	back, err := NewQueue[int](16)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _, _ = there.Detach(), back.Detach() }()
	p := NewProcess(benchEcho, benchQueue{Ints: there, Back: back})
	if err := p.Start(ctx); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := there.Put(ctx, 1); err != nil {
			b.Fatal(err)
		}
		if _, err := back.Get(ctx); err != nil {
			b.Fatal(err)
		}
	}
	rate(b, 1)
	_ = there.Close()
	if _, err := Result[int](ctx, p); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkHandle measures a handle as the argument of a task: to be named, opened and attached to in a worker.
func BenchmarkHandle(b *testing.B) {
	ctx := context.Background()
	a, err := shm.NewArena(1 << 16)
	if err != nil {
		b.Fatal(err)
	}
	defer a.Close()
	v, err := shm.NewValue[int64](a, 0)
	if err != nil {
		b.Fatal(err)
	}
	p, err := NewPool(ctx, benchAdd, Workers(1))
	if err != nil {
		b.Fatal(err)
	}
	defer p.Terminate()
	for name, in := range map[string]*shm.Value[int64]{"value": v, "nil": nil} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := p.Apply(ctx, in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

var benchAdd = Register("test.bench.add", func(_ context.Context, v *shm.Value[int64]) (int64, error) {
	if v == nil {
		return 0, nil
	}
	return v.Add(1), nil
})
