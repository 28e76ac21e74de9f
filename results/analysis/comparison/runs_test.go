package comparison

import (
	"slices"
	"strings"
	"testing"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
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

// TestControlMovedAlong: one program measured twice on a machine that got slower. Its findings are not larger than what the
// control did, which stands beside them, and that is said; a finding against the machine's direction is not called into doubt.
func TestControlMovedAlong(t *testing.T) {
	base := realistic(t, 1, nothing)
	for name, c := range map[string]struct {
		control, programs float64
		warned            bool
	}{"with the machine": {1.15, 1.1, true}, "further than the machine": {1.03, 1.4, false}, "against the machine": {1.15, .8, false}, "faster with it": {.8, .85, true}} {
		head := realistic(t, 2, func(w *runtest.Workload, x *runtest.Cell) {
			if w.Entry.Ceiling {
				x.PerTask *= c.control
			} else {
				x.PerTask *= c.programs
			}
		})
		rep, err := Files(base, head, "x", "y", Options{})
		if err != nil {
			t.Fatal(err)
		}
		if len(rep.Control) != 2 || !rep.Control[0].Ratio.Has() {
			t.Errorf("%s: control %+v", name, rep.Control)
		}
		if !strings.Contains(rep.Finding, " Control, the time of pure busy threads that no program touches: "+Change(rep.Control[0].Ratio)+" (spin/") {
			t.Errorf("%s: the control does not stand in %q", name, rep.Finding)
		}
		if got := slices.Contains(codes(rep), CodeControl); got != c.warned || rep.Count(Regressed)+rep.Count(Improved) == 0 {
			t.Errorf("%s: warned %v, want %v: %+v", name, got, c.warned, rep.Warnings)
		}
	}
}

// TestControlGoesByIterations: on a machine that got slower, calibration gives the busy threads less to do, so that their time
// stays the same. That is no reason to take the machine for the same.
func TestControlGoesByIterations(t *testing.T) {
	of := func(seed uint64, n string) *codec.Suite {
		return realistic(t, seed, func(w *runtest.Workload, _ *runtest.Cell) {
			if w.Entry.Ceiling {
				w.Entry.Params = map[string]string{"iterations": n}
			}
		})
	}
	for n, want := range map[string]float64{"11000": 1 / 1.1, "8000": 1.25, "10000": 1} {
		rep, err := Files(of(1, "10000"), of(2, n), "x", "y", Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range rep.Control {
			if r := c.Ratio.Point / want; r < .98 || r > 1.02 {
				t.Errorf("%s iterations: %s changed by %v, want %v", n, c.Name, c.Ratio.Point, want)
			}
		}
		if len(rep.Control) != 2 || slices.Contains(codes(rep), CodeMachine) != (n != "10000") {
			t.Errorf("%s iterations: %d rows, warnings %v", n, len(rep.Control), codes(rep))
		}
	}
}

// TestControlUndecided: a control of few trials that moved as a finding did is told although nothing is shown of it.
func TestControlUndecided(t *testing.T) {
	rep := &Report{Options: Options{Alpha: .05, MinEffect: .02, Confidence: .95}}
	slower := analysis.Interval{Point: 1.05, Lo: 1.04, Hi: 1.06, Level: .95, N: 10}
	rep.Families = []Family{{Kind: Kind{Unit: "s/op", Better: codec.Lower}, Rows: []Row{{Name: "a", Verdict: Regressed, Ratio: slower}, {Name: "b", Verdict: Equivalent, Ratio: slower}}}}
	moved := filling{kind: Kind{Unit: "s/op", Better: codec.Lower}, subjects: []Subject{{Name: "busy", Base: []float64{1, 1.01, 1.02}, Head: []float64{1.07, 1.1, 1.11}}}}
	if err := rep.machine(&moved); err != nil {
		t.Fatal(err)
	}
	if len(rep.Warnings) != 1 || rep.Warnings[0].Code != CodeControl || !strings.Contains(rep.Warnings[0].Text, "by as much as a: ") {
		t.Errorf("%+v", rep.Warnings)
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

// TestOneProgramNeedsNoLabel: where each side has one program, the machine's own scaling aside, rows are named without it;
// where a side has two, they are told apart.
func TestOneProgramNeedsNoLabel(t *testing.T) {
	label := func(of func(*runtest.Workload, *runtest.Cell) string) func(*runtest.Workload, *runtest.Cell) {
		return func(w *runtest.Workload, c *runtest.Cell) {
			if !w.Entry.Ceiling {
				c.Program = of(w, c)
			}
		}
	}
	mine := label(func(*runtest.Workload, *runtest.Cell) string { return "mine" })
	two := label(func(w *runtest.Workload, _ *runtest.Cell) string {
		return map[bool]string{true: "mine", false: "yours"}[w.Entry.Key[0] < 'm']
	})
	for name, c := range map[string]struct {
		change func(*runtest.Workload, *runtest.Cell)
		want   bool // the label
	}{"one program": {mine, false}, "two programs": {two, true}} {
		rep, err := Files(realistic(t, 1, c.change), realistic(t, 2, c.change), "x", "y", Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range rep.Families[0].Rows {
			r := &rep.Families[0].Rows[i]
			if (r.Title() == r.Group+"/"+r.Name) != c.want || (r.Title() == r.Name) == c.want || r.Group == "" {
				t.Errorf("%s: %q of group %q is called %q", name, r.Name, r.Group, r.Title())
			}
		}
	}
	less := realistic(t, 2, mine)
	less.Series = less.Series[:1]
	rep, err := Files(realistic(t, 1, mine), less, "x", "y", Options{})
	if err != nil || len(rep.OnlyBase) == 0 || rep.OnlyBase[0].Title() != rep.OnlyBase[0].Name {
		t.Errorf("%v, missing: %+v", err, rep.OnlyBase)
	}
}
