package harness

import (
	"context"
	"sort"
	"time"

	"github.com/parbench/parbench/results"
)

// Prepared is a plan that is ready to run.
type Prepared struct {
	Plan   results.Plan
	Failed []FailedCalibration
}

// Draft checks a spec and estimates its duration without measuring anything: the dry run.
func (h *Harness) Draft(spec Spec) (*Prepared, error) {
	d, err := newDraft(spec, h.Programs, h.Place.CPUs)
	if err != nil {
		return nil, err
	}
	d.roughly()
	return h.finish(d, nil), nil
}

// FixturesOf returns the fixtures that the selected workloads need, sorted.
func FixturesOf(sels []Selection, offers []Offer) []string {
	set := map[string]bool{}
	for _, s := range sels {
		for _, o := range offers {
			if w, ok := o.workload(s.Name); ok && !o.Ceiling && w.Fixture != "" {
				set[w.Fixture] = true
			}
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

// Prepare checks a spec, calibrates it and returns the plan. A hard budget that cannot hold the rounds is a UsageError
// that names the smallest one that can.
func (h *Harness) Prepare(ctx context.Context, spec Spec) (*Prepared, error) {
	d, err := newDraft(spec, h.Programs, h.Place.CPUs)
	if err != nil {
		return nil, err
	}
	failed, err := h.calibrate(ctx, d)
	if err != nil {
		return nil, err
	}
	p := h.finish(d, failed)
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

func (h *Harness) finish(d *draft, failed []FailedCalibration) *Prepared {
	round, longest, probe := d.perRound()
	probes := min(d.spec.Probes, d.spec.Rounds)
	if d.spec.Commands != nil {
		probe = 0 // they are watched while they are measured
	}
	timeout := d.spec.Timeout
	if timeout == 0 {
		timeout = max(minTimeout, 10*longest).Round(time.Second)
	}
	plan := results.Plan{
		Seed: d.spec.Seed, Rounds: d.spec.Rounds, Quick: d.spec.Quick, Budget: d.spec.Budget.Seconds(),
		Estimate: (round*time.Duration(d.spec.Rounds) + probe*time.Duration(probes)).Seconds(), Timeout: timeout.Seconds(), Oversub: d.spec.Oversub, SharesFixture: h.Place.Shares, Warmup: d.spec.Warmup,
		Probes:    probes,
		Workloads: d.entries, Unavailable: d.unavailable, Commands: d.spec.Commands,
	}
	for _, c := range d.cells {
		plan.Cells = append(plan.Cells, c.Cell)
	}
	plan.Hash = plan.ComputeHash()
	return &Prepared{Plan: plan, Failed: failed}
}

// RecordFailures writes a failed trial for every cell of a workload that could not be calibrated, in one program or at all,
// so that reports show them with their reason.
func RecordFailures(plan results.Plan, failed []FailedCalibration, w *results.Writer) error {
	n := 0
	for _, f := range failed {
		for i, c := range plan.Cells {
			if c.Workload != f.Key || f.Program != "" && c.Program != f.Program {
				continue
			}
			t := results.Trial{
				Type: "trial", Cell: i, Seq: n, Start: f.Trial.Start, Status: f.Trial.Status, Tasks: c.Tasks,
				Reason: results.NotRun + f.Reason, Stderr: f.Trial.Stderr,
			}
			if err := w.Trial(&t); err != nil {
				return err
			}
			n++
		}
	}
	return nil
}
