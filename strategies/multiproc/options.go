package multiproc

import (
	"math"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"time"
)

// PoolOption configures NewPool, NewWorkers and NewLocalPool. An option that one of them cannot keep its word for is
// ErrInvalid there, with the option's name: those about processes in a LocalPool, OnThreads in the others. A LocalPool takes
// Workers, MaxInFlight, Init, Nested and OnThreads.
type PoolOption interface{ applyPool(*poolOptions) }

// ProcOption configures NewProcess and Call.
type ProcOption interface{ applyProc(*procOptions) }

// Option configures both processes and pools of processes.
type Option struct {
	name string
	f    func(*procOptions)
}

func (o Option) applyProc(p *procOptions) { o.f(p) }
func (o Option) applyPool(p *poolOptions) {
	p.proc.forProcesses(o.name)
	o.f(&p.proc)
}

type poolOption func(*poolOptions)

func (f poolOption) applyPool(p *poolOptions) { f(p) }

type procOption func(*procOptions)

func (f procOption) applyProc(p *procOptions) { f(p) }

type procOptions struct {
	name     string
	env      []string
	dir      string
	cpus     []int
	stdout   *os.File
	stderr   *os.File
	ownGroup bool
	killTree bool
	daemon   bool
	grace    time.Duration
	extra    []*os.File // become descriptors 5 and up
	nice     int
	memory   int64 // bytes; 0: no limit
	// orphanGrace, if not 0, is how long the child may outlive this process.
	orphanGrace time.Duration
	maxDepth    int // generations that may follow the child; -1: what this process was given
	forbidNest  bool
	processOnly string // the first option that only makes sense for processes
	err         error
}

func (p *procOptions) forProcesses(option string) {
	if p.processOnly == "" {
		p.processOnly = option
	}
}

func (p *procOptions) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

type poolOptions struct {
	proc        procOptions
	workers     int
	workersSet  bool
	maxInFlight int
	maxTasks    int
	restart     int
	threads     bool
	lazy        bool
	pinned      []int // CPUs, one for each worker in turn
	event       func(Event)
	pipes       bool // no shared memory
	init        *initCall
}

// forWorkers returns why the options are not for worker processes, or nil.
func (p *poolOptions) forWorkers() error {
	if p.threads {
		return &optionError{"OnThreads: only a LocalPool has threads of this process; leave it out"}
	}
	return nil
}

// forGoroutines returns why the options are not for a LocalPool, or nil.
func (p *poolOptions) forGoroutines() error {
	if p.proc.processOnly != "" {
		return &optionError{p.proc.processOnly + ": a LocalPool has no worker processes; leave it out"}
	}
	return nil
}

func (p *poolOptions) fail(err error) { p.proc.fail(err) }

// WithName names a process; the default is "Process-1" and so on.
func WithName(name string) ProcOption { return procOption(func(p *procOptions) { p.name = name }) }

// WithEnv adds "KEY=value" strings to the environment of the child, which is otherwise inherited. Pool workers get
// GOMAXPROCS=1 unless it is set here.
func WithEnv(env ...string) Option {
	return Option{"WithEnv", func(p *procOptions) { p.env = append(p.env, env...) }}
}

// WithDir sets the working directory; the default is that of this process.
func WithDir(dir string) Option { return Option{"WithDir", func(p *procOptions) { p.dir = dir }} }

// WithCPUs pins the child to the CPUs from its first instruction; every worker of a pool gets the same set.
func WithCPUs(cpus ...int) Option { return Option{"WithCPUs", func(p *procOptions) { p.cpus = cpus }} }

// WithStdout sets where the child's standard output goes; the default is that of this process.
func WithStdout(f *os.File) Option {
	return Option{"WithStdout", func(p *procOptions) { p.stdout = f }}
}

// WithStderr sets where a copy of the child's standard error goes; the default is that of this process. The last
// 4 KiB are kept for CrashError as well.
func WithStderr(f *os.File) Option {
	return Option{"WithStderr", func(p *procOptions) { p.stderr = f }}
}

// OwnGroup gives every child a process group of its own, so that what it starts is killed with it. By default children
// stay in this process's group, where a signal to the group (Ctrl-C, a supervisor's kill) reaches them.
func OwnGroup() Option { return Option{"OwnGroup", func(p *procOptions) { p.ownGroup = true }} }

// Grace bounds how long a worker may take to leave by itself after its last task, before it is killed; the default is
// 5 s. It never shortens a task.
func Grace(d time.Duration) Option {
	return Option{"Grace", func(p *procOptions) {
		if p.grace = d; d < 0 {
			p.fail(&optionError{"Grace(" + d.String() + "): must not be negative"})
		}
	}}
}

// WithKillTree makes Terminate, Kill and Stop reach everything that the process has started, directly or not: it leads a
// process group of its own, as with OwnGroup, and descendants that have left the group are looked for in /proc. Those
// whose own parent has ended by then and who are in another group are not found.
func WithKillTree() ProcOption {
	return procOption(func(p *procOptions) { p.killTree, p.ownGroup = true, true })
}

// WithDaemon says whether Shutdown kills the process instead of joining it; the default is false.
func WithDaemon(daemon bool) ProcOption {
	return procOption(func(p *procOptions) { p.daemon = daemon })
}

// WithNice adds to the child's nice value, -20 to 19: positive values give way to others. Negative ones need privileges;
// without them the child ends at once and says so on stderr.
func WithNice(n int) Option {
	return Option{"WithNice", func(p *procOptions) {
		if p.nice = n; n < -20 || n > 19 {
			p.fail(&optionError{"WithNice(" + strconv.Itoa(n) + "): must be between -20 and 19"})
		}
	}}
}

// WithMemoryLimit limits the memory of the child, in bytes, at least 1 MiB, twice: GOMEMLIMIT makes the garbage collector work harder
// as the limit comes near, and a quarter above it RLIMIT_DATA makes the kernel refuse, which ends a Go program with "out of
// memory": a CrashError. RLIMIT_DATA counts private writable memory; what the child has at its start is not counted.
// RLIMIT_AS would count address space that Go only reserves, and shared memory. In programs built with cgo each thread
// counts with its stack, 8 MiB by default. What the child starts inherits both.
func WithMemoryLimit(bytes int64) Option {
	return memoryLimit("WithMemoryLimit", bytes)
}

// MemoryPerWorker is WithMemoryLimit for every worker of a pool.
func MemoryPerWorker(bytes int64) PoolOption { return memoryLimit("MemoryPerWorker", bytes) }

func memoryLimit(name string, bytes int64) Option {
	return Option{name, func(p *procOptions) {
		if p.memory = bytes; bytes < 1<<20 {
			p.fail(&optionError{name + "(" + strconv.FormatInt(bytes, 10) + "): must be at least 1 MiB"})
		}
	}}
}

// WithOrphanGrace lets the process outlive the end of this one by up to d instead of 200 ms: its context and
// Self().ParentDone tell it, and it can clean up. Then it ends, with all that it has started. Where a process above it
// leads a group (OwnGroup), the end of that group is its end as well.
func WithOrphanGrace(d time.Duration) ProcOption {
	return procOption(func(p *procOptions) {
		if p.orphanGrace = d; d <= 0 {
			p.fail(&optionError{"WithOrphanGrace(" + d.String() + "): must be positive"})
		}
	})
}

// WithMaxDepth says how many generations may follow the child: 0 forbids it to start any process. It can only lower what
// this process was given itself. A program begins with 8, so that a mistake does not fill the machine; more is
// ErrNested.
func WithMaxDepth(n int) Option {
	return Option{"WithMaxDepth", func(p *procOptions) {
		p.maxDepth = n
		if err := atLeast("WithMaxDepth", n, 0); err != nil {
			p.fail(err)
		}
	}}
}

// Workers sets the number of workers, at least 1; the default is what GOMAXPROCS says when the pool is made, which
// follows affinity and the cgroup quota.
func Workers(n int) PoolOption {
	return poolOption(func(p *poolOptions) {
		p.workers, p.workersSet = n, true
		if err := positive("Workers", n); err != nil {
			p.fail(err)
		}
	})
}

// MaxInFlight bounds the calls (Apply) and chunks (Map, Imap) that are accepted and unfinished, at least 1. More wait;
// TryApplyAsync returns ErrFull. The default is 1024, or 64 for each worker if that is more.
func MaxInFlight(n int) PoolOption {
	return poolOption(func(p *poolOptions) {
		p.maxInFlight = n
		if err := positive("MaxInFlight", n); err != nil {
			p.fail(err)
		}
	})
}

// MaxTasks replaces a worker process after it has run n calls or chunks, at least 1; the default is never.
func MaxTasks(n int) PoolOption {
	return poolOption(func(p *poolOptions) {
		p.proc.forProcesses("MaxTasks")
		p.maxTasks = n
		if err := positive("MaxTasks", n); err != nil {
			p.fail(err)
		}
	})
}

// Restart bounds how many workers in a row may be lost before they took a task; the default is 3. One more breaks the
// pool: every unfinished call gets ErrBroken. A worker lost in a task does not count, because the task is lost with it
// and the pool makes progress.
func Restart(n int) PoolOption {
	return poolOption(func(p *poolOptions) {
		p.proc.forProcesses("Restart")
		p.restart = n
		if err := atLeast("Restart", n, 0); err != nil {
			p.fail(err)
		}
	})
}

// Lazy starts a worker only when there is work and no worker is free, instead of all of them at once. What fails at a
// worker's start (ErrInit, ErrUnregistered) is then not NewPool's error but that of the calls.
func Lazy() PoolOption {
	return poolOption(func(p *poolOptions) {
		p.proc.forProcesses("Lazy")
		p.lazy = true
	})
}

// PinWorkers pins each worker to one of the CPUs, in turn, from its first instruction; without arguments to the CPUs
// that this process may use.
func PinWorkers(cpus ...int) PoolOption {
	return poolOption(func(p *poolOptions) {
		p.proc.forProcesses("PinWorkers")
		if len(cpus) == 0 {
			cpus = affinity()
		}
		p.pinned = cpus
	})
}

// NestPolicy says what a task may start.
type NestPolicy int

// NestAllow lets tasks start processes and pools of their own, within WithMaxDepth: a worker is a process like any
// other, and what it starts dies with it. NestForbid makes NewPool, NewWorkers and Process.Start return ErrNested in
// them.
const (
	NestAllow NestPolicy = iota
	NestForbid
)

// Nested sets what tasks may start; the default is NestAllow. In a LocalPool, whose tasks share their process with
// others, NestForbid reaches what is started with the context of the task.
func Nested(policy NestPolicy) PoolOption {
	return poolOption(func(p *poolOptions) { p.proc.forbidNest = policy == NestForbid })
}

// OnEvent has f called for what happens to the workers, one call after another, in order, on a goroutine of its own: f
// may call any method of the pool and does not hold it up. Up to 1024 events wait for a slow f, then the oldest are dropped:
// see Event.Dropped.
func OnEvent(f func(Event)) PoolOption {
	return poolOption(func(p *poolOptions) {
		p.proc.forProcesses("OnEvent")
		p.event = f
	})
}

// Init runs the initialiser with the state once in every worker, before its first task. Its error makes NewPool fail
// with ErrInit.
func Init[S any](in Initializer[S], state S) PoolOption {
	return poolOption(func(p *poolOptions) {
		c, err := in.call(state)
		if err != nil {
			p.fail(err)
		}
		p.init = c
	})
}

// OnThreads locks each worker of a LocalPool to an OS thread of its own.
func OnThreads() PoolOption {
	return poolOption(func(p *poolOptions) { p.threads = true })
}

func nilOption(i int) error {
	return &optionError{"option " + strconv.Itoa(i+1) + " is nil; leave it out"}
}

var procDefaults = procOptions{grace: defaultGrace, maxDepth: -1}

func collectPool(opts []PoolOption) (poolOptions, error) {
	p := poolOptions{restart: 3, proc: procDefaults}
	for i, o := range opts {
		if o == nil {
			return p, nilOption(i)
		}
		o.applyPool(&p)
	}
	if !p.workersSet {
		p.workers = runtime.GOMAXPROCS(0)
	}
	if p.maxInFlight == 0 {
		p.maxInFlight = max(1024, 64*p.workers)
	}
	return p, p.proc.err
}

// CallOption configures one call of a pool.
type CallOption func(*callOptions)

type callOptions struct {
	timeout time.Duration
	chunk   int
	window  int
	retry   int
	// affinity is a hash of the key, 0 for none.
	affinity uint32
	onDone   any // func(Out, error)
	err      error
}

// jobOptions is what a job needs of them.
type jobOptions struct {
	timeout  time.Duration
	retry    int32
	affinity uint32
}

func (c *callOptions) job() jobOptions {
	return jobOptions{c.timeout, int32(min(c.retry, math.MaxInt32)), c.affinity}
}

// Timeout bounds the run of the call, or of each chunk, from its start in a worker. In a process pool the worker is
// then killed and replaced, which really stops a busy loop, and only this call is lost; in a LocalPool the task's
// context ends and the call returns, but the goroutine stays busy until the function returns.
func Timeout(d time.Duration) CallOption {
	return func(c *callOptions) {
		c.timeout = d
		if d <= 0 {
			c.err = &optionError{"Timeout(" + d.String() + "): must be positive"}
		}
	}
}

// Chunk sets how many items travel together, at least 1. The default for Map is a quarter of an even share, rounded
// up, and 1 for Imap.
func Chunk(n int) CallOption {
	return func(c *callOptions) {
		c.chunk = n
		if err := positive("Chunk", n); err != nil {
			c.err = err
		}
	}
}

// Window bounds how many items Imap has taken from its source beyond those it has yielded, at least 1. The default is
// 32 chunks for each worker, or as many as it does in a millisecond, to 256 items, if that is more.
func Window(n int) CallOption {
	return func(c *callOptions) {
		c.window = n
		if err := positive("Window", n); err != nil {
			c.err = err
		}
	}
}

// Retry runs the call again, up to n times, when its worker process crashes: only for functions that may run twice.
func Retry(n int) CallOption {
	return func(c *callOptions) {
		c.retry = n
		if err := atLeast("Retry", n, 0); err != nil {
			c.err = err
		}
	}
}

// Affinity sends the call, or each chunk, to the same worker as all others with that key, so that what the worker keeps
// for it is found again. They run there one after another, in the order in which they were submitted, among calls
// without a key, which other workers may take. They wait while that worker is busy, also if others are idle. Which worker it
// is follows from the key and the number of workers; different keys may share one. When it dies or is replaced, the one in
// its place takes over, with nothing in its memory but what the initialiser puts there.
func Affinity(key string) CallOption {
	// FNV-1a (Fowler, Noll, Vo); 0 stands for no key.
	h := uint32(2166136261)
	for i := range len(key) {
		h = (h ^ uint32(key[i])) * 16777619
	}
	return func(c *callOptions) { c.affinity = max(h, 1) }
}

// OnDone has f called once with the outcome of Apply, ApplyAsync, TryApplyAsync (Out is the function's) or of Map,
// MapAsync (Out is a slice of it), after the future has resolved: see Future.OnDone. Another Out, and Imap, are ErrInvalid.
func OnDone[Out any](f func(Out, error)) CallOption {
	return func(c *callOptions) { c.onDone = f }
}

// callback returns what OnDone has set, as what the call needs.
func callback[Out any](c *callOptions) (func(Out, error), error) {
	if c.onDone == nil {
		return nil, nil
	}
	f, ok := c.onDone.(func(Out, error))
	if !ok {
		return nil, &optionError{"OnDone: the call needs a " + reflect.TypeFor[func(Out, error)]().String() + ", not a " +
			reflect.TypeOf(c.onDone).String()}
	}
	return f, nil
}

// collectMap collects the options of a Map. Its result goes through done on the way to the caller.
func collectMap[Out any](opts []CallOption) (c callOptions, done func([]Out, error) ([]Out, error), err error) {
	if c, err = collectCall(opts); err != nil {
		return c, nil, err
	}
	f, err := callback[[]Out](&c)
	return c, func(out []Out, err error) ([]Out, error) {
		if f != nil {
			go guard("an OnDone callback", func() { f(out, err) })
		}
		return out, err
	}, err
}

func collectCall(opts []CallOption) (callOptions, error) {
	if len(opts) == 0 {
		return callOptions{}, nil
	}
	return collectCalls(opts)
}

// collectCalls is the part of collectCall that needs memory: the options' functions let c escape.
func collectCalls(opts []CallOption) (callOptions, error) {
	var c callOptions
	for i, o := range opts {
		if o == nil {
			return c, nilOption(i)
		}
		o(&c)
	}
	return c, c.err
}
