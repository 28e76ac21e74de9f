package multiproc

import (
	"context"
	"strconv"
	"sync/atomic"
)

// LocalProcess is the dummy process: a function on a goroutine of this process, with Process's verbs as far as a
// goroutine can have them, as Python's multiprocessing.dummy.Process is a thread. It is made by NewLocalProcess, started
// once, safe for concurrent use and must not be copied.
//
// Of the ways to end a Process it has Stop alone, which asks: Go cannot end a goroutine from outside, so there are no
// Terminate, Kill and Signal here, and a function that does not heed its context goes on. A function that may have to be
// ended by force belongs in a Process.
type LocalProcess struct {
	name    string
	fn      func(context.Context) error
	ctx     context.Context
	cancel  context.CancelCauseFunc
	started atomic.Bool
	done    chan struct{}
	err     error
}

var threads atomic.Int64

// NewLocalProcess prepares a call of fn; Start starts it. An empty name stands for "Thread-1" and so on.
func NewLocalProcess(name string, fn func(context.Context) error) *LocalProcess {
	if name == "" {
		name = "Thread-" + strconv.FormatInt(threads.Add(1), 10)
	}
	p := &LocalProcess{name: name, fn: fn, done: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancelCause(context.Background())
	return p
}

// Start starts the goroutine. A second call returns ErrStarted. ctx only bounds the start.
func (p *LocalProcess) Start(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if p.started.Swap(true) {
		return ErrStarted
	}
	go p.run()
	return nil
}

func (p *LocalProcess) run() {
	p.err = &TaskError{Func: p.name, Msg: "function called runtime.Goexit"}
	defer close(p.done)
	defer p.cancel(nil)
	defer func() {
		if v := recover(); v != nil {
			p.err = panicError(p.name, 0, v)
		}
	}()
	p.err = p.fn(p.ctx)
}

// Join waits until the function has returned, and returns its error as it is; a panic is a *TaskError of the process's name. It returns ctx's
// error if that ends first, ErrNotStarted before Start.
func (p *LocalProcess) Join(ctx context.Context) error {
	if !p.started.Load() {
		return ErrNotStarted
	}
	select {
	case <-p.done:
		return p.err
	default:
	}
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stop ends the function's context, with ErrStopped as its cause, and waits until it has returned, or ctx ends, whose
// error it returns then: the goroutine goes on.
func (p *LocalProcess) Stop(ctx context.Context) error {
	if !p.started.Load() {
		return ErrNotStarted
	}
	p.cancel(ErrStopped)
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Name returns the process's name.
func (p *LocalProcess) Name() string { return p.name }

// Alive reports whether the function was started and has not returned.
func (p *LocalProcess) Alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return p.started.Load()
	}
}

// Done returns a channel that is closed when the function has returned.
func (p *LocalProcess) Done() <-chan struct{} { return p.done }
