package multiproc

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// keen lets one idle worker of a pool on OS threads look for the next job for a short time before it sleeps, and those
// who wait for short calls do so too. To wake a goroutine that is locked to a thread is a switch of threads, 20 to 30 µs
// from one CPU to another, and a call needs two.
type keen struct {
	on      bool          // on threads, and there is another CPU to post from
	polling bool          // a worker is at it; behind the pool's mu
	posted  atomic.Uint64 // jobs posted so far
}

// poll looks for the next job that is posted, with mu unlocked meanwhile.
func (k *keen) poll(mu *sync.Mutex) {
	k.polling = true
	seen := k.posted.Load() // behind mu, so whatever was posted before has been seen
	mu.Unlock()
	pollFor(spinTime, func() bool { return k.posted.Load() != seen })
	mu.Lock()
	k.polling = false
}

// await waits as those do who expect a short call, while calls are short.
func (l *local[In, Out]) await(ctx context.Context, w waitable) error {
	if !l.keen.on {
		return waitOn(ctx, w)
	}
	began := time.Now()
	if l.brief.Load() && pollFor(spinTime, w.ready) {
		return nil
	}
	err := waitOn(ctx, w)
	l.brief.Store(time.Since(began) < longCall)
	return err
}

// fewYields is how often one who polls gives way to other processes alone, before others of this process get their turn.
const fewYields = 8

// pollFor polls until ready, or for d, and gives way between: to other processes, and when it gets longer to goroutines of
// this one, which may have work while all Ps poll. To do so at once would cost half of the pace.
func pollFor(d time.Duration, ready func() bool) bool {
	var began time.Time
	for yields := 0; ; yields++ {
		for range spinPolls {
			if ready() {
				return true
			}
		}
		now := time.Now()
		if began.IsZero() {
			began = now
		} else if now.Sub(began) > d {
			return false
		}
		if yields >= fewYields {
			runtime.Gosched()
		}
		osYield()
	}
}
