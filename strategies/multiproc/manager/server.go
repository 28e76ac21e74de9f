package manager

import (
	"context"
	"encoding/binary"
	"sync"
)

// A server holds the objects. It runs in a manager's process, or for NewLocal in the caller's.
type server struct {
	nonce uint64 // no other manager has it
	ctx   context.Context

	mu       sync.RWMutex
	objects  map[uint64]object
	last     uint64 // number of the object made last
	names    map[string][]byte
	sessions map[*session]struct{}
	closed   bool
	working  sync.WaitGroup // goroutines of services; none begins when closed
}

func newServer(ctx context.Context, nonce uint64) *server {
	return &server{nonce: nonce, ctx: ctx, objects: make(map[uint64]object), names: make(map[string][]byte),
		sessions: make(map[*session]struct{})}
}

// object is something that the server holds. Its methods may be called at the same time.
type object interface {
	kind() byte
	// serve does what a request asks for and returns the answer's status; the result goes to r.out. A request that has to
	// wait is parked; it is answered later, without holding up others.
	serve(r *request) (status byte)
	// free answers whoever waits.
	free()
}

// waitable is an object at which requests can wait.
type waitable interface {
	// giveUp ends the wait of w, whose caller or process has gone. It does nothing where w does not wait any more.
	giveUp(w *waiter)
}

// parked is the status of a request that waits.
const parked byte = 255

// request is one message of a client. The message is only valid during serve.
type request struct {
	cursor
	sess *session
	id   uint32
	op   byte
	obj  uint64
	out  []byte // the answer, beginning with its header
}

const answerHeader = 5

// waiter is a request that waits.
type waiter struct {
	sess  *session
	id    uint32
	obj   waitable
	op    byte
	owner uint64 // of a reentrant lock
	late  bool   // the context of a waiter at a Cond has ended
	item  []byte
}

// waiter makes the request one that waits; nil where that is not possible. Called with the object's lock held.
func (r *request) waiter(obj waitable) *waiter {
	w := &waiter{sess: r.sess, id: r.id, obj: obj, op: r.op}
	if !r.sess.park(w) {
		return nil
	}
	return w
}

// answer answers the waiter. False where its process has gone meanwhile. Called with the object's lock held.
func (w *waiter) answer(status byte, body ...byte) bool {
	return w.sess.unpark(w) && w.reply(status, body)
}

// reply answers a waiter that is not parked any more.
func (w *waiter) reply(status byte, body []byte) bool {
	b := binary.LittleEndian.AppendUint32(make([]byte, 0, answerHeader+len(body)), w.id)
	w.sess.deliver(append(append(b, status), body...))
	return true
}

// queueing is what objects at which somebody waits have in common.
type queueing struct {
	mu    sync.Mutex
	gone  bool // freed
	queue waiters
}

// park puts the request into the queue of the object, which embeds q. Called with mu held.
func (q *queueing) park(r *request, obj waitable) byte {
	w := r.waiter(obj)
	if w == nil {
		return statusTooMany
	}
	q.queue.push(w)
	return parked
}

// withdraw answers a waiter whose caller does not wait any more; false where it has been answered. Called with mu held.
func (q *queueing) withdraw(w *waiter) bool {
	found := q.queue.remove(w)
	if found {
		w.answer(statusCancelled)
	}
	return found
}

// giveUp implements waitable.
func (q *queueing) giveUp(w *waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.withdraw(w)
}

// end makes the object gone for those who wait. Called with mu held.
func (q *queueing) end() {
	q.gone = true
	q.queue.end(statusFreed)
}

// free implements object.
func (q *queueing) free() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.end()
}

// waiters is a list of those who wait, the first one first.
type waiters []*waiter

func (l *waiters) push(w *waiter) { *l = append(*l, w) }

func (l *waiters) pop() *waiter {
	w := (*l)[0]
	(*l)[0] = nil
	if *l = (*l)[1:]; len(*l) == 0 {
		*l = nil
	}
	return w
}

func (l *waiters) remove(w *waiter) bool {
	for i, x := range *l {
		if x == w {
			copy((*l)[i:], (*l)[i+1:])
			(*l)[len(*l)-1] = nil
			*l = (*l)[:len(*l)-1]
			return true
		}
	}
	return false
}

// end answers everybody.
func (l *waiters) end(status byte) {
	for _, w := range *l {
		w.answer(status)
	}
	*l = nil
}

// owned is an object that a process can hold.
type owned interface{ ownerGone(s *session) }

// session is what the server knows of one client process.
type session struct {
	srv     *server
	deliver func(answer []byte) // never waits

	mu     sync.Mutex
	ended  bool
	parked map[uint32]*waiter
	held   map[owned]struct{}
}

// maxParked is how many calls of one process may wait at the same time.
const maxParked = 1 << 16

func (s *server) open(deliver func([]byte)) *session {
	x := &session{srv: s, deliver: deliver, parked: make(map[uint32]*waiter), held: make(map[owned]struct{})}
	s.mu.Lock()
	s.sessions[x] = struct{}{}
	s.mu.Unlock()
	return x
}

func (s *session) park(w *waiter) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.parked[w.id] != nil || len(s.parked) >= maxParked {
		return false
	}
	s.parked[w.id] = w
	return true
}

func (s *session) unpark(w *waiter) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.parked[w.id] != w {
		return false
	}
	delete(s.parked, w.id)
	return true
}

// hold notes that the session has the object; false where it has ended. With a waiter that has waited for it, also where
// that does not wait any more. Called with the object's lock held.
func (s *session) hold(o owned, w *waiter) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || w != nil && s.parked[w.id] != w {
		return false
	}
	if w != nil {
		delete(s.parked, w.id)
	}
	s.held[o] = struct{}{}
	return true
}

func (s *session) release(o owned) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, o)
}

func (s *session) cancel(id uint32) {
	s.mu.Lock()
	w := s.parked[id]
	s.mu.Unlock()
	if w != nil {
		w.obj.giveUp(w)
	}
}

// end forgets a process that has gone: what it waited for, and what it held.
func (s *session) end() {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.ended = true
	waiting, held := s.parked, s.held
	s.parked, s.held = nil, nil
	s.mu.Unlock()
	for _, w := range waiting {
		w.obj.giveUp(w)
	}
	for o := range held {
		o.ownerGone(s)
	}
	s.srv.mu.Lock()
	delete(s.srv.sessions, s)
	s.srv.mu.Unlock()
}

// handle serves one message and answers it, unless it waits. r belongs to the goroutine that calls. False where the
// message makes no sense at all.
func (s *session) handle(r *request, msg []byte) bool {
	if len(msg) < 6 {
		return false
	}
	r.sess, r.id, r.op = s, binary.LittleEndian.Uint32(msg), msg[4]
	r.cursor = cursor{b: msg[5:]}
	r.obj = r.num()
	r.out = append(r.out[:0], msg[0], msg[1], msg[2], msg[3], 0)
	if r.op == opCancel {
		s.cancel(r.id)
		return true
	}
	status := s.srv.serve(r)
	if status == parked {
		return true
	}
	if r.bad && status == statusOK {
		status = statusBad
	}
	r.out[4] = status
	if len(r.out)-answerHeader > maxMessage-64 {
		r.out = append(r.out[:4], statusTooLarge)
	}
	s.deliver(r.out)
	if cap(r.out) > backlog {
		r.out = nil
	}
	return true
}

func (s *server) serve(r *request) byte {
	if r.op >= opObjectBase {
		s.mu.RLock()
		o := s.objects[r.obj]
		s.mu.RUnlock()
		if o == nil {
			return statusFreed
		}
		return o.serve(r)
	}
	switch r.op {
	case opCreate:
		return s.create(r)
	case opFree:
		s.mu.Lock()
		o := s.objects[r.obj]
		delete(s.objects, r.obj)
		s.mu.Unlock()
		if o == nil {
			return statusFreed
		}
		o.free()
		return statusOK
	case opStats:
		return s.stats(r)
	}
	name := r.string()
	if r.bad {
		return statusBad
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	v, there := s.names[name]
	switch r.op {
	case opPublish:
		if there {
			return statusExists
		}
		s.names[name] = append([]byte(nil), r.b...)
	case opLookup:
		if !there {
			return statusNoKey
		}
		r.out = append(r.out, v...)
	case opUnpublish:
		if !there {
			return statusNoKey
		}
		delete(s.names, name)
	default:
		return statusBad
	}
	return statusOK
}

// create makes an object and answers with its number.
func (s *server) create(r *request) byte {
	kind := r.byte()
	var o object
	status := statusOK
	switch kind {
	case kindDict, kindValue, kindNamespace:
		o, status = newDict(r, kind)
	case kindList:
		o, status = newList(r)
	case kindArray:
		o, status = newArray(r)
	case kindQueue:
		o, status = newQueue(r)
	case kindMutex, kindReentrant:
		o = &lock{is: kind}
	case kindRWMutex:
		o = &rwlock{readers: make(map[*session]int)}
	case kindSemaphore:
		o, status = newSemaphore(r)
	case kindCond:
		o, status = s.newCond(r)
	case kindEvent:
		o = &event{}
	case kindBarrier:
		o, status = newBarrier(r)
	case kindService:
		return s.newService(r)
	default:
		return statusBad
	}
	if r.bad && status == statusOK {
		status = statusBad
	}
	if status != statusOK {
		return status
	}
	r.out = appendNum(r.out, s.add(o))
	return statusOK
}

func (s *server) add(o object) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last++
	s.objects[s.last] = o
	return s.last
}

// remove forgets an object that frees itself.
func (s *server) remove(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.objects, id)
}

func (s *server) stats(r *request) byte {
	var n [kinds]uint64
	s.mu.RLock()
	for _, o := range s.objects {
		n[o.kind()]++
	}
	sessions := len(s.sessions)
	s.mu.RUnlock()
	r.out = appendNum(r.out, uint64(sessions))
	for _, k := range n[1:] {
		r.out = appendNum(r.out, k)
	}
	return statusOK
}

// spawn runs f on a goroutine that close waits for; after close, here.
func (s *server) spawn(f func()) {
	s.mu.RLock()
	closed := s.closed
	if !closed {
		s.working.Go(f)
	}
	s.mu.RUnlock()
	if closed {
		f()
	}
}

// close frees everything and waits for the services. Their contexts have ended by now, and so have all sessions.
func (s *server) close() {
	s.clear()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.working.Wait()
	s.clear() // what was still being made
}

func (s *server) clear() {
	s.mu.Lock()
	objects := s.objects
	s.objects = make(map[uint64]object)
	s.mu.Unlock()
	for _, o := range objects {
		o.free()
	}
}
