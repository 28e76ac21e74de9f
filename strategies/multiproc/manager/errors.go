package manager

import (
	"context"
	"errors"

	"github.com/parbench/parbench/strategies/multiproc"
	"github.com/parbench/parbench/strategies/multiproc/shm"
)

// Sentinels that callers branch on with errors.Is. Those that package multiproc or shm has as well are also theirs:
// errors.Is(err, shm.ErrNotOwner) holds for ErrNotOwner.
var (
	// ErrManagerGone is what every call gets when the manager's process has ended, or cannot be reached.
	ErrManagerGone  = errors.New("manager: the manager is gone")
	ErrFreed        = errors.New("manager: the object was freed, or never was")
	ErrNotFound     = errors.New("manager: nothing is published under that name")
	ErrExists       = errors.New("manager: something is published under that name already")
	ErrNoKey        = errors.New("manager: the dict has no such key")
	ErrIndex        = errors.New("manager: index out of range")
	ErrKey          = errors.New("manager: the key cannot be compared by its value")
	ErrNumber       = errors.New("manager: what is there is not a number of that type")
	ErrToken        = errors.New("manager: the token is wrong")
	ErrLocal        = errors.New("manager: a local manager cannot be reached from another process")
	ErrTooManyCalls = errors.New("manager: too many calls of this process are waiting")

	ErrNotOwner     error = &sameError{"manager: lock is held by another process or owner", shm.ErrNotOwner}
	ErrUnlocked     error = &sameError{"manager: unlock of a free lock", shm.ErrUnlocked}
	ErrOverRelease  error = &sameError{"manager: semaphore released above its limit", shm.ErrOverRelease}
	ErrBroken       error = &sameError{"manager: barrier is broken; call Reset", shm.ErrBroken}
	ErrClosed       error = &sameError{"manager: closed", multiproc.ErrClosed}
	ErrFull         error = &sameError{"manager: queue is full", multiproc.ErrFull}
	ErrEmpty        error = &sameError{"manager: queue is empty", multiproc.ErrEmpty}
	ErrTooManyDone  error = &sameError{"manager: Done was called more often than Get", multiproc.ErrTooManyDone}
	ErrTooLarge     error = &sameError{"manager: message is larger than 1 GiB", multiproc.ErrTooLarge}
	ErrUnregistered error = &sameError{"manager: not registered in the manager's process; register it in a package variable", multiproc.ErrUnregistered}
	ErrInvalid      error = &sameError{"manager: invalid argument", multiproc.ErrInvalid}
)

var (
	errOtherUser = errors.New("manager: the process at the other end belongs to another user")
	errBad       = errors.New("manager: the message makes no sense to the other side; are both of the same version?")
	errKind      = errors.New("manager: the object is of another kind or type")
	errTooSlow   = errors.New("manager: no answer to the greeting")
)

// errShut is what is left of a manager that this process itself has shut down: it is gone, and that is no surprise.
var errShut error = shutError{}

type shutError struct{}

func (shutError) Error() string   { return "manager: closed, this process has shut the manager down" }
func (shutError) Unwrap() []error { return []error{ErrClosed, ErrManagerGone} }

// sameError is an error that another package has as well.
type sameError struct {
	text string
	is   error
}

func (e *sameError) Error() string { return e.text }
func (e *sameError) Unwrap() error { return e.is }

// detailError is a sentinel with what went wrong.
type detailError struct {
	is     error
	detail string
}

func (e *detailError) Error() string { return e.is.Error() + ": " + e.detail }
func (e *detailError) Unwrap() error { return e.is }

func invalid(text string) error { return &detailError{ErrInvalid, text} }

// causeError is a sentinel with its cause, and is both.
type causeError struct{ is, cause error }

func (e *causeError) Error() string   { return e.is.Error() + ": " + e.cause.Error() }
func (e *causeError) Unwrap() []error { return []error{e.is, e.cause} }

func gone(cause error) error {
	if cause == nil {
		return ErrManagerGone
	}
	return &causeError{ErrManagerGone, cause}
}

// statusErrors are the errors of statuses that say it all.
var statusErrors = [...]error{
	statusCancelled: context.Canceled, statusGone: ErrManagerGone, statusBad: errBad, statusFreed: ErrFreed,
	statusKind: errKind, statusNoKey: ErrNoKey, statusIndex: ErrIndex, statusClosed: ErrClosed,
	statusNotOwner: ErrNotOwner, statusUnlocked: ErrUnlocked, statusOverRelease: ErrOverRelease, statusBroken: ErrBroken,
	statusTooManyDone: ErrTooManyDone, statusTooLarge: ErrTooLarge, statusExists: ErrExists,
	statusUnregistered: ErrUnregistered, statusTooMany: ErrTooManyCalls,
}

// What a function in another process returns of these is what it is there too.
func init() {
	for _, s := range []struct {
		name string
		err  error
	}{
		{"ErrManagerGone", ErrManagerGone}, {"ErrFreed", ErrFreed}, {"ErrNotFound", ErrNotFound}, {"ErrExists", ErrExists},
		{"ErrNoKey", ErrNoKey}, {"ErrIndex", ErrIndex}, {"ErrKey", ErrKey}, {"ErrNumber", ErrNumber},
		{"ErrToken", ErrToken}, {"ErrLocal", ErrLocal}, {"ErrTooManyCalls", ErrTooManyCalls},
		{"ErrNotOwner", ErrNotOwner}, {"ErrUnlocked", ErrUnlocked}, {"ErrOverRelease", ErrOverRelease},
		{"ErrBroken", ErrBroken},
	} {
		multiproc.RegisterSentinel("manager/"+s.name, s.err)
	}
}
