package multiproc

import (
	"context"
	"iter"
)

// OnDone has f called with the outcome once the future has resolved, at once if it has already, on a goroutine of its
// own: f may block and may call any method of the pool, Terminate and Shutdown included. Callbacks of one future run at
// the same time. A panic in one is reported on stderr and disturbs nobody. Neither Get nor Join waits for callbacks.
func (f *Future[T]) OnDone(fn func(T, error)) {
	go func() {
		<-f.Done()
		v, err, _ := f.TryGet()
		guard("an OnDone callback", func() { fn(v, err) })
	}()
}

// AsCompleted yields the futures, each with its position in the arguments, as they resolve. A future that is given twice
// is yielded once. The loop ends early when ctx does: look at ctx.Err after it. Breaking out leaves nothing behind.
func AsCompleted[T any](ctx context.Context, futures ...*Future[T]) iter.Seq2[int, *Future[T]] {
	return func(yield func(int, *Future[T]) bool) {
		seen := make(map[*Future[T]]bool, len(futures))
		ready := make(chan int, len(futures))
		stop := make(chan struct{})
		defer close(stop)
		for i, f := range futures {
			if seen[f] {
				continue
			}
			seen[f] = true
			done := f.Done() // here, where a nil future can be recovered from
			go func() {
				select {
				case <-done:
					ready <- i
				case <-stop:
				}
			}()
		}
		for range len(seen) {
			select {
			case i := <-ready:
				if !yield(i, futures[i]) {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}
}

// WaitAll waits until all futures have resolved, well or not, or ctx ends, whose error it returns then.
func WaitAll[T any](ctx context.Context, futures ...*Future[T]) error {
	for _, f := range futures {
		if err := f.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// WaitAny waits until one of the futures has resolved and returns its position. It returns -1 and ctx's error when ctx
// ends first, and -1 and ErrInvalid when there are none.
func WaitAny[T any](ctx context.Context, futures ...*Future[T]) (int, error) {
	if len(futures) == 0 {
		return -1, &optionError{"WaitAny: no futures"}
	}
	for i := range AsCompleted(ctx, futures...) {
		return i, nil
	}
	return -1, ctx.Err()
}
