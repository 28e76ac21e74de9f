package multiproc

import (
	"context"
	"math"
	"time"
)

// Transfers says what the workers of a pool spent on the messages of calls: on unpacking a call, from where its worker sees
// it to where its first function begins, and on packing an answer, from where the last function has returned to where the answer
// is in the parent's sight. Waiting for a call is no part of it, nor what the parent does.
type Transfers struct {
	Calls, Timed int64         // calls that were answered, and those of them that were timed
	Time         time.Duration // of the timed ones, added up; the clock was read twice within each, at the cost of two readings
}

// TimeTransfers has the workers time each so manyth item's call from now on, and begin a new account; 0 ends that. While it
// lasts a timed call costs some 0.2 µs more; without it calls cost what they always do. It is called while no call is
// unanswered, and does not block. It is false, and nothing is timed, where workers get their calls through pipes.
func (p *ProcessPool[In, Out]) TimeTransfers(every int) bool { return p.f.timeTransfers(every) }

// Transfers returns the account of the living workers since TimeTransfers. Answers that the caller has are in it, but for
// the packing of each worker's last one: it is added when the worker sees its next call, since nobody waits for it. It does not block.
func (p *ProcessPool[In, Out]) Transfers() Transfers { return p.f.transfers() }

// What the word halt holds: whether the worker is to halt, and above that the number of the account, 0 for none.
const (
	haltNow      = 1
	accountShift = 1
	maxAccount   = 1<<(32-accountShift) - 1
)

func (f *fleet) timeTransfers(every int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	number := uint32(0)
	if every > 0 {
		f.account = f.account%maxAccount + 1
		number = f.account
	}
	timed := 0
	for _, p := range f.workers {
		if p.ring == nil || p.over {
			continue
		}
		timed++
		p.ring.ctl.every.Store(uint32(min(int64(every), math.MaxUint32)))
		p.ring.ctl.halt.Store(number<<accountShift | p.ring.ctl.halt.Load()&haltNow) // who else writes it has mu as well
	}
	return every > 0 && timed > 0 && timed == len(f.workers)
}

func (f *fleet) transfers() (t Transfers) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.workers {
		if p.ring == nil || p.over {
			continue
		}
		c := p.ring.ctl
		if n := c.halt.Load() >> accountShift; n == 0 || c.account.Load() != n {
			continue // it had no call
		}
		t.Calls += int64(c.calls.Load())
		t.Timed += int64(c.timed.Load())
		t.Time += time.Duration(c.ns.Load())
	}
	return t
}

// timing is a worker's side of an account.
type timing struct {
	number uint32 // of the account
	calls  uint64
	timed  uint64
	ns     int64
	owed   int64     // packing the last timed answer, which counts when the next call is seen
	seen   time.Time // when the call at hand was
	call   callTimes
}

// callTimes is when the functions of a call ran: when the first one began and the last one had returned, which is zero where
// not every item got to its function.
type callTimes struct {
	begin, end time.Time
	left       int // functions that have not run yet
}

// see is called where the word halt is not zero, before a call of so many items begins. It waits as long as the worker is
// to halt, and reports whether the call is to be timed.
func (w *ringWorker) see(items uint32) bool {
	number := w.r.ctl.halt.Load()
	for ; number&haltNow != 0; number = w.r.ctl.halt.Load() { // after the stamp of the answer before: see arm
		time.Sleep(haltNap)
	}
	if number >>= accountShift; number == 0 {
		return false
	}
	t := &w.timing
	if t.number != number {
		*t = timing{number: number}
	}
	// Timing a call costs as much as stamping two items in a probe does.
	each := max(2*uint64(w.r.ctl.every.Load())/uint64(max(items, 1)), 1)
	timed := t.calls%each == 0
	if timed {
		t.seen, t.call = time.Now(), callTimes{}
	}
	t.ns += t.owed
	t.owed = 0
	t.calls++
	w.publish()
	return timed
}

// timed returns e.run with a look at the clock before and after the items; nil where the function has no such form.
func (w *ringWorker) timed(e *entry) runFunc {
	if e.timed == nil {
		return nil
	}
	return func(ctx context.Context, n int, req, out []byte) []byte {
		t := &w.timing
		out = e.timed(ctx, n, req, out, &t.call)
		if !t.call.end.IsZero() {
			t.ns += t.call.begin.Sub(t.seen).Nanoseconds()
			t.timed++
			w.publish() // before the answer, with which the parent may look
		}
		return out
	}
}

// answered is called when the parent can see the answer of a timed call.
func (w *ringWorker) answered() {
	if t := &w.timing; !t.call.end.IsZero() {
		t.owed = time.Since(t.call.end).Nanoseconds()
	}
}

// publish shows the account to the parent.
func (w *ringWorker) publish() {
	c, t := w.r.ctl, &w.timing
	c.calls.Store(t.calls)
	c.timed.Store(t.timed)
	c.ns.Store(uint64(t.ns))
	c.account.Store(t.number)
}

// timedFunc is fn for the calls whose times t takes.
func timedFunc[In, Out any](fn func(context.Context, In) (Out, error), t *callTimes) func(context.Context, In) (Out, error) {
	return func(ctx context.Context, in In) (Out, error) {
		if t.begin.IsZero() {
			t.begin = time.Now()
		}
		if t.left--; t.left > 0 {
			return fn(ctx, in)
		}
		out, err := fn(ctx, in)
		t.end = time.Now()
		return out, err
	}
}
