package claims

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parbench/parbench/results/analysis/claim"
	"github.com/parbench/parbench/strategies/multiproc"
)

func lookReturned(ctx context.Context) (any, error) {
	var o claim.Returned
	return &o, withPool(ctx, squareFunc, func(p *multiproc.ProcessPool[int, int]) error {
		o.Calls = allCalls(ctx, p)
		return nil
	}, multiproc.Workers(2))
}

// allCalls squares numbers in all ways that a pool has.
func allCalls(ctx context.Context, p multiproc.Pool[int, int]) []claim.Outcome {
	three, squares := []int{1, 2, 3}, []int{1, 4, 9}
	one := func(v int, err error) ([]int, error) { return []int{v}, err }
	apply, errApply := one(p.Apply(ctx, 3))
	all, errMap := p.Map(ctx, three)
	ordered, errImap := collect(p.Imap(ctx, slices.Values(three)))
	var unordered []int
	var errUnordered error
	for v, err := range p.ImapUnordered(ctx, slices.Values(three)) {
		unordered, errUnordered = append(unordered, v.Value), errors.Join(errUnordered, err)
	}
	slices.Sort(unordered)
	var async []int
	f, errAsync := p.ApplyAsync(ctx, 3)
	if errAsync == nil {
		async, errAsync = one(f.Get(ctx))
	}
	return []claim.Outcome{
		outcome("Apply", []int{9}, apply, errApply), outcome("Map", squares, all, errMap), outcome("Imap", squares, ordered, errImap),
		outcome("ImapUnordered", squares, unordered, errUnordered), outcome("ApplyAsync", []int{9}, async, errAsync),
	}
}

func collect[T any](results iter.Seq2[T, error]) (out []T, failed error) {
	for v, err := range results {
		out, failed = append(out, v), errors.Join(failed, err)
	}
	return out, failed
}

// lookRunning runs three tasks that sleep on three workers.
func lookRunning(ctx context.Context) (any, error) {
	var o claim.Running
	return &o, withPool(ctx, napFunc, func(p *multiproc.ProcessPool[float64, span]) (err error) {
		o, err = running(ctx, p)
		return err
	}, multiproc.Workers(3))
}

func running(ctx context.Context, p multiproc.Pool[float64, span]) (claim.Running, error) {
	const tasks, seconds = 3, 0.05
	in := slices.Repeat([]float64{seconds}, tasks)
	calls := []struct {
		name string
		run  func() ([]span, error)
	}{
		{"Map", func() ([]span, error) { return p.Map(ctx, in, multiproc.Chunk(1)) }},
		{"Apply", func() (out []span, err error) {
			for _, s := range in {
				v, e := p.Apply(ctx, s)
				out, err = append(out, v), errors.Join(err, e)
			}
			return out, err
		}},
		{"ApplyAsync", func() (out []span, err error) {
			var futures []*multiproc.Future[span]
			for _, s := range in {
				f, e := p.ApplyAsync(ctx, s)
				if e != nil {
					return nil, e
				}
				futures = append(futures, f)
			}
			for _, f := range futures {
				v, e := f.Get(ctx)
				out, err = append(out, v), errors.Join(err, e)
			}
			return out, err
		}},
	}
	o := claim.Running{Tasks: tasks, Sleep: seconds, Calls: make([]claim.Timed, len(calls))}
	for range repetitions {
		for i, c := range calls {
			began := time.Now()
			spans, err := c.run()
			if err != nil {
				return o, err
			}
			row := &o.Calls[i]
			row.Call = c.name
			row.Walls, row.AtOnce = append(row.Walls, time.Since(began).Seconds()), append(row.AtOnce, atOnce(spans))
		}
	}
	return o, nil
}

func lookDummy(ctx context.Context) (any, error) {
	squares, err := multiproc.NewLocalPool(squared, multiproc.Workers(2))
	if err != nil {
		return nil, err
	}
	o := claim.Dummy{Returned: claim.Returned{Calls: allCalls(ctx, squares)}}
	naps, err := multiproc.NewLocalPool(sleepFor, multiproc.Workers(3))
	if err != nil {
		return nil, errors.Join(err, squares.Terminate())
	}
	o.Running, err = running(ctx, naps)
	return &o, errors.Join(err, squares.Terminate(), naps.Terminate())
}

func lookProcesses(ctx context.Context) (any, error) {
	o := claim.Processes{Workers: 4, Tasks: 1000}
	err := withPool(ctx, pidFunc, func(p *multiproc.ProcessPool[int, int]) (err error) {
		o.AtStart = len(p.Pids())
		o.Pids, err = pids(ctx, p, o.Tasks)
		return err
	}, multiproc.Workers(o.Workers))
	if err != nil {
		return nil, err
	}
	o.Limited.Option, o.Limited.Tasks = "MaxTasks(2)", 6
	err = withPool(ctx, pidFunc, func(p *multiproc.ProcessPool[int, int]) (err error) {
		o.Limited.Pids, err = pids(ctx, p, o.Limited.Tasks)
		return err
	}, multiproc.Workers(1), multiproc.MaxTasks(2))
	if err != nil {
		return nil, err
	}
	o.Other = &claim.OnDemand{Name: "A pool with Lazy()", Workers: 4}
	return &o, withPool(ctx, pidFunc, func(p *multiproc.ProcessPool[int, int]) error {
		o.Other.AtStart = len(p.Pids())
		_, err := p.Apply(ctx, 0)
		o.Other.AfterOne = len(p.Pids())
		return err
	}, multiproc.Workers(4), multiproc.Lazy())
}

// unbounded is room for more results than any search here submits: a channel that is never full, as queue.Queue() in Python
// has no bound.
const unbounded = 1 << 20

// lookSearch is the article's program: one goroutine submits, another one looks for the match, the pool is terminated. It
// runs with the pool that a user gets who asks for nothing, with a bound on the channel, and with one on the pool.
func lookSearch(ctx context.Context) (any, error) {
	const near, far, bound = 100, 400, 64
	o := claim.Search{Task: 0.001, Workers: 2, Threads: "goroutines", Limit: bound, Pool: "MaxInFlight", Cap: bound}
	for range 6 {
		for _, s := range []struct {
			into         *[]claim.Hunt
			match, queue int
			opts         []multiproc.PoolOption
		}{
			{&o.Far, far, unbounded, nil}, {&o.Near, near, unbounded, nil}, {&o.Queued, far, bound, nil},
			{&o.Capped, far, unbounded, []multiproc.PoolOption{multiproc.MaxInFlight(bound)}},
		} {
			h, room, err := hunt(ctx, s.match, s.queue, append(s.opts, multiproc.Workers(o.Workers))...)
			if err != nil {
				return nil, err
			}
			*s.into = append(*s.into, h)
			if s.opts == nil {
				o.Default = room
			}
		}
	}
	return &o, nil
}

// hunt is one search. room is how many calls of the pool may be unfinished.
func hunt(ctx context.Context, match, queue int, opts ...multiproc.PoolOption) (h claim.Hunt, room int, err error) {
	pool, err := multiproc.NewPool(ctx, briefFunc, opts...)
	if err != nil {
		return h, 0, err
	}
	room = pool.Stats().MaxInFlight
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan *multiproc.Future[int], queue)
	var submitted atomic.Int64
	var submitter sync.WaitGroup
	began := time.Now()
	submitter.Go(func() {
		for i := 0; ; i++ {
			f, err := pool.ApplyAsync(ctx, i)
			if err != nil {
				return // the pool was terminated
			}
			submitted.Add(1)
			select {
			case results <- f:
			case <-ctx.Done():
				return
			}
		}
	})
	for range match + 1 {
		var f *multiproc.Future[int]
		select {
		case f = <-results:
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err == nil {
			_, err = f.Get(ctx)
		}
		if err != nil {
			break
		}
	}
	h = claim.Hunt{Match: match, Seconds: time.Since(began).Seconds(), Submitted: int(submitted.Load())}
	err = errors.Join(err, pool.Terminate())
	cancel()
	submitter.Wait()
	return h, room, err
}

func lookJoining(ctx context.Context) (any, error) {
	var o claim.Joining
	join := func(name string, p multiproc.Pool[int, int]) error {
		bounded, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		o.Calls = append(o.Calls, within(bounded, patience, outcome(name, nil, nil, p.Join(bounded))))
		v, err := p.Apply(ctx, 3)
		o.After = append(o.After, outcome(name, []int{9}, []int{v}, err))
		return p.Terminate()
	}
	err := withPool(ctx, squareFunc, func(p *multiproc.ProcessPool[int, int]) error { return join("ProcessPool", p) }, multiproc.Workers(2))
	if err != nil {
		return nil, err
	}
	local, err := multiproc.NewLocalPool(squared, multiproc.Workers(2))
	if err != nil {
		return nil, err
	}
	return &o, join("LocalPool", local)
}

// delayed is a task with its place among the inputs.
type delayed struct {
	Index int
	Delay float64
}

// done is when which task ended.
type done struct {
	Index int
	End   int64
}

var delayedFunc = multiproc.Register("claims.delayed", func(ctx context.Context, d delayed) (done, error) {
	s, err := sleepFor(ctx, d.Delay)
	return done{d.Index, s.End}, err
})

func lookOrdering(ctx context.Context) (any, error) {
	var o claim.Ordering
	return &o, withPool(ctx, delayedFunc, func(p *multiproc.ProcessPool[delayed, done]) error {
		for _, sample := range []bool{false, true} {
			var tasks []delayed
			for i := range 3 {
				n := 3 - i
				if sample {
					n = i + 1
				}
				tasks = append(tasks, delayed{i, 0.05 * float64(n)})
			}
			for range 5 {
				row := claim.Order{Sample: sample}
				ordered, err := collect(p.Imap(ctx, slices.Values(tasks)))
				if err != nil {
					return err
				}
				row.Ordered, row.OrderedEnded = came(ordered)
				unordered, err := collect(p.ImapUnordered(ctx, slices.Values(tasks)))
				if err != nil {
					return err
				}
				var values []done
				for _, v := range unordered {
					values = append(values, v.Value)
				}
				row.Unordered, row.UnorderedEnded = came(values)
				o.Runs = append(o.Runs, row)
			}
		}
		return nil
	}, multiproc.Workers(3))
}

// came splits results into the order in which they came and the moment at which each input's task ended.
func came(results []done) (order []int, ended []float64) {
	ended = make([]float64, len(results))
	for _, d := range results {
		order = append(order, d.Index)
		ended[d.Index] = float64(d.End-results[0].End) / 1e9
	}
	return order, ended
}

func lookBlocking(ctx context.Context) (any, error) {
	o := claim.Blocking{Sleep: 0.1}
	return &o, withPool(ctx, napFunc, func(p *multiproc.ProcessPool[float64, span]) error {
		for range repetitions {
			began := time.Now()
			f, err := p.ApplyAsync(ctx, o.Sleep)
			if err != nil {
				return err
			}
			var g claim.Get
			_, _, g.Ready = f.TryGet()
			short, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
			_, err = f.Get(short)
			cancel()
			if g.Timed = "a result"; err != nil {
				g.Timed = err.Error()
			}
			s, err := f.Get(ctx)
			if err != nil {
				return err
			}
			g.Elapsed, g.AfterEnd = time.Since(began).Seconds(), time.Now().UnixNano() >= s.End
			o.Runs = append(o.Runs, g)
		}
		return nil
	}, multiproc.Workers(2))
}
