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
// Each worker begins with an equal, contiguous share of 0..n-1 in a word of its own and takes one index at a time from
// its front. Taking one is a compare-and-swap on a cache line that nobody else touches, 5 to 6 ns; a shared counter
// costs about 15 ns as soon as two cores want it, and gets worse with every further core. A worker that has run out
// takes the rear half of the largest share that is left. This is the range form of work stealing (Blumofe, Leiserson:
// "Scheduling multithreaded computations by work stealing", JACM 46(5), 1999; splitting on demand as in Tzannes et al.:
// "Lazy binary splitting", PPoPP 2010).
//
// What it promises: a worker is idle only when every task has been taken. So when the first worker runs out, each of
// the others has at most the one task in its hands, whatever the tasks cost: no guess at a block size can go wrong,
// neither with long tasks nor with cheap ones that suddenly become expensive. And the indices of a worker stay
// neighbours, which is good for tasks that share memory.
type crew struct {
	tasks   workloads.Tasks
	workers []*crewWorker
	locked  bool
	span    int // most indices shared out at once; a share packs two of them in a word
	gone    sync.WaitGroup
	closed  bool
	onClose func()
}

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
	var sum uint64
	for !b.stop.Load() {
		at, ok := c.take(k, b)
		if !ok {
			break
		}
		i = b.base + at
		d, err := b.tasks.Task(b.ctx, i)
		if err != nil {
			b.fail(asTaskError(i, err))
			break
		}
		sum = workloads.Combine(sum, i, d)
	}
	b.sum.Add(sum)
	done = true
}

// take returns the next index for worker k, relative to the span; false means that every index was taken.
func (c *crew) take(k int, b *crewBatch) (int, bool) {
	own := &c.workers[k].share
	for {
		word := own.Load()
		lo, hi := unpackShare(word)
		if lo == hi {
			return c.split(k, b)
		}
		if own.CompareAndSwap(word, packShare(lo+1, hi)) {
			return lo, true
		}
	}
}

// split takes the rear half of the largest share, returns its first index and publishes the rest as worker k's own.
func (c *crew) split(k int, b *crewBatch) (int, bool) {
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
			return 0, false
		}
		lo, hi := unpackShare(word)
		mid := lo + most/2
		if victim.share.CompareAndSwap(word, packShare(lo, mid)) {
			c.workers[k].share.Store(packShare(mid+1, hi))
			return mid, true
		}
	}
}

// portion returns where the k-th of parts equal portions of n begins.
func portion(n, k, parts int) int { return int(int64(n) * int64(k) / int64(parts)) }

func packShare(lo, hi int) uint64 { return uint64(lo)<<32 | uint64(hi) }

func unpackShare(word uint64) (lo, hi int) { return int(word >> 32), int(word & 0xFFFF_FFFF) }

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
