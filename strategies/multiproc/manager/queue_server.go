package manager

import (
	"bytes"
	"sync"
)

// fifo is a queue of values in their wire form.
type fifo struct {
	mu      sync.Mutex
	cap     int
	closed  bool
	items   [][]byte
	head    int    // of the items; those before it have been taken
	open    uint64 // items that were put and are not done
	gone    bool   // freed
	getters waiters
	putters waiters
	joiners waiters
}

const maxQueueCap = 1 << 28

func newQueue(r *request) (object, byte) {
	n := r.num()
	if r.bad || n < 1 || n > maxQueueCap {
		return nil, statusBad
	}
	return &fifo{cap: int(n)}, statusOK
}

func (q *fifo) kind() byte { return kindQueue }
func (q *fifo) len() int   { return len(q.items) - q.head }

func (q *fifo) push(v []byte) {
	if q.head > 32 && q.head > len(q.items)/2 {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	q.items = append(q.items, v)
}

func (q *fifo) pop() []byte {
	v := q.items[q.head]
	q.items[q.head] = nil
	q.head++
	return v
}

// settle moves items to those who wait for them, and those who wait for room to the items.
func (q *fifo) settle() {
	for {
		switch {
		case q.len() > 0 && len(q.getters) > 0:
			w := q.getters.pop()
			if w.sess.unpark(w) {
				w.reply(statusOK, q.pop())
			}
		case q.len() < q.cap && len(q.putters) > 0:
			if w := q.putters.pop(); w.answer(statusOK) {
				q.push(w.item)
				q.open++
			}
		default:
			if q.closed && q.len() == 0 {
				q.getters.end(statusClosed)
			}
			return
		}
	}
}

func (q *fifo) serve(r *request) byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.gone {
		return statusFreed
	}
	switch r.op {
	case queuePut:
		return q.put(r)
	case queueGet:
		return q.get(r)
	case queueUnget:
		if q.head == 0 {
			q.items = append([][]byte{nil}, q.items...)
			q.head = 1
		}
		q.head--
		q.items[q.head] = bytes.Clone(r.b)
		q.settle()
	case queueLen:
		r.out = appendNum(appendNum(r.out, uint64(q.len())), uint64(q.cap))
	case queueClose:
		q.closed = true
		q.putters.end(statusClosed)
		q.settle()
	case queueDone:
		if q.open == uint64(q.len()) {
			return statusTooManyDone
		}
		if q.open--; q.open == 0 {
			q.joiners.end(statusOK)
		}
	case queueDrain:
		if q.open == 0 {
			return statusOK
		}
		return q.wait(r, &q.joiners, nil)
	default:
		return statusBad
	}
	return statusOK
}

func (q *fifo) put(r *request) byte {
	wait := r.byte()
	switch {
	case r.bad:
		return statusBad
	case q.closed:
		return statusClosed
	case q.len() < q.cap && len(q.putters) == 0:
		q.open++
		if len(q.getters) > 0 { // hand it over without keeping it
			for len(q.getters) > 0 {
				if w := q.getters.pop(); w.sess.unpark(w) {
					w.reply(statusOK, r.b)
					return statusOK
				}
			}
		}
		q.push(bytes.Clone(r.b))
		return statusOK
	case wait == 0:
		return statusBusy
	}
	return q.wait(r, &q.putters, bytes.Clone(r.b))
}

func (q *fifo) get(r *request) byte {
	wait := r.byte()
	switch {
	case q.len() > 0:
		r.out = append(r.out, q.pop()...)
		q.settle()
		return statusOK
	case q.closed:
		return statusClosed
	case wait == 0:
		return statusBusy
	}
	return q.wait(r, &q.getters, nil)
}

func (q *fifo) wait(r *request, list *waiters, item []byte) byte {
	if r.op == queueDrain && r.byte() == 0 {
		return statusBusy
	}
	w := r.waiter(q)
	if w == nil {
		return statusTooMany
	}
	w.item = item
	list.push(w)
	return parked
}

func (q *fifo) giveUp(w *waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.getters.remove(w) || q.putters.remove(w) || q.joiners.remove(w) {
		w.answer(statusCancelled)
	}
}

func (q *fifo) free() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.gone, q.items, q.head = true, nil, 0
	q.getters.end(statusFreed)
	q.putters.end(statusFreed)
	q.joiners.end(statusFreed)
}
