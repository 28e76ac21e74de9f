package multiproc

import (
	"context"
	"errors"
)

// ProcessPool runs a registered function on persistent worker processes. A worker that crashes costs the task it was
// running and is replaced; when this process dies, the workers die. It is made by NewPool.
type ProcessPool[In, Out any] struct {
	front[In, Out]
	f *fleet
}

var _ Pool[int, int] = (*ProcessPool[int, int])(nil)

// NewPool starts the workers and returns when all of them are ready. When ctx ends first, or a worker cannot start, or
// its initialiser fails (ErrInit), nothing is left behind.
func NewPool[In, Out any](ctx context.Context, fn Func[In, Out], opts ...PoolOption) (*ProcessPool[In, Out], error) {
	opt, err := collectPool(opts)
	if err != nil {
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
	return &ProcessPool[In, Out]{front[In, Out]{r}, f}
}

// Pids returns the process ids of the living workers.
func (p *ProcessPool[In, Out]) Pids() []int { return p.f.pids() }

// CancelPending implements Pool. A few calls that are already under way to a worker count as its own.
func (p *ProcessPool[In, Out]) CancelPending() int { return p.f.cancelPending() }

// Close implements Pool.
func (p *ProcessPool[In, Out]) Close() error { p.f.close(); return nil }

// Join implements Pool.
func (p *ProcessPool[In, Out]) Join(ctx context.Context) error { return p.f.join(ctx) }

// Terminate implements Pool. It returns when the workers have been reaped.
func (p *ProcessPool[In, Out]) Terminate() error {
	p.f.terminate(ErrTerminated)
	<-p.f.gone
	return nil
}

// Shutdown implements Pool.
func (p *ProcessPool[In, Out]) Shutdown(ctx context.Context) error {
	p.f.close()
	if err := p.f.join(ctx); err != nil {
		_ = p.Terminate()
		return err
	}
	return nil
}

// Stats implements Pool.
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

func (r *remote[In, Out]) submit(ctx context.Context, j *job[In, Out], wait bool) error {
	if r.oc.p.err != nil {
		return &EncodeError{Type: r.oc.p.typ.String(), Err: r.oc.p.err}
	}
	if r.fn == "" {
		return &optionError{"Bind: the function was not made by Register"}
	}
	j.fn = r.fn
	c := j.impl
	if c == nil {
		c = &call{}
		c.deliver = func(payload []byte, err error) {
			if err == nil {
				j.errs, err = decodeOutcomes(r.fn, j.base, payload, j.out)
			}
			j.done(j, err)
		}
		j.impl = c
	}
	frame, err := r.ic.appendAll(append(appendHeader(c.frame[:0], frameCall, len(j.in)), r.prefix...), j.in)
	if err != nil {
		var ee *EncodeError
		if errors.As(err, &ee) {
			err = ee.at(j.base)
		}
		return err
	}
	sealFrame(frame, 0)
	c.reset(j.ctx, frame, j.opt)
	return r.f.submit(ctx, c, wait)
}

func (r *remote[In, Out]) cancel(j *job[In, Out]) bool { return j.impl != nil && r.f.cancel(j.impl) }
func (r *remote[In, Out]) size() int                   { return r.f.opt.workers }
func (r *remote[In, Out]) closed() bool                { return r.f.closed() }
