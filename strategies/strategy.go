// Package strategies holds the ways parbench knows of running a batch of tasks: the contract (Strategy, Executor), the
// registry, and the built-in strategies, one file each.
//
// A strategy of your own implements Strategy and Executor; Terms does the counting for one that starts tasks one by one, and
// package strategytest tries it. Add it to Builtin() and hand the registry to trial.Program, as docs/programs.md shows.
//
// Non-goals: timing (strategies/trial) and choosing what to compare (internal/harness). The package stays free of fmt,
// encoding/json and net/http: worker processes initialise it before their first task.
package strategies

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/parbench/parbench/workloads"
)

// Info describes a strategy to people and to the harness. It is a value; copy it freely.
type Info struct {
	Name   string
	Doc    string // one line, starts in lower case, no full stop
	Params []workloads.Param
	// OneCore marks a strategy that can never use a second core: "sequential". It runs once, on one CPU.
	OneCore bool
	// Serial marks a strategy whose Go code runs on one core at a time though it may wait on many things: "gil". It runs
	// once, on the largest set of CPUs and with the same number of workers as the others.
	Serial bool
	// Unbounded marks a strategy that starts as many workers as the batch has tasks: "goroutines".
	Unbounded bool
	// GOMAXPROCS is what the trial process runs under; 0 means the cell's cores.
	GOMAXPROCS int
	// TaskCap bounds the tasks of a batch, because each one is expensive to start; 0 means no bound. ModeCaps bounds
	// single values of the parameter "mode".
	TaskCap  int
	ModeCaps map[string]int
	// Processes marks a strategy that runs tasks in other processes.
	Processes bool
	// OneWorker marks a strategy that runs one task at a time, whatever the number of cores: the task may use them all.
	OneWorker bool
	// Reference marks the strategy that the program's others are compared with; where none is marked, it is "sequential".
	Reference bool
	// Library is the module that the strategy is made of, with its version as it is linked in: "golang.org/x/sync v0.24.0".
	// The run file records it, so that two versions can be told apart. Empty: the strategy is the program's own code.
	Library string
}

// Cap returns the task cap that holds for the given parameters; 0 means none.
func (i Info) Cap(p workloads.Params) int {
	if c, ok := i.ModeCaps[p["mode"]]; ok && (i.TaskCap == 0 || c < i.TaskCap) {
		return c
	}
	return i.TaskCap
}

// Job names the prepared workload in a form that crosses process boundaries.
type Job struct {
	Workload string
	Params   workloads.Params
	Seed     uint64
	Fixture  string
}

// Config is what Start receives. Every field is set, except Grain where it is not known and Probed where nobody will watch.
type Config struct {
	Job Job
	// Workloads resolves Job.Workload for strategies that run tasks in this process.
	Workloads *workloads.Registry
	Params    workloads.Params // the strategy's own, complete and checked
	Workers   int              // >= 1
	Cores     int              // >= 1
	Grain     time.Duration    // about how long one task takes alone
	// Probed says that Prober.Probe may be called, for executors that have to provide for it.
	Probed bool
}

// Prepare prepares the job's tasks in this process.
func (c Config) Prepare(ctx context.Context) (workloads.Tasks, error) {
	return c.Job.Prepare(ctx, c.Workloads)
}

// Prepare looks the workload up in reg and prepares its tasks in this process.
func (j Job) Prepare(ctx context.Context, reg *workloads.Registry) (workloads.Tasks, error) {
	w, err := reg.Lookup(j.Workload)
	if err != nil {
		return nil, err
	}
	return w.Prepare(ctx, workloads.Env{Params: j.Params, Seed: j.Seed, Fixture: j.Fixture})
}

// Strategy starts executors. Implementations are stateless and safe for concurrent use.
type Strategy interface {
	Info() Info
	// Start makes an executor ready to run: processes started, workers waiting, tasks prepared. It is timed as set-up.
	Start(ctx context.Context, cfg Config) (Executor, error)
}

// Executor runs batches. It is not safe for concurrent use.
type Executor interface {
	// Run runs tasks 0..n-1 and returns the batch digest; it is the timed region and nothing else. On a task's error or
	// panic it returns an error that says which task failed, after every running task has ended. It honours ctx.
	Run(ctx context.Context, n int) (uint64, error)
	// Close ends what Start began, gracefully at first and by force when ctx ends, and reaps it. It is idempotent.
	Close(ctx context.Context) error
}

// Pider is an Executor whose worker processes live between batches; the trial reads their CPU clocks and memory.
type Pider interface {
	// Pids returns the process ids of the live workers.
	Pids() []int
}

// ChildPeaker is an Executor whose processes are gone after a batch; the trial cannot look at their memory.
type ChildPeaker interface {
	// ChildPeak returns how many bytes of memory one such process needs at its peak (its VmHWM), times the number that
	// live at once. It may start one more process to find out.
	ChildPeak(ctx context.Context) (int64, error)
}

// BatchPreparer is an Executor that has something to do before each batch that is no part of it.
type BatchPreparer interface {
	// PrepareBatch is called before each Run, outside the timed region. It honours ctx.
	PrepareBatch(ctx context.Context) error
}

// Accounter is an Executor whose tasks are processes, and which knows what they used.
type Accounter interface {
	// ResetAccount begins a new account.
	ResetAccount()
	// Account returns what the tasks used since ResetAccount. It may start one more process to find out, and honours ctx.
	Account(ctx context.Context) Account
}

// Account is what tasks used that were processes of their own. It is a value.
type Account struct {
	User, System time.Duration // processor time of all of them
	Shell        time.Duration // what the start of a shell takes that each begins with; 0: none
	// PeakBytes is the memory of the largest single one. With PeakBound it is only known to be no more than that.
	PeakBytes                int64
	PeakBound                bool
	CtxVoluntary, CtxForced  int64
	FaultsMinor, FaultsMajor int64
	Exits                    map[string]int // how many ended how: "0", "1", "signal 9"
}

// TaskError says which task failed. It wraps the cause.
type TaskError struct {
	Index int
	Err   error
	Stack string // of a panic, else empty
}

func (e *TaskError) Error() string { return "task " + strconv.Itoa(e.Index) + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *TaskError) Unwrap() error { return e.Err }

// ErrPanic is wrapped by the TaskError of a task that panicked.
var ErrPanic = errors.New("panic")

// ErrDiffers is wrapped by the error of a task that has itself noticed that its result is not the one it gave before.
var ErrDiffers = errors.New("result differs")

// ErrUnknown is wrapped by Registry.Lookup's error.
var ErrUnknown = errors.New("unknown strategy")

// Registry is an ordered set of strategies. The zero value is empty and ready; safe for concurrent reading once built.
type Registry struct{ list []Strategy }

// NewRegistry returns a registry of the given strategies, in that order. A name that occurs twice panics.
func NewRegistry(list ...Strategy) *Registry {
	r := &Registry{}
	r.Add(list...)
	return r
}

// Add appends strategies. A name that is taken panics.
func (r *Registry) Add(list ...Strategy) {
	for _, s := range list {
		if _, err := r.Lookup(s.Info().Name); err == nil {
			panic("strategies: " + s.Info().Name + " registered twice")
		}
		r.list = append(r.list, s)
	}
}

// Lookup returns the strategy of that name; its error wraps ErrUnknown.
func (r *Registry) Lookup(name string) (Strategy, error) {
	for _, s := range r.list {
		if s.Info().Name == name {
			return s, nil
		}
	}
	return nil, &unknownError{name}
}

// All returns the strategies in the order they were registered. The caller must not change the slice.
func (r *Registry) All() []Strategy { return r.list }

type unknownError struct{ name string }

func (e *unknownError) Error() string { return "unknown strategy " + strconv.Quote(e.name) }
func (e *unknownError) Unwrap() error { return ErrUnknown }
