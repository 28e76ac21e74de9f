package analysis

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis/quantity"
)

// Limits beyond which a row or a run gets a warning. docs/method.md tells why these values.
const (
	wideHalf      = 0.05  // half-width of the interval over the median
	clockShare    = 0.001 // clock step over batch time
	starvedShare  = 0.9   // CPU seconds per wall second of a one-core cell of cpu or memory work
	stealLimit    = 0.01  // mean stolen time, cores
	busyLoad      = 0.5   // load average before the run, per usable core
	tasksPerCore  = 2     // tasks of a batch per worker
	superlinear   = 1.05  // lower end of the efficiency's interval
	driftEffect   = 0.02  // relative change over the run
	unknownShare  = 0.05  // trials without evidence about others
	moreRounds    = "run more rounds (--rounds, or --rigorous)"
	quietMachine  = "close other programs or use a quieter machine; parbench doctor shows what disturbs"
	disturbedHint = "close other programs and run again; the trials are marked in the file"
)

// warnings collects warnings; the zero value is ready.
type warnings []Warning

func (w *warnings) add(s Severity, code, remedy, format string, args ...any) {
	*w = append(*w, Warning{Severity: s, Code: code, Text: fmt.Sprintf(format, args...), Remedy: remedy})
}

// rowWarnings keeps numbers that the row shows anyway out of the texts, so that a table can share one footnote between
// rows.
func (a *analyser) rowWarnings(t *Table, r *Row) []Warning {
	var w warnings
	a.failure(&w, r)
	c := &r.Cell
	if c.Oversub {
		w.add(Warn, CodeOversubscribed, "leave out --oversubscribe to measure cores that exist",
			"more cores asked for than are usable: workers share them")
	}
	if c.Capped {
		w.add(Warn, CodeCapped, "compare time per task only; --tasks gives every cell the same number",
			"capped at %s a batch, because each is expensive to start: compared per task", plural(c.Tasks, "task"))
	}
	if r.OK == 0 {
		return w
	}
	if !t.Entry.OwnN && !c.Unbounded && c.Tasks > 0 && c.Workers > 1 {
		switch chunk := chunkOf(c); {
		case c.Tasks < tasksPerCore*c.Workers:
			w.add(Warn, CodeFewTasks, "give more tasks (--tasks)",
				"fewer than %d tasks per worker: some workers idle while the last tasks run", tasksPerCore)
		case (c.Tasks-1)/chunk+1 < tasksPerCore*c.Workers:
			w.add(Warn, CodeFewTasks, "give more tasks (--tasks) or smaller chunks (the strategy's parameter chunk)",
				"fewer than %d chunks of tasks per worker: some workers idle while the last chunks run", tasksPerCore)
		}
	}
	if !r.HasFailed() && r.OK < a.minRounds() && r.OK < a.rounds() && a.rounds() >= a.minRounds() {
		w.add(Warn, CodeMissingRounds, "resume the run (--resume FILE)", "fewer usable trials than the run has rounds: no interval")
	}
	if wide(r.PerTask) || wide(r.Speedup) {
		w.add(Warn, CodeWide, moreRounds+"; "+quietMachine, "the interval reaches more than %s to a side", quantity.Percent(wideHalf))
	}
	if r.Outliers > 0 {
		where := "the distribution plot"
		if r.Costs != nil { // of commands alone, trials are points of the figure that compares them
			where = "the plots, which show every trial"
		}
		w.add(Note, CodeOutliers, "look at "+where+"; they stay in all estimates",
			"has outliers: trials outside Tukey's inner fences")
	}
	a.clock(&w, r)
	if !t.Entry.OwnN && r.Costs == nil && r.Setup.Point > r.PerBatch.Point { // before a command, only what measures it is set up
		w.add(Note, CodeSetup, "add the set-up time if a program of yours would pay it once per batch",
			"setting up takes longer than a batch and is not part of the time per task")
	}
	if busyKind(t.Entry.Kind) && c.OneCore && r.CPUPerWall.N > 0 && r.CPUPerWall.Point < starvedShare {
		w.add(Warn, CodeStarved, "look for a CPU quota, for other programs and for swapping (parbench doctor shows them)",
			"work that never waits got less than %s of its core", quantity.Percent(starvedShare))
	}
	if busyKind(t.Entry.Kind) && !c.OneCore && r.Efficiency.Has() && r.Efficiency.Lo > superlinear {
		w.add(Note, CodeSuperlinear, "look at what the reference pays that this cell does not: caches, clock rate, collection",
			"faster than its cores explain")
	}
	exits(&w, r)
	splitWarning(&w, r)
	return w
}

// chunkOf is how many tasks a worker takes at once by the strategy's parameters: 1 where they do not say or leave it to the
// strategy, and in modes that hand out tasks one by one.
func chunkOf(c *results.Cell) int {
	n, err := strconv.Atoi(c.StrategyParams["chunk"])
	if err != nil || n < 1 || strings.HasPrefix(c.StrategyParams["mode"], "apply") {
		return 1
	}
	return n
}

// Together is how many tasks a worker is handed at a time, for the strategies that have a parameter chunk; 0 for others. As
// in Python, 0 of that parameter is a quarter of an even share in mode map and 1 in the others.
func Together(c *results.Cell) int {
	chunk, ok := c.StrategyParams["chunk"]
	if !ok {
		return 0
	}
	if chunk == "0" && c.StrategyParams["mode"] == "map" && c.Tasks > 0 && c.Workers > 0 {
		return (c.Tasks-1)/(4*c.Workers) + 1
	}
	return min(chunkOf(c), max(c.Tasks, 1))
}

func (a *analyser) failure(w *warnings, r *Row) {
	if !r.HasFailed() {
		return
	}
	severity, text := Error, "failed: no trial ended well"
	if r.OK > 0 {
		severity, text = Warn, "some trials failed: shown for what it is worth, cannot win"
	}
	if r.Status == results.Wrong {
		severity, text = Error, "computed something else than the reference: its times must not be used"
	}
	w.add(severity, CodeFailed, "read the reason and the standard error in the report's list of failures", "%s", text)
}

// clock warns where the clock's own step or cost is not small against a batch.
func (a *analyser) clock(w *warnings, r *Row) {
	e := &a.run.Header.Environment
	step := math.Max(float64(e.ClockStepNS), sound(e.ClockCostNS)) / 1e9
	if step > 0 && r.PerBatch.Point > 0 && step > clockShare*r.PerBatch.Point {
		w.add(Warn, CodeClock, "give more tasks (--tasks) or larger ones",
			"a batch is so short that the clock's resolution is more than %s of it", quantity.Percent(clockShare))
	}
}

func wide(i Interval) bool {
	return i.Has() && i.Point > 0 && (i.Hi-i.Lo)/2 > wideHalf*i.Point
}

// Waits reports whether the tasks spend much of their time waiting, so that workers rather than cores limit them.
func (t *Table) Waits() bool { return !busyKind(t.Entry.Kind) }

// commandKind is the kind of work that is the user's commands: whether they compute or wait, and on how many cores, is not
// known.
const commandKind = "command"

// Commands reports whether the tasks are commands of the user.
func (t *Table) Commands() bool { return t.Entry.Kind == commandKind }

func busyKind(kind string) bool { return kind == "cpu" || kind == "memory" }

// minRounds is the smallest number of trials with an interval, for a median or a paired ratio, at the report's level: the
// widest of n trials attains 1 − 2^(1−n). It is 6 at 95 % and 8 at 99 %.
func (a *analyser) minRounds() int {
	n := 2
	for math.Exp2(float64(1-n)) > 1-a.opt.Level+1e-9 {
		n++
	}
	return n
}

// rounds is the largest number of used trials that any cell has.
func (a *analyser) rounds() int {
	n := 0
	for i := range a.cells {
		n = max(n, len(a.cells[i].samples))
	}
	return n
}

func (a *analyser) tableWarnings(t *Table) []Warning {
	var w warnings
	if !t.Entry.OwnN && len(t.Rows) > 0 {
		a.referenceWarnings(&w, t)
	}
	if t.Winner != nil && !t.Winner.Decided() && t.Winner.Pairs >= a.minRounds() {
		w.add(Warn, CodeManyRivals, fmt.Sprintf("run at least %d rounds, or compare fewer cells", t.Winner.Floor),
			"%d rounds are too few to tell any of %d cells from the best: the correction for so many comparisons needs %d",
			t.Winner.Pairs, t.Winner.candidates(t), t.Winner.Floor)
	}
	workersWarning(&w, &a.run.Header, t)
	a.cached(&w, t)
	waitedLonger(&w, t)
	if share, n := a.fixtureShare(t); a.run.Header.Plan.SharesFixture && t.Entry.Fixture != "" && n > 0 && share > 0 {
		w.add(Warn, CodeFixtureShares, "give the run 4 or more CPUs (machine, affinity and quota), so that one is reserved for it",
			"the %s service ran on the same CPUs as the tasks, in every cell alike, and took %s of a core on average",
			t.Entry.Fixture, quantity.Percent(share))
	}
	return w
}

// cached warns where work on memory is small enough for the last cache, as far as the machine's own size tells: what a
// virtual machine or a neighbour leaves of it is not known.
func (a *analyser) cached(w *warnings, t *Table) {
	size, err := strconv.ParseInt(t.Entry.Params["bytes"], 10, 64)
	if t.Entry.Kind != "memory" || err != nil || size < 1 {
		return
	}
	var last results.Cache
	for _, c := range a.run.Header.Environment.Caches {
		if c.Level >= last.Level {
			last = c
		}
	}
	if size < last.Bytes {
		w.add(Warn, CodeFitsCache, "give it several times the cache's size (the workload's parameter bytes)",
			"its %s would fit in the last-level cache of %s, if this machine had all of that to itself",
			quantity.Size(float64(size)), quantity.Size(float64(last.Bytes)))
	}
}

// candidates counts the rows that could have won.
func (w *Winner) candidates(t *Table) int {
	n := 0
	for i := range t.Rows {
		if r := &t.Rows[i]; r.OK > 0 && !r.HasFailed() {
			n++
		}
	}
	return n
}

func (a *analyser) referenceWarnings(w *warnings, t *Table) {
	if t.Reference < 0 {
		w.add(Warn, CodeNoReference, "add the sequential strategy", "there is no sequential reference, so there are no speedups")
		return
	}
	r := &t.Rows[t.Reference]
	switch {
	case r.Status == results.Wrong:
		w.add(Error, CodeRefFailed, "mend the workload and run again",
			"the reference computed something else than was expected: there are no speedups")
	case r.HasFailed() && r.OK == 0:
		w.add(Error, CodeRefFailed, "read the reason in the list of failures, mend it and run again",
			"the reference failed: there are no speedups")
	case r.HasFailed():
		w.add(Warn, CodeRefFailed, "read the reason in the list of failures",
			"the reference failed in some rounds: speedups come from the %s in which it did not", rounds(r.OK))
	}
}

// fixtureShare is the mean CPU time of the fixture over the trials of this workload, in cores, and how many had any.
func (a *analyser) fixtureShare(t *Table) (share float64, n int) {
	for i := range t.Rows {
		for _, s := range a.cells[t.Rows[i].Index].samples {
			if tr := s.trial; tr.FixtureCPUNS > 0 && tr.TotalNS > 0 {
				share += float64(tr.FixtureCPUNS) / float64(tr.TotalNS)
				n++
			}
		}
	}
	if n == 0 {
		return 0, 0
	}
	return share / float64(n), n
}
