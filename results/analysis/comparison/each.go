package comparison

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// few is how many rows one CPU judges sooner than a second one is asked.
const few = 16

// each calls f with all numbers below n, on all CPUs where there are many.
func each(n int, f func(i int)) {
	var next atomic.Int64
	work := func() {
		for {
			hi := int(next.Add(few))
			for i := hi - few; i < min(hi, n); i++ {
				f(i)
			}
			if hi >= n {
				return
			}
		}
	}
	var others sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), (n+few-1)/few) - 1 {
		others.Go(work)
	}
	work()
	others.Wait()
}
