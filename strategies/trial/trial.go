// Package trial turns a Go program into one that parbench can measure. Its main calls Main with workloads of its own:
//
//	func main() {
//		trial.Main(myWorkload{})
//		fmt.Println("measure me: parbench run --program ./mybench")
//	}
//
// parbench then runs these under every strategy and number of cores, each trial in a fresh process of this program, and
// docs/programs.md tells how.
//
// Main comes first. Where parbench started the process for a trial, it does what it is told and exits; where a process
// strategy started it as a worker, it does the worker's work and exits; anywhere else it returns at once. Whatever main or
// an init function does before is done in each of those processes again.
//
// Workloads are made with package workloads: workloads.Func for a function alone, the interface Workload for one with data
// to prepare. Program has fields for more than workloads: a name, and strategies of one's own.
//
// Non-goals: choosing what to measure, pinning, killing and judging what was measured. parbench does that from outside, over
// the trial protocol (docs/protocol.md), of which a program in Go need not know anything.
package trial

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/parbench/parbench/internal/limits"
	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/strategies"
	"github.com/parbench/parbench/workloads"
)

// Program is what an executable offers to parbench. The zero value offers nothing; copy it freely.
type Program struct {
	// Name and version, for people. Empty: the path and version of the main module.
	Name string
	// Workloads on offer, with their fixtures. nil: none.
	Workloads *workloads.Registry
	// Strategies on offer. nil: strategies.Builtin(). One called "sequential" has to be among them: it is the reference of
	// every speedup.
	Strategies *strategies.Registry
}

// Main offers the given workloads under the built-in strategies. It must be the first statement of main: it does not
// return in a trial or a worker process. Two workloads of one name panic.
func Main(list ...workloads.Workload) { MainRegistry(workloads.NewRegistry(list...)) }

// MainRegistry is Main for a registry, which can hold fixtures too.
func MainRegistry(reg *workloads.Registry) { Program{Workloads: reg}.Main() }

// Main is MainRegistry for a program with a name or strategies of its own.
func (p Program) Main() {
	if p.Workloads == nil {
		p.Workloads = &workloads.Registry{}
	}
	if p.Strategies == nil {
		p.Strategies = strategies.Builtin()
	}
	takeOverWorker(p.Workloads)
	if !IsTrial() {
		return
	}
	os.Exit(p.serve())
}

// IsTrial reports whether this process was started to speak the trial protocol and Main has yet to take over.
func IsTrial() bool { return os.Getenv(protocol.Cookie) == protocol.CookieValue }

// serve speaks the protocol on the two descriptors and returns the exit status.
func (p Program) serve() int {
	received := time.Now()
	// The first act: nothing that a task starts may hold the descriptors, or believe to be a trial itself. A held
	// descriptor would keep the lifeline from working.
	syscall.CloseOnExec(protocol.FDIn)
	syscall.CloseOnExec(protocol.FDOut)
	if err := os.Unsetenv(protocol.Cookie); err != nil {
		return complain(err)
	}
	// Through the poller, not in a blocking read: that one would keep the processor of a trial under GOMAXPROCS=1 after "go"
	// has arrived, until the runtime's monitor takes it away, which it may do as late as 10 ms after.
	_ = syscall.SetNonblock(protocol.FDIn, true)
	in, out := os.NewFile(protocol.FDIn, "requests"), os.NewFile(protocol.FDOut, "records")
	for _, f := range []*os.File{in, out} {
		if err := checkPipe(f); err != nil {
			return complain(fmt.Errorf("descriptor of the %s: %w; unset the environment variable %s to use this program directly",
				f.Name(), err, protocol.Cookie))
		}
	}
	s := newSession(p, in, out)
	return s.serve(received)
}

// checkPipe tells the harness's descriptors from whatever else may have the number: since Go 1.25 the runtime keeps the
// cgroup's CPU limit open, under the lowest number that is free.
func checkPipe(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0 {
		return errors.New("neither a pipe nor a socket")
	}
	return nil
}

func complain(err error) int {
	fmt.Fprintln(os.Stderr, "trial:", err)
	return 1
}

func (p Program) name() string {
	if p.Name != "" {
		return p.Name
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Path == "" {
		return "program"
	}
	return info.Main.Path + " " + info.Main.Version
}

// lacks names a mistake in what the program offers that only it can see, or is nil.
func (p Program) lacks() error {
	for _, w := range p.Workloads.All() {
		i := w.Info()
		if _, ok := p.Workloads.Fixture(i.Fixture); i.Fixture != "" && !ok {
			return failed(protocol.ErrSetup, fmt.Errorf("workload %q needs the fixture %q, which this program has not: add it with workloads.Registry.AddFixture",
				i.Name, i.Fixture))
		}
	}
	return nil
}

func (p Program) describe() *protocol.Description {
	d := &protocol.Description{
		Protocol: protocol.Version, Program: p.name(),
		Runtime:   runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH,
		Workloads: []protocol.Workload{}, Strategies: []protocol.Strategy{},
	}
	for _, w := range p.Workloads.All() {
		i := w.Info()
		d.Workloads = append(d.Workloads, protocol.Workload{
			Name: i.Name, Kind: string(i.Kind), Doc: i.Doc, Params: params(i.Params),
			Fixture: i.Fixture, Probe: i.Probe, OwnN: i.OwnN,
		})
	}
	for _, s := range p.Strategies.All() {
		i := s.Info()
		d.Strategies = append(d.Strategies, protocol.Strategy{
			Name: i.Name, Doc: i.Doc, Params: params(i.Params), OneCore: i.OneCore, Serial: i.Serial,
			Unbounded: i.Unbounded, GOMAXPROCS: i.GOMAXPROCS, TaskCap: i.TaskCap, ModeCaps: i.ModeCaps,
			Processes: i.Processes, OneWorker: i.OneWorker, Reference: i.Reference, Library: i.Library,
		})
	}
	return d
}

func params(specs []workloads.Param) []protocol.Param {
	var out []protocol.Param
	for _, p := range specs {
		out = append(out, protocol.Param{
			Name: p.Name, Type: string(p.Type), Default: p.Default, Doc: p.Doc,
			Min: p.Min, Max: p.Max, Choices: p.Choices, Auto: p.Auto,
		})
	}
	return out
}

// failure is an error with the kind under which the protocol reports it.
type failure struct {
	kind string
	err  error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func failed(kind string, err error) error { return &failure{kind, err} }

func badRequest(format string, args ...any) error {
	return failed(protocol.ErrRequest, fmt.Errorf(format, args...))
}

// errorRecord puts an error into the protocol's terms. An error without a kind came from running a batch.
func errorRecord(err error) *protocol.Error {
	rec := &protocol.Error{Kind: protocol.ErrTask, Message: clip(limits.Explain(err, "use fewer workers (-s STRATEGY:workers=N)").Error())}
	var task *strategies.TaskError
	if errors.As(err, &task) {
		rec.Task, rec.Stack = task.Index, clip(task.Stack)
		if errors.Is(err, strategies.ErrPanic) {
			rec.Kind = protocol.ErrPanic
		}
	}
	if errors.Is(err, strategies.ErrDiffers) {
		rec.Kind = protocol.ErrDigest
	}
	var f *failure
	if errors.As(err, &f) {
		rec.Kind = f.kind
	}
	return rec
}

// clip keeps the text of a program within what a record may hold.
func clip(s string) string {
	const most = 256 << 10
	if len(s) > most {
		return s[:most] + " ... (cut)"
	}
	return s
}
