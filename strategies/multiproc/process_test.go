package multiproc

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
)

func TestProcess(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	p := NewProcess(crash, order{Do: "pid"}, WithName("worker bee"))
	if _, ok := p.Pid(); ok || p.Alive() || p.Name() != "worker bee" {
		t.Error("wrong state before Start")
	}
	if _, err := p.Join(ctx); !errors.Is(err, ErrNotStarted) {
		t.Errorf("Join before Start: %v", err)
	}
	if _, ok := p.Exit(); ok {
		t.Error("Exit before Start")
	}
	if err := p.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if err := p.Start(ctx); !errors.Is(err, ErrStarted) {
		t.Errorf("second Start: %v", err)
	}
	exit, err := p.Join(ctx)
	if err != nil || !exit.Success() || p.Alive() {
		t.Errorf("%v %v", exit, err)
	}
	<-p.Done()
	if e, ok := p.Exit(); !ok || e != exit {
		t.Errorf("Exit: %v %v", e, ok)
	}
	pid, ok := p.Pid()
	if v, err := Result[int](ctx, p); !ok || v != pid || v == os.Getpid() || err != nil {
		t.Errorf("result %d %v, pid %d", v, err, pid)
	}
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := p.Join(ctx); !errors.Is(err, ErrClosed) {
		t.Errorf("Join after Close: %v", err)
	}
	if q, r := NewProcess(square, 1), NewProcess(square, 1); q.Name() == r.Name() {
		t.Error("default names repeat")
	}
}

// The bytes of a result fit many types. Only the function's own is taken, and the error names both.
func TestResultOfAnotherType(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	p := NewProcess(square, 3, WithName("nine"))
	if err := p.Start(ctx); err != nil {
		t.Fatal(err)
	}
	v, err := Result[float64](ctx, p)
	if !errors.Is(err, ErrInvalid) || v != 0 || !strings.Contains(err.Error(), "Result[float64]") ||
		!strings.Contains(err.Error(), "nine returns int;") {
		t.Errorf("%v, %v", v, err)
	}
	if v, err := Result[int](ctx, p); v != 9 || err != nil {
		t.Error(v, err)
	}
}

func TestProcessSignals(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	for sig, send := range map[syscall.Signal]func(*Process) error{
		syscall.SIGTERM: (*Process).Terminate,
		syscall.SIGKILL: (*Process).Kill,
		syscall.SIGHUP:  func(p *Process) error { return p.Signal(syscall.SIGHUP) },
	} {
		if signal.Ignored(sig) {
			continue // under nohup children ignore it as well
		}
		p := NewProcess(crash, order{Do: "spin"})
		if err := send(p); !errors.Is(err, ErrNotStarted) {
			t.Errorf("%v before Start: %v", sig, err)
		}
		if err := p.Start(ctx); err != nil {
			t.Fatal(err)
		}
		if err := p.Close(); !errors.Is(err, ErrAlive) || !p.Alive() {
			t.Errorf("Close while alive: %v", err)
		}
		short, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := p.Join(short); !errors.Is(err, context.Canceled) {
			t.Errorf("Join: %v", err)
		}
		if err := send(p); err != nil {
			t.Error(err)
		}
		if exit, err := p.Join(ctx); err != nil || exit.Signal != sig || exit.Code != -1 {
			t.Errorf("%v: %v, %v", sig, exit, err)
		}
		if err := send(p); err != nil {
			t.Errorf("%v after the end: %v", sig, err)
		}
		var ce *CrashError
		if _, err := Result[int](ctx, p); !errors.As(err, &ce) || ce.Exit.Signal != sig {
			t.Errorf("%v: result %v", sig, err)
		}
	}
}

func TestProcessExit(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	p := NewProcess(even, 3, WithStderr(w))
	if err := p.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if exit, err := p.Join(ctx); err != nil || exit.Code != exitTask {
		t.Errorf("function with an error: %v %v", exit, err)
	}
	_ = w.Close()
	text := make([]byte, 1000)
	n, _ := r.Read(text)
	if n > 0 {
		t.Errorf("stderr %q: the error is for whoever asks for it", text[:n])
	}
	var te *TaskError
	if _, err := Result[int](ctx, p); !errors.As(err, &te) || te.Msg != "odd number" || te.Func != "test.even" ||
		err.Error() != "test.even: odd number" {
		t.Errorf("%#v", err)
	}
	if err := p.Err(); err == nil || err.Error() != "test.even: odd number" {
		t.Error(err)
	}
	s := NewProcess(square, 3)
	if err := s.Err(); err != nil {
		t.Errorf("before the start: %v", err)
	}
	if exit, ok := s.Exit(); ok || exit.Success() || exit.String() != "not ended" {
		t.Errorf("before the start: %v, %v", exit, ok)
	}
	if err := s.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if exit, err := s.Join(ctx); err != nil || !exit.Success() || exit.String() != "exit status 0" || s.Err() != nil {
		t.Errorf("%v %v %v", exit, err, s.Err())
	}
	if err := s.Close(); err != nil || !errors.Is(s.Err(), ErrClosed) {
		t.Error(err, s.Err())
	}
	q := NewProcess(crash, order{Do: "exit", N: 8}, WithStderr(devNull(t)))
	if err := q.Start(ctx); err != nil {
		t.Fatal(err)
	}
	if exit, err := q.Join(ctx); err != nil || exit.Code != 8 {
		t.Errorf("os.Exit(8): %v %v", exit, err)
	}
	var ce *CrashError
	if err := q.Err(); !errors.As(err, &ce) || ce.Exit.Code != 8 {
		t.Errorf("os.Exit(8): %v", err)
	}
	var pe *PanicError
	if _, err := Call(ctx, even, 13, WithStderr(devNull(t))); !errors.As(err, &pe) || pe.Value != "thirteen" {
		t.Errorf("panic: %v", err)
	}
}

func devNull(t *testing.T) *os.File {
	f, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestCall(t *testing.T) {
	needProcesses(t)
	ctx := ctxT(t)
	if v, err := Call(ctx, square, 12); v != 144 || err != nil {
		t.Errorf("%v, %v", v, err)
	}
	big := blob{"big", make([]byte, 5<<20)}
	if v, err := Call(ctx, echo, big); len(v.Data) != 5<<20 || err != nil {
		t.Errorf("%d bytes, %v", len(v.Data), err)
	}
	// The caller's context ends: the process is killed, even in a busy loop, and reaped.
	short, cancel := context.WithCancel(ctx)
	done := make(chan error)
	go func() { _, err := Call(short, crash, order{Do: "spin"}); done <- err }()
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if n := zombies(); n != 0 {
		t.Errorf("%d zombies", n)
	}
}

// Package variables of a child start from scratch: nothing that the parent did to its own is seen.
func TestChildStateIsFresh(t *testing.T) {
	needProcesses(t)
	initState.Store(99)
	defer initState.Store(0)
	if v, err := Call(ctxT(t), state, 1); v != 1 || err != nil {
		t.Errorf("%v, %v", v, err)
	}
}

func TestRegisterTwice(t *testing.T) {
	for _, name := range []string{"test.square", ""} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("registering %q did not panic", name)
				}
			}()
			Register(name, fnSquare)
		}()
	}
}
