package multiproc

import (
	"context"
	"errors"
	"slices"
	"testing"
)

// The rows of docs/multiproc.md about futures: one test each, named after its id.

func TestF01_OnDone(t *testing.T) {
	eachPool(t, func(t *testing.T, m maker) {
		p, ctx := make2(t, m, gated, fnGate, Workers(1)), ctxT(t)
		g, open := opener(t)
		running, err := p.ApplyAsync(ctx, g)
		if err != nil {
			t.Fatal(err)
		}
		pending, err := p.ApplyAsync(ctx, g)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "the first call runs", func() bool { return p.Stats().Running == 1 })
		before, calls := catch[int]()
		panicked := make(chan bool, 2)
		running.OnDone(func(int, error) { panicked <- true; panic("callback") })
		running.OnDone(before)
		cancelled, cancels := catch[int]()
		pending.OnDone(cancelled)
		if !pending.Cancel() {
			t.Error("not cancelled")
		}
		if o := <-cancels; !errors.Is(o.err, ErrCancelled) {
			t.Error(o)
		}
		open()
		v, err := running.Get(ctx)
		if o := <-calls; o.v != v || o.err != err || v == 0 {
			t.Error(o, v, err)
		}
		<-panicked
		running.OnDone(before) // it is done already
		if o := <-calls; o.v != v {
			t.Error(o)
		}
		if len(calls)+len(cancels)+len(panicked) != 0 {
			t.Error("a callback came twice")
		}
	})
}

func TestF02_States(t *testing.T) { eachPool(t, testCancel) }

func TestF03_ResolvesOnce(t *testing.T) {
	f := newFuture[int]()
	f.resolve(1, nil)
	f.resolve(2, errors.New("late"))
	if v, err, ok := f.TryGet(); v != 1 || err != nil || !ok {
		t.Error(v, err, ok)
	}
}

// three futures of which the last is done.
func three() (a, b, c *Future[int]) {
	a, b, c = newFuture[int](), newFuture[int](), newFuture[int]()
	c.resolve(3, nil)
	return a, b, c
}

func TestF04_WaitAnyAll(t *testing.T) {
	ctx := ctxT(t)
	over, cancel := context.WithCancel(ctx)
	cancel()
	a, b, c := three()
	if i, err := WaitAny(ctx, a, b, c); i != 2 || err != nil {
		t.Error(i, err)
	}
	if i, err := WaitAny(over, a, b); i != -1 || !errors.Is(err, context.Canceled) {
		t.Error(i, err)
	}
	if i, err := WaitAny[int](ctx); i != -1 || !errors.Is(err, ErrInvalid) {
		t.Error(i, err)
	}
	if err := WaitAll(over, c, a); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	go func() { a.resolve(1, nil); b.resolve(0, errors.New("bad")) }()
	if err := WaitAll(ctx, a, b, c); err != nil {
		t.Error(err)
	}
}

func TestF05_AsCompleted(t *testing.T) {
	ctx := ctxT(t)
	a, b, c := three()
	var order []int
	for i, f := range AsCompleted(ctx, a, b, c, a, c) {
		order = append(order, i)
		switch f {
		case c:
			b.resolve(2, nil)
		case b:
			a.resolve(1, nil)
		}
	}
	if !slices.Equal(order, []int{2, 1, 0}) {
		t.Errorf("order %v", order)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	for i := range AsCompleted(over, newFuture[int]()) {
		t.Errorf("yielded %d, which has not resolved", i)
	}
	for range AsCompleted(ctx, a, newFuture[int]()) { // leaves no goroutine behind
		break
	}
}
