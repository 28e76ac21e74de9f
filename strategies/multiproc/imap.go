package multiproc

import (
	"context"
	"iter"
	"sync"
	"sync/atomic"
)

// Imap implements Pool.
func (f front[In, Out]) Imap(ctx context.Context, in iter.Seq[In], opts ...CallOption) iter.Seq2[Out, error] {
	return f.ImapSource(ctx, infallible(in), opts...)
}

// ImapSource implements Pool.
func (f front[In, Out]) ImapSource(ctx context.Context, in iter.Seq2[In, error], opts ...CallOption) iter.Seq2[Out, error] {
	return func(yield func(Out, error) bool) {
		f.stream(ctx, in, opts, true, func(_ int, v Out, err error) bool { return yield(v, err) })
	}
}

// ImapUnordered implements Pool.
func (f front[In, Out]) ImapUnordered(ctx context.Context, in iter.Seq[In], opts ...CallOption) iter.Seq2[Indexed[Out], error] {
	return func(yield func(Indexed[Out], error) bool) {
		f.stream(ctx, infallible(in), opts, false, func(i int, v Out, err error) bool {
			return yield(Indexed[Out]{i, v}, err)
		})
	}
}

func infallible[In any](in iter.Seq[In]) iter.Seq2[In, error] {
	return func(yield func(In, error) bool) {
		for v := range in {
			if !yield(v, nil) {
				return
			}
		}
	}
}

// flow is one running Imap. Only done, behind mu, and any are touched by other goroutines.
type flow[In, Out any] struct {
	ctx       context.Context
	pool      front[In, Out]
	opt       callOptions
	ordered   bool
	yield     func(i int, v Out, err error) bool
	taken     int                    // items read from the source
	delivered int                    // items yielded
	pending   queue[*piece[In, Out]] // ordered: sent, not yet delivered
	out       []*piece[In, Out]      // unordered: the same
	spare     []*piece[In, Out]

	got   queue[*piece[In, Out]] // unordered: taken from done, not yet delivered
	mu    sync.Mutex
	done  queue[*piece[In, Out]] // unordered: answered; emptied at once into got
	any   atomic.Bool            // whether done holds something
	rouse chan struct{}          // capacity 1
}

func (fl *flow[In, Out]) ready() bool           { return fl.any.Load() }
func (fl *flow[In, Out]) wake() <-chan struct{} { return fl.rouse }

// piece is a chunk on its way.
type piece[In, Out any] struct {
	job[In, Out]
	fl     *flow[In, Out]
	err    error
	isDone atomic.Bool
	place  int // in out
}

// finished implements finisher.
func (p *piece[In, Out]) finished(_ *job[In, Out], err error) {
	fl := p.fl
	p.err = err
	if fl.ordered {
		p.isDone.Store(true)
	} else {
		fl.mu.Lock()
		if fl.done.push(p); fl.done.len() == 1 {
			fl.any.Store(true)
		}
		fl.mu.Unlock()
	}
	select {
	case fl.rouse <- struct{}{}:
	default:
	}
}

func (p *piece[In, Out]) ready() bool           { return p.isDone.Load() }
func (p *piece[In, Out]) wake() <-chan struct{} { return p.fl.rouse }

// stream reads the source and yields results, all in the caller's goroutine: the source is a range loop whose body
// also delivers, so that a break ends both at once and nothing is left behind.
func (f front[In, Out]) stream(ctx context.Context, in iter.Seq2[In, error], opts []CallOption, ordered bool,
	yield func(int, Out, error) bool) {
	var zero Out
	opt, err := collectCall(opts)
	if err == nil && opt.onDone != nil {
		err = &optionError{"OnDone: Imap yields each outcome, it has no callback"}
	}
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = f.b.refusal()
	}
	if err != nil {
		yield(0, zero, err)
		return
	}
	if opt.chunk == 0 {
		opt.chunk = 1
	}
	if opt.window == 0 {
		opt.window = 32 * opt.chunk * f.b.size()
	}
	opt.chunk = min(opt.chunk, opt.window)
	fl := &flow[In, Out]{ctx: ctx, pool: f, opt: opt, ordered: ordered, yield: yield, rouse: make(chan struct{}, 1)}
	defer fl.abandon()
	buf := fl.piece()
	for v, err := range in {
		if err != nil {
			if fl.send(buf) && fl.drain(0) {
				yield(fl.taken, zero, err)
			}
			return
		}
		fl.taken++
		buf.in = append(buf.in, v)
		full := len(buf.in) == opt.chunk
		if full {
			if !fl.send(buf) {
				return
			}
			buf = fl.piece()
		}
		// Items in an unsent chunk can only be delivered by sending it.
		if !full && fl.taken-fl.delivered >= opt.window && !fl.available() {
			if !fl.send(buf) {
				return
			}
			buf = fl.piece()
		}
		if !fl.drain(opt.window - 1) {
			return
		}
	}
	if fl.send(buf) {
		fl.drain(0)
	}
}

// piece returns an empty chunk.
func (fl *flow[In, Out]) piece() *piece[In, Out] {
	if n := len(fl.spare); n > 0 {
		p := fl.spare[n-1]
		fl.spare = fl.spare[:n-1]
		return p
	}
	p := &piece[In, Out]{fl: fl}
	p.job.done = p
	p.in = make([]In, 0, fl.opt.chunk)
	p.out = make([]Out, fl.opt.chunk)
	return p
}

// send submits a chunk; false means that the loop is over.
func (fl *flow[In, Out]) send(p *piece[In, Out]) bool {
	if len(p.in) == 0 {
		return true
	}
	p.base = fl.taken - len(p.in)
	p.out = p.out[:len(p.in)]
	p.opt, p.ctx = fl.opt.job(), fl.ctx
	if err := fl.pool.b.submit(fl.ctx, &p.job, true); err != nil {
		var zero Out
		if fl.drain(0) {
			fl.yield(p.base, zero, err)
		}
		return false
	}
	if fl.ordered {
		fl.pending.push(p)
	} else {
		p.place = len(fl.out)
		fl.out = append(fl.out, p)
	}
	return true
}

// available reports whether drain could deliver something without waiting.
func (fl *flow[In, Out]) available() bool {
	if fl.ordered {
		return fl.pending.len() > 0 && fl.pending.front().ready()
	}
	return fl.got.len() > 0 || fl.ready()
}

// drain delivers what is there, and waits for more while over more than limit items are taken and undelivered. False
// means that the loop is over.
func (fl *flow[In, Out]) drain(limit int) bool {
	for fl.pending.len()+len(fl.out) > 0 {
		p := fl.next(fl.taken-fl.delivered > limit)
		if p == nil {
			break
		}
		if !fl.deliver(p) {
			return false
		}
	}
	if err := fl.ctx.Err(); err != nil {
		var zero Out
		fl.yield(fl.delivered, zero, err)
		return false
	}
	return true
}

// next returns the next finished chunk, nil if there is none and block is false, or ctx has ended.
func (fl *flow[In, Out]) next(block bool) *piece[In, Out] {
	if !fl.available() {
		var w waitable = fl
		if fl.ordered {
			w = fl.pending.front()
		}
		if !block || fl.pool.b.await(fl.ctx, w) != nil {
			return nil
		}
	}
	if fl.ordered {
		return fl.pending.pop()
	}
	if fl.got.len() == 0 {
		fl.mu.Lock()
		fl.got, fl.done = fl.done, fl.got
		fl.any.Store(false)
		fl.mu.Unlock()
	}
	p := fl.got.pop()
	last := fl.out[len(fl.out)-1]
	fl.out[p.place], last.place = last, p.place
	fl.out = fl.out[:len(fl.out)-1]
	return p
}

// deliver yields the items of a finished chunk and keeps its memory for the next one.
func (fl *flow[In, Out]) deliver(p *piece[In, Out]) bool {
	for i := range p.in {
		fl.delivered++
		var v Out
		if p.err == nil {
			v = p.out[i]
		}
		if !fl.yield(p.base+i, v, p.itemErr(i, p.err)) {
			return false
		}
	}
	if p.err != nil {
		return true // a worker may still be at it
	}
	clear(p.in)
	clear(p.out)
	p.in, p.out, p.errs = p.in[:0], p.out[:cap(p.out)], nil
	p.isDone.Store(false)
	p.state.Store(0)
	fl.spare = append(fl.spare, p)
	return true
}

// abandon withdraws what no worker has; what runs goes on and its results are dropped.
func (fl *flow[In, Out]) abandon() {
	if fl.pending.len()+len(fl.out) == 0 {
		return
	}
	fl.pool.b.leave()
	for fl.pending.len() > 0 {
		fl.pool.b.cancel(&fl.pending.pop().job)
	}
	for _, p := range fl.out {
		fl.pool.b.cancel(&p.job)
	}
}
