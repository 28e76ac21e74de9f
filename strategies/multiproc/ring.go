package multiproc

import (
	"sync/atomic"
	"unsafe"
)

// A ring is the shared memory between the parent and one worker: a slot for each call and one for each answer, and an
// area for the payload of either that does not fit its slot. docs/multiproc.md describes the protocol.
//
// Calls are answered in order and at most ringSlots of them are unanswered, so call n and its answer both use slot
// n % ringSlots, and a slot is free again when the answer in it has been taken. No index has to be shared for that.
type ring struct {
	mem  []byte
	ctl  *control
	req  []slot
	res  []slot
	reqs area // payload of calls, written by the parent
	ress area // payload of answers, written by the worker
}

const (
	ringSlots  = 512
	slotSize   = 64
	inlineSize = 40       // payload that travels in the slot itself
	areaSize   = 64 << 20 // address space of an area; it costs memory only as far as it has been used
	areaMax    = areaSize / 4
	reqOffset  = 4 << 10
	resOffset  = reqOffset + ringSlots*slotSize
	areaOffset = resOffset + ringSlots*slotSize
	ringSize   = areaOffset + 2*areaSize

	cacheLine = 64
)

// control holds the shared words, each in a cache line of its own so that writing one does not slow readers of another.
type control struct {
	_       [cacheLine]byte
	asleep  atomic.Uint32 // futex of the worker: 1 while it sleeps or is about to
	_       [cacheLine - 4]byte
	ring    atomic.Uint32 // 1: nobody polls for answers, the next one must ring the bell
	_       [cacheLine - 4]byte
	release atomic.Uint64 // how far the parent has taken the payload of answers
	_       [cacheLine - 8]byte
	begun   atomic.Uint64 // calls that the worker has begun; the parent looks when the worker is dead
	_       [cacheLine - 8]byte
	halt    atomic.Uint32 // haltNow: the parent is about to kill the worker for the call at hand; it must not begin another
	every   atomic.Uint32 // with an account in halt: see timing
	_       [cacheLine - 8]byte
	account atomic.Uint32 // what the worker writes of the calls that it times: of which account, and its sums
	calls   atomic.Uint64
	timed   atomic.Uint64
	ns      atomic.Uint64
	_       [cacheLine - 32]byte
}

// slot carries one message. The stamp, the message's number plus one, is stored last and says that the rest is there;
// payload never lies where a stamp is expected, so no content can be taken for one.
type slot struct {
	data  [inlineSize]byte
	size  uint32 // bytes of payload
	count uint32 // items in the call
	kind  uint32 // where the payload is
	at    uint32 // its offset in the area
	stamp atomic.Uint64
}

// Kinds of slots.
const (
	slotInline = 1 + iota // payload in data
	slotArea              // payload in the area at at; the first 8 bytes of data say up to where it is used then
	slotPipe              // the message is a frame in the pipe
	slotQuit              // leave
)

// newRing lays the structures over shared memory.
func newRing(mem []byte) *ring {
	at := func(off int) unsafe.Pointer { return unsafe.Pointer(&mem[off]) }
	return &ring{
		mem:  mem,
		ctl:  (*control)(at(0)),
		req:  unsafe.Slice((*slot)(at(reqOffset)), ringSlots),
		res:  unsafe.Slice((*slot)(at(resOffset)), ringSlots),
		reqs: area{buf: mem[areaOffset : areaOffset+areaSize : areaOffset+areaSize]},
		ress: area{buf: mem[areaOffset+areaSize : ringSize : ringSize]},
	}
}

// area is the sender's view of a payload area: a ring of bytes in which every message is contiguous. Positions count
// up for ever.
type area struct {
	buf  []byte
	head uint64 // up to here it is used
	tail uint64 // up to here it is free again
	have int    // so much of buf has memory
	skip uint64 // bytes before those that reserve has returned last
}

// place finds room for n bytes: offset and the head after it. ok is false if there is none now.
func (a *area) place(n int) (off int, end uint64, ok bool) {
	size := uint64(len(a.buf))
	if a.head == a.tail { // empty: begin at the start again, whose memory is in the caches
		a.head = (a.head + size - 1) &^ (size - 1)
		a.tail = a.head
	}
	at := a.head
	if o := at & (size - 1); o+uint64(n) > size {
		at += size - o
	}
	end = (at + uint64(n) + cacheLine - 1) &^ (cacheLine - 1)
	return int(at & (size - 1)), end, end-a.tail <= size
}

// reserve returns free bytes with memory, n of them or more, without taking them: see commit. Nil if there are none.
func (a *area) reserve(n int) []byte {
	off, _, ok := a.place(n)
	if !ok || !a.back(off+n) {
		return nil
	}
	// What is skipped at the end is freed with the message; without one nobody would free it, so it is not taken yet.
	a.skip = uint64(off-int(a.head)) & uint64(len(a.buf)-1)
	end := min(a.have, off+len(a.buf)-int(a.head+a.skip-a.tail))
	return a.buf[off:end:end]
}

// commit takes the first n of the bytes that reserve has just returned.
func (a *area) commit(n int) (off int, end uint64) {
	a.head += a.skip
	off = int(a.head & uint64(len(a.buf)-1))
	a.head = (a.head + uint64(n) + cacheLine - 1) &^ (cacheLine - 1)
	return off, a.head
}

const areaStep = 64 << 10

// alloc takes n bytes. It is false when they are not free or the system has no memory left for them.
func (a *area) alloc(n int) (off int, end uint64, ok bool) {
	off, end, ok = a.place(n)
	if !ok || !a.back(off+n) {
		return 0, 0, false
	}
	a.head = end
	return off, end, true
}

// back makes sure that the first n bytes have memory: an error here instead of a SIGBUS later.
func (a *area) back(n int) bool {
	if n <= a.have {
		return true
	}
	to := min((n+areaStep-1)&^(areaStep-1), len(a.buf))
	if populate(a.buf[a.have:to]) != nil {
		return false
	}
	a.have = to
	return true
}

// payload returns the payload of a slot that is not in the pipe, or false if it claims to be where it cannot be.
func (s *slot) payload(a *area) ([]byte, bool) {
	n := uint64(s.size)
	if s.kind == slotInline {
		return s.data[:min(n, inlineSize):inlineSize], n <= inlineSize
	}
	if end := uint64(s.at) + n; end <= uint64(len(a.buf)) {
		return a.buf[s.at:end:end], true
	}
	return nil, false
}

// end is the position up to which the area is used with this slot's payload.
func (s *slot) end() *uint64 { return (*uint64)(unsafe.Pointer(&s.data)) }

// several reports whether this process may run on more than one CPU: else polling would keep the other side from
// answering.
func several() bool { return len(affinity()) > 1 }
