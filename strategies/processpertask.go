package strategies

import (
	"context"
	"errors"

	"github.com/parbench/parbench/strategies/multiproc"
	"github.com/parbench/parbench/workloads"
)

// ProcessPerTask starts a process for each task, gives it the job and the index, takes the digest and waits for its
// end; at most Config.Workers of them live at once. Preparing the job is part of the batch here: each process has to.
type ProcessPerTask struct{}

var _ Strategy = ProcessPerTask{}

// Info implements Strategy. The cap keeps a batch in the order of a second.
func (ProcessPerTask) Info() Info {
	return Info{
		Name: "process-per-task", Doc: "a process started and joined for each task", TaskCap: 256, Processes: true,
	}
}

// Start implements Strategy. It lets one process prepare the job, so that a job that cannot be prepared, or a program
// that cannot be its own worker, fails here and not in a batch.
func (ProcessPerTask) Start(ctx context.Context, cfg Config) (Executor, error) {
	tasks := &processTasks{job: cfg.Job, env: entryFor(cfg.Job)}
	if _, err := tasks.run(ctx, single{Job: cfg.Job, Index: -1}); err != nil {
		var t *multiproc.TaskError
		if errors.As(err, &t) {
			err = errors.New("prepare the job in a process: " + t.Msg)
		}
		return nil, err
	}
	// The crew's goroutines wait for the processes: it bounds them, and treats their failures as any task's.
	return &processPerTask{newCrew(tasks, cfg.Workers, false), tasks}, nil
}

type processPerTask struct {
	*crew
	tasks *processTasks
}

var (
	_ ChildPeaker = (*processPerTask)(nil)
	_ Prober      = (*processPerTask)(nil)
)

// Probe implements Prober. A task is what its process stamps: starting, preparing and ending that process are no part of it.
func (p *processPerTask) Probe(probe *Probe) error {
	p.tasks.probe, p.probed = probe, probe != nil
	return nil
}

// ChildPeak implements ChildPeaker: it runs the first task once more, in a process that looks at itself at the end.
func (p *processPerTask) ChildPeak(ctx context.Context) (int64, error) {
	r, err := p.tasks.run(ctx, single{Job: p.tasks.job, Index: 0, Peak: true})
	if err != nil {
		return 0, poolError(0, err)
	}
	if r.Peak == 0 {
		return 0, errors.New("this system does not tell a process's peak memory")
	}
	return r.Peak * int64(len(p.workers)), nil
}

// processTasks are tasks that each start a process.
type processTasks struct {
	workloads.NoClose
	job   Job
	env   string
	probe *Probe
}

// Task implements workloads.Tasks.
func (p *processTasks) Task(ctx context.Context, i int) (uint64, error) {
	stamp := p.probe.Picks(i)
	r, err := p.run(ctx, single{Job: p.job, Index: i, Stamp: stamp})
	if err != nil {
		return 0, poolError(i, err)
	}
	if stamp {
		p.probe.Stamp(i, Span{WorkerOf(ctx), r.Begin, r.End})
	}
	return r.Digest, nil
}

func (p *processTasks) run(ctx context.Context, s single) (singleResult, error) {
	return multiproc.Call(ctx, singleTask, s, multiproc.WithEnv(p.env))
}
