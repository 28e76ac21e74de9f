package multiproc

import (
	"context"
	"encoding/binary"
)

// WorkerSet is a set of worker processes that several functions share. It is made by NewWorkers; Bind makes pools that
// run on it. It is safe for concurrent use.
type WorkerSet struct{ f *fleet }

const dispatchName = "multiproc/dispatch"

// dispatch is what the workers of a WorkerSet run: a call begins with the name of its function.
var dispatch = register(&entry{name: dispatchName, run: runNamed})

func runNamed(ctx context.Context, n int, req, out []byte) []byte {
	name, rest, ok := takeString(req)
	if e := lookup(name); ok && e != nil && name != dispatchName {
		return e.run(ctx, n, rest, out)
	}
	return appendUnknown(out, n)
}

// appendUnknown appends the outcome of n inputs for a function that is not registered here.
func appendUnknown(out []byte, n int) []byte {
	err := &unregisteredError{}
	for range n {
		out = binary.LittleEndian.AppendUint32(out, 0)
		// Whoever receives it names the function.
		out = appendFailure(out, failError, typeName(err), ErrUnregistered.Error(), "", appendCauses(nil, err))
	}
	return out
}

// NewWorkers starts workers as NewPool does, under the same options, for functions that are bound to them later.
func NewWorkers(ctx context.Context, opts ...PoolOption) (*WorkerSet, error) {
	opt, err := collectPool(opts)
	if err != nil {
		return nil, err
	}
	if err := opt.forWorkers(); err != nil {
		return nil, err
	}
	f := newFleet(dispatch.name, opt)
	if err := f.start(ctx); err != nil {
		return nil, err
	}
	return &WorkerSet{f}, nil
}

// Bind makes a pool that runs fn on the workers of the set, in turn with the other functions bound to it. It costs
// nothing and may be done at any time. MaxInFlight bounds all of them together. The pool's Close, Join, Terminate,
// Shutdown and Stats are those of the set: closing one closes all. A child that does not know fn answers each call with
// ErrUnregistered.
func Bind[In, Out any](w *WorkerSet, fn Func[In, Out]) *ProcessPool[In, Out] {
	return newRemote(w.f, fn, appendString(nil, fn.Name()))
}

// Pids returns the process ids of the living workers.
func (w *WorkerSet) Pids() []int { return w.f.pids() }

// CancelPending withdraws what no worker has, as Pool.CancelPending does, for all functions.
func (w *WorkerSet) CancelPending() int { return w.f.cancelPending() }

// Close ends the acceptance of work, as Pool.Close does.
func (w *WorkerSet) Close() error { w.f.close(); return nil }

// Join waits for the end of a closed set, as Pool.Join does.
func (w *WorkerSet) Join(ctx context.Context) error { return w.f.join(ctx) }

// Terminate ends the set now, as Pool.Terminate does.
func (w *WorkerSet) Terminate() error {
	w.f.terminate(ErrTerminated)
	<-w.f.gone
	return nil
}

// Shutdown is Close and Join, then Terminate if ctx ends first.
func (w *WorkerSet) Shutdown(ctx context.Context) error {
	_ = w.Close()
	if err := w.Join(ctx); err != nil {
		_ = w.Terminate()
		return err
	}
	return nil
}

// Stats returns figures of this moment.
func (w *WorkerSet) Stats() Stats { return w.f.stats() }
