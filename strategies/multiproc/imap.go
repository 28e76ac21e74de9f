package multiproc

import (
	"context"
	"iter"
	"sync"
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

// flow is one running Imap. Only finished, behind mu, is touched by other goroutines.
type flow[In, Out any] struct {
	ctx       context.Context
	pool      front[In, Out]
	opt       callOptions
	ordered   bool
	yield     func(i int, v Out, err error) bool
	taken     int // items read from the source
	delivered int // items yielded
	pending   []*piece[In, Out]
	spare     []*piece[In, Out]

	mu       sync.Mutex
	finished []*piece[In, Out] // unordered: done, not yet delivered
	wake     chan struct{}     // capacity 1
}

// piece is a chunk on its way.
type piece[In, Out any] struct {
	job[In, Out]
	err  error
	done chan struct{} // ordered: capacity 1, one token when done
}

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
	if err == nil && f.b.closed() {
		err = ErrClosed
	}
	if err != nil {
		yield(0, zero, err)
		return
	}
	if opt.chunk == 0 {
		opt.chunk = 1
	}
	if opt.window == 0 {
		opt.window = 4 * opt.chunk * f.b.size()
	}
	opt.chunk = min(opt.chunk, opt.window)
	fl := &flow[In, Out]{ctx: ctx, pool: f, opt: opt, ordered: ordered, yield: yield, wake: make(chan struct{}, 1)}
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
		if !full && fl.taken-fl.delivered >= opt.window && !fl.ready() {
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
	p := &piece[In, Out]{done: make(chan struct{}, 1)}
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
	p.opt, p.ctx = fl.opt, fl.ctx
	p.job.done = func(_ *job[In, Out], err error) {
		p.err = err
		if fl.ordered {
			p.done <- struct{}{}
			return
		}
		fl.mu.Lock()
		fl.finished = append(fl.finished, p)
		fl.mu.Unlock()
		select {
		case fl.wake <- struct{}{}:
		default:
		}
	}
	if err := fl.pool.b.submit(fl.ctx, &p.job, true); err != nil {
		var zero Out
		if fl.drain(0) {
			fl.yield(p.base, zero, err)
		}
		return false
	}
	fl.pending = append(fl.pending, p)
	return true
}

// ready reports whether drain could deliver something without waiting.
func (fl *flow[In, Out]) ready() bool {
	if fl.ordered {
		return len(fl.pending) > 0 && len(fl.pending[0].done) > 0
	}
	fl.mu.Lock()
	defer fl.mu.Unlock()
	return len(fl.finished) > 0
}

// drain delivers what is there, and waits for more while over more than limit items are taken and undelivered. False
// means that the loop is over.
func (fl *flow[In, Out]) drain(limit int) bool {
	for len(fl.pending) > 0 {
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
	for {
		var ready <-chan struct{} = fl.wake
		if fl.ordered {
			ready = fl.pending[0].done
		} else {
			fl.mu.Lock()
			if n := len(fl.finished); n > 0 {
				p := fl.finished[0]
				fl.finished = append(fl.finished[:0], fl.finished[1:]...)
				fl.mu.Unlock()
				return fl.take(p)
			}
			fl.mu.Unlock()
		}
		select {
		case <-ready:
		default:
			if !block {
				return nil
			}
			select {
			case <-ready:
			case <-fl.ctx.Done():
				return nil
			}
		}
		if fl.ordered {
			return fl.take(fl.pending[0])
		}
	}
}

// take removes p from the pending list.
func (fl *flow[In, Out]) take(p *piece[In, Out]) *piece[In, Out] {
	for i, q := range fl.pending {
		if q == p {
			fl.pending = append(fl.pending[:i], fl.pending[i+1:]...)
			break
		}
	}
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
	*p = piece[In, Out]{job: job[In, Out]{in: p.in[:0], out: p.out[:cap(p.out)], impl: p.impl}, done: p.done}
	fl.spare = append(fl.spare, p)
	return true
}

// abandon withdraws what no worker has; what runs goes on and its results are dropped.
func (fl *flow[In, Out]) abandon() {
	for _, p := range fl.pending {
		fl.pool.b.cancel(&p.job)
	}
}
