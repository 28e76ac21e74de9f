//go:build linux && (amd64 || arm64)

package shm

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// A child with goroutines that wait once each, and count themselves when woken.
var sleeper = role("sleeper", func(p *peer) {
	c := must(p.a.Cond(p.ref(0)))
	woken := must(AttachValue[int32](p.a, p.ref(1)))
	var wg sync.WaitGroup
	for range p.num(2) {
		wg.Go(func() {
			must(c.Mutex().Lock(bg))
			must(c.Wait(bg))
			woken.Add(1)
			c.Mutex().Unlock()
		})
	}
	wg.Wait()
})

func locked(m *Mutex, f func()) {
	must(m.Lock(bg))
	f()
	m.Unlock()
}

// waitUntil polls a condition that has to become true.
func waitUntil(f func() bool) {
	for !f() {
		runtime.Gosched()
	}
}

// One notification wakes exactly one of the waiting goroutines and processes.
func TestK01_Notify(t *testing.T) {
	a := newArena(t, 1<<16)
	m := must(a.NewMutex())
	c := must(a.NewCond(m))
	woken := must(NewValue[int32](a, 0))
	is(t, c.Notify(), ErrNotOwner)
	_, err := c.Wait(bg)
	is(t, err, ErrNotOwner)
	locked(m, func() { is(t, c.Notify(), nil) }) // for nobody: it is not kept
	child := start(t, a, sleeper, c.Ref(), woken.Ref(), 3)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			must(m.Lock(bg))
			must(c.Wait(bg))
			woken.Add(1)
			m.Unlock()
		})
	}
	waitUntil(func() bool { return c.Waiting() == 6 })
	for i := range int32(6) {
		locked(m, func() {
			is(t, c.Notify(), nil)
			if got := c.Waiting(); got != 5-int(i) {
				t.Errorf("after %d notifications %d wait", i+1, got)
			}
		})
		waitUntil(func() bool { return woken.Load() > i })
		// Whoever is woken without a notification would be counted by now or in a later round.
		if got := woken.Load(); got != i+1 {
			t.Errorf("%d notifications woke %d", i+1, got)
		}
	}
	wg.Wait()
	child.wait()
	if got := woken.Load(); got != 6 {
		t.Errorf("%d woken", got)
	}
}

// After some waits have timed out, NotifyAll wakes all six, and the counts are clean.
func TestK02_NotifyAll(t *testing.T) {
	a := newArena(t, 1<<16)
	m := must(a.NewMutex())
	c := must(a.NewCond(m))
	woken := must(NewValue[int32](a, 0))
	for range 3 {
		locked(m, func() {
			_, err := c.Wait(soon(t))
			timedOut(t, err)
			if !m.c.held() {
				t.Error("a timed out wait does not hold the mutex")
			}
		})
	}
	if c.Waiting() != 0 {
		t.Fatalf("%d wait after all have timed out", c.Waiting())
	}
	child := start(t, a, sleeper, c.Ref(), woken.Ref(), 3)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() { locked(m, func() { must(c.Wait(bg)); woken.Add(1) }) })
	}
	waitUntil(func() bool { return c.Waiting() == 6 })
	locked(m, func() { is(t, c.NotifyAll(), nil) })
	wg.Wait()
	child.wait()
	if woken.Load() != 6 || c.Waiting() != 0 {
		t.Errorf("%d woken, %d wait", woken.Load(), c.Waiting())
	}
	for i := range condSlots {
		if n := atomic.LoadUint64(c.counts(i)) &^ sleepers; n != 0 {
			t.Errorf("entry %d holds %#x", i, n)
		}
	}
}

// An error when the context ends, none when notified; a notification is not lost to a wait that gives up.
func TestK03_Timeout(t *testing.T) {
	a := newArena(t, 1<<16)
	m := must(a.NewMutex())
	c := must(a.NewCond(m))
	locked(m, func() {
		_, err := c.Wait(over())
		timedOut(t, err)
	})
	var got, gaveUp atomic.Int32
	sent := 0
	var wg sync.WaitGroup
	for i := range 40 {
		ctx, cancel := context.WithCancel(bg)
		wg.Go(func() {
			locked(m, func() {
				switch _, err := c.Wait(ctx); {
				case err == nil:
					got.Add(1)
				case errors.Is(err, context.Canceled):
					gaveUp.Add(1)
				default:
					t.Error(err)
				}
			})
		})
		if i%2 == 0 {
			wg.Go(cancel)
		} else {
			defer cancel()
		}
	}
	for got.Load()+gaveUp.Load() < 40 {
		locked(m, func() {
			if c.Waiting() > 0 {
				is(t, c.Notify(), nil)
				sent++
			}
		})
		runtime.Gosched()
	}
	wg.Wait()
	if int(got.Load()) != sent {
		t.Errorf("%d notifications, %d received, %d gave up", sent, got.Load(), gaveUp.Load())
	}
}

var counter = role("counter", func(p *peer) {
	c := must(p.a.Cond(p.ref(0)))
	n := must(AttachValue[int32](p.a, p.ref(1)))
	for range p.num(2) {
		locked(c.Mutex(), func() {
			n.Add(1)
			must(0, c.NotifyAll())
		})
	}
})

// The predicate decides; it is called with the mutex held; at the deadline the wait ends with an error.
func TestK04_WaitFor(t *testing.T) {
	a := newArena(t, 1<<16)
	m := must(a.NewMutex())
	c := must(a.NewCond(m))
	n := must(NewValue[int32](a, 0))
	_, err := c.WaitFor(bg, func() bool { return true })
	is(t, err, ErrNotOwner)
	locked(m, func() {
		_, err := c.WaitFor(over(), func() bool { return true })
		is(t, err, nil)
		calls := 0
		_, err = c.WaitFor(soon(t), func() bool { calls++; return false })
		timedOut(t, err)
		if calls < 2 {
			t.Errorf("predicate was called %d times", calls)
		}
	})
	child := start(t, a, counter, c.Ref(), n.Ref(), 50)
	locked(m, func() {
		_, err := c.WaitFor(bg, func() bool { return m.c.held() && n.Load() >= 50 })
		is(t, err, nil)
	})
	child.wait()
}

// A process that dies while it waits takes no notification with it, not even one that it had got already.
func TestCondWaiterDies(t *testing.T) {
	a := newArena(t, 1<<16)
	m := must(a.NewMutex())
	c := must(a.NewCond(m))
	woken := must(NewValue[int32](a, 0))
	child := start(t, a, sleeper, c.Ref(), woken.Ref(), 2)
	waitUntil(func() bool { return c.Waiting() == 2 })
	// The child is stopped, so it cannot take the notifications; then it dies with them.
	child.stop()
	locked(m, func() { is(t, c.NotifyN(2), nil) })
	child.kill()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { locked(m, func() { must(c.Wait(bg)) }) })
	}
	wg.Wait()
	if woken.Load() != 0 || c.Waiting() != 0 {
		t.Errorf("%d woken by the dead, %d waiting", woken.Load(), c.Waiting())
	}
	// Before it got any: the notification goes to a living one.
	child = start(t, a, sleeper, c.Ref(), woken.Ref(), 2)
	waitUntil(func() bool { return c.Waiting() == 2 })
	child.kill()
	wg.Go(func() { locked(m, func() { must(c.Wait(bg)) }) })
	waitUntil(func() bool { return c.Waiting() == 3 })
	for range 3 {
		locked(m, func() { is(t, c.Notify(), nil) })
	}
	wg.Wait()
}

// A process that dies with the mutex held shows in what Wait returns.
func TestCondOwnerDies(t *testing.T) {
	a := newArena(t, 1<<16)
	m := must(a.NewMutex())
	c := must(a.NewCond(m))
	child := start(t, a, "notify-and-hang", c.Ref())
	child.expect("up")
	got := make(chan LockState)
	go func() {
		m.Lock(bg)
		child.tell()
		st, err := c.WaitFor(bg, func() bool { return false })
		if err != nil {
			t.Error(err)
		}
		got <- st
		m.Unlock()
	}()
	child.expect("notified")
	child.kill()
	if st := <-got; st != OwnerDied {
		t.Error(st)
	}
}

var _ = role("notify-and-hang", func(p *peer) {
	c := must(p.a.Cond(p.ref(0)))
	p.say("up")
	p.hear()
	must(c.Mutex().Lock(bg))
	must(0, c.NotifyAll())
	p.say("notified")
	p.hear()
})
