package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/quantity"
)

// splitShort says beside each table how to read it, splitReading among the explanations of a page.
const (
	splitShort = "Shares of the time of all workers of a batch: inside of tasks (execution), before a worker's first task (start), from one of its tasks to the next (between), " +
		"after its last task while others still had some (idle; \"between or idle\" where it is not known which worker ran a task), and from the end of the last task of all to the end of the batch (join). " +
		"× alone is how long a task took, over the same program's sequential reference in the same rounds."
	splitReading = "- Where the time goes: start and between are dispatch and transfer, which within a process are one step; what worker processes spent on unpacking calls and packing answers is transfer, and the rest of both dispatch; join is synchronisation. Idle is work that was shared out unevenly, or none left. " +
		"A task that takes longer than alone shares something with the others: memory bandwidth, caches, a hardware thread, an interpreter's lock, or a core. " +
		"Set-up is in none of these shares; it is given for each task of one batch, as if the workers were made for that batch alone."
)

// splitTransfer says what transfer is where a table has it.
const splitTransfer = " Transfer is the part of start and between in which worker processes unpacked calls and packed answers; the rest of both is dispatch."

func transferText(rep *analysis.Report) string {
	for i := range rep.Tables {
		if slices.ContainsFunc(splitRows(&rep.Tables[i]), func(r *analysis.Row) bool { return r.Split.Transfer.N > 0 }) {
			return splitTransfer
		}
	}
	return ""
}

// splitRows are the rows of a table in which something was observed.
func splitRows(t *analysis.Table) []*analysis.Row {
	var rows []*analysis.Row
	for i := range t.Rows {
		if r := &t.Rows[i]; r.OK > 0 && r.Split.Observed() {
			rows = append(rows, r)
		}
	}
	return rows
}

// splitTable has every column that tables about a split are made of.
type splitTable struct {
	cols  map[string]column
	cells map[string][]string // by row
	n     int
}

// The columns of the tables: the terminal's one, and the three of a page.
var (
	splitTerminal = []string{"strategy", "cores", "workers", "wall", "share", "start share", "between share", "between or idle share", "transfer share", "idle share", "join share", "slower", "set-up", "n"}
	splitShares   = []string{"strategy", "cores", "share", "start share", "between share", "between or idle share", "idle share", "join share", "slower"}
	splitTimes    = []string{"strategy", "cores", "execution", "start", "between", "between or idle", "idle", "join", "all"}
	splitAround   = []string{"strategy", "cores", "workers", "task", "transfer", "set-up", "close", "n"}
)

func newSplitTable(t *analysis.Table, unit quantity.Unit) *splitTable {
	rows := splitRows(t)
	all := float64(max(t.All(), 1))
	out := &splitTable{cols: map[string]column{}, cells: map[string][]string{}, n: len(rows)}
	text := func(name string, c column, of func(*analysis.Row) string) {
		out.cols[name] = c
		for _, r := range rows {
			out.cells[name] = append(out.cells[name], of(r))
		}
	}
	interval := func(name, head, title string, scale float64, of func(*analysis.Split) analysis.Interval) {
		var e estimates
		for _, r := range rows {
			e.add(of(r.Split), scale)
		}
		out.cols[name] = column{head: strings.TrimSpace(head + level(e.level())), long: long(title, e.level())}
		out.cells[name] = e.cells()
	}
	wall := splitUnit(unit, rows, func(s *analysis.Split) float64 { return s.Wall.Point * all })
	text("strategy", column{head: "strategy", long: "strategy", left: true, wrap: true}, func(r *analysis.Row) string { return r.Name })
	text("cell", column{long: "strategy", left: true}, rowName)
	text("cores", column{head: "cores", long: "cores"}, func(r *analysis.Row) string { return fmt.Sprint(r.Cell.Cores) })
	text("workers", column{head: "workers", long: "workers", drop: 6}, func(r *analysis.Row) string { return fmt.Sprint(r.Split.Workers) })
	text("wall", column{head: wall.Symbol + "\n" + analysis.Per(t.All(), "task"), long: wall.Symbol + " " + analysis.Per(t.All(), "task") + " in the probed batches", drop: 4},
		func(r *analysis.Row) string { return number(r.Split.Wall.Times(all), wall) })
	interval("share", "execution\n% ", "execution, %", 0.01, func(s *analysis.Split) analysis.Interval { return s.Share })
	for i, p := range (&analysis.Split{}).Parts() {
		part := func(s *analysis.Split) float64 { return s.Parts()[i].Time.Point * all }
		u := splitUnit(unit, rows, part)
		interval(p.Name, "", p.Name+", "+u.Symbol+" "+analysis.Per(t.All(), "task"), u.Scale, func(s *analysis.Split) analysis.Interval { return s.Parts()[i].Time.Times(all) })
		text(p.Name+" share", column{head: splitHead(p.Name), long: p.Name + ", %"}, func(r *analysis.Row) string {
			if s := r.Split; s.Parts()[i].Time.N > 0 {
				return shareCell(part(s), s.Wall.Point*all)
			}
			return absent
		})
		if drop := map[string]int{"join": 2, "start": 1}[p.Name]; drop > 0 { // mostly the least, for terminals that have no room for them
			c := out.cols[p.Name+" share"]
			c.drop = drop
			out.cols[p.Name+" share"] = c
		}
		if !slices.ContainsFunc(rows, func(r *analysis.Row) bool { return r.Split.Parts()[i].Time.N > 0 }) { // not in this table
			delete(out.cols, p.Name)
			delete(out.cols, p.Name+" share")
		}
	}
	interval("all", "", "all, "+wall.Symbol+" "+analysis.Per(t.All(), "task"), wall.Scale, func(s *analysis.Split) analysis.Interval { return s.Wall.Times(all) })
	interval("slower", "task × alone\n", "a task's time × alone", 1, func(s *analysis.Split) analysis.Interval { return s.Slower })
	c := out.cols["slower"]
	c.drop = 3
	out.cols["slower"] = c
	if slices.ContainsFunc(rows, func(r *analysis.Row) bool { return r.Split.Transfer.N > 0 }) { // else no table has these
		text("transfer share", column{head: "transfer\n%", long: "transfer (of start and between), %", drop: 5}, func(r *analysis.Row) string {
			if r.Split.Transfer.N == 0 {
				return absent
			}
			return shareCell(r.Split.Transfer.Point, r.Split.Wall.Point)
		})
		text("transfer", column{long: "of start and between: transfer, per task"}, func(r *analysis.Row) string { return durationCell(r.Split.Transfer) })
	}
	text("task", column{long: "one task took"}, func(r *analysis.Row) string { return quantity.Duration(r.Split.Task.Point) })
	text("set-up", column{head: "set-up\n/task", long: "set-up for each task of one batch", drop: 7}, func(r *analysis.Row) string { return durationCell(r.Split.Setup) })
	text("close", column{long: "ending the strategy"}, func(r *analysis.Row) string { return durationCell(r.Split.Close) })
	text("n", column{head: "n", long: "n", drop: 8}, func(r *analysis.Row) string { return fmt.Sprint(r.Split.N) })
	return out
}

// splitHead heads a part's shares, in two lines.
func splitHead(part string) string {
	if first, second, two := strings.Cut(part, " or "); two {
		return first + "\nor " + second + " %"
	}
	return part + "\n%"
}

// grid puts the columns of those names side by side, of those that there are.
func (t *splitTable) grid(names []string) *grid {
	g := &grid{lines: make([]line, t.n)}
	if _, merged := t.cols["between or idle"]; merged && !slices.Contains(names, "workers") && names[0] == "strategy" { // one more column, on a page of eight
		names = slices.Concat([]string{"cell"}, names[2:])
	}
	for _, name := range names {
		if _, there := t.cols[name]; !there {
			continue
		}
		g.cols = append(g.cols, t.cols[name])
		for k, c := range t.cells[name] {
			g.lines[k].cells = append(g.lines[k].cells, c)
		}
	}
	return g
}

// splitUnit is unit, or the one that suits the rows where none was asked for: most of them, and no number gets six digits before
// its point. Parts of a batch differ from strategy to strategy as nothing else does.
func splitUnit(unit quantity.Unit, rows []*analysis.Row, of func(*analysis.Split) float64) quantity.Unit {
	if unit.Scale != 0 {
		return unit
	}
	var values []float64
	for _, r := range rows {
		values = append(values, of(r.Split))
	}
	u := quantity.Time(values...)
	if most := slices.Max(append(values, 0)); u.In(most) >= 1e5 {
		u = quantity.Time(most / 1e2) // in which it has three digits or four
	}
	return u
}

// durationCell writes an estimate with a unit of its own.
func durationCell(iv analysis.Interval) string {
	if iv.N == 0 {
		return absent
	}
	return quantity.Duration(iv.Point)
}

// shareCell writes part/whole in percent, to a tenth.
func shareCell(part, whole float64) string {
	if whole <= 0 {
		return absent
	}
	return quantity.Fixed(part/whole*100, 1)
}

// splitConduct says how the split of a workload was measured. It holds names from the file.
func splitConduct(t *analysis.Table) string {
	rows := splitRows(t)
	if len(rows) == 0 {
		return ""
	}
	least, most := 0, 0
	lo, hi, cost := math.Inf(1), 0.0, 0.0
	for k, r := range rows {
		s := r.Split
		if k == 0 || s.N < least {
			least = s.N
		}
		most = max(most, s.N)
		lo, hi, cost = math.Min(lo, s.Against.Point), math.Max(hi, s.Against.Point), math.Max(cost, s.Cost)
	}
	n := counted(most, "trial")
	if least != most {
		n = fmt.Sprintf("%d to %s", least, n)
	}
	times := quantity.Digits(lo, 3)
	if most := quantity.Digits(hi, 3); most != times {
		times += " to " + most
	}
	if t.Commands() {
		return fmt.Sprintf("From the measured batches of %s of each row: when each command began and ended was noted, which took at most %s of the workers' time.%s",
			n, quantity.Percent(cost), splitTurns(rows))
	}
	return fmt.Sprintf("From one or more further batches, after the measured ones, in %s of each row: they took %s times as long as the measured ones, and timing their tasks took at most %s of the workers' time.%s",
		n, times, quantity.Percent(cost), splitTurns(rows))
}

// splitTurns names the rows with tasks that took longer than alone and may have had to wait for a core. It says both: rows
// with as many tasks in flight that took no longer are not among them.
func splitTurns(rows []*analysis.Row) string {
	var labels []string
	for _, r := range rows {
		if r.TakesTurns() && r.Split.Slower.Point > analysis.SlowerLimit && !slices.Contains(labels, r.Name) {
			labels = append(labels, r.Name)
		}
	}
	const most = 6
	if len(labels) > most+1 {
		labels = append(labels[:most], fmt.Sprintf("%d more", len(labels)-most))
	}
	if len(labels) == 0 {
		return ""
	}
	return fmt.Sprintf(" Tasks that took over %s longer than alone, with more in flight than cores: %s; × alone holds there what tasks waited for their turn on a core.",
		quantity.Percent(analysis.SlowerLimit-1), strings.Join(labels, ", "))
}

// splits writes the section of a terminal.
func (p *printer) splits() {
	first := true
	for i := range p.rep.Tables {
		t := &p.rep.Tables[i]
		if len(splitRows(t)) == 0 {
			continue
		}
		if first {
			p.b.WriteString("\n" + p.ink.paint(bold, "where the time goes") + "\n")
			p.para("", splitShort+transferText(p.rep))
			first = false
		}
		p.b.WriteByte('\n')
		out, left := newSplitTable(t, p.unit).grid(splitTerminal).text(p.width, p.ink)
		p.para("", p.ink.paint(bold, EscapeTerminal(t.Entry.Key))+" · where the time goes")
		p.b.WriteString("\n" + out)
		if len(left) > 0 {
			p.para("", p.ink.paint(dim, fmt.Sprintf("Not shown at this width: %s.", EscapeTerminal(strings.Join(left, "; ")))))
		}
		p.b.WriteByte('\n')
		p.para("", EscapeTerminal(t.SplitFinding))
		p.para("", p.ink.paint(dim, EscapeTerminal(splitConduct(t))))
	}
	if len(p.rep.Unobserved) > 0 {
		p.b.WriteString("\n" + p.ink.paint(bold, "not observed") + "\n")
	}
	for k := range p.rep.Unobserved {
		p.para("  ", EscapeTerminal(p.rep.Unobserved[k].Sentence()))
	}
}

// split writes the part of a workload's section.
func (p *page) split(t *analysis.Table) {
	if len(splitRows(t)) == 0 {
		return
	}
	s := newSplitTable(t, p.unit)
	p.f("### Where the time of %s goes\n\n%s\n\n%s\n", EscapeMarkdown(t.Entry.Key), EscapeMarkdown(splitShort+transferText(p.rep)), s.grid(splitShares).markdown())
	p.f("%s\n\n", EscapeMarkdown(strings.TrimSpace(t.SplitFinding+" "+splitConduct(t))))
	p.f("In time %s; each figure is a median of its own, so that a row need not add up to the last digit, as it does in every trial:\n\n%s\n",
		analysis.Per(t.All(), "task"), s.grid(splitTimes).markdown())
	p.f("One task by itself, and what surrounds the batches:\n\n%s\n", s.grid(splitAround).markdown())
}

// unobserved lists what the splits could not see.
func (p *page) unobserved() {
	if len(p.rep.Unobserved) == 0 {
		return
	}
	p.f("## Not observed\n\n")
	for k := range p.rep.Unobserved {
		p.f("- %s\n", EscapeMarkdown(sentence(p.rep.Unobserved[k].Sentence())))
	}
	p.f("\n")
}
