package strategies

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/parbench/parbench/workloads"
)

// crew is the executor behind pool, threads, gil and process-per-task: workers that live between batches and share the
// indices of a batch by splitting ranges.
//
// Each worker begins with an equal, contiguous share of 0..n-1 in a word of its own and takes indices from its front: a
// compare-and-swap on a cache line that nobody else touches. A shared counter costs more as soon as two cores want it,
// and more again with every further core. A worker that has run out takes the rear half of the largest share that is
// left. This is the range form of work stealing (Blumofe, Leiserson: "Scheduling multithreaded computations by work
// stealing", JACM 46(5), 1999; splitting on demand as in Tzannes et al.: "Lazy binary splitting", PPoPP 2010).
//
// What it promises: a worker is idle only when every index has been taken, so when the first one runs out, each of the
// others has at most what it took last in its hands. That is a single task, except while its share is still long: of a
// share of 256 or more it takes up to one part in 128 at once, at most 32 tasks. Tasks that come in such numbers are
// short, or the batch would take minutes; and the end of a batch, where imbalance comes from, is always taken one by
// one. The indices of a worker stay neighbours, which is good for tasks that share memory.
type crew struct {
	tasks   workloads.Tasks
	workers []*crewWorker
	locked  bool
	span    int // most indices shared out at once; a share packs two of them in a word
	gone    sync.WaitGroup
	closed  bool
	onClose func()
	probed  bool // tasks are told their worker
}

var _ Prober = (*crew)(nil)

// maxSpan is the largest span: both ends of a share fit in 32 bits.
const maxSpan = 1<<31 - 1

type crewWorker struct {
	// share is the half-open range [lo, hi) of indices that nobody took yet, lo in the upper half.
	share atomic.Uint64
	_     [120]byte // two lines: adjacent ones are fetched in pairs
	todo  chan *crewBatch
}

// crewBatch is one span of one batch.
type crewBatch struct {
	*batch
	base    int // the first index of the span
	running sync.WaitGroup
	// steal is held to look for a share to split and until its half was published, so that whoever finds nothing
	// knows that nothing is on its way. A worker takes it about log2(n) times in a batch.
	steal sync.Mutex
	sum   atomic.Uint64
}

// startCrew prepares the tasks and starts the workers, on operating system threads of their own where locked is set.
func startCrew(ctx context.Context, cfg Config, locked bool) (*crew, error) {
	tasks, err := cfg.Prepare(ctx)
	if err != nil {
		return nil, err
	}
	return newCrew(tasks, cfg.Workers, locked), nil
}

func newCrew(tasks workloads.Tasks, workers int, locked bool) *crew {
	c := &crew{tasks: tasks, locked: locked, span: maxSpan, workers: make([]*crewWorker, workers)}
	var ready sync.WaitGroup
	ready.Add(workers)
	c.gone.Add(workers)
	for k := range c.workers {
		c.workers[k] = &crewWorker{todo: make(chan *crewBatch)}
		go c.live(k, ready.Done)
	}
	ready.Wait() // the threads exist when set-up ends
	return c
}

// live is a worker's life. ready is called once it could take a batch.
func (c *crew) live(k int, ready func()) {
	finished := false
	defer func() {
		if !finished {
			// A task ended this goroutine (runtime.Goexit; guard has recorded it). A new one takes its place.
			go c.live(k, func() {})
			return
		}
		c.gone.Done()
	}()
	if c.locked {
		// Never unlocked: the thread ends with the goroutine, and with it what a task may have done to the thread.
		runtime.LockOSThread()
	}
	ready()
	for b := range c.workers[k].todo {
		c.work(k, b)
	}
	finished = true
}

// Run implements Executor.
func (c *crew) Run(ctx context.Context, n int) (uint64, error) {
	b := newBatch(ctx, c.tasks)
	var sum uint64
	for base := 0; base < n && !b.stop.Load(); base += c.span {
		sum += c.runSpan(b, base, min(c.span, n-base))
	}
	return b.finish(ctx, sum)
}

func (c *crew) runSpan(b *batch, base, n int) uint64 {
	s := &crewBatch{batch: b, base: base}
	busy := min(n, len(c.workers))
	s.running.Add(busy)
	for k, w := range c.workers {
		if k >= busy {
			w.share.Store(0)
			continue
		}
		w.share.Store(packShare(portion(n, k, busy), portion(n, k+1, busy)))
	}
	for _, w := range c.workers[:busy] {
		w.todo <- s
	}
	s.running.Wait()
	return s.sum.Load()
}

// work runs tasks until every one was taken.
func (c *crew) work(k int, b *crewBatch) {
	defer b.running.Done()
	i, done := 0, false
	defer b.guard(&i, &done)
	ctx := b.ctx
	if c.probed {
		ctx = WithWorker(ctx, k)
	}
	var sum uint64
	for {
		lo, hi := c.take(k, b)
		if lo == hi {
			break
		}
		d, ok := b.run(ctx, b.base+lo, b.base+hi, &i)
		sum += d
		if !ok {
			break
		}
	}
	b.sum.Add(sum)
	done = true
}

// take returns the next indices for worker k, relative to the span; none mean that every index was taken.
func (c *crew) take(k int, b *crewBatch) (from, to int) {
	own := &c.workers[k].share
	for {
		word := own.Load()
		lo, hi := unpackShare(word)
		if lo == hi {
			return c.split(k, b)
		}
		to := lo + min(max((hi-lo)/128, 1), 32)
		if own.CompareAndSwap(word, packShare(to, hi)) {
			return lo, to
		}
	}
}

// split takes the rear half of the largest share, returns its first index and publishes the rest as worker k's own.
func (c *crew) split(k int, b *crewBatch) (from, to int) {
	b.steal.Lock()
	defer b.steal.Unlock()
	for {
		var victim *crewWorker
		var word uint64
		most := 0
		for _, w := range c.workers {
			s := w.share.Load()
			if lo, hi := unpackShare(s); hi-lo > most {
				victim, word, most = w, s, hi-lo
			}
		}
		if victim == nil {
			return 0, 0
		}
		lo, hi := unpackShare(word)
		mid := lo + most/2
		if victim.share.CompareAndSwap(word, packShare(lo, mid)) {
			c.workers[k].share.Store(packShare(mid+1, hi))
			return mid, mid + 1
		}
	}
}

// portion returns where the k-th of parts equal portions of n begins.
func portion(n, k, parts int) int { return int(int64(n) * int64(k) / int64(parts)) }

func packShare(lo, hi int) uint64 { return uint64(lo)<<32 | uint64(hi) }

func unpackShare(word uint64) (lo, hi int) { return int(word >> 32), int(word & 0xFFFF_FFFF) }

// Probe implements Prober.
func (c *crew) Probe(p *Probe) error {
	c.tasks, c.probed = p.Watch(c.tasks, WorkerOf), p != nil
	return nil
}

// Close implements Executor. The workers are idle between batches, so there is nothing to force.
func (c *crew) Close(context.Context) error {
	if c.closed {
		return nil
	}
	c.closed = true
	for _, w := range c.workers {
		close(w.todo)
	}
	c.gone.Wait()
	if c.onClose != nil {
		c.onClose()
	}
	return c.tasks.Close()
}
