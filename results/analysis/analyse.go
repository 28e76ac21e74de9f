package analysis

import (
	"errors"
	"fmt"
	"math"
	"sort"
	"time"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/stat"
)

// Options says how sure the report must be. The zero value takes the defaults.
type Options struct {
	Level     float64 // confidence of every interval and of the winner set; default 0.95
	MinEffect float64 // smallest relative difference that matters; default 0.02
}

func (o Options) resolve() (Options, error) {
	if o.Level == 0 {
		o.Level = 0.95
	}
	if o.MinEffect == 0 {
		o.MinEffect = 0.02
	}
	if !(o.Level >= 0.5 && o.Level < 1) {
		return o, fmt.Errorf("analysis: confidence level %v is not between 0.5 and 1", o.Level)
	}
	if !(o.MinEffect > 0 && o.MinEffect < 1) {
		return o, fmt.Errorf("analysis: smallest effect %v is not between 0 and 1 (0.02 is 2 %%)", o.MinEffect)
	}
	return o, nil
}

// Analyse turns a run into a report. It reads the run and keeps a pointer to it; it changes nothing in it. Only a nil
// run and impossible options are errors: a run that is empty, torn or full of failures gives a report that says so.
// Every number in the report is finite.
func Analyse(run *results.Run, opt Options) (*Report, error) {
	if run == nil {
		return nil, errors.New("analysis: no run")
	}
	opt, err := opt.resolve()
	if err != nil {
		return nil, err
	}
	a := &analyser{run: run, opt: opt, cells: make([]cellData, len(run.Header.Plan.Cells))}
	rep := &Report{Run: run, Level: opt.Level, Effect: opt.MinEffect}
	a.gather(rep)
	a.overhead(rep)
	rep.Ceiling, rep.CeilingRows = a.ceiling()
	a.top = rep.Ceiling
	for i := range run.Header.Plan.Workloads {
		if e := &run.Header.Plan.Workloads[i]; !e.Ceiling {
			rep.Tables = append(rep.Tables, a.table(*e))
		}
	}
	rep.Commands, rep.Shell = a.commandTables(rep.Tables), a.shell()
	rep.Unobserved = unobserved(rep.Tables)
	rep.TaskSize = taskSize(rep)
	rep.Warnings = a.runWarnings(rep)
	return rep, nil
}

// analyser holds what the passes over one run share.
type analyser struct {
	run   *results.Run
	opt   Options
	cells []cellData // by index in Plan.Cells
	// foreign counts trials that name a cell or a round that the plan cannot have.
	foreign int
	// unknown counts used trials without evidence about others; flaggedUsed those that were used though disturbed.
	unknown, flaggedUsed int
	steal                float64 // mean stolen time of the used trials that know it, in cores
	top                  []CeilingPoint
}

// cellData is what the trials of one cell gave.
type cellData struct {
	samples                   []sample // of used trials, in round order
	failed, repeated, flagged int
	first                     *results.Trial // the first failure
}

// sample is one used trial.
type sample struct {
	round int
	value float64 // seconds per task
	trial *results.Trial
}

// gather sorts the trials into their cells and counts.
func (a *analyser) gather(rep *Report) {
	plan := &a.run.Header.Plan
	rep.Planned = len(plan.Cells) * max(plan.Rounds, 0)
	rounds := map[int]bool{}
	seen := map[[2]int]bool{} // cell and round with any trial
	var first, last time.Time
	for i := range a.run.Trials {
		t := &a.run.Trials[i]
		if !a.known(t) {
			a.foreign++
			continue
		}
		if _, notrun := results.CutNotRun(t.Reason); !notrun || t.Status == results.OK {
			rounds[t.Round] = true
		}
		seen[[2]int{t.Cell, t.Round}] = true
		if !t.Start.IsZero() {
			end := t.Start.Add(time.Duration(max(t.TotalNS, 0)))
			if first.IsZero() || t.Start.Before(first) {
				first = t.Start
			}
			if end.After(last) {
				last = end
			}
		}
		a.count(rep, t)
	}
	rep.Rounds = len(rounds)
	if !first.IsZero() {
		rep.Duration = max(0, last.Sub(first).Seconds())
	}
	rep.Complete = complete(a.run, len(seen), rep.Planned)
	a.use(rep)
}

func (a *analyser) known(t *results.Trial) bool {
	return t.Cell >= 0 && t.Cell < len(a.cells) && t.Round >= 0
}

func (a *analyser) count(rep *Report, t *results.Trial) {
	c := &a.cells[t.Cell]
	if t.Attempt > 0 {
		c.repeated++
		rep.Repeated++
	}
	if t.Others != nil && t.Others.Flagged {
		c.flagged++
		rep.Flagged++
	}
	if t.Status != results.OK {
		c.failed++
		rep.Failed++
		if c.first == nil || t.Seq < c.first.Seq {
			c.first = t
		}
	}
}

// use takes the trials that enter the statistics: at most one per cell and round, whatever the file holds.
func (a *analyser) use(rep *Report) {
	var steals int
	for _, i := range a.run.Used() {
		t := &a.run.Trials[i]
		v, ok := t.Observation()
		if !a.known(t) || !ok || !finite(v) {
			continue
		}
		c := &a.cells[t.Cell]
		c.samples = append(c.samples, sample{t.Round, v, t})
	}
	for i := range a.cells {
		c := &a.cells[i]
		sort.SliceStable(c.samples, func(x, y int) bool { return c.samples[x].round < c.samples[y].round })
		kept := c.samples[:0]
		for _, s := range c.samples {
			if len(kept) == 0 || kept[len(kept)-1].round != s.round {
				kept = append(kept, s)
			}
		}
		c.samples = kept
		rep.Used += len(kept)
		for _, s := range kept {
			o := s.trial.Others
			if o == nil {
				a.unknown++
				continue
			}
			if o.Flagged {
				a.flaggedUsed++
			}
			if finite(o.Steal) {
				a.steal += o.Steal
				steals++
			}
		}
	}
	if steals > 0 {
		a.steal /= float64(steals)
	}
}

// complete believes the file's own last note and else counts.
func complete(run *results.Run, seen, planned int) bool {
	if n := len(run.Notes); n > 0 && run.Notes[n-1].Type == "end" {
		return run.Notes[n-1].Reason == "complete"
	}
	return planned > 0 && seen >= planned
}

// table analyses one workload. Cells are taken by their index, so that nothing that differs in any part of the cell
// can mix.
func (a *analyser) table(e results.PlanEntry) Table {
	t := Table{Entry: e}
	programs := map[string]map[string]bool{} // by label
	cores := map[int]bool{}
	for i, c := range a.run.Header.Plan.Cells {
		if c.Workload != e.Key || c.Ceiling {
			continue
		}
		t.Rows = append(t.Rows, a.row(i, c))
		if programs[label(c)] == nil {
			programs[label(c)] = map[string]bool{}
		}
		programs[label(c)][c.Program] = true
		cores[c.Cores] = true
	}
	t.Reference = a.firstReference(&t)
	for k := range cores {
		t.Cores = append(t.Cores, k)
	}
	sort.Ints(t.Cores)
	for i := range t.Rows {
		r := &t.Rows[i]
		r.Name = label(r.Cell)
		if len(programs[r.Name]) > 1 {
			r.Name = r.Cell.Program + "/" + r.Name
		}
	}
	if !e.OwnN {
		for i := range t.Rows {
			a.ratios(&t, i)
		}
		t.Winner = a.winner(&t)
		t.NoGain = noGain(&t)
	}
	a.splits(&t)
	t.Disturbed = a.disturbed(&t)
	for i := range t.Rows {
		t.Rows[i].Warnings = a.rowWarnings(&t, &t.Rows[i])
	}
	t.Warnings = a.tableWarnings(&t)
	t.Points = a.finding(&t)
	t.Answer, t.Finding = t.Points[0], sentences(t.Points...)
	return t
}

func label(c results.Cell) string {
	if c.Label == "" {
		return c.Strategy
	}
	return c.Label
}

// row estimates one cell.
func (a *analyser) row(index int, c results.Cell) Row {
	d := &a.cells[index]
	r := Row{Index: index, Cell: c, OK: len(d.samples), Failed: d.failed, Repeated: d.repeated, Flagged: d.flagged}
	if d.first != nil {
		r.Status, r.FailReason, r.FailStderr = d.first.Status, d.first.Reason, d.first.Stderr
	} else if r.OK > 0 {
		r.Status = results.OK
	}
	r.Costs = a.commandCost(d.samples)
	if r.OK == 0 {
		return r
	}
	batch := make([]float64, 0, r.OK)
	for _, s := range d.samples {
		r.Observations, r.Rounds = append(r.Observations, s.value), append(r.Rounds, s.round)
		batch = append(batch, s.value*float64(s.trial.Tasks))
	}
	r.PerTask = a.median(r.Observations)
	r.PerBatch = a.median(batch)
	r.Min, r.Max = bounds(r.Observations)
	if mad, err := stat.MAD(r.Observations); err == nil {
		r.MAD = mad
	}
	r.Outliers = len(stat.TukeyOutliers(r.Observations))
	a.costs(&r, d.samples)
	if r.Costs != nil {
		r.PeakBytes, r.Costs.PeakBound = commandPeak(d.samples)
	}
	return r
}

// costs estimates everything but time per task.
func (a *analyser) costs(r *Row, samples []sample) {
	var cpu, peak, pss, setup, overhead, cycles, pause, ctx []float64
	for _, s := range samples {
		t := s.trial
		if t.SpanNS > 0 && t.CPUNS > 0 {
			cpu = append(cpu, float64(t.CPUNS)/float64(t.SpanNS))
		}
		if t.PeakBytes > 0 {
			peak = append(peak, float64(t.PeakBytes))
		}
		if t.PSSBytes > 0 {
			pss = append(pss, float64(t.PSSBytes))
		}
		setup = append(setup, float64(max(t.SetupNS, 0))/1e9)
		overhead = append(overhead, float64(max(t.OverheadNS, 0))/1e9)
		cycles = append(cycles, float64(t.GCCycles))
		pause = append(pause, float64(t.GCPauseNS)/1e9)
		ctx = append(ctx, (float64(t.CtxVoluntary)+float64(t.CtxForced))/(float64(t.Tasks)*float64(len(t.Wall))))
	}
	r.CPUPerWall = a.median(cpu)
	r.PeakBytes = int64(mid(peak))
	r.PSSBytes = int64(mid(pss))
	r.Setup = a.median(setup)
	r.Overhead = a.median(overhead)
	r.GCCycles, r.GCPause, r.CtxPerTask = mid(cycles), mid(pause), mid(ctx)
}

// overhead sums up what trials cost beside their own work. Cells whose difference holds work of their own are left out:
// a probe that chooses its own number of tasks tries some before it is ready, and workers in processes are started and
// ended outside the timed regions.
func (a *analyser) overhead(rep *Report) {
	var x []float64
	own := map[string]bool{}
	for _, e := range a.run.Header.Plan.Workloads {
		own[e.Key] = e.OwnN
	}
	for i := range a.cells {
		if c := &a.run.Header.Plan.Cells[i]; c.Processes || own[c.Workload] {
			continue
		}
		for _, s := range a.cells[i].samples {
			x = append(x, float64(max(s.trial.OverheadNS, 0))/1e9)
		}
	}
	rep.Overhead = a.median(x)
	if p, err := stat.Quantile(x, 0.95); err == nil && finite(p) {
		rep.OverheadP95 = p
	}
}

// median estimates a median with its order-statistic interval, or without one where the data do not support it.
func (a *analyser) median(x []float64) Interval {
	if len(x) == 0 {
		return Interval{}
	}
	point := mid(x)
	iv, err := stat.MedianInterval(x, a.opt.Level)
	if err != nil {
		return bare(point, len(x))
	}
	out := a.interval(iv)
	if out.N == 0 {
		return bare(point, len(x))
	}
	return out
}

// interval takes over an interval of package stat. One that attains less than was asked for is dropped, not shown.
func (a *analyser) interval(iv stat.Interval) Interval {
	if !finite(iv.Point) || iv.N <= 0 {
		return Interval{}
	}
	if !finite(iv.Lo) || !finite(iv.Hi) || !finite(iv.Level) || iv.Level < a.opt.Level-1e-9 || iv.Lo > iv.Hi {
		return bare(iv.Point, iv.N)
	}
	return Interval{Point: iv.Point, Lo: iv.Lo, Hi: iv.Hi, Level: iv.Level, N: iv.N}
}

// bare is an estimate without an interval.
func bare(point float64, n int) Interval { return Interval{Point: point, Lo: point, Hi: point, N: n} }

// scale multiplies an interval by a positive factor.
func (i Interval) scale(f float64) Interval {
	i.Point, i.Lo, i.Hi = i.Point*f, i.Lo*f, i.Hi*f
	return i
}

// mid is the median, 0 without samples.
func mid(x []float64) float64 {
	m, err := stat.Median(x)
	if err != nil {
		return 0
	}
	return m
}

func bounds(x []float64) (lo, hi float64) {
	lo, hi = x[0], x[0]
	for _, v := range x[1:] {
		lo, hi = min(lo, v), max(hi, v)
	}
	return lo, hi
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func sound(v float64) float64 {
	if finite(v) {
		return v
	}
	return 0
}
