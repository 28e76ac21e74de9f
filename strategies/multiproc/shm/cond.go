package shm

import (
	"context"
	"sync/atomic"
	"unsafe"
)

// A Cond has an entry for every process that waits: how many of its goroutines wait (high half) and how many of them
// have been notified and have not noticed yet (low half, with the mark sleepers). A notification moves one from one
// half to the other in one atomic operation. All but taking a notification is done with the mutex held.
const (
	condMutex  = 8  // u64, the mutex's Ref
	condCursor = 16 // u32, the entry that was notified last
	condTable  = 64
	condEntry  = 16 // u64 counts, u32 process
	condSlots  = 60
	condSize   = condTable + condSlots*condEntry

	oneWaiter = 1 << 32
)

// Cond lets those who hold a mutex wait until another changes what it protects. Goroutines of up to 60 processes can
// wait at the same time, any number in each. Created in an arena; must not be copied.
type Cond struct {
	object
	mu *Mutex
}

// NewCond makes a condition of a mutex of the same arena.
func (a *Arena) NewCond(mu *Mutex) (*Cond, error) {
	if mu == nil || mu.m != a.m {
		return nil, ErrRef
	}
	o, err := a.create(kindCond, condSize, func(o *object) { *o.u64(condMutex) = uint64(mu.ref) })
	if err != nil {
		return nil, err
	}
	return &Cond{o, mu}, nil
}

// Cond attaches to the condition at r, and to its mutex; ErrRef where there is none.
func (a *Arena) Cond(r Ref) (*Cond, error) {
	o, err := a.attach(kindCond, condSize, r)
	if err != nil {
		return nil, err
	}
	mu, err := a.Mutex(Ref(*o.u64(condMutex)))
	if err != nil {
		return nil, err
	}
	return &Cond{o, mu}, nil
}

// Mutex returns the condition's mutex.
func (c *Cond) Mutex() *Mutex { return c.mu }

func (c *Cond) counts(i int) *uint64  { return c.u64(condTable + condEntry*uint64(i)) }
func (c *Cond) process(i int) *uint32 { return c.u32(condTable + condEntry*uint64(i) + 8) }
func (c *Cond) futex(i int) uint64    { return c.off(condTable + condEntry*uint64(i)) }

// entry returns this process's entry, or a free one, or one of a dead process.
func (c *Cond) entry() (int, error) {
	free := -1
	for i := range condSlots {
		if atomic.LoadUint32(c.process(i)) == c.m.self {
			return i, nil
		}
		if free < 0 && atomic.LoadUint64(c.counts(i))&^sleepers == 0 {
			free = i
		}
	}
	for i := 0; free < 0 && i < condSlots; i++ {
		if !c.m.alive(atomic.LoadUint32(c.process(i))) {
			c.bury(i)
			free = i
		}
	}
	if free < 0 {
		return 0, ErrProcesses
	}
	atomic.StoreUint64(c.counts(free), 0)
	atomic.StoreUint32(c.process(free), c.m.self)
	return free, nil
}

// take takes a notification of entry i if there is one.
func (c *Cond) take(i int) bool {
	p := c.counts(i)
	for {
		v := atomic.LoadUint64(p)
		if uint32(v)&^sleepers == 0 {
			return false
		}
		if atomic.CompareAndSwapUint64(p, v, v-1) {
			return true
		}
	}
}

// Wait unlocks the mutex, waits for a notification and locks the mutex again. It returns with the mutex held, whatever
// the error: that of ctx, which ends the wait for the notification but not for the mutex, or ErrProcesses. A notification
// wakes one waiter and is never lost to one whose context ended. ErrNotOwner, at once, where this process does not hold
// the mutex; ErrClosed, with the mutex not held, after Close. The state is that of the lock that Wait took.
func (c *Cond) Wait(ctx context.Context) (LockState, error) {
	if !c.mu.c.held() {
		return NotLocked, ErrNotOwner
	}
	i, err := c.entry()
	if err != nil {
		return Locked, err
	}
	atomic.AddUint64(c.counts(i), oneWaiter)
	_ = c.mu.Unlock() // held, as was checked
	err = c.await(ctx, i)
	st, lockErr := c.mu.Lock(context.Background())
	if lockErr != nil {
		return st, lockErr
	}
	if err == nil {
		raceAcquire(c.off(0))
		return st, nil
	}
	// A notification may have come since: it counts.
	if c.take(i) {
		raceAcquire(c.off(0))
		return st, nil
	}
	if p := c.counts(i); atomic.LoadUint64(p)>>32 > 0 {
		atomic.AddUint64(p, ^uint64(oneWaiter-1))
	}
	return st, err
}

// await waits for a notification of entry i without the mutex.
func (c *Cond) await(ctx context.Context, i int) error {
	m, off := c.m, c.futex(i)
	low := (*uint32)(unsafe.Pointer(c.counts(i)))
	parked := false
	check := newCheck()
	for {
		if spin(waitGap, waitGap, func() bool { return c.take(i) }) {
			if parked {
				m.promote(off)
			}
			return nil
		}
		if m.closed.Load() {
			m.promote(off)
			return ErrClosed
		}
		if ctx.Err() != nil {
			m.promote(off)
			return ended(ctx)
		}
		if check.due() {
			c.sweep()
		}
		v := atomic.LoadUint32(low)
		if v&^sleepers != 0 || v == 0 && !atomic.CompareAndSwapUint32(low, 0, sleepers) {
			continue
		}
		m.park(ctx, off, sleepers, check.sleep, false)
		parked = true
	}
}

// sweep passes on the notifications that dead processes got and cannot take any more.
func (c *Cond) sweep() {
	for i := range condSlots {
		v := atomic.LoadUint64(c.counts(i))
		if v&^sleepers == 0 || c.m.alive(atomic.LoadUint32(c.process(i))) {
			continue
		}
		switch c.mu.TryLock() {
		case Locked:
			if !c.m.alive(atomic.LoadUint32(c.process(i))) {
				c.bury(i)
			}
			_ = c.mu.Unlock() // it was just locked
		case OwnerDied:
			// Not ours to repair: whoever locks next is to hear of it.
			c.mu.c.abandon()
		}
		return
	}
}

// bury clears the entry of a dead process and notifies others in its place. The mutex is held.
func (c *Cond) bury(i int) {
	pending := uint32(atomic.SwapUint64(c.counts(i), 0)) &^ sleepers
	atomic.StoreUint32(c.process(i), 0)
	c.notifyUpTo(int(pending))
}

// notify notifies up to n waiters of one process. The mutex is held. It returns how many; 0 where nobody waits.
func (c *Cond) notify(n int) int {
	cursor := int(atomic.LoadUint32(c.u32(condCursor)))
	for next := 1; next <= condSlots; next++ {
		i := (cursor + next) % condSlots
		v := atomic.LoadUint64(c.counts(i))
		if v>>32 == 0 {
			continue
		}
		if id := atomic.LoadUint32(c.process(i)); c.m.gone(id) || uint32(v)&^sleepers != 0 && !c.m.alive(id) {
			c.bury(i) // notifications that nobody took made us look whether it lives
			return c.notify(n)
		}
		k := min(n, int(v>>32))
		for !atomic.CompareAndSwapUint64(c.counts(i), v, v&^sleepers-uint64(k)*oneWaiter+uint64(k)) {
			v = atomic.LoadUint64(c.counts(i)) // only a taker, or one that goes to sleep, can interfere
		}
		atomic.StoreUint32(c.u32(condCursor), uint32(i))
		if v&sleepers != 0 {
			// It could not go on before the mutex is free; woken now it would only run into it.
			c.m.deferWake(&c.mu.c, c.futex(i))
		}
		return k
	}
	return 0
}

// Notify wakes one waiter, if there is one; which one is not defined. The mutex has to be held: ErrNotOwner otherwise.
func (c *Cond) Notify() error { return c.NotifyN(1) }

// NotifyN wakes up to n waiters.
func (c *Cond) NotifyN(n int) error {
	if !c.mu.c.held() {
		return ErrNotOwner
	}
	raceRelease(c.off(0))
	c.notifyUpTo(n)
	return nil
}

func (c *Cond) notifyUpTo(n int) {
	for k := -1; n > 0 && k != 0; n -= k {
		k = c.notify(n)
	}
}

// NotifyAll wakes everyone who waits.
func (c *Cond) NotifyAll() error { return c.NotifyN(maxCount) }

// Waiting returns how many wait and have not been notified. The mutex should be held.
func (c *Cond) Waiting() int {
	n := 0
	for i := range condSlots {
		n += int(atomic.LoadUint64(c.counts(i)) >> 32)
	}
	return n
}

// WaitFor waits until pred returns true, which is called with the mutex held, and returns as Wait does. When a process
// died with the mutex it returns OwnerDied at once, whatever pred would say.
func (c *Cond) WaitFor(ctx context.Context, pred func() bool) (LockState, error) {
	if !c.mu.c.held() {
		return NotLocked, ErrNotOwner
	}
	for !pred() {
		st, err := c.Wait(ctx)
		if err != nil || st == OwnerDied {
			if err != nil && st == Locked && pred() {
				err = nil
			}
			return st, err
		}
	}
	return Locked, nil
}

// deferWake has the futex at off woken when the held mutex is unlocked.
func (m *mapping) deferWake(c *core, off uint64) {
	s := m.shardOf(c.off)
	s.mu.Lock()
	if s.deferred == nil {
		s.deferred = make(map[uint64][]uint64)
	}
	s.deferred[c.off] = append(s.deferred[c.off], off)
	s.mu.Unlock()
	atomic.OrUint32(c.word, chores)
}

func (m *mapping) takeDeferred(mutex uint64) []uint64 {
	s := m.shardOf(mutex)
	s.mu.Lock()
	defer s.mu.Unlock()
	woken := s.deferred[mutex]
	if woken != nil {
		delete(s.deferred, mutex)
	}
	return woken
}
