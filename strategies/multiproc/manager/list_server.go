package manager

import (
	"bytes"
	"slices"
	"sync"
)

// list is a sequence of values in their wire form.
type list struct {
	mu      sync.Mutex
	items   []listItem
	version uint64
}

type listItem struct {
	val     []byte
	version uint64 // of this value: no other one in the list had it
}

// maxRepeat and maxArray bound what one request can make of little; variables for the fuzz test.
var maxRepeat, maxArray = 1 << 30, uint64(1 << 30)

func newList(r *request) (object, byte) {
	l := &list{}
	l.items = l.take(r, r.count())
	return l, statusOK
}

func (l *list) kind() byte { return kindList }
func (l *list) free()      {}

func (l *list) item(val []byte) listItem {
	l.version++
	return listItem{bytes.Clone(val), l.version}
}

// take reads n items of the request.
func (l *list) take(r *request, n int) []listItem {
	items := make([]listItem, 0, n)
	for range n {
		items = append(items, l.item(r.bytes()))
	}
	return items
}

func (l *list) serve(r *request) byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch r.op {
	case listAppend:
		n := r.count()
		if n == 1 { // the usual case needs no list of its own
			if v := r.bytes(); !r.bad {
				l.items = append(l.items, l.item(v))
			}
			break
		}
		if items := l.take(r, n); !r.bad {
			l.items = append(l.items, items...)
		}
	case listLen:
		r.out = appendNum(r.out, uint64(len(l.items)))
	case listReverse:
		slices.Reverse(l.items)
	case listSlice, listReplace:
		return l.span(r)
	case listRepeat:
		return l.repeat(r)
	case listPop:
		return l.pop(r)
	case listGet, listGetVersion, listSet, listSetIf:
		return l.at(r)
	default:
		return statusBad
	}
	return statusOK
}

// at does what concerns one item.
func (l *list) at(r *request) byte {
	i := r.int()
	if r.bad || i < 0 || i >= len(l.items) {
		return statusIndex
	}
	x := &l.items[i]
	switch r.op {
	case listGet:
		r.out = append(r.out, x.val...)
	case listGetVersion:
		r.out = append(appendNum(r.out, x.version), x.val...)
	case listSetIf:
		if v := r.num(); r.bad || v != x.version {
			return statusChanged
		}
		*x = l.item(r.b)
	default:
		*x = l.item(r.b)
	}
	return statusOK
}

// span does what concerns items from one index to before another.
func (l *list) span(r *request) byte {
	from, to := r.int(), r.int()
	if to < 0 {
		to = len(l.items)
	}
	if r.bad || from < 0 || from > to || to > len(l.items) {
		return statusIndex
	}
	if r.op == listSlice {
		r.out = appendNum(r.out, uint64(to-from))
		for _, x := range l.items[from:to] {
			r.out = appendBytes(r.out, x.val)
		}
		return statusOK
	}
	if items := l.take(r, r.count()); !r.bad {
		l.items = slices.Replace(l.items, from, to, items...)
	}
	return statusOK
}

func (l *list) pop(r *request) byte {
	i := r.int()
	if i == -1 {
		i = len(l.items) - 1
	}
	if r.bad || i < 0 || i >= len(l.items) {
		return statusIndex
	}
	r.out = append(r.out, l.items[i].val...)
	l.items = slices.Delete(l.items, i, i+1)
	return statusOK
}

func (l *list) repeat(r *request) byte {
	n := r.int()
	total := 0
	for _, x := range l.items {
		total += len(x.val) + 32
	}
	if r.bad || n < 0 {
		return statusIndex
	}
	if total > 0 && n > maxRepeat/total {
		return statusTooLarge
	}
	once := len(l.items)
	if n == 0 {
		l.items = nil
	}
	for range n - 1 {
		for _, x := range l.items[:once] {
			l.items = append(l.items, l.item(x.val))
		}
	}
	return statusOK
}

// array is a fixed number of numbers as they lie in memory.
type array struct {
	mu   sync.Mutex
	num  byte // number kind
	size int  // bytes of one
	mem  []byte
}

func newArray(r *request) (object, byte) {
	a := &array{num: r.byte(), size: int(r.byte())}
	n := r.num()
	if zero := make([]byte, min(a.size, 8)); r.bad || !addNumber(a.num, zero, zero) {
		return nil, statusBad
	}
	if n > maxArray/uint64(a.size) {
		return nil, statusTooLarge
	}
	a.mem = make([]byte, int(n)*a.size)
	if len(r.b) > len(a.mem) {
		return nil, statusBad
	}
	copy(a.mem, r.b)
	return a, statusOK
}

func (a *array) kind() byte { return kindArray }
func (a *array) free()      {}

func (a *array) serve(r *request) byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := len(a.mem) / a.size
	if r.op == arrayLen {
		r.out = appendNum(r.out, uint64(n))
		return statusOK
	}
	i := r.int()
	if r.bad || i < 0 || i > n {
		return statusIndex
	}
	switch r.op {
	case arrayRead:
		to := r.int()
		if to < 0 {
			to = n
		}
		if r.bad || to < i || to > n {
			return statusIndex
		}
		r.out = append(r.out, a.mem[i*a.size:to*a.size]...)
		return statusOK
	case arrayWrite:
		if len(r.b)%a.size != 0 || i+len(r.b)/a.size > n {
			return statusIndex
		}
		copy(a.mem[i*a.size:], r.b)
		return statusOK
	}
	if i == n {
		return statusIndex
	}
	x := a.mem[i*a.size : (i+1)*a.size]
	switch r.op {
	case arrayAdd:
		if !addNumber(a.num, x, r.b) {
			return statusKind
		}
		r.out = append(r.out, x...)
	case arraySwap:
		if len(r.b) != a.size {
			return statusKind
		}
		r.out = append(r.out, x...)
		copy(x, r.b)
	case arrayCAS:
		if len(r.b) != 2*a.size {
			return statusKind
		}
		same := bytes.Equal(x, r.b[:a.size])
		if r.out = appendBool(r.out, same); same {
			copy(x, r.b[a.size:])
		}
	default:
		return statusBad
	}
	return statusOK
}
