package host

import "time"

// Clock measures the clock that trials are timed with (time.Now's monotonic reading): the cost of a reading in
// nanoseconds, the least of several loops because everything that disturbs adds, and the smallest step seen between two
// readings that differ. It takes about 2 ms; 0 means unknown.
func (m *Machine) Clock() (costNS float64, stepNS int64) {
	return clock(time.Now)
}

// clock measures one clock.
func clock(now func() time.Time) (costNS float64, stepNS int64) {
	const loops, reads = 20, 1000
	for range loops {
		first := now()
		last := first
		for range reads {
			t := now()
			if d := t.Sub(last); d > 0 && (stepNS == 0 || int64(d) < stepNS) {
				stepNS = int64(d)
			}
			last = t
		}
		if c := float64(last.Sub(first)) / reads; c > 0 && (costNS == 0 || c < costNS) {
			costNS = c
		}
	}
	return costNS, stepNS
}
