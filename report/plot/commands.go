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
	all := c.All()
	took := func(r *analysis.Row) analysis.Interval { return r.Time(all) }
	what := "time " + analysis.Per(all, "command")
	p := &rowPlot{series: []string{""}, points: true}
	var e extent
	var shown []*analysis.Row
	lowest, fastest := math.Inf(1), ""
	for i := range c.Rows {
		r := &c.Rows[i]
		rw := row{label: r.Key}
		if m, measured := estimate(took(&r.Row)); measured {
			e.add(m.point, m.lo, m.hi)
			for _, v := range r.Observations {
				if v *= float64(max(all, 1)); sane(v) {
					m.obs = append(m.obs, v)
					e.add(v, v, v)
				}
			}
			rw.lanes = append(rw.lanes, lane{0, m})
			shown = append(shown, &r.Row)
			if m.point < lowest {
				lowest, fastest = m.point, r.Key
			}
		}
		rw.note = missing(group{rows: []*analysis.Row{&r.Row}}, has(took))
		p.rows = append(p.rows, rw)
	}
	if !e.any {
		return f, false
	}
	p.x = valueAxis(e, logSpan)
	p.ticks = func(a *axis, room int) string { return a.timeTicks(what, room) }
	t := table{rep: rep, t: &analysis.Table{Disturbed: share(rep, c)}, name: "commands"}
	p.heading = t.heading(what+", "+statistic(asMedian, shown, took), labelStyle.fit(elide(c.Name()), 200), "points below: trials", "lower is better",
		base(p.x), cut(p.x, e))
	alt := fmt.Sprintf("Time %s, %s: %d commands. The lowest median is %s, of %s.", analysis.Per(all, "command"), elide(c.Name()), len(c.Rows), duration(lowest), elide(fastest))
	f = t.fromRows(KindTime, p, alt)
	f.workload = c.Name()
	if f.height > tooTall {
		f.omitted = fmt.Sprintf("it would be %.0f pixels high; compare fewer commands", f.height)
	}
	return f, true
}
