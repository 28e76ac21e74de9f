package plot

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/scaling"
)

// KindScaling is the kind of the figures of fitted scaling.
const KindScaling = "scaling"

// Scaling returns one figure for each workload of a scaling report: measured speedups with their intervals, the fitted
// curve of each strategy with its interval, the ideal and the machine's ceiling. Curves end at twice the largest N.
func Scaling(rep *scaling.Report) []Figure {
	var out []Figure
	names := make(map[string]bool)
	var h *results.Header
	if rep.Analysis != nil && rep.Analysis.Run != nil {
		h = &rep.Analysis.Run.Header
	}
	for i := range rep.Tables {
		t := &rep.Tables[i]
		f := fitted(t.Key, t.Series, t.Ceiling, h, t.Waits)
		f.workload = t.Key
		f.name = unique(names, slug(t.Key), KindScaling)
		out = append(out, f)
	}
	return out
}

// ScalingOf returns the figure of points from anywhere.
func ScalingOf(s *scaling.Series) Figure {
	f := fitted(s.Name, []scaling.Series{*s}, nil, nil, false)
	f.name = slug(s.Name) + "-" + KindScaling
	return f
}

// fitted is the figure of some strategies' scaling.
func fitted(key string, list []scaling.Series, ceiling []analysis.CeilingPoint, h *results.Header, waits bool) Figure {
	name := titleStyle.fit(elide(key), 300)
	speedup := true
	for _, s := range list {
		speedup = speedup && s.Speedup
	}
	what, unit := "throughput", ""
	if speedup {
		what, unit = "speedup", " (×)"
	}
	title := name + ": " + what + " and fitted model"
	l := &xyPlot{heading: heading{title: title}}
	var e extent
	first, most, fits := math.Inf(1), 0.0, 0
	for i := range list {
		c := curveOf(&list[i], i)
		for _, q := range c.points {
			first, most = math.Min(first, q.x), math.Max(most, q.x)
			e.add(q.mark.point, q.mark.lo, q.mark.hi)
		}
		if len(c.fit) > 0 {
			fits++
		}
		l.curves = append(l.curves, c)
	}
	if !e.any || e.point1 <= 0 {
		return omit(KindScaling, title, noTrials)
	}
	reach := most
	for _, c := range l.curves {
		for _, b := range c.fit {
			if b.y <= 3*e.point1 && b.y > 0 {
				reach = math.Max(reach, b.x)
				e.add(b.y, b.y, b.y)
			}
		}
	}
	for _, c := range ceiling {
		if m, ok := estimate(c.Speedup); ok && float64(c.Cores) <= most && speedup && !waits {
			l.ceiling = append(l.ceiling, xyPoint{float64(c.Cores), m})
			e.add(m.point, m.point, m.point)
		}
	}
	slices.SortStableFunc(l.ceiling, func(a, b xyPoint) int { return int(a.x - b.x) })
	log := reach/first >= 24
	if log {
		l.x = axis{min: first / 1.15, max: reach * 1.15, log: true}
	} else {
		l.x = axis{min: 0, max: reach * 1.03}
	}
	l.y = axis{min: 0, max: math.Max(e.point1, math.Min(e.hi, e.point1*wide)) * 1.06}
	if log && e.point0 > 0 {
		l.y = axis{min: math.Min(e.point0, math.Max(e.lo, e.point0/wide)) / 1.2, max: l.y.max * 1.1, log: true}
	}
	if speedup && !waits {
		l.idealAs = "ideal: one for each core"
		for i := range 241 {
			n := l.x.min + (l.x.max-l.x.min)*float64(i)/240
			if log {
				n = l.x.min * math.Pow(l.x.max/l.x.min, float64(i)/240)
			}
			l.ideal = append(l.ideal, [2]float64{n, n})
		}
	}
	l.xTicks = func(a *axis, room int) string {
		a.plainTicks(room, 1, "")
		a.ticks = slices.DeleteFunc(a.ticks, func(t tick) bool { return t.v != math.Round(t.v) })
		for i := range a.ticks {
			if t := &a.ticks[i]; t.label != "" {
				t.label = number(math.Round(t.v))
			}
		}
		title := "N"
		if speedup {
			title = "cores"
		}
		if a.log {
			title += " (log scale)"
		}
		return title
	}
	l.yTicks = func(a *axis, room int) string {
		a.plainTicks(room, 1, "")
		if a.log {
			return what + unit + ", log scale"
		}
		return what + unit
	}
	facts := []string{"points: measured, with interval", "line: model, with interval"}
	if reach > most {
		facts = append(facts, "dashed: beyond the data, at most twice the largest N")
	}
	if fits == 0 {
		facts = []string{"points: measured, with interval", "no model: see the report"}
	}
	l.subtitle = strings.Join(facts, " · ")
	if h != nil {
		l.footer = footer(h)
	}
	var said []string
	for i := range list {
		if f := list[i].Chosen; f != nil {
			said = append(said, fmt.Sprintf("%s: %s, α = %s, β = %s", elide(list[i].Name), f.Model, round3(f.Alpha.Point), round3(f.Beta.Point)))
		}
	}
	alt := fmt.Sprintf("%s of %s at %d values of N for %d series.", strings.ToUpper(what[:1])+what[1:], name, len(list[0].Points), len(list))
	if len(said) > 0 {
		alt += " " + strings.Join(said, "; ") + "."
	}
	return Figure{kind: KindScaling, title: title, alt: alt, height: math.Ceil(l.layout().height), draw: l.draw}
}

// curveOf samples a strategy's chosen model between its smallest N and twice its largest, or its peak where that is nearer.
func curveOf(s *scaling.Series, style int) xyCurve {
	c := xyCurve{label: s.Name, style: style}
	for _, q := range s.Points {
		if m, ok := estimate(q.X); ok && q.N > 0 && sane(q.N) {
			c.points = append(c.points, xyPoint{q.N, m})
		}
	}
	f := s.Chosen
	if f == nil || len(c.points) == 0 {
		c.note = "no model"
		return c
	}
	c.note = string(f.Model)
	if f.Alpha.N > 0 {
		c.note += ", α " + round3(f.Alpha.Point)
	}
	if f.Beta.N > 0 {
		c.note += ", β " + round3(f.Beta.Point)
	}
	const steps = 120
	from, to := c.points[0].x, 2*s.Largest
	for i := range steps + 1 {
		n := from * math.Pow(to/from, float64(i)/steps)
		n = math.Min(n, to)
		iv, ok := f.At(n)
		if !ok || !sane(iv.Point) {
			continue
		}
		b := xyBand{x: n, y: iv.Point}
		if iv.Has() && sane(iv.Lo) && sane(iv.Hi) {
			b.lo, b.hi = iv.Lo, iv.Hi
		}
		c.fit = append(c.fit, b)
	}
	return c
}
