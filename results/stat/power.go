package stat

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// mostPairs is where NeededPairs stops: nobody runs more.
const mostPairs = 1 << 30

// NeededPairs returns the number of pairs (rounds) at which a two-sided paired t test at level alpha finds a mean
// difference of effect with probability power: the smallest n ≥ 2 with (t(1−α/2) + t(power))·sd/√n ≤ effect, both
// quantiles with n−1 degrees of freedom. sd is the standard deviation of the differences and effect has its unit; for
// ratios both are of logarithms, so that 2 % is math.Log(1.02). It assumes roughly normal differences; the signed-rank
// test needs about 5 % more. sd = 0 gives 2. Errors: ErrArgument, ErrRange when more than 2^30 pairs would be needed.
func NeededPairs(sd, effect, alpha, power float64) (int, error) {
	if err := checkPower(sd, alpha, power); err != nil {
		return 0, err
	}
	if !(effect > 0) || math.IsInf(effect, 0) {
		return 0, fmt.Errorf("%w: effect %v, must be above 0 and finite", ErrArgument, effect)
	}
	enough := func(n int) bool { return detectable(sd, n, alpha, power) <= effect }
	lo, hi := 1, 2 // lo is not enough
	for !enough(hi) {
		if hi >= mostPairs {
			return 0, fmt.Errorf("%w: more than %d pairs", ErrRange, mostPairs)
		}
		lo, hi = hi, hi*2
	}
	for hi-lo > 1 {
		if mid := lo + (hi-lo)/2; enough(mid) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi, nil
}

// MinDetectable returns the smallest mean difference that a two-sided paired t test of n pairs at level alpha finds with
// probability power, (t(1−α/2) + t(power))·sd/√n with n−1 degrees of freedom: in the unit of sd, for ratios a logarithm.
// Assumptions as NeededPairs. Errors: ErrTooFew for n < 2, ErrArgument, ErrRange.
func MinDetectable(sd float64, n int, alpha, power float64) (float64, error) {
	if n < 2 {
		return 0, fmt.Errorf("%w: %d, needs 2", ErrTooFew, n)
	}
	if err := checkPower(sd, alpha, power); err != nil {
		return 0, err
	}
	return inRange(detectable(sd, n, alpha, power))
}

func detectable(sd float64, n int, alpha, power float64) float64 {
	t := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(n - 1)}
	return (t.Quantile(1-alpha/2) + t.Quantile(power)) * (sd / math.Sqrt(float64(n)))
}

// checkPower refuses a power under one half, for which the sum of quantiles says nothing about a two-sided test.
func checkPower(sd, alpha, power float64) error {
	switch {
	case !(sd >= 0) || math.IsInf(sd, 0):
		return fmt.Errorf("%w: standard deviation %v, must be 0 or more and finite", ErrArgument, sd)
	case !(alpha > 0 && alpha < 1):
		return fmt.Errorf("%w: alpha %v, must lie between 0 and 1", ErrArgument, alpha)
	case !(power >= .5 && power < 1):
		return fmt.Errorf("%w: power %v, must lie in [0.5, 1)", ErrArgument, power)
	}
	return nil
}
