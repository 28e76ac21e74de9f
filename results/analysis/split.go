package analysis

import (
	"fmt"
	"slices"
	"strings"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis/quantity"
)

// Split says where the time of a row's workers went, by probed batches that ran after the measured ones of some trials. Times
// are seconds of wall time per task: a component that took half of the workers' time is half of the time per task. In each
// trial those of Parts that are known add up to Wall; here each is a median of its own, so that sums may differ in the last digit.
type Split struct {
	N       int      // trials with an observed split
	Workers int      // whose time is split
	Wall    Interval // time per task of the probed batches
	// Start is the time before a worker's first task, Execution that in tasks, Between that from one task of a worker to its
	// next, Idle that after a worker's last task while others still had some, Join that from the end of the last task of all
	// to the end of the batch.
	Start, Execution, Between, Idle, Join Interval
	// Either stands in place of Between and Idle, which have N = 0, where it is not known which worker ran a task: a worker
	// without a task may be on its way to the next one or have had its last, and one of several knows no better.
	Either     Interval
	Transfer   Interval // of Start and Between: unpacking calls and packing answers; N = 0: not observed
	Share      Interval // Execution over Wall
	Task       Interval // how long a task took where it ran, seconds
	Slower     Interval // Task over that of the program's reference, paired; N = 0 without pairs
	Setup      Interval // of the trials' set-up for each task, were there one batch only
	Close      Interval // ending the strategy, seconds a trial; N = 0: not known
	Against    Interval // Wall over the time per task of the measured batches of the same trial
	Stamped    float64  // share of the tasks that were timed
	Cost       float64  // share of the workers' time that timing them took
	OwnWorkers bool     // it is known which worker ran a task
	Unseen     []results.Unseen
}

// Observed reports whether the split says anything of the inside of a batch.
func (s *Split) Observed() bool { return s != nil && s.N > 0 }

// Split reports whether some row of the report has an observed split.
func (r *Report) Split() bool {
	return slices.ContainsFunc(r.Tables, func(t Table) bool {
		return slices.ContainsFunc(t.Rows, func(r Row) bool { return r.Split.Observed() })
	})
}

// TakesTurns reports whether the row has more tasks in flight than there are cores: a task that has begun then waits for
// its turn on one, and that is in how long it takes.
func (r *Row) TakesTurns() bool {
	c := &r.Cell
	if c.Unbounded {
		return c.Tasks > c.Cores
	}
	return c.Oversub || c.Workers > c.Cores
}

// Part is one component of a split.
type Part struct {
	Name string // as tables head it
	Time Interval
}

// Parts returns the components that make up Wall, in the order in which they come in a batch; execution stands first,
// because everything else is what it costs. A split has between and idle, or else between or idle: the others have N = 0.
func (s *Split) Parts() []Part {
	return []Part{{"execution", s.Execution}, {"start", s.Start}, {"between", s.Between}, {"between or idle", s.Either}, {"idle", s.Idle}, {"join", s.Join}}
}

// Unobserved is something that could not be seen, why, and in which rows.
type Unobserved struct {
	What, Why string
	Rows      []string // names; empty: all
}

// splits fills in where the time of each row went.
func (a *analyser) splits(t *Table) {
	tasks := make([][]sample, len(t.Rows))
	for i := range t.Rows {
		t.Rows[i].Split, tasks[i] = a.split(&t.Rows[i])
	}
	for i := range t.Rows {
		ref := reference(t, i)
		if s := t.Rows[i].Split; s.Observed() && !t.Entry.OwnN && ref >= 0 {
			if ref == i {
				s.Slower = bare(1, s.N)
				continue
			}
			s.Slower, _ = a.ratioOf(tasks[i], tasks[ref])
		}
	}
	t.SplitFinding = a.splitFinding(t)
}

// split estimates the components of one row from the trials that enter its statistics. It returns the tasks' durations
// too, one for each of them.
func (a *analyser) split(r *Row) (*Split, []sample) {
	var out *Split
	var parts [5][]float64
	var tasks []sample
	var wall, transfer, share, setup, closing, against, stamped, cost []float64
	told := 0 // trials whose workers told of transfers
	for _, s := range a.cells[r.Index].samples {
		p := s.trial.Split
		if p == nil {
			continue
		}
		if out == nil {
			out = &Split{Workers: p.Workers, OwnWorkers: true}
		}
		for _, u := range p.Unseen {
			if !slices.Contains(out.Unseen, u) {
				out.Unseen = append(out.Unseen, u)
			}
		}
		n := float64(p.Tasks) * float64(p.Batches)
		if !p.Observed() || n <= 0 || p.Workers <= 0 {
			continue
		}
		per := 1e-9 / n / float64(p.Workers)
		for k, v := range p.Parts() {
			parts[k] = append(parts[k], float64(v)*per)
		}
		w := float64(p.WallNS) / n * 1e-9
		wall = append(wall, w)
		transfer = append(transfer, float64(p.TransferNS)*per)
		if p.TransferNS > 0 {
			told++
		}
		share = append(share, float64(p.ExecutionNS)*per/w)
		tasks = append(tasks, sample{s.round, float64(p.TaskNS) / n * 1e-9, s.trial})
		setup = append(setup, float64(max(s.trial.SetupNS, 0))*1e-9/float64(max(s.trial.Tasks, 1)))
		if s.trial.CloseNS > 0 {
			closing = append(closing, float64(s.trial.CloseNS)*1e-9)
		}
		against = append(against, w/s.value)
		stamped = append(stamped, float64(p.Stamped)/n)
		cost = append(cost, float64(p.ProbeNS)/float64(p.WallNS)/float64(p.Workers))
		out.N++
		out.OwnWorkers = out.OwnWorkers && p.OwnWorkers
	}
	if out == nil {
		return nil, nil
	}
	estimates := []*Interval{&out.Start, &out.Execution, &out.Between, &out.Idle, &out.Join}
	if out.merges(r) {
		const between, idle = 2, 3
		for i := range parts[between] {
			parts[between][i] += parts[idle][i]
		}
		parts[idle], estimates[between] = nil, &out.Either
	}
	for k, to := range estimates {
		*to = a.median(parts[k])
	}
	if told > 0 {
		out.Transfer = a.median(transfer)
	}
	out.Wall, out.Share, out.Setup, out.Close, out.Against = a.median(wall), a.median(share), a.median(setup), a.median(closing), a.median(against)
	out.Stamped, out.Cost = mid(stamped), mid(cost)
	durations := make([]float64, len(tasks))
	for i := range tasks {
		durations[i] = tasks[i].value
	}
	out.Task = a.median(durations)
	return out, tasks
}

// merges reports whether between and idle cannot be told apart. Where each task has a worker of its own, there is nothing between
// two of them.
func (s *Split) merges(r *Row) bool { return !s.OwnWorkers && s.Workers > 1 && !r.Cell.Unbounded }

// SlowerLimit is how many times as long as alone a task has to take to be worth a sentence.
const SlowerLimit = 1.05

// Limits of what is said about splits.
const (
	againstOff = 0.10   // probed batches that differ by more from the measured ones do not stand for them
	shortTask  = 200e-9 // seconds; the clock's own cost is of this size
)

// splitFinding is one or two sentences about where the time goes, empty where nothing was observed.
func (a *analyser) splitFinding(t *Table) string {
	least := -1
	for i := range t.Rows {
		s := t.Rows[i].Split
		if !s.Observed() || t.Rows[i].HasFailed() || t.Rows[i].Cell.Reference {
			continue
		}
		if least < 0 || s.Share.Point < t.Rows[least].Split.Share.Point {
			least = i
		}
	}
	if least < 0 {
		return ""
	}
	s := t.Rows[least].Split
	said := fmt.Sprintf("The least part of the workers' time went into tasks under %s: %s%s", name(t, least), quantity.Percent(s.Share.Point), shareRange(s.Share))
	other := Part{}
	for _, p := range s.Parts()[1:] {
		if p.Time.Point > other.Time.Point {
			other = p
		}
	}
	if s.Wall.Point > 0 && other.Time.Point > 0 {
		said += fmt.Sprintf("; the largest other part was %s, %s", partWords[other.Name], quantity.Percent(other.Time.Point/s.Wall.Point))
	}
	said += "."
	if c := t.Rows[least].Costs; c != nil && s.Task.N > 0 && c.User.N > 0 {
		said += fmt.Sprintf(" One command ran for %s there, %s of it on a processor.", quantity.Duration(s.Task.Point), quantity.Duration(c.User.Point+c.System.Point))
	}
	return said + a.slowestTasks(t)
}

// slowestTasks says under which strategy tasks took longest compared with alone, after a space, or is empty where that was
// not compared. For work that computes, strategies with more tasks in flight than cores are left out as long as there are
// others: how long their tasks took holds what they waited for a core.
func (a *analyser) slowestTasks(t *Table) string {
	var fair, turns []int
	for i := range t.Rows {
		r := &t.Rows[i]
		switch {
		case r.Cell.Reference || r.HasFailed() || !r.Split.Observed() || !r.Split.Slower.Has():
		case busyKind(t.Entry.Kind) && r.TakesTurns():
			turns = append(turns, i)
		default:
			fair = append(fair, i)
		}
	}
	among, that := "", ""
	switch {
	case len(fair) == 0:
		fair = turns
	case len(turns) > 0:
		among, that = ", of strategies with no more tasks in flight than cores", " that has no more tasks in flight than cores"
	}
	if len(fair) == 0 {
		return ""
	}
	slowest := -1
	for _, i := range fair {
		if s := t.Rows[i].Split.Slower; s.Lo > SlowerLimit && (slowest < 0 || s.Point > t.Rows[slowest].Split.Slower.Point) {
			slowest = i
		}
	}
	if slowest < 0 {
		return fmt.Sprintf(" That a task takes longer than alone, by %s or more, could be shown of no strategy%s.", quantity.Percent(SlowerLimit-1), that)
	}
	turn := ""
	if t.Rows[slowest].TakesTurns() {
		turn = "; it had more tasks in flight than cores, and what they waited for their turn on one is in that"
	}
	r := t.Rows[slowest].Split.Slower
	return fmt.Sprintf(" A task took longest under %s%s: %s times as long as alone%s%s.", name(t, slowest), among, ratio(r), a.withRatio(r), turn)
}

// shareRange is the interval of a share in brackets, where there is one.
func shareRange(i Interval) string {
	if !i.Has() {
		return ""
	}
	return fmt.Sprintf(" (%s interval %s to %s)", quantity.Level(i.Level), quantity.Percent(i.Lo), quantity.Percent(i.Hi))
}

// partWords are the components in a sentence.
var partWords = map[string]string{
	"start": "waiting for the first task", "between": "getting from one task to the next", "between or idle": "being between two tasks or idle, which cannot be told apart here", "idle": "idling after a worker's last task",
	"join": "ending the batch after its last task",
}

// unobserved gathers what could not be seen, in the order of the rows.
func unobserved(tables []Table) []Unobserved {
	var out []Unobserved
	add := func(r *Row, what, why string) {
		for k := range out {
			if out[k].What == what && out[k].Why == why {
				if !slices.Contains(out[k].Rows, r.Name) {
					out[k].Rows = append(out[k].Rows, r.Name)
				}
				return
			}
		}
		out = append(out, Unobserved{what, why, []string{r.Name}})
	}
	names := map[string]bool{}
	for k := range tables {
		t := &tables[k]
		for i := range t.Rows {
			r := &t.Rows[i]
			if r.Split == nil {
				continue
			}
			names[r.Name] = true
			for _, u := range r.Split.Unseen {
				add(r, u.What, u.Why)
			}
			if r.Split.Observed() {
				limits(t, r, add)
			}
		}
	}
	for k := range out {
		if len(out[k].Rows) == len(names) {
			out[k].Rows = nil
		}
	}
	return out
}

// limits says what merges in a row's figures.
func limits(t *Table, r *Row, add func(r *Row, what, why string)) {
	s := r.Split
	whole := s.Stamped >= 1-1e-9
	if !whole {
		add(r, "each single task", "timing every one would take more than 1 % of the workers' time: some stand for the others")
	}
	switch {
	case r.Cell.Unbounded && busyKind(t.Entry.Kind):
		add(r, "workers", "each task has a worker of its own, of which no more can run than there are cores: the cores stand for workers")
	case s.merges(r):
		add(r, "which worker ran a task", "the strategy does not tell: whether a worker without a task was between two or had run its last is not known, and both are one part; the first tasks of a batch stand for the workers' first ones")
	}
	switch {
	case s.Transfer.N > 0:
	case t.Commands():
		add(r, "the start of a command apart from what it does", "a command runs from before its process is started until it has been reaped: all of that is execution")
	case r.Cell.Processes:
		add(r, "transfer apart from dispatch", "the strategy's processes tell when their tasks ran, but not what the messages around them cost: both are in start and between")
	default:
		add(r, "transfer apart from dispatch", "within a process a task is handed over in memory, in the same step in which it is taken: both are in start and between")
	}
	if s.Task.Point < shortTask {
		add(r, "how long a task took", "it is shorter than reading the clock: the figure is rough")
	}
}

// splitWarning warns where probed batches do not stand for the measured ones.
func splitWarning(w *warnings, r *Row) {
	if s := r.Split; s.Observed() && s.Against.Has() && (s.Against.Lo > 1+againstOff || s.Against.Hi < 1-againstOff) {
		w.add(Note, CodeSplit, "take its split for these batches alone; longer batches (--tasks) differ less",
			"its probed batches took another time than the measured ones, by more than %s", quantity.Percent(againstOff))
	}
}

// Who names the rows of u as a sentence does; every strategy where it is all of them.
func (u *Unobserved) Who() string {
	if len(u.Rows) == 0 {
		return "every strategy"
	}
	return list(limit(u.Rows))
}

// Sentence is u in words. It holds untrusted text.
func (u *Unobserved) Sentence() string {
	return strings.TrimSuffix(u.What, ".") + " (" + u.Who() + "): " + strings.TrimSuffix(u.Why, ".") + "."
}
