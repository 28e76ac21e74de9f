// Package analysis turns a run into what a report says: estimates per cell, speedups over the reference, which set of
// strategies won, what is not decided, and warnings, all as values. It renders nothing and measures nothing.
package analysis

import "github.com/parbench/parbench/results"

// Interval is an estimate with its confidence interval. Level is the attained confidence (0.9785), 0 when the data do
// not support an interval; Lo and Hi are then equal to Point and must not be shown. N is the number of samples; 0 means
// there is no estimate at all.
type Interval struct {
	Point, Lo, Hi float64
	Level         float64
	N             int
}

// Has reports whether the interval can be shown.
func (i Interval) Has() bool { return i.Level > 0 && i.N > 0 }

// Severity orders warnings.
type Severity int

// The severities. Error means the numbers it is attached to must not be used.
const (
	Note Severity = iota
	Warn
	Error
)

// Warning is a finding about the data's quality. Text says what was seen, Remedy what to do next. Both are plain text:
// back ends escape them.
type Warning struct {
	Severity Severity
	Code     string // stable, for tests and machines: "few-rounds", "interference", "capped" …
	Text     string
	Remedy   string
}

// Row is one cell with all that a report says of it. Times are seconds.
type Row struct {
	Index int // in Plan.Cells
	Cell  results.Cell
	// Name is the strategy's label, with the program before it ("base/pool") where several programs of the table have one
	// with that label.
	Name string

	OK, Failed, Repeated, Flagged int    // trials; Flagged ones are still counted in OK when they were used
	FailReason, FailStderr        string // of the first failure
	// Status is how the first failed trial ended, results.OK when none failed and trials were used, and empty when no
	// trial was run.
	Status results.Status

	Observations []float64 // seconds per task, one per used trial, in round order
	Rounds       []int     // the round of each observation, ascending
	PerTask      Interval  // median with order-statistic interval
	PerBatch     Interval  // the same, times tasks
	MAD          float64   // median absolute deviation, seconds per task, unscaled
	Min, Max     float64
	Outliers     int // outside Tukey's inner fences (1.5 IQR); shown, never dropped

	Speedup    Interval // time of the program's own reference / this time, paired per round; N = 0 for own-n probes and without pairs
	Efficiency Interval // speedup / cores, for work that waits (io, mixed) / workers, for commands / the larger of the two (N = 0 where their reference has several cores)
	// VsReference is the time of the table's reference, which is the first program's, / this time, paired. N = 0 in tables
	// of a single program, where Speedup says the same.
	VsReference Interval
	VsSelf      Interval // this strategy's own 1-core time / this time, paired; N = 0 on 1 core and where there is no 1-core cell
	VsBest      Interval // this time / the best row's time, paired; N = 0 for the best itself and where there is no winner

	CPUPerWall Interval // CPU seconds per wall second over the measured span
	PeakBytes  int64    // median over trials: all processes of a trial together, or the largest single command
	PSSBytes   int64
	Setup      Interval     // seconds
	Overhead   Interval     // harness overhead per trial, seconds
	GCCycles   float64      // median per trial
	GCPause    float64      // median per trial, seconds
	CtxPerTask float64      // voluntary and forced switches per task, median
	Split      *Split       // where the workers' time went; nil where no trial was probed
	Costs      *CommandCost // nil where tasks are no commands

	Warnings []Warning
}

// HasFailed reports whether a trial of this row failed. Such a row shows what its good trials measured but never wins.
func (r *Row) HasFailed() bool { return r.Failed > 0 }

// Winner says who won a workload, as a set: Best has the lowest median, Set all that cannot be told from it (paired
// tests against the best, Holm-corrected within the workload), Best first and then in the table's order. Indices are
// into Table.Rows.
type Winner struct {
	Best  int
	Set   []int
	Ratio Interval // time of the sequential reference / time of the best; N = 0 without pairs
	Next  int      // the best row outside the set; -1: none
	Lead  Interval // time of Next / time of Best, paired; N = 0 without
	// Undecided lists rows in the set (Best excluded) that only lack data: their interval against the best reaches beyond
	// a difference that matters (2 %). Need is the rounds it would take for the largest such.
	Undecided []int
	Need      int
	// Floor is the smallest number of common rounds at which the test can tell any row from the best at all:
	// ceil(1 + log2(comparisons/alpha)). Pairs is the largest number that a row shares with the best. Pairs < Floor
	// means that nothing was decided.
	Floor, Pairs int
}

// Decided reports whether there were enough rounds for the test to tell rows apart.
func (w *Winner) Decided() bool { return w.Pairs >= w.Floor }

// Has reports whether the row of that index is in the winning set.
func (w *Winner) Has(row int) bool {
	for _, i := range w.Set {
		if i == row {
			return true
		}
	}
	return false
}

// Table is one workload of the plan.
type Table struct {
	Entry     results.PlanEntry
	Rows      []Row // in the plan's order
	Reference int   // index in Rows, of the first program's that has one; -1: none
	Cores     []int // core counts that occur, ascending
	Winner    *Winner
	// NoGain lists labels of strategies for which more cores gained nothing: the interval of their speedup of the largest
	// core count over one core lies below 1.1.
	NoGain []string
	// Disturbed is the share of the used trials during which others used the machine.
	Disturbed float64
	// SplitFinding is one or two sentences about where the time goes, empty where nothing was observed. It holds names from
	// the file.
	SplitFinding string
	// Answer is the first of Points: which set won and by how much, or why none did.
	Answer string
	// Further is what else a short answer says: Python's processes against its threads and goroutines against both, where
	// they were measured. Points has it too.
	Further []string
	// Points are a few plain remarks: the answer, Further, what the machine itself allowed, what gained nothing from more
	// cores, what could not be decided and what it would take. Computed from the fields above. They hold names from
	// the file: back ends escape them, and so they do Answer, Further and Finding.
	Points   []string
	Finding  string    // Points as one text
	Warnings []Warning // of the workload as a whole
	// EvenWorkers are the words of the command that does what the warning CodeUnequalWorkers advises, after the program's
	// own name; empty where there is no such warning or the run's own command line is not known. They are from the file.
	EvenWorkers []string
}

// CeilingPoint is the machine's own measured scaling: k pinned threads of busy work against one, paired per round.
type CeilingPoint struct {
	Cores   int
	Speedup Interval
}

// Tells reports whether the point says how far work that computes can scale on so many cores: it has an interval, and
// nothing keeps that from bounding others.
func (c CeilingPoint) Tells() bool { return c.Speedup.Has() && c.Untold() == "" }

// Untold is what the point's interval is that says too little of how far work that computes can scale: "too wide" or "too
// far above the number of cores"; empty where it says enough, or there is none. What counts as a gain from more cores,
// gainLimit, is as near as the ceiling has to be known: the ends of the interval are within it of their geometric mean, or
// the whole interval is below it. Above so many cores by as much the machine changed between the trials that were paired.
func (c CeilingPoint) Untold() string {
	switch s := c.Speedup; {
	case !s.Has() || s.Hi < gainLimit:
		return ""
	case s.Hi > gainLimit*gainLimit*s.Lo:
		return "too wide"
	case s.Hi > gainLimit*float64(c.Cores):
		return "too far above the number of cores"
	}
	return ""
}

// Gave reports whether the machine reliably gave busy threads more than one core: where it did not, no comparison of
// strategies on so many cores says what they would do with them.
func (c CeilingPoint) Gave() bool { return c.Speedup.Has() && c.Speedup.Lo >= gainLimit }

// Report is everything that a back end needs.
type Report struct {
	Run    *results.Run
	Level  float64 // confidence asked for
	Effect float64 // smallest difference that matters
	Tables []Table
	// Commands compares the commands of a run; a table of a single row is the only command there was.
	Commands []CommandTable
	// Shell is what the start of the shell took that ran the commands, in seconds, and is part of each one's time. N = 0:
	// there was none.
	Shell   Interval
	Ceiling []CeilingPoint
	// CeilingRows are the cells behind Ceiling, which have no table; a failure among them shows here.
	CeilingRows []Row
	Warnings    []Warning // of the whole run, most severe first
	// TaskSize are the words of the command that measures from which task size on this run's strategies with processes pay,
	// after the program's own name; empty where the run has none or is another kind of run. They are from the file.
	TaskSize []string
	// Unobserved is what could not be seen of where the time goes. It holds untrusted text.
	Unobserved []Unobserved
	Rounds     int // rounds with at least one trial
	Planned    int // trials the plan asks for
	Used       int // trials that entered the statistics
	Flagged    int // trials disturbed by others
	Repeated   int // repeats that were run
	Failed     int // trials that did not end well
	Complete   bool
	// Overhead is what the harness added to a used trial outside the trial's own work (starting, talking, reaping), in
	// seconds: none of it is in any time. OverheadP95 is its 95th percentile. Cells that run tasks in other processes and
	// probes that choose their own number of tasks are left out: N is then less than Used.
	Overhead    Interval
	OverheadP95 float64
	Duration    float64 // seconds from the first trial's start to the last one's end
}
