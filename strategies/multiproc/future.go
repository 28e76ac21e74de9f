package multiproc

import (
	"context"
	"sync/atomic"
)

// Future is the coming result of a call. It is made by a pool, safe for concurrent use, and keeps its value after the
// pool is gone. It resolves exactly once.
type Future[T any] struct {
	done     chan struct{}
	resolved atomic.Bool
	val      T
	err      error
	cancel   func() bool
}

func newFuture[T any]() *Future[T] { return &Future[T]{done: make(chan struct{})} }

// resolve stores the outcome unless there is one already.
func (f *Future[T]) resolve(v T, err error) {
	if f.resolved.CompareAndSwap(false, true) {
		f.val, f.err = v, err
		close(f.done)
	}
}

// Get waits for the result. It returns ctx's error if that ends first; the call goes on then, and a later Get succeeds.
func (f *Future[T]) Get(ctx context.Context) (T, error) {
	select {
	case <-f.done:
		return f.val, f.err
	default:
	}
	select {
	case <-f.done:
		return f.val, f.err
	case <-ctx.Done():
		var zero T
		return zero, ctx.Err()
	}
}

// TryGet returns the result if it is there; the last value says whether it is.
//
//nolint:revive // a value, its error, and whether there is either: the order of Get and then of a map look-up
func (f *Future[T]) TryGet() (T, error, bool) {
	select {
	case <-f.done:
		return f.val, f.err, true
	default:
		var zero T
		return zero, nil, false
	}
}

// Done returns a channel that is closed when the result is there.
func (f *Future[T]) Done() <-chan struct{} { return f.done }

// Cancel withdraws a call that has not been handed to a worker; it then resolves with ErrCancelled. It reports whether
// that was so: a call that a worker has, or that is done, cannot be cancelled.
func (f *Future[T]) Cancel() bool { return f.cancel != nil && f.cancel() }
