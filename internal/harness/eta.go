package harness

import (
	"time"

	"github.com/parbench/parbench/results"
)

// means keeps the mean length of each cell's trials, for the ETA.
type means struct {
	sum   []time.Duration
	n     []int
	guess []time.Duration
}

func newMeans(p results.Plan) *means {
	m := &means{sum: make([]time.Duration, len(p.Cells)), n: make([]int, len(p.Cells))}
	for _, c := range p.Cells {
		m.guess = append(m.guess, estimate(c, entryOf(p, c.Workload)))
	}
	return m
}

func (m *means) add(cell int, d time.Duration) {
	m.sum[cell] += d
	m.n[cell]++
}

// eta is how long the trials that are left will take: by cell, the rounds to go.
func (m *means) eta(left []int, broken map[int]bool) time.Duration {
	var sum time.Duration
	for cell, n := range left {
		if broken[cell] {
			continue
		}
		per := m.guess[cell]
		if m.n[cell] > 0 {
			per = m.sum[cell] / time.Duration(m.n[cell])
		}
		sum += per * time.Duration(n)
	}
	return sum
}
