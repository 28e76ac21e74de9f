package multiproc

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func needProcesses(*testing.T) {}

func newPool[In, Out any](t *testing.T, fn Func[In, Out], opts ...PoolOption) *ProcessPool[In, Out] {
	t.Helper()
	return make2(t, makers[0], fn, nil, opts...).(*ProcessPool[In, Out])
}

// Whatever way a worker ends, exactly the task it was running fails, at once, and the pool heals.
func TestCrashCostsOneTask(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, c := range []struct {
		do   string
		exit ExitState
		tail string
	}{
		{"exit", ExitState{Code: 7}, "last words"},
		{"kill", ExitState{Code: -1, Signal: syscall.SIGKILL}, ""},
		{"goroutine", ExitState{Code: 2}, "panic: elsewhere"},
		{"goexit", ExitState{Code: exitProtocol}, "runtime.Goexit"},
	} {
		t.Run(c.do, func(t *testing.T) {
			p, ctx := newPool(t, crash, Workers(2), WithStderr(null)), ctxT(t)
			in := make([]order, 200)
			for i := range in {
				in[i].N = i
			}
			in[100] = order{c.do, 7}
			failed, n := 0, 0
			for v, err := range p.Imap(ctx, slices.Values(in), Window(150)) {
				var te *TaskError
				var ce *CrashError
				switch {
				case err == nil && v == n:
				case n == 100 && errors.As(err, &te) && errors.As(err, &ce):
					failed++
					if te.Index != 100 || ce.Exit.Code != c.exit.Code || ce.Exit.Signal != c.exit.Signal || ce.Attempts != 1 ||
						ce.Pid == 0 || !strings.Contains(string(ce.StderrTail), c.tail) {
						t.Errorf("%+v %q", ce, ce.StderrTail)
					}
				default:
					t.Errorf("item %d: %v, %v", n, v, err)
				}
				n++
			}
			if failed != 1 || n != 200 {
				t.Errorf("%d failures in %d items", failed, n)
			}
			eventually(t, "the pool has two workers again", func() bool { return p.Stats().Workers == 2 })
			if s := p.Stats(); s.Crashes != 1 || s.Restarts != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// A worker that is killed while it has nothing to do costs no task.
func TestIdleWorkerKilled(t *testing.T) {
	p, ctx := newPool(t, square, Workers(2)), ctxT(t)
	old := p.Pids()
	for _, pid := range old {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "both workers are replaced", func() bool {
		s := p.Stats()
		return s.Workers == 2 && s.Crashes == 2
	})
	out, err := p.Map(ctx, numbers(100))
	if !slices.Equal(out, squares(100)) || err != nil {
		t.Error(out, err)
	}
	for _, pid := range p.Pids() {
		if slices.Contains(old, pid) {
			t.Errorf("pid %d is still listed", pid)
		}
	}
}

func TestRetry(t *testing.T) {
	file := filepath.Join(t.TempDir(), "crashed")
	p, ctx := newPool(t, crash, Workers(1), WithEnv("MULTIPROC_TEST_FILE="+file), WithStderr(devNull(t))), ctxT(t)
	if v, err := p.Apply(ctx, order{"once", 5}, Retry(1)); v != 5 || err != nil {
		t.Errorf("%v, %v", v, err)
	}
	var ce *CrashError
	if _, err := p.Apply(ctx, order{"exit", 5}, Retry(2)); !errors.As(err, &ce) || ce.Attempts != 3 {
		t.Errorf("%v, want a crash on the third attempt", err)
	}
}

// A pool whose workers cannot live does not restart them for ever, and nobody waits for ever.
func TestBroken(t *testing.T) {
	ctx := ctxT(t)
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	_, err = NewPool(ctx, Func[int, int]{&entry{name: "test.nowhere"}}, Workers(1), Restart(2), WithStderr(null))
	var ce *CrashError
	if !errors.As(err, &ce) || !errors.Is(err, ErrUnregistered) || ce.Exit.Code != exitUnregistered ||
		!strings.Contains(err.Error(), "test.nowhere") || len(ce.StderrTail) > 0 {
		t.Errorf("unregistered function: %v", err)
	}
	if _, err = NewPool(ctx, square, Workers(1), WithDir("/does/not/exist")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing directory: %v", err)
	}
	if _, err = NewPool(ctx, square, Workers(1), WithCPUs(8000)); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("missing CPU: %v", err)
	}
	gone, cancel := context.WithCancel(ctx)
	cancel()
	if _, err = NewPool(gone, square, Workers(2)); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: %v", err)
	}
	if _, err := NewPool(ctx, Func[int, int]{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("zero Func: %v", err)
	}
}

// A timeout stops a busy loop that no context and no panic can stop, and the others do not notice.
func TestTimeoutKillsBusyLoop(t *testing.T) {
	p, ctx := newPool(t, crash, Workers(2)), ctxT(t)
	before := p.Pids()
	in := make([]order, 50)
	in[10].Do = "spin"
	out, err := p.Map(ctx, in, Chunk(1), Timeout(1e9))
	var te *TaskError
	if !errors.As(err, &te) || te.Index != 10 || !errors.Is(err, ErrTimeout) || len(out) != 50 {
		t.Errorf("%v", err)
	}
	eventually(t, "the worker is replaced", func() bool { return len(p.Pids()) == 2 && !slices.Equal(p.Pids(), before) })
	if s := p.Stats(); s.Timeouts != 1 || s.Crashes != 0 {
		t.Errorf("%+v", s)
	}
}

func TestMaxTasks(t *testing.T) {
	p, ctx := newPool(t, crash, Workers(1), MaxTasks(3)), ctxT(t)
	in := make([]order, 10)
	for i := range in {
		in[i].Do = "pid"
	}
	out, err := p.Map(ctx, in, Chunk(1))
	if err != nil {
		t.Fatal(err)
	}
	count := make(map[int]int)
	for _, pid := range out {
		count[pid]++
	}
	if len(count) != 4 {
		t.Errorf("%v: want 4 workers for 10 tasks", count)
	}
	for pid, n := range count {
		if n > 3 {
			t.Errorf("worker %d ran %d tasks", pid, n)
		}
	}
	if s := p.Stats(); s.Crashes != 0 {
		t.Errorf("%+v", s)
	}
}

// A worker that is let go and does not leave is killed after its grace: else nobody would take its place, and Join would
// wait for ever.
func TestGrace(t *testing.T) {
	for _, m := range makers[:2] {
		ctx := ctxT(t)
		p, err := NewPool(ctx, crash, append(m.opts, Workers(1), MaxTasks(1), Grace(time.Millisecond))...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Terminate() })
		for i := range 2 {
			if n, err := p.Apply(ctx, order{Do: "stay", N: i}); n != i || err != nil {
				t.Fatal(m.name, n, err)
			}
		}
		_ = p.Close()
		if err := p.Join(ctx); err != nil {
			t.Fatal(m.name, err)
		}
		if s := p.Stats(); s.Crashes != 0 || s.Restarts != 1 {
			t.Errorf("%s: %+v", m.name, s)
		}
	}
	if _, err := NewPool(ctxT(t), crash, Grace(-1)); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}

// Without a limit, workers are used again.
func TestWorkersStay(t *testing.T) {
	p, ctx := newPool(t, crash, Workers(3)), ctxT(t)
	in := make([]order, 1000)
	for i := range in {
		in[i].Do = "pid"
	}
	out, err := p.Map(ctx, in, Chunk(1))
	if err != nil {
		t.Fatal(err)
	}
	pids := p.Pids()
	for _, pid := range out {
		if !slices.Contains(pids, pid) {
			t.Fatalf("task ran in %d, workers are %v", pid, pids)
		}
	}
}

func TestUnencodable(t *testing.T) {
	ctx := ctxT(t)
	var ee *EncodeError
	if _, err := newPool(t, chans, Workers(1)).Apply(ctx, make(chan int)); !errors.As(err, &ee) || ee.Type != "chan int" {
		t.Errorf("chan: %v", err)
	}
	if _, err := newPool(t, funcs, Workers(1)).Map(ctx, []int{1}); !errors.As(err, &ee) || ee.Type != "func()" {
		t.Errorf("func result: %v", err)
	}
	p := newPool(t, locks, Workers(1))
	for _, err := range p.Imap(ctx, slices.Values(make([]struct{ mu *sync.Mutex }, 3))) {
		if !errors.As(err, &ee) {
			t.Errorf("mutex: %v", err)
		}
	}
	if _, err := Call(ctx, chans, nil); !errors.As(err, &ee) {
		t.Errorf("Call: %v", err)
	}
	if s := p.Stats(); s.Queued != 0 || s.Running != 0 {
		t.Errorf("%+v", s)
	}
}

// Both directions are full at the same time: more is under way than all pipes hold.
func TestHugeMessages(t *testing.T) {
	p, ctx := newPool(t, echo, Workers(2)), ctxT(t)
	size := 64 << 20
	if testing.Short() {
		size = 8 << 20
	}
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i * i >> 3)
	}
	out, err := p.Map(ctx, []blob{{"a", data}, {"b", data[:1<<20]}, {"c", nil}, {"d", data[:3<<20]}}, Chunk(1))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{size, 1 << 20, 0, 3 << 20} {
		if out[i].Name != string(rune('a'+i)) || !bytes.Equal(out[i].Data, data[:want]) {
			t.Errorf("message %d came back changed", i)
		}
	}
	var futs []*Future[blob]
	for range 40 {
		f, err := p.ApplyAsync(ctx, blob{"x", data[:200_000]})
		if err != nil {
			t.Fatal(err)
		}
		futs = append(futs, f)
	}
	for _, f := range futs {
		if b, err := f.Get(ctx); err != nil || !bytes.Equal(b.Data, data[:200_000]) {
			t.Fatal("message came back changed", err)
		}
	}
}

// A worker holds the same descriptors, however many siblings it has, and none of theirs.
func TestDescriptors(t *testing.T) {
	ctx := ctxT(t)
	one := newPool(t, crash, Workers(1))
	few, err := one.Apply(ctx, order{Do: "descriptors"})
	if err != nil {
		t.Fatal(err)
	}
	many := newPool(t, crash, Workers(8))
	out, err := many.Map(ctx, slices.Repeat([]order{{Do: "descriptors"}}, 64), Chunk(1))
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range out {
		if n != few {
			t.Errorf("worker has %d descriptors with 8 siblings, %d alone (task %d)", n, few, i)
		}
	}
	pipes := make(map[string]int)
	for _, pid := range many.Pids() {
		for fd := 3; fd <= 4; fd++ {
			link, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/fd/" + strconv.Itoa(fd))
			if err != nil || !strings.HasPrefix(link, "pipe:") {
				t.Errorf("descriptor %d of %d: %s %v", fd, pid, link, err)
			}
			if other := pipes[link]; other != 0 {
				t.Errorf("%d and %d share %s", pid, other, link)
			}
			pipes[link] = pid
		}
	}
}

// Nothing is left behind by pools that came and went: no zombie, no descriptor.
func TestNothingLeft(t *testing.T) {
	ctx := ctxT(t)
	cycle := func() {
		p, err := NewPool(ctx, square, Workers(3))
		if err != nil {
			t.Fatal(err)
		}
		pids := p.Pids()
		if _, err := p.Map(ctx, numbers(100)); err != nil {
			t.Error(err)
		}
		if err := p.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		q, err := NewPool(ctx, block, Workers(3))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, q.Pids()...)
		if _, err := q.ApplyAsync(ctx, 1); err != nil {
			t.Error(err)
		}
		if err := q.Terminate(); err != nil {
			t.Error(err)
		}
		if _, err := Call(ctx, square, 3); err != nil {
			t.Error(err)
		}
		if len(pids) != 6 {
			t.Errorf("pids %v", pids)
		}
		for _, pid := range pids {
			if alive(pid) {
				t.Errorf("worker %d lives", pid)
			}
		}
	}
	cycle() // what the runtime opens once is open now
	before := countDescriptors("self")
	for range 3 {
		cycle()
	}
	if n := zombies(); n != 0 {
		t.Errorf("%d zombies", n)
	}
	if after := countDescriptors("self"); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func TestChildEnvironment(t *testing.T) {
	ctx := ctxT(t)
	ask := func(p *ProcessPool[order, int], what string) int {
		v, err := p.Apply(ctx, order{Do: what})
		if err != nil {
			t.Error(err)
		}
		return v
	}
	p := newPool(t, crash, Workers(1))
	if v := ask(p, "env"); v != 1 {
		t.Errorf("GOMAXPROCS=%d in a pool worker", v)
	}
	if v := ask(newPool(t, crash, Workers(1), WithEnv("GOMAXPROCS=3")), "env"); v != 3 {
		t.Errorf("GOMAXPROCS=%d, want that of WithEnv", v)
	}
	if v := ask(p, "cookie"); v != 0 {
		t.Error("the cookie is still in the child's environment")
	}
	if v := ask(p, "ppid"); v != os.Getpid() {
		t.Errorf("parent %d", v)
	}
	if v := ask(p, "pgid"); v != syscall.Getpgrp() {
		t.Errorf("group %d, want the parent's %d", v, syscall.Getpgrp())
	}
	q := newPool(t, crash, Workers(1), OwnGroup())
	if v := ask(q, "pgid"); v != q.Pids()[0] {
		t.Errorf("group %d, want its own", v)
	}
	if IsChild() || ChildFunction() != "" || !Registered("test.square") || Registered("test.nowhere") {
		t.Error("wrong account of this process")
	}
}

// victim is the parent that TestParentKilled kills: it tells the pids of workers and of what their tasks have started.
func victim() {
	ctx := context.Background()
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	var pids []string
	pool := func(opts ...PoolOption) *ProcessPool[script, string] {
		p, err := NewPool(ctx, inChild, append(opts, Workers(1))...)
		must(err)
		pids = append(pids, strconv.Itoa(p.Pids()[0]))
		return p
	}
	pool() // to be stopped
	pool()
	pool(pipesOnly)
	for i, opts := range [][]PoolOption{nil, {pipesOnly}, {OwnGroup()}} { // idle, each with a program that a task has left
		p := pool(opts...)
		pid, err := p.Apply(ctx, script{"sleeper", strconv.FormatBool(i == 2)})
		must(err)
		pids = append(pids, pid)
	}
	for _, opts := range [][]PoolOption{nil, {pipesOnly}} {
		_, err := pool(opts...).ApplyAsync(ctx, script{"spin", os.DevNull})
		must(err)
	}
	one := scene("spin", os.DevNull)
	must(one.Start(ctx))
	pid, _ := one.Pid()
	pids = append(pids, strconv.Itoa(pid))
	_, _ = os.Stdout.WriteString(strings.Join(pids, " ") + "\n")
	select {}
}

// Nothing outlives a parent that is killed: neither workers that are busy on their only P, idle or stopped, nor the
// programs that their tasks have started.
func TestParentKilled(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "MULTIPROC_TEST_VICTIM=1", "GOMAXPROCS=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 200)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, f := range strings.Fields(string(line[:n])) {
		pid := number(t, f)
		if !alive(pid) {
			t.Errorf("%d is not alive", pid)
		}
		pids = append(pids, pid)
	}
	if len(pids) != 12 {
		t.Fatalf("pids %v", pids)
	}
	if err := syscall.Kill(pids[0], syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for i, pid := range pids {
		eventually(t, "process "+strconv.Itoa(i)+" dies", func() bool { return !alive(pid) })
	}
}

// What a task has started dies with its worker when that is killed on purpose.
func TestKilledTaskLeavesNothing(t *testing.T) {
	ctx := ctxT(t)
	for name, end := range map[string]func(p *ProcessPool[script, string]) error{
		"Terminate": (*ProcessPool[script, string]).Terminate,
		"Timeout": func(p *ProcessPool[script, string]) error {
			if _, err := p.Apply(ctx, script{"spin", os.DevNull}, Timeout(1e6)); !errors.Is(err, ErrTimeout) {
				return err
			}
			return nil
		},
	} {
		p := newPool(t, inChild, Workers(1))
		s, err := p.Apply(ctx, script{"sleeper", "false"})
		if err != nil {
			t.Fatal(err)
		}
		pid := number(t, s)
		if !alive(pid) {
			t.Errorf("%s: no program was started", name)
		}
		if err := end(p); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		eventually(t, name+" reaches what the task has started", func() bool { return !alive(pid) })
	}
}

// The lifeline alone ends a worker in a busy loop on its only P: the parent is alive here, so no signal helps.
func TestLifelineEndsBusyWorker(t *testing.T) {
	ctx := ctxT(t)
	p := NewProcess(crash, order{Do: "spin"}, WithEnv("GOMAXPROCS=1"))
	if err := p.Start(ctx); err != nil {
		t.Fatal(err)
	}
	_ = p.child.In.Close()
	if exit, err := p.Join(ctx); err != nil || exit.Code != exitOrphan {
		t.Errorf("%v %v", exit, err)
	}
}

// A program that never calls Main must not run its own main as a worker.
func TestChildWithoutMain(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for the watchdog")
	}
	dir := t.TempDir()
	src := filepath.Join(dir, "main.go")
	if err := os.WriteFile(src, []byte(`package main

import (
	"os"
	"time"

	_ "github.com/parbench/parbench/strategies/multiproc"
)

func main() {
	if os.Getenv("PARBENCH_MULTIPROC") != "" {
		panic("the cookie is still there")
	}
	time.Sleep(time.Hour)
}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	bin := filepath.Join(dir, "nomain")
	if out, err := exec.Command("go", "build", "-o", bin, src).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(bin)
	cmd.Env = append(os.Environ(), cookie+"=1 pool x")
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != exitProtocol || !strings.Contains(string(out), "did not call multiproc.Main") {
		t.Errorf("%v %q", cmd.ProcessState, out)
	}
}
