package plot

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/parbench/parbench/results/analysis"
)

// KindScan is the kind of the figures of commands over a parameter.
const KindScan = "scan"

// scanLog is the ratio of the parameter's values above which its axis is logarithmic.
const scanLog = 30

// scan draws time per command by parameter, a curve for each command. ok is false where the commands of the table do not
// differ in exactly one parameter, or that is not a number with two values at least.
func scan(rep *analysis.Report, c *analysis.CommandTable) (f Figure, ok bool) {
	if len(c.Params) != 1 {
		return f, false
	}
	param, all := c.Params[0], c.All()
	took := func(r *analysis.Row) analysis.Interval { return r.Time(all) }
	what := "time " + analysis.Per(all, "command")
	l := &xyPlot{}
	var e extent
	var shown []*analysis.Row
	least, most, whole := math.Inf(1), math.Inf(-1), true
	at := map[string]int{}
	for i := range c.Rows {
		r := &c.Rows[i]
		text, uses := r.Params[param]
		if !uses {
			continue
		}
		x, err := strconv.ParseFloat(text, 64)
		if err != nil || !(math.Abs(x) <= 1e12) {
			return f, false
		}
		m, measured := estimate(took(&r.Row))
		if !measured || r.HasFailed() {
			continue
		}
		k, seen := at[r.Command]
		if !seen {
			k = len(l.curves)
			at[r.Command] = k
			l.curves = append(l.curves, xyCurve{label: r.Command, style: k})
		}
		l.curves[k].points = append(l.curves[k].points, xyPoint{x, m})
		e.add(m.point, m.lo, m.hi)
		least, most, whole = math.Min(least, x), math.Max(most, x), whole && x == math.Trunc(x)
		shown = append(shown, &r.Row)
	}
	if !e.any || most-least <= 1e-9*math.Max(math.Abs(least), math.Abs(most)) {
		return f, false
	}
	var said []string
	for k := range l.curves {
		curve := &l.curves[k]
		slices.SortStableFunc(curve.points, func(p, q xyPoint) int { return cmp.Compare(p.x, q.x) })
		for _, q := range curve.points { // lines join neighbours: nothing is fitted
			curve.fit = append(curve.fit, xyBand{x: q.x, y: q.mark.point})
		}
		first, last := curve.points[0], curve.points[len(curve.points)-1]
		said = append(said, fmt.Sprintf("%s: %s at %s, %s at %s.", elide(curve.label), duration(first.mark.point), number(first.x), duration(last.mark.point), number(last.x)))
	}
	pad := (most - least) * 0.04
	l.x = axis{min: least - pad, max: most + pad, whole: whole}
	if least > 0 && most/least > scanLog {
		l.x = axis{min: least / 1.25, max: most * 1.25, log: true}
	}
	l.y = valueAxis(e, logSpan)
	if !l.y.log {
		l.y.min = 0
	}
	l.xTicks = func(a *axis, room int) string {
		a.plainTicks(room, 1, "")
		if a.log {
			return elide(param) + " (log scale)"
		}
		return elide(param)
	}
	l.yTicks = func(a *axis, room int) string { return a.timeTicks(what, room) }
	t := table{rep: rep, t: &analysis.Table{Disturbed: share(rep, c)}, name: "commands"}
	if len(l.curves) == 1 {
		t.name = titleStyle.fit(elide(l.curves[0].label), 300)
	}
	l.heading = t.heading("time by "+titleStyle.fit(elide(param), 200), labelStyle.fit(elide(c.Name()), 200), statistic(asMedian, shown, took),
		"lower is better", "lines join the points")
	alt := fmt.Sprintf("Time %s by %s, %s. %s", analysis.Per(all, "command"), elide(param), elide(c.Name()), strings.Join(said, " "))
	return Figure{kind: KindScan, title: l.title, alt: alt, workload: c.Name(), height: math.Ceil(l.layout().height), draw: l.draw}, true
}

// share is the share of the trials of a comparison during which others used the machine: each command has as many.
func share(rep *analysis.Report, c *analysis.CommandTable) float64 {
	of := map[string]float64{}
	for i := range rep.Tables {
		of[rep.Tables[i].Entry.Key] = rep.Tables[i].Disturbed
	}
	sum := 0.0
	for i := range c.Rows {
		sum += of[c.Rows[i].Key] / float64(len(c.Rows))
	}
	return sum
}
