package strategies

import (
	"context"
	"errors"
	"math"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/parbench/parbench/workloads"
)

// taskFunc is Tasks of one function.
type taskFunc func(ctx context.Context, i int) (uint64, error)

func (f taskFunc) Task(ctx context.Context, i int) (uint64, error) { return f(ctx, i) }

func (taskFunc) Close() error { return nil }

func closeCrew(t interface{ Error(...any) }, c *crew) {
	if err := c.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestOnlyTheTaskInHandIsLeft blocks one task, each in turn, until every other one is done: the workers that run out
// must take all that the blocked one's owner had left, or the test never ends.
func TestOnlyTheTaskInHandIsLeft(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for _, workers := range []int{2, 3, 7} {
		for _, n := range []int{2, 3, 8, 50, 255} {
			for blocked := 0; blocked < n; blocked += 1 + n/10 {
				waitForOthers(t, workers, n, blocked, 0)
			}
		}
	}
}

// TestLongSharesKeepFew does the same with shares so long that several tasks are taken at once: 32 at most.
func TestLongSharesKeepFew(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	const n = 100_000
	for _, blocked := range []int{0, 31, n / 2, n - 1} {
		waitForOthers(t, 2, n, blocked, 31)
	}
}

// waitForOthers runs n tasks of which one waits until all others but spare are done.
func waitForOthers(t *testing.T, workers, n, blocked, spare int) {
	t.Helper()
	var done atomic.Int64
	enough := make(chan struct{})
	want := int64(n - 1 - spare)
	c := newCrew(taskFunc(func(_ context.Context, i int) (uint64, error) {
		if i == blocked {
			<-enough
		} else if done.Add(1) == want {
			close(enough)
		}
		return 0, nil
	}), workers, false)
	defer closeCrew(t, c)
	if _, err := c.Run(t.Context(), n); err != nil {
		t.Errorf("%d workers, %d tasks, %d blocked: %v", workers, n, blocked, err)
	}
}

// TestEveryIndexOnce is the property behind the digest: whatever the sizes, each index is taken exactly once, also where
// a batch is longer than what can be shared out at once.
func TestEveryIndexOnce(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	rapid.Check(t, func(t *rapid.T) {
		workers := rapid.IntRange(1, 9).Draw(t, "workers")
		span := rapid.OneOf(rapid.IntRange(1, 50), rapid.Just(maxSpan)).Draw(t, "span")
		var counts []atomic.Int32
		c := newCrew(taskFunc(func(_ context.Context, i int) (uint64, error) {
			counts[i].Add(1)
			return uint64(i), nil
		}), workers, false)
		defer closeCrew(t, c)
		c.span = span
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 3000), 1, 4).Draw(t, "batches") {
			counts = make([]atomic.Int32, n)
			got, err := c.Run(context.Background(), n)
			var want uint64
			for i := range counts {
				if k := counts[i].Load(); k != 1 {
					t.Errorf("task %d ran %d times", i, k)
				}
				want = workloads.Combine(want, i, uint64(i))
			}
			if err != nil || got != want {
				t.Errorf("%d tasks: digest %016x, %v, want %016x", n, got, err, want)
			}
		}
	})
}

func TestShares(t *testing.T) {
	for _, n := range []int{0, 1, 7, maxSpan} {
		for _, parts := range []int{1, 2, 3, 64} {
			end := 0
			for k := range parts {
				lo, hi := unpackShare(packShare(portion(n, k, parts), portion(n, k+1, parts)))
				if lo != end || hi < lo || hi-lo > n/parts+1 {
					t.Errorf("part %d of %d of %d is [%d, %d), after %d", k, parts, n, lo, hi, end)
				}
				end = hi
			}
			if end != n {
				t.Errorf("%d parts of %d end at %d", parts, n, end)
			}
		}
	}
	if lo, hi := unpackShare(packShare(math.MaxInt32-1, math.MaxInt32)); lo != math.MaxInt32-1 || hi != math.MaxInt32 {
		t.Errorf("the largest share comes back as [%d, %d)", lo, hi)
	}
}

// TestGoexit has a task end the goroutine it runs on. The crew must say so and have all its workers again.
func TestGoexit(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for _, locked := range []bool{false, true} {
		leave := true
		c := newCrew(taskFunc(func(_ context.Context, i int) (uint64, error) {
			if leave && i == 1 {
				runtime.Goexit()
			}
			return 0, nil
		}), 2, locked)
		for range 3 {
			_, err := c.Run(t.Context(), 4)
			var task *TaskError
			if !errors.As(err, &task) || task.Index != 1 || !errors.Is(err, errGoexit) {
				t.Errorf("got %v, want the failure of task 1", err)
			}
		}
		leave = false
		meet(t, c, 2)
		closeCrew(t, c)
	}
}

// meet runs a batch whose tasks wait for each other, which takes all workers.
func meet(t *testing.T, c *crew, workers int) {
	t.Helper()
	var there sync.WaitGroup
	there.Add(workers)
	before := c.tasks
	defer func() { c.tasks = before }()
	c.tasks = taskFunc(func(context.Context, int) (uint64, error) {
		there.Done()
		there.Wait()
		return 0, nil
	})
	if _, err := c.Run(t.Context(), workers); err != nil {
		t.Error(err)
	}
}

func TestGILRestoresGOMAXPROCS(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	before := runtime.GOMAXPROCS(3)
	defer runtime.GOMAXPROCS(before)
	inside := 0
	cfg := Config{Job: Job{Workload: "one"}, Workers: 2, Cores: 2, Workloads: workloads.NewRegistry(one{func() {
		inside = runtime.GOMAXPROCS(0)
	}})}
	ex, err := GIL{}.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ex.Run(t.Context(), 1); err != nil {
		t.Error(err)
	}
	if err := ex.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if after := runtime.GOMAXPROCS(0); inside != 1 || after != 3 {
		t.Errorf("GOMAXPROCS was %d in a task and %d after Close, want 1 and 3", inside, after)
	}
	cfg.Job.Workload = "none"
	if _, err := (GIL{}).Start(t.Context(), cfg); err == nil || runtime.GOMAXPROCS(0) != 3 {
		t.Errorf("a failed start returned %v and left GOMAXPROCS at %d", err, runtime.GOMAXPROCS(0))
	}
}

// one is a workload that calls a function.
type one struct{ f func() }

func (one) Info() workloads.Info { return workloads.Info{Name: "one", Kind: workloads.CPU} }

func (o one) Prepare(context.Context, workloads.Env) (workloads.Tasks, error) {
	return taskFunc(func(_ context.Context, i int) (uint64, error) { o.f(); return uint64(i), nil }), nil
}

func TestPanicText(t *testing.T) {
	cause := errors.New("cause")
	for want, v := range map[string]any{
		"cause": cause, "text": "text", "-3": int8(-3), "7": uintptr(7), "0.5": 0.5, "true": true,
		"1s": stringer(1), "(struct {})": struct{}{}, "([]int)": []int{1},
	} {
		if got := panicText(v); got != want {
			t.Errorf("%#v is printed as %q, want %q", v, got, want)
		}
	}
	_, err := RunTask(t.Context(), taskFunc(func(context.Context, int) (uint64, error) { panic(cause) }), 3)
	if !errors.Is(err, ErrPanic) || !errors.Is(err, cause) || err.Error() != "task 3: panic: cause" {
		t.Errorf("a panic with an error became %v", err)
	}
	_, err = RunTask(t.Context(), taskFunc(func(context.Context, int) (uint64, error) { deep(2000); return 0, nil }), 0)
	var task *TaskError
	if !errors.As(err, &task) || len(task.Stack) > 64<<10 || !strings.Contains(task.Stack, "deep") {
		t.Errorf("the stack of a deep panic has %d bytes", len(task.Stack))
	}
}

// stringer is a number with a String method.
type stringer float64

func (s stringer) String() string { return "1s" }

func deep(n int) {
	if n == 0 {
		panic("deep")
	}
	deep(n - 1)
}
