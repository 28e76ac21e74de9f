package stat

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// exactPairs is the largest number of pairs whose signed-rank distribution is computed exactly: half a million additions.
// Beyond it the normal approximation is within 1e-4 of it.
const exactPairs = 100

// SignedRank returns the two-sided p-value of Wilcoxon's signed-rank test (Biometrics Bulletin 1, 1945) of the paired
// differences d against symmetry about 0. It assumes independent differences that are symmetric under the hypothesis, in
// any unit. Zeros are dropped (Wilcoxon's reduction, as R does) and ties get midranks; with both, the distribution is
// still exact, given the ranks, for up to 100 differences that are not zero, and normal with continuity correction and
// the ranks' own variance beyond. Zeros alone give p = 1. The smallest p for n differences is
// 2^(1−n). Errors: ErrTooFew without differences, ErrNotFinite.
func SignedRank(d []float64) (p float64, err error) {
	if err := checkSample(d, 1); err != nil {
		return 0, err
	}
	return signedRank(d).both, nil
}

// signedRank returns the tails of the sum of the positive differences' ranks, for finite differences.
func signedRank(d []float64) tails {
	ranks, positive := doubledRanks(d)
	if len(ranks) == 0 {
		return tails{1, 1, 1}
	}
	if len(ranks) > exactPairs {
		return signedRankNormal(ranks, positive)
	}
	cdf := signedRankCDF(ranks)
	// The distribution is symmetric: the upper tail of positive is the lower tail of what is left.
	lower, upper := cdf[positive], cdf[len(cdf)-1-positive]
	return tails{lower, upper, min(1, 2*min(lower, upper))}
}

// doubledRanks returns twice the midranks of the magnitudes of d without its zeros, and the sum of those that belong to
// positive differences. Twice, because a midrank may end in one half.
func doubledRanks(d []float64) (ranks []int, positive int) {
	nz := slices.DeleteFunc(slices.Clone(d), func(v float64) bool { return v == 0 })
	slices.SortFunc(nz, func(a, b float64) int {
		switch a, b := math.Abs(a), math.Abs(b); {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	})
	ranks = make([]int, len(nz))
	for i := 0; i < len(nz); {
		j := i
		for j < len(nz) && math.Abs(nz[j]) == math.Abs(nz[i]) {
			j++
		}
		for k := i; k < j; k++ {
			ranks[k] = i + 1 + j // (i+1) + j: twice the mean of ranks i+1 … j
			if nz[k] > 0 {
				positive += ranks[k]
			}
		}
		i = j
	}
	return ranks, positive
}

// signedRankCDF returns P(T ≤ t) for t from 0 to the sum of the ranks, where T adds up each rank with probability ½:
// the generating function Π(1 + z^r)/2, multiplied out factor by factor.
func signedRankCDF(ranks []int) []float64 {
	total := 0
	for _, r := range ranks {
		total += r
	}
	p := make([]float64, total+1)
	p[0] = 1
	reach := 0
	for _, r := range ranks {
		reach += r
		for t := reach; t >= r; t-- {
			p[t] = (p[t] + p[t-r]) / 2
		}
		for t := min(r-1, reach); t >= 0; t-- {
			p[t] /= 2
		}
	}
	for t := 1; t <= total; t++ {
		p[t] += p[t-1]
	}
	return p
}

func signedRankNormal(ranks []int, positive int) tails {
	var total, squares float64
	for _, r := range ranks {
		total += float64(r)
		squares += float64(r) * float64(r)
	}
	// In doubled ranks: the mean is half their sum, the variance a quarter of their squares, one half is one.
	gap, sd := float64(positive)-total/2, math.Sqrt(squares)/2
	cdf := func(v float64) float64 { return distuv.UnitNormal.CDF(v / sd) }
	return tails{cdf(gap + 1), cdf(-gap + 1), min(1, 2*cdf(-max(0, math.Abs(gap)-1)))}
}

// PairedRatio estimates the ratio of num to den from pairs of positive samples of one unit: the exponential of the
// Hodges–Lehmann estimate, the median of all Walsh averages of log(num/den), with the interval that the signed-rank test
// of the logs would not reject, and that test's p-value against a ratio of 1 (Hodges and Lehmann 1963; Hollander and
// Wolfe, Nonparametric Statistical Methods, sections 3.1 to 3.3). Level is the attained one; with fewer pairs than it
// takes (6 for 0.95) it is 0 and Point still valid. Without ties p < 1−Level exactly when 1 lies outside the interval;
// with ties the interval uses the distribution for none. It assumes pairs that are independent of each other, with log
// ratios symmetric about one value. For any number of pairs it needs memory in proportion to it and no more.
// Errors: ErrTooFew without pairs, ErrLength, ErrNotFinite, ErrNotPositive, ErrArgument, ErrRange.
func PairedRatio(num, den []float64, level float64) (iv Interval, p float64, err error) {
	if err := checkLevel(level); err != nil {
		return Interval{}, 0, err
	}
	logs, err := logRatios(num, den)
	if err != nil {
		return Interval{}, 0, err
	}
	if p, err = SignedRank(logs); err != nil {
		return Interval{}, 0, err
	}
	iv = hodgesLehmann(logs, level)
	if err := iv.exp(); err != nil {
		return Interval{}, 0, err
	}
	return iv, p, nil
}

// logRatios returns log(num/den) of each pair.
func logRatios(num, den []float64) ([]float64, error) {
	if len(num) != len(den) {
		return nil, fmt.Errorf("%w: %d and %d", ErrLength, len(num), len(den))
	}
	for _, side := range [][]float64{num, den} {
		if err := checkSample(side, 1); err != nil {
			return nil, err
		}
		for i, v := range side {
			if v <= 0 {
				return nil, fmt.Errorf("sample %d: %w: %v", i, ErrNotPositive, v)
			}
		}
	}
	logs := make([]float64, len(num))
	for i := range num {
		r := num[i] / den[i]
		if r == 0 || math.IsInf(r, 0) {
			return nil, fmt.Errorf("pair %d: %w: %v / %v", i, ErrRange, num[i], den[i])
		}
		logs[i] = math.Log(r)
	}
	return logs, nil
}

// hodgesLehmann returns the median of the Walsh averages of x (finite, not empty) with its signed-rank interval.
func hodgesLehmann(x []float64, level float64) Interval {
	s := sorted(x)
	n := len(s)
	m := n * (n + 1) / 2
	point := walsh(s, (m+1)/2)
	if m%2 == 0 {
		point += (walsh(s, m/2+1) - point) / 2
	}
	rank, attained := signedRankRank(n, level)
	if rank == 0 {
		return Interval{Point: point, Lo: point, Hi: point, N: n}
	}
	return Interval{Point: point, Lo: walsh(s, rank), Hi: walsh(s, m+1-rank), Level: attained, N: n}
}

// signedRankRank returns the largest k for which the k-th smallest and k-th largest Walsh averages of n samples enclose
// the centre with probability of at least level, and that probability, 1 − 2·P(T ≤ k−1). 0, 0: there is none.
func signedRankRank(n int, level float64) (k int, attained float64) {
	m := n * (n + 1) / 2
	coverage := func(k int) float64 {
		mean := float64(m) / 2
		sd := math.Sqrt(float64(m) * float64(2*n+1) / 12)
		return 1 - 2*distuv.UnitNormal.CDF((float64(k)-.5-mean)/sd)
	}
	if n <= exactPairs {
		ranks := make([]int, n)
		for i := range ranks {
			ranks[i] = i + 1
		}
		cdf := signedRankCDF(ranks)
		coverage = func(k int) float64 { return 1 - 2*cdf[k-1] }
	}
	return deepest(m, level, coverage)
}

// walsh returns the k-th smallest, from 1, of the averages (s[i]+s[j])/2 with i ≤ j of a sorted sample. It bisects over
// the float64 values themselves, counting the averages at or below each in one pass from both ends: 64 passes over n
// samples, where listing the averages would take n²/2 of memory.
func walsh(s []float64, k int) float64 {
	lo, hi := order(s[0]), order(s[len(s)-1]) // the answer lies in [lo, hi]
	for lo < hi {
		mid := lo + (hi-lo)/2
		if walshCount(s, unorder(mid)) >= k {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return unorder(lo) + 0 // −0, which sorts first among equals, becomes 0
}

// walshCount returns how many averages of pairs i ≤ j are at or below t.
func walshCount(s []float64, t float64) int {
	count, i, j := 0, 0, len(s)-1
	for i <= j {
		// The last j that i can be averaged with only falls as i rises, so neither index ever turns back.
		if s[i]/2+s[j]/2 <= t {
			count += j - i + 1
			i++
		} else {
			j--
		}
	}
	return count
}

// order maps float64 values to integers that sort in the same way; unorder is its inverse.
func order(v float64) uint64 {
	b := math.Float64bits(v)
	if b>>63 != 0 {
		return ^b
	}
	return b | 1<<63
}

func unorder(u uint64) float64 {
	if u>>63 != 0 {
		return math.Float64frombits(u &^ (1 << 63))
	}
	return math.Float64frombits(^u)
}
