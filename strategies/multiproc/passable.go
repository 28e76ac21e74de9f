package multiproc

import (
	"encoding/binary"
	"errors"
	"reflect"
	"unsafe"

	"github.com/parbench/parbench/strategies/multiproc/shm"
)

// Passable is a handle on something that processes share: *Queue, *JoinableQueue, the ends of pipes, and all that package
// shm makes, arenas, arrays, values and locks. Such a pointer may be, or be part of, whatever crosses to another process:
// inputs and results of functions, the state of an initialiser, items of a queue. The other side gets a handle on the
// same thing.
//
// What crosses is the number of a descriptor and of this process; the other side opens /proc/PID/fd/N. So this process
// must live, and not have closed the handle, until the other has received it. Both need the same user and PID namespace
// and a mounted /proc, as in an ordinary container; where this process cannot open its own descriptors there, the call
// returns an EncodeError. A receiver that is too late gets a DecodeError with a *shm.GoneError.
//
// Another pointer type may implement it, to cross in a way of its own.
type Passable interface {
	// AppendHandle appends to b what TakeHandle needs in the other process.
	AppendHandle(b []byte) ([]byte, error)
	// TakeHandle makes a new zero value the handle that the start of b says, and returns the rest of b.
	TakeHandle(b []byte) ([]byte, error)
}

var passableType = reflect.TypeFor[Passable]()

// The objects of package shm cross too.
var (
	_ Passable = (*shm.Arena)(nil)
	_ Passable = (*shm.Mutex)(nil)
	_ Passable = (*shm.Reentrant)(nil)
	_ Passable = (*shm.RWMutex)(nil)
	_ Passable = (*shm.Semaphore)(nil)
	_ Passable = (*shm.BoundedSemaphore)(nil)
	_ Passable = (*shm.Event)(nil)
	_ Passable = (*shm.Cond)(nil)
	_ Passable = (*shm.Barrier)(nil)
	_ Passable = (*shm.Value[int])(nil)
	_ Passable = (*shm.Array[int])(nil)
)

// planPassable plans a pointer to a handle.
func planPassable(p *plan, t reflect.Type) {
	p.append = func(b []byte, v unsafe.Pointer, _ int) ([]byte, error) {
		h := reflect.NewAt(t, v).Elem()
		if h.IsNil() {
			return append(b, 0), nil
		}
		return h.Interface().(Passable).AppendHandle(append(b, 1))
	}
	p.decode = func(b []byte, v unsafe.Pointer) ([]byte, error) {
		if len(b) == 0 {
			return nil, errShort
		}
		h := reflect.NewAt(t, v).Elem()
		if b[0] == 0 {
			h.SetZero()
			return b[1:], nil
		}
		n := reflect.New(t.Elem())
		rest, err := n.Interface().(Passable).TakeHandle(b[1:])
		if err == nil {
			h.Set(n)
		}
		return rest, err
	}
}

var errDetached = errors.New("the handle is detached")

// appendArena appends where to find an arena and something in it. nonce is what the other side must find there.
func appendArena(b []byte, a *shm.Arena, ref shm.Ref, nonce uint64) ([]byte, error) {
	b, err := a.AppendHandle(b)
	if errors.Is(err, shm.ErrClosed) {
		err = errDetached
	}
	if err != nil {
		return nil, err
	}
	b = binary.AppendUvarint(b, uint64(ref))
	return binary.LittleEndian.AppendUint64(b, nonce), nil
}

// takeArena opens what appendArena has named; the caller checks the nonce.
func takeArena(b []byte) (a *shm.Arena, ref shm.Ref, nonce uint64, rest []byte, err error) {
	a = new(shm.Arena)
	if b, err = a.TakeHandle(b); err != nil {
		return nil, 0, 0, nil, err
	}
	r, k := binary.Uvarint(b)
	if k <= 0 || len(b)-k < 8 {
		_ = a.Close()
		return nil, 0, 0, nil, errShort
	}
	return a, shm.Ref(r), binary.LittleEndian.Uint64(b[k:]), b[k+8:], nil
}
