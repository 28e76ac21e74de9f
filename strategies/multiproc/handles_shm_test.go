//go:build linux && (amd64 || arm64)

package multiproc

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/parbench/parbench/strategies/multiproc/shm"
)

// shared is one of each thing that package shm makes, as an argument.
type shared struct {
	Arena   *shm.Arena
	Mutex   *shm.Mutex
	RW      *shm.RWMutex
	Re      *shm.Reentrant
	Sem     *shm.Semaphore
	Bounded *shm.BoundedSemaphore
	Cond    *shm.Cond
	Event   *shm.Event
	Barrier *shm.Barrier
	Value   *shm.Value[int64]
	Array   *shm.Array[int64]
	Do      string
	N       int
}

// fnShared is what another process does with them.
func fnShared(ctx context.Context, s shared) (int, error) {
	add := func() { s.Array.Unsafe()[0]++ }
	switch s.Do {
	case "all": // every kind of object once
		_, err := s.Mutex.Lock(ctx)
		add()
		_, err2 := s.RW.Lock(ctx)
		add()
		owner := shm.NewOwner()
		_, err3 := s.Re.Lock(ctx, owner)
		_, err4 := s.Re.Lock(ctx, owner)
		add()
		err = errors.Join(err, err2, err3, err4, s.Sem.Acquire(ctx), s.Bounded.Acquire(ctx), s.Mutex.Unlock(), s.RW.Unlock(),
			s.Re.Unlock(owner), s.Re.Unlock(owner), s.Sem.Release(), s.Bounded.Release())
		s.Value.Add(5)
		s.Event.Set()
		if _, e := s.Barrier.Wait(ctx); e != nil {
			return 0, errors.Join(err, e)
		}
		// The parent holds the condition's mutex until it waits.
		if _, e := s.Cond.Mutex().Lock(ctx); e != nil {
			return 0, errors.Join(err, e)
		}
		s.Cond.NotifyAll()
		return os.Getpid(), errors.Join(err, s.Cond.Mutex().Unlock())
	case "count":
		for range s.N {
			if _, err := s.Mutex.Lock(ctx); err != nil {
				return 0, err
			}
			add()
			if err := s.Mutex.Unlock(); err != nil {
				return 0, err
			}
		}
	case "inside": // how many are inside at most
		for range s.N {
			if err := s.Sem.Acquire(ctx); err != nil {
				return 0, err
			}
			n := s.Value.Add(1)
			_, err := s.Mutex.Lock(ctx)
			most := &s.Array.Unsafe()[0]
			*most = max(*most, n)
			runtime.Gosched()
			s.Value.Add(-1)
			if err := errors.Join(err, s.Mutex.Unlock(), s.Sem.Release()); err != nil {
				return 0, err
			}
		}
	case "wait":
		return 0, s.Event.Wait(ctx)
	case "attach": // in an arena that was passed, by a reference
		v, err := shm.AttachValue[int64](s.Arena, shm.Ref(s.N))
		if err != nil {
			return 0, err
		}
		return int(v.Add(1)), nil
	}
	return os.Getpid(), nil
}

var (
	sharing = Register("test.shared", fnShared)

	sharedState *shm.Array[int64]
	shareInit   = RegisterInit("test.shared.init", func(_ context.Context, a *shm.Array[int64]) error { sharedState = a; return nil })
	addShared   = Register("test.shared.add", func(_ context.Context, i int) (int64, error) {
		s := sharedState.Unsafe()
		s[i]++
		return s[i], nil
	})
)

func newShared(t *testing.T) shared {
	t.Helper()
	a, err := shm.NewArena(1 << 16)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	s := shared{Arena: a}
	var errs [10]error
	s.Mutex, errs[0] = a.NewMutex()
	s.RW, errs[1] = a.NewRWMutex()
	s.Re, errs[2] = a.NewReentrant()
	s.Sem, errs[3] = a.NewSemaphore(3)
	s.Bounded, errs[4] = a.NewBoundedSemaphore(1)
	s.Cond, errs[5] = a.NewCond(s.Mutex)
	s.Event, errs[6] = a.NewEvent()
	s.Barrier, errs[7] = a.NewBarrier(2, nil)
	s.Value, errs[8] = shm.NewValue[int64](a, 10)
	s.Array, errs[9] = shm.NewArray[int64](a, 4)
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	return s
}

// Lock, RLock, Semaphore, BoundedSemaphore, Condition, Event and Barrier, Value and Array: arguments of a process.
func TestS002_16_EveryObjectCrosses(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	s := newShared(t)
	s.Do = "all"
	p := runs(t, sharing, s)
	if err := s.Event.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Mutex.Lock(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Barrier.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	_, err := s.Cond.Wait(ctx)
	if err = errors.Join(err, s.Mutex.Unlock()); err != nil {
		t.Error(err)
	}
	if pid := resultOf[int](t, p); pid == os.Getpid() {
		t.Error("not another process")
	}
	if v, n := s.Value.Load(), s.Array.Unsafe()[0]; v != 15 || n != 3 {
		t.Errorf("value %d, array %d", v, n)
	}
}

// The lock sample: eight processes, ten thousand increments each that nothing but the lock protects.
func TestS002_17_LockSample(t *testing.T) {
	needProcesses(t)
	s := newShared(t)
	s.Do, s.N = "count", 10_000
	var ps []*Process
	for range 8 {
		ps = append(ps, runs(t, sharing, s))
	}
	for _, p := range ps {
		resultOf[int](t, p)
	}
	if n := s.Array.Unsafe()[0]; n != 80_000 {
		t.Error(n)
	}
}

// A semaphore limits how many processes are inside at once; an event tells all of them.
func TestS003_6_SemaphoreAndEvent(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	s := newShared(t)
	s.Value.Store(0)
	s.Do, s.N = "inside", 200
	pool := newPool(t, sharing, Workers(5))
	if _, err := pool.Map(ctx, slices.Repeat([]shared{s}, 10), Chunk(1)); err != nil {
		t.Fatal(err)
	}
	if most := s.Array.Unsafe()[0]; most < 1 || most > 3 {
		t.Errorf("%d at once where 3 may", most)
	}
	s.Do = "wait"
	fut := pool.MapAsync(ctx, slices.Repeat([]shared{s}, 5), Chunk(1))
	if _, _, ok := fut.TryGet(); ok {
		t.Error("it has not happened yet")
	}
	s.Event.Set()
	if _, err := fut.Get(ctx); err != nil {
		t.Error(err)
	}
}

// Arrays, values and locks are arguments of a pool's tasks, the state of its initialiser, items of queues and messages.
func TestS004_15_ArraysCrossToPools(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	s := newShared(t)
	s.Do, s.N = "count", 100
	pool := newPool(t, sharing, Workers(2))
	if _, err := pool.Map(ctx, slices.Repeat([]shared{s}, 6), Chunk(1)); err != nil {
		t.Fatal(err)
	}
	held := newPool(t, addShared, Workers(1), Init(shareInit, s.Array))
	for want := int64(1); want <= 5; want++ {
		if v, err := held.Apply(ctx, 1); v != want || err != nil {
			t.Error(v, err)
		}
	}
	if got := s.Array.Clone(); got[0] != 600 || got[1] != 5 {
		t.Error(got)
	}
	q := newQ[shared](t, 4)
	r, snd, err := NewPipe[*shm.Value[int64]]()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), snd.Close() }()
	if err := errors.Join(q.Put(ctx, s), snd.Send(ctx, s.Value)); err != nil {
		t.Fatal(err)
	}
	got, err := q.Get(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := got.Mutex.Lock(ctx); err != nil {
		t.Fatal(err)
	}
	if s.Mutex.TryLock() != shm.NotLocked {
		t.Error("another mutex")
	}
	if err := errors.Join(s.Mutex.Unlock(), got.Array.Arena().Close()); err != nil {
		t.Error(err)
	}
	v, err := r.Recv(ctx)
	if err != nil || v.Add(1) != s.Value.Load() {
		t.Error("another value", err)
	}
}

// An arena crosses as well; what is in it is found by its Ref. A handle on the wrong kind of object, a zero one, one whose
// arena is closed and a copy are errors.
func TestArenaCrosses(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	s := newShared(t)
	pool := newPool(t, sharing, Workers(1))
	if v, err := pool.Apply(ctx, shared{Arena: s.Arena, Do: "attach", N: int(s.Value.Ref())}); v != 11 || err != nil {
		t.Error(v, err)
	}
	if _, err := pool.Apply(ctx, shared{Arena: s.Arena, Do: "attach", N: int(s.Array.Ref())}); err == nil {
		t.Error("an array taken for a value")
	}
	var ee *EncodeError
	if _, err := pool.Apply(ctx, shared{Mutex: new(shm.Mutex)}); !errors.As(err, &ee) {
		t.Error(err)
	}
	if err := codecOf[struct{ M shm.Mutex }]().p.err; err == nil || !strings.Contains(err.Error(), "crosses as a pointer") {
		t.Error(err)
	}
	b, err := codecOf[*shm.Value[int64]]().append(nil, &s.Value)
	if err != nil {
		t.Fatal(err)
	}
	var de *DecodeError
	var wrong *shm.Array[int64]
	if _, err := codecOf[*shm.Array[int64]]().decode(b, &wrong); !errors.As(err, &de) || !errors.Is(err, shm.ErrRef) {
		t.Error(err)
	}
	var gone *shm.GoneError
	var late *shm.Value[int64]
	_ = s.Arena.Close()
	if _, err := codecOf[*shm.Value[int64]]().decode(b, &late); !errors.As(err, &gone) {
		t.Error(err)
	}
	if _, err := pool.Apply(ctx, s); !errors.As(err, &ee) {
		t.Error(err)
	}
	for n := range b {
		if _, err := codecOf[*shm.Value[int64]]().decode(b[:n], &late); !errors.As(err, &de) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// A worker that has received arenas does not keep them when nobody uses them any more.
func TestReceivedArenasAreClosed(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	pool := newPool(t, useArena, Workers(1))
	first := 0
	for i := range 40 {
		a, err := shm.NewArena(1 << 16)
		if err != nil {
			t.Fatal(err)
		}
		v, err := shm.NewValue(a, int64(i))
		if err != nil {
			t.Fatal(err)
		}
		n, err := pool.Apply(ctx, v)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = n
		} else if n > first+3 {
			t.Fatalf("%d descriptors after %d arenas, %d after one", n, i+1, first)
		}
		if v.Load() != int64(i+1) {
			t.Error("another value")
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}

// useArena counts the descriptors of a worker in which nothing but its argument is in use.
var useArena = Register("test.shared.descriptors", func(ctx context.Context, v *shm.Value[int64]) (int, error) {
	v.Add(1)
	n := 0
	for range 50 { // cleanups run on a goroutine of their own
		runtime.GC()
		runtime.Gosched()
		if n = countDescriptors("self"); n < 15 || ctx.Err() != nil {
			break
		}
	}
	runtime.KeepAlive(v)
	return n, ctx.Err()
})
