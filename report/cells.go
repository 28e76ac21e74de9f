package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/quantity"
)

// The mark of the winning set and of what was not measured.
const (
	winMark = "▲"
	absent  = "–"
)

// footnote is a text below a table that rows refer to by its mark.
type footnote struct {
	mark string
	analysis.Warning
}

// measured is a workload's table ready for layout.
type measured struct {
	grid   grid
	marked bool // some row has the winner's mark
}

// estimates formats one column of intervals: the points and the brackets are each aligned, so that numbers of one
// column can be compared by eye.
type estimates struct {
	points, brackets []string
	levels           []float64
}

func (e *estimates) add(iv analysis.Interval, scale float64) {
	if iv.N == 0 {
		e.points, e.brackets = append(e.points, absent), append(e.brackets, "")
		return
	}
	p, lo, hi := iv.Point/scale, iv.Lo/scale, iv.Hi/scale
	if !iv.Has() {
		e.points, e.brackets = append(e.points, quantity.Digits(p, 3)), append(e.brackets, "")
		return
	}
	d := quantity.Decimals(p, (hi-lo)/2)
	e.points = append(e.points, quantity.Fixed(p, d))
	e.brackets = append(e.brackets, "["+quantity.Fixed(lo, d)+", "+quantity.Fixed(hi, d)+"]")
	e.levels = append(e.levels, iv.Level)
}

// cells joins points and brackets, each padded to the widest of its kind.
func (e *estimates) cells() []string {
	pw, bw := 0, 0
	for i := range e.points {
		pw, bw = max(pw, len([]rune(e.points[i]))), max(bw, len(e.brackets[i]))
	}
	out := make([]string, len(e.points))
	for i, p := range e.points {
		out[i] = strings.Repeat(" ", pw-len([]rune(p))) + p
		if bw > 0 {
			out[i] += " " + e.brackets[i] + strings.Repeat(" ", bw-len(e.brackets[i]))
		}
	}
	return out
}

// level words the attained confidence of a column: one number where all rows have about the same.
func (e *estimates) level() string {
	if len(e.levels) == 0 {
		return ""
	}
	lo, hi := e.levels[0], e.levels[0]
	for _, l := range e.levels {
		lo, hi = math.Min(lo, l), math.Max(hi, l)
	}
	if quantity.Level(lo) == quantity.Level(hi) {
		return quantity.Level(lo)
	}
	return "≥ " + quantity.Level(lo)
}

// cellsOf builds the table of one workload. unit is the unit of times per task and per batch; its zero value lets the data
// choose, as it does for set-up, whose size is another. notes are those of the whole run.
func cellsOf(t *analysis.Table, unit quantity.Unit, notes []footnote) measured {
	var m measured
	all := t.All()
	var points, batches, setups, peaks []float64
	for i := range t.Rows {
		r := &t.Rows[i]
		points, batches = append(points, r.Time(all).Point), append(batches, r.PerBatch.Point)
		setups, peaks = append(setups, r.Setup.Point), append(peaks, float64(r.PeakBytes))
	}
	per, batch := unit, unit
	if unit.Scale == 0 {
		per, batch = suited(quantity.Time, points), suited(quantity.Time, batches)
	}
	setup, mem := suited(quantity.Time, setups), suited(quantity.Bytes, peaks)
	var task, speed, over estimates
	several := false // programs, each with a reference of its own
	for i := range t.Rows {
		r := &t.Rows[i]
		task.add(r.Time(all), per.Scale)
		speed.add(r.Speedup, 1)
		over.add(r.VsReference, 1)
		several = several || r.VsReference.N > 0
		if r.OK == 0 {
			task.points[i] = outcome(r)
		}
	}
	taskCells, speedCells, overCells := task.cells(), speed.cells(), over.cells()
	m.grid.cols = columns(t, per, batch, setup, mem, task.level(), speed.level())
	if several {
		m.grid.cols = twoSpeedups(t, m.grid.cols, over.level())
	}
	marks := winners(t)
	for i := range t.Rows {
		r := &t.Rows[i]
		cells := []string{marks[i] + r.Name, fmt.Sprint(r.Cell.Cores), workers(&r.Cell), taskCells[i]}
		if !t.Entry.OwnN {
			cells = append(cells, number(r.PerBatch, batch), speedCells[i])
			if several {
				cells = append(cells, overCells[i])
			}
			cells = append(cells, percent(r.Efficiency))
		}
		cells = append(cells, ratioCell(r.CPUPerWall), peakCell(r, mem), number(r.Setup, setup), fmt.Sprint(r.OK), marksOf(notes, r))
		st := plain
		switch {
		case marks[i] == winMark+" ":
			st, m.marked = strong, true
		case r.HasFailed() || r.OK == 0:
			st = faint
		}
		m.grid.lines = append(m.grid.lines, line{cells, st})
	}
	if all > 0 { // the time per batch is the one before it
		const batch = speedupColumn - 1
		m.grid.cols = slices.Delete(m.grid.cols, batch, batch+1)
		for i := range m.grid.lines {
			m.grid.lines[i].cells = slices.Delete(m.grid.lines[i].cells, batch, batch+1)
		}
	}
	return m
}

func level(s string) string {
	if s == "" {
		return ""
	}
	return "[" + s + "]"
}

func long(s, l string) string {
	if l == "" {
		return s
	}
	return s + ", " + l + " interval"
}

// speedupColumn is where columns puts the speedup.
const speedupColumn = 5

// twoSpeedups makes room for the speedup over the first program's reference beside the one over each program's own.
func twoSpeedups(t *analysis.Table, cols []column, overLevel string) []column {
	own := cols[speedupColumn]
	own.head, own.long = "own\n"+strings.Replace(own.head, "\n", " ", 1), strings.Replace(own.long, "speedup", "speedup over the program's own reference", 1)
	over, short := "speedup over "+t.Rows[t.Reference].Name, "reference"
	if name := t.Rows[t.Reference].Name; len(name) <= 16 && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz-") == "" {
		short = name // a heading is no place for whatever a file may hold
	}
	extra := column{head: strings.TrimSpace("over\n" + short + " " + level(overLevel)), long: long(over, overLevel), drop: 1, intervals: true}
	return slices.Concat(cols[:speedupColumn], []column{own, extra}, cols[speedupColumn+1:])
}

// suited is the unit of a column, and one without a name where the column has no value that would need it.
func suited(unit func(...float64) quantity.Unit, values []float64) quantity.Unit {
	u := unit(values...)
	if !slices.ContainsFunc(values, func(v float64) bool { return v > 0 }) {
		u.Symbol = ""
	}
	return u
}

// inUnit begins a heading with the unit of a time.
func inUnit(u quantity.Unit, rest string) string {
	if u.Symbol == "" {
		return "time " + rest
	}
	return u.Symbol + " " + rest
}

// withUnit ends a column's name with a unit.
func withUnit(name string, u quantity.Unit) string {
	if u.Symbol == "" {
		return name
	}
	return name + ", " + u.Symbol
}

// columns describes the columns in the order in which cellsOf fills them.
func columns(t *analysis.Table, per, batch, setup, mem quantity.Unit, taskLevel, speedLevel string) []column {
	took := inUnit(per, analysis.Per(t.All(), "task"))
	cols := []column{
		{head: "strategy", long: "strategy", left: true, wrap: true, key: true},
		{head: "cores", long: "cores", key: true},
		{head: "workers", long: "workers", drop: workersDrop(t)},
		{head: strings.TrimSpace(took + "\n" + level(taskLevel)), long: long(took, taskLevel), intervals: true},
	}
	if !t.Entry.OwnN {
		cols = append(cols,
			column{head: inUnit(batch, "per\nbatch"), long: inUnit(batch, "per batch"), drop: 7, cost: true},
			column{head: strings.TrimSpace("speedup\n" + level(speedLevel)), long: long("speedup", speedLevel), drop: 1, intervals: true},
			column{head: "effi-\nciency", long: "efficiency", drop: 4})
	}
	return append(cols,
		column{head: "CPU s\n/wall s", long: "CPU s per wall s", drop: 6, cost: true},
		column{head: strings.TrimSpace("peak\n" + mem.Symbol), long: withUnit("peak memory", mem), drop: 8, cost: true},
		column{head: strings.TrimSpace("set-up\n" + setup.Symbol), long: withUnit("set-up", setup), drop: 9, cost: true},
		column{head: "n", long: "n", drop: 5},
		column{head: "", long: "notes", left: true})
}

// workersDrop says when the workers' column goes: never where rows are compared that have unequal numbers of them.
func workersDrop(t *analysis.Table) int {
	if t.UnequalWorkers() {
		return 0
	}
	return 3
}

// winners marks the rows of the winning set.
func winners(t *analysis.Table) []string { return setMarks(t.Winner, len(t.Rows), rivals(t)) }

// setMarks marks those of so many rows that are in the winning set. Nothing is marked where nothing was decided or nothing
// stands out from its rivals.
func setMarks(w *analysis.Winner, rows, rivals int) []string {
	marks := make([]string, rows)
	for i := range marks {
		marks[i] = "  "
	}
	if w == nil || !w.Decided() || len(w.Set) == rivals {
		return marks
	}
	for _, i := range w.Set {
		marks[i] = winMark + " "
	}
	return marks
}

func rivals(t *analysis.Table) int {
	n := 0
	for i := range t.Rows {
		if t.Rows[i].OK > 0 && !t.Rows[i].HasFailed() {
			n++
		}
	}
	return n
}

// outcome is what stands in place of a time.
func outcome(r *analysis.Row) string {
	if r.HasFailed() {
		return "failed"
	}
	return "not run"
}

// workers is how many workers a cell has; those that start one per task have no number of their own.
func workers(c *results.Cell) string {
	switch {
	case c.Workers > 0:
		return fmt.Sprint(c.Workers)
	case c.Unbounded:
		return "per task"
	}
	return absent
}

func number(iv analysis.Interval, u quantity.Unit) string {
	if iv.N == 0 {
		return absent
	}
	return quantity.Digits(u.In(iv.Point), 3)
}

func ratioCell(iv analysis.Interval) string {
	if iv.N == 0 {
		return absent
	}
	return quantity.Fixed(iv.Point, 2)
}

func percent(iv analysis.Interval) string {
	if iv.N == 0 {
		return absent
	}
	return quantity.Fixed(iv.Point*100, 0) + " %"
}

func sizeCell(n int64, u quantity.Unit) string {
	if n <= 0 {
		return absent
	}
	return quantity.Digits(u.In(float64(n)), 3)
}

// footnotes gathers the warnings of all rows of all tables: rows with the same warning share one, and a mark means the
// same everywhere.
func footnotes(rep *analysis.Report) []footnote {
	var notes []footnote
	seen := map[analysis.Warning]bool{}
	for k := range rep.Tables {
		for i := range rep.Tables[k].Rows {
			r := &rep.Tables[k].Rows[i]
			for _, w := range r.Warnings {
				if w = withStatus(w, r); !seen[w] {
					seen[w] = true
					notes = append(notes, footnote{mark(len(notes)), w})
				}
			}
		}
	}
	return notes
}

// withStatus says in the footnote of a failure how it ended; the reason stands in the list of failures.
func withStatus(w analysis.Warning, r *analysis.Row) analysis.Warning {
	if w.Code == analysis.CodeFailed {
		w.Text += fmt.Sprintf(" (%s)", clip(string(r.Status)))
	}
	return w
}

// mark numbers footnotes: a, b … z, aa, ab and so on.
func mark(k int) string {
	if k < 26 {
		return string(rune('a' + k))
	}
	return mark(k/26-1) + mark(k%26)
}

// marksOf lists the marks of a row in their order.
func marksOf(notes []footnote, r *analysis.Row) string {
	has := map[analysis.Warning]bool{}
	for _, w := range r.Warnings {
		has[withStatus(w, r)] = true
	}
	var marks []string
	for _, n := range notes {
		if has[n.Warning] {
			marks = append(marks, n.mark)
		}
	}
	return strings.Join(marks, " ")
}

// rowName is a row's name with its core count.
func rowName(r *analysis.Row) string {
	unit := "cores"
	if r.Cell.Cores == 1 {
		unit = "core"
	}
	return fmt.Sprintf("%s on %d %s", r.Name, r.Cell.Cores, unit)
}

// joins adds the row that was not run to what is listed already for the same reason, and reports whether there was that.
func joins(list []failure, f failure) bool {
	k := slices.IndexFunc(list, func(o failure) bool {
		return len(o.notRun) > 0 && o.where == f.where && o.status == f.status && o.reason == f.reason && o.stderr == f.stderr
	})
	if k >= 0 {
		list[k].notRun = append(list[k].notRun, f.notRun...)
	}
	return k >= 0
}

// failure is why a row has no times, or why several of a workload have none.
type failure struct {
	where  string // workload and row
	status results.Status
	reason string
	stderr string
	count  string
	notRun []string // rows that were not run because this failed before; empty: it failed in a row's own trials
}

// failures lists the rows that failed, over all tables and the machine ceiling's cells: those that were not run because
// their workload had failed before, together.
func failures(rep *analysis.Report) []failure {
	var out []failure
	add := func(where string, rows []analysis.Row) {
		for i := range rows {
			if r := &rows[i]; r.HasFailed() {
				if why, notRun := results.CutNotRun(r.FailReason); notRun {
					f := failure{where: where, status: r.Status, reason: clip(why), stderr: r.FailStderr, notRun: []string{rowName(r)}}
					if !joins(out, f) {
						out = append(out, f)
					}
					continue
				}
				out = append(out, failure{
					where: where + ": " + rowName(r), status: r.Status, reason: clip(r.FailReason), stderr: r.FailStderr,
					count: fmt.Sprintf("%d of %d trials", r.Failed, r.Failed+r.OK),
				})
			}
		}
	}
	for k := range rep.Tables {
		add(rep.Tables[k].Entry.Key, rep.Tables[k].Rows)
	}
	add("machine ceiling", rep.CeilingRows)
	return out
}
