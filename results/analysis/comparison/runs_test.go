package comparison

import (
	"slices"
	"strings"
	"testing"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis/runtest"
	"github.com/parbench/parbench/results/codec"
)

// realistic is a run as the default plan makes it, changed and with other noise.
func realistic(t *testing.T, seed uint64, change func(*runtest.Workload, *runtest.Cell)) *codec.Suite {
	t.Helper()
	spec := runtest.RealisticSpec()
	spec.Seed = seed
	for i := range spec.Workloads {
		for k := range spec.Workloads[i].Cells {
			change(&spec.Workloads[i], &spec.Workloads[i].Cells[k])
		}
	}
	run := runtest.Build(spec)
	run.Header.Plan.Seed = 1
	s, err := codec.FromRun(run)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func nothing(*runtest.Workload, *runtest.Cell) {}

// TestMachineControl: the pinned busy threads of two runs are no comparison, but where they differ the machine did.
func TestMachineControl(t *testing.T) {
	base := realistic(t, 1, nothing)
	for name, c := range map[string]struct {
		factor float64
		warned bool
	}{"the same machine": {1, false}, "a slower machine": {1.08, true}, "a little slower": {1.01, false}} {
		head := realistic(t, 2, func(w *runtest.Workload, x *runtest.Cell) {
			if w.Entry.Ceiling {
				x.PerTask *= c.factor
			}
		})
		rep, err := Files(base, head, "x", "y", Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Contains(codes(rep), CodeMachine); got != c.warned {
			t.Errorf("%s: warned %v, want %v: %+v", name, got, c.warned, rep.Warnings)
		}
		for _, r := range rep.Families[0].Rows {
			if strings.HasPrefix(r.Name, "spin/") {
				t.Errorf("the machine's ceiling is compared: %s", r.Name)
			}
		}
	}
}

// TestSecondaryMetrics: CPU time and memory are tables of their own, on demand.
func TestSecondaryMetrics(t *testing.T) {
	base := realistic(t, 1, nothing)
	head := realistic(t, 2, func(_ *runtest.Workload, x *runtest.Cell) { x.Peak = x.Peak * 5 / 4 })
	rep, err := Files(base, head, "x", "y", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(rep.Families) != 1 || !slices.Equal(rep.Hidden, []string{"cpu-time", "peak-memory"}) {
		t.Errorf("%d families, hidden %v", len(rep.Families), rep.Hidden)
	}
	if rep, err = Files(base, head, "x", "y", Options{Secondary: true}); err != nil || len(rep.Families) != 3 || rep.Families[0].Metric != "time" {
		t.Fatalf("%v, %d families", err, len(rep.Families))
	}
	for _, f := range rep.Families {
		if f.Metric == "peak-memory" && f.Count(Regressed) < len(f.Rows)-1 { // one cell has three trials
			t.Errorf("%d of %d rows need 25 %% more memory: %s", f.Count(Regressed), len(f.Rows), f.Finding)
		}
	}
	if rep.Count(Regressed) != 0 {
		t.Errorf("memory counts among the primary metrics: %s", rep.Finding)
	}
}

// TestDisturbedAndSeeds: what the trials and the plan know is passed on.
func TestDisturbedAndSeeds(t *testing.T) {
	base, head := realistic(t, 1, nothing), realistic(t, 2, nothing)
	for i := range head.Run.Trials {
		head.Run.Trials[i].Others = &results.Outside{Flagged: true}
	}
	head.Run.Header.Plan.Seed = 2
	again, err := codec.FromRun(head.Run)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := Files(base, again, "x", "y", Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{CodeDisturbed, CodeSeeds, CodeFailed} {
		if !slices.Contains(codes(rep), want) {
			t.Errorf("no warning %q in %v", want, codes(rep))
		}
	}
	if r := rep.Families[0].Rows[0]; r.Head.Disturbed != r.Head.N || r.Digest {
		t.Errorf("%+v", r)
	}
}
