package claims

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/parbench/parbench/results/analysis/claim"
	"github.com/parbench/parbench/strategies/multiproc"
	"github.com/parbench/parbench/strategies/multiproc/manager"
	"github.com/parbench/parbench/strategies/multiproc/shm"
)

// arenaSize suffices for the few objects of a probe.
const arenaSize = 1 << 17

// timed is how long one of many calls takes.
func timed(times int, f func() error) (float64, error) {
	began := time.Now()
	for range times {
		if err := f(); err != nil {
			return 0, err
		}
	}
	return time.Since(began).Seconds() / float64(times), nil
}

func lookManaged(ctx context.Context) (_ any, err error) {
	m, err := manager.Start(ctx)
	if err != nil {
		return nil, err
	}
	defer m.Close() // an error: its process was killed
	d, err := manager.DictOf(ctx, m, map[string]int{"x": 1})
	if err != nil {
		return nil, err
	}
	arena, err := shm.NewArena(arenaSize)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, arena.Close()) }()
	v, err := shm.NewValue[int64](arena, 1)
	if err != nil {
		return nil, err
	}
	o := claim.Managed{Server: m.Pid(), Self: os.Getpid(), Reads: []claim.Reads{{Kind: "shm.Value"}, {Kind: "manager.Dict"}}}
	for range 9 {
		for i, read := range []func() error{
			func() error { _ = v.Load(); return nil },
			func() error { _, err := d.Get(ctx, "x"); return err },
		} {
			s, err := timed([]int{1_000_000, 500}[i], read)
			if err != nil {
				return nil, err
			}
			o.Reads[i].Seconds = append(o.Reads[i].Seconds, s)
		}
	}
	if err := kill(m.Pid()); err != nil {
		return nil, err
	}
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case <-m.Done():
	case <-bounded.Done():
		return nil, errors.New("the manager's process lived on after SIGKILL")
	}
	got, getErr := d.Get(bounded, "x")
	o.After = []claim.Outcome{
		within(bounded, patience, outcome("manager.Dict", []int{1}, []int{got}, getErr)),
		outcome("shm.Value", []int{1}, []int{int(v.Load())}, nil),
	}
	return &o, nil
}

// order asks a child to send messages.
type order struct {
	Queue       bool
	Size, Times int
}

// routes are what the child of lookSpeed sends by.
type routes struct {
	Orders *multiproc.Receiver[order]
	Pipe   *multiproc.Sender[[]byte]
	Queue  *multiproc.Queue[[]byte]
}

var sendFunc = multiproc.Register("claims.send", func(ctx context.Context, r routes) (struct{}, error) {
	for {
		o, err := r.Orders.Recv(ctx)
		if errors.Is(err, io.EOF) {
			return struct{}{}, nil
		}
		message := bytes.Repeat([]byte("x"), o.Size)
		for i := 0; i < o.Times && err == nil; i++ {
			if o.Queue {
				err = r.Queue.Put(ctx, message)
			} else {
				err = r.Pipe.Send(ctx, message)
			}
		}
		if err != nil {
			return struct{}{}, err
		}
	}
})

// lookSpeed compares in pairs that have a child, a pipe and a queue of their own: how two of them lie in memory would be the
// same in all others.
func lookSpeed(ctx context.Context) (any, error) {
	o := claim.Speed{Sizes: []claim.Size{{Bytes: 8}, {Bytes: 1 << 10}, {Bytes: 1 << 20}}}
	for i := range 15 {
		if err := speedPair(ctx, o.Sizes, i%2 != 0); err != nil {
			return nil, err
		}
	}
	return &o, nil
}

// speedPair adds one time by pipe and one by queue to each size.
func speedPair(ctx context.Context, sizes []claim.Size, queueFirst bool) (err error) {
	const room = 8 << 20
	ordered, orders, err := multiproc.NewPipe[order]()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, orders.Close()) }()
	receiver, sender, err := multiproc.NewPipe[[]byte](multiproc.QueueBytes(room))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, receiver.Close()) }()
	queue, err := multiproc.NewQueue[[]byte](1024, multiproc.QueueBytes(room))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, queue.Detach()) }()
	child := multiproc.NewProcess(sendFunc, routes{ordered, sender, queue})
	if err := child.Start(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, child.Kill()) }()
	run := func(viaQueue bool, size, times int) (float64, error) {
		if err := orders.Send(ctx, order{viaQueue, size, times}); err != nil {
			return 0, err
		}
		return timed(times, func() (err error) {
			if viaQueue {
				_, err = queue.Get(ctx)
			} else {
				_, err = receiver.Recv(ctx)
			}
			return err
		})
	}
	for i := range sizes {
		row := &sizes[i]
		times := min(3000, 30<<20/row.Bytes)
		for _, n := range []int{times / 10, times} {
			for _, viaQueue := range []bool{queueFirst, !queueFirst} {
				s, err := run(viaQueue, row.Bytes, n)
				switch {
				case err != nil:
					return err
				case n < times: // warms up
				case viaQueue:
					row.Queue = append(row.Queue, s)
				default:
					row.Pipe = append(row.Pipe, s)
				}
			}
		}
	}
	if err := orders.Close(); err != nil {
		return err
	}
	return joined(ctx, child)
}

// joined waits for a process within a bound.
func joined(ctx context.Context, p *multiproc.Process) error {
	bounded, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := p.Join(bounded)
	return err
}

var receiveFunc = multiproc.Register("claims.receive", func(ctx context.Context, r *multiproc.Receiver[int]) (int, error) { return r.Recv(ctx) })

// lookMovedEnds passes one end to two processes.
func lookMovedEnds(ctx context.Context) (any, error) {
	receiver, sender, err := multiproc.NewPipe[int]()
	if err != nil {
		return nil, err
	}
	var o claim.MovedEnds
	return &o, withPool(ctx, receiveFunc, func(p *multiproc.ProcessPool[*multiproc.Receiver[int], int]) error {
		first, err := p.ApplyAsync(ctx, receiver)
		if err != nil {
			return err
		}
		for range 2 { // one for each
			if err := sender.Send(ctx, 7); err != nil {
				return err
			}
		}
		v, err := first.Get(ctx)
		o.First = outcome("Receiver", []int{7}, []int{v}, err)
		bounded, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		v, err = p.Apply(bounded, receiver)
		o.Second = within(bounded, patience, outcome("Receiver", []int{7}, []int{v}, err))
		return nil
	}, multiproc.Workers(2))
}

// kept is what an initialiser leaves for a worker's tasks.
type kept struct {
	Queue *multiproc.Queue[int]
	Array *shm.Array[int64]
}

var (
	workersKept kept

	keepInit     = multiproc.RegisterInit("claims.keep", func(_ context.Context, k kept) error { workersKept = k; return nil })
	useKeptFunc  = multiproc.Register("claims.useKept", func(ctx context.Context, n int) (int, error) { return use(ctx, workersKept, n) })
	useGivenFunc = multiproc.Register("claims.useGiven", func(ctx context.Context, k kept) (int, error) { return use(ctx, k, 7) })
)

// use puts a number into whatever there is.
func use(ctx context.Context, k kept, n int) (int, error) {
	if k.Array != nil {
		k.Array.View(func(a []int64) { a[0] = int64(n) })
	}
	if k.Queue != nil {
		return n, k.Queue.Put(ctx, n)
	}
	return n, nil
}

func lookArguments(ctx context.Context) (_ any, err error) {
	queue, err := multiproc.NewQueue[int](4)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, queue.Detach()) }()
	arena, err := shm.NewArena(arenaSize)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, arena.Close()) }()
	array, err := shm.NewArray[int64](arena, 1)
	if err != nil {
		return nil, err
	}
	// arrived is what came through, where the call itself succeeded.
	arrived := func(err error) ([]int, error) {
		if err != nil {
			return nil, err
		}
		v, err := queue.Get(ctx)
		return []int{v, int(array.Clone()[0])}, err
	}
	var o claim.Arguments
	err = withPool(ctx, useGivenFunc, func(p *multiproc.ProcessPool[kept, int]) error {
		_, err := p.Apply(ctx, kept{Queue: queue})
		var v int
		if err == nil {
			v, err = queue.Get(ctx)
		}
		o.Arguments = append(o.Arguments, outcome("Queue", []int{7}, []int{v}, err))
		_, err = p.Apply(ctx, kept{Array: array})
		o.Arguments = append(o.Arguments, outcome("shm.Array", []int{7}, []int{int(array.Clone()[0])}, err))
		return nil
	}, multiproc.Workers(2))
	if err != nil {
		return nil, err
	}
	return &o, withPool(ctx, useKeptFunc, func(p *multiproc.ProcessPool[int, int]) error {
		_, err := p.Apply(ctx, 5)
		got, err := arrived(err)
		o.Inherited = outcome("initialiser", []int{5, 5}, got, err)
		return nil
	}, multiproc.Workers(2), multiproc.Init(keepInit, kept{queue, array}))
}

// flagged is a task that may set the flag.
type flagged struct {
	Index, Match int
	Found        manager.List[int]
}

var flagFunc = multiproc.Register("claims.flag", func(ctx context.Context, f flagged) (int, error) {
	if f.Index == f.Match {
		return f.Index, f.Found.Append(ctx, f.Index)
	}
	return f.Index, nil
})

func lookStopping(ctx context.Context) (_ any, err error) {
	m, err := manager.Start(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, m.Shutdown(ctx)) }()
	o := claim.Stopping{Match: 5, Limit: 5000}
	return &o, withPool(ctx, flagFunc, func(p *multiproc.ProcessPool[flagged, int]) error {
		for range 20 {
			found, err := manager.NewList[int](ctx, m)
			if err != nil {
				return err
			}
			var futures []*multiproc.Future[int]
			for i := range o.Limit {
				n, err := found.Len(ctx)
				if err != nil {
					return err
				}
				if n > 0 {
					break
				}
				f, err := p.ApplyAsync(ctx, flagged{i, o.Match, found})
				if err != nil {
					return err
				}
				futures = append(futures, f)
			}
			o.Submitted = append(o.Submitted, len(futures))
			if err := multiproc.WaitAll(ctx, futures...); err != nil {
				return err
			}
			if err := found.Free(ctx); err != nil {
				return err
			}
		}
		return nil
	}, multiproc.Workers(3))
}
