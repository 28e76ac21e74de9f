package stat

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestProportion(t *testing.T) {
	// R: binom.test(682, 925), the example of its manual page, prints 0.7076683 0.7654066.
	iv, err := Proportion(682, 925, .95)
	if err != nil || math.Abs(iv.Lo-.7076683) > 5e-8 || math.Abs(iv.Hi-.7654066) > 5e-8 || iv.N != 925 {
		t.Errorf("%+v, %v", iv, err)
	}
	// No hits: the bound has a closed form. 200 clean gates put the rate below 1.5 % at 95 %, one-sided.
	iv, err = Proportion(0, 200, .9)
	if want := 1 - math.Pow(.05, 1./200); err != nil || iv.Lo != 0 || math.Abs(iv.Hi-want) > 1e-12 {
		t.Errorf("%+v, want %v, %v", iv, want, err)
	}
	if iv, err := Proportion(5, 5, .9); err != nil || iv.Hi != 1 || math.Abs(iv.Lo-math.Pow(.05, .2)) > 1e-12 {
		t.Errorf("%+v, %v", iv, err)
	}
	for _, c := range []struct {
		hits, n int
		level   float64
		want    error
	}{{0, 0, .95, ErrTooFew}, {-1, 5, .95, ErrArgument}, {6, 5, .95, ErrArgument}, {1, 5, 1, ErrArgument}} {
		if _, err := Proportion(c.hits, c.n, c.level); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// The ends are where the binomial tail, added up term by term, is half of what the level leaves.
func TestProportionByDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(t, "n")
		hits := rapid.IntRange(0, n).Draw(t, "hits")
		level := rapid.Float64Range(.5, .99).Draw(t, "level")
		iv, err := Proportion(hits, n, level)
		if err != nil || !(0 <= iv.Lo && iv.Lo <= iv.Point && iv.Point <= iv.Hi && iv.Hi <= 1) {
			t.Fatalf("%+v, %v", iv, err)
		}
		sum := func(from, to int, p float64) (s float64) {
			for k := from; k <= to; k++ {
				l, _ := math.Lgamma(float64(n + 1))
				a, _ := math.Lgamma(float64(k + 1))
				b, _ := math.Lgamma(float64(n - k + 1))
				s += math.Exp(l - a - b + float64(k)*math.Log(p) + float64(n-k)*math.Log1p(-p))
			}
			return s
		}
		if hits > 0 && math.Abs(sum(hits, n, iv.Lo)-(1-level)/2) > 1e-9 {
			t.Fatalf("lower end %v", iv.Lo)
		}
		if hits < n && math.Abs(sum(0, hits, iv.Hi)-(1-level)/2) > 1e-9 {
			t.Fatalf("upper end %v", iv.Hi)
		}
	})
}
