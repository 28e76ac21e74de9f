package multiproc

import (
	"context"
	"errors"
	"sync"
)

// ProcessPool runs a registered function on persistent worker processes. A worker that crashes costs the task it was
// running and is replaced; when this process dies, the workers die. It is made by NewPool.
type ProcessPool[In, Out any] struct {
	front[In, Out]
	f *fleet
}

var _ Pool[int, int] = (*ProcessPool[int, int])(nil)

// NewPool starts the workers and returns when all of them are ready. When ctx ends first, or a worker cannot start, or
// its initialiser fails (ErrInit), nothing is left behind. Afterwards ctx has no meaning for the pool.
func NewPool[In, Out any](ctx context.Context, fn Func[In, Out], opts ...PoolOption) (*ProcessPool[In, Out], error) {
	opt, err := collectPool(opts)
	if err != nil {
		return nil, err
	}
	if err := opt.forWorkers(); err != nil {
		return nil, err
	}
	if fn.e == nil {
		return nil, &optionError{"NewPool: the function was not made by Register"}
	}
	f := newFleet(fn.e.name, opt)
	if err := f.start(ctx); err != nil {
		return nil, err
	}
	return newRemote(f, fn, nil), nil
}

func newRemote[In, Out any](f *fleet, fn Func[In, Out], prefix []byte) *ProcessPool[In, Out] {
	r := &remote[In, Out]{f: f, fn: fn.Name(), prefix: prefix, ic: codecOf[In](), oc: codecOf[Out]()}
	return &ProcessPool[In, Out]{front[In, Out]{r, &sync.Pool{}}, f}
}

// Pids returns the process ids of the living workers.
func (p *ProcessPool[In, Out]) Pids() []int { return p.f.pids() }

// CancelPending withdraws every call and chunk that no worker has, and returns how many there were: they resolve with
// ErrCancelled. What runs goes on. A few calls that are already under way to a worker count as its own. It does not block.
func (p *ProcessPool[In, Out]) CancelPending() int { return p.f.cancelPending() }

// Close ends the acceptance of work, which is ErrClosed from then on; what was accepted is still done, and the workers leave.
// It does not block, and returns nil.
func (p *ProcessPool[In, Out]) Close() error { p.f.close(); return nil }

// Join blocks until a closed pool has finished: every accepted call has resolved and every worker process been reaped. It
// returns ctx's error if that ends first, and ErrRunning at once before Close.
func (p *ProcessPool[In, Out]) Join(ctx context.Context) error { return p.f.join(ctx) }

// Terminate ends the pool now: unfinished calls resolve with ErrTerminated, and the worker processes are killed, with what
// their tasks have started. It blocks until they have been reaped, and returns nil.
func (p *ProcessPool[In, Out]) Terminate() error {
	p.f.terminate(ErrTerminated)
	<-p.f.gone
	return nil
}

// Shutdown is Close and Join, then Terminate if ctx ends first, whose error it returns then.
func (p *ProcessPool[In, Out]) Shutdown(ctx context.Context) error {
	p.f.close()
	if err := p.f.join(ctx); err != nil {
		_ = p.Terminate()
		return err
	}
	return nil
}

// Stats returns figures of this moment. It does not block.
func (p *ProcessPool[In, Out]) Stats() Stats { return p.f.stats() }

// remote turns jobs into calls: it encodes inputs in the goroutine that submits them and decodes results in the one
// that receives them.
type remote[In, Out any] struct {
	f      *fleet
	fn     string
	prefix []byte // what stands before the inputs: see Bind
	ic     codec[In]
	oc     codec[Out]
}

// abandoned reports whether the caller has gone; the ordinary way then says why.
func (j *job[In, Out]) abandoned() bool { return j.ctx != nil && j.ctx.Err() != nil }

func (r *remote[In, Out]) callable() bool { return r.oc.p.err == nil && r.fn != "" }

// check returns why the function cannot be called, or nil.
func (r *remote[In, Out]) check() error {
	if r.oc.p.err != nil {
		return &EncodeError{Type: r.oc.p.typ.String(), Err: r.oc.p.err}
	}
	if r.fn == "" {
		return &optionError{"Bind: the function was not made by Register"}
	}
	return nil
}

// encode appends the job's inputs.
func (r *remote[In, Out]) encode(b []byte, j *job[In, Out]) ([]byte, error) {
	b, err := r.ic.appendAll(append(b, r.prefix...), j.in)
	if err != nil {
		var ee *EncodeError // here, because it escapes
		if errors.As(err, &ee) {
			err = ee.at(j.base)
		}
	}
	return b, err
}

// note remembers the size of a call, by which the next one is encoded.
func (r *remote[In, Out]) note(size int) {
	if size < largeFrame {
		size = 0
	}
	if int64(size) != r.f.large.Load() {
		r.f.large.Store(int64(size))
	}
}

// prepare makes a frame of the job's inputs.
func (r *remote[In, Out]) prepare(j *job[In, Out]) (*call, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	c := &j.impl
	if c.frame == nil {
		c.frame = c.small[:0]
		if r.f.large.Load() > 0 {
			if b, ok := frames.Get().(*[]byte); ok {
				c.frame = *b
			}
		}
	}
	frame, err := r.encode(appendHeader(c.frame[:0], frameCall, len(j.in)), j)
	if err != nil {
		return nil, err
	}
	sealFrame(frame, 0)
	r.note(len(frame))
	j.via = r
	c.reset(j.ctx, frame, len(j.in), j.opt, j)
	return c, nil
}

// submitInPlace encodes the inputs of a large call where the worker reads them. It is false if that is not possible now.
// A caller who waits for the results anyway rather waits for a worker than having them copied twice.
func (r *remote[In, Out]) submitInPlace(j *job[In, Out]) (bool, error) {
	// The worker's memory waits for the encoding: not for user code.
	if r.ic.p.foreign || r.ic.p.handles || !r.callable() || j.abandoned() || j.opt.affinity != 0 {
		return false, nil
	}
	var p *peer
	var buf []byte
	for tries := 1; ; tries++ {
		seen := r.f.left.Load()
		var busy bool
		if p, buf, busy = r.f.claim(int(r.f.large.Load())); p != nil {
			break
		}
		// Others may be quicker time and again: in the queue it is first come, first served.
		if !busy || !j.waited || tries > sheaf || !r.f.awaitDeparture(j.ctx, seen) {
			return false, nil
		}
	}
	c := &j.impl
	handed := false
	defer func() {
		if !handed { // somebody may recover from the panic: the worker must not stay as it is
			_ = r.f.hand(p, c, nil, buf, ErrBroken, j.waited)
		}
	}()
	payload, err := r.encode(buf[:0], j)
	handed = true
	r.note(headerSize + len(payload))
	j.via = r
	c.reset(j.ctx, nil, len(j.in), j.opt, j)
	return true, r.f.hand(p, c, payload, buf, err, j.waited)
}

func (r *remote[In, Out]) submit(ctx context.Context, j *job[In, Out], wait bool) error {
	if r.f.large.Load() > 0 {
		if ok, err := r.submitInPlace(j); ok || err != nil {
			return err
		}
	}
	if r.ic.p.handles {
		if err := r.f.hold(ctx, wait); err != nil {
			return err
		}
		return r.submitHandles(j)
	}
	c, err := r.prepare(j)
	if err != nil {
		return err
	}
	_, err = r.f.submit(ctx, []*call{c}, wait, j.waited)
	return err
}

// submitHandles submits a job, for which there is room, whose inputs have handles. Those that move stay here if it fails.
func (r *remote[In, Out]) submitHandles(j *job[In, Out]) error {
	done := false
	var c *call
	var err error
	for i := range j.in {
		var ends passage
		if ends, err = r.ic.depart(&j.in[i]); err != nil {
			var ee *EncodeError
			if errors.As(err, &ee) {
				err = ee.at(j.base + i)
			}
			break
		}
		defer ends.handed(&done)
	}
	if err == nil {
		c, err = r.prepare(j)
	}
	err = r.f.submitHeld(c, err, j.waited)
	done = err == nil
	return err
}

func (r *remote[In, Out]) submitAll(ctx context.Context, jobs []*job[In, Out]) (int, error) {
	if r.f.large.Load() > 0 || r.ic.p.handles {
		for n, j := range jobs {
			if err := r.submit(ctx, j, true); err != nil {
				return n, err
			}
		}
		return len(jobs), nil
	}
	var store [sheaf]*call
	calls := store[:0]
	var bad error
	for _, j := range jobs {
		c, err := r.prepare(j)
		if err != nil {
			bad = err
			break
		}
		calls = append(calls, c)
	}
	n, err := r.f.submit(ctx, calls, true, true)
	if err == nil {
		err = bad
	}
	return n, err
}

// frames keeps the memory of large calls: fresh memory costs several times as much as filling it.
var frames sync.Pool

const largeFrame = 32 << 10

// deliver implements receiver.
func (j *job[In, Out]) deliver(payload []byte, err error) {
	if err == nil {
		err = j.decode(payload)
	}
	if c := &j.impl; cap(c.frame) >= largeFrame {
		b := c.frame[:0]
		c.frame = nil
		if err == nil { // else somebody may still be writing it to a pipe
			frames.Put(&b)
		}
	}
	j.done.finished(j, err)
}

// decode fills out and errs. A panic in somebody's UnmarshalBinary must not take the lead away with it (see turns).
func (j *job[In, Out]) decode(payload []byte) (err error) {
	oc := &j.via.oc
	if oc.p.foreign {
		defer func() {
			if v := recover(); v != nil {
				err = &DecodeError{oc.p.typ.String(), &PanicError{panicText(v), stack()}}
			}
		}()
	}
	j.errs, err = decodeOutcomes(*oc, j.via.fn, j.base, payload, j.out)
	for _, e := range j.errs {
		if te, ok := e.(*TaskError); ok { //nolint:errorlint // just made, and not wrapped
			te.item = j.item
		}
	}
	return err
}

func (r *remote[In, Out]) cancel(j *job[In, Out], still func() bool) bool {
	return r.f.cancel(&j.impl, still)
}

func (r *remote[In, Out]) size() int           { return r.f.opt.workers }
func (r *remote[In, Out]) ahead(chunk int) int { return r.f.ahead(chunk) }

// bind has nothing to do: the caller's context is looked at before a call is sent, and does not cross.
func (r *remote[In, Out]) bind(ctx context.Context) (context.Context, func()) { return ctx, func() {} }

func (r *remote[In, Out]) refusal() error { return r.f.refusal() }
func (r *remote[In, Out]) leave()         { r.f.leave() }

func (r *remote[In, Out]) await(ctx context.Context, w waitable) error { return r.f.await(ctx, w) }
