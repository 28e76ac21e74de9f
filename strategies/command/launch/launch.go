// Package launch starts a program so that the kernel's peak of its memory is its own.
//
// Linux counts as a process's peak also what the process that calls execve(2) had until then (setmax_mm_hiwater_rss in
// fs/exec.c), and of a child of vfork that is the memory of its parent. ru_maxrss of wait4(2) therefore never falls below
// the size of the program that starts the others. A Launcher is a program of a few
// instructions between the two, small enough to count as nothing. It starts the command, waits for it, and reports how it
// ended and what it used; the processes that the command itself starts and waits for are in these figures, as ever.
//
// It costs 0.15 to 0.25 ms per start (BenchmarkRun, on a quiet 2-core virtual machine), one more process in the command's
// group, and a parent that is not this process. What is timed and lasts a few milliseconds should be started without it.
//
// Non-goals: tracing. A debugger, a sanitizer or strace is a command like any other.
package launch

import (
	"errors"
	"os"
)

// ErrUnavailable says that there is no launcher for this operating system or processor.
var ErrUnavailable = errors.New("launch: available on Linux for amd64 and arm64 only")

// Launcher is the program in memory. It is safe for concurrent use; Close gives its memory back.
type Launcher struct{ image *os.File }

// Close implements io.Closer. Commands that have been started go on.
func (l *Launcher) Close() error { return l.image.Close() }
