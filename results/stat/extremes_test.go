package stat

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"
)

// Whatever goes in, what comes out is finite or a named error.
func TestNeverNaN(t *testing.T) {
	named := []error{ErrTooFew, ErrNotFinite, ErrNotPositive, ErrLength, ErrArgument, ErrRange}
	extreme := rapid.OneOf(rapid.Float64(), rapid.Float64Range(-2, 2), rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1, -1, .5,
		math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 1e-300, 1e300, nan, inf, -inf}))
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(extreme, 0, 12).Draw(t, "x")
		y := rapid.SliceOfN(extreme, 0, 12).Draw(t, "y")
		arg := rapid.SliceOfN(extreme, 4, 4).Draw(t, "arguments")
		n := rapid.IntRange(-1, 1<<40).Draw(t, "n")
		ok := func(what string, err error, values ...float64) {
			t.Helper()
			if err != nil {
				for _, e := range named {
					if errors.Is(err, e) {
						return
					}
				}
				t.Fatalf("%s: unnamed error %v", what, err)
			}
			for _, v := range values {
				if !finite(v) {
					t.Fatalf("%s gave %v", what, v)
				}
			}
		}
		interval := func(what string, err error, iv Interval, more ...float64) {
			t.Helper()
			ok(what, err, append(more, iv.Point, iv.Lo, iv.Hi, iv.Level)...)
			if err == nil && (iv.Lo > iv.Point || iv.Point > iv.Hi) {
				t.Fatalf("%s: %+v", what, iv)
			}
		}
		v, err := Median(x)
		ok("Median", err, v)
		v, err = MAD(x)
		ok("MAD", err, v)
		v, err = Quantile(x, arg[0])
		ok("Quantile", err, v)
		v, err = SignedRank(x)
		ok("SignedRank", err, v)
		v, err = MinDetectable(arg[0], n, arg[1], arg[2])
		ok("MinDetectable", err, v)
		_, err = NeededPairs(arg[0], arg[1], arg[2], arg[3])
		ok("NeededPairs", err)
		iv, err := MedianInterval(x, arg[0])
		interval("MedianInterval", err, iv)
		iv, p, err := PairedRatio(x, y, arg[0])
		interval("PairedRatio", err, iv, p)
		ok("Holm", nil, Holm(x)...)
		ok("BenjaminiHochberg", nil, BenjaminiHochberg(x)...)
		TukeyOutliers(x)
	})
}

// The t quantile at arguments where its computation is hardest.
func TestPowerAtTheEdges(t *testing.T) {
	for _, alpha := range []float64{1e-15, 1e-9, 1e-4, .05, .999} {
		for _, power := range []float64{.5, .8, .999999, 1 - 1e-15} {
			last := math.Inf(1)
			for _, n := range []int{2, 3, 5, 10, 100, 10_000, 1 << 20, 1 << 30} {
				d, err := MinDetectable(1, n, alpha, power)
				if err != nil && !errors.Is(err, ErrRange) {
					t.Fatal(err)
				}
				if err == nil && !(d >= 0 && d <= last) {
					t.Errorf("alpha %v, power %v, n = %d: %v after %v", alpha, power, n, d, last)
				}
				if err == nil {
					last = d
				}
			}
		}
	}
}

// Where one method of the t quantile hands over to the other they agree.
func TestTQuantileHandsOver(t *testing.T) {
	for _, p := range []float64{1e-15, 1e-9, 1e-4, .025, .5, .8, .999999} {
		below, above := tQuantile(p, 1000), tQuantile(p, 1001)
		// From 1000 to 1001 degrees t changes by about (z³+z)/(4·10⁶), a part in 10⁴ of 1 % at most here.
		z := math.Abs(above)
		if math.Abs(above-below) > 1.1*(z*z*z+z)/4e6+1e-9 {
			t.Errorf("p = %v: %v and %v", p, below, above)
		}
	}
}
