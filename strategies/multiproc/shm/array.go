package shm

import (
	"reflect"
	"runtime"
	"unsafe"
)

const (
	arrLayout = 8  // u64
	arrLen    = 16 // u64, elements
	arrElem   = 24 // u64, bytes each
	arrData   = 64
)

// Array is a fixed number of elements in shared memory, zero at first. T holds no pointers: numbers, booleans, and arrays
// and structs of these. Nothing synchronises access to the elements: put a lock beside it, or share it out. Created in an
// arena; must not be copied.
type Array[T any] struct {
	object
	n int
}

// NewArray makes an array of n elements; ErrNotPlain for types with pointers, ErrSize for fewer than one element.
func NewArray[T any](a *Arena, n int) (*Array[T], error) {
	h, err := layoutOf(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	var zero T
	size := int64(unsafe.Sizeof(zero))
	if n < 1 || size == 0 || int64(n) > (maxArena-arrData)/size {
		return nil, ErrSize
	}
	o, err := a.create(kindArray, arrData+size*int64(n), func(o *object) {
		*o.u64(arrLayout), *o.u64(arrLen), *o.u64(arrElem) = h, uint64(n), uint64(size)
	})
	if err != nil {
		return nil, err
	}
	return &Array[T]{o, n}, nil
}

// ArrayOf makes an array that is a copy of s.
func ArrayOf[T any](a *Arena, s []T) (*Array[T], error) {
	r, err := NewArray[T](a, len(s))
	if err != nil {
		return nil, err
	}
	copy(r.Unsafe(), s)
	return r, nil
}

// AttachArray attaches to the array at r; ErrRef where there is none of that element type.
func AttachArray[T any](a *Arena, r Ref) (*Array[T], error) {
	h, err := layoutOf(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	o, err := a.attach(kindArray, arrData, r)
	if err != nil {
		return nil, err
	}
	var zero T
	size, n := uint64(unsafe.Sizeof(zero)), *o.u64(arrLen)
	room := a.m.blockSize(uint64(r)-hdrSize) - hdrSize - arrData
	if *o.u64(arrLayout) != h || *o.u64(arrElem) != size || size == 0 || n < 1 || n > room/size {
		return nil, ErrRef
	}
	return &Array[T]{o, int(n)}, nil
}

// Len returns the number of elements.
func (r *Array[T]) Len() int { return r.n }

// View calls f with the elements: the shared memory itself, which must not be kept.
func (r *Array[T]) View(f func([]T)) {
	f(r.Unsafe())
	runtime.KeepAlive(r)
}

// Unsafe returns the elements: the shared memory itself. The slice must not be used when the Array is not reachable any
// more, or after Free or Close: the collector does not see that it refers to the mapping.
func (r *Array[T]) Unsafe() []T { return unsafe.Slice((*T)(unsafe.Add(r.p, arrData)), r.n) }

// Clone returns a copy in ordinary memory.
func (r *Array[T]) Clone() []T {
	s := make([]T, r.n)
	copy(s, r.Unsafe())
	runtime.KeepAlive(r)
	return s
}
