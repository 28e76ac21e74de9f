package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/parbench/parbench/internal/host"
	"github.com/parbench/parbench/strategies"
	"github.com/parbench/parbench/workloads"
)

// Names of the strategies.
const (
	Sequential = "sequential"
	Alone      = "alone"
	Pool       = "pool"
	PerCore    = "per-core"
)

// Strategies returns the strategies that commands can be run under, in the order in which reports show them.
func Strategies() []strategies.Strategy { return ways(Sequential) }

// ways are the strategies for commands, in the order in which reports show them.
func ways(reference string) []strategies.Strategy {
	list := []way{
		{info: strategies.Info{Name: Sequential, Doc: "one command after another on one core", OneCore: true}, how: strategies.Sequential{}},
		{info: strategies.Info{Name: Alone, Doc: "one command at a time, which has all the cores to itself", OneWorker: true}, how: strategies.Sequential{}},
		{info: strategies.Info{Name: Pool, Doc: "a bounded number of commands at a time, which share the cores"}, how: strategies.Pool{}},
		{info: strategies.Info{Name: PerCore, Doc: "a bounded number of commands at a time, each pinned to one core"}, how: strategies.Pool{}, pinned: true},
	}
	var out []strategies.Strategy
	for _, w := range list {
		w.info.Reference = w.info.Name == reference
		out = append(out, w)
	}
	return out
}

// way runs commands by an ordinary strategy for tasks in one process: the tasks do nothing but wait for theirs.
type way struct {
	info   strategies.Info
	how    strategies.Strategy
	pinned bool // each command to one CPU
}

var _ strategies.Strategy = way{}

// Info implements strategies.Strategy.
func (w way) Info() strategies.Info { return w.info }

// Start implements strategies.Strategy.
func (w way) Start(ctx context.Context, cfg strategies.Config) (strategies.Executor, error) {
	found, err := cfg.Workloads.Lookup(cfg.Job.Workload)
	if err != nil {
		return nil, err
	}
	var cpus []int // one for each worker
	if w.pinned {
		u, err := host.Open("").Usable()
		if err != nil {
			return nil, fmt.Errorf("find the CPUs to pin commands to: %w", err)
		}
		for k := range cfg.Workers {
			cpus = append(cpus, u.CPUs[k%len(u.CPUs)])
		}
	}
	under := w.info.Name
	if cfg.Workers > 1 && !w.info.OneCore && !w.info.OneWorker {
		under = fmt.Sprintf("%s with %d workers", under, cfg.Workers)
	}
	t, err := found.(workload).prepare(ctx, cfg.Grain, workloads.Env{Params: cfg.Job.Params, Seed: cfg.Job.Seed}, under, cpus)
	if err != nil {
		return nil, err
	}
	cfg.Workloads = workloads.NewRegistry(ready{found, t})
	ex, err := w.how.Start(ctx, cfg)
	if err != nil {
		_ = t.Close()
		return nil, err
	}
	return &executor{Executor: ex, tasks: t}, nil
}

// ready is a workload whose tasks have been prepared already.
type ready struct {
	workloads.Workload
	tasks *tasks
}

// Prepare implements workloads.Workload.
func (r ready) Prepare(context.Context, workloads.Env) (workloads.Tasks, error) { return r.tasks, nil }

// executor adds to one of commands what only their tasks know.
type executor struct {
	strategies.Executor
	tasks *tasks
}

var (
	_ strategies.BatchPreparer = (*executor)(nil)
	_ strategies.Accounter     = (*executor)(nil)
	_ strategies.Prober        = (*executor)(nil)
)

// PrepareBatch implements strategies.BatchPreparer.
func (e *executor) PrepareBatch(ctx context.Context) error { return e.tasks.prepareBatch(ctx) }

// Probe implements strategies.Prober: the strategies that commands are run by can all be watched.
func (e *executor) Probe(p *strategies.Probe) error {
	w, ok := e.Executor.(strategies.Prober)
	if !ok {
		return errors.New("the strategy below has no probe")
	}
	return w.Probe(p)
}

// ResetAccount implements strategies.Accounter.
func (e *executor) ResetAccount() { e.tasks.take() }

// Account implements strategies.Accounter.
func (e *executor) Account(ctx context.Context) strategies.Account { return e.tasks.account(ctx) }
