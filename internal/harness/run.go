package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"time"

	"github.com/parbench/parbench/internal/host"
	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/strategies/multiproc/spawn"
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
	Program Program
	Place   Placement
	// OnProgress, if set, is called between trials, never during one.
	OnProgress func(Progress)
	// Stop, when closed, ends the run after the trial at hand.
	Stop <-chan struct{}

	meter    host.Meter
	fixtures *fixtures
}

func (h *Harness) progress(p Progress) {
	if h.OnProgress != nil {
		h.OnProgress(p)
	}
}

// Prepared is a plan that is ready to run.
type Prepared struct {
	Plan   results.Plan
	Failed []FailedCalibration
}

// Draft checks a spec and estimates its duration without measuring anything: the dry run.
func (h *Harness) Draft(spec Spec, offer *protocol.Description) (*Prepared, error) {
	d, err := newDraft(spec, offer, h.Program.Label, h.Place.CPUs)
	if err != nil {
		return nil, err
	}
	d.roughly()
	return d.finish(nil), nil
}

// FixturesOf returns the fixtures that the selected workloads need, sorted.
func FixturesOf(sels []Selection, offer *protocol.Description) []string {
	set := map[string]bool{}
	for _, s := range sels {
		if w, ok := findWorkload(offer, s.Name); ok && w.Fixture != "" {
			set[w.Fixture] = true
		}
	}
	return sortedKeys(set)
}

func sortedKeys(set map[string]bool) []string {
	var out []string
	for k := range set {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// Open starts the fixtures and readies the harness to measure. Close it.
func (h *Harness) Open(ctx context.Context, fixtureNames []string) error {
	// Orphans of a killed trial become ours, so that they can be reaped.
	if err := spawn.BecomeSubreaper(); err != nil && runtime.GOOS == "linux" {
		return fmt.Errorf("become the reaper of trials' orphans: %w", err)
	}
	h.meter = h.Machine.NewMeter()
	var err error
	h.fixtures, err = startFixtures(ctx, h.Program, fixtureNames, h.Place)
	return err
}

// Close ends the fixtures.
func (h *Harness) Close() {
	if h.fixtures != nil {
		h.fixtures.close()
	}
}

// Prepare checks a spec, calibrates it and returns the plan. A hard budget that cannot hold the rounds is a UsageError
// that names the smallest one that can.
func (h *Harness) Prepare(ctx context.Context, spec Spec, offer *protocol.Description) (*Prepared, error) {
	d, err := newDraft(spec, offer, h.Program.Label, h.Place.CPUs)
	if err != nil {
		return nil, err
	}
	failed, err := h.calibrate(ctx, d)
	if err != nil {
		return nil, err
	}
	p := d.finish(failed)
	if expected := time.Duration(p.Plan.Estimate * float64(time.Second)); spec.Hard && expected > spec.Budget {
		return nil, usage("--budget %v: %d rounds of %d cells need about %v; the smallest budget that holds them is %v (or take fewer --rounds, cells or --tasks)",
			spec.Budget, spec.Rounds, len(d.cells), expected.Round(time.Second), ceilSecond(expected))
	}
	return p, nil
}

func ceilSecond(d time.Duration) time.Duration {
	return (d + time.Second - 1).Truncate(time.Second)
}

// minTimeout is the least deadline of a trial that nobody chose: far beyond any honest trial, short enough to wait for.
const minTimeout = 30 * time.Second

func (d *draft) finish(failed []FailedCalibration) *Prepared {
	round, longest := d.perRound()
	timeout := d.spec.Timeout
	if timeout == 0 {
		timeout = max(minTimeout, 10*longest).Round(time.Second)
	}
	plan := results.Plan{
		Seed: d.spec.Seed, Rounds: d.spec.Rounds, Quick: d.spec.Quick, Budget: d.spec.Budget.Seconds(),
		Estimate: (round * time.Duration(d.spec.Rounds)).Seconds(), Timeout: timeout.Seconds(), Oversub: d.spec.Oversub, Warmup: d.spec.Warmup,
		Workloads: d.entries,
	}
	for _, c := range d.cells {
		plan.Cells = append(plan.Cells, c.Cell)
	}
	plan.Hash = plan.ComputeHash()
	return &Prepared{Plan: plan, Failed: failed}
}

// Outcome is how a run ended.
type Outcome struct {
	Interrupted bool // by Stop or the context
	Failed      int  // trials that did not end well
}

// Run executes what the plan asks for and done does not hold yet, writing each trial as it ends. The error is that of
// writing the file, or of a fixture that died; the file is resumable in either case.
func (h *Harness) Run(ctx context.Context, plan results.Plan, offer *protocol.Description, done *results.Run, w *results.Writer) (Outcome, error) {
	r := &runner{h: h, plan: plan, offer: offer, w: w, broken: map[int]bool{}, have: map[[2]int]bool{}, mean: newMeans(plan)}
	if done != nil {
		r.takeOver(done)
	}
	for _, c := range plan.Cells {
		r.addProtocolCell(c)
	}
	return r.all(ctx)
}

// RecordFailures writes a failed trial for every cell of a workload that could not be calibrated, so that reports show
// them with their reason.
func RecordFailures(plan results.Plan, failed []FailedCalibration, w *results.Writer) (int, error) {
	n := 0
	for _, f := range failed {
		for i, c := range plan.Cells {
			if c.Workload != f.Key {
				continue
			}
			t := f.Trial
			t.Cell, t.Seq, t.Tasks = i, n, c.Tasks
			t.Reason = "it failed already when run alone: " + f.Reason
			t.Wall, t.Warmup = nil, nil
			if err := w.Trial(&t); err != nil {
				return n, err
			}
			n++
		}
	}
	return n, nil
}

// runner is the state of one Run.
type runner struct {
	h      *Harness
	plan   results.Plan
	offer  *protocol.Description
	w      *results.Writer
	cells  []launch
	want   []string        // expected digest by cell
	broken map[int]bool    // cells that failed: not run again
	have   map[[2]int]bool // (round, cell) already in the file
	mean   *means
	seq    int
	done   int // trials in the file that the plan asked for
	extra  int // repeats so far
	failed int
}

func (r *runner) takeOver(run *results.Run) {
	for i := range run.Trials {
		t := &run.Trials[i]
		r.seq = max(r.seq, t.Seq+1)
		if t.Attempt > 0 {
			r.extra++
			continue
		}
		if t.Status != results.OK {
			r.failed++
			r.broken[t.Cell] = true
		}
		r.have[[2]int{t.Round, t.Cell}] = true
		r.mean.add(t.Cell, time.Duration(t.TotalNS))
	}
}

func (r *runner) addProtocolCell(c results.Cell) {
	e := entryOf(r.plan, c.Workload)
	maxprocs := c.Cores
	for _, s := range r.offer.Strategies {
		if s.Name == c.Strategy && s.GOMAXPROCS > 0 {
			maxprocs = s.GOMAXPROCS
		}
	}
	l := launch{
		program: r.h.Program, cpus: c.CPUs, maxprocs: maxprocs, timeout: time.Duration(r.plan.Timeout * float64(time.Second)),
		run: protocol.Run{
			Workload: e.Name, Params: e.Params, Fixture: r.h.fixtures.addrs[e.Fixture], Strategy: c.Strategy,
			StrategyParams: c.StrategyParams, Workers: max(1, c.Workers), Cores: c.Cores, Seed: r.plan.Seed, Tasks: c.Tasks,
			MinBatchNS: minMeasured.Nanoseconds(), MinBatches: 1, MinWarmupNS: minWarmup.Nanoseconds(), WarmupBatches: r.plan.Warmup,
		},
	}
	if e.OwnN {
		l.run.Digests = []int{0}
	}
	r.cells = append(r.cells, l)
	r.want = append(r.want, e.Digests[c.Tasks])
}

func entryOf(p results.Plan, key string) results.PlanEntry {
	for _, e := range p.Workloads {
		if e.Key == key {
			return e
		}
	}
	return results.PlanEntry{}
}

func (r *runner) stopped(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return true
	case <-r.h.Stop:
		return true
	default:
		return false
	}
}

func (r *runner) all(ctx context.Context) (Outcome, error) {
	for round := range r.plan.Rounds {
		var disturbed []int
		for _, cell := range order(r.plan.Seed, round, len(r.plan.Cells)) {
			if r.broken[cell] || r.have[[2]int{round, cell}] {
				continue
			}
			if r.stopped(ctx) {
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
				disturbed = append(disturbed, cell)
			}
		}
		for _, cell := range disturbed {
			if r.extra >= len(r.plan.Cells)*r.plan.Rounds/5 || r.broken[cell] {
				break
			}
			if r.stopped(ctx) {
				return r.end("interrupted", Outcome{Interrupted: true, Failed: r.failed})
			}
			r.report("repeating", cell, round)
			r.extra++
			if _, err := r.trial(ctx, cell, round, 1); err != nil && !errors.Is(err, errInterrupted) {
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
	if name := r.h.fixtures.dead(); name != "" {
		return false, fmt.Errorf("the fixture %q has ended; the run so far is kept: continue it with --resume", name)
	}
	c := r.plan.Cells[cell]
	before := r.h.probe(c.CPUs)
	o := runTrial(ctx, r.cells[cell])
	after := r.h.probe(c.CPUs)
	if ctx.Err() != nil {
		return false, errInterrupted // what was cut off is no result
	}
	t := &o.trial
	t.Cell, t.Round, t.Attempt, t.Seq = cell, round, attempt, r.seq
	r.seq++
	t.FixtureCPUNS = (after.fixtures - before.fixtures).Nanoseconds()
	t.Others = outside(before, after, o.selfCPU)
	t.MHz = r.h.Machine.Mhz(c.CPUs)
	want := r.want[cell]
	if d := o.digests; len(d) > 0 && want == "" {
		if want = d[0]; want == "" {
			want = d[t.Tasks]
		}
	}
	check(t, want)
	if t.Status != results.OK {
		r.failed++
		r.broken[cell] = true
	}
	r.mean.add(cell, time.Duration(t.TotalNS))
	if attempt == 0 {
		r.have[[2]int{round, cell}] = true
	}
	if err := r.w.Trial(t); err != nil {
		return false, err
	}
	return t.Others != nil && t.Others.Flagged && t.Status == results.OK, nil
}

func (r *runner) report(phase string, cell, round int) {
	r.h.progress(Progress{
		Phase: phase, Workload: r.plan.Cells[cell].Workload, Cell: &r.plan.Cells[cell], Round: round, Rounds: r.plan.Rounds,
		Done: len(r.have), Total: len(r.plan.Cells) * r.plan.Rounds, Failed: r.failed, ETA: r.mean.left(r),
		Overrun: r.plan.Budget > 0 && r.plan.Estimate > r.plan.Budget,
	})
}

// means keeps the mean length of each cell's trials, for the ETA.
type means struct {
	sum   []time.Duration
	n     []int
	guess []time.Duration
}

func newMeans(p results.Plan) *means {
	m := &means{sum: make([]time.Duration, len(p.Cells)), n: make([]int, len(p.Cells))}
	for _, c := range p.Cells {
		m.guess = append(m.guess, estimate(c, entryOf(p, c.Workload)))
	}
	return m
}

func (m *means) add(cell int, d time.Duration) {
	m.sum[cell] += d
	m.n[cell]++
}

func (m *means) left(r *runner) time.Duration {
	var sum time.Duration
	for cell := range m.sum {
		if r.broken[cell] {
			continue
		}
		missing := r.plan.Rounds
		for round := range r.plan.Rounds {
			if r.have[[2]int{round, cell}] {
				missing--
			}
		}
		per := m.guess[cell]
		if m.n[cell] > 0 {
			per = m.sum[cell] / time.Duration(m.n[cell])
		}
		sum += per * time.Duration(missing)
	}
	return sum
}

// Resumable compares what a file was made under with what is here now, and names what differs.
func Resumable(was, is results.Environment) []string {
	var out []string
	if was.BootID != is.BootID {
		out = append(out, "the machine was restarted or is another one")
	}
	if fmt.Sprint(was.UsableCPUs) != fmt.Sprint(is.UsableCPUs) || was.UsableCores != is.UsableCores {
		out = append(out, fmt.Sprintf("usable CPUs were %v and are %v", was.UsableCPUs, is.UsableCPUs))
	}
	for _, p := range was.Programs {
		for _, q := range is.Programs {
			if p.Label == q.Label && p.Hash != q.Hash {
				out = append(out, fmt.Sprintf("program %s was built anew (%.12s, now %.12s)", p.Label, p.Hash, q.Hash))
			}
		}
	}
	return out
}

// Environment is the machine's environment with what only the harness knows of it.
func (h *Harness) Environment(p results.Program) results.Environment {
	e := h.Machine.Environment()
	e.UsableCores = h.Place.Cores
	e.Programs = []results.Program{p}
	return e
}

// Made remembers which directories Writable made, so that a run that never began leaves none behind.
type Made struct{ dirs []string }

// Undo removes the directories that were made, the innermost first, as far as they are empty.
func (m *Made) Undo() {
	for _, d := range m.dirs {
		if os.Remove(d) != nil {
			return
		}
	}
}

// Writable makes dir and makes sure that files can be made in it.
func Writable(dir string) (*Made, error) {
	m := &Made{}
	for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
		if _, err := os.Lstat(d); err == nil || d == filepath.Dir(d) {
			break
		}
		m.dirs = append(m.dirs, d)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return m, usage("--output %s: cannot be made: %v; choose another directory", dir, errText(err))
	}
	f, err := os.CreateTemp(dir, ".parbench-*")
	if err != nil {
		m.Undo()
		return m, usage("--output %s: cannot be written: %v; choose another directory", dir, errText(err))
	}
	_, err = f.WriteString("x")
	f.Close()
	os.Remove(f.Name())
	if err != nil {
		m.Undo()
		return m, usage("--output %s: cannot be written: %v; free some space or choose another directory", dir, errText(err))
	}
	return m, nil
}

// errText is the cause of a file error without the path, which the caller names already.
func errText(err error) string {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return strings.TrimSpace(err.Error())
}
