package strategies

import (
	"context"
	"errors"
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
func prepareJob(ctx context.Context, job Job) error {
	tasks, err := prepareHere(ctx, job)
	if err != nil {
		return err
	}
	workerTasks.Store(&tasks)
	return nil
}

func runTaskOfJob(ctx context.Context, i int) (uint64, error) {
	return (*workerTasks.Load()).Task(ctx, i)
}

// single is what a process of process-per-task does: prepare the job, run one task, end.
type single struct {
	Job   Job
	Index int // -1: prepare only
	// Peak asks for the process's peak memory besides.
	Peak bool
}

type singleResult struct {
	Digest uint64
	Peak   int64 // bytes; 0 where unknown or not asked for
}

func runSingleTask(ctx context.Context, s single) (r singleResult, err error) {
	tasks, err := prepareHere(ctx, s.Job)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, tasks.Close()) }()
	if s.Index >= 0 {
		r.Digest, err = tasks.Task(ctx, s.Index)
	}
	if s.Peak && err == nil {
		r.Peak = peakMemory()
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
