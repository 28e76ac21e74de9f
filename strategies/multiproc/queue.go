package multiproc

// queue is a first-in first-out list that reuses its memory. The zero value is empty. Not safe for concurrent use.
type queue[T comparable] struct {
	items []T // a ring
	head  int
	n     int
}

func (q *queue[T]) len() int { return q.n }

func (q *queue[T]) at(i int) *T { return &q.items[(q.head+i)&(len(q.items)-1)] }

func (q *queue[T]) front() T { return *q.at(0) }

func (q *queue[T]) grow() {
	if q.n < len(q.items) {
		return
	}
	items := make([]T, max(16, 2*len(q.items)))
	for i := range q.n {
		items[i] = *q.at(i)
	}
	q.items, q.head = items, 0
}

func (q *queue[T]) push(v T) {
	q.grow()
	q.n++
	*q.at(q.n - 1) = v
}

func (q *queue[T]) pushFront(v T) {
	q.grow()
	q.head = (q.head - 1) & (len(q.items) - 1)
	q.n++
	*q.at(0) = v
}

func (q *queue[T]) pop() T {
	p := q.at(0)
	v := *p
	var zero T
	*p = zero
	q.head = (q.head + 1) & (len(q.items) - 1)
	q.n--
	return v
}

// remove deletes v, wherever it is, unless ok is set and says no.
func (q *queue[T]) remove(v T, ok func() bool) bool {
	for i := range q.n {
		if *q.at(i) == v {
			if ok != nil && !ok() {
				return false
			}
			for ; i+1 < q.n; i++ {
				*q.at(i) = *q.at(i + 1)
			}
			var zero T
			*q.at(q.n - 1) = zero
			q.n--
			return true
		}
	}
	return false
}

// backlog is the work that no worker has: what any of them may take, and what is bound to the one in a slot (Affinity).
// The zero value is empty. Not safe for concurrent use.
type backlog[T comparable] struct {
	any   queue[T]
	bound []queue[T] // by slot; nil until something was bound
	n     int        // in bound
	turn  bool       // whose turn it is in a worker that could take either
}

func (b *backlog[T]) len() int { return b.any.len() + b.n }

// own is how much is bound to the worker in the slot, waiting how much it could take.
func (b *backlog[T]) own(slot int) int {
	if b.n == 0 {
		return 0
	}
	return b.bound[slot].len()
}
func (b *backlog[T]) waiting(slot int) int { return b.any.len() + b.own(slot) }

// of returns the queue of what is bound to the slot, -1 for none, of so many.
func (b *backlog[T]) of(slot, slots int) *queue[T] {
	if slot < 0 {
		return &b.any
	}
	if b.bound == nil {
		b.bound = make([]queue[T], slots)
	}
	b.n++
	return &b.bound[slot]
}

// pop takes the next for the worker in the slot, for which something is waiting. Neither kind starves the other.
func (b *backlog[T]) pop(slot int) T {
	if b.own(slot) > 0 {
		if b.turn = !b.turn; b.turn || b.any.len() == 0 {
			b.n--
			return b.bound[slot].pop()
		}
	}
	return b.any.pop()
}

// remove is that of queue.
func (b *backlog[T]) remove(v T, ok func() bool) bool {
	if b.any.remove(v, ok) {
		return true
	}
	for i := range b.bound {
		if b.bound[i].remove(v, ok) {
			b.n--
			return true
		}
	}
	return false
}

// takeAll empties it.
func (b *backlog[T]) takeAll() []T {
	var all []T
	for b.any.len() > 0 {
		all = append(all, b.any.pop())
	}
	for i := range b.bound {
		for b.bound[i].len() > 0 {
			all = append(all, b.bound[i].pop())
		}
	}
	b.n = 0
	return all
}
