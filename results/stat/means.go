package stat

import (
	"fmt"
	"math"
)

// moments returns mean and standard deviation (divisor n−1; 0 for one sample) of a finite, non-empty sample. Equal
// samples have exactly their value and 0. Either can be infinite only when the true value is beyond float64.
func moments(x []float64) (mean, sd float64) {
	var largest float64
	equal := true
	for _, v := range x {
		largest = max(largest, math.Abs(v))
		equal = equal && v == x[0]
	}
	if equal {
		return x[0] + 0, 0
	}
	// Scaled, so that no sum or square leaves the range on the way.
	n := float64(len(x))
	for _, v := range x {
		mean += v / largest / n
	}
	var squares, rest float64
	for _, v := range x {
		d := v/largest - mean
		squares += d * d
		rest += d
	}
	// The second pass takes out the rounding of the first (Chan, Golub and LeVeque, The American Statistician 37, 1983).
	squares -= rest * rest / n
	mean += rest / n
	return mean * largest, math.Sqrt(max(0, squares)/(n-1)) * largest
}

// welch holds what the t methods for two sides share: the standard errors of both means, that of their difference, and
// Welch and Satterthwaite's degrees of freedom.
type welch struct{ seX, seY, se, df float64 }

func newWelch(sdX, sdY float64, nX, nY int) welch {
	w := welch{seX: sdX / math.Sqrt(float64(nX)), seY: sdY / math.Sqrt(float64(nY))}
	w.se = math.Hypot(w.seX, w.seY)
	if w.se > 0 && !math.IsInf(w.se, 0) {
		u := w.seX / w.se
		v := w.seY / w.se
		w.df = 1 / (u*u*u*u/float64(nX-1) + v*v*v*v/float64(nY-1))
	}
	return w
}

// Welch compares the means of two independent samples in one unit: Point is mean(x) − mean(y) with its t interval, and p
// the two-sided p-value against no difference, with Welch and Satterthwaite's degrees of freedom for unequal variances
// (Welch, Biometrika 34, 1947). It assumes roughly normal means and is easily misled by bursts; it is here for comparison
// with tools that use it. Errors: ErrTooFew under two samples a side, ErrNotFinite, ErrArgument, ErrConstant when neither
// side has spread, ErrRange.
func Welch(x, y []float64, level float64) (iv Interval, p float64, err error) {
	if err := checkLevel(level); err != nil {
		return Interval{}, 0, err
	}
	if err := checkSides(x, y, 2); err != nil {
		return Interval{}, 0, err
	}
	meanX, sdX := moments(x)
	meanY, sdY := moments(y)
	if sdX == 0 && sdY == 0 {
		return Interval{}, 0, ErrConstant
	}
	w := newWelch(sdX, sdY, len(x), len(y))
	d := meanX - meanY
	if w.df == 0 || !finite(d) {
		return Interval{}, 0, ErrRange
	}
	half := -tQuantile((1-level)/2, w.df) * w.se
	iv = Interval{Point: d, Lo: d - half, Hi: d + half, Level: level, N: len(x) + len(y)}
	if !finite(iv.Lo) || !finite(iv.Hi) {
		return Interval{}, 0, ErrRange
	}
	return iv, min(1, 2*tTail(d/w.se, w.df)), nil
}

// WelchRatio is Welch on logarithms: the ratio of the geometric means of num and den, with its interval and the p-value
// against 1. Errors as Welch, and ErrNotPositive.
func WelchRatio(num, den []float64, level float64) (iv Interval, p float64, err error) {
	x, y, err := logSides(num, den)
	if err != nil {
		return Interval{}, 0, err
	}
	if iv, p, err = Welch(x, y, level); err != nil {
		return Interval{}, 0, err
	}
	if err := iv.exp(); err != nil {
		return Interval{}, 0, err
	}
	return iv, p, nil
}

// MeanRatio estimates mean(num)/mean(den) of two independent samples with the interval of Fieller (Journal of the Royal
// Statistical Society B 16, 1954): all ratios r for which a t test does not tell mean(num) from r·mean(den). The degrees
// of freedom are Welch and Satterthwaite's at the estimated ratio (Tamhane and Logan, Biometrical Journal 46, 2004). It
// assumes roughly normal means, in one unit. When neither side has spread, Level is 0. When the mean of den cannot be
// told from 0 at this level, no bounded set of ratios has the confidence: then err is ErrUnbounded, and the Interval
// holds the point alone with Level 0 (or nothing, when that mean is 0). Other errors: ErrTooFew under two samples a side,
// ErrNotFinite, ErrArgument, ErrRange.
func MeanRatio(num, den []float64, level float64) (Interval, error) {
	if err := checkLevel(level); err != nil {
		return Interval{}, err
	}
	if err := checkSides(num, den, 2); err != nil {
		return Interval{}, err
	}
	meanN, sdN := moments(num)
	meanD, sdD := moments(den)
	if !finite(meanN) || !finite(meanD) {
		return Interval{}, ErrRange
	}
	if meanD == 0 {
		return Interval{}, fmt.Errorf("the mean of the denominator is 0: %w", ErrUnbounded)
	}
	r := meanN / meanD
	if !finite(r) {
		return Interval{}, ErrRange
	}
	iv := Interval{Point: r, Lo: r, Hi: r, N: len(num) + len(den)}
	if sdN == 0 && sdD == 0 {
		return iv, nil
	}
	// In units of the denominator's mean.
	w := newWelch(sdN/math.Abs(meanD), math.Abs(r)*(sdD/math.Abs(meanD)), len(num), len(den))
	if w.df == 0 {
		return Interval{}, ErrRange
	}
	lo, hi, err := fieller(r, w.seX, sdD/math.Abs(meanD)/math.Sqrt(float64(len(den))), -tQuantile((1-level)/2, w.df))
	if err != nil {
		return iv, err
	}
	if iv.Lo, iv.Hi = min(lo, r), max(hi, r); !finite(iv.Lo) || !finite(iv.Hi) {
		return Interval{}, ErrRange
	}
	iv.Level = level
	return iv, nil
}

// fieller returns the interval of the ratio r of two independent means whose standard errors, both divided by the
// denominator's mean, are seNum and seDen, for the t quantile q.
func fieller(r, seNum, seDen, q float64) (lo, hi float64, err error) {
	g := q * seDen * q * seDen
	if !(g < 1) {
		return 0, 0, fmt.Errorf("the mean of the denominator cannot be told from 0: %w", ErrUnbounded)
	}
	centre := r / (1 - g)
	half := q / (1 - g) * math.Hypot(math.Sqrt(1-g)*seNum, r*seDen)
	return centre - half, centre + half, nil
}

// GeometricMean returns the geometric mean of ratios with the t interval of the mean of their logs: where the centre of a
// population lies of which these comparisons are a sample, such as the benchmarks of a suite standing for all programs.
// For the spread of the measurements, with the comparisons given, use PairedGeometricMean. It assumes independent, roughly
// normal logs; ratios have no unit. One ratio, or equal ones, give the point with Level 0. Source: Fleming and Wallace,
// Communications of the ACM 29 (1986), for the mean. Errors: ErrTooFew without ratios, ErrNotFinite, ErrNotPositive,
// ErrArgument, ErrRange.
func GeometricMean(ratios []float64, level float64) (Interval, error) {
	if err := checkLevel(level); err != nil {
		return Interval{}, err
	}
	if err := checkSample(ratios, 1); err != nil {
		return Interval{}, err
	}
	l, err := logs(ratios)
	if err != nil {
		return Interval{}, err
	}
	mean, sd := moments(l)
	iv := Interval{Point: mean, Lo: mean, Hi: mean, N: len(l)}
	if sd > 0 {
		half := -tQuantile((1-level)/2, float64(len(l)-1)) * sd / math.Sqrt(float64(len(l)))
		iv.Lo, iv.Hi, iv.Level = mean-half, mean+half, level
	} else if same(ratios) {
		return Interval{Point: ratios[0], Lo: ratios[0], Hi: ratios[0], N: len(ratios)}, nil
	}
	if err := iv.exp(); err != nil {
		return Interval{}, err
	}
	return iv, nil
}

// same reports whether all samples are equal.
func same(x []float64) bool {
	for _, v := range x {
		if v != x[0] {
			return false
		}
	}
	return true
}

// PairedGeometricMean summarises several comparisons that were measured in the same rounds: rounds[r][c] is the ratio of
// comparison c in round r. Each round gives one geometric mean, and these one estimate, interval and p-value as in
// PairedRatio. The answer holds for these comparisons on this machine: what a whole round shared cancels within its
// ratios, and no comparison is taken for a sample of others. Every round needs the same number of comparisons. Errors:
// ErrTooFew without rounds or comparisons, ErrLength, ErrNotFinite, ErrNotPositive, ErrArgument, ErrRange.
func PairedGeometricMean(rounds [][]float64, level float64) (iv Interval, p float64, err error) {
	if err := checkLevel(level); err != nil {
		return Interval{}, 0, err
	}
	if len(rounds) == 0 {
		return Interval{}, 0, fmt.Errorf("%w: no rounds", ErrTooFew)
	}
	means := make([]float64, len(rounds))
	for i, round := range rounds {
		if len(round) != len(rounds[0]) {
			return Interval{}, 0, fmt.Errorf("round %d: %w: %d and %d", i, ErrLength, len(round), len(rounds[0]))
		}
		if err := checkSample(round, 1); err != nil {
			return Interval{}, 0, fmt.Errorf("round %d: %w", i, err)
		}
		l, err := logs(round)
		if err != nil {
			return Interval{}, 0, fmt.Errorf("round %d: %w", i, err)
		}
		means[i], _ = moments(l)
	}
	if p, err = SignedRank(means); err != nil {
		return Interval{}, 0, err
	}
	iv = hodgesLehmann(means, level)
	if err := iv.exp(); err != nil {
		return Interval{}, 0, err
	}
	return iv, p, nil
}
