package strategies

import (
	"context"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// TestThreads asks the kernel which thread each task runs on: as many as there are workers, the same ones in every
// batch, and never another one in the middle of a task that was parked.
func TestThreads(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	const workers = 4
	var mu sync.Mutex
	var seen map[int]int
	var there sync.WaitGroup
	c := newCrew(taskFunc(func(context.Context, int) (uint64, error) {
		before := syscall.Gettid()
		there.Done()
		there.Wait() // parks the goroutine
		if after := syscall.Gettid(); after != before {
			t.Errorf("a task went from thread %d to thread %d", before, after)
		}
		mu.Lock()
		seen[before]++
		mu.Unlock()
		return 0, nil
	}), workers, true)
	defer closeCrew(t, c)
	var first map[int]int
	for batch := range 20 {
		seen = map[int]int{}
		there.Add(workers)
		if _, err := c.Run(t.Context(), workers); err != nil {
			t.Fatal(err)
		}
		if batch == 0 {
			first = seen
		}
		for id, count := range seen {
			if len(seen) != workers || count != 1 || first[id] != 1 {
				t.Fatalf("batch %d ran on threads %v, the first one on %v", batch, seen, first)
			}
		}
	}
}
