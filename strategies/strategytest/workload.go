package strategytest

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/parbench/parbench/workloads"
)

// Workload is what the suite runs: tasks that do as they are told. It is exported for the tests of packages that start
// strategies in other ways, such as strategies/trial.
//
// The parameter "do" says what: "pass" returns a digest; "fail" and "panic" do so in task "at" and pass in the others;
// "hang" waits for the end of the context in task "at" and above, and passes below it; "strand" does the same except that
// task "at" fails once it is released; "meet" is released and passes; "refuse" fails to prepare. A task that waits first
// writes "s" to the pipe "events" in the fixture's directory; it is released by a byte on the pipe "release" there, and
// one that was released and passes writes "e".
type Workload struct{}

var _ workloads.Workload = Workload{}

// Name is the name of Workload.
const Name = "conformance"

// ErrTask is what a task that is told to fail returns.
var ErrTask = errors.New("told to fail")

// PanicText is in the message of a task that is told to panic.
const PanicText = "told to panic"

// Info implements workloads.Workload.
func (Workload) Info() workloads.Info {
	return workloads.Info{
		Name: Name, Kind: workloads.CPU, Doc: "tasks that do as they are told", Probe: true,
		Params: []workloads.Param{
			{Name: "do", Type: workloads.Choice, Default: "pass", Doc: "what tasks do", Choices: []string{
				"pass", "fail", "panic", "hang", "strand", "meet", "refuse"}},
			{Name: "at", Type: workloads.Int, Default: "0", Doc: "the task that does it"},
		},
	}
}

// Prepare implements workloads.Workload.
func (Workload) Prepare(_ context.Context, env workloads.Env) (workloads.Tasks, error) {
	if env.Params["do"] == "refuse" {
		return nil, errors.New("told to refuse")
	}
	return &tasks{seed: env.Seed, do: env.Params["do"], at: env.Params.Int("at"), dir: env.Fixture}, nil
}

type tasks struct {
	workloads.NoClose
	seed uint64
	do   string
	at   int
	dir  string
}

// Task implements workloads.Tasks.
func (t *tasks) Task(ctx context.Context, i int) (uint64, error) {
	switch {
	case t.do == "fail" && i == t.at:
		return 0, ErrTask
	case t.do == "panic" && i == t.at:
		panicAsTold()
	case t.do == "strand" && i == t.at:
		if err := t.wait(); err != nil {
			return 0, err
		}
		return 0, ErrTask
	case t.do == "hang" && i >= t.at, t.do == "strand" && i > t.at:
		if err := t.say("s"); err != nil {
			return 0, err
		}
		<-ctx.Done()
		return 0, context.Cause(ctx)
	case t.do == "meet":
		if err := t.wait(); err != nil {
			return 0, err
		}
		if err := t.say("e"); err != nil {
			return 0, err
		}
	}
	s := workloads.TaskStream(t.seed, i)
	return s.Next(), nil
}

// panicAsTold has a name of its own for the stack to show.
//
//go:noinline
func panicAsTold() { panic(PanicText) }

// say writes to the pipe of events.
func (t *tasks) say(text string) error {
	f, err := os.OpenFile(filepath.Join(t.dir, "events"), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// wait says that the task began and waits for its release.
func (t *tasks) wait() error {
	if err := t.say("s"); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(t.dir, "release"), os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.Read(make([]byte, 1))
	return errors.Join(err, f.Close())
}

// Want returns the batch digest of n passing tasks.
func Want(seed uint64, n int) uint64 {
	var sum uint64
	for i := range n {
		s := workloads.TaskStream(seed, i)
		sum = workloads.Combine(sum, i, s.Next())
	}
	return sum
}
