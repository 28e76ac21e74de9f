// Package work holds what bench-multiproc runs in other processes. It imports nothing but multiproc and shm, so that its
// functions are registered when the early entry of the program looks for them, as those of parbench itself are.
package work

import (
	"context"

	"github.com/parbench/parbench/strategies/multiproc"
)

// Int and Bytes return what they get: the tasks of every pool that is measured.
var (
	Int   = multiproc.Register("bench.int", echo[int])
	Bytes = multiproc.Register("bench.bytes", echo[[]byte])
)

func echo[T any](_ context.Context, v T) (T, error) { return v, nil }

// Nothing is what a process does whose start and join are measured.
var Nothing = multiproc.Register("bench.nothing", func(context.Context, struct{}) (struct{}, error) { return struct{}{}, nil })
