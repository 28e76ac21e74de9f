package shm

import (
	"reflect"
	"sync/atomic"
)

const (
	valLayout = 8  // u64
	valCell   = 16 // u64: the value's bytes at its low end, zero above
	valSize   = 64
)

// Value is a number in shared memory whose every operation is atomic. It has no lock of its own; to change several things
// together, put a Mutex beside it. Created in an arena; must not be copied.
type Value[T Plain] struct {
	object
	cell *uint64
	wide bool // 64-bit integer: the processor can add to it
}

// NewValue makes a value that is v.
func NewValue[T Plain](a *Arena, v T) (*Value[T], error) {
	h, _ := layoutOf(reflect.TypeFor[T]())
	o, err := a.create(kindValue, valSize, func(o *object) {
		*o.u64(valLayout) = h
		*o.u64(valCell) = bitsOf(v)
	})
	if err != nil {
		return nil, err
	}
	return newValue[T](o), nil
}

// AttachValue attaches to the value at r; ErrRef where there is none of that type.
func AttachValue[T Plain](a *Arena, r Ref) (*Value[T], error) {
	o, err := a.attach(kindValue, valSize, r)
	if err != nil {
		return nil, err
	}
	if h, _ := layoutOf(reflect.TypeFor[T]()); *o.u64(valLayout) != h {
		return nil, ErrRef
	}
	return newValue[T](o), nil
}

func newValue[T Plain](o object) *Value[T] {
	t := reflect.TypeFor[T]()
	return &Value[T]{o, o.u64(valCell), t.Size() == 8 && t.Kind() != reflect.Float64}
}

// Load returns the value.
func (v *Value[T]) Load() T {
	u := atomic.LoadUint64(v.cell)
	raceAcquire(v.off(valCell))
	return ofBits[T](u)
}

// Store sets the value.
func (v *Value[T]) Store(x T) {
	raceRelease(v.off(valCell))
	atomic.StoreUint64(v.cell, bitsOf(x))
}

// Add adds x, wrapping around as T does, and returns the sum.
func (v *Value[T]) Add(x T) T {
	raceRelease(v.off(valCell))
	defer raceAcquire(v.off(valCell))
	if v.wide {
		return ofBits[T](atomic.AddUint64(v.cell, bitsOf(x)))
	}
	for {
		u := atomic.LoadUint64(v.cell)
		sum := ofBits[T](u) + x
		if atomic.CompareAndSwapUint64(v.cell, u, bitsOf(sum)) {
			return sum
		}
	}
}

// CompareAndSwap stores x where the value is old, and tells whether it did. Floats are compared bit by bit: a NaN equals
// itself, and 0 is not -0.
func (v *Value[T]) CompareAndSwap(old, x T) bool {
	raceRelease(v.off(valCell))
	defer raceAcquire(v.off(valCell))
	return atomic.CompareAndSwapUint64(v.cell, bitsOf(old), bitsOf(x))
}

// Swap stores x and returns what was there.
func (v *Value[T]) Swap(x T) T {
	raceRelease(v.off(valCell))
	defer raceAcquire(v.off(valCell))
	return ofBits[T](atomic.SwapUint64(v.cell, bitsOf(x)))
}
