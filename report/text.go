// Package report writes an analysed run for readers: as tables for a terminal and as a page of GitHub Markdown. It works
// from an analysis.Report alone and computes nothing; plots are package report/plot's.
//
// Every text that comes from a file or a program is escaped for where it is written. Non-goals: colour detection and
// terminal width, which callers know, and other tools' formats (results/codec).
package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/comparison"
	"github.com/parbench/parbench/results/analysis/quantity"
)

// TextOptions says how Text writes. The zero value is 120 columns, no colour, units chosen per table.
type TextOptions struct {
	Color bool // terminal attributes; the caller decides, the environment is not looked at
	Width int  // columns; 0 means 120; less than 40 is taken as 40
	// TimeUnit is ns, us, ms or s for all times in tables; empty lets each column choose.
	TimeUnit string
}

// Text writes the report for a terminal: the environment, then per workload a table with its finding and notes, then
// the machine's ceiling, failures and the warnings of the whole run. Its only errors are an unknown TimeUnit and w's.
func Text(w io.Writer, rep *analysis.Report, opt TextOptions) error {
	p := newPrinter(opt)
	var err error
	if p.unit, err = timeUnit(opt.TimeUnit); err != nil {
		return err
	}
	p.rep, p.notes = rep, footnotes(rep)
	p.header()
	if alone(rep) {
		p.commands()
	}
	for i := range rep.Tables {
		if t := &rep.Tables[i]; !covered(rep, t) {
			p.table(t)
		}
	}
	if !alone(rep) {
		p.commands() // the question was how to run them
	}
	p.taskSize()
	p.footnotes()
	p.splits()
	p.ceiling()
	p.failures()
	p.leftOut()
	p.warnings()
	p.legend()
	return p.writeTo(w)
}

// printer collects the text; writing it once leaves one error to look at.
type printer struct {
	b      strings.Builder
	rep    *analysis.Report
	ink    ink
	width  int
	unit   quantity.Unit
	notes  []footnote
	marked bool
}

func newPrinter(opt TextOptions) *printer {
	p := &printer{ink: ink(opt.Color), width: max(opt.Width, 40)}
	if opt.Width == 0 {
		p.width = 120
	}
	return p
}

// timeUnit reads the name of a unit; the zero value lets the data choose.
func timeUnit(name string) (quantity.Unit, error) {
	if name == "" {
		return quantity.Unit{}, nil
	}
	return quantity.ParseTime(name)
}

// writeTo writes what was collected, so that no line of it acts on a terminal or on the log of a CI job.
func (p *printer) writeTo(w io.Writer) error {
	_, err := io.WriteString(w, inert(p.b.String()))
	return err
}

// grid writes a table with the names of the columns that found no room.
func (p *printer) grid(g *grid) {
	out, left := g.text(p.width, p.ink)
	p.b.WriteString(out)
	if len(left) > 0 {
		p.para("", p.ink.paint(dim, EscapeTerminal(fmt.Sprintf("Not shown at this width: %s.", strings.Join(left, "; ")))))
	}
}

// family writes the table of one metric, and what has to be said about it.
func (p *printer) family(f *comparison.Family, finding string, notes []string) {
	p.b.WriteByte('\n')
	p.para("", p.ink.paint(bold, EscapeTerminal(orUnit(f.Metric)))+" · "+EscapeTerminal(familyText(f)))
	p.b.WriteByte('\n')
	p.grid(comparisonGrid(f, p.unit))
	if finding != "" || len(notes) > 0 {
		p.b.WriteByte('\n')
	}
	if finding != "" {
		p.para("", EscapeTerminal(finding))
	}
	for _, n := range notes {
		p.para("  ", EscapeTerminal(n))
	}
}

// para writes a wrapped paragraph. Lines longer than maxProse are hard to follow, however wide the terminal is.
func (p *printer) para(first, s string) { p.b.WriteString(wrapped(first, s, min(p.width, maxProse))) }

const maxProse = 120

func (p *printer) header() {
	h := &p.rep.Run.Header
	p.b.WriteString(p.ink.paint(bold, "parbench run "+EscapeTerminal(h.ID)) + "\n")
	p.para("", EscapeTerminal(conduct(p.rep)))
	p.para("", EscapeTerminal(strings.Join(machineLine(h), " · ")))
	for _, w := range p.rep.Warnings {
		if urgent(w) {
			p.warning("", w)
		}
	}
}

func (p *printer) table(t *analysis.Table) {
	m := cellsOf(t, p.unit, p.notes)
	p.b.WriteByte('\n')
	p.para("", p.ink.paint(bold, EscapeTerminal(t.Entry.Key))+" · "+EscapeTerminal(describe(t)))
	if len(t.Rows) > 0 {
		p.b.WriteByte('\n')
		out, left := m.grid.text(p.width, p.ink)
		p.b.WriteString(out)
		if len(left) > 0 {
			p.para("", p.ink.paint(dim, fmt.Sprintf("Not shown at this width: %s.", EscapeTerminal(strings.Join(left, "; ")))))
		}
		p.marked = p.marked || m.marked
	}
	p.b.WriteByte('\n')
	for k, point := range t.Points {
		first := "  - "
		if k == 0 {
			first = "" // the answer
		}
		p.para(first, EscapeTerminal(point))
	}
	for _, w := range t.Warnings {
		var command string
		if w.Remedy, command = advised(t, w); command == "" {
			p.warning("  ", w)
			continue
		}
		w.Remedy += ":"
		p.warning("  ", w)
		p.b.WriteString("    " + command + "\n") // whole, to be copied
	}
}

// taskSize names the command that answers what the tables do not.
func (p *printer) taskSize() {
	if text, command := taskSize(p.rep); command != "" {
		p.b.WriteByte('\n')
		p.para("", p.ink.paint(bold, "task size")+" · "+text+":")
		p.b.WriteString("    " + command + "\n")
	}
}

// footnotes writes what the marks at the ends of rows mean, once for all tables.
func (p *printer) footnotes() {
	if len(p.notes) == 0 {
		return
	}
	p.b.WriteString("\n" + p.ink.paint(bold, "notes to the tables") + "\n")
	for _, n := range p.notes {
		p.para("  "+n.mark+strings.Repeat(" ", max(1, 3-len(n.mark))), EscapeTerminal(n.Text)+" → "+EscapeTerminal(n.Remedy))
	}
}

func (p *printer) warning(indent string, w analysis.Warning) {
	attr := map[analysis.Severity]string{analysis.Error: red, analysis.Warn: yellow, analysis.Note: dim}[w.Severity]
	p.para(indent+p.ink.paint(attr, severity(w.Severity))+": ", EscapeTerminal(w.Text)+" → "+EscapeTerminal(w.Remedy))
}

func severity(s analysis.Severity) string {
	switch s {
	case analysis.Error:
		return "error"
	case analysis.Warn:
		return "warning"
	}
	return "note"
}

func (p *printer) ceiling() {
	if s := ceilingText(p.rep); s != "" {
		p.b.WriteByte('\n')
		p.para("", p.ink.paint(bold, "machine ceiling")+" · "+EscapeTerminal(s))
	}
}

// leftOut lists what was asked for and is not available where the run was made.
func (p *printer) leftOut() {
	lines := LeftOut(&p.rep.Run.Header.Plan)
	if len(lines) == 0 {
		return
	}
	p.b.WriteString("\n" + p.ink.paint(bold, "not available here") + "\n")
	for _, l := range lines {
		p.para("  ", EscapeTerminal(l))
	}
}

// stderrLines is how much of a failed trial's standard error a terminal shows; the page has all that was kept.
const stderrLines = 8

func (p *printer) failures() {
	list := failures(p.rep)
	if len(list) == 0 {
		return
	}
	p.b.WriteString("\n" + p.ink.paint(bold, "failures") + "\n")
	for _, f := range list {
		p.para("  ", p.ink.paint(red, EscapeTerminal(f.where))+" "+EscapeTerminal(f.words()))
		for _, l := range terminalLines(f.stderr, stderrLines) {
			p.b.WriteString("      " + p.ink.paint(dim, "│ ") + l + "\n")
		}
	}
}

func (p *printer) warnings() {
	first := true
	for _, w := range p.rep.Warnings {
		if urgent(w) {
			continue // stands at the top
		}
		if first {
			p.b.WriteString("\n" + p.ink.paint(bold, "about the whole run") + "\n")
			first = false
		}
		p.warning("  ", w)
	}
}

func (p *printer) legend() {
	p.b.WriteByte('\n')
	parts := []string{}
	if p.marked {
		parts = append(parts, winMark+" fastest, or not distinguishable from it (paired signed-rank tests, Holm-corrected).")
	}
	ratios, peak, busy := "; speedups are paired per round", "sum over all processes", "CPU s/wall s: cores kept busy. "
	if p.rep.Run.Header.Plan.Commands != nil {
		peak = "the largest single command (≤: no more than that)"
	}
	if len(p.rep.Commands) > 0 {
		relative := "relative times (" + relativeTo(&p.rep.Commands[0]) + " is 1) are paired per round"
		ratios = "; speedups and " + relative
		if alone(p.rep) { // the comparison is all that there is
			ratios, busy = "; "+relative, ""
		}
		if len(p.rep.Commands[0].Rows) == 1 {
			ratios = ""
		}
	}
	parts = append(parts,
		"Times are medians of n fresh processes with [order-statistic intervals]"+ratios+"; headings have the confidence attained.",
		busy+"Peak: "+peak+".")
	if s := overheadText(p.rep); s != "" {
		parts = append(parts, s)
	}
	p.para("", p.ink.paint(dim, strings.Join(parts, " ")))
}
