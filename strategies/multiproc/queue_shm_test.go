//go:build linux && (amd64 || arm64)

package multiproc

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// The rows of queues, from CPython's own tests and from the articles: one test each, named after its id.

func TestQ01_Put(t *testing.T) {
	ctx := ctxT(t)
	q := newQ[int](t, 6)
	for i := range 6 {
		put := func() error { return q.Put(ctx, i) }
		if i%2 == 1 {
			put = func() error { return q.TryPut(i) }
		}
		if err := put(); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.TryPut(7); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
	if err := q.Put(expired(t), 7); !errors.Is(err, ErrFull) || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	if err := q.Put(over, 7); !errors.Is(err, ErrFull) || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	for i := range 6 {
		if v, err := q.Get(ctx); v != i || err != nil {
			t.Errorf("%d: %d, %v", i, v, err)
		}
	}
}

func TestQ02_Get(t *testing.T) {
	ctx := ctxT(t)
	q := newQ[string](t, 2)
	if _, err := q.TryGet(); !errors.Is(err, ErrEmpty) {
		t.Error(err)
	}
	if _, err := q.Get(expired(t)); !errors.Is(err, ErrEmpty) || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	// Visible at once, and taken although the context has ended.
	for _, s := range []string{"", "a", strings.Repeat("long", 1000)} {
		if err := q.Put(ctx, s); err != nil {
			t.Fatal(err)
		}
		if v, err := q.Get(expired(t)); v != s || err != nil {
			t.Errorf("%q, %v", v, err)
		}
	}
}

// S002-9 and S002-10 are TestQ01 to TestQ03.
func TestQ03_Timeout(t *testing.T) {
	q := newQ[int](t, 1)
	const d = 60 * time.Millisecond
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctxT(t), d)
	defer cancel()
	if _, err := q.Get(ctx); !errors.Is(err, ErrEmpty) || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if since := time.Since(start); since < d {
		t.Errorf("returned after %v", since)
	}
}

func TestQ04_ParentThenChild(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	q := newQ[int](t, 100)
	for i := range 10 {
		if err := q.Put(ctx, i-10); err != nil {
			t.Fatal(err)
		}
	}
	resultOf[int](t, runs(t, useQueue, handles{Ints: q, Do: "put", N: 10}))
	for i := -10; i < 10; i++ {
		if v, err := q.TryGet(); v != i || err != nil {
			t.Errorf("%d: %d, %v", i, v, err)
		}
	}
}

func TestQ05_Len(t *testing.T) {
	q := newQ[int](t, 3)
	if q.Cap() != 3 {
		t.Error(q.Cap())
	}
	want := 0
	for _, put := range []bool{true, true, false, true, true, false, false, false} {
		var err error
		if put {
			err, want = q.TryPut(1), want+1
		} else {
			_, err = q.TryGet()
			want--
		}
		if err != nil || q.Len() != want {
			t.Errorf("%d instead of %d, %v", q.Len(), want, err)
		}
	}
}

func TestQ06_Joinable(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	q, err := NewJoinableQueue[int](10)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = q.Detach() }()
	if err := q.Drain(ctx); err != nil {
		t.Error(err)
	}
	if err := q.Put(ctx, 1); err != nil {
		t.Fatal(err)
	}
	if err := q.Drain(expired(t)); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	var workers []*Process
	for range 3 {
		workers = append(workers, runs(t, useQueue, handles{Join: q, Do: "work"}))
	}
	for i := range 100 {
		if err := q.Put(ctx, i); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Drain(ctx); err != nil || q.Len() != 0 {
		t.Errorf("%v, %d left", err, q.Len())
	}
	for range workers {
		if err := q.Put(ctx, -1); err != nil {
			t.Fatal(err)
		}
	}
	sum := 0
	for _, w := range workers {
		sum += resultOf[int](t, w)
	}
	if err := q.Done(); sum != 101 || !errors.Is(err, ErrTooManyDone) {
		t.Errorf("%d items, %v", sum, err)
	}
}

type stubborn struct{ Fail bool }

func (s stubborn) MarshalBinary() ([]byte, error) {
	if s.Fail {
		return nil, errOdd
	}
	return []byte{1}, nil
}
func (*stubborn) UnmarshalBinary([]byte) error { return nil }

func TestQ07_EncodeError(t *testing.T) {
	q := newQ[stubborn](t, 1)
	var ee *EncodeError
	if err := q.TryPut(stubborn{true}); !errors.As(err, &ee) || !errors.Is(err, errOdd) {
		t.Error(err)
	}
	if err := q.TryPut(stubborn{}); err != nil {
		t.Error(err)
	}
	if _, err := q.TryGet(); err != nil {
		t.Error(err)
	}
	if _, err := NewQueue[chan int](1); !errors.As(err, &ee) {
		t.Error(err)
	}
}

// Q09, Q11, and how a consumer's loop ends (S003-7).
func TestQ11_Close(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	q := newQ[int](t, 4)
	p := runs(t, useQueue, handles{Ints: q, Do: "sum"})
	for i := range 1000 {
		if err := q.Put(ctx, i); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := q.Put(ctx, 1); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if v := resultOf[int](t, p); v != 499500 {
		t.Error(v)
	}
	if _, err := q.Get(ctx); !errors.Is(err, ErrClosed) || q.Len() != 0 {
		t.Errorf("%v, %d", err, q.Len())
	}
	if err := q.Detach(); err != nil {
		t.Error(err)
	}
	if _, err := q.TryGet(); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	var ee *EncodeError
	if err := NewProcess(useQueue, handles{Ints: q}).Start(ctx); !errors.As(err, &ee) {
		t.Errorf("a detached handle: %v", err)
	}
}

// Nothing lost, nothing doubled, each producer's items in order, among processes and goroutines, for items of all sizes.
func TestS002_8_ManyProcesses(t *testing.T) {
	needProcesses(t)
	n, routes := 5_000, 2
	if testing.Short() {
		n = 500
	}
	q := newQ[stamped](t, 50, QueueBytes(2000))
	var producers, consumers []*Process
	for id := range 4 {
		producers = append(producers, runs(t, producer, produce{Q: q, ID: id, Routes: routes, N: n}))
		consumers = append(consumers, runs(t, consumer, produce{Q: q, Routes: routes}))
	}
	for _, p := range producers {
		resultOf[int](t, p)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	count := make(map[stamped]int)
	for _, c := range consumers {
		for _, got := range resultOf[[][]stamped](t, c) {
			last := make(map[int]int)
			for _, s := range got {
				count[s]++
				if before, ok := last[s.Producer]; ok && before >= s.N {
					t.Fatalf("producer %d: %d after %d", s.Producer, s.N, before)
				}
				last[s.Producer] = s.N
			}
		}
	}
	if len(count) != 4*routes*n {
		t.Errorf("%d items instead of %d", len(count), 4*routes*n)
	}
	for s, k := range count {
		if k != 1 {
			t.Fatalf("%v came %d times", s, k)
		}
	}
}

// A Go channel cannot be passed, a queue can.
func TestQueueNotACopy(t *testing.T) {
	var ee *EncodeError
	if err := NewProcess(chans, make(chan int)).Start(ctxT(t)); !errors.As(err, &ee) {
		t.Error(err)
	}
	if err := codecOf[Queue[int]]().p.err; err == nil {
		t.Error("a queue crosses as a copy of its handle")
	}
}

func TestS001_14_ChildToChild(t *testing.T) {
	needProcesses(t)
	q := newQ[int](t, 10)
	to := runs(t, useQueue, handles{Ints: q, Do: "sum"})
	from := runs(t, useQueue, handles{Ints: q, Do: "put", N: 1000})
	resultOf[int](t, from)
	_ = q.Close()
	if v := resultOf[int](t, to); v != 499500 {
		t.Error(v)
	}
}

// A queue is an argument of tasks of a pool, and the state of its initialiser.
func TestS001_15_Pool(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	q := newQ[int](t, 100)
	tasks, err := NewPool(ctx, useQueue, Workers(2))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tasks.Terminate() }()
	in := slices.Repeat([]handles{{Ints: q, Do: "put", N: 5}}, 8)
	if _, err := tasks.Map(ctx, in, Chunk(1)); err != nil {
		t.Fatal(err)
	}
	held, err := NewPool(ctx, putHeld, Workers(2), Init(holdQueue, q))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Terminate() }()
	for range 10 {
		if pid, err := held.Apply(ctx, 100); err != nil || pid == os.Getpid() {
			t.Fatal(pid, err)
		}
	}
	sum := 0
	for range 50 {
		v, err := q.TryGet()
		if err != nil {
			t.Fatal(err)
		}
		sum += v
	}
	if sum != 8*10+1000 {
		t.Error(sum)
	}
	for _, p := range []interface{ Shutdown(context.Context) error }{tasks, held} {
		if err := p.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	}
}

func TestS002_11_Bounds(t *testing.T) {
	for _, n := range []int{0, -1, maxQueueCap + 1} {
		if _, err := NewQueue[int](n); !errors.Is(err, ErrInvalid) {
			t.Errorf("capacity %d: %v", n, err)
		}
	}
	if _, err := NewQueue[int](1, QueueBytes(-1)); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}

func TestQueueHuge(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	q := newQ[blob](t, 3, QueueBytes(40<<20))
	if err := q.TryPut(blob{Data: make([]byte, 41<<20)}); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	data := make([]byte, 24<<20)
	for i := range data {
		data[i] = byte(i >> 8 * i)
	}
	for round := range 3 { // the second does not fit behind the first
		if err := q.Put(ctx, blob{"big", data}); err != nil {
			t.Fatal(err)
		}
		if err := q.TryPut(blob{"big", data}); !errors.Is(err, ErrFull) {
			t.Error(err)
		}
		if v, err := q.Get(ctx); err != nil || v.Name != "big" || !slices.Equal(v.Data, data) {
			t.Fatalf("round %d: %d bytes, %v", round, len(v.Data), err)
		}
	}
}

// A queue's payload area against a model: any sizes in any order.
func TestQueueArea(t *testing.T) {
	q := newQ[[]byte](t, 7, QueueBytes(1000))
	r := rand.New(rand.NewPCG(1, 2))
	var model [][]byte
	for range 20_000 {
		if r.IntN(2) == 0 {
			b := make([]byte, r.IntN(990))
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			err := q.TryPut(b)
			if err == nil {
				model = append(model, b)
			} else if !errors.Is(err, ErrFull) || len(model) == 0 {
				t.Fatal(err, len(model))
			}
			continue
		}
		v, err := q.TryGet()
		if len(model) == 0 {
			if !errors.Is(err, ErrEmpty) {
				t.Fatal(err)
			}
			continue
		}
		if err != nil || !slices.Equal(v, model[0]) {
			t.Fatalf("%v: %d bytes instead of %d", err, len(v), len(model[0]))
		}
		model = model[1:]
	}
}

// A handle whose sender has gone is an error that says so.
func TestHandleGone(t *testing.T) {
	q := newQ[int](t, 1)
	b, err := codecOf[*Queue[int]]().append(nil, &q)
	if err != nil {
		t.Fatal(err)
	}
	var same, none *Queue[int]
	if _, err := codecOf[*Queue[int]]().decode(b, &same); err != nil {
		t.Fatal(err)
	}
	if err := same.TryPut(5); err != nil {
		t.Error(err)
	}
	if v, err := q.TryGet(); v != 5 || err != nil {
		t.Error(v, err)
	}
	if err := errors.Join(same.Detach(), q.Detach()); err != nil {
		t.Error(err)
	}
	var de *DecodeError
	for n := range len(b) + 1 {
		if _, err := codecOf[*Queue[int]]().decode(b[:n], &none); !errors.As(err, &de) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}
