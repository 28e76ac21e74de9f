//go:build linux && (amd64 || arm64)

package shm

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

var lockstep = role("lockstep", func(p *peer) {
	b := must(p.a.Barrier(p.ref(0), nil))
	rounds := must(AttachArray[int64](p.a, p.ref(1))).Unsafe()
	me, passes := p.num(2), p.num(3)
	run(b, rounds, me, passes, func(s string) { panic(s) })
})

// run passes a barrier many times. Nobody may be more than a pass ahead or behind.
func run(b *Barrier, rounds []int64, me, passes int, fail func(string)) {
	for i := range passes {
		atomic.StoreInt64(&rounds[me], int64(i))
		if _, err := b.Wait(bg); err != nil {
			fail(err.Error())
			return
		}
		for j := range rounds {
			if r := atomic.LoadInt64(&rounds[j]); r < int64(i) || r > int64(i+1) {
				fail("out of step")
			}
		}
	}
}

// Lockstep over many passes, of processes and goroutines; nobody waits after.
func TestR01_Lockstep(t *testing.T) {
	a := newArena(t, 1<<16)
	const passes = 300
	b := must(a.NewBarrier(5, nil))
	rounds := must(NewArray[int64](a, 5))
	var cs []*child
	for i := range 2 {
		cs = append(cs, start(t, a, lockstep, b.Ref(), rounds.Ref(), i, passes))
	}
	var wg sync.WaitGroup
	for i := range 3 {
		wg.Go(func() { run(b, rounds.Unsafe(), 2+i, passes, func(s string) { t.Error(s) }) })
	}
	wg.Wait()
	for _, c := range cs {
		c.wait()
	}
	if b.Waiting() != 0 || b.Broken() || b.Parties() != 5 {
		t.Errorf("%d waiting, broken %v", b.Waiting(), b.Broken())
	}
}

// Every index comes once; the action runs once per pass, before anyone goes on.
func TestR02_R03_IndexAndAction(t *testing.T) {
	a := newArena(t, 1<<16)
	const parties, passes = 6, 50
	actions := 0 // ordinary memory: the race detector checks the order
	b := must(a.NewBarrier(parties, func() { actions++ }))
	looked := must(a.NewBarrier(parties, nil))
	var seen [parties]atomic.Int32
	var wg sync.WaitGroup
	for range parties {
		wg.Go(func() {
			for i := range passes {
				k, err := b.Wait(bg)
				if err != nil {
					t.Error(err)
					return
				}
				seen[k].Add(1)
				if actions != i+1 {
					t.Errorf("pass %d: action ran %d times", i, actions)
				}
				looked.Wait(bg) // nobody starts the next pass before all have looked
			}
		})
	}
	wg.Wait()
	for k := range seen {
		if n := seen[k].Load(); n != passes {
			t.Errorf("index %d came %d times in %d passes", k, n, passes)
		}
	}
}

// gather has n goroutines wait and returns when they are at the barrier.
func gather(b *Barrier, n int, wait func() error) (*sync.WaitGroup, *[]error) {
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() { errs[i] = wait() })
	}
	waitUntil(func() bool { return b.Waiting() == n })
	return &wg, &errs
}

// Abort breaks it for all who wait and come; reset frees the waiters with an error, and it works again.
func TestR04_R05_AbortReset(t *testing.T) {
	b := must(newArena(t, 1<<16).NewBarrier(4, nil))
	wait := func() error { _, err := b.Wait(bg); return err }
	for range 3 {
		wg, errs := gather(b, 3, wait)
		b.Abort()
		b.Abort()
		wg.Wait()
		for _, err := range append(*errs, wait()) {
			is(t, err, ErrBroken)
		}
		if !b.Broken() {
			t.Error("not broken after abort")
		}
		b.Reset()
		b.Reset()
		if b.Broken() || b.Waiting() != 0 {
			t.Error("not whole after reset")
		}
		wg, errs = gather(b, 3, wait)
		b.Reset()
		wg.Wait()
		for _, err := range *errs {
			is(t, err, ErrBroken)
		}
		wg, errs = gather(b, 3, wait)
		is(t, wait(), nil)
		wg.Wait()
		for _, err := range *errs {
			is(t, err, nil)
		}
	}
}

// One party whose time is up breaks it for everyone.
func TestR06_Timeout(t *testing.T) {
	b := must(newArena(t, 1<<16).NewBarrier(3, nil))
	wg, errs := gather(b, 1, func() error { _, err := b.Wait(bg); return err })
	_, err := b.Wait(soon(t))
	timedOut(t, err)
	is(t, err, ErrBroken)
	wg.Wait()
	is(t, (*errs)[0], ErrBroken)
	if errors.Is((*errs)[0], ErrTimeout) {
		t.Error("the other one timed out as well")
	}
	b.Reset()
	ctx, cancel := context.WithCancel(bg)
	cancel()
	_, err = b.Wait(ctx)
	is(t, err, context.Canceled)
	is(t, err, ErrBroken)
}

// One party never waits.
func TestR07_OneParty(t *testing.T) {
	a := newArena(t, 1<<16)
	n := 0
	b := must(a.NewBarrier(1, func() { n++ }))
	for range 10 {
		if k, err := b.Wait(over()); k != 0 || err != nil {
			t.Fatal(k, err)
		}
	}
	if n != 10 {
		t.Error(n)
	}
	for _, bad := range []int{0, -1, maxParties + 1} {
		_, err := a.NewBarrier(bad, nil)
		is(t, err, ErrSize)
	}
}

func TestBarrierActionPanics(t *testing.T) {
	b := must(newArena(t, 1<<16).NewBarrier(2, func() { panic("action") }))
	fails := func() (err error) {
		defer func() {
			if recover() != nil {
				err = errors.New("panicked")
			}
		}()
		_, err = b.Wait(bg)
		return err
	}
	wg, errs := gather(b, 1, fails)
	err := fails()
	wg.Wait()
	if (err == ErrBroken) == ((*errs)[0] == ErrBroken) {
		t.Errorf("one panics, the other finds it broken: %v, %v", err, (*errs)[0])
	}
}

var actor = role("actor", func(p *peer) {
	b := must(p.a.Barrier(p.ref(0), func() {
		p.say("in action")
		p.hear()
	}))
	p.say("up")
	p.hear()
	b.Wait(bg)
})

// A process that dies in the action breaks the barrier for those who wait for it.
func TestBarrierActorDies(t *testing.T) {
	a := newArena(t, 1<<16)
	b := must(a.NewBarrier(3, nil))
	c := start(t, a, actor, b.Ref())
	c.expect("up")
	wg, errs := gather(b, 2, func() error { _, err := b.Wait(bg); return err })
	c.tell()
	c.expect("in action")
	c.kill()
	wg.Wait()
	for _, err := range *errs {
		is(t, err, ErrBroken)
	}
}

// Whatever happens at a barrier, all parties of a pass agree on it: either each gets its own index, and the action has
// run once, or all get ErrBroken; and after Reset it works.
func TestBarrierModel(t *testing.T) {
	newArena(t, 1)
	rapid.Check(t, func(t *rapid.T) {
		a := must(NewArena(1 << 16))
		defer a.Close()
		n := rapid.IntRange(1, 5).Draw(t, "parties")
		actions := 0
		b := must(a.NewBarrier(n, func() { actions++ }))
		handles := []*Barrier{b, must(a.Barrier(b.Ref(), func() { actions++ }))}
		for pass := range rapid.IntRange(1, 12).Draw(t, "passes") {
			// One party may not come, but abort, or give up at once.
			fault := rapid.SampledFrom([]string{"", "", "abort", "give up"}).Draw(t, "fault")
			if n == 1 && fault == "give up" {
				fault = "" // it never waits
			}
			before := actions
			index, errs := make([]int, n), make([]error, n)
			var wg sync.WaitGroup
			for i := range n {
				h := handles[(i+pass)%2]
				wg.Go(func() {
					switch {
					case i == 0 && fault == "abort":
						h.Abort()
						errs[i] = ErrBroken
					case i == 0 && fault == "give up":
						ctx, cancel := context.WithCancel(context.Background())
						cancel()
						index[i], errs[i] = h.Wait(ctx)
					default:
						index[i], errs[i] = h.Wait(context.Background())
					}
				})
			}
			wg.Wait()
			broken := 0
			seen := make(map[int]bool)
			for i := range n {
				if errs[i] == nil {
					seen[index[i]] = true
				} else if errors.Is(errs[i], ErrBroken) {
					broken++
				} else {
					t.Fatal(errs[i])
				}
			}
			switch {
			case broken == 0 && fault != "abort": // a party that gives up may still have been the last
				if len(seen) != n || actions != before+1 || b.Broken() {
					t.Fatalf("%d indexes for %d parties, %d actions", len(seen), n, actions-before)
				}
			case broken == n && fault != "":
				if actions != before || !b.Broken() {
					t.Fatalf("%d actions at a broken barrier", actions-before)
				}
				b.Reset()
			default:
				t.Fatalf("%d of %d parties find it broken (%q)", broken, n, fault)
			}
			if b.Waiting() != 0 {
				t.Fatalf("%d wait", b.Waiting())
			}
		}
	})
}
