package stat

import (
	"fmt"

	"gonum.org/v1/gonum/mathext"
)

// Proportion returns hits/n with the exact interval of Clopper and Pearson (Biometrika 26, 1934): all probabilities that a
// binomial test would not reject, with at most (1−level)/2 beyond either end, so that Hi alone is an upper bound with
// confidence (1+level)/2. It never covers less than level. It assumes n independent trials of one probability. Errors:
// ErrTooFew for n < 1, ErrArgument.
func Proportion(hits, n int, level float64) (Interval, error) {
	if err := checkLevel(level); err != nil {
		return Interval{}, err
	}
	if n < 1 {
		return Interval{}, fmt.Errorf("%w: %d trials, needs 1", ErrTooFew, n)
	}
	if hits < 0 || hits > n {
		return Interval{}, fmt.Errorf("%w: %d hits of %d", ErrArgument, hits, n)
	}
	iv := Interval{Point: float64(hits) / float64(n), Lo: 0, Hi: 1, Level: level, N: n}
	tail := (1 - level) / 2
	// P(B ≥ k) with probability p is the incomplete beta function I_p(k, n−k+1).
	atLeast := func(k int, p float64) float64 { return mathext.RegIncBeta(float64(k), float64(n-k+1), p) }
	if hits > 0 {
		iv.Lo = min(iv.Point, bisect(0, 1, func(p float64) bool { return atLeast(hits, p) >= tail }))
	}
	if hits < n {
		iv.Hi = max(iv.Point, bisect(0, 1, func(p float64) bool { return atLeast(hits+1, p) >= 1-tail }))
	}
	return iv, nil
}

// bisect returns where a condition that is false at lo and true at hi turns true.
func bisect(lo, hi float64, reached func(float64) bool) float64 {
	for range 200 {
		mid := lo + (hi-lo)/2
		if mid == lo || mid == hi {
			break
		}
		if reached(mid) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}
