package manager

import "sync"

// semaphore holds units without owners.
type semaphore struct {
	mu    sync.Mutex
	units uint64
	limit uint64
	gone  bool
	queue waiters
}

const maxUnits = 1<<31 - 1

func newSemaphore(r *request) (object, byte) {
	s := &semaphore{units: r.num(), limit: maxUnits}
	if bounded := r.byte(); bounded != 0 {
		s.limit = s.units
	}
	if r.bad || s.units > maxUnits {
		return nil, statusBad
	}
	return s, statusOK
}

func (s *semaphore) kind() byte { return kindSemaphore }

func (s *semaphore) serve(r *request) byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return statusFreed
	}
	switch r.op {
	case syncAcquire:
		wait := r.byte()
		switch {
		case r.bad:
			return statusBad
		case s.units > 0:
			s.units--
			return statusOK
		case wait == 0:
			return statusBusy
		}
		w := r.waiter(s)
		if w == nil {
			return statusTooMany
		}
		s.queue.push(w)
		return parked
	case syncRelease:
		n := r.num()
		if r.bad || n < 1 {
			return statusBad
		}
		if n > s.limit-s.units {
			return statusOverRelease
		}
		s.units += n
		for s.units > 0 && len(s.queue) > 0 {
			if s.queue.pop().answer(statusOK) {
				s.units--
			}
		}
	case syncValue:
		r.out = appendNum(r.out, s.units)
	default:
		return statusBad
	}
	return statusOK
}

func (s *semaphore) giveUp(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queue.remove(w) {
		w.answer(statusCancelled)
	}
}

func (s *semaphore) free() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	s.queue.end(statusFreed)
}

// event tells that something has happened.
type event struct {
	mu    sync.Mutex
	set   bool
	gone  bool
	queue waiters
}

func (e *event) kind() byte { return kindEvent }

func (e *event) serve(r *request) byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone {
		return statusFreed
	}
	switch r.op {
	case syncSet:
		e.set = true
		e.queue.end(statusOK)
	case syncClear:
		e.set = false
	case syncValue:
		r.out = appendBool(r.out, e.set)
	case syncWait:
		wait := r.byte()
		switch {
		case r.bad:
			return statusBad
		case e.set:
			return statusOK
		case wait == 0:
			return statusBusy
		}
		w := r.waiter(e)
		if w == nil {
			return statusTooMany
		}
		e.queue.push(w)
		return parked
	default:
		return statusBad
	}
	return statusOK
}

func (e *event) giveUp(w *waiter) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.queue.remove(w) {
		w.answer(statusCancelled)
	}
}

func (e *event) free() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gone = true
	e.queue.end(statusFreed)
}

// barrier lets a number of parties go on together. A party whose context ends, or whose process dies, breaks it.
type barrier struct {
	mu      sync.Mutex
	parties int
	broken  bool
	gone    bool
	queue   waiters
}

const maxParties = 1<<24 - 1

func newBarrier(r *request) (object, byte) {
	n := r.num()
	if r.bad || n < 1 || n > maxParties {
		return nil, statusBad
	}
	return &barrier{parties: int(n)}, statusOK
}

func (b *barrier) kind() byte { return kindBarrier }

func (b *barrier) serve(r *request) byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone {
		return statusFreed
	}
	switch r.op {
	case syncWait:
		return b.wait(r)
	case syncAbort:
		b.breakUp()
	case syncReset:
		b.breakUp()
		b.broken = false
	case syncValue:
		r.out = appendNum(appendNum(appendBool(r.out, b.broken), uint64(len(b.queue))), uint64(b.parties))
	default:
		return statusBad
	}
	return statusOK
}

func (b *barrier) breakUp() {
	b.broken = true
	b.queue.end(statusBroken)
}

func (b *barrier) wait(r *request) byte {
	wait := r.byte()
	switch {
	case r.bad:
		return statusBad
	case b.broken:
		return statusBroken
	case wait == 0:
		b.breakUp()
		return statusCancelled
	case len(b.queue)+1 == b.parties:
		for i, w := range b.queue {
			w.answer(statusOK, appendNum(nil, uint64(i))...)
		}
		r.out = appendNum(r.out, uint64(len(b.queue)))
		b.queue = nil
		return statusOK
	}
	w := r.waiter(b)
	if w == nil {
		return statusTooMany
	}
	b.queue.push(w)
	return parked
}

func (b *barrier) giveUp(w *waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.queue.remove(w) {
		w.answer(statusCancelled)
		b.breakUp()
	}
}

func (b *barrier) free() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gone = true
	b.queue.end(statusFreed)
}

// cond lets those who hold a lock wait for a notification. A waiter that is notified moves to the lock's own queue: it is
// not woken before it has the lock.
type cond struct {
	lock *lock

	mu    sync.Mutex // before the lock's
	gone  bool
	queue waiters
}

func (s *server) newCond(r *request) (object, byte) {
	n := r.num()
	s.mu.RLock()
	l, ok := s.objects[n].(*lock)
	s.mu.RUnlock()
	switch {
	case r.bad:
		return nil, statusBad
	case !ok:
		return nil, statusFreed
	case l.is != kindMutex:
		return nil, statusKind
	}
	return &cond{lock: l}, statusOK
}

func (c *cond) kind() byte { return kindCond }

func (c *cond) serve(r *request) byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return statusFreed
	}
	c.lock.mu.Lock()
	defer c.lock.mu.Unlock()
	if c.lock.sess != r.sess {
		return statusNotOwner
	}
	switch r.op {
	case syncValue:
		r.out = appendNum(r.out, uint64(len(c.queue)))
	case syncNotify:
		n := r.num()
		if r.bad {
			return statusBad
		}
		for ; n > 0 && len(c.queue) > 0; n-- {
			c.lock.queue.push(c.queue.pop()) // held by who notifies: nobody gets it now
		}
	case syncWait:
		if wait := r.byte(); wait == 0 {
			r.out = append(r.out, stateLocked)
			return statusTimeout
		}
		w := r.waiter(c)
		if w == nil {
			return statusTooMany
		}
		c.queue.push(w)
		c.lock.drop()
		return parked
	default:
		return statusBad
	}
	return statusOK
}

// giveUp lets a waiter go on as soon as it has the lock, which is part of its return.
func (c *cond) giveUp(w *waiter) {
	c.mu.Lock()
	if !c.queue.remove(w) {
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	w.late = true
	c.lock.back(w)
}

func (c *cond) free() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	c.queue.end(statusFreed)
}
