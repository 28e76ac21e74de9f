package multiproc

import (
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestPool holds the behaviour that every kind of pool has and that is no row of a table: see pool_rows_test.go.
func TestPool(t *testing.T) {
	eachPool(t, func(t *testing.T, m maker) {
		for name, f := range map[string]func(*testing.T, maker){
			"Failures": testFailures, "ImapBreak": testImapBreak, "Timeout": testTimeout, "TimeoutReuse": testTimeoutReuse,
			"TerminateDeaf": testTerminateDeaf, "Options": testOptions,
		} {
			t.Run(name, func(t *testing.T) { f(t, m) })
		}
	})
}

func numbers(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = i
	}
	return s
}

func squares(n int) []int {
	s := numbers(n)
	for i := range s {
		s[i] *= i
	}
	return s
}

func testValues(t *testing.T, m maker) {
	p, ctx := make2(t, m, square, fnSquare, Workers(2)), ctxT(t)
	if v, err := p.Apply(ctx, 7); v != 49 || err != nil {
		t.Errorf("Apply: %v, %v", v, err)
	}
	fut, err := p.ApplyAsync(ctx, 8)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := fut.Get(ctx); v != 64 || err != nil {
		t.Errorf("Get: %v, %v", v, err)
	}
	if v, err, ok := fut.TryGet(); v != 64 || err != nil || !ok {
		t.Errorf("TryGet: %v, %v, %v", v, err, ok)
	}
	if fut.Cancel() {
		t.Error("Cancel of a finished call reported success")
	}
	fut, err = p.TryApplyAsync(9)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := fut.Get(ctx); v != 81 || err != nil {
		t.Errorf("TryApplyAsync: %v, %v", v, err)
	}
	all, err := p.MapAsync(ctx, numbers(10)).Get(ctx)
	if diff := cmp.Diff(squares(10), all); diff != "" || err != nil {
		t.Errorf("MapAsync: %v %s", err, diff)
	}
	if s := p.Stats(); s.Workers != 2 || s.Queued != 0 || s.Completed == 0 {
		t.Errorf("Stats: %+v", s)
	}
}

func testChunks(t *testing.T, m maker) {
	p, ctx := make2(t, m, square, fnSquare, Workers(3)), ctxT(t)
	const n = 25
	for chunk := 1; chunk <= n+1; chunk++ {
		got, err := p.Map(ctx, numbers(n), Chunk(chunk))
		if diff := cmp.Diff(squares(n), got); diff != "" || err != nil {
			t.Errorf("Map, chunk %d: %v %s", chunk, err, diff)
		}
		got = nil
		for v, err := range p.Imap(ctx, slices.Values(numbers(n)), Chunk(chunk)) {
			if err != nil {
				t.Error(err)
			}
			got = append(got, v)
		}
		if diff := cmp.Diff(squares(n), got); diff != "" {
			t.Errorf("Imap, chunk %d: %s", chunk, diff)
		}
	}
	if got, err := p.Map(ctx, numbers(20_000)); !slices.Equal(got, squares(20_000)) || err != nil {
		t.Errorf("Map, default chunk: wrong values, %v", err)
	}
	if got, err := p.Map(ctx, numbers(20_000), Chunk(1)); !slices.Equal(got, squares(20_000)) || err != nil {
		t.Errorf("Map, 20000 chunks of 1: wrong values, %v", err)
	}
}

func testEmpty(t *testing.T, m maker) {
	p, ctx := make2(t, m, square, fnSquare, Workers(2)), ctxT(t)
	if got, err := p.Map(ctx, nil); got == nil || len(got) != 0 || err != nil {
		t.Errorf("Map: %v, %v", got, err)
	}
	if got, err := p.MapAsync(ctx, nil).Get(ctx); got == nil || len(got) != 0 || err != nil {
		t.Errorf("MapAsync: %v, %v", got, err)
	}
	for v, err := range p.Imap(ctx, slices.Values([]int(nil))) {
		t.Errorf("Imap yielded %v, %v", v, err)
	}
	for v, err := range p.ImapUnordered(ctx, slices.Values([]int(nil))) {
		t.Errorf("ImapUnordered yielded %v, %v", v, err)
	}
}

// One failing item fails alone, whether it returns an error or panics, and whatever chunk it travels in.
func testFailures(t *testing.T, m maker) {
	p, ctx := make2(t, m, even, fnEven, Workers(2)), ctxT(t)
	for _, chunk := range []int{1, 4, 100} {
		out, err := p.Map(ctx, numbers(20), Chunk(chunk))
		var te *TaskError
		if !errors.As(err, &te) || te.Index != 1 || te.Msg != "odd number" || te.Type != "*errors.errorString" {
			t.Errorf("chunk %d: error %#v, want that of the lowest index", chunk, err)
		}
		if errors.Is(err, errOdd) != m.local {
			t.Errorf("errors.Is finds the original: %v, want %v", !m.local, m.local)
		}
		for i, v := range out {
			if want := i * (1 - i%2); v != want {
				t.Errorf("chunk %d: out[%d] = %d, want %d", chunk, i, v, want)
			}
		}
		i := 0
		for v, err := range p.Imap(ctx, slices.Values(numbers(20)), Chunk(chunk)) {
			var te *TaskError
			var pe *PanicError
			switch {
			case i == 13:
				if !errors.As(err, &te) || !errors.As(err, &pe) || pe.Value != "thirteen" || te.Index != 13 || te.Stack == "" {
					t.Errorf("item 13: %#v, want a panic with a stack", err)
				}
			case i%2 == 1:
				if !errors.As(err, &te) || te.Index != i {
					t.Errorf("item %d: %v", i, err)
				}
			case err != nil || v != i:
				t.Errorf("item %d: %v, %v", i, v, err)
			}
			i++
		}
		if i != 20 {
			t.Errorf("%d items, want 20", i)
		}
	}
	if _, err := p.Apply(ctx, 3); err == nil {
		t.Error("Apply(3): no error")
	}
	if v, err := p.Apply(ctx, 4); v != 4 || err != nil {
		t.Errorf("the pool is not usable any more: %v, %v", v, err)
	}
}

// opener returns a gate that waits, and what opens it.
func opener(t *testing.T) (gate, func()) {
	g := gate{filepath.Join(t.TempDir(), "open")}
	return g, func() {
		if err := os.WriteFile(g.Path, nil, 0o600); err != nil {
			t.Error(err)
		}
	}
}

// The first input finishes last; Imap still yields it first.
func testImap(t *testing.T, m maker) {
	p, ctx := make2(t, m, gated, fnGate, Workers(2)), ctxT(t)
	g, open := opener(t)
	n := 0
	source := func(yield func(gate) bool) {
		_ = yield(g) && yield(gate{}) && yield(gate{})
		open() // everything has been submitted: the window is 8
	}
	for v, err := range p.Imap(ctx, source) {
		if err != nil || v == 0 {
			t.Error(v, err)
		}
		if _, err := os.Stat(g.Path); err != nil {
			t.Error("a result came before that of the first input")
		}
		n++
	}
	if n != 3 {
		t.Errorf("%d results, want 3", n)
	}
}

// ImapUnordered yields what is finished although an earlier input is not.
func testUnordered(t *testing.T, m maker) {
	p, ctx := make2(t, m, gated, fnGate, Workers(2)), ctxT(t)
	g, open := opener(t)
	var order []int
	for v, err := range p.ImapUnordered(ctx, slices.Values([]gate{g, {}, {}, {}})) {
		if err != nil {
			t.Fatal(err)
		}
		if order = append(order, v.Index); len(order) == 3 {
			open()
		}
	}
	if len(order) != 4 || order[3] != 0 {
		t.Errorf("order %v, want the first input last", order)
	}
	slices.Sort(order)
	if !slices.Equal(order, numbers(4)) {
		t.Errorf("indexes %v", order)
	}
}

func testImapLazy(t *testing.T, m maker) {
	p, ctx := make2(t, m, square, fnSquare, Workers(2)), ctxT(t)
	for _, c := range []struct{ window, chunk int }{{1, 1}, {5, 1}, {5, 3}, {7, 7}, {3, 10}} {
		taken, delivered, total := 0, 0, 100
		source := func(yield func(int) bool) {
			for i := range total {
				if taken++; taken > delivered+c.window {
					t.Fatalf("%+v: %d taken, %d delivered", c, taken, delivered)
				}
				if !yield(i) {
					return
				}
			}
		}
		for v, err := range p.Imap(ctx, source, Window(c.window), Chunk(c.chunk)) {
			if v != delivered*delivered || err != nil {
				t.Fatalf("%+v: result %d: %v, %v", c, delivered, v, err)
			}
			delivered++
		}
		if delivered != total {
			t.Errorf("%+v: %d results", c, delivered)
		}
		taken, delivered = 0, 0
		for _, err := range p.ImapUnordered(ctx, source, Window(c.window), Chunk(c.chunk)) {
			if err != nil {
				t.Fatal(err)
			}
			delivered++
		}
		if delivered != total {
			t.Errorf("%+v: %d unordered results", c, delivered)
		}
	}
}

// A break stops an endless source, and the pool goes on.
func testImapBreak(t *testing.T, m maker) {
	p, ctx := make2(t, m, square, fnSquare, Workers(2)), ctxT(t)
	endless := func(yield func(int) bool) {
		for i := 0; yield(i); i++ {
		}
	}
	n := 0
	for range p.Imap(ctx, endless) {
		if n++; n == 10 {
			break
		}
	}
	for range p.ImapUnordered(ctx, endless, Chunk(3)) {
		break
	}
	short, cancel := context.WithCancel(ctx)
	defer cancel()
	var last error
	for _, err := range p.Imap(short, endless) {
		if last = err; err != nil {
			continue
		}
		cancel()
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("a cancelled Imap ended with %v", last)
	}
	if v, err := p.Apply(ctx, 5); v != 25 || err != nil {
		t.Error(v, err)
	}
}

func testImapSource(t *testing.T, m maker) {
	p, ctx := make2(t, m, square, fnSquare, Workers(2)), ctxT(t)
	bad := errors.New("source broke")
	for at := range 5 {
		source := iter.Seq2[int, error](func(yield func(int, error) bool) {
			for i := range at {
				if !yield(i, nil) {
					return
				}
			}
			yield(0, bad)
		})
		var got []int
		var last error
		for v, err := range p.ImapSource(ctx, source, Chunk(2)) {
			if last = err; err == nil {
				got = append(got, v)
			}
		}
		if last != bad || len(got) != at {
			t.Errorf("error after %d items: got %v, then %v", at, got, last)
		}
	}
}

// The two kinds of pool run the function on other sides of a process boundary; a gate file holds both.
func testBackpressure(t *testing.T, m maker) {
	p, ctx := make2(t, m, gated, fnGate, Workers(1), MaxInFlight(2)), ctxT(t)
	g, open := opener(t)
	var futs []*Future[int]
	for range 2 {
		f, err := p.TryApplyAsync(g)
		if err != nil {
			t.Fatal(err)
		}
		futs = append(futs, f)
	}
	if _, err := p.TryApplyAsync(g); !errors.Is(err, ErrFull) {
		t.Errorf("third call: %v, want ErrFull", err)
	}
	short, cancel := context.WithCancel(ctx)
	blocked := make(chan error)
	go func() { _, err := p.ApplyAsync(short, g); blocked <- err }()
	cancel()
	if err := <-blocked; !errors.Is(err, context.Canceled) {
		t.Errorf("blocked ApplyAsync: %v", err)
	}
	got := make(chan *Future[int])
	go func() {
		f, err := p.ApplyAsync(ctx, g)
		if err != nil {
			t.Error(err)
		}
		got <- f
	}()
	open()
	for _, f := range append(futs, <-got) {
		if v, err := f.Get(ctx); v == 0 || err != nil {
			t.Error(v, err)
		}
	}
}

func testCancel(t *testing.T, m maker) {
	p, ctx := make2(t, m, gated, fnGate, Workers(1)), ctxT(t)
	g, open := opener(t)
	first, err := p.ApplyAsync(ctx, g)
	if err != nil {
		t.Fatal(err)
	}
	second, err := p.ApplyAsync(ctx, g)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first call runs", func() bool { return p.Stats().Running == 1 })
	if !second.Cancel() || second.Cancel() {
		t.Error("Cancel of a waiting call must succeed once")
	}
	if _, err := second.Get(ctx); !errors.Is(err, ErrCancelled) {
		t.Errorf("cancelled call: %v", err)
	}
	if first.Cancel() {
		t.Error("Cancel of a running call reported success")
	}
	open()
	if _, err := first.Get(ctx); err != nil {
		t.Error(err)
	}
}

// Every blocking call ends when its context does, although the worker is busy.
func testCallerGone(t *testing.T, m maker) {
	p, ctx := make2(t, m, gated, fnGate, Workers(1)), ctxT(t)
	g, open := opener(t)
	fut, err := p.ApplyAsync(ctx, g)
	if err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithCancel(ctx)
	errs := make(chan error)
	go func() { _, err := p.Apply(short, g); errs <- err }()
	go func() { _, err := p.Map(short, []gate{g, g, g}, Chunk(1)); errs <- err }()
	go func() { _, err := p.MapAsync(short, []gate{g, g, g}).Get(ctx); errs <- err }()
	go func() { _, err := fut.Get(short); errs <- err }()
	go func() {
		var last error
		for _, last = range p.Imap(short, slices.Values([]gate{g, g, g})) {
		}
		errs <- last
	}()
	eventually(t, "the calls wait", func() bool { return p.Stats().Queued >= 4 })
	cancel()
	for range 5 {
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want context.Canceled", err)
		}
	}
	open()
	if _, err := fut.Get(ctx); err != nil {
		t.Errorf("the call does not outlive the context of its submission: %v", err)
	}
}

func testTimeout(t *testing.T, m maker) {
	p, ctx := make2(t, m, block, fnBlock, Workers(2)), ctxT(t)
	_, err := p.Apply(ctx, 1, Timeout(1e6))
	if !errors.Is(err, ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Apply: %v", err)
	}
	out, err := p.Map(ctx, []int{1, 1, 1}, Chunk(1), Timeout(1e6))
	var te *TaskError
	if !errors.As(err, &te) || te.Index != 0 || !errors.Is(err, ErrTimeout) || len(out) != 3 {
		t.Errorf("Map: %v, %v", out, err)
	}
	// The item that blocks is struck. On a busy machine others may be as well, but none fails otherwise.
	i := 0
	for _, err := range p.Imap(ctx, slices.Values([]int{0, 1, 0, 0}), Timeout(1e6)) {
		if i == 1 && err == nil || err != nil && !errors.Is(err, ErrTimeout) {
			t.Errorf("Imap, item %d: %v", i, err)
		}
		i++
	}
	if s := p.Stats(); i != 4 || s.Timeouts < 5 {
		t.Errorf("%d items; Stats: %+v", i, s)
	}
	if v, err := p.Apply(ctx, 0); v != 0 || err != nil {
		t.Errorf("after timeouts: %v, %v", v, err)
	}
}

// forever is a timeout that no test lives to see.
const forever = 1000 * time.Hour

// More chunks than are handed over at once, so that their memory is used again, each with a clock.
func testTimeoutReuse(t *testing.T, m maker) {
	p, ctx := make2(t, m, square, fnSquare, Workers(2), MaxInFlight(16)), ctxT(t)
	const n = 10 * sheaf
	if out, err := p.Map(ctx, numbers(n), Chunk(1), Timeout(forever)); !slices.Equal(out, squares(n)) || err != nil {
		t.Errorf("Map: wrong values, %v", err)
	}
	var out []int
	for v, err := range p.Imap(ctx, slices.Values(numbers(n)), Timeout(forever)) {
		if out = append(out, v); err != nil {
			t.Error(err)
		}
	}
	if !slices.Equal(out, squares(n)) {
		t.Error("Imap: wrong values")
	}
	seen := make([]int, n)
	for v, err := range p.ImapUnordered(ctx, slices.Values(numbers(n)), Timeout(forever)) {
		if seen[v.Index] = v.Value; err != nil {
			t.Error(err)
		}
	}
	if !slices.Equal(seen, squares(n)) {
		t.Error("ImapUnordered: wrong values")
	}
	if s := p.Stats(); s.Timeouts != 0 {
		t.Errorf("%+v", s)
	}
}

func testInit(t *testing.T, m maker) {
	p, ctx := make2(t, m, state, fnState, Workers(2), Init(setup, int64(40))), ctxT(t)
	out, err := p.Map(ctx, []int64{1, 2, 3, 4}, Chunk(1))
	if diff := cmp.Diff([]int64{41, 42, 43, 44}, out); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	failure := func(n int64) error {
		var err error
		if m.local {
			_, err = NewLocalPool(fnState, Workers(2), Init(setup, n))
		} else {
			_, err = NewPool(ctx, state, Workers(2), Init(setup, n))
		}
		if !errors.Is(err, ErrInit) {
			t.Errorf("failing initialiser: %v", err)
		}
		return err
	}
	if err := failure(-1); err.Error() != ErrInit.Error()+": negative state" {
		t.Error(err)
	}
	// Its error keeps its type and identity, as that of a task does.
	var q quotaError
	if err := failure(-2); !errors.As(err, &q) || q.Left != 7 || !errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrExist) {
		t.Error(err)
	}
	var pe *PanicError
	if err := failure(-3); !errors.As(err, &pe) || pe.Value != "no state" || !strings.Contains(pe.Stack, "fnInit") ||
		err.Error() != ErrInit.Error()+": panic: no state" {
		t.Error(err)
	}
}

func testOptions(t *testing.T, m maker) {
	ctx := ctxT(t)
	bad := []PoolOption{Workers(0), Workers(-1), MaxInFlight(0)}
	if !m.local {
		bad = append(bad, MaxTasks(-1), MaxTasks(0), Restart(-1), MemoryPerWorker(1))
	}
	for _, o := range bad {
		var err error
		if m.local {
			_, err = NewLocalPool(fnSquare, o)
		} else {
			_, err = NewPool(ctx, square, o)
		}
		if !errors.Is(err, ErrInvalid) {
			t.Errorf("%v", err)
		}
	}
	p := make2(t, m, square, fnSquare, Workers(1))
	for _, o := range []CallOption{Chunk(0), Chunk(-1), Window(0), Timeout(0), Retry(-1)} {
		if _, err := p.Map(ctx, numbers(3), o); !errors.Is(err, ErrInvalid) {
			t.Errorf("Map: %v", err)
		}
		if _, err := p.Apply(ctx, 3, o); !errors.Is(err, ErrInvalid) {
			t.Errorf("Apply: %v", err)
		}
		for _, err := range p.Imap(ctx, slices.Values(numbers(3)), o) {
			if !errors.Is(err, ErrInvalid) {
				t.Errorf("Imap: %v", err)
			}
		}
	}
}

// Many goroutines, little room: nothing is lost, doubled or mixed up.
func testStress(t *testing.T, m maker) {
	p, ctx := make2(t, m, square, fnSquare, Workers(3), MaxInFlight(7)), ctxT(t)
	const routines, calls = 32, 100
	errs := make(chan error)
	for r := range routines {
		go func() {
			for i := range calls {
				in := r*calls + i
				v, err := p.Apply(ctx, in)
				if err == nil && v != in*in {
					err = errors.New("wrong result")
				}
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range routines {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if s := p.Stats(); s.Queued != 0 || s.Running != 0 || s.Completed != routines*calls {
		t.Errorf("Stats: %+v", s)
	}
}
