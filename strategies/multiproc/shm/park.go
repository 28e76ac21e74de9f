package shm

import (
	"context"
	"math"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// How goroutines wait for a word to change.
//
// Every waiter first spins for a while. Then one goroutine of the process, the leader, sleeps in the kernel on the word
// itself; the others that want the same word queue up behind it in this process, without a thread. When the leader
// leaves, for whatever reason, it lets the next one go, who looks at the word and leaves as well or becomes the leader.
// Beyond maxLeaders words, leaders are replaced by a few goroutines that each sleep on up to 127 words (mux.go).
//
// A wake-up is only a hint: everyone looks at the word again. That makes lost ones harmless too: a process may be killed
// between changing a word and waking, or between being woken and taking what it was woken for, so a sleep lasts 50 ms
// first and 400 ms at most, and the owner's life is checked after each. Where there is an owner whose process may die, the
// first sleep lasts 5 ms, and during the further ones a pidfd tells of its death at once: see parkOwned.
const (
	spinFor     = 50 * time.Microsecond
	firstSleep  = 50 * time.Millisecond
	ownerSleep  = 5 * time.Millisecond
	longestWait = 400 * time.Millisecond
	maxLeaders  = 64
	everyone    = math.MaxInt32
	anyMask     = ^uint32(0)
)

// shard guards the queues of the words that hash to it.
type shard struct {
	mu   sync.Mutex
	lots map[uint64]*lot
	// Futexes to wake when the mutex at the key is unlocked.
	deferred map[uint64][]uint64
	_        [40]byte
}

// lot is where the goroutines of this process wait for one word.
type lot struct {
	leader     bool
	head, tail *waiter
}

// waiter is a queued goroutine. ready holds one token at most.
type waiter struct {
	ready      chan struct{}
	queued     bool
	prev, next *waiter
}

var waiters = sync.Pool{New: func() any { return &waiter{ready: make(chan struct{}, 1)} }}

func (l *lot) push(w *waiter) {
	w.queued, w.prev, w.next = true, l.tail, nil
	if l.tail == nil {
		l.head = w
	} else {
		l.tail.next = w
	}
	l.tail = w
}

func (l *lot) remove(w *waiter) {
	if w.prev == nil {
		l.head = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.tail = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.queued, w.prev, w.next = false, nil, nil
}

func (m *mapping) shardOf(off uint64) *shard { return &m.shards[off>>4*0x9e3779b97f4a7c15>>58] }

func (s *shard) lot(off uint64) *lot {
	l := s.lots[off]
	if l == nil {
		if s.lots == nil {
			s.lots = make(map[uint64]*lot)
		}
		l = new(lot)
		s.lots[off] = l
	}
	return l
}

// next lets the first queued goroutine go, and forgets an idle lot.
func (s *shard) next(off uint64, l *lot) {
	if w := l.head; w != nil {
		l.remove(w)
		w.ready <- struct{}{}
	} else if !l.leader {
		delete(s.lots, off)
	}
}

// promote lets one goroutine that queues for the word at off look at it again.
func (m *mapping) promote(off uint64) {
	s := m.shardOf(off)
	s.mu.Lock()
	if l := s.lots[off]; l != nil {
		s.next(off, l)
	}
	s.mu.Unlock()
}

// wakeLocal lets every goroutine of this process look at its word again: the arena is being closed.
func (m *mapping) wakeLocal() {
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		for off, l := range s.lots {
			for l.head != nil {
				w := l.head
				l.remove(w)
				w.ready <- struct{}{}
			}
			if l.leader {
				// The leader may be about to sleep; it finds the word unchanged then, and the arena closed after
				// its first sleep at the latest.
				futexWake(m.u32(off), everyone, m.bit)
			}
		}
		s.mu.Unlock()
	}
	m.mux.kickAll()
}

// leaders counts the threads of this process that sleep in the kernel for an arena.
var leaders atomic.Int32

// park sleeps until the word at off is not val, somebody wakes it, d has passed or ctx ends. Whoever has called it must
// call promote when it stops waiting for the word, unless it knows that a wake-up of the word is still to come.
// With local set, the wake-up can only come from promote in this process, and no thread is held.
func (m *mapping) park(ctx context.Context, off uint64, val uint32, d time.Duration, local bool) {
	word := m.u32(off)
	s := m.shardOf(off)
	s.mu.Lock()
	if atomic.LoadUint32(word) != val || m.closed.Load() {
		s.mu.Unlock()
		return
	}
	l := s.lot(off)
	if !local && !l.leader {
		l.leader = true
		s.mu.Unlock()
		if leaders.Add(1) <= maxLeaders || !m.mux.wait(ctx, word, val, d) {
			m.sleep(ctx, word, val, d)
		}
		leaders.Add(-1)
		s.mu.Lock()
		l.leader = false
		s.next(off, l)
		s.mu.Unlock()
		return
	}
	w := waiters.Get().(*waiter)
	l.push(w)
	s.mu.Unlock()
	select {
	case <-w.ready:
	case <-ctx.Done():
		s.mu.Lock()
		if w.queued {
			l.remove(w)
			if l.head == nil && !l.leader {
				delete(s.lots, off)
			}
		} else {
			// The turn was this one's already. The lot may be another one by now.
			<-w.ready
			if l := s.lots[off]; l != nil {
				s.next(off, l)
			}
		}
		s.mu.Unlock()
	}
	waiters.Put(w)
}

// parkOwned is park for a word that processes own: when one of them dies, it returns, and c is due. The first, short sleep
// is without that: most waits end before it does, and to watch a process costs some microseconds.
func (m *mapping) parkOwned(ctx context.Context, off uint64, val uint32, c *check, owners ...uint32) {
	if c.sleep <= ownerSleep {
		m.park(ctx, off, val, c.sleep, false)
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var died atomic.Bool
	for _, id := range owners {
		end := func() { died.Store(true); cancel() }
		stop := watchDeath(int(atomic.LoadUint64(m.slot(id))&pidMask), end)
		defer stop()
		if !m.alive(id) { // and the number may be another process's by now
			end()
		}
	}
	m.park(ctx, off, val, c.sleep, false)
	if died.Load() {
		c.last = nanos() - int64(c.sleep)
	}
}

// sleep blocks this thread in the kernel.
func (m *mapping) sleep(ctx context.Context, word *uint32, val uint32, d time.Duration) {
	if ctx.Done() == nil {
		futexWait(word, val, m.bit, d)
		return
	}
	var left atomic.Bool
	stop := context.AfterFunc(ctx, func() {
		// The sleeper may not have gone to sleep yet. Its mask lets this wake-up pass by most other processes.
		for pause := 20 * time.Microsecond; !left.Load() && !m.closed.Load(); pause = min(2*pause, time.Millisecond) {
			futexWake(word, everyone, m.bit)
			time.Sleep(pause)
		}
	})
	if ctx.Err() == nil {
		futexWait(word, val, m.bit, d)
	}
	left.Store(true)
	stop()
}

// wake wakes n processes' leaders that sleep on the word. Each lets its followers look in turn.
func (m *mapping) wake(off uint64, n int32) { futexWake(m.u32(off), n, anyMask) }

var (
	epoch = time.Now()

	// What spinning depends on, looked up at most every 100 ms: programs change their affinity after start.
	spinChecked atomic.Int64
	spinLimit   atomic.Int32 // how many goroutines may spin at once; 0 on one CPU
	spinOneP    atomic.Bool  // GOMAXPROCS is 1
	spinning    atomic.Int32
)

func nanos() int64 { return int64(time.Since(epoch)) }

func maySpin(now int64) bool {
	if last := spinChecked.Load(); last == 0 || now-last > int64(100*time.Millisecond) {
		spinChecked.Store(now)
		limit, procs := 0, runtime.GOMAXPROCS(0)
		if usableCPUs() > 1 {
			limit = procs
		}
		spinOneP.Store(procs == 1)
		spinLimit.Store(int32(limit))
	}
	return spinning.Load() < spinLimit.Load()
}

//go:noinline
func pause(n int) {
	for range n {
	}
}

// spin calls try until it returns true, for spinFor at most, and reports whether it did. The pause between two calls is
// gap turns of an empty loop (about 0.3 ns each) at first and grows up to limit; a longer one leaves the word's cache line
// to its owner. It yields to other threads every few microseconds, without which a woken process may be put on the CPU
// of the one that spins. To goroutines it yields only where they have no other P: elsewhere Gosched would start a thread
// that looks for work on the peer's CPU.
func spin(gap, limit int, try func() bool) bool {
	if try() {
		return true
	}
	now := nanos()
	if !maySpin(now) {
		osyield()
		return try()
	}
	spinning.Add(1)
	defer spinning.Add(-1)
	end, yield := now+int64(spinFor), now+int64(time.Microsecond)
	for turns := 0; ; {
		if try() {
			return true
		}
		pause(gap)
		if turns += gap + 10; turns < 1000 {
			gap = min(2*gap, limit)
			continue
		}
		turns, gap = 0, min(2*gap, limit)
		now = nanos()
		if now >= end {
			return false
		}
		if now >= yield {
			osyield()
			if spinOneP.Load() {
				runtime.Gosched()
			}
			yield = nanos() + int64(5*time.Microsecond)
		}
	}
}

// check says when a waiter is to look whether others are alive: when it has slept long enough in all, however often
// it was woken in between.
type check struct {
	last  int64
	sleep time.Duration
}

func newCheck() check { return check{nanos(), firstSleep} }

// newOwnerCheck is for waits that the death of an owner ends.
func newOwnerCheck() check { return check{nanos(), ownerSleep} }

func (c *check) due() bool {
	now := nanos()
	if now-c.last < int64(c.sleep) {
		return false
	}
	c.last, c.sleep = now, min(2*c.sleep, longestWait)
	return true
}

// object is what every handle consists of: an address that is valid as long as the handle is reachable.
type object struct {
	m   *mapping
	p   unsafe.Pointer
	ref Ref
	a   *Arena // stays open as long as the handle is reachable
}

// Ref returns what names the object in other processes.
func (o *object) Ref() Ref { return o.ref }

// File returns the file of the object's arena, which goes with Ref to other processes; nil after Close. All objects of an
// arena return the same one.
func (o *object) File() *os.File {
	if o.m.closed.Load() {
		return nil
	}
	return o.m.file
}

func (o *object) u32(off uint64) *uint32 { return (*uint32)(unsafe.Add(o.p, off)) }
func (o *object) u64(off uint64) *uint64 { return (*uint64)(unsafe.Add(o.p, off)) }
func (o *object) off(off uint64) uint64  { return uint64(o.ref) + off }

// Kinds of objects, in the magic word at each one's start: "shm", layout version, kind.
const (
	kindMutex = iota + 1
	kindRWMutex
	kindReentrant
	kindSemaphore
	kindBounded
	kindCond
	kindEvent
	kindBarrier
	kindValue
	kindArray
)

func magic(kind uint64) uint64 { return 0x73686d<<40 | 1<<32 | kind<<16 | 0x5bed }

// create allocates an object. setup fills it in before others can attach to it.
func (a *Arena) create(kind uint64, size int64, setup func(*object)) (object, error) {
	r, err := a.Alloc(size, 64)
	if err != nil {
		return object{}, err
	}
	o := object{a.m, a.m.at(uint64(r)), r, a}
	if setup != nil {
		setup(&o)
	}
	atomic.StoreUint64(o.u64(0), magic(kind))
	return o, nil
}

// attach finds an object that another handle created. It never reads outside the arena, whatever r is.
func (a *Arena) attach(kind uint64, size int64, r Ref) (object, error) {
	m := a.m
	if err := m.lockHeap(); err != nil {
		return object{}, err
	}
	defer m.unlockHeap()
	b, ok := m.block(r)
	if !ok || r%64 != 0 || m.blockSize(b)-hdrSize < uint64(size) || atomic.LoadUint64(m.u64(uint64(r))) != magic(kind) {
		return object{}, ErrRef
	}
	return object{m, m.at(uint64(r)), r, a}, nil
}
