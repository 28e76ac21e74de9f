package main

import (
	"context"
	"fmt"

	"github.com/parbench/parbench/.ci/bench-multiproc/work"
	"github.com/parbench/parbench/strategies/multiproc"
)

func flowJobs() map[string]job {
	return map[string]job{
		"queue-int":      queueJob(func(q *multiproc.Queue[int]) work.Flow { return work.Flow{Ints: q} }, 4096),
		"queue-1KiB":     queueJob(func(q *multiproc.Queue[[]byte]) work.Flow { return work.Flow{Data: q, Size: 1 << 10} }, 1024),
		"queue-pingpong": queuePingPong,
		"pipe-int":       pipeInts,
		"pipe-1KiB":      pipeBytes(1<<10, false),
		"pipe-1MiB":      pipeBytes(1<<20, false),
		"pipe-1MiB-into": pipeBytes(1<<20, true),
	}
}

// queueJob measures how many messages a second go from one child to another through a queue.
func queueJob[T any](flow func(*multiproc.Queue[T]) work.Flow, capacity int) job {
	return func(ctx context.Context, _ []int) (values, error) {
		q, err := multiproc.NewQueue[T](capacity)
		if err != nil {
			return nil, err
		}
		return one(oneWay(ctx, flow(q), flow(q)))
	}
}

func pipeInts(ctx context.Context, _ []int) (values, error) {
	r, s, err := multiproc.NewPipe[int]()
	if err != nil {
		return nil, err
	}
	return one(oneWay(ctx, work.Flow{Sends: s}, work.Flow{Recvs: r}))
}

func pipeBytes(size int, into bool) job {
	return func(ctx context.Context, _ []int) (values, error) {
		r, s, err := multiproc.NewBytePipe()
		if err != nil {
			return nil, err
		}
		return one(oneWay(ctx, work.Flow{Out: s, Size: size}, work.Flow{In: r, Size: size, Into: into}))
	}
}

// oneWay has one child send and another receive, which is there first and says how many messages a second came.
func oneWay(ctx context.Context, from, to work.Flow) (float64, error) {
	ready, err := multiproc.NewQueue[int](1)
	if err != nil {
		return 0, err
	}
	from.Ready, to.Ready, to.Time = ready, ready, measureTime
	receiver := multiproc.NewProcess(work.Drain, to)
	if err := receiver.Start(ctx); err != nil {
		return 0, err
	}
	if _, err := ready.Get(ctx); err != nil {
		return 0, err
	}
	var v float64
	err = beside(ctx, multiproc.NewProcess(work.Fill, from), func() (err error) {
		v, err = multiproc.Result[float64](ctx, receiver)
		return err
	})
	return v, err
}

// beside runs f while the process runs, and ends the process. A process that ends before is an error.
func beside(ctx context.Context, p *multiproc.Process, f func() error) error {
	if err := p.Start(ctx); err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	if exit, ended := p.Exit(); ended {
		return fmt.Errorf("the other process has ended: %v", exit)
	}
	if err := p.Kill(); err != nil {
		return err
	}
	_, err := p.Join(ctx)
	return err
}

// at places a process on CPUs, if there are any given.
func at(cpus []int) (opts []multiproc.ProcOption) {
	if len(cpus) > 0 {
		opts = append(opts, multiproc.WithCPUs(cpus...))
	}
	return opts
}

// queuePingPong measures round trips a second between this process and a child.
func queuePingPong(ctx context.Context, partner []int) (values, error) {
	var q [2]*multiproc.Queue[int]
	for i := range q {
		var err error
		if q[i], err = multiproc.NewQueue[int](16); err != nil {
			return nil, err
		}
	}
	var v float64
	err := beside(ctx, multiproc.NewProcess(work.Echo, q, at(partner)...), func() (err error) {
		v, err = trips(func() error {
			if err := q[0].Put(ctx, 1); err != nil {
				return err
			}
			_, err := q[1].Get(ctx)
			return err
		})
		return err
	})
	return one(v, err)
}
