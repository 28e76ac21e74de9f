package multiproc

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"
	"time"

	"github.com/parbench/parbench/strategies/multiproc/shm"
)

// ErrMoved is what an end of a pipe returns in the process that has passed it to another.
var ErrMoved = errors.New("multiproc: the end of the pipe was passed to another process")

const (
	pipeSlots = 1024
	pipeBytes = defaultQueueBytes
	// claimTime bounds the wait for the moment in which the other end looks whether this one has an owner.
	claimTime = 5 * time.Second
)

// pipeEnd is what both ends of a pipe have in common. An end belongs to one process: it holds a lock in the pipe's
// memory for as long, by which the other end notices its death.
type pipeEnd[T any] struct {
	q       Queue[T]
	own     *shm.Mutex
	which   int // refSender or refReceiver
	cleanup runtime.Cleanup

	mu    sync.Mutex
	state error // ErrMoved or ErrClosed
	held  bool  // it is about to move: see mover
}

var _ mover = (*pipeEnd[int])(nil)

// init makes e the end of a pipe at s in this process; the lock of the end is held.
func (e *pipeEnd[T]) init(s *sharedQueue, which int) error {
	other := refSender + refReceiver - which
	peer, err := s.arena.Mutex(s.h.refs[other])
	if err != nil {
		return err
	}
	if e.own, err = s.arena.Mutex(s.h.refs[which]); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), claimTime)
	defer cancel()
	if _, err := e.own.Lock(ctx); err != nil {
		return &shm.GoneError{Err: err}
	}
	s.check = func() {
		switch peer.TryLock() {
		case shm.Locked: // on its way to another process
			_ = peer.Unlock()
		case shm.OwnerDied:
			_ = peer.Unlock()
			_ = s.close()
		case shm.NotLocked:
		}
	}
	s.watch = peer.OnOwnerDeath
	e.q.s, e.q.c, e.which = s, codecOf[T](), which
	e.guard()
	return nil
}

// guard closes the end when it is garbage.
func (e *pipeEnd[T]) guard() {
	e.cleanup = runtime.AddCleanup(e, func(s *sharedQueue) { _, _ = s.close(), s.detach() }, e.q.s)
}

// usable returns why the end cannot be used, or nil.
func (e *pipeEnd[T]) usable() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state
}

// Close closes the pipe: the other end gets io.EOF when it has received what was sent, or ErrClosed when it sends. A
// second Close, and one of an end that has moved, does nothing.
func (e *pipeEnd[T]) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.state != nil {
		return nil
	}
	e.state = ErrClosed
	e.cleanup.Stop()
	err := e.q.s.close()
	return errors.Join(err, e.own.Unlock(), e.q.s.detach())
}

// moving are the ends that are on their way; their memory must stay until they have been received.
var moving struct {
	sync.Mutex
	ends map[*sharedQueue]int
}

// sweepMoving lets go of those that have arrived.
func sweepMoving() {
	for s, which := range moving.ends {
		if s.h.claims[which-refSender].Load() == 1 {
			delete(moving.ends, s)
			_ = s.detach()
		}
	}
}

// AppendHandle implements Passable: the end belongs to another process from here on.
func (e *pipeEnd[T]) AppendHandle(b []byte) ([]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.q.s == nil {
		return nil, errDetached
	}
	if e.state != nil && !e.held {
		return nil, e.state
	}
	s := e.q.s
	b, err := appendArena(b, s.arena, s.ref, s.h.nonce)
	if err != nil {
		return nil, err
	}
	moving.Lock()
	defer moving.Unlock()
	sweepMoving()
	if moving.ends == nil {
		moving.ends = make(map[*sharedQueue]int)
	}
	moving.ends[s] = e.which
	s.h.claims[e.which-refSender].Store(0)
	e.state, e.held = ErrMoved, false
	e.cleanup.Stop()
	return b, e.own.Unlock()
}

// hold implements mover.
func (e *pipeEnd[T]) hold() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.q.s == nil:
		return errDetached
	case e.state != nil:
		return e.state
	}
	e.state, e.held = ErrMoved, true
	return nil
}

// giveBack implements mover.
func (e *pipeEnd[T]) giveBack() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.held { // and not encoded yet
		e.state, e.held = nil, false
		return
	}
	moving.Lock()
	_, here := moving.ends[e.q.s]
	delete(moving.ends, e.q.s)
	moving.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), claimTime)
	defer cancel()
	if _, err := e.own.Lock(ctx); !here || err != nil {
		return // it has arrived somewhere after all
	}
	e.state = nil
	e.guard()
}

func (e *pipeEnd[T]) take(b []byte, which int) ([]byte, error) {
	a, ref, nonce, rest, err := takeArena(b)
	if err != nil {
		return nil, err
	}
	s := &sharedQueue{arena: a, ref: ref}
	if err = s.attach(nonce); err != nil {
		err = &shm.GoneError{Err: err}
	} else {
		err = e.init(s, which)
	}
	if err != nil {
		_ = a.Close()
		return nil, err
	}
	s.h.claims[which-refSender].Store(1)
	return rest, nil
}

// Sender is the end of a pipe that sends. It is Passable: when it crosses to another process it moves there, and this
// process's end returns ErrMoved. Safe for concurrent use; must not be copied.
type Sender[T any] struct{ pipeEnd[T] }

// Receiver is the end of a pipe that receives. It is Passable as a Sender is.
type Receiver[T any] struct{ pipeEnd[T] }

// TakeHandle implements Passable.
func (e *Sender[T]) TakeHandle(b []byte) ([]byte, error) { return e.take(b, refSender) }

// TakeHandle implements Passable.
func (e *Receiver[T]) TakeHandle(b []byte) ([]byte, error) { return e.take(b, refReceiver) }

var (
	_ Passable = (*Sender[int])(nil)
	_ Passable = (*Receiver[int])(nil)
)

// NewPipe makes a pipe for messages in shared memory, one way, from one process to another. Messages keep their
// boundaries; each has its own T, which may be empty. QueueBytes bounds the largest message, as for a Queue. Up to 1024
// messages are on their way before Send waits.
//
// Each end belongs to one process at a time, with any number of goroutines. When the process that has one dies, who
// waits at the other notices at once, or within a fraction of a second before Linux 5.3. Linux only, as Queue.
func NewPipe[T any](opts ...QueueOption) (*Receiver[T], *Sender[T], error) {
	r, s := new(Receiver[T]), new(Sender[T])
	if err := openPipe(&r.pipeEnd, &s.pipeEnd, opts); err != nil {
		return nil, nil, err
	}
	return r, s, nil
}

// openPipe makes a pipe and its two ends.
func openPipe[T any](r, s *pipeEnd[T], opts []QueueOption) error {
	q, err := NewQueue[T](pipeSlots, opts...)
	if err != nil {
		return err
	}
	first := q.s
	// Each end has its own view, so that one can go without the other.
	a, err := shm.Open(first.arena.File())
	if err != nil {
		return err
	}
	second := &sharedQueue{arena: a, ref: first.ref}
	third := &sharedQueue{ref: first.ref}
	if third.arena, err = shm.Open(a.File()); err != nil {
		return err
	}
	err = errors.Join(second.attach(first.h.nonce), third.attach(first.h.nonce))
	if err == nil {
		err = errors.Join(r.init(second, refReceiver), s.init(third, refSender))
	}
	err = errors.Join(err, q.Detach())
	if err != nil {
		err = errors.Join(err, second.detach(), third.detach())
	}
	return err
}

// Send sends v, waiting for room until ctx ends. The error is ErrClosed when the other end is closed or its process has
// died, ErrMoved, an *EncodeError, ErrTooLarge, or both ErrFull and that of ctx. Where there is room, the death of the
// other process goes unnoticed.
func (e *Sender[T]) Send(ctx context.Context, v T) error {
	if err := e.usable(); err != nil {
		return err
	}
	return e.q.Put(ctx, v)
}

// Recv receives the next message, waiting for it until ctx ends. The error is io.EOF when the other end is closed or its
// process has died, and all messages have been received; ErrMoved; ErrClosed; or both ErrEmpty and that of ctx.
func (e *Receiver[T]) Recv(ctx context.Context) (T, error) {
	if err := e.usable(); err != nil {
		var zero T
		return zero, err
	}
	v, err := e.q.Get(ctx)
	return v, e.ended(err)
}

// ended gives the end of the queue what it means to a receiver.
func (e *pipeEnd[T]) ended(err error) error {
	if errors.Is(err, ErrClosed) {
		if err = e.usable(); err == nil {
			return io.EOF
		}
	}
	return err
}

// Poll waits until Recv would not, which may be because of io.EOF, and reports whether that is so; false when ctx ends
// before or the end cannot be used.
func (e *Receiver[T]) Poll(ctx context.Context) bool { return e.poll(ctx) }

// Ready returns a channel that is closed when Recv would not wait, for use in a select beside the Done of processes and
// other channels. When ctx ends before, it is not closed any more.
func (e *Receiver[T]) Ready(ctx context.Context) <-chan struct{} { return e.ready(ctx) }

func (e *pipeEnd[T]) poll(ctx context.Context) bool {
	return e.usable() == nil && e.q.s.poll(ctx) == nil
}

func (e *pipeEnd[T]) ready(ctx context.Context) <-chan struct{} {
	c := make(chan struct{})
	go func() {
		if e.poll(ctx) {
			close(c)
		}
	}()
	return c
}

// Conn is one end of a pipe for both directions; it sends A and receives B. It is Passable as a whole: both directions
// move. Safe for concurrent use.
type Conn[A, B any] struct {
	out *Sender[A]
	in  *Receiver[B]
}

// NewDuplex makes two connected ends: the first sends A and receives B, the second sends B and receives A. See NewPipe.
func NewDuplex[A, B any](opts ...QueueOption) (*Conn[A, B], *Conn[B, A], error) {
	ra, sa, err := NewPipe[A](opts...)
	if err != nil {
		return nil, nil, err
	}
	rb, sb, err := NewPipe[B](opts...)
	if err != nil {
		return nil, nil, errors.Join(err, ra.Close(), sa.Close())
	}
	return &Conn[A, B]{sa, rb}, &Conn[B, A]{sb, ra}, nil
}

// Send is that of Sender.
func (c *Conn[A, B]) Send(ctx context.Context, v A) error { return c.out.Send(ctx, v) }

// Recv is that of Receiver.
func (c *Conn[A, B]) Recv(ctx context.Context) (B, error) { return c.in.Recv(ctx) }

// Ready is that of Receiver.
func (c *Conn[A, B]) Ready(ctx context.Context) <-chan struct{} { return c.in.Ready(ctx) }

// Poll is that of Receiver.
func (c *Conn[A, B]) Poll(ctx context.Context) bool { return c.in.Poll(ctx) }

// Close closes both directions.
func (c *Conn[A, B]) Close() error { return errors.Join(c.out.Close(), c.in.Close()) }
