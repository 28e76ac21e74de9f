// Package entry lets parbench's worker processes begin their work before the rest of the program is initialised. Import
// it for its side effect, from main only.
//
// A worker of process-pool or process-per-task is the same executable started again, and how long that takes is part of
// what these strategies are measured by. Go initialises packages in the order of their dependencies, and by import path
// where these leave a choice, so a package that needs little comes before most of those that need much: plots, tables,
// flags, HTTP. This one needs next to nothing, and in a worker its init does not return.
//
// Measured on a busy 2-core virtual machine, start to exit, built without cgo: a Go program that does nothing 0.9 ms, a
// worker through this entry 1.5 to 1.8 ms, through main 2.5 ms; with cgo, which brings the dynamic linker, 2.7 and 3.3 ms.
// BenchmarkStart repeats it. (What is left of the difference is mostly the packages that sort before this one and need
// no more than it does, compress, crypto and encoding among them: Go initialises them first because multiproc needs
// reflect, as they do.)
//
// Non-goals: workloads that are not among workloads.Lean, whose workers start from main, and trials, which do so too
// because they need encoding/json. That costs a trial about 0.7 ms, all of it before "ready" and none of it measured.
package entry

import (
	"os"

	"github.com/parbench/parbench/strategies"
	"github.com/parbench/parbench/strategies/multiproc"
	"github.com/parbench/parbench/workloads"
)

// Work at import is what this package is for: see the package comment.
func init() {
	if !early(os.Getenv(strategies.EntryVariable), multiproc.IsChild(), multiproc.Registered(multiproc.ChildFunction())) {
		return
	}
	strategies.UseWorkloads(workloads.NewRegistry(workloads.Lean()...))
	// Main works on a goroutine of its own and parks this one, which is locked to its thread as long as packages are
	// being initialised: every hand-off to or from it would be a switch of threads, 34 to 40 µs instead of 0.26.
	multiproc.Main()
}

// early decides whether this process can begin its work here: it is a worker, nobody asked for the ordinary entry, and
// the function it is to run belongs to a package that is initialised by now.
func early(variable string, child, registered bool) bool {
	return child && registered && variable != strategies.EntryOrdinary
}
