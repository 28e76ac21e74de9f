package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/quantity"
)

// commandCells builds the table that compares commands. unit is the unit of times; its zero value lets the data choose.
func commandCells(c *analysis.CommandTable, unit quantity.Unit, notes []footnote) measured {
	var m measured
	all := c.All()
	var points, used, peaks []float64
	for i := range c.Rows {
		r := &c.Rows[i]
		points, peaks = append(points, r.Time(all).Point), append(peaks, float64(r.PeakBytes))
		used = append(used, r.Costs.User.Point, r.Costs.System.Point)
	}
	per, cpu, mem := unit, unit, suited(quantity.Bytes, peaks)
	if unit.Scale == 0 {
		per, cpu = suited(quantity.Time, points), suited(quantity.Time, used)
	}
	marks := setMarks(c.Winner, len(c.Rows), commandRivals(c))
	var took, relative estimates
	for i := range c.Rows {
		r := &c.Rows[i]
		took.add(r.Time(all), per.Scale)
		relative.add(r.Relative, 1)
		switch {
		case r.OK == 0:
			took.points[i] = outcome(&r.Row)
		case i == c.Base():
			relative.points[i] = quantity.Fixed(1, 2)
		}
	}
	tookCells, relativeCells := took.cells(), relative.cells()
	single := len(c.Rows) == 1 // there is nothing to be relative to
	m.grid.cols = commandColumns(c, per, cpu, mem, took.level(), relative.level())
	for i := range c.Rows {
		r := &c.Rows[i]
		cells := []string{marks[i] + r.Command}
		for _, p := range c.Params {
			v, ok := r.Params[p]
			if !ok {
				v = absent
			}
			cells = append(cells, v)
		}
		cells = append(cells, tookCells[i], number(r.Costs.User, cpu), number(r.Costs.System, cpu), peakCell(&r.Row, mem))
		if !single {
			cells = append(cells, relativeCells[i])
		}
		cells = append(cells, fmt.Sprint(r.OK), marksOf(notes, &r.Row))
		st := plain
		switch {
		case marks[i] == winMark+" ":
			st, m.marked = strong, true
		case r.HasFailed() || r.OK == 0:
			st = faint
		}
		m.grid.lines = append(m.grid.lines, line{cells, st})
	}
	return m
}

func commandColumns(c *analysis.CommandTable, per, cpu, mem quantity.Unit, tookLevel, relativeLevel string) []column {
	cols := []column{{head: "command", long: "command", left: true, wrap: true, key: true}}
	for _, p := range c.Params {
		cols = append(cols, column{head: EscapeTerminal(clipped("{" + p + "}")), long: "{" + p + "}", key: true}) // as in the line: n is another column
	}
	took, each := inUnit(per, analysis.Per(c.All(), "command")), ""
	if slices.ContainsFunc(c.Rows, func(r analysis.CommandRow) bool { return r.Cell.Tasks > 1 }) {
		each = " each"
		if c.All() == 0 { // batches of unlike numbers
			took = inUnit(per, "of a batch ÷ its commands")
		}
	}
	cols = append(cols,
		column{head: strings.TrimSpace(took + "\n" + level(tookLevel)), long: long(took, tookLevel), intervals: true},
		column{head: strings.TrimSpace("user\n" + strings.TrimSpace(cpu.Symbol+each)), long: withUnit("user time"+ofEach(each), cpu), drop: 2},
		column{head: strings.TrimSpace("system\n" + strings.TrimSpace(cpu.Symbol+each)), long: withUnit("system time"+ofEach(each), cpu), drop: 3},
		column{head: strings.TrimSpace("peak\n" + mem.Symbol), long: withUnit("peak memory", mem), drop: 4})
	if len(c.Rows) > 1 {
		cols = append(cols, column{head: strings.TrimSpace("relative\n" + level(relativeLevel)), long: long("time relative to "+relativeTo(c), relativeLevel), drop: 1, intervals: true})
	}
	return append(cols,
		column{head: "n", long: "n", drop: 5},
		column{head: "", long: "notes", left: true})
}

// ofEach is " of each" where a table has times of several commands together.
func ofEach(each string) string {
	if each == "" {
		return ""
	}
	return " of" + each
}

// relativeTo is what times are relative to.
func relativeTo(c *analysis.CommandTable) string {
	if c.Reference >= 0 {
		return "the reference"
	}
	return "the fastest"
}

// commandRivals counts the commands that could have won.
func commandRivals(c *analysis.CommandTable) int {
	n := 0
	for i := range c.Rows {
		if c.Rows[i].OK > 0 && !c.Rows[i].HasFailed() {
			n++
		}
	}
	return n
}

func commandsTitle(c *analysis.CommandTable) string {
	if len(c.Rows) == 1 {
		return "command measured"
	}
	return "commands compared"
}

// peakCell is the peak memory of a cell: that of commands may be no more than a bound.
func peakCell(r *analysis.Row, mem quantity.Unit) string {
	s := sizeCell(r.PeakBytes, mem)
	if r.Costs != nil && r.Costs.PeakBound && s != absent {
		return "≤ " + s
	}
	return s
}

// shellText says what the shell's start is in the times, empty where there was none.
func shellText(rep *analysis.Report) string {
	c := rep.Run.Header.Plan.Commands
	if c == nil || c.Shell == "" || rep.Shell.N == 0 {
		return ""
	}
	return fmt.Sprintf("Each command was run by %s -c, whose own start took %s (median), which every time contains.", c.Shell, quantity.Duration(rep.Shell.Point))
}

// covered reports whether a workload's table says nothing that a comparison of commands does not.
func covered(rep *analysis.Report, t *analysis.Table) bool {
	if len(t.Rows) != 1 || slices.ContainsFunc(t.Warnings, func(w analysis.Warning) bool { return w.Code != analysis.CodeRefFailed }) {
		return false
	}
	for k := range rep.Commands {
		for i := range rep.Commands[k].Rows {
			if rep.Commands[k].Rows[i].Index == t.Rows[0].Index {
				return true
			}
		}
	}
	return false
}

// alone reports whether every workload was measured in one way only.
func alone(rep *analysis.Report) bool {
	for i := range rep.Tables {
		if len(rep.Tables[i].Rows) > 1 {
			return false
		}
	}
	return true
}

// commands compares the commands of the run for a terminal.
func (p *printer) commands() {
	for k := range p.rep.Commands {
		c := &p.rep.Commands[k]
		m := commandCells(c, p.unit, p.notes)
		p.b.WriteByte('\n')
		p.para("", p.ink.paint(bold, commandsTitle(c))+" · "+EscapeTerminal(c.Name()))
		p.b.WriteByte('\n')
		p.grid(&m.grid)
		p.marked = p.marked || m.marked
		p.b.WriteByte('\n')
		p.para("", EscapeTerminal(c.Finding))
	}
	if s := shellText(p.rep); s != "" {
		p.b.WriteByte('\n')
		p.para("", EscapeTerminal(s))
	}
}

// commandsAlone reports whether the run asks how long commands take, and not how to run them.
func (p *page) commandsAlone() bool { return p.rep.Run.Header.Plan.Commands != nil && alone(p.rep) }

// commands compares the commands of the run on a page.
func (p *page) commands() {
	if len(p.rep.Commands) > 0 {
		p.f("## %s\n\n", sentence(commandsTitle(&p.rep.Commands[0])))
	}
	for k := range p.rep.Commands {
		c := &p.rep.Commands[k]
		p.f("Strategy %s:\n\n", EscapeMarkdown(c.Name()))
		m := commandCells(c, p.unit, p.foot)
		p.b.WriteString(m.grid.markdown())
		p.f("\n")
		if m.marked {
			p.f("%s marks the fastest, or those that cannot be told from it.\n\n", winMark)
		}
		p.f("**Finding.** %s\n\n", EscapeMarkdown(c.Finding))
		p.plots(c.Name())
	}
	if s := shellText(p.rep); s != "" {
		p.f("%s\n\n", EscapeMarkdown(s))
	}
}
