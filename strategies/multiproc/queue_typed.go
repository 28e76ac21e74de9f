package multiproc

import (
	"context"
	"encoding/binary"
	"errors"
	"iter"
	"runtime"
	"strconv"
	"sync"
	"unsafe"

	"github.com/parbench/parbench/strategies/multiproc/shm"
)

// Sentinels of queues, besides ErrFull and ErrClosed.
var (
	ErrEmpty       = errors.New("multiproc: queue is empty")
	ErrTooManyDone = errors.New("multiproc: Done was called more often than Get")
	// ErrTooLarge is what putting an item returns that has more bytes than the queue has room for.
	ErrTooLarge = errors.New("multiproc: item is larger than the queue's memory; make that larger with QueueBytes")
)

// queueError is a sentinel with a text that fits queues.
type queueError struct {
	text string
	is   error
}

func (e *queueError) Error() string { return e.text }
func (e *queueError) Unwrap() error { return e.is }

// tooLargeError is ErrTooLarge with the sizes.
type tooLargeError struct{ size, room int }

func (e *tooLargeError) Error() string {
	return "multiproc: item of " + strconv.Itoa(e.size) + " bytes is larger than the queue's memory of " +
		strconv.Itoa(e.room) + "; make that larger with QueueBytes"
}
func (e *tooLargeError) Is(t error) bool { return t == ErrTooLarge }

// waitError is both what was waited for in vain and why the wait ended.
type waitError struct{ what, cause error }

func (e *waitError) Error() string {
	s := "multiproc: still empty: "
	if errors.Is(e.what, ErrFull) {
		s = "multiproc: still full: "
	}
	return s + e.cause.Error()
}
func (e *waitError) Unwrap() []error { return []error{e.what, e.cause} }

// waitFailed gives the error of a context what it means here.
func waitFailed(what, cause error) error {
	if what == nil || errors.Is(cause, ErrClosed) {
		return cause
	}
	return &waitError{what, cause}
}

const (
	// defaultQueueBytes suffices for a message of 4 MiB.
	defaultQueueBytes = 4<<20 + 64<<10
	maxQueueCap       = 1 << 28
)

// QueueOption configures NewQueue and NewJoinableQueue.
type QueueOption func(*queueOptions)

type queueOptions struct {
	bytes int64
	err   error
}

// QueueBytes sets the memory for items of more than 48 bytes each; default 4 MiB and some. It bounds the largest item
// and, with the number of items, what the queue holds: a queue is full when either has no room. It is taken from the
// machine when the queue is made.
func QueueBytes(n int64) QueueOption {
	return func(o *queueOptions) {
		o.bytes = n
		if n < 0 || n > 1<<42 {
			o.err = &optionError{"QueueBytes(" + strconv.FormatInt(n, 10) + "): must be 0 to 4 TiB"}
		}
	}
}

// Queue is a bounded first-in first-out queue in shared memory, for any number of processes and goroutines. It crosses
// to other processes as a pointer: see Passable. Items cross under the rules for arguments. An item is visible everywhere
// once Put has returned; the items of one producer arrive in their order. A process that is killed in the middle of Put
// has put nothing, in the middle of Get has taken nothing or one item, and does not hold up the others for more than a
// fraction of a second. Safe for concurrent use; must not be copied. Linux only: elsewhere NewQueue returns
// shm.ErrUnavailable.
type Queue[T any] struct {
	s *sharedQueue
	c codec[T]
}

// NewQueue makes a queue for capacity items, 1 to 2^28. There is no unbounded queue: memory is shared and taken in
// advance. A T that cannot cross is an *EncodeError.
func NewQueue[T any](capacity int, opts ...QueueOption) (*Queue[T], error) {
	q := new(Queue[T])
	if err := q.init(capacity, opts); err != nil {
		return nil, err
	}
	return q, nil
}

func (q *Queue[T]) init(capacity int, opts []QueueOption) error {
	o := queueOptions{bytes: defaultQueueBytes}
	c := codecOf[T]()
	if c.plain && c.size <= queueInline {
		o.bytes = 0
	}
	for i, opt := range opts {
		if opt == nil {
			return nilOption(i)
		}
		opt(&o)
	}
	switch {
	case o.err != nil:
		return o.err
	case capacity < 1 || capacity > maxQueueCap:
		return &optionError{"queue capacity " + strconv.Itoa(capacity) + ": must be 1 to 2^28"}
	case c.p.err != nil:
		return &EncodeError{Type: c.p.typ.String(), Err: c.p.err}
	}
	s, err := newSharedQueue(capacity, o.bytes)
	if err != nil {
		return err
	}
	q.own(s)
	return nil
}

// Put appends v, waiting for room until ctx ends; if there is room, v is put even then. The error is ErrClosed, an
// *EncodeError, ErrTooLarge, or both ErrFull and that of ctx. With an error nothing has been put.
func (q *Queue[T]) Put(ctx context.Context, v T) error { return q.put(ctx, true, v) }

// TryPut is Put without waiting: ErrFull where there is no room. It does wait for another process that is just putting.
func (q *Queue[T]) TryPut(v T) error { return q.put(context.Background(), false, v) }

func (q *Queue[T]) put(ctx context.Context, wait bool, v T) error {
	switch c := &q.c; {
	case c.plain:
		return q.s.put(ctx, wait, unsafe.Slice((*byte)(unsafe.Pointer(&v)), c.size))
	case c.p != nil && c.p.flat != nil:
		var head [binary.MaxVarintLen64]byte
		n, body := c.p.flat(unsafe.Pointer(&v))
		return q.s.putMarked(ctx, wait, head[:binary.PutUvarint(head[:], n)], body, 0)
	}
	return q.putEncoded(ctx, wait, v)
}

// queueBuffers hold items on their way between T and the queue.
var queueBuffers = sync.Pool{New: func() any { return new([]byte) }}

func giveBuffer(b *[]byte) {
	if cap(*b) <= 8<<20 {
		queueBuffers.Put(b)
	}
}

// putEncoded encodes before the lock is taken, so that an item that cannot cross, or panics, leaves the queue alone.
func (q *Queue[T]) putEncoded(ctx context.Context, wait bool, v T) error {
	if q.c.p != nil && q.c.p.handles {
		if err := q.s.awaitSlot(ctx, wait); err != nil {
			return err // before the ends of pipes move
		}
	}
	ends, err := q.c.depart(&v)
	if err != nil {
		return err
	}
	done := false
	defer ends.handed(&done)
	buf := queueBuffers.Get().(*[]byte)
	defer giveBuffer(buf)
	b, err := q.c.append((*buf)[:0], &v)
	if err == nil {
		*buf = b
		err = q.s.put(ctx, wait, b)
	}
	done = err == nil
	return err
}

// Get removes and returns the first item, waiting for one until ctx ends; one that is there is returned even then. The
// error is ErrClosed when the queue is closed and empty, or both ErrEmpty and that of ctx. With a *DecodeError the item
// is lost.
func (q *Queue[T]) Get(ctx context.Context) (T, error) { return q.get(ctx, true) }

// TryGet is Get without waiting: ErrEmpty where there is none. It does wait for another process that is just getting.
func (q *Queue[T]) TryGet() (T, error) { return q.get(context.Background(), false) }

func (q *Queue[T]) get(ctx context.Context, wait bool) (v T, err error) {
	c := &q.c
	if c.plain {
		b, err := q.s.get(ctx, wait, unsafe.Slice((*byte)(unsafe.Pointer(&v)), c.size)[:0])
		if err == nil && len(b) != c.size {
			err = &DecodeError{c.p.typ.String(), errShort}
		}
		return v, err
	}
	if c.p == nil || c.p.foreign || c.p.handles {
		return q.getEncoded(ctx, wait)
	}
	// Decoding runs no one else's code and waits for nothing: it may keep the lock.
	_, err = q.s.getMarked(ctx, wait, target{plan: c.p, v: unsafe.Pointer(&v)}, 0)
	return v, err
}

func (q *Queue[T]) getEncoded(ctx context.Context, wait bool) (T, error) {
	var v T
	buf := queueBuffers.Get().(*[]byte)
	defer giveBuffer(buf)
	b, err := q.s.get(ctx, wait, (*buf)[:0])
	if err != nil {
		return v, err
	}
	*buf = b
	_, err = q.c.decode(b, &v)
	return v, err
}

// All returns the items until the queue is closed and empty. An error of ctx ends it, after it has been yielded; an
// item that cannot be decoded is yielded as its error.
func (q *Queue[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			var v T
			err := ctx.Err()
			if err == nil {
				v, err = q.Get(ctx)
			}
			if errors.Is(err, ErrClosed) || !yield(v, err) || err != nil && ctx.Err() != nil {
				return
			}
		}
	}
}

// Len returns how many items are in the queue at this moment.
func (q *Queue[T]) Len() int { return q.s.len() }

// Cap returns how many items the queue can hold.
func (q *Queue[T]) Cap() int { return int(q.s.cap) }

// Close closes the queue for all processes: Put returns ErrClosed, and so does Get once the queue is empty. It may be
// called again.
func (q *Queue[T]) Close() error { return q.s.close() }

// Detach ends this process's use of the queue and gives its memory back when every process has done so or ended. Other
// processes are not affected; calls of this one return ErrClosed. A process to which the queue has been passed and that
// has not received it yet, cannot any more. A handle that is garbage and was never passed on detaches by itself.
func (q *Queue[T]) Detach() error {
	unkeep(q.s)
	return q.s.detach()
}

// kept are the queues that have been passed on, and so must stay until they are detached.
var kept struct {
	sync.Mutex
	m map[*sharedQueue]any
}

func unkeep(s *sharedQueue) {
	kept.Lock()
	defer kept.Unlock()
	delete(kept.m, s)
}

// AppendHandle implements Passable.
func (q *Queue[T]) AppendHandle(b []byte) ([]byte, error) {
	if q.s == nil || q.s.detached.Load() {
		return nil, errDetached
	}
	b, err := appendArena(b, q.s.arena, q.s.ref, q.s.h.nonce)
	if err == nil {
		kept.Lock()
		defer kept.Unlock()
		if kept.m == nil {
			kept.m = make(map[*sharedQueue]any)
		}
		kept.m[q.s] = q
	}
	return b, err
}

// TakeHandle implements Passable.
func (q *Queue[T]) TakeHandle(b []byte) ([]byte, error) {
	a, ref, nonce, rest, err := takeArena(b)
	if err != nil {
		return nil, err
	}
	s := &sharedQueue{arena: a, ref: ref}
	if err := s.attach(nonce); err != nil {
		_ = a.Close()
		return nil, &shm.GoneError{Err: err}
	}
	q.own(s)
	return rest, nil
}

// own makes s the queue's; it is detached when it is garbage.
func (q *Queue[T]) own(s *sharedQueue) {
	q.s, q.c = s, codecOf[T]()
	runtime.AddCleanup(s, func(a *shm.Arena) { _ = a.Close() }, s.arena)
}

var (
	_ Passable = (*Queue[int])(nil)
	_ Passable = (*JoinableQueue[int])(nil)
)

// JoinableQueue is a Queue that counts its items until they are done, so that somebody can wait for that.
type JoinableQueue[T any] struct{ Queue[T] }

// NewJoinableQueue makes a JoinableQueue as NewQueue makes a Queue.
func NewJoinableQueue[T any](capacity int, opts ...QueueOption) (*JoinableQueue[T], error) {
	q := new(JoinableQueue[T])
	if err := q.init(capacity, opts); err != nil {
		return nil, err
	}
	return q, nil
}

// Done says that an item which Get returned is done; ErrTooManyDone where none is open.
func (q *JoinableQueue[T]) Done() error { return q.s.taskDone() }

// Drain waits until every item that was put has been taken and is done, or until ctx ends. Items that a process took and
// did not finish because it died stay open.
func (q *JoinableQueue[T]) Drain(ctx context.Context) error { return q.s.drain(ctx) }
