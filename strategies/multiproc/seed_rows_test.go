package multiproc

import (
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// What the articles on Python's multiprocessing say, as far as it concerns processes and pools: the rows S of
// docs/multiproc.md, one test each. Nothing here measures time: that tasks run at once is shown by tasks that wait for
// each other.

func TestS000_3_OneInterface(t *testing.T) { eachPool(t, testValues) }

func TestS000_4_OtherPid(t *testing.T) {
	needProcesses(t)
	p := started(t, scene("self", ""))
	joined(t, p)
	pid, _ := p.Pid()
	f, err := Result[string](ctxT(t), p)
	if err != nil || !strings.HasPrefix(f, strconv.Itoa(pid)+"|") || !strings.HasSuffix(f, "|"+strconv.Itoa(os.Getpid())) || pid == os.Getpid() {
		t.Errorf("%q %v", f, err)
	}
	if alive(pid) {
		t.Error("Join returned before the child had ended")
	}
}

// namer tells its name, as a subclass of Process would print self.name.
type namer struct{ Path string }

func (n namer) Run(context.Context) error { return write(n.Path, Self().Name()) }

var namers = RegisterRunner[namer]("test.namer")

func TestS000_5_SubclassAndName(t *testing.T) {
	needProcesses(t)
	names := make(map[string]bool)
	for range 2 {
		path := filepath.Join(t.TempDir(), "name")
		p := started(t, namers.New(namer{path}))
		joined(t, p)
		if s := content(t, path); s != p.Name() || !strings.HasPrefix(s, "Process-") {
			t.Errorf("the child says %q, the parent %q", s, p.Name())
		}
		names[p.Name()] = true
	}
	if len(names) != 2 {
		t.Errorf("default names are not unique: %v", names)
	}
}

func TestS000_6_TerminateDoesNotWait(t *testing.T) {
	testSignal(t, (*Process).Terminate, syscall.SIGTERM)
}

func TestS000_7_Alive(t *testing.T) {
	needProcesses(t)
	path := filepath.Join(t.TempDir(), "up")
	p := scene("spin", path)
	if p.Alive() {
		t.Error("alive before Start")
	}
	started(t, p)
	content(t, path)
	if !p.Alive() {
		t.Error("not alive while running")
	}
	if err := p.Terminate(); err != nil {
		t.Fatal(err)
	}
	for p.Alive() { // may still be true, but not for ever, and not again
		runtime.Gosched()
	}
	joined(t, p)
	for range 1000 {
		if p.Alive() {
			t.Fatal("alive again")
		}
	}
}

func TestS000_8_UnjoinedChildren(t *testing.T) {
	needProcesses(t)
	path := filepath.Join(t.TempDir(), "notes")
	play(t, "unjoined", path)
	lines := strings.Split(text(t, path), ", ")
	slices.Sort(lines)
	if !slices.Equal(lines, []string{"0", "1", "2", "3", "4"}) {
		t.Errorf("%v", lines)
	}
}

func pidsOf(t *testing.T, n int, opts ...PoolOption) map[int]int {
	t.Helper()
	needProcesses(t)
	p, err := NewPool(ctxT(t), crash, opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Terminate()
	out, err := p.Map(ctxT(t), slices.Repeat([]order{{Do: "pid"}}, n), Chunk(1))
	if err != nil || len(out) != n {
		t.Fatal(err)
	}
	count := make(map[int]int)
	for _, pid := range out {
		count[pid]++
	}
	return count
}

func TestS000_10_ThousandTasksOnFourWorkers(t *testing.T) {
	if pids := pidsOf(t, 1000, Workers(4)); len(pids) > 4 {
		t.Errorf("%d pids", len(pids))
	}
}

func TestS000_11_WorkersExistFromTheStart(t *testing.T) {
	needProcesses(t)
	for want, opts := range map[int][]PoolOption{4: {Workers(4)}, 0: {Workers(4), Lazy()}} {
		p, err := NewPool(ctxT(t), square, opts...)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(p.Pids()); n != want {
			t.Errorf("%d workers before any task, want %d", n, want)
		}
		if err := p.Terminate(); err != nil {
			t.Error(err)
		}
	}
}

func TestS000_12_WorkersAreUsedAgain(t *testing.T) {
	if pids := pidsOf(t, 1000, Workers(1)); len(pids) != 1 {
		t.Errorf("%d pids without a limit", len(pids))
	}
	for _, c := range []struct{ tasks, limit, want int }{{6, 2, 3}, {7, 2, 4}, {3, 1, 3}, {5, 10, 1}} {
		pids := pidsOf(t, c.tasks, Workers(1), MaxTasks(c.limit))
		if len(pids) != c.want || slices.Max(slices.Collect(maps.Values(pids))) > c.limit {
			t.Errorf("%d tasks, %d for each worker: %v", c.tasks, c.limit, pids)
		}
	}
}

func TestS000_13_DefaultWorkers(t *testing.T) {
	eachPool(t, func(t *testing.T, m maker) {
		if n := make2(t, m, square, fnSquare).Stats().Workers; n != runtime.GOMAXPROCS(0) {
			t.Errorf("%d workers, GOMAXPROCS is %d", n, runtime.GOMAXPROCS(0))
		}
	})
}

func TestS000_14_JoinBeforeClose(t *testing.T) {
	eachPool(t, func(t *testing.T, m maker) {
		p, ctx := make2(t, m, square, fnSquare, Workers(1)), ctxT(t)
		if err := p.Join(ctx); !errors.Is(err, ErrRunning) {
			t.Error(err)
		}
		if v, err := p.Apply(ctx, 3); v != 9 || err != nil {
			t.Errorf("the pool is not usable afterwards: %v, %v", v, err)
		}
	})
}

func TestS000_15_ResultsAfterJoin(t *testing.T) { eachPool(t, testKept) }
func TestS001_7_ApplyAsync(t *testing.T)        { eachPool(t, testKept) }

func testKept(t *testing.T, m maker) {
	p, ctx := make2(t, m, square, fnSquare, Workers(2)), ctxT(t)
	f, err := p.ApplyAsync(ctx, 3)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Close(), p.Join(ctx)); err != nil {
		t.Fatal(err)
	}
	if v, err := f.Get(ctx); v != 9 || err != nil {
		t.Error(v, err)
	}
}

func TestS001_2_ChildStartsEmpty(t *testing.T) { TestChildStateIsFresh(t) }

func TestS001_3_TextAppearsOnce(t *testing.T) {
	needProcesses(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, _ = w.WriteString("before\n")
	p := started(t, scene("loud", "", WithStdout(w), WithStderr(devNull(t))))
	_ = w.Close()
	joined(t, p)
	if b, err := io.ReadAll(r); string(b) != "before\nnobody reads this\n" || err != nil {
		t.Errorf("%q", b)
	}
}

func TestS001_5_Pid(t *testing.T) {
	needProcesses(t)
	p := scene("return", "")
	if _, ok := p.Pid(); ok {
		t.Error("a pid before Start")
	}
	if pid, ok := started(t, p).Pid(); !ok || pid <= 0 {
		t.Error(pid, ok)
	}
}

func TestS001_9_ImapOrder(t *testing.T)        { eachPool(t, testImap) }
func TestS001_10_CompletionOrder(t *testing.T) { eachPool(t, testUnordered) }
func TestS001_11_ImapIsLazy(t *testing.T)      { eachPool(t, testImapLazy) }

func TestS001_12_MemoryIsIsolated(t *testing.T) {
	needProcesses(t)
	initState.Store(0)
	p, err := NewPool(ctxT(t), state, Workers(2), Init(setup, int64(5)))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Terminate()
	if v, err := p.Apply(ctxT(t), 0); v != 5 || err != nil || initState.Load() != 0 {
		t.Errorf("the worker has %d, this process %d, %v", v, initState.Load(), err)
	}
}

// What belongs to one process cannot cross: an error at the call, which names the type and the item.
func TestS001_13_ChannelsCannotCross(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	p, err := NewPool(ctx, mixed, Workers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Terminate()
	var ee *EncodeError
	if _, err := p.Apply(ctx, holder{}); !errors.As(err, &ee) || !strings.Contains(err.Error(), "multiproc.holder") {
		t.Errorf("%v", err)
	}
	q, err := NewPool(ctx, lists, Workers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Terminate()
	in := make([]*list, 6)
	in[4] = &list{}
	in[4].Next = in[4]
	for _, chunk := range []int{1, 4, 6} {
		if _, err := q.Map(ctx, in, Chunk(chunk)); !errors.As(err, &ee) || ee.Index != 4 || !strings.Contains(ee.Type, "list") {
			t.Errorf("chunk %d: %+v", chunk, err)
		}
	}
	if n, err := q.Apply(ctx, &list{Next: &list{}}); n != 2 || err != nil {
		t.Error(n, err)
	}
	if s := q.Stats(); s.Queued+s.Running != 0 {
		t.Errorf("%+v", s)
	}
}

type holder struct {
	C  chan int
	Mu *sync.Mutex
}

type list struct{ Next *list }

var (
	mixed = Register("test.mixed", func(context.Context, holder) (int, error) { return 0, nil })
	lists = Register("test.lists", func(_ context.Context, l *list) (n int, err error) {
		for ; l != nil; l = l.Next {
			n++
		}
		return n, nil
	})
)

func TestS002_2_NoArguments(t *testing.T) {
	needProcesses(t)
	if _, err := Call(ctxT(t), nothing, struct{}{}); err != nil {
		t.Error(err)
	}
}

var nothing = Register("test.nothing", func(context.Context, struct{}) (struct{}, error) { return struct{}{}, nil })

func TestS002_5_TerminateIsSIGTERM(t *testing.T) {
	testSignal(t, (*Process).Terminate, syscall.Signal(15))
}

func TestS002_6_TerminateRunsNoHooks(t *testing.T) {
	needProcesses(t)
	path := filepath.Join(t.TempDir(), "notes")
	p := started(t, scene("hooks", path+"|deaf"))
	content(t, path)
	if err := p.Terminate(); err != nil {
		t.Fatal(err)
	}
	joined(t, p)
	if s := text(t, path); s != "up" {
		t.Errorf("%q", s)
	}
	// Stop is the other verb.
	path = filepath.Join(t.TempDir(), "notes")
	p = started(t, scene("hooks", path+"|hang", WithStderr(devNull(t))))
	content(t, path)
	if err := p.Stop(ctxT(t)); err != nil {
		t.Fatal(err)
	}
	if s := text(t, path); strings.Count(s, "goroutine") != 2 || !strings.HasSuffix(s, "hook 2, hook 1, hook 0") {
		t.Errorf("%q", s)
	}
	if _, err := Result[string](ctxT(t), p); !errors.Is(err, ErrStopped) {
		t.Errorf("%v", err)
	}
	if exit, _ := p.Exit(); exit.Code != exitTask {
		t.Error(exit)
	}
	if err := p.Stop(ctxT(t)); err != nil {
		t.Errorf("Stop after the end: %v", err)
	}
}

func TestStopKillsWhoDoesNotListen(t *testing.T) {
	needProcesses(t)
	for name, grace := range map[string]time.Duration{"grace": time.Millisecond, "context": time.Hour} {
		path := filepath.Join(t.TempDir(), "up")
		p := started(t, scene("spin", path, procOption(func(o *procOptions) { o.grace = grace })))
		content(t, path)
		ctx, cancel := context.WithCancel(ctxT(t))
		defer cancel()
		if name == "context" {
			cancel()
		}
		if err := p.Stop(ctx); errors.Is(err, context.Canceled) != (name == "context") {
			t.Errorf("%s: %v", name, err)
		}
		if exit, ok := p.Exit(); !ok || exit.Signal != syscall.SIGKILL {
			t.Errorf("%s: %v %v", name, exit, ok)
		}
	}
}

func TestS002_7_GrandchildrenAndTerminate(t *testing.T) {
	needProcesses(t)
	for _, c := range []struct {
		group string
		opts  []ProcOption
		lives bool
	}{
		{"same group", nil, true}, // as in Python: it becomes an orphan
		{"same group", []ProcOption{WithKillTree()}, false},
		{"own group", []ProcOption{WithKillTree()}, false},
	} {
		for name, send := range map[string]func(*Process) error{"Terminate": (*Process).Terminate, "Kill": (*Process).Kill} {
			path := filepath.Join(t.TempDir(), "pid")
			p := started(t, scene("stranger", path+"|"+c.group, c.opts...))
			pid := number(t, content(t, path))
			if err := send(p); err != nil {
				t.Fatal(err)
			}
			joined(t, p)
			if c.lives {
				if !alive(pid) {
					t.Errorf("%s, %s: the grandchild is gone", name, c.group)
				}
				_ = syscall.Kill(pid, syscall.SIGKILL)
				continue
			}
			eventually(t, name+" reaches the grandchild in its "+c.group, func() bool { return !alive(pid) })
		}
	}
}

func TestS003_1_CrashCostsOneTask(t *testing.T) {
	needProcesses(t)
	p, err := NewPool(ctxT(t), crash, Workers(2), WithStderr(devNull(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Terminate()
	in := make([]order, 100)
	in[50].Do = "kill"
	failed := 0
	for _, err := range p.Imap(ctxT(t), slices.Values(in)) {
		var ce *CrashError
		if errors.As(err, &ce) {
			failed++
		} else if err != nil {
			t.Error(err)
		}
	}
	if failed != 1 {
		t.Errorf("one crash cost %d tasks", failed)
	}
}

func TestS003_9_TenTasksTenWorkers(t *testing.T) {
	eachPool(t, func(t *testing.T, m maker) {
		if _, err := make2(t, m, meet, fnMeet, Workers(10)).Map(ctxT(t), meetings(t, 10), Chunk(1)); err != nil {
			t.Error(err)
		}
	})
}

func TestS004_1_SubmissionWaits(t *testing.T) { eachPool(t, testBackpressure) }

func TestS004_4_MapRunsAtOnce(t *testing.T) {
	eachPool(t, func(t *testing.T, m maker) {
		p, ctx := make2(t, m, meet, fnMeet, Workers(3)), ctxT(t)
		// Short tasks first, after which a worker may be given several at once: not if others are idle.
		if _, err := p.Map(ctx, slices.Repeat(meetings(t, 1), 200), Chunk(1)); err != nil {
			t.Error(err)
		}
		if _, err := p.Map(ctx, meetings(t, 3), Chunk(1)); err != nil { // would never end one after another
			t.Error(err)
		}
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		if _, err := p.Apply(short, meetings(t, 2)[0]); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a loop of Apply met itself: %v", err)
		}
	})
}

func TestS004_5_AllReturnValues(t *testing.T)  { eachPool(t, testValues) }
func TestS004_18_AllReturnValues(t *testing.T) { eachPool(t, testValues) }
func TestS004_6_JoinBeforeClose(t *testing.T)  { TestS000_14_JoinBeforeClose(t) }
func TestS004_7_AfterClose(t *testing.T)       { eachPool(t, testLife) }
func TestS004_8_GetWaits(t *testing.T)         { TestO07_Async(t) }
func TestS004_17_Dummy(t *testing.T)           { TestPool(t) }

func TestS004_19_DummyTerminate(t *testing.T) {
	entered, leave := make(chan bool), make(chan bool)
	p, err := NewLocalPool(func(ctx context.Context, _ int) (int, error) {
		entered <- true
		<-ctx.Done() // it is told
		<-leave      // and cannot be forced
		return 1, nil
	}, Workers(1))
	if err != nil {
		t.Fatal(err)
	}
	f, err := p.ApplyAsync(ctxT(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	<-entered
	if err := p.Terminate(); err != nil {
		t.Error(err)
	}
	if _, err := f.Get(ctxT(t)); !errors.Is(err, ErrTerminated) {
		t.Error(err)
	}
	over, cancel := context.WithCancel(ctxT(t))
	cancel()
	if err := p.Join(over); !errors.Is(err, context.Canceled) {
		t.Errorf("Join before the function has returned: %v", err)
	}
	close(leave)
	if err := p.Join(ctxT(t)); err != nil {
		t.Error(err)
	}
}

func TestS004_20_DummyProcess(t *testing.T) {
	ctx := ctxT(t)
	leave := make(chan bool)
	p := NewLocalProcess("worker bee", func(context.Context) error { <-leave; return errOdd })
	if err := p.Join(ctx); !errors.Is(err, ErrNotStarted) || p.Alive() || p.Name() != "worker bee" {
		t.Error("wrong state before Start", err)
	}
	if err := p.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := p.Start(ctx); !errors.Is(err, ErrStarted) || !p.Alive() {
		t.Error(err)
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	if err := p.Join(over); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	close(leave)
	if err := p.Join(ctx); err != errOdd || p.Alive() {
		t.Error(err)
	}
	a, b := NewLocalProcess("", nil), NewLocalProcess("", nil)
	if a.Name() == b.Name() {
		t.Error("default names repeat")
	}
	var pe *PanicError
	_ = a.Start(ctx) // a nil function
	if err := a.Join(ctx); !errors.As(err, &pe) {
		t.Error(err)
	}
	c := NewLocalProcess("", func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) })
	if err := c.Stop(ctx); !errors.Is(err, ErrNotStarted) {
		t.Error(err)
	}
	_ = c.Start(ctx)
	if err := c.Stop(ctx); err != nil {
		t.Error(err)
	}
	if err := c.Join(ctx); !errors.Is(err, ErrStopped) {
		t.Error(err)
	}
}

// Join waits for the one process that it is called for.
func TestS004_21_JoinIsForOne(t *testing.T) {
	leave := make(chan bool)
	long := NewLocalProcess("", func(context.Context) error { <-leave; return nil })
	short := NewLocalProcess("", func(context.Context) error { return nil })
	_, _ = long.Start(ctxT(t)), short.Start(ctxT(t))
	if err := short.Join(ctxT(t)); err != nil || !long.Alive() {
		t.Error(err, long.Alive())
	}
	close(leave)
	if err := long.Join(ctxT(t)); err != nil {
		t.Error(err)
	}
}

// Rows that say the same as others.
func TestS001_6_OverrideRun(t *testing.T)     { TestS000_5_SubclassAndName(t) }
func TestS001_8_CloseBeforeJoin(t *testing.T) { TestS000_14_JoinBeforeClose(t) }
func TestS002_3_PidsAndJoin(t *testing.T)     { TestS000_4_OtherPid(t) }
func TestS002_4_OverrideRun(t *testing.T)     { TestP20_Runner(t) }
func TestS003_4_Verbs(t *testing.T)           { TestP06_LifeCycle(t); TestP09_Terminate(t) }
func TestS004_3_AtOnce(t *testing.T)          { TestS003_9_TenTasksTenWorkers(t) }
func TestS004_11_Bounded(t *testing.T)        { eachPool(t, testBackpressure) }
