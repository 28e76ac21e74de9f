package analysis

import (
	"math"
	"slices"
	"sort"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/stat"
)

// pairs returns the observations of the rounds that both lists have, in round order: rounds that one of them missed
// drop out of this pair only.
func pairs(a, b []sample) (x, y []float64) {
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch s, t := a[i], b[j]; {
		case s.round < t.round:
			i++
		case s.round > t.round:
			j++
		default:
			x, y = append(x, s.value), append(y, t.value)
			i, j = i+1, j+1
		}
	}
	return x, y
}

// ratio estimates num/den over the rounds that both cells have, with the p-value of the paired test against 1. N is 0
// and p is 1 without a common round.
func (a *analyser) ratio(num, den int) (iv Interval, p float64) {
	return a.ratioOf(a.cells[num].samples, a.cells[den].samples)
}

// ratioOf estimates num/den from samples in round order, over the rounds that both have.
func (a *analyser) ratioOf(num, den []sample) (iv Interval, p float64) {
	x, y := pairs(num, den)
	got, p, err := stat.PairedRatio(x, y, a.opt.Level)
	if err != nil || !finite(p) || got.Point <= 0 {
		return Interval{}, 1
	}
	return a.interval(got), p
}

// Over estimates the time of r over that of o, paired in the rounds that both have, with the p-value of the paired test
// against 1: what every comparison of a report rests on. N is 0 and p is 1 without a common round. Both are of one run; of
// the same workload, or the ratio means nothing.
func (r *Row) Over(o *Row, level float64) (iv Interval, p float64) {
	a := analyser{opt: Options{Level: level}}
	return a.ratioOf(r.samples(), o.samples())
}

// samples are the row's observations with their rounds, without the trials behind them.
func (r *Row) samples() []sample {
	out := make([]sample, len(r.Rounds))
	for i, round := range r.Rounds {
		out[i] = sample{round: round, value: r.Observations[i]}
	}
	return out
}

func logRatios(x, y []float64) []float64 {
	d := make([]float64, len(x))
	for i := range x {
		d[i] = math.Log(x[i]) - math.Log(y[i])
	}
	return d
}

// reference returns the index in t.Rows of the row that the given row's speedup is a ratio to: the reference of the same
// program, or -1.
func reference(t *Table, row int) int {
	for i := range t.Rows {
		if c := &t.Rows[i].Cell; c.Reference && c.Program == t.Rows[row].Cell.Program {
			return i
		}
	}
	return -1
}

// firstReference returns the index in t.Rows of the reference of the first of the run's programs that has one here, or -1.
// The order of the rows is that of what was asked for and says nothing of it.
func (a *analyser) firstReference(t *Table) int {
	programs := a.run.Header.Environment.Programs
	found, first := -1, 0
	for i := range t.Rows {
		c := &t.Rows[i].Cell
		if !c.Reference {
			continue
		}
		place := slices.IndexFunc(programs, func(p results.Program) bool { return p.Label == c.Program })
		if place < 0 {
			place = len(programs)
		}
		if found < 0 || place < first {
			found, first = i, place
		}
	}
	return found
}

// several reports whether the table's rows are of more than one program.
func (t *Table) several() bool {
	for i := range t.Rows {
		if t.Rows[i].Cell.Program != t.Rows[0].Cell.Program {
			return true
		}
	}
	return false
}

// own returns the row of the same program and strategy on one core, or -1. Of several the one with as many workers wins.
func own(t *Table, row int) int {
	c := &t.Rows[row].Cell
	if c.Cores <= 1 {
		return -1
	}
	found := -1
	for i := range t.Rows {
		o := &t.Rows[i].Cell
		if o.Cores != 1 || o.Program != c.Program || o.Label != c.Label || o.Strategy != c.Strategy {
			continue
		}
		if found < 0 || o.Workers == c.Workers {
			found = i
		}
	}
	return found
}

// ratios fills in what row i is in relation to others.
func (a *analyser) ratios(t *Table, i int) {
	r := &t.Rows[i]
	if ref := reference(t, i); ref >= 0 && t.Rows[ref].Status != results.Wrong {
		switch {
		case ref == i && r.OK > 0:
			r.Speedup = bare(1, r.OK) // of itself: exact, nothing was estimated
		case ref != i:
			r.Speedup, _ = a.ratio(t.Rows[ref].Index, r.Index)
		}
	}
	if ref := t.Reference; t.several() && ref >= 0 && t.Rows[ref].Status != results.Wrong {
		switch {
		case ref == i && r.OK > 0:
			r.VsReference = bare(1, r.OK)
		case ref != i:
			r.VsReference, _ = a.ratio(t.Rows[ref].Index, r.Index)
		}
	}
	// Work that computes is limited by cores; work that waits is limited by how many tasks may wait at once. A command may
	// do either, and one alone may use all the cores; where the reference is one alone on several cores, nothing tells what
	// one core does.
	resource := r.Cell.Cores
	switch {
	case t.Commands() && reference(t, i) >= 0 && t.Rows[reference(t, i)].Cell.Cores > 1:
		resource = 0
	case t.Commands():
		resource = max(resource, r.Cell.Workers)
	case t.Waits():
		resource = r.Cell.Workers
	}
	if r.Speedup.N > 0 && resource > 0 {
		r.Efficiency = r.Speedup.scale(1 / float64(resource))
	}
	if o := own(t, i); o >= 0 {
		r.VsSelf, _ = a.ratio(t.Rows[o].Index, r.Index)
	}
}

// winner tests every row that did not fail against the one with the lowest median.
func (a *analyser) winner(t *Table) *Winner {
	best := -1
	var rivals []int
	for i := range t.Rows {
		if r := &t.Rows[i]; r.OK > 0 && !r.HasFailed() {
			rivals = append(rivals, i)
			if best < 0 || r.PerTask.Point < t.Rows[best].PerTask.Point {
				best = i
			}
		}
	}
	if best < 0 {
		return nil
	}
	w := &Winner{Best: best, Set: []int{best}, Next: -1}
	alpha := 1 - a.opt.Level
	var p []float64
	rivals = without(rivals, best)
	for _, i := range rivals {
		r := &t.Rows[i]
		var pi float64
		r.VsBest, pi = a.ratio(r.Index, t.Rows[best].Index)
		w.Pairs = max(w.Pairs, r.VsBest.N)
		p = append(p, pi)
	}
	w.Floor = floor(len(rivals), alpha)
	adjusted := stat.Holm(p)
	for k, i := range rivals {
		r := &t.Rows[i]
		// The paired estimate may put a row ahead of the one with the lowest median; such a row is no loser.
		if adjusted[k] <= alpha && r.VsBest.Point > 1 {
			if w.Next < 0 || r.PerTask.Point < t.Rows[w.Next].PerTask.Point {
				w.Next = i
			}
			continue
		}
		w.Set = append(w.Set, i)
	}
	if w.Next >= 0 {
		w.Lead = t.Rows[w.Next].VsBest
	}
	if ref := reference(t, best); ref >= 0 && ref != best {
		w.Ratio = t.Rows[best].Speedup
	}
	a.undecided(t, w, len(rivals))
	return w
}

func without(list []int, x int) []int {
	out := make([]int, 0, len(list))
	for _, v := range list {
		if v != x {
			out = append(out, v)
		}
	}
	return out
}

// floor is the smallest number of pairs whose smallest possible two-sided signed-rank p, 2^(1−n), survives Holm's first
// step over m comparisons.
func floor(m int, alpha float64) int {
	if m < 1 {
		return 0
	}
	return int(math.Ceil(1 + math.Log2(float64(m)/alpha)))
}

// undecided finds the rows of the set that only lack data, and the rounds they would take.
func (a *analyser) undecided(t *Table, w *Winner, m int) {
	effect := math.Log1p(a.opt.MinEffect)
	for _, i := range w.Set[1:] {
		r := &t.Rows[i]
		if r.VsBest.Has() && r.VsBest.Hi <= 1+a.opt.MinEffect {
			continue // as fast as the best, for all that matters
		}
		w.Undecided = append(w.Undecided, i)
		// Below the floor no data could decide, so the floor is the least that is asked for; the level is the one that
		// Holm's first step demands, which is the price of comparing m rows.
		need := max(w.Floor, floor(1, 1-a.opt.Level))
		if x, y := pairs(a.cells[r.Index].samples, a.cells[t.Rows[w.Best].Index].samples); len(x) >= 3 {
			if sd := deviation(logRatios(x, y)); sd > 0 {
				if n, err := stat.NeededPairs(sd, effect, (1-a.opt.Level)/float64(m), 0.8); err == nil {
					need = max(need, n)
				}
			}
		}
		w.Need = max(w.Need, need)
	}
}

// deviation is the sample standard deviation.
func deviation(x []float64) float64 {
	var mean, ss float64
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		ss += (v - mean) * (v - mean)
	}
	return sound(math.Sqrt(ss / float64(len(x)-1)))
}

// gainLimit is the speedup below which more cores gained nothing.
const gainLimit = 1.1

// noGain lists strategies whose largest core count is, with confidence, less than gainLimit times as fast as one core. A
// serial strategy runs only once, on the largest set: it is held against the reference.
func noGain(t *Table) []string {
	if len(t.Cores) == 0 || t.Cores[len(t.Cores)-1] <= 1 {
		return nil
	}
	var names []string
	seen := map[string]bool{}
	for i := range t.Rows {
		r := &t.Rows[i]
		if seen[r.Name] || r.Cell.OneCore || r.HasFailed() || !largest(t, i) {
			continue
		}
		if g := gain(r); g.Has() && g.Hi < gainLimit {
			names = append(names, r.Name)
			seen[r.Name] = true
		}
	}
	return names
}

// gain is what more cores gave the row.
func gain(r *Row) Interval {
	if r.Cell.Serial && r.VsSelf.N == 0 && r.Cell.Cores > 1 {
		return r.Speedup
	}
	return r.VsSelf
}

// largest reports whether no other row of the same name has more cores.
func largest(t *Table, i int) bool {
	for j := range t.Rows {
		if t.Rows[j].Name == t.Rows[i].Name && t.Rows[j].Cell.Cores > t.Rows[i].Cell.Cores {
			return false
		}
	}
	return true
}

// ceiling estimates the machine's own scaling from the spin cells: time on one pinned thread over time on k, per task
// and paired per round. It returns the rows of those cells too.
func (a *analyser) ceiling() (points []CeilingPoint, rows []Row) {
	entries := map[string]bool{}
	for _, e := range a.run.Header.Plan.Workloads {
		if e.Ceiling {
			entries[e.Key] = true
		}
	}
	one := -1
	byCores := map[int]int{}
	for i, c := range a.run.Header.Plan.Cells {
		if !c.Ceiling && !entries[c.Workload] {
			continue
		}
		r := a.row(i, c)
		r.Name = label(c)
		a.failure((*warnings)(&r.Warnings), &r)
		rows = append(rows, r)
		if r.HasFailed() || r.OK == 0 {
			continue
		}
		// A sequential cell in such an entry is its reference; the threads on one core are preferred over it, because
		// they pay the same price per task as the points they are compared with.
		if c.Cores == 1 && (one < 0 || a.run.Header.Plan.Cells[one].OneCore) {
			one = i
		}
		if _, ok := byCores[c.Cores]; !ok && !c.OneCore && c.Cores > 0 {
			byCores[c.Cores] = i
		}
	}
	if one < 0 {
		return nil, rows
	}
	points = []CeilingPoint{{Cores: 1, Speedup: bare(1, len(a.cells[one].samples))}}
	for k, i := range byCores {
		if k == 1 || a.run.Header.Plan.Cells[i].Program != a.run.Header.Plan.Cells[one].Program {
			continue
		}
		if s, _ := a.ratio(one, i); s.N > 0 {
			points = append(points, CeilingPoint{Cores: k, Speedup: s})
		}
	}
	sort.Slice(points, func(x, y int) bool { return points[x].Cores < points[y].Cores })
	return points, rows
}
