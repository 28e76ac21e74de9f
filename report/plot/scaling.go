package plot

import (
	"fmt"
	"math"
	"slices"

	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/quantity"
)

// reference names what speedups are ratios to.
func (t *table) reference() string {
	for i := range t.t.Rows {
		if t.t.Rows[i].VsReference.N > 0 {
			return "each program's own reference"
		}
	}
	if i := t.t.Reference; i >= 0 && i < len(t.t.Rows) {
		if l := t.t.Rows[i].Cell.Label; l != "" {
			return titleStyle.fit(elide(l), 120)
		}
	}
	return "sequential"
}

// scales reports whether a strategy has estimates at two core counts, which a line needs.
func (t *table) scales(of func(*analysis.Row) analysis.Interval) bool {
	for _, g := range t.groups {
		first := 0
		for _, r := range g.rows {
			if _, ok := estimate(of(r)); !ok {
				continue
			}
			if first != 0 && r.Cell.Cores != first {
				return true
			}
			first = r.Cell.Cores
		}
	}
	return false
}

// waits reports whether the tasks spend much of their time waiting, so that cores are not what limits them.
func (t *table) waits() bool { return t.t.Waits() }

func (t *table) speedup() Figure {
	short := "speedup over " + t.reference()
	rows := t.measured(speedup)
	switch {
	case len(t.groups) == 0:
		return omit(KindSpeedup, t.name+": "+short, noCells)
	case len(rows) == 0:
		return omit(KindSpeedup, t.name+": "+short, "no round has both the reference and another cell")
	case !slices.ContainsFunc(rows, func(r *analysis.Row) bool { return !r.Cell.Reference }):
		return omit(KindSpeedup, t.name+": "+short, "only the reference has one, which is 1")
	}
	title := short + ", " + statistic(asRatio, rows, speedup)
	alt := t.describe("Speedup over "+t.reference(), "highest estimate", speedup, true, func(v float64) string { return round3(v) + " ×" })
	if !t.scales(speedup) {
		return t.speedupRows(title, alt)
	}
	l := t.linePlot(speedup, func(c analysis.CeilingPoint) analysis.Interval { return c.Speedup })
	l.ideal, l.idealAs = func(k float64) float64 { return k }, "ideal: one for each core"
	if t.waits() {
		// Waiting tasks share cores, so neither the number of cores nor what busy threads reach bounds them.
		l.ideal, l.idealAs = func(float64) float64 { return 1 }, t.reference()+" = 1"
	}
	l.yTitle, l.ySuffix, l.yFactor = "speedup (×)", "", 1
	e := l.extent(l.ideal)
	l.y = l.yAxis(e)
	l.heading = t.heading(title, "higher is better", logNote(l.y), cut(l.y, e))
	return t.fromLines(KindSpeedup, l, alt)
}

// speedupRows shows speedups as dots where there are no two core counts to draw a line between.
func (t *table) speedupRows(title, alt string) Figure {
	p, e, _ := t.rowPlot(speedup)
	e.add(1, 1, 1)
	p.refs = []ref{{1, t.reference()}}
	p.x = valueAxis(e, logSpan)
	if !p.x.log {
		p.x.min = 0
	}
	p.ticks = func(a *axis, room int) string {
		a.plainTicks(room, 1, "")
		if a.log {
			return "speedup (×, log scale)"
		}
		return "speedup (×)"
	}
	p.heading = t.heading(title, "higher is better", cut(p.x, e))
	return t.fromRows(KindSpeedup, p, alt)
}

func (t *table) efficiency() Figure {
	short := "efficiency (speedup ÷ cores)"
	switch {
	case t.t.Commands():
		short = "efficiency (speedup ÷ cores, or workers where more)"
	case t.waits():
		short = "efficiency (speedup ÷ workers)"
	}
	if !t.scales(efficiency) {
		reason := "it needs a strategy that was measured at two core counts"
		if len(t.groups) == 0 {
			reason = noCells
		}
		return omit(KindEfficiency, t.name+": "+short, reason)
	}
	l := t.linePlot(efficiency, func(c analysis.CeilingPoint) analysis.Interval {
		i, k := c.Speedup, float64(c.Cores)
		i.Point, i.Lo, i.Hi = i.Point/k, i.Lo/k, i.Hi/k
		return i
	})
	l.ideal, l.idealAs = func(float64) float64 { return 1 }, "ideal: 100 %"
	l.yTitle, l.ySuffix, l.yFactor = "efficiency", " %", 100
	e := l.extent(l.ideal)
	l.y = axis{min: 0, max: math.Max(1.06, math.Min(e.hi, e.point1*wide)*1.06)}
	l.heading = t.heading(short+", "+statistic(asRatio, t.measured(efficiency), efficiency), "higher is better", cut(l.y, e))
	return t.fromLines(KindEfficiency, l, t.describe("Efficiency", "highest estimate", efficiency, true,
		func(v float64) string { return round3(v*100) + " %" }))
}

// linePlot collects the curves of an estimate and the ceiling at the core counts that the workload has.
func (t *table) linePlot(of func(*analysis.Row) analysis.Interval, ceiling func(analysis.CeilingPoint) analysis.Interval) *linePlot {
	l := &linePlot{}
	for i, g := range t.groups {
		c := curve{label: g.label, style: i}
		for _, r := range g.rows {
			if m, ok := estimate(of(r)); ok {
				c.points = append(c.points, point{r.Cell.Cores, m})
				if !slices.Contains(l.cores, r.Cell.Cores) {
					l.cores = append(l.cores, r.Cell.Cores)
				}
			}
		}
		c.note = missing(g, has(of))
		l.curves = append(l.curves, c)
	}
	slices.Sort(l.cores)
	claimed := false // by an interval: a ceiling that one round gave is none
	for _, c := range t.rep.Ceiling {
		claimed = claimed || c.Speedup.Has()
	}
	for _, c := range t.rep.Ceiling {
		if t.waits() || !claimed {
			break
		}
		if c.Cores > 1 && !c.Speedup.Has() {
			continue
		}
		if m, ok := estimate(ceiling(c)); ok && c.Cores >= l.cores[0] && c.Cores <= l.cores[len(l.cores)-1] {
			l.ceiling = append(l.ceiling, point{c.Cores, m})
		}
	}
	slices.SortStableFunc(l.ceiling, func(a, b point) int { return a.cores - b.cores })
	return l
}

// extent is the range of everything a line plot shows. The ideal counts for at most twice what was reached: a steep
// ideal must not press the data flat.
func (l *linePlot) extent(ideal func(float64) float64) extent {
	var e extent
	for _, c := range l.curves {
		for _, q := range c.points {
			e.add(q.mark.point, q.mark.lo, q.mark.hi)
		}
	}
	for _, q := range l.ceiling {
		e.add(q.mark.point, q.mark.lo, q.mark.hi)
	}
	for _, k := range []int{l.cores[0], l.cores[len(l.cores)-1]} {
		v := math.Min(ideal(float64(k)), e.point1*2)
		e.add(v, v, v)
	}
	return e
}

// yAxis returns a logarithmic axis where the core axis is logarithmic too, so that the ideal stays a straight line.
func (l *linePlot) yAxis(e extent) axis {
	lo, hi := e.lo, math.Max(e.point1, math.Min(e.hi, e.point1*wide))
	if e.point0 > 0 {
		lo = math.Max(lo, e.point0/(2*wide))
	}
	if x := l.xAxis(0, 1); x.log && lo > 0 {
		lo = math.Min(lo, 1)
		return axis{min: lo / 1.25, max: hi * 1.15, log: true}
	}
	return axis{min: 0, max: hi * 1.06}
}

func logNote(a axis) string {
	if a.log {
		return "both axes logarithmic"
	}
	return ""
}

func (t *table) fromLines(kind string, l *linePlot, alt string) Figure {
	if n := len(l.ceiling); n > 0 && l.ceiling[n-1].mark.bar {
		top, factor, unit := l.ceiling[n-1], 1.0, " ×"
		if kind == KindEfficiency {
			factor, unit = 100, " %"
		}
		d := quantity.Decimals(top.mark.point*factor, (top.mark.hi-top.mark.lo)*factor/2)
		v := func(x float64) string { return quantity.Fixed(x*factor, d) }
		alt += fmt.Sprintf(" The machine itself reached %s%s (%s to %s) on %s during this run.", v(top.mark.point), unit,
			v(top.mark.lo), v(top.mark.hi), countOf([]string{fmt.Sprint(top.cores)}))
	}
	return Figure{kind: kind, title: l.title, alt: alt, height: math.Ceil(l.layout().height), draw: l.draw}
}
