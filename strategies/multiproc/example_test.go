//go:build linux

package multiproc_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"slices"
	"time"

	"github.com/parbench/parbench/strategies/multiproc"
)

// Registered in a package variable: parent and child both have it.
var collatz = multiproc.Register("collatz", func(_ context.Context, n int) (steps int, err error) {
	if n < 1 {
		return 0, errors.New("not a positive number")
	}
	for ; n != 1; steps++ {
		if n%2 == 0 {
			n /= 2
		} else {
			n = 3*n + 1
		}
	}
	return steps, nil
})

// The first statement of main must be multiproc.Main(); in this test binary it is that of TestMain.
func Example() {
	ctx := context.Background()
	pool, err := multiproc.NewPool(ctx, collatz, multiproc.Workers(2))
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Shutdown(ctx)

	steps, err := pool.Map(ctx, []int{6, 7, 27})
	fmt.Println(steps, err)

	for n, err := range pool.Imap(ctx, slices.Values([]int{3, 0, 4})) {
		fmt.Println(n, err)
	}

	one, err := multiproc.Call(ctx, collatz, 97) // a process of its own
	fmt.Println(one, err)
	// Output:
	// [8 16 111] <nil>
	// 7 <nil>
	// 0 collatz: item 1: not a positive number
	// 2 <nil>
	// 118 <nil>
}

// A timeout stops a loop that no context could stop; only that call is lost.
func ExampleTimeout() {
	ctx := context.Background()
	pool, err := multiproc.NewPool(ctx, forever, multiproc.Workers(1))
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Shutdown(ctx)

	_, err = pool.Apply(ctx, true, multiproc.Timeout(50*time.Millisecond))
	fmt.Println(errors.Is(err, multiproc.ErrTimeout))
	v, err := pool.Apply(ctx, false)
	fmt.Println(v, err)
	// Output:
	// true
	// 1 <nil>
}

var forever = multiproc.Register("forever", func(_ context.Context, spin bool) (int, error) {
	for spin { //nolint:staticcheck // on purpose
	}
	return 1, nil
})

// The dummy pool has the same interface on goroutines.
func ExampleNewLocalPool() {
	ctx := context.Background()
	pool, err := multiproc.NewLocalPool(func(_ context.Context, s string) (int, error) { return len(s), nil })
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Shutdown(ctx)
	fmt.Println(pool.Map(ctx, []string{"a", "bcd"}))
	// Output: [1 3] <nil>
}

// One goroutine submits, another looks at the results and ends the pool at the first match. However large the range,
// no more than 64 calls are under way and 64 results wait.
func Example_search() {
	ctx := context.Background()
	pool, err := multiproc.NewPool(ctx, collatz, multiproc.Workers(2), multiproc.MaxInFlight(64))
	if err != nil {
		log.Fatal(err)
	}
	results := make(chan *multiproc.Future[int], 64)
	go func() {
		defer close(results)
		for n := 1; n <= 500_000_000; n++ {
			future, err := pool.ApplyAsync(ctx, n) // waits while 64 calls are unfinished
			if err != nil {
				return // multiproc.ErrClosed: the search is over
			}
			results <- future
		}
	}()
	n := 0
	for future := range results {
		n++
		if steps, err := future.Get(ctx); err == nil && steps > 250 {
			fmt.Println(n, steps)
			break
		}
	}
	pool.Terminate()    // the submitter's next call returns ErrClosed
	for range results { // it may be waiting to hand over a result
	}
	// Output: 6171 261
}

// A value with a Run method runs in a process of its own, as a subclass of Python's Process does.
type greeter struct{ Name string }

func (g greeter) Run(context.Context) error {
	if g.Name == "" {
		return errors.New("nobody to greet")
	}
	return nil
}

var greeters = multiproc.RegisterRunner[greeter]("greeter")

func ExampleRegisterRunner() {
	ctx := context.Background()
	p := greeters.New(greeter{"Ada"}, multiproc.WithName("hello"))
	if err := p.Start(ctx); err != nil {
		log.Fatal(err)
	}
	exit, err := p.Join(ctx)
	fmt.Println(p.Name(), exit, err)
	// Output: hello exit status 0 <nil>
}

// Several functions share the workers of one set.
func ExampleBind() {
	ctx := context.Background()
	workers, err := multiproc.NewWorkers(ctx, multiproc.Workers(2))
	if err != nil {
		log.Fatal(err)
	}
	defer workers.Shutdown(ctx)
	fmt.Println(multiproc.Bind(workers, collatz).Apply(ctx, 27))
	fmt.Println(multiproc.Bind(workers, lengths).Map(ctx, []string{"a", "bcd"}))
	// Output:
	// 111 <nil>
	// [1 3] <nil>
}

var lengths = multiproc.Register("lengths", func(_ context.Context, s string) (int, error) { return len(s), nil })

// An error type that is registered arrives as what it was.
type rangeError struct{ Min, Max int }

func (e rangeError) Error() string { return "out of range" }

var (
	_       = multiproc.RegisterError[rangeError]("rangeError")
	checked = multiproc.Register("checked", func(_ context.Context, n int) (int, error) {
		if n > 9 {
			return 0, fmt.Errorf("checking %d: %w", n, rangeError{0, 9})
		}
		return n, nil
	})
)

func ExampleRegisterError() {
	_, err := multiproc.Call(context.Background(), checked, 12)
	var bad rangeError
	fmt.Println(err)
	fmt.Println(errors.As(err, &bad), bad.Max)
	// Output:
	// checked: checking 12: out of range
	// true 9
}
