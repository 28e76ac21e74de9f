//go:build amd64 || arm64

package multiproc

import (
	"errors"
	"testing"
	"time"
)

// What messages cost is counted from TimeTransfers to its next call, for as many of them as were asked for, and for the answers
// that the caller has: no call is missing, and none of before is in it.
func TestTransfers(t *testing.T) {
	const workers, n = 2, 300
	p, ctx := newPool(t, square, Workers(workers)), ctxT(t)
	input := make([]int, n)
	for i := range input {
		input[i] = i
	}
	run := func(chunk int) {
		t.Helper()
		out, err := p.Map(ctx, input, Chunk(chunk))
		if err != nil || len(out) != n || out[n-1] != (n-1)*(n-1) {
			t.Fatalf("%v, %v", out, err)
		}
	}
	run(1)
	if got := p.Transfers(); got != (Transfers{}) {
		t.Errorf("before anything is timed: %+v", got)
	}
	for _, c := range []struct{ every, chunk, calls, least, most int }{
		{1, 1, n, n/2 - workers, n/2 + workers}, // timing a call costs as much as two stamps
		{1, 10, n / 10, n / 10, n / 10},
		{20, 10, n / 10, n / 10 / 4, n/10/4 + workers},
		{1 << 20, 1, n, 1, workers},
	} {
		if !p.TimeTransfers(c.every) {
			t.Fatal("the workers of this pool cannot be timed")
		}
		begin := time.Now()
		run(c.chunk)
		took := time.Since(begin)
		got := p.Transfers()
		if got.Calls != int64(c.calls) || got.Timed < int64(c.least) || got.Timed > int64(c.most) || got.Time <= 0 || got.Time > workers*took {
			t.Errorf("every %d, chunks of %d: %+v in %v", c.every, c.chunk, got, took)
		}
	}
	p.TimeTransfers(0)
	run(1)
	if got := p.Transfers(); got != (Transfers{}) {
		t.Errorf("after the end of timing: %+v", got)
	}
}

// A call whose functions fail is counted like any other, and what is sent with it is no less whole.
func TestTransfersOfFailures(t *testing.T) {
	p, ctx := newPool(t, even, Workers(1)), ctxT(t)
	p.TimeTransfers(1)
	var te *TaskError
	if _, err := p.Map(ctx, []int{2, 13, 3, 4}, Chunk(4)); !errors.As(err, &te) || te.Index != 1 {
		t.Errorf("%v", err)
	}
	if v, err := p.Apply(ctx, 6); v != 6 || err != nil {
		t.Errorf("%d, %v", v, err)
	}
	if _, err := p.Apply(ctx, 13); err == nil { // its only function did not return
		t.Error("a panic is no error")
	}
	if got := p.Transfers(); got.Calls != 3 || got.Timed < 1 || got.Timed > 2 {
		t.Errorf("%+v", got)
	}
}

// Where calls go through pipes nothing is timed, and the pool says so.
func TestNoTransfersOverPipes(t *testing.T) {
	p, ctx := newPool(t, square, Workers(1), pipesOnly), ctxT(t)
	if p.TimeTransfers(1) {
		t.Error("calls in pipes are said to be timed")
	}
	if v, err := p.Apply(ctx, 3); v != 9 || err != nil || p.Transfers() != (Transfers{}) {
		t.Errorf("%d, %v, %+v", v, err, p.Transfers())
	}
}
