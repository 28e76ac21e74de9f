package plot

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/quantity"
)

// table is one workload of a report, as the figures want it: rows grouped under one label for each strategy.
type table struct {
	rep       *analysis.Report
	t         *analysis.Table
	key, name string // name is key, fit to be drawn
	groups    []group
	cores     []int // of the rows, ascending
	probe     bool
}

// group is one strategy with its cells by core count.
type group struct {
	label string
	rows  []*analysis.Row
}

// severalPrograms stands in place of a program's label where there are two with the same strategy.
const severalPrograms = "\x00"

// newTable returns nil for a table without cells of its own: the ceiling's measurements are shown in the others.
func newTable(rep *analysis.Report, t *analysis.Table) *table {
	out := &table{rep: rep, t: t, key: t.Entry.Key, probe: t.Entry.Probe || t.Entry.OwnN}
	if out.key == "" {
		out.key = t.Entry.Name
	}
	programs := make(map[string]string) // the one with that label, or severalPrograms
	for i := range t.Rows {
		c := &t.Rows[i].Cell
		if p, seen := programs[c.Label]; seen && p != c.Program {
			programs[c.Label] = severalPrograms
		} else {
			programs[c.Label] = c.Program
		}
	}
	index := make(map[string]int)
	for i := range t.Rows {
		r := &t.Rows[i]
		if r.Cell.Ceiling {
			continue
		}
		label := r.Cell.Label
		if label == "" {
			label = r.Cell.Strategy
		}
		if programs[r.Cell.Label] == severalPrograms {
			label = r.Cell.Program + " " + label
		}
		g, ok := index[label]
		if !ok {
			g = len(out.groups)
			index[label] = g
			out.groups = append(out.groups, group{label: label})
		}
		out.groups[g].rows = append(out.groups[g].rows, r)
		if !slices.Contains(out.cores, r.Cell.Cores) {
			out.cores = append(out.cores, r.Cell.Cores)
		}
	}
	if len(out.groups) == 0 && t.Entry.Ceiling {
		return nil
	}
	slices.Sort(out.cores)
	for _, g := range out.groups {
		slices.SortStableFunc(g.rows, func(a, b *analysis.Row) int { return a.Cell.Cores - b.Cell.Cores })
	}
	out.name = titleStyle.fit(elide(out.key), 300)
	return out
}

func (t *table) figures() []Figure {
	if t.t.Commands() && len(t.groups) == 1 && len(t.groups[0].rows) == 1 {
		return nil // one row: beside other commands it is drawn in their figure, and by itself there is nothing to see
	}
	list := []Figure{t.time()}
	if !t.probe {
		list = append(list, t.speedup(), t.efficiency())
	}
	list = append(list, t.distribution())
	if !t.probe {
		list = append(list, t.cpu())
	}
	list = append(list, t.split())
	for i := range list {
		list[i].workload = t.t.Entry.Key
		if list[i].omitted == "" && list[i].height > tooTall {
			list[i].omitted = fmt.Sprintf("it would be %.0f pixels high; choose fewer strategies or core counts", list[i].height)
		}
	}
	return list
}

// sane reports whether a value can be drawn: not negative, finite, and of a size that a measurement can have.
func sane(v float64) bool { return v == 0 || v >= 1e-15 && v <= 1e12 }

// estimate reads an interval as a mark. What is not sane is not shown.
func estimate(i analysis.Interval) (mark, bool) {
	if i.N <= 0 || !sane(i.Point) {
		return mark{}, false
	}
	m := mark{point: i.Point, lo: i.Point, hi: i.Point}
	if i.Has() && sane(i.Lo) && sane(i.Hi) && i.Lo <= i.Hi {
		m.bar, m.lo, m.hi = true, math.Min(i.Lo, i.Point), math.Max(i.Hi, i.Point)
	}
	return m, true
}

// failed reports whether a cell has to be marked: nothing was measured because it failed, or some of its trials did.
func failed(r *analysis.Row) bool {
	return r.Failed > 0 || (r.Status != "" && r.Status != results.OK)
}

// missing says which of a strategy's cells failed and which have nothing to show: "failed at 2, 4 cores". No cell goes
// missing silently.
func missing(g group, shown func(*analysis.Row) bool) string {
	var at, some, none []string
	for _, r := range g.rows {
		switch {
		case failed(r) && shown(r):
			some = append(some, strconv.Itoa(r.Cell.Cores))
		case failed(r):
			at = append(at, strconv.Itoa(r.Cell.Cores))
		case !shown(r):
			none = append(none, strconv.Itoa(r.Cell.Cores))
		}
	}
	var parts []string
	if len(at) > 0 {
		parts = append(parts, "failed at "+countOf(at))
	}
	if len(some) > 0 {
		parts = append(parts, "some trials failed at "+countOf(some))
	}
	if len(none) > 0 {
		parts = append(parts, "no data at "+countOf(none))
	}
	return strings.Join(parts, ", ")
}

// has returns whether a row has an estimate.
func has(of func(*analysis.Row) analysis.Interval) func(*analysis.Row) bool {
	return func(r *analysis.Row) bool {
		_, ok := estimate(of(r))
		return ok
	}
}

func countOf(cores []string) string {
	list := strings.Join(cores, ", ")
	if len(cores) > 6 {
		list = fmt.Sprintf("%s, … (%d core counts)", strings.Join(cores[:4], ", "), len(cores))
		return list
	}
	if list == "1" {
		return "1 core"
	}
	return list + " cores"
}

// coreNames returns the legend's entries.
func (t *table) coreNames() []string {
	out := make([]string, len(t.cores))
	for i, c := range t.cores {
		out[i] = strconv.Itoa(c)
	}
	return out
}

// muchDisturbed is the share of disturbed trials above which a figure says so.
const muchDisturbed = 0.2

// heading returns the text around a figure. facts are what the subtitle says besides the rounds.
func (t *table) heading(title string, facts ...string) heading {
	h := heading{title: t.name + ": " + title}
	// What the marks are, after the last comma, stands in the title where there is room, and else in the subtitle: a title that
	// is shortened in its middle says neither.
	if at := strings.LastIndex(h.title, ", "); at > 0 && titleStyle.width(h.title) > figureWidth-2*margin {
		facts = append([]string{h.title[at+2:]}, facts...)
		h.title = h.title[:at]
	}
	var parts []string
	if n := t.rep.Rounds; n == 1 {
		parts = append(parts, "1 round")
	} else if n > 1 {
		parts = append(parts, strconv.Itoa(n)+" rounds")
	}
	if d := disturbed(t.t.Disturbed); d != "" {
		parts = append(parts, d)
	}
	if run := t.rep.Run; run != nil {
		if run.Header.Plan.Quick {
			parts = append(parts, "a first look")
		}
		if !t.rep.Complete {
			parts = append(parts, "incomplete run")
		}
		h.footer = footer(&run.Header)
	}
	if len(t.cores) == 1 {
		parts = append(parts, countOf(t.coreNames()))
	}
	for _, f := range facts {
		if f != "" {
			parts = append(parts, f)
		}
	}
	h.subtitle = strings.Join(parts, " · ")
	return h
}

// disturbed says how many trials others disturbed, where that is much.
func disturbed(share float64) string {
	if share <= muchDisturbed {
		return ""
	}
	return quantity.Percent(share) + " of trials disturbed by others"
}

// footer names the machine and the run.
func footer(h *results.Header) string {
	e := &h.Environment
	var parts []string
	if m := machine(e.CPUModel); m != "" {
		parts = append(parts, m)
	}
	if e.UsableCores == 1 {
		parts = append(parts, "1 usable core")
	} else if e.UsableCores > 1 {
		parts = append(parts, fmt.Sprintf("%d usable cores", e.UsableCores))
	}
	if e.OS != "" || e.Arch != "" {
		parts = append(parts, strings.Trim(clean(e.OS+"/"+e.Arch), "/"))
	}
	if h.ID != "" {
		parts = append(parts, "run "+footerStyle.fit(elide(h.ID), 180))
	}
	return strings.Join(parts, " · ")
}

// machine shortens a CPU model: "Intel(R) Xeon(R) Processor @ 2.90GHz" to "Intel Xeon Processor".
func machine(model string) string {
	model, _, _ = strings.Cut(model, "@")
	model = strings.NewReplacer("(R)", "", "(r)", "", "(TM)", "", "(tm)", "", "(C)", "", " CPU", "").Replace(model)
	return footerStyle.fit(elide(model), 300)
}

// What the marks of a figure are.
const (
	asMedian = "median"
	asRatio  = "ratio paired by round"
)

// statistic says what the marks are: "median and 98 % interval". The level is the lowest that any shown interval attains,
// in the same words as the heading of a table's column.
func statistic(what string, rows []*analysis.Row, of func(*analysis.Row) analysis.Interval) string {
	if len(rows) == 0 {
		return "every cell failed"
	}
	var shown []analysis.Interval
	for _, r := range rows {
		shown = append(shown, of(r))
	}
	return attained(what, shown)
}

// attained is what statistic says of these intervals.
func attained(what string, shown []analysis.Interval) string {
	level := 2.0
	for _, i := range shown {
		if i.Has() {
			level = math.Min(level, i.Level)
		}
	}
	if level > 1 {
		return what + " (too few rounds for intervals)"
	}
	return fmt.Sprintf("%s and %s interval", what, quantity.Level(level))
}

// measured returns the rows for which of has an estimate.
func (t *table) measured(of func(*analysis.Row) analysis.Interval) (rows []*analysis.Row) {
	for _, g := range t.groups {
		for _, r := range g.rows {
			if _, ok := estimate(of(r)); ok {
				rows = append(rows, r)
			}
		}
	}
	return rows
}

// rowPlot lays an estimate of every cell out in rows.
func (t *table) rowPlot(of func(*analysis.Row) analysis.Interval) (*rowPlot, extent, bool) {
	p := &rowPlot{series: t.coreNames(), legend: "cores"}
	var e extent
	for _, g := range t.groups {
		rw := row{label: g.label}
		for _, r := range g.rows {
			m, ok := estimate(of(r))
			if !ok {
				continue
			}
			e.add(m.point, m.lo, m.hi)
			i, _ := slices.BinarySearch(t.cores, r.Cell.Cores)
			rw.lanes = append(rw.lanes, lane{i, m})
		}
		rw.note = missing(g, has(of))
		p.rows = append(p.rows, rw)
	}
	return p, e, len(p.rows) > 0
}

// cut says in words what an arrow means, where there is one.
func cut(a axis, e extent) string {
	if e.any && (e.hi > a.max || e.lo < a.min) {
		return "arrows: the interval goes on beyond the axis"
	}
	return ""
}

func base(a axis) string {
	if !a.log && a.min > 0 {
		return "the axis does not start at 0"
	}
	return ""
}

func (t *table) fromRows(kind string, p *rowPlot, alt string) Figure {
	return Figure{kind: kind, title: p.title, alt: alt, height: math.Ceil(p.layout().height), draw: p.draw}
}

func omit(kind, title, reason string) Figure {
	return Figure{kind: kind, title: title, omitted: reason}
}

func perTask(r *analysis.Row) analysis.Interval    { return r.PerTask }
func speedup(r *analysis.Row) analysis.Interval    { return r.Speedup }
func efficiency(r *analysis.Row) analysis.Interval { return r.Efficiency }
func cpuPerWall(r *analysis.Row) analysis.Interval { return r.CPUPerWall }

const (
	noCells  = "the workload has no cells"
	noTrials = "no trial gave an observation"
)

func (t *table) anyFailed() bool {
	for _, g := range t.groups {
		if slices.ContainsFunc(g.rows, failed) {
			return true
		}
	}
	return false
}

// per is "time per task", or what stands in its place where the time is that of several commands.
func (t *table) per() string { return "time " + analysis.Per(t.t.All(), "task") }

func (t *table) took(r *analysis.Row) analysis.Interval { return r.Time(t.t.All()) }

func (t *table) time() Figure {
	p, e, ok := t.rowPlot(t.took)
	switch {
	case !ok:
		return omit(KindTime, t.name+": "+t.per(), noCells)
	case !e.any && !t.anyFailed():
		return omit(KindTime, t.name+": "+t.per(), noTrials)
	}
	p.x = valueAxis(e, logSpan)
	p.ticks = func(a *axis, room int) string { return a.timeTicks(t.per(), room) }
	p.heading = t.heading(t.per()+", "+statistic(asMedian, t.measured(t.took), t.took), "lower is better", base(p.x), cut(p.x, e))
	return t.fromRows(KindTime, p, t.describe("Time "+analysis.Per(t.t.All(), "task"), "lowest median", t.took, false, duration))
}

func (t *table) distribution() Figure {
	p := &rowPlot{series: t.coreNames(), legend: "cores", sample: true}
	var e extent
	n, thinned := 0, false
	for _, g := range t.groups {
		rw := row{label: g.label}
		for _, r := range g.rows {
			m := mark{}
			for _, v := range r.Observations {
				if v *= float64(max(t.t.All(), 1)); sane(v) {
					m.obs = append(m.obs, v)
					e.add(v, v, v)
				}
			}
			if len(m.obs) == 0 {
				continue
			}
			n += len(m.obs)
			thinned = thinned || len(m.obs) > maxPoints
			i, _ := slices.BinarySearch(t.cores, r.Cell.Cores)
			rw.lanes = append(rw.lanes, lane{i, m})
		}
		rw.note = missing(g, func(r *analysis.Row) bool { return slices.ContainsFunc(r.Observations, sane) })
		p.rows = append(p.rows, rw)
	}
	switch {
	case len(p.rows) == 0:
		return omit(KindDistribution, t.name+": "+t.per()+", every trial", noCells)
	case n == 0:
		return omit(KindDistribution, t.name+": "+t.per()+", every trial", noTrials)
	}
	p.x = valueAxis(e, logSpan)
	p.ticks = func(a *axis, room int) string { return a.timeTicks(t.per(), room) }
	title := t.per() + ", every trial"
	if thinned {
		title = t.per() + ", trials (a part of them is drawn)"
	}
	p.heading = t.heading(title, "box: quartiles and median", "whiskers: 1.5 × IQR", "hollow: outliers", base(p.x))
	trials := "trials"
	if n == 1 {
		trials = "trial"
	}
	alt := fmt.Sprintf("Distribution of the %s of %s: %d %s of %s, each a point over a box of its cell's quartiles.", t.per(), t.name, n, trials, strategies(len(t.groups)))
	return t.fromRows(KindDistribution, p, alt)
}

func (t *table) cpu() Figure {
	p, e, ok := t.rowPlot(cpuPerWall)
	if !ok || !e.any {
		reason := noCells
		if ok {
			reason = "no trial recorded CPU time"
		}
		return omit(KindCPU, t.name+": CPU seconds per wall second", reason)
	}
	top := t.cores[len(t.cores)-1]
	for _, c := range t.cores {
		p.refs = append(p.refs, ref{float64(c), countOf([]string{strconv.Itoa(c)})})
	}
	all := e
	if e.point1 > 0 { // the reference lines belong to the picture, the smallest one at least
		all.add(float64(t.cores[0]), float64(t.cores[0]), float64(t.cores[0]))
		if float64(top) <= math.Max(4*e.point1, 2*float64(t.cores[0])) {
			all.add(float64(top), float64(top), float64(top))
		}
	}
	p.x = valueAxis(all, logSpanCPU)
	if !p.x.log {
		p.x.min = 0
	}
	p.ticks = func(a *axis, room int) string {
		a.plainTicks(room, 1, "")
		title := "CPU seconds per wall second"
		if a.log {
			title += " (log scale)"
		}
		return title
	}
	p.heading = t.heading("CPU seconds per wall second, "+statistic(asMedian, t.measured(cpuPerWall), cpuPerWall),
		"at its dashed line: bound by CPU · far left of it: waiting", cut(p.x, e))
	return t.fromRows(KindCPU, p, t.describe("CPU seconds per wall second", "highest median", cpuPerWall, true, round3))
}

// duration writes seconds in a unit that suits.
func duration(v float64) string {
	name, unit := unitFor(v)
	return round3(v/unit) + " " + name
}

// strategies counts them: "1 strategy".
func strategies(n int) string {
	if n == 1 {
		return "1 strategy"
	}
	return strconv.Itoa(n) + " strategies"
}

// describe writes the sentence for readers who do not see the figure.
func (t *table) describe(what, extreme string, of func(*analysis.Row) analysis.Interval, high bool, format func(float64) string) string {
	var best *analysis.Row
	bestLabel := ""
	for _, g := range t.groups {
		for _, r := range g.rows {
			if _, ok := estimate(of(r)); !ok {
				continue
			}
			if best == nil || (of(r).Point > of(best).Point) == high && of(r).Point != of(best).Point {
				best, bestLabel = r, g.label
			}
		}
	}
	out := fmt.Sprintf("%s of %s: %s on %s.", what, t.name, strategies(len(t.groups)), countOf(t.coreNames()))
	if best != nil {
		out += fmt.Sprintf(" The %s is %s, of %s on %s.", extreme, format(of(best).Point), elide(bestLabel),
			countOf([]string{strconv.Itoa(best.Cell.Cores)}))
	}
	return out
}
