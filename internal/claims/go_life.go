package claims

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/parbench/parbench/results/analysis/claim"
	"github.com/parbench/parbench/strategies/multiproc"
	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

// kill ends a process at once.
func kill(pid int) error { return os.NewSyscallError("kill", syscall.Kill(pid, syscall.SIGKILL)) }

var (
	nothingFunc = multiproc.Register("claims.nothing", func(context.Context, struct{}) (struct{}, error) { return struct{}{}, nil })
	sevenFunc   = multiproc.Register("claims.seven", func(context.Context, struct{}) (struct{}, error) { multiproc.Exit(7); return struct{}{}, nil })
)

// idler is a value that runs in a process of its own, as a subclass of Python's Process does.
type idler struct{}

func (idler) Run(context.Context) error { return nil }

var idlers = multiproc.RegisterRunner[idler]("claims.idler")

func lookStarting(ctx context.Context) (any, error) {
	var o claim.Starting
	for _, c := range []struct {
		call string
		p    *multiproc.Process
		want int
	}{
		{"A process without a function (the zero Func)", multiproc.NewProcess(multiproc.Func[struct{}, struct{}]{}, struct{}{}), 0},
		{"A process of a function of no arguments (struct{})", multiproc.NewProcess(nothingFunc, struct{}{}), 0},
		{"A process of one that exits with status 7", multiproc.NewProcess(sevenFunc, struct{}{}), 7},
		{"A process of a value with a Run method, without function and arguments", idlers.New(idler{}), 0},
	} {
		row := claim.Start{Call: c.call, Want: c.want}
		if err := c.p.Start(ctx); err != nil {
			row.Error = err.Error()
		} else {
			if err := joined(ctx, c.p); err != nil {
				return nil, err
			}
			if exit, ok := c.p.Exit(); ok {
				status := statusOf(exit)
				row.Exit = &status
			}
		}
		o.Calls = append(o.Calls, row)
	}
	return &o, nil
}

// statusOf is an exit status, or the number of the signal, negative.
func statusOf(e multiproc.ExitState) int {
	if e.Signal != 0 {
		return -int(e.Signal)
	}
	return e.Code
}

// resident is a child that has children.
type resident struct {
	Place string // directory for marks
	Stay  bool
	Hold  string // leads to a pipe, until whose end the program that it starts lives
}

// Names of marks.
const (
	markHook   = "hook"
	markDefer  = "defer"
	markPids   = "pids"
	stayingFor = 100 * time.Second
)

func (r resident) mark(name, text string) error {
	path := filepath.Join(r.Place, name)
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func (r resident) has(name string) bool {
	_, err := os.Stat(filepath.Join(r.Place, name))
	return err == nil
}

var residentFunc = multiproc.Register("claims.resident", func(ctx context.Context, r resident) (struct{}, error) {
	multiproc.AtExit(func() { _ = r.mark(markHook, "") })
	defer func() { _ = r.mark(markDefer, "") }()
	if !r.Stay {
		return struct{}{}, nil
	}
	program := exec.Command("cat")
	hold, err := os.Open(r.Hold)
	if err != nil {
		return struct{}{}, err
	}
	program.Stdin = hold
	err = program.Start()
	hold.Close()
	if err != nil {
		return struct{}{}, err
	}
	kin := multiproc.NewProcess(napFunc, stayingFor.Seconds())
	if err := kin.Start(ctx); err != nil {
		return struct{}{}, err
	}
	pid, _ := kin.Pid()
	if err := r.mark(markPids, strconv.Itoa(program.Process.Pid)+" "+strconv.Itoa(pid)); err != nil {
		return struct{}{}, err
	}
	return struct{}{}, sleep(ctx, stayingFor)
})

// hold makes the pipe whose other end is open in this process alone: what reads from it ends with this process, however that
// ends, and outlives the child that has started it.
func (r *resident) hold() (release func(), err error) {
	in, out, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	r.Hold = spawn.Path(in)
	return func() { in.Close(); out.Close() }, nil
}

func (g golang) lookTerminating(ctx context.Context) (any, error) {
	o := claim.Terminating{Handler: "the function of AtExit", Clause: "the deferred function", Package: "multiproc"}
	for range 5 {
		e, err := g.residentEnds(ctx, true)
		if err != nil {
			return nil, err
		}
		o.Runs = append(o.Runs, e)
	}
	var err error
	o.Normal, err = g.residentEnds(ctx, false)
	return &o, err
}

func (g golang) residentEnds(ctx context.Context, stay bool) (e claim.Ended, err error) {
	r := resident{Stay: stay}
	if r.Place, err = os.MkdirTemp(g.files.temp, "resident-*"); err != nil {
		return e, err
	}
	defer os.RemoveAll(r.Place)
	release, err := r.hold()
	if err != nil {
		return e, err
	}
	defer release() // the program's end
	p := multiproc.NewProcess(residentFunc, r)
	if err := p.Start(ctx); err != nil {
		return e, err
	}
	program, kin := 0, 0
	if stay {
		if program, kin, err = r.grandchildren(ctx, p); err != nil {
			return e, errors.Join(err, p.Kill())
		}
		child, _ := p.Pid()
		e.WasChild, e.WasKin = parentOf(program) == child, parentOf(kin) != 0
		if err := p.Terminate(); err != nil {
			return e, err
		}
	}
	if err := joined(ctx, p); err != nil {
		return e, err
	}
	if exit, ok := p.Exit(); ok {
		e.Exit = statusOf(exit)
	}
	if stay {
		// What dies with its parent takes a moment to.
		for until := time.Now().Add(3 * time.Second); parentOf(kin) != 0 && time.Now().Before(until); {
			if err := sleep(ctx, 5*time.Millisecond); err != nil {
				return e, err
			}
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return e, err
		}
		child, _ := p.Pid()
		e.Parent = parentOf(program)
		e.Orphan = e.Parent != 0 && e.Parent != child
		if e.Kin = parentOf(kin) != 0; e.Kin {
			_ = kill(kin) // what it was seen to be alive for
		}
	}
	e.AtExit, e.Finally = r.has(markHook), r.has(markDefer)
	return e, nil
}

// grandchildren waits until the child has started both.
func (r resident) grandchildren(ctx context.Context, p *multiproc.Process) (program, kin int, err error) {
	for {
		text, err := os.ReadFile(filepath.Join(r.Place, markPids))
		if first, second, ok := strings.Cut(string(text), " "); err == nil && ok {
			program, err1 := strconv.Atoi(first)
			kin, err2 := strconv.Atoi(second)
			return program, kin, errors.Join(err1, err2)
		}
		if !p.Alive() {
			_, err := multiproc.Result[struct{}](ctx, p)
			return 0, 0, errors.Join(errors.New("the child ended before it had started its own"), err)
		}
		if err := sleep(ctx, 2*time.Millisecond); err != nil {
			return 0, 0, err
		}
	}
}

// parentOf is the parent of a living process, 0 for one that is dead or a zombie.
func parentOf(pid int) int {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(f) < 2 || f[0] == "Z" || f[0] == "X" {
		return 0
	}
	n, _ := strconv.Atoi(f[1])
	return n
}

var briefOrKilledFunc = multiproc.Register("claims.briefOrKilled", func(ctx context.Context, i int) (int, error) {
	err := sleep(ctx, 50*time.Millisecond)
	if i == 0 && err == nil {
		err = kill(os.Getpid())
	}
	return i, err
})

func lookCrashing(ctx context.Context) (any, error) {
	o := claim.Crashing{Pool: "ProcessPool"}
	const tasks, within = 6, 3 * time.Second
	for range 3 {
		b := claim.Batch{Others: tasks - 1}
		err := withPool(ctx, briefOrKilledFunc, func(p *multiproc.ProcessPool[int, int]) error {
			var futures []*multiproc.Future[int]
			for i := range tasks {
				f, err := p.ApplyAsync(ctx, i)
				if err != nil {
					return err
				}
				futures = append(futures, f)
			}
			bounded, cancel := context.WithTimeout(ctx, within)
			defer cancel()
			for i, f := range futures {
				_, err := f.Get(bounded)
				var crash *multiproc.CrashError
				switch {
				case err == nil:
					b.Finished++
				case bounded.Err() != nil:
					b.Hung = within.Seconds()
				default:
					text := err.Error()
					if errors.As(err, &crash) {
						text = "CrashError (" + crash.Exit.String() + ")"
					}
					if i == 0 {
						b.Victim = text
					} else {
						b.Errors++
						b.Other = text
					}
				}
			}
			return nil
		}, multiproc.Workers(2))
		if err != nil {
			return nil, err
		}
		o.Pools = append(o.Pools, b)
	}
	for range 3 {
		victim, sibling := multiproc.NewProcess(briefOrKilledFunc, 0), multiproc.NewProcess(briefOrKilledFunc, 1)
		if err := errors.Join(sibling.Start(ctx), victim.Start(ctx)); err != nil {
			return nil, err
		}
		if err := errors.Join(joined(ctx, victim), joined(ctx, sibling)); err != nil {
			return nil, err
		}
		v, _ := victim.Exit()
		s, _ := sibling.Exit()
		o.Plain = append(o.Plain, claim.Pair{Victim: statusOf(v), Sibling: statusOf(s)})
	}
	return &o, nil
}

const initialGlobal = 1

// global is what a child sees as the program begins, not as this process has set it.
var global = initialGlobal

var globalFunc = multiproc.Register("claims.global", func(_ context.Context, sent int) ([2]int, error) { return [2]int{global, sent}, nil })

func lookFreshGlobals(ctx context.Context) (any, error) {
	const changed, sent = 42, 7
	global = changed
	defer func() { global = initialGlobal }()
	got, err := multiproc.Call(ctx, globalFunc, sent)
	return &claim.FreshGlobals{Initial: initialGlobal, Parent: changed, Child: got[0], Sent: sent, Arrived: got[1]}, err
}

var printFunc = multiproc.Register("claims.print", func(context.Context, struct{}) (struct{}, error) {
	_, err := os.Stdout.WriteString("child\n")
	return struct{}{}, err
})

// lookPrinting starts a child while a line that was printed before still waits in a buffer.
func lookPrinting(ctx context.Context) (any, error) {
	out := claim.Output{To: "a pipe with a buffer"}
	for range 3 {
		n, err := printed(ctx)
		if err != nil {
			return nil, err
		}
		out.Times = append(out.Times, n)
	}
	return &claim.Printing{Outputs: []claim.Output{out}}, nil
}

func printed(ctx context.Context) (int, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer r.Close()
	text := make(chan []byte, 1)
	go func() {
		b, _ := io.ReadAll(r) // ends when both writers have closed it
		text <- b
	}()
	buffered := bufio.NewWriter(w)
	_, _ = buffered.WriteString("before\n")
	p := multiproc.NewProcess(printFunc, struct{}{}, multiproc.WithStdout(w))
	if err = p.Start(ctx); err == nil {
		err = joined(ctx, p)
	}
	err = errors.Join(err, buffered.Flush(), w.Close())
	return strings.Count(string(<-text), "before"), err
}
