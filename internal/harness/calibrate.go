package harness

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/parbench/parbench/internal/host"
	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/workloads"
)

const (
	// calibrationTimeout bounds a calibration trial of a task whose grain is not known yet.
	calibrationTimeout = 120 * time.Second
	// calibrationGrowth is how many times more tasks each calibration trial runs than the one before, until a batch is
	// long enough (calibrationBatch) to judge the tasks by.
	calibrationGrowth = 8
	calibrationBatch  = 2 * minMeasured
	// calibrateRule begins the rule of a parameter that is calibrated; the name of the parameter that says what for ends it.
	calibrateRule = "calibrate:"
)

// FailedCalibration says that a workload could not run even alone; its cells are recorded as failed.
type FailedCalibration struct {
	Key     string
	Program string // its label; empty: the workload's own, and so every program
	Trial   results.Trial
	Reason  string
}

// autoBytes applies the rule "llc-share": one and a half times a core's share of the last-level cache, within 24 and
// 192 MiB. Less would be served from cache, more would cost every trial of every process its page faults.
func autoBytes(m *host.Machine) int64 {
	const mib = 1 << 20
	b := m.LLCShare() * 3 / 2
	b = min(max(b, 24*mib), 192*mib)
	return b / mib * mib
}

// calibrate makes every parameter explicit, measures each entry's grain alone on one CPU in every program that runs it,
// chooses the task counts and learns the expected digests. What fails keeps its cells; the failure is returned for the run
// file.
func (h *Harness) calibrate(ctx context.Context, d *draft) ([]FailedCalibration, error) {
	var failed []FailedCalibration
	for i := range d.entries {
		h.progress(Progress{Phase: "calibrating", Workload: d.entries[i].Key, Done: i, Total: len(d.entries)})
		bad, err := h.calibrateEntry(ctx, d, i)
		if err != nil {
			return nil, err
		}
		failed = append(failed, bad...)
	}
	return failed, nil
}

func (h *Harness) calibrateEntry(ctx context.Context, d *draft, i int) (failed []FailedCalibration, err error) {
	if err := h.fixtures.failed[d.entries[i].Fixture]; err != nil {
		t := results.Trial{Start: time.Now().UTC(), Status: results.Crashed, Reason: clip(err.Error(), maxReason)}
		return []FailedCalibration{{Key: d.entries[i].Key, Trial: t, Reason: t.Reason}}, nil
	}
	if bad, err := h.applyRules(ctx, d, i); bad != nil || err != nil {
		return one(bad), err
	}
	for _, p := range d.programsOf(i) {
		bad, err := h.grain(ctx, d, i, p)
		switch {
		case err != nil:
			return nil, err
		case bad != nil && p == d.owners[i]:
			return one(bad), nil
		case bad != nil:
			bad.Program = d.offers[p].Label
			failed = append(failed, *bad)
		}
	}
	counts := d.size(i)
	if len(counts) == 0 {
		return failed, nil
	}
	// One program's digests are what all of them are checked against, whatever language they are written in.
	e := &d.entries[i]
	o := h.sequential(ctx, d, i, d.owners[i], 1, counts)
	if bad, err := calibrationFailure(ctx, e, o); bad != nil || err != nil {
		return one(bad), err
	}
	e.Digests = o.digests
	return failed, nil
}

func one(f *FailedCalibration) []FailedCalibration {
	if f == nil {
		return nil
	}
	return []FailedCalibration{*f}
}

// programsOf returns the programs that have cells of an entry, its owner first.
func (d *draft) programsOf(entry int) []int {
	out := []int{d.owners[entry]}
	for p, o := range d.offers {
		if p != out[0] && slices.ContainsFunc(d.cells, func(c draftCell) bool { return c.entry == entry && c.Program == o.Label }) {
			out = append(out, p)
		}
	}
	return out
}

// grain measures how long a task of entry i takes alone in program p.
func (h *Harness) grain(ctx context.Context, d *draft, i, p int) (*FailedCalibration, error) {
	e := &d.entries[i]
	for tasks := 1; ; {
		o := h.sequential(ctx, d, i, p, tasks, nil)
		if bad, err := calibrationFailure(ctx, e, o); bad != nil || err != nil {
			return bad, err
		}
		per, _ := o.trial.Observation()
		g := results.Grain{GrainNS: per * 1e9, SetupNS: float64(o.trial.SetupNS)}
		if label := d.offers[p].Label; label == e.Program || e.Program == "" && p == d.owners[i] {
			e.GrainNS, e.SetupNS = g.GrainNS, g.SetupNS
		} else {
			if e.Others == nil {
				e.Others = map[string]results.Grain{}
			}
			e.Others[label] = g
		}
		d.size(i)
		if tasks >= e.Tasks || per*float64(tasks) >= calibrationBatch.Seconds() {
			return nil, nil
		}
		// The first tasks need not be typical of the others (mandelbrot's are cheap), so grow towards the batch that was
		// chosen, and choose again.
		tasks = min(e.Tasks, calibrationGrowth*tasks)
	}
}

// applyRules makes the parameters explicit whose default depends on the machine.
func (h *Harness) applyRules(ctx context.Context, d *draft, i int) (*FailedCalibration, error) {
	e := &d.entries[i]
	for _, name := range slices.Sorted(maps.Keys(d.autos[i])) {
		rule := d.autos[i][name]
		switch {
		case rule == "llc-share":
			e.Params[name] = strconv.FormatInt(autoBytes(h.Machine), 10)
		case strings.HasPrefix(rule, calibrateRule):
			timed := strings.TrimPrefix(rule, calibrateRule)
			grain, err := time.ParseDuration(e.Params[timed])
			if err != nil {
				return nil, fmt.Errorf("workload %s: parameter %s asks for a rule %q that names no duration", e.Key, name, rule)
			}
			rate, bad, err := h.iterationRate(ctx, d, i, name, timed)
			if bad != nil || err != nil {
				return bad, err
			}
			e.Params[name] = strconv.FormatInt(max(1, int64(math.Round(float64(grain)/rate))), 10)
		default:
			return nil, fmt.Errorf("workload %s: parameter %s needs the rule %q, which this parbench does not know", e.Key, name, rule)
		}
	}
	return nil, nil
}

// rateTrials is how often an iteration rate is measured.
const rateTrials = 5

// iterationRate returns nanoseconds per iteration of a workload whose parameter name counts iterations that take grain, the
// duration in parameter timed. It is the shortest of all batches of several trials, since whatever disturbs one makes it longer,
// and it is measured once for all grains of a workload: their iterations are in proportion then.
func (h *Harness) iterationRate(ctx context.Context, d *draft, i int, name, timed string) (float64, *FailedCalibration, error) {
	const guess = 100_000
	e := &d.entries[i]
	p := d.calibrating(i)
	key := rateKey(e, p, name, timed)
	if rate, ok := d.rates[key]; ok {
		return rate, nil, nil
	}
	e.Params[name] = strconv.Itoa(guess)
	best := 0.0
	for range rateTrials {
		o := h.sequential(ctx, d, i, p, 16, nil)
		if bad, err := calibrationFailure(ctx, e, o); bad != nil || err != nil {
			return 0, bad, err
		}
		if rate := fastest(&o.trial) / guess; rate > 0 && (best == 0 || rate < best) {
			best = rate
		}
	}
	if best == 0 {
		return 0, nil, fmt.Errorf("workload %s: %d iterations took no measurable time", e.Key, guess)
	}
	if d.rates == nil {
		d.rates = map[string]float64{}
	}
	d.rates[key] = best
	return best, nil, nil
}

// calibrating is the program in which what an entry is to take alone is measured: the first that was asked for and has
// cells of it.
func (d *draft) calibrating(entry int) int {
	for _, p := range d.asked {
		if slices.ContainsFunc(d.cells, func(c draftCell) bool { return c.entry == entry && c.Program == d.offers[p].Label }) {
			return p
		}
	}
	return d.owners[entry]
}

// rateKey names what an iteration's length depends on: all but the number of iterations and the grain that they make.
func rateKey(e *results.PlanEntry, program int, name, timed string) string {
	params := maps.Clone(e.Params)
	delete(params, name)
	delete(params, timed)
	return fmt.Sprintf("%d %s %q", program, e.Name, params) // maps are written in the order of their keys
}

// fastest is what a task took in the shortest batch of a trial, in nanoseconds; 0 without one.
func fastest(t *results.Trial) float64 {
	if len(t.Wall) == 0 || t.Tasks < 1 {
		return 0
	}
	return float64(slices.Min(t.Wall)) / float64(t.Tasks)
}

// sequential runs one trial of entry i in program p alone on the first CPU.
func (h *Harness) sequential(ctx context.Context, d *draft, i, p, tasks int, digests []int) outcome {
	e := d.entries[i]
	ref, _ := d.offers[p].reference() // addReferences has made sure that there is one
	k := 1
	if !ref.OneCore {
		k = max(1, min(d.largestCores(i), len(h.Place.CPUs))) // a task that may use several cores
	}
	run := protocol.Run{
		Workload: e.Name, Params: e.Params, Fixture: h.fixtures.addrs[e.Fixture], Strategy: ref.Name,
		StrategyParams: map[string]string{}, Workers: 1, Cores: k, Seed: d.spec.Seed, Tasks: tasks,
		MinBatchNS: minMeasured.Nanoseconds(), MinBatches: 1, WarmupBatches: min(1, d.spec.Warmup), Digests: digests,
	}
	if digests != nil {
		run.MinBatchNS, run.WarmupBatches = 0, 0
	}
	o := launch{
		program: d.offers[p].Program, cpus: firstCPUs(h.Place.CPUs, k), maxprocs: k, run: run, kind: e.Kind, group: h.group,
		timeout: calibrationDeadline(d.spec, e, digests),
	}.start(ctx)
	checkedOutput(&o.trial, d.spec.Commands)
	advised(&o.trial, d.offers[p].Program, e.Name)
	return o
}

// calibrationDeadline allows the digests of all task counts, which run one after another, ten times their expected time.
func calibrationDeadline(s Spec, e results.PlanEntry, digests []int) time.Duration {
	if s.Timeout > 0 && digests == nil {
		return s.Timeout
	}
	d := calibrationTimeout
	if len(digests) > 0 {
		d += 10 * time.Duration(e.GrainNS*float64(slices.Max(digests)))
	}
	return d
}

func calibrationFailure(ctx context.Context, e *results.PlanEntry, o outcome) (*FailedCalibration, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if o.trial.Status == results.OK {
		return nil, nil
	}
	return &FailedCalibration{Key: e.Key, Trial: o.trial, Reason: o.trial.Reason}, nil
}

// trialOverhead is what a trial costs beside its own work, and processStart what a worker process adds, for estimates only.
const (
	trialOverhead = 10 * time.Millisecond
	processStart  = 2 * time.Millisecond
)

// estimate is the expected length of a cell's trial without probed batches.
func estimate(c results.Cell, e results.PlanEntry) time.Duration {
	setup, batch := expected(c, e)
	return trialOverhead + setup + max(batch, minWarmup) + max(batch, minMeasured+batch/2)
}

// expected is how long set-up and a batch of a cell should take.
func expected(c results.Cell, e results.PlanEntry) (setup, batch time.Duration) {
	g := e.In(c.Program)
	grain := time.Duration(g.GrainNS)
	setup = time.Duration(g.SetupNS)
	parallel := c.Workers
	if !workloads.Kind(e.Kind).Waits() {
		parallel = min(c.Workers, c.Cores)
		if c.Serial {
			parallel = 1
		}
	}
	mode, pooled := c.StrategyParams["mode"]
	if mode == "apply" {
		parallel = 1
	}
	parallel = max(1, parallel)
	batch = grain * time.Duration(c.Tasks) / time.Duration(parallel)
	if pooled {
		setup += time.Duration(c.Workers) * processStart
	}
	if c.Strategy == "process-per-task" {
		batch += (setup + processStart) * time.Duration(c.Tasks) / time.Duration(max(1, min(c.Workers, c.Cores)))
		setup = 0
	}
	return setup, batch
}

// roughly guesses grains without measuring, for a dry run: work that waits takes what its latency or duration parameter
// says, anything else a millisecond.
func (d *draft) roughly() {
	for i := range d.entries {
		e := &d.entries[i]
		grain := time.Millisecond
		for _, name := range []string{"latency", "duration", "grain"} {
			if v, err := time.ParseDuration(e.Params[name]); err == nil && v > 0 {
				grain = v
			}
		}
		e.GrainNS, e.SetupNS = float64(grain), float64(5*time.Millisecond)
		d.size(i)
	}
}

// size sets the task counts of an entry and its cells from the entry's grain, and returns those that occur. Every program
// runs the same batch, so the slowest decides how long it is; the others repeat it (protocol.Run.MinBatchNS).
func (d *draft) size(i int) []int {
	e := &d.entries[i]
	slowest := e.GrainNS
	for _, g := range e.Others {
		slowest = max(slowest, g.GrainNS)
	}
	e.Tasks = d.tasks(i, time.Duration(slowest))
	var counts []int
	for j := range d.cells {
		c := &d.cells[j]
		if c.entry != i {
			continue
		}
		c.Tasks = e.Tasks
		if c.cap > 0 && c.Tasks > c.cap {
			c.Tasks, c.Capped = c.cap, true
		}
		if c.Unbounded {
			c.Workers = c.Tasks
		}
		if c.Tasks > 0 {
			counts = append(counts, c.Tasks)
		}
	}
	sort.Ints(counts)
	return slices.Compact(counts)
}

// perRound is the expected length of one round without its probed batches, the longest expected trial in it, and what probed
// batches add to a round.
func (d *draft) perRound() (sum, longest, probe time.Duration) {
	for _, c := range d.cells {
		e := d.entries[c.entry]
		t := estimate(c.Cell, e)
		_, batch := expected(c.Cell, e)
		sum += t
		longest = max(longest, t+batch)
		switch {
		case c.Ceiling:
		case c.Workers == 1 || c.Unbounded && c.Cores == 1 && !workloads.Kind(e.Kind).Waits():
			probe += min(max(batch, probeTime), minMeasured) // long batches of one worker are cut
		default:
			probe += max(batch, probeTime)
		}
	}
	return sum, longest, probe
}

// order returns the order in which a round runs its cells: drawn anew for every round from the recorded seed.
func order(seed uint64, round, cells int) []int {
	return rand.New(rand.NewPCG(seed, uint64(round))).Perm(cells)
}
