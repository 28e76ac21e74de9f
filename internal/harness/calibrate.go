package harness

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/parbench/parbench/internal/host"
	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/results"
)

// calibrationTimeout bounds one calibration trial. A workload whose few tasks take longer is better given --tasks and
// smaller parameters.
const calibrationTimeout = 120 * time.Second

// calibration is what was learnt about an entry before the first round.
type calibration struct {
	grain time.Duration // of one task, alone on one CPU
	setup time.Duration // of a sequential trial
}

// FailedCalibration says that a workload could not run even alone; its cells are recorded as failed.
type FailedCalibration struct {
	Key    string
	Trial  results.Trial
	Reason string
}

// autoBytes applies the rule "llc-share": one and a half times a core's share of the last-level cache, within 24 and
// 192 MiB. Less would be served from cache, more would cost every trial of every process its page faults.
func autoBytes(m *host.Machine) int64 {
	const mib = 1 << 20
	b := m.LLCShare() * 3 / 2
	b = min(max(b, 24*mib), 192*mib)
	return b / mib * mib
}

// calibrate makes every parameter explicit, measures each entry's grain alone on one CPU, chooses the task counts and
// learns the expected digests. An entry that fails keeps its cells; the failure is returned for the run file.
func (h *Harness) calibrate(ctx context.Context, d *draft) ([]calibration, []FailedCalibration, error) {
	cals := make([]calibration, len(d.entries))
	var failed []FailedCalibration
	for i := range d.entries {
		h.progress(Progress{Phase: "calibrating", Workload: d.entries[i].Key, Done: i, Total: len(d.entries)})
		cal, bad, err := h.calibrateEntry(ctx, d, i)
		if err != nil {
			return nil, nil, err
		}
		if bad != nil {
			failed = append(failed, *bad)
		}
		cals[i] = cal
	}
	return cals, failed, nil
}

func (h *Harness) calibrateEntry(ctx context.Context, d *draft, i int) (calibration, *FailedCalibration, error) {
	e := &d.entries[i]
	var cal calibration
	for name, rule := range d.autos[i] {
		switch {
		case rule == "llc-share":
			e.Params[name] = strconv.FormatInt(autoBytes(h.Machine), 10)
		case strings.HasPrefix(rule, "calibrate:"):
			// A first guess of a nanosecond an iteration; the trial below corrects it.
			grain, err := time.ParseDuration(e.Params[strings.TrimPrefix(rule, "calibrate:")])
			if err != nil {
				return cal, nil, fmt.Errorf("workload %s: parameter %s asks for a rule %q that names no duration", e.Key, name, rule)
			}
			rate, bad, err := h.iterationRate(ctx, d, i, name)
			if bad != nil || err != nil {
				return cal, bad, err
			}
			e.Params[name] = strconv.FormatInt(max(1, int64(float64(grain)/rate)), 10)
		default:
			return cal, nil, fmt.Errorf("workload %s: parameter %s needs the rule %q, which this parbench does not know", e.Key, name, rule)
		}
	}
	tasks := tasksPerWorker
	if d.spec.Tasks > 0 {
		tasks = min(tasks, d.spec.Tasks)
	}
	o := h.sequential(ctx, d, i, tasks, nil)
	if bad, err := h.calibrationFailure(ctx, e, o); bad != nil || err != nil {
		return cal, bad, err
	}
	per, _ := o.trial.Observation()
	cal.grain, cal.setup = time.Duration(per*1e9), time.Duration(o.trial.SetupNS)
	e.GrainNS = per * 1e9
	e.Tasks = d.tasks(i, cal.grain)
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
		if c.unbounded {
			c.Workers = c.Tasks
		}
		if c.Tasks > 0 {
			counts = append(counts, c.Tasks)
		}
	}
	if len(counts) == 0 {
		return cal, nil, nil
	}
	sort.Ints(counts)
	o = h.sequential(ctx, d, i, 1, counts)
	if bad, err := h.calibrationFailure(ctx, e, o); bad != nil || err != nil {
		return cal, bad, err
	}
	e.Digests = o.digests
	return cal, nil, nil
}

// iterationRate measures nanoseconds per iteration of a workload whose parameter name counts iterations.
func (h *Harness) iterationRate(ctx context.Context, d *draft, i int, name string) (float64, *FailedCalibration, error) {
	const guess = 100_000
	e := &d.entries[i]
	e.Params[name] = strconv.Itoa(guess)
	o := h.sequential(ctx, d, i, 16, nil)
	if bad, err := h.calibrationFailure(ctx, e, o); bad != nil || err != nil {
		return 0, bad, err
	}
	per, ok := o.trial.Observation()
	if !ok || per <= 0 {
		return 0, nil, fmt.Errorf("workload %s: %d iterations took no measurable time", e.Key, guess)
	}
	return per * 1e9 / guess, nil, nil
}

// sequential runs one trial of entry i alone on the first CPU.
func (h *Harness) sequential(ctx context.Context, d *draft, i, tasks int, digests []int) outcome {
	e := d.entries[i]
	run := protocol.Run{
		Workload: e.Name, Params: e.Params, Fixture: h.fixtures.addrs[e.Fixture], Strategy: "sequential",
		StrategyParams: map[string]string{}, Workers: 1, Cores: 1, Seed: d.spec.Seed, Tasks: tasks,
		MinBatchNS: minMeasured.Nanoseconds(), MinBatches: 1, WarmupBatches: 1, Digests: digests,
	}
	if digests != nil {
		run.MinBatchNS, run.WarmupBatches = 0, 0
	}
	return runTrial(ctx, launch{program: h.Program, cpus: firstCPUs(h.Place.CPUs, 1), maxprocs: 1, run: run, timeout: h.calibrationTimeout(d.spec)})
}

func (h *Harness) calibrationTimeout(s Spec) time.Duration {
	if s.Timeout > 0 {
		return s.Timeout
	}
	return calibrationTimeout
}

func (h *Harness) calibrationFailure(ctx context.Context, e *results.PlanEntry, o outcome) (*FailedCalibration, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if o.trial.Status == results.OK {
		return nil, nil
	}
	return &FailedCalibration{Key: e.Key, Trial: o.trial, Reason: o.trial.Reason}, nil
}

// estimate is the expected length of a cell's trial.
func (d *draft) estimate(c draftCell, cal calibration) time.Duration {
	e := d.entries[c.entry]
	tasks := c.Tasks
	if tasks == 0 {
		tasks = 1000
	}
	parallel := c.Workers
	if kind := e.Kind; kind == "cpu" || kind == "memory" {
		parallel = min(c.Workers, c.Cores)
		if c.Serial {
			parallel = 1
		}
	}
	if c.Strategy != "sequential" && c.StrategyParams["mode"] == "apply" {
		parallel = 1
	}
	batch := time.Duration(float64(cal.grain) * float64(tasks) / float64(max(1, parallel)))
	setup := cal.setup
	if c.StrategyParams["mode"] != "" || c.Strategy == "process-per-task" {
		setup += time.Duration(c.Workers) * 2 * time.Millisecond
	}
	if c.Strategy == "process-per-task" {
		batch += time.Duration(tasks) * (cal.setup + 2*time.Millisecond) / time.Duration(max(1, min(c.Workers, c.Cores)))
	}
	return trialOverhead + setup + max(batch, minWarmup) + max(batch, minMeasured+batch/2)
}

// trialOverhead is what a trial costs beside its own work, for estimates only.
const trialOverhead = 12 * time.Millisecond

// roughly estimates grains without measuring, for a dry run: work that waits takes what its latency or duration
// parameter says, anything else a millisecond.
func (d *draft) roughly() []calibration {
	cals := make([]calibration, len(d.entries))
	for i, e := range d.entries {
		cals[i] = calibration{grain: time.Millisecond, setup: 5 * time.Millisecond}
		for _, name := range []string{"latency", "duration", "grain"} {
			if v, err := time.ParseDuration(e.Params[name]); err == nil && v > 0 {
				cals[i].grain = v
			}
		}
		for j := range d.cells {
			if c := &d.cells[j]; c.entry == i {
				c.Tasks = d.tasks(i, cals[i].grain)
				if c.cap > 0 && c.Tasks > c.cap {
					c.Tasks, c.Capped = c.cap, true
				}
				if c.unbounded {
					c.Workers = c.Tasks
				}
			}
		}
		d.entries[i].Tasks = d.tasks(i, cals[i].grain)
	}
	return cals
}

// perRound is the expected length of one round, and the longest expected trial in it.
func (d *draft) perRound(cals []calibration) (sum, longest time.Duration) {
	for _, c := range d.cells {
		t := d.estimate(c, cals[c.entry])
		sum += t
		longest = max(longest, t)
	}
	return sum, longest
}

// order returns the order in which a round runs its cells: drawn anew for every round from the recorded seed.
func order(seed uint64, round, cells int) []int {
	return rand.New(rand.NewPCG(seed, uint64(round))).Perm(cells)
}
