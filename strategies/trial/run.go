package trial

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sort"
	"time"

	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/strategies"
	"github.com/parbench/parbench/workloads"
)

// Times of the trial itself, none of which is part of a measurement.
const (
	// closeGrace is how long a strategy may take to end its workers.
	closeGrace = 2 * time.Second
	// deadlineGrace is how long tasks and workers may take to end after the deadline, and so to say what they were at, before
	// the process just exits.
	deadlineGrace = time.Second
	// flushEvery is how often batch times are sent while batches go on.
	flushEvery = time.Second
	// probeBatch is how long a batch of a workload that chooses its own number of tasks takes at least.
	probeBatch = 10 * time.Millisecond
)

// cell is a checked run request.
type cell struct {
	protocol.Run
	workload workloads.Workload
	strategy strategies.Strategy
	config   strategies.Config
	ownN     bool
	cap      int // most tasks of a batch; 0: none
}

// run executes one cell and returns the exit status.
func (s *session) run(received time.Time, q protocol.Run) int {
	c, err := s.program.check(q)
	if err != nil {
		return s.end(err)
	}
	errDeadline := failed(protocol.ErrDeadline, fmt.Errorf("not finished within %v", time.Duration(q.DeadlineNS)))
	ctx, cancel := context.WithDeadlineCause(context.Background(), received.Add(time.Duration(q.DeadlineNS)), errDeadline)
	defer cancel()
	// A task that ignores its context cannot be ended, but the harness hears of the deadline, and the process goes.
	defer context.AfterFunc(ctx, func() {
		time.Sleep(deadlineGrace)
		if s.ended() {
			return // what is still to be done bounds itself, and the harness waits for a moment only
		}
		s.end(errDeadline)
		os.Exit(1)
	})()
	if err := s.measure(ctx, c); err != nil {
		return s.end(late(ctx, err))
	}
	return s.end(nil)
}

// late is what failed when the deadline had passed: the deadline, with what an error says of where it struck.
func late(ctx context.Context, err error) error {
	switch deadline := context.Cause(ctx); {
	case deadline == nil:
		return err
	case errors.Is(err, deadline):
		return failed(protocol.ErrDeadline, err)
	default:
		return deadline
	}
}

// check turns a request into a cell; its errors are of the kind request and say what would be right.
func (p Program) check(q protocol.Run) (*cell, error) {
	w, err := p.Workloads.Lookup(q.Workload)
	if err != nil {
		return nil, badRequest("workload: %w; ask the program to describe itself", err)
	}
	st, err := p.Strategies.Lookup(q.Strategy)
	if err != nil {
		return nil, badRequest("strategy: %w; ask the program to describe itself", err)
	}
	wi, si := w.Info(), st.Info()
	wp, err := complete(wi.Params, q.Params)
	if err != nil {
		return nil, badRequest("workload %s: %w", wi.Name, err)
	}
	sp, err := complete(si.Params, q.StrategyParams)
	if err != nil {
		return nil, badRequest("strategy %s: %w", si.Name, err)
	}
	c := &cell{Run: q, workload: w, strategy: st, ownN: wi.OwnN, cap: si.Cap(sp)}
	switch {
	case q.Workers < 1:
		return nil, badRequest("workers: %d: give at least 1", q.Workers)
	case q.Cores < 1:
		return nil, badRequest("cores: %d: give at least 1", q.Cores)
	case q.Tasks < 0, q.Tasks == 0 && !wi.OwnN:
		return nil, badRequest("tasks: %d: give at least 1", q.Tasks)
	case c.cap > 0 && q.Tasks > c.cap:
		return nil, badRequest("tasks: %d: strategy %s takes at most %d in a batch", q.Tasks, si.Name, c.cap)
	case q.DeadlineNS <= 0:
		return nil, badRequest("deadline_ns: %d: give how long the trial may take", q.DeadlineNS)
	case wi.Fixture != "" && q.Fixture == "":
		return nil, badRequest("fixture: workload %s needs the address of a %q fixture", wi.Name, wi.Fixture)
	}
	for _, n := range q.Digests {
		if n < 0 {
			return nil, badRequest("digests: %d is not a number of tasks", n)
		}
	}
	c.config = strategies.Config{
		Job:       strategies.Job{Workload: q.Workload, Params: wp, Seed: q.Seed, Fixture: q.Fixture},
		Workloads: p.Workloads, Params: sp, Workers: q.Workers, Cores: q.Cores, Grain: time.Duration(q.GrainNS), Probed: q.ProbeNS > 0,
	}
	return c, nil
}

// complete resolves parameters and insists on those whose default depends on the machine.
func complete(specs []workloads.Param, given map[string]string) (workloads.Params, error) {
	p, err := workloads.Resolve(specs, given)
	if err != nil {
		return nil, err
	}
	for _, s := range specs {
		if _, ok := p[s.Name]; !ok {
			return nil, fmt.Errorf("parameter %s: give a value: its default depends on the machine (%s)", s.Name, s.Auto)
		}
	}
	return p, nil
}

// measure is the whole trial between request and last record.
func (s *session) measure(ctx context.Context, c *cell) (err error) {
	begin := time.Now()
	ex, err := c.strategy.Start(ctx, c.config)
	if err != nil {
		return failed(protocol.ErrSetup, fmt.Errorf("start %s: %w", c.Strategy, err))
	}
	setup := time.Since(begin)
	closed := false
	closeExecutor := func() error {
		closed = true
		// Not ctx: at the deadline there is still something to end.
		grace, cancel := context.WithTimeout(context.Background(), closeGrace)
		defer cancel()
		begin := time.Now()
		err := ex.Close(grace)
		s.closing.Store(time.Since(begin).Nanoseconds())
		return err
	}
	defer func() {
		if !closed {
			if ctx.Err() != nil {
				s.end(late(ctx, err)) // nobody has to wait for what follows
			}
			err = errors.Join(err, closeExecutor())
		}
	}()
	if c.Tasks == 0 {
		begin := time.Now()
		if c.Tasks, err = chooseTasks(ctx, ex, c.cap); err != nil {
			return err
		}
		s.spent(begin)
	}
	s.send(protocol.Record{Type: "ready", Ready: &protocol.Ready{
		Pid: os.Getpid(), SetupNS: setup.Nanoseconds(), Tasks: c.Tasks,
	}})
	if _, err := s.next("go"); err != nil {
		return err
	}
	t, usage, err := s.batches(ctx, c, ex)
	if err != nil {
		return err
	}
	s.send(protocol.Record{Type: "usage", Usage: usage})
	defer s.spent(time.Now())
	if c.ProbeNS > 0 && !c.commands() { // those were watched
		if err := s.probe(ctx, c, ex, t); err != nil {
			return err
		}
	}
	if err := closeExecutor(); err != nil {
		return failed(protocol.ErrSetup, fmt.Errorf("close %s: %w", c.Strategy, err))
	}
	if _, watched := ex.(strategies.Prober); c.ProbeNS > 0 && !watched && !c.commands() {
		if err := s.probeAnother(ctx, c, t); err != nil {
			return err
		}
	}
	if len(c.Digests) > 0 {
		digests, err := c.digests(ctx)
		if err != nil {
			return err
		}
		s.send(protocol.Record{Type: "digests", Digests: digests})
	}
	return nil
}

// chooseTasks doubles the number of tasks until a batch takes long enough for the clock, or the cap is reached.
func chooseTasks(ctx context.Context, ex strategies.Executor, most int) (int, error) {
	const largest = 1 << 30
	if most == 0 || most > largest {
		most = largest
	}
	for n := 1; ; n = min(2*n, most) {
		begin := time.Now()
		if _, err := ex.Run(ctx, n); err != nil {
			return 0, err
		}
		if n == most || time.Since(begin) >= probeBatch {
			return n, nil
		}
	}
}

// batches runs the warm-up and the measured batches and sends their times.
func (s *session) batches(ctx context.Context, c *cell, ex strategies.Executor) (*timer, *protocol.Usage, error) {
	t := &timer{ctx: ctx, ex: ex, n: c.Tasks, spent: s.spent, send: func(b *protocol.Batches) {
		s.send(protocol.Record{Type: "batches", Batches: b})
	}}
	if _, err := t.run(&t.warmup, c.WarmupBatches, c.MinWarmupNS); err != nil {
		return nil, nil, err
	}
	t.reserve(c.MinBatches, c.MinBatchNS)
	// One forced collection outside the timed region: every trial begins its measured batches with the same heap.
	begin := time.Now()
	runtime.GC()
	s.spent(begin)
	accounter, accounts := ex.(strategies.Accounter)
	if accounts {
		accounter.ResetAccount() // the warm-up's is of no interest
	}
	begin = time.Now()
	t.watch = s.watch(c, ex)
	s.spent(begin)
	before := readMeter(ex)
	timed, err := t.run(&t.wall, max(c.MinBatches, 1), c.MinBatchNS)
	if err != nil {
		return nil, nil, err
	}
	usage := readMeter(ex).since(before)
	t.flush(true)
	begin = time.Now()
	if accounts {
		usage.take(accounter.Account(ctx), timed)
	} else {
		usage.addMemory(ctx, ex)
	}
	s.spent(begin)
	return t, &usage.Usage, nil
}

// timer runs batches, keeps their times and checks that they agree.
type timer struct {
	ctx          context.Context
	ex           strategies.Executor
	n            int
	send         func(*protocol.Batches)
	spent        func(begin time.Time)
	warmup, wall []int64 // not sent yet
	digest       uint64
	ran          int
	last         int64 // nanoseconds of the last batch
	watch        *watch
	flushed      time.Time
}

// run runs at least count batches, and goes on until their times add up to ns. It appends the times to list and returns
// their sum.
func (t *timer) run(list *[]int64, count int, ns int64) (total int64, err error) {
	preparer, prepares := t.ex.(strategies.BatchPreparer)
	t.flushed = time.Now()
	for k := 0; k < count || total < ns; k++ {
		if prepares {
			begin := time.Now()
			if err := preparer.PrepareBatch(t.ctx); err != nil {
				return total, failed(protocol.ErrSetup, err)
			}
			t.spent(begin)
		}
		t.watch.begin()
		begin := time.Now()
		d, err := t.ex.Run(t.ctx, t.n)
		end := time.Now()
		if err != nil {
			return total, err
		}
		t.watch.end()
		took := end.Sub(begin).Nanoseconds()
		total += took
		t.last = took
		*list = append(*list, took)
		if t.ran == 0 {
			t.digest = d
		}
		if d != t.digest {
			return total, failed(protocol.ErrDigest, fmt.Errorf(
				"batch %d gave digest %s, the batches before it %s: a task was lost, doubled or is not a pure function of its index",
				t.ran, hex(d), hex(t.digest)))
		}
		t.ran++
		if end.Sub(t.flushed) >= flushEvery || len(*list) >= protocol.BatchChunk {
			t.flush(false)
			t.flushed = time.Now()
		}
	}
	return total, nil
}

// reserve makes room for the measured batches that the warm-up lets expect, so that the list does not grow, and move,
// between two of them.
func (t *timer) reserve(count int, ns int64) {
	if len(t.warmup) == 0 {
		return
	}
	last := max(t.warmup[len(t.warmup)-1], 1)
	t.wall = make([]int64, 0, min(max(int64(count), ns/last*5/4)+1, protocol.BatchChunk))
}

// flush sends what was not sent yet. The last record carries the digest too when all times are gone already.
func (t *timer) flush(last bool) {
	if len(t.warmup) == 0 && len(t.wall) == 0 && !last {
		return
	}
	t.send(&protocol.Batches{Tasks: t.n, Warmup: t.warmup, Wall: t.wall, Digest: hex(t.digest)})
	t.warmup, t.wall = t.warmup[:0], t.wall[:0]
}

// digests computes the batch digests of the task counts that were asked for, one task after another in this process.
func (c *cell) digests(ctx context.Context) ([]protocol.Digest, error) {
	out := make([]protocol.Digest, len(c.Digests))
	order := make([]int, len(c.Digests))
	for k, n := range c.Digests {
		if n == 0 {
			n = c.Tasks
		}
		out[k].Tasks, order[k] = n, k
	}
	sort.Slice(order, func(a, b int) bool { return out[order[a]].Tasks < out[order[b]].Tasks })
	digest, closeTasks, err := c.digester(ctx)
	if err != nil {
		return nil, failed(protocol.ErrSetup, fmt.Errorf("prepare %s for its digests: %w", c.Workload, err))
	}
	var sum uint64
	done := 0
	for _, k := range order {
		for ; done < out[k].Tasks; done++ {
			d, err := digest(ctx, done)
			if err != nil {
				return nil, errors.Join(err, closeTasks())
			}
			sum = workloads.Combine(sum, done, d)
		}
		out[k].Digest = hex(sum)
	}
	return out, closeTasks()
}

// digester returns what gives a task's digest, in most cases by running it, and what ends it.
func (c *cell) digester(ctx context.Context) (digest func(ctx context.Context, i int) (uint64, error), end func() error, err error) {
	if w, err := c.config.Workloads.Lookup(c.config.Job.Workload); err == nil {
		env := workloads.Env{Params: c.config.Job.Params, Seed: c.config.Job.Seed, Fixture: c.config.Job.Fixture}
		if f, ok := w.(workloads.Foreteller); ok {
			if _, ok := f.Foretell(env, 0); ok {
				return func(_ context.Context, i int) (uint64, error) {
					d, _ := f.Foretell(env, i)
					return d, nil
				}, func() error { return nil }, nil
			}
		}
	}
	tasks, err := c.config.Prepare(ctx)
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context, i int) (uint64, error) { return strategies.RunTask(ctx, tasks, i) }, tasks.Close, nil
}

func hex(d uint64) string { return fmt.Sprintf("%016x", d) }
