package stat

import (
	"math"
	"math/rand/v2"
	"os"
	"testing"
)

// scalingRuns simulates fits of one truth with relative errors of each per-N value, and counts.
type scalingRuns struct {
	runs, usl, amdahl, linear, undecided int
	alpha, beta, gamma, bound            int
}

func simulateScaling(t *testing.T, ns []float64, alpha, beta, sd float64, runs int, opt ScalingOptions) (c scalingRuns) {
	t.Helper()
	r := rand.New(rand.NewPCG(uint64(len(ns)), 77))
	holds := func(iv Interval, v float64) int {
		if iv.Level > 0 && iv.Lo <= v && v <= iv.Hi {
			return 1
		}
		return 0
	}
	for range runs {
		var points []ScalingPoint
		for _, n := range ns {
			points = append(points, ScalingPoint{n, 1000 * n / (1 + alpha*(n-1) + beta*n*(n-1)) * math.Exp(sd*r.NormFloat64())})
		}
		s, err := FitScaling(points, opt)
		if err != nil {
			t.Fatal(err)
		}
		c.runs++
		switch s.Choice {
		case ModelUSL:
			c.usl++
		case ModelAmdahl:
			c.amdahl++
		case ModelLinear:
			c.linear++
		default:
			c.undecided++
		}
		if s.USL != nil {
			c.alpha += holds(s.USL.Alpha, alpha)
			c.beta += holds(s.USL.Beta, beta)
			c.gamma += holds(s.USL.Gamma, 1000)
		}
		c.bound += holds(s.BetaBound, beta)
	}
	return c
}

func share(n, of int) float64 { return float64(n) / float64(of) }

// The nested tests against the one-sided bound: a wrong USL in about half of 5 %.
func TestScalingChoiceAndCoverage(t *testing.T) {
	eight := []float64{1, 2, 4, 6, 8, 12, 16, 24}
	runs := 600
	if os.Getenv("PARBENCH_NOISE_TABLE") != "" {
		runs = 6000 // the figures of docs/statistics.md
	}
	for _, c := range []struct {
		name        string
		ns          []float64
		alpha, beta float64
		sd          float64
	}{
		{"Amdahl, 8 N", eight, .05, 0, .02},
		{"Amdahl, 5 N", eight[:5], .05, 0, .02},
		{"linear, 8 N", eight, 0, 0, .02},
		{"USL, 8 N", eight, .05, .002, .02},
	} {
		for _, unweighted := range []bool{false, true} {
			if unweighted && len(c.ns) == 5 {
				continue
			}
			runs := runs
			if unweighted {
				runs /= 6
			}
			got := simulateScaling(t, c.ns, c.alpha, c.beta, c.sd, runs, ScalingOptions{Unweighted: unweighted})
			t.Logf("%s, unweighted %v: USL %.3f, Amdahl %.3f, linear %.3f; coverage alpha %.3f, beta %.3f, gamma %.3f, bound of beta %.3f", c.name, unweighted,
				share(got.usl, runs), share(got.amdahl, runs), share(got.linear, runs), share(got.alpha, runs), share(got.beta, runs), share(got.gamma, runs), share(got.bound, runs))
			if unweighted {
				continue // errors here are relative: the mode is for checking references and makes no promise
			}
			if c.beta == 0 && share(got.usl, runs) > .04 {
				t.Errorf("%s: a wrong USL in %.3f of the runs", c.name, share(got.usl, runs))
			}
			if c.beta > 0 && share(got.usl, runs) < .95 {
				t.Errorf("%s: the USL is found in %.3f only", c.name, share(got.usl, runs))
			}
			for what, hits := range map[string]int{"alpha": got.alpha, "beta": got.beta, "gamma": got.gamma, "bound of beta": got.bound} {
				if share(hits, runs) < .93 {
					t.Errorf("%s: coverage of %s %.3f", c.name, what, share(hits, runs))
				}
			}
		}
	}
	// Four N with the scale known from an A/A run.
	got := simulateScaling(t, eight[:4], .05, 0, .02, runs, ScalingOptions{ResidualScale: .02})
	t.Logf("Amdahl, 4 N, known scale: USL %.3f, Amdahl %.3f, linear %.3f; bound of beta %.3f", share(got.usl, runs), share(got.amdahl, runs), share(got.linear, runs), share(got.bound, runs))
	if share(got.usl, runs) > .06 || share(got.bound, runs) < .93 || got.undecided > 0 {
		t.Errorf("%+v", got)
	}
}
