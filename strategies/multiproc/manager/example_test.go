//go:build linux && (amd64 || arm64)

package manager_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"slices"

	"github.com/parbench/parbench/strategies/multiproc"
	"github.com/parbench/parbench/strategies/multiproc/manager"
)

// The articles' program: a dict and a list that processes fill.

type job struct {
	Squares manager.Dict[int, int]
	Done    manager.List[string]
	N       int
}

var work = multiproc.Register("example.manager.work", func(ctx context.Context, j job) (struct{}, error) {
	err := j.Squares.Set(ctx, j.N, j.N*j.N)
	return struct{}{}, errors.Join(err, j.Done.Append(ctx, fmt.Sprintf("job %d", j.N)))
})

func Example() {
	ctx := context.Background()
	m, err := manager.Start(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Shutdown(ctx)
	squares, err := manager.NewDict[int, int](ctx, m)
	if err != nil {
		log.Fatal(err)
	}
	done, err := manager.NewList[string](ctx, m)
	if err != nil {
		log.Fatal(err)
	}

	pool, err := multiproc.NewPool(ctx, work, multiproc.Workers(2))
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Shutdown(ctx)
	jobs := []job{{squares, done, 1}, {squares, done, 2}, {squares, done, 3}}
	if _, err := pool.Map(ctx, jobs); err != nil { // handles are arguments
		log.Fatal(err)
	}

	content, err := squares.Copy(ctx)
	fmt.Println(content, err)
	names, err := done.Slice(ctx, 0, -1)
	slices.Sort(names) // whoever was first
	fmt.Println(names, err)
	// Output:
	// map[1:1 2:4 3:9] <nil>
	// [job 1 job 2 job 3] <nil>
}

// A queue and a lock of a manager, which processes get as arguments.

type shift struct {
	Jobs  manager.Queue[int]
	Total manager.Value[int]
}

var consumer = multiproc.Register("example.manager.consumer", func(ctx context.Context, s shift) (struct{}, error) {
	for n, err := range s.Jobs.All(ctx) { // until the queue is closed and empty
		if err != nil {
			return struct{}{}, err
		}
		if _, err := manager.AddTo(ctx, s.Total, n); err != nil {
			return struct{}{}, err
		}
	}
	return struct{}{}, nil
})

func ExampleQueue() {
	ctx := context.Background()
	m, err := manager.Start(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Shutdown(ctx)
	jobs, err1 := manager.NewQueue[int](ctx, m, 4)
	total, err2 := manager.NewValue(ctx, m, 0)
	if err := errors.Join(err1, err2); err != nil {
		log.Fatal(err)
	}
	consumers := []*multiproc.Process{
		multiproc.NewProcess(consumer, shift{jobs, total}),
		multiproc.NewProcess(consumer, shift{jobs, total}),
	}
	for _, p := range consumers {
		if err := p.Start(ctx); err != nil {
			log.Fatal(err)
		}
	}
	for n := 1; n <= 100; n++ {
		if err := jobs.Put(ctx, n); err != nil { // waits while four are in the queue
			log.Fatal(err)
		}
	}
	if err := jobs.Close(ctx); err != nil {
		log.Fatal(err)
	}
	for _, p := range consumers {
		if _, err := p.Join(ctx); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(total.Get(ctx))
	// Output: 5050 <nil>
}

// Account is a type whose values live in a manager.
type Account struct{ balance chan int }

// ErrOverdrawn is found by errors.Is in other processes too.
var ErrOverdrawn = errors.New("overdrawn")

// Deposit changes the balance and returns it.
func (a *Account) Deposit(_ context.Context, amount int) (int, error) {
	balance := <-a.balance // methods run at the same time
	if balance+amount < 0 {
		a.balance <- balance
		return balance, ErrOverdrawn
	}
	a.balance <- balance + amount
	return balance + amount, nil
}

var (
	accounts = manager.RegisterService("example.account", func(context.Context) (*Account, error) {
		a := &Account{make(chan int, 1)}
		a.balance <- 0
		return a, nil
	})
	deposit = manager.RegisterMethod(accounts, "Deposit", (*Account).Deposit)
	_       = multiproc.RegisterSentinel("example.ErrOverdrawn", ErrOverdrawn)
)

func ExampleRegisterService() {
	ctx := context.Background()
	m, err := manager.Start(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Shutdown(ctx)
	account, err := accounts.New(ctx, m)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(deposit.Call(ctx, account, 100))
	_, err = deposit.Call(ctx, account, -200)
	fmt.Println(errors.Is(err, ErrOverdrawn))
	// Output:
	// 100 <nil>
	// true
}

// The same program with objects in this process.
func ExampleNewLocal() {
	ctx := context.Background()
	m, err := manager.NewLocal()
	if err != nil {
		log.Fatal(err)
	}
	defer m.Shutdown(ctx)
	hits, err := manager.NewDict[string, int](ctx, m)
	if err != nil {
		log.Fatal(err)
	}
	for _, word := range []string{"a", "b", "a"} {
		if _, err := manager.Add(ctx, hits, word, 1); err != nil { // atomic, as in a process
			log.Fatal(err)
		}
	}
	fmt.Println(hits.Copy(ctx))
	// Output: map[a:2 b:1] <nil>
}
