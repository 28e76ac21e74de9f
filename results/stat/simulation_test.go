package stat

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The bounds below are four standard errors of a proportion around its exact value; the seeds are fixed, so that a
// failure means a changed method and never chance.
func within(t *testing.T, what string, hits, runs int, want float64) {
	t.Helper()
	got := float64(hits) / float64(runs)
	if se := math.Sqrt(want * (1 - want) / float64(runs)); math.Abs(got-want) > 4*se {
		t.Errorf("%s: %.4f, want %.4f ± %.4f", what, got, want, 4*se)
	}
}

func TestMedianIntervalCoverage(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	const runs = 8000
	for _, n := range []int{6, 10, 15, 30} {
		x := make([]float64, n)
		hits := 0
		var level float64
		for range runs {
			for i := range x {
				x[i] = r.ExpFloat64() // skewed, as times are
			}
			iv, err := MedianInterval(x, .95)
			if err != nil {
				t.Fatal(err)
			}
			level = iv.Level
			if iv.Lo <= math.Ln2 && math.Ln2 <= iv.Hi {
				hits++
			}
		}
		within(t, "coverage", hits, runs, level)
	}
}

func TestPairedFalsePositivesAndCoverage(t *testing.T) {
	r := rand.New(rand.NewPCG(21, 22))
	const runs = 8000
	for _, n := range []int{6, 10, 20} {
		a, b := make([]float64, n), make([]float64, n)
		_, level := signedRankRank(n, .95)
		positives, covered := 0, 0
		for range runs {
			for i := range a {
				shared := math.Exp(.3 * r.NormFloat64()) // drift that both sides of a pair see
				a[i] = 1.1 * shared * math.Exp(.02*r.NormFloat64())
				b[i] = shared * math.Exp(.02*r.NormFloat64())
			}
			iv, _, err := PairedRatio(a, b, .95)
			if err != nil {
				t.Fatal(err)
			}
			if iv.Level != level {
				t.Fatalf("level %v, want %v", iv.Level, level)
			}
			if iv.Lo <= 1.1 && 1.1 <= iv.Hi {
				covered++
			}
			for i := range a {
				a[i] /= 1.1
			}
			_, p, err := PairedRatio(a, b, .95)
			if err != nil {
				t.Fatal(err)
			}
			if p <= .05 {
				positives++
			}
		}
		within(t, "coverage", covered, runs, level)
		within(t, "false positives", positives, runs, 1-level)
	}
}
