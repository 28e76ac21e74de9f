package multiproc

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Rows about worker processes and what is particular to them.

func repeat(do string, n int) []order { return slices.Repeat([]order{{Do: do}}, n) }

func TestO19_WorkerLifetime(t *testing.T) {
	p, ctx := newPool(t, crash, Workers(3), MaxTasks(10)), ctxT(t)
	old := p.Pids()
	if _, err := p.Map(ctx, repeat("pid", 100), Chunk(1)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "three workers, all of them new", func() bool {
		pids := p.Pids()
		return len(pids) == 3 && !slices.ContainsFunc(pids, func(pid int) bool { return slices.Contains(old, pid) })
	})
}

// watch collects events; the function returned waits until there is one that fits.
func watch(t *testing.T) (PoolOption, func(what string, fits func(Event) bool) Event, func() []Event) {
	var mu sync.Mutex
	var list []Event
	all := func() []Event { mu.Lock(); defer mu.Unlock(); return slices.Clone(list) }
	opt := OnEvent(func(e Event) { mu.Lock(); defer mu.Unlock(); list = append(list, e) })
	return opt, func(what string, fits func(Event) bool) (found Event) {
		t.Helper()
		eventually(t, what, func() bool {
			for _, found = range all() {
				if fits(found) {
					return true
				}
			}
			return false
		})
		return found
	}, all
}

func TestO22_FailingInitialiser(t *testing.T) {
	ctx := ctxT(t)
	if _, err := NewPool(ctx, state, Workers(2), Init(setup, int64(-1))); !errors.Is(err, ErrInit) || !strings.Contains(err.Error(), "negative state") {
		t.Errorf("%v", err)
	}
	// It works at first and fails in every replacement: no endless loop of them.
	file := filepath.Join(t.TempDir(), "broken")
	opt, await, all := watch(t)
	p := newPool(t, crash, Workers(2), Init(breakable, file), opt, WithStderr(devNull(t)))
	if err := write(file, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Apply(ctx, order{Do: "exit", N: 3}); err == nil {
		t.Error("no crash")
	}
	if e := await("the pool gives up", func(e Event) bool { return e.Kind == PoolBroken }); !errors.Is(e.Err, ErrInit) {
		t.Errorf("%v", e.Err)
	}
	if _, err := p.Apply(ctx, order{}); !errors.Is(err, ErrBroken) || !errors.Is(err, ErrInit) {
		t.Errorf("%v", err)
	}
	if _, err := p.Map(ctx, []order{{}}); !errors.Is(err, ErrBroken) {
		t.Errorf("Map: %v", err)
	}
	for _, err := range p.Imap(ctx, slices.Values([]order{{}})) {
		if !errors.Is(err, ErrBroken) {
			t.Errorf("Imap: %v", err)
		}
	}
	if err := p.Join(ctx); err != nil {
		t.Error(err)
	}
	n := 0
	for _, e := range all() {
		if e.Kind == WorkerStarted {
			n++
		}
	}
	if n != 3 {
		t.Errorf("%d workers were started, want 2 and one replacement", n)
	}
	// The same in a lazy pool, where NewPool cannot say it.
	q := newPool(t, state, Workers(2), Lazy(), Init(setup, int64(-1)))
	if _, err := q.Apply(ctx, 1); !errors.Is(err, ErrInit) {
		t.Errorf("lazy: %v", err)
	}
}

var breakable = RegisterInit("test.breakable", func(_ context.Context, file string) error {
	if _, err := os.Stat(file); err == nil {
		return errors.New("does not work any more")
	}
	return nil
})

func TestO23_PoolInChild(t *testing.T) {
	if s := play(t, "pool", ""); s != "16" {
		t.Errorf("%q", s)
	}
}

func TestO26_Saturation(t *testing.T) {
	p, ctx := newPool(t, gated, Workers(2)), ctxT(t)
	g, open := opener(t)
	pids := p.Pids()
	all := p.MapAsync(ctx, slices.Repeat([]gate{g}, 30), Chunk(1))
	eventually(t, "the rest waits", func() bool { return p.Stats().Queued >= 20 })
	if s := p.Stats(); s.Workers != 2 || len(s.Pids) != 2 {
		t.Errorf("%+v", s)
	}
	open()
	out, err := all.Get(ctx)
	for _, pid := range out {
		if !slices.Contains(pids, pid) {
			t.Errorf("%d ran a task, the workers were %v", pid, pids)
		}
	}
	if err != nil {
		t.Error(err)
	}
}

func TestO27_Lazy(t *testing.T) {
	p, ctx := newPool(t, meet, Workers(3), Lazy()), ctxT(t)
	if s := p.Stats(); s.Workers != 0 {
		t.Errorf("%d workers before any work", s.Workers)
	}
	for range 5 { // one after the other: the first worker is used again
		if _, err := p.Apply(ctx, meetings(t, 1)[0]); err != nil {
			t.Fatal(err)
		}
	}
	if s := p.Stats(); s.Workers != 1 || s.Restarts != 0 {
		t.Errorf("%+v", s)
	}
	for range 2 {
		if _, err := p.Map(ctx, meetings(t, 2), Chunk(1)); err != nil {
			t.Fatal(err)
		}
	}
	if s := p.Stats(); s.Workers != 2 {
		t.Errorf("%d workers for two tasks at once", s.Workers)
	}
	if err := p.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	empty := newPool(t, square, Lazy())
	if err := empty.Shutdown(ctx); err != nil {
		t.Errorf("a pool that never did anything: %v", err)
	}
}

func TestO29_CloseAndForget(t *testing.T) {
	p, ctx := newPool(t, gated, Workers(2)), ctxT(t)
	pids := p.Pids()
	g, open := opener(t)
	f, err := p.ApplyAsync(ctx, g)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	open()
	if v, err := f.Get(ctx); v == 0 || err != nil {
		t.Error(v, err)
	}
	for _, pid := range pids { // without Join
		eventually(t, "worker "+strconv.Itoa(pid)+" leaves", func() bool { return !alive(pid) })
	}
}

func TestWorkerSet(t *testing.T) {
	ctx := ctxT(t)
	w, err := NewWorkers(ctx, Workers(2))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Terminate()
	sq, ev, who := Bind(w, square), Bind(w, even), Bind(w, crash)
	var wg sync.WaitGroup
	wg.Go(func() {
		if out, err := sq.Map(ctx, numbers(1000)); !slices.Equal(out, squares(1000)) || err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() {
		_, err := ev.Map(ctx, []int{2, 3, 13}, Chunk(3))
		var te *TaskError
		if !errors.As(err, &te) || te.Index != 1 || te.Func != "test.even" {
			t.Errorf("%v", err)
		}
	})
	wg.Wait()
	out, err := who.Map(ctx, repeat("pid", 100), Chunk(1))
	for _, pid := range out {
		if !slices.Contains(w.Pids(), pid) {
			t.Errorf("task ran in %d, the workers are %v", pid, w.Pids())
		}
	}
	if err != nil {
		t.Error(err)
	}
	nobody := Bind(w, Func[int, int]{&entry{name: "test.nobody"}})
	for i, err := range slices.Collect(errorsOf(nobody.Imap(ctx, slices.Values(numbers(5)), Chunk(2)))) {
		var te *TaskError
		if !errors.Is(err, ErrUnregistered) || !errors.As(err, &te) || te.Index != i || te.Func != "test.nobody" {
			t.Errorf("item %d of an unknown function: %v", i, err)
		}
	}
	if _, err := Bind(w, Func[int, int]{}).Apply(ctx, 1); !errors.Is(err, ErrInvalid) {
		t.Errorf("zero Func: %v", err)
	}
	if v, err := sq.Apply(ctx, 9); v != 81 || err != nil {
		t.Error(v, err)
	}
	if err := sq.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if _, err := ev.Apply(ctx, 2); !errors.Is(err, ErrClosed) {
		t.Errorf("another function after Close: %v", err)
	}
	for _, e := range []error{w.Close(), w.Join(ctx), w.Shutdown(ctx), w.Terminate()} {
		if e != nil {
			t.Error(e)
		}
	}
}

func errorsOf[T any](seq func(func(T, error) bool)) func(func(error) bool) {
	return func(yield func(error) bool) {
		for _, err := range seq {
			if !yield(err) {
				return
			}
		}
	}
}

func TestUnregistered(t *testing.T) {
	ctx := ctxT(t)
	nobody := Func[int, int]{&entry{name: "test.nobody"}}
	p := started(t, NewProcess(nobody, 1, WithStderr(devNull(t))))
	if exit := joined(t, p); exit.Code != exitUnregistered {
		t.Error(exit)
	}
	var te *TaskError
	if _, err := Result[int](ctx, p); !errors.Is(err, ErrUnregistered) || !errors.As(err, &te) || te.Func != "test.nobody" ||
		strings.Count(err.Error(), "test.nobody") != 1 {
		t.Errorf("process: %v", err)
	}
	for _, opt := range []PoolOption{Restart(3), Lazy()} {
		opt2, _, all := watch(t)
		q, err := NewPool(ctx, nobody, Workers(1), opt, opt2, WithStderr(devNull(t)))
		if err == nil {
			_, err = q.Apply(ctx, 1)
			_ = q.Terminate()
		}
		var ce *CrashError
		if !errors.Is(err, ErrUnregistered) || !errors.As(err, &ce) {
			t.Errorf("pool: %v", err)
		}
		eventually(t, "the worker's end is told", func() bool { return len(all()) >= 2 })
		if n := len(slices.DeleteFunc(all(), func(e Event) bool { return e.Kind != WorkerStarted })); n != 1 {
			t.Errorf("%d workers were started in vain", n)
		}
	}
	// A function that ends its process with the same status is something else.
	if _, err := Call(ctx, crash, order{"exit", exitUnregistered}, WithStderr(devNull(t))); errors.Is(err, ErrUnregistered) {
		t.Error(err)
	}
}

func TestPinWorkers(t *testing.T) {
	cpus := affinity()
	if len(cpus) == 0 {
		t.Fatal("no CPUs")
	}
	p, ctx := newPool(t, allowed, Workers(3), PinWorkers()), ctxT(t)
	count := make(map[string]map[int]bool)
	for s, err := range p.Imap(ctx, slices.Values(meetings(t, 3))) {
		if err != nil {
			t.Fatal(err)
		}
		if count[s.CPUs] == nil {
			count[s.CPUs] = make(map[int]bool)
		}
		count[s.CPUs][s.Pid] = true
	}
	if len(count) != min(3, len(cpus)) {
		t.Errorf("%v", count)
	}
	for c := range count {
		if n, err := strconv.Atoi(c); err != nil || !slices.Contains(cpus, n) {
			t.Errorf("a worker is pinned to %q, the CPUs are %v", c, cpus)
		}
	}
	// A replacement takes the place of the one before it.
	q := newPool(t, allowed, Workers(1), PinWorkers(cpus[len(cpus)-1]), MaxTasks(1))
	for range 3 {
		if s, err := q.Apply(ctx, meetings(t, 1)[0]); err != nil || s.CPUs != strconv.Itoa(cpus[len(cpus)-1]) {
			t.Error(s, err)
		}
	}
}

type place struct {
	Pid  int
	CPUs string
}

// allowed meets the others, so that every worker has one, and tells the CPUs that it may use.
var allowed = Register("test.allowed", func(ctx context.Context, m meeting) (place, error) {
	pid, err := fnMeet(ctx, m)
	if err != nil {
		return place{}, err
	}
	b, err := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(b), "Cpus_allowed_list:\t")
	list, _, _ := strings.Cut(rest, "\n")
	return place{pid, list}, err
})

func TestNested(t *testing.T) {
	ctx := ctxT(t)
	for _, what := range []string{"process", "pool"} {
		if v, err := newPool(t, nest, Workers(1)).Apply(ctx, what); v != 9 || err != nil {
			t.Errorf("%s in a task, allowed by default: %v, %v", what, v, err)
		}
		if _, err := newPool(t, nest, Workers(1), Nested(NestForbid)).Apply(ctx, what); !errors.Is(err, ErrNested) {
			t.Errorf("%s in a task, forbidden: %v", what, err)
		}
		p, err := NewLocalPool(fnNest, Nested(NestForbid))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Apply(ctx, what); !errors.Is(err, ErrNested) {
			t.Errorf("%s in a local task, forbidden: %v", what, err)
		}
		f, err := p.ApplyAsync(ctx, what)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Get(ctx); !errors.Is(err, ErrNested) {
			t.Errorf("%s in a local task without a caller, forbidden: %v", what, err)
		}
		if err := p.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	}
}

func TestEvents(t *testing.T) {
	ctx := ctxT(t)
	opt, await, all := watch(t)
	p := newPool(t, crash, Workers(2), opt, WithStderr(devNull(t)))
	_, err := p.Apply(ctx, order{Do: "exit", N: 3})
	if err == nil {
		t.Fatal("no crash")
	}
	var want, got *CrashError
	lost := await("the loss", func(e Event) bool { return e.Kind == WorkerLost })
	if !errors.As(err, &want) || !errors.As(lost.Err, &got) || got.Pid != want.Pid || lost.Pid != want.Pid {
		t.Errorf("%+v, task says %v", lost, err)
	}
	if _, err := p.Apply(ctx, order{Do: "spin"}, Timeout(1e6)); !errors.Is(err, ErrTimeout) {
		t.Error(err)
	}
	await("the timeout", func(e Event) bool { return e.Kind == WorkerTimedOut })
	if err := p.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	started, ended := 0, 0
	eventually(t, "all events are here", func() bool {
		started, ended = 0, 0
		for _, e := range all() {
			if e.Slot < 0 || e.Slot > 1 || e.Pid == 0 || e.Kind.String() == "unknown" {
				t.Errorf("%+v", e)
			}
			if e.Kind == WorkerStarted {
				started++
			} else {
				ended++
			}
		}
		return started == ended
	})
	if started < 3 || started > 4 { // the second replacement may come too late for Shutdown to need it
		t.Errorf("%d workers started", started)
	}
}

func TestMemoryPerWorker(t *testing.T) {
	ctx := ctxT(t)
	p := newPool(t, inChild, Workers(1), MemoryPerWorker(64<<20), WithStderr(devNull(t)))
	if s, err := p.Apply(ctx, script{"greedy", "20"}); s != "20" || err != nil {
		t.Errorf("20 MiB of 64: %v", err)
	}
	_, err := p.Apply(ctx, script{"greedy", "1000"})
	var ce *CrashError
	if !errors.As(err, &ce) || ce.Exit.Code != 2 && ce.Exit.Code != 66 { // 66: the race detector's own refusal
		t.Errorf("1000 MiB of 64: %v", err)
	}
	if s, err := p.Apply(ctx, script{"greedy", "1"}); s != "1" || err != nil {
		t.Errorf("after the crash: %v", err)
	}
	for _, o := range []PoolOption{MemoryPerWorker(0), WithMemoryLimit(-1), WithNice(99), WithMaxDepth(-1)} {
		if _, err := NewPool(ctx, square, o); !errors.Is(err, ErrInvalid) {
			t.Errorf("%v", err)
		}
	}
	if err := NewProcess(square, 1, WithNice(-21)).Start(ctx); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}

func TestWithNice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "up")
	mine := niceOf(t, os.Getpid(), os.Getpid())
	p := started(t, scene("hang", path, WithNice(3)))
	pid := number(t, content(t, path))
	list, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
	if err != nil || len(list) == 0 {
		t.Fatal(err)
	}
	for _, d := range list {
		if n := niceOf(t, pid, number(t, d.Name())); n != min(mine+3, 19) {
			t.Errorf("thread %s has nice %d, this process %d", d.Name(), n, mine)
		}
	}
	if err := p.Stop(ctxT(t)); err != nil {
		t.Error(err)
	}
}

func niceOf(t *testing.T, pid, tid int) int {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/task/" + strconv.Itoa(tid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	return number(t, f[16])
}

var nest = Register("test.nested", fnNest)

func fnNest(ctx context.Context, what string) (int, error) {
	if what == "process" {
		return Call(ctx, square, 3)
	}
	p, err := NewPool(ctx, square, Workers(1))
	if err != nil {
		return 0, err
	}
	defer p.Terminate()
	return p.Apply(ctx, 3)
}
