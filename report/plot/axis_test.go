package plot

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func labelled(a axis) (out []string) {
	for _, t := range a.ticks {
		if t.label != "" {
			out = append(out, t.label)
		}
	}
	return out
}

func TestTimeTicks(t *testing.T) {
	tests := []struct {
		name   string
		lo, hi float64
		title  string
		labels []string
	}{
		{"ns", 2.1e-9, 4.3e-9, "t (ns)", []string{"0", "1", "2", "3", "4"}},
		{"µs", 0.4e-6, 2e-6, "t (µs)", []string{"0.0", "0.5", "1.0", "1.5", "2.0"}},
		{"ms from zero", 6e-4, 1.2e-3, "t (ms)", []string{"0.0", "0.2", "0.4", "0.6", "0.8", "1.0", "1.2"}},
		{"close together", 1.195e-3, 1.21e-3, "t (ms)", []string{"1.195", "1.200", "1.205", "1.210"}},
		{"minutes", 100, 340, "t (s)", []string{"0", "50", "100", "150", "200", "250", "300", "350"}},
		{"identical", 5e-3, 5e-3, "t (ms)", []string{"0", "1", "2", "3", "4", "5"}},
		{"two decades", 1e-5, 1e-3, "t (µs, log scale)", []string{"10", "20", "50", "100", "200", "500", "1000"}},
		{"eight decades", 1e-8, 1, "t (log scale)", []string{"10 ns", "100 ns", "1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var e extent
			e.add(tt.lo, tt.lo, tt.lo)
			e.add(tt.hi, tt.hi, tt.hi)
			a := valueAxis(e, logSpan)
			if got := a.timeTicks("t", 8); got != tt.title {
				t.Errorf("title %q, want %q", got, tt.title)
			}
			if d := cmp.Diff(tt.labels, labelled(a)); d != "" {
				t.Errorf("labels (-want +got):\n%s", d)
			}
		})
	}
}

// TestAxisProperties: whatever the values, they lie on the axis, and its ticks are in order, in range, readable and few.
func TestAxisProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var e extent
		points := rapid.SliceOfN(rapid.OneOf(rapid.Just(0.0), rapid.Float64Range(1e-12, 1e4)), 1, 20).Draw(t, "points")
		if rapid.Bool().Draw(t, "tiny") {
			for i := range points {
				points[i] = math.Exp(points[i]/500 - 20)
			}
		}
		for _, v := range points {
			e.add(v, v*rapid.Float64Range(0, 1).Draw(t, "lo"), v*rapid.Float64Range(1, 50).Draw(t, "hi"))
		}
		a := valueAxis(e, logSpan)
		a.from, a.to = 100, 700
		if a.log && a.min <= 0 {
			t.Fatalf("log axis from %g", a.min)
		}
		for _, v := range points {
			if px := a.at(v); !(px >= 100 && px <= 700) {
				t.Errorf("%g is at pixel %g of 100…700 on %+v", v, px, a)
			}
		}
		a.timeTicks("t", 8)
		a.thin(tickStyle.width, 8)
		labels := labelled(a)
		if len(labels) < 2 || len(labels) > 20 {
			t.Errorf("%d labels %q on %g…%g log=%v", len(labels), labels, a.min, a.max, a.log)
		}
		if s := slices.Clone(labels); len(slices.Compact(s)) != len(labels) {
			t.Errorf("labels repeat: %q on %g…%g", labels, a.min, a.max)
		}
		if !slices.IsSortedFunc(a.ticks, func(x, y tick) int { return int(math.Copysign(1, x.v-y.v)) }) {
			t.Errorf("ticks out of order: %v", a.ticks)
		}
		for _, tk := range a.ticks {
			if !a.has(tk.v) {
				t.Errorf("tick %g outside %g…%g", tk.v, a.min, a.max)
			}
		}
	})
}

func TestThinKeepsFirstAndLast(t *testing.T) {
	a := axis{min: 0, max: 128, from: 0, to: 400}
	for k := 1; k <= 128; k++ {
		a.ticks = append(a.ticks, tick{float64(k), number(float64(k))})
	}
	a.thin(func(s string) float64 { return 7 * float64(len(s)) }, 8)
	got := labelled(a)
	if got[0] != "1" || got[len(got)-1] != "128" || len(got) > 20 || len(a.ticks) != 128 {
		t.Errorf("%d ticks, labels %q", len(a.ticks), got)
	}
}

func TestIntervalsDoNotStretchTheAxis(t *testing.T) {
	var e extent
	e.add(1, 0.9, 1.1)
	e.add(2, 1.5, 400)
	a := valueAxis(e, logSpan)
	if a.max > 2*wide*1.1 || a.log {
		t.Errorf("axis %g…%g log=%v for points of 1 and 2", a.min, a.max, a.log)
	}
	a.from, a.to = 0, 100
	if px, cut := a.clamp(400); px != 100 || !cut {
		t.Errorf("clamp(400) = %g, %v", px, cut)
	}
}

// The quartiles are R's quantile(c(3.1, 2.7, 9.9, 3.3, 2.9, 3.0, 3.2, 2.8), c(.25, .5, .75)): 2.875, 3.05, 3.225 (R 4.2.2).
func TestSummary(t *testing.T) {
	obs := []float64{3.1, 2.7, 9.9, 3.3, 2.9, 3.0, 3.2, 2.8}
	s := summarise(obs)
	for _, c := range []struct {
		name      string
		got, want float64
	}{{"q1", s.q1, 2.875}, {"median", s.median, 3.05}, {"q3", s.q3, 3.225}, {"low whisker", s.whisk0, 2.7}, {"high whisker", s.whisk1, 3.3}} {
		if math.Abs(c.got-c.want) > 1e-12 {
			t.Errorf("%s = %g, want %g", c.name, c.got, c.want)
		}
	}
	for _, v := range obs {
		if s.outlier(v) != (v == 9.9) {
			t.Errorf("outlier(%g) = %v", v, s.outlier(v))
		}
	}
	if obs[0] != 3.1 || obs[2] != 9.9 {
		t.Error("the observations were reordered")
	}
}

func TestJitterIsSpreadEvenly(t *testing.T) {
	bins := make([]int, 10)
	for i := range 1000 {
		v := jitter(i)
		if v < -0.5 || v >= 0.5 {
			t.Fatalf("jitter(%d) = %g", i, v)
		}
		bins[int((v+0.5)*10)]++
	}
	for i, n := range bins {
		if n < 95 || n > 105 {
			t.Errorf("bin %d has %d of 1000", i, n)
		}
	}
}
