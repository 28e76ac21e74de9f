package crossover

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/stat"
)

// linesOf is what the fitted lines alone say of a pair.
func linesOf(t testing.TB, tab Table, p Pair) stat.Crossing {
	t.Helper()
	x, err := stat.Crossover(tab.Curves[p.First].costs, tab.Curves[p.Second].costs, .95)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestToldApartWhereNoLineFits: twice the cost in every trial of every grain is a difference, whatever a line through
// costs that hardly depend on the grain makes of it.
func TestToldApartWhereNoLineFits(t *testing.T) {
	grains := []float64{1.17e-3, 1.175e-3, 1.19e-3, 3.3e-3, 10.3e-3}
	cost := func(us ...float64) map[float64]float64 {
		out := map[float64]float64{}
		for i, g := range grains {
			out[g] = us[i] * 1e-6
		}
		return out
	}
	tab := one(t, sweptOn(t, 1, "io", nil, grains, .01, model{name: "pool", cores: 2, costs: cost(39, 47, 40, 60, 47)},
		model{name: "process-pool", cores: 2, costs: cost(79, 92, 81, 130, 85)}))
	p := pairOf(t, tab, "pool", "process-pool")
	if x := linesOf(t, tab, p); x.AtMost != 0 {
		t.Fatalf("the scene does not show it: the lines are told apart at the end: %+v", x)
	}
	if p.Outcome != stat.FirstCheaper || p.AtLeast != -1 || p.AtMost != -1 || !strings.Contains(p.Finding, "pool is cheaper than process-pool from 1.17 ms to 10.3 ms (told apart at each of 5 grains)") {
		t.Errorf("%s: %s", p.Outcome, p.Finding)
	}
	for _, m := range p.Measured {
		if m.Cheaper != -1 || m.Ratio.Lo < 1.5 {
			t.Errorf("%+v", m)
		}
	}
}

// TestNothingIsSaidOfAnEndByTheLinesAlone: where the trials at the largest grain scatter from 0.4 to 1.3 times, nobody is
// called cheaper there, however well the lines are told apart by the other grains.
func TestNothingIsSaidOfAnEndByTheLinesAlone(t *testing.T) {
	last := grid[len(grid)-1]
	tab := one(t, sweptOn(t, 3, "cpu", nil, grid, .004, model{name: "a", cores: 2, parallelism: 1.9, overhead: 1e-7},
		model{name: "b", cores: 2, parallelism: 1.7, overhead: 2e-6, noisy: map[float64]float64{last: .9}}))
	p := pairOf(t, tab, "a", "b")
	if x := linesOf(t, tab, p); x.Outcome != stat.FirstCheaper {
		t.Fatalf("the scene does not show it: by the lines %s", x.Outcome)
	}
	if p.Outcome != stat.Undecided || p.AtLeast != -1 || p.AtMost != 0 || !strings.Contains(p.Finding, "at 1.00 µs a is cheaper, at ") ||
		!strings.Contains(p.Finding, "they cannot be told apart (told apart at 8 of 9 grains)") {
		t.Errorf("%s, %d to %d: %s", p.Outcome, p.AtLeast, p.AtMost, p.Finding)
	}
}

// TestCrossingBetweenGrains: strategies that change places at a step, which no line has, cross between the grains where that
// was measured, and a grain that contradicts the lines' interval overrules it.
func TestCrossingBetweenGrains(t *testing.T) {
	steps := map[float64]float64{}
	for i, g := range grid {
		steps[g] = g / 1.9 * 1.4
		if i > 5 {
			steps[g] = g / 1.9 * .8
		}
	}
	tab := one(t, swept(t, grid, .004, model{name: "a", cores: 2, parallelism: 1.9}, model{name: "b", cores: 2, costs: steps}))
	p := pairOf(t, tab, "a", "b")
	if p.Outcome != stat.Crosses || !p.FirstBelow || p.Grain.N != 0 || p.Below > 3.1e-4 || p.Below < 2.9e-4 || p.Above > 1.1e-3 || p.Above < .9e-3 ||
		!strings.Contains(p.Finding, "b pays over a from a grain between 300 µs and 1.00 ms") && !strings.Contains(p.Finding, "from a grain between 299 µs and ") {
		t.Errorf("%s, %v to %v: %s", p.Outcome, p.Below, p.Above, p.Finding)
	}
	for g := range steps { // back and forth
		steps[g] = g / 1.9 * map[bool]float64{true: 1.3, false: .7}[slices.Index(grid, g)%4 < 2]
	}
	tab = one(t, swept(t, grid, .004, model{name: "a", cores: 2, parallelism: 1.9}, model{name: "b", cores: 2, costs: steps}))
	if p := pairOf(t, tab, "a", "b"); p.Outcome != stat.Undecided || p.Below != 0 || p.Grain.Has() {
		t.Errorf("changing places four times: %s: %s", p.Outcome, p.Finding)
	}
}

// TestReportAndCrossoverAgree: whatever a run holds, what is marked as the cheapest at a grain is what the report calls the
// only winner, and of the winner and another one the crossover tells apart what the report does, in the same direction.
func TestReportAndCrossoverAgree(t *testing.T) {
	apart, alike := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		var models []model
		for i := range rapid.IntRange(1, 3).Draw(r, "strategies") {
			models = append(models, model{name: fmt.Sprintf("s%d", i), cores: rapid.SampledFrom([]int{1, 2}).Draw(r, "cores"),
				parallelism: rapid.Float64Range(.9, 1.2).Draw(r, "parallelism"), overhead: rapid.Float64Range(0, 2e-6).Draw(r, "overhead")})
		}
		rep := sweptOn(t, rapid.Uint64().Draw(r, "seed"), "cpu", nil, grid[1:6], rapid.Float64Range(.001, .3).Draw(r, "noise"), models...)
		tab := one(t, rep)
		for k := range rep.Tables {
			x := &rep.Tables[k]
			w := x.Winner
			g := x.Rows[x.Reference].PerTask.Point
			want := -1
			if len(w.Set) == 1 && w.Best != x.Reference {
				want = w.Best
			}
			if got := tab.Cheapest(g); got != want { // curves are in the order of the rows
				r.Fatalf("at %v curve %d is marked, and the report's winners are %v", g, got, w.Set)
			}
			for _, p := range tab.Pairs {
				at := slices.IndexFunc(p.Measured, func(m Comparison) bool { return m.Grain == g })
				told := p.Measured[at].Cheaper
				switch {
				case p.First == w.Best && w.Has(p.Second) || p.Second == w.Best && w.Has(p.First):
					alike++
					if told != 0 {
						r.Fatalf("at %v %s is told from the best, and the report does not", g, tab.Title(p.Second))
					}
				case p.First == w.Best && told != -1, p.Second == w.Best && told != 1:
					r.Fatalf("at %v the report tells %d from the best, the crossover says %d", g, p.Second, told)
				case p.First == w.Best || p.Second == w.Best:
					apart++
				}
			}
		}
	})
	if apart == 0 || alike == 0 {
		t.Errorf("%d told apart and %d not: the scenes show nothing", apart, alike)
	}
}

// TestEqualStrategiesAreSeldomTold: of two that cost the same, the procedure claims a crossing or a cheaper one in few runs.
func TestEqualStrategiesAreSeldomTold(t *testing.T) {
	const runs = 150
	claimed := 0
	for seed := range uint64(runs) {
		tab := one(t, sweptOn(t, seed+1, "cpu", nil, grid, .05, model{name: "a", cores: 2, parallelism: 1.9, overhead: 1e-6}, model{name: "b", cores: 2, parallelism: 1.9, overhead: 1e-6}))
		if p := pairOf(t, tab, "a", "b"); p.Outcome != stat.Undecided {
			claimed++
		}
	}
	if claimed > runs*3/100 {
		t.Errorf("%d of %d equal pairs are called different or crossing", claimed, runs)
	}
	t.Logf("%d of %d", claimed, runs)
}

// TestFewRoundsTellNothing: the lines of three rounds may cross; who is cheaper where is not known.
func TestFewRoundsTellNothing(t *testing.T) {
	rep := swept(t, grid, .004, model{name: "a", cores: 2, parallelism: 1.9, overhead: 12e-6})
	run := *rep.Run
	run.Trials = slices.DeleteFunc(slices.Clone(run.Trials), func(tr results.Trial) bool { return tr.Round > 2 })
	rep, err := analysis.Analyse(&run, analysis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := pairOf(t, one(t, rep), "sequential", "a")
	if p.Outcome != stat.Undecided || !strings.Contains(p.Finding, "3 rounds cannot tell them apart at any grain (6 are needed). The fitted lines cross at ") {
		t.Errorf("%s: %s", p.Outcome, p.Finding)
	}
}

// TestNoCrossingIsWithheld where work computes and the machine did not reliably give a second core, and only there.
func TestNoCrossingIsWithheld(t *testing.T) {
	poor, good := []float64{.6, 1.7, 1.1, 1, 1.2, .8, 1.5, 1.1, .9, 1.6}, []float64{1.9, 1.95, 1.92}
	slow := model{name: "slow", cores: 2, parallelism: .9, overhead: 1e-6}
	fast := model{name: "fast", cores: 2, parallelism: 1.9, overhead: 1e-9}
	for _, c := range []struct {
		name, kind    string
		ceiling       []float64
		first, second string
		models        []model
		want          stat.Outcome
	}{
		{"slower than one after another", "cpu", poor, "sequential", "slow", []model{slow}, stat.Undecided},
		{"slower than another", "memory", poor, "slow", "fast", []model{slow, fast}, stat.Undecided},
		{"on a machine that gave it", "cpu", good, "sequential", "slow", []model{slow}, stat.FirstCheaper},
		{"work that waits", "io", poor, "sequential", "slow", []model{slow}, stat.FirstCheaper},
		{"faster than one after another", "cpu", poor, "sequential", "fast", []model{fast}, stat.SecondCheaper},
		{"on one core", "cpu", poor, "sequential", "one", []model{{name: "one", cores: 1, parallelism: .9}}, stat.FirstCheaper},
		{"a ceiling that was not measured", "cpu", nil, "sequential", "slow", []model{slow}, stat.FirstCheaper},
	} {
		p := pairOf(t, one(t, sweptOn(t, 1, c.kind, c.ceiling, grid, .004, c.models...)), c.first, c.second)
		if p.Outcome != c.want || p.Withheld != (c.want == stat.Undecided) {
			t.Errorf("%s: %s, withheld %v: %s", c.name, p.Outcome, p.Withheld, p.Finding)
		}
		if p.Withheld && (strings.Contains(p.Finding, "No crossing") || !strings.Contains(p.Finding, "did not reliably give busy threads more than one core during the run (1.10 times, 95 % interval 0.85 to 1.37 on 2 cores)")) {
			t.Errorf("%s: %s", c.name, p.Finding)
		}
	}
}

// TestOneGrainIsNoCrossing: where the lines know of no crossing, most grains on either side of it must have been told.
func TestOneGrainIsNoCrossing(t *testing.T) {
	for _, c := range []struct {
		told []int // by grain: -1 the first is cheaper, 1 the second
		want stat.Outcome
	}{
		{[]int{-1, -1, -1, 1, 1, 1}, stat.Crosses},
		{[]int{-1, 0, 0, 1, 0, 1}, stat.Crosses},
		{[]int{-1, -1, 1, 0, 0, 0, 0, 0, 1}, stat.Undecided},
		{[]int{-1, 0, 0, -1, 1, 1, 1, 1, 1}, stat.Undecided},
		{[]int{-1, 0, 0, 0, 0, 1}, stat.Crosses}, // at both ends; where in between, nobody knows
		{[]int{-1, -1, 1, 1, 1, 0}, stat.Undecided},
		{[]int{-1, -1, 1, -1, 1, 1}, stat.Undecided},
	} {
		p := Pair{Outcome: stat.Undecided}
		for i, x := range c.told {
			p.Measured = append(p.Measured, Comparison{Grain: grid[i], Cheaper: x})
		}
		p.judge(stat.Crossing{Outcome: stat.Undecided})
		if p.Outcome != c.want || p.Grain.Has() || (p.Below > 0) != (c.want == stat.Crosses) {
			t.Errorf("%v: %s, between %v and %v", c.told, p.Outcome, p.Below, p.Above)
		}
	}
}

// TestTasksAtATime: where tasks travel together, the costs are said to be theirs.
func TestTasksAtATime(t *testing.T) {
	tab := one(t, swept(t, grid, .004, model{name: "pool", cores: 2, parallelism: 1.9},
		model{name: "process-pool", cores: 2, parallelism: 1.9, overhead: 1e-6, params: map[string]string{"mode": "map", "chunk": "0"}}))
	const want = "process-pool handed out 8 tasks at a time, which share what that costs. What a single task costs, -s process-pool:mode=imap-unordered tells."
	if len(tab.Notes) != 1 || tab.Notes[0] != want || tab.Curves[2].Together != [2]int{8, 8} {
		t.Errorf("%q, %+v", tab.Notes, tab.Curves[2].Together)
	}
	tab = one(t, swept(t, grid, .004, model{name: "py-pool", cores: 2, parallelism: 1.9, overhead: 1e-6, params: map[string]string{"mode": "imap", "chunk": "0"}}))
	if len(tab.Notes) != 0 || tab.Curves[1].Together != [2]int{1, 1} {
		t.Errorf("%q, %+v", tab.Notes, tab.Curves[1].Together)
	}
	chunks := map[string]string{"mode": "imap", "chunk": "16"}
	tab = one(t, swept(t, grid, .004, model{name: "py-pool", cores: 2, parallelism: 1.9, params: chunks}, model{name: "process-pool", cores: 2, parallelism: 1.9, params: chunks},
		model{name: "process-pool", cores: 1, parallelism: 1, params: map[string]string{"mode": "imap", "chunk": "1"}}))
	if len(tab.Notes) != 1 || !strings.HasSuffix(tab.Notes[0], "which share what that costs. What a single task costs, -s py-pool:mode=imap-unordered tells.") {
		t.Errorf("%q", tab.Notes)
	}
}
