package shm

import (
	"reflect"
	"sync"
	"unsafe"
)

// Plain are the types that a Value can hold.
type Plain interface {
	~int | ~int8 | ~int16 | ~int32 | ~int64 | ~uint | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64
}

// layouts remembers, per type, its fingerprint, or 0 where it holds pointers.
var layouts sync.Map // reflect.Type -> uint64

// layoutOf returns a number that is the same for types of the same memory layout, in every process, or ErrNotPlain.
func layoutOf(t reflect.Type) (uint64, error) {
	if v, ok := layouts.Load(t); ok {
		if v.(uint64) == 0 {
			return 0, ErrNotPlain
		}
		return v.(uint64), nil
	}
	h, ok := fingerprint(t, 0xcbf29ce484222325)
	if !ok {
		h = 0
	} else if h == 0 {
		h = 1
	}
	layouts.Store(t, h)
	if h == 0 {
		return 0, ErrNotPlain
	}
	return h, nil
}

// fingerprint folds kinds, sizes and offsets of t into h with FNV-1a (Fowler, Noll, Vo).
func fingerprint(t reflect.Type, h uint64) (uint64, bool) {
	fold := func(n uint64) {
		for range 8 {
			h = (h ^ n&0xff) * 0x100000001b3
			n >>= 8
		}
	}
	fold(uint64(t.Kind()))
	fold(uint64(t.Size()))
	ok := true
	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8,
		reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
	case reflect.Array:
		fold(uint64(t.Len()))
		h, ok = fingerprint(t.Elem(), h)
	case reflect.Struct:
		if t.PkgPath() == "sync" {
			return 0, false // no pointers, but its waiters are of one process
		}
		for i := 0; i < t.NumField() && ok; i++ {
			fold(uint64(t.Field(i).Offset))
			h, ok = fingerprint(t.Field(i).Type, h)
		}
	default: // uintptr too: an address means nothing elsewhere
		return 0, false
	}
	return h, ok
}

// bitsOf returns the bytes of v in the low end of a word.
func bitsOf[T Plain](v T) uint64 {
	var u uint64
	*(*T)(unsafe.Pointer(&u)) = v
	return u
}

func ofBits[T Plain](u uint64) T { return *(*T)(unsafe.Pointer(&u)) }
