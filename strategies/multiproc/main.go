// Package multiproc runs functions in other processes: Process and Call for one process each, ProcessPool for a set of
// persistent workers, and LocalPool, which has the pool's interface on goroutines. It is modelled on Python's
// multiprocessing and keeps its verbs; docs/multiproc.md tells where it differs and why.
//
// A child is the same executable started again. It begins in main with fresh package variables, not with a copy of the
// parent's memory, so functions are registered under names in package variables and Main is the first statement of
// main and of TestMain. Arguments and results are copied.
//
// Non-goals: forking without exec, sending functions, other machines, and sandboxing (a worker may do whatever the
// parent may). Shared memory and synchronisation are in package shm, objects that live in a process of their own and are
// used from others in package manager. Worker processes need Linux; elsewhere they return spawn.ErrUnavailable and only
// LocalPool and LocalProcess work.
//
// The package imports only what is cheap to initialise, because every worker does so before its first task.
package multiproc

import (
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

// cookie is the environment variable that makes a program a child: "1 pool NAME" or "1 process NAME", the protocol's
// version first. It says that the protocol's descriptors are open.
const (
	cookie        = "PARBENCH_MULTIPROC"
	cookieTraits  = "PARBENCH_MULTIPROC_TRAITS" // see traits
	cookieVersion = "1"
	rolePool      = "pool"
	roleProcess   = "process"
)

// Exit codes of a child that could not work.
const (
	exitTask         = 1  // the function of a process returned an error or panicked
	exitOrphan       = 3  // the parent is gone
	exitUnregistered = 69 // the child does not know the function (EX_UNAVAILABLE)
	exitProtocol     = 70 // Main was never called, or parent and child do not match (EX_SOFTWARE)
)

// watchdog is how long a child's program may take to call Main.
const watchdog = 5 * time.Second

// role is what this process was started for.
var role roleInfo

// A child's role must be known before any user code runs, hence an init function in a package that imports none.
func init() { role = takeRole() }

var mainCalled atomic.Bool

type roleInfo struct{ version, kind, fn string }

// takeRole is the first act of a child: it removes the cookie and marks the descriptors, so that nothing that a package
// initialiser or a task starts can take them over. It also starts the watchdog that keeps a program without Main from
// running its own main as a worker, and from starting workers of its own.
func takeRole() roleInfo {
	v, ok := os.LookupEnv(cookie)
	if !ok {
		return roleInfo{}
	}
	_ = os.Unsetenv(cookie)
	var r roleInfo
	r.version, v, _ = strings.Cut(v, " ")
	r.kind, r.fn, _ = strings.Cut(v, " ")
	self.take(os.Getenv(cookieTraits))
	_ = os.Unsetenv(cookieTraits)
	spawn.CloseOnExec(spawn.FDIn, spawn.FDOut)
	spawn.ShowName(os.Args[0])
	time.AfterFunc(watchdog, func() {
		if !mainCalled.Load() {
			childFatal("the program did not call multiproc.Main within " + watchdog.String() +
				"; make it the first statement of main or TestMain")
		}
	})
	self.watchParent()
	if err := self.limit(); err != nil {
		childFatal(err.Error())
	}
	return r
}

// IsChild reports whether this process is a worker or a Process that this package started. It is true from package
// initialisation on.
func IsChild() bool { return role.version != "" }

// ChildFunction returns the name of the function that this child was started to run, or "". With Registered it lets an
// early entry point find out whether Main can already do the work.
func ChildFunction() string { return role.fn }

// Main makes this program able to be its own worker. It must be the first statement of main, and of TestMain in tests,
// of the parent as well as the child: without it NewPool and Process.Start return ErrNoMain. In the parent it returns
// at once. In a child it runs what the child was started for and never returns.
//
// A program with heavy packages may call it from a package initialiser that comes before theirs: a child then never
// initialises the rest. The functions must be registered by then. In an initialiser the calling goroutine is locked to
// the main thread, where every hand-off between goroutines costs a thread switch; so the work is always done on a new
// goroutine, and the caller is parked.
func Main() {
	mainCalled.Store(true)
	if !IsChild() {
		return
	}
	go serve()
	select {}
}

// childFatal ends a child that cannot work.
func childFatal(msg string) {
	_, _ = os.Stderr.WriteString("multiproc: child process " + role.fn + ": " + msg + "\n")
	os.Exit(exitProtocol)
}
