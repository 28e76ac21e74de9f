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

func (m *means) left(r *runner) time.Duration {
	var sum time.Duration
	for cell := range m.sum {
		if r.broken[cell] {
			continue
		}
		missing := r.plan.Rounds
		for round := range r.plan.Rounds {
			if r.have[[2]int{round, cell}] {
				missing--
			}
		}
		per := m.guess[cell]
		if m.n[cell] > 0 {
			per = m.sum[cell] / time.Duration(m.n[cell])
		}
		sum += per * time.Duration(missing)
	}
	return sum
}
