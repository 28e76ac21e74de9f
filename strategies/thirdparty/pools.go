package thirdparty

import (
	"sync"
	"sync/atomic"

	"github.com/Jeffail/tunny"
	"github.com/alitto/pond/v2"
	"github.com/gammazero/workerpool"
	"github.com/panjf2000/ants/v2"
	conc "github.com/sourcegraph/conc/pool"
	"golang.org/x/sync/errgroup"

	"github.com/parbench/parbench/strategies"
)

const (
	antsModule       = "github.com/panjf2000/ants/v2"
	concModule       = "github.com/sourcegraph/conc"
	errgroupModule   = "golang.org/x/sync"
	pondModule       = "github.com/alitto/pond/v2"
	tunnyModule      = "github.com/Jeffail/tunny"
	workerpoolModule = "github.com/gammazero/workerpool"
)

// ants starts a pool for its package functions as soon as it is linked in, with two goroutines that tick; nobody needs it.
func init() { ants.Release() }

type antsPool struct{ *ants.Pool }

func startAnts(workers int) (pool, error) {
	p, err := ants.NewPool(workers)
	return antsPool{p}, err
}

func (p antsPool) run(b *strategies.Batch, n int) {
	var running sync.WaitGroup
	defer running.Wait()
	for i := 0; i < n && !b.Stopped(); i++ {
		running.Add(1)
		// The only errors are those of a closed pool and of one that refuses to wait.
		if err := p.Submit(func() { defer running.Done(); b.Task(i) }); err != nil {
			running.Done()
			b.Fail(i, err)
		}
	}
}

func (p antsPool) close() { p.Release() }

type concPool struct{ workers int }

func startConc(workers int) (pool, error) { return concPool{workers}, nil }

func (p concPool) run(b *strategies.Batch, n int) {
	group := conc.New().WithMaxGoroutines(p.workers)
	defer group.Wait()
	for i := 0; i < n && !b.Stopped(); i++ {
		group.Go(func() { b.Task(i) })
	}
}

func (concPool) close() {}

type errgroupPool struct{ workers int }

func startErrgroup(workers int) (pool, error) { return errgroupPool{workers}, nil }

func (p errgroupPool) run(b *strategies.Batch, n int) {
	var group errgroup.Group // its context would be one more: the batch's ends with the first error already
	group.SetLimit(p.workers)
	defer func() { _ = group.Wait() }()
	for i := 0; i < n && !b.Stopped(); i++ {
		group.Go(func() error { b.Task(i); return nil })
	}
}

func (errgroupPool) close() {}

type pondPool struct{ pond.Pool }

func startPond(workers int) (pool, error) { return pondPool{pond.NewPool(workers)}, nil }

func (p pondPool) run(b *strategies.Batch, n int) {
	var running sync.WaitGroup
	defer running.Wait()
	for i := 0; i < n && !b.Stopped(); i++ {
		running.Add(1)
		if err := p.Go(func() { defer running.Done(); b.Task(i) }); err != nil {
			running.Done()
			b.Fail(i, err)
		}
	}
}

func (p pondPool) close() { p.StopAndWait() }

// tunnyPool shares its batch with its workers by a field: their function is set when the pool is made.
type tunnyPool struct {
	*tunny.Pool
	workers int
	batch   atomic.Pointer[strategies.Batch]
}

func startTunny(workers int) (pool, error) {
	p := &tunnyPool{workers: workers}
	p.Pool = tunny.NewFunc(workers, func(i any) any { p.batch.Load().Task(i.(int)); return nil })
	return p, nil
}

func (p *tunnyPool) run(b *strategies.Batch, n int) {
	p.batch.Store(b)
	var next atomic.Int64
	var callers sync.WaitGroup
	for range min(p.workers, n) {
		callers.Go(func() {
			for !b.Stopped() {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				p.Process(i)
			}
		})
	}
	callers.Wait()
}

func (p *tunnyPool) close() { p.Close() }

type workerPool struct{ *workerpool.WorkerPool }

func startWorkerpool(workers int) (pool, error) { return workerPool{workerpool.New(workers)}, nil }

func (p workerPool) run(b *strategies.Batch, n int) {
	var running sync.WaitGroup
	defer running.Wait()
	for i := 0; i < n && !b.Stopped(); i++ {
		running.Add(1)
		p.Submit(func() { defer running.Done(); b.Task(i) })
	}
}

func (p workerPool) close() { p.StopWait() }
