package stat

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// exactProduct is the largest product of two sample sizes whose rank-sum distribution is computed exactly: 50 a side,
// about ten million additions. Beyond it the normal approximation is within 0.002 of it for sides of like size; with very
// few samples on one side its tails are too heavy: a p of 0.05 or less is then too large rather than too small.
const exactProduct = 2500

// MannWhitney returns the two-sided p-value of the rank-sum test (Mann and Whitney, Annals of Mathematical Statistics 18,
// 1947) of x against y: the chance, given the pooled values, of a rank sum at least as far from its mean. It assumes
// independent samples, in one unit, that are exchangeable under the hypothesis; it does not protect against drift between
// the times at which the two sides were measured. Ties get midranks and the distribution is still exact, given the ranks,
// while the product of the sizes is at most 2500; beyond it is normal with continuity and tie correction. Data that are
// all equal give p = 1. The smallest p for n samples a side is 2/C(2n, n). Errors: ErrTooFew when a side is empty,
// ErrNotFinite.
func MannWhitney(x, y []float64) (p float64, err error) {
	if err := checkSides(x, y, 1); err != nil {
		return 0, err
	}
	return rankSum(x, y).both, nil
}

// checkSides is checkSample for both sides.
func checkSides(x, y []float64, least int) error {
	if err := checkSample(x, least); err != nil {
		return fmt.Errorf("first side: %w", err)
	}
	if err := checkSample(y, least); err != nil {
		return fmt.Errorf("second side: %w", err)
	}
	return nil
}

// tails are the probabilities, under the hypothesis, of a rank sum at or below the one seen, at or above it, and at least
// as far from the mean.
type tails struct{ lower, upper, both float64 }

// rankSum returns the tails for samples that are finite and not empty.
func rankSum(x, y []float64) tails {
	ranks, w := pooledRanks(x, y)
	if ranks[0] == ranks[len(ranks)-1] {
		return tails{1, 1, 1}
	}
	if len(x)*len(y) > exactProduct {
		return rankSumNormal(ranks, w, len(x))
	}
	// The distribution of the smaller side is the cheaper one; the sums of both sides add up to a constant.
	n, swapped := len(x), len(x) > len(y)
	if swapped {
		n = len(y)
		total := 0
		for _, r := range ranks {
			total += r
		}
		w = total - w
	}
	counts, least := rankSumCounts(ranks, n)
	centre := n * (len(ranks) + 1) // the mean of the sum of n doubled ranks
	var t tails
	var all float64
	for i, c := range counts {
		s := least + i
		all += c
		if s <= w {
			t.lower += c
		}
		if s >= w {
			t.upper += c
		}
		if abs(s-centre) >= abs(w-centre) {
			t.both += c
		}
	}
	t.lower, t.upper, t.both = t.lower/all, t.upper/all, t.both/all
	if swapped {
		t.lower, t.upper = t.upper, t.lower
	}
	return t
}

func abs(v int) int { return max(v, -v) }

// pooledRanks returns twice the midranks of the pooled samples in ascending order, and the sum of those that belong to x.
func pooledRanks(x, y []float64) (ranks []int, sum int) {
	type labelled struct {
		v   float64
		inX bool
	}
	pool := make([]labelled, 0, len(x)+len(y))
	for _, v := range x {
		pool = append(pool, labelled{v, true})
	}
	for _, v := range y {
		pool = append(pool, labelled{v, false})
	}
	slices.SortFunc(pool, func(a, b labelled) int {
		switch {
		case a.v < b.v:
			return -1
		case a.v > b.v:
			return 1
		}
		return 0
	})
	ranks = make([]int, len(pool))
	for i := 0; i < len(pool); {
		j := i
		for j < len(pool) && pool[j].v == pool[i].v {
			j++
		}
		for k := i; k < j; k++ {
			ranks[k] = i + 1 + j
			if pool[k].inX {
				sum += ranks[k]
			}
		}
		i = j
	}
	return ranks, sum
}

// rankSumCounts returns in how many ways n of the ascending ranks add up to least, least+1, …: the generating function
// Π(1 + t·z^r), of which the coefficient of t^n is wanted, multiplied out factor by factor. The counts are exact up to
// 2^53 and have 15 digits beyond.
func rankSumCounts(ranks []int, n int) (counts []float64, least int) {
	// low[k] and high[k] are the smallest and the largest sum of k ranks; ways[k][i] counts sums of low[k]+i.
	low, high := make([]int, n+1), make([]int, n+1)
	for k := range n {
		low[k+1] = low[k] + ranks[k]
		high[k+1] = high[k] + ranks[len(ranks)-1-k]
	}
	ways := make([][]float64, n+1)
	for k := range ways {
		ways[k] = make([]float64, high[k]-low[k]+1)
	}
	ways[0][0] = 1
	reach := make([]int, n+1) // how far ways[k] is filled
	for i, r := range ranks {
		for k := min(i, n-1); k >= 0; k-- {
			up := r - ranks[k] // low[k] + r − low[k+1]
			from, to := ways[k][:reach[k]+1], ways[k+1][up:]
			for s, c := range from {
				to[s] += c
			}
			reach[k+1] = max(reach[k+1], up+reach[k])
		}
	}
	return ways[n], low[n]
}

// rankSumNormal is the approximation: mean and variance of the sum of n of these ranks drawn without replacement.
func rankSumNormal(ranks []int, w, n int) tails {
	size := float64(len(ranks))
	mean := size + 1 // of the doubled ranks
	var squares float64
	for _, r := range ranks {
		squares += (float64(r) - mean) * (float64(r) - mean)
	}
	a, b := float64(n), size-float64(n)
	sd := math.Sqrt(a * b / size * squares / (size - 1))
	gap := float64(w) - a*mean
	cdf := func(v float64) float64 { return distuv.UnitNormal.CDF(v / sd) }
	// One half of a rank, here one, is the correction for continuity.
	return tails{
		lower: cdf(gap + 1),
		upper: cdf(-gap + 1),
		both:  min(1, 2*cdf(-max(0, math.Abs(gap)-1))),
	}
}

// UnpairedRatio estimates the ratio of num to den from two independent samples of positive values in one unit: the
// exponential of the Hodges–Lehmann shift of the logs, the median of log(num[i]) − log(den[j]) over all i and j, with the
// interval that the rank-sum test would not reject, and that test's p-value against a ratio of 1 (Hodges and Lehmann
// 1963; Hollander and Wolfe, Nonparametric Statistical Methods, sections 4.1 to 4.3). Level is the attained one; with
// fewer samples than it takes (4 a side for 0.95) it is 0 and Point still valid. It assumes that the two sides differ by
// one factor only. Without ties 1 lies outside the interval exactly when p ≤ 1−Level; with ties the interval uses the
// distribution for none. It is not protected against drift: prefer PairedRatio wherever pairs exist. Memory is in
// proportion to the number of samples. Errors: ErrTooFew when a side is empty, ErrNotFinite, ErrNotPositive, ErrArgument,
// ErrRange.
func UnpairedRatio(num, den []float64, level float64) (iv Interval, p float64, err error) {
	x, y, err := logSides(num, den)
	if err != nil {
		return Interval{}, 0, err
	}
	if iv, _, err = UnpairedShift(x, y, level); err != nil {
		return Interval{}, 0, err
	}
	if err := iv.exp(); err != nil {
		return Interval{}, 0, err
	}
	// Ranks of the values themselves: two that differ may have one logarithm.
	return iv, rankSum(num, den).both, nil
}

// exp maps an interval of logs to one of ratios.
func (iv *Interval) exp() (err error) {
	for _, v := range []*float64{&iv.Point, &iv.Lo, &iv.Hi} {
		if *v, err = inRange(math.Exp(*v)); err != nil {
			return err
		}
	}
	return nil
}

// logSides returns the logarithms of two samples.
func logSides(num, den []float64) (x, y []float64, err error) {
	if err := checkSides(num, den, 1); err != nil {
		return nil, nil, err
	}
	if x, err = logs(num); err != nil {
		return nil, nil, err
	}
	if y, err = logs(den); err != nil {
		return nil, nil, err
	}
	return x, y, nil
}

// logs returns the logarithms of a finite sample.
func logs(x []float64) ([]float64, error) {
	l := make([]float64, len(x))
	for i, v := range x {
		if v <= 0 {
			return nil, fmt.Errorf("sample %d: %w: %v", i, ErrNotPositive, v)
		}
		l[i] = math.Log(v)
	}
	return l, nil
}

// UnpairedShift is UnpairedRatio for differences: the median of all x[i] − y[j] in the unit of the samples, which may
// have any sign. Errors: ErrTooFew when a side is empty, ErrNotFinite, ErrArgument, ErrRange.
func UnpairedShift(x, y []float64, level float64) (iv Interval, p float64, err error) {
	if err := checkLevel(level); err != nil {
		return Interval{}, 0, err
	}
	if err := checkSides(x, y, 1); err != nil {
		return Interval{}, 0, err
	}
	xs, ys := sorted(x), sorted(y)
	if !finite(xs[0]-ys[len(ys)-1]) || !finite(xs[len(xs)-1]-ys[0]) {
		return Interval{}, 0, fmt.Errorf("difference of two samples: %w", ErrRange)
	}
	m := len(xs) * len(ys)
	point := shift(xs, ys, (m+1)/2)
	if m%2 == 0 {
		next := shift(xs, ys, m/2+1)
		point = min(max(point/2+next/2, point), next) // halves first: the sum may overflow; they may round outside
	}
	iv = Interval{Point: point, Lo: point, Hi: point, N: len(xs) + len(ys)}
	if rank, attained := rankSumRank(len(xs), len(ys), level); rank > 0 {
		iv.Lo, iv.Hi, iv.Level = shift(xs, ys, rank), shift(xs, ys, m+1-rank), attained
	}
	return iv, rankSum(x, y).both, nil
}

// rankSumRank returns the largest k for which the k-th smallest and k-th largest differences between samples of these
// sizes enclose the shift with probability of at least level, and that probability, 1 − 2·P(U ≤ k−1). 0, 0: there is none.
func rankSumRank(n1, n2 int, level float64) (k int, attained float64) {
	m := n1 * n2
	sd := math.Sqrt(float64(m) * float64(n1+n2+1) / 12)
	coverage := func(k int) float64 {
		return 1 - 2*distuv.UnitNormal.CDF((float64(k)-.5-float64(m)/2)/sd)
	}
	if m <= exactProduct {
		ranks := make([]int, n1+n2)
		for i := range ranks {
			ranks[i] = i + 1
		}
		cdf, _ := rankSumCounts(ranks, min(n1, n2))
		for i := 1; i < len(cdf); i++ {
			cdf[i] += cdf[i-1]
		}
		coverage = func(k int) float64 { return 1 - 2*(cdf[k-1]/cdf[len(cdf)-1]) }
	}
	return deepest(m, level, coverage)
}

// shift returns the k-th smallest, from 1, of the differences xs[i] − ys[j] of sorted samples, by bisecting over the
// float64 values themselves as walsh does.
func shift(xs, ys []float64, k int) float64 {
	lo, hi := order(xs[0]-ys[len(ys)-1]), order(xs[len(xs)-1]-ys[0])
	for lo < hi {
		mid := lo + (hi-lo)/2
		if shiftCount(xs, ys, unorder(mid)) >= k {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return unorder(lo) + 0 // −0 becomes 0
}

// shiftCount returns how many differences are at or below t.
func shiftCount(xs, ys []float64, t float64) int {
	count, j := 0, 0
	for _, x := range xs {
		// The first y that is near enough only rises with x.
		for j < len(ys) && x-ys[j] > t {
			j++
		}
		count += len(ys) - j
	}
	return count
}
