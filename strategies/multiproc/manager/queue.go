package manager

import (
	"context"
	"errors"
	"iter"
	"strconv"

	"github.com/parbench/parbench/strategies/multiproc"
)

// Queue is a bounded first-in first-out queue in a manager: a handle, as Dict is. It is slower than a multiproc.Queue,
// which lies in shared memory, and can be reached by whoever can Connect. Items are given to those who wait in the order
// in which they came. A process that dies in Get takes nothing or one item with it.
type Queue[T any] struct{ handle }

// NewQueue makes a queue for capacity items, 1 to 2^28.
func NewQueue[T any](ctx context.Context, m *Manager, capacity int) (Queue[T], error) {
	if capacity < 1 || capacity > maxQueueCap {
		return Queue[T]{}, invalid("queue capacity " + strconv.Itoa(capacity) + ": must be 1 to 2^28")
	}
	if err := multiproc.Encodable[T](); err != nil {
		return Queue[T]{}, err
	}
	h, err := create(ctx, m, kindQueue, func(b []byte) ([]byte, error) { return appendNum(b, uint64(capacity)), nil })
	return Queue[T]{h}, err
}

// waited is the error of a call that gave up with ctx, or found nothing without waiting.
func waited(ctx context.Context, c *call, err, is error) error {
	switch {
	case err == nil:
		return nil
	case c.was(statusBusy) && ctx.Err() == nil:
		return is
	case ctx.Err() != nil && (errors.Is(err, ctx.Err()) || c.was(statusBusy)):
		return &causeError{is, ctx.Err()}
	}
	return err
}

// Put appends v, waiting for room until ctx ends; if there is room, v is put even then. The error is ErrClosed, an
// *multiproc.EncodeError, or both ErrFull and that of ctx: nothing has been put then, unless the manager did not answer in
// time either.
func (q Queue[T]) Put(ctx context.Context, v T) error { return q.put(ctx, &v, true) }

// TryPut is Put without waiting: ErrFull where there is no room.
func (q Queue[T]) TryPut(ctx context.Context, v T) error { return q.put(ctx, &v, false) }

func (q Queue[T]) put(ctx context.Context, v *T, wait bool) (err error) {
	c := q.call(queuePut)
	defer c.end()
	if wait {
		c.wait(ctx, 0)
	} else {
		c.try()
	}
	if c.buf, err = multiproc.AppendValue(c.buf, v); err != nil {
		return err
	}
	return waited(ctx, c, q.do(ctx, c), ErrFull)
}

// Get removes and returns the first item, waiting for one until ctx ends; one that is there is returned even then. The
// error is ErrClosed when the queue is closed and empty, or both ErrEmpty and that of ctx.
func (q Queue[T]) Get(ctx context.Context) (T, error) { return q.get(ctx, true) }

// TryGet is Get without waiting: ErrEmpty where there is none.
func (q Queue[T]) TryGet(ctx context.Context) (T, error) { return q.get(ctx, false) }

func (q Queue[T]) get(ctx context.Context, wait bool) (v T, err error) {
	c := q.call(queueGet)
	defer c.end()
	if wait {
		c.wait(ctx, queueUnget)
	} else {
		c.try()
		c.undo = queueUnget
	}
	if err = waited(ctx, c, q.do(ctx, c), ErrEmpty); err == nil {
		_, err = multiproc.DecodeValue(c.rep, &v)
	}
	return v, err
}

// All returns the items until the queue is closed and empty. Another error ends it, after it has been yielded; an item
// that cannot be decoded is yielded as its error.
func (q Queue[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, err := q.Get(ctx)
			var de *multiproc.DecodeError
			if errors.Is(err, ErrClosed) || !yield(v, err) || err != nil && !errors.As(err, &de) {
				return
			}
		}
	}
}

// Len returns how many items are in the queue at this moment.
func (q Queue[T]) Len(ctx context.Context) (int, error) { return q.number(ctx, queueLen) }

// Cap returns how many items the queue can hold.
func (q Queue[T]) Cap(ctx context.Context) (int, error) {
	c := q.call(queueLen)
	defer c.end()
	if err := q.do(ctx, c); err != nil {
		return 0, err
	}
	r := c.result()
	r.num()
	return int(r.num()), nil
}

// Close closes the queue: Put returns ErrClosed, and so does Get once it is empty. It may be called again.
func (q Queue[T]) Close(ctx context.Context) error { return q.simple(ctx, queueClose) }

// Done says that an item which Get returned is done; ErrTooManyDone where none is open.
func (q Queue[T]) Done(ctx context.Context) error { return q.simple(ctx, queueDone) }

// Drain waits until every item that was put has been taken and is done (Done), or until ctx ends.
func (q Queue[T]) Drain(ctx context.Context) error {
	c := q.call(queueDrain)
	defer c.end()
	c.wait(ctx, 0)
	err := q.do(ctx, c)
	if err != nil && c.was(statusBusy) {
		err = ctx.Err()
	}
	return err
}

// AppendBinary implements encoding.BinaryAppender: see Dict.
func (q Queue[T]) AppendBinary(b []byte) ([]byte, error) { return q.append(b, kindQueue, typeOf[T]()) }

// UnmarshalBinary implements encoding.BinaryUnmarshaler.
func (q *Queue[T]) UnmarshalBinary(b []byte) error { return q.take(b, kindQueue, typeOf[T]()) }
