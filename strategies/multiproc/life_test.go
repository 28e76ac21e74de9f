package multiproc

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"testing"
)

// The end of a pool, in all its forms: part of the conformance suite of TestPool.

func testTerminate(t *testing.T, m maker) {
	p, ctx := make2(t, m, block, fnBlock, Workers(2)), ctxT(t)
	var futs []*Future[int]
	for range 50 {
		f, err := p.ApplyAsync(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		futs = append(futs, f)
	}
	mapped := p.MapAsync(ctx, []int{1, 1, 1, 1})
	eventually(t, "the map is submitted", func() bool { return p.Stats().Queued >= 50 })
	if err := p.Terminate(); err != nil {
		t.Fatal(err)
	}
	for i, f := range futs {
		if _, err := f.Get(ctx); !errors.Is(err, ErrTerminated) {
			t.Fatalf("future %d: %v", i, err)
		}
	}
	if out, err := mapped.Get(ctx); out != nil || !errors.Is(err, ErrTerminated) && !errors.Is(err, ErrClosed) {
		t.Errorf("map: %v, %v", out, err)
	}
	if err := p.Join(ctx); err != nil {
		t.Error(err)
	}
	if _, err := p.Apply(ctx, 0); !errors.Is(err, ErrClosed) {
		t.Errorf("Apply: %v", err)
	}
}

// Functions that do not heed their context hold nobody up, and after Terminate no further item begins, whatever way it
// came and whatever chunk it is in.
func testTerminateDeaf(t *testing.T, m maker) {
	type runner func(context.Context, Pool[gate, int], []gate) error
	mapped := func(opts ...CallOption) runner {
		return func(ctx context.Context, p Pool[gate, int], in []gate) error {
			out, err := p.Map(ctx, in, opts...)
			if out != nil {
				t.Errorf("results of a Map that was terminated: %v", out)
			}
			return err
		}
	}
	ordered := func(opts ...CallOption) runner {
		return func(ctx context.Context, p Pool[gate, int], in []gate) (first error) {
			for _, err := range p.Imap(ctx, slices.Values(in), opts...) {
				first = cmp.Or(first, err)
			}
			return first
		}
	}
	for name, run := range map[string]runner{
		"Apply": func(ctx context.Context, p Pool[gate, int], in []gate) error {
			_, err := p.Apply(ctx, in[0])
			return err
		},
		"Map": mapped(), "MapChunk1": mapped(Chunk(1)), "MapTimeout": mapped(Timeout(forever)),
		"Imap": ordered(), "ImapChunk3": ordered(Chunk(3)), "ImapTimeout": ordered(Timeout(forever)),
		"ImapUnordered": func(ctx context.Context, p Pool[gate, int], in []gate) (first error) {
			for _, err := range p.ImapUnordered(ctx, slices.Values(in)) {
				first = cmp.Or(first, err)
			}
			return first
		},
		// The failure of an item does not pass for the outcome of a Map that was not run to its end.
		"MapFailedItem": func(ctx context.Context, p Pool[gate, int], in []gate) error {
			return mapped(Chunk(1))(ctx, p, append([]gate{{}}, in...))
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, ctx := make2(t, m, deaf, fnDeaf, Workers(1)), ctxT(t)
			g, open := opener(t)
			defer open() // before the pool is joined
			outcome := make(chan error, 1)
			go func() { outcome <- run(ctx, p, slices.Repeat([]gate{g}, 8)) }()
			content(t, g.Path+".began")
			if err := p.Terminate(); err != nil {
				t.Error(err)
			}
			if err := <-outcome; !errors.Is(err, ErrTerminated) {
				t.Errorf("%v, want ErrTerminated", err)
			}
			open()
			if err := p.Join(ctx); err != nil {
				t.Error(err)
			}
			if s := text(t, g.Path+".began"); s != "an item" {
				t.Errorf("began: %s; want one", s)
			}
		})
	}
}

func testLife(t *testing.T, m maker) {
	p, ctx := make2(t, m, gated, fnGate, Workers(2)), ctxT(t)
	if err := p.Join(ctx); !errors.Is(err, ErrRunning) {
		t.Errorf("Join before Close: %v", err)
	}
	g, open := opener(t)
	var futs []*Future[int]
	for range 10 {
		f, err := p.ApplyAsync(ctx, g)
		if err != nil {
			t.Fatal(err)
		}
		futs = append(futs, f)
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := p.ApplyAsync(ctx, gate{}); !errors.Is(err, ErrClosed) {
		t.Errorf("ApplyAsync: %v", err)
	}
	if _, err := p.TryApplyAsync(gate{}); !errors.Is(err, ErrClosed) {
		t.Errorf("TryApplyAsync: %v", err)
	}
	if _, err := p.Map(ctx, []gate{{}}); !errors.Is(err, ErrClosed) {
		t.Errorf("Map: %v", err)
	}
	for _, err := range p.Imap(ctx, slices.Values([]gate{{}})) {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("Imap: %v", err)
		}
	}
	short, cancel := context.WithCancel(ctx)
	cancel()
	if err := p.Join(short); !errors.Is(err, context.Canceled) {
		t.Errorf("Join with work left: %v", err)
	}
	open()
	for range 2 {
		if err := p.Join(ctx); err != nil {
			t.Error(err)
		}
	}
	for _, f := range futs { // what was accepted is done, and stays after the pool is gone
		if v, err := f.Get(ctx); v == 0 || err != nil {
			t.Error(v, err)
		}
	}
	if err := p.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if err := p.Terminate(); err != nil {
		t.Error(err)
	}
}

func testShutdown(t *testing.T, m maker) {
	ctx := ctxT(t)
	p := make2(t, m, square, fnSquare, Workers(2))
	fut, err := p.ApplyAsync(ctx, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if v, err := fut.Get(ctx); v != 9 || err != nil {
		t.Error(v, err)
	}
	q := make2(t, m, block, fnBlock, Workers(1))
	stuck, err := q.ApplyAsync(ctx, 1)
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithCancel(ctx)
	cancel()
	if err := q.Shutdown(short); !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	if _, err := stuck.Get(ctx); !errors.Is(err, ErrTerminated) {
		t.Errorf("stuck call: %v", err)
	}
}
