package shm

import (
	"context"
	"math"
	"sync/atomic"
)

// A semaphore's word is its value, with the mark sleepers.
const (
	semWord = 8  // u32
	semMax  = 12 // u32
	semSize = 64

	maxCount = math.MaxInt32
)

// sem is what both kinds of semaphore are.
type sem struct {
	object
	word *uint32
	max  uint32
}

// Semaphore holds units that anybody may take and give. The units have no owner: a process that dies does not give its
// units back, and one process may release what another acquired. Created in an arena; must not be copied.
type Semaphore struct{ sem }

// BoundedSemaphore is a Semaphore that refuses to be released above the value it was made with.
type BoundedSemaphore struct{ sem }

func (a *Arena) newSem(kind uint64, value, limit int) (sem, error) {
	if value < 0 || value > maxCount {
		return sem{}, ErrSize
	}
	o, err := a.create(kind, semSize, func(o *object) {
		*o.u32(semWord) = uint32(value)
		*o.u32(semMax) = uint32(limit)
	})
	if err != nil {
		return sem{}, err
	}
	return sem{o, o.u32(semWord), uint32(limit)}, nil
}

func (a *Arena) attachSem(kind uint64, r Ref) (sem, error) {
	o, err := a.attach(kind, semSize, r)
	if err != nil {
		return sem{}, err
	}
	return sem{o, o.u32(semWord), min(*o.u32(semMax), maxCount)}, nil
}

// NewSemaphore makes a semaphore of value units, 0 to 2^31-1.
func (a *Arena) NewSemaphore(value int) (*Semaphore, error) {
	s, err := a.newSem(kindSemaphore, value, maxCount)
	if err != nil {
		return nil, err
	}
	return &Semaphore{s}, nil
}

// Semaphore attaches to the semaphore at r; ErrRef where there is none.
func (a *Arena) Semaphore(r Ref) (*Semaphore, error) {
	s, err := a.attachSem(kindSemaphore, r)
	if err != nil {
		return nil, err
	}
	return &Semaphore{s}, nil
}

// NewBoundedSemaphore makes a semaphore of value units that never has more.
func (a *Arena) NewBoundedSemaphore(value int) (*BoundedSemaphore, error) {
	s, err := a.newSem(kindBounded, value, value)
	if err != nil {
		return nil, err
	}
	return &BoundedSemaphore{s}, nil
}

// BoundedSemaphore attaches to the bounded semaphore at r; ErrRef where there is none.
func (a *Arena) BoundedSemaphore(r Ref) (*BoundedSemaphore, error) {
	s, err := a.attachSem(kindBounded, r)
	if err != nil {
		return nil, err
	}
	return &BoundedSemaphore{s}, nil
}

// take takes one unit if there is one, and adds mark to what remains.
func (s *sem) take(mark uint32) bool {
	for {
		v := atomic.LoadUint32(s.word)
		if v&maxCount == 0 {
			return false
		}
		if atomic.CompareAndSwapUint32(s.word, v, (v-1)|mark) {
			raceAcquire(s.off(semWord))
			return true
		}
	}
}

// TryAcquire takes a unit if there is one.
func (s *sem) TryAcquire() bool { return s.take(0) }

// Acquire takes a unit. It waits until ctx ends; a unit that is there is taken even then.
func (s *sem) Acquire(ctx context.Context) error {
	if s.take(0) {
		return nil
	}
	mark := uint32(0) // once we have slept, others may be sleeping as well
	check := newCheck()
	for {
		if spin(lockGap, lockLimit, func() bool { return s.take(mark) }) {
			if mark != 0 {
				s.m.promote(s.off(semWord))
				// Of several releases only the first one saw the mark; the taker passes the wake-up on.
				if atomic.LoadUint32(s.word)&maxCount > 0 {
					s.m.wake(s.off(semWord), 1)
				}
			}
			return nil
		}
		if s.m.closed.Load() {
			s.m.promote(s.off(semWord))
			return ErrClosed
		}
		if ctx.Err() != nil {
			s.m.promote(s.off(semWord))
			s.m.wake(s.off(semWord), 1)
			return ended(ctx)
		}
		v := atomic.LoadUint32(s.word)
		if v&maxCount > 0 || v == 0 && !atomic.CompareAndSwapUint32(s.word, 0, sleepers) {
			continue
		}
		check.due()
		s.m.park(ctx, s.off(semWord), sleepers, check.sleep, false)
		mark = sleepers
	}
}

// Release gives a unit back, or a new one. ErrOverRelease where that would exceed the value a BoundedSemaphore was made
// with, or 2^31-1.
func (s *sem) Release() error { return s.ReleaseN(1) }

// ReleaseN gives n units at once; all or none.
func (s *sem) ReleaseN(n int) error {
	if n <= 0 || n > maxCount {
		return ErrSize
	}
	raceRelease(s.off(semWord))
	for {
		v := atomic.LoadUint32(s.word)
		count := v & maxCount
		if count > s.max || uint32(n) > s.max-count {
			return ErrOverRelease
		}
		if !atomic.CompareAndSwapUint32(s.word, v, count+uint32(n)) {
			continue
		}
		if v&sleepers != 0 {
			s.m.wake(s.off(semWord), int32(n))
		}
		return nil
	}
}

// Value returns how many units there are now.
func (s *sem) Value() int { return int(atomic.LoadUint32(s.word) & maxCount) }
