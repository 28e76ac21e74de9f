//go:build linux && (amd64 || arm64)

package shm

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Memory that cannot be had is an error at once, not a SIGBUS at the first touch.
func TestNoMemoryIsAnError(t *testing.T) {
	newArena(t, 1)
	f := must(memfile(4096))
	defer f.Close()
	mem := must(mapFile(f, 8192, false))
	defer unmap(mem)
	is(t, populate(f, mem[:4096], 0), nil)
	is(t, populate(f, mem[4096:], 4096), ErrNoMemory) // the file has no second page and can get none
	// The size cannot change, so a mapping never loses its memory.
	for _, size := range []int64{0, 1 << 20} {
		if err := f.Truncate(size); err == nil {
			t.Errorf("file could be resized to %d", size)
		}
	}
}

// A block that the machine has no memory for is an error before it gets any: taking all there is would end other processes.
func TestNoMemoryIsNotTried(t *testing.T) {
	const size = 1 << 42
	if available("/") > size {
		t.Skip("this machine has the memory")
	}
	a, err := NewArena(2 * size)
	if err != nil {
		t.Skip(err)
	}
	defer a.Close()
	_, err = a.Alloc(size, 0)
	is(t, err, ErrNoMemory)
	if u := must(a.Usage()); u.Backed > largeBlock || u.Blocks != 0 {
		t.Errorf("%+v", u)
	}
}

func TestAvailable(t *testing.T) {
	root := t.TempDir()
	for _, c := range []struct {
		file, text string
		want       uint64
	}{
		{"proc/self/cgroup", "2:cpu:/x\n0::/a/b\n", math.MaxUint64},
		{"proc/meminfo", "MemTotal:  9000 kB\nMemAvailable:  5000 kB\nSwapFree: 1000 kB\n", 6000 << 10},
		{"sys/fs/cgroup/a/memory.max", "4000000\n", 6000 << 10},
		{"sys/fs/cgroup/a/memory.current", "3000000\n", 1_000_000},
		{"sys/fs/cgroup/a/memory.stat", "anon 1\nactive_file 20000\ninactive_file 300000\n", 1_320_000},
		{"sys/fs/cgroup/a/b/memory.max", "max\n", 1_320_000},
		{"sys/fs/cgroup/a/b/memory.current", "1\n", 1_320_000},
		{"sys/fs/cgroup/a/memory.max", "100\n", 0},
	} {
		name := filepath.Join(root, c.file)
		is(t, os.MkdirAll(filepath.Dir(name), 0o700), nil)
		is(t, os.WriteFile(name, []byte(c.text), 0o600), nil)
		if n := available(root); n != c.want {
			t.Errorf("with %s: %d, want %d", c.file, n, c.want)
		}
	}
}

// An arena of another PID namespace or layout version is refused.
func TestForeignArena(t *testing.T) {
	for off, want := range map[uint64]error{offPIDNS: ErrNamespace, offMagic: ErrNotArena, offSize: ErrNotArena} {
		a := newArena(t, 1<<16)
		f := must(dup(a.File()))
		*a.m.u64(off) += 1 << 16
		a.Close()
		_, err := Open(f)
		is(t, err, want)
		f.Close()
	}
}

// Memory is used from when a block is allocated; with Lazy, from when it is touched.
func TestMemoryUse(t *testing.T) {
	for _, o := range []Options{{}, {HugePages: true}, {Lazy: true}} {
		a, err := NewArenaWith(256<<20, o)
		if err != nil {
			t.Skip(err)
		}
		blocks := func() int64 {
			var st syscall.Stat_t
			is(t, syscall.Fstat(int(a.File().Fd()), &st), nil)
			return st.Blocks * 512
		}
		const limit = 8 << 20 // a few huge pages
		before := blocks()
		if before > limit {
			t.Errorf("%+v: empty arena uses %d bytes", o, before)
		}
		r := must(NewArray[byte](a, 32<<20))
		if got := blocks() - before; o.Lazy && got > limit || !o.Lazy && got < 32<<20 {
			t.Errorf("%+v: an array of 32 MiB uses %d bytes", o, got)
		}
		r.Unsafe()[31<<20] = 1
		is(t, a.Free(r.Ref()), nil)
		if got := blocks(); got > before+limit {
			t.Errorf("%+v: after Free it uses %d bytes", o, got)
		}
		a.Close()
	}
}

// Waits for an RWMutex and an Event that end by their context are not in the way of the others.
func TestCancelledWaits(t *testing.T) {
	a := newArena(t, 1<<16)
	rw, e := must(a.NewRWMutex()), must(a.NewEvent())
	must(rw.Lock(bg))
	ctx, cancel := context.WithCancel(bg)
	var leaving, staying sync.WaitGroup
	for i := range 120 {
		do := func(ctx context.Context) error { return e.Wait(ctx) }
		switch i % 3 {
		case 1:
			do = func(ctx context.Context) error {
				if _, err := rw.RLock(ctx); err != nil {
					return err
				}
				return rw.RUnlock()
			}
		case 2:
			do = func(ctx context.Context) error {
				if _, err := rw.Lock(ctx); err != nil {
					return err
				}
				return rw.Unlock()
			}
		}
		if i%2 == 0 {
			leaving.Go(func() {
				if err := do(ctx); !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
			continue
		}
		staying.Go(func() {
			if err := do(bg); err != nil {
				t.Error(err)
			}
		})
	}
	time.AfterFunc(5*time.Millisecond, cancel)
	leaving.Wait()
	e.Set()
	is(t, rw.Unlock(), nil)
	staying.Wait()
	if rw.TryLock() != Locked {
		t.Error("not free in the end")
	}
	// Nobody is left in the books of this process.
	for i := range a.m.shards {
		if s := &a.m.shards[i]; len(s.lots) != 0 || len(s.deferred) != 0 {
			t.Errorf("shard %d still has %d words waited for, %d deferred wake-ups", i, len(s.lots), len(s.deferred))
		}
	}
	if n := spinning.Load(); n != 0 {
		t.Errorf("%d still count as spinning", n)
	}
	if n := leaders.Load(); n != 0 {
		t.Errorf("%d still count as sleeping", n)
	}
}

// The mapping goes when no handle can use it any more, and not before.
func TestHandlesKeepTheMapping(t *testing.T) {
	newArena(t, 1)
	a := must(NewArena(1 << 16)) // no clean-up function refers to it
	arr := must(NewArray[int64](a, 100))
	a.Close()
	for range 3 {
		runtime.GC()
	}
	arr.View(func(s []int64) { s[99] = 7 })
	if arr.Clone()[99] != 7 {
		t.Error("private memory in the arena's place does not hold a value")
	}
}
