package shm

import (
	"context"
	"errors"
)

// Sentinels that callers branch on with errors.Is.
var (
	ErrUnavailable = errors.New("shm: shared memory needs Linux on amd64 or arm64")
	ErrClosed      = errors.New("shm: arena is closed")
	ErrNotArena    = errors.New("shm: file is not an arena of this version; pass the file of Arena.File")
	ErrNamespace   = errors.New("shm: arena belongs to another PID namespace, where owners cannot be told alive from dead")
	ErrProcesses   = errors.New("shm: as many processes as an object has room for use it already")
	ErrSize        = errors.New("shm: size or alignment is out of range")
	ErrFull        = errors.New("shm: arena has no free block of that size; make it larger")
	ErrNoMemory    = errors.New("shm: the machine has no memory left for the block")
	ErrCorrupt     = errors.New("shm: arena's block list is damaged; a process wrote outside its block")
	ErrRef         = errors.New("shm: reference does not name an object of that kind in this arena")
	ErrNotPlain    = errors.New("shm: type holds pointers, which mean nothing in another process")
	ErrNotOwner    = errors.New("shm: lock is held by another process or owner")
	ErrUnlocked    = errors.New("shm: unlock of a free lock")
	ErrOverRelease = errors.New("shm: semaphore released above its limit")
	ErrBroken      = errors.New("shm: barrier is broken; call Reset")
	// ErrTimeout is what a wait returns whose context's deadline passed. It is context.DeadlineExceeded as well.
	ErrTimeout = errors.New("shm: timed out")
)

// waitError says that a wait ended because its context did.
type waitError struct {
	cause  error // ctx.Err()
	broken bool  // the wait was at a barrier, which broke thereby
}

func ended(ctx context.Context) error { return &waitError{cause: ctx.Err()} }

func (e *waitError) Error() string { return "shm: wait ended: " + e.cause.Error() }
func (e *waitError) Unwrap() error { return e.cause }
func (e *waitError) Timeout() bool { return errors.Is(e.cause, context.DeadlineExceeded) }
func (e *waitError) Is(target error) bool {
	return target == ErrTimeout && e.Timeout() || target == ErrBroken && e.broken
}
