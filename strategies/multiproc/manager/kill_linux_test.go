package manager

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/parbench/parbench/strategies/multiproc"
	"github.com/parbench/parbench/strategies/multiproc/shm"
)

// A process that dies with locks, and while it waits, stops nobody.
func TestClientKilled(t *testing.T) {
	eachProcess(t, func(t *testing.T, m *Manager) {
		ctx := ctxT(t)
		p := props{Scene: "hold", Mutex: must(NewMutex(ctx, m))(t), Reentrant: must(NewReentrant(ctx, m))(t),
			RW: must(NewRWMutex(ctx, m))(t), Ready: must(NewEvent(ctx, m))(t), Barrier: must(NewBarrier(ctx, m, 3))(t),
			Queue: must(NewQueue[int](ctx, m, 1))(t), Counter: must(counters.New(ctx, m))(t)}
		reading := must(NewRWMutex(ctx, m))(t)
		must(reading.RLock(ctx))(t)
		x := begin(t, p)
		ok(t, p.Ready.Wait(ctx))
		owner := NewOwner()
		for name, try := range map[string]func() (LockState, error){
			"mutex":     func() (LockState, error) { return p.Mutex.TryLock(ctx) },
			"reentrant": func() (LockState, error) { return p.Reentrant.TryLock(ctx, owner) },
			"rwmutex":   func() (LockState, error) { return p.RW.TryRLock(ctx) },
		} {
			if state := must(try())(t); state != NotLocked {
				t.Errorf("%s: %v while another has it", name, state)
			}
		}
		is(t, "unlock of another's", p.Mutex.Unlock(ctx), ErrNotOwner, shm.ErrNotOwner)
		// One waits already, others come later; all are served.
		waiting := make(chan LockState)
		go func() {
			state, err := p.Mutex.Lock(ctx)
			if err != nil {
				t.Error(err)
			}
			waiting <- state
		}()
		broken := make(chan error)
		go func() { _, err := p.Barrier.Wait(ctx); broken <- err }()
		eventually(t, "both wait at the barrier", func() bool { return must(p.Barrier.State(ctx))(t).Waiting == 2 })
		ok(t, x.Kill())
		if state := <-waiting; state != OwnerDied {
			t.Errorf("the mutex: %v after its owner's death", state)
		}
		ok(t, p.Mutex.Unlock(ctx))
		if state := must(p.Mutex.Lock(ctx))(t); state != Locked {
			t.Errorf("the mutex: %v afterwards", state)
		}
		if state := must(p.Reentrant.Lock(ctx, owner))(t); state != OwnerDied {
			t.Errorf("the reentrant mutex: %v after its owner's death", state)
		}
		for range 2 { // every reader is told, until a writer has had it
			if state := must(p.RW.RLock(ctx))(t); state != OwnerDied {
				t.Errorf("reading: %v after the writer's death", state)
			}
			ok(t, p.RW.RUnlock(ctx))
		}
		if state := must(p.RW.Lock(ctx))(t); state != OwnerDied {
			t.Errorf("writing: %v after the writer's death", state)
		}
		ok(t, p.RW.Unlock(ctx))
		if state := must(p.RW.RLock(ctx))(t); state != Locked {
			t.Errorf("reading: %v afterwards", state)
		}
		is(t, "the barrier", <-broken, ErrBroken, shm.ErrBroken)
		// What it waited for is not kept for it.
		ok(t, p.Queue.Put(ctx, 5))
		if v := must(p.Queue.Get(ctx))(t); v != 5 {
			t.Errorf("got %d", v)
		}
		eventually(t, "its session is gone", func() bool { return must(m.Stats(ctx))(t).Clients == 1 })
	})
}

// A manager goes when the process that has started it is killed, and leaves no file.
func TestParentKilled(t *testing.T) {
	ctx := ctxT(t)
	addr := t.TempDir() + "/socket"
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Env = append(os.Environ(), "MANAGER_TEST_VICTIM=parent", "MANAGER_TEST_ADDRESS="+addr)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	ok(t, err)
	ok(t, cmd.Start())
	token := make([]byte, 64)
	ok(t, readFull(out, token)) // not to the end: the manager has the pipe too
	m := must(Connect(ctx, addr, string(token)))(t)
	defer m.Close()
	q := must(NewQueue[int](ctx, m, 1))(t)
	c := must(counters.New(ctx, m))(t)
	pid := must(counterPid.Call(ctx, c, struct{}{}))(t)
	failed := make(chan error)
	go func() { _, err := q.Get(ctx); failed <- err }()
	ok(t, cmd.Process.Kill())
	_ = cmd.Wait()
	is(t, "a call that waits", <-failed, ErrManagerGone)
	eventually(t, "the manager's process ends", func() bool { return !alive(pid) })
	if _, err := os.Lstat(addr); err == nil {
		t.Error("the socket's file is left")
	}
}

// A caller whose context ends gets its error although the manager does not answer, and what the manager then does for it
// is undone.
func TestManagerStopped(t *testing.T) {
	eachProcess(t, func(t *testing.T, m *Manager) {
		ctx := ctxT(t)
		mu := must(NewMutex(ctx, m))(t)
		rw := must(NewRWMutex(ctx, m))(t)
		sem := must(NewSemaphore(ctx, m, 1))(t)
		q := must(NewQueue[int](ctx, m, 4))(t)
		ok(t, q.Put(ctx, 7))
		ok(t, q.Put(ctx, 8))
		d := must(NewDict[string, int](ctx, m))(t)
		ok(t, syscall.Kill(m.Pid(), syscall.SIGSTOP))
		eventually(t, "the manager is stopped", func() bool { return state(m.Pid()) == 'T' })
		defer func() { _ = syscall.Kill(m.Pid(), syscall.SIGCONT) }()
		short, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		var wg sync.WaitGroup
		for name, f := range map[string]func() error{
			"lock":    func() error { return second(mu.Lock(short)) },
			"rlock":   func() error { return second(rw.RLock(short)) },
			"acquire": func() error { return sem.Acquire(short) },
			"get":     func() error { return second(q.Get(short)) },
			"dict":    func() error { return second(d.Get(short, "a")) },
		} {
			wg.Go(func() { is(t, name, f(), context.DeadlineExceeded) })
		}
		wg.Wait()
		ok(t, syscall.Kill(m.Pid(), syscall.SIGCONT))
		must(mu.Lock(ctx))(t)
		must(rw.Lock(ctx))(t)
		ok(t, sem.Acquire(ctx))
		eventually(t, "the item is back", func() bool { return must(q.Len(ctx))(t) == 2 })
		for _, want := range []int{7, 8} {
			if v := must(q.Get(ctx))(t); v != want {
				t.Errorf("got %d, want %d", v, want)
			}
		}
	})
}

// Whoever may not connect, sends nonsense, or too much of it, loses the connection and disturbs nobody.
func TestGarbage(t *testing.T) {
	eachProcess(t, func(t *testing.T, m *Manager) {
		ctx := ctxT(t)
		d := must(NewDict[string, int](ctx, m))(t)
		hello := append(append([]byte(greeting), byte(len(m.Token()))), m.Token()...)
		frame := func(msg ...byte) []byte {
			return append(binary.LittleEndian.AppendUint32(nil, uint32(len(msg))), msg...)
		}
		for name, send := range map[string][]byte{
			"nothing":      {},
			"web":          []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
			"half a hello": hello[:20],
			"huge frame":   append(append(bytes.Clone(hello), 0), 0xff, 0xff, 0xff, 0xff, 1),
			"long frame":   append(append(bytes.Clone(hello), 0), 0, 0, 0, 0x40, 1, 2, 3),
			"short frame":  append(append(bytes.Clone(hello), 0), frame(1)...),
			"bells":        append(append(bytes.Clone(hello), 1), make([]byte, 4000)...),
			"no operation": append(append(bytes.Clone(hello), 0), frame(1, 0, 0, 0, 250, 1)...),
			"no object":    append(append(bytes.Clone(hello), 0), frame(1, 0, 0, 0, opCreate, 0, 99)...),
		} {
			f := must(dial(ctx, m.Address()))(t)
			ok(t, f.SetDeadline(time.Now().Add(time.Minute)))
			if _, err := f.Write(send); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("%s: %v", name, err)
			}
			if name == "nothing" || name == "half a hello" {
				defer f.Close() // it may wait for the rest
				continue
			}
			_ = syscall.Shutdown(int(f.Fd()), syscall.SHUT_WR)
			_, _ = io.Copy(io.Discard, f)
			ok(t, f.Close())
			ok(t, d.Set(ctx, name, 1))
		}
		// More connections than are greeted at a time.
		for range 2 * maxGreetings {
			f := must(dial(ctx, m.Address()))(t)
			ok(t, f.Close())
		}
		other := must(Connect(ctx, m.Address(), m.Token()))(t)
		ok(t, other.Close())
	})
}

// A client that damages the shared memory loses its connection.
func TestDamagedRing(t *testing.T) {
	ctx := ctxT(t)
	m := makers[0].start(t)
	d := must(NewDict[string, int](ctx, m))(t)
	cl, _, err := connect(ctx, m.Address(), m.Token())
	ok(t, err)
	cl.link.mu.Lock()
	cl.link.out.tail.Store(1 << 60)
	cl.link.mu.Unlock()
	cl.link.send([]byte{1, 0, 0, 0, opStats, 0}, true)
	_, _ = cl.link.sock.Write(bell)
	<-cl.done
	ok(t, d.Set(ctx, "a", 1))
}

// Neither process keeps descriptors, goroutines or children of managers that have ended.
func TestLeavesNothing(t *testing.T) {
	ctx := ctxT(t)
	once := func() {
		m := must(Start(ctx))(t)
		q := must(NewQueue[int](ctx, m, 1))(t)
		must(m.Stats(ctx))(t)
		ok(t, q.Put(ctx, 1))
		ok(t, m.Shutdown(ctx))
		if alive(m.Pid()) {
			t.Error("the process is left")
		}
	}
	descriptors := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		ok(t, err)
		return len(list)
	}
	once()
	before := descriptors()
	for range 10 {
		once()
	}
	if after := descriptors(); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
	cores.Lock()
	defer cores.Unlock()
	if n := len(cores.m); n > 0 {
		t.Errorf("%d managers are still known", n)
	}
	left, err := filepath.Glob("/dev/shm/*parbench*")
	if ok(t, err); len(left) > 0 {
		t.Errorf("left in shared memory: %v", left)
	}
}

// All of it with one P, and on one CPU.
func TestOneCPU(t *testing.T) {
	for name, opts := range map[string][]multiproc.ProcOption{
		"one P":   {multiproc.WithEnv("GOMAXPROCS=1")},
		"one CPU": {multiproc.WithCPUs(0), multiproc.WithEnv("GOMAXPROCS=1")},
	} {
		t.Run(name, func(t *testing.T) {
			if n := play(t, props{Scene: "alone"}, opts...); n != 3000 {
				t.Errorf("counted %d", n)
			}
		})
	}
}

// aloneScene has a manager of its own and uses it from several goroutines.
func aloneScene(ctx context.Context) (int, error) {
	m, err := Start(ctx)
	if err != nil {
		return 0, err
	}
	q, err1 := NewQueue[int](ctx, m, 2)
	d, err2 := NewDict[string, int](ctx, m)
	mu, err3 := NewMutex(ctx, m)
	errs := make(chan error, 9)
	errs <- errors.Join(err1, err2, err3)
	concurrently(7, func(i int) {
		for range 1000 {
			var err error
			switch {
			case i < 3:
				_, err = Add(ctx, d, "n", 1)
			case i == 3:
				err = q.Put(ctx, 1)
			case i == 4:
				_, err = q.Get(ctx)
			default:
				err = mu.Do(ctx, func(LockState) {})
			}
			if err != nil {
				errs <- err
				return
			}
		}
	})
	n, err := d.Get(ctx, "n")
	close(errs)
	for e := range errs {
		err = errors.Join(err, e)
	}
	return n, errors.Join(err, m.Shutdown(ctx))
}

func init() {
	victims["stranger"] = strangerScene
	scenes["alone"] = func(ctx context.Context, _ props) (int, error) { return aloneScene(ctx) }
	scenes["hold"] = func(ctx context.Context, p props) (int, error) {
		_, err1 := p.Mutex.Lock(ctx)
		_, err2 := p.Reentrant.Lock(ctx, NewOwner())
		_, err3 := p.RW.Lock(ctx)
		go func() { _, _ = p.Queue.Get(ctx) }()
		go func() { _, _ = p.Barrier.Wait(ctx) }()
		go func() { _, _ = counterWait.Call(ctx, p.Counter, struct{}{}) }()
		if err := errors.Join(err1, err2, err3, p.Ready.Set(ctx)); err != nil {
			return 0, err
		}
		<-ctx.Done()
		return 0, nil
	}
}

// Whoever has shut its manager down is told that it is closed, and not how the connection ended.
func TestAfterShutdown(t *testing.T) {
	ctx := ctxT(t)
	m := must(Start(ctx))(t)
	d := must(NewDict[string, int](ctx, m))(t)
	ok(t, m.Shutdown(ctx))
	<-m.Done()
	for range 2 {
		err := d.Set(ctx, "a", 1)
		is(t, "after Shutdown", err, ErrClosed, ErrManagerGone)
		if want := errShut.Error(); err.Error() != want {
			t.Errorf("%q, want %q", err, want)
		}
		ok(t, m.Shutdown(ctx))
	}
}

// strangerScene greets a manager of another user with the right token, and says whether that hangs up.
func strangerScene(ctx context.Context) error {
	token, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	f, err := dial(ctx, os.Getenv("MANAGER_TEST_ADDRESS"))
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(append(append([]byte(greeting), byte(len(token))), token...)); err != nil && !errors.Is(err, syscall.EPIPE) {
		return err
	}
	said := "hung up"
	if n, _ := io.Copy(io.Discard, f); n > 0 {
		said = "answered"
	}
	_, err = os.Stdout.WriteString(said)
	return err
}

// Nobody but its user reaches a manager, whatever they know.
func TestG14_OtherUser(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to be another user (run the tests with sudo)")
	}
	ctx := ctxT(t)
	// A directory and a binary that anybody may use.
	dir, err := os.MkdirTemp("", "manager-test")
	ok(t, err)
	defer os.RemoveAll(dir)
	ok(t, os.Chmod(dir, 0o755))
	bin := filepath.Join(dir, "other")
	self := must(os.ReadFile("/proc/self/exe"))(t)
	ok(t, os.WriteFile(bin, self, 0o755)) //nolint:gosec // somebody else is to run it
	for _, addr := range []string{"", filepath.Join(dir, "socket")} {
		var opts []Option
		if addr != "" {
			opts = append(opts, Address(addr))
		}
		m := makers[0].start(t, opts...)
		if addr != "" {
			ok(t, os.Chmod(addr, 0o666)) // as if its user had opened it to all
		}
		// The client looks who is at the other end, and so does the manager: one that does not look is not answered, though it
		// has the token.
		for scene, want := range map[string]string{"connect": errOtherUser.Error() + "\n", "stranger": "hung up"} {
			cmd := exec.CommandContext(ctx, bin)
			cmd.Dir = dir
			cmd.Env = []string{"MANAGER_TEST_VICTIM=" + scene, "MANAGER_TEST_ADDRESS=" + m.Address()}
			cmd.Stdin = strings.NewReader(m.Token())
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			if out, _ := cmd.CombinedOutput(); string(out) != want {
				t.Errorf("%q, %s: %q, want %q", addr, scene, out, want)
			}
		}
		if s := must(m.Stats(ctx))(t); s.Clients != 1 {
			t.Errorf("%d clients", s.Clients)
		}
	}
}
