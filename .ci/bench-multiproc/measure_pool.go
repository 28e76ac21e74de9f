package main

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/parbench/parbench/.ci/bench-multiproc/work"
	"github.com/parbench/parbench/strategies/multiproc"
)

// How many items are handed to a pool at once, which is what peer.py does too, and how many of its calls are made
// between two looks at the clock.
const (
	few     = 200
	many    = 20_000
	mapped  = 100_000
	chunked = 50_000
	large   = 64
)

// made returns n inputs.
func made[T any](n int, input func(i int) T) []T {
	all := make([]T, n)
	for i := range all {
		all[i] = input(i)
	}
	return all
}

func ints(n int) []int { return made(n, func(i int) int { return i % 256 }) }

// blobs are distinct values: pickle sends a repeated one only once per chunk.
func blobs(n, size int) [][]byte {
	return made(n, func(i int) []byte {
		b := work.Data(size)
		binary.LittleEndian.PutUint64(b, uint64(i))
		return b
	})
}

func poolJobs() map[string]job {
	all := map[string]job{
		"apply-idle":     applyIdle,
		"apply-int":      intJob(apply, few),
		"async-int":      intJob(async, many),
		"map-int":        intJob(mapOne, many),
		"map-default":    intJob(mapDefault, mapped),
		"unordered-int":  intJob(unordered, many),
		"imap-100":       intJob(imapChunks, chunked),
		"apply-1KiB":     bytesJob(apply, few, 1<<10),
		"async-1KiB":     bytesJob(async, many, 1<<10),
		"map-1KiB":       bytesJob(mapOne, many, 1<<10),
		"unordered-1KiB": bytesJob(unordered, many, 1<<10),
		"apply-1MiB":     bytesJob(apply, 4, 1<<20),
		"async-1MiB":     bytesJob(async, large, 1<<20),
		"map-1MiB":       bytesJob(mapDefault, large, 1<<20),
	}
	for name, c := range map[string]call[int]{"apply": apply[int], "async": async[int], "map": mapOne[int], "unordered": unordered[int]} {
		all["dummy-"+name] = dummyJob(c, many)
	}
	return all
}

// call is one way to have a pool work on all inputs.
type call[T any] func(ctx context.Context, p multiproc.Pool[T, T], in []T) error

func apply[T any](ctx context.Context, p multiproc.Pool[T, T], in []T) error {
	for _, v := range in {
		if _, err := p.Apply(ctx, v); err != nil {
			return err
		}
	}
	return nil
}

func async[T any](ctx context.Context, p multiproc.Pool[T, T], in []T) error {
	futures := make([]*multiproc.Future[T], 0, len(in))
	for _, v := range in {
		f, err := p.ApplyAsync(ctx, v)
		if err != nil {
			return err
		}
		futures = append(futures, f)
	}
	for _, f := range futures {
		if _, err := f.Get(ctx); err != nil {
			return err
		}
	}
	return nil
}

func mapOne[T any](ctx context.Context, p multiproc.Pool[T, T], in []T) error {
	_, err := p.Map(ctx, in, multiproc.Chunk(1))
	return err
}

func mapDefault[T any](ctx context.Context, p multiproc.Pool[T, T], in []T) error {
	_, err := p.Map(ctx, in)
	return err
}

func unordered[T any](ctx context.Context, p multiproc.Pool[T, T], in []T) error {
	n := 0
	for _, err := range p.ImapUnordered(ctx, slices.Values(in)) {
		if err != nil {
			return err
		}
		n++
	}
	return complete(n, len(in))
}

func imapChunks[T any](ctx context.Context, p multiproc.Pool[T, T], in []T) error {
	n := 0
	for _, err := range p.Imap(ctx, slices.Values(in), multiproc.Chunk(100)) {
		if err != nil {
			return err
		}
		n++
	}
	return complete(n, len(in))
}

func complete(got, want int) error {
	if got != want {
		return errors.New("results are missing")
	}
	return nil
}

func intJob(c call[int], n int) job {
	return poolJob(work.Int, c, func() []int { return ints(n) })
}

func bytesJob(c call[[]byte], n, size int) job {
	return poolJob(work.Bytes, c, func() [][]byte { return blobs(n, size) })
}

// poolJob measures a call on a pool of two worker processes.
func poolJob[T any](fn multiproc.Func[T, T], c call[T], inputs func() []T) job {
	return func(ctx context.Context, _ []int) (values, error) {
		in := inputs()
		p, err := multiproc.NewPool(ctx, fn, multiproc.Workers(2))
		if err != nil {
			return nil, err
		}
		defer func() { _ = p.Terminate() }()
		return one(rate(len(in), func() error { return c(ctx, p, in) }))
	}
}

// dummyJob measures a call on two workers in this process: goroutines, then OS threads.
func dummyJob(c call[int], n int) job {
	return func(ctx context.Context, _ []int) (values, error) {
		v, in := make(values), ints(n)
		for name, opts := range map[string][]multiproc.PoolOption{"goroutines": nil, "threads": {multiproc.OnThreads()}} {
			p, err := multiproc.NewLocalPool(func(_ context.Context, n int) (int, error) { return n, nil },
				append(opts, multiproc.Workers(2))...)
			if err != nil {
				return nil, err
			}
			v[name], err = rate(len(in), func() error { return c(ctx, p, in) })
			_ = p.Terminate()
			if err != nil {
				return nil, err
			}
		}
		return v, nil
	}
}

// applyIdle measures calls that find the workers asleep.
func applyIdle(ctx context.Context, _ []int) (values, error) {
	p, err := multiproc.NewPool(ctx, work.Int, multiproc.Workers(2))
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.Terminate() }()
	return one(median(50, func() (float64, error) {
		time.Sleep(2 * time.Millisecond)
		return timed(func() error {
			_, err := p.Apply(ctx, 7)
			return err
		})
	}))
}
