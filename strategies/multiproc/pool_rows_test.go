package multiproc

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The rows of docs/multiproc.md about pools, from CPython's own tests: one test each, named after its id, for every kind
// of pool that it makes sense for.

func TestO01_Apply(t *testing.T)     { eachPool(t, testValues) }
func TestO02_MapChunks(t *testing.T) { eachPool(t, testChunks) }
func TestO06_Empty(t *testing.T)     { eachPool(t, testEmpty) }
func TestO10_ImapUnordered(t *testing.T) {
	eachPool(t, testUnordered)
}
func TestO11_FailingSource(t *testing.T) { eachPool(t, testImapSource) }

func fnMirror(_ context.Context, e everything) (everything, error) { return e, nil }

func TestO03_StructArguments(t *testing.T) {
	eachPool(t, func(t *testing.T, m maker) {
		p := make2(t, m, mirror, fnMirror, Workers(2))
		in := []everything{{I: 1, S: "a"}, {I: 2, L: []string{"x"}}}
		out, err := p.Map(ctxT(t), in)
		if diff := cmp.Diff(in, out); diff != "" || err != nil {
			t.Error(err, diff)
		}
	})
}

func TestO04_MapAsync(t *testing.T) {
	eachPool(t, func(t *testing.T, m maker) {
		p, ctx := make2(t, m, square, fnSquare, Workers(2)), ctxT(t)
		a, b := p.MapAsync(ctx, numbers(100), Chunk(7)), p.MapAsync(ctx, numbers(50))
		for n, f := range map[int]*Future[[]int]{100: a, 50: b} {
			if out, err := f.Get(ctx); !slices.Equal(out, squares(n)) || err != nil {
				t.Error(out, err)
			}
		}
	})
}

type outcome[T any] struct {
	v   T
	err error
}

// catch returns a callback and the channel on which its calls arrive.
func catch[T any]() (func(T, error), chan outcome[T]) {
	c := make(chan outcome[T], 100)
	return func(v T, err error) { c <- outcome[T]{v, err} }, c
}

func TestO05_MapCallbacks(t *testing.T) {
	eachPool(t, func(t *testing.T, m maker) {
		p, ctx := make2(t, m, even, fnEven, Workers(2)), ctxT(t)
		f, calls := catch[[]int]()
		p.MapAsync(ctx, []int{2, 4, 6}, OnDone(f))
		if o := <-calls; !slices.Equal(o.v, []int{2, 4, 6}) || o.err != nil {
			t.Error(o)
		}
		_, err := p.Map(ctx, []int{2, 3}, OnDone(f))
		if o := <-calls; err == nil || o.err != err {
			t.Errorf("callback got %v, caller %v", o.err, err)
		}
		if len(calls) != 0 {
			t.Error("a callback came twice")
		}
		wrong, _ := catch[int]()
		if _, err := p.Map(ctx, []int{2}, OnDone(wrong)); !errors.Is(err, ErrInvalid) {
			t.Errorf("callback of another type: %v", err)
		}
		for _, err := range p.Imap(ctx, slices.Values([]int{2}), OnDone(wrong)) {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("Imap with a callback: %v", err)
			}
		}
	})
}

func TestO07_Async(t *testing.T) {
	eachPool(t, func(t *testing.T, m maker) {
		p, ctx := make2(t, m, gated, fnGate, Workers(1)), ctxT(t)
		g, open := opener(t)
		f, err := p.ApplyAsync(ctx, g)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, ok := f.TryGet(); ok {
			t.Error("a result before the task could end")
		}
		open()
		if v, err := f.Get(ctx); v == 0 || err != nil {
			t.Error(v, err)
		}
	})
}

func TestO08_GetTimeout(t *testing.T) {
	eachPool(t, func(t *testing.T, m maker) {
		p, ctx := make2(t, m, gated, fnGate, Workers(1)), ctxT(t)
		g, open := opener(t)
		f, err := p.ApplyAsync(ctx, g)
		if err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		if _, err := f.Get(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		open()
		if v, err := f.Get(ctx); v == 0 || err != nil {
			t.Errorf("a later Get: %v, %v", v, err)
		}
	})
}

func TestO09_Imap(t *testing.T) {
	eachPool(t, func(t *testing.T, m maker) {
		testImap(t, m)
		p := make2(t, m, square, fnSquare, Workers(2))
		var out []int
		for v, err := range p.Imap(ctxT(t), slices.Values(numbers(1000)), Chunk(100)) {
			if err != nil {
				t.Error(err)
			}
			out = append(out, v)
		}
		if !slices.Equal(out, squares(1000)) {
			t.Error("wrong values or order")
		}
	})
}

func TestO12_Workers(t *testing.T) {
	eachPool(t, func(t *testing.T, m maker) {
		for _, n := range []int{0, -1} {
			var err error
			if m.local {
				_, err = NewLocalPool(fnSquare, Workers(n))
			} else {
				_, err = NewPool(ctxT(t), square, Workers(n))
			}
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("Workers(%d): %v", n, err)
			}
		}
		if n := make2(t, m, square, fnSquare, Workers(3)).Stats().Workers; n != 3 {
			t.Errorf("%d workers", n)
		}
	})
}

func TestO13_UseAfterClose(t *testing.T) { eachPool(t, testLife) }

func TestO14_Stack(t *testing.T) {
	eachPool(t, func(t *testing.T, m maker) {
		p := make2(t, m, even, fnEven, Workers(1))
		_, err := p.Apply(ctxT(t), 13)
		var te *TaskError
		if !errors.As(err, &te) || !strings.Contains(te.Stack, "multiproc.fnEven") || !strings.Contains(te.Stack, "main_test.go") {
			t.Errorf("%+v", te)
		}
		if !m.local && te.Func != "test.even" {
			t.Errorf("function %q", te.Func)
		}
	})
}

// Errors that are known under a name cross the process boundary.
type quotaError struct {
	User string
	Left int
}

func (e quotaError) Error() string { return e.User + " has too little left" }

type fieldError struct {
	field string // unexported fields travel as well
	under error
}

func (e *fieldError) Error() string { return "field " + e.field }

// MarshalBinary and UnmarshalBinary leave out what cannot travel.
func (e *fieldError) MarshalBinary() ([]byte, error) { return []byte(e.field), nil }
func (e *fieldError) UnmarshalBinary(b []byte) error { e.field = string(b); return nil }
func (e *fieldError) Unwrap() error                  { return e.under }

var (
	errMagic = errors.New("magic")
	errOther = errors.New("magic") // the same text, another identity
	_        = RegisterError[quotaError]("test.quotaError")
	_        = RegisterError[*fieldError]("test.fieldError")
	_        = RegisterSentinel("test.errMagic", errMagic)
)

func fnErr(_ context.Context, n int) (int, error) {
	switch n {
	case 0:
		return 0, quotaError{"anna", 3}
	case 1:
		return 0, &fieldError{"name", errMagic}
	case 2:
		return 0, errors.Join(errors.New("first"), &fieldError{"a", quotaError{"bert", 4}})
	case 3:
		_, err := os.Open("/does/not/exist")
		return 0, err
	case 4:
		return 0, ErrFull
	}
	return 0, context.Canceled
}

var failing = Register("test.err", fnErr)

func TestO15_RegisteredErrors(t *testing.T) {
	eachPool(t, func(t *testing.T, m maker) {
		p, ctx := make2(t, m, failing, fnErr, Workers(1)), ctxT(t)
		get := func(n int) (err error) { _, err = p.Apply(ctx, n); return err }
		var q quotaError
		var f *fieldError
		if err := get(0); !errors.As(err, &q) || q != (quotaError{"anna", 3}) || !errors.Is(err, quotaError{"anna", 3}) {
			t.Errorf("value: %v", err)
		}
		if err := get(1); !errors.As(err, &f) || f.field != "name" || !errors.Is(err, errMagic) || errors.Is(err, errOther) {
			t.Errorf("pointer and sentinel: %v", err)
		}
		if err := get(2); !errors.As(err, &f) || f.field != "a" || !errors.As(err, &q) || q.User != "bert" {
			t.Errorf("joined: %v", err)
		}
		if err := get(3); !errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrExist) {
			t.Errorf("file: %v", err)
		}
		if err := get(4); !errors.Is(err, ErrFull) || errors.Is(err, ErrClosed) {
			t.Errorf("this package's: %v", err)
		}
		if err := get(5); !errors.Is(err, context.Canceled) {
			t.Errorf("context's: %v", err)
		}
	})
}

var big = Register("test.big", fnBig)

func fnBig(_ context.Context, n int) (int, error) {
	return 0, errors.New(strings.Repeat("x", n))
}

func TestO16_HugeErrors(t *testing.T) {
	eachPool(t, func(t *testing.T, m maker) {
		p, ctx := make2(t, m, big, fnBig, Workers(2)), ctxT(t)
		var futs []*Future[int]
		for range 2 {
			f, err := p.ApplyAsync(ctx, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			futs = append(futs, f)
		}
		if err := p.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		for _, f := range futs {
			var te *TaskError
			if _, err := f.Get(ctx); !errors.As(err, &te) || len(te.Msg) != 1<<20 {
				t.Errorf("%d bytes", len(te.Msg))
			}
		}
	})
}

func TestO17_NothingIsRetained(t *testing.T) {
	eachPool(t, func(t *testing.T, m maker) {
		p, ctx := make2(t, m, echo, fnEcho, Workers(1)), ctxT(t)
		var live atomic.Int64
		for range 20 {
			b := blob{"x", make([]byte, 1<<20)}
			live.Add(1)
			runtime.AddCleanup(&b.Data[0], func(int) { live.Add(-1) }, 0)
			if out, err := p.Apply(ctx, b); len(out.Data) != 1<<20 || err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "arguments are freed", func() bool { runtime.GC(); return live.Load() <= 2 })
	})
}

func TestO18_ErrorCallback(t *testing.T) {
	eachPool(t, func(t *testing.T, m maker) {
		p, ctx := make2(t, m, even, fnEven, Workers(2)), ctxT(t)
		f, calls := catch[int]()
		fut, err := p.ApplyAsync(ctx, 3, OnDone(f))
		if err != nil {
			t.Fatal(err)
		}
		_, err = fut.Get(ctx)
		if o := <-calls; err == nil || o.err != err {
			t.Error(o, err)
		}
	})
}

func TestO20_InvalidMaxTasks(t *testing.T) {
	for _, n := range []int{0, -1} {
		if _, err := NewPool(ctxT(t), square, MaxTasks(n)); !errors.Is(err, ErrInvalid) {
			t.Errorf("MaxTasks(%d): %v", n, err)
		}
	}
}

func TestO21_Initialiser(t *testing.T) { eachPool(t, testInit) }

func TestO24_ResultsBeforeTheBadOne(t *testing.T) {
	eachPool(t, func(t *testing.T, m maker) {
		p := make2(t, m, even, fnEven, Workers(2))
		var got []int
		for v, err := range p.Imap(ctxT(t), slices.Values([]int{2, 4, 5, 6})) {
			if err != nil {
				break
			}
			got = append(got, v)
		}
		if !slices.Equal(got, []int{2, 4}) {
			t.Error(got)
		}
	})
}

func TestO25_MapDeadline(t *testing.T) {
	eachPool(t, func(t *testing.T, m maker) {
		p, ctx := make2(t, m, block, fnBlock, Workers(1)), ctxT(t)
		short, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		if out, err := p.Map(short, []int{1, 1}); out != nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, %v", out, err)
		}
	})
}

func TestO28_UseAfterShutdown(t *testing.T) { eachPool(t, testShutdown) }

func TestO30_CancelPending(t *testing.T) {
	eachPool(t, func(t *testing.T, m maker) {
		p, ctx := make2(t, m, gated, fnGate, Workers(1)), ctxT(t)
		g, open := opener(t)
		var futs []*Future[int]
		for range 5 {
			f, err := p.ApplyAsync(ctx, g)
			if err != nil {
				t.Fatal(err)
			}
			futs = append(futs, f)
		}
		eventually(t, "the first call runs", func() bool { return p.Stats().Running == 1 })
		if n := p.CancelPending(); n != 4 {
			t.Errorf("%d cancelled, want 4", n)
		}
		open()
		if _, err := futs[0].Get(ctx); err != nil {
			t.Errorf("the running call: %v", err)
		}
		for _, f := range futs[1:] {
			if _, err := f.Get(ctx); !errors.Is(err, ErrCancelled) {
				t.Errorf("a pending call: %v", err)
			}
		}
		if err := p.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestO31_SubmitCancelShutdown(t *testing.T) {
	eachPool(t, func(t *testing.T, m maker) {
		p, ctx := make2(t, m, square, fnSquare, Workers(1)), ctxT(t)
		for range 100 {
			f, err := p.ApplyAsync(ctx, 1)
			if err != nil {
				t.Fatal(err)
			}
			cancelled := f.Cancel()
			if _, err := f.Get(ctx); errors.Is(err, ErrCancelled) != cancelled {
				t.Errorf("cancelled %v, error %v", cancelled, err)
			}
		}
		if err := p.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestO32_InvalidChunk(t *testing.T) {
	eachPool(t, func(t *testing.T, m maker) {
		if _, err := make2(t, m, square, fnSquare, Workers(1)).Map(ctxT(t), numbers(3), Chunk(-1)); !errors.Is(err, ErrInvalid) {
			t.Error(err)
		}
	})
}

func TestO33_ManySubmitters(t *testing.T) {
	n := 100_000
	if testing.Short() {
		n = 6400
	}
	eachPool(t, func(t *testing.T, m maker) {
		testStress(t, m)
		p, ctx := make2(t, m, square, fnSquare, Workers(2), MaxInFlight(100)), ctxT(t)
		var wg sync.WaitGroup
		var sum atomic.Int64
		for r := range 64 {
			wg.Go(func() {
				for i := r; i < n; i += 64 {
					f, err := p.ApplyAsync(ctx, 2)
					if err != nil {
						t.Error(err)
						return
					}
					if i%1000 < 64 {
						_, _ = f.Get(ctx)
					}
					f.OnDone(func(v int, _ error) { sum.Add(int64(v)) })
				}
			})
		}
		wg.Wait()
		eventually(t, "every callback ran", func() bool { return sum.Load() == int64(4*n) })
	})
}

// The dummy pool.

func TestD01_SameBehaviour(t *testing.T) { eachPool(t, testBackpressure); eachPool(t, testCallerGone) }
func TestD02_NoWrapping(t *testing.T) {
	p, err := NewLocalPool(fnEven, Workers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Terminate()
	if _, err := p.Apply(ctxT(t), 3); !errors.Is(err, errOdd) {
		t.Error(err)
	}
}
func TestD03_Terminate(t *testing.T) { eachPool(t, testTerminate) }

func TestD05_WhatStartsWhen(t *testing.T) {
	eachPool(t, func(t *testing.T, m maker) {
		p, ctx := make2(t, m, square, fnSquare, Workers(1)), ctxT(t)
		pulled := false
		seq := p.Imap(ctx, func(yield func(int) bool) { pulled = true; yield(3) })
		if pulled {
			t.Error("Imap has read its source before the loop began")
		}
		for v, err := range seq {
			if v != 9 || err != nil {
				t.Error(v, err)
			}
		}
		f := p.MapAsync(ctx, []int{3})
		eventually(t, "MapAsync starts by itself", func() bool { _, _, ok := f.TryGet(); return ok })
	})
}
