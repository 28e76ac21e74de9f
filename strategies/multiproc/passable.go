package multiproc

import (
	"encoding/binary"
	"errors"
	"os"
	"reflect"
	"strconv"
	"sync"
	"unsafe"

	"github.com/parbench/parbench/strategies/multiproc/shm"
)

// Passable is a handle on something that processes share: *Queue, *JoinableQueue, *Sender and
// *Receiver. Such a pointer may be, or be part
// of, whatever crosses to another process: inputs and results of functions, the state of an initialiser, items of a queue.
// The other side gets a handle on the same thing.
//
// What crosses is the number of the descriptor and of this process; the other side opens /proc/PID/fd/N. So this process
// must live, and not have closed the handle, until the other has received it. Both need the same user and PID namespace
// and a mounted /proc, as in an ordinary container; where this process cannot open its own descriptors there, the call
// returns an EncodeError.
type Passable interface {
	appendHandle(b []byte) ([]byte, error)
	takeHandle(b []byte) ([]byte, error)
}

var passableType = reflect.TypeFor[Passable]()

// planPassable plans a pointer to a handle.
func planPassable(p *plan, t reflect.Type) {
	p.append = func(b []byte, v unsafe.Pointer, _ int) ([]byte, error) {
		h := reflect.NewAt(t, v).Elem()
		if h.IsNil() {
			return append(b, 0), nil
		}
		return h.Interface().(Passable).appendHandle(append(b, 1))
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
		rest, err := n.Interface().(Passable).takeHandle(b[1:])
		if err == nil {
			h.Set(n)
		}
		return rest, err
	}
}

var errDetached = errors.New("the handle is detached")

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

// appendArena appends where to find an arena and something in it. nonce is what the other side must find there.
func appendArena(b []byte, a *shm.Arena, ref shm.Ref, nonce uint64) ([]byte, error) {
	f := a.File()
	if f == nil {
		return nil, errDetached
	}
	if err := ownDescriptors(); err != nil {
		return nil, err
	}
	b = binary.AppendUvarint(b, uint64(os.Getpid()))
	b = binary.AppendUvarint(b, uint64(f.Fd()))
	b = binary.AppendUvarint(b, uint64(ref))
	return binary.LittleEndian.AppendUint64(b, nonce), nil
}

// takeArena opens what appendArena has named; the caller checks the nonce.
func takeArena(b []byte) (a *shm.Arena, ref shm.Ref, nonce uint64, rest []byte, err error) {
	var v [3]uint64
	for i := range v {
		n, k := binary.Uvarint(b)
		if k <= 0 {
			return nil, 0, 0, nil, errShort
		}
		v[i], b = n, b[k:]
	}
	if len(b) < 8 {
		return nil, 0, 0, nil, errShort
	}
	nonce, rest = binary.LittleEndian.Uint64(b), b[8:]
	f, err := os.OpenFile(descriptorPath(v[0], v[1]), os.O_RDWR, 0)
	if err != nil {
		return nil, 0, 0, nil, &handleError{err}
	}
	defer f.Close()
	if a, err = shm.Open(f); err != nil {
		return nil, 0, 0, nil, &handleError{err}
	}
	return a, shm.Ref(v[2]), nonce, rest, nil
}

// handleError says that the sender's handle was not there any more.
type handleError struct{ err error }

func (e *handleError) Error() string {
	return "the handle is gone (its sender must live and keep it until it has been received): " + e.err.Error()
}
func (e *handleError) Unwrap() error { return e.err }
