package crossover

import (
	"cmp"
	"slices"

	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/stat"
)

// Comparison holds two curves against each other at one measured grain, by the trials of that grain alone.
type Comparison struct {
	Grain float64           // seconds
	Ratio analysis.Interval // time under the second curve over time under the first, paired per round
	// Cheaper says which of them is told to be the cheaper one: −1 the first, 1 the second, 0 neither.
	Cheaper int
}

// comparisons are those of a table: every two curves at every grain that both were measured at.
type comparisons struct {
	pairs  map[[2]int][]Comparison // by curves, the lower index first; by grain
	best   map[float64]int         // the curve that is told from all others at a grain
	floor  int                     // pairs of trials below which nothing can be told at any grain
	rounds int                     // the most that two curves have in common
}

// contrast is one comparison while its p-value waits for the others of the family.
type contrast struct {
	curves [2]int
	ratio  analysis.Interval
	p      float64
}

// compare tells the curves apart, grain by grain, as a report does within a workload: the one with the lowest median is
// tested against each other one, corrected after Holm for their number. So no two tables of one run contradict each
// other. Of two that are both behind the lowest, a report says nothing; they are corrected for all pairs of the grain.
func (t *Table) compare(level float64) {
	t.told = comparisons{pairs: map[[2]int][]Comparison{}, best: map[float64]int{}}
	for _, g := range t.Grains {
		var at []int
		for i := range t.Curves {
			if t.row(i, g) != nil {
				at = append(at, i)
			}
		}
		if len(at) < 2 {
			continue
		}
		best := slices.MinFunc(at, func(a, b int) int { return cmp.Compare(t.row(a, g).PerTask.Point, t.row(b, g).PerTask.Point) })
		if n, err := stat.PairFloor(len(at)-1, 1-level); err == nil {
			t.told.floor = max(t.told.floor, n)
		}
		var all []contrast
		for k, i := range at {
			for _, j := range at[k+1:] {
				c := contrast{curves: [2]int{i, j}}
				c.ratio, c.p = t.row(j, g).Over(t.row(i, g), level)
				all = append(all, c)
				t.told.rounds = max(t.told.rounds, c.ratio.N)
			}
		}
		t.tell(g, best, all, level)
	}
}

// tell decides the contrasts of one grain.
func (t *Table) tell(g float64, best int, all []contrast, level float64) {
	var rivals, every []float64
	for _, c := range all {
		every = append(every, c.p)
		if c.with(best) {
			rivals = append(rivals, c.p)
		}
	}
	rivals, every = stat.Holm(rivals), stat.Holm(every)
	apart := 0
	for k, c := range all {
		p := every[k]
		if c.with(best) {
			p, rivals = rivals[0], rivals[1:]
		}
		x := Comparison{Grain: g, Ratio: c.ratio}
		if p <= 1-level {
			switch {
			case c.ratio.Point > 1 && c.curves[1] != best: // the paired estimate may contradict the order of the medians;
				x.Cheaper = -1 // then neither is told
			case c.ratio.Point < 1 && c.curves[0] != best:
				x.Cheaper = 1
			}
		}
		if c.with(best) && x.Cheaper != 0 {
			apart++
		}
		t.told.pairs[c.curves] = append(t.told.pairs[c.curves], x)
	}
	if n := len(t.Curves); apart > 0 && n > 1 && apart == count(all, best) {
		t.told.best[g] = best
	}
}

func (c *contrast) with(curve int) bool { return c.curves[0] == curve || c.curves[1] == curve }

// count is how many contrasts a curve is in.
func count(all []contrast, curve int) (n int) {
	for i := range all {
		if all[i].with(curve) {
			n++
		}
	}
	return n
}

// row is what was measured of a curve at a grain, or nil.
func (t *Table) row(curve int, grain float64) *analysis.Row {
	for i := range t.Curves[curve].Points {
		if q := &t.Curves[curve].Points[i]; q.Grain == grain {
			return q.row
		}
	}
	return nil
}

// Cheapest returns the curve that is told from all others at a measured grain and is not the reference: the only one of
// the report's winning set. It returns -1 where there is none.
func (t *Table) Cheapest(grain float64) int {
	if i, ok := t.told.best[grain]; ok && !t.Curves[i].Reference {
		return i
	}
	return -1
}
