//go:build linux && (amd64 || arm64)

package multiproc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"strings"

	"github.com/parbench/parbench/strategies/multiproc"
	"github.com/parbench/parbench/strategies/multiproc/shm"
)

// The programs of the articles on Python's multiprocessing, as they are written here. Each returns an error where the
// article has none to handle; check is for these.

func check(errs ...error) {
	if err := errors.Join(errs...); err != nil {
		log.Fatal(err)
	}
}

var hello = multiproc.Register("example.hello", func(_ context.Context, name string) (int, error) {
	fmt.Println("hello", name)
	return os.Getpid(), nil
})

// Process(target=f, args=("Bob",)): start, join, and what it says about itself.
func ExampleProcess() {
	ctx := context.Background()
	p := multiproc.NewProcess(hello, "Bob", multiproc.WithName("greeter"))
	fmt.Println(p.Name(), p.Alive())
	check(p.Start(ctx))
	exit, err := p.Join(ctx)
	check(err)
	pid, err := multiproc.Result[int](ctx, p)
	check(err)
	fmt.Println(p.Alive(), exit, pid != os.Getpid())
	// Output:
	// greeter false
	// hello Bob
	// false exit status 0 true
}

// worker is what a subclass of Process with __init__ and run is.
type worker struct{ Num int }

// Run implements multiproc.Runner.
func (w worker) Run(context.Context) error {
	fmt.Println("worker", w.Num, "is", multiproc.Self().Name())
	return nil
}

var workers = multiproc.RegisterRunner[worker]("example.worker")

// class Worker(Process) with run; five of them, one after another so that the output is in order.
func ExampleRunner() {
	ctx := context.Background()
	for i := range 3 {
		p := workers.New(worker{i}, multiproc.WithName(fmt.Sprint("W", i)))
		check(p.Start(ctx))
		_, err := p.Join(ctx)
		check(err)
	}
	// Output:
	// worker 0 is W0
	// worker 1 is W1
	// worker 2 is W2
}

// p.apply_async(f, args=(i,)), p.close(), p.join(), res.get().
func ExampleNewPool() {
	ctx := context.Background()
	pool, err := multiproc.NewPool(ctx, collatz, multiproc.Workers(2))
	check(err)
	var results []*multiproc.Future[int]
	for n := range 5 {
		r, err := pool.ApplyAsync(ctx, n+1)
		check(err)
		results = append(results, r)
	}
	fmt.Println(pool.Join(ctx)) // too early
	check(pool.Close())
	_, err = pool.ApplyAsync(ctx, 6)
	fmt.Println(errors.Is(err, multiproc.ErrClosed))
	check(pool.Join(ctx))
	for _, r := range results {
		fmt.Println(r.Get(ctx))
	}
	// Output:
	// multiproc: pool is still running; call Close first
	// true
	// 0 <nil>
	// 1 <nil>
	// 7 <nil>
	// 2 <nil>
	// 5 <nil>
}

// late returns its number when the others that are before it in Turn have come back.
type late struct {
	N, Rank int64
	Turn    *shm.Value[int64]
}

var inTurn = multiproc.Register("example.inTurn", func(ctx context.Context, l late) (int64, error) {
	for l.Turn.Load() < l.Rank && ctx.Err() == nil {
	}
	return l.N, ctx.Err()
})

// imap yields in the order of the inputs, imap_unordered in that of completion. The article's inputs, 1, 3 and 5, come
// back in the same order either way; here the first task is the last to end.
func ExampleProcessPool_imap() {
	ctx := context.Background()
	pool, err := multiproc.NewPool(ctx, inTurn, multiproc.Workers(3))
	check(err)
	defer pool.Shutdown(ctx)
	arena, err := shm.NewArena(1 << 16)
	check(err)
	defer arena.Close()
	turn, err := shm.NewValue[int64](arena, 0)
	check(err)
	tasks := []late{{5, 2, turn}, {1, 0, turn}, {3, 1, turn}}

	for r, err := range pool.ImapUnordered(ctx, slices.Values(tasks)) {
		fmt.Println(r.Value, "from input", r.Index, err)
		turn.Add(1) // the next one may end
	}
	for v, err := range pool.Imap(ctx, slices.Values(tasks)) {
		fmt.Println(v, err)
	}
	// Output:
	// 1 from input 1 <nil>
	// 3 from input 2 <nil>
	// 5 from input 0 <nil>
	// 5 <nil>
	// 1 <nil>
	// 3 <nil>
}

var (
	produce = multiproc.Register("example.produce", func(ctx context.Context, q *multiproc.Queue[string]) (int, error) {
		for _, v := range []string{"A", "B", "C"} {
			if err := q.Put(ctx, v); err != nil {
				return 0, err
			}
		}
		return 3, q.Close() // no more will come
	})
	consume = multiproc.Register("example.consume", func(ctx context.Context, q *multiproc.Queue[string]) (int, error) {
		n := 0
		for v, err := range q.All(ctx) { // ends when the queue is closed and empty
			if err != nil {
				return n, err
			}
			fmt.Println("got", v)
			n++
		}
		return n, nil
	})
)

// Producer and consumer: in the article the consumer never ends, and join waits for ever.
func ExampleNewQueue() {
	ctx := context.Background()
	q, err := multiproc.NewQueue[string](2)
	check(err)
	defer q.Detach()
	writer, reader := multiproc.NewProcess(produce, q), multiproc.NewProcess(consume, q)
	check(writer.Start(ctx), reader.Start(ctx))
	fmt.Println(multiproc.Result[int](ctx, writer))
	n, err := multiproc.Result[int](ctx, reader)
	fmt.Println(n, err)
	// Unordered output:
	// 3 <nil>
	// got A
	// got B
	// got C
	// 3 <nil>
}

var shout = multiproc.Register("example.shout", func(ctx context.Context, c *multiproc.Conn[string, string]) (int, error) {
	for n := 0; ; n++ {
		s, err := c.Recv(ctx)
		if errors.Is(err, io.EOF) { // the other end is closed
			return n, nil
		}
		if err == nil {
			err = c.Send(ctx, strings.ToUpper(s))
		}
		if err != nil {
			return n, err
		}
	}
})

// conn1, conn2 = Pipe(): messages both ways between two processes.
func ExampleNewDuplex() {
	ctx := context.Background()
	here, there, err := multiproc.NewDuplex[string, string]()
	check(err)
	p := multiproc.NewProcess(shout, there)
	check(p.Start(ctx)) // the end is the child's from here on
	for _, s := range []string{"hello", "there"} {
		check(here.Send(ctx, s))
		fmt.Println(here.Recv(ctx))
	}
	check(here.Close())
	fmt.Println(multiproc.Result[int](ctx, p))
	// Output:
	// HELLO <nil>
	// THERE <nil>
	// 2 <nil>
}

// account is what several processes change together.
type account struct {
	Lock    *shm.Mutex
	Balance *shm.Array[float64]
	Entries *shm.Value[int64]
}

var deposit = multiproc.Register("example.deposit", func(ctx context.Context, a account) (struct{}, error) {
	for range 1000 {
		state, err := a.Lock.Lock(ctx)
		if err != nil {
			return struct{}{}, err
		}
		if state == shm.OwnerDied {
			return struct{}{}, errors.Join(errors.New("somebody died while depositing"), a.Lock.Unlock())
		}
		a.Balance.View(func(b []float64) { b[0] += 0.5; b[1] = max(b[1], b[0]) })
		if err := a.Lock.Unlock(); err != nil {
			return struct{}{}, err
		}
		a.Entries.Add(1) // needs no lock
	}
	return struct{}{}, nil
})

// Lock, Value and Array: four processes change what only the lock protects.
func Example_sharedMemory() {
	ctx := context.Background()
	arena, err := shm.NewArena(1 << 16)
	check(err)
	defer arena.Close()
	lock, err := arena.NewMutex()
	check(err)
	balance, err := shm.NewArray[float64](arena, 2)
	check(err)
	entries, err := shm.NewValue[int64](arena, 0)
	check(err)

	pool, err := multiproc.NewPool(ctx, deposit, multiproc.Workers(4))
	check(err)
	defer pool.Shutdown(ctx)
	_, err = pool.Map(ctx, slices.Repeat([]account{{lock, balance, entries}}, 4), multiproc.Chunk(1))
	check(err)
	balance.View(func(b []float64) { fmt.Println(b) })
	fmt.Println(entries.Load())
	// Output:
	// [2000 2000]
	// 4000
}

var greetings = multiproc.Register("example.greetings", func(ctx context.Context, p passed) (int, error) {
	f, err := p.From.RecvFile(ctx)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	b := make([]byte, 100)
	n, err := p.From.RecvInto(ctx, b)
	if err != nil {
		return 0, err
	}
	return f.Write(b[:n])
})

type passed struct{ From *multiproc.ByteReceiver }

// An open file and bytes through a pipe.
func ExampleNewBytePipe() {
	ctx := context.Background()
	r, s, err := multiproc.NewBytePipe()
	check(err)
	p := multiproc.NewProcess(greetings, passed{r})
	check(p.Start(ctx), s.SendFile(ctx, os.Stdout), s.SendBytes(ctx, []byte("from the child\n")), s.Close())
	fmt.Println(multiproc.Result[int](ctx, p))
	// Output:
	// from the child
	// 15 <nil>
}

// Calls of one key find what the worker has kept for it.
func ExampleAffinity() {
	ctx := context.Background()
	pool, err := multiproc.NewPool(ctx, tally, multiproc.Workers(3))
	check(err)
	defer pool.Shutdown(ctx)
	for _, user := range []string{"ann", "bob", "ann", "ann"} {
		n, err := pool.Apply(ctx, user, multiproc.Affinity(user))
		fmt.Println(user, n, err)
	}
	// Output:
	// ann 1 <nil>
	// bob 1 <nil>
	// ann 2 <nil>
	// ann 3 <nil>
}

var (
	tallies = make(map[string]int) // in each worker its own
	tally   = multiproc.Register("example.tally", func(_ context.Context, user string) (int, error) {
		tallies[user]++
		return tallies[user], nil
	})
)
