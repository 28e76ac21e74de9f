package stat

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// MedianInterval returns the median with the interval between two order statistics that are equally far from both ends:
// the narrowest such one with coverage of at least level for any continuous distribution, after Hahn and Meeker,
// Statistical Intervals (1991), section 5.2. With ties its coverage is at least the Level it states. Too few samples for
// level (under 6 for 0.95) give the median alone, with Level 0. It assumes independent samples of one distribution.
// Errors: ErrTooFew without samples, ErrNotFinite, ErrArgument, ErrRange.
func MedianInterval(x []float64, level float64) (Interval, error) {
	if err := checkLevel(level); err != nil {
		return Interval{}, err
	}
	m, err := Median(x)
	if err != nil {
		return Interval{}, err
	}
	n := len(x)
	rank, attained := medianRank(n, level)
	if rank == 0 {
		return Interval{Point: m, Lo: m, Hi: m, N: n}, nil
	}
	s := sorted(x)
	return Interval{Point: m, Lo: s[rank-1], Hi: s[n-rank], Level: attained, N: n}, nil
}

// medianRank returns the largest rank r for which the r-th smallest and the r-th largest of n samples enclose the median
// with probability of at least level, and that probability: 1 − 2·P(B ≤ r−1) for B binomial(n, ½). 0, 0: there is none.
func medianRank(n int, level float64) (rank int, attained float64) {
	if n > 1000 {
		return medianRankLarge(n, level)
	}
	// The terms C(n,k)/2^n are added as they are: exact for n ≤ 50 or so, where a coverage can equal the level.
	term, tail := math.Ldexp(1, -n), 0.0
	for r := 1; 2*r <= n; r++ {
		tail += term
		coverage := 1 - 2*tail
		if coverage < level {
			break
		}
		rank, attained = r, coverage
		term = term * float64(n-r+1) / float64(r)
	}
	return rank, attained
}

// medianRankLarge finds the rank by bisection on the binomial's distribution function, for n whose 2^−n would underflow.
func medianRankLarge(n int, level float64) (rank int, attained float64) {
	b := distuv.Binomial{N: float64(n), P: .5}
	coverage := func(r int) float64 { return 1 - 2*b.CDF(float64(r-1)) }
	return deepest(n, level, coverage)
}

// deepest returns the largest rank of m order statistics, from 1 and up to the middle, for which the interval from that
// smallest to that largest one covers with probability of at least level, and that probability. 0, 0: there is none. coverage
// falls with the rank, and is not asked beyond the middle.
func deepest(m int, level float64, coverage func(rank int) float64) (rank int, attained float64) {
	lo, hi := 0, m/2+1 // coverage(lo) ≥ level > coverage(hi), counting coverage(0) as 1 and what is beyond the middle as 0
	for hi-lo > 1 {
		mid := lo + (hi-lo)/2
		if coverage(mid) >= level {
			lo = mid
		} else {
			hi = mid
		}
	}
	if lo == 0 {
		return 0, 0
	}
	return lo, coverage(lo)
}
