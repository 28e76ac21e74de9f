//go:build amd64 || arm64

package multiproc

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/parbench/parbench/strategies/multiproc/shm"
)

// faultScene is a pool, a queue, a pipe and locks, all in use by this process and by others.
type faultScene struct {
	ctx    context.Context
	rng    *rand.Rand // of the one who sets the scene
	seed   uint64
	fail   func(error)
	arena  *shm.Arena
	share  faultShare
	conn   *ByteConn // this process's end
	pool   *ProcessPool[faultTask, []byte]
	kin    []*Process
	stop   chan struct{}
	wg     sync.WaitGroup
	null   *os.File
	calls  atomic.Int64
	struck atomic.Int64 // signals that kill, sent to workers of the pool
	lost   atomic.Int64 // calls that were lost to them
}

// newFaultScene starts everything, drawn from the seed. fail is told what must not happen.
func newFaultScene(ctx context.Context, seed uint64, fail func(error)) (*faultScene, error) {
	s := &faultScene{ctx: ctx, rng: rand.New(rand.NewPCG(seed, 0)), seed: seed, fail: fail, stop: make(chan struct{})}
	var err error
	if s.null, err = os.OpenFile(os.DevNull, os.O_WRONLY, 0); err != nil {
		return nil, err
	}
	if s.arena, err = shm.NewArena(1 << 16); err != nil {
		return nil, err
	}
	var errs [7]error
	s.share.Mutex, errs[0] = s.arena.NewMutex()
	s.share.RW, errs[1] = s.arena.NewRWMutex()
	s.share.Sem, errs[2] = s.arena.NewBoundedSemaphore(2)
	s.share.Stop, errs[3] = s.arena.NewEvent()
	s.share.Pairs, errs[4] = shm.NewArray[int64](s.arena, 4)
	s.share.Queue, errs[5] = NewQueue[blob](1+s.rng.IntN(8), QueueBytes(int64(4000+s.rng.IntN(8000)))) // full most of the time
	s.conn, s.share.Conn, errs[6] = NewByteDuplex(QueueBytes(20_000))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, err
	}
	opts := []PoolOption{Workers(1 + s.rng.IntN(3)), MaxInFlight(1 + s.rng.IntN(40)), WithStderr(s.null), Restart(1000)}
	for _, o := range []PoolOption{pipesOnly, MaxTasks(1 + s.rng.IntN(30)), Lazy(), OwnGroup()} {
		if s.rng.IntN(3) == 0 {
			opts = append(opts, o)
		}
	}
	if s.pool, err = NewPool(ctx, faultTasks, opts...); err != nil {
		return nil, err
	}
	conn := s.share.Conn
	for _, do := range []string{"lock", "lock", "rw", "rw", "put", "put", "get", "get", "echo"} {
		if s.rng.IntN(3) == 0 && do != "echo" {
			continue
		}
		s.share.Do, s.share.Conn = do, nil
		if do == "echo" {
			s.share.Conn = conn
		}
		p := NewProcess(faultKin, s.share, WithStderr(s.null))
		if err := p.Start(ctx); err != nil {
			return nil, err
		}
		s.kin = append(s.kin, p)
	}
	for i, f := range []func(*rand.Rand){s.callPool, s.callPool, s.callPool, s.useQueue, s.usePipe, s.useLocks} {
		s.wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(i+1)))
			for !s.over() {
				f(rng)
			}
		})
	}
	return s, nil
}

func (s *faultScene) over() bool {
	select {
	case <-s.stop:
		return true
	case <-s.ctx.Done():
		return true
	default:
		return false
	}
}

// task draws a task; harsh ones cost their worker.
func (s *faultScene) task(rng *rand.Rand, harsh bool) faultTask {
	f := faultTask{ID: rng.IntN(1 << 20), Do: "make"}
	f.Size = []int{0, 1, 40, 41, 3000, 70_000, 1 << 20}[min(rng.IntN(60)/8, 6)]
	switch n := rng.IntN(100); {
	case n < 40:
		f.Do, f.In = "echo", pattern(f.ID, f.Size)
	case n < 50:
		f.Do = "sleep"
	case n < 55:
		f.Do = "fail"
	case n < 58:
		f.Do = "panic"
	case n < 60 && harsh:
		f.Do = []string{"die", "torn", "garbage"}[rng.IntN(3)]
	}
	return f
}

// outcome checks what came of a task; without harm to its worker that is what the function returns.
func (s *faultScene) outcome(f faultTask, b []byte, err error, opts ...error) {
	s.calls.Add(1)
	var ce *CrashError
	var q quotaError
	var pe *PanicError
	own := f.Do == "die" || f.Do == "torn" || f.Do == "garbage"
	switch {
	case slices.ContainsFunc(opts, func(e error) bool { return errors.Is(err, e) }):
	case errors.As(err, &ce) && own:
	case errors.As(err, &ce):
		s.lost.Add(1)
	case own:
		s.fail(errors.Join(errors.New(f.Do+" went well"), err))
	case f.Do == "fail" && errors.As(err, &q) && q.Left == f.ID:
	case f.Do == "panic" && errors.As(err, &pe):
	case err != nil:
		s.fail(err)
	case !bytes.Equal(b, pattern(f.ID, f.Size)):
		s.fail(errDamage)
	}
}

// callPool calls the pool in one of its ways.
func (s *faultScene) callPool(rng *rand.Rand) {
	ctx := s.ctx
	tasks := make([]faultTask, 1+rng.IntN(20))
	switch []int{0, 0, 0, 0, 0, 0, 2, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6}[rng.IntN(18)] {
	case 0:
		f := s.task(rng, true)
		b, err := s.pool.Apply(ctx, f)
		s.outcome(f, b, err)
	case 2: // a busy loop that only its timeout ends
		f := faultTask{Do: "spin"}
		b, err := s.pool.Apply(ctx, f, Timeout(time.Duration(1+rng.IntN(3))*time.Millisecond))
		s.outcome(f, b, err, ErrTimeout)
	case 3: // a caller who goes away
		brief, cancel := context.WithTimeout(ctx, time.Duration(rng.IntN(1000))*time.Microsecond)
		f := s.task(rng, false)
		b, err := s.pool.Apply(brief, f)
		cancel()
		s.outcome(f, b, err, context.DeadlineExceeded)
	case 4:
		var futs []*Future[[]byte]
		for i := range tasks {
			tasks[i] = s.task(rng, true)
			var opts []CallOption
			if rng.IntN(2) == 0 {
				opts = append(opts, Affinity([]string{"a", "b"}[rng.IntN(2)]))
			}
			fut, err := s.pool.ApplyAsync(ctx, tasks[i], opts...)
			if err != nil {
				s.fail(err)
				return
			}
			if futs = append(futs, fut); rng.IntN(9) == 0 {
				fut.Cancel()
			}
		}
		for i, fut := range futs {
			b, err := fut.Get(ctx)
			s.outcome(tasks[i], b, err, ErrCancelled)
		}
	case 5:
		for i := range tasks {
			tasks[i] = s.task(rng, true)
		}
		i, until := 0, rng.IntN(30) // which may be in the middle
		for b, err := range s.pool.Imap(ctx, slices.Values(tasks)) {
			s.outcome(tasks[i], b, err)
			if i++; i == until {
				break
			}
		}
	case 6: // chunks: a crash takes all of one
		for i := range tasks {
			tasks[i] = faultTask{ID: rng.IntN(1 << 20), Size: rng.IntN(5000), Do: "make"}
		}
		out, err := s.pool.Map(ctx, tasks, Chunk(1+rng.IntN(5)), Retry(1000))
		if err != nil || len(out) != len(tasks) {
			s.fail(errors.Join(errors.New("Map with Retry"), err))
			return
		}
		for i, b := range out {
			s.outcome(tasks[i], b, nil)
		}
	}
}

func (s *faultScene) useQueue(rng *rand.Rand) {
	ctx, cancel := context.WithTimeout(s.ctx, time.Duration(rng.IntN(5))*time.Millisecond)
	defer cancel()
	if rng.IntN(2) == 0 {
		n := rng.IntN(1 << 20)
		err := s.share.Queue.Put(ctx, blob{"item", pattern(n, rng.IntN(3000))})
		if err != nil && !errors.Is(err, ErrFull) && !errors.Is(err, ErrClosed) {
			s.fail(err)
		}
		return
	}
	b, err := s.share.Queue.Get(ctx)
	if err == nil {
		err = whole(b)
	}
	if err != nil && !errors.Is(err, ErrEmpty) && !errors.Is(err, ErrClosed) {
		s.fail(err)
	}
}

// usePipe sends and receives what comes back, until the other process is gone.
func (s *faultScene) usePipe(rng *rand.Rand) {
	for !s.over() {
		m := pattern(rng.IntN(100), rng.IntN(5000))
		err := s.conn.SendBytes(s.ctx, m)
		if err == nil {
			var b []byte
			if b, err = s.conn.RecvBytes(s.ctx); err == nil && !bytes.Equal(b, m) {
				err = errDamage
			}
		}
		if errors.Is(err, io.EOF) || errors.Is(err, ErrClosed) {
			<-s.stop
			return
		}
		if err != nil && s.ctx.Err() == nil {
			s.fail(err)
			return
		}
	}
}

func (s *faultScene) useLocks(rng *rand.Rand) {
	pairs := s.share.Pairs.Unsafe()
	ctx, cancel := context.WithTimeout(s.ctx, time.Duration(rng.IntN(20_000))*time.Microsecond)
	defer cancel()
	if st, err := s.share.Mutex.Lock(ctx); err == nil {
		s.check(errors.Join(step(pairs[0:2], st), s.share.Mutex.Unlock()))
	} else if !errors.Is(err, context.DeadlineExceeded) {
		s.fail(err)
	}
	if st, err := s.share.RW.Lock(ctx); err == nil {
		s.check(errors.Join(step(pairs[2:4], st), s.share.RW.Unlock()))
	} else if !errors.Is(err, context.DeadlineExceeded) {
		s.fail(err)
	}
}

func (s *faultScene) check(err error) {
	if err != nil {
		s.fail(err)
	}
}

// strike does one thing to one process.
func (s *faultScene) strike(rng *rand.Rand, counts map[string]int) {
	pids := s.pool.Pids()
	worker := len(pids) > 0 && rng.IntN(2) == 0
	var send func(syscall.Signal)
	if worker {
		pid := pids[rng.IntN(len(pids))]
		send = func(sig syscall.Signal) { _ = syscall.Kill(pid, sig) }
	} else {
		p := s.kin[rng.IntN(len(s.kin))]
		send = func(sig syscall.Signal) { _ = p.Signal(sig) }
	}
	kills := func(sig syscall.Signal) {
		if worker {
			s.struck.Add(1)
		}
		send(sig)
	}
	nap := func() { time.Sleep(time.Duration(rng.IntN(5000)) * time.Microsecond) }
	switch rng.IntN(5) {
	case 0, 1:
		counts["SIGKILL"]++
		kills(syscall.SIGKILL)
	case 2:
		counts["SIGTERM"]++
		kills(syscall.SIGTERM)
	case 3:
		counts["SIGSTOP, SIGCONT"]++
		send(syscall.SIGSTOP)
		nap()
		send(syscall.SIGCONT)
	case 4:
		counts["SIGSTOP, SIGKILL"]++
		send(syscall.SIGSTOP)
		nap()
		kills(syscall.SIGKILL)
	}
	nap()
}

// end ends everything in an orderly way, and checks what is left.
func (s *faultScene) end() error {
	close(s.stop)
	s.share.Stop.Set()
	err := errors.Join(s.share.Queue.Close(), s.conn.Close())
	s.wg.Wait()
	for _, p := range s.kin {
		exit, e := p.Join(s.ctx)
		if e != nil {
			return errors.Join(errors.New("a process does not end"), e)
		}
		if _, e := Result[int](s.ctx, p); e != nil && exit.Signal == 0 {
			err = errors.Join(err, e)
		}
	}
	if e := s.pool.Shutdown(s.ctx); e != nil {
		err = errors.Join(err, errors.New("the pool does not end"), e)
	}
	if st := s.pool.Stats(); st.Queued+st.Running+st.Workers != 0 {
		err = errors.Join(err, errors.New("the pool has not finished"))
	}
	if lost, struck := s.lost.Load(), s.struck.Load(); lost > struck {
		err = errors.Join(err, errors.New("more calls were lost than workers killed"))
	}
	st, e := s.share.Mutex.Lock(s.ctx)
	if e == nil {
		e = errors.Join(repaired(s.share.Pairs.Unsafe()[0:2], st), s.share.Mutex.Unlock())
	}
	st, e2 := s.share.RW.Lock(s.ctx)
	if e2 == nil {
		e2 = errors.Join(repaired(s.share.Pairs.Unsafe()[2:4], st), s.share.RW.Unlock())
	}
	for {
		b, e := s.share.Queue.TryGet()
		if errors.Is(e, ErrClosed) {
			break
		}
		if e == nil {
			e = whole(b)
		}
		if e != nil {
			err = errors.Join(err, e)
			break
		}
	}
	return errors.Join(err, e, e2, s.share.Queue.Detach(), s.arena.Close(), s.null.Close())
}
