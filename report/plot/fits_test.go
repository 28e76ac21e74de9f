package plot

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/crossover"
	"github.com/parbench/parbench/results/analysis/runtest"
	"github.com/parbench/parbench/results/analysis/scaling"
	"github.com/parbench/parbench/results/stat"
)

// scalingScene is a run whose strategies follow the given coefficients.
func scalingScene(t testing.TB, cores []int, laws map[string][2]float64, names ...string) *scaling.Report {
	t.Helper()
	w := runtest.Workload{Entry: results.PlanEntry{Key: "primes", Name: "primes", Kind: "cpu", Tasks: 64}}
	ref := runtest.Cell{Cell: results.Cell{Strategy: "sequential", Cores: 1, Reference: true, OneCore: true}, PerTask: 1e-3, Noise: .01}
	w.Cells = append(w.Cells, ref)
	c := runtest.Workload{Entry: results.PlanEntry{Key: "machine-ceiling", Name: "spin", Kind: "cpu", Tasks: 8, Ceiling: true}}
	for _, k := range cores {
		n := float64(k)
		for _, s := range names {
			l := laws[s]
			w.Cells = append(w.Cells, runtest.Cell{Cell: results.Cell{Strategy: s, Cores: k, Workers: k}, PerTask: 1e-3 * (1 + l[0]*(n-1) + l[1]*n*(n-1)) / n, Noise: .03})
		}
		c.Cells = append(c.Cells, runtest.Cell{Cell: results.Cell{Strategy: "threads", Cores: k, Ceiling: true}, PerTask: 1e-3 / n * (1 + .01*(n-1)), Noise: .004})
	}
	rep, err := analysis.Analyse(runtest.Build(runtest.Spec{Rounds: 10, Environment: runtest.Machine(), Workloads: []runtest.Workload{w, c}}), analysis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := scaling.Analyse(rep, scaling.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// grainScene is a run over grains.
func grainScene(t testing.TB) *crossover.Report {
	t.Helper()
	var list []runtest.Workload
	for _, g := range []float64{1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2} {
		x := runtest.Workload{Entry: results.PlanEntry{Key: fmt.Sprintf("spin{grain=%v}", g), Name: "spin", Kind: "cpu", Tasks: 64, Params: map[string]string{"grain": fmt.Sprint(g)}}}
		x.Cells = append(x.Cells, runtest.Cell{Cell: results.Cell{Strategy: "sequential", Cores: 1, Reference: true, OneCore: true}, PerTask: g, Noise: .01})
		x.Cells = append(x.Cells,
			runtest.Cell{Cell: results.Cell{Strategy: "pool", Cores: 4}, PerTask: g/3 + 2e-6, Noise: .02},
			runtest.Cell{Cell: results.Cell{Strategy: "process-pool", Cores: 4}, PerTask: g/3.8 + 14e-6, Noise: .02})
		list = append(list, x)
	}
	rep, err := analysis.Analyse(runtest.Build(runtest.Spec{Rounds: 10, Environment: runtest.Machine(), Workloads: list}), analysis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	x, err := crossover.Analyse(rep, .95)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// fitScenes are the figures of fits to be looked at: go test ./report/plot -run FitGallery -gallery DIR.
func fitScenes(t testing.TB) []Figure {
	laws := map[string][2]float64{"goroutines": {.02, .0005}, "process-pool:mode=imap-unordered,chunk=16": {.08, 0}, "pool": {.03, .004}}
	var out []Figure
	for name, cores := range map[string][]int{"few": {1, 2}, "small": {1, 2, 3, 4, 6, 8}, "many": {1, 2, 4, 8, 16, 32, 64}} {
		for _, f := range Scaling(scalingScene(t, cores, laws, "goroutines", "process-pool:mode=imap-unordered,chunk=16", "pool")) {
			f.name = name + "-" + f.name
			out = append(out, f)
		}
	}
	p, err := scaling.Points("specsdm91", []stat.ScalingPoint{{N: 1, X: 64.9}, {N: 18, X: 995.9}, {N: 36, X: 1652.4}, {N: 72, X: 1853.2}, {N: 108, X: 1828.9}, {N: 144, X: 1775}, {N: 216, X: 1702.2}},
		scaling.Options{Unweighted: true})
	if err != nil {
		t.Fatal(err)
	}
	out = append(out, ScalingOf(p))
	return append(out, Crossover(grainScene(t))...)
}

func TestFitGallery(t *testing.T) {
	dir := *gallery
	if dir == "" {
		dir = t.TempDir()
	} else {
		dir = filepath.Join(dir, "fits")
	}
	files, err := WriteFigures(t.Context(), dir, fitScenes(t))
	if err != nil || len(files) != 5 {
		t.Fatalf("%d files, %v", len(files), err)
	}
}

func TestFitLayout(t *testing.T) {
	for _, f := range fitScenes(t) {
		if f.Omitted() != "" {
			t.Errorf("%s: %s", f.Name(), f.Omitted())
			continue
		}
		checkLayout(t, f)
	}
}

func TestFitGolden(t *testing.T) {
	laws := map[string][2]float64{"goroutines": {.02, .002}}
	for name, f := range map[string]Figure{KindScaling: Scaling(scalingScene(t, []int{1, 2, 4, 6, 8}, laws, "goroutines"))[0], KindGrain: Crossover(grainScene(t))[0]} {
		got := svgOf(t, f)
		path := filepath.Join("testdata", name+".svg")
		if *update {
			if err := os.WriteFile(path, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs from %s; if that is meant, run go test ./report/plot -update and look at it", name, path)
		}
	}
}

// TestFitsSayWhatTheyShow: the sentences for readers who do not see the figures.
func TestFitsSayWhatTheyShow(t *testing.T) {
	f := Crossover(grainScene(t))[0]
	for _, want := range []string{"pool and process-pool break even at ", "sequential and process-pool break even at "} {
		if !strings.Contains(f.Alt(), want) {
			t.Errorf("%q does not say %q", f.Alt(), want)
		}
	}
	// A crossing whose place nobody knows is not drawn.
	between := grainScene(t)
	for i := range between.Tables[0].Pairs {
		p := &between.Tables[0].Pairs[i]
		p.Grain, p.Below, p.Above = analysis.Interval{}, 5e-6, 35e-6
	}
	f = Crossover(between)[0]
	if svg := string(svgOf(t, f)); !strings.Contains(f.Alt(), "pool and process-pool break even between 5 µs and 35 µs.") || strings.Contains(svg, "0 ns: ") || strings.Contains(svg, "bands: ") {
		t.Errorf("%s", f.Alt())
	}
	// The subtitle says what the bars are, and where others disturbed much, how much.
	x := grainScene(t)
	if svg := string(svgOf(t, Crossover(x)[0])); !strings.Contains(svg, "points: median and 98 % interval") || !strings.Contains(svg, "bands: break-even, 95 % interval") ||
		strings.Contains(svg, "disturbed") {
		t.Error("the levels of the intervals are not in the subtitle")
	}
	x.Tables[0].Disturbed = .62
	if svg := string(svgOf(t, Crossover(x)[0])); !strings.Contains(svg, "62 % of trials disturbed by others") || !strings.Contains(svg, "bands: break-even, 95 % interval") {
		t.Error("the subtitle does not say how many trials were disturbed, or no more what the bands are")
	}
	s := Scaling(scalingScene(t, []int{1, 2, 4, 6, 8, 12}, map[string][2]float64{"a": {.02, .002}}, "a"))[0]
	if !strings.Contains(s.Alt(), "a: USL, α = ") {
		t.Error(s.Alt())
	}
}

// TestFitLayoutHoldsForAnything draws series of arbitrary numbers, hostile names and runs of any kind.
func TestFitLayoutHoldsForAnything(t *testing.T) {
	value := rapid.OneOf(rapid.Float64Range(1e-3, 1e3), rapid.SampledFrom([]float64{0, -1, 1e-300, 1e300, math.NaN(), math.Inf(1)}))
	name := rapid.OneOf(rapid.StringN(0, 80, -1), rapid.SampledFrom(append([]string{hostileText}, strategyNames...)))
	rapid.Check(t, func(t *rapid.T) {
		interval := func() analysis.Interval {
			return analysis.Interval{Point: value.Draw(t, "point"), Lo: value.Draw(t, "lo"), Hi: value.Draw(t, "hi"),
				Level: rapid.SampledFrom([]float64{0, .95}).Draw(t, "level"), N: rapid.IntRange(0, 9).Draw(t, "n")}
		}
		var list []scaling.Series
		for range rapid.IntRange(0, 6).Draw(t, "series") {
			s := scaling.Series{Name: name.Draw(t, "name"), Speedup: rapid.Bool().Draw(t, "speedup"), Largest: 8}
			for _, n := range []float64{1, 2, 5, 8} {
				s.Points = append(s.Points, scaling.Point{N: n, X: interval()})
			}
			list = append(list, s)
		}
		rep := &scaling.Report{Tables: []scaling.Table{{Key: name.Draw(t, "key"), Series: list, Ceiling: []analysis.CeilingPoint{{Cores: 1, Speedup: interval()}, {Cores: 8, Speedup: interval()}}}}}
		x := &crossover.Report{Tables: []crossover.Table{{Workload: name.Draw(t, "workload"), Grains: []float64{1e-6, 1e-3}}}}
		for range rapid.IntRange(0, 6).Draw(t, "curves") {
			c := crossover.Curve{Name: name.Draw(t, "curve"), Cores: rapid.IntRange(1, 64).Draw(t, "cores"), Reference: rapid.Bool().Draw(t, "reference")}
			for _, g := range []float64{1e-6, 1e-5, 1e-3} {
				c.Points = append(c.Points, crossover.Point{Grain: g, Cost: interval()})
			}
			x.Tables[0].Curves = append(x.Tables[0].Curves, c)
		}
		if n := len(x.Tables[0].Curves); n > 1 {
			x.Tables[0].Pairs = append(x.Tables[0].Pairs, crossover.Pair{First: 0, Second: n - 1, Outcome: stat.Crosses, Grain: interval()})
		}
		for _, f := range append(Scaling(rep), Crossover(x)...) {
			if f.Omitted() == "" {
				checkLayout(t, f)
			}
		}
	})
}

// TestFitsOfAnyRun draws whatever a reader of run files can hand on.
func TestFitsOfAnyRun(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom(append([]string{hostileText}, strategyNames...)))
	rapid.Check(t, func(t *rapid.T) {
		rep, err := analysis.Analyse(runtest.Random(t, text), analysis.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := scaling.Analyse(rep, scaling.Options{})
		if err != nil {
			t.Fatal(err)
		}
		x, err := crossover.Analyse(rep, .95)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range append(Scaling(s), Crossover(x)...) {
			if f.Omitted() == "" {
				checkLayout(t, f)
			}
		}
	})
}
