//go:build linux && (amd64 || arm64)

package multiproc_test

import (
	"context"
	"fmt"

	"github.com/parbench/parbench/strategies/multiproc"
)

type line struct {
	From, To *multiproc.Queue[int]
}

// A consumer ends when its queue is closed and empty; it needs no marker for that.
var doubled = multiproc.Register("example.doubled", func(ctx context.Context, l line) (int, error) {
	n := 0
	for v, err := range l.From.All(ctx) {
		if err != nil {
			return n, err
		}
		if err := l.To.Put(ctx, 2*v); err != nil {
			return n, err
		}
		n++
	}
	return n, l.To.Close()
})

// A process between two queues.
func ExampleQueue() {
	ctx := context.Background()
	in, err := multiproc.NewQueue[int](16)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer in.Detach()
	out, err := multiproc.NewQueue[int](16)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer out.Detach()
	p := multiproc.NewProcess(doubled, line{in, out})
	if err := p.Start(ctx); err != nil {
		fmt.Println(err)
		return
	}
	for i := range 5 {
		if err := in.Put(ctx, i); err != nil {
			fmt.Println(err)
		}
	}
	in.Close()
	for v, err := range out.All(ctx) {
		fmt.Println(v, err)
	}
	fmt.Println(multiproc.Result[int](ctx, p))
	// Output:
	// 0 <nil>
	// 2 <nil>
	// 4 <nil>
	// 6 <nil>
	// 8 <nil>
	// 5 <nil>
}
