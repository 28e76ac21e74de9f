package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis/crossover"
	"github.com/parbench/parbench/results/analysis/runtest"
	"github.com/parbench/parbench/results/analysis/scaling"
	"github.com/parbench/parbench/results/stat"
)

// scaled is the scaling of a run on one to sixteen cores: a USL, Amdahl's law, a failing strategy and work that waits.
func scaled(t testing.TB, name func(string) string) *scaling.Report {
	t.Helper()
	cell := func(strategy string, k int, per float64) runtest.Cell {
		return runtest.Cell{Cell: results.Cell{Strategy: strategy, Label: name(strategy), Cores: k, Workers: k}, PerTask: per, Noise: .005, Busy: float64(k)}
	}
	var list []runtest.Workload
	for _, w := range []struct{ key, kind string }{{"primes", "cpu"}, {"http", "io"}} {
		x := runtest.Workload{Entry: results.PlanEntry{Key: name(w.key), Name: w.key, Kind: w.kind, Tasks: 64}}
		ref := cell("sequential", 1, 1e-3)
		ref.Reference, ref.OneCore = true, true
		x.Cells = append(x.Cells, ref)
		for _, k := range []int{1, 2, 4, 8, 12, 16} {
			n := float64(k)
			x.Cells = append(x.Cells, cell("goroutines", k, 1e-3*(1+.02*(n-1)+.002*n*(n-1))/n), cell("process-pool:mode=imap", k, 1.05e-3*(1+.1*(n-1))/n))
			broken := cell("threads", k, 1e-3/n)
			if k > 2 {
				broken.Fail, broken.Reason = results.Crashed, "out of threads"
			}
			x.Cells = append(x.Cells, broken)
		}
		list = append(list, x)
	}
	ceiling := runtest.Workload{Entry: results.PlanEntry{Key: "machine-ceiling", Name: "spin", Kind: "cpu", Tasks: 8, Ceiling: true}}
	for _, k := range []int{1, 2, 4, 8, 16} {
		c := cell("threads", k, 1e-3/float64(k)*(1+.01*float64(k-1)))
		c.Ceiling, c.Label = true, "threads"
		ceiling.Cells = append(ceiling.Cells, c)
	}
	rep := analysed(t, runtest.Build(runtest.Spec{Rounds: 10, Environment: runtest.Machine(), Workloads: append(list, ceiling)}))
	s, err := scaling.Analyse(rep, scaling.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// grained is the crossings of a run over grains.
func grained(t testing.TB, name func(string) string) *crossover.Report {
	t.Helper()
	var list []runtest.Workload
	for _, g := range []float64{1e-6, 1e-5, 1e-4, 1e-3, 1e-2} {
		x := runtest.Workload{Entry: results.PlanEntry{Key: fmt.Sprintf("spin{grain=%v}", g), Name: name("spin"), Kind: "cpu", Tasks: 64, Params: map[string]string{"grain": fmt.Sprint(g)}}}
		x.Cells = append(x.Cells, runtest.Cell{Cell: results.Cell{Strategy: "sequential", Cores: 1, Reference: true, OneCore: true}, PerTask: g, Noise: .004})
		for _, k := range []int{2, 4} {
			n := float64(k)
			x.Cells = append(x.Cells,
				runtest.Cell{Cell: results.Cell{Strategy: "pool", Label: name("pool"), Cores: k}, PerTask: g/(.8*n) + 3e-7, Noise: .004},
				runtest.Cell{Cell: results.Cell{Strategy: "process-pool", Label: name("process-pool"), Cores: k}, PerTask: g/(.95*n) + 11e-6, Noise: .004})
		}
		list = append(list, x)
	}
	rep := analysed(t, runtest.Build(runtest.Spec{Rounds: 10, Environment: runtest.Machine(), Workloads: list}))
	x, err := crossover.Analyse(rep, .95)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestCrossoverShowsWhatItRestsOn: costs with intervals and trials, also where a cell has fewer of them, who is the cheapest,
// what was asked for where that was not measured, and the machine's own scaling where work computes.
func TestCrossoverShowsWhatItRestsOn(t *testing.T) {
	var list []runtest.Workload
	for i, latency := range []string{"1ms", "3ms", "10ms"} {
		x := runtest.Workload{Entry: results.PlanEntry{Key: "w" + latency, Name: "w", Kind: "cpu", Tasks: 64, Params: map[string]string{"latency": latency}}, Cells: []runtest.Cell{
			{Cell: results.Cell{Strategy: "sequential", Cores: 1, Reference: true, OneCore: true}, PerTask: 5e-3 * float64(1+i), Noise: .004},
			{Cell: results.Cell{Strategy: "pool", Cores: 2}, PerTask: 6e-3 * float64(1+i), Noise: .004},
		}}
		list = append(list, x)
	}
	busy := func(cores int, per float64) runtest.Cell {
		return runtest.Cell{Cell: results.Cell{Strategy: "threads", Cores: cores, Ceiling: true}, PerTask: per, Noise: .4}
	}
	list = append(list, runtest.Workload{Entry: results.PlanEntry{Key: "machine-ceiling", Name: "spin", Kind: "cpu", Tasks: 8, Ceiling: true},
		Cells: []runtest.Cell{busy(1, 1e-3), busy(2, .95e-3)}})
	write := func(kind string) (txt, md string) {
		for i := range list[:3] {
			list[i].Entry.Kind = kind
		}
		run := runtest.Build(runtest.Spec{Rounds: 10, Environment: runtest.Machine(), Workloads: list})
		run.Trials = slices.DeleteFunc(run.Trials, func(tr results.Trial) bool { return tr.Cell == 1 && tr.Round == 4 })
		x, err := crossover.Analyse(analysed(t, run), .95)
		if err != nil {
			t.Fatal(err)
		}
		var a, b bytes.Buffer
		if err := errors.Join(CrossoverText(&a, x, TextOptions{Width: 120}), CrossoverMarkdown(&b, x, MDOptions{})); err != nil {
			t.Fatal(err)
		}
		return strings.Join(strings.Fields(a.String()), " "), b.String()
	}
	for _, kind := range []string{"cpu", "io"} {
		txt, md := write(kind)
		for _, want := range []string{`latency grain n = 10`, ` 1ms 5\.0[0-9]+ ms \[4\.9[0-9]+, 5\.[0-9]+\] 5\.9[0-9]+ ms \[5\.9[0-9]+, 6\.[0-9]+\] n = 9 3ms `, ` µs overhead `} {
			if !regexp.MustCompile(want).MatchString(txt) {
				t.Errorf("%s: the text lacks %q:\n%s", kind, want, txt)
			}
		}
		if want := `\| latency \| grain \| grain \\\[98 %\\\], n = 10 \| per task under pool \| pool \\\[≥ 96 %\\\], n = 10 \|`; !regexp.MustCompile(want).MatchString(md) {
			t.Errorf("%s: the page lacks %q:\n%s", kind, want, md)
		}
		for _, page := range []string{txt, md} {
			said := strings.Contains(page, "pinned threads of pure busy work reached a speedup of ") && strings.Contains(page, "the interval is too wide to tell how far work that computes can scale")
			if said != (kind == "cpu") || strings.Contains(page, "No crossing") == (kind == "cpu") {
				t.Errorf("%s: of the machine's ceiling:\n%s", kind, page)
			}
		}
	}
}

func same(s string) string { return s }

// raytracer is published data, a series that is no run.
func raytracer(t testing.TB) *scaling.Series {
	t.Helper()
	s, err := scaling.Points("raytracer", []stat.ScalingPoint{{N: 1, X: 20}, {N: 4, X: 78}, {N: 8, X: 130}, {N: 12, X: 170}, {N: 16, X: 190}, {N: 20, X: 200},
		{N: 24, X: 210}, {N: 28, X: 230}, {N: 32, X: 260}, {N: 48, X: 280}, {N: 64, X: 310}}, scaling.Options{Unweighted: true})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestScalingAndCrossoverGolden(t *testing.T) {
	s, x, p := scaled(t, same), grained(t, same), raytracer(t)
	for name, write := range map[string]func(*bytes.Buffer) error{
		"scaling-120.txt": func(b *bytes.Buffer) error { return ScalingText(b, s, TextOptions{}) },
		"scaling-80.txt":  func(b *bytes.Buffer) error { return ScalingText(b, s, TextOptions{Width: 80}) },
		"scaling.md": func(b *bytes.Buffer) error {
			return ScalingMarkdown(b, s, MDOptions{Plots: []PlotRef{{Path: "plots/primes-scaling.svg", Title: "t", Alt: "a", Workload: "primes"}}})
		},
		"scaling.json":      func(b *bytes.Buffer) error { return ScalingJSON(b, s) },
		"scaling.csv":       func(b *bytes.Buffer) error { return ScalingCSV(b, s) },
		"points-120.txt":    func(b *bytes.Buffer) error { return SeriesText(b, p, TextOptions{}) },
		"points.json":       func(b *bytes.Buffer) error { return SeriesJSON(b, p) },
		"crossover-120.txt": func(b *bytes.Buffer) error { return CrossoverText(b, x, TextOptions{}) },
		"crossover-80.txt":  func(b *bytes.Buffer) error { return CrossoverText(b, x, TextOptions{Width: 80, TimeUnit: "us"}) },
		"crossover.md":      func(b *bytes.Buffer) error { return CrossoverMarkdown(b, x, MDOptions{}) },
		"crossover.json":    func(b *bytes.Buffer) error { return CrossoverJSON(b, x) },
		"crossover.csv":     func(b *bytes.Buffer) error { return CrossoverCSV(b, x) },
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := write(&b); err != nil {
				t.Fatal(err)
			}
			golden(t, name, b.String())
		})
	}
}

func TestScalingAndCrossoverFit(t *testing.T) {
	s, x, p := scaled(t, same), grained(t, same), raytracer(t)
	for _, width := range []int{80, 100, 120, 160} {
		var b bytes.Buffer
		for _, err := range []error{ScalingText(&b, s, TextOptions{Width: width}), SeriesText(&b, p, TextOptions{Width: width}), CrossoverText(&b, x, TextOptions{Width: width})} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, l := range strings.Split(b.String(), "\n") {
			if w := text.StringWidthWithoutEscSequences(l); w > width {
				t.Errorf("%d columns at width %d: %q", w, width, l)
			}
		}
	}
}

func TestScalingAndCrossoverOfHostileNames(t *testing.T) {
	bad := func(s string) string { return hostileName + s }
	s, x := scaled(t, bad), grained(t, bad)
	p := raytracer(t)
	p.Name, p.Finding = hostileName, hostileName
	var txt, md, table bytes.Buffer
	for _, err := range []error{
		ScalingText(&txt, s, TextOptions{}), CrossoverText(&txt, x, TextOptions{}), SeriesText(&txt, p, TextOptions{}),
		ScalingMarkdown(&md, s, MDOptions{}), CrossoverMarkdown(&md, x, MDOptions{}), SeriesMarkdown(&md, p, MDOptions{}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, write := range []func() error{func() error { return ScalingCSV(&table, s) }, func() error { return CrossoverCSV(&table, x) }, func() error { return SeriesCSV(&table, p) }} {
		table.Reset()
		if err := write(); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&table).ReadAll()
		if err != nil || len(rows) < 2 {
			t.Fatalf("%v, %d rows", err, len(rows))
		}
		for _, row := range rows {
			for _, cell := range row {
				if strings.HasPrefix(cell, "=") || strings.Contains(cell, "\x1b") {
					t.Errorf("cell %q", cell)
				}
			}
		}
	}
	for _, write := range []func(*bytes.Buffer) error{func(b *bytes.Buffer) error { return ScalingJSON(b, s) }, func(b *bytes.Buffer) error { return CrossoverJSON(b, x) }, func(b *bytes.Buffer) error { return SeriesJSON(b, p) }} {
		var b bytes.Buffer
		var doc any
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
			t.Error(err)
		}
	}
	if strings.ContainsAny(txt.String()+md.String(), "\x1b\u202e") {
		t.Error("a control character gets through")
	}
	for _, l := range strings.Split(txt.String(), "\n") {
		if strings.HasPrefix(strings.TrimSpace(l), "::") {
			t.Errorf("a line of text is a command of a CI system: %q", l)
		}
	}
	for _, tag := range []string{"<b>", "@you", "\n::", "[a](http"} {
		if strings.Contains(md.String(), tag) {
			t.Errorf("Markdown holds %q", tag)
		}
	}
}

func TestNothingToScale(t *testing.T) {
	rep := analysed(t, runtest.Build(runtest.Spec{Environment: runtest.Machine()}))
	s, err := scaling.Analyse(rep, scaling.Options{})
	if err != nil {
		t.Fatal(err)
	}
	x, err := crossover.Analyse(rep, .95)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	for _, err := range []error{ScalingText(&b, s, TextOptions{}), ScalingMarkdown(&b, s, MDOptions{}), CrossoverText(&b, x, TextOptions{}), CrossoverMarkdown(&b, x, MDOptions{})} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Count(b.String(), "Nothing was measured on two core counts") + strings.Count(b.String(), "three or more grains"); got != 4 {
		t.Errorf("%d of 4 pages say that there is nothing:\n%s", got, b.String())
	}
}
