//go:build amd64 || arm64

package multiproc

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"
)

// node can be cyclic, which only encoding finds out.
type node struct {
	Pad  []byte
	Next *node
}

var padSize = Register("test.padSize", func(_ context.Context, n node) (int, error) { return len(n.Pad), nil })

// Who waits for a worker that somebody else has claimed goes on when the claim is given back.
func TestClaimGivenBack(t *testing.T) {
	ctx := ctxT(t)
	pool, err := NewPool(ctx, padSize, Workers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pool.Terminate() }()
	big := node{Pad: make([]byte, 256<<10)}
	if _, err := pool.Apply(ctx, big); err != nil {
		t.Fatal(err)
	}
	f := pool.f
	p, buf, _ := f.claim(int(f.large.Load())) // somebody begins to encode
	if p == nil {
		t.Fatal("no claim")
	}
	got := make(chan error, 1)
	go func() { _, err := pool.Apply(ctx, big); got <- err }()
	for f.waiting.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	failure := &EncodeError{Type: "x", Err: errDepth}
	if err := f.hand(p, &call{}, nil, buf, failure, true); !errors.Is(err, failure) {
		t.Fatal(err)
	}
	if err := <-got; err != nil {
		t.Fatal("the pool is idle and open, and yet: ", err)
	}
	var cyclic node
	cyclic.Next = &cyclic
	var ee *EncodeError
	if _, err := pool.Apply(ctx, cyclic); !errors.As(err, &ee) {
		t.Error(err)
	}
	if n, err := pool.Apply(ctx, big); n != len(big.Pad) || err != nil {
		t.Error(n, err)
	}
}

// A worker that is to be killed for the call before does not begin the next one; what it had not begun is done by
// another worker, whoever killed it, and nobody is blamed.
func TestHaltedWorkerBeginsNothing(t *testing.T) {
	ctx := ctxT(t)
	pool, err := NewPool(ctx, square, Workers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pool.Terminate() }()
	if _, err := pool.Apply(ctx, 2); err != nil {
		t.Fatal(err)
	}
	pool.f.mu.Lock()
	p := pool.f.workers[0]
	ctl := p.ring.ctl
	begun := ctl.begun.Load()
	ctl.halt.Store(1)
	pool.f.mu.Unlock()
	var calls []*Future[int]
	for i := range 3 {
		f, err := pool.ApplyAsync(ctx, i)
		if err != nil {
			t.Fatal(err)
		}
		calls = append(calls, f)
	}
	calls[0].Done() // asks for the answers, which sends what waits
	if n := ctl.begun.Load(); n != begun {
		t.Fatalf("began call %d", n)
	}
	worker, err := os.FindProcess(pool.Pids()[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := worker.Kill(); err != nil {
		t.Fatal(err)
	}
	for i, f := range calls {
		if v, err := f.Get(ctx); v != i*i || err != nil {
			t.Errorf("call %d: %d, %v", i, v, err)
		}
	}
	if s := pool.Stats(); s.Crashes != 1 || s.Restarts != 1 {
		t.Errorf("%+v", s)
	}
}

// A call whose time is over before its worker has begun it has timed out all the same, however often that happens.
func TestTimeoutBeforeBegin(t *testing.T) {
	ctx := ctxT(t)
	pool, err := NewPool(ctx, square, Workers(1), Restart(1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pool.Terminate() }()
	for range 4 {
		pool.f.mu.Lock()
		for _, p := range pool.f.workers {
			p.ring.ctl.halt.Store(1)
		}
		pool.f.mu.Unlock()
		if _, err := pool.Apply(ctx, 3, Timeout(time.Millisecond)); !errors.Is(err, ErrTimeout) {
			t.Fatal(err)
		}
		if v, err := pool.Apply(ctx, 3); v != 9 || err != nil { // the replacement is there
			t.Fatal(v, err)
		}
	}
}

// A worker that dies before it has begun anything is replaced only so often, though it has been given calls.
func TestWorkersThatNeverBegin(t *testing.T) {
	ctx := ctxT(t)
	pool, err := NewPool(ctx, square, Workers(1), Restart(2), Lazy(), Init(dieSoon, struct{}{}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pool.Terminate() }()
	if _, err := pool.Apply(ctx, 2); !errors.Is(err, ErrBroken) {
		t.Error(err)
	}
}

// dieSoon lets the worker halt and die.
var dieSoon = RegisterInit("test.dieSoon", func(context.Context, struct{}) error {
	if r := workerRing.r; r != nil {
		r.ctl.halt.Store(1)
	}
	AtExit(func() {})
	time.AfterFunc(time.Millisecond, func() { os.Exit(9) })
	return nil
})

// A child's end does not wait for somebody to read what it has written to standard error.
func TestStandardErrorUnread(t *testing.T) {
	ctx := ctxT(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	pool, err := NewPool(ctx, noisy, Workers(1), WithStderr(w))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Apply(ctx, 64<<10+tailSize); err != nil { // as much as our pipe, a part on its way, and the child's pipe
		t.Fatal(err)
	}
	if err := pool.Terminate(); err != nil {
		t.Error(err)
	}
	_ = r.Close() // the copier gets an error and ends
}

var noisy = Register("test.noisy", func(_ context.Context, n int) (int, error) {
	return os.Stderr.Write(make([]byte, n))
})

// A call or an item that is refused leaves the ends of pipes in it where they are.
func TestRefusedCallMovesNothing(t *testing.T) {
	ctx := ctxT(t)
	pool, err := NewPool(ctx, firstMessage, Workers(1), MaxInFlight(1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pool.Terminate() }()
	hr, hs, err := NewPipe[int]()
	if err != nil {
		t.Fatal(err)
	}
	r, s, err := NewPipe[int]()
	if err != nil {
		t.Fatal(err)
	}
	busy, err := pool.ApplyAsync(ctx, hr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.TryApplyAsync(r); !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := pool.ApplyAsync(over, r); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	q, err := NewQueue[*Receiver[int]](1)
	if err != nil {
		t.Fatal(err)
	}
	other, _, err := NewPipe[int]()
	if err != nil {
		t.Fatal(err)
	}
	if err := q.TryPut(other); err != nil {
		t.Fatal(err)
	}
	if err := q.TryPut(r); !errors.Is(err, ErrFull) {
		t.Fatal(err)
	}
	if err := q.Put(over, r); !errors.Is(err, ErrFull) || !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	for _, p := range []*Sender[int]{hs, s} {
		if err := p.Send(ctx, 5); err != nil {
			t.Fatal(err)
		}
	}
	if v, err := busy.Get(ctx); v != 5 || err != nil {
		t.Fatal(v, err)
	}
	if v, err := pool.Apply(ctx, r); v != 5 || err != nil {
		t.Fatal(v, err)
	}
}

var firstMessage = Register("test.firstMessage", func(ctx context.Context, r *Receiver[int]) (int, error) {
	return r.Recv(ctx)
})
