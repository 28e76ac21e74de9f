package manager

import (
	"context"
	"errors"
	"iter"
	"os"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parbench/parbench/strategies/multiproc"
	"github.com/parbench/parbench/strategies/multiproc/shm"
)

// The tests of this file are the rows of docs/multiproc.md that concern managers.

func TestG01_List(t *testing.T) {
	each(t, func(t *testing.T, m *Manager) {
		ctx := ctxT(t)
		l := must(NewList(ctx, m, 0, 1, 2))(t)
		ok(t, l.Append(ctx, 3))
		ok(t, l.Append(ctx, 4, 5, 6))
		content := func(want ...int) {
			t.Helper()
			if got := must(l.Slice(ctx, 0, -1))(t); !slices.Equal(got, want) {
				t.Fatalf("list %v, want %v", got, want)
			}
			if n := must(l.Len(ctx))(t); n != len(want) {
				t.Fatalf("length %d, want %d", n, len(want))
			}
		}
		content(0, 1, 2, 3, 4, 5, 6)
		if got := must(l.Slice(ctx, 2, 5))(t); !slices.Equal(got, []int{2, 3, 4}) {
			t.Errorf("slice %v", got)
		}
		if got := must(l.Get(ctx, 6))(t); got != 6 {
			t.Errorf("item %d", got)
		}
		ok(t, l.Set(ctx, 0, 10))
		ok(t, l.Delete(ctx, 1, 6))
		content(10, 6)
		ok(t, l.Repeat(ctx, 2))
		content(10, 6, 10, 6)
		ok(t, l.Append(ctx, must(l.Slice(ctx, 0, 1))(t)...)) // concatenation
		ok(t, l.Insert(ctx, 1, 7, 8))
		content(10, 7, 8, 6, 10, 6, 10)
		ok(t, l.Replace(ctx, 0, 5))
		ok(t, l.Reverse(ctx))
		content(10, 6)
		if v := must(l.Pop(ctx, 0))(t); v != 10 {
			t.Errorf("popped %d", v)
		}
		if v := must(l.Pop(ctx, -1))(t); v != 6 {
			t.Errorf("popped %d", v)
		}
		content()
		for what, err := range map[string]error{"set": l.Set(ctx, 0, 1), "slice": second(l.Slice(ctx, 0, 1)),
			"get": second(l.Get(ctx, -1)), "pop": second(l.Pop(ctx, -1)), "delete": l.Delete(ctx, 1, 0)} {
			is(t, what, err, ErrIndex)
		}
		ok(t, l.Append(ctx, 1))
		is(t, "repeat", l.Repeat(ctx, 1<<40), ErrTooLarge, multiproc.ErrTooLarge)
		ok(t, l.Repeat(ctx, 0))
		content()
	})
}

func second[T any](_ T, err error) error { return err }

func TestG02_IterationSeesASnapshot(t *testing.T) {
	each(t, func(t *testing.T, m *Manager) {
		ctx := ctxT(t)
		l := must(NewList(ctx, m, 1, 2, 3))(t)
		var got []int
		for v, err := range l.All(ctx) {
			ok(t, err)
			got = append(got, v)
			ok(t, l.Append(ctx, 10*v))
		}
		if !slices.Equal(got, []int{1, 2, 3}) {
			t.Errorf("the loop saw %v", got)
		}
		if n := must(l.Len(ctx))(t); n != 6 {
			t.Errorf("length %d after the loop", n)
		}
		ok(t, l.Free(ctx))
		for _, err := range l.All(ctx) {
			is(t, "after Free", err, ErrFreed)
		}
	})
}

func TestG03_HandlesInsideObjects(t *testing.T) {
	each(t, func(t *testing.T, m *Manager) {
		ctx := ctxT(t)
		outer := must(NewDict[string, List[int]](ctx, m))(t)
		func() { // the inner list outlives the only variable that names it
			inner := must(NewList(ctx, m, 1))(t)
			ok(t, outer.Set(ctx, "inner", inner))
			ok(t, inner.Append(ctx, 2))
		}()
		again := must(outer.Get(ctx, "inner"))(t)
		ok(t, again.Append(ctx, 3))
		other := must(outer.Get(ctx, "inner"))(t)
		if got := must(other.Slice(ctx, 0, -1))(t); !slices.Equal(got, []int{1, 2, 3}) {
			t.Errorf("inner list %v", got)
		}
		if again != other {
			t.Error("two handles on the same list differ")
		}
		// Three levels, and a list of dicts.
		deep := must(NewList(ctx, m, outer))(t)
		first := must(deep.Get(ctx, 0))(t)
		ok(t, must(first.Get(ctx, "inner"))(t).Append(ctx, 4))
		if n := must(other.Len(ctx))(t); n != 4 {
			t.Errorf("length %d through three levels", n)
		}
		// Removing what names an object does not end it; Free does.
		ok(t, outer.Delete(ctx, "inner"))
		if n := must(other.Len(ctx))(t); n != 4 {
			t.Errorf("length %d after its name was removed", n)
		}
		ok(t, other.Free(ctx))
		is(t, "use after Free", again.Append(ctx, 5), ErrFreed)
		is(t, "second Free", again.Free(ctx), ErrFreed)
	})
	// Made in another process, which has ended.
	eachProcess(t, func(t *testing.T, m *Manager) {
		ctx := ctxT(t)
		d := must(NewDict[string, List[int]](ctx, m))(t)
		play(t, props{Scene: "make inner", Nested: d})
		if got := must(must(d.Get(ctx, "child's"))(t).Slice(ctx, 0, -1))(t); !slices.Equal(got, []int{7, 8}) {
			t.Errorf("list %v", got)
		}
	})
}

func TestG04_Dict(t *testing.T) {
	each(t, func(t *testing.T, m *Manager) {
		ctx := ctxT(t)
		d := must(NewDict[int, string](ctx, m))(t)
		_, err := d.Get(ctx, 1)
		is(t, "get", err, ErrNoKey)
		is(t, "delete", d.Delete(ctx, 1), ErrNoKey)
		for i := range 100 {
			ok(t, d.Set(ctx, 99-i, strconv.Itoa(i)))
		}
		keys := must(d.Keys(ctx))(t)
		if len(keys) != 100 || keys[0] != 99 || keys[99] != 0 {
			t.Errorf("keys %v are not in the order in which they came", keys)
		}
		for i := range 90 {
			ok(t, d.Delete(ctx, 99-i))
		}
		ok(t, d.Set(ctx, 9, "nine"))
		want := map[int]string{9: "nine", 8: "91", 7: "92", 6: "93", 5: "94", 4: "95", 3: "96", 2: "97", 1: "98", 0: "99"}
		if diff := cmp.Diff(want, must(d.Copy(ctx))(t)); diff != "" {
			t.Error(diff)
		}
		n := 0
		for it, err := range d.All(ctx) { // a snapshot: changing the dict is no error
			ok(t, err)
			if it.Key != 9-n || it.Value != want[it.Key] {
				t.Errorf("item %d is %v", n, it)
			}
			n++
			ok(t, d.Set(ctx, 1000+n, "new"))
		}
		if n != 10 {
			t.Errorf("%d items in the loop", n)
		}
		if n := must(d.Len(ctx))(t); n != 20 {
			t.Errorf("%d keys after the loop", n)
		}
		if k, v, err := d.PopLast(ctx); k != 1010 || v != "new" || err != nil {
			t.Errorf("last %d %q %v", k, v, err)
		}
		if v := must(d.Pop(ctx, 9))(t); v != "nine" {
			t.Errorf("popped %q", v)
		}
		if v, loaded, err := d.SetDefault(ctx, 8, "eight"); v != "91" || !loaded || err != nil {
			t.Errorf("set default: %q %v %v", v, loaded, err)
		}
		if v, loaded, err := d.SetDefault(ctx, 50, "fifty"); v != "fifty" || loaded || err != nil {
			t.Errorf("set default: %q %v %v", v, loaded, err)
		}
		if v, loaded, err := d.Swap(ctx, 50, "FIFTY"); v != "fifty" || !loaded || err != nil {
			t.Errorf("swap: %q %v %v", v, loaded, err)
		}
		if has := must(d.Has(ctx, 51))(t); has {
			t.Error("51 is there")
		}
		ok(t, d.SetAll(ctx, map[int]string{51: "a", 52: "b"}))
		if has := must(d.Has(ctx, 51))(t); !has {
			t.Error("51 is not there")
		}
		ok(t, d.Clear(ctx))
		if n := must(d.Len(ctx))(t); n != 0 {
			t.Errorf("%d keys after Clear", n)
		}
	})
}

func TestG05_QueueInsideAList(t *testing.T) {
	each(t, func(t *testing.T, m *Manager) {
		ctx := ctxT(t)
		q := must(NewQueue[string](ctx, m, 4))(t)
		l := must(NewList[Queue[string]](ctx, m))(t)
		ok(t, l.Append(ctx, q))
		ok(t, must(l.Get(ctx, 0))(t).Put(ctx, "through the list"))
		if v := must(q.Get(ctx))(t); v != "through the list" {
			t.Errorf("got %q", v)
		}
	})
}

// settings is a namespace's struct.
type settings struct {
	Name   string
	Limit  int
	Tags   []string
	secret int
}

var (
	settingsName  = FieldOf[settings, string]("Name")
	settingsLimit = FieldOf[settings, int]("Limit")
)

func TestG06_Namespace(t *testing.T) {
	each(t, func(t *testing.T, m *Manager) {
		ctx := ctxT(t)
		ns := must(NewNamespace(ctx, m, settings{"a", 1, []string{"x"}, 42}))(t)
		if got := must(ns.Load(ctx))(t); got.Name != "a" || got.Limit != 1 || !slices.Equal(got.Tags, []string{"x"}) || got.secret != 0 {
			t.Errorf("loaded %+v", got)
		}
		ok(t, settingsName.Set(ctx, ns, "b"))
		if n := must(settingsLimit.Update(ctx, ns, func(n int) (int, error) { return n + 1, nil }))(t); n != 2 {
			t.Errorf("updated to %d", n)
		}
		if got := must(ns.Load(ctx))(t); got.Name != "b" || got.Limit != 2 {
			t.Errorf("loaded %+v", got)
		}
		ok(t, ns.Store(ctx, settings{Name: "c"}))
		if s := must(settingsName.Get(ctx, ns))(t); s != "c" {
			t.Errorf("name %q", s)
		}
		_, err := Field[settings, int]{}.Get(ctx, ns)
		is(t, "zero field", err, errField)
	})
	for name, f := range map[string]func(){
		"private": func() { FieldOf[settings, int]("secret") },
		"absent":  func() { FieldOf[settings, int]("Nothing") },
		"type":    func() { FieldOf[settings, int]("Name") },
		"struct":  func() { FieldOf[int, int]("Name") },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}

// counter is a user's service.
type counter struct {
	n      atomic.Int64
	closed string // a file to be written by Close
}

var errNegative = errors.New("negative")

var _ = multiproc.RegisterSentinel("manager.test.negative", errNegative)

// quotaError is a registered type of errors.
type quotaError struct{ Left int }

func (e *quotaError) Error() string { return "quota: " + strconv.Itoa(e.Left) + " left" }

var _ = multiproc.RegisterError[*quotaError]("manager.test.quota")

func (c *counter) Add(_ context.Context, n int64) (int64, error) {
	switch {
	case n == 13:
		panic("thirteen")
	case n == 99:
		return 0, &quotaError{7}
	case n < 0:
		return 0, errNegative
	}
	return c.n.Add(n), nil
}

// Hidden is a method that nobody has registered.
func (c *counter) Hidden(context.Context, struct{}) (int64, error) { return -1, nil }

func (c *counter) Pid(context.Context, struct{}) (int, error) { return os.Getpid(), nil }

func (c *counter) CloseTo(_ context.Context, path string) (struct{}, error) {
	c.closed = path
	return struct{}{}, nil
}

func (c *counter) Wait(ctx context.Context, _ struct{}) (struct{}, error) {
	<-ctx.Done()
	return struct{}{}, ctx.Err()
}

// Count yields 0 to n-1; a file is written when the loop has ended early.
func (c *counter) Count(_ context.Context, o order) iter.Seq2[int, error] {
	return func(yield func(int, error) bool) {
		for i := range o.N {
			var err error
			if i == o.Bad {
				err = errNegative
			}
			if !yield(i, err) {
				_ = os.WriteFile(o.Path, []byte("ended"), 0o600)
				return
			}
		}
	}
}

type order struct {
	N, Bad int
	Path   string
}

func (c *counter) Close() error {
	if c.closed == "" {
		return nil
	}
	return os.WriteFile(c.closed, []byte("closed"), 0o600)
}

var (
	counters       = RegisterService("manager.test.counter", func(context.Context) (*counter, error) { return &counter{}, nil })
	counterAdd     = RegisterMethod(counters, "Add", (*counter).Add)
	counterPid     = RegisterMethod(counters, "Pid", (*counter).Pid)
	counterWait    = RegisterMethod(counters, "Wait", (*counter).Wait)
	counterCloseTo = RegisterMethod(counters, "CloseTo", (*counter).CloseTo)
	counterCount   = RegisterStream(counters, "Count", (*counter).Count)
	broken         = RegisterService("manager.test.broken", func(context.Context) (*counter, error) { return nil, errNegative })
)

func TestG07_Service(t *testing.T) {
	for _, k := range makers {
		t.Run(k.name, func(t *testing.T) {
			ctx := ctxT(t)
			m := k.start(t)
			c := must(counters.New(ctx, m))(t)
			concurrently(8, func(int) {
				for range 100 {
					if _, err := counterAdd.Call(ctx, c, 1); err != nil {
						t.Error(err)
					}
				}
			})
			if n := must(counterAdd.Call(ctx, c, 0))(t); n != 800 {
				t.Errorf("counted %d", n)
			}
			pid := must(counterPid.Call(ctx, c, struct{}{}))(t)
			if want := m.Pid(); !k.local && pid != want || k.local && pid != os.Getpid() {
				t.Errorf("ran in process %d", pid)
			}
			_, err := (Method[*counter, struct{}, int64]{"manager.test.counter", "Hidden"}).Call(ctx, c, struct{}{})
			is(t, "a method that is not registered", err, ErrUnregistered, multiproc.ErrUnregistered)
			_, err = (Service[*counter]{&serviceType{name: "nothing"}}).New(ctx, m)
			is(t, "a service that is not registered", err, ErrUnregistered)
			_, err = broken.New(ctx, m)
			is(t, "a factory that fails", err, errNegative)

			path := t.TempDir() + "/closed"
			must(counterCloseTo.Call(ctx, c, path))(t)
			waiting := make(chan error)
			go func() { _, err := counterWait.Call(ctx, c, struct{}{}); waiting <- err }()
			eventually(t, "the service is closed", func() bool {
				_ = c.Free(ctx)
				_, err := os.Stat(path)
				return err == nil
			})
			if err := <-waiting; err == nil {
				t.Error("a method whose service was freed has no error")
			}
			_, err = counterAdd.Call(ctx, c, 1)
			is(t, "a call after Free", err, ErrFreed)

			if !k.local {
				ok(t, m.Shutdown(ctx))
				if exit, done := m.Exit(); !done || !exit.Success() {
					t.Errorf("exit state %v", exit)
				}
			}
		})
	}
}

func TestG07_Stream(t *testing.T) {
	each(t, func(t *testing.T, m *Manager) {
		ctx := ctxT(t)
		c := must(counters.New(ctx, m))(t)
		sum, failures := 0, 0
		for v, err := range counterCount.All(ctx, c, order{N: 10, Bad: 4}) {
			if errors.Is(err, errNegative) {
				failures++
				continue
			}
			ok(t, err)
			sum += v
		}
		if sum != 41 || failures != 1 {
			t.Errorf("sum %d, %d failures", sum, failures)
		}
		path := t.TempDir() + "/ended"
		for v, err := range counterCount.All(ctx, c, order{N: 1 << 40, Bad: -1, Path: path}) {
			if ok(t, err); v == 3 {
				break
			}
		}
		eventually(t, "the method notices that the loop has ended", func() bool {
			_, err := os.Stat(path)
			return err == nil
		})
		if n := must(m.Stats(ctx))(t).Objects["iterator"]; n != 0 {
			t.Errorf("%d iterators are left", n)
		}
	})
}

func TestG10_Errors(t *testing.T) {
	each(t, func(t *testing.T, m *Manager) {
		ctx := ctxT(t)
		q := must(NewQueue[int](ctx, m, 1))(t)
		_, err := q.TryGet(ctx)
		is(t, "empty", err, ErrEmpty, multiproc.ErrEmpty)
		ok(t, q.TryPut(ctx, 1))
		is(t, "full", q.TryPut(ctx, 2), ErrFull, multiproc.ErrFull)
		is(t, "full", q.Put(expired(), 2), ErrFull, context.Canceled)
		if v, err := q.Get(expired()); v != 1 || err != nil { // what is there is taken
			t.Errorf("got %d %v", v, err)
		}
		_, err = q.Get(expired())
		is(t, "empty", err, ErrEmpty, context.Canceled)
		is(t, "one Done too many", errors.Join(q.Done(ctx), q.Done(ctx)), ErrTooManyDone, multiproc.ErrTooManyDone)

		s := must(NewBoundedSemaphore(ctx, m, 1))(t)
		is(t, "over-release", s.Release(ctx), ErrOverRelease, shm.ErrOverRelease)
		l := must(NewMutex(ctx, m))(t)
		is(t, "unlock", l.Unlock(ctx), ErrUnlocked, shm.ErrUnlocked)

		c := must(counters.New(ctx, m))(t)
		_, err = counterAdd.Call(ctx, c, -1)
		is(t, "a sentinel", err, errNegative)
		_, err = counterAdd.Call(ctx, c, 99)
		var quota *quotaError
		if !errors.As(err, &quota) || quota.Left != 7 {
			t.Errorf("a registered type: %v", err)
		}
		_, err = counterAdd.Call(ctx, c, 13)
		var te *multiproc.TaskError
		var pe *multiproc.PanicError
		if !errors.As(err, &te) || te.Func != "manager.test.counter.Add" || te.Stack == "" || !errors.As(err, &pe) || pe.Value != "thirteen" {
			t.Errorf("a panic: %v", err)
		}
		_, err = NewDict[string, chan int](ctx, m)
		var ee *multiproc.EncodeError
		if !errors.As(err, &ee) {
			t.Errorf("a dict of channels: %v", err)
		}
	})
}

func TestG12_Initialiser(t *testing.T) {
	for _, k := range makers {
		t.Run(k.name, func(t *testing.T) {
			ctx := ctxT(t)
			m := k.start(t, Init(setUp, 5))
			if n := must(preparedAdd.Call(ctx, must(prepared.New(ctx, m))(t), 0))(t); n != 5 {
				t.Errorf("the initialiser has left %d", n)
			}
			opts := append([]Option{Init(setUp, -1)}, k.opts...)
			var err error
			if k.local {
				_, err = NewLocal(opts...)
			} else {
				_, err = Start(ctx, opts...)
			}
			is(t, "an initialiser that fails", err, errNegative)
		})
	}
}

var initialised atomic.Int64

var (
	setUp = RegisterInit("manager.test.init", func(_ context.Context, n int64) error {
		if n < 0 {
			return errNegative
		}
		initialised.Store(n)
		return nil
	})
	prepared = RegisterService("manager.test.prepared", func(context.Context) (*counter, error) {
		c := &counter{}
		c.n.Store(initialised.Load())
		return c, nil
	})
	preparedAdd = RegisterMethod(prepared, "Add", (*counter).Add)
)

func TestD04_LocalManager(t *testing.T) {
	// The tests that use each run with a local manager too. What differs:
	ctx := ctxT(t)
	m := must(NewLocal())(t)
	d := must(NewDict[string, int](ctx, m))(t)
	if m.Pid() != 0 || m.Address() != "" {
		t.Error("a local manager has a process")
	}
	if _, err := Connect(ctx, m.Address(), m.Token()); err == nil {
		t.Error("connected to a local manager")
	}
	needProcesses(t)
	_, err := multiproc.Call(ctx, inChild, props{Scene: "use", Dict: d})
	if err == nil {
		t.Error("a handle of a local manager works in another process")
	}
	ok(t, m.Close())
	is(t, "after Close", d.Set(ctx, "a", 1), ErrManagerGone, ErrClosed)
	_, err = NewDict[string, int](ctx, m)
	is(t, "after Close", err, ErrManagerGone, ErrClosed, multiproc.ErrClosed)
	<-m.Done()
}

func init() {
	scenes["make inner"] = func(ctx context.Context, p props) (int, error) {
		m, err := p.Nested.Manager()
		if err != nil {
			return 0, err
		}
		l, err := NewList(ctx, m, 7)
		if err != nil {
			return 0, err
		}
		return 0, errors.Join(p.Nested.Set(ctx, "child's", l), l.Append(ctx, 8))
	}
	scenes["use"] = func(ctx context.Context, p props) (int, error) { return 0, p.Dict.Set(ctx, "a", 1) }
}
