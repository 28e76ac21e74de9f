package strategies

import (
	"context"
	"errors"
	"os"
	"sync/atomic"

	"github.com/parbench/parbench/strategies/multiproc"
	"github.com/parbench/parbench/workloads"
)

// processWorkloads is where worker processes look workloads up. It has to be global: a worker begins with nothing but
// the names of the registered functions, and what they do must be settled before the first job arrives.
var processWorkloads atomic.Pointer[workloads.Registry]

// UseWorkloads sets the registry in which this process, should it be a worker of process-pool or process-per-task,
// looks up the workload it is told to run. A program calls it before multiproc.Main; trial.Main does both.
func UseWorkloads(reg *workloads.Registry) { processWorkloads.Store(reg) }

// workerTasks is what a worker of process-pool has prepared: its initialiser sets it, its tasks use it.
var workerTasks atomic.Pointer[workloads.Tasks]

// What worker processes can be told to do. Registration in variables is what multiproc asks for: parent and worker are
// the same executable and must both know the names.
var (
	initJob    = multiproc.RegisterInit("parbench/job", prepareJob)
	taskOfJob  = multiproc.Register("parbench/task", runTaskOfJob)
	singleTask = multiproc.Register("parbench/single", runSingleTask)
)

var errNoRegistry = errors.New("this program has set no workloads for its worker processes: call strategies.UseWorkloads before multiproc.Main")

func prepareHere(ctx context.Context, job Job) (workloads.Tasks, error) {
	reg := processWorkloads.Load()
	if reg == nil {
		return nil, errNoRegistry
	}
	return job.Prepare(ctx, reg)
}

// prepareJob runs once in each worker of process-pool. The tasks are never closed: they end with the process.
func prepareJob(ctx context.Context, job poolJob) error {
	tasks, err := prepareHere(ctx, job.Job)
	if err != nil {
		return err
	}
	workerTasks.Store(&tasks)
	if job.Board != "" {
		Monotonic() // its first reading takes longer
		// Without it nothing is stamped, and the trial says so.
		if b, err := openBoard(job.Board); err == nil {
			workerWatch.Store(&boardWatch{b.spans(), b.every(), int64(os.Getpid())})
		}
	}
	return nil
}

// poolJob is what a worker of process-pool is told first.
type poolJob struct {
	Job   Job
	Board string // where tasks are stamped; empty: nowhere
}

func runTaskOfJob(ctx context.Context, i int) (uint64, error) {
	tasks := *workerTasks.Load()
	if i >= probedIndex {
		return runWatched(ctx, tasks, i-probedIndex)
	}
	return tasks.Task(ctx, i)
}

// probedIndex is added to the indices of a probed batch. All others pass a probe by at the price of a comparison.
const probedIndex = 1 << 30

// boardWatch is a worker's view of the board.
type boardWatch struct {
	spans []Span
	every *int64
	pid   int64
}

var workerWatch atomic.Pointer[boardWatch]

// runWatched runs task i and stamps it if it was picked.
func runWatched(ctx context.Context, tasks workloads.Tasks, i int) (uint64, error) {
	w := workerWatch.Load()
	if w == nil || *w.every <= 0 || int64(i)%*w.every != 0 {
		return tasks.Task(ctx, i)
	}
	begin := Monotonic()
	d, err := tasks.Task(ctx, i)
	w.spans[int64(i) / *w.every] = Span{w.pid, begin, Monotonic()}
	return d, err
}

// single is what a process of process-per-task does: prepare the job, run one task, end.
type single struct {
	Job   Job
	Index int // -1: prepare only
	// Peak asks for the process's peak memory besides, Stamp for when the task ran.
	Peak, Stamp bool
}

type singleResult struct {
	Digest     uint64
	Peak       int64 // bytes; 0 where unknown or not asked for
	Begin, End int64 // as in Span; 0 where not asked for
}

func runSingleTask(ctx context.Context, s single) (r singleResult, err error) {
	tasks, err := prepareHere(ctx, s.Job)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, tasks.Close()) }()
	if s.Index >= 0 {
		if s.Stamp {
			r.Begin = Monotonic()
		}
		r.Digest, err = tasks.Task(ctx, s.Index)
		if s.Stamp {
			r.End = Monotonic()
		}
	}
	if s.Peak && err == nil {
		r.Peak = PeakMemory()
	}
	return r, err
}

// EntryVariable decides where worker processes start: with the value EntryOrdinary they pass the early entry by and
// start from the program's main function, because their workload is not among workloads.Lean.
const (
	EntryVariable = "PARBENCH_ENTRY"
	EntryOrdinary = "ordinary"
)

// entryFor returns the environment setting that starts worker processes where the job's workload is known.
func entryFor(job Job) string {
	for _, w := range workloads.Lean() {
		if w.Info().Name == job.Workload {
			return EntryVariable + "=early"
		}
	}
	return EntryVariable + "=" + EntryOrdinary
}
