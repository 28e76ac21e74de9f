// Package crossover finds how large a task must be for one strategy to pay over another: it models what a task costs under
// each strategy over a grid of grains, cost(g) = g/parallelism + overhead, and finds the grain at which two such lines cross,
// with its interval, or that they do not cross in the measured range. docs/scaling.md describes the rules. Non-goals:
// rendering, and any claim about grains that were not measured.
package crossover

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/quantity"
	"github.com/parbench/parbench/results/stat"
)

// LeastGrains is the number of different grains that a crossing takes: two for the line and one to judge it by.
const LeastGrains = 3

// Point is what a task of one grain costs under a strategy.
type Point struct {
	Grain float64           // seconds that the task takes when run alone
	Cost  analysis.Interval // wall seconds per task of a batch
	row   *analysis.Row     // its trials
}

// Curve is one strategy on one core count.
type Curve struct {
	Name      string // untrusted text
	Cores     int
	Reference bool // one task after another: its cost is the grain itself
	Points    []Point
	Failed    int // grains at which it failed
	// Overhead is what a task costs beside its work, in seconds; Parallelism the number of tasks that are worked on at a time.
	// N = 0 where there is no model, and Reason then says why.
	Overhead, Parallelism analysis.Interval
	Residual              float64 // relative deviation of the costs from the model
	// Setup is what starting the strategy takes, in seconds, once whatever the number of tasks, and no part of a cost.
	Setup float64
	// Together is the least and the most tasks, by the grain, that a worker is handed at a time, which share what that costs;
	// 0 of strategies that have no choice in it.
	Together [2]int
	strategy string
	Reason   string
	costs    []stat.CostPoint
	model    stat.CostModel
}

// Has reports whether there is a model.
func (c *Curve) Has() bool { return c.Overhead.N > 0 }

// At returns the modelled cost at a grain, which must lie within the measured ones.
func (c *Curve) At(g float64) (seconds float64, ok bool) {
	if !c.Has() || g < c.model.Least*(1-1e-9) || g > c.model.Most*(1+1e-9) {
		return 0, false
	}
	return c.model.Overhead.Point + c.model.Slope.Point*g, true
}

// Table is one workload that was measured over several grains.
type Table struct {
	Workload string            // its name, untrusted
	Program  string            // whose strategies these are, where the run has several programs; untrusted
	Params   map[string]string // that were the same for all grains
	Grains   []float64         // as measured, ascending
	// Parameter is the one that was swept, and Asked what it was for each of the grains, where the two are not about the same;
	// else both are empty.
	Parameter string
	Asked     []string
	Curves    []Curve
	Pairs     []Pair
	// Disturbed is the share of the used trials during which others used the machine.
	Disturbed float64
	Notes     []string // what the costs are of, and are not; untrusted
	Warnings  []analysis.Warning
	Computes  bool // its tasks keep a core busy, so that cores limit it

	ceiling []analysis.CeilingPoint // the machine's own scaling
	told    comparisons
}

// Report is a run's crossings.
type Report struct {
	Analysis *analysis.Report
	Level    float64
	Tables   []Table
}

// The codes of warnings, beside those of package analysis: models that miss the measured costs by much, grids with too few
// grains, grains that were measured as something else than was asked for, and sizes that are one size.
const (
	CodeMisfit     = "model-misfit"
	CodeFewGrains  = "few-grains"
	CodeOtherGrain = "other-grain"
	CodeSameGrain  = "same-grain"
)

// misfit is the relative residual above which a straight line is not what the data follow.
const misfit = .25

// Analyse finds the crossings of every workload that the run holds under three or more parameter sets. The grain of each
// set is what a task took one after another; cells that failed are left out. It fails on an impossible level only.
func Analyse(rep *analysis.Report, level float64) (*Report, error) {
	if !(level >= .5 && level < 1) {
		return nil, fmt.Errorf("crossover: confidence level %v is not between 0.5 and 1", level)
	}
	out := &Report{Analysis: rep, Level: level}
	var order []string
	byName := map[string][]*analysis.Table{}
	for i := range rep.Tables {
		t := &rep.Tables[i]
		if t.Entry.OwnN {
			continue
		}
		if _, ok := byName[t.Entry.Name]; !ok {
			order = append(order, t.Entry.Name)
		}
		byName[t.Entry.Name] = append(byName[t.Entry.Name], t)
	}
	for _, name := range order {
		list := byName[name]
		if len(list) < 2 {
			continue
		}
		all, own := programs(list)
		for _, p := range own {
			of := slices.DeleteFunc(slices.Clone(list), func(x *analysis.Table) bool { return !runs(x, p) })
			t := table(name, p, of, rep.Ceiling, level)
			if len(all) > 1 {
				t.Program = p
			}
			t.hold(of, p, own)
			out.Tables = append(out.Tables, t)
		}
	}
	return out, nil
}

// runs reports whether a workload has strategies of a program.
func runs(x *analysis.Table, program string) bool {
	return slices.ContainsFunc(x.Rows, func(r analysis.Row) bool { return r.Cell.Program == program && !r.Cell.Ceiling })
}

// programs lists the programs of the rows, and those of them with a strategy to hold against others. A task of a size has
// another grain in each: there is a table for each, by its own grain.
func programs(list []*analysis.Table) (all, own []string) {
	for _, x := range list {
		for i := range x.Rows {
			c := &x.Rows[i].Cell
			if c.Ceiling {
				continue
			}
			if !slices.Contains(all, c.Program) {
				all = append(all, c.Program)
			}
			if !c.Reference && !slices.Contains(own, c.Program) {
				own = append(own, c.Program)
			}
		}
	}
	return all, own
}

// Name is the workload's name, with the program where the run has several.
func (t *Table) Name() string {
	if t.Program == "" {
		return t.Workload
	}
	return t.Workload + " (" + t.Program + ")"
}

// key tells the curves of a table apart.
type key struct {
	name  string
	cores int
}

func table(name, program string, list []*analysis.Table, ceiling []analysis.CeilingPoint, level float64) Table {
	t := Table{Workload: name, Params: maps.Clone(list[0].Entry.Params), Computes: !list[0].Waits() && !list[0].Commands(), ceiling: ceiling}
	for _, x := range list[1:] {
		maps.DeleteFunc(t.Params, func(k, v string) bool { have, ok := x.Entry.Params[k]; return !ok || have != v })
	}
	index := map[key]int{}
	for _, x := range list {
		g := grain(x, program)
		if !(g > 0) {
			continue
		}
		if !slices.Contains(t.Grains, g) {
			t.Grains = append(t.Grains, g)
		}
		for i := range x.Rows {
			r := &x.Rows[i]
			if r.Cell.Ceiling || r.Cell.Program != program {
				continue
			}
			k := key{r.Name, r.Cell.Cores}
			at, ok := index[k]
			if !ok {
				at = len(t.Curves)
				index[k] = at
				t.Curves = append(t.Curves, Curve{Name: r.Name, Cores: r.Cell.Cores, Reference: r.Cell.Reference, strategy: r.Cell.Strategy})
			}
			c := &t.Curves[at]
			switch {
			case r.HasFailed():
				c.Failed++
			case r.OK > 0 && r.PerTask.Point > 0:
				c.Points = append(c.Points, Point{g, r.PerTask, r})
				c.costs = append(c.costs, stat.CostPoint{Grain: g, Cost: r.PerTask.Point})
				c.handed(analysis.Together(&r.Cell))
			}
		}
	}
	slices.Sort(t.Grains)
	for i := range t.Curves {
		t.Curves[i].start()
		t.Curves[i].fit(level)
	}
	t.compare(level)
	for _, p := range t.candidates() {
		t.Pairs = append(t.Pairs, t.pair(p[0], p[1], level))
	}
	t.observe(list)
	t.note()
	t.warn()
	return t
}

// grain is what a task takes alone: the reference's own time where it was measured, else what calibration saw.
func grain(t *analysis.Table, program string) float64 {
	for i := range t.Rows {
		if r := &t.Rows[i]; r.Cell.Reference && r.Cell.Program == program && r.OK > 0 && !r.HasFailed() {
			return r.PerTask.Point
		}
	}
	return t.Entry.In(program).GrainNS / 1e9
}

// handed takes note of how many tasks a worker is handed at a time at a grain.
func (c *Curve) handed(together int) {
	if c.Together[0] == 0 || together < c.Together[0] {
		c.Together[0] = together
	}
	c.Together[1] = max(c.Together[1], together)
}

// start takes the set-up from all grains, which it does not depend on.
func (c *Curve) start() {
	var setups []float64
	for _, q := range c.Points {
		if q.row.Setup.N > 0 {
			setups = append(setups, q.row.Setup.Point)
		}
	}
	c.Setup, _ = stat.Median(setups) // none: 0
}

func (c *Curve) fit(level float64) {
	slices.SortFunc(c.Points, func(a, b Point) int { return cmp.Compare(a.Grain, b.Grain) })
	m, err := stat.FitCost(c.costs, level)
	switch {
	case errors.Is(err, stat.ErrTooFew):
		c.Reason = fmt.Sprintf("usable at %d grains, needs %d", len(c.Points), LeastGrains)
		return
	case err != nil:
		c.Reason = err.Error()
		return
	case m.DF < LeastGrains-2:
		c.Reason = fmt.Sprintf("usable at %d grains, needs %d", len(c.Points), LeastGrains)
		return
	}
	c.model = m
	c.Overhead, c.Residual = analysis.Interval(m.Overhead), m.Sigma
	if m.Slope.Point > 0 {
		p := analysis.Interval{Point: 1 / m.Slope.Point, N: m.Slope.N}
		p.Lo, p.Hi = p.Point, p.Point
		if m.Slope.Level > 0 && m.Slope.Lo > 0 {
			p.Lo, p.Hi, p.Level = 1/m.Slope.Hi, 1/m.Slope.Lo, m.Slope.Level
		}
		c.Parallelism = p
	}
}

// candidates lists the curves to hold against each other: those on one core count, and each against the reference.
func (t *Table) candidates() (out [][2]int) {
	for i := range t.Curves {
		for k := i + 1; k < len(t.Curves); k++ {
			a, b := &t.Curves[i], &t.Curves[k]
			if a.Reference != b.Reference || a.Cores == b.Cores {
				out = append(out, [2]int{i, k})
			}
		}
	}
	return out
}

// name is how a sentence calls a curve.
func (t *Table) name(i int) string {
	c := &t.Curves[i]
	if c.Reference {
		return c.Name
	}
	for k := range t.Curves {
		if !t.Curves[k].Reference && t.Curves[k].Cores != c.Cores {
			if c.Cores == 1 {
				return c.Name + " on 1 core"
			}
			return fmt.Sprintf("%s on %d cores", c.Name, c.Cores)
		}
	}
	return c.Name
}

// Title names a curve as findings do: with its cores where the table has several core counts.
func (t *Table) Title(i int) string { return t.name(i) }

// Grain words a grain with its interval: "34.1 µs (30.2 to 38.5)".
func Grain(i analysis.Interval) string {
	if !i.Has() {
		return quantity.Duration(i.Point)
	}
	u := quantity.Time(i.Point)
	d := quantity.Decimals(u.In(i.Point), u.In(i.Hi-i.Lo)/2)
	return fmt.Sprintf("%s %s (%s interval %s to %s)", quantity.Fixed(u.In(i.Point), d), u.Symbol, quantity.Level(i.Level),
		quantity.Fixed(u.In(i.Lo), d), quantity.Fixed(u.In(i.Hi), d))
}

// note says where a cost is that of many tasks together: their number decides it more than their size.
func (t *Table) note() {
	var chunks, singles []string
	for i := range t.Curves {
		c := &t.Curves[i]
		if c.Together[1] < 2 || c.Reference {
			continue
		}
		n := quantity.Count(c.Together[1])
		if c.Together[0] < c.Together[1] {
			n = quantity.Count(c.Together[0]) + " to " + n
		}
		chunks = append(chunks, fmt.Sprintf("%s handed out %s tasks at a time", t.name(i), n))
		alone := slices.ContainsFunc(t.Curves, func(o Curve) bool { return o.strategy == c.strategy && o.Together[1] == 1 })
		if single := "-s " + c.strategy + ":mode=imap-unordered"; !alone && !slices.Contains(singles, single) {
			singles = append(singles, single)
		}
	}
	if len(chunks) == 0 {
		return
	}
	s := strings.Join(chunks, ", ") + ", which share what that costs."
	if len(singles) > 0 {
		s += " What a single task costs, " + strings.Join(singles, " ") + " tells."
	}
	t.Notes = append(t.Notes, s)
}

// warn says what limits the table.
func (t *Table) warn() {
	if n := len(t.Grains); n < LeastGrains {
		t.Warnings = append(t.Warnings, analysis.Warning{Severity: analysis.Error, Code: CodeFewGrains,
			Text: fmt.Sprintf("%d grains are too few for a crossing", n), Remedy: fmt.Sprintf("measure at least %d, better ten", LeastGrains)})
		return
	}
	var bent []string
	for i := range t.Curves {
		if c := &t.Curves[i]; c.Has() && c.Residual > misfit {
			bent = append(bent, fmt.Sprintf("%s (%s)", t.name(i), quantity.Percent(c.Residual)))
		}
	}
	if len(bent) > 0 {
		t.Warnings = append(t.Warnings, analysis.Warning{Severity: analysis.Warn, Code: CodeMisfit,
			Text:   "a straight line misses the measured costs of " + strings.Join(bent, ", ") + ", so that their overhead depends on the grain",
			Remedy: "take the crossing from the measured points around it, or measure a narrower range of grains"})
	}
	var failed []string
	for i := range t.Curves {
		if c := &t.Curves[i]; c.Failed > 0 {
			failed = append(failed, fmt.Sprintf("%s at %d of %d grains", t.name(i), c.Failed, len(t.Grains)))
		}
	}
	if len(failed) > 0 {
		t.Warnings = append(t.Warnings, analysis.Warning{Severity: analysis.Warn, Code: analysis.CodeFailed,
			Text: "failed: " + strings.Join(failed, ", "), Remedy: "see parbench report for the reasons"})
	}
}

// Sweeps reports whether a run holds a workload under several parameter sets, which a crossing takes.
func Sweeps(run *results.Run) bool {
	n := map[string]int{}
	for _, e := range run.Header.Plan.Workloads {
		if !e.OwnN && !e.Ceiling {
			if n[e.Name]++; n[e.Name] >= LeastGrains {
				return true
			}
		}
	}
	return false
}
