package stat

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestEquivalence(t *testing.T) {
	ones := slices.Repeat([]float64{1}, 10)
	e, err := EquivalentPaired(ones, ones, .02, .05)
	if err != nil || !e.Equivalent || e.P != math.Ldexp(1, -10) || e.Interval.Lo != 1 || e.Interval.Hi != 1 || e.Interval.Level < .9 {
		t.Errorf("equal pairs: %+v, %v", e, err)
	}
	if e, err := EquivalentPaired(ones[:4], ones[:4], .02, .05); err != nil || e.Equivalent || e.Interval.Level != 0 {
		t.Errorf("four pairs: %+v, %v", e, err)
	}
	if e, err := EquivalentPaired(ones[:5], ones[:5], .02, .05); err != nil || !e.Equivalent {
		t.Errorf("five pairs: %+v, %v", e, err)
	}
	if e, err := EquivalentUnpaired(ones[:3], ones[:3], .02, .05); err != nil || !e.Equivalent {
		t.Errorf("three a side: %+v, %v", e, err)
	}
	if e, err := EquivalentUnpaired(ones[:2], ones[:2], .02, .05); err != nil || e.Equivalent {
		t.Errorf("two a side: %+v, %v", e, err)
	}
	for _, c := range []struct{ margin, alpha float64 }{{0, .05}, {-1, .05}, {nan, .05}, {inf, .05}, {.02, 0}, {.02, .5}, {.02, nan}, {.02, 1e-300}} {
		_, err1 := EquivalentPaired(ones, ones, c.margin, c.alpha)
		_, err2 := EquivalentUnpaired(ones, ones, c.margin, c.alpha)
		if !errors.Is(err1, ErrArgument) || !errors.Is(err2, ErrArgument) {
			t.Errorf("%v: %v, %v", c, err1, err2)
		}
	}
}

// Without ties the tests and their dual interval are one condition, and swapping the sides changes nothing.
func TestEquivalenceDuality(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 20).Draw(t, "n")
		seed := rapid.Uint64().Draw(t, "seed")
		r := rand.New(rand.NewPCG(seed, 1))
		a, b := make([]float64, n), make([]float64, n)
		for i := range a {
			a[i], b[i] = math.Exp(.02*r.NormFloat64()), math.Exp(.02*r.NormFloat64())
		}
		for _, f := range []func(num, den []float64, margin, alpha float64) (Equivalence, error){EquivalentPaired, EquivalentUnpaired} {
			e, err := f(a, b, .02, .05)
			if err != nil {
				t.Fatal(err)
			}
			inside := e.Interval.Level > 0 && e.Interval.Lo > 1/1.02 && e.Interval.Hi < 1.02
			if e.Equivalent != inside || e.Equivalent != (e.P <= .05) {
				t.Fatalf("%+v", e)
			}
			s, err := f(b, a, .02, .05)
			if err != nil || s.Equivalent != e.Equivalent || math.Abs(s.P-e.P) > 1e-12 {
				t.Fatalf("%+v, swapped %+v, %v", e, s, err)
			}
		}
	})
}

// At the edge of the margin a wrong "equivalent" has at most the chance alpha.
func TestEquivalenceLevel(t *testing.T) {
	r := rand.New(rand.NewPCG(51, 52))
	const runs = 4000
	var paired, unpaired int
	a, b := make([]float64, 15), make([]float64, 15)
	for range runs {
		for i := range a {
			a[i], b[i] = 1.02*math.Exp(.01*r.NormFloat64()), math.Exp(.01*r.NormFloat64())
		}
		e, err1 := EquivalentPaired(a, b, .02, .05)
		u, err2 := EquivalentUnpaired(a, b, .02, .05)
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		if e.Equivalent {
			paired++
		}
		if u.Equivalent {
			unpaired++
		}
	}
	for what, hits := range map[string]int{"paired": paired, "unpaired": unpaired} {
		if got := float64(hits) / runs; got > .05+4*math.Sqrt(.05*.95/runs) || got < .03 {
			t.Errorf("%s: %v", what, got)
		}
	}
}

// signFlipByEnumeration is the definition: all signs, sorted, trimmed, added.
func signFlipByEnumeration(d []float64) float64 {
	trimmed := func(x []float64) float64 {
		s := sorted(x)
		g := int(trim * float64(len(s)))
		var sum float64
		for _, v := range s[g : len(s)-g] {
			sum += v
		}
		return math.Abs(sum)
	}
	seen := trimmed(d)
	hits := 0
	x := make([]float64, len(d))
	for signs := range 1 << len(d) {
		for i, v := range d {
			x[i] = v
			if signs>>i&1 == 1 {
				x[i] = -v
			}
		}
		if trimmed(x) >= seen-1e-9 {
			hits++
		}
	}
	return float64(hits) / float64(int(1)<<len(d))
}

func TestSignFlip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var d []float64
		for _, v := range rapid.SliceOfN(rapid.IntRange(-9, 9), 1, 11).Draw(t, "d") {
			d = append(d, float64(v))
		}
		got, err := SignFlip(d)
		if want := signFlipByEnumeration(d); err != nil || math.Abs(got-want) > 1e-14 {
			t.Fatalf("p = %v, by enumeration %v (%v)", got, want, err)
		}
	})
	if p, err := SignFlip(make([]float64, 30)); err != nil || p != 1 {
		t.Errorf("zeros: %v, %v", p, err)
	}
	if p, err := SignFlip([]float64{math.MaxFloat64, math.MaxFloat64, math.MaxFloat64}); err != nil || p != .25 {
		t.Errorf("huge: %v, %v", p, err)
	}
	if _, err := SignFlip(nil); !errors.Is(err, ErrTooFew) {
		t.Error(err)
	}
	if _, err := SignFlip([]float64{nan}); !errors.Is(err, ErrNotFinite) {
		t.Error(err)
	}
	// Drawn signs against all of them, and twice the same.
	r := rand.New(rand.NewPCG(61, 62))
	for range 20 {
		d := make([]float64, 20)
		for i := range d {
			d[i] = r.NormFloat64() + .5
		}
		p, err := SignFlip(d)
		again, _ := SignFlip(d)
		if err != nil || p != again {
			t.Fatalf("%v and %v, %v", p, again, err)
		}
		f := flips{magnitude: make([]float64, 20), signs: make([]uint64, 1), keep: 4}
		s := slices.Clone(d)
		slices.SortFunc(s, func(a, b float64) int { return int(math.Copysign(1, math.Abs(b)-math.Abs(a))) })
		for i, v := range s {
			f.magnitude[i] = math.Abs(v)
			if v < 0 {
				f.signs[0] |= 1 << i
			}
		}
		exact := f.exact(math.Abs(f.sum()) - 1e-12)
		if math.Abs(p-exact) > 4*math.Sqrt(exact*(1-exact)/mostDraws)+2./mostDraws {
			t.Errorf("drawn %v, exact %v", p, exact)
		}
	}
}

func TestTrimmedMean(t *testing.T) {
	x := []float64{100, 1, 2, 3, 4, 5, 6, 7, 8, -50}
	for share, want := range map[float64]float64{0: 8.6, .1: 4.5, .2: 4.5, .49: 4.5, .05: 8.6} {
		if got, err := TrimmedMean(x, share); err != nil || math.Abs(got-want) > 1e-12 {
			t.Errorf("share %v: %v, want %v (%v)", share, got, want, err)
		}
	}
	for _, share := range []float64{-.1, .5, nan} {
		if _, err := TrimmedMean(x, share); !errors.Is(err, ErrArgument) {
			t.Error(err)
		}
	}
}

// The sum that skips by words against sorting, dropping and adding.
func TestFlipsSum(t *testing.T) {
	r := rand.New(rand.NewPCG(63, 64))
	for n := 1; n < 900; n += 7 {
		d := make([]float64, n)
		positive := r.Float64() // from all of one sign to balanced
		f := flips{signs: make([]uint64, (n+63)/64), keep: n / 5}
		for i := range d {
			d[i] = r.Float64()
		}
		slices.SortFunc(d, func(a, b float64) int { return int(math.Copysign(1, b-a)) })
		f.magnitude = slices.Clone(d)
		for i := range d {
			if r.Float64() > positive {
				d[i] = -d[i]
				f.signs[i/64] |= 1 << (i % 64)
			}
		}
		want, err := TrimmedMean(d, .2)
		if got := f.sum() / float64(n-2*(n/5)); err != nil || math.Abs(got-want) > 1e-12 {
			t.Errorf("n = %d: %v, want %v (%v)", n, got, want, err)
		}
	}
}
