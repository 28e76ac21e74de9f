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
	// 0 task 1: not a positive number
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
