package trial

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/strategies"
	"github.com/parbench/parbench/workloads"
)

// probeShare is the part of the workers' time in a probed batch that stamping may take. Where tasks are so short that it
// would take more, only some of them are stamped.
const probeShare = 0.01

// probe runs probed batches on the executor, which has just run the measured ones, and sends what was seen.
func (s *session) probe(ctx context.Context, c *cell, ex strategies.Executor, t *timer) error {
	watcher, ok := ex.(strategies.Prober)
	if !ok {
		return nil // probeAnother does it, once this executor is closed
	}
	cost, n := stampCost(), c.probedTasks(t.last)
	if c.strategy.Info().Processes {
		cost.stamp *= 2 // messages are timed as well, as many as tasks are stamped at most
	}
	p := strategies.NewProbe(n, c.every(cost.stamp, t.last))
	if err := watcher.Probe(p); err != nil {
		s.unseen(c, err.Error())
		return nil
	}
	if err := s.probedBatches(ctx, c, ex, p, cost, n, t.digest); err != nil {
		return err
	}
	return watcher.Probe(nil)
}

// probeAnother watches a strategy that knows nothing of probes: it starts it once more, with tasks that can be watched from
// the beginning, so that the measured batches had none of that in their way.
func (s *session) probeAnother(ctx context.Context, c *cell, t *timer) error {
	if c.strategy.Info().Processes {
		s.unseen(c, "the strategy runs tasks in processes of its own and has no probe (strategies.Prober)")
		return nil
	}
	w := &watchable{Workload: c.workload}
	cfg := c.config
	cfg.Workloads = workloads.NewRegistry(w)
	ex, err := c.strategy.Start(ctx, cfg)
	if err != nil {
		s.unseen(c, fmt.Sprintf("the strategy could not be started once more to be watched: %v", err))
		return nil
	}
	defer func() {
		grace, cancel := context.WithTimeout(context.Background(), closeGrace)
		defer cancel()
		_ = ex.Close(grace) // it was measured before, and closed without an error
	}()
	if w.tasks == nil {
		s.unseen(c, "the strategy does not prepare its tasks through Config.Workloads")
		return nil
	}
	if _, err := ex.Run(ctx, c.Tasks); err != nil { // warms up
		return err
	}
	cost := stampCost()
	p := strategies.NewProbe(c.Tasks, c.every(cost.stamp, t.last))
	w.tasks.Tasks = p.Watch(w.tasks.Tasks, nil)
	return s.probedBatches(ctx, c, ex, p, cost, c.Tasks, t.digest)
}

// watchable is a workload whose tasks can be exchanged for watched ones between batches.
type watchable struct {
	workloads.Workload
	tasks *watchableTasks // the last ones that were prepared
}

// Prepare implements workloads.Workload.
func (w *watchable) Prepare(ctx context.Context, env workloads.Env) (workloads.Tasks, error) {
	tasks, err := w.Workload.Prepare(ctx, env)
	if err != nil {
		return nil, err
	}
	w.tasks = &watchableTasks{tasks}
	return w.tasks, nil
}

type watchableTasks struct{ workloads.Tasks }

// unseen says why the inside of the batches stays unknown.
func (s *session) unseen(c *cell, why string) {
	const most = 400
	if len(why) > most {
		why = why[:most] + " ..."
	}
	s.send(protocol.Record{Type: "probe", Probe: &protocol.Probe{
		Tasks: c.Tasks, Workers: c.capacity(), Unseen: []protocol.Unseen{{What: "everything inside of a batch", Why: why}},
	}})
}

// capacity is how many tasks of a batch can run at the same time, as far as the strategy goes: that is whose time a batch
// has. Where each task has a worker of its own, work that computes is limited by cores.
func (c *cell) capacity() int {
	i := c.strategy.Info()
	switch {
	case i.OneCore:
		return 1
	case i.Unbounded && c.workload.Info().Kind.Waits():
		return c.Tasks
	case i.Unbounded:
		return c.Cores
	}
	return c.Workers
}

// every returns that each so manyth task is to be stamped, given the cost of a stamp and the time of a batch.
func (c *cell) every(stamp, wall int64) int {
	room := probeShare * float64(wall) * float64(min(c.capacity(), c.Cores)) / float64(max(stamp, 1))
	most := min(max(int(room), 1), protocol.MaxStamps)
	return (c.Tasks + most - 1) / most
}

// shortBatch is how long the probed batches of a single worker are, where the measured ones are longer.
const shortBatch = 20 * time.Millisecond

// probedTasks is how many tasks a probed batch has, given the time of a measured one: as many as that. Only where one worker
// runs them one after another, so that a part of them says the same, a long batch is cut: that of the reference of work
// that waits takes as long as those of all other cells together.
func (c *cell) probedTasks(wall int64) int {
	if c.capacity() > 1 || wall <= shortBatch.Nanoseconds() {
		return c.Tasks
	}
	return max(1, int(float64(c.Tasks)*float64(shortBatch)/float64(wall)))
}

// probedBatches runs probed batches of n tasks until they add up to what was asked for.
func (s *session) probedBatches(ctx context.Context, c *cell, ex strategies.Executor, p *strategies.Probe, cost cost, n int, digest uint64) error {
	for total := int64(0); total < c.ProbeNS; {
		p.Reset()
		begin := strategies.Monotonic()
		d, err := ex.Run(ctx, n)
		end := strategies.Monotonic()
		if err != nil {
			return err
		}
		if n == c.Tasks && d != digest {
			return failed(protocol.ErrDigest, fmt.Errorf("the probed batch gave digest %s, the measured ones %s", hex(d), hex(digest)))
		}
		total += max(end-begin, 1)
		r := stamps(p.Spans(), begin, end, c.capacity())
		r.Tasks, r.StampNS, r.ClockNS, r.TransferNS = n, cost.stamp, cost.clock, transfer(p.Transfers(), cost.clock)
		s.send(protocol.Record{Type: "probe", Probe: r})
	}
	return nil
}

// transfer is what all messages of a batch cost the workers, given by how much a look at the clock makes a time seem longer. It is
// not 0 where something is known.
func transfer(t strategies.Transfers, clock int64) int64 {
	if t.Timed <= 0 {
		return 0
	}
	net := float64(t.Time.Nanoseconds() - 2*clock*t.Timed)
	return max(int64(net*float64(t.Messages)/float64(t.Timed)), 1)
}

// stamps puts spans into the protocol's terms. Clocks of other processes may be a little off: what would begin before the
// batch or end after it is cut.
func stamps(spans []strategies.Span, begin, end int64, workers int) *protocol.Probe {
	r := &protocol.Probe{Workers: workers, WallNS: end - begin}
	number := map[int64]int{}
	for _, sp := range spans {
		from := min(max(sp.Begin-begin, 0), r.WallNS)
		r.Begin = append(r.Begin, from)
		r.End = append(r.End, min(max(sp.End-begin, from), r.WallNS))
		k, known := number[sp.Worker]
		if !known {
			k = len(number)
			number[sp.Worker] = k
		}
		r.Worker = append(r.Worker, k)
	}
	if _, nobody := number[0]; nobody || len(number) > workers {
		r.Worker = nil
	}
	return r
}

// cost is what a stamp costs, in nanoseconds, and by how much it makes a task seem longer.
type cost struct{ stamp, clock int64 }

// stampCost stamps tasks that do nothing. The middle of several goes is taken: others may use the machine.
func stampCost() cost {
	const goes, tasks = 9, 64
	var stamp, clock []int64
	p := strategies.NewProbe(tasks, 1)
	w := p.Watch(nothing{}, nil)
	for range goes {
		begin := time.Now()
		for i := range tasks {
			_, _ = w.Task(context.Background(), i) // it cannot fail
		}
		stamp = append(stamp, time.Since(begin).Nanoseconds()/tasks)
		for _, sp := range p.Spans() {
			clock = append(clock, sp.End-sp.Begin)
		}
	}
	slices.Sort(stamp)
	slices.Sort(clock)
	return cost{max(stamp[len(stamp)/2], 1), max(clock[len(clock)/2], 0)}
}

// nothing is tasks that do nothing.
type nothing struct{ workloads.NoClose }

// Task implements workloads.Tasks.
func (nothing) Task(context.Context, int) (uint64, error) { return 0, nil }
