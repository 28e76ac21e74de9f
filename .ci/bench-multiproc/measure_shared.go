package main

import (
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/parbench/parbench/.ci/bench-multiproc/work"
	"github.com/parbench/parbench/strategies/multiproc"
	"github.com/parbench/parbench/strategies/multiproc/shm"
)

func sharedJobs() map[string]job {
	return map[string]job{
		"lock-1":  alone(false),
		"value-1": alone(true),
		"lock-2":  together(false),
		"value-2": together(true),
		"wake":    wake,
		"event":   pingPong(work.Answer, func(ctx context.Context, s *work.Shared) error { return s.RoundTrip(ctx) }),
		"cond":    pingPong(work.Swing, func(ctx context.Context, s *work.Shared) error { return s.TakeTurn(ctx, 0) }),
		"barrier": pingPong(work.Gather, func(ctx context.Context, s *work.Shared) error {
			_, err := s.Meet.Wait(ctx)
			return err
		}),
		"array": arraySum,
	}
}

// turns is how often a lock is passed between two looks at the clock.
const turns = 1000

// alone measures a lock that nobody else wants.
func alone(add bool) job {
	return func(ctx context.Context, _ []int) (values, error) {
		s := work.NewShared()
		s.Add = add
		return one(rate(turns, func() error { return s.PassLock(ctx, turns) }))
	}
}

// together measures how often this process and a child pass one lock, in sum.
func together(add bool) job {
	return func(ctx context.Context, _ []int) (values, error) {
		s := work.NewShared()
		s.Add = add
		var v float64
		err := beside(ctx, multiproc.NewProcess(work.Pass, s), func() error {
			for s.Past.Load() == 0 { // until the child takes part
				if err := s.PassLock(ctx, turns); err != nil {
					return err
				}
			}
			if _, err := rateFor(warmTime, turns, func() error { return s.PassLock(ctx, turns) }); err != nil {
				return err
			}
			before, start := s.Past.Load(), time.Now()
			own, err := rateFor(measureTime, turns, func() error { return s.PassLock(ctx, turns) })
			v = own + float64(s.Past.Load()-before)/time.Since(start).Seconds()
			return err
		})
		return one(v, err)
	}
}

// pingPong measures round trips a second between this process and a child.
func pingPong(other multiproc.Func[*work.Shared, int], own func(context.Context, *work.Shared) error) job {
	return func(ctx context.Context, partner []int) (values, error) {
		s := work.NewShared()
		var v float64
		err := beside(ctx, multiproc.NewProcess(other, s, at(partner)...), func() (err error) {
			v, err = trips(func() error { return own(ctx, s) })
			return err
		})
		return one(v, err)
	}
}

// wake measures the time from setting an event until a process runs again that has slept for a millisecond.
func wake(ctx context.Context, partner []int) (values, error) {
	s := work.NewShared()
	var v float64
	err := beside(ctx, multiproc.NewProcess(work.Wake, s, at(partner)...), func() (err error) {
		if err := s.RoundTrip(ctx); err != nil { // it is there
			return err
		}
		v, err = median(60, func() (float64, error) {
			time.Sleep(time.Millisecond)
			start := work.Clock()
			if err := s.RoundTrip(ctx); err != nil {
				return 0, err
			}
			return float64(s.Past.Load()-start) / 1e9, nil
		})
		return err
	})
	return one(v, err)
}

// summed is how many numbers are added up: 8 MiB of them.
const summed = 1 << 20

// arraySum measures bytes a second when the numbers lie in shared memory, and in a plain slice, in turn.
func arraySum(context.Context, []int) (values, error) {
	a, err := shm.NewArena(16 << 20)
	if err != nil {
		return nil, err
	}
	array, err := shm.NewArray[int64](a, summed)
	if err != nil {
		return nil, err
	}
	where := map[string][]int64{"array": array.Unsafe(), "slice": make([]int64, summed)}
	adds := make(map[string]func() error)
	for name, s := range where {
		for i := range s {
			s[i] = int64(i)
		}
		adds[name] = func() error {
			if sum(s) != summed*(summed-1)/2 {
				return errors.New("the sum is wrong")
			}
			return nil
		}
	}
	v, err := inTurn(50, adds)
	runtime.KeepAlive(array)
	for name, took := range v {
		v[name] = 8 * summed / took
	}
	return v, err
}

func sum(s []int64) (n int64) {
	for _, v := range s {
		n += v
	}
	return n
}
