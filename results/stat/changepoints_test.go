package stat

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// steps is a series with levels of the given lengths and noise.
func steps(r *rand.Rand, sd float64, levels []float64, lengths []int) (x []float64) {
	for i, level := range levels {
		for range lengths[i] {
			x = append(x, level*(1+sd*r.NormFloat64()))
		}
	}
	return x
}

func indices(points []ChangePoint) (at []int) {
	for _, p := range points {
		at = append(at, p.Index)
	}
	return at
}

func TestChangePoints(t *testing.T) {
	r := rand.New(rand.NewPCG(81, 86))
	for _, c := range []struct {
		name    string
		levels  []float64
		lengths []int
		want    []int
	}{
		{"none", []float64{1}, []int{120}, nil},
		{"one", []float64{1, 1.1}, []int{60, 60}, []int{60}},
		{"near the end", []float64{1, 1.2}, []int{90, 6}, []int{90}},
		{"up and back", []float64{1, 1.1, 1}, []int{40, 20, 60}, []int{40, 60}},
		{"a small one after a large one", []float64{10, 1, 1.06}, []int{30, 100, 30}, []int{30, 130}},
		{"in the overlap of windows", []float64{5, 6}, []int{25, 75}, []int{25}},
	} {
		points, err := ChangePoints(steps(r, .01, c.levels, c.lengths), .001)
		if err != nil || !slices.Equal(indices(points), c.want) {
			t.Errorf("%s: %+v, want %v (%v)", c.name, points, c.want, err)
			continue
		}
		for i, p := range points {
			if math.Abs(p.Before/c.levels[i]-1) > .01 || math.Abs(p.After/c.levels[i+1]-1) > .02 || p.P > .001 {
				t.Errorf("%s: %+v", c.name, p)
			}
		}
	}
	if points, err := ChangePoints([]float64{2, 2, 2, 3, 3, 3}, .001); err != nil || len(points) != 1 || points[0] != (ChangePoint{3, 2, 3, 0}) {
		t.Errorf("without noise: %+v, %v", points, err)
	}
	for _, constant := range [][]float64{{1}, {1, 2}, {3, 3, 3, 3}, {0, 0, 0, 0}} {
		if points, err := ChangePoints(constant, .001); err != nil || len(points) != 0 {
			t.Errorf("%v: %+v, %v", constant, points, err)
		}
	}
	for _, c := range []struct {
		x     []float64
		alpha float64
		want  error
	}{{nil, .001, ErrTooFew}, {[]float64{nan}, .001, ErrNotFinite}, {[]float64{1}, 0, ErrArgument}, {[]float64{1}, nan, ErrArgument}} {
		if _, err := ChangePoints(c.x, c.alpha); !errors.Is(err, c.want) {
			t.Errorf("%v: %v", c, err)
		}
	}
}

// The incremental sums against the definition.
func TestEnergyCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.Float64Range(-1, 1), 0, 20).Draw(t, "x")
		mean := func(a, b []float64, pairs float64) (s float64) {
			for _, v := range a {
				for _, w := range b {
					s += math.Abs(v-w) / pairs
				}
			}
			return s
		}
		q := func(k int) float64 {
			a, b := float64(k), float64(len(x)-k)
			return a * b / (a + b) * (2*mean(x[:k], x[k:], a*b) - mean(x[:k], x[:k], a*(a-1)) - mean(x[k:], x[k:], b*(b-1)))
		}
		best := 0.0
		for k := 2; k <= len(x)-2; k++ {
			best = max(best, q(k))
		}
		cut := energyCut(x)
		if cut == 0 && best > 1e-12 || cut > 0 && q(cut) < best-1e-9 {
			t.Fatalf("cut %d, best %v", cut, best)
		}
	})
}

func TestChangePointsNeverNaN(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := checker{t}
		x := rapid.SliceOfN(rapid.OneOf(extreme, positive), 0, 80).Draw(t, "x")
		points, err := ChangePoints(x, anyLevel.Draw(t, "alpha"))
		c.ok("ChangePoints", err)
		last := 0
		for _, p := range points {
			c.p("ChangePoints", nil, p.P)
			c.ok("ChangePoints", nil, p.Before, p.After)
			if p.Index <= last || p.Index >= len(x) {
				t.Fatalf("%+v", points)
			}
			last = p.Index
		}
	})
}

// How often a quiet history of 100 points gets a change, and how often a 5 % one at 3 % noise is found within two points
// of its place.
func TestChangePointRates(t *testing.T) {
	r := rand.New(rand.NewPCG(91, 92))
	const runs = 400
	quiet, found := 0, 0
	for range runs {
		points, err := ChangePoints(steps(r, .03, []float64{1}, []int{100}), .001)
		if err != nil {
			t.Fatal(err)
		}
		if len(points) > 0 {
			quiet++
		}
		points, err = ChangePoints(steps(r, .03, []float64{1, 1.05}, []int{70, 30}), .001)
		if err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(points, func(p ChangePoint) bool { return p.Index >= 68 && p.Index <= 72 }) {
			found++
		}
	}
	t.Logf("100 quiet points: %.3f with a change; 5 %% at 3 %% noise: %.3f found", share(quiet, runs), share(found, runs))
	if share(quiet, runs) > .04 || share(found, runs) < .75 {
		t.Errorf("100 quiet points: %.3f with a change; 5 %% at 3 %% noise: %.3f found", share(quiet, runs), share(found, runs))
	}
}
