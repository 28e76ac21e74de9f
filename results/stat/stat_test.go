package stat

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

var (
	nan = math.NaN()
	inf = math.Inf(1)
)

func TestErrors(t *testing.T) {
	one := func(f func([]float64) error, x ...float64) func() error { return func() error { return f(x) } }
	median := func(x []float64) error { _, err := Median(x); return err }
	mad := func(x []float64) error { _, err := MAD(x); return err }
	ranks := func(x []float64) error { _, err := SignedRank(x); return err }
	quart := func(x []float64) error { _, err := Quantile(x, .25); return err }
	ival := func(x []float64) error { _, err := MedianInterval(x, .95); return err }
	pair := func(a, b []float64, level float64) func() error {
		return func() error { _, _, err := PairedRatio(a, b, level); return err }
	}
	need := func(sd, effect, alpha, power float64) func() error {
		return func() error { _, err := NeededPairs(sd, effect, alpha, power); return err }
	}
	for i, c := range []struct {
		f    func() error
		want error
	}{
		{one(median), ErrTooFew}, {one(mad), ErrTooFew}, {one(ranks), ErrTooFew}, {one(quart), ErrTooFew}, {one(ival), ErrTooFew},
		{one(median, 1, nan), ErrNotFinite}, {one(mad, inf), ErrNotFinite}, {one(ranks, 1, -inf), ErrNotFinite},
		{one(quart, nan), ErrNotFinite}, {one(ival, nan), ErrNotFinite},
		{func() error { _, err := Quantile([]float64{1}, 1.5); return err }, ErrArgument},
		{func() error { _, err := Quantile([]float64{1}, nan); return err }, ErrArgument},
		{func() error { _, err := MedianInterval([]float64{1}, 1); return err }, ErrArgument},
		{func() error { _, err := MedianInterval([]float64{1}, nan); return err }, ErrArgument},
		{pair([]float64{1}, []float64{1, 2}, .95), ErrLength},
		{pair(nil, nil, .95), ErrTooFew},
		{pair([]float64{0}, []float64{1}, .95), ErrNotPositive},
		{pair([]float64{1}, []float64{-1}, .95), ErrNotPositive},
		{pair([]float64{1}, []float64{inf}, .95), ErrNotFinite},
		{pair([]float64{1e300}, []float64{1e-300}, .95), ErrRange},
		{pair([]float64{1}, []float64{1}, 0), ErrArgument},
		{need(-1, .02, .05, .8), ErrArgument}, {need(nan, .02, .05, .8), ErrArgument}, {need(.1, 0, .05, .8), ErrArgument},
		{need(.1, .02, 0, .8), ErrArgument}, {need(.1, .02, .05, 1), ErrArgument}, {need(.1, .02, .05, .4), ErrArgument},
		{need(.1, nan, .05, .8), ErrArgument}, {need(1, 1e-9, .05, .8), ErrRange},
		{func() error { _, err := MinDetectable(1, 1, .05, .8); return err }, ErrTooFew},
	} {
		if err := c.f(); !errors.Is(err, c.want) {
			t.Errorf("case %d: error %v, want %v", i, err, c.want)
		}
	}
}

func TestSmallAndConstant(t *testing.T) {
	same := []float64{3, 3, 3, 3, 3, 3, 3}
	if m, _ := Median([]float64{5}); m != 5 {
		t.Errorf("median of one = %v", m)
	}
	if m, err := Median([]float64{math.MaxFloat64, math.MaxFloat64}); err != nil && !errors.Is(err, ErrRange) || err == nil && m != math.MaxFloat64 {
		t.Errorf("median of huge samples = %v, %v", m, err)
	}
	if m, err := MAD([]float64{-math.MaxFloat64, math.MaxFloat64, math.MaxFloat64}); err != nil || m != 0 {
		t.Errorf("MAD of huge samples = %v, %v", m, err)
	}
	if m, _ := MAD([]float64{5}); m != 0 {
		t.Errorf("MAD of one = %v", m)
	}
	if m, _ := MAD([]float64{1, 1, 2, 2, 4, 6, 9}); m != 1 {
		t.Errorf("MAD = %v, want 1", m)
	}
	if iv, err := MedianInterval(same, .95); err != nil || iv != (Interval{3, 3, 3, 1 - 2./128, 7}) {
		t.Errorf("constant: %+v, %v", iv, err)
	}
	if p, err := SignedRank(make([]float64, 9)); err != nil || p != 1 {
		t.Errorf("all zeros: p = %v, %v", p, err)
	}
	if iv, p, err := PairedRatio(same, same, .95); err != nil || p != 1 || iv.Point != 1 || iv.Lo != 1 || iv.Hi != 1 {
		t.Errorf("equal pairs: %+v, p = %v, %v", iv, p, err)
	}
	iv, p, err := PairedRatio([]float64{4}, []float64{2}, .95)
	if err != nil || p != 1 || iv != (Interval{2, 2, 2, 0, 1}) {
		t.Errorf("one pair: %+v, p = %v, %v", iv, p, err)
	}
	if iv, p, err := PairedRatio([]float64{2, 4, 6, 8, 10, 12}, []float64{1, 1, 1, 1, 1, 1}, .95); err != nil ||
		iv.Level != 1-2./64 || p != 2./64 || math.Abs(iv.Lo-2) > 1e-12 || math.Abs(iv.Hi-12) > 1e-12 {
		t.Errorf("six pairs: %+v, p = %v, %v", iv, p, err)
	}
	if n, err := NeededPairs(0, .02, .05, .8); err != nil || n != 2 {
		t.Errorf("no spread needs %d pairs, %v", n, err)
	}
}

// R 4.2.2: quantile(c(1, 3, 4, 8, 20), c(0, .1, .25, .5, .9, 1)); type 7 is its default.
func TestQuantile(t *testing.T) {
	x := []float64{20, 1, 8, 3, 4}
	for p, want := range map[float64]float64{0: 1, .1: 1.8, .25: 3, .5: 4, .9: 15.2, 1: 20} {
		got, err := Quantile(x, p)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "quantile", got, want)
	}
	if got, err := Quantile([]float64{-math.MaxFloat64, math.MaxFloat64}, .5); err != nil || got != 0 {
		t.Errorf("huge samples: %v, %v", got, err)
	}
}

func TestTukeyOutliers(t *testing.T) {
	for i, c := range []struct {
		x    []float64
		want []int
	}{
		{nil, nil},
		{[]float64{7}, nil},
		{[]float64{2, 2, 2, 2}, nil},
		{[]float64{50, 1, 2, 3, 4, -40}, []int{0, 5}},
		{[]float64{1, 2, 3, 4, 7}, nil}, // quartiles 2 and 4: the upper fence is 7 and belongs to the inside
		{[]float64{1, 2, 3, 4, 7.01}, []int{4}},
		{[]float64{nan, 1, 1, inf}, []int{0, 3}},
		{[]float64{-math.MaxFloat64, math.MaxFloat64, 0, 0}, nil},
	} {
		if got := TukeyOutliers(c.x); !slices.Equal(got, c.want) {
			t.Errorf("case %d: %v, want %v", i, got, c.want)
		}
	}
}

// signedRankByEnumeration adds up all 2^n assignments of signs: the definition itself.
func signedRankByEnumeration(d []float64) float64 {
	ranks, positive := doubledRanks(d)
	low, high := 0, 0
	for signs := range 1 << len(ranks) {
		t := 0
		for i, r := range ranks {
			if signs>>i&1 == 1 {
				t += r
			}
		}
		if t <= positive {
			low++
		}
		if t >= positive {
			high++
		}
	}
	return min(1, 2*float64(min(low, high))/float64(int(1)<<len(ranks)))
}

func TestSignedRankByEnumeration(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Few distinct values, so that ties and zeros are the rule.
		small := rapid.SliceOfN(rapid.IntRange(-4, 4), 1, 12).Draw(t, "d")
		d := make([]float64, len(small))
		for i, v := range small {
			d[i] = float64(v)
		}
		got, err := SignedRank(d)
		if err != nil {
			t.Fatal(err)
		}
		if want := signedRankByEnumeration(d); math.Abs(got-want) > 1e-14 {
			t.Fatalf("p = %v, by enumeration %v", got, want)
		}
	})
}

func TestDoubledRanks(t *testing.T) {
	ranks, positive := doubledRanks([]float64{-3, 0, 1, 1, -1, 5, 0})
	if !slices.Equal(ranks, []int{4, 4, 4, 8, 10}) || positive != 4+4+10 {
		t.Errorf("ranks %v, positive %d", ranks, positive)
	}
}

// Where the exact method ends the normal approximation must already be good.
func TestSignedRankNormalMeetsExact(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		d := make([]float64, exactPairs)
		shift := r.Float64() / 2
		for i := range d {
			d[i] = math.Round(8*(r.NormFloat64()+shift)) / 8 // with ties and zeros
		}
		exact, err := SignedRank(d)
		if err != nil {
			t.Fatal(err)
		}
		ranks, positive := doubledRanks(d)
		if normal := signedRankNormal(ranks, positive).both; math.Abs(normal-exact) > 2e-3 {
			t.Errorf("normal %v, exact %v", normal, exact)
		}
	}
}

// The selection of Walsh averages against a sorted list of all of them, and the interval against the test.
func TestWalshAndDuality(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.SliceOfN(rapid.Float64Range(-3, 3), 1, 25).Draw(t, "x")
		slices.Sort(s)
		var all []float64
		for i := range s {
			for j := i; j < len(s); j++ {
				all = append(all, s[i]/2+s[j]/2)
			}
		}
		slices.Sort(all)
		for k := range all {
			if got := walsh(s, k+1); got != all[k] {
				t.Fatalf("Walsh average %d = %v, want %v", k+1, got, all[k])
			}
		}
		ranks, _ := doubledRanks(s)
		distinct := slices.Compact(slices.Clone(ranks))
		if len(distinct) != len(s) {
			return // ties or zeros: the dual does not hold exactly
		}
		iv := hodgesLehmann(s, .9)
		p, err := SignedRank(s)
		if err != nil {
			t.Fatal(err)
		}
		outside := iv.Lo > 0 || iv.Hi < 0
		if iv.Level > 0 && outside != (p <= 1-iv.Level+1e-12) {
			t.Fatalf("interval %+v, p = %v", iv, p)
		}
	})
}

func TestPairedRatioManyPairs(t *testing.T) {
	const n = 100_000 // the list of averages would take 40 GB
	r := rand.New(rand.NewPCG(3, 4))
	num, den := make([]float64, n), make([]float64, n)
	for i := range num {
		noise := math.Exp(r.NormFloat64())
		num[i], den[i] = 1.05*noise*math.Exp(.01*r.NormFloat64()), noise
	}
	iv, p, err := PairedRatio(num, den, .95)
	if err != nil {
		t.Fatal(err)
	}
	if p > 1e-6 || math.Abs(iv.Point-1.05) > 1e-3 || iv.Lo > 1.05 || iv.Hi < 1.05 || iv.Level < .95 || iv.Level > .9501 {
		t.Errorf("%+v, p = %v", iv, p)
	}
	if w := (iv.Hi - iv.Lo) / 1.05; w < 1e-4 || w > 2e-4 { // 2·1.96·.01/√n, a little more
		t.Errorf("relative width %v", w)
	}
}

// Swapping the sides inverts the ratio and keeps p; scaling both sides changes nothing.
func TestPairedRatioSymmetries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "n")
		sample := rapid.SliceOfN(rapid.Float64Range(.1, 10), n, n)
		a, b := sample.Draw(t, "a"), sample.Draw(t, "b")
		x, p, err := PairedRatio(a, b, .95)
		if err != nil {
			t.Fatal(err)
		}
		y, q, err := PairedRatio(b, a, .95)
		if err != nil {
			t.Fatal(err)
		}
		eq := func(u, v float64) bool { return math.Abs(u-v) <= 1e-9*math.Abs(v) }
		if !eq(p, q) || !eq(x.Point, 1/y.Point) || !eq(x.Lo, 1/y.Hi) || !eq(x.Hi, 1/y.Lo) || x.Level != y.Level {
			t.Fatalf("%+v p %v, swapped %+v p %v", x, p, y, q)
		}
		if !(x.Lo <= x.Point && x.Point <= x.Hi) || !(p > 0 && p <= 1) || (x.Level > 0) != (n >= 6) {
			t.Fatalf("%+v, p = %v", x, p)
		}
		doubled := func(x []float64) []float64 {
			y := slices.Clone(x)
			for i := range y {
				y[i] *= 2
			}
			return y
		}
		if z, _, _ := PairedRatio(doubled(a), doubled(b), .95); z != x {
			t.Fatalf("scaled: %+v, %+v", z, x)
		}
	})
}

func TestMedianIntervalProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.Float64Range(-1e9, 1e9), 1, 60).Draw(t, "x")
		level := rapid.Float64Range(.5, .999).Draw(t, "level")
		before := slices.Clone(x)
		iv, err := MedianInterval(x, level)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(x, before) {
			t.Fatal("the sample was changed")
		}
		if iv.Lo > iv.Point || iv.Point > iv.Hi || iv.N != len(x) || (iv.Level != 0 && iv.Level < level) {
			t.Fatalf("%+v", iv)
		}
		if largest := 1 - math.Ldexp(1, 1-len(x)); len(x) > 1 && (iv.Level > 0) != (largest >= level) {
			t.Fatalf("level %v of %d samples, at most %v is possible", iv.Level, len(x), largest)
		}
	})
}

// The two ways to the rank must agree where both work, and a level that is exactly attainable must be attained.
func TestMedianRank(t *testing.T) {
	for n := 1; n <= 1000; n += 37 {
		for _, level := range []float64{.5, .9, .95, .99} {
			r, c := medianRank(n, level)
			R, C := medianRankLarge(n, level)
			if r != R || math.Abs(c-C) > 1e-12 {
				t.Errorf("n = %d, level %v: %d %v and %d %v", n, level, r, c, R, C)
			}
		}
	}
	if r, c := medianRank(6, 1-2./64); r != 1 || c != 1-2./64 {
		t.Errorf("n = 6 at its own level: %d, %v", r, c)
	}
	if r, c := medianRank(1_000_000, .95); r < 499_019 || r > 499_021 || c < .95 || c > .9503 {
		t.Errorf("a million: %d, %v", r, c) // n/2 − 1.96·√n/2 = 499 020
	}
}

func TestCorrectionsOnOddInput(t *testing.T) {
	if len(Holm(nil)) != 0 || len(BenjaminiHochberg(nil)) != 0 {
		t.Error("nothing in, something out")
	}
	odd := []float64{nan, -1, 2, .01}
	if got := Holm(odd); !slices.Equal(got, []float64{1, 0, 1, .03}) {
		t.Errorf("Holm %v", got)
	}
	if got := BenjaminiHochberg(odd); !slices.Equal(got, []float64{1, 0, 1, .02}) {
		t.Errorf("BH %v", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SliceOf(rapid.Float64Range(0, 1)).Draw(t, "p")
		holm, bh := Holm(p), BenjaminiHochberg(p)
		for i := range p {
			if bh[i] < p[i]-1e-15 || holm[i] < bh[i]-1e-12 || holm[i] > 1 {
				t.Fatalf("p %v, BH %v, Holm %v", p[i], bh[i], holm[i])
			}
		}
	})
}

// NeededPairs is the inverse of MinDetectable: it is enough, and one less is not.
func TestNeededPairsInverts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sd := rapid.Float64Range(1e-4, 1).Draw(t, "sd")
		effect := rapid.Float64Range(.001, .5).Draw(t, "effect")
		alpha := rapid.Float64Range(1e-4, .2).Draw(t, "alpha")
		power := rapid.Float64Range(.5, .99).Draw(t, "power")
		n, err := NeededPairs(sd, effect, alpha, power)
		if err != nil {
			t.Fatal(err)
		}
		at, err := MinDetectable(sd, n, alpha, power)
		if err != nil || at > effect {
			t.Fatalf("%d pairs detect %v, %v", n, at, err)
		}
		if n > 2 {
			if less, _ := MinDetectable(sd, n-1, alpha, power); less <= effect {
				t.Fatalf("%d pairs are already enough: %v", n-1, less)
			}
		}
	})
	// The normal limit (1.959964 + 0.841621)² · 25² = 4905.5, plus about z²/2 = 1.9 for the t quantile.
	if n, err := NeededPairs(.25, .01, .05, .8); err != nil || n < 4906 || n > 4909 {
		t.Errorf("n = %d, %v", n, err)
	}
}
