package stat

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// oracles calls f with each data set of the oracle file.
func oracles(t *testing.T, f func(name string, o oracle)) {
	t.Helper()
	all := readOracle(t)
	for _, name := range []string{"a10", "skew12", "ties8", "unequal"} {
		var o oracle
		if err := json.Unmarshal(all[name], &o); err != nil {
			t.Fatal(err)
		}
		if len(o.A) < 7 {
			t.Fatalf("%s: %d samples", name, len(o.A))
		}
		f(name, o)
	}
}

func TestUnpairedAgainstR(t *testing.T) {
	shifts := 0
	oracles(t, func(name string, o oracle) {
		p, err := MannWhitney(o.B, o.A)
		if err != nil {
			t.Fatal(err)
		}
		near(t, name+" p", p, o.RankSum.P)
		if o.RankSum.HL == nil {
			return
		}
		shifts++
		iv, p, err := UnpairedShift(o.B, o.A, .95)
		if err != nil {
			t.Fatal(err)
		}
		near(t, name+" p", p, o.RankSum.P)
		near(t, name+" shift", iv.Point, *o.RankSum.HL)
		near(t, name+" lo", iv.Lo, o.RankSum.CI[0])
		near(t, name+" hi", iv.Hi, o.RankSum.CI[1])
		if iv.Level < .95 || iv.N != len(o.A)+len(o.B) {
			t.Errorf("%s: %+v", name, iv)
		}
	})
	if shifts != 2 {
		t.Errorf("%d shifts, want 2: the oracle changed", shifts)
	}
}

// rankSumByEnumeration tries every choice of len(x) of the pooled values: the definition itself.
func rankSumByEnumeration(x, y []float64) tails {
	ranks, w := pooledRanks(x, y)
	var t tails
	var all float64
	centre := len(x) * (len(ranks) + 1)
	for chosen := range 1 << len(ranks) {
		n, s := 0, 0
		for i, r := range ranks {
			if chosen>>i&1 == 1 {
				n++
				s += r
			}
		}
		if n != len(x) {
			continue
		}
		all++
		if s <= w {
			t.lower++
		}
		if s >= w {
			t.upper++
		}
		if abs(s-centre) >= abs(w-centre) {
			t.both++
		}
	}
	return tails{t.lower / all, t.upper / all, t.both / all}
}

func TestRankSumByEnumeration(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		small := func(name string, most int) []float64 { // few distinct values, so that ties are the rule
			var x []float64
			for _, v := range rapid.SliceOfN(rapid.IntRange(0, 9), 1, most).Draw(t, name) {
				x = append(x, float64(v))
			}
			return x
		}
		x, y := small("x", 6), small("y", 8)
		got, want := rankSum(x, y), rankSumByEnumeration(x, y)
		if math.Abs(got.lower-want.lower) > 1e-14 || math.Abs(got.upper-want.upper) > 1e-14 || math.Abs(got.both-want.both) > 1e-14 {
			t.Fatalf("%+v, by enumeration %+v", got, want)
		}
	})
}

func TestRankSumNormalMeetsExact(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 100 {
		x, y := make([]float64, 50), make([]float64, 50)
		shift := r.Float64()
		for i := range x {
			x[i], y[i] = math.Round(8*(r.NormFloat64()+shift))/8, math.Round(8*r.NormFloat64())/8
		}
		exact := rankSum(x, y)
		ranks, w := pooledRanks(x, y)
		normal := rankSumNormal(ranks, w, len(x))
		if math.Abs(normal.both-exact.both) > 2e-3 || math.Abs(normal.lower-exact.lower) > 2e-3 || math.Abs(normal.upper-exact.upper) > 2e-3 {
			t.Errorf("normal %+v, exact %+v", normal, exact)
		}
	}
	// One against many: the exact p of the most extreme sample is 2/(n+1); the approximation must not be below it.
	x, y := []float64{-1}, make([]float64, exactProduct)
	for i := range y {
		y[i] = float64(i)
	}
	exact, _ := MannWhitney(x, y)
	near(t, "one against many", exact, 2./float64(exactProduct+1))
	beyond, _ := MannWhitney(x, append(y, 1e9))
	if beyond < exact {
		t.Errorf("approximation %v, exact %v", beyond, exact)
	}
}

// The selection of differences against a sorted list of all of them, and the interval against the test.
func TestShiftAndDuality(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.Float64Range(-3, 3), 1, 15).Draw(t, "x")
		y := rapid.SliceOfN(rapid.Float64Range(-3, 3), 1, 15).Draw(t, "y")
		slices.Sort(x)
		slices.Sort(y)
		var all []float64
		for _, a := range x {
			for _, b := range y {
				all = append(all, a-b)
			}
		}
		slices.Sort(all)
		for k := range all {
			if got := shift(x, y, k+1); got != all[k] {
				t.Fatalf("difference %d = %v, want %v", k+1, got, all[k])
			}
		}
		iv, p, err := UnpairedShift(x, y, .9)
		if err != nil {
			t.Fatal(err)
		}
		pool := append(slices.Clone(x), y...)
		slices.Sort(pool)
		if len(slices.Compact(pool)) != len(x)+len(y) {
			return // ties: the dual does not hold exactly
		}
		if outside := iv.Lo > 0 || iv.Hi < 0; iv.Level > 0 && outside != (p <= 1-iv.Level+1e-12) {
			t.Fatalf("interval %+v, p = %v", iv, p)
		}
	})
}

func TestUnpairedRatioSymmetries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SliceOfN(rapid.Float64Range(.1, 10), 1, 30).Draw(t, "a")
		b := rapid.SliceOfN(rapid.Float64Range(.1, 10), 1, 30).Draw(t, "b")
		x, p, err := UnpairedRatio(a, b, .95)
		if err != nil {
			t.Fatal(err)
		}
		y, q, err := UnpairedRatio(b, a, .95)
		if err != nil {
			t.Fatal(err)
		}
		eq := func(u, v float64) bool { return math.Abs(u-v) <= 1e-9*math.Abs(v) }
		if !eq(p, q) || !eq(x.Point, 1/y.Point) || !eq(x.Lo, 1/y.Hi) || !eq(x.Hi, 1/y.Lo) || x.Level != y.Level {
			t.Fatalf("%+v p %v, swapped %+v p %v", x, p, y, q)
		}
		if !(p > 0 && p <= 1) || !(x.Lo <= x.Point && x.Point <= x.Hi) {
			t.Fatalf("%+v, p = %v", x, p)
		}
	})
	same := []float64{3, 3, 3, 3, 3}
	if iv, p, err := UnpairedRatio(same, same, .95); err != nil || p != 1 || iv.Point != 1 || iv.Lo != 1 || iv.Hi != 1 || iv.Level < .95 {
		t.Errorf("constant: %+v, %v, %v", iv, p, err)
	}
	if iv, p, err := UnpairedRatio([]float64{6}, []float64{3}, .95); err != nil || p != 1 || math.Abs(iv.Point-2) > 1e-15 || iv.Level != 0 {
		t.Errorf("one each: %+v, %v, %v", iv, p, err)
	}
	// C(8, 4) = 70: four a side are the least for 95 %.
	if _, level := rankSumRank(4, 4, .95); math.Abs(level-(1-2./70)) > 1e-15 {
		t.Errorf("four a side: %v", level)
	}
	if rank, _ := rankSumRank(3, 3, .95); rank != 0 {
		t.Errorf("three a side: rank %d", rank)
	}
}

func TestUnpairedErrors(t *testing.T) {
	for i, c := range []struct {
		a, b  []float64
		level float64
		want  error
	}{
		{nil, []float64{1}, .95, ErrTooFew}, {[]float64{1}, nil, .95, ErrTooFew},
		{[]float64{1, nan}, []float64{1}, .95, ErrNotFinite}, {[]float64{1}, []float64{-inf}, .95, ErrNotFinite},
		{[]float64{1}, []float64{0}, .95, ErrNotPositive}, {[]float64{-1}, []float64{1}, .95, ErrNotPositive},
		{[]float64{1}, []float64{1}, 1, ErrArgument}, {[]float64{1e300}, []float64{1e-300}, .95, ErrRange},
	} {
		if _, _, err := UnpairedRatio(c.a, c.b, c.level); !errors.Is(err, c.want) {
			t.Errorf("case %d: %v, want %v", i, err, c.want)
		}
	}
	if _, _, err := UnpairedShift([]float64{math.MaxFloat64}, []float64{-math.MaxFloat64}, .95); !errors.Is(err, ErrRange) {
		t.Errorf("huge: %v", err)
	}
}

// Two series of 10,000 values: everything that a comparison of them computes.
func BenchmarkCompare10000(b *testing.B) {
	r := rand.New(rand.NewPCG(7, 8))
	x, y := make([]float64, 10_000), make([]float64, 10_000)
	for i := range x {
		x[i], y[i] = math.Exp(.1*r.NormFloat64()), math.Exp(.1*r.NormFloat64())
	}
	d := make([]float64, len(x))
	for i := range d {
		d[i] = math.Log(x[i] / y[i])
	}
	for b.Loop() {
		_, _, err1 := PairedRatio(x, y, .95)
		_, _, err2 := UnpairedRatio(x, y, .95)
		_, err3 := EquivalentPaired(x, y, .02, .05)
		_, err4 := EquivalentUnpaired(x, y, .02, .05)
		_, err5 := SignFlip(d)
		if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
			b.Fatal(err)
		}
	}
}

func TestUnpairedCoverage(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	const runs = 4000
	for _, size := range [][2]int{{5, 5}, {10, 10}, {6, 20}} {
		a, b := make([]float64, size[0]), make([]float64, size[1])
		covered := 0
		var level float64
		for range runs {
			for i := range a {
				a[i] = 1.1 * math.Exp(.1*r.ExpFloat64()) // skewed, as times are
			}
			for i := range b {
				b[i] = math.Exp(.1 * r.ExpFloat64())
			}
			iv, _, err := UnpairedRatio(a, b, .95)
			if err != nil {
				t.Fatal(err)
			}
			level = iv.Level
			if iv.Lo <= 1.1 && 1.1 <= iv.Hi {
				covered++
			}
		}
		within(t, "coverage", covered, runs, level)
	}
}

// With few samples on one side the approximation must not find at 5 % what the exact test does not.
func TestRankSumNormalIsOnTheSafeSide(t *testing.T) {
	for _, size := range [][2]int{{1, 2600}, {2, 1300}, {3, 900}, {4, 700}, {5, 600}, {8, 400}, {20, 130}} {
		n := size[0] + size[1]
		ranks, doubled := make([]int, n), make([]int, n)
		for i := range ranks {
			ranks[i], doubled[i] = i+1, 2*(i+1)
		}
		counts, least := rankSumCounts(ranks, size[0])
		var all, tail float64
		for _, c := range counts {
			all += c
		}
		for i, c := range counts {
			tail += c
			exact := 2 * tail / all
			if exact > .2 {
				break
			}
			if normal := rankSumNormal(doubled, 2*(least+i), size[0]).both; normal <= .05 && exact > .05 {
				t.Errorf("%v: normal %v, exact %v", size, normal, exact)
			}
		}
	}
}
