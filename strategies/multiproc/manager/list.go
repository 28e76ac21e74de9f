package manager

import (
	"context"
	"errors"
	"iter"
	"reflect"
	"unsafe"

	"github.com/parbench/parbench/strategies/multiproc"
)

// List is a slice in a manager: a handle, as Dict is. Indexes begin at 0; one that is not there is ErrIndex. Every method
// is atomic and safe for concurrent use.
type List[T any] struct{ handle }

// NewList makes a list of items.
func NewList[T any](ctx context.Context, m *Manager, items ...T) (List[T], error) {
	if err := multiproc.Encodable[T](); err != nil {
		return List[T]{}, err
	}
	h, err := create(ctx, m, kindList, func(b []byte) ([]byte, error) { return appendItems(b, items) })
	return List[T]{h}, err
}

func appendItems[T any](b []byte, items []T) ([]byte, error) {
	b = appendNum(b, uint64(len(items)))
	for i := range items {
		var err error
		if b, err = appendSized(b, &items[i]); err != nil {
			var ee *multiproc.EncodeError
			if errors.As(err, &ee) {
				ee.Index = i
			}
			return b, err
		}
	}
	return b, nil
}

// at begins a call that concerns an index.
func (l List[T]) at(op byte, i int) *call {
	c := l.call(op)
	c.buf = appendInt(c.buf, i)
	return c
}

// get makes a call and decodes what comes.
func (h handle) get(ctx context.Context, c *call, decode func(b []byte) ([]byte, error)) error {
	defer c.end()
	err := h.do(ctx, c)
	if err == nil {
		_, err = decode(c.rep)
	}
	return err
}

// Append appends items, all at once.
func (l List[T]) Append(ctx context.Context, items ...T) error {
	c := l.call(listAppend)
	defer c.end()
	var err error
	if c.buf, err = appendItems(c.buf, items); err != nil {
		return err
	}
	return l.do(ctx, c)
}

// Get returns the item at an index.
func (l List[T]) Get(ctx context.Context, i int) (v T, err error) {
	err = l.get(ctx, l.at(listGet, i), func(b []byte) ([]byte, error) { return multiproc.DecodeValue(b, &v) })
	return v, err
}

// Set replaces the item at an index.
func (l List[T]) Set(ctx context.Context, i int, v T) error {
	c := l.at(listSet, i)
	defer c.end()
	var err error
	if c.buf, err = multiproc.AppendValue(c.buf, &v); err != nil {
		return err
	}
	return l.do(ctx, c)
}

// Replace replaces the items from index i to before index j by others, as many as there are; j below 0 is the end.
func (l List[T]) Replace(ctx context.Context, i, j int, items ...T) error {
	c := l.at(listReplace, i)
	defer c.end()
	var err error
	if c.buf, err = appendItems(appendInt(c.buf, max(j, -1)), items); err != nil {
		return err
	}
	return l.do(ctx, c)
}

// Insert inserts items before index i.
func (l List[T]) Insert(ctx context.Context, i int, items ...T) error {
	return l.Replace(ctx, i, i, items...)
}

// Delete removes the items from index i to before index j; j below 0 is the end.
func (l List[T]) Delete(ctx context.Context, i, j int) error { return l.Replace(ctx, i, j) }

// Clear removes all items.
func (l List[T]) Clear(ctx context.Context) error { return l.Replace(ctx, 0, -1) }

// Pop removes the item at an index and returns it; -1 is the last one.
func (l List[T]) Pop(ctx context.Context, i int) (v T, err error) {
	err = l.get(ctx, l.at(listPop, i), func(b []byte) ([]byte, error) { return multiproc.DecodeValue(b, &v) })
	return v, err
}

// Repeat makes the list n times as long: its items follow each other n times. ErrTooLarge beyond 1 GiB.
func (l List[T]) Repeat(ctx context.Context, n int) error {
	c := l.at(listRepeat, n)
	defer c.end()
	return l.do(ctx, c)
}

// Reverse reverses the order of the items.
func (l List[T]) Reverse(ctx context.Context) error { return l.simple(ctx, listReverse) }

// Len returns how many items there are.
func (l List[T]) Len(ctx context.Context) (int, error) { return l.number(ctx, listLen) }

// Slice returns a copy of the items from index i to before index j; j below 0 is the end.
func (l List[T]) Slice(ctx context.Context, i, j int) ([]T, error) {
	c := l.at(listSlice, i)
	defer c.end()
	c.buf = appendInt(c.buf, max(j, -1))
	if err := l.do(ctx, c); err != nil {
		return nil, err
	}
	r := c.result()
	items := make([]T, 0, r.count())
	err := c.each(func(r *cursor) (bool, error) {
		var v T
		_, err := multiproc.DecodeValue(r.bytes(), &v)
		items = append(items, v)
		return true, err
	})
	return items, err
}

// All returns the items as they are when the loop begins; what changes meanwhile is not seen. An error ends the loop,
// after it has been yielded.
func (l List[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		items, err := l.Slice(ctx, 0, -1)
		for _, v := range items {
			if err != nil || !yield(v, nil) {
				break
			}
		}
		if err != nil {
			var zero T
			yield(zero, err)
		}
	}
}

// Update replaces the item at an index by what f makes of it, and returns that: see Dict.Update.
func (l List[T]) Update(ctx context.Context, i int, f func(T) (T, error)) (T, error) {
	for {
		var old T
		version := uint64(0)
		err := l.get(ctx, l.at(listGetVersion, i), func(b []byte) ([]byte, error) {
			r := cursor{b: b}
			version = r.num()
			return multiproc.DecodeValue(r.b, &old)
		})
		if err != nil {
			return old, err
		}
		v, err := f(old)
		if err != nil {
			return old, err
		}
		c := l.at(listSetIf, i)
		if c.buf, err = multiproc.AppendValue(appendNum(c.buf, version), &v); err == nil {
			err = l.do(ctx, c)
		}
		changed := c.was(statusChanged)
		c.end()
		if err == nil || !changed {
			return v, err
		}
	}
}

// AppendBinary implements encoding.BinaryAppender: see Dict.
func (l List[T]) AppendBinary(b []byte) ([]byte, error) { return l.append(b, kindList, typeOf[T]()) }

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (l *List[T]) UnmarshalBinary(b []byte) error { return l.take(b, kindList, typeOf[T]()) }

// Array is a fixed number of numbers in a manager: a handle, as Dict is. Indexes begin at 0; one that is not there is
// ErrIndex.
type Array[T Number] struct{ handle }

// NewArray makes an array of n zeros, at most 1 GiB.
func NewArray[T Number](ctx context.Context, m *Manager, n int) (Array[T], error) {
	return newArrayOf[T](ctx, m, n, nil)
}

// ArrayOf makes an array of items.
func ArrayOf[T Number](ctx context.Context, m *Manager, items ...T) (Array[T], error) {
	return newArrayOf(ctx, m, len(items), items)
}

func newArrayOf[T Number](ctx context.Context, m *Manager, n int, items []T) (Array[T], error) {
	if n < 0 {
		return Array[T]{}, invalid("NewArray: fewer than no items")
	}
	h, err := create(ctx, m, kindArray, func(b []byte) ([]byte, error) {
		b = append(b, numberKind[T](), byte(reflect.TypeFor[T]().Size()))
		return append(appendNum(b, uint64(n)), memory(items)...), nil
	})
	return Array[T]{h}, err
}

// memory is the memory of numbers.
func memory[T Number](items []T) []byte {
	if len(items) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(items))), len(items)*int(unsafe.Sizeof(items[0])))
}

// at makes a call that concerns an index; the answer goes to out.
func (a Array[T]) at(ctx context.Context, op byte, i int, out []T, in ...T) error {
	c := a.call(op)
	defer c.end()
	c.buf = append(appendInt(c.buf, i), memory(in)...)
	if err := a.do(ctx, c); err != nil {
		if errors.Is(err, errKind) {
			err = ErrNumber
		}
		return err
	}
	if copy(memory(out), c.rep) != len(c.rep) {
		return errBad
	}
	return nil
}

// Get returns the item at an index.
func (a Array[T]) Get(ctx context.Context, i int) (T, error) {
	s, err := a.Slice(ctx, i, max(i, -1)+1)
	if err != nil || len(s) == 0 {
		var zero T
		return zero, errors.Join(err)
	}
	return s[0], nil
}

// Set sets the item at an index.
func (a Array[T]) Set(ctx context.Context, i int, v T) error { return a.SetAll(ctx, i, v) }

// SetAll sets the items from index i on, all at once.
func (a Array[T]) SetAll(ctx context.Context, i int, items ...T) error {
	return a.at(ctx, arrayWrite, i, nil, items...)
}

// Slice returns a copy of the items from index i to before index j; j below 0 is the end.
func (a Array[T]) Slice(ctx context.Context, i, j int) ([]T, error) {
	c := a.call(arrayRead)
	defer c.end()
	c.buf = appendInt(appendInt(c.buf, i), max(j, -1))
	if err := a.do(ctx, c); err != nil {
		return nil, err
	}
	var zero T
	items := make([]T, len(c.rep)/int(unsafe.Sizeof(zero)))
	copy(memory(items), c.rep)
	return items, nil
}

// Len returns how many items there are.
func (a Array[T]) Len(ctx context.Context) (int, error) { return a.number(ctx, arrayLen) }

// Add adds to an item, in the manager, and returns the sum. Numbers wrap around.
func (a Array[T]) Add(ctx context.Context, i int, delta T) (T, error) {
	var sum [1]T
	err := a.at(ctx, arrayAdd, i, sum[:], delta)
	return sum[0], err
}

// Swap sets an item and returns the one before.
func (a Array[T]) Swap(ctx context.Context, i int, v T) (T, error) {
	var before [1]T
	err := a.at(ctx, arraySwap, i, before[:], v)
	return before[0], err
}

// CompareAndSwap sets an item to v if it is old, and tells whether it did. Floats are compared bit by bit: a NaN equals
// itself, and 0 is not -0.
func (a Array[T]) CompareAndSwap(ctx context.Context, i int, old, v T) (bool, error) {
	c := a.call(arrayCAS)
	defer c.end()
	c.buf = append(appendInt(c.buf, i), memory([]T{old, v})...)
	if err := a.do(ctx, c); err != nil {
		return false, err
	}
	r := c.result()
	return r.byte() != 0, nil
}

// AppendBinary implements encoding.BinaryAppender: see Dict.
func (a Array[T]) AppendBinary(b []byte) ([]byte, error) { return a.append(b, kindArray, typeOf[T]()) }

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (a *Array[T]) UnmarshalBinary(b []byte) error { return a.take(b, kindArray, typeOf[T]()) }
