// Package workloads defines what parbench measures: named, deterministic computations made of independent tasks, whose
// results are checked by digests.
//
// For a workload of your own, hand Func a function that does the i-th task:
//
//	workloads.Func(workloads.Info{Name: "sum", Kind: workloads.CPU, Doc: "sums up numbers"},
//		func(_ context.Context, env workloads.Env, i int) (uint64, error) {
//			random := workloads.TaskStream(env.Seed, i) // the same numbers wherever task i runs
//			var sum uint64
//			for range 10_000 {
//				sum += random.Next()
//			}
//			return workloads.Fold(workloads.Key(env.Seed, i), sum), nil // a digest of what was computed
//		})
//
// One that has data to build, files to open or a service to talk to implements Workload and Tasks instead: Prepare is not
// measured, Task is. A Registry holds several, and the fixtures they need. docs/programs.md shows how parbench runs them.
//
// Digests are built from Key, Fold and FoldBytes; a batch's is the sum of its tasks' (Combine), so that the order in which
// they ran does not matter and a lost, doubled or wrong one shows. Random numbers come from TaskStream and Fill.
//
// The package also holds every built-in workload whose imports are light enough for the early start of worker processes;
// the others, and the complete registry, are in workloads/builtin. Non-goals: running tasks in parallel (package
// strategies) and timing them (strategies/trial). It imports neither fmt, encoding/json nor net/http, because a worker
// process initialises it before it can take its first task; docs/architecture.md tells what that is worth.
package workloads

import (
	"context"
	"errors"
	"strconv"
)

// Kind says what a workload keeps busy, and with it how many workers a strategy uses by default.
type Kind string

// The kinds. CPU and Memory work runs with as many workers as the cell has cores, IO and Mixed work with 16.
const (
	CPU    Kind = "cpu"
	Memory Kind = "memory"
	IO     Kind = "io"
	Mixed  Kind = "mixed"
	// Command tasks are programs of the user's: whether they compute or wait is not known. They run with as many workers as
	// the cell has cores.
	Command Kind = "command"
)

// Waits reports whether tasks of this kind spend much of their time waiting, so that more workers than cores pay off.
func (k Kind) Waits() bool { return k == IO || k == Mixed }

// Info describes a workload to people and to the harness. It is a value; copy it freely.
type Info struct {
	Name   string // letters, digits, '-' and '_'
	Kind   Kind   // required
	Doc    string // one line, starts in lower case, no full stop
	Params []Param
	// Fixture names the service the tasks need ("http", "dir"), or is empty. The harness starts it once per run and
	// hands its address to every trial.
	Fixture string
	// Probe marks a workload that measures the machine or a strategy rather than stand for real work.
	Probe bool
	// OwnN marks a probe that chooses its own number of tasks in each cell and never enters a speedup ("empty").
	OwnN bool
}

// Env is all that Prepare may depend on. The same Env gives the same digests in every process, host and language.
type Env struct {
	Params  Params // complete and checked: see Resolve
	Seed    uint64
	Fixture string // address of the fixture, empty without one
}

// Workload makes the tasks of one computation. Implementations are stateless and safe for concurrent use.
type Workload interface {
	Info() Info
	// Prepare builds what the tasks need, outside the timed region.
	Prepare(ctx context.Context, env Env) (Tasks, error)
}

// Foreteller is a Workload whose digests can be told without running a task, because it has no result but to have ended well.
type Foreteller interface {
	// Foretell returns the digest of task i, or false where it takes running the task.
	Foretell(env Env, i int) (digest uint64, ok bool)
}

// Tasks is a prepared workload. Task is safe for concurrent use; a workload that needs scratch memory takes it from a
// pool of its own.
type Tasks interface {
	// Task does the i-th unit of work, 0 <= i, and returns its digest: a pure function of (workload, params, seed, i).
	Task(ctx context.Context, i int) (uint64, error)
	// Close releases what Prepare built. It is called once, when no task is running.
	Close() error
}

// Fixture is a service that tasks use: it runs in a process of its own for a whole run.
type Fixture interface {
	// Serve starts the service and returns its address; stop ends it and removes what it left.
	Serve(ctx context.Context) (addr string, stop func() error, err error)
}

// Registry is an ordered set of workloads and the fixtures they need. The zero value is empty and ready; it is safe
// for concurrent reading once built.
type Registry struct {
	list     []Workload
	fixtures map[string]Fixture
}

// NewRegistry returns a registry of the given workloads, in that order. A name that occurs twice panics: it is a
// mistake of the program, not of its user.
func NewRegistry(list ...Workload) *Registry {
	r := &Registry{}
	r.Add(list...)
	return r
}

// Add appends workloads. A name that is taken panics.
func (r *Registry) Add(list ...Workload) {
	for _, w := range list {
		if _, err := r.Lookup(w.Info().Name); err == nil {
			panic("workloads: " + w.Info().Name + " registered twice")
		}
		r.list = append(r.list, w)
	}
}

// AddFixture names a fixture that workloads of this registry may ask for.
func (r *Registry) AddFixture(name string, f Fixture) {
	if r.fixtures == nil {
		r.fixtures = map[string]Fixture{}
	}
	r.fixtures[name] = f
}

// Fixture returns the fixture of that name.
func (r *Registry) Fixture(name string) (Fixture, bool) {
	f, ok := r.fixtures[name]
	return f, ok
}

// ErrUnknown is what Lookup's error wraps when a name is not registered.
var ErrUnknown = errors.New("unknown workload")

// Lookup returns the workload of that name; its error wraps ErrUnknown.
func (r *Registry) Lookup(name string) (Workload, error) {
	for _, w := range r.list {
		if w.Info().Name == name {
			return w, nil
		}
	}
	return nil, &unknownError{name}
}

// All returns the workloads in the order they were registered. The caller must not change the slice.
func (r *Registry) All() []Workload { return r.list }

type unknownError struct{ name string }

func (e *unknownError) Error() string { return "unknown workload " + strconv.Quote(e.name) }
func (e *unknownError) Unwrap() error { return ErrUnknown }

// NoClose is embedded by Tasks that have nothing to release.
type NoClose struct{}

// Close does nothing.
func (NoClose) Close() error { return nil }
