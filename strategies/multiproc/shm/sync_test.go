//go:build linux && (amd64 || arm64)

package shm

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"
)

// Value 2 to 0, try false, releases beyond the initial value allowed.
func TestE01_Semaphore(t *testing.T) {
	a := newArena(t, 1<<16)
	s := must(a.NewSemaphore(2))
	is(t, s.Acquire(bg), nil)
	is(t, s.Acquire(over()), nil) // what is there is taken whatever the context
	if s.TryAcquire() || s.Value() != 0 {
		t.Fatal("a third unit of two")
	}
	for i := range 5 {
		is(t, s.Release(), nil)
		if s.Value() != i+1 {
			t.Fatal(s.Value())
		}
	}
	is(t, s.ReleaseN(0), ErrSize)
	is(t, s.ReleaseN(maxCount), ErrOverRelease)
	_, err := a.NewSemaphore(-1)
	is(t, err, ErrSize)
}

// A bounded semaphore refuses to be released above its value, also through another handle.
func TestE02_Bounded(t *testing.T) {
	a := newArena(t, 1<<16)
	s := must(a.NewBoundedSemaphore(2))
	is(t, s.Release(), ErrOverRelease)
	is(t, s.Acquire(bg), nil)
	again := must(a.BoundedSemaphore(s.Ref()))
	is(t, again.ReleaseN(2), ErrOverRelease)
	is(t, again.Release(), nil)
	is(t, again.Release(), ErrOverRelease)
	if s.Value() != 2 {
		t.Fatal(s.Value())
	}
}

// A wait with a deadline ends with it, for every form, and leaves the counts alone.
func TestE03_Timeout(t *testing.T) {
	a := newArena(t, 1<<16)
	s, b := must(a.NewSemaphore(0)), must(a.NewBoundedSemaphore(1))
	is(t, b.Acquire(bg), nil)
	for range 3 {
		timedOut(t, s.Acquire(soon(t)))
		timedOut(t, s.Acquire(over()))
		timedOut(t, b.Acquire(soon(t)))
	}
	ctx, cancel := context.WithCancel(bg)
	cancel()
	is(t, s.Acquire(ctx), context.Canceled)
	is(t, s.Release(), nil)
	is(t, s.Acquire(bg), nil)
	is(t, b.Release(), nil)
	if s.Value() != 0 || b.Value() != 1 {
		t.Error(s.Value(), b.Value())
	}
}

var gated = role("gated", func(p *peer) {
	s := must(p.a.Semaphore(p.ref(0)))
	in, most := must(AttachValue[int32](p.a, p.ref(1))), must(AttachValue[int32](p.a, p.ref(2)))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range p.num(3) {
				if err := s.Acquire(bg); err != nil {
					panic(err)
				}
				n := in.Add(1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				runtime.Gosched()
				in.Add(-1)
				s.Release()
			}
		})
	}
	wg.Wait()
})

// As many are inside as the semaphore has units, never more, over processes and goroutines; all units come back.
func TestSemaphoreLimitsConcurrency(t *testing.T) {
	a := newArena(t, 1<<16)
	s := must(a.NewSemaphore(3))
	in, most := must(NewValue[int32](a, 0)), must(NewValue[int32](a, 0))
	var cs []*child
	for range 4 {
		cs = append(cs, start(t, a, gated, s.Ref(), in.Ref(), most.Ref(), 1000))
	}
	for _, c := range cs {
		c.wait()
	}
	if most.Load() > 3 || most.Load() < 1 || in.Load() != 0 || s.Value() != 3 {
		t.Errorf("%d at once, %d inside, value %d", most.Load(), in.Load(), s.Value())
	}
}

// Units handed over while waits are being cancelled are neither lost nor doubled.
func TestSemaphoreCancelledWaits(t *testing.T) {
	s := must(newArena(t, 1<<16).NewSemaphore(0))
	var got atomic.Int64
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			for range 20 {
				ctx, cancel := context.WithCancel(bg)
				if i%2 == 0 {
					go cancel()
				}
				if s.Acquire(ctx) == nil {
					got.Add(1)
				}
				cancel()
			}
		})
	}
	// Those that do not give up need 25*20 units; the others took some before they gave up.
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	released := int64(0)
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
			if s.Value() == 0 {
				is(t, s.Release(), nil)
				released++
			} else {
				runtime.Gosched()
			}
		}
	}
	if got.Load()+int64(s.Value()) != released {
		t.Errorf("released %d, acquired %d, left %d", released, got.Load(), s.Value())
	}
}

var waiterRole = role("event-waiter", func(p *peer) {
	e := must(p.a.Event(p.ref(0)))
	p.say("waiting")
	if err := e.Wait(bg); err != nil {
		panic(err)
	}
	p.say("woken")
	p.hear()
	e.Set()
})

// Not set at first; set wakes at once; clear; another process's set wakes here, and the other way round; C in a
// select.
func TestV01_Event(t *testing.T) {
	a := newArena(t, 1<<16)
	e := must(a.NewEvent())
	if e.IsSet() {
		t.Fatal("set at first")
	}
	timedOut(t, e.Wait(over()))
	timedOut(t, e.Wait(soon(t)))
	select {
	case <-e.C():
		t.Fatal("channel of an unset event is closed")
	default:
	}
	c := e.C()
	e.Set()
	e.Set()
	<-c
	is(t, e.Wait(over()), nil)
	<-e.C()
	e.Clear()
	e.Clear()
	if e.IsSet() || e.C() == c {
		t.Fatal("clear did nothing")
	}
	ctx, cancel := context.WithCancel(bg)
	cancel()
	is(t, e.Wait(ctx), context.Canceled)
	ch := start(t, a, waiterRole, e.Ref())
	ch.expect("waiting")
	e.Set()
	ch.expect("woken")
	e.Clear()
	next := e.C()
	ch.tell()
	is(t, e.Wait(bg), nil)
	<-next
	ch.wait()
}

// A Set that a Clear follows at once wakes those who waited.
func TestEventPulse(t *testing.T) {
	a := newArena(t, 1<<16)
	e := must(a.NewEvent())
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			if err := e.Wait(bg); err != nil {
				t.Error(err)
			}
		})
	}
	// All five wait when one of them sleeps for the word and four are queued behind it.
	for n := 0; n < 4; {
		runtime.Gosched()
		n = queued(a.m, e.off(eventWord))
	}
	e.Set()
	e.Clear()
	wg.Wait()
}

// queued is how many goroutines of this process wait for a word behind a leader.
func queued(m *mapping, off uint64) int {
	s := m.shardOf(off)
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	if l := s.lots[off]; l != nil && l.leader {
		for w := l.head; w != nil; w = w.next {
			n++
		}
	}
	return n
}

func threads(t *testing.T) int { return len(must(os.ReadDir("/proc/self/task"))) }

// Ten thousand goroutines that wait, for one object or for a different one each, need few threads. Then all are woken,
// or their context ends.
func TestManyWaitersFewThreads(t *testing.T) {
	a := newArena(t, 4<<20)
	const n = 10_000
	limit := threads(t) + maxLeaders + 2*n/groupSize
	for _, c := range []struct {
		name   string
		wait   func(ctx context.Context, i int) error
		waits  func() int
		finish func()
	}{
		oneEvent(a, n), manyEvents(a, n), oneSemaphore(a, n), oneMutex(a, n),
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.name == "many events" && !hasWaitv() {
				t.Skip("the kernel has no futex_waitv")
			}
			var wg sync.WaitGroup
			ctx, cancel := context.WithCancel(bg)
			for i := range n {
				wg.Go(func() {
					c2 := bg
					if i%2 == 1 {
						c2 = ctx
					}
					err := c.wait(c2, i)
					if err != nil && (i%2 == 0 || !errors.Is(err, context.Canceled)) {
						t.Error(err)
					}
				})
			}
			for c.waits() < n*9/10 {
				runtime.Gosched()
			}
			if got := threads(t); got > limit {
				t.Errorf("%d threads while %d goroutines wait, want at most %d", got, n, limit)
			}
			cancel()
			c.finish()
			wg.Wait()
		})
	}
}

var waitvProbe uint32

func hasWaitv() bool {
	_, ok := futexWaitv([]waitvEntry{{val: 1, addr: uintptr(unsafe.Pointer(&waitvProbe)), flags: futex2Size32}}, 1)
	return ok
}

type crowd = struct {
	name   string
	wait   func(ctx context.Context, i int) error
	waits  func() int
	finish func()
}

func oneEvent(a *Arena, n int) crowd {
	e := must(a.NewEvent())
	return crowd{"one event", func(ctx context.Context, _ int) error { return e.Wait(ctx) },
		func() int { return queued(a.m, e.off(eventWord)) }, e.Set}
}

func manyEvents(a *Arena, n int) crowd {
	es := make([]*Event, n)
	for i := range es {
		es[i] = must(a.NewEvent())
	}
	return crowd{"many events", func(ctx context.Context, i int) error { return es[i].Wait(ctx) },
		func() int {
			k := 0
			for _, e := range es {
				if atomic.LoadUint32(e.word)&eventAsleep != 0 {
					k++
				}
			}
			return k
		},
		func() {
			for _, e := range es {
				e.Set()
			}
		}}
}

func oneSemaphore(a *Arena, n int) crowd {
	s := must(a.NewSemaphore(0))
	return crowd{"one semaphore", func(ctx context.Context, _ int) error { return s.Acquire(ctx) },
		func() int { return queued(a.m, s.off(semWord)) }, func() { s.ReleaseN(n) }}
}

func oneMutex(a *Arena, n int) crowd {
	m := must(a.NewMutex())
	m.Lock(bg)
	return crowd{"one mutex", func(ctx context.Context, _ int) error {
		_, err := m.Lock(ctx)
		if err == nil {
			err = m.Unlock()
		}
		return err
	}, func() int {
		s := a.m.shardOf(m.c.off)
		s.mu.Lock()
		defer s.mu.Unlock()
		k := 0
		if l := s.lots[m.c.off]; l != nil {
			for w := l.head; w != nil; w = w.next {
				k++
			}
		}
		return k
	}, func() { m.Unlock() }}
}

var rwRole = role("rw", func(p *peer) {
	rw := must(p.a.RWMutex(p.ref(0)))
	cells := must(AttachArray[int64](p.a, p.ref(1))).Unsafe()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range p.num(2) {
				if (i+g)%4 == 0 {
					must(rw.Lock(bg))
					cells[0]++
					cells[1]++
					rw.Unlock()
					continue
				}
				must(rw.RLock(bg))
				if cells[0] != cells[1] {
					panic("a reader saw a write")
				}
				rw.RUnlock()
			}
		})
	}
	wg.Wait()
})

func TestRWMutex(t *testing.T) {
	a := newArena(t, 1<<16)
	rw := must(a.NewRWMutex())
	for range 3 {
		must(rw.RLock(bg))
	}
	if rw.TryLock() != NotLocked || rw.TryRLock() != Locked {
		t.Fatal("readers do not share, or let a writer in")
	}
	_, err := rw.Lock(soon(t))
	timedOut(t, err)
	if rw.TryRLock() != Locked { // the writer gave up: readers come in again
		t.Fatal("a writer that gave up keeps readers out")
	}
	is(t, rw.Unlock(), ErrUnlocked)
	for range 5 {
		is(t, rw.RUnlock(), nil)
	}
	is(t, rw.RUnlock(), ErrNotOwner)
	must(rw.Lock(bg))
	if rw.TryRLock() != NotLocked || rw.TryLock() != NotLocked {
		t.Fatal("a writer is not alone")
	}
	for range 2 {
		_, err = rw.RLock(soon(t))
		timedOut(t, err)
		_, err = rw.Lock(soon(t))
		timedOut(t, err)
	}
	is(t, rw.RUnlock(), ErrNotOwner)
	is(t, rw.Unlock(), nil)

	cells := must(NewArray[int64](a, 2))
	cs := []*child{start(t, a, rwRole, rw.Ref(), cells.Ref(), 1000), start(t, a, rwRole, rw.Ref(), cells.Ref(), 1000)}
	for _, c := range cs {
		c.wait()
	}
	if got := cells.Clone(); got[0] != 2000 || got[1] != 2000 {
		t.Errorf("writes %v, want 2000", got)
	}
	if rw.TryLock() != Locked {
		t.Error("not free in the end")
	}
}

// A table full of reading processes keeps further ones waiting, until one leaves or is found dead.
func TestRWMutexFullTable(t *testing.T) {
	a := newArena(t, 1<<16)
	rw := must(a.NewRWMutex())
	child := hold(t, a, "read", rw.Ref())
	var other uint64
	for i := range uint32(rwSlots) {
		other = max(other, *rw.entry(i))
	}
	for i := range uint32(rwSlots) {
		atomic.StoreUint64(rw.entry(i), other)
	}
	_, err := rw.RLock(soon(t))
	timedOut(t, err)
	child.kill()
	if st, err := rw.RLock(bg); st != Locked || err != nil {
		t.Fatal(st, err)
	}
	is(t, rw.RUnlock(), nil)
}

// The race detector knows the order of ordinary memory that an RWMutex, an Event and a Semaphore protect.
func TestOrderAmongGoroutines(t *testing.T) {
	a := newArena(t, 1<<16)
	rw, e, s := must(a.NewRWMutex()), must(a.NewEvent()), must(a.NewSemaphore(0))
	n, seen := 0, 0
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 100 {
				rw.Lock(bg)
				n++
				rw.Unlock()
				rw.RLock(bg)
				_ = n
				rw.RUnlock()
			}
		})
	}
	wg.Wait()
	wg.Go(func() {
		e.Wait(bg)
		seen += n
		s.Release()
	})
	n = 1
	e.Set()
	is(t, s.Acquire(bg), nil)
	if seen != 1 {
		t.Error(seen)
	}
	wg.Wait()
}
