// Package stat holds parbench's numerics as pure functions: location and its intervals, paired and unpaired comparison,
// equivalence, corrections for many comparisons and repeated looks, how much data an answer needs, components of
// variance, scaling models and break-even points. Each states its assumptions, its unit and its source, and is checked
// against R (testdata/oracle_r.json), published values or by enumeration. docs/statistics.md says why each was chosen.
//
// No function returns a NaN or an infinity: input that would lead there is a named error. None of them keeps or changes
// its arguments. Non-goals: what the numbers mean for a run (results/analysis) and tests for samples that are not
// independent.
package stat

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/montanaflynn/stats"
)

// What input is refused for. Errors of this package wrap one of these.
var (
	// ErrTooFew: fewer samples than the definition needs.
	ErrTooFew = errors.New("too few samples")
	// ErrNotFinite: a sample is NaN or infinite.
	ErrNotFinite = errors.New("not a finite number")
	// ErrNotPositive: a sample whose logarithm is needed is zero or negative.
	ErrNotPositive = errors.New("not positive")
	// ErrLength: two samples that belong together in pairs differ in length.
	ErrLength = errors.New("samples of unequal length")
	// ErrArgument: a level, probability, effect or the like is outside its range.
	ErrArgument = errors.New("argument out of range")
	// ErrRange: the result is beyond the range of float64, or of what a computer can count.
	ErrRange = errors.New("result out of range")
	// ErrConstant: all samples are equal, and the method needs spread to compare with.
	ErrConstant = errors.New("samples without spread")
	// ErrUnbounded: no finite interval has the confidence asked for.
	ErrUnbounded = errors.New("interval is unbounded")
	// ErrFit: no finite parameters describe the data best.
	ErrFit = errors.New("model cannot be fitted")
	// ErrExtrapolate: a prediction further from the data than the model is trusted.
	ErrExtrapolate = errors.New("too far beyond the data")
)

// Interval is an estimate with its confidence interval. Level is the attained confidence, which for discrete methods is
// at or above the one asked for; 0 when the data do not support an interval, and Lo and Hi are then equal to Point. N is
// the number of samples or pairs. All but Level and N have the unit of the input.
type Interval struct {
	Point, Lo, Hi float64
	Level         float64
	N             int
}

// checkSample returns an error when x has fewer than least samples or one that is not finite.
func checkSample(x []float64, least int) error {
	if len(x) < least {
		return fmt.Errorf("%w: %d, needs %d", ErrTooFew, len(x), least)
	}
	for i, v := range x {
		if !finite(v) {
			return fmt.Errorf("sample %d: %w: %v", i, ErrNotFinite, v)
		}
	}
	return nil
}

func checkLevel(level float64) error {
	if !(level > 0 && level < 1) {
		return fmt.Errorf("%w: confidence level %v, must lie between 0 and 1", ErrArgument, level)
	}
	return nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// inRange passes v on, or ErrRange when it is not finite.
func inRange(v float64) (float64, error) {
	if !finite(v) {
		return 0, ErrRange
	}
	return v, nil
}

// Median returns the middle sample, or the mean of the two middle ones, in the unit of x. It assumes nothing. Errors:
// ErrTooFew without samples, ErrNotFinite, ErrRange when the two middle samples add up beyond float64.
func Median(x []float64) (float64, error) {
	if err := checkSample(x, 1); err != nil {
		return 0, err
	}
	m, err := stats.Median(x)
	if err != nil {
		return 0, err
	}
	return inRange(m)
}

// MAD returns the median absolute deviation from the median, in the unit of x and unscaled: for normal data multiply by
// 1.4826 to estimate the standard deviation. 0 for one sample and for constant data. Errors as Median.
func MAD(x []float64) (float64, error) {
	if err := checkSample(x, 1); err != nil {
		return 0, err
	}
	m, err := stats.MedianAbsoluteDeviationPopulation(x)
	if err != nil {
		return 0, err
	}
	return inRange(m)
}

// Quantile returns the p-quantile, 0 ≤ p ≤ 1, in the unit of x: linear interpolation between the order statistics around
// (n−1)p, which is type 7 of Hyndman and Fan, "Sample quantiles in statistical packages", The American Statistician 50
// (1996), and the default of R. Errors: ErrTooFew without samples, ErrNotFinite, ErrArgument.
func Quantile(x []float64, p float64) (float64, error) {
	if err := checkSample(x, 1); err != nil {
		return 0, err
	}
	if !(p >= 0 && p <= 1) {
		return 0, fmt.Errorf("%w: probability %v, must lie in [0, 1]", ErrArgument, p)
	}
	return quantile(sorted(x), p), nil
}

// quantile is Quantile of a sorted, finite, non-empty sample.
func quantile(s []float64, p float64) float64 {
	at := p * float64(len(s)-1)
	i := int(at)
	if i >= len(s)-1 {
		return s[len(s)-1]
	}
	f := at - float64(i)
	// Weights instead of s[i] + f·(s[i+1]−s[i]): the difference of two huge samples of opposite sign overflows. Clamped,
	// for rounding must not move a quantile of equal samples off them.
	return min(max((1-f)*s[i]+f*s[i+1], s[i]), s[i+1])
}

func sorted(x []float64) []float64 {
	s := slices.Clone(x)
	slices.Sort(s)
	return s
}

// TukeyOutliers returns the indices of the samples outside Tukey's inner fences, 1.5 interquartile ranges beyond the
// quartiles (Exploratory Data Analysis, 1977; quartiles as Quantile), in ascending order. They are for showing, never for
// dropping. A NaN or an infinity is always one and has no part in the quartiles.
func TukeyOutliers(x []float64) (idx []int) {
	var s []float64
	for _, v := range x {
		if finite(v) {
			s = append(s, v)
		}
	}
	slices.Sort(s)
	var lo, hi float64
	if len(s) > 0 {
		q1, q3 := quantile(s, .25), quantile(s, .75)
		reach := 1.5 * (q3 - q1) // may be infinite: then nothing is outside
		lo, hi = q1-reach, q3+reach
	}
	for i, v := range x {
		if !finite(v) || v < lo || v > hi {
			idx = append(idx, i)
		}
	}
	return idx
}
