package multiproc

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/parbench/parbench/strategies/multiproc/shm"
)

// A queue in shared memory is a ring of slots and a ring of bytes for what does not fit into a slot. Those who put have
// one lock, those who get another, so the two sides meet only in head and tail. The store of tail is what puts an item,
// the store of head what takes one; whatever a process wrote before it was killed short of that store counts for nothing
// and is written again by the next one. Therefore a lock whose owner died needs no repair.

const (
	queueMagic  = 0x7062_7175_6575_6501 // "pbqueue" and the layout's version
	queueInline = 48
	queueLine   = 128 // words of different writers lie so far apart: processors fetch lines in pairs
	// queueNap is how long a waiter sleeps before it looks for itself: a process that is killed between a store and the
	// wake-up costs the others that time.
	queueNap = 200 * time.Millisecond
	firstNap = 5 * time.Millisecond
)

type queueHeader struct {
	magic, nonce              uint64
	capacity, slots, areaSize uint64
	refs                      [queueRefs]shm.Ref
	_                         [queueLine - 8*(5+queueRefs)]byte

	tail     atomic.Uint64 // items put so far
	areaTail uint64        // position in the area after the last payload; this and the next two behind the put lock
	seenHead uint64        // a value that head had
	seenArea uint64        // positions below are free
	_        [queueLine - 32]byte

	head     atomic.Uint64 // items taken so far
	seenTail uint64        // a value that tail had; behind the get lock
	_        [queueLine - 16]byte

	done   atomic.Uint64 // items that were taken and are done (JoinableQueue)
	closed atomic.Uint32
	claims [2]atomic.Uint32 // 1 where the process that was to receive a pipe's end has it
	_      [queueLine - 24 + 4]byte
}

// The objects of a queue, in the order of their refs.
const (
	refPutLock = iota
	refGetLock
	refFilled // set unless somebody waits for an item
	refFreed  // set unless somebody waits for a free slot
	refIdle   // set unless somebody waits for all items to be done
	refSender // the ends of a pipe: locks that are held by the processes that have them
	refReceiver
	queueRefs
)

// fileMark in a slot's size says that the item is not data but where to get a file: see SendFile.
const fileMark = 1 << 63

type queueSlot struct {
	size uint64 // and marks
	area uint64 // position in the area at which its payload starts, or would
	data [queueInline]byte
}

// sharedQueue is one process's view of a queue. Sizes are copies: no process can make another read outside by changing
// them.
type sharedQueue struct {
	arena               *shm.Arena
	ref                 shm.Ref
	h                   *queueHeader
	slots               []queueSlot
	area                []byte
	cap                 uint64
	many                bool // the other side may be on another CPU
	putLock, getLock    *shm.Mutex
	filled, freed, idle *shm.Event
	errFull             error
	detached            atomic.Bool
	// check looks, after a wait that was long, whether there is anybody to wait for; watch calls its argument when that may
	// have changed, until stop is called. Both are nil in a queue that is no pipe.
	check func()
	watch func(func()) (stop func())
}

var queueNonce atomic.Uint64

// newSharedQueue makes a queue for capacity items and bytes of payload beyond what slots hold.
func newSharedQueue(capacity int, bytes int64) (*sharedQueue, error) {
	slots := uint64(1)
	for slots < uint64(capacity) {
		slots *= 2
	}
	area := (uint64(bytes) + 63) &^ 63
	size := uint64(unsafe.Sizeof(queueHeader{})) + slots*uint64(unsafe.Sizeof(queueSlot{})) + area
	if size > 1<<43 {
		return nil, &optionError{"queue: too large for shared memory"}
	}
	a, err := shm.NewArena(int64(size + size/1024 + 64<<10))
	if err != nil {
		return nil, err
	}
	q := &sharedQueue{arena: a}
	if err := q.create(size, uint64(capacity), slots, area); err != nil {
		_ = a.Close()
		return nil, err
	}
	return q, nil
}

func (q *sharedQueue) create(size, capacity, slots, area uint64) error {
	var err error
	if q.ref, err = q.arena.Alloc(int64(size), queueLine); err != nil {
		return err
	}
	mem, err := q.arena.Bytes(q.ref)
	if err != nil {
		return err
	}
	h := (*queueHeader)(unsafe.Pointer(unsafe.SliceData(mem)))
	h.capacity, h.slots, h.areaSize = capacity, slots, area
	h.nonce = uint64(os.Getpid())<<40 ^ uint64(time.Now().UnixNano()) ^ queueNonce.Add(1)<<20
	for i := range h.refs {
		var o interface{ Ref() shm.Ref }
		if i == refPutLock || i == refGetLock || i == refSender || i == refReceiver {
			o, err = q.arena.NewMutex()
		} else {
			var e *shm.Event
			if e, err = q.arena.NewEvent(); err == nil {
				e.Set()
			}
			o = e
		}
		if err != nil {
			return err
		}
		h.refs[i] = o.Ref()
	}
	h.magic = queueMagic
	return q.attach(h.nonce)
}

var errNoQueue = errors.New("there is no queue of this version at the handle's place")

// attach finds the parts of the queue at q.ref.
func (q *sharedQueue) attach(nonce uint64) error {
	mem, err := q.arena.Bytes(q.ref)
	if err != nil {
		return err
	}
	const head, slot = uint64(unsafe.Sizeof(queueHeader{})), uint64(unsafe.Sizeof(queueSlot{}))
	if uint64(len(mem)) < head {
		return errNoQueue
	}
	h := (*queueHeader)(unsafe.Pointer(unsafe.SliceData(mem)))
	n, area := h.slots, h.areaSize
	if h.magic != queueMagic || h.nonce != nonce || n == 0 || n&(n-1) != 0 || n > uint64(len(mem))/slot ||
		area > uint64(len(mem)) || head+n*slot+area > uint64(len(mem)) || h.capacity > n {
		return errNoQueue
	}
	q.h, q.cap, q.many = h, h.capacity, runtime.NumCPU() > 1
	q.slots = unsafe.Slice((*queueSlot)(unsafe.Pointer(&mem[head])), n)
	q.area = mem[head+n*slot:][:area:area]
	q.errFull = &queueError{text: "multiproc: queue is full, it holds " + strconv.FormatUint(q.cap, 10) +
		" items", is: ErrFull}
	if q.putLock, err = q.arena.Mutex(h.refs[refPutLock]); err != nil {
		return err
	}
	if q.getLock, err = q.arena.Mutex(h.refs[refGetLock]); err != nil {
		return err
	}
	for i, e := range []**shm.Event{refFilled: &q.filled, refFreed: &q.freed, refIdle: &q.idle} {
		if e == nil {
			continue
		}
		if *e, err = q.arena.Event(h.refs[i]); err != nil {
			return err
		}
	}
	return nil
}

// lock takes one of the queue's locks. That its owner died is of no consequence, see above.
func (q *sharedQueue) lock(ctx context.Context, m *shm.Mutex) error {
	if q.detached.Load() {
		return ErrClosed // and not the private memory that is in the queue's place now
	}
	_, err := m.Lock(ctx)
	if errors.Is(err, shm.ErrClosed) {
		return ErrClosed
	}
	return err
}

// put appends an item. Without wait it does not wait for a free slot.
func (q *sharedQueue) put(ctx context.Context, wait bool, raw []byte) error {
	return q.putMarked(ctx, wait, nil, raw, 0)
}

// putMarked is put for an item in two parts with a mark.
func (q *sharedQueue) putMarked(ctx context.Context, wait bool, head, body []byte, mark uint64) error {
	if n := len(head) + len(body); n > queueInline && n > len(q.area) {
		return &tooLargeError{n, len(q.area)}
	}
	naps := 0
	for cleared := false; ; {
		if err := q.lock(ctx, q.putLock); err != nil {
			return waitFailed(ErrFull, err)
		}
		if q.h.closed.Load() != 0 {
			_ = q.putLock.Unlock()
			return ErrClosed
		}
		ok := q.place(head, body, mark)
		if !ok && cleared {
			q.freed.Clear()
			ok = q.place(head, body, mark)
		}
		_ = q.putLock.Unlock()
		if ok {
			if !q.filled.IsSet() {
				q.filled.Set()
			}
			return nil
		}
		if !wait {
			return q.errFull
		}
		if cleared {
			if err := q.await(ctx, q.freed, ErrFull, &naps); err != nil {
				return err
			}
			cleared = false
			continue
		}
		head := q.h.head.Load()
		cleared = !q.spin(func() bool { return q.h.head.Load() != head || q.h.closed.Load() != 0 })
	}
}

// place puts an item into the next slot if there is room. Called with the put lock.
func (q *sharedQueue) place(head, body []byte, mark uint64) bool {
	h := q.h
	t := h.tail.Load()
	if t-h.seenHead >= q.cap {
		if h.seenHead = h.head.Load(); t-h.seenHead >= q.cap {
			return false
		}
	}
	s := &q.slots[t&uint64(len(q.slots)-1)]
	n := len(head) + len(body)
	if n <= queueInline {
		s.area = h.areaTail
		copy(s.data[copy(s.data[:], head):], body)
	} else {
		at, ok := q.room(t, uint64(n))
		if !ok {
			return false
		}
		to := q.area[at%uint64(len(q.area)):]
		copyBulk(to[copy(to, head):], body)
		s.area = at
		// If the process is killed here, the bytes are free again with the item that is put next.
		h.areaTail = at + (uint64(n)+63)&^63
	}
	s.size = uint64(n) | mark
	h.tail.Store(t + 1)
	return true
}

// awaitSlot waits until there is a free slot, which another process may then take first.
func (q *sharedQueue) awaitSlot(ctx context.Context, wait bool) error {
	free := func() bool { return q.len() < int(q.cap) }
	for naps := 0; ; {
		switch {
		case q.detached.Load() || q.h.closed.Load() != 0:
			return ErrClosed
		case free():
			return nil
		case !wait:
			return q.errFull
		}
		q.freed.Clear()
		if free() || q.h.closed.Load() != 0 {
			continue
		}
		if err := q.await(ctx, q.freed, ErrFull, &naps); err != nil {
			return err
		}
	}
}

// room finds n bytes in a row for item t. What is in use reaches from the payload of the first item in the queue, which
// stays where it is as long as the put lock is held, to areaTail.
func (q *sharedQueue) room(t, n uint64) (at uint64, ok bool) {
	h, size := q.h, uint64(len(q.area))
	at = h.areaTail
	if at%size+n > size {
		at += size - at%size
	}
	if at+n-h.seenArea <= size {
		return at, true
	}
	head := h.head.Load()
	if h.seenHead = head; head == t {
		// Nothing is in use. The start of the area is most likely still in the caches.
		at = (h.areaTail + size - 1) / size * size
		h.areaTail = at // first: seenArea beyond it, left by a process that is killed here, would promise too much
		h.seenArea = at
		return at, true
	}
	h.seenArea = q.slots[head&uint64(len(q.slots)-1)].area
	return at, at+n-h.seenArea <= size
}

// get takes the next item and appends its bytes to buf, which is empty. Without wait it does not wait for one.
func (q *sharedQueue) get(ctx context.Context, wait bool, buf []byte) ([]byte, error) {
	return q.getMarked(ctx, wait, target{buf: buf}, 0)
}

// target is where an item goes.
type target struct {
	buf  []byte         // its bytes, unless
	plan *plan          // it is decoded
	v    unsafe.Pointer // to here: where it is, so others have to wait for that
}

// getMarked is get for an item with a mark. One that is marked otherwise stays where it is: ErrFileMessage.
func (q *sharedQueue) getMarked(ctx context.Context, wait bool, to target, mark uint64) ([]byte, error) {
	naps := 0
	for cleared := false; ; {
		if err := q.lock(ctx, q.getLock); err != nil {
			return nil, waitFailed(ErrEmpty, err)
		}
		closed := q.h.closed.Load() != 0 // before the look at tail, which does not change once this is set
		out, ok, err := q.take(&to, mark)
		if !ok && cleared && !closed {
			q.filled.Clear()
			closed = q.h.closed.Load() != 0
			out, ok, err = q.take(&to, mark)
		}
		_ = q.getLock.Unlock()
		switch {
		case ok:
			if !q.freed.IsSet() {
				q.freed.Set()
			}
			return out, err
		case closed:
			return nil, ErrClosed
		case !wait:
			return nil, ErrEmpty
		case cleared:
			if err := q.await(ctx, q.filled, ErrEmpty, &naps); err != nil {
				return nil, err
			}
			cleared = false
			continue
		}
		cleared = !q.spin(func() bool { return q.h.head.Load() != q.h.tail.Load() || q.h.closed.Load() != 0 })
	}
}

// take moves the first item, if there is one. Called with the get lock.
func (q *sharedQueue) take(to *target, mark uint64) (out []byte, ok bool, err error) {
	h := q.h
	hd := h.head.Load()
	if hd == h.seenTail {
		if h.seenTail = h.tail.Load(); hd == h.seenTail {
			return nil, false, nil
		}
	}
	s := &q.slots[hd&uint64(len(q.slots)-1)]
	n := s.size &^ fileMark
	var item []byte
	switch {
	case s.size&fileMark != mark:
		return nil, true, ErrFileMessage
	case n <= queueInline:
		item = s.data[:n]
	case len(q.area) == 0 || s.area%uint64(len(q.area))+n > uint64(len(q.area)) || n > uint64(len(q.area)):
		err = errDamaged
	default:
		item = q.area[s.area%uint64(len(q.area)):][:n:n]
	}
	switch {
	case err != nil:
	case to.plan != nil:
		if _, err = to.plan.decode(item, to.v); err != nil {
			err = &DecodeError{to.plan.typ.String(), err}
		}
	default:
		out = appendBulk(to.buf, item)
	}
	h.head.Store(hd + 1)
	return out, true, err
}

// queueGap is how many loads of something private lie between two polls. Who polls all the time takes the line with the
// end of the queue from those who put, and gets every item on its own; this way some come together.
const queueGap = 64

// queuePolls is how many polls with such gaps are between two looks at the clock, with a yield each.
const queuePolls = 32

var spinSink atomic.Uint32

var errDamaged = errors.New("multiproc: queue is damaged; a process wrote to its memory")

// spin polls for a short time, as long as it takes to be woken.
func (q *sharedQueue) spin(ready func() bool) bool {
	if !q.many {
		runtime.Gosched()
		osYield()
		return ready()
	}
	var since time.Time
	for i := 1; ; i++ {
		if ready() {
			return true
		}
		if i%queuePolls != 0 {
			for range queueGap {
				spinSink.Load()
			}
			continue
		}
		runtime.Gosched()
		osYield()
		now := time.Now()
		if since.IsZero() {
			since = now
		} else if now.Sub(since) > spinTime {
			return false
		}
	}
}

// await sleeps until e is set, for queueNap, or until ctx ends, which is an error. naps counts the caller's sleeps: where
// somebody is to be watched, the first one is short and without that, because most waits end before it does.
func (q *sharedQueue) await(ctx context.Context, e *shm.Event, what error, naps *int) error {
	d := queueNap
	if q.watch != nil && *naps == 0 {
		d = firstNap
	}
	nap, cancel := context.WithTimeout(ctx, d)
	if q.watch != nil && *naps > 0 {
		stop := q.watch(cancel)
		defer stop()
	}
	*naps++
	err := e.Wait(nap)
	cancel()
	switch {
	case errors.Is(err, shm.ErrClosed):
		return ErrClosed
	case err != nil && ctx.Err() != nil:
		return waitFailed(what, ctx.Err())
	case err != nil && q.check != nil:
		q.check()
	}
	return nil
}

// poll waits until there is something to get, or nothing more to come.
func (q *sharedQueue) poll(ctx context.Context) error {
	naps := 0
	for {
		if q.detached.Load() {
			return ErrClosed
		}
		if q.len() > 0 || q.h.closed.Load() != 0 {
			return nil
		}
		q.filled.Clear()
		if q.len() > 0 || q.h.closed.Load() != 0 {
			return nil
		}
		if err := q.await(ctx, q.filled, ErrEmpty, &naps); err != nil {
			return err
		}
	}
}

func (q *sharedQueue) len() int {
	head := q.h.head.Load()
	return int(min(q.h.tail.Load()-head, q.cap))
}

// detach ends the use of this view.
func (q *sharedQueue) detach() error {
	q.detached.Store(true)
	return q.arena.Close()
}

// closeTime bounds how long close waits for a process that has been stopped in the middle of put. When that goes on, its
// item may still arrive.
const closeTime = time.Second

// close lets no more items in and wakes everybody.
func (q *sharedQueue) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	err := q.lock(ctx, q.putLock)
	if errors.Is(err, ErrClosed) {
		return err
	}
	q.h.closed.Store(1)
	if err == nil {
		_ = q.putLock.Unlock()
	}
	q.filled.Set()
	q.freed.Set()
	return nil
}

// taskDone counts an item that was taken as done.
func (q *sharedQueue) taskDone() error {
	h := q.h
	for {
		if q.detached.Load() {
			return ErrClosed
		}
		d := h.done.Load()
		if d >= h.head.Load() {
			return ErrTooManyDone
		}
		if h.done.CompareAndSwap(d, d+1) {
			if d+1 == h.tail.Load() && !q.idle.IsSet() {
				q.idle.Set()
			}
			return nil
		}
	}
}

// drain waits until every item is done.
func (q *sharedQueue) drain(ctx context.Context) error {
	h, naps := q.h, 0
	for {
		if q.detached.Load() {
			return ErrClosed
		}
		if h.done.Load() >= h.tail.Load() {
			return nil
		}
		q.idle.Clear()
		if h.done.Load() >= h.tail.Load() {
			return nil
		}
		if err := q.await(ctx, q.idle, nil, &naps); err != nil {
			return err
		}
	}
}
