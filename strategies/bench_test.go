package strategies

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/parbench/parbench/workloads"
)

// BenchmarkEmptyTasks shows what a strategy adds to a task that does nothing, for 2 workers. "shared index" is what
// hand-written code does, goroutines that draw from one atomic counter; pool should not be slower.
//
//	go test ./strategies -run '^$' -bench EmptyTasks -count 5
func BenchmarkEmptyTasks(b *testing.B) {
	const workers = 2
	b.Run("shared index", func(b *testing.B) {
		var next atomic.Int64
		var sum atomic.Uint64
		var running sync.WaitGroup
		tasks := workloads.Tasks(taskFunc(emptyTask))
		for range workers {
			running.Go(func() {
				var own uint64
				for {
					i := int(next.Add(1)) - 1
					if i >= b.N {
						break
					}
					d, err := tasks.Task(b.Context(), i)
					if err != nil {
						b.Error(err)
					}
					own = workloads.Combine(own, i, d)
				}
				sum.Add(own)
			})
		}
		running.Wait()
	})
	for _, locked := range []bool{false, true} {
		b.Run("crew locked="+strconv.FormatBool(locked), func(b *testing.B) {
			c := newCrew(taskFunc(emptyTask), workers, locked)
			defer closeCrew(b, c)
			b.ResetTimer()
			if _, err := c.Run(b.Context(), b.N); err != nil {
				b.Error(err)
			}
		})
	}
	b.Run("sequential", func(b *testing.B) {
		s := &sequential{tasks: taskFunc(emptyTask)}
		if _, err := s.Run(b.Context(), b.N); err != nil {
			b.Error(err)
		}
	})
	b.Run("goroutines", func(b *testing.B) {
		g := &goroutines{tasks: taskFunc(emptyTask)}
		if _, err := g.Run(b.Context(), b.N); err != nil {
			b.Error(err)
		}
	})
}

func emptyTask(_ context.Context, i int) (uint64, error) { return uint64(i), nil }
