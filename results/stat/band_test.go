package stat

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

// The band of the linear model is γ's interval times N, and at N = 1 every band is γ's own.
func TestBandAtOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var p []ScalingPoint
	for _, n := range []float64{1, 2, 4, 8, 16, 32} {
		p = append(p, ScalingPoint{n, 70 * n / (1 + .03*(n-1) + .0004*n*(n-1)) * (1 + .01*rng.NormFloat64())})
	}
	for _, unweighted := range []bool{false, true} {
		for _, m := range []ScalingModel{ModelLinear, ModelAmdahl, ModelUSL} {
			f, err := FitScalingModel(p, m, ScalingOptions{Unweighted: unweighted})
			if err != nil {
				t.Fatal(err)
			}
			b, err := f.Band(1)
			if err != nil {
				t.Fatal(err)
			}
			near := func(got, want float64) bool { return math.Abs(got-want) <= 1e-9*want }
			if !near(b.Point, f.Gamma.Point) || !near(b.Lo, f.Gamma.Lo) || !near(b.Hi, f.Gamma.Hi) || b.Level != f.Gamma.Level {
				t.Errorf("%s, unweighted %v: %+v, want %+v", m, unweighted, b, f.Gamma)
			}
			if m == ModelLinear {
				if b, err = f.Band(16); err != nil || !near(b.Hi, 16*f.Gamma.Hi) {
					t.Errorf("linear at 16: %+v, %v", b, err)
				}
			}
		}
	}
}

// TestBandCoverage: the curve lies within the band about as often as the level says, at measured N and between them.
func TestBandCoverage(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 1))
	truth := func(n float64) float64 { return 50 * n / (1 + .05*(n-1) + .001*n*(n-1)) }
	const runs = 1000
	hits := map[float64]int{}
	at := []float64{1, 6, 24, 48}
	for range runs {
		var p []ScalingPoint
		for _, n := range []float64{1, 2, 4, 8, 12, 16, 24, 32} {
			p = append(p, ScalingPoint{n, truth(n) * math.Exp(.02*rng.NormFloat64())})
		}
		f, err := FitScalingModel(p, ModelUSL, ScalingOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range at {
			b, err := f.Band(n)
			if err != nil {
				t.Fatal(err)
			}
			if b.Lo <= truth(n) && truth(n) <= b.Hi {
				hits[n]++
			}
		}
	}
	for _, n := range at {
		if share := float64(hits[n]) / runs; share < .92 || share > .985 {
			t.Errorf("N = %v: the band holds the curve in %.3f of runs, want about .95", n, share)
		}
	}
}

func TestBandLimits(t *testing.T) {
	p := []ScalingPoint{{1, 10}, {2, 19}, {4, 36}}
	f, err := FitScalingModel(p, ModelUSL, ScalingOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := f.Band(3); err != nil || b.Level != 0 || b.Lo != b.Point {
		t.Errorf("without degrees of freedom: %+v, %v", b, err)
	}
	if _, err := f.Band(8.1); !errors.Is(err, ErrExtrapolate) {
		t.Errorf("beyond twice the largest N: %v", err)
	}
}
