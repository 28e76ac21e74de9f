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
