//go:build linux && (amd64 || arm64)

package shm

import (
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
)

// A child that changes two cells which are equal outside of every lock, repairs them after a death, and counts passes.
var victim = role("victim", func(p *peer) {
	kind := p.args[0]
	cells := must(AttachArray[int64](p.a, p.ref(2))).Unsafe()
	passes, bad := must(AttachValue[int64](p.a, p.ref(3))), must(AttachValue[int64](p.a, p.ref(4)))
	change := func(st LockState) {
		if st == OwnerDied {
			cells[1] = cells[0]
		}
		if cells[0] != cells[1] {
			bad.Add(1)
		}
		cells[0]++
		cells[1]++
		passes.Add(1)
	}
	p.say("ready")
	switch kind {
	case "mutex":
		for m := must(p.a.Mutex(p.ref(1))); ; {
			change(must(m.Lock(bg)))
			m.Unlock()
		}
	case "reentrant":
		me := NewOwner()
		for m := must(p.a.Reentrant(p.ref(1))); ; {
			st := must(m.Lock(bg, me))
			must(m.Lock(bg, me))
			change(st)
			m.Unlock(me)
			m.Unlock(me)
		}
	case "rw":
		for rw := must(p.a.RWMutex(p.ref(1))); ; {
			for range 3 {
				if st := must(rw.RLock(bg)); st == Locked && cells[0] != cells[1] {
					bad.Add(1)
				}
				rw.RUnlock()
			}
			change(must(rw.Lock(bg)))
			rw.Unlock()
		}
	case "cond":
		// Everyone waits for an even or odd count by turns, so that most of the time somebody sleeps.
		c := must(p.a.Cond(p.ref(1)))
		st := must(c.Mutex().Lock(bg))
		for {
			change(st)
			must(0, c.Notify())
			var err error
			if st, err = c.Wait(soonOf(2 * time.Millisecond)); st == NotLocked {
				panic(err)
			}
		}
	}
})

// Processes that use a lock are killed at random moments and replaced. The others go on, and what the lock protects is
// never seen half changed without a word of it.
func TestKilledWhileLocking(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 8
	}
	for _, kind := range []string{"mutex", "reentrant", "rw", "cond"} {
		t.Run(kind, func(t *testing.T) {
			a := newArena(t, 1<<16)
			var r Ref
			switch kind {
			case "mutex":
				r = must(a.NewMutex()).Ref()
			case "reentrant":
				r = must(a.NewReentrant()).Ref()
			case "rw":
				r = must(a.NewRWMutex()).Ref()
			case "cond":
				r = must(a.NewCond(must(a.NewMutex()))).Ref()
			}
			cells := must(NewArray[int64](a, 2))
			passes, bad := must(NewValue[int64](a, 0)), must(NewValue[int64](a, 0))
			progress := func(n int64) {
				for target := passes.Load() + n; passes.Load() < target; {
					syscall.Nanosleep(&syscall.Timespec{Nsec: 1000}, nil)
				}
			}
			var cs [3]*child
			for i := range rounds {
				k := i % len(cs)
				if cs[k] != nil {
					cs[k].killOnly()
					progress(10) // the others get over it
					cs[k].cmd.Wait()
				}
				cs[k] = start(t, a, victim, kind, r, cells.Ref(), passes.Ref(), bad.Ref())
				cs[k].expect("ready")
				progress(rand.Int64N(200))
			}
			for _, c := range cs {
				c.kill()
			}
			if n := bad.Load(); n != 0 {
				t.Errorf("%d times the cells differed without OwnerDied", n)
			}
		})
	}
}
