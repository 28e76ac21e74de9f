package plot

import (
	"fmt"
	"math"

	"github.com/parbench/parbench/results/analysis"
)

// commandTimes draws the time of each command of a comparison. ok is false where there are none to compare.
func commandTimes(rep *analysis.Report, c *analysis.CommandTable) (f Figure, ok bool) {
	if len(c.Rows) < 2 {
		return f, false
	}
	p := &rowPlot{series: []string{""}}
	var e extent
	var shown []*analysis.Row
	lowest, fastest := math.Inf(1), ""
	for i := range c.Rows {
		r := &c.Rows[i]
		rw := row{label: r.Key}
		if m, measured := estimate(r.PerTask); measured {
			e.add(m.point, m.lo, m.hi)
			rw.lanes = append(rw.lanes, lane{0, m})
			shown = append(shown, &r.Row)
			if m.point < lowest {
				lowest, fastest = m.point, r.Key
			}
		}
		rw.note = missing(group{rows: []*analysis.Row{&r.Row}}, has(perTask))
		p.rows = append(p.rows, rw)
	}
	if !e.any {
		return f, false
	}
	p.x = valueAxis(e, logSpan)
	p.ticks = func(a *axis, room int) string { return a.timeTicks("time per command", room) }
	t := table{rep: rep, t: &analysis.Table{Disturbed: share(rep, c)}, name: "commands"}
	p.heading = t.heading("time per command, "+statistic(asMedian, shown, perTask), labelStyle.fit(elide(c.Name()), 200), "lower is better",
		base(p.x), cut(p.x, e))
	alt := fmt.Sprintf("Time per command, %s: %d commands. The lowest median is %s, of %s.", elide(c.Name()), len(c.Rows), duration(lowest), elide(fastest))
	f = t.fromRows(KindTime, p, alt)
	f.workload = c.Name()
	if f.height > tooTall {
		f.omitted = fmt.Sprintf("it would be %.0f pixels high; compare fewer commands", f.height)
	}
	return f, true
}
