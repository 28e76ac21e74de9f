package multiproc

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"
)

// shortOfFiles loses one of its two workers while no file can be opened.
var shortOfFiles = Register("test.short-of-files", func(ctx context.Context, _ struct{}) (done int, err error) {
	p, err := NewPool(ctx, echoInt, Workers(2), Restart(0))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.Shutdown(ctx)) }()
	if _, err := p.Map(ctx, ints(100), Chunk(1)); err != nil {
		return 0, err
	}
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		return 0, err
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 3, Max: old.Max}); err != nil {
		return 0, err
	}
	lost := p.Pids()[0]
	if err := syscall.Kill(lost, syscall.SIGKILL); err != nil {
		return 0, err
	}
	for p.Stats().Crashes == 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	for range 20 { // several attempts long
		if _, err := p.Apply(ctx, 1); err != nil {
			return done, err
		}
		done++
		time.Sleep(5 * time.Millisecond)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &old); err != nil {
		return done, err
	}
	for len(p.Pids()) < 2 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	return done, ctx.Err()
})

// A pool that cannot replace a worker for a while goes on with the others, and replaces it when it can.
func TestWorkerThatCannotBeReplacedYet(t *testing.T) {
	if done, err := Call(t.Context(), shortOfFiles, struct{}{}); err != nil || done != 20 {
		t.Errorf("%d calls, %v", done, err)
	}
}
