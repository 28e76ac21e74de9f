package shm

import (
	"context"
	"sync/atomic"
	"time"
)

// An RWMutex is a lock word for the writer and a table of the processes that read, each with its count. A reader counts
// itself, then looks whether there is a writer and withdraws if so; a writer takes the word, then waits until the table
// is empty. Sequentially consistent atomics make at least one of the two see the other (Dekker). The word of a dead writer
// becomes deadID, which is free as well but tells those who come.
const (
	rwWord  = 8  // u32, the writer
	rwDrain = 12 // u32, 1 while the writer sleeps until readers leave
	rwTable = 64 // u64 each: count<<32 | process
	rwSlots = 56
	rwSize  = rwTable + 8*rwSlots
)

// RWMutex is a lock that any number of readers or one writer hold. A writer who waits keeps new readers out. At most 56
// processes read at the same time (any number of goroutines in each); others wait. A dead reader is forgotten. Created in
// an arena; must not be copied. It is not reentrant: a goroutine that reads must not lock again.
type RWMutex struct {
	object
	c    core
	hint atomic.Uint32 // the table entry this process used last
}

// NewRWMutex makes a free lock.
func (a *Arena) NewRWMutex() (*RWMutex, error) {
	o, err := a.create(kindRWMutex, rwSize, nil)
	return newRWMutex(o), err
}

// RWMutex attaches to the lock at r; ErrRef where there is none.
func (a *Arena) RWMutex(r Ref) (*RWMutex, error) {
	o, err := a.attach(kindRWMutex, rwSize, r)
	return newRWMutex(o), err
}

func newRWMutex(o object) *RWMutex {
	if o.m == nil {
		return nil
	}
	rw := &RWMutex{object: o, c: core{m: o.m, word: o.u32(rwWord), off: o.off(rwWord)}}
	rw.hint.Store(o.m.self % rwSlots)
	return rw
}

func (rw *RWMutex) entry(i uint32) *uint64 { return rw.u64(rwTable + 8*uint64(i)) }

// enter counts one more reader of this process; false where the table has no room.
func (rw *RWMutex) enter() bool {
	self := uint64(rw.m.self)
	free := -1
	start := rw.hint.Load()
	for i := uint32(0); i < rwSlots; {
		k := (start + i) % rwSlots
		p := rw.entry(k)
		v := atomic.LoadUint64(p)
		switch {
		case v&idMask == self:
			if !atomic.CompareAndSwapUint64(p, v, v+1<<32) {
				continue
			}
			rw.hint.Store(k)
			return true
		case v == 0 && i == 0: // the usual one, unused
			if !atomic.CompareAndSwapUint64(p, 0, self|1<<32) {
				continue
			}
			return true
		case v == 0 && free < 0:
			free = int(k)
		}
		i++
	}
	if free >= 0 && atomic.CompareAndSwapUint64(rw.entry(uint32(free)), 0, self|1<<32) {
		rw.hint.Store(uint32(free))
		return true
	}
	return false
}

// leave counts one reader less; false where this process has none.
func (rw *RWMutex) leave() bool {
	self := uint64(rw.m.self)
	start := rw.hint.Load()
	for i := uint32(0); i < rwSlots; {
		p := rw.entry((start + i) % rwSlots)
		v := atomic.LoadUint64(p)
		if v&idMask != self || v == 0 {
			i++
			continue
		}
		next := v - 1<<32
		if next>>32 == 0 {
			next = 0
		}
		if !atomic.CompareAndSwapUint64(p, v, next) {
			continue
		}
		if next == 0 && atomic.LoadUint32(rw.u32(rwDrain)) != 0 && atomic.CompareAndSwapUint32(rw.u32(rwDrain), 1, 0) {
			rw.m.wake(rw.off(rwDrain), everyone)
		}
		return true
	}
	return false
}

// readers tells whether anybody reads. With reap set, dead ones are removed first.
func (rw *RWMutex) readers(reap bool) bool {
	found := false
	for i := range uint32(rwSlots) {
		p := rw.entry(i)
		v := atomic.LoadUint64(p)
		if v == 0 {
			continue
		}
		id := uint32(v & idMask)
		if rw.m.gone(id) || reap && !rw.m.alive(id) {
			atomic.CompareAndSwapUint64(p, v, 0)
			continue
		}
		found = true
	}
	return found
}

// reading returns the other processes that read.
func (rw *RWMutex) reading() (ids []uint32) {
	for i := range uint32(rwSlots) {
		if id := uint32(atomic.LoadUint64(rw.entry(i)) & idMask); id != 0 && id != rw.m.self {
			ids = append(ids, id)
		}
	}
	return ids
}

func isFree(v uint32) bool { return v == 0 || v == deadID }

// tryRead enters if no writer is there.
func (rw *RWMutex) tryRead() LockState {
	if !isFree(atomic.LoadUint32(rw.c.word)) || !rw.enter() {
		return NotLocked
	}
	switch atomic.LoadUint32(rw.c.word) {
	case 0:
		raceAcquire(rw.c.off)
		return Locked
	case deadID:
		raceAcquire(rw.c.off)
		return OwnerDied
	}
	rw.leave()
	return NotLocked
}

// TryRLock takes the lock for reading if no writer has it or waits for it, and returns NotLocked otherwise.
func (rw *RWMutex) TryRLock() LockState {
	st := rw.tryRead()
	if st == NotLocked {
		rw.bury(atomic.LoadUint32(rw.c.word), true)
		st = rw.tryRead()
	}
	return st
}

// bury frees the lock of a dead writer, and leaves word of it to those who come. With look unset it believes without a
// system call that the writer is alive.
func (rw *RWMutex) bury(v uint32, look bool) bool {
	if isFree(v) || !rw.m.gone(v&idMask) && (!look || rw.m.alive(v&idMask)) {
		return false
	}
	if atomic.CompareAndSwapUint32(rw.c.word, v, deadID) {
		rw.wakeAll(v)
	}
	return true
}

func (rw *RWMutex) wakeAll(v uint32) {
	if v&sleepers != 0 {
		rw.m.wake(rw.c.off, everyone)
	}
}

// RLock takes the lock for reading. It waits until ctx ends. After a writer died, every reader gets OwnerDied until a
// writer has had the lock: what it protects may be half changed, and only a writer can repair it.
func (rw *RWMutex) RLock(ctx context.Context) (LockState, error) {
	if st := rw.tryRead(); st != NotLocked {
		return st, nil
	}
	return rw.wait(ctx, rw.tryRead)
}

// RUnlock undoes one RLock of this process; ErrNotOwner where it has none.
func (rw *RWMutex) RUnlock() error {
	raceRelease(rw.c.off)
	if !rw.leave() {
		return ErrNotOwner
	}
	return nil
}

// full tells whether no further process can read.
func (rw *RWMutex) full() bool {
	for i := range uint32(rwSlots) {
		if v := atomic.LoadUint64(rw.entry(i)); v == 0 || v&idMask == uint64(rw.m.self) {
			return false
		}
	}
	return true
}

// wait sleeps on the writer's word until try succeeds.
func (rw *RWMutex) wait(ctx context.Context, try func() LockState) (st LockState, err error) {
	m := rw.m
	defer m.promote(rw.c.off)
	check := newOwnerCheck()
	for {
		if spin(lockGap, lockLimit, func() bool { st = try(); return st != NotLocked }) && !m.closed.Load() {
			return st, nil
		}
		if m.closed.Load() {
			return NotLocked, ErrClosed
		}
		if ctx.Err() != nil {
			return NotLocked, ended(ctx)
		}
		v := atomic.LoadUint32(rw.c.word)
		due := check.due()
		if isFree(v) {
			// A full table is the one state whose end is not announced.
			if rw.full() {
				rw.readers(due)
				m.park(ctx, rw.c.off, v, time.Millisecond, false)
			}
			continue
		}
		if rw.bury(v, due) || v&sleepers == 0 && !atomic.CompareAndSwapUint32(rw.c.word, v, v|sleepers) {
			continue
		}
		m.parkOwned(ctx, rw.c.off, v|sleepers, &check, v&idMask)
	}
}

// tryWord takes the writer's word. Readers may still be there.
func (rw *RWMutex) tryWord() LockState {
	switch v := atomic.LoadUint32(rw.c.word); {
	case v == 0 && atomic.CompareAndSwapUint32(rw.c.word, 0, rw.m.self):
		return Locked
	case v == deadID && atomic.CompareAndSwapUint32(rw.c.word, deadID, rw.m.self):
		return OwnerDied
	}
	return NotLocked
}

// free gives the word back. With st OwnerDied the next one hears of it again.
func (rw *RWMutex) free(st LockState) {
	to := uint32(0)
	if st == OwnerDied {
		to = deadID
	}
	rw.wakeAll(atomic.SwapUint32(rw.c.word, to))
}

// TryLock takes the lock for writing if nobody has it, and returns NotLocked otherwise.
func (rw *RWMutex) TryLock() LockState {
	rw.bury(atomic.LoadUint32(rw.c.word), true)
	st := rw.tryWord()
	if st != NotLocked && rw.readers(false) && rw.readers(true) {
		rw.free(st)
		return NotLocked
	}
	if st != NotLocked {
		raceAcquire(rw.c.off)
	}
	return st
}

// Lock takes the lock for writing. It waits until ctx ends. OwnerDied where a writer died with it.
func (rw *RWMutex) Lock(ctx context.Context) (LockState, error) {
	st := rw.tryWord()
	if st == NotLocked {
		var err error
		if st, err = rw.wait(ctx, rw.tryWord); err != nil {
			return st, err
		}
	}
	if rw.readers(false) {
		if err := rw.drain(ctx); err != nil {
			rw.free(st)
			return NotLocked, err
		}
	}
	raceAcquire(rw.c.off)
	return st, nil
}

// drain waits until the readers have left. New ones cannot come: the word is ours.
func (rw *RWMutex) drain(ctx context.Context) error {
	m := rw.m
	check := newOwnerCheck()
	for {
		if spin(waitGap, waitGap, func() bool { return !rw.readers(false) }) {
			return nil
		}
		if m.closed.Load() {
			return ErrClosed
		}
		if ctx.Err() != nil {
			return ended(ctx)
		}
		atomic.StoreUint32(rw.u32(rwDrain), 1)
		if !rw.readers(check.due()) {
			return nil
		}
		m.parkOwned(ctx, rw.off(rwDrain), 1, &check, rw.reading()...)
	}
}

// Unlock ends writing. ErrUnlocked where nobody writes, ErrNotOwner where another process does.
func (rw *RWMutex) Unlock() error {
	raceRelease(rw.c.off)
	if v := atomic.LoadUint32(rw.c.word); isFree(v) {
		return ErrUnlocked
	} else if v&idMask != rw.m.self {
		return ErrNotOwner
	}
	rw.free(Locked)
	return nil
}
