package multiproc

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/parbench/parbench/strategies/multiproc/spawn"
)

// Sentinels that callers branch on with errors.Is.
var (
	ErrClosed     = errors.New("multiproc: closed, no new work is accepted")
	ErrRunning    = errors.New("multiproc: pool is still running; call Close first")
	ErrFull       = errors.New("multiproc: as many calls as MaxInFlight allows are unfinished")
	ErrTerminated = errors.New("multiproc: terminated")
	ErrCancelled  = errors.New("multiproc: cancelled before it started")
	ErrBroken     = errors.New("multiproc: pool is broken, its workers cannot be replaced")
	ErrStarted    = errors.New("multiproc: process was started before")
	ErrNotStarted = errors.New("multiproc: process was not started")
	ErrAlive      = errors.New("multiproc: process is still alive")
	ErrInit       = errors.New("multiproc: initialiser failed in a worker")
	ErrInvalid    = errors.New("multiproc: invalid option")
	// ErrUnregistered is what calls of a function get that the child does not know.
	ErrUnregistered = errors.New("multiproc: function is not registered in the child; register it in a package variable, under the same name in parent and child")
	// ErrNested is what starting a process returns where that is not allowed: see Nested and WithMaxDepth.
	ErrNested = errors.New("multiproc: starting processes is not allowed here")
	ErrNoMain = errors.New("multiproc: Main was not called in this program, so it cannot be its own worker; make multiproc.Main() the first statement of main or TestMain")
	// ErrTimeout is what a call gets whose Timeout passed. It is context.DeadlineExceeded as well.
	ErrTimeout error = timeoutError{}
)

type timeoutError struct{}

func (timeoutError) Error() string        { return "multiproc: task ran longer than its timeout" }
func (timeoutError) Timeout() bool        { return true }
func (timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// TaskError says which task failed and why. Errors from a worker process arrive as text, and as what they were if they
// are known by RegisterError or RegisterSentinel; in a LocalPool Err is the original.
type TaskError struct {
	Func  string // name the function was registered under; in a LocalPool that of the Go function
	Index int    // of the item in its Map or Imap; 0 for a call of its own
	Type  string // Go type of the original error, such as "*fs.PathError"
	Msg   string
	Stack string // of a panic, else empty
	// Err is the cause where it could be kept, for errors.Is and errors.As: a *PanicError, ErrTimeout, a *CrashError, a
	// registered error, a known sentinel (see RegisterSentinel), in a LocalPool the original; else nil.
	Err error

	item bool // it is one of a Map or Imap
}

// Error names the function, the item where there are several, and the message: "collatz: item 3: not a positive number".
func (e *TaskError) Error() string {
	s := e.Msg
	if e.item {
		s = "item " + strconv.Itoa(e.Index) + ": " + s
	}
	if e.Func != "" {
		s = e.Func + ": " + s
	}
	return s
}

// Unwrap returns the cause, or nil.
func (e *TaskError) Unwrap() error { return e.Err }

// PanicError is the cause of a TaskError whose function panicked. The worker lives on.
type PanicError struct{ Value, Stack string }

func (e *PanicError) Error() string { return "panic: " + e.Value }

// ExitState says how a process ended.
type ExitState = spawn.State

// CrashError is the cause of a TaskError whose worker process ended while it ran the task.
type CrashError struct {
	Pid        int
	Exit       ExitState
	Attempts   int    // how many workers the task has cost
	StderrTail []byte // the last 4 KiB that the worker wrote to stderr, after the line that names a panic or fatal error; untrusted text
	// Err is nil, or why this process has killed the worker: a *DecodeError, because its answers made no sense.
	Err error
}

func (e *CrashError) Error() string {
	s := "worker process " + strconv.Itoa(e.Pid) + " ended with " + e.Exit.String()
	if e.Attempts > 1 {
		s += " (attempt " + strconv.Itoa(e.Attempts) + ")"
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if line := lastWords(e.StderrTail); line != "" {
		s += "; its last words: " + line
	}
	return s
}

const (
	mostWords   = 200
	fatalPrefix = "fatal error: "
)

// namesCause reports whether a line is the one in which the runtime names a panic or fatal error.
func namesCause(line string) bool {
	return strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, fatalPrefix)
}

// lastWords returns the line of a dead process's standard error that says most: the one in which the runtime names a panic
// or fatal error, or the last one.
func lastWords(stderr []byte) string {
	last := ""
	for line := range strings.Lines(string(stderr)) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		last = line
		if namesCause(line) {
			break
		}
	}
	if len(last) > mostWords {
		last = last[:mostWords] + "…"
	}
	if last == "" {
		return ""
	}
	return strconv.Quote(last)
}

// Unwrap returns Err.
func (e *CrashError) Unwrap() error { return e.Err }

// EncodeError says that a value cannot cross to another process.
type EncodeError struct {
	Type  string
	Err   error
	Index int // of the item in its Map or Imap; 0 for Apply
}

func (e *EncodeError) Error() string {
	s := "multiproc: cannot encode a value of type " + e.Type + ": " + e.Err.Error()
	if e.Index > 0 {
		s += " (item " + strconv.Itoa(e.Index) + ")"
	}
	return s
}

// at adds the index of an item to an EncodeError.
func (e *EncodeError) at(i int) *EncodeError { return &EncodeError{e.Type, e.Err, e.Index + i} }

// Unwrap returns the cause.
func (e *EncodeError) Unwrap() error { return e.Err }

// DecodeError says that bytes from another process are not a value of the type.
type DecodeError struct {
	Type string
	Err  error
}

func (e *DecodeError) Error() string {
	return "multiproc: cannot decode a value of type " + e.Type + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *DecodeError) Unwrap() error { return e.Err }

// optionError names the option that is wrong; it is ErrInvalid.
type optionError struct{ text string }

func (e *optionError) Error() string    { return "multiproc: " + e.text }
func (e *optionError) Is(t error) bool  { return t == ErrInvalid }
func positive(name string, n int) error { return atLeast(name, n, 1) }
func atLeast(name string, n, m int) error {
	if n >= m {
		return nil
	}
	return &optionError{name + "(" + strconv.Itoa(n) + "): must be at least " + strconv.Itoa(m)}
}

// initError is ErrInit and wraps what the initialiser returned, as far as it could cross: as in a TaskError.
type initError struct {
	msg   string
	cause error
}

func (e *initError) Error() string   { return ErrInit.Error() + ": " + e.msg }
func (e *initError) Is(t error) bool { return t == ErrInit }
func (e *initError) Unwrap() error   { return e.cause }

// nestedError says why; it is ErrNested.
type nestedError struct{ why string }

func (e *nestedError) Error() string   { return ErrNested.Error() + ": " + e.why }
func (e *nestedError) Is(t error) bool { return t == ErrNested }

// unregisteredError is ErrUnregistered with the name; cause is the child's end, or nil.
type unregisteredError struct {
	name  string
	cause error
}

func (e *unregisteredError) Error() string {
	return strconv.Quote(e.name) + ": " + ErrUnregistered.Error()
}
func (e *unregisteredError) Is(t error) bool { return t == ErrUnregistered }
func (e *unregisteredError) Unwrap() error   { return e.cause }

// hopeless reports whether a worker that ended like this would do so again, however often it is replaced.
func hopeless(cause error) bool {
	return errors.Is(cause, ErrInit) || errors.Is(cause, ErrUnregistered)
}

// brokenError wraps ErrBroken and the last cause.
type brokenError struct{ cause error }

func (e *brokenError) Error() string   { return ErrBroken.Error() + ": " + e.cause.Error() }
func (e *brokenError) Is(t error) bool { return t == ErrBroken }
func (e *brokenError) Unwrap() error   { return e.cause }

var _ interface{ Timeout() bool } = timeoutError{}

const defaultGrace = 5 * time.Second
