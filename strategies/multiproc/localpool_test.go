package multiproc

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// ends is a finisher that passes the outcome on.
type ends chan error

func (e ends) finished(_ *job[int, int], err error) { e <- err }

// again submits a job, has it done, and submits it a second time, which runs until the returned function is called. It
// returns the first turn, which is over.
func again(t *testing.T) (*LocalPool[int, int], turn[int, int], ends, func()) {
	t.Helper()
	inside, leave := make(chan struct{}), make(chan struct{})
	p, err := NewLocalPool(func(_ context.Context, n int) (int, error) {
		if n == 1 {
			close(inside)
			<-leave
		}
		return n, nil
	}, Workers(1), MaxInFlight(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	done := make(ends, 1)
	j := &job[int, int]{in: []int{0}, out: make([]int, 1), done: done}
	first := j.turn()
	if err := p.l.submit(ctxT(t), j, true); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	j.renew()
	j.in[0] = 1
	if err := p.l.submit(ctxT(t), j, true); err != nil {
		t.Fatal(err)
	}
	<-inside
	return p, first, done, func() { close(leave) }
}

// Terminate may have seen a job that its caller uses again by the time it comes to it: the second use goes on and keeps
// its room.
func TestLocalPoolResolvesOneUseOfAJob(t *testing.T) {
	p, first, done, leave := again(t)
	if p.l.resolve(first, ErrTerminated, nil) {
		t.Error("a use that was over was resolved again")
	}
	if s := p.Stats(); len(p.l.room) != 1 || s.Running != 1 || len(done) != 0 {
		t.Errorf("room taken for %d jobs, want 1; %+v", len(p.l.room), s)
	}
	leave()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Terminate takes what is unfinished, and one call ends before it comes to it: that keeps its result, the others are terminated,
// and each gives its room back once.
func TestLocalPoolTerminateBesideTheEndOfACall(t *testing.T) {
	inside, leave := make(chan struct{}), make(chan struct{})
	p, err := NewLocalPool(func(_ context.Context, n int) (int, error) {
		close(inside)
		<-leave
		return n, nil
	}, Workers(1))
	if err != nil {
		t.Fatal(err)
	}
	ctx := ctxT(t)
	runs, err1 := p.ApplyAsync(ctx, 7)
	<-inside
	waits, err2 := p.ApplyAsync(ctx, 8)
	if err := errors.Join(err1, err2, p.Close()); err != nil {
		t.Fatal(err)
	}
	open := p.l.abort()
	close(leave)
	if n, err := runs.Get(ctx); n != 7 || err != nil {
		t.Error(n, err)
	}
	resolved := 0
	for _, u := range open {
		if p.l.resolve(u, ErrTerminated, nil) {
			resolved++
		}
	}
	if _, err := waits.Get(ctx); !errors.Is(err, ErrTerminated) {
		t.Error(err)
	}
	if len(open) != 2 || resolved != 1 || len(p.l.room) != 0 {
		t.Errorf("%d unfinished, %d of them terminated, room taken for %d", len(open), resolved, len(p.l.room))
	}
	if err := p.Terminate(); err != nil {
		t.Error(err)
	}
	if err := p.Join(ctx); err != nil {
		t.Error(err)
	}
}

// The clock of a chunk that was done in time does not strike the one that uses its job next.
func TestLocalPoolClockStrikesItsOwnCall(t *testing.T) {
	p, first, done, leave := again(t)
	first.opt.timeout = 1 // the clock of the first use, late
	late, cancel := p.l.taskContext(first)
	defer cancel()
	<-late.Done()
	if !errors.Is(context.Cause(late), ErrTimeout) {
		t.Fatal(context.Cause(late))
	}
	if s := p.Stats(); len(p.l.room) != 1 || s.Timeouts != 0 || len(done) != 0 {
		t.Errorf("room taken for %d jobs, want 1; %+v", len(p.l.room), s)
	}
	leave()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Many loops use their jobs again while Terminate takes them: everybody comes home.
func TestLocalPoolTerminateBesideLoops(t *testing.T) {
	for range 40 {
		p, err := NewLocalPool(fnSquare, Workers(16))
		if err != nil {
			t.Fatal(err)
		}
		var loops sync.WaitGroup
		var under sync.WaitGroup
		for range 4 {
			under.Add(1)
			loops.Go(func() {
				n := 0
				for _, err := range p.ImapUnordered(ctxT(t), func(yield func(int) bool) {
					for i := 0; yield(i); i++ {
					}
				}) {
					if err != nil && !errors.Is(err, ErrTerminated) && !errors.Is(err, ErrClosed) {
						t.Error(err)
					}
					if n++; n == 50 {
						under.Done()
					}
				}
			})
		}
		under.Wait()
		if err := p.Terminate(); err != nil {
			t.Error(err)
		}
		loops.Wait()
		if err := p.Join(ctxT(t)); err != nil {
			t.Fatal(err)
		}
		if n := len(p.l.room); n != 0 {
			t.Fatalf("room taken for %d jobs that are done", n)
		}
	}
}

// A Map whose context ends while its workers share the index returns that error, and never results with holes.
func TestLocalPoolCancelledMapHasNoResults(t *testing.T) {
	for range 300 {
		ctx, cancel := context.WithCancel(ctxT(t))
		p, err := NewLocalPool(func(_ context.Context, n int) (int, error) { cancel(); return n + 1, nil }, Workers(1))
		if err != nil {
			t.Fatal(err)
		}
		if out, err := p.Map(ctx, numbers(5), Chunk(1)); !errors.Is(err, context.Canceled) || out != nil {
			t.Fatalf("%v, %v", out, err)
		}
		if err := p.Shutdown(ctxT(t)); err != nil {
			t.Fatal(err)
		}
	}
}

// A timeout that has passed stops a chunk at the item that runs, although that does not heed its context.
func TestLocalPoolTimeoutStopsChunk(t *testing.T) {
	var began atomic.Int64
	p, err := NewLocalPool(func(ctx context.Context, _ int) (int, error) {
		began.Add(1)
		<-ctx.Done() // all it takes from its context is the moment
		return 0, nil
	}, Workers(1))
	if err != nil {
		t.Fatal(err)
	}
	// On a machine that is busy the time may be over before the first item begins.
	for d := time.Millisecond; began.Load() == 0; d *= 2 {
		for _, err := range p.Imap(ctxT(t), slices.Values(numbers(4)), Chunk(4), Timeout(d)) {
			if !errors.Is(err, ErrTimeout) {
				t.Error(err)
			}
		}
	}
	if err := p.Shutdown(ctxT(t)); err != nil {
		t.Fatal(err)
	}
	if n := began.Load(); n != 1 {
		t.Errorf("%d items of the chunk began, want 1", n)
	}
}
