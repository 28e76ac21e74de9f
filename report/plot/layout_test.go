package plot

import (
	"image/color"
	"math"
	"strings"
	"testing"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/recorder"
	"pgregory.net/rapid"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/runtest"
)

// extentCanvas is a canvas that only notes how far the paths on it reach. The figures turn it for text alone.
type extentCanvas struct {
	recorder.Canvas
	turned                 int
	minX, minY, maxX, maxY vg.Length
	bad                    bool
}

func newExtentCanvas() *extentCanvas {
	inf := vg.Length(math.Inf(1))
	return &extentCanvas{minX: inf, minY: inf, maxX: -inf, maxY: -inf}
}

func (c *extentCanvas) Push()                                  { c.turned++ }
func (c *extentCanvas) Pop()                                   { c.turned-- }
func (c *extentCanvas) Rotate(float64)                         {}
func (c *extentCanvas) Translate(p vg.Point)                   { c.see(p) }
func (c *extentCanvas) SetColor(color.Color)                   {}
func (c *extentCanvas) SetLineWidth(vg.Length)                 {}
func (c *extentCanvas) SetLineDash([]vg.Length, vg.Length)     {}
func (c *extentCanvas) FillString(font.Face, vg.Point, string) {}
func (c *extentCanvas) Stroke(p vg.Path)                       { c.path(p) }
func (c *extentCanvas) Fill(p vg.Path)                         { c.path(p) }

func (c *extentCanvas) path(p vg.Path) {
	for _, comp := range p {
		switch comp.Type {
		case vg.MoveComp, vg.LineComp:
			c.see(comp.Pos)
		case vg.ArcComp:
			c.see(comp.Pos.Add(vg.Point{X: comp.Radius, Y: comp.Radius}))
			c.see(comp.Pos.Sub(vg.Point{X: comp.Radius, Y: comp.Radius}))
		}
	}
}

func (c *extentCanvas) see(p vg.Point) {
	for _, v := range []vg.Length{p.X, p.Y} {
		c.bad = c.bad || math.IsNaN(float64(v)) || math.IsInf(float64(v), 0)
	}
	c.minX, c.maxX = min(c.minX, p.X), max(c.maxX, p.X)
	c.minY, c.maxY = min(c.minY, p.Y), max(c.maxY, p.Y)
}

// checkLayout draws a figure and reports labels that overlap or are cut, and marks outside the figure.
func checkLayout(t interface{ Errorf(string, ...any) }, f Figure) {
	c := newExtentCanvas()
	p := &painter{c: c, w: figureWidth, h: f.height}
	f.draw(p)
	if c.bad {
		t.Errorf("%s: a coordinate is not finite", f.name)
	}
	if c.minX < 0 || c.minY < 0 || c.maxX > figureWidth || float64(c.maxY) > f.height {
		t.Errorf("%s: drawn over the edge: x %.1f…%.1f of %d, y %.1f…%.1f of %.0f", f.name, c.minX, c.maxX, figureWidth, c.minY, c.maxY, f.height)
	}
	for i, a := range p.labels {
		if a.x0 < margin/2 || a.y0 < 4 || a.x1 > figureWidth-margin/2 || a.y1 > f.height-4 {
			t.Errorf("%s: label %q is cut: %v", f.name, a.text, a.box)
		}
		for _, b := range p.labels[:i] {
			if a.overlaps(b.box) {
				t.Errorf("%s: labels %q %v and %q %v overlap", f.name, a.text, a.box, b.text, b.box)
			}
		}
	}
}

func drawable(rep *analysis.Report) (out []Figure) {
	for _, f := range All(rep) {
		if f.Omitted() == "" {
			out = append(out, f)
		}
	}
	return out
}

func TestLabelsNeitherOverlapNorAreCut(t *testing.T) {
	for name, rep := range scenes() {
		t.Run(name, func(t *testing.T) {
			for _, f := range drawable(rep) {
				checkLayout(t, f)
			}
		})
	}
}

// TestLayoutHoldsForAnything draws reports of arbitrary numbers, impossible ones included.
func TestLayoutHoldsForAnything(t *testing.T) {
	value := rapid.OneOf(rapid.Float64Range(1e-10, 1e3), rapid.Float64Range(1e-6, 2e-6), rapid.SampledFrom([]float64{
		0, -1, 1e-300, 1e300, math.MaxFloat64, math.SmallestNonzeroFloat64, math.NaN(), math.Inf(1), math.Inf(-1)}))
	rapid.Check(t, func(t *rapid.T) {
		interval := func(name string) analysis.Interval {
			return analysis.Interval{Point: value.Draw(t, name), Lo: value.Draw(t, name+" lo"), Hi: value.Draw(t, name+" hi"),
				Level: rapid.SampledFrom([]float64{0, 0.9, 0.9785}).Draw(t, "level"), N: rapid.IntRange(0, 12).Draw(t, "n")}
		}
		table := analysis.Table{Entry: results.PlanEntry{Key: rapid.StringN(0, 60, -1).Draw(t, "key")}, Reference: -1}
		for range rapid.IntRange(0, 12).Draw(t, "rows") {
			table.Rows = append(table.Rows, analysis.Row{
				Cell:    results.Cell{Label: rapid.SampledFrom(strategyNames).Draw(t, "label"), Cores: rapid.SampledFrom([]int{1, 2, 3, 64, 127, 128}).Draw(t, "cores")},
				Failed:  rapid.IntRange(0, 1).Draw(t, "failed"),
				PerTask: interval("time"), Speedup: interval("speedup"), Efficiency: interval("efficiency"), CPUPerWall: interval("cpu"),
				Observations: rapid.SliceOfN(value, 0, 5).Draw(t, "observations"),
				Split: &analysis.Split{
					N: rapid.IntRange(0, 3).Draw(t, "split"), Wall: interval("wall"), Share: interval("share"), Start: interval("start"),
					Execution: interval("execution"), Between: interval("between"), Idle: interval("idle"), Join: interval("join"),
				},
			})
		}
		rep := &analysis.Report{Tables: []analysis.Table{table}, Rounds: 3}
		for _, k := range []int{1, 2, 128} {
			rep.Ceiling = append(rep.Ceiling, analysis.CeilingPoint{Cores: k, Speedup: interval("ceiling")})
		}
		for _, f := range drawable(rep) {
			checkLayout(t, f)
		}
	})
}

// TestLayoutHoldsForAnyRun draws whatever a reader of run files can hand to the analysis.
func TestLayoutHoldsForAnyRun(t *testing.T) {
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom(append([]string{hostileText}, strategyNames...)))
	rapid.Check(t, func(t *rapid.T) {
		rep, err := analysis.Analyse(runtest.Random(t, text), analysis.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range drawable(rep) {
			checkLayout(t, f)
		}
	})
}

func TestLegendsLieOutsideTheData(t *testing.T) {
	for name, rep := range scenes() {
		for i := range rep.Tables {
			tab := newTable(rep, &rep.Tables[i])
			if p, _, ok := tab.rowPlot(perTask); ok && len(p.series) > 1 {
				if l := p.layout(); l.legendX <= l.x1 || l.x1-l.x0 < 250 {
					t.Errorf("%s: legend at %.0f, data %.0f…%.0f", name, l.legendX, l.x0, l.x1)
				}
			}
			if tab.scales(speedup) {
				lp := tab.linePlot(speedup, func(c analysis.CeilingPoint) analysis.Interval { return c.Speedup })
				if l := lp.layout(); l.legendX <= l.x1 || l.x1-l.x0 < 250 {
					t.Errorf("%s: legend at %.0f, data %.0f…%.0f", name, l.legendX, l.x0, l.x1)
				}
			}
		}
	}
}

func TestFailedCellsAreNamed(t *testing.T) {
	for _, f := range drawable(scenes()["failed"]) {
		p := &painter{c: newExtentCanvas(), w: figureWidth, h: f.height}
		f.draw(p)
		var all []string
		for _, l := range p.labels {
			all = append(all, l.text)
		}
		text := strings.Join(all, "\n")
		for _, want := range []string{"failed at 2 cores", "failed at 1, 2 cores", "dummy-pool"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s does not say %q:\n%s", f.Name(), want, text)
			}
		}
	}
}

// TestMissing: a cell whose trials failed in part keeps its number and says so; one without a number is named too.
func TestMissing(t *testing.T) {
	number := analysis.Interval{Point: 1, N: 6}
	cell := func(cores, failed int, i analysis.Interval) *analysis.Row {
		return &analysis.Row{Cell: results.Cell{Cores: cores}, Failed: failed, PerTask: i}
	}
	g := group{rows: []*analysis.Row{cell(1, 0, number), cell(2, 3, number), cell(4, 3, analysis.Interval{}), cell(8, 0, analysis.Interval{})}}
	const want = "failed at 4 cores, some trials failed at 2 cores, no data at 8 cores"
	if got := missing(g, has(perTask)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := missing(group{rows: g.rows[:1]}, has(perTask)); got != "" {
		t.Errorf("nothing is missing, but: %q", got)
	}
}

func TestHeightGrowsWithRows(t *testing.T) {
	s := scenes()
	for i := range 6 {
		_, few := All(s["default"])[i].Size()
		_, many := All(s["twenty"])[i].Size()
		if many < few {
			t.Errorf("%s: %d pixels for 7 strategies, %d for 20", All(s["default"])[i].Kind(), few, many)
		}
	}
}

func TestTooHighIsLeftOut(t *testing.T) {
	var cores []int
	for k := 1; k <= 128; k++ {
		cores = append(cores, k)
	}
	for _, f := range All(synthetic(spec{key: "primes", strategies: 20, cores: cores, grain: 1e-3, noise: 0.1, rounds: 6})) {
		if f.Omitted() == "" {
			if _, h := f.Size(); h > tooTall {
				t.Errorf("%s: %d pixels high", f.Name(), h)
			}
			checkLayout(t, f)
		} else if !strings.Contains(f.Omitted(), "fewer") {
			t.Errorf("%s: left out without a remedy: %s", f.Name(), f.Omitted())
		}
	}
}

// TestTitlesAreWhole: what does not fit behind a title goes below it, instead of a title with a hole.
func TestTitlesAreWhole(t *testing.T) {
	const what, marks = "speedup over each program's own reference", "ratio paired by round (too few rounds for intervals)"
	for name, c := range map[string]struct {
		title string
		whole bool
	}{"there is room": {"speedup over sequential, " + marks, true}, "there is none": {what + ", " + marks, false}, "no comma": {what, true}} {
		tab := &table{rep: &analysis.Report{Rounds: 3}, t: &analysis.Table{}, name: "primes"}
		h := tab.heading(c.title, "higher is better")
		if w := titleStyle.width(h.title); w > figureWidth-2*margin || strings.Contains(h.title, "…") {
			t.Errorf("%s: the title %q is %.0f pixels wide", name, h.title, w)
		}
		if (h.title == "primes: "+c.title) != c.whole || strings.Contains(h.subtitle, marks) == c.whole || !strings.HasSuffix(h.subtitle, "higher is better") {
			t.Errorf("%s: title %q, subtitle %q", name, h.title, h.subtitle)
		}
	}
}
