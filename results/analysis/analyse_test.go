package analysis_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/runtest"
)

// cell is a short hand; per is in milliseconds.
func cell(strategy string, cores int, per, noise float64) runtest.Cell {
	c := runtest.Cell{Cell: results.Cell{Strategy: strategy, Cores: cores}, PerTask: per / 1e3, Noise: noise, Busy: 1, Peak: 1 << 20, Setup: 1e-5}
	if strategy == "sequential" {
		c.Reference, c.OneCore = true, true
	}
	if strategy == "gil" {
		c.Serial = true
	}
	return c
}

func failing(c runtest.Cell, s results.Status, from int) runtest.Cell {
	c.Fail, c.FailFrom, c.Reason, c.Stderr = s, from, "as told", "boom\n"
	return c
}

func busy(c runtest.Cell, share float64) runtest.Cell {
	c.Busy = share
	return c
}

func spec(kind string, cells ...runtest.Cell) runtest.Spec {
	return runtest.Spec{Rounds: 10, Seed: 7, Environment: runtest.Machine(), Workloads: []runtest.Workload{{
		Entry: results.PlanEntry{Key: "w", Name: "w", Kind: kind, Tasks: 32}, Cells: cells}}}
}

func analyse(t *testing.T, run *results.Run) *analysis.Report {
	t.Helper()
	rep, err := analysis.Analyse(run, analysis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func TestFindings(t *testing.T) {
	few := func(n int, s runtest.Spec) runtest.Spec { s.Rounds = n; return s }
	program := func(p string, c runtest.Cell) runtest.Cell { c.Program = p; return c }
	tests := []struct {
		name string
		spec runtest.Spec
		want []string // in the finding
		not  []string
	}{
		{
			"clear winner",
			spec("cpu", cell("sequential", 1, 10, .002), cell("pool", 2, 5.2, .002), cell("threads", 2, 6, .002)),
			[]string{"Fastest: pool on 2 cores, at 5.20 ms per task, 1.9", "times as fast as sequential (95 % interval 1.9",
				"Next comes threads on 2 cores, which takes 15", "hardly ever wait"},
			[]string{"Not decided", "gained nothing", "No winner"},
		},
		{
			"ahead by a factor",
			spec("cpu", cell("sequential", 1, 30, .002), cell("pool", 2, 5, .002)),
			[]string{"Fastest: pool on 2 cores", "Next comes sequential."}, []string{"longer", "times as long"},
		},
		{
			"ahead by a large factor of another",
			spec("cpu", cell("sequential", 1, 30, .002), cell("threads", 2, 15, .002), cell("pool", 2, 5, .002)),
			[]string{"Next comes threads on 2 cores, which takes 2.99", "times as long (2.98"}, []string{"longer"},
		},
		{
			"ahead by too little to matter",
			spec("cpu", cell("sequential", 1, 10, .001), cell("pool", 2, 5, .001), cell("threads", 2, 5.05, .001)),
			[]string{"Fastest: pool on 2 cores", "threads on 2 cores, which takes 1.", "% longer", "measurably slower, but by less than the 2 % that matter."}, nil,
		},
		{
			"a set won",
			spec("cpu", cell("sequential", 1, 10, .003), cell("pool", 2, 5, .003), cell("threads", 2, 5, .003), cell("goroutines", 2, 7, .003)),
			[]string{"Lowest median: pool on 2 cores, at 4.9", "; not distinguishable from it: threads on 2 cores.", "Next comes goroutines on 2 cores, which takes 40"},
			[]string{"Not decided"},
		},
		{
			"a tie that is decided",
			spec("cpu", cell("sequential", 1, 10, .001), cell("pool", 1, 10, .001), cell("threads", 1, 10, .001)),
			[]string{"No winner: all 3 cells are equally fast within 2 %; the lowest median is 9.99 ms per task, of ", "That is 1.000 times as fast as sequential (95 % interval 1.000 to 1.001), not to be told from it."}, []string{"Not decided", "Next comes"},
		},
		{
			"a tie for noise",
			spec("cpu", cell("sequential", 1, 10, .2), cell("pool", 1, 10, .2), cell("threads", 1, 10, .2)),
			[]string{"No winner: none of the 3 cells can be told", "Not decided:", "would take some thousands of rounds"}, []string{"Next comes", "Fastest:"},
		},
		{
			"undecided for lack of data",
			spec("cpu", cell("sequential", 1, 10, .01), cell("pool", 2, 5, .012), cell("threads", 2, 5.01, .012)),
			[]string{"Not decided:", "may still be slower by up to", "rounds would settle differences of 2 %; this run has 10"}, []string{"No winner"},
		},
		{
			"too few rounds",
			few(3, spec("cpu", cell("sequential", 1, 10, .001), cell("pool", 2, 5, .001), cell("threads", 2, 6, .001))),
			[]string{"Not decided: pool on 2 cores had the lowest median, 5.00 ms per task, 2.00 times as fast as sequential (no interval: 3 rounds are too few), " +
				"but 3 rounds cannot tell 3 cells apart, however different they are: corrected for 2 comparisons, no test can pass with fewer than 7 (--rounds 7)."},
			[]string{"Fastest", "Next comes", "interval 1"},
		},
		{
			"reference failed",
			spec("cpu", failing(cell("sequential", 1, 10, .001), results.TimedOut, 0), cell("pool", 2, 5, .001), cell("threads", 2, 6, .001)),
			[]string{"Fastest: pool on 2 cores", "The reference, sequential, failed (timeout), so there are no speedups.", "The cell sequential failed (timeout) and is out"},
			[]string{"times as fast"},
		},
		{
			"a failed cell cannot win",
			spec("cpu", cell("sequential", 1, 10, .001), failing(cell("pool", 2, 1, .001), results.Crashed, 5), cell("threads", 2, 6, .001)),
			[]string{"Fastest: threads on 2 cores", "The cell pool on 2 cores failed (crash) and is out of the comparison."}, []string{"Fastest: pool"},
		},
		{
			"everything failed",
			spec("cpu", failing(cell("sequential", 1, 10, .001), results.Wrong, 0), failing(cell("pool", 2, 1, .001), results.Crashed, 0)),
			[]string{"Nothing was measured. 2 cells failed and are out of the comparison: sequential and pool on 2 cores."}, []string{"Fastest"},
		},
		{
			"single strategy",
			spec("cpu", cell("sequential", 1, 10, .001)),
			[]string{"Only sequential gave usable times: 1", "there is nothing to compare it with"}, []string{"Fastest", "faster than", "No winner"},
		},
		{
			"single core",
			spec("cpu", cell("sequential", 1, 10, .001), cell("pool", 1, 10.5, .001), cell("threads", 1, 10.6, .001)),
			[]string{"Fastest: sequential, at 10.0 ms", "Nothing was shown to be faster than running the tasks one after another.", "Next comes pool, which takes 5.0 % longer (4.9 % to 5.0 %)"},
			[]string{"on 1 core", "gained nothing"},
		},
		{
			"no gain under gil",
			spec("cpu", cell("sequential", 1, 10, .002), cell("gil", 2, 10.1, .002), cell("pool", 1, 10, .002), cell("pool", 2, 5, .002)),
			[]string{"Fastest: pool on 2 cores", "More cores gained nothing for gil: at most 0.9", "one core's speed, on 2 cores."}, []string{"for pool"},
		},
		{
			"waiting overlaps under gil",
			spec("io", busy(cell("sequential", 1, 10, .002), .05), busy(cell("gil", 2, .7, .002), .6), busy(cell("pool", 1, .7, .002), .6), busy(cell("pool", 2, .69, .002), .6)),
			[]string{"More cores gained nothing for pool:", "keep a core busy 5 % of the time: they mostly wait"}, []string{"nothing for gil", "hardly ever wait"},
		},
		{
			"mixed work",
			spec("mixed", busy(cell("sequential", 1, 10, .002), .7), cell("pool", 2, 5, .002)),
			[]string{"busy 70 % of the time and wait for the rest"}, []string{"mostly wait", "hardly"},
		},
		{
			"nothing beats sequential, not decided either",
			spec("cpu", cell("sequential", 1, 10, .01), cell("pool", 2, 9.99, .01), cell("threads", 2, 12, .01)),
			[]string{"sequential", "pool on 2 cores", "Next comes threads on 2 cores"}, []string{"Fastest: pool"},
		},
		{
			"programs are kept apart by name",
			spec("cpu", cell("sequential", 1, 10, .001), cell("pool", 2, 5, .001), program("python", cell("sequential", 1, 400, .001)), program("python", cell("pool", 2, 210, .001))),
			[]string{"Fastest: self/pool on 2 cores", "as fast as self/sequential", "Next comes self/sequential"}, nil,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := analyse(t, runtest.Build(tt.spec)).Tables[0].Finding
			for _, w := range tt.want {
				if !strings.Contains(got, w) {
					t.Errorf("finding lacks %q:\n%s", w, got)
				}
			}
			for _, w := range tt.not {
				if strings.Contains(got, w) {
					t.Errorf("finding has %q:\n%s", w, got)
				}
			}
		})
	}
}

func TestEmptyRunsSayNothingWasMeasured(t *testing.T) {
	run := runtest.Build(spec("cpu", cell("sequential", 1, 10, .001)))
	run.Trials, run.Notes = nil, nil
	rep := analyse(t, run)
	if got, want := rep.Tables[0].Finding, "Nothing was measured: no trial of this workload was run."; got != want {
		t.Errorf("finding %q, want %q", got, want)
	}
	if rep.Complete || rep.Used != 0 || rep.Planned != 10 {
		t.Errorf("complete %v, used %d, planned %d", rep.Complete, rep.Used, rep.Planned)
	}
	if rep := analyse(t, &results.Run{}); len(rep.Tables) != 0 || rep.Complete {
		t.Errorf("an empty run gave %+v", rep)
	}
}

func TestAnalyseRefuses(t *testing.T) {
	if _, err := analysis.Analyse(nil, analysis.Options{}); err == nil {
		t.Error("nil run was accepted")
	}
	for _, o := range []analysis.Options{{Level: 1}, {Level: .2}, {Level: math.NaN()}, {MinEffect: -1}, {MinEffect: 2}} {
		if _, err := analysis.Analyse(&results.Run{}, o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
}

// exact is a run whose numbers can be worked out by hand: observation = (10 + round) for the reference and half of that
// for the pool, in milliseconds.
func exact() *results.Run {
	run := runtest.Build(spec("cpu", cell("sequential", 1, 10, 0), cell("pool", 1, 10, 0), cell("pool", 2, 5, 0)))
	for i := range run.Trials {
		tr := &run.Trials[i]
		per := int64(10+tr.Round) * 1e6
		if tr.Cell == 2 {
			per /= 2
		}
		for k := range tr.Wall {
			tr.Wall[k] = per * int64(tr.Tasks)
		}
	}
	return run
}

func TestEstimates(t *testing.T) {
	rep := analyse(t, exact())
	r := rep.Tables[0].Rows[0]
	// Ten values 10…19: the median is 14.5, its interval the 2nd and the 9th (97.85 %).
	want := analysis.Interval{Point: .0145, Lo: .011, Hi: .018, Level: 1 - 2*11.0/1024, N: 10}
	if d := cmp.Diff(want, r.PerTask, near); d != "" {
		t.Errorf("time per task (-want +got):\n%s", d)
	}
	if d := cmp.Diff(.0145*32, r.PerBatch.Point, near); d != "" {
		t.Errorf("time per batch:\n%s", d)
	}
	if d := cmp.Diff([]float64{.010, .019, .0025}, []float64{r.Min, r.Max, r.MAD}, near); d != "" {
		t.Errorf("min, max, MAD:\n%s", d)
	}
	p := rep.Tables[0].Rows[2]
	// The ratio is 2 in every round, though the times vary by 90 %: that is what pairing is for.
	for _, iv := range []analysis.Interval{p.Speedup, p.VsSelf} {
		if d := cmp.Diff([]float64{2, 2, 2}, []float64{iv.Point, iv.Lo, iv.Hi}, near); d != "" {
			t.Errorf("speedup:\n%s", d)
		}
	}
	if d := cmp.Diff([]float64{1, 1, 1}, []float64{p.Efficiency.Point, p.Efficiency.Lo, p.Efficiency.Hi}, near); d != "" {
		t.Errorf("efficiency:\n%s", d)
	}
	if rep.Tables[0].Rows[1].VsSelf.N != 0 {
		t.Error("a one-core row was compared with itself")
	}
	if rep.Tables[0].Reference != 0 || !slices.Equal(rep.Tables[0].Cores, []int{1, 2}) {
		t.Errorf("reference %d, cores %v", rep.Tables[0].Reference, rep.Tables[0].Cores)
	}
}

var near = cmp.Comparer(func(a, b float64) bool {
	return a == b || math.Abs(a-b) <= 1e-9*math.Max(math.Abs(a), math.Abs(b))
})

func TestMissingRoundsLeavePairsAlone(t *testing.T) {
	run := exact()
	// The reference lacks rounds 0–3, the pool rounds 8 and 9: they share 4…7.
	run.Trials = slices.DeleteFunc(run.Trials, func(tr results.Trial) bool {
		return tr.Cell == 0 && tr.Round < 4 || tr.Cell == 2 && tr.Round > 7
	})
	p := analyse(t, run).Tables[0].Rows[2]
	if p.Speedup.N != 4 || p.Speedup.Has() || math.Abs(p.Speedup.Point-2) > 1e-9 {
		t.Errorf("speedup %+v, want 2 from 4 pairs without an interval", p.Speedup)
	}
	if p.PerTask.N != 8 || p.VsSelf.N != 8 {
		t.Errorf("time from %d trials, ratio to itself from %d, want 8 and 8", p.PerTask.N, p.VsSelf.N)
	}
}

func TestProgramsDoNotMix(t *testing.T) {
	base, head := cell("pool", 2, 5, 0), cell("pool", 2, 4, 0)
	base.Program, head.Program = "base", "head"
	rb, rh := cell("sequential", 1, 10, 0), cell("sequential", 1, 20, 0)
	rb.Program, rh.Program = "base", "head"
	ts := analyse(t, runtest.Build(spec("cpu", rb, rh, base, head))).Tables[0]
	if s := ts.Rows[2].Speedup.Point; math.Abs(s-2) > .01 {
		t.Errorf("base: speedup %v over its own reference, want 2", s)
	}
	if s := ts.Rows[3].Speedup.Point; math.Abs(s-5) > .01 {
		t.Errorf("head: speedup %v over its own reference, want 5", s)
	}
	if ts.Rows[2].Name != "base/pool" || ts.Rows[3].Name != "head/pool" {
		t.Errorf("names %q, %q", ts.Rows[2].Name, ts.Rows[3].Name)
	}
}

func TestRepeatsAndFlagsChooseTheTrial(t *testing.T) {
	run := exact()
	for i := range run.Trials {
		if tr := &run.Trials[i]; tr.Cell == 0 && tr.Round == 0 {
			again := *tr
			again.Attempt, again.Wall = 1, []int64{int64(tr.Tasks) * 77e6}
			again.Others = &results.Outside{}
			tr.Others = &results.Outside{Flagged: true}
			run.Trials = append(run.Trials, again)
			break
		}
	}
	rep := analyse(t, run)
	r := rep.Tables[0].Rows[0]
	if r.OK != 10 || r.Repeated != 1 || r.Flagged != 1 || rep.Repeated != 1 || rep.Flagged != 1 {
		t.Errorf("ok %d, repeated %d, flagged %d", r.OK, r.Repeated, r.Flagged)
	}
	if got := r.Observations[0]; math.Abs(got-.077) > 1e-9 {
		t.Errorf("round 0 counts %v, want the repeat's .077", got)
	}
}

func TestCeiling(t *testing.T) {
	one, two := cell("threads", 1, 1, .001), cell("threads", 2, .51, .001)
	one.Ceiling, two.Ceiling = true, true
	s := spec("cpu", cell("sequential", 1, 10, .001), cell("pool", 2, 5.2, .001))
	s.Workloads = append(s.Workloads, runtest.Workload{
		Entry: results.PlanEntry{Key: "spin", Name: "spin", Kind: "cpu", Probe: true, Ceiling: true, Tasks: 8}, Cells: []runtest.Cell{one, two}})
	rep := analyse(t, runtest.Build(s))
	if len(rep.Tables) != 1 {
		t.Errorf("%d tables, want the ceiling to have none", len(rep.Tables))
	}
	if len(rep.Ceiling) != 2 || rep.Ceiling[0].Cores != 1 || rep.Ceiling[1].Cores != 2 {
		t.Fatalf("ceiling %+v", rep.Ceiling)
	}
	if c := rep.Ceiling[1].Speedup; !c.Has() || c.Lo > 1/.51 || c.Hi < 1/.51 {
		t.Errorf("ceiling at 2 cores %+v, want an interval around %v", c, 1/.51)
	}
	if want := "Pure busy threads reached 1.96"; !strings.Contains(rep.Tables[0].Finding, want) {
		t.Errorf("the finding does not hold the speedup against the ceiling: %s", rep.Tables[0].Finding)
	}
	if want := " on 2 cores during this run (95 % interval 1.9"; !strings.Contains(rep.Tables[0].Finding, want) {
		t.Errorf("the ceiling has no interval: %s", rep.Tables[0].Finding)
	}

	s.Rounds = 1
	if rep := analyse(t, runtest.Build(s)); strings.Contains(rep.Tables[0].Finding, "busy threads") {
		t.Errorf("a ceiling of one round is quoted: %s", rep.Tables[0].Finding)
	}
	s.Rounds = 10

	s.Workloads[1].Cells[1] = failing(two, results.Crashed, 3)
	rep = analyse(t, runtest.Build(s))
	if len(rep.Ceiling) != 1 || len(rep.CeilingRows) != 2 || rep.CeilingRows[1].FailReason != "as told" {
		t.Errorf("with a failed cell the ceiling is %+v from %+v", rep.Ceiling, rep.CeilingRows)
	}
	if strings.Contains(rep.Tables[0].Finding, "busy threads") {
		t.Errorf("a failed ceiling is quoted: %s", rep.Tables[0].Finding)
	}
}

// TestOverheadLeavesOutWhatIsNotTheHarness: own-n probes and strategies with processes do work of their own outside the
// timed regions.
func TestOverheadLeavesOutWhatIsNotTheHarness(t *testing.T) {
	pool := cell("process-pool", 2, 5, .001)
	pool.Processes = true
	s := spec("cpu", cell("sequential", 1, 10, .001), cell("pool", 2, 5.2, .001), pool)
	s.Workloads = append(s.Workloads, runtest.Workload{
		Entry: results.PlanEntry{Key: "empty", Name: "empty", Kind: "cpu", Probe: true, OwnN: true, Tasks: 8}, Cells: []runtest.Cell{cell("pool", 2, 1e-4, .001)}})
	run := runtest.Build(s)
	for i := range run.Trials {
		if tr := &run.Trials[i]; tr.Cell >= 2 {
			tr.OverheadNS = 3e9
		}
	}
	rep := analyse(t, run)
	if rep.Overhead.N != 20 || rep.Overhead.Point != 4e-3 || rep.OverheadP95 != 4e-3 {
		t.Errorf("overhead %+v, 95th percentile %v; want those of 20 trials, 4 ms", rep.Overhead, rep.OverheadP95)
	}
	if o := rep.Tables[0].Rows[2].Overhead; o.Point != 3 {
		t.Errorf("the row's own overhead is %+v", o)
	}
}

func TestOwnNProbe(t *testing.T) {
	s := spec("cpu", cell("sequential", 1, 3e-6, .001), cell("pool", 2, 1e-4, .001))
	s.Workloads[0].Entry.Probe, s.Workloads[0].Entry.OwnN = true, true
	tab := analyse(t, runtest.Build(s)).Tables[0]
	if tab.Winner != nil || tab.Rows[1].Speedup.N != 0 || len(tab.NoGain) != 0 {
		t.Errorf("a probe with its own n has winner %v, speedup %+v, no gain %v", tab.Winner, tab.Rows[1].Speedup, tab.NoGain)
	}
	if want := "Overhead per task, with tasks that do nothing: sequential 2.9"; !strings.HasPrefix(tab.Finding, want) {
		t.Errorf("finding %q", tab.Finding)
	}
}

// Two languages share a table: names stay short, each has its own reference, and a further column has the first one's.
func TestSeveralProgramsShareATable(t *testing.T) {
	goSeq, goPool := cell("sequential", 1, 10, 0.001), cell("pool", 2, 5, 0.001)
	pySeq, pyPool := cell("py-sequential", 1, 200, 0.001), cell("py-pool", 2, 125, 0.001)
	pySeq.Program, pyPool.Program = "python3.13", "python3.13"
	pySeq.Reference = true
	ts := analyse(t, runtest.Build(spec("cpu", goSeq, pySeq, goPool, pyPool))).Tables[0]
	for i, want := range []struct {
		name              string
		speedup, overOurs float64
	}{{"sequential", 1, 1}, {"py-sequential", 1, 0.05}, {"pool", 2, 2}, {"py-pool", 1.6, 0.08}} {
		r := ts.Rows[i]
		if r.Name != want.name || math.Abs(r.Speedup.Point/want.speedup-1) > 0.02 || math.Abs(r.VsReference.Point/want.overOurs-1) > 0.02 {
			t.Errorf("%s: speedup %v over its own, %v over the first reference; want %+v", r.Name, r.Speedup.Point, r.VsReference.Point, want)
		}
	}
	for _, want := range []string{
		"The lowest median of python3.13 is that of py-pool on 2 cores, 125 ms per task, 1.", "times as fast as py-sequential",
		"Go beats processes of python3.13: pool on 2 cores is 25.0", " times as fast as py-pool on 2 cores (95 % interval ",
	} {
		if !strings.Contains(ts.Finding, want) {
			t.Errorf("the finding lacks %q: %s", want, ts.Finding)
		}
	}
	alone := analyse(t, runtest.Build(spec("cpu", goSeq, goPool))).Tables[0]
	if r := alone.Rows[1]; r.VsReference.N != 0 || strings.Contains(alone.Finding, "lowest median of") {
		t.Errorf("a single program: %+v, %s", r.VsReference, alone.Finding)
	}
}
