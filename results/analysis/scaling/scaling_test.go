package scaling

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/runtest"
	"github.com/parbench/parbench/results/stat"
)

// law is a USL with those coefficients.
func law(alpha, beta float64) func(k float64) float64 {
	return func(k float64) float64 { return k / (1 + alpha*(k-1) + beta*k*(k-1)) }
}

// measured is the analysis of a run of one strategy that scales by the law, with noise.
func measured(t *testing.T, kind string, cores []int, speedup func(float64) float64, noise float64) *analysis.Report {
	t.Helper()
	w := runtest.Workload{Entry: results.PlanEntry{Key: "work", Name: "work", Kind: kind, Tasks: 64}}
	cell := func(strategy string, k int, time float64) runtest.Cell {
		return runtest.Cell{Cell: results.Cell{Strategy: strategy, Cores: k, Workers: k}, PerTask: time, Noise: noise, Busy: 1}
	}
	ref := cell("sequential", 1, 1e-3)
	ref.Reference, ref.OneCore = true, true
	w.Cells = append(w.Cells, ref)
	for _, k := range cores {
		w.Cells = append(w.Cells, cell("pool", k, 1e-3/speedup(float64(k))))
	}
	run := runtest.Build(runtest.Spec{Rounds: 12, Environment: runtest.Machine(), Workloads: []runtest.Workload{w}})
	rep, err := analysis.Analyse(run, analysis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func pool(t *testing.T, rep *analysis.Report, opt Options) Series {
	t.Helper()
	s, err := Analyse(rep, opt)
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Tables) != 1 || len(s.Tables[0].Series) != 1 || s.Tables[0].Series[0].Name != "pool" {
		t.Fatalf("not one series: %+v", s.Tables)
	}
	return s.Tables[0].Series[0]
}

func TestChoice(t *testing.T) {
	many := []int{1, 2, 4, 8, 12, 16}
	for _, c := range []struct {
		name        string
		cores       []int
		alpha, beta float64
		opt         Options
		want        stat.ScalingModel
		reason      string
	}{
		{"usl", many, .03, .002, Options{}, stat.ModelUSL, "rejected against the USL"},
		{"amdahl", many, .08, 0, Options{}, stat.ModelAmdahl, "rejected against Amdahl's law"},
		{"linear", many, 0, 0, Options{}, stat.ModelLinear, "not rejected"},
		{"two", []int{1, 2}, .08, 0, Options{}, "", "Karp–Flatt"},
		{"three", []int{1, 2, 4}, .08, 0, Options{}, "", "--residual"},
		{"three, known", []int{1, 2, 4}, .08, 0, Options{Residual: .01}, stat.ModelAmdahl, "for residuals of 1 %"},
		{"four, known, linear", []int{1, 2, 3, 4}, 0, 0, Options{Residual: .01}, stat.ModelLinear, "nothing speaks against"},
		{"four, known, usl", []int{1, 2, 4, 8}, .03, .02, Options{Residual: .01}, stat.ModelUSL, "does not fit"},
		{"forced", many, .08, 0, Options{Model: stat.ModelUSL}, stat.ModelUSL, "--model"},
		{"forced on few", []int{1, 2, 4}, .08, 0, Options{Model: stat.ModelLinear}, stat.ModelLinear, "--model"},
	} {
		s := pool(t, measured(t, "cpu", c.cores, law(c.alpha, c.beta), .004), c.opt)
		got := stat.ScalingModel("")
		if s.Chosen != nil {
			got = s.Chosen.Model
		}
		if got != c.want || !strings.Contains(s.Reason, c.reason) {
			t.Errorf("%s: %q, want %q: %s", c.name, got, c.want, s.Reason)
		}
		if !s.Speedup || len(s.Points) != len(c.cores) {
			t.Errorf("%s: %d points, speedup %v", c.name, len(s.Points), s.Speedup)
		}
	}
}

// TestRecovers: the parameters that went in lie in the intervals that come out, and so does the peak.
func TestRecovers(t *testing.T) {
	const alpha, beta = .03, .002
	s := pool(t, measured(t, "cpu", []int{1, 2, 4, 8, 12, 16, 24, 32}, law(alpha, beta), .004), Options{})
	f := s.Chosen
	inside := func(name string, i analysis.Interval, v float64) {
		if !i.Has() || i.Lo > v || v > i.Hi {
			t.Errorf("%s = %v is not in %+v", name, v, i)
		}
	}
	inside("α", f.Alpha, alpha)
	inside("β", f.Beta, beta)
	inside("γ", f.Gamma, 1)
	inside("peak", f.Peak, math.Sqrt((1-alpha)/beta))
	if s.BetaBound.Hi < beta || s.BetaBound.Hi > 2*beta {
		t.Errorf("the upper bound of β is %v", s.BetaBound.Hi)
	}
	if iv, ok := f.At(20); !ok || !(iv.Lo <= law(alpha, beta)(20) && law(alpha, beta)(20) <= iv.Hi) {
		t.Errorf("the curve at 20: %+v", iv)
	}
	if _, ok := f.At(65); ok {
		t.Error("the curve goes beyond twice the largest N")
	}
	for _, p := range s.Points[1:] {
		want := (1/law(alpha, beta)(p.N) - 1/p.N) / (1 - 1/p.N)
		if math.Abs(p.Serial.Point-want) > .01 || !p.Serial.Has() {
			t.Errorf("Karp–Flatt on %v cores: %+v, want about %v", p.N, p.Serial, want)
		}
	}
	if !strings.Contains(s.Finding, "peaks at 2") {
		t.Error(s.Finding)
	}
}

func TestWaitingWorkHasNoModel(t *testing.T) {
	s := pool(t, measured(t, "io", []int{1, 2, 4, 8, 16}, law(0, 0), .004), Options{})
	if s.Chosen != nil || len(s.Models) != 0 || !strings.Contains(s.Reason, "wait") {
		t.Errorf("%+v", s)
	}
}

// Without the reference a strategy's throughput is fitted.
func TestThroughput(t *testing.T) {
	rep := measured(t, "cpu", []int{1, 2, 4, 8, 16}, law(.05, 0), .002)
	for i := range rep.Tables[0].Rows {
		rep.Tables[0].Rows[i].Speedup = analysis.Interval{}
	}
	s := pool(t, rep, Options{})
	if s.Speedup || s.Chosen == nil || math.Abs(s.Chosen.Gamma.Point-1000) > 20 {
		t.Errorf("%+v", s)
	}
}

func TestFailedCellsAreNamed(t *testing.T) {
	rep := measured(t, "cpu", []int{1, 2, 4, 8, 12, 16}, law(.05, 0), .002)
	for i := range rep.Tables[0].Rows {
		if r := &rep.Tables[0].Rows[i]; r.Cell.Cores == 8 {
			r.Failed, r.Status = 3, results.TimedOut
		}
	}
	s := pool(t, rep, Options{})
	if len(s.Points) != 5 || len(s.FailedPoints) != 1 || s.FailedPoints[0] != "8 cores: timeout" {
		t.Errorf("%d points, failed %q", len(s.Points), s.FailedPoints)
	}
}

// TestPoints fits the published data; the coefficients themselves are checked in results/stat.
func TestPoints(t *testing.T) {
	points := []stat.ScalingPoint{{N: 1, X: 20}, {N: 4, X: 78}, {N: 8, X: 130}, {N: 12, X: 170}, {N: 16, X: 190}, {N: 20, X: 200},
		{N: 24, X: 210}, {N: 28, X: 230}, {N: 32, X: 260}, {N: 48, X: 280}, {N: 64, X: 310}}
	s, err := Points("raytracer", points, Options{Unweighted: true})
	if err != nil {
		t.Fatal(err)
	}
	f := s.Chosen
	if f == nil || f.Model != stat.ModelAmdahl || math.Abs(f.Alpha.Point-.0577707795) > 1e-5 || math.Abs(f.Gamma.Point-21.8488425775) > 1e-3 {
		t.Fatalf("%+v", f)
	}
	if e := s.Points[1].Efficiency.Point; math.Abs(e-78.0/20/4) > 1e-12 {
		t.Errorf("efficiency at 4: %v", e)
	}
	if s.Points[0].Serial.N != 0 || s.Points[1].Serial.N == 0 {
		t.Error("one worker has a serial fraction, or four have none")
	}
	for name, bad := range map[string][]stat.ScalingPoint{
		"none": nil, "one N": {{N: 2, X: 1}, {N: 2, X: 2}}, "negative": {{N: 1, X: 1}, {N: 2, X: -1}}, "zero N": {{N: 0, X: 1}, {N: 2, X: 1}}, "NaN": {{N: 1, X: math.NaN()}, {N: 2, X: 2}},
	} {
		if _, err := Points(name, bad, Options{}); err == nil {
			t.Errorf("%s is fitted", name)
		}
	}
	if _, err := Points("x", points, Options{Model: "cubic"}); err == nil {
		t.Error("an unknown model is accepted")
	}
}

// TestNumbersAreFinite works out whatever a run file can hold.
func TestNumbersAreFinite(t *testing.T) {
	text := rapid.SampledFrom([]string{"a", "b", "cpu", "io", "pool"})
	rapid.Check(t, func(t *rapid.T) {
		rep, err := analysis.Analyse(runtest.Random(t, text), analysis.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := Analyse(rep, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range s.Tables {
			if _, err := json.Marshal(x); err != nil {
				t.Fatal(err)
			}
			for i := range x.Series {
				if c := x.Series[i].Chosen; c != nil {
					for _, n := range []float64{0, 1, 2 * x.Series[i].Largest} {
						if iv, ok := c.At(n); ok && (math.IsNaN(iv.Point) || iv.Lo > iv.Point || iv.Point > iv.Hi) {
							t.Fatalf("at %v: %+v", n, iv)
						}
					}
				}
			}
		}
	})
}

// TestPageListsFlags: docs/scaling.md explains every flag and model.
func TestPageListsFlags(t *testing.T) {
	page, err := os.ReadFile("../../../docs/scaling.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []stat.ScalingFlag{stat.FlagNoFit, stat.FlagFewN, stat.FlagNoUSL, stat.FlagPeakBeyond, stat.FlagNoBetaBound} {
		if !strings.Contains(string(page), fmt.Sprintf("| `%s` |", f)) {
			t.Errorf("docs/scaling.md does not explain the flag %q", f)
		}
	}
	for _, m := range []stat.ScalingModel{stat.ModelLinear, stat.ModelAmdahl, stat.ModelUSL} {
		if !strings.Contains(string(page), fmt.Sprintf("| %s |", m)) {
			t.Errorf("docs/scaling.md does not explain the model %q", m)
		}
	}
}

// TestCeilingWithItsDoubt: the machine's own scaling stands in a finding with its interval, and with the caution of a run's
// report where that interval says little.
func TestCeilingWithItsDoubt(t *testing.T) {
	rep := measured(t, "cpu", []int{1, 2}, law(.05, 0), .002)
	told := analysis.Interval{Point: 1.94, Lo: 1.9, Hi: 1.97, Level: .96, N: 12}
	wide, above, few := told, told, analysis.Interval{Point: 1.99, N: 3}
	wide.Lo, wide.Hi = 1.2, 2.1
	above.Lo, above.Hi = 2.1, 2.3 // not a median's
	for want, x := range map[string]analysis.Interval{
		"Pure busy threads reach 1.940 (1.900 to 1.970) there. ":                                                                        told,
		"Pure busy threads reach 1.9 (1.2 to 2.1) there, an interval too wide to tell what the machine allows. ":                        wide,
		"Pure busy threads reach 1.94 (2.10 to 2.30) there, an interval too far above the number of cores to tell what the machine all": above,
		"Pure busy threads reach 1.99 there, from too few rounds to tell what the machine allows. ":                                     few,
	} {
		rep.Ceiling = []analysis.CeilingPoint{{Cores: 2, Speedup: x}}
		if s := pool(t, rep, Options{}); !strings.Contains(s.Finding, want) {
			t.Errorf("lacks %q: %s", want, s.Finding)
		}
	}
}
