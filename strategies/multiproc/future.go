package multiproc

import (
	"context"
	"sync/atomic"
)

// Future is the coming result of a call. It is made by a pool, safe for concurrent use, and keeps its value after the
// pool is gone. It resolves exactly once.
type Future[T any] struct {
	// signal is nil, or a channel that somebody waits on, or resolved once val and err are there. A channel is only made
	// when somebody needs one: most results are there, or fetched by the waiter itself, before that.
	signal atomic.Pointer[chan struct{}]
	val    T
	err    error
	owner  owner[T] // may be nil
}

// owner is what a future came from. It may serve one future after another: see single.
type owner[T any] interface {
	awaiter
	withdraw(f *Future[T]) bool
}

// awaiter lets a pool use the time of those who wait for it.
type awaiter interface {
	// await returns nil once w is ready, or ctx's error if that ends first.
	await(ctx context.Context, w waitable) error
	// leave says that what was submitted is not awaited for now.
	leave()
}

// waitable is something to wait for.
type waitable interface {
	ready() bool
	// wake returns a channel that is closed, or sent to, when ready turns true.
	wake() <-chan struct{}
}

// waitOn is await without a pool.
func waitOn(ctx context.Context, w waitable) error {
	for !w.ready() {
		select {
		case <-w.wake():
		case <-ctx.Done():
			if w.ready() {
				return nil
			}
			return ctx.Err()
		}
	}
	return nil
}

// resolved marks a future that has its value.
var resolved = func() *chan struct{} {
	c := make(chan struct{})
	close(c)
	return &c
}()

func newFuture[T any]() *Future[T] { return &Future[T]{} }

// resolve stores the outcome unless there is one. Only who has taken the call out of the list that it was in comes here,
// so two never do at once.
func (f *Future[T]) resolve(v T, err error) {
	if f.ready() {
		return
	}
	f.val, f.err = v, err
	if c := f.signal.Swap(resolved); c != nil {
		close(*c)
	}
}

func (f *Future[T]) ready() bool { return f.signal.Load() == resolved }

func (f *Future[T]) wake() <-chan struct{} {
	c := f.signal.Load()
	if c == nil {
		n := make(chan struct{})
		if f.signal.CompareAndSwap(nil, &n) {
			return n
		}
		c = f.signal.Load()
	}
	return *c
}

// Get waits for the result. It returns ctx's error if that ends first; the call goes on then, and a later Get succeeds.
func (f *Future[T]) Get(ctx context.Context) (T, error) {
	if err := f.wait(ctx); err != nil {
		var zero T
		return zero, err
	}
	return f.val, f.err
}

// wait waits until the result is there, or ctx ends, whose error it returns then.
func (f *Future[T]) wait(ctx context.Context) error {
	switch {
	case f.ready():
		return nil
	case f.owner != nil:
		return f.owner.await(ctx, f)
	}
	return waitOn(ctx, f)
}

// TryGet returns the result if it is there; the last value says whether it is.
//
//nolint:revive // a value, its error, and whether there is either: the order of Get and then of a map look-up
func (f *Future[T]) TryGet() (T, error, bool) {
	if !f.ready() && f.owner != nil {
		f.owner.leave()
	}
	if f.ready() {
		return f.val, f.err, true
	}
	var zero T
	return zero, nil, false
}

// Done returns a channel that is closed when the result is there.
func (f *Future[T]) Done() <-chan struct{} {
	if !f.ready() && f.owner != nil {
		f.owner.leave()
	}
	return f.wake()
}

// Cancel withdraws a call that has not been handed to a worker; it then resolves with ErrCancelled. It reports whether
// that was so: a call that a worker has, or that is done, cannot be cancelled.
func (f *Future[T]) Cancel() bool { return f.owner != nil && f.owner.withdraw(f) }
