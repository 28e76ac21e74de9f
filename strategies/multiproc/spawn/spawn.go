// Package spawn starts child processes so that none of them outlives its parent or leaks into another: pinned from
// the first instruction, tied to the parent by a lifeline descriptor and a parent-death signal, in a process group of
// their own where wanted, killed as a group and reaped.
//
// Every child that Start starts is started by one goroutine that stays locked to its OS thread for the life of the process,
// because the kernel delivers the parent-death signal when the starting thread ends, not when the process does
// (https://go.dev/issue/27505), and because the child inherits the CPU affinity of that thread. Run keeps the caller's
// thread for as long as the child lives.
//
// Non-goals: shells, command lines, remote machines, capturing output. It works on Linux; elsewhere Start returns
// ErrUnavailable. The package stays free of fmt, os/exec and golang.org/x/sys, because worker processes initialise it
// before they can take their first task.
package spawn

import (
	"context"
	"errors"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// FDIn and FDOut are the descriptors of the child when Command.Protocol is set: requests arrive on FDIn, whose end of
// file is the lifeline, and answers leave on FDOut.
const (
	FDIn  = 3
	FDOut = 4
)

// Tick is how exactly Linux notes when a process began (USER_HZ, see times(2)).
const Tick = 10 * time.Millisecond

// ErrUnavailable says that the operation does not exist on this operating system.
var ErrUnavailable = errors.New("spawn: starting pinned, tied children is only available on Linux")

// ErrDone is returned by Signal once the process has been reaped: its number may belong to someone else by then.
var ErrDone = errors.New("spawn: process has already been reaped")

// Command describes a child. The zero value lacks a Path and cannot be started; a Command may be copied and reused.
type Command struct {
	Path string   // executable; no search in PATH
	Args []string // argument vector, Args[0] included; empty: Path alone
	Env  []string // complete environment; nil: that of this process
	Dir  string   // working directory; empty: that of this process
	// CPUs is the affinity of the child from its first instruction; nil: the affinity of this process's main thread.
	CPUs []int
	// Stdin, Stdout and Stderr become descriptors 0 to 2; nil: /dev/null. They stay open here.
	Stdin, Stdout, Stderr *os.File
	// NewGroup makes the child the leader of its own process group, so that Kill takes all of it. When the leader exits by
	// itself, whatever is left in its group is killed before the leader is reaped.
	NewGroup bool
	// NoDeathSignal leaves out the signal that the kernel kills the child with when this process ends. The child must then
	// watch its lifeline, which gives it time to notice; one that is stopped or stuck in the kernel stays behind.
	NoDeathSignal bool
	// ControlGroup, if set, is the directory of a cgroup v2 group that the child is born into, and with it everything it
	// starts. It stays open here. Moving a running process instead costs 10 to 15 ms of waiting in the kernel.
	ControlGroup *os.File
	// Launcher, if set, starts the child so that the kernel's peak of its memory is its own (State.Usage.Maxrss). The child
	// leads a group, has the death signal, and neither Protocol nor Extra.
	Launcher *Launcher
	// Protocol gives the child a pipe on FDIn and one on FDOut. Child.In and Child.Out are the other ends.
	Protocol bool
	// Extra become the child's descriptors 5 and up, in order (3 and up without Protocol). They stay open here.
	Extra []*os.File
}

// Launcher is a program that starts others so that the kernel's peak of their memory is their own.
//
// Linux counts as a process's peak also what the process that calls execve(2) had until then (setmax_mm_hiwater_rss in
// fs/exec.c), and in a child of vfork that is the memory of its parent. ru_maxrss of wait4(2) therefore never falls below
// the size of the program that starts the others. A Launcher stands between the two: a program of a few instructions, small
// enough to count as nothing, that starts the child as a child of this process and ends. The processes that the child itself
// starts and waits for are in its figures, as ever.
//
// It makes a start take 0.1 to 0.2 ms longer (BenchmarkRun). It exists on Linux for amd64 and arm64.
//
// A Launcher is safe for concurrent use.
type Launcher struct{ image *os.File }

// Close implements io.Closer. What was started goes on.
func (l *Launcher) Close() error { return l.image.Close() }

// State says how a process ended.
type State struct {
	Code   int            // exit status, or -1 when a signal ended it or nobody knows
	Signal syscall.Signal // the signal that ended it, or 0
	Usage  syscall.Rusage // of the process and the children it waited for

	ended bool
}

// Success reports an exit with status 0. The zero State, of a process that has not ended, is none.
func (s State) Success() bool { return s.ended && s.Code == 0 && s.Signal == 0 }

// Ended is the State of a process with that wait status, see wait4(2).
func Ended(status syscall.WaitStatus, usage syscall.Rusage) State {
	s := State{Code: status.ExitStatus(), Usage: usage, ended: true}
	if status.Signaled() {
		s.Signal = status.Signal()
	}
	return s
}

// String returns a phrase such as "exit status 2", "signal 9 (killed)" or, of the zero State, "not ended".
func (s State) String() string {
	if s == (State{}) {
		return "not ended"
	}
	if s.Code == -1 && s.Signal == 0 {
		return "exit status unknown" // somebody else reaped it, such as the kernel where SIGCHLD is ignored
	}
	if s.Signal != 0 {
		return "signal " + strconv.Itoa(int(s.Signal)) + " (" + s.Signal.String() + ")"
	}
	return "exit status " + strconv.Itoa(s.Code)
}

// Child is a started process. It is owned by whoever started it, is safe for concurrent use and must not be copied. It
// reaps itself: no zombie stays behind even if nobody calls Wait.
type Child struct {
	// In and Out are this process's ends of the child's descriptors 3 and 4, nil without Command.Protocol. The caller
	// closes them; closing In ends the child's lifeline.
	In, Out *os.File

	pid   int
	group bool
	began int64 // in ticks, no later than the process itself
	done  chan struct{}

	mu     sync.Mutex
	reaped bool
	state  State
	err    error
}

// Pid returns the process id.
func (c *Child) Pid() int { return c.pid }

// Done returns a channel that is closed when the process itself has been reaped.
func (c *Child) Done() <-chan struct{} { return c.done }

// Wait waits until the process has been reaped and says how it ended. It returns ctx's error if that ends first; the
// process runs on then.
func (c *Child) Wait(ctx context.Context) (State, error) {
	select {
	case <-c.done:
	default:
		select {
		case <-c.done:
		case <-ctx.Done():
			return State{}, ctx.Err()
		}
	}
	return c.state, c.err
}

// Path returns where a child finds an open file of this process: by this process's number, because in a child that is
// about to begin its own program the descriptor may have been replaced already.
func Path(f *os.File) string {
	return "/proc/" + strconv.Itoa(os.Getpid()) + "/fd/" + strconv.Itoa(int(f.Fd()))
}
