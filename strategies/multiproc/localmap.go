package multiproc

import (
	"context"
	"sync/atomic"
)

// Map runs every input, in chunks (Chunk), and returns the results in the order of the inputs, as ProcessPool.Map does: it
// blocks until all have run or ctx ends; the error is that of the lowest failing index, and the results of the others are there.
//
// A worker takes one chunk after another from a shared index, so that a chunk costs an atomic addition rather than a passage
// through the queue.
func (p *LocalPool[In, Out]) Map(ctx context.Context, in []In, opts ...CallOption) ([]Out, error) {
	opt, done, err := collectMap[Out](opts)
	if err != nil {
		return nil, err
	}
	if opt.timeout > 0 || opt.affinity != 0 {
		return done(p.mapWith(ctx, in, opt)) // a chunk needs a clock or a place of its own
	}
	return done(p.mapLocal(ctx, in, opt))
}

func (p *LocalPool[In, Out]) mapLocal(ctx context.Context, in []In, opt callOptions) ([]Out, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if p.l.closed() {
		return nil, ErrClosed
	}
	out := make([]Out, len(in))
	if len(in) == 0 {
		return out, nil
	}
	chunk := opt.chunk
	if chunk == 0 {
		chunk = defaultChunk(len(in), p.l.opt.workers)
	}
	return p.mapShared(ctx, in, out, chunk)
}

// sharedMap is the finisher of a Map whose workers share an index.
type sharedMap[In, Out any] struct{ g *gather }

func (m sharedMap[In, Out]) finished(_ *job[In, Out], err error) {
	if err != nil {
		m.g.fail(0, err)
	}
	m.g.release()
}

func (p *LocalPool[In, Out]) mapShared(ctx context.Context, in []In, out []Out, chunk int) ([]Out, error) {
	g := &gather{done: make(chan struct{})}
	g.left.Store(1)
	var taken atomic.Int64
	load := func(j *job[In, Out]) bool {
		hi := int(taken.Add(int64(chunk)))
		lo := hi - chunk
		if lo >= len(in) {
			return false
		}
		if err := ctx.Err(); err != nil {
			g.fail(lo, err) // the caller may not have noticed yet
			return false
		}
		hi = min(hi, len(in))
		j.base, j.in, j.out = lo, in[lo:hi:hi], out[lo:hi:hi]
		return true
	}
	more := func(j *job[In, Out]) bool {
		g.collect(j.base, j.errs)
		j.errs = nil
		return load(j)
	}
	done := sharedMap[In, Out]{g}
	jobs := make([]job[In, Out], min(p.l.opt.workers, (len(in)+chunk-1)/chunk))
	for i := range jobs {
		j := &jobs[i]
		j.ctx, j.item, j.more, j.done = ctx, true, more, done
		g.left.Add(1)
		// One accepted job is enough to do all of the work.
		if err := p.l.submit(ctx, j, true); err != nil {
			if i == 0 {
				g.fail(0, err)
			}
			g.release()
			break
		}
	}
	g.release()
	return waitMap(ctx, p.l, g, out, func() {
		for i := range jobs {
			p.l.cancel(&jobs[i], nil)
		}
	})
}

// MapAsync is Map that does not block. ctx is the whole Map's. The caller must not change the inputs until it is done.
func (p *LocalPool[In, Out]) MapAsync(ctx context.Context, in []In, opts ...CallOption) *Future[[]Out] {
	fut := newFuture[[]Out]()
	go func() { fut.resolve(p.Map(ctx, in, opts...)) }()
	return fut
}
