package harness

import (
	"math"

	"github.com/parbench/parbench/internal/host"
)

// reserveFrom is the number of usable CPUs from which one is set aside for fixtures.
const reserveFrom = 4

// Placement says which CPUs cells and fixtures get: the same for every cell of a run.
type Placement struct {
	All     []int // every usable CPU, in the order to hand them out
	CPUs    []int // for cells, in the order to hand them out
	Fixture []int // for fixtures; equal to all usable CPUs where none could be reserved
	Shares  bool  // fixtures float over the cells' CPUs
	Cores   int   // the usable number: len(CPUs), bounded by the quota
}

// Place divides the usable CPUs between cells and fixtures.
func Place(u host.Usable, fixtures bool) Placement {
	p := Placement{All: u.CPUs, CPUs: u.CPUs, Fixture: u.CPUs, Cores: u.Cores, Shares: fixtures}
	if fixtures && u.Cores >= reserveFrom && len(u.CPUs) >= reserveFrom {
		last := len(u.CPUs) - 1
		p.CPUs, p.Fixture, p.Shares = u.CPUs[:last], u.CPUs[last:], false
		if p.Cores > last {
			p.Cores = last
		} else {
			p.Cores-- // the quota, not the CPUs, is what runs out
		}
	}
	if p.Cores < len(p.CPUs) {
		p.CPUs = p.CPUs[:p.Cores]
	}
	return p
}

// DefaultCores returns at most three core counts: 1, the power of two nearest the square root of usable, and usable.
func DefaultCores(usable int) []int {
	out := []int{1}
	// Nearest on the logarithmic scale, which is the one scaling is read on.
	mid := 1 << int(math.Round(math.Log2(math.Sqrt(float64(usable)))))
	if mid > 1 && mid < usable {
		out = append(out, mid)
	}
	if usable > 1 {
		out = append(out, usable)
	}
	return out
}
