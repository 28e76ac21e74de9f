package multiproc

import (
	"os"
	"runtime"
	"time"
)

// PoolOption configures NewPool and NewLocalPool.
type PoolOption interface{ applyPool(*poolOptions) }

// ProcOption configures NewProcess and Call.
type ProcOption interface{ applyProc(*procOptions) }

// Option configures both processes and pools. A LocalPool ignores what only makes sense for processes.
type Option struct{ f func(*procOptions) }

func (o Option) applyProc(p *procOptions) { o.f(p) }
func (o Option) applyPool(p *poolOptions) { o.f(&p.proc) }

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
	grace    time.Duration
}

type poolOptions struct {
	proc        procOptions
	workers     int
	workersSet  bool
	maxInFlight int
	maxTasks    int
	restart     int
	threads     bool
	init        *initCall
	err         error
}

func (p *poolOptions) fail(err error) {
	if p.err == nil {
		p.err = err
	}
}

// WithName names a process; the default is "Process-1" and so on.
func WithName(name string) ProcOption { return procOption(func(p *procOptions) { p.name = name }) }

// WithEnv adds "KEY=value" strings to the environment of the child, which is otherwise inherited. Pool workers get
// GOMAXPROCS=1 unless it is set here.
func WithEnv(env ...string) Option {
	return Option{func(p *procOptions) { p.env = append(p.env, env...) }}
}

// WithDir sets the working directory; the default is that of this process.
func WithDir(dir string) Option { return Option{func(p *procOptions) { p.dir = dir }} }

// WithCPUs pins the child to the CPUs from its first instruction; every worker of a pool gets the same set.
func WithCPUs(cpus ...int) Option { return Option{func(p *procOptions) { p.cpus = cpus }} }

// WithStdout sets where the child's standard output goes; the default is that of this process.
func WithStdout(f *os.File) Option { return Option{func(p *procOptions) { p.stdout = f }} }

// WithStderr sets where a copy of the child's standard error goes; the default is that of this process. The last
// 4 KiB are kept for CrashError as well.
func WithStderr(f *os.File) Option { return Option{func(p *procOptions) { p.stderr = f }} }

// OwnGroup gives every child a process group of its own, so that what it starts is killed with it. By default children
// stay in this process's group, where a signal to the group (Ctrl-C, a supervisor's kill) reaches them.
func OwnGroup() Option { return Option{func(p *procOptions) { p.ownGroup = true }} }

// Grace bounds how long a worker may take to leave by itself after its last task, before it is killed; the default is
// 5 s. It never shortens a task.
func Grace(d time.Duration) Option { return Option{func(p *procOptions) { p.grace = d }} }

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

// MaxTasks replaces a worker process after it has run n calls or chunks, at least 1; the default is never. A LocalPool
// ignores it.
func MaxTasks(n int) PoolOption {
	return poolOption(func(p *poolOptions) {
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
		p.restart = n
		if err := atLeast("Restart", n, 0); err != nil {
			p.fail(err)
		}
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

// OnThreads locks each worker of a LocalPool to an OS thread of its own. A process pool ignores it.
func OnThreads() PoolOption { return poolOption(func(p *poolOptions) { p.threads = true }) }

func collectPool(opts []PoolOption) (poolOptions, error) {
	p := poolOptions{restart: 3, proc: procOptions{grace: defaultGrace}}
	for _, o := range opts {
		o.applyPool(&p)
	}
	if !p.workersSet {
		p.workers = runtime.GOMAXPROCS(0)
	}
	if p.maxInFlight == 0 {
		p.maxInFlight = max(1024, 64*p.workers)
	}
	return p, p.err
}

// CallOption configures one call of a pool.
type CallOption func(*callOptions)

type callOptions struct {
	timeout time.Duration
	chunk   int
	window  int
	retry   int
	err     error
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
// four chunks for each worker.
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

func collectCall(opts []CallOption) (callOptions, error) {
	var c callOptions
	for _, o := range opts {
		o(&c)
	}
	return c, c.err
}
