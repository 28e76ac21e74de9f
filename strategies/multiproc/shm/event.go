package shm

import (
	"context"
	"sync"
	"sync/atomic"
)

// An event's word is its generation in 30 bits, which grows with each Set, and two marks: bit 0, set; bit 1, processes
// may sleep on it. The generation lets a waiter see a Set that a Clear followed at once.
const (
	eventWord = 8 // u32
	eventSize = 64

	eventSet    = 1
	eventAsleep = 2
	eventGen    = 4
)

// Event tells any number of waiters that something has happened, until it is cleared. Created in an arena; must not be
// copied.
type Event struct {
	object
	word *uint32

	mu   sync.Mutex
	c    chan struct{} // what C returned last
	cGen uint32        // the event's generation then
}

// NewEvent makes an event that is not set.
func (a *Arena) NewEvent() (*Event, error) {
	o, err := a.create(kindEvent, eventSize, nil)
	if err != nil {
		return nil, err
	}
	return &Event{object: o, word: o.u32(eventWord)}, nil
}

// Event attaches to the event at r; ErrRef where there is none.
func (a *Arena) Event(r Ref) (*Event, error) {
	o, err := a.attach(kindEvent, eventSize, r)
	if err != nil {
		return nil, err
	}
	return &Event{object: o, word: o.u32(eventWord)}, nil
}

// IsSet tells whether the event is set.
func (e *Event) IsSet() bool {
	if atomic.LoadUint32(e.word)&eventSet == 0 {
		return false
	}
	raceAcquire(e.off(eventWord))
	return true
}

// Set sets the event and wakes everyone who waits for it. Setting it again does nothing.
func (e *Event) Set() {
	raceRelease(e.off(eventWord))
	for {
		v := atomic.LoadUint32(e.word)
		if v&eventSet != 0 {
			return
		}
		if atomic.CompareAndSwapUint32(e.word, v, (v+eventGen)&^eventAsleep|eventSet) {
			if v&eventAsleep != 0 {
				e.m.wake(e.off(eventWord), everyone)
			}
			return
		}
	}
}

// Clear unsets the event. Those whom a Set before it was to wake return nevertheless.
func (e *Event) Clear() {
	for {
		v := atomic.LoadUint32(e.word)
		if v&eventSet == 0 || atomic.CompareAndSwapUint32(e.word, v, v&^eventSet) {
			return
		}
	}
}

// Wait returns when the event is set, or was set since Wait was called. It waits until ctx ends; an event that is set
// counts even then.
func (e *Event) Wait(ctx context.Context) error {
	v := atomic.LoadUint32(e.word)
	if v&eventSet != 0 {
		raceAcquire(e.off(eventWord))
		return nil
	}
	return e.waitPast(ctx, v/eventGen)
}

// waitPast waits until the event is set or has left a generation.
func (e *Event) waitPast(ctx context.Context, gen uint32) error {
	happened := func() bool {
		v := atomic.LoadUint32(e.word)
		return v&eventSet != 0 || v/eventGen != gen
	}
	parked := false
	check := newCheck()
	for {
		if spin(waitGap, waitGap, happened) && !e.m.closed.Load() {
			if parked {
				e.m.promote(e.off(eventWord))
			}
			raceAcquire(e.off(eventWord))
			return nil
		}
		if e.m.closed.Load() {
			e.m.promote(e.off(eventWord))
			return ErrClosed
		}
		if ctx.Err() != nil {
			e.m.promote(e.off(eventWord))
			return ended(ctx)
		}
		v := atomic.LoadUint32(e.word)
		if v&eventSet != 0 || v/eventGen != gen {
			continue
		}
		if v&eventAsleep == 0 && !atomic.CompareAndSwapUint32(e.word, v, v|eventAsleep) {
			continue
		}
		check.due()
		e.m.park(ctx, e.off(eventWord), v|eventAsleep, check.sleep, false)
		parked = true
	}
}

// C returns a channel that is closed when the event is set, for use in a select. After a Clear, C returns a new one. One
// goroutine per handle waits behind it until the event is set or the arena closed.
func (e *Event) C() <-chan struct{} {
	e.mu.Lock()
	defer e.mu.Unlock()
	v := atomic.LoadUint32(e.word)
	gen := v / eventGen
	if e.c != nil && e.cGen == gen {
		return e.c
	}
	c := make(chan struct{})
	e.c, e.cGen = c, gen
	if v&eventSet != 0 {
		raceAcquire(e.off(eventWord))
		e.c = nil
		close(c)
		return c
	}
	go func() {
		if e.waitPast(context.Background(), gen) == nil {
			close(c)
		}
	}()
	return c
}
