package command

import (
	"context"
	"fmt"
	"hash/fnv"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/parbench/parbench/internal/capture"
	"github.com/parbench/parbench/strategies"
	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

// outcome is what one process did.
type outcome struct {
	state spawn.State
	tail  *capture.Tail // the end of what it wrote, if that was captured
	sum   uint64        // hash of its standard output, where that is checked
}

// kept is how much of a command's output is kept, in bytes.
const kept = 4 << 10

// run starts a process in a group of its own, waits for its end, and ends what it has left in its group. The error says
// that it could not be started, or is that of ctx, whose end kills it.
func (t *tasks) run(ctx context.Context, l line, number string, cpus []int) (x outcome, err error) {
	args := l.args(number)
	path := l.path
	if path == "" {
		if path, err = find(args[0]); err != nil {
			return x, err
		}
	}
	cmd := spawn.Command{Path: path, Args: args, Env: t.env, CPUs: cpus, NewGroup: true, Stdout: t.file}
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
	child, err := spawn.Start(cmd)
	for _, f := range ends {
		f.Close()
	}
	if err != nil {
		stderr.Close()
		if stdout != nil {
			stdout.Close()
		}
		return x, err
	}
	x.tail = capture.Read(stderr, kept, nil)
	var output *capture.Tail
	if stdout != nil {
		output = capture.Read(stdout, kept, fnv.New64a())
	}
	select {
	case <-child.Done():
	case <-ctx.Done():
		_ = child.Kill()
		<-child.Done()
		err = context.Cause(ctx)
	}
	x.state, _ = child.Wait(context.Background()) // it is done
	reap, cancel := context.WithTimeout(context.Background(), orphanPatience)
	_ = child.Reap(reap) // what was in its group is killed, and on its way here
	cancel()
	x.tail.Close()
	if output != nil {
		output.Close()
		x.sum = output.Sum()
	}
	return x, err
}

// ledger adds up what the tasks used. Safe for concurrent use.
type ledger struct {
	mu    sync.Mutex
	sum   strategies.Account
	wall  time.Duration // of all tasks together
	count int
}

func (l *ledger) add(s spawn.State, wall time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := &s.Usage
	l.sum.User += time.Duration(u.Utime.Nano())
	l.sum.System += time.Duration(u.Stime.Nano())
	l.sum.PeakBytes = max(l.sum.PeakBytes, u.Maxrss<<10)
	l.sum.CtxVoluntary += u.Nvcsw
	l.sum.CtxForced += u.Nivcsw
	l.sum.FaultsMinor += u.Minflt
	l.sum.FaultsMajor += u.Majflt
	if l.sum.Exits == nil {
		l.sum.Exits = map[string]int{}
	}
	l.sum.Exits[exitName(s)]++
	l.wall += wall
	l.count++
}

// exitName is how reports call the end of a task.
func exitName(s spawn.State) string {
	if s.Signal != 0 {
		return "signal " + strconv.Itoa(int(s.Signal))
	}
	return strconv.Itoa(s.Code)
}

// take returns what was added up and begins anew.
func (t *tasks) take() (sum strategies.Account, each time.Duration) {
	l := &t.ledger
	l.mu.Lock()
	defer l.mu.Unlock()
	sum, each = l.sum, l.wall/time.Duration(max(l.count, 1))
	l.sum, l.wall, l.count = strategies.Account{}, 0, 0
	return sum, each
}

// observeLimit is how long a command may take to be run once more for its memory.
const observeLimit = 250 * time.Millisecond

// account is what the tasks used since take.
//
// The kernel's peak of a process begins with that of the process that started it: what execve replaces counts as the new
// program's. A command that needs less than this process therefore shows this process's memory, and is run once more, if
// that does not take long, to be observed at its end.
func (t *tasks) account(ctx context.Context) strategies.Account {
	a, each := t.take()
	a.Shell = t.shell
	if own := strategies.PeakMemory(); a.PeakBytes > own {
		return a
	}
	a.PeakBound = true
	if each > observeLimit || t.prepareBatch(ctx) != nil {
		return a
	}
	args := t.command.args("0")
	path := t.command.path
	if path == "" {
		path, _ = find(args[0]) // which was found before, for a task
	}
	if peak, err := observePeak(ctx, path, args, t.env, t.input); err == nil && peak > 0 {
		a.PeakBytes, a.PeakBound = peak, false
	}
	return a
}
