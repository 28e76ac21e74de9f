package manager

// lock is a Mutex or a Reentrant. Its owner is a process, of a Reentrant an Owner of one.
type lock struct {
	is byte

	queueing
	sess  *session // holds it; nil: free
	owner uint64
	depth int
	died  bool // its holder died, and nobody has been told yet
}

func (l *lock) kind() byte { return l.is }

// grant gives the lock to a session, which w is nil or has waited. False where that has ended.
func (l *lock) grant(s *session, owner uint64, w *waiter) (state byte, ok bool) {
	if !s.hold(l, w) {
		return 0, false
	}
	l.sess, l.owner, l.depth = s, owner, 1
	state = stateLocked
	if l.died {
		state, l.died = stateOwnerDied, false
	}
	return state, true
}

// next gives a free lock to the first who waits and lives.
func (l *lock) next() {
	for l.sess == nil && len(l.queue) > 0 {
		w := l.queue.pop()
		state, ok := l.grant(w.sess, w.owner, w)
		switch {
		case !ok:
		case w.late:
			w.reply(statusTimeout, []byte{state})
		default:
			w.reply(statusOK, []byte{state})
		}
	}
}

func (l *lock) serve(r *request) byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return statusFreed
	}
	wait := byte(0)
	if r.op == syncLock {
		wait = r.byte()
	}
	owner := uint64(0)
	if l.is == kindReentrant {
		owner = r.num()
	}
	if r.bad {
		return statusBad
	}
	mine := l.sess == r.sess && l.owner == owner
	switch r.op {
	case syncLock:
		return l.lock(r, owner, mine && l.is == kindReentrant, wait != 0)
	case syncDepth:
		depth := 0
		if mine {
			depth = l.depth
		}
		r.out = appendNum(r.out, uint64(depth))
	case syncUnlock:
		switch {
		case l.sess == nil:
			return statusUnlocked
		case !mine:
			return statusNotOwner
		}
		if l.depth--; l.depth == 0 {
			l.died = len(r.b) > 0 && r.byte() == stateOwnerDied
			l.drop()
		}
	default:
		return statusBad
	}
	return statusOK
}

func (l *lock) lock(r *request, owner uint64, again, wait bool) byte {
	switch {
	case again:
		l.depth++
		r.out = append(r.out, stateLocked)
	case l.sess == nil:
		state, ok := l.grant(r.sess, owner, nil)
		if !ok {
			return statusCancelled
		}
		r.out = append(r.out, state)
	case !wait:
		return statusBusy
	default:
		w := r.waiter(l)
		if w == nil {
			return statusTooMany
		}
		w.owner = owner
		l.queue.push(w)
		return parked
	}
	return statusOK
}

// drop frees the lock.
func (l *lock) drop() {
	l.sess.release(l)
	l.sess, l.depth = nil, 0
	l.next()
}

// back queues a waiter of a Cond for the lock.
func (l *lock) back(w *waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		w.answer(statusFreed)
		return
	}
	l.queue.push(w)
	l.next()
}

func (l *lock) ownerGone(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sess == s {
		l.sess, l.depth, l.died = nil, 0, true
		l.next()
	}
}

func (l *lock) free() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sess != nil {
		l.sess.release(l)
	}
	l.end()
}

// rwlock is an RWMutex. Who waits is served in order, readers that follow each other together.
type rwlock struct {
	queueing
	writer  *session
	readers map[*session]int
	died    bool // a writer died; readers are told until a writer has had the lock
}

func (l *rwlock) kind() byte { return kindRWMutex }

func (l *rwlock) state() byte {
	if l.died {
		return stateOwnerDied
	}
	return stateLocked
}

// grant gives the lock; false where the session has ended. It must be free for that.
func (l *rwlock) grant(s *session, op byte, w *waiter) (state byte, ok bool) {
	if !s.hold(l, w) {
		return 0, false
	}
	state = l.state()
	if op == syncRLock {
		l.readers[s]++
		return state, true
	}
	l.writer, l.died = s, false
	return state, true
}

func (l *rwlock) fits(op byte) bool {
	return l.writer == nil && (op == syncRLock || len(l.readers) == 0)
}

func (l *rwlock) next() {
	for len(l.queue) > 0 && l.fits(l.queue[0].op) {
		w := l.queue.pop()
		if state, ok := l.grant(w.sess, w.op, w); ok {
			w.reply(statusOK, []byte{state})
		}
	}
}

func (l *rwlock) serve(r *request) byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return statusFreed
	}
	switch r.op {
	case syncLock, syncRLock:
		wait := r.byte()
		switch {
		case r.bad:
			return statusBad
		case len(l.queue) == 0 && l.fits(r.op):
			state, ok := l.grant(r.sess, r.op, nil)
			if !ok {
				return statusCancelled
			}
			r.out = append(r.out, state)
		case wait == 0:
			return statusBusy
		default:
			return l.park(r, l)
		}
	case syncUnlock:
		switch l.writer {
		case nil:
			return statusUnlocked
		case r.sess:
			l.writer = nil
			l.died = len(r.b) > 0 && r.byte() == stateOwnerDied
			l.let(r.sess)
		default:
			return statusNotOwner
		}
	case syncRUnlock:
		if l.readers[r.sess] == 0 {
			return statusNotOwner
		}
		if l.readers[r.sess]--; l.readers[r.sess] == 0 {
			delete(l.readers, r.sess)
			l.let(r.sess)
		}
	default:
		return statusBad
	}
	return statusOK
}

// let goes on after a session has let go of the lock.
func (l *rwlock) let(s *session) {
	s.release(l)
	l.next()
}

func (l *rwlock) giveUp(w *waiter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.withdraw(w) {
		l.next() // a writer that waited kept readers out
	}
}

func (l *rwlock) ownerGone(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.readers, s)
	if l.writer == s {
		l.writer, l.died = nil, true
	}
	l.next()
}

func (l *rwlock) free() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.writer != nil {
		l.writer.release(l)
	}
	for s := range l.readers {
		s.release(l)
	}
	l.end()
}
