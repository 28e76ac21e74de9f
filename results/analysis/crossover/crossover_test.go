package crossover

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/runtest"
	"github.com/parbench/parbench/results/stat"
)

// model is a strategy whose tasks cost grain/parallelism + overhead seconds.
type model struct {
	name                  string
	cores                 int
	parallelism, overhead float64
	curve                 float64 // further seconds that come in with the grain, which no line has
	fails                 bool
	noisy                 map[float64]float64 // other noise at a grain
	costs                 map[float64]float64 // seconds at a grain, in place of the line
	params                map[string]string   // of the strategy
}

// swept is the analysis of a run over grains in seconds.
func swept(t testing.TB, grains []float64, noise float64, models ...model) *analysis.Report {
	t.Helper()
	return sweptOn(t, 1, "cpu", nil, grains, noise, models...)
}

// sweptOn is swept with a seed and a kind, on a machine that gave busy threads on 2 cores that speedup in each round.
func sweptOn(t testing.TB, seed uint64, kind string, ceiling []float64, grains []float64, noise float64, models ...model) *analysis.Report {
	t.Helper()
	var list []runtest.Workload
	for _, g := range grains {
		w := runtest.Workload{Entry: results.PlanEntry{Key: fmt.Sprintf("spin{grain=%v}", g), Name: "spin", Kind: kind, Tasks: 64, GrainNS: g * 1e9,
			Params: map[string]string{"grain": fmt.Sprint(g), "mode": "plain"}}}
		ref := runtest.Cell{Cell: results.Cell{Strategy: "sequential", Cores: 1, Reference: true, OneCore: true}, PerTask: g, Noise: noise}
		w.Cells = append(w.Cells, ref)
		for _, m := range models {
			c := runtest.Cell{Cell: results.Cell{Strategy: m.name, Cores: m.cores, StrategyParams: m.params}, PerTask: g/m.parallelism + m.overhead, Noise: noise}
			c.PerTask += m.curve * g / (g + m.overhead)
			if v, ok := m.costs[g]; ok {
				c.PerTask = v
			}
			if v, ok := m.noisy[g]; ok {
				c.Noise = v
			}
			if m.fails {
				c.Fail, c.Reason = results.TaskFailed, "no such thing"
			}
			w.Cells = append(w.Cells, c)
		}
		list = append(list, w)
	}
	if ceiling != nil {
		busy := func(cores int) runtest.Cell {
			return runtest.Cell{Cell: results.Cell{Strategy: "threads", Cores: cores, Ceiling: true}, PerTask: 1e-3}
		}
		list = append(list, runtest.Workload{Entry: results.PlanEntry{Key: "machine-ceiling", Name: "spin", Kind: "cpu", Tasks: 8, Ceiling: true},
			Cells: []runtest.Cell{busy(1), busy(2)}})
	}
	run := runtest.Build(runtest.Spec{Rounds: 10, Seed: seed, Environment: runtest.Machine(), Workloads: list})
	for i := range run.Trials {
		tr := &run.Trials[i]
		if c := &run.Header.Plan.Cells[tr.Cell]; c.Ceiling && c.Cores == 2 {
			for k := range tr.Wall {
				tr.Wall[k] = int64(float64(tr.Wall[k]) / ceiling[tr.Round%len(ceiling)])
			}
		}
	}
	rep, err := analysis.Analyse(run, analysis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

var grid = []float64{1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2}

func one(t testing.TB, rep *analysis.Report) Table {
	t.Helper()
	x, err := Analyse(rep, .95)
	if err != nil {
		t.Fatal(err)
	}
	if len(x.Tables) != 1 {
		t.Fatalf("%d tables", len(x.Tables))
	}
	return x.Tables[0]
}

func pairOf(t testing.TB, tab Table, a, b string) Pair {
	t.Helper()
	for _, p := range tab.Pairs {
		if tab.Curves[p.First].Name == a && tab.Curves[p.Second].Name == b {
			return p
		}
	}
	t.Fatalf("no pair %s, %s in %+v", a, b, tab.Pairs)
	return Pair{}
}

func TestBreakEven(t *testing.T) {
	tab := one(t, swept(t, grid, .004, model{name: "pool", cores: 4, parallelism: 3, overhead: 1e-6}, model{name: "process-pool", cores: 4, parallelism: 3.8, overhead: 12e-6}))
	if len(tab.Grains) != len(grid) || len(tab.Curves) != 3 || len(tab.Pairs) != 3 {
		t.Fatalf("%d grains, %d curves, %d pairs", len(tab.Grains), len(tab.Curves), len(tab.Pairs))
	}
	for _, c := range []struct {
		first, second string
		want          float64
	}{
		{"pool", "process-pool", 11e-6 / (1/3.0 - 1/3.8)}, // 157 µs
		{"sequential", "process-pool", 12e-6 / (1 - 1/3.8)},
		{"sequential", "pool", 1e-6 / (1 - 1/3.0)},
	} {
		p := pairOf(t, tab, c.first, c.second)
		if p.Outcome != stat.Crosses || !p.FirstBelow || !p.Grain.Has() || p.Grain.Lo > c.want || c.want > p.Grain.Hi {
			t.Errorf("%s and %s: %s at %+v, want %v: %s", c.first, c.second, p.Outcome, p.Grain, c.want, p.Finding)
		}
		if !strings.HasPrefix(p.Finding, c.second+" pays over "+c.first+" from a grain of ") {
			t.Error(p.Finding)
		}
	}
	c := tab.Curves[2]
	if v := c.Overhead; v.Lo > 12e-6 || v.Hi < 12e-6 || c.Parallelism.Lo > 3.8 || c.Parallelism.Hi < 3.8 {
		t.Errorf("process-pool: overhead %+v, parallelism %+v", v, c.Parallelism)
	}
	if got, ok := c.At(1e-3); !ok || got < .9*(12e-6+1e-3/3.8) || got > 1.1*(12e-6+1e-3/3.8) {
		t.Errorf("cost at 1 ms: %v", got)
	}
	if _, ok := c.At(1); ok {
		t.Error("a cost beyond the measured grains")
	}
	if len(tab.Warnings) != 0 || tab.Params["mode"] != "plain" || len(tab.Params) != 1 {
		t.Errorf("warnings %v, params %v", tab.Warnings, tab.Params)
	}
}

func TestNoCrossing(t *testing.T) {
	tab := one(t, swept(t, grid, .004, model{name: "a", cores: 2, parallelism: 1.9, overhead: 1e-7}, model{name: "b", cores: 2, parallelism: 1.7, overhead: 2e-6}))
	p := pairOf(t, tab, "a", "b")
	if p.Outcome != stat.FirstCheaper || p.Grain.N != 0 || !strings.HasPrefix(p.Finding, "No crossing in the measured range: a is cheaper than b") {
		t.Errorf("%s: %s", p.Outcome, p.Finding)
	}
	tab = one(t, swept(t, grid, .02, model{name: "a", cores: 2, parallelism: 1.9, overhead: 1e-6}, model{name: "b", cores: 2, parallelism: 1.9, overhead: 1e-6}))
	p = pairOf(t, tab, "a", "b")
	if p.Outcome != stat.Undecided || p.Grain.Has() || !strings.Contains(p.Finding, "not decided") {
		t.Errorf("%s: %s", p.Outcome, p.Finding)
	}
}

// TestCheapest: a strategy is called the cheapest where its interval lies below all others, and nothing is where two overlap
// or one after another is as cheap.
func TestCheapest(t *testing.T) {
	named := func(tab Table, i int) string {
		if k := tab.Cheapest(tab.Grains[i]); k >= 0 {
			return tab.Curves[k].Name
		}
		return ""
	}
	tab := one(t, swept(t, grid, .004, model{name: "a", cores: 4, parallelism: 3, overhead: 1e-6}, model{name: "b", cores: 4, parallelism: 3.8, overhead: 12e-6}))
	for i, want := range map[int]string{0: "", 2: "a", len(grid) - 1: "b"} {
		if got := named(tab, i); got != want {
			t.Errorf("grain %v: %q is the cheapest, want %q", tab.Grains[i], got, want)
		}
	}
	if tab.Cheapest(1) != -1 {
		t.Error("something is the cheapest at a grain that was not measured")
	}
	same := one(t, swept(t, grid, .05, model{name: "a", cores: 2, parallelism: 1.9, overhead: 1e-6}, model{name: "b", cores: 2, parallelism: 1.9, overhead: 1e-6}))
	for i := range same.Grains {
		if got := named(same, i); got != "" {
			t.Errorf("grain %v: %q is the cheapest of two alike", same.Grains[i], got)
		}
	}
}

// asked says what the parameter of each grain was.
func asked(rep *analysis.Report, name string, values ...string) *analysis.Report {
	for i, v := range values {
		delete(rep.Tables[i].Entry.Params, "grain")
		rep.Tables[i].Entry.Params[name] = v
		if name == "grain" { // as spin, of which two parameters vary
			rep.Tables[i].Entry.Params["iterations"] = fmt.Sprint(100 * (i + 1))
		}
	}
	return rep
}

// warned returns the text of the warning with that code, or nothing.
func warned(tab Table, code string) string {
	for _, w := range tab.Warnings {
		if w.Code == code {
			return w.Text + " → " + w.Remedy
		}
	}
	return ""
}

// TestGrainsAsAsked: a grain that is off by more than a factor of two is said.
func TestGrainsAsAsked(t *testing.T) {
	for _, c := range []struct {
		name, asked string
		want        bool
	}{{"as asked", "3us", false}, {"a little off", "5us", false}, {"too short", "8us", true}, {"too long", "1.2us", true}, {"no duration", "many", false}} {
		tab := one(t, asked(swept(t, grid[:4], .004, model{name: "a", cores: 2, parallelism: 2, overhead: 1e-6}), "grain", "1us", c.asked, "10us", "30us"))
		got := strings.Contains(warned(tab, CodeOtherGrain), "where grain="+c.asked+" was asked for")
		if got != c.want || (tab.Parameter == "grain") != c.want {
			t.Errorf("%s: warnings %+v, parameter %q", c.name, tab.Warnings, tab.Parameter)
		}
	}
}

// TestSizesThatAreOne: values of the parameter under which tasks take the same time are named as such, and their grains are
// shown with what was asked for. Others are not.
func TestSizesThatAreOne(t *testing.T) {
	grains := []float64{1.17e-3, 1.18e-3, 1.19e-3, 3.3e-3, 10.3e-3}
	latencies := []string{"100\u00b5s", "300\u00b5s", "1ms", "3ms", "10ms"}
	rep := func() *analysis.Report {
		return asked(sweptOn(t, 1, "io", nil, grains, .002, model{name: "pool", cores: 2, parallelism: 16, overhead: 1e-5}), "latency", latencies...)
	}
	tab := one(t, rep())
	const want = "latency does not change how long a task takes from 100\u00b5s to 1ms: 1.17 ms to 1.19 ms alone, so that these are one size and not 3 → sweep latency where"
	if got := warned(tab, CodeSameGrain); !strings.HasPrefix(got, want) || warned(tab, CodeOtherGrain) != "" || warned(tab, analysis.CodeShortWait) != "" {
		t.Errorf("%q; all: %+v", got, tab.Warnings)
	}
	if tab.Parameter != "latency" || !slices.Equal(tab.Asked, latencies) {
		t.Errorf("%q: %q for the grains %v", tab.Parameter, tab.Asked, tab.Grains)
	}
	// The same of parbench's own: its timers are to blame.
	own := rep()
	for i := range own.Tables {
		own.Tables[i].Entry.Name = "http"
	}
	if got := warned(one(t, own), analysis.CodeShortWait); !strings.HasPrefix(got, "waits took more than twice as long as was asked for: 1.17 ms where latency=100\u00b5s was asked for, 1.18 ms where latency=300\u00b5s was asked for; timers decide that") {
		t.Errorf("%q", got)
	}
	tab = one(t, asked(swept(t, grid[:4], .004, model{name: "a", cores: 2, parallelism: 2, overhead: 1e-6}), "grain", "1us", "3us", "10us", "30us"))
	if len(tab.Warnings) != 0 || tab.Parameter != "" || tab.Asked != nil {
		t.Errorf("%+v, %q", tab.Warnings, tab.Parameter)
	}
}

// TestDisturbedShare is over all grains.
func TestDisturbedShare(t *testing.T) {
	rep := swept(t, grid[:4], .004, model{name: "a", cores: 2, parallelism: 2, overhead: 1e-6})
	rep.Tables[0].Disturbed, rep.Tables[1].Disturbed = 1, .5
	if got := one(t, rep).Disturbed; got < .374 || got > .376 {
		t.Errorf("%v of the trials were disturbed, want 0.375", got)
	}
}

// Only what runs on as many cores is held against each other, and everything against the reference.
func TestPairs(t *testing.T) {
	tab := one(t, swept(t, grid[:4], .004, model{name: "a", cores: 1, parallelism: 1, overhead: 1e-6}, model{name: "a", cores: 2, parallelism: 2, overhead: 1e-6},
		model{name: "b", cores: 2, parallelism: 2, overhead: 3e-6}))
	var got []string
	for _, p := range tab.Pairs {
		got = append(got, tab.Title(p.First)+"|"+tab.Title(p.Second))
	}
	const want = "sequential|a on 1 core, sequential|a on 2 cores, sequential|b on 2 cores, a on 2 cores|b on 2 cores"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("%s, want %s", s, want)
	}
}

func TestFewGrainsFailuresAndMisfit(t *testing.T) {
	tab := one(t, swept(t, grid[:2], .004, model{name: "a", cores: 2, parallelism: 2, overhead: 1e-6}))
	if p := pairOf(t, tab, "sequential", "a"); p.Outcome != stat.Undecided || !strings.Contains(p.Finding, "needs 3") || tab.Warnings[0].Code != CodeFewGrains {
		t.Errorf("%s, %v", p.Finding, tab.Warnings)
	}
	tab = one(t, swept(t, grid, .004, model{name: "a", cores: 2, parallelism: 2, overhead: 1e-6, fails: true}))
	if p := pairOf(t, tab, "sequential", "a"); p.Outcome != stat.Undecided || tab.Curves[1].Failed != len(grid) || tab.Warnings[0].Code != analysis.CodeFailed {
		t.Errorf("%s, %v", p.Finding, tab.Warnings)
	}
	tab = one(t, swept(t, grid, .004, model{name: "a", cores: 2, parallelism: 2, overhead: 1e-5, curve: 3e-4}))
	if len(tab.Warnings) != 1 || tab.Warnings[0].Code != CodeMisfit {
		t.Errorf("a bent cost: %v, residual %v", tab.Warnings, tab.Curves[1].Residual)
	}
}

func TestRunsWithoutSweep(t *testing.T) {
	rep, err := analysis.Analyse(runtest.Realistic(), analysis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	x, err := Analyse(rep, .95)
	if err != nil || len(x.Tables) != 0 || Sweeps(rep.Run) {
		t.Errorf("%d tables, %v", len(x.Tables), err)
	}
	if !Sweeps(swept(t, grid[:3], .01, model{name: "a", cores: 2, parallelism: 2}).Run) || Sweeps(swept(t, grid[:2], .01, model{name: "a", cores: 2, parallelism: 2}).Run) {
		t.Error("three grains are no sweep, or two are one")
	}
	if _, err := Analyse(rep, 1); err == nil {
		t.Error("a level of 1 is accepted")
	}
}

func TestNumbersAreFinite(t *testing.T) {
	text := rapid.SampledFrom([]string{"a", "b", "spin", "pool"})
	rapid.Check(t, func(t *rapid.T) {
		rep, err := analysis.Analyse(runtest.Random(t, text), analysis.Options{})
		if err != nil {
			t.Fatal(err)
		}
		x, err := Analyse(rep, .95)
		if err != nil {
			t.Fatal(err)
		}
		for _, tab := range x.Tables {
			if _, err := json.Marshal(tab); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// TestProgramsHaveGrainsOfTheirOwn: the same task takes another program forty times as long, and so its sizes are other ones.
// A program of which there is nothing but the reference has no table.
func TestProgramsHaveGrainsOfTheirOwn(t *testing.T) {
	const slower, overhead = 40.0, 2e-4
	var list []runtest.Workload
	for _, g := range grid {
		cell := func(program, strategy string, cores int, per float64, reference bool) runtest.Cell {
			return runtest.Cell{Cell: results.Cell{Program: program, Strategy: strategy, Cores: cores, Reference: reference, OneCore: reference}, PerTask: per, Noise: .002}
		}
		list = append(list, runtest.Workload{
			Entry: results.PlanEntry{Key: fmt.Sprintf("spin{grain=%v}", g), Name: "spin", Kind: "cpu", Tasks: 64, GrainNS: g * 1e9},
			Cells: []runtest.Cell{
				cell("self", "sequential", 1, g, true), cell("python3.13", "py-sequential", 1, slower*g, true), cell("python3.13", "py-pool", 2, slower*g/2+overhead, false),
			},
		})
	}
	rep, err := analysis.Analyse(runtest.Build(runtest.Spec{Rounds: 10, Environment: runtest.Machine(), Workloads: list}), analysis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tab := one(t, rep)
	if tab.Program != "python3.13" || tab.Name() != "spin (python3.13)" || len(tab.Curves) != 2 || tab.Grains[0] < 39e-6 || tab.Grains[0] > 41e-6 {
		t.Fatalf("table %s of %d curves from a grain of %v", tab.Name(), len(tab.Curves), tab.Grains[0])
	}
	p := tab.Pairs[0]
	// Half the grain and the overhead are the whole grain where it is twice the overhead.
	if p.Outcome != stat.Crosses || p.Grain.Lo > 2*overhead || p.Grain.Hi < 2*overhead || p.Grain.Hi/p.Grain.Lo > 1.2 {
		t.Errorf("%s", p.Finding)
	}
}

// TestGrainsOfSeveralPrograms: the same work takes as long as was asked for in one program at most, which each of the others
// is told; work of its own does in each.
func TestGrainsOfSeveralPrograms(t *testing.T) {
	const slower = 40.0
	build := func(own bool) *Report {
		var list []runtest.Workload
		for _, g := range grid {
			asked := time.Duration(g * 1e9).String()
			cells := func(program, alone, pool string, per float64) []runtest.Cell {
				cell := func(strategy string, cores int, per float64, reference bool) runtest.Cell {
					return runtest.Cell{Cell: results.Cell{Program: program, Strategy: strategy, Cores: cores, Reference: reference, OneCore: reference}, PerTask: per, Noise: .002}
				}
				return []runtest.Cell{cell(alone, 1, per, true), cell(pool, 2, per/2+1e-6, false)}
			}
			entry := func(program string) results.PlanEntry {
				return results.PlanEntry{Key: program + "spin{grain=" + asked + "}", Name: "spin", Kind: "cpu", Tasks: 64, GrainNS: g * 1e9, Program: program,
					Params: map[string]string{"grain": asked, "iterations": program + fmt.Sprint(int(g*1e9))}}
			}
			if own {
				list = append(list, runtest.Workload{Entry: entry("self"), Cells: cells("self", "sequential", "pool", g)},
					runtest.Workload{Entry: entry("py"), Cells: cells("py", "py-sequential", "py-pool", g)})
			} else {
				both := slices.Concat(cells("self", "sequential", "pool", g), cells("py", "py-sequential", "py-pool", slower*g))
				list = append(list, runtest.Workload{Entry: entry(""), Cells: both})
			}
		}
		rep, err := analysis.Analyse(runtest.Build(runtest.Spec{Rounds: 10, Environment: runtest.Machine(), Workloads: list}), analysis.Options{})
		if err != nil {
			t.Fatal(err)
		}
		x, err := Analyse(rep, .95)
		if err != nil || len(x.Tables) != 2 {
			t.Fatalf("%d tables (%v)", len(x.Tables), err)
		}
		return x
	}
	for _, own := range []bool{true, false} {
		for _, tab := range build(own).Tables {
			if len(tab.Grains) != len(grid) || len(tab.Curves) != 2 {
				t.Errorf("%s: %d grains, %d curves", tab.Name(), len(tab.Grains), len(tab.Curves))
			}
			off := tab.Program == "py" && !own
			at := slices.IndexFunc(tab.Warnings, func(w analysis.Warning) bool { return w.Code == CodeOtherGrain })
			switch {
			case off != (at >= 0):
				t.Errorf("own work %v, %s: warnings %+v", own, tab.Name(), tab.Warnings)
			case off && !strings.Contains(tab.Warnings[at].Text+tab.Warnings[at].Remedy, "several programs did the same work"):
				t.Errorf("it does not say why: %+v", tab.Warnings[at])
			case !off && (tab.Grains[0] < .9e-6 || tab.Grains[0] > 1.1e-6):
				t.Errorf("%s: from %v", tab.Name(), tab.Grains[0])
			}
		}
	}
}
