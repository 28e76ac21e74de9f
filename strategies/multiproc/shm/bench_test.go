//go:build linux && (amd64 || arm64)

package shm

import (
	"context"
	"math"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

var bg = context.Background()

// place says where a side of a benchmark runs.
type place int

const (
	freely place = -1
	// spins added to a CPU's number lets a pinned process spin, as one that is free to use several CPUs does. Otherwise it
	// never spins: it cannot know that the others are elsewhere.
	spins place = 1000
)

// pin binds every thread of this process to a CPU; the threads to come inherit it.
func pin(at place) {
	if at == freely {
		return
	}
	var mask [16]uint64
	cpu := at % spins
	mask[cpu/64] = 1 << (cpu % 64)
	setAffinity(mask)
	if at >= spins {
		spinLimit.Store(2)
		spinChecked.Store(math.MaxInt64 / 2) // no look at the affinity for some time
	}
}

func setAffinity(mask [16]uint64) {
	for _, e := range must(os.ReadDir("/proc/self/task")) {
		tid, _ := strconv.Atoi(e.Name())
		syscall.RawSyscall(syscall.SYS_SCHED_SETAFFINITY, uintptr(tid), unsafe.Sizeof(mask), uintptr(unsafe.Pointer(&mask)))
	}
	spinChecked.Store(0)
}

// modes are where the two sides of a benchmark run.
var modes = []struct {
	name     string
	own, its place
}{{"spinning-apart", spins, spins + 1}, {"blocking-apart", 0, 1}, {"blocking-one-core", 0, 0}, {"placed-freely", freely, freely}}

// pair starts a child and pins both sides for the length of a benchmark.
func pair(b *testing.B, a *Arena, own, its place, role string, args ...any) *child {
	if own != its && usableCPUs() < 2 {
		b.Skip("needs two CPUs")
	}
	if own >= 0 {
		var old [16]uint64
		syscall.RawSyscall(syscall.SYS_SCHED_GETAFFINITY, 0, unsafe.Sizeof(old), uintptr(unsafe.Pointer(&old)))
		b.Cleanup(func() { setAffinity(old) })
		pin(own)
	}
	c := start(b, a, role, append([]any{strconv.Itoa(int(its))}, args...)...)
	c.expect("ready")
	return c
}

func BenchmarkMutexUncontended(b *testing.B) {
	m := must(newArena(b, 1<<16).NewMutex())
	for b.Loop() {
		m.Lock(bg)
		m.Unlock()
	}
}

// BenchmarkTwoAtomics is what a lock costs at least: two compare-and-swaps on a word whose address is at hand, and on one
// whose address and value have to be loaded first, as a handle's. Each load waits for the compare-and-swap before it.
func BenchmarkTwoAtomics(b *testing.B) {
	m := must(newArena(b, 1<<16).NewMutex())
	b.Run("address at hand", func(b *testing.B) {
		word, self := m.c.word, m.c.m.self
		for range b.N {
			atomic.CompareAndSwapUint32(word, 0, self)
			atomic.CompareAndSwapUint32(word, self, 0)
		}
	})
	b.Run("through a handle", func(b *testing.B) {
		for range b.N {
			atomic.CompareAndSwapUint32(m.c.word, 0, m.c.m.self)
			atomic.CompareAndSwapUint32(m.c.word, m.c.m.self, 0)
		}
	})
}

var _ = role("bench-lock", func(p *peer) {
	pin(place(p.num(0)))
	m := must(p.a.Mutex(p.ref(1)))
	n, v := must(AttachValue[int64](p.a, p.ref(2))), must(AttachValue[int64](p.a, p.ref(3)))
	add := p.num(4) == 1
	p.say("ready")
	for count := int64(0); ; count++ {
		m.Lock(bg)
		if add {
			v.Store(v.Load() + 1)
		}
		m.Unlock()
		if count%64 == 0 {
			n.Store(count)
		}
	}
})

// contend measures how often both processes together pass the lock.
func contend(b *testing.B, add int) {
	a := newArena(b, 1<<16)
	m, n, v := must(a.NewMutex()), must(NewValue[int64](a, 0)), must(NewValue[int64](a, 0))
	pair(b, a, spins, spins+1, "bench-lock", m.Ref(), n.Ref(), v.Ref(), add)
	before := n.Load()
	for b.Loop() {
		m.Lock(bg)
		if add == 1 {
			v.Store(v.Load() + 1)
		}
		m.Unlock()
	}
	b.ReportMetric(float64(int64(b.N)+n.Load()-before)/b.Elapsed().Seconds()/1e6, "Mops/s")
}

func BenchmarkMutexContended2(b *testing.B) { contend(b, 0) }
func BenchmarkValueAddLocked2(b *testing.B) { contend(b, 1) }

func BenchmarkValueAddLocked1(b *testing.B) {
	a := newArena(b, 1<<16)
	m, v := must(a.NewMutex()), must(NewValue[int64](a, 0))
	for b.Loop() {
		m.Lock(bg)
		v.Store(v.Load() + 1)
		m.Unlock()
	}
}

func BenchmarkValueAdd(b *testing.B) {
	v := must(NewValue[int64](newArena(b, 1<<16), 0))
	for b.Loop() {
		v.Add(1)
	}
}

var _ = role("bench-event", func(p *peer) {
	pin(place(p.num(0)))
	ping, pong := must(p.a.Event(p.ref(1))), must(p.a.Event(p.ref(2)))
	p.say("ready")
	for {
		ping.Wait(bg)
		ping.Clear()
		pong.Set()
	}
})

func BenchmarkEventPingPong(b *testing.B) {
	for _, m := range modes {
		b.Run(m.name, func(b *testing.B) {
			a := newArena(b, 1<<16)
			ping, pong := must(a.NewEvent()), must(a.NewEvent())
			pair(b, a, m.own, m.its, "bench-event", ping.Ref(), pong.Ref())
			for b.Loop() {
				ping.Set()
				pong.Wait(bg)
				pong.Clear()
			}
		})
	}
}

var _ = role("bench-cond", func(p *peer) {
	pin(place(p.num(0)))
	c, turn := must(p.a.Cond(p.ref(1))), must(AttachValue[int32](p.a, p.ref(2)))
	p.say("ready")
	for {
		swing(c, turn, 1)
	}
})

// swing waits for its turn and gives it to the other side.
func swing(c *Cond, turn *Value[int32], me int32) {
	c.Mutex().Lock(bg)
	for turn.Load() != me {
		c.Wait(bg)
	}
	turn.Store(1 - me)
	c.Notify()
	c.Mutex().Unlock()
}

func BenchmarkCondPingPong(b *testing.B) {
	for _, m := range modes {
		b.Run(m.name, func(b *testing.B) {
			a := newArena(b, 1<<16)
			c := must(a.NewCond(must(a.NewMutex())))
			turn := must(NewValue[int32](a, 0))
			pair(b, a, m.own, m.its, "bench-cond", c.Ref(), turn.Ref())
			for b.Loop() {
				swing(c, turn, 0)
			}
		})
	}
}

var _ = role("bench-barrier", func(p *peer) {
	pin(place(p.num(0)))
	bar := must(p.a.Barrier(p.ref(1), nil))
	p.say("ready")
	for {
		bar.Wait(bg)
	}
})

func BenchmarkBarrier2(b *testing.B) {
	for _, m := range modes {
		b.Run(m.name, func(b *testing.B) {
			a := newArena(b, 1<<16)
			bar := must(a.NewBarrier(2, nil))
			pair(b, a, m.own, m.its, "bench-barrier", bar.Ref())
			for b.Loop() {
				bar.Wait(bg)
			}
		})
	}
}

var _ = role("bench-wake", func(p *peer) {
	pin(place(p.num(0)))
	e, back := must(p.a.Event(p.ref(1))), must(p.a.Event(p.ref(2)))
	at := must(AttachValue[int64](p.a, p.ref(3)))
	p.say("ready")
	for {
		e.Wait(bg)
		ts := monotonicAfter(0)
		at.Store(ts.sec*1e9 + ts.nsec)
		e.Clear()
		back.Set()
	}
})

// From Set until the other process, which sleeps in the kernel, runs.
func BenchmarkEventWakeSleeper(b *testing.B) {
	for _, m := range modes[1:] {
		b.Run(m.name, func(b *testing.B) {
			a := newArena(b, 1<<16)
			e, back := must(a.NewEvent()), must(a.NewEvent())
			at := must(NewValue[int64](a, 0))
			pair(b, a, m.own, m.its, "bench-wake", e.Ref(), back.Ref(), at.Ref())
			var took []float64
			for b.Loop() {
				for *e.word&eventAsleep == 0 {
					time.Sleep(50 * time.Microsecond)
				}
				time.Sleep(200 * time.Microsecond) // from the mark into the kernel
				ts := monotonicAfter(0)
				e.Set()
				back.Wait(bg)
				back.Clear()
				took = append(took, float64(at.Load()-ts.sec*1e9-ts.nsec)/1e3)
			}
			slices.Sort(took)
			b.ReportMetric(took[len(took)/2], "µs-median")
		})
	}
}

const sumLen = 1 << 20

func BenchmarkArraySum(b *testing.B) {
	for _, where := range []string{"array", "slice"} {
		b.Run(where, func(b *testing.B) {
			a := newArena(b, 16<<20)
			s := make([]int64, sumLen)
			if where == "array" {
				s = must(NewArray[int64](a, sumLen)).Unsafe()
			}
			for i := range s {
				s[i] = int64(i)
			}
			b.SetBytes(8 * sumLen)
			total := int64(0)
			for b.Loop() {
				for _, v := range s {
					total += v
				}
			}
			if total == 0 {
				b.Fatal("sum is 0")
			}
		})
	}
}

func BenchmarkSemaphore(b *testing.B) {
	s := must(newArena(b, 1<<16).NewSemaphore(1))
	for b.Loop() {
		s.Acquire(bg)
		s.Release()
	}
}

func BenchmarkRWMutexRead(b *testing.B) {
	rw := must(newArena(b, 1<<16).NewRWMutex())
	for b.Loop() {
		rw.RLock(bg)
		rw.RUnlock()
	}
}

func BenchmarkAllocFree(b *testing.B) {
	a := newArena(b, 1<<20)
	for b.Loop() {
		r, err := a.Alloc(100, 0)
		if err != nil {
			b.Fatal(err)
		}
		a.Free(r)
	}
}

// Goroutines of one process at the same mutex, as with sync.Mutex.
func BenchmarkMutexGoroutines(b *testing.B) {
	m := must(newArena(b, 1<<16).NewMutex())
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			m.Lock(bg)
			m.Unlock()
		}
	})
}

// From the kill of a process to the lock in the hands of one that has been waiting for it for a while. What a process
// takes to die is in it.
func BenchmarkDeadOwner(b *testing.B) {
	a := newArena(b, 1<<20)
	var took []float64
	for b.Loop() {
		b.StopTimer()
		m := must(a.NewMutex())
		c := hold(b, a, "mutex", m.Ref())
		got := make(chan time.Time)
		go func() {
			must(m.Lock(bg))
			got <- time.Now()
		}()
		time.Sleep(100 * time.Millisecond)
		b.StartTimer()
		t := time.Now()
		c.killOnly()
		took = append(took, (<-got).Sub(t).Seconds()*1e3)
		b.StopTimer()
		is(b, m.Unlock(), nil)
		is(b, a.Free(m.Ref()), nil)
		b.StartTimer()
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2], "ms-median")
	b.ReportMetric(took[len(took)-1], "ms-max")
}
