package stat

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// costs are those of cost(g) = g/parallelism + overhead with relative noise, over a grid of 13 grains from 1 µs to 10 ms.
func costs(r *rand.Rand, parallelism, overhead, noise float64, replicates int) (p []CostPoint) {
	for i := range 13 {
		g := 1e-6 * math.Pow(10, float64(i)/3)
		for range replicates {
			p = append(p, CostPoint{g, (g/parallelism + overhead) * math.Exp(noise*r.NormFloat64())})
		}
	}
	return p
}

func TestCrossoverWithoutNoise(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	// Threads: cheap to start, 2 at a time. Processes: dear, 4 at a time. Equal at g/4 = 18 µs.
	c, err := Crossover(costs(r, 2, 2e-6, 0, 1), costs(r, 4, 20e-6, 0, 1), .95)
	if err != nil {
		t.Fatal(err)
	}
	if c.Outcome != Crosses || !c.FirstBelow || math.Abs(c.Grain.Point/72e-6-1) > 1e-9 || c.Grain.Hi-c.Grain.Lo > 1e-12 || c.Grain.Level != .95 {
		t.Errorf("%+v", c)
	}
	close1(t, "slope", c.First.Slope.Point, .5, 1e-9)
	close1(t, "overhead", c.Second.Overhead.Point, 20e-6, 1e-9)
	if c, err = Crossover(costs(r, 4, 20e-6, 0, 1), costs(r, 2, 2e-6, 0, 1), .95); err != nil || c.Outcome != Crosses || c.FirstBelow {
		t.Errorf("swapped: %+v, %v", c, err)
	}
	if c, err = Crossover(costs(r, 4, 2e-6, 0, 1), costs(r, 2, 20e-6, 0, 1), .95); err != nil || c.Outcome != FirstCheaper || c.Grain != (Interval{}) {
		t.Errorf("first: %+v, %v", c, err)
	}
	if c, err = Crossover(costs(r, 2, 20e-6, 0, 1), costs(r, 4, 2e-6, 0, 1), .95); err != nil || c.Outcome != SecondCheaper {
		t.Errorf("second: %+v, %v", c, err)
	}
	// Equal at 1 s, a hundred times the largest grain: nothing is said about it.
	if c, err = Crossover(costs(r, 2, 1e-6, 0, 1), costs(r, 4, .25, 0, 1), .95); err != nil || c.Outcome != FirstCheaper {
		t.Errorf("beyond the range: %+v, %v", c, err)
	}
	if y, err := c.First.At(1e-3); err != nil || math.Abs(y/501e-6-1) > 1e-9 {
		t.Errorf("at 1 ms: %v, %v", y, err)
	}
	if _, err := c.First.At(.021); !errors.Is(err, ErrExtrapolate) {
		t.Errorf("beyond twice the data: %v", err)
	}
}

func TestCrossoverCoverage(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 32))
	const runs = 1000
	covered, crossed := 0, 0
	for range runs {
		c, err := Crossover(costs(r, 2, 2e-6, .03, 1), costs(r, 4, 20e-6, .03, 1), .95)
		if err != nil {
			t.Fatal(err)
		}
		if c.Outcome == Crosses {
			crossed++
			if c.Grain.Lo <= 72e-6 && 72e-6 <= c.Grain.Hi {
				covered++
			}
		}
	}
	if crossed != runs {
		t.Errorf("a plain crossing was found in %d of %d", crossed, runs)
	}
	// The smaller degrees of freedom are on the safe side: never below the level, but for chance.
	if got := float64(covered) / runs; got < .95-4*math.Sqrt(.95*.05/runs) || got > .99 {
		t.Errorf("coverage %v", got)
	}
	// Two equal strategies: a crossing is claimed in few runs.
	claimed := 0
	for range runs {
		c, err := Crossover(costs(r, 2, 2e-6, .03, 1), costs(r, 2, 2e-6, .03, 1), .95)
		if err != nil {
			t.Fatal(err)
		}
		if c.Outcome != Undecided {
			claimed++
		}
	}
	if claimed > runs*6/100 {
		t.Errorf("%d of %d equal pairs are called different or crossing", claimed, runs)
	}
	t.Logf("coverage %d of %d, equal strategies told apart %d of %d", covered, runs, claimed, runs)
}

func TestCrossoverErrors(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	good := costs(r, 2, 1e-6, 0, 1)
	for name, c := range map[string]struct {
		a, b []CostPoint
		want error
	}{
		"none":      {nil, good, ErrTooFew},
		"one grain": {[]CostPoint{{1, 1}, {1, 2}}, good, ErrTooFew},
		"two":       {good, []CostPoint{{1, 1}, {2, 2}}, ErrTooFew},
		"zero":      {good, []CostPoint{{0, 1}, {2, 2}}, ErrNotPositive},
		"negative":  {good, []CostPoint{{1, -1}, {2, 2}}, ErrNotPositive},
		"NaN":       {good, []CostPoint{{1, nan}, {2, 2}}, ErrNotFinite},
		"apart":     {good, []CostPoint{{1, 1}, {2, 2}, {3, 3}}, ErrArgument},
		"too close": {good, []CostPoint{{1, 1}, {1 + 1e-15, 1}, {1 + 3e-15, 1}}, ErrFit},
	} {
		if _, err := Crossover(c.a, c.b, .95); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := Crossover(good, good, 1); !errors.Is(err, ErrArgument) {
		t.Errorf("level: %v", err)
	}
	if c, err := Crossover(good, good, .95); err != nil || c.Outcome != Undecided {
		t.Errorf("the same data twice: %+v, %v", c, err)
	}
}

// What judge relies on: told apart with one sign at both ends of a range, the lines are told apart everywhere in it.
func TestDifferenceIsConvex(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		side := func(name string) []CostPoint {
			return costs(r, rapid.Float64Range(1, 8).Draw(t, name+" parallelism"), rapid.Float64Range(1e-7, 1e-4).Draw(t, name+" overhead"), .1, 1)
		}
		c, err := Crossover(side("first"), side("second"), .95)
		if err != nil {
			t.Fatal(err)
		}
		d := difference{c.First, c.Second, -tQuantile(.025, float64(c.First.DF))}
		g := c.Least * math.Pow(c.Most/c.Least, rapid.Float64Range(0, 1).Draw(t, "where"))
		switch c.Outcome {
		case FirstCheaper, SecondCheaper:
			if d.told(g) != c.AtLeast {
				t.Fatalf("%s, but %d at %v", c.Outcome, d.told(g), g)
			}
		case Crosses:
			inside := g > c.Grain.Lo*(1+1e-9) && g < c.Grain.Hi*(1-1e-9)
			if outside := g < c.Grain.Lo*(1-1e-9) || g > c.Grain.Hi*(1+1e-9); inside && d.told(g) != 0 || outside && d.told(g) == 0 {
				t.Fatalf("%+v: %d at %v", c.Grain, d.told(g), g)
			}
		}
	})
}
