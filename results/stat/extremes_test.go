package stat

import (
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// named are the errors that a function may give for bad input.
var named = []error{ErrTooFew, ErrNotFinite, ErrNotPositive, ErrLength, ErrArgument, ErrRange, ErrConstant, ErrUnbounded, ErrFit, ErrExtrapolate}

// checker fails a property unless values are finite, or the error is a named one.
type checker struct{ t *rapid.T }

func (c checker) ok(what string, err error, values ...float64) {
	c.t.Helper()
	if err != nil && !slices.ContainsFunc(named, func(e error) bool { return errors.Is(err, e) }) {
		c.t.Fatalf("%s: unnamed error %v", what, err)
	}
	for _, v := range values { // with an error as well: what comes with it must be usable
		if !finite(v) {
			c.t.Fatalf("%s gave %v (%v)", what, v, err)
		}
	}
}

func (c checker) interval(what string, err error, iv Interval, more ...float64) {
	c.t.Helper()
	c.ok(what, err, append(more, iv.Point, iv.Lo, iv.Hi, iv.Level)...)
	if iv.Lo > iv.Point || iv.Point > iv.Hi || iv.Level < 0 || iv.Level > 1 {
		c.t.Fatalf("%s: %+v", what, iv)
	}
}

func (c checker) p(what string, err error, p float64) {
	c.t.Helper()
	c.ok(what, err, p)
	if !(p >= 0 && p <= 1) {
		c.t.Fatalf("%s: p = %v", what, p)
	}
}

// extreme draws what usually breaks numerics, and ordinary numbers.
var extreme = rapid.OneOf(rapid.Float64(), rapid.Float64Range(-2, 2), rapid.Float64Range(.5, 2), rapid.SampledFrom([]float64{0, math.Copysign(0, -1),
	1, -1, .5, math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 1e-300, 1e300, nan, inf, -inf}))

// level draws mostly usable confidence levels.
var anyLevel = rapid.OneOf(rapid.SampledFrom([]float64{.95, .9, .5, .999, 1e-9, 1 - 1e-12}), extreme)

// positive draws finite numbers above 0 of any size, or of one.
var positive = rapid.OneOf(rapid.Float64Range(math.SmallestNonzeroFloat64, math.MaxFloat64), rapid.Float64Range(.9, 1.1), rapid.SampledFrom([]float64{1, 2, 1e-300, 1e300}))

// Whatever goes in, what comes out is finite or a named error.
func TestNeverNaN(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := checker{t}
		of := rapid.SampledFrom([]*rapid.Generator[float64]{extreme, positive, rapid.SampledFrom([]float64{1, 1 + 1e-15, 2})}).Draw(t, "kind")
		x := rapid.SliceOfN(of, 0, 12).Draw(t, "x")
		y := rapid.SliceOfN(of, 0, 12).Draw(t, "y")
		if rapid.Bool().Draw(t, "equal lengths") {
			x, y = x[:min(len(x), len(y))], y[:min(len(x), len(y))]
		}
		arg := rapid.SliceOfN(extreme, 4, 4).Draw(t, "arguments")
		level := anyLevel.Draw(t, "level")
		n := rapid.IntRange(-1, 1<<40).Draw(t, "n")

		v, err := Median(x)
		c.ok("Median", err, v)
		v, err = MAD(x)
		c.ok("MAD", err, v)
		v, err = Quantile(x, arg[0])
		c.ok("Quantile", err, v)
		v, err = TrimmedMean(x, arg[0])
		c.ok("TrimmedMean", err, v)
		v, err = TrimmedMean(x, .2)
		c.ok("TrimmedMean", err, v)
		p, err := SignedRank(x)
		c.p("SignedRank", err, p)
		p, err = SignFlip(x)
		c.p("SignFlip", err, p)
		p, err = MannWhitney(x, y)
		c.p("MannWhitney", err, p)
		iv, err := MedianInterval(x, level)
		c.interval("MedianInterval", err, iv)
		iv, p, err = PairedRatio(x, y, level)
		c.interval("PairedRatio", err, iv)
		c.p("PairedRatio", err, p)
		iv, p, err = UnpairedRatio(x, y, level)
		c.interval("UnpairedRatio", err, iv)
		c.p("UnpairedRatio", err, p)
		iv, p, err = UnpairedShift(x, y, level)
		c.interval("UnpairedShift", err, iv)
		c.p("UnpairedShift", err, p)
		iv, p, err = Welch(x, y, level)
		c.interval("Welch", err, iv)
		c.p("Welch", err, p)
		iv, p, err = WelchRatio(x, y, level)
		c.interval("WelchRatio", err, iv)
		c.p("WelchRatio", err, p)
		iv, err = MeanRatio(x, y, level)
		c.interval("MeanRatio", err, iv)
		iv, err = GeometricMean(x, level)
		c.interval("GeometricMean", err, iv)
		iv, p, err = PairedGeometricMean([][]float64{x, y, x}, level)
		c.interval("PairedGeometricMean", err, iv)
		c.p("PairedGeometricMean", err, p)
		for _, margin := range []float64{.02, arg[0]} {
			for _, alpha := range []float64{.05, arg[1]} {
				e, err := EquivalentPaired(x, y, margin, alpha)
				c.interval("EquivalentPaired", err, e.Interval)
				c.p("EquivalentPaired", err, e.P)
				e, err = EquivalentUnpaired(x, y, margin, alpha)
				c.interval("EquivalentUnpaired", err, e.Interval)
				c.p("EquivalentUnpaired", err, e.P)
			}
		}
		c.ok("Holm", nil, Holm(x)...)
		c.ok("BenjaminiHochberg", nil, BenjaminiHochberg(x)...)
		TukeyOutliers(x)

		v, err = MinDetectable(arg[0], n, arg[1], arg[2])
		c.ok("MinDetectable", err, v)
		_, err = NeededPairs(arg[0], arg[1], arg[2], arg[3])
		c.ok("NeededPairs", err)
		iv, err = Proportion(rapid.IntRange(-1, 40).Draw(t, "hits"), n%50, level)
		c.interval("Proportion", err, iv)
		_, err = PairFloor(n, arg[0])
		c.ok("PairFloor", err)
		_, err = UnpairedFloor(n, arg[0])
		c.ok("UnpairedFloor", err)
		d, err := NewDesign(n, rapid.IntRange(0, 4).Draw(t, "looks"))
		c.ok("NewDesign", err, d.Level, d.Single)
		v, err = d.MinDetectable(arg[0], n, arg[1])
		c.ok("Design.MinDetectable", err, v)

		repetitions := rapid.SliceOfN(rapid.IntRange(-1, 4), 0, 3).Draw(t, "repetitions")
		if rapid.Bool().Draw(t, "fitting") {
			repetitions = []int{len(x) / 2, 2}
			x = x[:len(x)/2*2]
		}
		components, err := VarianceComponents(x, repetitions, level)
		c.interval("VarianceComponents", err, components.Mean, append(components.S2, components.T2...)...)
		best, err := components.OptimalRepetitions(y)
		c.ok("OptimalRepetitions", err, best...)
		best, err = components.OptimalRepetitions([]float64{5, 1})
		c.ok("OptimalRepetitions", err, best...)
	})
}

// The models: points of any kind, and points that look like throughputs.
func TestModelsNeverNaN(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := checker{t}
		workers := rapid.OneOf(rapid.SampledFrom([]float64{1, 2, 3, 4, 6, 8, 16, 1e7}), rapid.Float64Range(1, 100))
		if rapid.IntRange(0, 3).Draw(t, "any N") == 0 {
			workers = extreme
		}
		throughput := rapid.SampledFrom([]*rapid.Generator[float64]{positive, rapid.Float64Range(.5, 10), extreme}).Draw(t, "kind")
		var points []ScalingPoint
		var first, second []CostPoint
		for range rapid.IntRange(0, 12).Draw(t, "points") {
			points = append(points, ScalingPoint{workers.Draw(t, "N"), throughput.Draw(t, "X")})
			first = append(first, CostPoint{workers.Draw(t, "grain"), throughput.Draw(t, "cost")})
			second = append(second, CostPoint{workers.Draw(t, "grain"), throughput.Draw(t, "cost")})
		}
		level := anyLevel.Draw(t, "level")
		opt := ScalingOptions{
			Unweighted:    rapid.Bool().Draw(t, "unweighted"),
			Level:         rapid.OneOf(rapid.Just(0.), anyLevel).Draw(t, "scaling level"),
			ResidualScale: rapid.OneOf(rapid.SampledFrom([]float64{0, .01, 1e-300, 1e300}), extreme).Draw(t, "scale"),
		}
		arg := extreme.Draw(t, "argument")
		fit := func(what string, f ScalingFit, err error) {
			c.interval(what+" gamma", err, f.Gamma)
			c.interval(what+" alpha", err, f.Alpha)
			c.interval(what+" beta", err, f.Beta)
			c.interval(what+" peak", err, f.Peak, f.RSS, f.Sigma, f.Limit)
			for _, v := range []float64{arg, 1, 2 * f.Largest} {
				x, err := f.At(v)
				c.ok(what+" At", err, x)
				x, err = f.WorkersFor(v)
				c.ok(what+" WorkersFor", err, x)
			}
		}
		s, err := FitScaling(points, opt)
		c.interval("FitScaling", err, s.BetaBound)
		c.p("FitScaling Amdahl", err, s.AmdahlP)
		c.p("FitScaling USL", err, s.USLP)
		for _, f := range []*ScalingFit{s.Linear, s.Amdahl, s.USL, s.Best()} {
			if f != nil {
				fit("FitScaling", *f, err)
			}
		}
		if (s.Choice == "") != (s.Best() == nil) {
			t.Fatalf("chose %q without a fit", s.Choice)
		}
		for _, m := range []ScalingModel{ModelLinear, ModelAmdahl, ModelUSL, "other"} {
			f, err := FitScalingModel(points, m, opt)
			fit("FitScalingModel", f, err)
		}
		v, err := KarpFlatt(arg, extreme.Draw(t, "n"))
		c.ok("KarpFlatt", err, v)
		iv, err := KarpFlattInterval(Interval{Point: arg, Lo: arg / 2, Hi: arg * 2}, 4)
		c.interval("KarpFlattInterval", err, iv)
		v, err = Gustafson(arg, extreme.Draw(t, "n"))
		c.ok("Gustafson", err, v)

		cost := func(what string, m CostModel, err error) {
			c.interval(what+" slope", err, m.Slope)
			c.interval(what+" overhead", err, m.Overhead, m.Sigma, m.Least, m.Most)
			y, err := m.At(arg)
			c.ok(what+" At", err, y)
		}
		m, err := FitCost(first, level)
		cost("FitCost", m, err)
		x, err := Crossover(first, second, level)
		c.interval("Crossover", err, x.Grain, x.Least, x.Most)
		cost("Crossover", x.First, err)
		if err == nil && !slices.Contains([]Outcome{Crosses, FirstCheaper, SecondCheaper, Undecided}, x.Outcome) {
			t.Fatalf("outcome %q", x.Outcome)
		}
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
