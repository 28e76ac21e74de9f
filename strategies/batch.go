package strategies

import (
	"context"
	"errors"
	"reflect"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/parbench/parbench/workloads"
)

// batch is what the in-process strategies share about one call of Run: where to stop and what went wrong first.
type batch struct {
	ctx     context.Context // ends when the caller's does and when a task has failed, so that its siblings end early
	cancel  context.CancelFunc
	unwatch func() bool
	tasks   workloads.Tasks
	// stop is polled between tasks. It mirrors ctx: a load of a flag that nobody writes costs nothing, ctx.Done a
	// method call and a channel.
	stop atomic.Bool
	mu   sync.Mutex
	err  error
}

func newBatch(ctx context.Context, tasks workloads.Tasks) *batch {
	b := &batch{tasks: tasks}
	b.ctx, b.cancel = context.WithCancel(ctx)
	b.unwatch = context.AfterFunc(b.ctx, func() { b.stop.Store(true) })
	if ctx.Err() != nil {
		b.stop.Store(true) // AfterFunc runs in its own time; no task may begin under a context that has ended
	}
	return b
}

// fail records the first failure and stops the batch. Later ones are mostly consequences of the cancellation.
func (b *batch) fail(err error) {
	b.mu.Lock()
	if b.err == nil {
		b.err = err
	}
	b.mu.Unlock()
	b.stop.Store(true)
	b.cancel()
}

// finish returns what Run returns, when no task is running any more. outer is the context that Run received.
func (b *batch) finish(outer context.Context, sum uint64) (uint64, error) {
	b.unwatch()
	b.cancel()
	if b.err != nil {
		return 0, b.err
	}
	if outer.Err() != nil {
		// Perhaps every task was done before the context ended, but nobody counted: an interrupted batch has no digest.
		return 0, context.Cause(outer)
	}
	return sum, nil
}

// guard is deferred around calls of Task: it turns a panic, or a goroutine that ends itself, into a failure of task *i.
// A deferred call per task would cost as much as an empty task; one per worker and batch costs nothing that shows.
func (b *batch) guard(i *int, done *bool) {
	if *done {
		return
	}
	if v := recover(); v != nil {
		b.fail(panicked(*i, v))
		return
	}
	b.fail(&TaskError{Index: *i, Err: errGoexit})
}

// run runs tasks lo..hi-1 one after another under ctx, which is b.ctx or made from it, and returns the sum of their terms,
// and false if the batch has to stop. It keeps the current index in *at, for guard. The loop works on local copies: through
// the pointers it would take twice as long around an empty task.
func (b *batch) run(ctx context.Context, lo, hi int, at *int) (sum uint64, ok bool) {
	tasks := b.tasks
	for i := lo; i < hi; i++ {
		if b.stop.Load() {
			return sum, false
		}
		*at = i
		d, err := tasks.Task(ctx, i)
		if err != nil {
			b.fail(asTaskError(i, err))
			return sum, false
		}
		sum = workloads.Combine(sum, i, d)
	}
	return sum, true
}

var errGoexit = errors.New("ended its goroutine with runtime.Goexit")

// panicked describes a recovered panic of task i. It is called by the deferred function, so the stack below it is still
// that of the panic.
func panicked(i int, v any) *TaskError {
	return &TaskError{Index: i, Err: &panicError{v}, Stack: stack()}
}

// asTaskError names the task, unless the error does so already.
func asTaskError(i int, err error) error {
	var t *TaskError
	if errors.As(err, &t) {
		return t
	}
	return &TaskError{Index: i, Err: err}
}

// stack is debug.Stack without the package runtime/debug, which brings fmt into the start of every worker process.
func stack() string {
	const most = 64 << 10
	buf := make([]byte, 4<<10)
	for {
		n := runtime.Stack(buf, false)
		if n < len(buf) || len(buf) >= most {
			return string(buf[:n])
		}
		buf = make([]byte, 2*len(buf))
	}
}

// panicError is the value of a panic as an error. It wraps ErrPanic, and the value where that is an error itself.
type panicError struct{ value any }

func (e *panicError) Error() string { return "panic: " + panicText(e.value) }

func (e *panicError) Unwrap() []error {
	if err, ok := e.value.(error); ok {
		return []error{ErrPanic, err}
	}
	return []error{ErrPanic}
}

// panicText prints what the runtime would print for the usual values, without fmt.
func panicText(v any) string {
	switch v := v.(type) {
	case error:
		return v.Error()
	case interface{ String() string }:
		return v.String()
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.String:
		return r.String()
	case reflect.Bool:
		return strconv.FormatBool(r.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return strconv.FormatInt(r.Int(), 10)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return strconv.FormatUint(r.Uint(), 10)
	case reflect.Float32, reflect.Float64:
		return strconv.FormatFloat(r.Float(), 'g', -1, 64)
	default:
		return "(" + r.Type().String() + ")"
	}
}

// RunTask runs task i and returns its digest. Its errors are those of Executor.Run: a TaskError, with the stack after a
// panic.
func RunTask(ctx context.Context, tasks workloads.Tasks, i int) (d uint64, err error) {
	defer func() {
		if v := recover(); v != nil {
			d, err = 0, panicked(i, v)
		}
	}()
	if d, err = tasks.Task(ctx, i); err != nil {
		return 0, &TaskError{Index: i, Err: err}
	}
	return d, nil
}
