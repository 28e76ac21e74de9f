package plot

import (
	"fmt"
	"math"
	"strings"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/crossover"
	"github.com/parbench/parbench/results/analysis/quantity"
	"github.com/parbench/parbench/results/stat"
)

// KindGrain is the kind of the figures of break-even grains.
const KindGrain = "grain"

// mostMarks is how many break-even grains a figure marks; more would hide the data.
const mostMarks = 4

// Crossover returns one figure for each workload of a crossover report: how much faster than one after another the tasks
// run, by grain, with the fitted models and the break-even grains. Costs themselves span as many decades as the grains
// do, and differences of a few per cent could not be seen.
func Crossover(rep *crossover.Report) []Figure {
	var out []Figure
	names := make(map[string]bool)
	var h *results.Header
	if rep.Analysis != nil && rep.Analysis.Run != nil {
		h = &rep.Analysis.Run.Header
	}
	for i := range rep.Tables {
		t := &rep.Tables[i]
		f := grains(t, h, rep.Level)
		f.workload = t.Name()
		f.name = unique(names, slug(t.Name()), KindGrain)
		out = append(out, f)
	}
	return out
}

// gain is the speedup over one after another that a cost means for a grain.
func gain(g float64, cost analysis.Interval) analysis.Interval {
	out := analysis.Interval{Point: g / cost.Point, Level: cost.Level, N: cost.N}
	out.Lo, out.Hi = out.Point, out.Point
	if cost.Has() && cost.Lo > 0 {
		out.Lo, out.Hi = g/cost.Hi, g/cost.Lo
	} else {
		out.Level = 0
	}
	return out
}

func grains(t *crossover.Table, h *results.Header, level float64) Figure {
	name := titleStyle.fit(elide(t.Name()), 300)
	l := &xyPlot{heading: heading{title: name + ": speedup by grain"}}
	var e extent
	least, most := math.Inf(1), 0.0
	style := make([]int, len(t.Curves))
	var shown []analysis.Interval
	for i := range t.Curves {
		c := &t.Curves[i]
		if c.Reference {
			continue
		}
		style[i] = len(l.curves)
		curve := xyCurve{label: t.Title(i), style: style[i]}
		for _, q := range c.Points {
			m, ok := estimate(gain(q.Grain, q.Cost))
			if !ok || q.Grain <= 0 || !sane(q.Grain) {
				continue
			}
			curve.points = append(curve.points, xyPoint{q.Grain, m})
			shown = append(shown, q.Cost)
			e.add(m.point, m.lo, m.hi)
			least, most = math.Min(least, q.Grain), math.Max(most, q.Grain)
		}
		curve.fit = modelled(c)
		switch {
		case !c.Has():
			curve.note = "no model"
		default:
			curve.note = fmt.Sprintf("%s + grain ÷ %s", quantity.Duration(c.Overhead.Point), round3(c.Parallelism.Point))
		}
		l.curves = append(l.curves, curve)
	}
	if !e.any || least >= most {
		return omit(KindGrain, l.title, "it needs a strategy that was measured at two grains")
	}
	e.add(1, 1, 1)
	l.ideal = [][2]float64{{least, 1}, {most, 1}}
	l.idealAs = "one after another"
	l.x = axis{min: least / 1.25, max: most * 1.25, log: true}
	l.y = valueAxis(e, logSpan)
	if !l.y.log {
		l.y.min = 0
	}
	l.xTicks = func(a *axis, room int) string { return a.timeTicks("grain: one task alone", room) }
	l.yTicks = func(a *axis, room int) string {
		a.plainTicks(room, 1, "")
		if a.log {
			return "speedup (×, log scale)"
		}
		return "speedup (×)"
	}
	said := l.breakEven(t, style)
	first := "higher is better"
	if d := disturbed(t.Disturbed); d != "" { // there is no room for both
		first = d
	}
	facts := []string{first, "points: " + attained(asMedian, shown), "lines: overhead + grain ÷ parallelism"}
	if len(l.marks) > 0 {
		facts = append(facts, "bands: break-even, "+quantity.Level(level)+" interval")
	}
	l.subtitle = strings.Join(facts, " · ")
	if h != nil {
		l.footer = footer(h)
	}
	alt := fmt.Sprintf("Speedup of %s over running the tasks one after another, for %d grains from %s to %s and %s.", name, len(t.Grains),
		duration(least), duration(most), strategies(len(l.curves)))
	if len(said) > 0 {
		alt += " " + strings.Join(said, " ")
	}
	return Figure{kind: KindGrain, title: l.title, alt: alt, height: math.Ceil(l.layout().height), draw: l.draw}
}

// modelled samples a curve's model over its grains.
func modelled(c *crossover.Curve) (fit []xyBand) {
	if !c.Has() || len(c.Points) == 0 {
		return nil
	}
	const steps = 120
	from, to := c.Points[0].Grain, c.Points[len(c.Points)-1].Grain
	for i := range steps + 1 {
		g := math.Min(from*math.Pow(to/from, float64(i)/steps), to)
		cost, ok := c.At(g)
		if v := g / cost; ok && cost > 0 && sane(v) {
			fit = append(fit, xyBand{x: g, y: v})
		}
	}
	return fit
}

// breakEven marks the grains at which the data place a crossing: between parallel strategies first, then against one after
// another. It returns them in words.
func (l *xyPlot) breakEven(t *crossover.Table, style []int) (said []string) {
	for _, reference := range []bool{false, true} {
		for i := range t.Pairs {
			p := &t.Pairs[i]
			first, second := &t.Curves[p.First], &t.Curves[p.Second]
			if p.Outcome != stat.Crosses || (first.Reference || second.Reference) != reference || len(said) == mostMarks {
				continue
			}
			above, below := p.First, p.Second // above is the strategy that pays from that grain on
			if p.FirstBelow {
				above, below = below, above
			}
			over := elide(t.Title(below))
			if t.Curves[below].Reference {
				over = "one after another"
			}
			names := fmt.Sprintf("%s and %s break even ", elide(t.Title(p.First)), elide(t.Title(p.Second)))
			if !p.Grain.Has() || !sane(p.Grain.Point) { // between two grains, nobody knows where
				said = append(said, fmt.Sprintf("%sbetween %s and %s.", names, duration(p.Below), duration(p.Above)))
				continue
			}
			l.marks = append(l.marks, xyMark{x: p.Grain.Point, lo: p.Grain.Lo, hi: p.Grain.Hi, style: style[above],
				label: duration(p.Grain.Point) + ": " + elide(t.Title(above)) + " over " + over})
			said = append(said, fmt.Sprintf("%sat %s.", names, duration(p.Grain.Point)))
		}
	}
	return said
}
