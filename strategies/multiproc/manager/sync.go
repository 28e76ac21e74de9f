package manager

import (
	"context"
	"errors"
	"strconv"
)

// Semaphore holds units in a manager that anybody may take and give: a handle, as Dict is. The units have no owner: a
// process that dies does not give its units back, and one process may release what another acquired.
type Semaphore struct{ handle }

// NewSemaphore makes a semaphore of value units, 0 to 2^31-1.
func NewSemaphore(ctx context.Context, m *Manager, value int) (Semaphore, error) {
	return semaphoreOf(ctx, m, value, false)
}

// NewBoundedSemaphore makes a semaphore of value units that refuses to have more.
func NewBoundedSemaphore(ctx context.Context, m *Manager, value int) (Semaphore, error) {
	return semaphoreOf(ctx, m, value, true)
}

func semaphoreOf(ctx context.Context, m *Manager, value int, bounded bool) (Semaphore, error) {
	if value < 0 || value > maxUnits {
		return Semaphore{}, invalid("semaphore of " + strconv.Itoa(value) + " units: must be 0 to 2^31-1")
	}
	h, err := create(ctx, m, kindSemaphore, func(b []byte) ([]byte, error) {
		return appendBool(appendNum(b, uint64(value)), bounded), nil
	})
	return Semaphore{h}, err
}

// Acquire takes a unit, waiting until ctx ends; one that is there is taken even then.
func (s Semaphore) Acquire(ctx context.Context) error {
	state, err := s.acquire(ctx, syncAcquire, syncRelease, true, 0)
	if err == nil && state == NotLocked {
		err = ctx.Err()
	}
	return err
}

// TryAcquire takes a unit if there is one, and tells whether it did.
func (s Semaphore) TryAcquire(ctx context.Context) (bool, error) {
	state, err := s.acquire(ctx, syncAcquire, syncRelease, false, 0)
	return state != NotLocked, err
}

// Release gives a unit back, or a new one. ErrOverRelease where that would exceed the value a bounded one was made with,
// or 2^31-1.
func (s Semaphore) Release(ctx context.Context) error { return s.ReleaseN(ctx, 1) }

// ReleaseN gives n units at once; all or none.
func (s Semaphore) ReleaseN(ctx context.Context, n int) error {
	if n < 1 {
		return invalid("ReleaseN(" + strconv.Itoa(n) + "): must be at least 1")
	}
	return s.notify(ctx, syncRelease, n)
}

// notify makes a call with a number.
func (h handle) notify(ctx context.Context, op byte, n int) error {
	c := h.call(op)
	defer c.end()
	c.buf = appendNum(c.buf, uint64(n))
	return h.do(ctx, c)
}

// Value returns how many units there are now.
func (s Semaphore) Value(ctx context.Context) (int, error) { return s.number(ctx, syncValue) }

// AppendBinary implements encoding.BinaryAppender: see Dict.
func (s Semaphore) AppendBinary(b []byte) ([]byte, error) { return s.append(b, kindSemaphore, 0) }

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (s *Semaphore) UnmarshalBinary(b []byte) error { return s.take(b, kindSemaphore, 0) }

// Event tells any number of waiters that something has happened, until it is cleared: a handle, as Dict is.
type Event struct{ handle }

// NewEvent makes an event that is not set.
func NewEvent(ctx context.Context, m *Manager) (Event, error) {
	h, err := create(ctx, m, kindEvent, nil)
	return Event{h}, err
}

// Set sets the event and lets everyone go on who waits for it.
func (e Event) Set(ctx context.Context) error { return e.simple(ctx, syncSet) }

// Clear unsets the event.
func (e Event) Clear(ctx context.Context) error { return e.simple(ctx, syncClear) }

// IsSet tells whether the event is set.
func (e Event) IsSet(ctx context.Context) (bool, error) {
	n, err := e.number(ctx, syncValue)
	return n != 0, err
}

// Wait returns when the event is set. It waits until ctx ends; an event that is set counts even then.
func (e Event) Wait(ctx context.Context) error {
	_, err := e.acquire(ctx, syncWait, 0, true, 0)
	return err
}

// AppendBinary implements encoding.BinaryAppender: see Dict.
func (e Event) AppendBinary(b []byte) ([]byte, error) { return e.append(b, kindEvent, 0) }

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (e *Event) UnmarshalBinary(b []byte) error { return e.take(b, kindEvent, 0) }

// Barrier lets a fixed number of parties go on together, again and again: a handle, as Dict is. A party is whoever calls
// Wait: a goroutine of any process. A party whose context ends, or whose process dies, while it waits breaks the barrier.
type Barrier struct{ handle }

// NewBarrier makes a barrier for n parties, 1 to 16,777,215.
func NewBarrier(ctx context.Context, m *Manager, n int) (Barrier, error) {
	if n < 1 || n > maxParties {
		return Barrier{}, invalid("barrier for " + strconv.Itoa(n) + " parties: must be 1 to 2^24-1")
	}
	h, err := create(ctx, m, kindBarrier, func(b []byte) ([]byte, error) { return appendNum(b, uint64(n)), nil })
	return Barrier{h}, err
}

// Wait returns when all parties have called it: the order of arrival, from 0, which exactly one party of each pass gets
// for each number. ErrBroken where the barrier is broken. When ctx ends, this breaks it, and the error is that of ctx and
// ErrBroken as well.
func (b Barrier) Wait(ctx context.Context) (int, error) {
	c := b.call(syncWait)
	defer c.end()
	c.wait(ctx, 0)
	err := b.do(ctx, c)
	if err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			err = &causeError{ErrBroken, ctx.Err()}
		}
		return 0, err
	}
	r := c.result()
	return int(r.num()), nil
}

// Abort breaks the barrier: everyone at it, and everyone who comes, gets ErrBroken until Reset.
func (b Barrier) Abort(ctx context.Context) error { return b.simple(ctx, syncAbort) }

// Reset makes the barrier empty and whole. Who waits at it gets ErrBroken.
func (b Barrier) Reset(ctx context.Context) error { return b.simple(ctx, syncReset) }

// BarrierState is what a barrier is like at a moment.
type BarrierState struct {
	Broken           bool
	Waiting, Parties int
}

// State returns what the barrier is like.
func (b Barrier) State(ctx context.Context) (BarrierState, error) {
	c := b.call(syncValue)
	defer c.end()
	if err := b.do(ctx, c); err != nil {
		return BarrierState{}, err
	}
	r := c.result()
	return BarrierState{r.byte() != 0, int(r.num()), int(r.num())}, nil
}

// AppendBinary implements encoding.BinaryAppender: see Dict.
func (b Barrier) AppendBinary(buf []byte) ([]byte, error) { return b.append(buf, kindBarrier, 0) }

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (b *Barrier) UnmarshalBinary(buf []byte) error { return b.take(buf, kindBarrier, 0) }

// Cond lets those who hold a mutex wait until another changes what it protects: a handle, as Dict is.
type Cond struct{ handle }

// NewCond makes a condition of a mutex of the same manager.
func NewCond(ctx context.Context, m *Manager, mu Mutex) (Cond, error) {
	if m != nil && mu.c != m.core {
		return Cond{}, invalid("NewCond: the mutex is not of this manager")
	}
	h, err := create(ctx, m, kindCond, func(b []byte) ([]byte, error) { return appendNum(b, mu.id), nil })
	return Cond{h}, err
}

// Wait unlocks the mutex, waits for a notification and locks the mutex again. It returns with the mutex held, also with
// the error of ctx, which ends the wait for the notification but not for the mutex. A notification wakes one waiter and is
// never lost to one whose context has ended. With another error the mutex is not held: ErrNotOwner where this process did
// not hold it, ErrFreed, ErrManagerGone.
func (c Cond) Wait(ctx context.Context) (LockState, error) {
	x := c.call(syncWait)
	defer x.end()
	x.wait(ctx, 0)
	x.giveIn = giveInNever
	err := c.do(ctx, x)
	switch {
	case err == nil:
		return lockState(x), nil
	case x.was(statusTimeout):
		return lockState(x), ctx.Err()
	}
	return NotLocked, err
}

// WaitFor waits until pred returns true, which is called with the mutex held, and returns as Wait does. When a process
// died with the mutex it returns OwnerDied at once, whatever pred would say.
func (c Cond) WaitFor(ctx context.Context, pred func() bool) (LockState, error) {
	state := Locked
	for state == Locked && !pred() {
		var err error
		if state, err = c.Wait(ctx); err != nil {
			return state, err
		}
	}
	return state, nil
}

// Notify wakes one waiter, if there is one: the first who came. The mutex has to be held: ErrNotOwner otherwise.
func (c Cond) Notify(ctx context.Context) error { return c.NotifyN(ctx, 1) }

// NotifyN wakes up to n waiters.
func (c Cond) NotifyN(ctx context.Context, n int) error { return c.notify(ctx, syncNotify, max(n, 0)) }

// NotifyAll wakes everyone who waits.
func (c Cond) NotifyAll(ctx context.Context) error { return c.notify(ctx, syncNotify, 1<<62) }

// Waiting returns how many wait and have not been notified. The mutex has to be held.
func (c Cond) Waiting(ctx context.Context) (int, error) { return c.number(ctx, syncValue) }

// AppendBinary implements encoding.BinaryAppender: see Dict.
func (c Cond) AppendBinary(b []byte) ([]byte, error) { return c.append(b, kindCond, 0) }

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (c *Cond) UnmarshalBinary(b []byte) error { return c.take(b, kindCond, 0) }
