package multiproc

import (
	"context"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

// defaultDepth is how many generations of processes may follow a program.
const defaultDepth = 8

// traits is what a child is told about itself besides its role, in an environment variable that it removes: numbers
// and two quoted names, see childTraits.
type traits struct {
	name, parentName string
	parentPid        int
	depth            int // generations that may follow this one
	forbidNest       bool
	nice             int
	memory           int64
	orphanGrace      time.Duration
}

// Proc is this process as multiproc sees it: the program itself, or a worker or Process that it started. There is one,
// Self; it is safe for concurrent use.
type Proc struct {
	traits
	parentDone chan struct{}
	cancel     atomic.Pointer[context.CancelFunc] // ends the context of what it runs
	tracked    tracker
	children   atomic.Int64
	workers    atomic.Int64
}

// self belongs to the early entry: it must stand before any user code runs.
var self = &Proc{
	traits:     traits{name: "MainProcess", depth: defaultDepth, orphanGrace: orphanGrace},
	parentDone: make(chan struct{}),
}

// Self returns this process.
func Self() *Proc { return self }

// Pid returns the process id.
func (*Proc) Pid() int { return os.Getpid() }

// Name returns the name that the process was started under, "MainProcess" in the program itself.
func (p *Proc) Name() string { return p.name }

// ParentInfo names the process that started this one. It may have ended.
type ParentInfo struct {
	Pid  int
	Name string
}

// Parent returns who started this process with this package; false in the program itself.
func (p *Proc) Parent() (ParentInfo, bool) {
	return ParentInfo{p.parentPid, p.parentName}, p.parentPid != 0
}

// ParentDone returns a channel that is closed when the parent has ended, never in the program itself. The process has
// 200 ms from then on, or as long as WithOrphanGrace says.
func (p *Proc) ParentDone() <-chan struct{} { return p.parentDone }

// Go runs f on a goroutine that a child waits for before it ends. Goroutines that are started otherwise end with the
// process, as in every Go program. In the program itself Exit and Shutdown wait for them.
func (p *Proc) Go(f func()) { p.tracked.start(f) }

// tracker counts goroutines. Unlike a WaitGroup it allows the first to start while somebody waits. The zero value has
// none.
type tracker struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n becomes 0
}

func (t *tracker) start(f func()) {
	t.mu.Lock()
	if t.n++; t.n == 1 {
		t.idle = make(chan struct{})
	}
	t.mu.Unlock()
	go func() {
		defer func() {
			// The process ends with status 2; it must not count as done and end with 0 first.
			if v := recover(); v != nil {
				panic(v)
			}
			t.mu.Lock()
			defer t.mu.Unlock()
			if t.n--; t.n == 0 {
				close(t.idle)
			}
		}()
		f()
	}()
}

// wait waits until there are none, or ctx ends.
func (t *tracker) wait(ctx context.Context) {
	for {
		t.mu.Lock()
		n, idle := t.n, t.idle
		t.mu.Unlock()
		if n == 0 {
			return
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return
		}
	}
}

// MayStart returns how many generations of processes may follow this one; 0 means that it can start none.
func (p *Proc) MayStart() int {
	if p.forbidNest {
		return 0
	}
	return p.depth
}

func (p *Proc) mayStart() error {
	switch {
	case p.forbidNest:
		return &nestedError{"tasks of this pool may not start processes (Nested)"}
	case p.depth <= 0:
		return &nestedError{"this process is as many generations deep as WithMaxDepth allows"}
	}
	return nil
}

// noNesting marks the context of tasks of a LocalPool with NestForbid.
type noNesting struct{}

// nestable says whether a process may be started with ctx.
func nestable(ctx context.Context) error {
	if ctx.Value(noNesting{}) != nil {
		return &nestedError{"tasks of this pool may not start processes (Nested)"}
	}
	return self.mayStart()
}

// childName makes a default name, unique among the descendants of one program.
func (p *Proc) childName(kind string, n *atomic.Int64) string {
	name := kind + "-" + strconv.FormatInt(n.Add(1), 10)
	if IsChild() {
		name = p.name + ":" + name
	}
	return name
}

// childTraits is the wire form of what a child is told.
func (p *Proc) childTraits(o *procOptions, name string) string {
	depth := p.depth - 1
	if o.maxDepth >= 0 {
		depth = min(depth, o.maxDepth)
	}
	forbid := int64(0)
	if o.forbidNest {
		forbid = 1
	}
	s := ""
	for _, n := range []int64{int64(os.Getpid()), int64(depth), forbid, int64(o.nice), o.memory, int64(o.orphanGrace)} {
		s += strconv.FormatInt(n, 10) + " "
	}
	return s + strconv.Quote(p.name) + strconv.Quote(name)
}

// take is the reverse. A child without traits, which no parent of this version makes, keeps what it has.
func (p *Proc) take(s string) {
	var n [6]int64
	for i := range n {
		field, rest, ok := cut(s)
		v, err := strconv.ParseInt(field, 10, 64)
		if !ok || err != nil {
			return
		}
		n[i], s = v, rest
	}
	parent, err := strconv.QuotedPrefix(s)
	if err != nil {
		return
	}
	t := traits{parentPid: int(n[0]), depth: int(n[1]), forbidNest: n[2] != 0, nice: int(n[3]), memory: n[4],
		orphanGrace: time.Duration(n[5])}
	t.parentName, _ = strconv.Unquote(parent)
	t.name, _ = strconv.Unquote(s[len(parent):])
	if t.orphanGrace == 0 {
		t.orphanGrace = orphanGrace
	}
	p.traits = t
}

func cut(s string) (before, after string, ok bool) {
	for i := range len(s) {
		if s[i] == ' ' {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// limit applies what the parent asked for to this process, before any user code runs.
func (p *Proc) limit() error {
	if p.nice != 0 {
		if err := addNice(p.nice); err != nil {
			return err
		}
	}
	if p.memory != 0 {
		return limitMemory(p.memory)
	}
	return nil
}

// watchParent makes the end of the parent the end of this process: with its lifeline, so that it can tell the function
// and take along what it has started. Until here the kernel would have killed it. It must be called by a package
// initialiser, which runs on the thread that the signal belongs to.
func (p *Proc) watchParent() {
	if !isPipe(spawn.FDIn) {
		return // the cookie came from somebody else
	}
	spawn.Lifeline(spawn.FDIn, p.orphaned)
	tradeDeathSignal()
}

// orphaned ends a child whose parent is gone: what it runs is told, has a while to clean up, and ends.
func (p *Proc) orphaned() {
	close(p.parentDone)
	if cancel := p.cancel.Load(); cancel != nil {
		(*cancel)()
	}
	if p.orphanGrace == orphanGrace {
		// Its children need not wait for its end to see theirs, or the graces of the generations would add up.
		kin.Range(func(_, c any) bool { _ = c.(*child).In.Close(); return true })
	}
	time.Sleep(p.orphanGrace)
	exitOrphaned()
}

// exitOrphaned ends this process and everything that it has started, but for its own workers and processes, which do so
// themselves.
func exitOrphaned() {
	endFamily(func(pid int) bool { _, ok := kin.Load(pid); return ok })
	os.Exit(exitOrphan)
}
