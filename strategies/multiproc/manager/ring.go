package manager

import (
	"encoding/binary"
	"errors"
	"sync/atomic"
	"unsafe"
)

// A ring carries messages one way between two processes, in memory that they share: one side puts, the other takes. It
// has no locks, so neither side can hold up the other by dying, and neither believes what the other has written: each
// keeps its own position privately, copies a message before it looks at it, and checks every length.
//
// The words that both see lie in lines of their own:
//
//	  0  tail: bytes put so far          written by who puts
//	128  head: bytes taken so far        written by who takes
//	256  watch: whether the other looks  see below
//	384  the bytes
type ring struct {
	tail, head *atomic.Uint64
	watch      *atomic.Uint32
	buf        []byte // a power of two
	pos        uint64 // who puts: tail; who takes: head
	seen       uint64 // who puts: a value head had; who takes: one that tail had
}

const (
	ringLine   = 128 // processors fetch lines in pairs
	ringHeader = 3 * ringLine
	ringBytes  = 128 << 10
	ringSize   = ringHeader + ringBytes
	// ringMost is the largest message that travels in a ring; larger ones take the socket.
	ringMost = 32 << 10
	ringSkip = 1<<32 - 1 // instead of a length: what follows is at the start again
)

// Values of watch.
const (
	asleep   = 0 // the taker waits for a bell
	watching = 1 // it polls
	belled   = 2 // a bell is on its way to it
)

// newRing lays a ring over memory of ringSize bytes, all zero.
func newRing(mem []byte) *ring {
	at := func(off int) unsafe.Pointer { return unsafe.Pointer(&mem[off]) }
	return &ring{
		tail:  (*atomic.Uint64)(at(0)),
		head:  (*atomic.Uint64)(at(ringLine)),
		watch: (*atomic.Uint32)(at(2 * ringLine)),
		buf:   mem[ringHeader:ringSize:ringSize],
	}
}

var errRing = errors.New("the other process has damaged the memory shared with it")

// put appends a message; false where there is no room, now or at all.
func (r *ring) put(msg []byte) bool {
	size, mask := uint64(len(r.buf)), uint64(len(r.buf)-1)
	if len(msg) > ringMost {
		return false
	}
	need := (4 + uint64(len(msg)) + 7) &^ 7
	at := r.pos & mask
	skip := uint64(0)
	if at+need > size {
		skip = size - at
	}
	if used := r.pos - r.seen; used+skip+need > size {
		r.seen = r.head.Load()
		if used = r.pos - r.seen; used > size || used+skip+need > size {
			return false // full, or head is nonsense
		}
	}
	if skip > 0 {
		binary.LittleEndian.PutUint32(r.buf[at:], ringSkip)
		at = 0
	}
	binary.LittleEndian.PutUint32(r.buf[at:], uint32(len(msg)))
	copy(r.buf[at+4:], msg)
	r.pos += skip + need
	r.tail.Store(r.pos)
	return true
}

// some reports whether take would find something.
func (r *ring) some() bool { return r.tail.Load() != r.pos }

// take appends the next message to buf, which is empty; there is false where there is none.
func (r *ring) take(buf []byte) (msg []byte, there bool, err error) {
	size, mask := uint64(len(r.buf)), uint64(len(r.buf)-1)
	if r.seen == r.pos {
		if r.seen = r.tail.Load(); r.seen == r.pos {
			return nil, false, nil
		}
	}
	for range 2 {
		have := r.seen - r.pos
		at := r.pos & mask
		if have > size || have < 8 || at&7 != 0 {
			return nil, false, errRing
		}
		n := uint64(binary.LittleEndian.Uint32(r.buf[at:]))
		if n == ringSkip && at > 0 {
			r.pos += size - at
			continue
		}
		need := (4 + n + 7) &^ 7
		if n > ringMost || need > have || at+need > size {
			return nil, false, errRing
		}
		buf = append(buf, r.buf[at+4:at+4+n]...)
		r.pos += need
		r.head.Store(r.pos)
		return buf, true, nil
	}
	return nil, false, errRing
}
