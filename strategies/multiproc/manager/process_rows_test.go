package manager

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/parbench/parbench/strategies/multiproc"
)

func TestG08_ConnectFromAnUnrelatedProcess(t *testing.T) {
	for _, addr := range []string{"", t.TempDir() + "/socket"} {
		needProcesses(t)
		ctx := ctxT(t)
		var opts []Option
		if addr != "" {
			opts = append(opts, Address(addr))
		}
		m := makers[0].start(t, opts...)
		q := must(NewQueue[string](ctx, m, 4))(t)
		ok(t, Publish(ctx, m, "jobs", q))
		is(t, "a name that is taken", Publish(ctx, m, "jobs", q), ErrExists)
		// The other process is started without package multiproc; all it has is the address and the token.
		cmd := exec.CommandContext(ctx, "/proc/self/exe")
		cmd.Env = append(os.Environ(), "MANAGER_TEST_VICTIM=connect", "MANAGER_TEST_ADDRESS="+m.Address())
		cmd.Stdin = strings.NewReader(m.Token())
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		ok(t, err)
		if got := string(out); got != "connected" {
			t.Errorf("the other process says %q", got)
		}
		if v := must(q.Get(ctx))(t); v != "from "+strconv.Itoa(cmd.Process.Pid) {
			t.Errorf("got %q", v)
		}
		ok(t, Unpublish(ctx, m, "jobs"))
		_, err = Lookup[Queue[string]](ctx, m, "jobs")
		is(t, "a name that was given back", err, ErrNotFound)
		is(t, "a name that was given back", Unpublish(ctx, m, "jobs"), ErrNotFound)
		ok(t, Publish(ctx, m, "jobs", 5))
		_, err = Lookup[Queue[string]](ctx, m, "jobs")
		is(t, "something else", err, errKind)
		if n := must(Lookup[int](ctx, m, "jobs"))(t); n != 5 {
			t.Errorf("looked up %d", n)
		}
		// In a process that has one, Connect gives the same connection: locks belong to processes.
		l := must(NewMutex(ctx, m))(t)
		ok(t, Publish(ctx, m, "lock", l))
		again := must(Connect(ctx, m.Address(), m.Token()))(t)
		must(l.Lock(ctx))(t)
		ok(t, must(Lookup[Mutex](ctx, again, "lock"))(t).Unlock(ctx))
		eventually(t, "one client is left", func() bool { return must(m.Stats(ctx))(t).Clients == 1 })
		is(t, "shutting down somebody else's", again.Shutdown(ctx), ErrInvalid)
		ok(t, again.Close())
		ok(t, again.Close())
		must(m.Stats(ctx))(t)
	}
}

// connectScene is the other process of TestG08.
func connectScene(ctx context.Context) error {
	token := make([]byte, 64)
	n, _ := os.Stdin.Read(token)
	m, err := Connect(ctx, os.Getenv("MANAGER_TEST_ADDRESS"), string(token[:n]))
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	q, err := Lookup[Queue[string]](ctx, m, "jobs")
	if err != nil {
		return err
	}
	if err := q.Put(ctx, "from "+strconv.Itoa(os.Getpid())); err != nil {
		return err
	}
	_, err = os.Stdout.WriteString("connected")
	return err
}

func TestG09_RestartOnTheSameAddress(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	for _, addr := range []string{"@parbench-test-" + strconv.Itoa(os.Getpid()), t.TempDir() + "/socket"} {
		var old Dict[string, int]
		for i := range 5 {
			m := must(Start(ctx, Address(addr), Token("secret")))(t)
			if i > 0 {
				is(t, "a handle of the manager before", old.Set(ctx, "a", 1), ErrManagerGone)
			}
			other := must(Connect(ctx, addr, "secret"))(t)
			old = must(NewDict[string, int](ctx, other))(t)
			ok(t, old.Set(ctx, "a", 1))
			_, err := Start(ctx, Address(addr))
			if err == nil || !strings.Contains(err.Error(), "address already in use") {
				t.Errorf("an address that is in use: %v", err)
			}
			if i%2 == 0 {
				ok(t, m.Shutdown(ctx))
				ok(t, m.Shutdown(ctx)) // again
				continue
			}
			ok(t, syscall.Kill(m.Pid(), syscall.SIGKILL))
			<-m.Done()
			if m.Shutdown(ctx) == nil {
				t.Error("the end of a killed manager was orderly")
			}
		}
		if _, err := os.Lstat(addr); err == nil {
			t.Error("the socket's file is left")
		}
	}
	_, err := Start(ctx, Address("@"+strings.Repeat("x", 200)))
	is(t, "a long address", err, ErrInvalid)
	_, err = Start(ctx, Token(strings.Repeat("x", 256)))
	is(t, "a long token", err, ErrInvalid)
	_, err = Start(ctx, nil)
	is(t, "an option that is nil", err, ErrInvalid)
}

func TestG11_TypesFromAChild(t *testing.T) {
	eachProcess(t, func(t *testing.T, m *Manager) {
		ctx := ctxT(t)
		p := props{Scene: "types"}
		p.Dict = must(NewDict[string, int](ctx, m))(t)
		p.List = must(NewList(ctx, m, 1, 2))(t)
		p.Array = must(ArrayOf[int32](ctx, m, 1, 2, 3))(t)
		p.Value = must(NewValue(ctx, m, 1.5))(t)
		p.Queue = must(NewQueue[int](ctx, m, 8))(t)
		p.Other = must(NewQueue[int](ctx, m, 8))(t)
		p.Mutex = must(NewMutex(ctx, m))(t)
		p.Reentrant = must(NewReentrant(ctx, m))(t)
		p.RW = must(NewRWMutex(ctx, m))(t)
		p.Sem = must(NewBoundedSemaphore(ctx, m, 1))(t)
		p.Cond = must(NewCond(ctx, m, p.Mutex))(t)
		p.Event = must(NewEvent(ctx, m))(t)
		p.Ready = must(NewEvent(ctx, m))(t)
		p.Barrier = must(NewBarrier(ctx, m, 2))(t)
		p.Space = must(NewNamespace(ctx, m, settings{Name: "parent", Limit: 1}))(t)
		p.Counter = must(counters.New(ctx, m))(t)
		x := begin(t, p)

		must(p.Mutex.Lock(ctx))(t)
		ok(t, p.Ready.Set(ctx))
		must(p.Cond.WaitFor(ctx, func() bool { has, _ := p.Dict.Has(ctx, "notified"); return has }))(t)
		is(t, "unlock of another's reentrant mutex", p.Reentrant.Unlock(ctx, NewOwner()), ErrNotOwner)
		ok(t, p.Mutex.Unlock(ctx))
		must(p.Barrier.Wait(ctx))(t)
		ok(t, p.Other.Put(ctx, 1))
		ok(t, p.Other.Put(ctx, 2))
		ok(t, p.Other.Drain(ctx)) // the child does both
		if n, err := multiproc.Result[int](ctx, x); n != 7 || err != nil {
			t.Fatalf("the child says %d %v", n, err)
		}
		if v := must(p.Dict.Get(ctx, "child"))(t); v != 1 {
			t.Errorf("dict: %d", v)
		}
		if got := must(p.List.Slice(ctx, 0, -1))(t); !slices.Equal(got, []int{1, 2, 3}) {
			t.Errorf("list: %v", got)
		}
		if got := must(p.Array.Slice(ctx, 0, -1))(t); !slices.Equal(got, []int32{1, 12, 3}) {
			t.Errorf("array: %v", got)
		}
		if v := must(p.Value.Get(ctx))(t); v != 2.25 {
			t.Errorf("value: %v", v)
		}
		if v := must(p.Queue.Get(ctx))(t); v != 4 {
			t.Errorf("queue: %v", v)
		}
		if got := must(p.Space.Load(ctx))(t); got.Name != "child" || got.Limit != 2 {
			t.Errorf("namespace: %+v", got)
		}
		if n := must(counterAdd.Call(ctx, p.Counter, 0))(t); n != 5 {
			t.Errorf("service: %d", n)
		}
		if n := must(p.Sem.Value(ctx))(t); n != 1 {
			t.Errorf("semaphore: %d", n)
		}
		ok(t, p.Event.Wait(ctx))
	})
}

// typesScene uses every type; it is the child of TestG11.
func typesScene(ctx context.Context, p props) (int, error) {
	owner := NewOwner()
	steps := []func() error{
		func() error { return p.Ready.Wait(ctx) },
		func() error { return second(p.Reentrant.Lock(ctx, owner)) },
		func() error { return second(p.Reentrant.Lock(ctx, owner)) },
		func() error {
			if n, err := p.Reentrant.Depth(ctx, owner); n != 2 || err != nil {
				return errors.Join(errors.New("depth"), err)
			}
			return nil
		},
		func() error { return second(p.Mutex.Lock(ctx)) },
		func() error { return p.Dict.Set(ctx, "notified", 1) },
		func() error { return p.Cond.NotifyAll(ctx) },
		func() error { return p.Mutex.Unlock(ctx) },
		func() error { return second(p.Barrier.Wait(ctx)) },
		func() error { return errors.Join(p.Reentrant.Unlock(ctx, owner), p.Reentrant.Unlock(ctx, owner)) },
		func() error { return p.Dict.Set(ctx, "child", 1) },
		func() error { return p.List.Append(ctx, 3) },
		func() error { return second(p.Array.Add(ctx, 1, 10)) },
		func() error { return second(AddTo(ctx, p.Value, 0.75)) },
		func() error { return p.Queue.Put(ctx, 4) },
		func() error { return settingsName.Set(ctx, p.Space, "child") },
		func() error {
			return second(settingsLimit.Update(ctx, p.Space, func(n int) (int, error) { return n + 1, nil }))
		},
		func() error { return second(counterAdd.Call(ctx, p.Counter, 5)) },
		func() error { return errors.Join(p.Sem.Acquire(ctx), p.Sem.Release(ctx)) },
		func() error { return errors.Join(second(p.RW.RLock(ctx)), second(p.RW.RLock(ctx)), p.RW.RUnlock(ctx)) },
		func() error { return errors.Join(p.RW.RUnlock(ctx), second(p.RW.Lock(ctx)), p.RW.Unlock(ctx)) },
		func() error { return p.Event.Set(ctx) },
		func() error { return errors.Join(second(p.Other.Get(ctx)), p.Other.Done(ctx)) },
		func() error { return errors.Join(second(p.Other.Get(ctx)), p.Other.Done(ctx)) },
	}
	for i, step := range steps {
		if err := step(); err != nil {
			return i, err
		}
	}
	return 7, nil
}

func TestG13_ManagerGone(t *testing.T) {
	eachProcess(t, func(t *testing.T, _ *Manager) {
		ctx := ctxT(t)
		m := must(Start(ctx))(t)
		full := must(NewQueue[int](ctx, m, 1))(t)
		ok(t, full.Put(ctx, 1))
		empty := must(NewQueue[int](ctx, m, 1))(t)
		mu := must(NewMutex(ctx, m))(t)
		must(mu.Lock(ctx))(t)
		cond := must(NewCond(ctx, m, mu))(t)
		held := must(NewMutex(ctx, m))(t)
		must(held.Lock(ctx))(t)
		sem := must(NewSemaphore(ctx, m, 0))(t)
		event := must(NewEvent(ctx, m))(t)
		bar := must(NewBarrier(ctx, m, 3))(t)
		c := must(counters.New(ctx, m))(t)
		d := must(NewDict[string, int](ctx, m))(t)
		calls := map[string]func() error{
			"put":     func() error { return full.Put(ctx, 2) },
			"get":     func() error { return second(empty.Get(ctx)) },
			"drain":   func() error { return full.Drain(ctx) },
			"lock":    func() error { return second(held.Lock(ctx)) },
			"cond":    func() error { return second(cond.Wait(ctx)) },
			"acquire": func() error { return sem.Acquire(ctx) },
			"event":   func() error { return event.Wait(ctx) },
			"barrier": func() error { return second(bar.Wait(ctx)) },
			"method":  func() error { return second(counterWait.Call(ctx, c, struct{}{})) },
			"busy": func() error {
				for {
					if err := d.Set(ctx, "a", 1); err != nil {
						return err
					}
				}
			},
		}
		// And a client in another process, which is waiting too.
		x := begin(t, props{Scene: "gone", Queue: empty, Barrier: bar, Ready: must(NewEvent(ctx, m))(t)})
		var wg sync.WaitGroup
		for name, f := range calls {
			wg.Go(func() { is(t, name, f(), ErrManagerGone) })
		}
		eventually(t, "everybody waits", func() bool {
			s, err := bar.State(ctx)
			return err == nil && s.Waiting == 2
		})
		ok(t, syscall.Kill(m.Pid(), syscall.SIGKILL))
		wg.Wait()
		<-m.Done()
		is(t, "a new call", d.Set(ctx, "a", 1), ErrManagerGone)
		_, err := NewDict[string, int](ctx, m)
		is(t, "a new object", err, ErrManagerGone)
		_, err = Connect(ctx, m.Address(), m.Token())
		is(t, "connect", err, ErrManagerGone)
		if n, err := multiproc.Result[int](ctx, x); n != 1 || err != nil {
			t.Errorf("the other process: %d %v", n, err)
		}
		if m.Shutdown(ctx) == nil {
			t.Error("the end of a killed manager was orderly")
		}
	})
}

func TestG14_Token(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	m := makers[0].start(t)
	if len(m.Token()) < 32 {
		t.Errorf("the token %q is short", m.Token())
	}
	for _, token := range []string{"", "x", m.Token()[1:], m.Token() + "x", strings.Repeat("x", len(m.Token())), strings.Repeat("x", 256)} {
		_, err := Connect(ctx, m.Address(), token)
		is(t, "token "+token, err, ErrToken)
	}
	_, err := Connect(expired(), m.Address(), m.Token())
	is(t, "expired context", err, context.Canceled)
	other := must(Connect(ctx, m.Address(), m.Token()))(t)
	ok(t, other.Close())
	must(m.Stats(ctx))(t)
	for _, p := range [][2]string{{"", ""}, {"a", ""}, {"same", "same"}, {"same", "sama"}, {"xame", "same"}} {
		if sameToken(p[0], p[1]) != (p[0] == p[1]) {
			t.Errorf("sameToken%q", p)
		}
	}
}

func init() {
	scenes["types"] = typesScene
	scenes["gone"] = func(ctx context.Context, p props) (int, error) {
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() { _, _ = p.Barrier.Wait(ctx) })
		if _, err := p.Queue.Get(ctx); !errors.Is(err, ErrManagerGone) {
			return 0, errors.Join(errors.New("no ErrManagerGone"), err)
		}
		return 1, nil
	}
}
