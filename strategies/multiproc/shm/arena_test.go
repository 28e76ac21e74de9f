//go:build linux && (amd64 || arm64)

package shm

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// Random allocations and frees: free and used add up to the arena, blocks do not overlap, are aligned and zero, and
// in the end all is one free block again.
func TestA07_Allocator(t *testing.T) {
	newArena(t, 1) // skips where there are none
	rapid.Check(t, func(t *rapid.T) {
		a := must(NewArena(1 << 20))
		defer a.Close()
		empty := must(a.Usage())
		type block struct {
			ref  Ref
			mem  []byte
			mark byte
		}
		var live []block
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			if len(live) > 0 && rapid.Bool().Draw(t, "free") {
				i := rapid.IntRange(0, len(live)-1).Draw(t, "which")
				b := live[i]
				if !bytes.Equal(b.mem, bytes.Repeat([]byte{b.mark}, len(b.mem))) {
					t.Fatal("another block's bytes in this one")
				}
				if err := a.Free(b.ref); err != nil {
					t.Fatal(err)
				}
				if err := a.Free(b.ref); !errors.Is(err, ErrRef) {
					t.Fatalf("second free: %v", err)
				}
				live[i] = live[len(live)-1]
				live = live[:len(live)-1]
				continue
			}
			n := rapid.OneOf(rapid.Int64Range(1, 300), rapid.Int64Range(1, 100_000)).Draw(t, "size")
			align := int64(1) << rapid.IntRange(0, 13).Draw(t, "align")
			r, err := a.Alloc(n, align)
			if errors.Is(err, ErrFull) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			mem := must(a.Bytes(r))
			if int64(r)%align != 0 || int64(len(mem)) < n {
				t.Fatalf("block of %d at %d for size %d, alignment %d", len(mem), r, n, align)
			}
			for _, c := range mem {
				if c != 0 {
					t.Fatal("block is not zero")
				}
			}
			mark := byte(len(live)%255 + 1)
			for i := range mem {
				mem[i] = mark
			}
			live = append(live, block{r, mem, mark})
		}
		u := must(a.Usage())
		if u.Blocks != len(live) || u.Used+u.Free != empty.Free {
			t.Fatalf("%d live blocks, usage %+v of %+v", len(live), u, empty)
		}
		audit(t, a)
		for _, b := range live {
			if err := a.Free(b.ref); err != nil {
				t.Fatal(err)
			}
		}
		u = must(a.Usage())
		if u.Blocks != 0 || u.Used != 0 || u.Free != empty.Free {
			t.Fatalf("after all frees %+v, empty was %+v", u, empty)
		}
		if n := audit(t, a); n != 1 {
			t.Fatalf("%d free blocks after all frees, want 1", n)
		}
	})
}

// audit walks the block list and checks that all that is derived from it is right. It returns the number of free blocks.
func audit(t interface{ Fatalf(string, ...any) }, a *Arena) int {
	m := a.m
	if err := m.lockHeap(); err != nil {
		t.Fatalf("lock: %v", err)
	}
	defer m.unlockHeap()
	first, end := *m.u64(offFirst), *m.u64(offEnd)
	free := map[uint64]bool{}
	used, blocks, prev := uint64(0), uint64(0), uint64(0)
	wasFree := false
	for b := first; b < end; b += m.blockSize(b) {
		if !m.valid(b) {
			t.Fatalf("no valid block at %d", b)
		}
		if *m.u64(b + 8) != prev {
			t.Fatalf("block at %d: block before has %d bytes, header says %d", b, prev, *m.u64(b + 8))
		}
		prev = m.blockSize(b)
		if m.blockUsed(b) {
			used += prev
			blocks++
		} else {
			if wasFree {
				t.Fatalf("two adjacent free blocks at %d", b)
			}
			free[b] = true
		}
		wasFree = !m.blockUsed(b)
	}
	if used != *m.u64(offUsed) || blocks != *m.u64(offBlocks) {
		t.Fatalf("counters %d, %d; the list has %d bytes in %d blocks", *m.u64(offUsed), *m.u64(offBlocks), used, blocks)
	}
	n := len(free)
	for i := range uint64(numBins) {
		if head := *m.binHead(i); (head != 0) != (*m.u64(offBinMap)&(1<<i) != 0) {
			t.Fatalf("bin %d: bitmap is wrong", i)
		}
		for b := *m.binHead(i); b != 0; b = *m.u64(b + 16) {
			if !free[b] || bin(m.blockSize(b)) != i {
				t.Fatalf("bin %d holds the block at %d", i, b)
			}
			delete(free, b)
		}
	}
	if len(free) != 0 {
		t.Fatalf("%d free blocks in no bin", len(free))
	}
	return n
}

// A cleanup that frees while its goroutine's process holds locks of the arena does not deadlock.
func TestA08_FreeBesideHeldLocks(t *testing.T) {
	a := newArena(t, 1<<20)
	m := must(a.NewMutex())
	r := must(a.Alloc(100, 0))
	m.Lock(bg)
	done := make(chan error)
	go func() { done <- a.Free(r) }()
	is(t, <-done, nil)
	is(t, m.Unlock(), nil)
}

// Memory is zero also when blocks are used again, small and large (whose pages go back to the machine).
func TestA04_ReusedMemoryIsZero(t *testing.T) {
	a := newArena(t, 8<<20)
	for _, n := range []int{10, 5000, 3 << 20} {
		for range 3 {
			r := must(NewArray[byte](a, n))
			for i, c := range r.Unsafe() {
				if c != 0 {
					t.Fatalf("element %d of %d is %d", i, n, c)
				}
			}
			for i := range r.Unsafe() {
				r.Unsafe()[i] = 0xff
			}
			is(t, a.Free(r.Ref()), nil)
		}
	}
	if u := must(a.Usage()); u.Used != 0 || u.Backed > 1<<20 {
		t.Errorf("large blocks did not go back to the machine: %+v", u)
	}
}

var lookAt = role("look-at", func(p *peer) {
	m, err := p.a.Mutex(p.ref(0))
	if err != nil || m.TryLock() != Locked {
		return
	}
	b := must(p.a.Bytes(p.ref(1)))
	if string(b[:5]) == "hello" {
		copy(b, "world")
		p.say("seen")
	}
	p.hear()
	p.say("still here")
	p.hear()
})

// A file passed on is the same memory; sizes and references are checked; what is gone is not found.
func TestZ01_Z03_Attach(t *testing.T) {
	a := newArena(t, 1<<16)
	m := must(a.NewMutex())
	r := must(a.Alloc(10, 0))
	copy(must(a.Bytes(r)), "hello")
	c := start(t, a, lookAt, m.Ref(), r)
	c.expect("seen")
	if b := must(a.Bytes(r)); string(b[:5]) != "world" {
		t.Errorf("the child's write reads %q", b[:5])
	}
	if m.File() == nil || m.File() != a.File() {
		t.Error("the object's file is not its arena's")
	}
	// This process is through with it: the other one is not.
	f := must(dup(a.File()))
	is(t, a.Close(), nil)
	is(t, a.Close(), nil)
	c.tell()
	c.expect("still here")
	again := must(Open(f))
	f.Close()
	if b := must(again.Bytes(r)); string(b[:5]) != "world" {
		t.Errorf("after opening again: %q", b[:5])
	}
	is(t, again.Free(m.Ref()), nil)
	_, err := again.Mutex(m.Ref())
	is(t, err, ErrRef)
	again.Close()
	c.tell()
	c.wait()

	if a.File() != nil || m.File() != nil {
		t.Error("a closed arena has a file")
	}
	_, err = a.NewMutex()
	is(t, err, ErrClosed)
	for _, n := range []int64{-1, maxArena + 1} {
		_, err = NewArena(n)
		is(t, err, ErrSize)
	}
	_, err = Open(nil)
	is(t, err, ErrNotArena)
	plain := must(os.Create(filepath.Join(t.TempDir(), "file")))
	defer plain.Close()
	plain.Truncate(1 << 16)
	_, err = Open(plain)
	is(t, err, ErrNotArena)
	foreign, err := memfile(1 << 16)
	is(t, err, nil)
	defer foreign.Close()
	_, err = Open(foreign)
	is(t, err, ErrNotArena)
}

// Opened twice in a process it is one arena, until the last handle is closed.
func TestOpenTwice(t *testing.T) {
	a := newArena(t, 1<<16)
	m := must(a.NewMutex())
	b := must(Open(a.File()))
	other := must(b.Mutex(m.Ref()))
	m.Lock(bg)
	is(t, other.Unlock(), nil)
	is(t, a.Close(), nil)
	if st, err := other.Lock(bg); st != Locked || err != nil {
		t.Fatal(st, err)
	}
	is(t, other.Unlock(), nil)
	is(t, b.Close(), nil)
}

// Whatever the reference, attaching is an error at worst, and an object of one kind is not one of another.
func TestGarbageRefs(t *testing.T) {
	a := newArena(t, 1<<16)
	m := must(a.NewMutex())
	arr := must(NewArray[uint64](a, 100))
	// User data that looks like an object is not at the start of a block.
	for i := range arr.Unsafe() {
		arr.Unsafe()[i] = magic(kindMutex)
	}
	for r := Ref(0); r < 1<<16+200; r++ {
		if _, err := a.Mutex(r); (err == nil) != (r == m.Ref()) {
			t.Fatalf("mutex at %d: %v", r, err)
		}
	}
	for _, r := range []Ref{1 << 20, 1 << 63, ^Ref(0), ^Ref(0) - 15, ^Ref(0) &^ 63, m.Ref() + 64} {
		_, e1 := a.Mutex(r)
		_, e2 := AttachArray[int](a, r)
		_, e3 := a.Bytes(r)
		for _, err := range []error{e1, e2, e3, a.Free(r)} {
			is(t, err, ErrRef)
		}
	}
	_, e1 := a.RWMutex(m.Ref())
	_, e2 := a.Reentrant(m.Ref())
	_, e3 := a.Semaphore(m.Ref())
	_, e4 := a.BoundedSemaphore(m.Ref())
	_, e5 := a.Cond(m.Ref())
	_, e6 := a.Event(m.Ref())
	_, e7 := a.Barrier(m.Ref(), nil)
	_, e8 := AttachValue[int](a, m.Ref())
	_, e9 := AttachArray[int](a, m.Ref())
	for _, err := range []error{e1, e2, e3, e4, e5, e6, e7, e8, e9} {
		is(t, err, ErrRef)
	}
	is(t, a.Free(0), ErrRef)
	audit(t, a)
}

func TestAllocArguments(t *testing.T) {
	a := newArena(t, 1<<16)
	for _, c := range [][2]int64{{0, 0}, {-1, 0}, {1, 3}, {1, -8}, {1, 4 << 20}, {1 << 60, 0}} {
		_, err := a.Alloc(c[0], c[1])
		is(t, err, ErrSize)
	}
	_, err := a.Alloc(1<<16, 0)
	is(t, err, ErrFull)
}

// Close ends waits, and later use of a handle is harmless.
func TestCloseEndsWaits(t *testing.T) {
	a := newArena(t, 1<<16)
	m, e, s := must(a.NewMutex()), must(a.NewEvent()), must(a.NewSemaphore(0))
	rw, b := must(a.NewRWMutex()), must(a.NewBarrier(2, nil))
	cm := must(a.NewMutex())
	c := must(a.NewCond(cm))
	m.Lock(bg)
	rw.Lock(bg)
	var wg, up sync.WaitGroup
	wait := func(f func() error) {
		up.Add(1)
		wg.Go(func() {
			up.Done()
			if err := f(); !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		})
	}
	for range 3 {
		wait(func() error { _, err := m.Lock(bg); return err })
		wait(func() error { _, err := rw.RLock(bg); return err })
		wait(func() error { return e.Wait(bg) })
		wait(func() error { return s.Acquire(bg) })
	}
	wait(func() error { _, err := b.Wait(bg); return err })
	wait(func() error {
		cm.Lock(bg)
		_, err := c.Wait(bg)
		return err
	})
	up.Wait()
	for c.Waiting() == 0 || b.Waiting() == 0 || *s.word == 0 || *m.c.word&chores == 0 || *rw.c.word&sleepers == 0 || *e.word&eventAsleep == 0 {
		runtime.Gosched()
	}
	a.Close()
	wg.Wait()
	m.TryLock()
	e.Set()
	if _, err := a.NewEvent(); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}
