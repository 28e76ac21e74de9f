package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/crossover"
	"github.com/parbench/parbench/results/analysis/quantity"
	"github.com/parbench/parbench/results/stat"
)

const crossoverLegend = "Model: cost(g) = g/parallelism + overhead, wall time per task over the time g that the task takes alone, fitted to relative errors. " +
	"Costs are medians of n trials with their intervals in brackets. ▸ marks the cheapest of a row where it is told from all others, one after another included: as in parbench report, by comparing them round by round, which sees more than intervals side by side. Who is cheaper at which grain is said by that alone; the lines place a crossing between grains that are so told apart. Nothing is said of grains outside the measured range. Starting a strategy (set-up) comes once, whatever the number of tasks, and is no part of a cost."

const noGrains = "The run holds no workload under three or more grains; measure with parbench crossover, or sweep one with -L spin.grain=1us,10us,100us,1ms."

// CrossoverText writes a run's crossings for a terminal: measured costs by grain, the models, and a finding for each pair
// of strategies. Its only errors are an unknown TimeUnit and w's.
func CrossoverText(w io.Writer, rep *crossover.Report, opt TextOptions) error {
	unit, err := timeUnit(opt.TimeUnit)
	if err != nil {
		return err
	}
	p := newPrinter(opt)
	if run := rep.Analysis.Run; run != nil {
		p.b.WriteString(p.ink.paint(bold, "break-even grains of run "+EscapeTerminal(run.Header.ID)) + "\n")
	}
	for _, x := range runWarnings(rep.Analysis) {
		p.warning("", x)
	}
	if len(rep.Tables) == 0 {
		p.para("", noGrains)
	}
	if s := grainCeiling(rep); s != "" {
		p.para("", p.ink.paint(bold, "machine ceiling")+" · "+EscapeTerminal(s))
	}
	for i := range rep.Tables {
		t := &rep.Tables[i]
		p.b.WriteByte('\n')
		p.para("", p.ink.paint(bold, EscapeTerminal(t.Name()))+" · "+EscapeTerminal(grainsText(t)))
		for _, f := range pairFindings(t) {
			p.para("  ", EscapeTerminal(f))
		}
		for _, n := range t.Notes {
			p.para("  ", EscapeTerminal(n))
		}
		for _, x := range t.Warnings {
			p.warning("  ", x)
		}
		p.b.WriteByte('\n')
		p.grid(costsGrid(t, unit))
		p.b.WriteByte('\n')
		p.grid(curvesGrid(t))
	}
	p.b.WriteByte('\n')
	p.para("", p.ink.paint(dim, crossoverLegend))
	return p.writeTo(w)
}

// CrossoverMarkdown writes a run's crossings as GitHub Markdown. Its only errors are an unknown TimeUnit and w's.
func CrossoverMarkdown(w io.Writer, rep *crossover.Report, opt MDOptions) error {
	unit, err := timeUnit(opt.TimeUnit)
	if err != nil {
		return err
	}
	p := page{opt: opt}
	title := opt.Title
	if title == "" {
		title = "How large a task must be"
	}
	p.f("# %s\n\n", EscapeMarkdown(title))
	p.about(rep.Analysis)
	if len(rep.Tables) == 0 {
		p.f("%s\n\n", EscapeMarkdown(noGrains))
	}
	if s := grainCeiling(rep); s != "" {
		p.f("**Machine ceiling.** %s\n\n", EscapeMarkdown(s))
	}
	for i := range rep.Tables {
		t := &rep.Tables[i]
		p.f("## Workload %s\n\n*%s.*\n\n", EscapeMarkdown(t.Name()), EscapeMarkdown(grainsText(t)))
		for _, f := range pairFindings(t) {
			p.f("- %s\n", EscapeMarkdown(f))
		}
		for _, n := range t.Notes {
			p.f("- %s\n", EscapeMarkdown(n))
		}
		for _, x := range t.Warnings {
			p.f("- **%s:** %s. %s.\n", severity(x.Severity), EscapeMarkdown(x.Text), EscapeMarkdown(sentence(x.Remedy)))
		}
		p.f("\n")
		p.plots(t.Name())
		p.b.WriteString(costsGrid(t, unit).markdown() + "\n" + curvesGrid(t).markdown() + "\n")
	}
	p.f("<sub>%s</sub>\n", EscapeMarkdown(crossoverLegend))
	return p.writeTo(w)
}

func grainsText(t *crossover.Table) string {
	if len(t.Grains) == 0 {
		return "no grain was measured"
	}
	s := fmt.Sprintf("%d grains from %s to %s", len(t.Grains), quantity.Duration(t.Grains[0]), quantity.Duration(t.Grains[len(t.Grains)-1]))
	if len(t.Params) > 0 {
		s += " · " + params(t.Params)
	}
	return s
}

func pairFindings(t *crossover.Table) (out []string) {
	for i := range t.Pairs {
		out = append(out, t.Pairs[i].Finding)
	}
	return out
}

// clipped shortens a name for a column's head.
func clipped(name string) string {
	const most = 24
	r := []rune(name)
	if len(r) <= most {
		return name
	}
	return string(r[:most/2]) + "…" + string(r[len(r)-most/2+1:])
}

// curvesGrid has a row for each curve's model.
func curvesGrid(t *crossover.Table) *grid {
	largest := 0.0 // decides on the unit: a small one beside it shows its size by its zeros
	for i := range t.Curves {
		if c := &t.Curves[i]; c.Has() && !c.Reference {
			largest = max(largest, math.Abs(c.Overhead.Point))
		}
	}
	u := quantity.Time(largest)
	var over, par estimates
	for i := range t.Curves {
		c := &t.Curves[i]
		o, q := c.Overhead, c.Parallelism
		if c.Reference {
			o, q = analysis.Interval{}, analysis.Interval{}
		}
		over.add(o, u.Scale)
		par.add(q, 1)
	}
	head := func(name string, e *estimates) (string, string) {
		if l := e.level(); l != "" {
			return name + "\n[" + l + "]", name + ", " + l + " interval"
		}
		return name, name
	}
	oHead, oLong := head(u.Symbol+" overhead", &over)
	pHead, pLong := head("parallelism", &par)
	g := &grid{cols: []column{
		{head: "strategy", long: "strategy", left: true, wrap: true}, {head: "cores", long: "cores"}, {head: oHead, long: oLong},
		{head: pHead, long: pLong, drop: 1}, {head: "set-up", long: "set-up, once", drop: 4}, {head: "misses\nby", long: "residual deviation", drop: 2}, {head: "grains", long: "grains", drop: 3},
		{head: "", long: "notes", left: true},
	}}
	os, ps := over.cells(), par.cells()
	for i := range t.Curves {
		c := &t.Curves[i]
		residual, note, setup := absent, "", absent
		if c.Setup > 0 && !c.Reference {
			setup = quantity.Duration(c.Setup)
		}
		switch {
		case c.Reference:
			note = "the measure of the grain"
		case c.Has():
			residual = quantity.Percent(c.Residual)
		default:
			note = "no model: " + c.Reason
		}
		g.lines = append(g.lines, line{[]string{c.Name, strconv.Itoa(c.Cores), os[i], ps[i], setup, residual, strconv.Itoa(len(c.Points)), note}, plain})
	}
	return g
}

// CrossoverJSON writes a run's crossings as the JSON document of docs/scaling.md. Its only error is w's.
func CrossoverJSON(w io.Writer, rep *crossover.Report) error {
	type point struct {
		Grain float64       `json:"grain"`
		Cost  *intervalJSON `json:"cost"`
	}
	type curve struct {
		Name        string        `json:"name"`
		Cores       int           `json:"cores"`
		Reference   bool          `json:"reference,omitempty"`
		Overhead    *intervalJSON `json:"overhead"`
		Parallelism *intervalJSON `json:"parallelism"`
		Residual    *float64      `json:"residual"`
		Setup       *float64      `json:"setup"`
		Together    []int         `json:"tasks_at_a_time,omitempty"`
		Reason      string        `json:"no_model_because,omitempty"`
		Failed      int           `json:"failed_grains,omitempty"`
		Points      []point       `json:"points"`
	}
	type measured struct {
		Grain   float64       `json:"grain"`
		Ratio   *intervalJSON `json:"second_over_first"`
		Cheaper string        `json:"cheaper,omitempty"`
	}
	type pair struct {
		First       string        `json:"first"`
		FirstCores  int           `json:"first_cores"`
		Second      string        `json:"second"`
		SecondCores int           `json:"second_cores"`
		Outcome     string        `json:"outcome"`
		Grain       *intervalJSON `json:"break_even_grain"`
		Below       string        `json:"cheaper_below,omitempty"`
		Least       float64       `json:"least_grain"`
		Most        float64       `json:"most_grain"`
		ToldBelow   *float64      `json:"told_below"`
		ToldAbove   *float64      `json:"told_above"`
		Withheld    bool          `json:"withheld,omitempty"`
		Measured    []measured    `json:"measured"`
		Finding     string        `json:"finding"`
	}
	type table struct {
		Workload string            `json:"workload"`
		Program  string            `json:"program,omitempty"`
		Params   map[string]string `json:"parameters,omitempty"`
		Grains   []float64         `json:"grains"`
		Curves   []curve           `json:"strategies"`
		Pairs    []pair            `json:"pairs"`
		Notes    []string          `json:"notes,omitempty"`
		Warnings []warningJSON     `json:"warnings"`
	}
	doc := struct {
		Schema     string        `json:"schema"`
		Version    int           `json:"version"`
		Run        string        `json:"run"`
		Confidence float64       `json:"confidence"`
		Ceiling    []ceilingJSON `json:"machine_ceiling"`
		Tables     []table       `json:"workloads"`
		Warnings   []warningJSON `json:"warnings"`
	}{Schema: "parbench/crossover", Version: 1, Warnings: warningsOf(rep.Analysis.Warnings), Confidence: rep.Level, Ceiling: ceilingsOf(rep.Analysis.Ceiling), Tables: []table{}}
	if rep.Analysis.Run != nil {
		doc.Run = rep.Analysis.Run.Header.ID
	}
	for i := range rep.Tables {
		t := &rep.Tables[i]
		x := table{Workload: t.Workload, Program: t.Program, Params: t.Params, Grains: append([]float64{}, t.Grains...), Curves: []curve{}, Pairs: []pair{}, Notes: t.Notes, Warnings: warningsOf(t.Warnings)}
		for k := range t.Curves {
			c := &t.Curves[k]
			y := curve{Name: c.Name, Cores: c.Cores, Reference: c.Reference, Reason: c.Reason, Failed: c.Failed, Points: []point{},
				Overhead: intervalOf(c.Overhead), Parallelism: intervalOf(c.Parallelism), Residual: known(c.Residual, c.Has()), Setup: known(c.Setup, c.Setup > 0)}
			if c.Together[1] > 0 {
				y.Together = c.Together[:]
			}
			for _, q := range c.Points {
				y.Points = append(y.Points, point{q.Grain, intervalOf(q.Cost)})
			}
			x.Curves = append(x.Curves, y)
		}
		for k := range t.Pairs {
			q := &t.Pairs[k]
			a, b := &t.Curves[q.First], &t.Curves[q.Second]
			y := pair{First: a.Name, FirstCores: a.Cores, Second: b.Name, SecondCores: b.Cores, Outcome: string(q.Outcome), Grain: intervalOf(q.Grain),
				Least: q.Least, Most: q.Most, ToldBelow: known(q.Below, q.Below > 0), ToldAbove: known(q.Above, q.Above > 0), Withheld: q.Withheld,
				Measured: []measured{}, Finding: q.Finding}
			for _, m := range q.Measured {
				y.Measured = append(y.Measured, measured{m.Grain, intervalOf(m.Ratio), map[int]string{-1: a.Name, 1: b.Name}[m.Cheaper]})
			}
			if q.Outcome == stat.Crosses {
				if y.Below = b.Name; q.FirstBelow {
					y.Below = a.Name
				}
			}
			x.Pairs = append(x.Pairs, y)
		}
		doc.Tables = append(doc.Tables, x)
	}
	return writeJSON(w, doc)
}

// CrossoverCSV writes a row for each strategy and grain. Its only errors are w's.
func CrossoverCSV(w io.Writer, rep *crossover.Report) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	rows := [][]string{{"workload", "strategy", "cores", "grain", "cost", "cost_low", "cost_high", "cost_level", "trials", "fitted", "overhead", "parallelism"}}
	for i := range rep.Tables {
		t := &rep.Tables[i]
		for k := range t.Curves {
			c := &t.Curves[k]
			for _, q := range c.Points {
				cost := intervalOf(q.Cost)
				if cost == nil {
					continue
				}
				fit, ok := c.At(q.Grain)
				rows = append(rows, []string{csvCell(t.Name()), csvCell(c.Name), strconv.Itoa(c.Cores), csvNumber(&q.Grain), csvNumber(&cost.Value),
					csvNumber(cost.Low), csvNumber(cost.High), csvNumber(cost.Level), strconv.Itoa(q.Cost.N), csvNumber(known(fit, ok)),
					csvNumber(known(c.Overhead.Point, c.Has())), csvNumber(known(c.Parallelism.Point, c.Parallelism.N > 0))})
			}
		}
	}
	if err := out.WriteAll(rows); err != nil {
		return err
	}
	return out.Error()
}
