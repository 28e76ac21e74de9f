//go:build linux && (amd64 || arm64)

package shm

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"
)

// over returns a context that has ended already: a wait with it must return at once.
func over() context.Context {
	ctx, cancel := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	cancel()
	return ctx
}

// soon returns a context that ends while a wait is under way, after spinning and into the sleep.
func soon(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// timedOut checks the error of a wait whose deadline passed.
func timedOut(t testing.TB, err error) {
	t.Helper()
	if !errors.Is(err, ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("error is %v, want one that is ErrTimeout and context.DeadlineExceeded", err)
	}
}

func is(t testing.TB, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("error is %v, want %v", err, want)
	}
}

// Acquire, second try false, release, over-release is an error.
func TestL01_Mutex(t *testing.T) {
	m := must(newArena(t, 1<<16).NewMutex())
	for range 3 {
		if st, err := m.Lock(bg); st != Locked || err != nil {
			t.Fatal(st, err)
		}
		if st := m.TryLock(); st != NotLocked {
			t.Fatal(st)
		}
		_, err := m.Lock(soon(t))
		timedOut(t, err)
		_, err = m.Lock(over())
		timedOut(t, err)
		is(t, m.Unlock(), nil)
		is(t, m.Unlock(), ErrUnlocked)
		// A free mutex is taken whatever the context.
		if st, err := m.Lock(over()); st != Locked || err != nil {
			t.Fatal(st, err)
		}
		is(t, m.Unlock(), nil)
	}
	ctx, cancel := context.WithCancel(bg)
	cancel()
	m.Lock(bg)
	_, err := m.Lock(ctx)
	is(t, err, context.Canceled)
	if errors.Is(err, ErrTimeout) {
		t.Error("a cancelled wait is a timeout")
	}
}

// Three nested acquires, three releases, the fourth is an error; another owner is kept out.
func TestL02_Reentrant(t *testing.T) {
	a := newArena(t, 1<<16)
	r := must(a.NewReentrant())
	me, other := NewOwner(), NewOwner()
	for i := range 3 {
		if st, err := r.Lock(bg, me); st != Locked || err != nil || r.Depth(me) != i+1 {
			t.Fatal(st, err, r.Depth(me))
		}
	}
	if st := r.TryLock(other); st != NotLocked {
		t.Fatal(st)
	}
	_, err := r.Lock(soon(t), other)
	timedOut(t, err)
	is(t, r.Unlock(other), ErrNotOwner)
	for range 3 {
		is(t, r.Unlock(me), nil)
	}
	is(t, r.Unlock(me), ErrUnlocked)
	if st := r.TryLock(other); st != Locked {
		t.Fatal(st)
	}
	is(t, r.Unlock(me), ErrNotOwner)
	_, err = r.Lock(bg, Owner{})
	is(t, err, ErrNotOwner)

	same := must(a.Reentrant(r.Ref()))
	is(t, same.Unlock(other), nil)
}

var unlocker = role("unlocker", func(p *peer) {
	m := must(p.a.Mutex(p.ref(0)))
	if errors.Is(m.Unlock(), ErrNotOwner) && m.TryLock() == NotLocked {
		p.say("refused")
	}
	p.hear()
	_, err := m.Lock(bg)
	if err == nil {
		p.say("locked")
	}
	p.hear()
})

// A mutex is unlocked by the process that locked it only, by any of its goroutines; a semaphore is for handing over.
func TestL03_OnlyOwnerUnlocks(t *testing.T) {
	a := newArena(t, 1<<16)
	m := must(a.NewMutex())
	m.Lock(bg)
	c := start(t, a, unlocker, m.Ref())
	c.expect("refused")
	done := make(chan error)
	go func() { done <- m.Unlock() }()
	is(t, <-done, nil)
	c.tell()
	c.expect("locked")
	is(t, m.Unlock(), ErrNotOwner)
	c.tell()
	c.wait()
}

// The lock as a block, which is left by a panic too.
func TestL04_Do(t *testing.T) {
	m := must(newArena(t, 1<<16).NewMutex())
	func() {
		defer func() { recover() }()
		m.Do(bg, func(LockState) { panic("in the block") })
	}()
	is(t, m.Unlock(), ErrUnlocked)
	is(t, m.Do(bg, func(st LockState) {
		if st != Locked || m.TryLock() != NotLocked {
			t.Error("not held in the block")
		}
	}), nil)
}

var adder = role("adder", func(p *peer) {
	m := must(p.a.Mutex(p.ref(0)))
	cells := must(AttachArray[int64](p.a, p.ref(1))).Unsafe()
	p.say("ready")
	p.hear()
	var wg sync.WaitGroup
	for range p.num(3) {
		wg.Go(func() {
			for range p.num(2) {
				m.Lock(bg)
				cells[0]++ // two words that would differ if two were in here
				cells[1]++
				if cells[0] != cells[1] {
					cells[2]++
				}
				m.Unlock()
			}
		})
	}
	wg.Wait()
})

// Mutual exclusion: eight processes, two goroutines each, ten thousand increments by each process.
func TestMutexExcludesProcesses(t *testing.T) {
	a := newArena(t, 1<<16)
	m := must(a.NewMutex())
	n := must(NewArray[int64](a, 3))
	var cs []*child
	for range 8 {
		cs = append(cs, start(t, a, adder, m.Ref(), n.Ref(), 5000, 2))
	}
	for _, c := range cs {
		c.expect("ready")
	}
	for _, c := range cs {
		c.tell()
	}
	for _, c := range cs {
		c.wait()
	}
	if got := n.Unsafe(); got[0] != 80000 || got[2] != 0 {
		t.Errorf("counted %d of 80000, %d overlaps", got[0], got[2])
	}
}

// The same among goroutines, with every form of locking. The counter is ordinary memory: the race detector checks the
// order too.
func TestMutexExcludesGoroutines(t *testing.T) {
	a := newArena(t, 1<<16)
	m := must(a.NewMutex())
	n := 0
	var wg sync.WaitGroup
	for range 16 {
		own := must(a.Mutex(m.Ref()))
		wg.Go(func() {
			for i := range 1000 {
				st := NotLocked
				for st == NotLocked {
					switch i % 3 {
					case 0:
						st, _ = own.Lock(bg)
					case 1:
						ctx, cancel := context.WithTimeout(bg, 10*time.Microsecond)
						st, _ = own.Lock(ctx)
						cancel()
					case 2:
						if st = own.TryLock(); st == NotLocked {
							runtime.Gosched()
						}
					}
				}
				n++
				if err := own.Unlock(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n != 16*1000 {
		t.Errorf("counted %d of 16000", n)
	}
}

// Waits that end by their context leave the mutex as it was, and lose no wake-up of another.
func TestMutexCancelledWaits(t *testing.T) {
	a := newArena(t, 1<<16)
	m := must(a.NewMutex())
	m.Lock(bg)
	var leaving, staying sync.WaitGroup
	ctx, cancel := context.WithCancel(bg)
	for i := range 100 {
		if i%2 == 0 {
			leaving.Go(func() {
				_, err := m.Lock(ctx)
				if !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
			continue
		}
		staying.Go(func() {
			if _, err := m.Lock(bg); err != nil {
				t.Error(err)
			}
			m.Unlock()
		})
	}
	time.AfterFunc(5*time.Millisecond, cancel)
	leaving.Wait()
	m.Unlock()
	staying.Wait()
	is(t, m.Unlock(), ErrUnlocked)
}

// soonOf returns a context that ends after ns nanoseconds.
func soonOf(ns time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), ns)
	context.AfterFunc(ctx, cancel)
	return ctx
}
