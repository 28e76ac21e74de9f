package multiproc

import (
	"context"
	"iter"
	"sync/atomic"
)

// Imap yields the results in the order of the inputs, each with its own error, as they come. The loop blocks while the next
// result is not there, until ctx ends, which is the last error.
//
// The source is read in the goroutine of the loop, only as far ahead as Window allows, and not after a break; what runs then
// goes on, in a LocalPool with its context ended. What ends the loop as a whole is yielded once, as its last error: that of
// ctx, an *EncodeError after the results before it, ErrInvalid, and on a pool that is closed already ErrClosed, alone.
func (f front[In, Out]) Imap(ctx context.Context, in iter.Seq[In], opts ...CallOption) iter.Seq2[Out, error] {
	return func(yield func(Out, error) bool) {
		f.stream(ctx, opts, &flow[In, Out]{inOrder: yield}, func(fl *flow[In, Out]) { in(fl.take) })
	}
}

// ImapSource is Imap over a source that can fail: its error is yielded, as it is, after the results before it, and ends the
// loop.
func (f front[In, Out]) ImapSource(ctx context.Context, in iter.Seq2[In, error], opts ...CallOption) iter.Seq2[Out, error] {
	return func(yield func(Out, error) bool) {
		f.stream(ctx, opts, &flow[In, Out]{inOrder: yield}, func(fl *flow[In, Out]) {
			in(func(v In, err error) bool {
				if err != nil && !fl.over {
					fl.end(fl.taken, err)
				}
				return fl.take(v)
			})
		})
	}
}

// ImapUnordered is Imap in the order of completion; Indexed says which input a result belongs to.
func (f front[In, Out]) ImapUnordered(ctx context.Context, in iter.Seq[In], opts ...CallOption) iter.Seq2[Indexed[Out], error] {
	return func(yield func(Indexed[Out], error) bool) {
		f.stream(ctx, opts, &flow[In, Out]{unordered: yield}, func(fl *flow[In, Out]) { in(fl.take) })
	}
}

// flow is one running Imap. Only done and rouse are touched by other goroutines.
type flow[In, Out any] struct {
	ctx       context.Context
	taskCtx   context.Context
	pool      front[In, Out]
	opt       callOptions
	grows     bool // the window is as wide as the pool's pace asks for
	ordered   bool
	inOrder   func(Out, error) bool
	unordered func(Indexed[Out], error) bool // the one or the other
	over      bool                           // nothing may be yielded any more
	taken     int                            // items read from the source
	delivered int                            // items yielded
	buf       *piece[In, Out]                // the chunk that is being filled
	pending   queue[*piece[In, Out]]         // ordered: sent, not yet delivered
	out       []*piece[In, Out]              // unordered: the same
	spare     []*piece[In, Out]

	got   []*piece[In, Out]              // unordered: taken from done, not yet delivered; the last one is next
	done  atomic.Pointer[piece[In, Out]] // unordered: the last one answered, and by older those before it; emptied at once into got
	rouse chan struct{}                  // capacity 1
}

func (fl *flow[In, Out]) ready() bool           { return fl.done.Load() != nil }
func (fl *flow[In, Out]) wake() <-chan struct{} { return fl.rouse }

// piece is a chunk on its way.
type piece[In, Out any] struct {
	job[In, Out]
	fl     *flow[In, Out]
	err    error
	isDone atomic.Bool
	older  *piece[In, Out] // see flow.done
	place  int             // in out
}

// finished implements finisher.
func (p *piece[In, Out]) finished(_ *job[In, Out], err error) {
	fl := p.fl
	p.err = err
	if fl.ordered {
		p.isDone.Store(true)
	} else {
		for {
			p.older = fl.done.Load()
			if fl.done.CompareAndSwap(p.older, p) {
				break
			}
		}
	}
	select {
	case fl.rouse <- struct{}{}:
	default:
	}
}

func (p *piece[In, Out]) ready() bool           { return p.isDone.Load() }
func (p *piece[In, Out]) wake() <-chan struct{} { return p.fl.rouse }

// yield hands an outcome to the loop.
func (fl *flow[In, Out]) yield(i int, v Out, err error) bool {
	if fl.inOrder != nil {
		fl.over = !fl.inOrder(v, err)
	} else {
		fl.over = !fl.unordered(Indexed[Out]{i, v}, err)
	}
	return !fl.over
}

// fail yields an error as the last outcome.
func (fl *flow[In, Out]) fail(i int, err error) {
	var zero Out
	fl.yield(i, zero, err)
	fl.over = true
}

// end delivers what is under way and then, in the place of item i, err.
func (fl *flow[In, Out]) end(i int, err error) {
	if fl.send() && fl.drain(0) {
		fl.fail(i, err)
	}
	fl.over = true
}

// stream reads the source and yields results, all in the caller's goroutine: the source calls take, which also
// delivers, so that a break ends both at once and nothing is left behind.
func (f front[In, Out]) stream(ctx context.Context, opts []CallOption, fl *flow[In, Out], source func(*flow[In, Out])) {
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
		fl.fail(0, err)
		return
	}
	if opt.chunk == 0 {
		opt.chunk = 1
	}
	if opt.window == 0 {
		opt.window, fl.grows = f.b.ahead(opt.chunk), true
	}
	opt.chunk = min(opt.chunk, opt.window)
	fl.ctx, fl.pool, fl.opt, fl.ordered, fl.rouse = ctx, f, opt, fl.inOrder != nil, make(chan struct{}, 1)
	var unbind func()
	fl.taskCtx, unbind = f.b.bind(ctx)
	defer unbind()
	defer fl.abandon()
	fl.buf = fl.piece()
	source(fl)
	if !fl.over && fl.send() {
		fl.drain(0)
	}
}

// take is called by the source with one input after another, and delivers what is there. False means that the loop is
// over.
func (fl *flow[In, Out]) take(v In) bool {
	if fl.over {
		return false
	}
	fl.taken++
	fl.buf.in = append(fl.buf.in, v)
	full := len(fl.buf.in) == fl.opt.chunk
	room := fl.taken-fl.delivered < fl.opt.window
	if !full && room && !fl.available() {
		return fl.ctx.Err() == nil || fl.drain(fl.opt.window-1)
	}
	if !room && fl.grows {
		fl.opt.window = fl.pool.b.ahead(fl.opt.chunk) // the pace of the workers is known by now
		room = fl.taken-fl.delivered < fl.opt.window
	}
	// Items in an unsent chunk can only be delivered by sending it.
	if full || !room && !fl.available() {
		if !fl.send() {
			return false
		}
	}
	return fl.drain(fl.opt.window - 1)
}

// piece returns an empty chunk.
func (fl *flow[In, Out]) piece() *piece[In, Out] {
	if n := len(fl.spare); n > 0 {
		p := fl.spare[n-1]
		fl.spare = fl.spare[:n-1]
		return p
	}
	p := &piece[In, Out]{fl: fl}
	p.job.done, p.job.item = p, true
	p.in = make([]In, 0, fl.opt.chunk)
	p.out = make([]Out, fl.opt.chunk)
	return p
}

// send submits the chunk at hand and begins another; false means that the loop is over.
func (fl *flow[In, Out]) send() bool {
	p := fl.buf
	if len(p.in) == 0 {
		return true
	}
	p.base = fl.taken - len(p.in)
	p.out = p.out[:len(p.in)]
	p.opt, p.ctx, p.bound = fl.opt.job(), fl.taskCtx, true
	if err := fl.pool.b.submit(fl.ctx, &p.job, true); err != nil {
		if fl.drain(0) {
			fl.fail(p.base, err)
		}
		fl.over = true
		return false
	}
	if fl.ordered {
		fl.pending.push(p)
	} else {
		p.place = len(fl.out)
		fl.out = append(fl.out, p)
	}
	fl.buf = fl.piece()
	return true
}

// available reports whether drain could deliver something without waiting.
func (fl *flow[In, Out]) available() bool {
	if fl.ordered {
		return fl.pending.len() > 0 && fl.pending.front().ready()
	}
	return len(fl.got) > 0 || fl.ready()
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
		fl.fail(fl.delivered, err)
	}
	return !fl.over
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
	if len(fl.got) == 0 {
		for p := fl.done.Swap(nil); p != nil; p = p.older {
			fl.got = append(fl.got, p)
		}
	}
	p := fl.got[len(fl.got)-1]
	fl.got = fl.got[:len(fl.got)-1]
	last := fl.out[len(fl.out)-1]
	fl.out[p.place], last.place = last, p.place
	fl.out = fl.out[:len(fl.out)-1]
	return p
}

// deliver yields the items of a finished chunk and keeps its memory for the next one.
func (fl *flow[In, Out]) deliver(p *piece[In, Out]) bool {
	if p.err == nil && p.errs == nil && fl.inOrder != nil {
		for _, v := range p.out {
			fl.delivered++
			if !fl.inOrder(v, nil) {
				fl.over = true
				return false
			}
		}
	} else {
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
	}
	if p.err != nil {
		return true // a worker may still be at it
	}
	clear(p.in)
	clear(p.out)
	p.in, p.out = p.in[:0], p.out[:cap(p.out)]
	p.renew()
	if fl.ordered {
		p.isDone.Store(false)
	}
	fl.spare = append(fl.spare, p)
	return true
}

// abandon withdraws what no worker has; the results of what runs are dropped.
func (fl *flow[In, Out]) abandon() {
	if fl.pending.len()+len(fl.out) == 0 {
		return
	}
	fl.pool.b.leave()
	for fl.pending.len() > 0 {
		fl.pool.b.cancel(&fl.pending.pop().job, nil)
	}
	for _, p := range fl.out {
		fl.pool.b.cancel(&p.job, nil)
	}
}
