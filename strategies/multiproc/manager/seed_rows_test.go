package manager

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/parbench/parbench/strategies/multiproc"
	"github.com/parbench/parbench/strategies/multiproc/shm"
)

// What the articles say about managers.

// shared are the ways in which processes can share something.
type shared struct {
	Memory  *multiproc.Queue[int]
	Manager Queue[int]
	Array   *shm.Array[int64]
	Lock    *shm.Mutex
	Dict    Dict[string, int]
	N       int
}

var useShared = multiproc.Register("manager.test.shared", func(ctx context.Context, s shared) (int, error) {
	err := errors.Join(s.Memory.Put(ctx, s.N), s.Manager.Put(ctx, s.N))
	if s.Array == nil {
		return os.Getpid(), err
	}
	_, lockErr := s.Lock.Lock(ctx)
	s.Array.Unsafe()[0] += int64(s.N)
	_, addErr := Add(ctx, s.Dict, "sum", s.N)
	return os.Getpid(), errors.Join(err, lockErr, addErr, s.Lock.Unlock())
})

func TestS001_16_ThreeQueues(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	m := makers[0].start(t)
	memory := must(multiproc.NewQueue[int](4))(t)
	defer func() { _ = memory.Detach() }()
	s := shared{Memory: memory, Manager: must(NewQueue[int](ctx, m, 4))(t), N: 5}
	if pid := must(multiproc.Call(ctx, useShared, s))(t); pid == os.Getpid() {
		t.Error("not another process")
	}
	if v := must(memory.Get(ctx))(t); v != 5 {
		t.Errorf("from memory: %d", v)
	}
	if v := must(s.Manager.Get(ctx))(t); v != 5 {
		t.Errorf("from the manager: %d", v)
	}
	// The third kind, a channel, stays in its process.
	_, err := NewQueue[chan int](ctx, m, 1)
	var ee *multiproc.EncodeError
	if !errors.As(err, &ee) {
		t.Errorf("a queue of channels: %v", err)
	}
}

func TestS001_19_ManagersAreProcesses(t *testing.T) {
	eachProcess(t, func(t *testing.T, m *Manager) {
		ctx := ctxT(t)
		if pid := m.Pid(); pid == os.Getpid() || !alive(pid) {
			t.Fatalf("the manager is process %d", pid)
		}
		// What one gets is a copy: it is no memory that is shared.
		d := must(DictOf(ctx, m, map[string][]int{"a": {1, 2}}))(t)
		must(d.Get(ctx, "a"))(t)[0] = 100
		if v := must(d.Get(ctx, "a"))(t); !slices.Equal(v, []int{1, 2}) {
			t.Errorf("the dict has %v", v)
		}
	})
}

func TestS004_14_WaysToShare(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	m := makers[0].start(t)
	arena := must(shm.NewArena(1 << 16))(t)
	defer arena.Close()
	memory := must(multiproc.NewQueue[int](16))(t)
	defer func() { _ = memory.Detach() }()
	s := shared{Memory: memory, Manager: must(NewQueue[int](ctx, m, 16))(t), Array: must(shm.NewArray[int64](arena, 1))(t),
		Lock: must(arena.NewMutex())(t), Dict: must(NewDict[string, int](ctx, m))(t)}
	pool := must(multiproc.NewPool(ctx, useShared, multiproc.Workers(2)))(t)
	defer func() { _ = pool.Shutdown(ctx) }()
	var in []shared
	for n := range 10 {
		s.N = n + 1
		in = append(in, s)
	}
	must(pool.Map(ctx, in))(t)
	sum, fromManager := 0, 0
	for range in {
		sum += must(memory.Get(ctx))(t)
		fromManager += must(s.Manager.Get(ctx))(t)
	}
	if v := must(s.Dict.Get(ctx, "sum"))(t); v != 55 || sum != 55 || fromManager != 55 || s.Array.Unsafe()[0] != 55 {
		t.Errorf("dict %d, queues %d and %d, array %d", v, sum, fromManager, s.Array.Unsafe()[0])
	}
}

func TestS000_16_TypesOfAManager(t *testing.T) {
	each(t, func(t *testing.T, m *Manager) {
		ctx := ctxT(t)
		mu := must(NewMutex(ctx, m))(t)
		ok(t, errors.Join(
			second(NewDict[string, int](ctx, m)), second(NewList[int](ctx, m)), second(NewArray[int](ctx, m, 1)),
			second(NewValue(ctx, m, 1)), second(NewNamespace(ctx, m, settings{})), second(NewQueue[int](ctx, m, 1)),
			second(NewReentrant(ctx, m)), second(NewRWMutex(ctx, m)), second(NewSemaphore(ctx, m, 1)),
			second(NewBoundedSemaphore(ctx, m, 1)), second(NewCond(ctx, m, mu)), second(NewEvent(ctx, m)),
			second(NewBarrier(ctx, m, 1)), second(counters.New(ctx, m)),
		))
		objects := must(m.Stats(ctx))(t).Objects
		for _, kind := range []string{"dict", "list", "array", "value", "namespace", "queue", "mutex", "reentrant", "rwmutex",
			"cond", "event", "barrier", "service"} {
			if objects[kind] != 1 {
				t.Errorf("%d of kind %s", objects[kind], kind)
			}
		}
		if objects["semaphore"] != 2 {
			t.Errorf("%d semaphores", objects["semaphore"])
		}
	})
}

func TestS001_21_DictArrayList(t *testing.T) {
	eachProcess(t, func(t *testing.T, m *Manager) {
		ctx := ctxT(t)
		p := props{Scene: "fill", Dict: must(NewDict[string, int](ctx, m))(t), List: must(NewList[int](ctx, m))(t),
			Array: must(NewArray[int32](ctx, m, 3))(t)}
		for n := range 3 {
			p.N = n
			play(t, p)
		}
		if n := must(p.Dict.Len(ctx))(t); n != 3 {
			t.Errorf("%d keys", n)
		}
		if got := must(p.List.Slice(ctx, 0, -1))(t); !slices.Equal(got, []int{0, 1, 2}) {
			t.Errorf("list %v", got)
		}
		if got := must(p.Array.Slice(ctx, 0, -1))(t); !slices.Equal(got, []int32{1, 2, 3}) {
			t.Errorf("array %v", got)
		}
	})
}

func init() {
	scenes["fill"] = func(ctx context.Context, p props) (int, error) {
		return 0, errors.Join(p.Dict.Set(ctx, strings.Repeat("x", p.N), p.N), p.List.Append(ctx, p.N),
			p.Array.Set(ctx, p.N, int32(p.N+1)))
	}
}
