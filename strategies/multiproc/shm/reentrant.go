package shm

import (
	"context"
	"os"
	"sync/atomic"
)

// Owner is who holds a Reentrant mutex: goroutines have no identity, so the caller carries one along the calls that may
// lock again. Goroutines that use the same Owner at the same time do not exclude each other. Make it with NewOwner; it
// means nothing in other processes.
type Owner struct{ n uint64 }

var lastOwner atomic.Uint64

// NewOwner returns an owner that differs from all others of this process.
func NewOwner() Owner {
	// The pid keeps it apart from what a dead process left in the lock.
	return Owner{uint64(os.Getpid())<<40 | lastOwner.Add(1)}
}

// Reentrant is a mutex that its owner may lock again; it is free after as many unlocks. Created in an arena; must not be
// copied.
type Reentrant struct {
	object
	c core
}

const (
	reWord  = 8  // u32, as in a Mutex
	reDepth = 12 // u32
	reOwner = 16 // u64, the Owner within the process
	reSize  = 64
)

// NewReentrant makes a free reentrant mutex.
func (a *Arena) NewReentrant() (*Reentrant, error) {
	o, err := a.create(kindReentrant, reSize, nil)
	return newReentrant(o), err
}

// Reentrant attaches to the reentrant mutex at r; ErrRef where there is none.
func (a *Arena) Reentrant(r Ref) (*Reentrant, error) {
	o, err := a.attach(kindReentrant, reSize, r)
	return newReentrant(o), err
}

func newReentrant(o object) *Reentrant {
	if o.m == nil {
		return nil
	}
	return &Reentrant{o, core{m: o.m, word: o.u32(reWord), off: o.off(reWord)}}
}

// holds tells whether owner has the lock. Nobody else can store its number, so the answer cannot change meanwhile.
func (r *Reentrant) holds(owner Owner) bool {
	return owner.n != 0 && r.c.held() && atomic.LoadUint64(r.u64(reOwner)) == owner.n
}

func (r *Reentrant) taken(owner Owner) {
	atomic.StoreUint32(r.u32(reDepth), 1)
	atomic.StoreUint64(r.u64(reOwner), owner.n)
}

// Lock takes the mutex for owner, once more if owner has it. Otherwise as Mutex.Lock. The zero Owner gets ErrNotOwner.
func (r *Reentrant) Lock(ctx context.Context, owner Owner) (LockState, error) {
	if owner.n == 0 {
		return NotLocked, ErrNotOwner
	}
	if r.holds(owner) {
		atomic.AddUint32(r.u32(reDepth), 1)
		return Locked, nil
	}
	st, err := r.c.lock(ctx)
	if err == nil {
		r.taken(owner)
	}
	return st, err
}

// TryLock is Lock without waiting; NotLocked where another owner has it.
func (r *Reentrant) TryLock(owner Owner) LockState {
	if owner.n == 0 {
		return NotLocked
	}
	if r.holds(owner) {
		atomic.AddUint32(r.u32(reDepth), 1)
		return Locked
	}
	st := r.c.tryLock()
	if st != NotLocked {
		r.taken(owner)
	}
	return st
}

// Unlock undoes one Lock of owner. ErrUnlocked where the mutex is free, ErrNotOwner where another has it.
func (r *Reentrant) Unlock(owner Owner) error {
	if !r.holds(owner) {
		if atomic.LoadUint32(r.c.word) == 0 {
			return ErrUnlocked
		}
		return ErrNotOwner
	}
	if atomic.AddUint32(r.u32(reDepth), ^uint32(0)) > 0 {
		return nil
	}
	atomic.StoreUint64(r.u64(reOwner), 0)
	return r.c.unlock()
}

// Depth returns how often owner has locked the mutex and not unlocked it.
func (r *Reentrant) Depth(owner Owner) int {
	if !r.holds(owner) {
		return 0
	}
	return int(atomic.LoadUint32(r.u32(reDepth)))
}
