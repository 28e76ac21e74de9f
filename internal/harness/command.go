package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/parbench/parbench/internal/capture"
	"github.com/parbench/parbench/internal/limits"
	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

// commandKey is the workload's key in plans that measure commands; commandStrategy the strategy's name.
const (
	commandKey      = "command"
	commandStrategy = "process"
)

// firstCommand bounds the first execution of a command whose length is not known yet.
const firstCommand = 10 * time.Minute

// PrepareCommands runs either command once, unmeasured, and plans to time them against each other: from before the process
// is started until it is reaped, on the first cores CPUs (0: all). Executions of less than minMeasured are repeated within
// a trial. It fails with a *SideError where a command does not exit with status 0.
func (h *Harness) PrepareCommands(ctx context.Context, base, head Program, cores int, timeout time.Duration, seed uint64) (*Pairs, error) {
	if cores == 0 {
		cores = h.Place.Cores
	}
	c := results.Cell{Workload: commandKey, Strategy: commandStrategy, Label: commandStrategy, Cores: cores, Workers: 1, Tasks: 1,
		CPUs: firstCPUs(h.Place.CPUs, cores)}
	p := &Pairs{h: h, Tracks: []Track{{0, 1}}, want: make([]string, 2)}
	limit := timeout
	if limit == 0 {
		limit = firstCommand
	}
	var longest time.Duration
	for _, side := range []Program{base, head} {
		l := launch{program: side, cpus: c.CPUs, command: true, timeout: limit, group: h.group}
		o := l.start(ctx)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if o.trial.Status != results.OK {
			return nil, &SideError{side.Label, "the command " + side.Path, o.trial, o.trial.Reason}
		}
		for _, w := range o.trial.Wall {
			longest = max(longest, time.Duration(w))
		}
		c.Program = side.Label
		p.Plan.Cells = append(p.Plan.Cells, c)
		p.cells = append(p.cells, l)
	}
	if timeout == 0 {
		timeout = max(minTimeout, 10*longest).Round(time.Second)
	}
	for i := range p.cells {
		p.cells[i].timeout = timeout
	}
	p.Plan.Timeout = timeout.Seconds()
	p.Plan.Workloads = []results.PlanEntry{{Key: commandKey, Name: commandKey, Kind: "cpu", Doc: "a whole process, from start to exit",
		Tasks: 1, GrainNS: float64(longest)}}
	p.Reset(seed)
	return p, nil
}

// runCommand executes a command until minMeasured is reached and never fails: what went wrong is in the trial. Each
// execution is a batch of one task.
func runCommand(ctx context.Context, l launch) outcome {
	began := time.Now()
	o := outcome{trial: results.Trial{Type: "trial", Start: began.UTC(), Status: results.OK, Tasks: 1}}
	t := &o.trial
	ctx, cancel := context.WithTimeoutCause(ctx, l.timeout, errDeadline)
	defer cancel()
	for t.Status == results.OK && t.SpanNS < minMeasured.Nanoseconds() {
		x := execute(ctx, l)
		o.selfCPU += x.cpu
		t.SpanNS += x.wall.Nanoseconds()
		t.CPUNS += x.cpu.Nanoseconds()
		t.PeakBytes = max(t.PeakBytes, x.peak)
		t.Wall = append(t.Wall, x.wall.Nanoseconds())
		switch {
		case errors.Is(x.err, errDeadline):
			t.Status, t.Reason = results.TimedOut, fmt.Sprintf("it did not end within %v; its processes were killed", l.timeout)
		case x.err != nil:
			t.Status, t.Reason = results.Crashed, clip(limits.Explain(x.err, "").Error(), maxReason)
		case !x.state.Success():
			t.Status, t.Reason = results.Crashed, "it "+exitText(x.state)
		}
		if t.Status != results.OK {
			t.Stderr = x.output
		}
	}
	t.TotalNS = time.Since(began).Nanoseconds()
	t.OverheadNS = max(0, t.TotalNS-t.SpanNS)
	return o
}

// execution is what one process did.
type execution struct {
	wall, cpu time.Duration
	peak      int64 // bytes
	state     spawn.State
	output    string // the end of its standard error
	err       error
}

func execute(ctx context.Context, l launch) (x execution) {
	out, w, err := os.Pipe()
	if err != nil {
		return execution{err: err}
	}
	cmd := spawn.Command{Path: l.program.Path, Args: append([]string{l.program.Path}, l.program.Args...),
		Env: append(os.Environ(), l.program.Env...), CPUs: l.cpus, NewGroup: true, Stderr: w}
	if l.group != nil {
		cmd.ControlGroup = l.group.dir
	}
	began := time.Now()
	child, err := spawn.Start(cmd)
	w.Close()
	if err != nil {
		out.Close()
		return execution{err: err}
	}
	tail := capture.Read(out, stderrTail, nil, nil)
	select {
	case <-child.Done():
		x.wall = time.Since(began)
	case <-ctx.Done():
		_ = child.Kill()
		<-child.Done()
		x.wall, x.err = time.Since(began), context.Cause(ctx)
	}
	_ = child.Kill()
	reap, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	x.state, _ = child.Wait(reap)
	_ = child.Reap(reap)
	sweep(child, l.group)
	tail.Close()
	u := x.state.Usage
	x.cpu, x.peak, x.output = usageCPU(u), u.Maxrss<<10, tail.String()
	return x
}

func usageCPU(u syscall.Rusage) time.Duration {
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
