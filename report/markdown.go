package report

import (
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/quantity"
)

// PlotRef is an image that the page shows.
type PlotRef struct {
	Path  string // relative to the page, with forward slashes
	Title string
	Alt   string // says what the image shows, for readers who do not see it
	// Workload is the key of the workload under whose table it stands, or the name of the comparison of commands; empty: with
	// the machine's ceiling.
	Workload string
}

// MDOptions says how Markdown writes. The zero value is a page without plots.
type MDOptions struct {
	Title string // empty: made from the workloads' names
	Plots []PlotRef
	Data  string // path of the run file relative to the page; empty: not linked
	// TimeUnit is ns, us, ms or s for all times in tables; empty lets each column choose.
	TimeUnit string
}

// Markdown writes the report as a page of GitHub Markdown that stands on its own: question, short answer, machine,
// method with the command that repeats it, a section per workload with tables, finding and plots, what the tables' marks
// mean, the machine's ceiling, failures, warnings and how to read it. The same report gives the same bytes. Its only errors are an unknown TimeUnit
// and w's.
func Markdown(w io.Writer, rep *analysis.Report, opt MDOptions) error {
	p := page{rep: rep, opt: opt}
	var err error
	if p.unit, err = timeUnit(opt.TimeUnit); err != nil {
		return err
	}
	p.foot = footnotes(rep)
	p.title()
	p.answer()
	p.environment()
	p.method()
	if alone(rep) {
		p.commands()
	}
	p.workloads()
	if !alone(rep) {
		p.commands() // the question was how to run them
	}
	p.footnotes()
	p.unobserved()
	p.ceiling()
	p.failures()
	p.leftOut()
	p.warnings()
	p.reading()
	p.data()
	return p.writeTo(w)
}

type page struct {
	b    strings.Builder
	rep  *analysis.Report
	opt  MDOptions
	unit quantity.Unit
	foot []footnote
}

// f writes formatted text. Untrusted arguments have gone through EscapeMarkdown.
func (p *page) f(format string, args ...any) { fmt.Fprintf(&p.b, format, args...) }

// writeTo writes the page, so that no line of it is a command where a CI job prints it.
func (p *page) writeTo(w io.Writer) error {
	_, err := io.WriteString(w, inert(p.b.String()))
	return err
}

func (p *page) title() {
	title := p.opt.Title
	var keys []string
	for i := range p.rep.Tables {
		keys = append(keys, p.rep.Tables[i].Entry.Key)
	}
	if title == "" {
		on := " on "
		title = "Ways of running tasks in parallel, compared"
		if p.commandsAlone() {
			title, on = "Commands measured", ": "
		}
		if len(keys) > 0 && len(keys) <= 4 {
			title += on + and(keys)
		}
	}
	p.f("# %s\n\n", EscapeMarkdown(title))
	if len(keys) == 0 {
		p.f("The run has no workload to report.\n\n")
		return
	}
	if p.commandsAlone() {
		which := ""
		if len(keys) > 1 {
			which = ", and which is the fastest"
		}
		p.f("**Question.** How long does a command take on this machine%s?\n\n", which)
		return
	}
	p.f("**Question.** Which way of running the tasks of %s in parallel is fastest on this machine, and how does each scale with the number of cores?\n\n",
		EscapeMarkdown(and(keys)))
}

// and joins words with commas and a last "and".
func and(s []string) string {
	if len(s) < 2 {
		return strings.Join(s, "")
	}
	return strings.Join(s[:len(s)-1], ", ") + " and " + s[len(s)-1]
}

// answer puts one sentence on each workload first, and before them what forbids relying on them.
func (p *page) answer() {
	if len(p.rep.Tables) == 0 {
		return
	}
	p.f("## The short answer\n\n")
	var quotes []string
	for _, w := range p.rep.Warnings {
		if urgent(w) {
			quotes = append(quotes, fmt.Sprintf("> **%s:** %s. %s.\n", severity(w.Severity), EscapeMarkdown(w.Text), EscapeMarkdown(sentence(w.Remedy))))
		}
	}
	if len(quotes) > 0 {
		p.f("%s\n", strings.Join(quotes, ">\n"))
	}
	for k := range p.rep.Commands {
		c := &p.rep.Commands[k]
		p.f("- %s: **%s**\n", EscapeMarkdown(c.Name()), EscapeMarkdown(c.Finding))
	}
	for i := range p.rep.Tables {
		t := &p.rep.Tables[i]
		if covered(p.rep, t) {
			continue
		}
		p.f("- %s: **%s**\n", EscapeMarkdown(t.Entry.Key), EscapeMarkdown(t.Answer))
		for _, s := range t.Further {
			p.f("  - %s\n", EscapeMarkdown(s))
		}
		for _, w := range t.Warnings {
			if w.Code == analysis.CodeUnequalWorkers { // without it the sentences above would mislead
				p.f("  - %s: %s. %s\n", severity(w.Severity), EscapeMarkdown(w.Text), remedy(t, w))
			}
		}
	}
	p.f("\n")
	if text, command := taskSize(p.rep); command != "" {
		p.f("%s:\n\n%s\n", text, fence("sh", []string{command}))
	}
}

// sentence begins with a capital letter where the first word is an ordinary one.
func sentence(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

func (p *page) environment() {
	p.f("## The machine\n\n| | |\n|:--|:--|\n")
	for _, r := range environment(p.rep.Run) {
		p.f("| %s | %s |\n", EscapeMarkdown(r[0]), EscapeMarkdown(r[1]))
	}
	p.f("\n")
}

func (p *page) method() {
	h := &p.rep.Run.Header
	level := quantity.Level(p.rep.Level)
	p.f("## Method\n\n")
	ratios, winners := "Speedups are ratios to the sequential reference on one core", "combination"
	if p.commandsAlone() {
		ratios, winners = "Relative times are ratios to the fastest command's", "command"
		p.f("Every number comes from **trials**: one process of parbench that runs one command, on all cores of its cell, until enough time is measured; its **observation** is the mean time of a command, " +
			"from before its process is started until it has been reaped.\n\n")
	} else {
		p.f("Every number comes from **trials**: one execution of one combination of workload, strategy and core count in a fresh process, " +
			"pinned to its cores. A trial sets up outside the timed region, warms up, and then times batches of tasks; its **observation** is the mean time per task. " +
			"The results of every batch are checked against those of the sequential reference.\n\n")
	}
	p.f("The trials ran in %s. A round runs every combination once, in an order drawn anew from the seed %d, so that slow drifts of the machine hit all alike. "+
		"Times are medians over the trials with order-statistic intervals of at least %s confidence. %s, "+
		"paired within the round (Hodges–Lehmann estimate on log ratios with the interval of the signed-rank test). "+
		"The winners are a set: the %s with the lowest median and all that a paired signed-rank test, corrected after Holm for the number of %ss, cannot tell from it. "+
		"A difference of less than %s is taken as none that matters.\n\n", roundsWord(p.rep.Rounds), h.Plan.Seed, level, ratios, winners, winners, quantity.Percent(p.rep.Effect))
	p.f("%s\n\n", EscapeMarkdown(counts(p.rep)))
	if len(h.Args) > 0 {
		p.f("To repeat it%s:\n\n%s\n", EscapeMarkdown(fillIn(h.Args)), fence("sh", []string{command(h)}))
	}
}

func (p *page) workloads() {
	for i := range p.rep.Tables {
		t := &p.rep.Tables[i]
		p.f("## Workload %s\n\n", EscapeMarkdown(t.Entry.Key))
		p.f("%s\n\n", EscapeMarkdown(sentence(about(t))))
		m := cellsOf(t, p.unit, p.foot)
		if !covered(p.rep, t) { // else the comparison of commands has said it, and there is no speedup
			p.measured(t, &m)
		}
		if len(t.Rows) > 0 {
			p.f("What it cost:\n\n%s\n", m.grid.part(true).markdown())
		}
		p.split(t)
		p.plots(t.Entry.Key)
	}
}

// measured writes a workload's main table with what it shows.
func (p *page) measured(t *analysis.Table, m *measured) {
	if len(t.Rows) > 0 {
		p.b.WriteString(m.grid.part(false).markdown())
		p.f("\n")
	}
	if m.marked {
		p.f("%s marks the winning set.\n\n", winMark)
	}
	p.f("**Finding.** %s\n\n", EscapeMarkdown(t.Answer))
	if more := t.Points[min(1, len(t.Points)):]; len(more) > 0 {
		for _, s := range more {
			p.f("- %s\n", EscapeMarkdown(s))
		}
		p.f("\n")
	}
	p.notes(t)
}

func (p *page) notes(t *analysis.Table) {
	if len(t.Warnings) == 0 {
		return
	}
	for _, w := range t.Warnings {
		p.f("- %s: %s. %s\n", severity(w.Severity), EscapeMarkdown(w.Text), remedy(t, w))
	}
	p.f("\n")
}

// footnotes says what the marks in the tables mean, once for all of them.
func (p *page) footnotes() {
	if len(p.foot) == 0 {
		return
	}
	p.f("## Notes to the tables\n\n")
	for _, n := range p.foot {
		p.f("- **%s** (%s): %s. %s.\n", n.mark, severity(n.Severity), EscapeMarkdown(n.Text), EscapeMarkdown(sentence(n.Remedy)))
	}
	p.f("\n")
}

func (p *page) plots(workload string) {
	for _, r := range p.opt.Plots {
		if r.Workload != workload {
			continue
		}
		p.f("![%s](<%s>)\n\n", EscapeMarkdown(r.Alt), linkPath(path.Clean(r.Path)))
		if r.Title != "" {
			p.f("*%s*\n\n", EscapeMarkdown(r.Title))
		}
	}
}

func (p *page) ceiling() {
	text := ceilingText(p.rep)
	general := false
	for _, r := range p.opt.Plots {
		general = general || r.Workload == ""
	}
	if text == "" && !general {
		return
	}
	p.f("## What this machine allows\n\n")
	if text != "" {
		p.f("%s Turbo, shared caches and neighbours make scaling partly a property of the machine; this is measured beside the workloads, in every round.\n\n", EscapeMarkdown(text))
	}
	p.plots("")
}

func (p *page) failures() {
	list := failures(p.rep)
	if len(list) == 0 {
		return
	}
	p.f("## Failures\n\n")
	for _, f := range list {
		p.f("**%s** %s.\n\n", EscapeMarkdown(f.where), EscapeMarkdown(f.words()))
		if lines := terminalLines(f.stderr, pageStderrLines); len(lines) > 0 {
			p.f("%s\n", fence("text", lines))
		}
	}
}

// pageStderrLines bounds what a page shows of one standard error.
const pageStderrLines = 40

func (p *page) warnings() {
	p.f("## What limits these numbers\n\n")
	if len(p.rep.Warnings) == 0 {
		p.f("Nothing was seen that disturbs the run as a whole. They still hold for this machine, these programs and these parameters only.\n\n")
		return
	}
	p.bullets(p.rep.Warnings)
}

// bullets lists warnings with their remedies.
func (p *page) bullets(list []analysis.Warning) {
	for _, w := range list {
		p.f("- **%s:** %s. %s.\n", severity(w.Severity), EscapeMarkdown(w.Text), EscapeMarkdown(sentence(w.Remedy)))
	}
	if len(list) > 0 {
		p.f("\n")
	}
}

func (p *page) reading() {
	peak := "the sum over all processes of the trial, so memory that they share counts more than once"
	if p.rep.Run.Header.Plan.Commands != nil {
		peak = "that of the largest single command; after ≤ it is only known to be no more than that"
	}
	lines := []string{
		"- An interval such as 1.93 [1.90, 1.96] is an estimate and the range that holds the true value with the confidence in the column's heading, as far as the trials of this run represent the machine. n is the number of trials behind it.",
		"- Overlapping intervals of two rows do not mean that the rows are alike: the winning set comes from comparisons paired within rounds, which see more.",
	}
	if !p.commandsAlone() { // which have none
		lines = append(lines, "- A speedup of 2 means half the time of the sequential reference; efficiency is speedup over cores, for work that waits (io, mixed) speedup over workers, because a core then serves many of them, and for commands speedup over the larger of the two, unless one alone on several cores is the reference.")
	}
	lines = append(lines,
		"- CPU s per wall s tells how many cores were kept busy: near the number of cores for work that computes, near 0 for work that waits.",
		"- Peak memory is "+peak+". Set-up is what a strategy needs before its first task; it is not part of the time per task.",
		"- Nothing here says how other machines, other parameters or other versions of the programs would do.",
	)
	if p.rep.Split() {
		lines = append(lines, splitReading)
	}
	if severalPrograms(&p.rep.Run.Header.Plan) {
		lines = append(lines, "- Several programs took part, in the same rounds and with the same batches, and the digests of their results had to agree. A speedup over the program's own reference says what parallelism gave it; the other one is over the first program's reference and says what a user would see.")
	}
	p.f("## How to read this\n\n%s\n\n", strings.Join(lines, "\n"))
}

// leftOut lists what was asked for and is not available where the run was made.
func (p *page) leftOut() {
	lines := LeftOut(&p.rep.Run.Header.Plan)
	if len(lines) == 0 {
		return
	}
	p.f("## Not available here\n\n")
	for _, l := range lines {
		p.f("- %s\n", EscapeMarkdown(l))
	}
	p.f("\n")
}

func (p *page) data() {
	h := &p.rep.Run.Header
	p.f("## Data\n\n")
	p.f("Run %s", EscapeMarkdown(h.ID))
	if h.Tool != "" {
		p.f(", written by %s", EscapeMarkdown(h.Tool))
	}
	if h.Plan.Hash != "" {
		p.f(", plan %s", EscapeMarkdown(short(h.Plan.Hash)))
	}
	p.f(".")
	if p.opt.Data != "" {
		p.f(" Every batch time of every trial, discarded and repeated ones included, is in [%s](<%s>); `parbench report` makes this page from it.",
			EscapeMarkdown(path.Base(p.opt.Data)), linkPath(path.Clean(p.opt.Data)))
	}
	p.f("\n")
	for _, g := range h.Environment.Programs {
		p.f("\n- %s: %s", EscapeMarkdown(programTitle(h.Environment.Programs, &g)), EscapeMarkdown(strings.Join(filled(g.Version, g.Runtime), ", ")))
		if g.Hash != "" {
			p.f(", sha256 %s", EscapeMarkdown(g.Hash))
		}
	}
	if len(h.Environment.Programs) > 0 {
		p.f("\n")
	}
}
