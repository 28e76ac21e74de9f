package stat

import (
	"fmt"
	"math"
	"slices"
)

// CostPoint is one observation of what a task of a given grain costs under a strategy: both in seconds (or any one unit).
// Grain is how long the task takes when run alone, Cost the wall time per task of a batch.
type CostPoint struct{ Grain, Cost float64 }

// CostModel is cost(g) = g/parallelism + overhead, fitted to one strategy.
type CostModel struct {
	// Slope is 1/parallelism, without unit; Overhead has the unit of Cost. t intervals with #grains − 2 degrees of freedom;
	// Level is 0 with two grains. Either may be estimated below 0, which says that the model is wrong for these data.
	Slope, Overhead Interval
	// Sigma is the residual standard deviation, relative to the cost: what a reader judges the model by.
	Sigma float64
	// DF is the number of different grains less 2.
	DF int
	// Least and Most are the smallest and the largest grain measured.
	Least, Most float64

	covariance [3]float64 // of overhead, of both, of slope, without Sigma²
}

// Outcome says what two cost models have to do with each other within the grains measured.
type Outcome string

// The outcomes.
const (
	// Crosses: there is one crossing, and on either side of it the data tell the strategies apart.
	Crosses Outcome = "crosses"
	// FirstCheaper and SecondCheaper: no crossing in the measured range; one strategy is cheaper throughout.
	FirstCheaper  Outcome = "first-cheaper"
	SecondCheaper Outcome = "second-cheaper"
	// Undecided: somewhere, and perhaps everywhere, the data cannot tell the strategies apart, so that a crossing in the
	// measured range can neither be placed nor excluded.
	Undecided Outcome = "undecided"
)

// Crossing is the grain from which on another strategy is the cheaper one.
type Crossing struct {
	Outcome Outcome
	// Grain is the break-even grain in the unit of the data; all of it is 0 unless the fitted lines cross within the
	// measured range. Its Level is 0 unless Outcome is Crosses. FirstBelow says that the first strategy is the cheaper one
	// for smaller grains.
	Grain      Interval
	FirstBelow bool
	// AtLeast and AtMost say which fitted line is the lower one at either end of the range: −1 the first, 1 the second, 0
	// when their intervals do not tell. A line is drawn by all grains together: what was measured at the end itself may
	// say less, or something else where the model is wrong.
	AtLeast, AtMost int
	// First and Second are the models; Least and Most the grains that both were measured over.
	First, Second CostModel
	Least, Most   float64
}

// FitCost fits the cost model by least squares on relative residuals, because a grid of grains spans orders of magnitude
// and errors are a share of the cost; replicates of one grain are first reduced to their median. Errors: ErrTooFew under
// two different grains, ErrNotFinite, ErrNotPositive for a grain or a cost of 0 or less, ErrArgument, ErrFit when grains
// are too close to tell slope from overhead, ErrRange.
func FitCost(points []CostPoint, level float64) (CostModel, error) {
	if err := checkLevel(level); err != nil {
		return CostModel{}, err
	}
	byGrain := map[float64][]float64{}
	for i, p := range points {
		if !finite(p.Grain) || !finite(p.Cost) {
			return CostModel{}, fmt.Errorf("point %d: %w: grain %v, cost %v", i, ErrNotFinite, p.Grain, p.Cost)
		}
		if p.Grain <= 0 || p.Cost <= 0 {
			return CostModel{}, fmt.Errorf("point %d: %w: grain %v, cost %v", i, ErrNotPositive, p.Grain, p.Cost)
		}
		byGrain[p.Grain] = append(byGrain[p.Grain], p.Cost)
	}
	if len(byGrain) < 2 {
		return CostModel{}, fmt.Errorf("%w: %d different grains, needs 2", ErrTooFew, len(byGrain))
	}
	grains := make([]float64, 0, len(byGrain))
	for g := range byGrain {
		grains = append(grains, g)
	}
	slices.Sort(grains)
	overhead, slope, ones := make([]float64, len(grains)), make([]float64, len(grains)), make([]float64, len(grains))
	for i, g := range grains {
		cost := quantile(sorted(byGrain[g]), .5)
		overhead[i], slope[i], ones[i] = 1/cost, g/cost, 1
	}
	s, ok := leastSquares([][]float64{overhead, slope}, ones)
	if !ok {
		return CostModel{}, fmt.Errorf("cost over grains: %w", ErrFit)
	}
	m := CostModel{DF: len(grains) - 2, Least: grains[0], Most: grains[len(grains)-1],
		covariance: [3]float64{s.inverse[0][0], s.inverse[0][1], s.inverse[1][1]}}
	q := 0.0
	if m.DF > 0 {
		m.Sigma, q = math.Sqrt(s.rss/float64(m.DF)), -tQuantile((1-level)/2, float64(m.DF))
	}
	interval := func(k int) Interval {
		iv := Interval{Point: s.coef[k], Lo: s.coef[k], Hi: s.coef[k], N: len(grains)}
		if m.DF > 0 {
			half := q * m.Sigma * math.Sqrt(s.inverse[k][k])
			iv.Lo, iv.Hi, iv.Level = iv.Lo-half, iv.Hi+half, level
		}
		return iv
	}
	m.Overhead, m.Slope = interval(0), interval(1)
	for _, v := range []float64{m.Overhead.Point, m.Overhead.Lo, m.Overhead.Hi, m.Slope.Point, m.Slope.Lo, m.Slope.Hi,
		m.covariance[0], m.covariance[1], m.covariance[2]} {
		if !finite(v) {
			return CostModel{}, ErrRange
		}
	}
	return m, nil
}

// At returns the model's cost of a task of the given grain. Errors: ErrArgument for a grain below 0, ErrExtrapolate
// beyond twice the largest measured, ErrRange.
func (m CostModel) At(grain float64) (float64, error) {
	if !(grain >= 0) {
		return 0, fmt.Errorf("%w: grain %v, must be 0 or more", ErrArgument, grain)
	}
	if grain > 2*m.Most {
		return 0, fmt.Errorf("%w: grain %v, and the largest measured is %v", ErrExtrapolate, grain, m.Most)
	}
	return inRange(m.Overhead.Point + m.Slope.Point*grain)
}

// variance is that of the model's cost at a grain.
func (m CostModel) variance(g float64) float64 {
	v := m.covariance[0] + 2*m.covariance[1]*g + m.covariance[2]*g*g
	return m.Sigma * m.Sigma * max(0, v)
}

// Crossover finds the break-even grain of two strategies from their costs over grids of grains. The interval are all
// grains at which the difference of the two fitted lines is not told from 0, which is Fieller's interval for its root;
// the quantile is t with the smaller of the models' degrees of freedom. Nothing is said beyond the grains that both were
// measured over. It assumes independent errors of the per-grain values, and that the cost model holds: look at both
// Sigmas. Errors as FitCost, and ErrTooFew under three different grains on either side, ErrArgument when the two ranges
// of grains have less than two values between them.
func Crossover(first, second []CostPoint, level float64) (Crossing, error) {
	a, err := FitCost(first, level)
	if err != nil {
		return Crossing{}, fmt.Errorf("first strategy: %w", err)
	}
	b, err := FitCost(second, level)
	if err != nil {
		return Crossing{}, fmt.Errorf("second strategy: %w", err)
	}
	df := min(a.DF, b.DF)
	if df < 1 {
		return Crossing{}, fmt.Errorf("%w: %d different grains, needs 3", ErrTooFew, df+2)
	}
	c := Crossing{First: a, Second: b, Least: max(a.Least, b.Least), Most: min(a.Most, b.Most)}
	if !(c.Least < c.Most) {
		return Crossing{}, fmt.Errorf("%w: the strategies were measured over grains that do not overlap", ErrArgument)
	}
	d := difference{a, b, -tQuantile((1-level)/2, float64(df))}
	c.judge(d, level)
	return c, nil
}

// difference is the first model less the second, with the quantile that its interval uses.
type difference struct {
	a, b CostModel
	q    float64
}

func (d difference) at(g float64) float64 {
	return (d.a.Overhead.Point - d.b.Overhead.Point) + (d.a.Slope.Point-d.b.Slope.Point)*g
}

// told returns the sign of the difference at g, or 0 where its interval contains 0.
func (d difference) told(g float64) int {
	v, half := d.at(g), d.q*math.Hypot(math.Sqrt(d.a.variance(g)), math.Sqrt(d.b.variance(g)))
	switch {
	case v > half:
		return 1
	case v < -half:
		return -1
	}
	return 0
}

// judge decides the outcome from both ends of the range. The half-width of the difference's interval is a norm of
// something affine in g and so convex, the difference itself is affine: told apart with one sign at both ends, they are in
// between; told apart with different signs, the grains that are not lie in one stretch around the root.
func (c *Crossing) judge(d difference, level float64) {
	low, high := d.told(c.Least), d.told(c.Most)
	c.AtLeast, c.AtMost = low, high
	atLow, atHigh := d.at(c.Least), d.at(c.Most)
	if (atLow < 0) != (atHigh < 0) {
		slope := d.a.Slope.Point - d.b.Slope.Point
		root := min(max((d.b.Overhead.Point-d.a.Overhead.Point)/slope, c.Least), c.Most)
		if finite(root) {
			c.Grain = Interval{Point: root, Lo: root, Hi: root, N: min(d.a.DF, d.b.DF) + 2}
			c.FirstBelow = atLow < 0
		}
	}
	switch {
	case low*high < 0 && c.Grain.Point > 0:
		c.Outcome = Crosses
		c.Grain.Lo = edge(d, c.Least, c.Grain.Point, low)
		c.Grain.Hi = edge(d, c.Most, c.Grain.Point, high)
		c.Grain.Level = level
	case low*high > 0:
		c.Outcome = FirstCheaper
		if low > 0 {
			c.Outcome = SecondCheaper
		}
	default:
		c.Outcome = Undecided
	}
}

// edge bisects for the end of the stretch that is not told apart, between a grain told apart with this sign and the root.
func edge(d difference, apart, root float64, sign int) float64 {
	for range 100 {
		mid := apart + (root-apart)/2
		if d.told(mid) == sign {
			apart = mid
		} else {
			root = mid
		}
	}
	return apart
}
