package multiproc

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
)

// Calls are answered, and those that wait in the queue sent, although nobody waits for any of them.
func TestProgressWithoutWaiter(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			p, ctx := newPool(t, square, append(tr.opts, Workers(2))...), ctxT(t)
			const n = 900
			futs := make([]*Future[int], n)
			for i := range futs {
				var err error
				if futs[i], err = p.ApplyAsync(ctx, i); err != nil {
					t.Fatal(err)
				}
			}
			eventually(t, "all calls are done", func() bool { return p.Stats().Completed == n })
			for i, f := range futs {
				if v, err, ok := f.TryGet(); v != i*i || err != nil || !ok {
					t.Fatalf("call %d: %v, %v, %v", i, v, err, ok)
				}
			}
		})
	}
}

// While the body of a loop over Imap, or its source, is busy, the workers go on with what has been read.
func TestImapGoesOnMeanwhile(t *testing.T) {
	p, ctx := newPool(t, square, Workers(2)), ctxT(t)
	const n = 300
	read := 0
	inputs := func(yield func(int) bool) {
		for i := range n {
			read++
			if !yield(i) {
				return
			}
		}
	}
	first := true
	for v, err := range p.Imap(ctx, inputs, Window(n)) {
		if err != nil {
			t.Fatal(v, err)
		}
		if first {
			eventually(t, "what was read is done", func() bool { return p.Stats().Completed == int64(read) })
			first = false
		}
	}
	source := func(yield func(int) bool) {
		for i := range n {
			if i == n/2 {
				eventually(t, "what was read is done", func() bool { return p.Stats().Completed == n+n/2 })
			}
			if !yield(i) {
				return
			}
		}
	}
	for _, err := range p.ImapUnordered(ctx, source, Window(n)) {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Done is enough to get to know of an answer, also of a task that takes longer than anybody polls.
func TestDoneAlone(t *testing.T) {
	p, ctx := newPool(t, gated, Workers(2)), ctxT(t)
	g, open := opener(t)
	slow, err := p.ApplyAsync(ctx, g)
	if err != nil {
		t.Fatal(err)
	}
	fast, err := p.ApplyAsync(ctx, gate{})
	if err != nil {
		t.Fatal(err)
	}
	<-fast.Done()
	select {
	case <-slow.Done():
		t.Error("the gate is shut")
	default:
	}
	open()
	<-slow.Done()
}

// Workers with nothing to do sleep.
func TestIdleWorkersSleep(t *testing.T) {
	p, ctx := newPool(t, square, Workers(3)), ctxT(t)
	if _, err := p.Map(ctx, numbers(1000), Chunk(1)); err != nil {
		t.Fatal(err)
	}
	peers := *p.f.polled.Load()
	if len(peers) != 3 {
		t.Skip("no shared memory here")
	}
	eventually(t, "all sleep", func() bool {
		return !slices.ContainsFunc(peers, func(p *peer) bool { return p.ring.ctl.asleep.Load() == 0 })
	})
	if v, err := p.Apply(ctx, 3); v != 9 || err != nil {
		t.Error(v, err)
	}
}

// Many goroutines use a pool at once, each in its own way, and each gets its own results.
func TestManyWaiters(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			p, ctx := newPool(t, square, append(tr.opts, Workers(2), MaxInFlight(20))...), ctxT(t)
			var wg sync.WaitGroup
			for g := range 16 {
				wg.Go(func() {
					for i := range 60 {
						n := g*1000 + i
						switch g % 4 {
						case 0, 1:
							if v, err := p.Apply(ctx, n); v != n*n || err != nil {
								t.Error(n, v, err)
							}
						case 2:
							f, err := p.ApplyAsync(ctx, n)
							if err != nil {
								t.Error(err)
								return
							}
							if v, err := f.Get(ctx); v != n*n || err != nil {
								t.Error(n, v, err)
							}
						default:
							short, cancel := context.WithCancel(ctx)
							cancel()
							if _, err := p.Apply(short, n); !errors.Is(err, context.Canceled) {
								t.Error(err)
							}
							out, err := p.Map(ctx, []int{n, n + 1, n + 2}, Chunk(1))
							if !slices.Equal(out, []int{n * n, (n + 1) * (n + 1), (n + 2) * (n + 2)}) || err != nil {
								t.Error(out, err)
							}
						}
					}
				})
			}
			wg.Wait()
			if s := p.Stats(); s.Queued+s.Running != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// explosive cannot be decoded in this process.
type explosive struct{ n byte }

func (e explosive) MarshalBinary() ([]byte, error) { return []byte{e.n}, nil }
func (e *explosive) UnmarshalBinary(b []byte) error {
	if !IsChild() {
		panic("boom")
	}
	e.n = b[0]
	return nil
}

var explode = Register("test.explode", func(_ context.Context, e explosive) (explosive, error) { return e, nil })

// A result whose decoding panics is an error of its call, and the pool goes on.
func TestDecodePanic(t *testing.T) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) {
			p, ctx := newPool(t, explode, append(tr.opts, Workers(1))...), ctxT(t)
			for range 3 {
				var de *DecodeError
				var pe *PanicError
				if _, err := p.Apply(ctx, explosive{1}); !errors.As(err, &de) || !errors.As(err, &pe) || pe.Value != "boom" {
					t.Errorf("%v", err)
				}
			}
		})
	}
}

// Large arguments are written where the worker reads them; they must survive the worker.
func TestLargeArgumentsOutliveWorker(t *testing.T) {
	p, ctx := newPool(t, echo, Workers(1), WithStderr(devNull(t))), ctxT(t)
	const size = 300_000
	if _, err := p.Apply(ctx, blob{"warm", pattern(0, size)}); err != nil {
		t.Fatal(err)
	}
	for round := range 5 {
		var futs []*Future[blob]
		for i := range 6 {
			f, err := p.ApplyAsync(ctx, blob{"x", pattern(round*10+i, size)}, Retry(1))
			if err != nil {
				t.Fatal(err)
			}
			futs = append(futs, f)
		}
		for _, pid := range p.Pids() {
			killWorker(pid)
		}
		for i, f := range futs {
			b, err := f.Get(ctx)
			if err != nil || !slices.Equal(b.Data, pattern(round*10+i, size)) {
				t.Errorf("round %d, call %d: changed, or %v", round, i, err)
			}
		}
	}
}
