package work

import (
	"context"
	"os"
	"strconv"
	"time"

	"github.com/parbench/parbench/strategies/multiproc"
	"github.com/parbench/parbench/strategies/multiproc/shm"
)

// Shared are the objects in shared memory that two processes measure together. Every measurement uses some of them.
type Shared struct {
	Arena      *shm.Arena
	Lock       *shm.Mutex
	Ping, Pong *shm.Event
	Cond       *shm.Cond // with Lock
	Meet       *shm.Barrier
	Turn       *shm.Value[int64] // whose it is, with Lock
	Count      *shm.Value[int64] // with Lock
	Past       *shm.Value[int64] // how often the child has passed the lock, or when it last woke
}

// Place says where another process finds them.
type Place struct {
	File string
	Refs [8]shm.Ref
	Add  bool // Pass adds to Count while it holds the lock
}

// must ends what measures or helps to measure: without its objects there is nothing that it could do.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// NewShared makes the objects. It panics where there is no shared memory.
func NewShared() (*Shared, Place) {
	a := must(shm.NewArena(1 << 20))
	lock := must(a.NewMutex())
	s := &Shared{
		Arena: a, Lock: lock, Ping: must(a.NewEvent()), Pong: must(a.NewEvent()), Cond: must(a.NewCond(lock)),
		Meet: must(a.NewBarrier(2, nil)), Turn: must(shm.NewValue[int64](a, 0)), Count: must(shm.NewValue[int64](a, 0)),
		Past: must(shm.NewValue[int64](a, 0)),
	}
	return s, Place{
		File: "/proc/" + strconv.Itoa(os.Getpid()) + "/fd/" + strconv.Itoa(int(a.File().Fd())),
		Refs: [8]shm.Ref{s.Lock.Ref(), s.Ping.Ref(), s.Pong.Ref(), s.Cond.Ref(), s.Meet.Ref(), s.Turn.Ref(), s.Count.Ref(), s.Past.Ref()},
	}
}

// open finds the objects that another process made.
func (p Place) open() *Shared {
	f := must(os.OpenFile(p.File, os.O_RDWR, 0))
	defer f.Close()
	a := must(shm.Open(f))
	return &Shared{
		Arena: a, Lock: must(a.Mutex(p.Refs[0])), Ping: must(a.Event(p.Refs[1])), Pong: must(a.Event(p.Refs[2])),
		Cond: must(a.Cond(p.Refs[3])), Meet: must(a.Barrier(p.Refs[4], nil)), Turn: must(shm.AttachValue[int64](a, p.Refs[5])),
		Count: must(shm.AttachValue[int64](a, p.Refs[6])), Past: must(shm.AttachValue[int64](a, p.Refs[7])),
	}
}

// partner registers the child's side of a measurement: a step that it repeats until it is killed.
func partner(name string, step func(ctx context.Context, p Place, s *Shared) error) multiproc.Func[Place, int] {
	return multiproc.Register(name, func(ctx context.Context, p Place) (int, error) {
		for s := p.open(); ; {
			if err := step(ctx, p, s); err != nil {
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
	Pass = partner("bench.pass", func(ctx context.Context, p Place, s *Shared) error {
		if err := s.PassLock(ctx, passes, p.Add); err != nil {
			return err
		}
		s.Past.Add(passes)
		return nil
	})
	// Answer waits for Ping and sets Pong.
	Answer = partner("bench.answer", func(ctx context.Context, _ Place, s *Shared) error { return hop(ctx, s.Ping, s.Pong) })
	// Swing takes every second turn.
	Swing = partner("bench.swing", func(ctx context.Context, _ Place, s *Shared) error { return s.TakeTurn(ctx, 1) })
	// Gather meets the parent.
	Gather = partner("bench.gather", func(ctx context.Context, _ Place, s *Shared) error {
		_, err := s.Meet.Wait(ctx)
		return err
	})
	// Wake notes when it was woken, and says that it has.
	Wake = partner("bench.wake", func(ctx context.Context, _ Place, s *Shared) error {
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
func (s *Shared) PassLock(ctx context.Context, n int, add bool) error {
	for range n {
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

// hop waits for one event and sets the other.
func hop(ctx context.Context, wait, set *shm.Event) error {
	if err := wait.Wait(ctx); err != nil {
		return err
	}
	wait.Clear()
	set.Set()
	return nil
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
