package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parbench/parbench/internal/host"
	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/results"
)

// Progress is what the harness tells between trials. Phase is "calibrating", "measuring" or "repeating".
type Progress struct {
	Phase    string
	Workload string
	Cell     *results.Cell // of the trial that comes next; nil while calibrating
	Round    int           // from 0
	Rounds   int
	Done     int // trials, or workloads while calibrating
	Total    int
	Failed   int
	ETA      time.Duration // 0: unknown
	Overrun  bool          // the plan does not fit the budget it aimed at
}

// Harness runs one experiment. Make one per run; not safe for concurrent use.
type Harness struct {
	Machine *host.Machine
	// Programs run the trials. The first one that offers a workload serves its fixture, and its sequential digests are what
	// every program's are checked against.
	Programs []Offer
	Place    Placement
	// OnProgress, if set, is called between trials, never during one.
	OnProgress func(Progress)
	// Stop, when closed, ends the run after the trial at hand.
	Stop <-chan struct{}

	meter    host.Meter
	fixtures *fixtures
	group    *trialGroup // nil before Open
}

func (h *Harness) progress(p Progress) {
	if h.OnProgress != nil {
		h.OnProgress(p)
	}
}

// Open starts the fixtures and readies the harness to measure. Close it.
func (h *Harness) Open(ctx context.Context, fixtureNames []string) error {
	if err := adopt(); err != nil {
		return err
	}
	h.group = newTrialGroup(h.Machine)
	h.meter = h.Machine.NewMeter()
	var err error
	h.fixtures, err = startFixtures(ctx, h.Programs, fixtureNames, h.Place)
	return err
}

// Close ends the fixtures and removes the trials' control group. Idempotent.
func (h *Harness) Close() {
	if h.group != nil {
		h.group.close()
	}
	if h.fixtures != nil {
		h.fixtures.close()
	}
}

// Outcome is how a run ended.
type Outcome struct {
	Interrupted bool // by Stop or the context
	Failed      int  // trials that did not end well
}

// Run executes what the plan asks for and done does not hold yet, writing each trial as it ends. The error is that of
// writing the file, or of a fixture that died; the file is resumable in either case.
func (h *Harness) Run(ctx context.Context, plan results.Plan, done *results.Run, w *results.Writer) (Outcome, error) {
	r := newRunner(plan)
	r.h, r.w = h, w
	if done != nil {
		r.takeOver(done)
	}
	for i, c := range plan.Cells {
		if err := r.addCell(c); err != nil {
			return Outcome{}, err
		}
		if err := h.fixtures.failed[entryOf(plan, c.Workload).Fixture]; err != nil && !r.broken[i] {
			return Outcome{}, err
		}
	}
	return r.all(ctx)
}

// runner is the state of one Run.
type runner struct {
	h      *Harness
	plan   results.Plan
	w      *results.Writer
	cells  []launch
	want   []string        // expected digest by cell
	broken map[int]bool    // cells that failed: not run again
	have   map[[2]int]bool // (round, cell) already in the file
	left   []int           // by cell: rounds to go
	again  map[int][]int   // by round: cells that others disturbed and that were not repeated yet
	mean   *means
	seq    int
	extra  int // repeats so far
	failed int
}

func newRunner(plan results.Plan) *runner {
	r := &runner{plan: plan, broken: map[int]bool{}, have: map[[2]int]bool{}, again: map[int][]int{}, mean: newMeans(plan)}
	for range plan.Cells {
		r.left = append(r.left, plan.Rounds)
	}
	return r
}

func (r *runner) takeOver(run *results.Run) {
	for i := range run.Trials {
		t := &run.Trials[i]
		r.seq = max(r.seq, t.Seq+1)
		if t.Attempt > 0 {
			r.extra++
			r.again[t.Round] = slices.DeleteFunc(r.again[t.Round], func(c int) bool { return c == t.Cell })
			continue
		}
		if t.Disturbed() {
			r.again[t.Round] = append(r.again[t.Round], t.Cell)
		}
		if t.Status != results.OK {
			r.failed++
			r.broken[t.Cell] = true
		}
		r.ran(t)
	}
}

// ran notes a trial that the plan asked for.
func (r *runner) ran(t *results.Trial) {
	if at := [2]int{t.Round, t.Cell}; !r.have[at] {
		r.have[at] = true
		r.left[t.Cell]--
	}
	r.mean.add(t.Cell, time.Duration(t.TotalNS))
}

func (r *runner) addCell(c results.Cell) error {
	at := slices.IndexFunc(r.h.Programs, func(o Offer) bool { return o.Label == c.Program })
	if at < 0 {
		return fmt.Errorf("the plan has cells of the program %s, which is not here", c.Program)
	}
	r.cells = append(r.cells, r.h.protocolLaunch(r.h.Programs[at], r.plan, c))
	r.want = append(r.want, entryOf(r.plan, c.Workload).Digests[c.Tasks])
	return nil
}

// protocolLaunch is a trial of a cell by a program that speaks the protocol.
func (h *Harness) protocolLaunch(offer Offer, plan results.Plan, c results.Cell) launch {
	e := entryOf(plan, c.Workload)
	maxprocs := c.Cores
	if s, ok := offer.strategy(c.Strategy); ok && s.GOMAXPROCS > 0 {
		maxprocs = s.GOMAXPROCS
	}
	l := launch{
		program: offer.Program, kind: e.Kind, cpus: c.CPUs, maxprocs: maxprocs, timeout: time.Duration(plan.Timeout * float64(time.Second)),
		run: protocol.Run{
			Workload: e.Name, Params: e.Params, Fixture: h.fixtures.addrs[e.Fixture], Strategy: c.Strategy,
			StrategyParams: c.StrategyParams, Workers: max(1, c.Workers), Cores: c.Cores, Seed: plan.Seed, Tasks: c.Tasks, GrainNS: int64(e.In(c.Program).GrainNS),
			MinBatchNS: minMeasured.Nanoseconds(), MinBatches: 1, MinWarmupNS: minWarmup.Nanoseconds(), WarmupBatches: plan.Warmup,
		},
	}
	if plan.Warmup == 0 && e.GrainNS >= float64(minWarmup) {
		l.run.MinWarmupNS = 0
	}
	if e.OwnN {
		l.run.Digests = []int{0}
	}
	return l
}

func entryOf(p results.Plan, key string) results.PlanEntry {
	for _, e := range p.Workloads {
		if e.Key == key {
			return e
		}
	}
	return results.PlanEntry{}
}

func (h *Harness) stopped(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	case <-h.Stop:
		return true
	default:
		return false
	}
}

func (r *runner) all(ctx context.Context) (Outcome, error) {
	for round := range r.plan.Rounds {
		for _, cell := range order(r.plan.Seed, round, len(r.plan.Cells)) {
			if r.broken[cell] || r.have[[2]int{round, cell}] {
				continue
			}
			if r.h.stopped(ctx) {
				return r.end("interrupted", Outcome{Interrupted: true, Failed: r.failed})
			}
			r.report("measuring", cell, round)
			flagged, err := r.trial(ctx, cell, round, 0)
			if errors.Is(err, errInterrupted) {
				return r.end("interrupted", Outcome{Interrupted: true, Failed: r.failed})
			}
			if err != nil {
				return Outcome{Failed: r.failed}, err
			}
			if flagged {
				r.again[round] = append(r.again[round], cell)
			}
		}
		for _, cell := range r.again[round] {
			// A fifth more trials at most, counted up to this round: later rounds have as much right to be repeated.
			if r.extra >= len(r.plan.Cells)*(round+1)/5 || r.broken[cell] {
				continue
			}
			if r.h.stopped(ctx) {
				return r.end("interrupted", Outcome{Interrupted: true, Failed: r.failed})
			}
			r.report("repeating", cell, round)
			r.extra++
			_, err := r.trial(ctx, cell, round, 1)
			if errors.Is(err, errInterrupted) {
				return r.end("interrupted", Outcome{Interrupted: true, Failed: r.failed})
			}
			if err != nil {
				return Outcome{Failed: r.failed}, err
			}
		}
		if err := r.w.Sync(); err != nil {
			return Outcome{Failed: r.failed}, err
		}
	}
	return r.end("complete", Outcome{Failed: r.failed})
}

func (r *runner) end(reason string, o Outcome) (Outcome, error) {
	if err := r.w.Note(results.Note{Type: "end", Time: time.Now().UTC(), Reason: reason}); err != nil {
		return o, err
	}
	return o, r.w.Sync()
}

// trial runs one trial and writes it. flagged says that others disturbed it.
func (r *runner) trial(ctx context.Context, cell, round, attempt int) (flagged bool, err error) {
	l := r.cells[cell]
	if probed(r.plan, round) && !r.plan.Cells[cell].Ceiling {
		l.run.ProbeNS = probeTime.Nanoseconds()
	}
	t, err := r.h.observe(ctx, l, r.plan.Cells[cell], r.want[cell], r.plan.SharesFixture)
	if err != nil {
		return false, err
	}
	checkedOutput(t, r.plan.Commands)
	if want := r.want[cell]; t.Status == results.Wrong && t.Digest != "" && t.Digest != want && r.foreign(cell) {
		t.Reason += "; if both mean the same, they digest it differently: docs/python.md has the rule for every type of result"
	} else {
		advised(t, l.program, l.run.Workload)
	}
	t.Cell, t.Round, t.Attempt, t.Seq = cell, round, attempt, r.seq
	r.seq++
	if t.Status != results.OK {
		r.failed++
		r.broken[cell] = true
	}
	if attempt == 0 {
		r.ran(t)
	}
	if err := r.w.Trial(t); err != nil {
		return false, err
	}
	return t.Disturbed(), nil
}

// observe runs one trial of a cell and adds what others did to the machine meanwhile. A trial that an interruption cut off
// is no result, and neither is one whose fixture has ended.
func (h *Harness) observe(ctx context.Context, l launch, c results.Cell, want string, shares bool) (*results.Trial, error) {
	before := h.probe(c.CPUs)
	l.group = h.group
	o := l.start(ctx)
	after := h.probe(c.CPUs)
	if ctx.Err() != nil {
		return nil, errInterrupted
	}
	if name := h.fixtures.dead(); name != "" {
		return nil, fmt.Errorf("the fixture %q has ended, so the trial at hand is no result", name)
	}
	t := &o.trial
	t.FixtureCPUNS = (after.fixtures - before.fixtures).Nanoseconds()
	t.Others = outside(before, after, o.selfCPU, shares)
	t.MHz = h.Machine.Mhz(c.CPUs)
	if d := o.digests; len(d) > 0 && want == "" {
		if want = d[0]; want == "" {
			want = d[t.Tasks]
		}
	}
	check(t, want)
	return t, nil
}

// foreign reports whether the digests that a cell is checked against come from a program in another language.
func (r *runner) foreign(cell int) bool {
	c := r.plan.Cells[cell]
	for _, p := range r.h.Programs {
		if slices.ContainsFunc(r.plan.Cells, func(o results.Cell) bool { return o.Workload == c.Workload && o.Reference && o.Program == p.Label }) {
			return r.language(c.Program) != r.language(p.Label)
		}
	}
	return false
}

// language is what a program says of its runtime, without the version: "go" of "go1.26.8 linux/amd64".
func (r *runner) language(program string) string {
	at := slices.IndexFunc(r.h.Programs, func(o Offer) bool { return o.Label == program })
	if at < 0 || r.h.Programs[at].Description == nil {
		return ""
	}
	name, _, _ := strings.Cut(r.h.Programs[at].Runtime, " ")
	return strings.TrimRight(name, ".0123456789")
}

func (r *runner) report(phase string, cell, round int) {
	r.h.progress(Progress{
		Phase: phase, Workload: r.plan.Cells[cell].Workload, Cell: &r.plan.Cells[cell], Round: round, Rounds: r.plan.Rounds,
		Done: len(r.have), Total: len(r.plan.Cells) * r.plan.Rounds, Failed: r.failed, ETA: r.mean.eta(r.left, r.broken),
		Overrun: r.plan.Budget > 0 && r.plan.Estimate > r.plan.Budget,
	})
}
