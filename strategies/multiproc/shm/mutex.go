package shm

import (
	"context"
	"sync"
	"sync/atomic"
)

// LockState says how a lock was taken.
type LockState uint8

const (
	// NotLocked is the state that comes with an error: the lock is not held.
	NotLocked LockState = iota
	// Locked is the ordinary state.
	Locked
	// OwnerDied says that the lock is held, and that a process died while it held it: what the lock protects may be half
	// changed and is the caller's to repair. It is said once; unlocking makes the lock an ordinary one again.
	OwnerDied
)

func (s LockState) String() string {
	switch s {
	case Locked:
		return "locked"
	case OwnerDied:
		return "locked, owner died"
	}
	return "not locked"
}

// A lock word holds the owner's id in 30 bits and two marks for the one who unlocks.
const (
	sleepers = 1 << 31 // processes may sleep on the word
	chores   = 1 << 30 // goroutines of the owner's process wait for it, or it has deferred wake-ups
)

// Pauses of spin. Who waits for something to happen looks often: nobody else needs the line. Looking often at a lock that
// others pass takes the line from them and slows everybody down: two processes pass it 23 million times a second at 64,
// 45 at 1024, 55 at 8000, but a hand-over through a Cond takes twice as long at the last.
const (
	waitGap   = 20
	lockGap   = 1024
	lockLimit = 8192
)

// core is a lock word: 0 when free, else its owner with marks. Mutex, Reentrant and the allocator are made of it.
type core struct {
	m    *mapping
	word *uint32
	off  uint64
}

// tryLock takes a free lock, or one whose owner died.
func (c *core) tryLock() LockState {
	v := atomic.LoadUint32(c.word)
	switch {
	case v == 0:
		if atomic.CompareAndSwapUint32(c.word, 0, c.m.self) {
			raceAcquire(c.off)
			return Locked
		}
	case v&idMask != c.m.self && !c.m.alive(v&idMask):
		if atomic.CompareAndSwapUint32(c.word, v, c.m.self|sleepers) {
			raceAcquire(c.off)
			return OwnerDied
		}
	}
	return NotLocked
}

// lock takes the lock, waiting as long as ctx lasts.
func (c *core) lock(ctx context.Context) (LockState, error) {
	if atomic.CompareAndSwapUint32(c.word, 0, c.m.self) {
		raceAcquire(c.off)
		return Locked, nil
	}
	return c.lockSlow(ctx)
}

func (c *core) lockSlow(ctx context.Context) (LockState, error) {
	m := c.m
	mine := m.self // what is stored when the lock is taken; marks are kept for those who may wait as well
	check := newOwnerCheck()
	for {
		if spin(lockGap, lockLimit, func() bool {
			return atomic.LoadUint32(c.word) == 0 && atomic.CompareAndSwapUint32(c.word, 0, mine)
		}) {
			if m.closed.Load() { // private memory has taken the arena's place
				return NotLocked, ErrClosed
			}
			raceAcquire(c.off)
			return Locked, nil
		}
		v := atomic.LoadUint32(c.word)
		if v == 0 {
			continue
		}
		owner := v & idMask
		if m.closed.Load() {
			m.promote(c.off)
			return NotLocked, ErrClosed
		}
		if m.gone(owner) || check.due() && !m.alive(owner) {
			if atomic.CompareAndSwapUint32(c.word, v, m.self|sleepers|chores) {
				raceAcquire(c.off)
				return OwnerDied, nil
			}
			continue
		}
		if ctx.Err() != nil {
			c.pass()
			return NotLocked, ended(ctx)
		}
		// Ask the owner to wake us: through the kernel, or in this process if it is ours.
		mark := uint32(sleepers)
		if owner == m.self {
			mark = chores
		}
		if v&mark == 0 && !atomic.CompareAndSwapUint32(c.word, v, v|mark) {
			continue
		}
		if owner == m.self {
			m.park(ctx, c.off, v|mark, check.sleep, true)
		} else {
			m.parkOwned(ctx, c.off, v|mark, &check, owner)
		}
		mine = m.self | sleepers | chores
	}
}

// pass gives a wake-up that this waiter may have got to somebody else who waits.
func (c *core) pass() {
	c.m.promote(c.off)
	c.m.wake(c.off, 1)
}

func (c *core) unlock() error {
	raceRelease(c.off)
	if atomic.CompareAndSwapUint32(c.word, c.m.self, 0) {
		return nil
	}
	return c.unlockSlow()
}

func (c *core) held() bool { return atomic.LoadUint32(c.word)&idMask == c.m.self }

func (c *core) unlockSlow() error {
	if v := atomic.LoadUint32(c.word); v == 0 {
		return ErrUnlocked
	} else if v&idMask != c.m.self {
		return ErrNotOwner
	}
	c.release(0)
	return nil
}

// abandon leaves the lock as if its owner had died.
func (c *core) abandon() { c.release(deadID) }

func (c *core) release(to uint32) {
	// Wake-ups that a Cond deferred are taken before others can add theirs.
	var woken []uint64
	if atomic.LoadUint32(c.word)&chores != 0 {
		woken = c.m.takeDeferred(c.off)
	}
	old := atomic.SwapUint32(c.word, to)
	if old&chores != 0 {
		c.m.promote(c.off)
	}
	if old&sleepers != 0 {
		c.m.wake(c.off, 1)
	}
	for _, off := range woken {
		c.m.wake(off, 1)
	}
}

// Mutex is a lock between processes and goroutines. It is created in an arena and must not be copied; any number of
// handles may stand for it. Whoever locks owns it as a process: another goroutine of the process may unlock it, another
// process may not.
//
// Free, it costs one atomic operation to lock and one to unlock. It is not fair: who comes by while it is free takes it
// before those that have to wake up first.
type Mutex struct {
	object
	c core
}

const (
	mutexWord = 8
	mutexSize = 64
)

// NewMutex makes a free mutex.
func (a *Arena) NewMutex() (*Mutex, error) {
	o, err := a.create(kindMutex, mutexSize, nil)
	return newMutex(o), err
}

// Mutex attaches to the mutex at r; ErrRef where there is none.
func (a *Arena) Mutex(r Ref) (*Mutex, error) {
	o, err := a.attach(kindMutex, mutexSize, r)
	return newMutex(o), err
}

func newMutex(o object) *Mutex {
	if o.m == nil {
		return nil
	}
	return &Mutex{o, core{m: o.m, word: o.u32(mutexWord), off: o.off(mutexWord)}}
}

// Lock takes the mutex. It waits until ctx ends; a free mutex is taken even then. The error is ErrClosed or that of the
// context, with ErrTimeout for a deadline. A dead owner is noticed at once, but not before the wait has lasted 5 ms.
func (m *Mutex) Lock(ctx context.Context) (LockState, error) {
	if atomic.CompareAndSwapUint32(m.c.word, 0, m.c.m.self) {
		raceAcquire(m.c.off)
		return Locked, nil
	}
	return m.c.lockSlow(ctx)
}

// TryLock takes the mutex if it is free or its owner is dead, and returns NotLocked otherwise, which costs some
// microseconds where another process holds it: it looks whether that one lives.
func (m *Mutex) TryLock() LockState { return m.c.tryLock() }

// Unlock frees the mutex. ErrUnlocked where it is free, ErrNotOwner where another process holds it; neither changes it.
func (m *Mutex) Unlock() error {
	raceRelease(m.c.off)
	if atomic.CompareAndSwapUint32(m.c.word, m.c.m.self, 0) {
		return nil
	}
	return m.c.unlockSlow()
}

// OnOwnerDeath calls f, once and on a goroutine of its own, when the process that holds the mutex now has died, unless stop
// is called before. It does nothing where nobody holds it, or this process does, or the kernel cannot watch processes
// (before Linux 5.3).
func (m *Mutex) OnOwnerDeath(f func()) (stop func()) {
	id := atomic.LoadUint32(m.c.word) & idMask
	if id == 0 || id == m.m.self {
		return func() {}
	}
	f = sync.OnceFunc(f)
	stop = watchDeath(int(atomic.LoadUint64(m.m.slot(id))&pidMask), f)
	if !m.m.alive(id) { // and the number may be another process's by now
		stop()
		go f()
	}
	return stop
}

// Do calls f with the mutex held, also when f panics it is unlocked.
func (m *Mutex) Do(ctx context.Context, f func(LockState)) error {
	st, err := m.Lock(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = m.c.unlock() }() // f may have unlocked it
	f(st)
	return nil
}
