//go:build linux && (amd64 || arm64)

package multiproc

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// What the tests of queues share: the functions that other processes run with them, and how a test begins and joins those.

type stamped struct {
	Producer, N int
	Text        string
}

type produce struct {
	Q          *Queue[stamped]
	ID, Routes int
	N          int
}

func fnProduce(ctx context.Context, p produce) (int, error) {
	var wg sync.WaitGroup
	errs := make([]error, p.Routes)
	for r := range p.Routes {
		wg.Go(func() {
			for i := range p.N {
				// Some fit into a slot, some do not.
				s := stamped{p.ID*p.Routes + r, i, strings.Repeat("x", i*7%200)}
				if errs[r] = p.Q.Put(ctx, s); errs[r] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return os.Getpid(), errors.Join(errs...)
}

// fnConsume returns what each of its goroutines got.
func fnConsume(ctx context.Context, p produce) ([][]stamped, error) {
	got := make([][]stamped, p.Routes)
	var wg sync.WaitGroup
	errs := make([]error, p.Routes)
	for r := range p.Routes {
		wg.Go(func() {
			for s, err := range p.Q.All(ctx) {
				if err != nil {
					errs[r] = err
					return
				}
				if len(s.Text) != s.N*7%200 {
					errs[r] = errors.New("text damaged")
				}
				s.Text = ""
				got[r] = append(got[r], s)
			}
		})
	}
	wg.Wait()
	return got, errors.Join(errs...)
}

type handles struct {
	Ints *Queue[int]
	Join *JoinableQueue[int]
	Blob *Queue[blob]
	Do   string
	N    int
}

// fnHandles is what another process does with queues.
func fnHandles(ctx context.Context, h handles) (int, error) {
	switch h.Do {
	case "put":
		for i := range h.N {
			if err := h.Ints.Put(ctx, i); err != nil {
				return i, err
			}
		}
	case "sum":
		sum := 0
		for v, err := range h.Ints.All(ctx) {
			if err != nil {
				return 0, err
			}
			sum += v
		}
		return sum, nil
	case "work": // -1 ends it
		for n := 0; ; n++ {
			v, err := h.Join.Get(ctx)
			if err != nil || v < 0 {
				return n, errors.Join(err, h.Join.Done())
			}
			if err := h.Join.Done(); err != nil {
				return n, err
			}
		}
	case "storm": // until killed
		for {
			b := blob{"storm", make([]byte, 1+rand.IntN(100_000))}
			for i := range b.Data {
				b.Data[i] = byte(len(b.Data))
			}
			if err := h.Blob.Put(ctx, b); err != nil {
				return 0, err
			}
			if _, err := h.Blob.Get(ctx); err != nil {
				return 0, err
			}
		}
	case "die putting": // as if in the middle of a put, with everything written but the end of the queue
		s := h.Blob.s
		if err := s.lock(ctx, s.putLock); err != nil {
			return 0, err
		}
		t := s.h.tail.Load()
		slot := &s.slots[t&uint64(len(s.slots)-1)]
		slot.size, slot.area = 1<<60, 1<<50
		s.h.areaTail += 4096
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "die getting": // with the item copied, and not yet removed
		s := h.Blob.s
		if err := s.lock(ctx, s.getLock); err != nil {
			return 0, err
		}
		s.h.seenTail = s.h.tail.Load()
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	return os.Getpid(), nil
}

var (
	producer = Register("test.queue.produce", fnProduce)
	consumer = Register("test.queue.consume", fnConsume)
	useQueue = Register("test.queue.use", fnHandles)

	heldQueue *Queue[int]
	holdQueue = RegisterInit("test.queue.hold", func(_ context.Context, q *Queue[int]) error { heldQueue = q; return nil })
	putHeld   = Register("test.queue.held", func(ctx context.Context, v int) (int, error) { return os.Getpid(), heldQueue.Put(ctx, v) })
)

func newQ[T any](t *testing.T, capacity int, opts ...QueueOption) *Queue[T] {
	t.Helper()
	q, err := NewQueue[T](capacity, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Detach() })
	return q
}

func runs[In, Out any](t *testing.T, fn Func[In, Out], in In) *Process {
	t.Helper()
	p := NewProcess(fn, in)
	if err := p.Start(ctxT(t)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Kill(); <-p.Done() })
	return p
}

func resultOf[Out any](t *testing.T, p *Process) Out {
	t.Helper()
	v, err := Result[Out](ctxT(t), p)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// expired is a context whose deadline has passed.
func expired(t *testing.T) context.Context {
	ctx, cancel := context.WithDeadline(context.Background(), time.Unix(1, 0))
	t.Cleanup(cancel)
	return ctx
}
