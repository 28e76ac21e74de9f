package multiproc

import (
	"slices"
	"time"
)

// How long a worker's place stays empty between attempts to fill it.
const (
	firstPause = 5 * time.Millisecond
	lastPause  = 200 * time.Millisecond
)

// spared waits for a moment before another attempt to start a worker in the place of one that is gone. False means that
// there is to be none: what keeps it from starting, such as a lack of descriptors or processes, breaks the pool only
// where no other worker is left, and where no work is left nobody needs it.
func (p *peer) spared(pause time.Duration) bool {
	f := p.f
	others := func() bool { // and this place is needed
		f.mu.Lock()
		defer f.mu.Unlock()
		return p.heir && f.state != poolTerminated && (f.state == poolOpen || f.queue.waiting(p.slot) > 0) &&
			slices.ContainsFunc(f.workers, func(q *peer) bool { return q.up })
	}
	if !others() {
		return false
	}
	time.Sleep(pause)
	return others()
}
