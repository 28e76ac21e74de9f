package multiproc

import (
	"context"
	"errors"
	"iter"
	"sync"
	"sync/atomic"
)

// Pool runs one function over many inputs on a fixed number of workers. ProcessPool and LocalPool satisfy it with the
// same behaviour. It is safe for concurrent use.
//
// The order of life is open, closed (Close), finished (every accepted call resolved, every worker gone: Join), with
// Terminate leading to finished from anywhere. Close, Join, Terminate and Shutdown may be called again at any time.
type Pool[In, Out any] interface {
	// Apply runs one call and waits for its result. Calls after each other run after each other.
	Apply(ctx context.Context, in In, opts ...CallOption) (Out, error)
	// ApplyAsync starts one call. It waits for room (MaxInFlight) until ctx ends; the call itself outlives ctx.
	ApplyAsync(ctx context.Context, in In, opts ...CallOption) (*Future[Out], error)
	// TryApplyAsync is ApplyAsync that returns ErrFull instead of waiting.
	TryApplyAsync(in In, opts ...CallOption) (*Future[Out], error)
	// Map runs every input and returns the results in their order. All inputs run even if some fail; the error is then the
	// *TaskError of the lowest index, and the results of the others are there. It returns early when ctx ends.
	Map(ctx context.Context, in []In, opts ...CallOption) ([]Out, error)
	// MapAsync is Map that does not wait. The caller must not change the inputs until it is done.
	MapAsync(ctx context.Context, in []In, opts ...CallOption) *Future[[]Out]
	// Imap yields the results in the order of the inputs, each with its own error. It reads the source in the goroutine
	// of the loop, only as far ahead as Window allows, and stops reading when the loop breaks. What runs then goes on, in a
	// LocalPool with its context ended. An input that cannot cross ends the loop too, with its *EncodeError, after the results
	// before it.
	// On a closed pool, and where an option is wrong, it yields one error and nothing else.
	Imap(ctx context.Context, in iter.Seq[In], opts ...CallOption) iter.Seq2[Out, error]
	// ImapUnordered is Imap in the order of completion.
	ImapUnordered(ctx context.Context, in iter.Seq[In], opts ...CallOption) iter.Seq2[Indexed[Out], error]
	// ImapSource is Imap over a source that can fail: its error is yielded, as it is, after the results before it, and
	// ends the loop.
	ImapSource(ctx context.Context, in iter.Seq2[In, error], opts ...CallOption) iter.Seq2[Out, error]
	// CancelPending withdraws every call and chunk that no worker has, and returns how many there were: they resolve with
	// ErrCancelled. What runs goes on.
	CancelPending() int
	// Close ends the acceptance of work. What was accepted is still done.
	Close() error
	// Join waits until a closed pool has finished. Before Close it returns ErrRunning at once.
	Join(ctx context.Context) error
	// Terminate ends the pool now: unfinished calls resolve with ErrTerminated, worker processes are killed and reaped.
	Terminate() error
	// Shutdown is Close and Join, then Terminate if ctx ends first.
	Shutdown(ctx context.Context) error
	// Stats returns figures of this moment.
	Stats() Stats
}

// Indexed is a value with the position of its input.
type Indexed[T any] struct {
	Index int
	Value T
}

// Stats describes a pool at one moment. Counts are calls (Apply) and chunks (Map, Imap).
type Stats struct {
	Workers     int   // living
	Pids        []int // of the living worker processes; nil in a LocalPool
	MaxInFlight int   // bound of Queued and Running together
	Queued      int   // accepted, no worker has them yet
	Running     int   // with a worker
	Completed   int64 // resolved, whether well or not
	Crashes     int64 // workers that ended by themselves
	Timeouts    int64 // calls whose Timeout passed
	Restarts    int64 // workers started in place of others
	// Each describes the worker processes, by slot; nil in a LocalPool.
	Each []WorkerStats
}

// WorkerState says what a worker does.
type WorkerState int

// States of a worker.
const (
	WorkerStarting WorkerState = iota // its process is being started, or its initialiser runs
	WorkerIdle                        // it has nothing to do
	WorkerBusy                        // it has calls
	WorkerLeaving                     // it was told to leave, is being killed, or has ended and not been replaced yet
)

var stateNames = [...]string{"starting", "idle", "busy", "leaving"}

// String returns a word such as "idle".
func (s WorkerState) String() string {
	if s < 0 || int(s) >= len(stateNames) {
		return "unknown"
	}
	return stateNames[s]
}

// WorkerStats describes a worker process at one moment.
type WorkerStats struct {
	Slot    int // its position in the pool
	Pid     int // 0 while its process is being started
	State   WorkerState
	Running int // calls and chunks that it has: one that runs and those behind it
	Bound   int // calls that wait for it because of their Affinity
	Taken   int // calls and chunks that it has had in all
}

// job is a run of inputs that travels as one.
type job[In, Out any] struct {
	ctx  context.Context // of the waiting caller; nil when nobody's
	base int             // index of in[0]
	item bool            // the inputs are items of a Map or Imap
	in   []In
	out  []Out   // as long as in; written by the backend
	errs []error // nil, or one for each item
	opt  jobOptions
	// waited says that the goroutine that submits the job awaits it at once.
	waited bool
	bound  bool // ctx is one that the backend has made: see bind
	// done is told exactly once after submit succeeded, from any goroutine; it must not block. err is set when all items
	// share one fate (crash, timeout, terminated, cancelled).
	// With an err a worker of a LocalPool may still be using in, out and errs: they must be left alone.
	done finisher[In, Out]
	// more, if set, loads the next inputs into a job that a LocalPool has just run; false ends it.
	more func(j *job[In, Out]) bool
	// state counts how often a LocalPool has resolved the job and how often it was made ready again after that: odd while
	// it is resolved. See turn.
	state atomic.Uint64
	older *job[In, Out] // see mapping
	// The process pool's own.
	impl call
	via  *remote[In, Out]
}

// finisher is told about the end of a job.
type finisher[In, Out any] interface {
	finished(j *job[In, Out], err error)
}

// renew makes a job ready for another submission, once done was told without an err.
func (j *job[In, Out]) renew() {
	j.errs = nil
	if n := j.state.Load(); n%2 == 1 {
		j.state.Store(n + 1)
	}
}

// itemErr returns the error of item i, given the job's own.
func (j *job[In, Out]) itemErr(i int, err error) error {
	if err != nil {
		return j.wrap(i, err)
	}
	if j.errs != nil {
		return j.errs[i]
	}
	return nil
}

// name is the function's name, if it has one.
func (j *job[In, Out]) name() string {
	if j.via == nil {
		return ""
	}
	return j.via.fn
}

// wrap turns the fate of a job into the error of one of its items. Sentinels about the pool stay as they are.
func (j *job[In, Out]) wrap(i int, err error) error {
	var te *TaskError
	if errors.As(err, &te) { // of a LocalPool, and the fate of each item
		own := *te
		own.Index, own.item = j.base+i, j.item
		return &own
	}
	var ce *CrashError
	if errors.As(err, &ce) || errors.Is(err, ErrTimeout) {
		return &TaskError{Func: j.name(), Index: j.base + i, Type: typeName(err), Msg: err.Error(), Err: err, item: j.item}
	}
	return err
}

// backend is what runs jobs: worker processes or goroutines.
type backend[In, Out any] interface {
	awaiter
	// submit accepts a job. It waits for room until ctx ends, or returns ErrFull if wait is false.
	submit(ctx context.Context, j *job[In, Out], wait bool) error
	// submitAll accepts up to sheaf jobs, which are waited for, and returns how many. It waits for room until ctx ends.
	submitAll(ctx context.Context, jobs []*job[In, Out]) (int, error)
	// cancel withdraws a job that no worker has; it then finishes with ErrCancelled. still, if it is not nil, says whether
	// the waiting job is the one that was meant; it must not block.
	cancel(j *job[In, Out], still func() bool) bool
	size() int
	// ahead is how many items in chunks of that many should be under way, so that no worker waits for the next one.
	ahead(chunk int) int
	// bind returns the context for all jobs of one caller, who marks them as bound, and what to call when they are done.
	bind(ctx context.Context) (context.Context, func())
	// refusal says why no work is accepted any more, nil if it is.
	refusal() error
}

// sheaf is how many jobs of a Map are handed over at once.
const sheaf = 64

// front is the part of a pool that does not care what runs the jobs.
type front[In, Out any] struct {
	b backend[In, Out]
	// spare keeps the memory of finished calls; nil where a backend may touch a job after its end.
	spare *sync.Pool
}

// single is one call. Its future has memory of its own, and little of it, because the caller may keep it for long; the
// rest is used again as soon as the call is done.
type single[In, Out any] struct {
	job[In, Out]
	front front[In, Out]
	inv   [1]In
	outv  [1]Out
	fut   *Future[Out]
	own   Future[Out] // fut, where only Apply knows of it
}

var _ owner[int] = (*single[int, int])(nil)

func (s *single[In, Out]) finished(j *job[In, Out], err error) {
	fut := s.fut
	var v Out
	if err != nil {
		err = j.wrap(0, err)
	} else {
		v, err = s.outv[0], j.itemErr(0, nil)
	}
	if fut != &s.own {
		s.fut = nil
		s.reuse()
	}
	fut.resolve(v, err)
}

// reuse gives the memory back. Nobody else knows of it but Cancel, which looks whose it is.
func (s *single[In, Out]) reuse() {
	if s.front.spare != nil {
		s.inv[0], s.outv[0], s.errs = *new(In), *new(Out), nil
		s.front.spare.Put(s)
	}
}

func (s *single[In, Out]) withdraw(f *Future[Out]) bool {
	return s.front.b.cancel(&s.job, func() bool { return s.fut == f })
}

func (s *single[In, Out]) await(ctx context.Context, w waitable) error {
	return s.front.b.await(ctx, w)
}
func (s *single[In, Out]) leave() { s.front.b.leave() }

// call returns a call of opt with in, and without a future.
func (f front[In, Out]) call(in In, opt *callOptions) *single[In, Out] {
	var s *single[In, Out]
	if f.spare != nil {
		s, _ = f.spare.Get().(*single[In, Out])
	}
	if s == nil {
		s = &single[In, Out]{front: f}
		s.job.in, s.job.out, s.job.done = s.inv[:], s.outv[:], s
	}
	s.inv[0] = in
	s.job.opt = opt.job()
	return s
}

// Apply runs one call and waits for its result; calls after each other run after each other. It blocks for room first
// (MaxInFlight) and until ctx ends, whose error it returns then; the call goes on in a worker process that has begun it.
//
// The error of the function is a *TaskError. Others are an *EncodeError where the input cannot cross, ErrTimeout or a
// *CrashError inside a *TaskError, ErrClosed, ErrTerminated, ErrCancelled, ErrBroken, and ErrInvalid for an option.
func (f front[In, Out]) Apply(ctx context.Context, in In, opts ...CallOption) (Out, error) {
	var zero Out
	if err := ctx.Err(); err != nil {
		return zero, err
	}
	opt, err := collectCall(opts)
	if err != nil {
		return zero, err
	}
	done, err := callback[Out](&opt)
	if err != nil {
		return zero, err
	}
	s := f.call(in, &opt)
	s.job.ctx, s.job.waited, s.fut = ctx, true, &s.own
	s.own = Future[Out]{owner: s}
	if err := f.b.submit(ctx, &s.job, true); err != nil {
		return zero, err
	}
	if done != nil {
		s.own.OnDone(done)
	}
	if err := f.b.await(ctx, &s.own); err != nil {
		f.b.cancel(&s.job, nil)
		return zero, err
	}
	out, err := s.own.val, s.own.err
	if err == nil && done == nil {
		s.own = Future[Out]{}
		s.reuse()
	}
	return out, err
}

// later submits a call that its caller awaits by the future, if at all. It waits for room until ctx ends, or not at all
// if wait is false.
func (f front[In, Out]) later(ctx context.Context, wait bool, in In, opts []CallOption) (*Future[Out], error) {
	opt, err := collectCall(opts)
	if err != nil {
		return nil, err
	}
	done, err := callback[Out](&opt)
	if err != nil {
		return nil, err
	}
	s := f.call(in, &opt)
	fut := &Future[Out]{owner: s}
	s.job.ctx, s.job.waited, s.fut = nil, false, fut
	if err := f.b.submit(ctx, &s.job, wait); err != nil {
		return nil, err
	}
	// From here on s may serve another call.
	if done != nil {
		fut.OnDone(done)
	}
	return fut, nil
}

// ApplyAsync starts one call and returns its future. It blocks while MaxInFlight calls are unfinished, until ctx ends; the
// call itself outlives ctx. What is wrong with the call (ctx's error, *EncodeError, ErrClosed, ErrBroken, ErrInvalid) is
// returned, what becomes of it is the future's: see Apply.
func (f front[In, Out]) ApplyAsync(ctx context.Context, in In, opts ...CallOption) (*Future[Out], error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return f.later(ctx, true, in, opts)
}

// TryApplyAsync is ApplyAsync that does not block: ErrFull where MaxInFlight calls are unfinished.
func (f front[In, Out]) TryApplyAsync(in In, opts ...CallOption) (*Future[Out], error) {
	return f.later(context.Background(), false, in, opts)
}

// gather collects the outcome of the jobs of one Map.
type gather struct {
	left  atomic.Int64 // jobs not done, and one for the submitter
	done  chan struct{}
	mu    sync.Mutex
	index int
	err   error
	own   bool // err is that of an item, and not why items were never run
}

// fail notes an error. That of the lowest index stays, but none of an item may hide that others were not run.
func (g *gather) fail(index int, err error) {
	var te *TaskError
	own := errors.As(err, &te)
	g.mu.Lock()
	if g.err == nil || g.own && !own || g.own == own && index < g.index {
		g.index, g.err, g.own = index, err, own
	}
	g.mu.Unlock()
}

// collect notes the first error of a chunk, if there is one.
func (g *gather) collect(base int, errs []error) {
	for i, err := range errs {
		if err != nil {
			g.fail(base+i, err)
			return
		}
	}
}

func (g *gather) release() {
	if g.left.Add(-1) == 0 {
		close(g.done)
	}
}

func (g *gather) ready() bool           { return g.left.Load() == 0 }
func (g *gather) wake() <-chan struct{} { return g.done }

// defaultChunk is Python's rule: a quarter of an even share, rounded up.
func defaultChunk(n, workers int) int { return max(1, (n+4*workers-1)/(4*workers)) }

// Map runs every input, in chunks (Chunk), and returns the results in the order of the inputs. It blocks until all have run or
// ctx ends, whose error it returns then, without results.
//
// An input that fails does not stop the others: the error is the *TaskError of the lowest failing index, and the results of
// the others are there. Where inputs were not run, there are no results and the error says why: *EncodeError, ErrClosed,
// ErrTerminated, ErrCancelled, ErrBroken, ErrInvalid.
func (f front[In, Out]) Map(ctx context.Context, in []In, opts ...CallOption) ([]Out, error) {
	opt, done, err := collectMap[Out](opts)
	if err != nil {
		return nil, err
	}
	return done(f.mapWith(ctx, in, opt))
}

func (f front[In, Out]) mapWith(ctx context.Context, in []In, opt callOptions) ([]Out, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := f.b.refusal(); err != nil {
		return nil, err
	}
	chunk := opt.chunk
	if chunk == 0 {
		chunk = defaultChunk(len(in), f.b.size())
	}
	out := make([]Out, len(in))
	m := &mapping[In, Out]{gather: gather{done: make(chan struct{})}}
	m.left.Store(1)
	var store [sheaf]*job[In, Out]
	for lo := 0; lo < len(in); {
		jobs := m.jobs(store[:min(sheaf, (len(in)-lo+chunk-1)/chunk)])
		first := lo
		for _, j := range jobs {
			hi := min(lo+chunk, len(in))
			j.ctx, j.base, j.in, j.out, j.opt = ctx, lo, in[lo:hi:hi], out[lo:hi:hi], opt.job()
			j.item, j.waited = true, true
			lo = hi
		}
		m.left.Add(int64(len(jobs)))
		if n, err := f.b.submitAll(ctx, jobs); err != nil {
			m.fail(first+n*chunk, err)
			m.left.Add(-int64(len(jobs) - n)) // not the last: the submitter's own is left
			break
		}
	}
	m.release()
	return waitMap(ctx, f.b, &m.gather, out, func() {
		for _, j := range m.all {
			f.b.cancel(j, nil)
		}
	})
}

// waitMap waits for the jobs of a Map. The results are only handed out when no worker can touch them any more, or when
// those that it can have an error of their own.
func waitMap[Out any](ctx context.Context, pool awaiter, g *gather, out []Out, abandon func()) ([]Out, error) {
	if err := pool.await(ctx, g); err != nil {
		abandon()
		return nil, err
	}
	switch {
	case g.err == nil:
		return out, nil
	case ctx.Err() != nil:
		return nil, ctx.Err() // jobs were dropped for that reason
	case g.own:
		return out, g.err
	}
	return nil, g.err
}

// mapping is a running Map. Its jobs are used again, so that memory follows what is in flight and not the length of the
// input.
type mapping[In, Out any] struct {
	gather
	all   []*job[In, Out]              // touched by the submitter only
	spare *job[In, Out]                // the same: taken from free
	free  atomic.Pointer[job[In, Out]] // the last one that is done, and by older those before it
}

// jobs fills the list with jobs that are not in use.
func (m *mapping[In, Out]) jobs(list []*job[In, Out]) []*job[In, Out] {
	n := 0
	for ; n < len(list); n++ {
		if m.spare == nil {
			if m.spare = m.free.Swap(nil); m.spare == nil {
				break
			}
		}
		j := m.spare
		m.spare, j.older = j.older, nil
		j.renew()
		list[n] = j
	}
	for i := n; i < len(list); i++ {
		list[i] = &job[In, Out]{done: m}
		m.all = append(m.all, list[i])
	}
	return list
}

func (m *mapping[In, Out]) finished(j *job[In, Out], err error) {
	if err != nil {
		m.fail(j.base, j.wrap(0, err))
	} else {
		m.collect(j.base, j.errs)
		for {
			j.older = m.free.Load()
			if m.free.CompareAndSwap(j.older, j) {
				break
			}
		}
	}
	m.release()
}

// MapAsync is Map that does not block. ctx is the whole Map's. The caller must not change the inputs until it is done.
func (f front[In, Out]) MapAsync(ctx context.Context, in []In, opts ...CallOption) *Future[[]Out] {
	fut := newFuture[[]Out]()
	go func() { fut.resolve(f.Map(ctx, in, opts...)) }()
	return fut
}
