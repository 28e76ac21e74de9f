package shm

import (
	"context"
	"sync/atomic"
)

// A barrier's state is one 64-bit word. Its low half: how many have arrived (24 bits) and the mark sleepers. Its high
// half: bit 0, broken; how often it was reset (12 bits); the number of the pass (19 bits). Whatever lets waiters go
// changes the high half, so that is what they sleep on.
const (
	barState   = 8  // u64
	barParties = 16 // u32
	barRunner  = 20 // u32, the process that runs the action
	barSize    = 64

	barCount   = 1<<24 - 1
	barBroken  = 1 << 32
	barReset   = 1 << 33
	barPass    = 1 << 45
	barResets  = (barPass - 1) &^ (barReset - 1)
	barPasses  = ^uint64(barPass - 1)
	maxParties = barCount
)

// Barrier lets a fixed number of parties go on together, again and again. A party is whoever calls Wait: a goroutine of
// any process. Parties have no names: where one dies before it arrives, the others wait until their context ends, which
// breaks the barrier. Created in an arena; must not be copied.
type Barrier struct {
	object
	state   *uint64
	parties uint32
	action  func()
}

// NewBarrier makes a barrier for n parties, 1 to 16,777,215. The last one to arrive at this handle runs action, if there
// is one, before all are let go.
func (a *Arena) NewBarrier(n int, action func()) (*Barrier, error) {
	if n < 1 || n > maxParties {
		return nil, ErrSize
	}
	o, err := a.create(kindBarrier, barSize, func(o *object) { *o.u32(barParties) = uint32(n) })
	if err != nil {
		return nil, err
	}
	return &Barrier{o, o.u64(barState), uint32(n), action}, nil
}

// Barrier attaches to the barrier at r; ErrRef where there is none. Functions do not travel: each process says which
// action it runs when its party arrives last; usually all say the same.
func (a *Arena) Barrier(r Ref, action func()) (*Barrier, error) {
	o, err := a.attach(kindBarrier, barSize, r)
	if err != nil {
		return nil, err
	}
	n := *o.u32(barParties)
	if n < 1 || n > maxParties {
		return nil, ErrRef
	}
	return &Barrier{o, o.u64(barState), n, action}, nil
}

// Parties returns the number the barrier was made for.
func (b *Barrier) Parties() int { return int(b.parties) }

// Waiting returns how many have arrived in this pass.
func (b *Barrier) Waiting() int { return int(atomic.LoadUint64(b.state) & barCount) }

// Broken tells whether the barrier is broken.
func (b *Barrier) Broken() bool { return atomic.LoadUint64(b.state)&barBroken != 0 }

// futexOff is where waiters sleep: the high half of the state.
func (b *Barrier) futexOff() uint64 { return b.off(barState) + 4 }

// wakeAll wakes who may sleep on the state that was s.
func (b *Barrier) wakeAll(s uint64) {
	if s&sleepers != 0 {
		b.m.wake(b.futexOff(), everyone)
	}
}

// Wait returns when all parties have called it: the order of arrival, from 0, which exactly one party of each pass gets
// for each number. ErrBroken where the barrier is broken, by Abort, by Reset, by an action that panicked or by another
// party whose context ended. When this one's own context ends, it breaks the barrier, and the error is that of the
// context and ErrBroken as well. The last party to arrive does not wait, whatever its context says.
func (b *Barrier) Wait(ctx context.Context) (int, error) {
	raceRelease(b.futexOff())
	var s uint64
	for {
		s = atomic.LoadUint64(b.state)
		if s&barBroken != 0 {
			return 0, ErrBroken
		}
		if uint32(s&barCount) >= b.parties { // this pass is complete and its action running: wait for the next one
			if err := b.await(ctx, s); err != nil {
				return 0, err
			}
			continue
		}
		if atomic.CompareAndSwapUint64(b.state, s, s+1) {
			break
		}
	}
	index := uint32(s & barCount)
	if index+1 < b.parties {
		return int(index), b.await(ctx, s)
	}
	if b.action != nil {
		b.act()
	}
	for {
		now := atomic.LoadUint64(b.state)
		if (now^s)>>32 != 0 { // Abort or Reset during the action
			return 0, ErrBroken
		}
		if atomic.CompareAndSwapUint64(b.state, now, s&barPasses+barPass|s&barResets) {
			b.wakeAll(now)
			raceAcquire(b.futexOff())
			return int(index), nil
		}
	}
}

// act runs the action. One that panics breaks the barrier.
func (b *Barrier) act() {
	atomic.StoreUint32(b.u32(barRunner), b.m.self)
	done := false
	defer func() {
		atomic.StoreUint32(b.u32(barRunner), 0)
		if !done {
			b.Abort()
		}
	}()
	raceAcquire(b.futexOff())
	b.action()
	raceRelease(b.futexOff())
	done = true
}

// await waits for the end of the pass in which the state was joined.
func (b *Barrier) await(ctx context.Context, joined uint64) error {
	parked := false
	defer func() {
		if parked {
			b.m.promote(b.futexOff())
		}
		raceAcquire(b.futexOff())
	}()
	check := newCheck()
	for {
		var s uint64
		if spin(waitGap, waitGap, func() bool {
			s = atomic.LoadUint64(b.state)
			return (s^joined)>>32 != 0
		}) && !b.m.closed.Load() {
			// A pass cannot end after a Reset without this party, so a new number is success whatever came later.
			if (s^joined)&barPasses != 0 {
				return nil
			}
			return ErrBroken
		}
		switch {
		case b.m.closed.Load():
			parked = true
			return ErrClosed
		case ctx.Err() != nil:
			if b.breakPass(joined) {
				return &waitError{cause: ctx.Err(), broken: true}
			}
			continue
		case check.due():
			// The one that runs the action may have died.
			r := atomic.LoadUint32(b.u32(barRunner))
			if uint32(s&barCount) == b.parties && r != 0 && !b.m.alive(r) {
				b.breakPass(joined)
				continue
			}
		}
		if s&sleepers == 0 && !atomic.CompareAndSwapUint64(b.state, s, s|sleepers) {
			continue
		}
		if r := atomic.LoadUint32(b.u32(barRunner)); uint32(s&barCount) == b.parties && r != 0 && r != b.m.self {
			b.m.parkOwned(ctx, b.futexOff(), uint32(s>>32), &check, r)
		} else {
			b.m.park(ctx, b.futexOff(), uint32(s>>32), check.sleep, false)
		}
		parked = true
	}
}

// breakPass breaks the barrier if the pass is still going on.
func (b *Barrier) breakPass(joined uint64) bool {
	for {
		s := atomic.LoadUint64(b.state)
		if (s^joined)>>32 != 0 {
			return false
		}
		if atomic.CompareAndSwapUint64(b.state, s, s&^sleepers|barBroken) {
			b.wakeAll(s)
			return true
		}
	}
}

// Abort breaks the barrier: everyone at it, and everyone who comes, gets ErrBroken until Reset.
func (b *Barrier) Abort() {
	for {
		s := atomic.LoadUint64(b.state)
		if s&barBroken != 0 || b.breakPass(s) {
			return
		}
	}
}

// Reset makes the barrier empty and whole. Who waits at it gets ErrBroken.
func (b *Barrier) Reset() {
	for {
		s := atomic.LoadUint64(b.state)
		if s&(barCount|barBroken) == 0 {
			return
		}
		if atomic.CompareAndSwapUint64(b.state, s, s&barPasses|(s+barReset)&barResets) {
			b.wakeAll(s)
			return
		}
	}
}
