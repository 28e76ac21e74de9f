package analysis_test

import (
	"strings"
	"testing"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/runtest"
)

// withCeiling adds the machine's own scaling: ms per task of busy threads on two cores, with one on one.
func withCeiling(s runtest.Spec, two, noise float64) runtest.Spec {
	one, k := cell("threads", 1, 1, noise), cell("threads", 2, two, noise)
	one.Ceiling, k.Ceiling = true, true
	s.Workloads = append(s.Workloads, runtest.Workload{
		Entry: results.PlanEntry{Key: "spin", Name: "spin", Kind: "cpu", Probe: true, Ceiling: true, Tasks: 8}, Cells: []runtest.Cell{one, k}})
	return s
}

// said checks a text for what it must and what it must not hold.
func said(t *testing.T, got string, want, not []string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(got, w) {
			t.Errorf("lacks %q:\n%s", w, got)
		}
	}
	for _, w := range not {
		if strings.Contains(got, w) {
			t.Errorf("has %q:\n%s", w, got)
		}
	}
}

// TestAnswerIsOneSentence: it begins the finding, and the best cell's numbers are not given to others.
func TestAnswerIsOneSentence(t *testing.T) {
	tab := analyse(t, runtest.Build(spec("cpu", cell("sequential", 1, 10, .003), cell("pool", 2, 5, .003), cell("threads", 2, 5, .003), cell("goroutines", 2, 7, .003)))).Tables[0]
	if !strings.HasPrefix(tab.Finding, tab.Answer+" ") || !strings.HasSuffix(tab.Answer, ".") || strings.Count(tab.Answer, ". ") > 0 {
		t.Errorf("answer %q of finding %q", tab.Answer, tab.Finding)
	}
	said(t, tab.Answer, []string{"Lowest median: pool on 2 cores, at ", " times as fast as sequential (95 % interval ", "; not distinguishable from it: threads on 2 cores."}, []string{"goroutines"})
}

// TestDisturbedMachineQualifiesTheAnswer: no bare winner and no bare lack of gain where others used the machine mostly.
func TestDisturbedMachineQualifiesTheAnswer(t *testing.T) {
	const qualified = "on a machine that others used during 70 % of these trials"
	for _, tt := range []struct {
		from int // first round without others
		want bool
	}{{7, true}, {5, false}} {
		run := runtest.Build(spec("cpu", cell("sequential", 1, 10, .002), cell("gil", 2, 10.1, .002), cell("pool", 2, 5, .002)))
		for i := range run.Trials {
			run.Trials[i].Others.Flagged = run.Trials[i].Round < tt.from
		}
		tab := analyse(t, run).Tables[0]
		if want := float64(tt.from) / 10; tab.Disturbed != want {
			t.Errorf("disturbed %v, want %v", tab.Disturbed, want)
		}
		if tt.want {
			said(t, tab.Finding, []string{"Fastest, " + qualified + ": pool on 2 cores", "While others used the machine, more cores gained nothing for gil"}, []string{"Fastest:", ". More cores"})
		} else {
			said(t, tab.Finding, []string{"Fastest: pool on 2 cores", "More cores gained nothing for gil"}, []string{"others used"})
		}
	}
}

// TestFlatCeilingBlamesNoStrategy: where busy threads gained nothing from a second core, nobody could.
func TestFlatCeilingBlamesNoStrategy(t *testing.T) {
	cells := []runtest.Cell{cell("sequential", 1, 10, .001), cell("pool", 1, 10, .001), cell("pool", 2, 9.9, .001)}
	for _, tt := range []struct {
		kind, why  string
		two, noise float64
		want, not  []string
	}{
		{"cpu", "flat", .98, .001, []string{"on a machine that gave busy threads nothing for more cores: pool on 2 cores",
			"Pure busy threads reached 1.02", "More cores had nothing to give: pool reached at most 1.01 times one core's speed."}, []string{"gained nothing"}},
		{"cpu", "not sure to be flat", .95, .06, []string{"More cores gained nothing for pool", "The machine hardly gave more: busy threads reached 1."}, []string{"on a machine", "nothing to give"}},
		{"cpu", "scales", .51, .001, []string{"More cores gained nothing for pool"}, []string{"on a machine", "nothing to give", "hardly gave more"}},
		{"io", "waits", .98, .001, []string{"More cores gained nothing for pool"}, []string{"on a machine", "nothing to give", "hardly gave more", "busy threads"}},
	} {
		t.Run(tt.why, func(t *testing.T) {
			said(t, analyse(t, runtest.Build(withCeiling(spec(tt.kind, cells...), tt.two, tt.noise))).Tables[0].Finding, tt.want, tt.not)
		})
	}
	t.Run("best on one core", func(t *testing.T) {
		s := spec("cpu", cell("sequential", 1, 10, .001), cell("pool", 1, 10.1, .001), cell("pool", 2, 10.2, .001))
		said(t, analyse(t, runtest.Build(withCeiling(s, .98, .001))).Tables[0].Finding,
			[]string{"More cores had nothing to give (busy threads reached 1.02", " on 2 cores during this run (95 % interval 1.0"}, []string{"Pure busy"})
	})
}

// TestCeilingSaysWhoExceedsIt: work can gain more than busy threads; then they are no bound.
func TestCeilingSaysWhoExceedsIt(t *testing.T) {
	s := spec("cpu", cell("sequential", 1, 10, .001), cell("pool", 2, 5.2, .001), cell("threads", 2, 5.3, .001), cell("gil", 2, 10, .001))
	for two, want := range map[float64]string{.6: "; pool and threads exceeded that.", .51: ""} {
		rep := analyse(t, runtest.Build(withCeiling(s, two, .001)))
		got := rep.Tables[0].Finding
		if strings.Contains(got, "exceeded") != (want != "") || !strings.Contains(got, want) {
			t.Errorf("ceiling of %v ms: %s", two, got)
		}
		if rows := rep.Tables[0].Above(rep.Ceiling[1]); len(rows) != strings.Count(want, " and ")*2 {
			t.Errorf("ceiling of %v ms: rows %v are above", two, rows)
		}
	}
	bare := analysis.CeilingPoint{Cores: 2, Speedup: analysis.Interval{Point: .1, N: 1}}
	rep := analyse(t, runtest.Build(s))
	if rows := rep.Tables[0].Above(bare); rows != nil {
		t.Errorf("rows %v are above a ceiling without an interval", rows)
	}
}

// TestFindingsAdviseNothingUnmeasured: no cause and no advice that this run did not measure.
func TestFindingsAdviseNothingUnmeasured(t *testing.T) {
	for _, share := range []float64{.05, .3, .7, .95} {
		for _, kind := range []string{"cpu", "io", "memory", "mixed"} {
			s := spec(kind, busy(cell("sequential", 1, 10, .2), share), cell("pool", 2, 9.9, .2))
			said(t, analyse(t, runtest.Build(s)).Tables[0].Finding, []string{"Run one after another"}, []string{"would not help", "can help", "took the rest", "quieter", "hide it"})
		}
	}
}

// TestLowProcessorTimeIsNotAlwaysWaiting: a command may compute and be kept from it by others, and so may all work on a
// machine that others used.
func TestLowProcessorTimeIsNotAlwaysWaiting(t *testing.T) {
	const untold = "whether they waited for the rest "
	for _, tt := range []struct {
		kind      string
		share     float64
		disturbed bool
		want, not []string
	}{
		{"command", .37, false, []string{"Run one after another the commands got 37 % of a core; " + untold + "or others had it"}, []string{"mostly wait", "and wait for the rest"}},
		{"command", .37, true, []string{"the commands got 37 % of a core; " + untold}, []string{"mostly wait"}},
		{"command", .97, false, []string{"97 % of the time: they hardly ever wait."}, []string{untold}},
		{"io", .37, true, []string{"the tasks got 37 % of a core; " + untold + "cannot be told, as others used the machine during 100 % of these trials."}, []string{"mostly wait"}},
		{"mixed", .7, true, []string{untold + "cannot be told"}, []string{"and wait for the rest"}},
		{"io", .37, false, []string{"37 % of the time: they mostly wait."}, []string{untold}},
		{"cpu", .37, true, []string{"got only 37 % of a core, though work of this kind does not wait."}, []string{untold}},
	} {
		run := runtest.Build(spec(tt.kind, busy(cell("sequential", 1, 10, .002), tt.share), cell("pool", 2, 5, .002)))
		for i := range run.Trials {
			run.Trials[i].Others.Flagged = tt.disturbed
		}
		said(t, analyse(t, run).Tables[0].Finding, tt.want, tt.not)
	}
}

// TestEfficiencyOfCommands: one command alone may use all the cores of its cell.
func TestEfficiencyOfCommands(t *testing.T) {
	alone, pool, many := cell("alone", 2, 5, 0), cell("pool", 2, 5, 0), cell("pool", 2, 2.5, 0)
	alone.Workers, many.Workers, many.Label = 1, 8, "pool:workers=8"
	for kind, want := range map[string][]float64{"command": {1, 1, 1, .5}, "io": {1, 2, 1, .5}, "cpu": {1, 1, 1, 2}} {
		rows := analyse(t, smooth(runtest.Build(spec(kind, cell("sequential", 1, 10, 0), alone, pool, many)))).Tables[0].Rows
		for i, r := range rows {
			if !about(r.Efficiency.Point, want[i]) {
				t.Errorf("%s, %s: efficiency %+v, want %v", kind, r.Name, r.Efficiency, want[i])
			}
		}
	}
}

// TestNoEfficiencyOverSeveralCores: a reference that may use several cores does not tell what one does.
func TestNoEfficiencyOverSeveralCores(t *testing.T) {
	alone := cell("alone", 2, 10, 0)
	alone.Workers, alone.Reference = 1, true
	for _, r := range analyse(t, smooth(runtest.Build(spec("command", alone, cell("pool", 2, 5, 0))))).Tables[0].Rows {
		if r.Efficiency.N != 0 || r.Speedup.N == 0 {
			t.Errorf("%s: efficiency %+v, speedup %+v", r.Name, r.Efficiency, r.Speedup)
		}
	}
}

// TestCeilingTells: a useless interval bounds nothing, a narrow one does, whether or not the machine scaled.
func TestCeilingTells(t *testing.T) {
	for _, tt := range []struct {
		lo, hi float64
		want   bool
	}{{.4, 5.6, false}, {.9, 1.4, false}, {1.5, 2.6, false}, {1.9, 2.02, true}, {1.71, 1.91, true}, {.98, 1.03, true}, {.5, 1.05, true},
		// of one busy machine, one run after another: each leaves as much open
		{1.2, 1.8, false}, {1.26, 1.91, false}, {1.35, 2.03, false}, {1.83, 2.24, false}, {1.83, 2.43, false}, {2.15, 2.25, false}} {
		c := analysis.CeilingPoint{Cores: 2, Speedup: analysis.Interval{Point: (tt.lo + tt.hi) / 2, Lo: tt.lo, Hi: tt.hi, Level: .95, N: 10}}
		if c.Tells() != tt.want {
			t.Errorf("%v to %v: tells %v", tt.lo, tt.hi, c.Tells())
		}
		if c.Speedup.Level = 0; c.Tells() {
			t.Error("a point without an interval tells")
		}
	}
	s := spec("cpu", cell("sequential", 1, 10, .001), cell("gil", 2, 10, .001), cell("pool", 2, 5.2, .001))
	for _, tt := range []struct {
		noise     float64
		want, not []string
	}{
		{1, []string{"Pure busy threads reached ", ", an interval too wide to tell what the machine allows", "More cores gained nothing for gil"}, []string{"hardly gave more"}},
		{.001, []string{"Pure busy threads reached "}, []string{"too wide"}},
	} {
		said(t, analyse(t, runtest.Build(withCeiling(s, 2, tt.noise))).Tables[0].Finding, tt.want, tt.not)
	}
}
