package multiproc

import (
	"bytes"
	"context"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/parbench/parbench/internal/testenv"
)

// heapGoal is the heap at which the garbage collector would begin, and the memory in use, in bytes, after a few
// collections.
type heapGoal struct{ Next, Resident uint64 }

var collectGarbage = Register("test.collect-garbage", func(ctx context.Context, wait bool) (heapGoal, error) {
	runtime.GC()
	for wait && reserve.Load() == nil && ctx.Err() == nil {
		time.Sleep(time.Millisecond) // the clean-up has a goroutine of its own
	}
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return heapGoal{}, err
	}
	pages, err := strconv.ParseUint(string(bytes.Fields(b)[1]), 10, 64)
	return heapGoal{m.NextGC, pages * uint64(os.Getpagesize())}, err
})

// A child's collector begins late, for no memory; not where GOGC or a limit says when.
func TestHeapReserve(t *testing.T) {
	got, err := Call(t.Context(), collectGarbage, true)
	if err != nil {
		t.Fatal(err)
	}
	if got.Next < 2*heapReserve {
		t.Errorf("the next collection begins at %d bytes, want at least %d", got.Next, 2*heapReserve)
	}
	if got.Resident > heapReserve && !testenv.Race {
		t.Errorf("a process that holds nothing uses %d bytes", got.Resident)
	}
	for _, o := range []ProcOption{WithEnv("GOGC=100"), WithMemoryLimit(1 << 30)} {
		if got, err := Call(t.Context(), collectGarbage, false, o); err != nil || got.Next >= heapReserve {
			t.Errorf("with a rate or limit set: the next collection begins at %d bytes, %v", got.Next, err)
		}
	}
}
