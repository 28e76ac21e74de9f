package multiproc

import (
	"context"
	"os/signal"
	"syscall"
	"testing"
)

// childOfIgnorant starts a process where the kernel reaps children, and says what becomes known of its end.
var childOfIgnorant = Register("test.child-of-ignorant", func(ctx context.Context, _ struct{}) (string, error) {
	signal.Ignore(syscall.SIGCHLD)
	p := NewProcess(echoInt, 1)
	if err := p.Start(ctx); err != nil {
		return "", err
	}
	exit, err := p.Join(ctx)
	if exit.Success() {
		return "success", err
	}
	return exit.String(), err
})

func TestExitNobodyKnows(t *testing.T) {
	if got, err := Call(t.Context(), childOfIgnorant, struct{}{}); err != nil || got != "exit status unknown" {
		t.Errorf("%q, %v", got, err)
	}
}
