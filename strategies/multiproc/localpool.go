package multiproc

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// LocalPool is the dummy pool: the same interface on goroutines of this process, or on OS threads with OnThreads. A
// running function cannot be killed: Terminate and timeouts end its context, no further item of its chunk begins, and the
// worker is busy until it returns.
// It is made by NewLocalPool.
type LocalPool[In, Out any] struct {
	front[In, Out]
	l *local[In, Out]
}

var _ Pool[int, int] = (*LocalPool[int, int])(nil)

type local[In, Out any] struct {
	fn   func(context.Context, In) (Out, error)
	name string // of fn
	opt  poolOptions
	ctx  context.Context // of every task; ends with Terminate
	stop context.CancelFunc
	room chan struct{} // one token for each unfinished job

	mu      sync.Mutex
	work    sync.Cond
	queue   backlog[*job[In, Out]]
	state   int
	running []seat[In, Out] // by slot
	idle    int
	alive   int
	quit    chan struct{} // closed by Close
	gone    chan struct{} // closed when the last worker has left

	keen  keen
	brief atomic.Bool // the last wait was short

	completed, timeouts atomic.Int64
}

// turn is one use of a job. Jobs are used again, and Terminate and the clock of a timeout may come late: they must not hit
// the use after theirs, so each goes by the count that it was given and not by the job alone.
type turn[In, Out any] struct {
	*job[In, Out]
	uses uint64
}

// over reports whether the turn was resolved. What it still computes is for nobody.
func (t turn[In, Out]) over() bool { return t.state.Load() != t.uses }

// seat is what the worker of a slot is at. The worker clears the job without the pool's mu; all else happens under it.
type seat[In, Out any] struct {
	job  atomic.Pointer[job[In, Out]]
	uses uint64
	_    [48]byte // a cache line to itself
}

// States of a pool.
const (
	poolOpen = iota
	poolClosed
	poolTerminated
)

// NewLocalPool starts a pool of goroutines that run fn. An initialiser runs in each of them first.
func NewLocalPool[In, Out any](fn func(context.Context, In) (Out, error), opts ...PoolOption) (*LocalPool[In, Out], error) {
	opt, err := collectPool(opts)
	if err != nil {
		return nil, err
	}
	if err := opt.forGoroutines(); err != nil {
		return nil, err
	}
	if fn == nil {
		return nil, &optionError{"NewLocalPool: the function is nil"}
	}
	l := &local[In, Out]{fn: fn, name: goName(fn), opt: opt, room: make(chan struct{}, opt.maxInFlight), alive: opt.workers,
		running: make([]seat[In, Out], opt.workers), quit: make(chan struct{}), gone: make(chan struct{})}
	l.ctx, l.stop = context.WithCancel(l.mark(context.Background()))
	l.work.L = &l.mu
	l.keen.on = opt.threads && several() && runtime.GOMAXPROCS(0) > 1
	l.brief.Store(true)
	ready := make(chan error, opt.workers)
	for slot := range opt.workers {
		go l.worker(slot, ready)
	}
	for range opt.workers {
		if e := <-ready; e != nil {
			err = e
		}
	}
	p := &LocalPool[In, Out]{front[In, Out]{b: l}, l}
	if err != nil {
		_ = p.Terminate()
		return nil, &initError{err.Error(), err}
	}
	return p, nil
}

// mark makes ctx one of a task.
func (l *local[In, Out]) mark(ctx context.Context) context.Context {
	if l.opt.proc.forbidNest {
		return context.WithValue(ctx, noNesting{}, true)
	}
	return ctx
}

func (l *local[In, Out]) worker(slot int, ready chan<- error) {
	if l.opt.threads {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
	}
	if ready != nil {
		ready <- l.initialise()
	}
	var current turn[In, Out]
	defer func() {
		// Reached with a job in hand only when a function called runtime.Goexit: the goroutine cannot be saved.
		if current.job != nil {
			// First, as the slot is the next one's.
			l.finish(slot, current, &TaskError{Func: l.name, Msg: "function called runtime.Goexit"}, nil)
			go l.worker(slot, nil)
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.alive--; l.alive == 0 {
			close(l.gone)
		}
	}()
	for {
		if current = l.next(slot); current.job == nil {
			return
		}
		l.run(slot, current)
		current = turn[In, Out]{} // an idle worker keeps no input alive
	}
}

func (l *local[In, Out]) initialise() (err error) {
	if l.opt.init == nil {
		return nil
	}
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{panicText(v), stack()}
		}
	}()
	return l.opt.init.e.local(l.ctx, l.opt.init.state)
}

// next waits for a job for the worker in the slot; none means that it should leave.
func (l *local[In, Out]) next(slot int) turn[In, Out] {
	l.mu.Lock()
	defer l.mu.Unlock()
	for polled := !l.keen.on; ; {
		if l.queue.waiting(slot) > 0 {
			t := l.queue.pop(slot).turn()
			l.running[slot].uses = t.uses
			l.running[slot].job.Store(t.job)
			return t
		}
		if l.state != poolOpen {
			return turn[In, Out]{}
		}
		if !polled && !l.keen.polling {
			l.keen.poll(&l.mu)
			polled = true // once is enough: bounded, as an idle pool costs nothing
			continue
		}
		l.idle++
		l.work.Wait()
		l.idle--
	}
}

// turn is the coming use of a job that was submitted and that nobody can resolve yet.
func (j *job[In, Out]) turn() turn[In, Out] { return turn[In, Out]{j, j.state.Load()} }

func (l *local[In, Out]) run(slot int, t turn[In, Out]) {
	ctx := l.ctx
	if t.bound && t.opt.timeout == 0 {
		ctx = t.ctx
	} else if t.ctx != nil || t.opt.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = l.taskContext(t)
		defer cancel()
	}
	if t.ctx != nil && t.ctx.Err() != nil {
		l.finish(slot, t, t.ctx.Err(), nil)
		return
	}
	if t.opt.timeout > 0 {
		// The caller may have gone on by the time the function returns: it must not see late writes.
		own := &job[In, Out]{base: t.base, item: t.item, in: t.in, out: make([]Out, len(t.in))}
		l.runAll(ctx, t, own)
		l.finish(slot, t, nil, func() { copy(t.out, own.out); t.errs = own.errs })
		return
	}
	l.runAll(ctx, t, t.job)
	for t.more != nil && !t.over() && t.more(t.job) {
		l.completed.Add(1)
		l.runAll(ctx, t, t.job)
	}
	l.finish(slot, t, nil, nil)
}

// runAll runs the items of j for the turn.
func (l *local[In, Out]) runAll(ctx context.Context, t turn[In, Out], j *job[In, Out]) {
	for i := 0; i < len(j.in); {
		i = l.runFrom(ctx, t, j, i)
	}
}

// bind returns the context of all tasks of one caller, as taskContext does for one, and what ends it.
func (l *local[In, Out]) bind(ctx context.Context) (context.Context, func()) {
	bound, cancel := context.WithCancelCause(l.mark(ctx))
	unlink := context.AfterFunc(l.ctx, func() { cancel(ErrTerminated) })
	return bound, func() { unlink(); cancel(nil) }
}

// taskContext ends with the caller's context, with the pool's, and after the timeout, which also resolves the job.
func (l *local[In, Out]) taskContext(t turn[In, Out]) (context.Context, context.CancelFunc) {
	base := t.ctx
	if base == nil {
		base = l.ctx
	}
	ctx, cancel := context.WithCancelCause(l.mark(base))
	unlink := func() bool { return true }
	if t.ctx != nil {
		unlink = context.AfterFunc(l.ctx, func() { cancel(ErrTerminated) })
	}
	stop := func() bool { return true }
	if t.opt.timeout > 0 {
		stop = time.AfterFunc(t.opt.timeout, func() {
			// First the outcome: a function that heeds its context must not get ahead with another error.
			l.resolve(t, localError(l.name, 0, ErrTimeout), func() { l.timeouts.Add(1) })
			cancel(ErrTimeout)
		}).Stop
	}
	return ctx, func() { unlink(); stop(); cancel(nil) }
}

// runFrom runs items from index i and returns the index to go on from: one past the item that panicked, or the end. After
// Terminate, or when the timeout has passed, no further item begins. One deferred call serves a whole chunk.
func (l *local[In, Out]) runFrom(ctx context.Context, t turn[In, Out], j *job[In, Out], i int) (next int) {
	normal := false
	defer func() {
		if normal {
			return
		}
		if v := recover(); v != nil {
			j.setErr(i, panicError(l.name, j.base+i, v))
			next = i + 1
		}
	}()
	for ; i < len(j.in) && !t.over(); i++ {
		v, err := l.fn(ctx, j.in[i])
		if err != nil {
			j.setErr(i, localError(l.name, j.base+i, err))
			continue
		}
		j.out[i] = v
	}
	normal = true
	return len(j.in)
}

func (j *job[In, Out]) setErr(i int, err *TaskError) {
	if j.errs == nil {
		j.errs = make([]error, len(j.in))
	}
	err.item = j.item
	j.errs[i] = err
}

// finish is the worker's last touch of a job.
func (l *local[In, Out]) finish(slot int, t turn[In, Out], err error, commit func()) {
	l.running[slot].job.Store(nil)
	l.resolve(t, err, commit)
}

// resolve resolves the turn unless somebody did before, and gives its room back.
func (l *local[In, Out]) resolve(t turn[In, Out], err error, commit func()) bool {
	if !t.state.CompareAndSwap(t.uses, t.uses+1) {
		return false
	}
	if commit != nil {
		commit()
	}
	l.completed.Add(1)
	l.vacate()
	t.done.finished(t.job, err)
	return true
}

// vacate gives back the room of one job. It never waits: each accepted job has put a token in, and only who resolves its
// turn, which happens once, takes it out.
func (l *local[In, Out]) vacate() {
	select {
	case <-l.room:
	default:
		panic("multiproc: a job of a LocalPool was resolved twice")
	}
}

func (l *local[In, Out]) submit(ctx context.Context, j *job[In, Out], wait bool) error {
	if err := enter(ctx, l.room, l.quit, wait); err != nil {
		return err
	}
	l.mu.Lock()
	if l.state != poolOpen {
		l.mu.Unlock()
		l.vacate()
		return ErrClosed
	}
	slot := slotOf(j.opt.affinity, l.opt.workers)
	l.queue.of(slot, l.opt.workers).push(j)
	wake := l.idle > 0
	if l.keen.on {
		// Who polls looks once more before it sleeps, so one job needs no other worker, unless it is not for anybody.
		wake = wake && !(l.keen.polling && slot < 0 && l.queue.len() == 1)
		l.keen.posted.Add(1)
	}
	l.mu.Unlock()
	switch {
	case wake && slot >= 0: // only one of the sleepers will do
		l.work.Broadcast()
	case wake:
		l.work.Signal()
	}
	return nil
}

func (l *local[In, Out]) submitAll(ctx context.Context, jobs []*job[In, Out]) (int, error) {
	for n, j := range jobs {
		if err := l.submit(ctx, j, true); err != nil {
			return n, err
		}
	}
	return len(jobs), nil
}

// enter takes room for one job, waiting for it or returning ErrFull.
func enter(ctx context.Context, room chan<- struct{}, quit <-chan struct{}, wait bool) error {
	select {
	case <-quit:
		return ErrClosed
	default:
	}
	select {
	case room <- struct{}{}:
		return nil
	default:
	}
	if !wait {
		return ErrFull
	}
	select {
	case room <- struct{}{}:
		return nil
	case <-quit:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *local[In, Out]) cancel(j *job[In, Out], still func() bool) bool {
	l.mu.Lock()
	ok := l.queue.remove(j, still)
	t := j.turn()
	l.mu.Unlock()
	return ok && l.resolve(t, ErrCancelled, nil)
}

func (l *local[In, Out]) leave() {}

func (l *local[In, Out]) size() int { return l.opt.workers }

func (l *local[In, Out]) ahead(chunk int) int { return minAhead * chunk * l.opt.workers }

func (l *local[In, Out]) refusal() error {
	if l.closed() {
		return ErrClosed
	}
	return nil
}

func (l *local[In, Out]) closed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state != poolOpen
}

// waiting takes what no worker has. Called with mu held.
func (l *local[In, Out]) waiting() []turn[In, Out] {
	var open []turn[In, Out]
	for _, j := range l.queue.takeAll() {
		open = append(open, j.turn())
	}
	return open
}

// CancelPending withdraws every call and chunk that no worker has, and returns how many there were: they resolve with
// ErrCancelled. What runs goes on. It does not block.
func (p *LocalPool[In, Out]) CancelPending() int {
	l := p.l
	l.mu.Lock()
	open := l.waiting()
	l.mu.Unlock()
	n := 0
	for _, t := range open {
		if l.resolve(t, ErrCancelled, nil) {
			n++
		}
	}
	return n
}

// Close ends the acceptance of work, which is ErrClosed from then on; what was accepted is still done, and the workers leave.
// It does not block, and returns nil.
func (p *LocalPool[In, Out]) Close() error {
	l := p.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == poolOpen {
		l.state = poolClosed
		close(l.quit)
		l.work.Broadcast()
	}
	return nil
}

// Join blocks until a closed pool has finished: every accepted call has resolved and every worker's function returned. It
// returns ctx's error if that ends first, and ErrRunning at once before Close.
func (p *LocalPool[In, Out]) Join(ctx context.Context) error {
	if !p.l.closed() {
		return ErrRunning
	}
	select {
	case <-p.l.gone:
		p.l.stop()
		return nil
	default:
	}
	select {
	case <-p.l.gone:
		p.l.stop()
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Terminate ends the pool now: every unfinished call resolves with ErrTerminated, the context of running functions ends, and
// no further item begins. It does not wait for those that run to return, which Join does, and returns nil.
func (p *LocalPool[In, Out]) Terminate() error {
	_ = p.Close()
	// Before the contexts end, or a function that heeds its own would get ahead with another error.
	for _, t := range p.l.abort() {
		p.l.resolve(t, ErrTerminated, nil)
	}
	p.l.stop()
	return nil
}

// abort ends the handing out of work and returns what is unfinished: a turn that its worker may have finished by the time
// somebody comes to it.
func (l *local[In, Out]) abort() []turn[In, Out] {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = poolTerminated
	open := l.waiting()
	for i := range l.running {
		if j := l.running[i].job.Load(); j != nil {
			open = append(open, turn[In, Out]{j, l.running[i].uses})
		}
	}
	return open
}

// Shutdown is Close and Join, then Terminate if ctx ends first, whose error it returns then.
func (p *LocalPool[In, Out]) Shutdown(ctx context.Context) error {
	_ = p.Close()
	if err := p.Join(ctx); err != nil {
		_ = p.Terminate()
		return err
	}
	return nil
}

// Stats returns figures of this moment; those about processes are zero. It does not block.
func (p *LocalPool[In, Out]) Stats() Stats {
	l := p.l
	l.mu.Lock()
	defer l.mu.Unlock()
	running := 0
	for i := range l.running {
		if l.running[i].job.Load() != nil {
			running++
		}
	}
	return Stats{Workers: l.alive, MaxInFlight: l.opt.maxInFlight, Queued: l.queue.len(), Running: running, Completed: l.completed.Load(),
		Timeouts: l.timeouts.Load()}
}
