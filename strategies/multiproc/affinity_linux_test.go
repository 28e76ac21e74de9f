package multiproc

import (
	"context"
	"errors"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

// keyed is a task that says where it ran and notes the order.
type keyed struct {
	Key string
	N   int
	Do  string
}

var seenKeys struct {
	sync.Mutex
	m map[string][]int
}

var affinityRuns atomic.Int64

// fnKeyed returns the numbers that this process has seen of the key, in their order.
func fnKeyed(ctx context.Context, k keyed) ([]int, error) {
	switch k.Do {
	case "die":
		os.Exit(5)
	case "hang":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	seenKeys.Lock()
	defer seenKeys.Unlock()
	if seenKeys.m == nil {
		seenKeys.m = make(map[string][]int)
	}
	seenKeys.m[k.Key] = append(seenKeys.m[k.Key], k.N)
	return slices.Clone(seenKeys.m[k.Key]), nil
}

var keyedTask = Register("test.keyed", fnKeyed)

// Tasks of one key run on one worker, in the order of their submission, whatever else is going on.
func testAffinity(t *testing.T, m maker) {
	// In a LocalPool all workers share a process, so only the order shows.
	p, ctx := make2(t, m, keyedTask, fnKeyed, Workers(3), MaxInFlight(40)), ctxT(t)
	type want struct {
		key string
		n   int
		fut *Future[[]int]
	}
	run := t.Name() + strconv.FormatInt(affinityRuns.Add(1), 10) // the state of a LocalPool outlives it
	var all []want
	next := make(map[string]int)
	for i := range 300 {
		key := run + strconv.Itoa(i*i%7)
		opts := []CallOption{Affinity(key)}
		if i%5 == 0 {
			key, opts = "", nil
		}
		fut, err := p.ApplyAsync(ctx, keyed{Key: key, N: next[key]}, opts...)
		if err != nil {
			t.Fatal(err)
		}
		if key != "" {
			all = append(all, want{key, next[key], fut})
			next[key]++
		}
	}
	for _, w := range all {
		got, err := w.fut.Get(ctx)
		if err != nil || len(got) != w.n+1 || !slices.IsSorted(got) {
			t.Fatalf("%s %d: %v, %v", w.key, w.n, got, err)
		}
	}
	out, err := p.Map(ctx, slices.Repeat([]keyed{{Key: run + "map"}}, 30), Chunk(2), Affinity("map"))
	if err != nil {
		t.Fatal(err)
	}
	for i, got := range out {
		if len(got) != i+1 {
			t.Fatalf("item %d of a Map was number %d in its worker", i, len(got))
		}
	}
	i := 0
	for got, err := range p.Imap(ctx, slices.Values(make([]keyed, 30)), Affinity("imap")) {
		if i++; err != nil || !m.local && len(got) < i {
			t.Fatalf("item %d of an Imap was number %d in its worker, %v", i, len(got), err)
		}
	}
	// A bound call can be withdrawn, and what is pending at the end resolves.
	hang, err := p.ApplyAsync(ctx, keyed{Do: "hang"}, Affinity("k"))
	if err != nil {
		t.Fatal(err)
	}
	behind, err := p.ApplyAsync(ctx, keyed{Do: "hang"}, Affinity("k"))
	if err != nil {
		t.Fatal(err)
	}
	last, err := p.ApplyAsync(ctx, keyed{Do: "hang"}, Affinity("k"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Apply(ctx, keyed{Key: run + "other"}); err != nil {
		t.Error("others cannot run meanwhile:", err)
	}
	if !last.Cancel() {
		if m.local {
			t.Error("cannot be cancelled")
		}
		// It was under way to the worker.
	}
	if err := p.Terminate(); err != nil {
		t.Error(err)
	}
	for _, f := range []*Future[[]int]{hang, behind, last} {
		if _, err := f.Get(ctx); !errors.Is(err, ErrTerminated) && !errors.Is(err, ErrCancelled) {
			t.Error(err)
		}
	}
}

func TestAffinity(t *testing.T) { eachPool(t, testAffinity) }

// The worker of a key dies: the task that ran is lost, those behind it run in its successor, in order, and find fresh
// memory; a lazy pool starts the workers that keys need; a closed pool does what it has accepted.
func TestAffinityOutlivesWorker(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	for _, opts := range [][]PoolOption{{Workers(3)}, {Workers(3), Lazy()}, {Workers(3), pipesOnly}, {Workers(2), MaxTasks(3)}} {
		p := newPool(t, keyedTask, append(opts, WithStderr(devNull(t)))...)
		apply := func(k keyed) *Future[[]int] {
			f, err := p.ApplyAsync(ctx, k, Affinity("k"))
			if err != nil {
				t.Fatal(err)
			}
			return f
		}
		before := apply(keyed{Key: "x", N: 1})
		bad := apply(keyed{Do: "die"})
		after := []*Future[[]int]{apply(keyed{Key: "x", N: 2}), apply(keyed{Key: "x", N: 3})}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if got, err := before.Get(ctx); len(got) != 1 || err != nil {
			t.Error(got, err)
		}
		var ce *CrashError
		if _, err := bad.Get(ctx); !errors.As(err, &ce) {
			t.Error(err)
		}
		for i, f := range after {
			if got, err := f.Get(ctx); err != nil || len(got) != i+1 || got[i] != i+2 {
				t.Errorf("%d: %v, %v", i, got, err)
			}
		}
		if err := p.Join(ctx); err != nil {
			t.Error(err)
		}
	}
}

// The backlog behaves as lists: what is bound comes out for its slot only, each list in its order, and neither kind waits
// for ever.
func TestBacklogModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const slots = 3
		var b backlog[int]
		model := make(map[int][]int) // by slot, -1 for none
		n := 0
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				slot := rapid.IntRange(-1, slots-1).Draw(t, "slot")
				n++
				if rapid.Bool().Draw(t, "front") {
					b.of(slot, slots).pushFront(n)
					model[slot] = append([]int{n}, model[slot]...)
				} else {
					b.of(slot, slots).push(n)
					model[slot] = append(model[slot], n)
				}
			},
			"pop": func(t *rapid.T) {
				slot := rapid.IntRange(0, slots-1).Draw(t, "slot")
				if b.waiting(slot) == 0 {
					return
				}
				v := b.pop(slot)
				for _, s := range []int{-1, slot} {
					if l := model[s]; len(l) > 0 && l[0] == v {
						model[s] = l[1:]
						return
					}
				}
				t.Fatalf("%d for slot %d of %v", v, slot, model)
			},
			"remove": func(t *rapid.T) {
				v := rapid.IntRange(1, n+1).Draw(t, "value")
				found := false
				for s, l := range model {
					if i := slices.Index(l, v); i >= 0 {
						model[s] = slices.Delete(slices.Clone(l), i, i+1)
						found = true
					}
				}
				if b.remove(v, nil) != found {
					t.Fatalf("%d of %v: %v", v, model, !found)
				}
			},
			"": func(t *rapid.T) {
				all := 0
				for s, l := range model {
					if all += len(l); s >= 0 && (b.own(s) != len(l) || b.waiting(s) != len(l)+len(model[-1])) {
						t.Fatalf("slot %d: %d, %d, model %v", s, b.own(s), b.waiting(s), model)
					}
				}
				if b.len() != all {
					t.Fatalf("%d of %d", b.len(), all)
				}
			},
		})
		rest := b.takeAll()
		if b.len() != 0 {
			t.Fatal("not empty")
		}
		for _, l := range model {
			for _, v := range l {
				if !slices.Contains(rest, v) {
					t.Fatalf("%d is missing in %v", v, rest)
				}
			}
		}
	})
}
