package manager

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parbench/parbench/strategies/multiproc"
)

// Calls that wait hold up nobody, not even in the process that waits.
func TestWaitingHoldsUpNobody(t *testing.T) {
	each(t, func(t *testing.T, m *Manager) {
		ctx, cancel := context.WithCancel(ctxT(t))
		q := must(NewQueue[int](ctx, m, 1))(t)
		mu := must(NewMutex(ctx, m))(t)
		must(mu.Lock(ctx))(t)
		e := must(NewEvent(ctx, m))(t)
		c := must(counters.New(ctx, m))(t)
		d := must(NewDict[string, int](ctx, m))(t)
		var wg sync.WaitGroup
		for range 25 {
			for _, f := range []func() error{
				func() error { return second(q.Get(ctx)) },
				func() error { return second(mu.Lock(ctx)) },
				func() error { return e.Wait(ctx) },
				func() error { return second(counterWait.Call(ctx, c, struct{}{})) },
			} {
				wg.Go(func() { is(t, "a call that waits", f(), context.Canceled) })
			}
		}
		for i := range 500 {
			ok(t, d.Set(ctx, "a", i))
		}
		// Their contexts are noticed while others go on calling.
		var stop atomic.Bool
		var busy sync.WaitGroup
		long := ctxT(t)
		for n := range 3 {
			busy.Go(func() {
				for !stop.Load() {
					if err := d.Set(long, strconv.Itoa(n), 1); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		cancel()
		wg.Wait()
		stop.Store(true)
		busy.Wait()
		ctx = long
		ok(t, q.Put(ctx, 1)) // none of them gets it
		if v := must(q.Get(ctx))(t); v != 1 {
			t.Errorf("got %d", v)
		}
		ok(t, mu.Unlock(ctx))
		if state := must(mu.TryLock(ctx))(t); state != Locked {
			t.Errorf("the mutex is %v", state)
		}
	})
}

// Contexts that end at any moment lose no item and take no lock.
func TestCancelledAnywhere(t *testing.T) {
	each(t, func(t *testing.T, m *Manager) {
		ctx := ctxT(t)
		q := must(NewQueue[int](ctx, m, 4))(t)
		mu := must(NewMutex(ctx, m))(t)
		var put, got, locked atomic.Int64
		deadline := func(i int) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Duration(i%7)*20*time.Microsecond)
		}
		concurrently(6, func(n int) {
			for i := range 200 {
				short, cancel := deadline(i + n)
				switch n % 3 {
				case 0:
					if q.Put(short, i) == nil {
						put.Add(1)
					}
				case 1:
					if _, err := q.Get(short); err == nil {
						got.Add(1)
					}
				default:
					if _, err := mu.Lock(short); err == nil {
						locked.Add(1)
						if err := mu.Unlock(ctx); err != nil {
							t.Error(err)
						}
					}
				}
				cancel()
			}
		})
		// A call that was abandoned on a busy machine may be undone only now.
		eventually(t, "every item that was put is taken", func() bool {
			n, err := q.Len(ctx)
			ok(t, err)
			return put.Load() == got.Load()+int64(n)
		})
		must(mu.Lock(ctx))(t)
	})
}

// Values that do not fit into the rings, both ways at once.
func TestLargeValues(t *testing.T) {
	each(t, func(t *testing.T, m *Manager) {
		ctx := ctxT(t)
		d := must(NewDict[int, []byte](ctx, m))(t)
		sizes := []int{0, 1, 40, ringMost - 20, ringMost, ringMost + 1, ringBytes, 1 << 20, 9 << 20}
		concurrently(4, func(n int) {
			for i, size := range sizes {
				want := bytes.Repeat([]byte{byte(n + i)}, size)
				key := n*100 + i
				if err := d.Set(ctx, key, want); err != nil {
					t.Error(err)
				}
				if got, err := d.Get(ctx, key); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes came back as %d: %v", size, len(got), err)
				}
			}
		})
	})
}

// Many small calls of many goroutines: every answer reaches its caller.
func TestManyCalls(t *testing.T) {
	each(t, func(t *testing.T, m *Manager) {
		ctx := ctxT(t)
		d := must(NewDict[int, int](ctx, m))(t)
		const callers, calls = 64, 400
		concurrently(callers, func(n int) {
			for i := range calls {
				if err := d.Set(ctx, n, i); err != nil {
					t.Error(err)
					return
				}
				if v, err := d.Get(ctx, n); v != i || err != nil {
					t.Errorf("got %d %v, want %d", v, err, i)
					return
				}
			}
		})
	})
}

// More calls at once than a connection numbers.
func TestMoreCallsThanSlots(t *testing.T) {
	each(t, func(t *testing.T, m *Manager) {
		ctx := ctxT(t)
		e := must(NewEvent(ctx, m))(t)
		var waited atomic.Int64
		done := make(chan struct{})
		go func() {
			defer close(done)
			concurrently(maxSlots+100, func(int) {
				if err := e.Wait(ctx); err != nil {
					t.Error(err)
				}
				waited.Add(1)
			})
		}()
		// Somebody who has the event has to set it: another client.
		if m.Pid() == 0 {
			l := m.core.local
			other := l.srv.open(func([]byte) {})
			defer other.end()
			var r request
			other.handle(&r, newCall(syncSet, e.id).buf)
		} else {
			play(t, props{Scene: "set", Event: e})
		}
		<-done
		if n := waited.Load(); n != maxSlots+100 {
			t.Errorf("%d waited", n)
		}
	})
}

// One who waits for a number hears of the connection's end as well, whenever it comes.
func TestNoSlotsAnyMore(t *testing.T) {
	ctx := ctxT(t)
	for range 10 {
		var s slots
		for range maxSlots {
			if ok, err := s.add(newCall(opStats, 0)); !ok || err != nil {
				t.Fatal(ok, err)
			}
		}
		end := make(chan error)
		go func() { end <- s.await(ctx, newCall(opStats, 0)) }()
		eventually(t, "somebody waits", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.sought > 0
		})
		s.fail(ErrManagerGone)
		is(t, "waiting for a number", <-end, ErrManagerGone)
	}
}

// What changes in one step for everybody: eight ways to count, from processes and goroutines.
func TestAtomic(t *testing.T) {
	each(t, func(t *testing.T, m *Manager) {
		ctx := ctxT(t)
		p := props{Scene: "count", N: 50, Dict: must(DictOf(ctx, m, map[string]int{"cas": 0}))(t),
			List: must(NewList(ctx, m, 0))(t), Array: must(NewArray[int32](ctx, m, 2))(t),
			Value: must(NewValue(ctx, m, 0.0))(t), Mutex: must(NewMutex(ctx, m))(t)}
		var wg sync.WaitGroup
		if m.Pid() != 0 {
			wg.Go(func() { play(t, p) })
		}
		for range 3 {
			wg.Go(func() {
				if err := countScene(ctx, p); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		want := 150
		if m.Pid() != 0 {
			want += 50
		}
		for k, v := range must(p.Dict.Copy(ctx))(t) {
			if v != want {
				t.Errorf("dict, %s: %d, want %d", k, v, want)
			}
		}
		if v := must(p.List.Get(ctx, 0))(t); v != want {
			t.Errorf("list: %d", v)
		}
		if v := must(p.Array.Slice(ctx, 0, -1))(t); v[0] != int32(want) || v[1] != int32(want) {
			t.Errorf("array: %d", v)
		}
		if v := must(p.Value.Get(ctx))(t); v != float64(2*want) {
			t.Errorf("value: %v", v)
		}
	})
}

var addUpdate = RegisterUpdate("manager.test.add", func(v int, _ bool, n int) (int, error) {
	switch n {
	case 13:
		panic("thirteen")
	case -1:
		return 0, errNegative
	}
	return v + n, nil
})

var addFloat = RegisterUpdate("manager.test.addfloat", func(v float64, _ bool, n float64) (float64, error) { return v + n, nil })

// countScene counts in every way in which one can.
func countScene(ctx context.Context, p props) error {
	inc := func(n int, _ bool) (int, error) { return n + 1, nil }
	for range p.N {
		for _, f := range []func() error{
			func() error { return second(p.Dict.Update(ctx, "update", inc)) },
			func() error { return second(Add(ctx, p.Dict, "add", 1)) },
			func() error { return second(Apply(ctx, p.Dict, "apply", addUpdate, 1)) },
			func() error { return second(p.List.Update(ctx, 0, func(n int) (int, error) { return n + 1, nil })) },
			func() error { return second(p.Array.Add(ctx, 0, 1)) },
			func() error { return second(AddTo(ctx, p.Value, 1)) },
			func() error { return second(ApplyTo(ctx, p.Value, addFloat, 1)) },
			func() error {
				for {
					n, err := p.Dict.Get(ctx, "cas")
					if err != nil {
						return err
					}
					if done, err := CompareAndSwap(ctx, p.Dict, "cas", n, n+1); done || err != nil {
						return err
					}
				}
			},
			func() error {
				for {
					n, err := p.Array.Get(ctx, 1)
					if err != nil {
						return err
					}
					if done, err := p.Array.CompareAndSwap(ctx, 1, n, n+1); done || err != nil {
						return err
					}
				}
			},
			func() (err error) {
				lockErr := p.Mutex.Do(ctx, func(LockState) {
					var n int
					if n, _, err = p.Dict.SetDefault(ctx, "locked", 0); err == nil {
						err = p.Dict.Set(ctx, "locked", n+1)
					}
				})
				return errors.Join(err, lockErr)
			},
		} {
			if err := f(); err != nil {
				return err
			}
		}
	}
	return nil
}

func TestUpdateErrors(t *testing.T) {
	each(t, func(t *testing.T, m *Manager) {
		ctx := ctxT(t)
		d := must(DictOf(ctx, m, map[string]int{"a": 1}))(t)
		_, err := Apply(ctx, d, "a", addUpdate, -1)
		is(t, "an update that fails", err, errNegative)
		_, err = Apply(ctx, d, "a", addUpdate, 13)
		var pe *multiproc.PanicError
		if !errors.As(err, &pe) || pe.Value != "thirteen" {
			t.Errorf("an update that panics: %v", err)
		}
		_, err = Apply(ctx, d, "a", Updater[int, int]{"nothing"}, 1)
		is(t, "an update that is not registered", err, ErrUnregistered)
		_, err = d.Update(ctx, "a", func(int, bool) (int, error) { return 5, errNegative })
		is(t, "an update that fails here", err, errNegative)
		if v := must(d.Get(ctx, "a"))(t); v != 1 {
			t.Errorf("changed to %d", v)
		}
		if done, err := CompareAndSwap(ctx, d, "b", 0, 1); done || err != nil {
			t.Errorf("a key that is not there: %v %v", done, err)
		}
		if old := must(must(NewValue(ctx, m, "x"))(t).Swap(ctx, "y"))(t); old != "x" {
			t.Errorf("swapped %q", old)
		}
		if done, err := CompareAndSwapIn(ctx, must(NewValue(ctx, m, "x"))(t), "x", "y"); !done || err != nil {
			t.Errorf("compared: %v %v", done, err)
		}
		names := must(DictOf(ctx, m, map[string]string{"a": "text"}))(t)
		_, err = Add(ctx, Dict[string, int64](names), "a", 1)
		is(t, "adding to a text", err, ErrNumber)
	})
}

// Numbers of every kind, and how they wrap around.
func TestNumbers(t *testing.T) {
	ctx := ctxT(t)
	m := makers[2].start(t)
	numbers[int8](ctx, t, m, math.MaxInt8, math.MinInt8)
	numbers[int16](ctx, t, m, math.MaxInt16, math.MinInt16)
	numbers[int32](ctx, t, m, math.MaxInt32, math.MinInt32)
	numbers[int64](ctx, t, m, math.MaxInt64, math.MinInt64)
	numbers(ctx, t, m, time.Duration(math.MaxInt64), math.MinInt64)
	numbers[uint8](ctx, t, m, math.MaxUint8, 0)
	numbers[uint16](ctx, t, m, math.MaxUint16, 0)
	numbers[uint32](ctx, t, m, math.MaxUint32, 0)
	numbers[uint64](ctx, t, m, math.MaxUint64, 0)
	numbers[uint](ctx, t, m, math.MaxUint, 0)
	numbers[float32](ctx, t, m, 0.5, 1.5)
	numbers[float64](ctx, t, m, 0.25, 1.25)
}

func numbers[N Number](ctx context.Context, t *testing.T, m *Manager, a, sum N) {
	t.Helper()
	arr := must(ArrayOf(ctx, m, a, a))(t)
	if v := must(arr.Add(ctx, 1, 1))(t); v != sum {
		t.Errorf("%v + 1 is %v in an array", a, v)
	}
	if v := must(arr.Swap(ctx, 1, a))(t); v != sum {
		t.Errorf("swapped %v", v)
	}
	if v := must(arr.Get(ctx, 0))(t); v != a {
		t.Errorf("the neighbour is %v", v)
	}
	is(t, "an index that is not there", second(arr.Add(ctx, 2, 1)), ErrIndex)
	is(t, "an index that is not there", second(arr.Get(ctx, 2)), ErrIndex)
	is(t, "an index that is not there", second(arr.Get(ctx, -1)), ErrIndex)
	is(t, "an index that is not there", arr.SetAll(ctx, 1, a, a), ErrIndex)
	d := must(DictOf(ctx, m, map[string]N{"a": a}))(t)
	if v := must(Add(ctx, d, "a", 1))(t); v != sum {
		t.Errorf("%v + 1 is %v in a dict", a, v)
	}
}

type padded struct {
	A int8
	B int64
	C float64
	_ int32
}

// Keys are compared by their value, whatever lies in between.
func TestKeys(t *testing.T) {
	ctx := ctxT(t)
	m := makers[2].start(t)
	d := must(NewDict[padded, int](ctx, m))(t)
	a, b := padded{A: 1, B: 2, C: math.Copysign(0, -1)}, padded{A: 1, B: 2}
	fill(&a, 0xff)
	ok(t, d.Set(ctx, a, 1))
	if v, err := d.Get(ctx, b); v != 1 || err != nil {
		t.Errorf("an equal key finds %d %v", v, err)
	}
	is(t, "NaN", d.Set(ctx, padded{C: math.NaN()}, 1), ErrKey)
	f := must(NewDict[[2]float32, int](ctx, m))(t)
	ok(t, f.Set(ctx, [2]float32{float32(math.Copysign(0, -1)), 1}, 2))
	if v := must(f.Get(ctx, [2]float32{0, 1}))(t); v != 2 {
		t.Errorf("zero finds %d", v)
	}
	_, err := NewDict[*int, int](ctx, m)
	is(t, "pointers", err, ErrKey)
	_, err = NewDict[struct{ p *int }, int](ctx, m)
	is(t, "pointers", err, ErrKey)
	type mixed struct {
		S string
		P struct {
			X bool
			Y uint32
		}
	}
	x := must(NewDict[mixed, string](ctx, m))(t)
	for i := range 10 {
		k := mixed{S: strconv.Itoa(i)}
		k.P.Y = uint32(i)
		ok(t, x.Set(ctx, k, k.S))
	}
	for it, err := range x.All(ctx) {
		if ok(t, err); it.Key.S != it.Value {
			t.Errorf("key %v has %q", it.Key, it.Value)
		}
	}
	tm := must(NewDict[time.Time, int](ctx, m))(t)
	now := time.Now().Round(0)
	ok(t, tm.Set(ctx, now, 3))
	if v := must(tm.Get(ctx, now))(t); v != 3 {
		t.Errorf("a time finds %d", v)
	}
}

// The handle of another kind or type is refused.
func TestHandlesAreTyped(t *testing.T) {
	each(t, func(t *testing.T, m *Manager) {
		ctx := ctxT(t)
		l := must(NewList[int](ctx, m))(t)
		b := must(l.AppendBinary(nil))(t)
		var same List[int]
		if err := same.UnmarshalBinary(b); err != nil || same != l {
			t.Errorf("the same type: %v", err)
		}
		is(t, "another item", new(List[int64]).UnmarshalBinary(b), errKind)
		is(t, "another kind", new(Queue[int]).UnmarshalBinary(b), errKind)
		for i := range b {
			if new(List[int]).UnmarshalBinary(b[:i]) == nil {
				t.Errorf("%d of %d bytes are a handle", i, len(b))
			}
		}
		var zero List[int]
		is(t, "the zero handle", zero.Append(ctx, 1), ErrInvalid)
		ok(t, zero.UnmarshalBinary(must(zero.AppendBinary(nil))(t)))
		_, err := zero.Manager()
		is(t, "the zero handle", err, ErrInvalid)
		is(t, "expired context", l.Append(expired(), 1), context.Canceled)
	})
}

func init() {
	scenes["set"] = func(ctx context.Context, p props) (int, error) { return 0, p.Event.Set(ctx) }
	scenes["count"] = func(ctx context.Context, p props) (int, error) { return 0, countScene(ctx, p) }
}
