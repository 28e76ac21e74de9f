package strategies

import (
	"context"
	"errors"
	"iter"
	"strconv"

	"github.com/parbench/parbench/strategies/multiproc"
	"github.com/parbench/parbench/workloads"
)

// The values of the parameter "mode" of the strategies that use a multiproc.Pool. They are the calls of Python's Pool.
const (
	modeMap           = "map"
	modeImap          = "imap"
	modeImapUnordered = "imap-unordered"
	modeApply         = "apply"
	modeApplyAsync    = "apply-async"
)

// applyCap bounds the batches of the mode apply, which waits for every single task before it hands out the next.
func applyCap() map[string]int { return map[string]int{"apply": 1024} }

// poolParams are the parameters of those strategies.
func poolParams() []workloads.Param {
	return []workloads.Param{
		{
			Name: "mode", Type: workloads.Choice, Default: modeMap,
			Doc:     "the pool's call: apply waits for each task, the others keep all workers busy",
			Choices: []string{modeMap, modeImap, modeImapUnordered, modeApply, modeApplyAsync},
		},
		{
			Name: "chunk", Type: workloads.Int, Default: "0", Min: 0, Max: 1 << 30,
			Doc: "tasks that travel together in map and imap; 0 is Python's default: a quarter of an even share for map, 1 for imap",
		},
	}
}

// pooled is the executor of a strategy that hands its tasks to a multiproc.Pool, one item per task: what crosses to the
// worker is the task's index, and what comes back is its digest.
type pooled struct {
	pool    multiproc.Pool[int, uint64]
	mode    string
	chunk   int
	workers int
	release func() error // after the pool is gone
	indices []int        // 0, 1, 2 ... for map, kept between batches as a program would keep its inputs
	offset  int          // of all indices: see probedIndex
	futures []*multiproc.Future[uint64]
	broken  error
	closed  bool
}

func newPooled(pool multiproc.Pool[int, uint64], cfg Config, release func() error) *pooled {
	return &pooled{
		pool: pool, mode: cfg.Params["mode"], chunk: cfg.Params.Int("chunk"), workers: cfg.Workers, release: release,
	}
}

// errInterrupted is what batches after an interrupted one get.
var errInterrupted = errors.New("an earlier batch was interrupted and its pool ended; close this executor and start another one")

// Run implements Executor.
func (p *pooled) Run(ctx context.Context, n int) (uint64, error) {
	if p.broken != nil {
		return 0, p.broken
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	var sum uint64
	var err error
	switch p.mode {
	case modeMap:
		sum, err = p.runMap(ctx, n)
	case modeImap:
		sum, err = p.runImap(ctx, n)
	case modeImapUnordered:
		sum, err = p.runImapUnordered(ctx, n)
	case modeApply:
		sum, err = p.runApply(ctx, n)
	case modeApplyAsync:
		sum, err = p.runApplyAsync(ctx, n)
	default:
		return 0, errors.New("parameter mode: " + strconv.Quote(p.mode) + " is not a mode")
	}
	if ctx.Err() != nil {
		// The pool's calls return at once when the context ends, while workers may still be at their tasks. Only the
		// end of the pool is sure to end those, and the contract wants them ended.
		p.broken = errInterrupted
		return 0, errors.Join(context.Cause(ctx), p.abort())
	}
	if err != nil {
		return 0, err
	}
	return sum, nil
}

// abort ends the pool with the tasks it runs. Threads can only be asked to: it waits until they have returned.
func (p *pooled) abort() error {
	return errors.Join(p.pool.Terminate(), p.pool.Join(context.Background()))
}

// options returns the call's chunk option; without one multiproc applies Python's defaults.
func (p *pooled) options() []multiproc.CallOption {
	if p.chunk == 0 {
		return nil
	}
	return []multiproc.CallOption{multiproc.Chunk(p.chunk)}
}

func (p *pooled) runMap(ctx context.Context, n int) (uint64, error) {
	for i := len(p.indices); i < n; i++ {
		p.indices = append(p.indices, p.offset+i)
	}
	digests, err := p.pool.Map(ctx, p.indices[:n], p.options()...)
	if err != nil {
		return 0, poolError(-1, err)
	}
	var sum uint64
	for i, d := range digests {
		sum = workloads.Combine(sum, i, d)
	}
	return sum, nil
}

// source yields n numbers from the first one on until a task has failed. The consumer goes on to the end of what was
// submitted by then: leaving the loop would leave tasks running.
func source(from, n int, failed *error) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if *failed != nil || !yield(from+i) {
				return
			}
		}
	}
}

func (p *pooled) runImap(ctx context.Context, n int) (sum uint64, failed error) {
	i := 0
	for d, err := range p.pool.Imap(ctx, source(p.offset, n, &failed), p.options()...) {
		if err != nil && failed == nil {
			failed = poolError(i, err)
		}
		sum = workloads.Combine(sum, i, d)
		i++
	}
	return sum, failed
}

func (p *pooled) runImapUnordered(ctx context.Context, n int) (sum uint64, failed error) {
	for r, err := range p.pool.ImapUnordered(ctx, source(p.offset, n, &failed), p.options()...) {
		if err != nil && failed == nil {
			failed = poolError(r.Index, err)
		}
		sum = workloads.Combine(sum, r.Index, r.Value)
	}
	return sum, failed
}

func (p *pooled) runApply(ctx context.Context, n int) (sum uint64, err error) {
	for i := range n {
		d, err := p.pool.Apply(ctx, p.offset+i)
		if err != nil {
			return 0, poolError(i, err)
		}
		sum = workloads.Combine(sum, i, d)
	}
	return sum, nil
}

// runApplyAsync submits everything, then collects everything, as the articles do.
func (p *pooled) runApplyAsync(ctx context.Context, n int) (sum uint64, failed error) {
	defer func() { clear(p.futures) }()
	p.futures = p.futures[:0]
	for i := range n {
		f, err := p.pool.ApplyAsync(ctx, p.offset+i)
		if err != nil {
			failed = poolError(i, err)
			break
		}
		p.futures = append(p.futures, f)
	}
	for i, f := range p.futures {
		if failed != nil {
			f.Cancel() // what no worker has yet need not run any more
		}
		d, err := f.Get(ctx)
		if err != nil && failed == nil {
			failed = poolError(i, err)
		}
		sum = workloads.Combine(sum, i, d)
	}
	return sum, failed
}

// poolError puts a pool's error into this package's terms. i is the task, or -1 where the pool knows its index.
func poolError(i int, err error) error {
	var t *multiproc.TaskError
	if !errors.As(err, &t) {
		return err // the pool's own: closed, broken, cancelled
	}
	if i < 0 {
		i = t.Index
	}
	out := &TaskError{Index: i, Stack: t.Stack, Err: t.Err}
	var p *multiproc.PanicError
	if errors.As(t.Err, &p) {
		out.Err, out.Stack = &panicError{p.Value}, p.Stack
	}
	if out.Err == nil {
		out.Err = errors.New(t.Msg) // from another process, where only its text could leave
	}
	return out
}

// Close implements Executor.
func (p *pooled) Close(ctx context.Context) error {
	if p.closed {
		return nil
	}
	p.closed = true
	err := p.pool.Shutdown(ctx)
	if err != nil {
		// Shutdown has terminated the pool. Worker processes are gone; for threads there is nothing left to try.
		err = errors.New("the pool did not end by itself: " + err.Error())
	}
	if p.release != nil {
		err = errors.Join(err, p.release())
	}
	return err
}
