package manager

import (
	"context"
	"sync/atomic"

	"github.com/parbench/parbench/strategies/multiproc/shm"
)

// LockState says how a lock was taken: Locked, or OwnerDied where a process died that had it. It is that of package shm.
type LockState = shm.LockState

// The states of a lock: see shm.LockState.
const (
	NotLocked = shm.NotLocked
	Locked    = shm.Locked
	OwnerDied = shm.OwnerDied
)

// acquire takes a lock in one of its ways.
func (h handle) acquire(ctx context.Context, op, undo byte, wait bool, owner uint64) (LockState, error) {
	c := h.call(op)
	defer c.end()
	c.giveIn = giveInCancel
	if wait {
		c.wait(ctx, undo)
	} else {
		c.try()
		c.undo = undo
	}
	if owner != 0 {
		c.buf = appendNum(c.buf, owner)
	}
	err := h.do(ctx, c)
	switch {
	case err == nil:
		return lockState(c), nil
	case !c.was(statusBusy):
		return NotLocked, err
	case wait:
		return NotLocked, ctx.Err()
	}
	return NotLocked, nil
}

func lockState(c *call) LockState {
	if r := c.result(); r.byte() == stateOwnerDied {
		return OwnerDied
	}
	return Locked
}

// Mutex is a lock in a manager: a handle, as Dict is. Whoever locks owns it as a process: another goroutine of the
// process may unlock it, another process may not. When a process dies, or loses its connection, with the lock, the next
// one gets it with OwnerDied. It is given to those who wait in the order in which they came.
type Mutex struct{ handle }

// NewMutex makes a free mutex.
func NewMutex(ctx context.Context, m *Manager) (Mutex, error) {
	h, err := create(ctx, m, kindMutex, nil)
	return Mutex{h}, err
}

// Lock takes the mutex, waiting until ctx ends; a free one is taken even then.
func (m Mutex) Lock(ctx context.Context) (LockState, error) {
	return m.acquire(ctx, syncLock, syncUnlock, true, 0)
}

// TryLock takes the mutex if it is free, and returns NotLocked otherwise.
func (m Mutex) TryLock(ctx context.Context) (LockState, error) {
	return m.acquire(ctx, syncLock, syncUnlock, false, 0)
}

// Unlock frees the mutex. ErrUnlocked where it is free, ErrNotOwner where another process holds it.
func (m Mutex) Unlock(ctx context.Context) error { return m.simple(ctx, syncUnlock) }

// Do calls f with the mutex held, also when f panics it is unlocked, whether ctx has ended or not.
func (m Mutex) Do(ctx context.Context, f func(LockState)) (err error) {
	state, err := m.Lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = m.Unlock(context.WithoutCancel(ctx)) }()
	f(state)
	return nil
}

// AppendBinary implements encoding.BinaryAppender: see Dict.
func (m Mutex) AppendBinary(b []byte) ([]byte, error) { return m.append(b, kindMutex, 0) }

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (m *Mutex) UnmarshalBinary(b []byte) error { return m.take(b, kindMutex, 0) }

// Owner is who holds a Reentrant mutex: goroutines have no identity, so the caller carries one along the calls that may
// lock again. Make it with NewOwner; it means nothing in other processes.
type Owner struct{ id uint64 }

var owners atomic.Uint64

// NewOwner returns an owner that differs from all others of this process.
func NewOwner() Owner { return Owner{owners.Add(1)} }

// Reentrant is a mutex that its owner may lock again; it is free after as many unlocks. Otherwise it is like Mutex.
type Reentrant struct{ handle }

// NewReentrant makes a free reentrant mutex.
func NewReentrant(ctx context.Context, m *Manager) (Reentrant, error) {
	h, err := create(ctx, m, kindReentrant, nil)
	return Reentrant{h}, err
}

// Lock takes the mutex for owner, once more if owner has it. The zero Owner gets ErrNotOwner.
func (m Reentrant) Lock(ctx context.Context, owner Owner) (LockState, error) {
	if owner.id == 0 {
		return NotLocked, ErrNotOwner
	}
	return m.acquire(ctx, syncLock, syncUnlock, true, owner.id)
}

// TryLock is Lock without waiting; NotLocked where another owner has it.
func (m Reentrant) TryLock(ctx context.Context, owner Owner) (LockState, error) {
	if owner.id == 0 {
		return NotLocked, ErrNotOwner
	}
	return m.acquire(ctx, syncLock, syncUnlock, false, owner.id)
}

// Unlock undoes one Lock of owner. ErrUnlocked where the mutex is free, ErrNotOwner where another has it.
func (m Reentrant) Unlock(ctx context.Context, owner Owner) error {
	c := m.call(syncUnlock)
	defer c.end()
	c.buf = appendNum(c.buf, owner.id)
	return m.do(ctx, c)
}

// Depth returns how often owner has locked the mutex and not unlocked it.
func (m Reentrant) Depth(ctx context.Context, owner Owner) (int, error) {
	c := m.call(syncDepth)
	defer c.end()
	c.buf = appendNum(c.buf, owner.id)
	if err := m.do(ctx, c); err != nil {
		return 0, err
	}
	r := c.result()
	return int(r.num()), nil
}

// AppendBinary implements encoding.BinaryAppender: see Dict.
func (m Reentrant) AppendBinary(b []byte) ([]byte, error) { return m.append(b, kindReentrant, 0) }

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (m *Reentrant) UnmarshalBinary(b []byte) error { return m.take(b, kindReentrant, 0) }

// RWMutex is a lock in a manager that any number of readers or one writer hold. Who waits is served in the order of
// arrival, readers that follow each other together: so a writer who waits keeps new readers out, and a goroutine that
// reads must not lock again. A dead reader is forgotten; after a writer died, readers get OwnerDied until a writer has had
// the lock.
type RWMutex struct{ handle }

// NewRWMutex makes a free lock.
func NewRWMutex(ctx context.Context, m *Manager) (RWMutex, error) {
	h, err := create(ctx, m, kindRWMutex, nil)
	return RWMutex{h}, err
}

// Lock takes the lock for writing, waiting until ctx ends.
func (m RWMutex) Lock(ctx context.Context) (LockState, error) {
	return m.acquire(ctx, syncLock, syncUnlock, true, 0)
}

// TryLock takes the lock for writing if nobody has it, and returns NotLocked otherwise.
func (m RWMutex) TryLock(ctx context.Context) (LockState, error) {
	return m.acquire(ctx, syncLock, syncUnlock, false, 0)
}

// Unlock ends writing. ErrUnlocked where nobody writes, ErrNotOwner where another process does.
func (m RWMutex) Unlock(ctx context.Context) error { return m.simple(ctx, syncUnlock) }

// RLock takes the lock for reading, waiting until ctx ends.
func (m RWMutex) RLock(ctx context.Context) (LockState, error) {
	return m.acquire(ctx, syncRLock, syncRUnlock, true, 0)
}

// TryRLock takes the lock for reading if no writer has it or waits for it, and returns NotLocked otherwise.
func (m RWMutex) TryRLock(ctx context.Context) (LockState, error) {
	return m.acquire(ctx, syncRLock, syncRUnlock, false, 0)
}

// RUnlock undoes one RLock of this process; ErrNotOwner where it has none.
func (m RWMutex) RUnlock(ctx context.Context) error { return m.simple(ctx, syncRUnlock) }

// AppendBinary implements encoding.BinaryAppender: see Dict.
func (m RWMutex) AppendBinary(b []byte) ([]byte, error) { return m.append(b, kindRWMutex, 0) }

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (m *RWMutex) UnmarshalBinary(b []byte) error { return m.take(b, kindRWMutex, 0) }
