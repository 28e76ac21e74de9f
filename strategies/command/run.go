package command

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/parbench/parbench/internal/capture"
	"github.com/parbench/parbench/strategies"
	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

// outcome is what one process did.
type outcome struct {
	state spawn.State
	own   bool          // the peak in state is the command's own
	tail  *capture.Tail // the end of what it wrote, if that was captured
	out   *capture.Tail // its standard output, where that is checked
	sum   uint64        // the hash of that
}

// kept is how much of a command's output is kept, in bytes.
const kept = 4 << 10

// call is a command to be run.
type call struct {
	line
	number string          // in place of {i}
	by     *spawn.Launcher // nil: the peak of its memory will not be known if it is small
	cpus   []int           // nil: those of this process
	out    *os.File        // standard output where that is not captured; nil: /dev/null
}

// run starts a process in a group of its own, waits for its end, and ends what it has left in its group. The error says that it could not be started, or is that of ctx, whose end kills it.
func (t *tasks) run(ctx context.Context, c call) (x outcome, err error) {
	args := c.args(c.number)
	path := c.path
	if path == "" {
		if path, err = find(args[0]); err != nil {
			return x, err
		}
	}
	cmd := spawn.Command{Path: path, Args: args, Env: t.env, CPUs: c.cpus, NewGroup: true, Launcher: c.by, Stdout: c.out}
	if t.input != "" {
		if cmd.Stdin, err = os.Open(t.input); err != nil {
			return x, fmt.Errorf("--input: %w", err)
		}
		defer cmd.Stdin.Close()
	}
	var ends []*os.File // the writing ends, which are the process's alone once it has started
	pipe := func(f **os.File) (*os.File, error) {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		*f, ends = w, append(ends, w)
		return r, nil
	}
	stderr, err := pipe(&cmd.Stderr)
	if err != nil {
		return x, err
	}
	var stdout *os.File
	switch {
	case t.all.CheckOutput:
		if stdout, err = pipe(&cmd.Stdout); err != nil {
			stderr.Close()
			ends[0].Close()
			return x, err
		}
	case t.all.Output == "":
		cmd.Stdout = cmd.Stderr // one stream, in the order in which it was written
	}
	var child *spawn.Child
	var stop func() bool
	err = spawn.Run(cmd, func(p *spawn.Child) {
		for _, f := range ends {
			f.Close()
		}
		x.tail = capture.Read(stderr, kept, nil, t.onlooker(c.line, c.number))
		if stdout != nil {
			x.out = capture.Read(stdout, kept, fnv.New64a(), t.onlooker(c.line, c.number))
		}
		child, stop = p, context.AfterFunc(ctx, func() { _ = p.Kill() })
	})
	if child == nil {
		for _, f := range append(ends, stderr, stdout) {
			f.Close() // of a nil file an error
		}
		if errors.Is(err, syscall.ENOEXEC) {
			err = fmt.Errorf("%w: a script begins with a line such as #!/bin/sh, or needs --shell; a program must be made for this processor", err)
		}
		return x, err
	}
	stop()
	x.state, err = child.Wait(context.Background()) // it has ended
	x.own = c.by != nil
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	reap, cancel := context.WithTimeout(context.Background(), orphanPatience)
	_ = child.Reap(reap) // what was in its group is killed, and on its way here
	cancel()
	spawn.ReapOrphans()
	x.tail.Close()
	if x.out != nil {
		x.out.Close()
		x.sum = x.out.Sum()
	}
	return x, err
}

// ledger adds up what the tasks used. Safe for concurrent use.
type ledger struct {
	mu    sync.Mutex
	sum   strategies.Account // its peak is the largest of those that are not known to be a command's own
	peak  int64              // bytes: the largest that is
	wall  time.Duration      // of all tasks together
	count int
	last  int // the largest number of a task
}

// add adds task i.
func (l *ledger) add(i int, x outcome, wall time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := &x.state.Usage
	l.sum.User += time.Duration(u.Utime.Nano())
	l.sum.System += time.Duration(u.Stime.Nano())
	if x.own {
		l.peak = max(l.peak, u.Maxrss<<10)
	} else {
		l.sum.PeakBytes = max(l.sum.PeakBytes, u.Maxrss<<10)
	}
	l.sum.CtxVoluntary += u.Nvcsw
	l.sum.CtxForced += u.Nivcsw
	l.sum.FaultsMinor += u.Minflt
	l.sum.FaultsMajor += u.Majflt
	if l.sum.Exits == nil {
		l.sum.Exits = map[string]int{}
	}
	l.sum.Exits[exitName(x.state)]++
	l.wall += wall
	l.count++
	l.last = max(l.last, i)
}

// each is how long a task took, and otherwise, before there was one, what it is said to take.
func (l *ledger) each(otherwise time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count == 0 {
		return otherwise
	}
	return l.wall / time.Duration(l.count)
}

// exitName is how reports call the end of a task.
func exitName(s spawn.State) string {
	if s.Signal != 0 {
		return "signal " + strconv.Itoa(int(s.Signal))
	}
	return strconv.Itoa(s.Code)
}

// take returns what was added up and begins anew.
func (t *tasks) take() (sum strategies.Account, peak int64) {
	l := &t.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	sum, peak = l.sum, l.peak
	if l.count > 0 {
		t.grain = l.wall / time.Duration(l.count)
	}
	l.sum, l.peak, l.wall, l.count = strategies.Account{}, 0, 0, 0
	return sum, peak
}

// launchFrom is how long commands take that the launcher starts to be timed: it adds 0.1 to 0.2 ms to them.
const launchFrom = 100 * time.Millisecond

// starter is what is to start the next command: the launcher, or nothing beside this process.
func (t *tasks) starter() *spawn.Launcher {
	if t.ledger.each(t.grain) >= launchFrom {
		return t.launcher
	}
	return nil
}

// account is what the tasks used since take.
//
// Of those that were started without the launcher, the kernel's peak is the larger one of the command's and this process's
// (see spawn.Launcher): well above this process's it is the command's. (Well above, because kernels from 6.2 on keep it by
// the CPU and add up what is handy.) Where it is not, the command is run once more with the launcher, unless its tasks are
// different commands.
func (t *tasks) account(ctx context.Context) strategies.Account {
	a, peak := t.take()
	a.Shell = t.shell
	mine := strategies.PeakMemory()
	switch {
	case a.PeakBytes == 0: // all by the launcher
		a.PeakBytes = peak
	case a.PeakBytes > mine+mine/4:
		a.PeakBytes = max(a.PeakBytes, peak)
	case t.command.numbered() && t.ledger.last > 0:
		a.PeakBytes, a.PeakBound = max(a.PeakBytes, peak), true
	default:
		if peak == 0 {
			peak = t.sample(ctx)
		}
		if a.PeakBound = peak == 0; !a.PeakBound {
			a.PeakBytes = peak
		}
	}
	return a
}

// sample is the peak of one command in bytes; 0: it cannot be known.
func (t *tasks) sample(ctx context.Context) int64 {
	if t.launcher == nil || t.grain >= launchFrom || t.prepareBatch(ctx) != nil {
		return 0
	}
	x, err := t.run(ctx, call{line: t.command, number: "0", by: t.launcher})
	if err != nil {
		return 0
	}
	return x.state.Usage.Maxrss << 10
}
