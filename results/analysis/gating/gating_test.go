package gating

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/comparison"
	"github.com/parbench/parbench/results/analysis/runtest"
	"github.com/parbench/parbench/results/codec"
)

// calm is a machine with little noise.
func calm(r *rand.Rand) float64 { return .003 * r.NormFloat64() }

func decide(t *testing.T, m *machine, opt Options) *Outcome {
	t.Helper()
	o, err := Decide(m, opt)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		name    string
		factor  float64
		verdict Verdict
		row     comparison.Verdict
		stages  int // the largest: 0 one look, 1 with a confirmation
	}{
		{"same", 1, Passed, comparison.Equivalent, 0},
		{"slower", 1.05, Regressed, comparison.Regressed, 1},
		{"faster", .9, Passed, comparison.Improved, 1},
		{"slower by less than matters", 1.01, Passed, comparison.Equivalent, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := newMachine(3, 1, calm)
			m.factor = func(int) float64 { return c.factor }
			o := decide(t, m, Options{})
			if o.Verdict != c.verdict || o.Count(c.row) != 3 || o.Stop != StopNone || o.Looks != 1 {
				t.Errorf("%s, rows %v, stop %q, looks %d", o.Verdict, o.Families[0].Rows, o.Stop, o.Looks)
			}
			last := 0
			for _, trial := range m.run.Trials {
				last = max(last, trial.Stage)
			}
			if last != c.stages {
				t.Errorf("stages up to %d, want %d", last, c.stages)
			}
			if o.Finding == "" || strings.Contains(o.Finding, "NaN") {
				t.Errorf("finding %q", o.Finding)
			}
		})
	}
}

// One of three regresses: only it is put to new pairs, and the others stay decided.
func TestOnlyCandidatesAreConfirmed(t *testing.T) {
	m := newMachine(3, 2, calm)
	m.factor = func(track int) float64 { return []float64{1, 1.08, 1}[track] }
	o := decide(t, m, Options{})
	if o.Verdict != Regressed || o.Count(comparison.Regressed) != 1 || o.Count(comparison.Equivalent) != 2 {
		t.Fatalf("%s", o.Finding)
	}
	var pairs []int
	for _, r := range o.Families[0].Rows {
		pairs = append(pairs, r.Pairs)
	}
	if diff := cmp.Diff([]int{15, 25, 15}, pairs); diff != "" {
		t.Error(diff)
	}
	if c := o.Details[0][1].Confirmation; !c.Confirmed || c.Pairs != 10 || c.P >= confirmLevel {
		t.Errorf("%+v", c)
	}
}

// A change that is there while the first pairs run and gone afterwards is not claimed.
func TestUnconfirmed(t *testing.T) {
	m := newMachine(1, 3, calm)
	m.factor = func(int) float64 {
		if m.round < 15 {
			return 1.1
		}
		return 1
	}
	o := decide(t, m, Options{Looks: 1})
	if o.Verdict != Inconclusive || o.Details[0][0].Confirmation.Confirmed || o.Details[0][0].Confirmation.Pairs < 10 {
		t.Fatalf("%s: %+v", o.Verdict, o.Details)
	}
	if !strings.Contains(o.Details[0][0].Why, "did not confirm") || o.Need == 0 {
		t.Errorf("why %q, need %d", o.Details[0][0].Why, o.Need)
	}
	if o.Warnings[0].Code != CodeUnconfirmed {
		t.Errorf("%+v", o.Warnings)
	}
}

// The budget ends everything, and what it would have taken is said.
func TestBudget(t *testing.T) {
	noisy := func(r *rand.Rand) float64 { return .1 * r.NormFloat64() }
	m := newMachine(1, 4, noisy)
	m.left = 40
	o := decide(t, m, Options{})
	if o.Verdict != Inconclusive || o.Stop != StopBudget || o.Need <= o.Pairs || o.Pairs > 40 {
		t.Errorf("%s, stop %q, %d pairs, need %d", o.Verdict, o.Stop, o.Pairs, o.Need)
	}
	m = newMachine(1, 4, calm)
	m.left = 3
	o = decide(t, m, Options{})
	if r := o.Families[0].Rows[0]; r.Undecidable == "" || o.Stop != StopBudget || o.Verdict != Inconclusive {
		t.Errorf("%+v", r)
	}
	m.again()
	m.left = 0
	if o = decide(t, m, Options{}); o.Verdict != Inconclusive || o.Pairs != 0 {
		t.Errorf("%s with %d pairs", o.Verdict, o.Pairs)
	}
}

// With many comparisons the first look has as many pairs as it takes for any of them to be a finding.
func TestFloor(t *testing.T) {
	m := newMachine(200, 5, calm)
	m.factor = func(track int) float64 {
		if track == 7 {
			return 1.2
		}
		return 1
	}
	o := decide(t, m, Options{Pairs: 3})
	if o.Count(comparison.Regressed) != 1 || o.Families[0].Rows[0].Pairs < 15 {
		t.Errorf("%s; %d pairs", o.Finding, o.Families[0].Rows[0].Pairs)
	}
}

func TestFailure(t *testing.T) {
	m := newMachine(2, 6, calm)
	m.fail = func(cell, round int) results.Status {
		if cell == 3 && round == 2 { // head of the second comparison
			return results.Crashed
		}
		return ""
	}
	o := decide(t, m, Options{})
	if len(o.Failures) == 0 || o.Failures[0].Side != head || o.Families[0].Rows[1].Undecidable != "failed in head" {
		t.Errorf("%+v; %+v", o.Failures, o.Families[0].Rows[1])
	}
	if o.Families[0].Rows[0].Verdict != comparison.Equivalent || o.Verdict != Inconclusive {
		t.Errorf("%s, %+v", o.Verdict, o.Families[0].Rows[0])
	}
}

// A disturbed pair is replaced by its repeat, both sides of it, whatever they measured.
func TestRepeatedPairs(t *testing.T) {
	m := newMachine(1, 7, calm)
	m.noisy = func(seq int) bool { return seq == 4 }
	o := decide(t, m, Options{})
	if o.Repeated != 1 || o.Disturbed != 0 || o.Pairs != 15 {
		t.Errorf("%d repeated, %d disturbed, %d pairs", o.Repeated, o.Disturbed, o.Pairs)
	}
	m.again()
	m.noisy = func(int) bool { return true }
	o = decide(t, m, Options{})
	if o.Disturbed != 15 || o.Warnings[0].Code != CodeNeverQuiet {
		t.Errorf("%d disturbed, %+v", o.Disturbed, o.Warnings)
	}
}

// A half of one attempt never makes a pair with a half of another.
func TestPairsAreWhole(t *testing.T) {
	m := newMachine(1, 8, calm)
	trial := func(cell, attempt int, ns int64, disturbed bool) {
		x := results.Trial{Cell: cell, Attempt: attempt, Status: results.OK, Tasks: 1, Wall: results.Nanos{ns}}
		if disturbed {
			x.Others = &results.Outside{Flagged: true}
		}
		m.run.Trials = append(m.run.Trials, x)
	}
	trial(0, 0, 100, true)
	trial(1, 0, 200, false)
	trial(0, 1, 300, false)
	trial(1, 1, 400, true)
	c := collect(m.run, m.list)
	if p := c.pairs[0][0]; p.base != 3e-7 || p.head != 4e-7 || !p.disturbed || c.repeated != 1 {
		t.Errorf("%+v", c)
	}
}

// scalingMachine is a plan with a strategy on several core counts.
func scalingMachine(cores []int, seed uint64) *machine {
	plan := results.Plan{Workloads: []results.PlanEntry{{Key: "primes", Name: "primes", Kind: "cpu"}}}
	for _, side := range []string{base, head} {
		cell := results.Cell{Program: side, Workload: "primes", Strategy: "sequential", Label: "sequential", Cores: 1, Workers: 1, Tasks: 1, Reference: true, OneCore: true}
		plan.Cells = append(plan.Cells, cell)
		for _, k := range cores {
			plan.Cells = append(plan.Cells, results.Cell{Program: side, Workload: "primes", Strategy: "pool", Label: "pool", Cores: k, Workers: k, Tasks: 1})
		}
	}
	return machineOf(plan, seed, calm)
}

// slowness is the time of a track relative to one core, by the USL.
func slowness(list []track, t int, alpha, beta float64) float64 {
	n := float64(list[t].cell.Cores)
	return (1 + alpha*(n-1) + beta*n*(n-1)) / n
}

// scale gives both sides a law of their own: α and β of base and head.
func (m *machine) scale(alpha, beta [2]float64) {
	m.factor = func(t int) float64 {
		return slowness(m.list, t, alpha[1], beta[1]) / slowness(m.list, t, alpha[0], beta[0])
	}
	m.common = func(t int) float64 { return slowness(m.list, t, alpha[0], beta[0]) }
}

func TestScalingIsGated(t *testing.T) {
	m := scalingMachine([]int{1, 2, 4, 8, 16}, 9)
	m.scale([2]float64{.02, .04}, [2]float64{.001, .001})
	o := decide(t, m, Options{})
	var metrics []string
	verdicts := map[string]comparison.Verdict{}
	for _, f := range o.Families {
		metrics = append(metrics, f.Metric)
		verdicts[f.Metric] = f.Rows[len(f.Rows)-1].Verdict
	}
	if diff := cmp.Diff([]string{"time", "speedup", "contention, 1 + α(N−1)", "coherency, 1 + βN(N−1)"}, metrics); diff != "" {
		t.Fatal(diff)
	}
	if verdicts["speedup"] != comparison.Regressed || verdicts["contention, 1 + α(N−1)"] != comparison.Regressed || verdicts["coherency, 1 + βN(N−1)"] == comparison.Regressed {
		t.Errorf("%v\n%s", verdicts, o.Finding)
	}
	if r := o.Families[2].Rows[0]; math.Abs(r.Base.Median-1.3) > .05 || math.Abs(r.Head.Median-1.6) > .05 {
		t.Errorf("contention factors %v and %v, want 1.3 and 1.6", r.Base.Median, r.Head.Median)
	}
	if len(scalingMachine([]int{2}, 1).questions()) != 2 || len(scalingMachine([]int{1, 2}, 1).questions()) != 4 {
		t.Error("the speedup is asked for from two core counts on")
	}
}

func (m *machine) questions() []question { return questions(&m.run.Header.Plan, m.list) }

// What was decided while measuring is decided again from the file.
func TestReplay(t *testing.T) {
	for seed := range uint64(12) {
		m := newMachine(2, seed, noises[seed%5].make())
		effect := []float64{1, 1.03, 1.02, .95}[seed%4]
		m.factor = func(int) float64 { return effect }
		if seed > 7 {
			m.left = 60
		}
		o := decide(t, m, Options{MinEffect: .03})
		m.run.Header.Plan.Gate = &results.Gate{MinEffect: .03, Looks: DefaultLooks, Pairs: DefaultPairs}
		reason := "complete"
		if o.Stop == StopBudget {
			reason = "budget"
		}
		run := *m.run
		run.Notes = []results.Note{{Type: "end", Reason: reason}}
		again, err := Replay(&run, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(o, again, cmpopts.IgnoreUnexported(comparison.Family{})); diff != "" {
			t.Errorf("seed %d: %s", seed, diff)
		}
	}
}

func TestImpossible(t *testing.T) {
	m := newMachine(1, 1, calm)
	for _, o := range []Options{{MinEffect: -1}, {MinEffect: 1}, {Confidence: .2}, {Pairs: -1}, {Looks: 4}, {MinEffect: math.NaN()}} {
		if _, err := Decide(m, o); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
	m.run.Header.Plan.Cells[0].Program = "self"
	if _, err := Decide(m, Options{}); !errors.Is(err, ErrNothing) {
		t.Errorf("error %v", err)
	}
}

// The false alarms and the power of a whole gate, with noise models that are far from calm. Seeds are fixed; the margins
// are those that the table of docs/method.md has with more gates.
func TestGateUnderNoise(t *testing.T) {
	const gates = 60
	for _, n := range noises {
		if c := simulate(t, gates, 2, 0, n.make()); c.regressed+c.improved > 1 {
			t.Errorf("%s: %d false alarms in %d gates", n.name, c.regressed+c.improved, gates)
		}
		if c := simulate(t, gates, 2, .05, n.make()); c.share(c.regressed) < 95 {
			t.Errorf("%s: 5 %% found in %.0f %% of gates", n.name, c.share(c.regressed))
		}
		if c := simulate(t, gates, 2, .03, n.make()); c.share(c.regressed) < 80 {
			t.Errorf("%s: 3 %% found in %.0f %% of gates", n.name, c.share(c.regressed))
		}
	}
}

// Real processes of identical code (Traini et al., EMSE 28:13, 2023; results/stat/testdata): their means, in the order in
// which they ran, are the noise.
func TestGateOnRealProcesses(t *testing.T) {
	text, err := os.ReadFile("../../stat/testdata/aa_jmh_forks.json")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Benchmarks []struct{ Forks [][]float64 }
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	gates, alarms := 0, 0
	for _, b := range doc.Benchmarks {
		var logs []float64
		for _, f := range b.Forks {
			sum := 0.
			for _, x := range f {
				sum += x
			}
			logs = append(logs, math.Log(sum/float64(len(f))))
		}
		if len(logs) == 0 {
			t.Fatal("no processes")
		}
		c := simulate(t, 40, 1, 0, func(r *rand.Rand) float64 { return logs[r.IntN(len(logs))] - logs[0] })
		gates, alarms = gates+c.gates, alarms+c.regressed+c.improved
	}
	if gates < 200 || float64(alarms) > .05*float64(gates) {
		t.Errorf("%d alarms in %d gates", alarms, gates)
	}
	t.Logf("%d alarms in %d gates", alarms, gates)
}

func TestSelfTestCounts(t *testing.T) {
	s := NewSelfTest([]float64{.05})
	m := newMachine(1, 11, calm)
	for k := range 64 {
		m.again()
		slow := 0.
		if k >= 60 {
			slow = .05
		}
		m.factor = func(int) float64 { return 1 + slow }
		s.Add(slow, decide(t, m, Options{}), m.run)
	}
	s.Finish()
	if a := s.Arms[0]; a.Gates != 60 || a.Passed != 60 || s.UpperBound > .05 || s.UpperBound < .045 {
		t.Errorf("%+v, bound %v", a, s.UpperBound)
	}
	if a := s.Arms[1]; a.Gates != 4 || a.Regressed != 4 || a.Rate.Point != 1 {
		t.Errorf("%+v", a)
	}
	if s.Exceeded() || !strings.Contains(s.Finding, "keeps the stated level") {
		t.Error(s.Finding)
	}
	// Alarms above the level: what disturbs the machine is named.
	s = NewSelfTest(nil)
	m.noisy = func(int) bool { return true }
	for range 20 {
		m.again()
		m.factor = func(int) float64 { return 1.1 }
		o := decide(t, m, Options{})
		for i := range m.run.Trials {
			m.run.Trials[i].Others = &results.Outside{CPUShare: .4, Steal: .02, Flagged: true}
		}
		s.Add(0, o, m.run)
	}
	s.Finish()
	if !s.Exceeded() || !strings.Contains(s.Finding, "other processes used 40 % of a core") || !strings.Contains(s.Finding, "hypervisor took 2 %") {
		t.Error(s.Finding)
	}
}

func fileOf(t *testing.T, cpu string, factor float64, digest string) *codec.Suite {
	t.Helper()
	m := scalingMachine([]int{1, 2, 4}, 12)
	m.scale([2]float64{.05, .05}, [2]float64{})
	for i := range m.run.Header.Plan.Cells {
		m.run.Header.Plan.Cells[i].Program = map[string]string{base: "self", head: "other"}[m.run.Header.Plan.Cells[i].Program]
	}
	for range 12 {
		for k := range m.list {
			m.pair(0, k, 0)
		}
		m.round++
	}
	run := &results.Run{Header: m.run.Header}
	run.Header.Plan.Cells = run.Header.Plan.Cells[:4]
	run.Header.Environment = results.Environment{CPUModel: cpu, OS: "linux"}
	for _, x := range m.run.Trials {
		if x.Cell < 4 {
			if x.Cell == 3 {
				x.Wall = results.Nanos{int64(float64(x.Wall[0]) * factor)}
			}
			x.Digest = digest
			run.Trials = append(run.Trials, x)
		}
	}
	s, err := codec.FromRun(run)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFiles(t *testing.T) {
	b := fileOf(t, "a", 1, "00")
	o, err := Files(b, fileOf(t, "a", 1.1, "00"), "b", "h", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if o.Verdict != Regressed || o.Report.Paired || len(o.Families) != 3 || !strings.Contains(o.Finding, "Not protected against drift") {
		t.Errorf("%s %s", o.Verdict, o.Finding)
	}
	if r := o.Families[1].Rows[1]; r.Name != "primes/pool/cores=4" || r.Verdict != comparison.Regressed || r.Ratio.Point > .95 {
		t.Errorf("speedup %+v", r)
	}
	if o, err = Files(b, fileOf(t, "a", 1, "01"), "b", "h", Options{}); err != nil || len(o.Different) != 4 {
		t.Errorf("%v, different %v", err, o)
	}
	// Nobody said which direction is better: a difference is neither a regression nor a pass.
	h := fileOf(t, "a", 1.3, "00")
	for _, s := range []*codec.Suite{b, h} {
		for i := range s.Series {
			s.Series[i].Better = codec.Unknown
		}
	}
	if o, err = Files(b, h, "b", "h", Options{}); err != nil || o.Count(comparison.Differs) != 1 || !strings.Contains(o.Finding, "nobody said which direction is better: primes/pool/cores=4") {
		t.Errorf("%v: %s", err, o.Finding)
	}
	var unlike *UnlikeError
	if _, err = Files(b, fileOf(t, "z", 1, "00"), "b", "h", Options{}); !errors.As(err, &unlike) || !strings.Contains(err.Error(), `cpu_model is "a" and "z"`) {
		t.Errorf("error %v", err)
	}
	if _, err = Files(b, fileOf(t, "z", 1, "00"), "b", "h", Options{AllowUnlike: true}); err != nil {
		t.Error(err)
	}
}

// A file that ends early is decided from as far as it goes, and the outcome says why it ends there.
func TestReplayOfLess(t *testing.T) {
	noisy := func(r *rand.Rand) float64 { return .03 * r.NormFloat64() }
	m := newMachine(1, 5, noisy)
	m.factor = func(int) float64 { return 1.015 }
	o := decide(t, m, Options{})
	if o.Looks < 2 {
		t.Fatalf("decided at look %d: nothing to cut", o.Looks)
	}
	m.run.Header.Plan.Gate = &results.Gate{MinEffect: DefaultMinEffect, Looks: DefaultLooks, Pairs: DefaultPairs}
	killed := *m.run
	killed.Trials = killed.Trials[:2*DefaultPairs]
	again, err := Replay(&killed, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if again.Stop != StopInterrupted || again.Pairs != DefaultPairs || slices.ContainsFunc(again.Warnings, func(w analysis.Warning) bool { return w.Code == CodeBudget }) {
		t.Errorf("killed: stop %q, %d pairs, %+v", again.Stop, again.Pairs, again.Warnings)
	}
	// A smaller threshold has something to confirm at the first look, of which the file holds no pairs: all others count.
	whole := *m.run
	whole.Trials = slices.Clone(whole.Trials)
	for i := range whole.Trials {
		if tr := &whole.Trials[i]; tr.Stage%2 == 1 {
			tr.Stage++
		}
	}
	whole.Notes = []results.Note{{Type: "end", Reason: "complete"}}
	if again, err = Replay(&whole, Options{MinEffect: .001}); err != nil {
		t.Fatal(err)
	}
	if again.Pairs != o.Pairs || again.Stop == StopBudget {
		t.Errorf("%d of %d pairs, stop %q: %s", again.Pairs, o.Pairs, again.Stop, again.Finding)
	}
}

// What is said of the pairs still needed is supported: never fewer than there are, never a power where there was too
// little to estimate one.
func TestNeedIsSupported(t *testing.T) {
	m := newMachine(1, 4, calm)
	m.left = 0
	o := decide(t, m, Options{})
	if why := o.Details[0][0].Why; !strings.Contains(why, "no pair was measured; at least 7 pairs") || o.Need != 7 || Needs(&o.Families[0].Rows[0]) != "" {
		t.Errorf("%q, need %d", why, o.Need)
	}
	m.again()
	m.left = 5
	if o = decide(t, m, Options{}); Needs(&o.Families[0].Rows[0]) != "" || !strings.Contains(o.Warnings[0].Remedy, "at least 7 pairs of each comparison are needed") {
		t.Errorf("%+v", o.Warnings)
	}
	m.again()
	m.left = 15 // enough to see 30 %, were it not for a change of nearly that
	m.factor = func(int) float64 { return 1.297 }
	o = decide(t, m, Options{MinEffect: .3})
	if r := &o.Families[0].Rows[0]; r.Verdict != comparison.Inconclusive || r.Need != 0 || !strings.Contains(o.Details[0][0].Why, "lie close to 30 %") {
		t.Errorf("%+v: %s", r, o.Details[0][0].Why)
	}
	few := fileOf(t, "a", 1, "00")
	for i := range few.Series {
		few.Series[i].Samples = few.Series[i].Samples[:2]
	}
	files, err := Files(few, few, "b", "h", Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range files.Families[0].Rows {
		if n := Needs(&files.Families[0].Rows[i]); n != "" {
			t.Errorf("two samples a side: %s", n)
		}
	}
}

// TestLibraries: a gate of two builds says that they have two versions of a library.
func TestLibraries(t *testing.T) {
	m := newMachine(1, 1, calm)
	m.run.Header.Environment.Programs = []results.Program{
		{Label: base, Libraries: map[string]string{"pool": "example.com/pool v1.0.0"}}, {Label: head, Libraries: map[string]string{"pool": "example.com/pool v1.1.0"}}}
	o := decide(t, m, Options{})
	if !slices.ContainsFunc(o.Warnings, func(w analysis.Warning) bool {
		return w.Code == comparison.CodeLibrary && strings.Contains(w.Text, "pool (example.com/pool v1.0.0 and example.com/pool v1.1.0)")
	}) {
		t.Errorf("warnings %+v", o.Warnings)
	}
}

// TestFilesOfAUsersProgram: parbench's own measurements of the machine beside it make no second program of it, so its
// speedups are gated as those of any other.
func TestFilesOfAUsersProgram(t *testing.T) {
	file := func(seed uint64) *codec.Suite {
		spec := runtest.RealisticSpec()
		spec.Seed = seed
		for i := range spec.Workloads {
			for k := range spec.Workloads[i].Cells {
				if !spec.Workloads[i].Entry.Ceiling {
					spec.Workloads[i].Cells[k].Program = "mine"
				}
			}
		}
		s, err := codec.FromRun(runtest.Build(spec))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	o, err := Files(file(1), file(2), "b", "h", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(o.Families, func(f comparison.Family) bool { return f.Metric == "speedup" && len(f.Rows) > 0 }) {
		t.Errorf("the speedup is not gated among %d families", len(o.Families))
	}
}
