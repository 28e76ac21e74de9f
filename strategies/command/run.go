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
	"github.com/parbench/parbench/strategies/command/launch"
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

// process is a command that was started, directly or by the launcher.
type process interface {
	Done() <-chan struct{}
	Kill() error
	Reap(context.Context) error
	// State says how it ended, after Done, and whether what it used is its own.
	State() (_ spawn.State, own bool, _ error)
}

// direct is a command that this process has started.
type direct struct{ *spawn.Child }

// State implements process. The peak of its memory is not its own: it is never below that of this process.
func (d direct) State() (spawn.State, bool, error) {
	s, err := d.Wait(context.Background())
	return s, false, err
}

func start(l *launch.Launcher, cmd spawn.Command) (process, error) {
	if l != nil {
		return l.Start(cmd)
	}
	child, err := spawn.Start(cmd)
	return direct{child}, err
}

// run starts a process in a group of its own, with the launcher unless that is nil, waits for its end, and ends what it has
// left in its group. The error says that it could not be started, or is that of ctx, whose end kills it.
func (t *tasks) run(ctx context.Context, by *launch.Launcher, l line, number string, cpus []int) (x outcome, err error) {
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
	child, err := start(by, cmd)
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
	if stdout != nil {
		x.out = capture.Read(stdout, kept, fnv.New64a())
	}
	select {
	case <-child.Done():
	case <-ctx.Done():
		_ = child.Kill()
		<-child.Done()
		err = context.Cause(ctx)
	}
	state, own, failed := child.State()
	if err == nil {
		err = failed
	}
	x.state, x.own = state, own
	reap, cancel := context.WithTimeout(context.Background(), orphanPatience)
	_ = child.Reap(reap) // what was in its group is killed, and on its way here
	cancel()
	x.tail.Close()
	if x.out != nil {
		x.out.Close()
		x.sum = x.out.Sum()
	}
	return x, err
}

// ledger adds up what the tasks used. Safe for concurrent use.
type ledger struct {
	mu   sync.Mutex
	sum  strategies.Account
	peak int64         // bytes: the largest that is a command's own, of the whole trial
	wall time.Duration // of all tasks of the trial together
	ran  int           // tasks of the trial
}

func (l *ledger) add(x outcome, wall time.Duration) {
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
	l.ran++
}

// launchFrom is how long commands take whose times the launcher does not change by a thousandth.
const launchFrom = 100 * time.Millisecond

// launches reports whether the next command is to be started by the launcher, to learn its memory: all those for whose time
// that is nothing, and the first of a trial, when nothing is known of them yet. It is the warm-up's if there is one.
func (l *ledger) launches() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ran == 0 || l.wall/time.Duration(l.ran) >= launchFrom
}

// exitName is how reports call the end of a task.
func exitName(s spawn.State) string {
	if s.Signal != 0 {
		return "signal " + strconv.Itoa(int(s.Signal))
	}
	return strconv.Itoa(s.Code)
}

// take returns what was added up since the last call.
func (l *ledger) take() strategies.Account {
	l.mu.Lock()
	defer l.mu.Unlock()
	sum := l.sum
	l.sum = strategies.Account{}
	return sum
}

// account is what the tasks used since take.
//
// Of those that this process started, the kernel's peak is the larger one of the command's and this process's, see package
// launch: well above this process's it is the command's. Well above, because kernels from 6.2 on keep it by the CPU and add
// up what is handy.
func (t *tasks) account() strategies.Account {
	a := t.ledger.take()
	a.Shell = t.shell
	own, mine := t.ledger.peak, strategies.PeakMemory()
	switch {
	case a.PeakBytes > mine+mine/4:
		a.PeakBytes = max(a.PeakBytes, own)
	case own > 0:
		a.PeakBytes = own
	default:
		a.PeakBound = true
	}
	return a
}
