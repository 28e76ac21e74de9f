package stat

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

func TestWelchAgainstR(t *testing.T) {
	oracles(t, func(name string, o oracle) {
		iv, p, err := Welch(o.B, o.A, .95)
		if err != nil {
			t.Fatal(err)
		}
		near(t, name+" p", p, o.Welch.P)
		near(t, name+" lo", iv.Lo, o.Welch.CI[0])
		near(t, name+" hi", iv.Hi, o.Welch.CI[1])
		iv, p, err = WelchRatio(o.B, o.A, .95)
		if err != nil {
			t.Fatal(err)
		}
		near(t, name+" p of logs", p, o.WelchRatio.P)
		near(t, name+" ratio", iv.Point, o.WelchRatio.Ratio)
		near(t, name+" ratio lo", iv.Lo, o.WelchRatio.CI[0])
		near(t, name+" ratio hi", iv.Hi, o.WelchRatio.CI[1])
	})
}

// R has Fieller's interval for two fixed degrees of freedom; MeanRatio's own lie between them.
func TestFiellerAgainstR(t *testing.T) {
	oracles(t, func(name string, o oracle) {
		meanA, sdA := moments(o.A)
		meanB, sdB := moments(o.B)
		na, nb := float64(len(o.A)), float64(len(o.B))
		for _, c := range []struct {
			df   float64
			want []float64
		}{{na + nb - 2, o.Fieller.Sum}, {min(na, nb) - 1, o.Fieller.Min}} {
			lo, hi, err := fieller(meanB/meanA, sdB/meanA/math.Sqrt(nb), sdA/meanA/math.Sqrt(na), -tQuantile(.025, c.df))
			if err != nil {
				t.Fatal(err)
			}
			near(t, name+" lo", lo, c.want[0])
			near(t, name+" hi", hi, c.want[1])
		}
		iv, err := MeanRatio(o.B, o.A, .95)
		if err != nil {
			t.Fatal(err)
		}
		near(t, name+" ratio", iv.Point, o.Fieller.Ratio)
		if !(o.Fieller.Min[0] <= iv.Lo && iv.Lo <= o.Fieller.Sum[0] && o.Fieller.Sum[1] <= iv.Hi && iv.Hi <= o.Fieller.Min[1]) {
			t.Errorf("%s: %+v, not between %v and %v", name, iv, o.Fieller.Sum, o.Fieller.Min)
		}
	})
}

func TestMeanRatioUnbounded(t *testing.T) {
	near0 := []float64{-1, 1, 2, -1.5, .3}
	iv, err := MeanRatio([]float64{5, 6, 7}, near0, .95)
	if !errors.Is(err, ErrUnbounded) || iv.Level != 0 || math.Abs(iv.Point-6/.16) > 1e-9 || iv.Lo != iv.Point {
		t.Errorf("%+v, %v", iv, err)
	}
	if iv, err := MeanRatio([]float64{5, 6, 7}, []float64{-1, 1}, .95); !errors.Is(err, ErrUnbounded) || iv != (Interval{}) {
		t.Errorf("mean 0: %+v, %v", iv, err)
	}
	if iv, err := MeanRatio([]float64{4, 4}, []float64{2, 2}, .95); err != nil || iv != (Interval{2, 2, 2, 0, 4}) {
		t.Errorf("constant: %+v, %v", iv, err)
	}
	// At a level at which the denominator is told from 0 the set is bounded again.
	if _, err := MeanRatio([]float64{5, 6, 7}, near0, .05); err != nil {
		t.Error(err)
	}
}

func TestFiellerCoverage(t *testing.T) {
	r := rand.New(rand.NewPCG(41, 42))
	const runs = 4000
	hits := 0
	for range runs {
		num, den := make([]float64, 10), make([]float64, 10)
		for i := range num {
			num[i], den[i] = 6+r.NormFloat64(), 3+.5*r.NormFloat64()
		}
		iv, err := MeanRatio(num, den, .95)
		if err != nil {
			t.Fatal(err)
		}
		if iv.Lo <= 2 && 2 <= iv.Hi {
			hits++
		}
	}
	within(t, "coverage", hits, runs, .95)
}

func TestWelchEdges(t *testing.T) {
	if _, _, err := Welch([]float64{1, 1}, []float64{2, 2, 2}, .95); !errors.Is(err, ErrConstant) {
		t.Errorf("constant: %v", err)
	}
	if _, _, err := Welch([]float64{1}, []float64{2, 3}, .95); !errors.Is(err, ErrTooFew) {
		t.Errorf("one: %v", err)
	}
	// One side without spread: the degrees of freedom are the other's.
	iv, p, err := Welch([]float64{1, 2, 3}, []float64{2, 2, 2}, .95)
	if err != nil || iv.Point != 0 || p != 1 {
		t.Errorf("%+v, %v, %v", iv, p, err)
	}
	near(t, "half-width", iv.Hi, -tQuantile(.025, 2)/math.Sqrt(3))
	if _, _, err := WelchRatio([]float64{1, 0}, []float64{2, 3}, .95); !errors.Is(err, ErrNotPositive) {
		t.Errorf("zero: %v", err)
	}
}

func TestMoments(t *testing.T) {
	for _, c := range []struct {
		x        []float64
		mean, sd float64
	}{
		{[]float64{.1, .1, .1}, .1, 0},
		{[]float64{1, 2, 3, 4}, 2.5, math.Sqrt(5. / 3)},
		{[]float64{1e300, 3e300}, 2e300, math.Sqrt2 * 1e300},
		{[]float64{1e-300, 3e-300}, 2e-300, math.Sqrt2 * 1e-300},
		{[]float64{1e9 + 1, 1e9 + 2, 1e9 + 3}, 1e9 + 2, 1},
	} {
		mean, sd := moments(c.x)
		if math.Abs(mean/c.mean-1) > 1e-14 || math.Abs(sd-c.sd) > 1e-7*c.sd {
			t.Errorf("%v: %v, %v", c.x, mean, sd)
		}
	}
}

func TestGeometricMean(t *testing.T) {
	iv, err := GeometricMean([]float64{.5, 1, 2, 4}, .95)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "mean", iv.Point, math.Sqrt2)
	// Logs to base 2 are −1, 0, 1, 2: standard deviation √(5/3), three degrees of freedom (R: qt(.975, 3)).
	near(t, "hi", iv.Hi, math.Exp2(.5+3.18244630528371*math.Sqrt(5./3)/2))
	if iv, err := GeometricMean([]float64{3}, .95); err != nil || iv != (Interval{3, 3, 3, 0, 1}) {
		t.Errorf("one: %+v, %v", iv, err)
	}
	if iv, err := GeometricMean([]float64{1.1, 1.1, 1.1}, .95); err != nil || iv != (Interval{1.1, 1.1, 1.1, 0, 3}) {
		t.Errorf("equal: %+v, %v", iv, err)
	}
	if _, err := GeometricMean([]float64{1, 0}, .95); !errors.Is(err, ErrNotPositive) {
		t.Errorf("zero: %v", err)
	}
	if _, err := GeometricMean(nil, .95); !errors.Is(err, ErrTooFew) {
		t.Errorf("none: %v", err)
	}
}

func TestPairedGeometricMean(t *testing.T) {
	// With one comparison it is PairedRatio; a second that is its inverse cancels it.
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.Float64Range(.5, 2), 1, 20).Draw(t, "x")
		ones := make([]float64, len(x))
		var single, inverse [][]float64
		for i, v := range x {
			ones[i] = 1
			single, inverse = append(single, []float64{v}), append(inverse, []float64{v * v, 1})
		}
		want, p, err := PairedRatio(x, ones, .95)
		if err != nil {
			t.Fatal(err)
		}
		got, q, err := PairedGeometricMean(single, .95)
		if err != nil || got != want || p != q {
			t.Fatalf("%+v, %v, %v; want %+v, %v", got, q, err, want, p)
		}
		got, _, err = PairedGeometricMean(inverse, .95)
		if err != nil || math.Abs(got.Point/want.Point-1) > 1e-12 || got.Level != want.Level {
			t.Fatalf("%+v, %v; want %+v", got, err, want)
		}
	})
	if _, _, err := PairedGeometricMean([][]float64{{1, 2}, {1}}, .95); !errors.Is(err, ErrLength) {
		t.Errorf("ragged: %v", err)
	}
	for _, bad := range [][][]float64{nil, {{}}} {
		if _, _, err := PairedGeometricMean(bad, .95); !errors.Is(err, ErrTooFew) {
			t.Errorf("%v: %v", bad, err)
		}
	}
}
