package crossover

import (
	"fmt"

	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/quantity"
	"github.com/parbench/parbench/results/stat"
)

// Pair is two curves and the grain at which they break even.
type Pair struct {
	First, Second int // in Table.Curves
	Outcome       stat.Outcome
	// Grain is the break-even grain in seconds, where the models cross within the measured range and what was measured does
	// not contradict them; else N = 0. It has an interval only where Outcome is stat.Crosses.
	Grain analysis.Interval
	// Below and Above are the measured grains around a crossing, 0 without one: up to Below the one is told to be the cheaper
	// one, from Above on the other, in seconds.
	Below, Above float64
	FirstBelow   bool // the first is the cheaper one for smaller grains
	// AtLeast and AtMost say which is the cheaper one at either end of the range: −1 the first, 1 the second, 0 not told.
	AtLeast, AtMost int
	Least, Most     float64 // the grains that both were measured over
	// Measured compares the two at each grain, ascending, by its own trials.
	Measured []Comparison
	// Withheld says that one was cheaper throughout, but on a machine that did not reliably give more than one core, so that
	// Outcome is stat.Undecided.
	Withheld bool
	Finding  string // one or two plain sentences with untrusted names
}

func (t *Table) pair(i, k int, level float64) Pair {
	p := Pair{First: i, Second: k, Outcome: stat.Undecided, Measured: t.told.pairs[[2]int{i, k}]}
	a, b := &t.Curves[i], &t.Curves[k]
	for _, c := range []*Curve{a, b} {
		if !c.Has() {
			p.Finding = fmt.Sprintf("%s against %s: not decided, for %s is %s.", t.name(i), t.name(k), c.Name, c.Reason)
			return p
		}
	}
	x, err := stat.Crossover(a.costs, b.costs, level)
	if n := len(p.Measured); err == nil && n < LeastGrains {
		err = fmt.Errorf("%w: measured together at %d grains, needs %d", stat.ErrTooFew, n, LeastGrains)
	}
	if err != nil {
		p.Finding = fmt.Sprintf("%s against %s: not decided: %v.", t.name(i), t.name(k), err)
		return p
	}
	p.judge(x)
	t.withhold(&p)
	p.Finding = t.finding(&p)
	return p
}

// judge decides from what was measured at each grain, and from the fitted lines where that does not contradict them: the
// lines may fill gaps between grains that were told, and place a crossing between them, and no more.
func (p *Pair) judge(x stat.Crossing) {
	n := len(p.Measured)
	p.Least, p.Most = p.Measured[0].Grain, p.Measured[n-1].Grain
	p.AtLeast, p.AtMost = p.Measured[0].Cheaper, p.Measured[n-1].Cheaper
	if x.Grain.N > 0 {
		p.Grain = analysis.Interval(x.Grain)
	}
	told, changes, last, early, late := 0, 0, 0, 0, 0 // early and late: told grains on either side of the only change
	for i, c := range p.Measured {
		switch {
		case c.Cheaper == 0:
			continue
		case last != 0 && c.Cheaper != last:
			changes++
			p.Above = c.Grain
			p.FirstBelow = last < 0
		}
		if changes == 0 {
			p.Below, early = c.Grain, early+1
		} else {
			late++
		}
		told, last = told+1, p.Measured[i].Cheaper
	}
	throughout := map[int]stat.Outcome{-1: stat.FirstCheaper, 1: stat.SecondCheaper}[last]
	switch {
	case changes == 0 && (told == n || p.AtLeast != 0 && p.AtMost != 0 && x.Outcome == throughout):
		p.Outcome, p.Grain = throughout, analysis.Interval{}
	case changes == 1 && x.Outcome == stat.Crosses && x.FirstBelow == p.FirstBelow && p.Below < x.Grain.Hi && p.Above > x.Grain.Lo:
		p.Outcome = stat.Crosses
		return
	case changes == 1 && p.AtLeast != 0 && p.AtMost != 0 && 2*early > p.upTo(p.Below) && 2*late > n-p.upTo(p.Above)+1:
		// Shown, though not by the lines: at most grains on either side, for some trials of a single one may have been
		// disturbed alike.
		p.Outcome, p.Grain = stat.Crosses, analysis.Interval{}
		return
	}
	p.Below, p.Above, p.FirstBelow = 0, 0, false
	p.Grain = analysis.Interval{Point: p.Grain.Point, Lo: p.Grain.Point, Hi: p.Grain.Point, N: p.Grain.N}
}

// upTo is how many of the measured grains are no larger than one.
func (p *Pair) upTo(grain float64) (n int) {
	for _, c := range p.Measured {
		if c.Grain <= grain {
			n++
		}
	}
	return n
}

// withhold takes back that nothing crosses where a strategy on several cores was not faster than one after another, or than
// another on as many, and the machine did not reliably give it more than one.
func (t *Table) withhold(p *Pair) {
	if p.Outcome != stat.FirstCheaper && p.Outcome != stat.SecondCheaper || !t.Computes {
		return
	}
	a, b := &t.Curves[p.First], &t.Curves[p.Second]
	if a.Reference && p.Outcome == stat.SecondCheaper || b.Reference && p.Outcome == stat.FirstCheaper {
		return // it had the cores
	}
	if c, ok := t.ceilingAt(max(a.Cores, b.Cores)); ok && !c.Gave() {
		p.Outcome, p.Withheld = stat.Undecided, true
	}
}

// ceilingAt is the machine's own scaling on so many cores, if it was measured and there is more than one.
func (t *Table) ceilingAt(cores int) (c analysis.CeilingPoint, ok bool) {
	for _, c := range t.ceiling {
		if c.Cores == cores && cores > 1 && c.Speedup.N > 0 {
			return c, true
		}
	}
	return c, false
}

// cheaper names the curves as a sign says: the cheaper one, and the other.
func (t *Table) cheaper(p *Pair, sign int) (cheaper, other string) {
	if sign < 0 {
		return t.name(p.First), t.name(p.Second)
	}
	return t.name(p.Second), t.name(p.First)
}

func (t *Table) finding(p *Pair) string {
	least, most := quantity.Duration(p.Least), quantity.Duration(p.Most)
	told := 0
	for _, c := range p.Measured {
		if c.Cheaper != 0 {
			told++
		}
	}
	switch {
	case p.Outcome == stat.Crosses:
		return t.crossing(p, told)
	case p.Outcome == stat.FirstCheaper || p.Outcome == stat.SecondCheaper || p.Withheld:
		cheaper, other := t.cheaper(p, p.AtLeast)
		at := p.apart(told)
		if told < len(p.Measured) {
			at += ", and by the fitted lines at the others"
		}
		if !p.Withheld {
			return fmt.Sprintf("No crossing in the measured range: %s is cheaper than %s from %s to %s (%s).", cheaper, other, least, most, at)
		}
		c, _ := t.ceilingAt(max(t.Curves[p.First].Cores, t.Curves[p.Second].Cores))
		return fmt.Sprintf("%s and %s: not decided. %s was cheaper from %s to %s (%s), but this machine did not reliably give busy threads more than one core during the run (%s on %d cores): on one that does, the answer may be another.",
			t.name(p.First), t.name(p.Second), cheaper, least, most, at, speedup(c.Speedup), c.Cores)
	case told == 0 && t.told.rounds < t.told.floor:
		s := fmt.Sprintf("%s and %s: not decided: %d rounds cannot tell them apart at any grain (%d are needed).", t.name(p.First), t.name(p.Second), t.told.rounds, t.told.floor)
		return s + lines(p)
	}
	s := fmt.Sprintf("%s and %s: not decided; %s, %s", t.name(p.First), t.name(p.Second), t.end(p, p.AtLeast, least), t.end(p, p.AtMost, most))
	return fmt.Sprintf("%s (%s).", s, p.apart(told)) + lines(p)
}

// apart says at how many grains the two were told apart.
func (p *Pair) apart(told int) string {
	if told == len(p.Measured) {
		return fmt.Sprintf("told apart at each of %d grains", told)
	}
	return fmt.Sprintf("told apart at %d of %d grains", told, len(p.Measured))
}

// crossing words a crossing, placed by the lines or else by the grains around it.
func (t *Table) crossing(p *Pair, told int) string {
	sign := 1
	if p.FirstBelow {
		sign = -1
	}
	below, above := t.cheaper(p, sign)
	if !p.Grain.Has() {
		return fmt.Sprintf("%s pays over %s from a grain between %s and %s: at the one %s was measured to be cheaper, at the other %s (%s). The fitted lines do not say where.",
			above, below, quantity.Duration(p.Below), quantity.Duration(p.Above), below, above, p.apart(told))
	}
	s := fmt.Sprintf("%s pays over %s from a grain of %s; below it %s is cheaper (%s).", above, below, Grain(p.Grain), below, p.apart(told))
	for _, e := range []struct {
		sign int
		at   float64
	}{{p.AtLeast, p.Least}, {p.AtMost, p.Most}} {
		if e.sign == 0 {
			s += fmt.Sprintf(" At %s itself they were not told apart.", quantity.Duration(e.at))
		}
	}
	return s
}

// end says who is cheaper at an end of the range.
func (t *Table) end(p *Pair, sign int, at string) string {
	if sign == 0 {
		return fmt.Sprintf("at %s they cannot be told apart", at)
	}
	cheaper, _ := t.cheaper(p, sign)
	return fmt.Sprintf("at %s %s is cheaper", at, cheaper)
}

// lines says where the models cross, if they do, of a pair that is not decided.
func lines(p *Pair) string {
	if p.Grain.N == 0 {
		return ""
	}
	return fmt.Sprintf(" The fitted lines cross at %s, but the data do not pin that down.", quantity.Duration(p.Grain.Point))
}

// speedup words what busy threads reached.
func speedup(i analysis.Interval) string {
	if !i.Has() {
		return "too few rounds to tell"
	}
	d := quantity.Decimals(i.Point, (i.Hi-i.Lo)/2)
	return fmt.Sprintf("%s times, %s interval %s to %s", quantity.Fixed(i.Point, d), quantity.Level(i.Level), quantity.Fixed(i.Lo, d), quantity.Fixed(i.Hi, d))
}
