package command

import (
	"context"
	"fmt"
	"hash/fnv"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"testing"

	"github.com/parbench/parbench/internal/testenv"
	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/strategies"
	"github.com/parbench/parbench/strategies/strategytest"
	"github.com/parbench/parbench/workloads"
)

// The test program is also the command of the conformance tests: it does one task of the suite's workload.
func TestMain(m *testing.M) {
	testenv.HurryRace()
	if len(os.Args) > 1 && os.Args[1] == asTask {
		os.Exit(doTask(os.Args[3:]))
	}
	strategytest.Main(m)
}

const asTask = "conformance-task"

// doTask does a task. Its arguments are what it does, in which task, the seed, the directory and the task's number. It prints the task's digest, which --check-output makes a part of the command's.
func doTask(args []string) int {
	n := func(k int) uint64 {
		v, err := strconv.ParseUint(args[k], 10, 64)
		if err != nil {
			panic(err)
		}
		return v
	}
	tasks, err := strategytest.Workload{}.Prepare(context.Background(), workloads.Env{
		Seed: n(2), Fixture: args[3], Params: workloads.Params{"do": args[0], "at": args[1]}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	// A signal that nobody sends: without one to wait for, a task that hangs would be a deadlock to the runtime.
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGUSR1)
	defer stop()
	d, err := tasks.Task(ctx, int(n(4)))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(d)
	return 0
}

// TestConformance runs the suite over the strategies of commands: each task is a process that does one of the suite's. What
// does not apply: a command cannot panic (it ends with a status), there are no worker processes that live between batches,
// and nothing probes a command from inside.
func TestConformance(t *testing.T) {
	for _, s := range ways(Sequential) {
		t.Run(s.Info().Name, func(t *testing.T) {
			strategytest.Run(t, onCommands{s}, strategytest.Options{OneAtATime: s.Info().OneWorker, NoPanics: true})
		})
	}
}

// onCommands runs the suite's workload by way of commands.
type onCommands struct{ strategies.Strategy }

func (o onCommands) Info() strategies.Info {
	i := o.Strategy.Info()
	i.TaskCap = 16 // each task is a process
	return i
}

func (o onCommands) Start(ctx context.Context, cfg strategies.Config) (strategies.Executor, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := cfg.Job.Params
	line := func(index string) string {
		// A failed command's error is its line, what it says goes to standard error: so the line has the text of the error too.
		said := map[string]string{"fail": strategytest.ErrTask.Error(), "strand": strategytest.ErrTask.Error(), "refuse": "told to refuse"}[p["do"]]
		return fmt.Sprintf("'%s' %s '%s' %s %s %d '%s' %s", self, asTask, said, p["do"], p["at"], cfg.Job.Seed, cfg.Job.Fixture, index)
	}
	all := &results.Commands{CheckOutput: true, List: []results.Command{{Name: strategytest.Name, Line: line("{" + Index + "}")}}}
	if p["do"] == "refuse" {
		all.Setup = line("0")
	}
	cfg.Workloads = workloads.NewRegistry(workload{all: all, one: all.List[0], env: environment()})
	cfg.Job.Params = nil
	ex, err := o.Strategy.Start(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return translated{ex, cfg.Job.Seed}, nil
}

// translated gives a batch the digest that the suite expects if it has that of commands which printed the suite's.
type translated struct {
	strategies.Executor
	seed uint64
}

func (e translated) Run(ctx context.Context, n int) (uint64, error) {
	got, err := e.Executor.Run(ctx, n)
	var want uint64
	for i := range n {
		s := workloads.TaskStream(e.seed, i)
		output := fnv.New64a()
		fmt.Fprintln(output, s.Next())
		want = workloads.Combine(want, i, workloads.Fold(workloads.Key(e.seed, i), output.Sum64()))
	}
	if got == want {
		got = strategytest.Want(e.seed, n)
	}
	return got, err
}
