package shm

import (
	"encoding/binary"
	"errors"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"sync"
)

// How arenas and objects cross to another process without a channel for descriptors: what travels is the number of this
// process and of the arena's descriptor here. The other side opens /proc/PID/fd/N, which is a file of its own on the same
// memory, and checks the arena's nonce, so that a number that means something else by now is noticed.

// GoneError says that a handle cannot be taken, because its sender has ended, or has closed the arena.
type GoneError struct{ Err error }

func (e *GoneError) Error() string {
	return "the handle is gone (its sender must live and keep it until it has been received): " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *GoneError) Unwrap() error { return e.Err }

var (
	errZero  = errors.New("shm: the handle is a zero value; make objects with an arena's methods")
	errShort = errors.New("shm: handle is too short")
	errNonce = errors.New("shm: another arena is at the handle's place")
)

// ownDescriptors says once whether the descriptors of this process can be opened through /proc.
var ownDescriptors = sync.OnceValue(func() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	defer w.Close()
	f, err := os.Open(descriptorPath(uint64(os.Getpid()), uint64(r.Fd())))
	if err != nil {
		return err
	}
	return f.Close()
})

func descriptorPath(pid, fd uint64) string {
	return "/proc/" + strconv.FormatUint(pid, 10) + "/fd/" + strconv.FormatUint(fd, 10)
}

// AppendHandle appends to b what TakeHandle in another process needs to open the arena. This process must live, and not
// close the arena, until that has happened. Both need the same user and PID namespace and a mounted /proc, as in an
// ordinary container; where this process cannot open its own descriptors there, it is an error.
func (a *Arena) AppendHandle(b []byte) ([]byte, error) {
	if a.m == nil {
		return nil, errZero
	}
	f := a.File()
	if f == nil {
		return nil, ErrClosed
	}
	if err := ownDescriptors(); err != nil {
		return nil, err
	}
	a.keep()
	b = binary.AppendUvarint(b, uint64(os.Getpid()))
	b = binary.AppendUvarint(b, uint64(f.Fd()))
	return binary.LittleEndian.AppendUint64(b, *a.m.u64(offNonce)), nil
}

// TakeHandle opens the arena of a handle at the start of b and returns the rest of b; the receiver must be a new Arena.
// It is closed when neither it nor an object that was made or attached to with it is reachable any more, unless it has
// been passed on. The error is a *GoneError if the sender is too late.
func (a *Arena) TakeHandle(b []byte) ([]byte, error) {
	var v [2]uint64
	for i := range v {
		n, k := binary.Uvarint(b)
		if k <= 0 {
			return nil, errShort
		}
		v[i], b = n, b[k:]
	}
	if len(b) < 8 {
		return nil, errShort
	}
	nonce, rest := binary.LittleEndian.Uint64(b), b[8:]
	f, err := os.OpenFile(descriptorPath(v[0], v[1]), os.O_RDWR, 0)
	if err != nil {
		return nil, &GoneError{err}
	}
	defer f.Close()
	m, err := openMapping(f, Options{})
	if err != nil {
		return nil, &GoneError{err}
	}
	if *m.u64(offNonce) != nonce {
		m.release()
		return nil, &GoneError{errNonce}
	}
	a.m = m
	a.cleanup = runtime.AddCleanup(a, (*mapping).release, m)
	a.received = true
	return rest, nil
}

// passed are received arenas that have been passed on, and so must stay until they are closed.
var passed struct {
	sync.Mutex
	m map[*Arena]struct{}
}

// keep lets the arena stay open although nobody here may use it: another process is about to open it.
func (a *Arena) keep() {
	if !a.received {
		return // it stays until Close anyway
	}
	passed.Lock()
	defer passed.Unlock()
	if passed.m == nil {
		passed.m = make(map[*Arena]struct{})
	}
	passed.m[a] = struct{}{}
}

func (a *Arena) unkeep() {
	passed.Lock()
	defer passed.Unlock()
	delete(passed.m, a)
}

// Arena returns the arena that the object is in. For an object that was received alone it is the way to Close it.
func (o *object) Arena() *Arena { return o.a }

// AppendHandle appends to b what TakeHandle in another process needs to attach to the object there: see
// Arena.AppendHandle.
func (o *object) AppendHandle(b []byte) ([]byte, error) {
	if o.m == nil {
		return nil, errZero
	}
	b, err := o.a.AppendHandle(b)
	if err != nil {
		return nil, err
	}
	return binary.AppendUvarint(b, uint64(o.ref)), nil
}

// take opens the arena of an object's handle, attaches to what is at its Ref, and returns the rest of b.
func take[T any](b []byte, attach func(*Arena, Ref) (T, error), set func(T)) ([]byte, error) {
	a := new(Arena)
	b, err := a.TakeHandle(b)
	if err != nil {
		return nil, err
	}
	ref, k := binary.Uvarint(b)
	if k <= 0 {
		_ = a.Close()
		return nil, errShort
	}
	o, err := attach(a, Ref(ref))
	if err != nil {
		_ = a.Close()
		return nil, &GoneError{err}
	}
	set(o)
	return b[k:], nil
}

// TakeHandle attaches to the mutex of a handle at the start of b and returns the rest of b; the receiver must be a new
// Mutex. The arena is opened for it, under the rules of Arena.TakeHandle.
func (m *Mutex) TakeHandle(b []byte) ([]byte, error) {
	return take(b, (*Arena).Mutex, func(o *Mutex) { m.object, m.c = o.object, o.c })
}

// TakeHandle is that of Mutex.
func (r *Reentrant) TakeHandle(b []byte) ([]byte, error) {
	return take(b, (*Arena).Reentrant, func(o *Reentrant) { r.object, r.c = o.object, o.c })
}

// TakeHandle is that of Mutex.
func (rw *RWMutex) TakeHandle(b []byte) ([]byte, error) {
	return take(b, (*Arena).RWMutex, func(o *RWMutex) {
		rw.object, rw.c = o.object, o.c
		rw.hint.Store(o.hint.Load())
	})
}

// TakeHandle is that of Mutex.
func (s *Semaphore) TakeHandle(b []byte) ([]byte, error) {
	return take(b, (*Arena).Semaphore, func(o *Semaphore) { s.sem = o.sem })
}

// TakeHandle is that of Mutex.
func (s *BoundedSemaphore) TakeHandle(b []byte) ([]byte, error) {
	return take(b, (*Arena).BoundedSemaphore, func(o *BoundedSemaphore) { s.sem = o.sem })
}

// TakeHandle is that of Mutex.
func (e *Event) TakeHandle(b []byte) ([]byte, error) {
	return take(b, (*Arena).Event, func(o *Event) { e.object, e.word = o.object, o.word })
}

// TakeHandle is that of Mutex. The condition's mutex comes with it: see Cond.Mutex.
func (c *Cond) TakeHandle(b []byte) ([]byte, error) {
	return take(b, (*Arena).Cond, func(o *Cond) { c.object, c.mu = o.object, o.mu })
}

// TakeHandle is that of Mutex. A function cannot cross: this handle has no action, and no action runs in a pass whose last
// party arrives at it. Attach with Arena.Barrier to give it one.
func (b *Barrier) TakeHandle(buf []byte) ([]byte, error) {
	attach := func(a *Arena, r Ref) (*Barrier, error) { return a.Barrier(r, nil) }
	return take(buf, attach, func(o *Barrier) { b.object, b.state, b.parties = o.object, o.state, o.parties })
}

// TakeHandle is that of Mutex; the value must be of this type.
func (v *Value[T]) TakeHandle(b []byte) ([]byte, error) {
	return take(b, AttachValue[T], func(o *Value[T]) { v.object, v.cell, v.wide = o.object, o.cell, o.wide })
}

// TakeHandle is that of Mutex; the array must be of this element type.
func (r *Array[T]) TakeHandle(b []byte) ([]byte, error) {
	if _, err := layoutOf(reflect.TypeFor[T]()); err != nil {
		return nil, err
	}
	return take(b, AttachArray[T], func(o *Array[T]) { r.object, r.n = o.object, o.n })
}
