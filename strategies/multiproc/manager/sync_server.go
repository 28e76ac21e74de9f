package manager

// semaphore holds units without owners.
type semaphore struct {
	queueing
	units, limit uint64
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
		return s.park(r, s)
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

// event tells that something has happened.
type event struct {
	queueing
	set bool
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
		return e.park(r, e)
	default:
		return statusBad
	}
	return statusOK
}

// barrier lets a number of parties go on together. A party whose context ends, or whose process dies, breaks it.
type barrier struct {
	queueing
	parties int
	broken  bool
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
	return b.park(r, b)
}

func (b *barrier) giveUp(w *waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.withdraw(w) {
		b.breakUp()
	}
}

// cond lets those who hold a lock wait for a notification. A waiter that is notified moves to the lock's own queue: it is
// not woken before it has the lock.
type cond struct {
	lock     *lock
	queueing // its mu comes before the lock's
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
		status := c.park(r, c)
		if status == parked {
			c.lock.drop()
		}
		return status
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
