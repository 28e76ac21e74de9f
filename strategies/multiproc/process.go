package multiproc

import (
	"context"
	"errors"
	"os"
	"reflect"
	"sync"
	"syscall"
	"time"

	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

// Process is one function call in a process of its own. It is made by NewProcess, started once, safe for concurrent
// use and must not be copied. Nobody needs to Join it: it is reaped either way. When this process dies, it dies; see
// Shutdown for an orderly end.
type Process struct {
	name string
	fn   *entry
	out  reflect.Type // of what fn returns
	opt  procOptions
	err  error // of the options, or of encoding the input

	mu     sync.Mutex
	frame  []byte
	ends   passage // what moves with the frame
	child  *child
	closed bool

	done   chan struct{} // closed when reaped and the result is here
	exit   ExitState
	result []byte
	tail   []byte
}

// errReleased is ErrClosed in the words of a process.
var errReleased error = releasedError{}

type releasedError struct{}

func (releasedError) Error() string {
	return "multiproc: the process was closed, which released its result"
}
func (releasedError) Unwrap() error { return ErrClosed }

// NewProcess prepares a call of fn with in; Start starts it. An input that cannot be encoded is reported by Start.
func NewProcess[In, Out any](fn Func[In, Out], in In, opts ...ProcOption) *Process {
	p := &Process{fn: fn.e, out: reflect.TypeFor[Out](), opt: procDefaults, done: make(chan struct{})}
	for i, o := range opts {
		if o == nil {
			p.opt.fail(nilOption(i))
			continue
		}
		o.applyProc(&p.opt)
	}
	if p.name = p.opt.name; p.name == "" {
		p.name = self.childName("Process", &self.children)
	}
	if fn.e == nil {
		p.opt.fail(&optionError{"the function was not made by Register"})
	}
	if p.err = p.opt.err; p.err != nil {
		return p
	}
	if err := codecOf[Out]().p.err; err != nil {
		p.err = &EncodeError{Type: codecOf[Out]().p.typ.String(), Err: err}
		return p
	}
	if p.ends, p.err = codecOf[In]().depart(&in); p.err != nil {
		return p
	}
	p.frame, p.err = codecOf[In]().append(appendHeader(nil, frameCall, 1), &in)
	if p.err != nil {
		p.ends.giveBack()
		p.ends = nil
		return p
	}
	sealFrame(p.frame, 0)
	return p
}

// Call runs fn in a process of its own: start, run, result, join. When ctx ends first the process is killed and reaped.
func Call[In, Out any](ctx context.Context, fn Func[In, Out], in In, opts ...ProcOption) (Out, error) {
	p := NewProcess(fn, in, opts...)
	var zero Out
	if err := p.Start(ctx); err != nil {
		return zero, err
	}
	out, err := Result[Out](ctx, p)
	if ctx.Err() != nil {
		_ = p.Kill()
		<-p.done
	}
	return out, err
}

// Result waits for the process and returns what its function returned. An error is a *TaskError; its cause is a *CrashError
// if the process ended without a result. Out must be the function's, or the error is ErrInvalid, at once.
func Result[Out any](ctx context.Context, p *Process) (Out, error) {
	var out [1]Out
	if typ := reflect.TypeFor[Out](); p.out != typ {
		return out[0], &optionError{"Result[" + typ.String() + "]: the function of " + p.name + " returns " + p.out.String() +
			"; ask for that type"}
	}
	if _, err := p.Join(ctx); err != nil {
		return out[0], err
	}
	if err := p.Err(); err != nil {
		return out[0], err
	}
	_, err := decodeOutcomes(codecOf[Out](), p.fn.name, 0, p.result, out[:])
	return out[0], err
}

// Start starts the process. A second call returns ErrStarted; an input that cannot travel is an *EncodeError; where
// processes may not be started it is ErrNested. ctx only bounds the start.
func (p *Process) Start(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := nestable(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return errReleased
	case p.err != nil:
		return p.err
	case p.child != nil:
		return ErrStarted
	}
	c, err := startChild(&p.opt, roleProcess, p.fn.name, p.name)
	if err != nil {
		return err
	}
	p.child = c
	p.activate()
	go p.run(p.frame)
	p.frame, p.ends = nil, nil // the input is not kept alive
	return nil
}

// run hands the input over, takes the result and waits for the end.
func (p *Process) run(frame []byte) {
	c := p.child
	// A child that dies leaves a broken pipe, whatever else there is to say about it comes from its exit.
	_, _ = c.In.Write(frame)
	var buf frameBuffer
	for {
		if h, payload, ok := buf.next(); ok {
			if h.kind == frameResult {
				p.result = payload
			}
			break
		}
		n, err := c.Out.Read(buf.space())
		if n == 0 || err != nil {
			break
		}
		buf.filled(n)
	}
	// In stays open until the child has ended: it is its lifeline.
	<-c.Done()
	_ = c.In.Close()
	_ = c.Out.Close()
	p.tail = c.end()
	p.exit, _ = c.Wait(context.Background())
	p.deactivate()
	close(p.done)
}

// started returns the child, or why there is none to talk to.
func (p *Process) started() (*child, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return nil, errReleased
	case p.child == nil:
		return nil, ErrNotStarted
	}
	return p.child, nil
}

// Join waits until the process has ended and been reaped, and says how: with status 1 if its function returned an error or
// panicked, which Err and Result then have. Its own error is ctx's, if that ends first, or ErrNotStarted.
func (p *Process) Join(ctx context.Context) (ExitState, error) {
	if _, err := p.started(); err != nil {
		return ExitState{}, err
	}
	select {
	case <-p.done:
		return p.exit, nil
	default:
	}
	select {
	case <-p.done:
		return p.exit, nil
	case <-ctx.Done():
		return ExitState{}, ctx.Err()
	}
}

// Pid returns the process id; false before Start.
func (p *Process) Pid() (int, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.child == nil {
		return 0, false
	}
	return p.child.Pid(), true
}

// Name returns the process's name.
func (p *Process) Name() string { return p.name }

// Alive reports whether the process was started and has not been reaped yet. It may be true right after Terminate or
// Kill, and is false after Join.
func (p *Process) Alive() bool {
	_, ok := p.Pid()
	select {
	case <-p.done:
		return false
	default:
		return ok
	}
}

// Done returns a channel that is closed when the process has ended and been reaped.
func (p *Process) Done() <-chan struct{} { return p.done }

// Exit says how the process ended; false while it has not.
func (p *Process) Exit() (ExitState, bool) {
	select {
	case <-p.done:
		return p.exit, true
	default:
		return ExitState{}, false
	}
}

// Err says why the process has failed: the *TaskError that Result returns as well, whose cause is a *CrashError if the
// process ended without a result. It is nil where the function returned no error, and before the end. Nobody else reports
// the error: nothing is printed.
func (p *Process) Err() error {
	exit, ended := p.Exit()
	if !ended {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return errReleased
	case p.result == nil:
		e := &CrashError{Pid: p.child.Pid(), Exit: exit, Attempts: 1, StderrTail: p.tail}
		return &TaskError{Func: p.fn.name, Type: typeName(e), Msg: e.Error(), Err: e}
	}
	if te := failureOf(p.result, p.fn.name); te != nil {
		return te
	}
	return nil
}

// Terminate sends SIGTERM and does not wait. Deferred calls in the process do not run, its children live on, files it
// was writing stay as they are; the kernel frees its memory and descriptors. Only children that the process started with
// this package die with it. With WithKillTree all descendants get the signal. It does nothing after the end.
func (p *Process) Terminate() error {
	if c, err := p.started(); err == nil && c.tree && p.Alive() {
		signalTree(c, syscall.SIGTERM)
	}
	return p.Signal(syscall.SIGTERM)
}

// Kill sends SIGKILL, with OwnGroup to the group, with WithKillTree to all descendants, and does not wait.
func (p *Process) Kill() error {
	c, err := p.started()
	if err != nil {
		return err
	}
	return c.Kill()
}

// Stop ends the process gracefully: the context of its function ends, the function can return, goroutines of Self().Go,
// children and AtExit hooks have their time, and after the grace period (Grace, 5 s by default), or when ctx ends, it is
// killed. Stop returns when it has been reaped: nil, or ctx's error if that was the reason. Exit says how it ended. It
// does nothing after the end.
func (p *Process) Stop(ctx context.Context) error {
	c, err := p.started()
	if err != nil {
		return err
	}
	// A child that does not read must not hold this up; the pipe is closed at its end, which frees the goroutine.
	go func() {
		frame := appendHeader(nil, frameStop, 0)
		_, _ = c.In.Write(frame)
	}()
	t := time.NewTimer(p.opt.grace)
	defer t.Stop()
	select {
	case <-p.done:
		return nil
	case <-t.C:
	case <-ctx.Done():
		err = ctx.Err()
	}
	_ = p.Kill()
	<-p.done
	return err
}

// Signal sends a signal; after the end it does nothing.
func (p *Process) Signal(sig os.Signal) error {
	c, err := p.started()
	if err != nil {
		return err
	}
	s, ok := sig.(syscall.Signal)
	if !ok {
		return &optionError{"Signal: " + sig.String() + " is not a signal of this system"}
	}
	if err := c.Signal(s); !errors.Is(err, spawn.ErrDone) {
		return err
	}
	return nil
}

// Close releases input and result; afterwards every method that returns an error returns ErrClosed. It returns ErrAlive while the
// process runs, and may be called again.
func (p *Process) Close() error {
	if p.Alive() {
		return ErrAlive
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ends.giveBack() // it was never started
	p.closed, p.frame, p.ends, p.result, p.tail = true, nil, nil, nil, nil
	return nil
}
