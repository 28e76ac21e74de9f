package work

import (
	"context"
	"time"

	"github.com/parbench/parbench/strategies/multiproc"
	"github.com/parbench/parbench/strategies/multiproc/shm"
)

// Shared are the objects in shared memory that two processes measure together: the argument of the child. Every
// measurement uses some of them.
type Shared struct {
	Lock       *shm.Mutex
	Ping, Pong *shm.Event
	Cond       *shm.Cond // with Lock
	Meet       *shm.Barrier
	Turn       *shm.Value[int64] // whose it is, with Lock
	Count      *shm.Value[int64] // with Lock
	Past       *shm.Value[int64] // how often the child has passed the lock, or when it last woke
	Add        bool              // Pass adds to Count while it holds the lock
}

// NewShared makes the objects. It panics where there is no shared memory, without which nothing can be measured.
func NewShared() *Shared {
	a := must(shm.NewArena(1 << 20))
	lock := must(a.NewMutex())
	value := func() *shm.Value[int64] { return must(shm.NewValue[int64](a, 0)) }
	return &Shared{Lock: lock, Ping: must(a.NewEvent()), Pong: must(a.NewEvent()), Cond: must(a.NewCond(lock)),
		Meet: must(a.NewBarrier(2, nil)), Turn: value(), Count: value(), Past: value()}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// partner registers the child's side of a measurement: a step that it repeats until it is killed.
func partner(name string, step func(context.Context, *Shared) error) multiproc.Func[*Shared, int] {
	return multiproc.Register(name, func(ctx context.Context, s *Shared) (int, error) {
		for {
			if err := step(ctx, s); err != nil {
				return 0, err
			}
		}
	})
}

// passes is how often Pass takes the lock before it says so.
const passes = 64

// The child's sides.
var (
	// Pass takes the lock and releases it, and keeps count of that in Past.
	Pass = partner("bench.pass", func(ctx context.Context, s *Shared) error {
		if err := s.PassLock(ctx, passes); err != nil {
			return err
		}
		s.Past.Add(passes)
		return nil
	})
	// Answer waits for Ping and sets Pong.
	Answer = partner("bench.answer", func(ctx context.Context, s *Shared) error {
		if err := s.Ping.Wait(ctx); err != nil {
			return err
		}
		s.Ping.Clear()
		s.Pong.Set()
		return nil
	})
	// Swing takes every second turn.
	Swing = partner("bench.swing", func(ctx context.Context, s *Shared) error { return s.TakeTurn(ctx, 1) })
	// Gather meets the parent.
	Gather = partner("bench.gather", func(ctx context.Context, s *Shared) error {
		_, err := s.Meet.Wait(ctx)
		return err
	})
	// Wake notes when it was woken, and says that it has.
	Wake = partner("bench.wake", func(ctx context.Context, s *Shared) error {
		if err := s.Ping.Wait(ctx); err != nil {
			return err
		}
		s.Past.Store(Clock())
		s.Ping.Clear()
		s.Pong.Set()
		return nil
	})
)

// Clock is a moment in nanoseconds that two processes of one machine can compare.
func Clock() int64 { return time.Now().UnixNano() }

// PassLock takes the lock and releases it, n times.
func (s *Shared) PassLock(ctx context.Context, n int) error {
	for add := s.Add; n > 0; n-- {
		if _, err := s.Lock.Lock(ctx); err != nil {
			return err
		}
		if add {
			s.Count.Store(s.Count.Load() + 1)
		}
		if err := s.Lock.Unlock(); err != nil {
			return err
		}
	}
	return nil
}

// TakeTurn waits until it is the turn of me, 0 or 1, and makes it the other's.
func (s *Shared) TakeTurn(ctx context.Context, me int64) error {
	if _, err := s.Lock.Lock(ctx); err != nil {
		return err
	}
	for s.Turn.Load() != me {
		if _, err := s.Cond.Wait(ctx); err != nil {
			return err
		}
	}
	s.Turn.Store(1 - me)
	if err := s.Cond.Notify(); err != nil {
		return err
	}
	return s.Lock.Unlock()
}

// RoundTrip sets Ping and waits for Pong.
func (s *Shared) RoundTrip(ctx context.Context) error {
	s.Ping.Set()
	if err := s.Pong.Wait(ctx); err != nil {
		return err
	}
	s.Pong.Clear()
	return nil
}
