package stat

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

const (
	// trim is the share that SignFlip drops at either end: 20 %, which Wilcox (Introduction to Robust Estimation and
	// Hypothesis Testing) recommends as a compromise between the mean and the median.
	trim = .2
	// exactFlips is the largest number of differences of which all sign patterns are tried: 2^15 of them by symmetry.
	exactFlips = 16
	// mostDraws and leastDraws bound the random patterns beyond that.
	mostDraws, leastDraws = 9999, 999
)

// TrimmedMean returns the mean of what remains of x without its lowest and highest floor(share·n) samples, in the unit of
// x, for 0 ≤ share < ½. Errors: ErrTooFew without samples, ErrNotFinite, ErrArgument, ErrRange.
func TrimmedMean(x []float64, share float64) (float64, error) {
	if err := checkSample(x, 1); err != nil {
		return 0, err
	}
	if !(share >= 0 && share < .5) {
		return 0, fmt.Errorf("%w: share %v, must lie in [0, 0.5)", ErrArgument, share)
	}
	g := int(share * float64(len(x)))
	mean, _ := moments(sorted(x)[g : len(x)-g])
	return inRange(mean)
}

// SignFlip returns the two-sided p-value of the sign-flip test of paired differences d against symmetry about 0, with
// their 20 % trimmed mean as the statistic: the share of all assignments of signs whose trimmed mean is at least as far
// from 0 (Fisher's randomisation test, The Design of Experiments, 1935, section 21; trimmed after Wilcox). Bursts that
// hit few pairs hardly move it. It assumes independent differences that are symmetric under the hypothesis, in any unit.
// All 2^n assignments are tried up to n = 16; beyond that 10⁷/n random ones, at least 999 and at most 9,999, from a fixed
// seed, so that the same data give the same p = (1 + hits)/(1 + draws). Zeros alone give p = 1. Errors: ErrTooFew without
// differences, ErrNotFinite.
func SignFlip(d []float64) (p float64, err error) {
	if err := checkSample(d, 1); err != nil {
		return 0, err
	}
	// Scaled, so that no sum overflows, and in descending order of magnitude.
	s := slices.Clone(d)
	slices.SortFunc(s, func(a, b float64) int {
		switch a, b := math.Abs(a), math.Abs(b); {
		case a > b:
			return -1
		case a < b:
			return 1
		}
		return 0
	})
	largest := math.Abs(s[0])
	if largest == 0 {
		return 1, nil
	}
	f := flips{magnitude: make([]float64, len(s)), negative: make([]bool, len(s)), keep: int(trim * float64(len(s)))}
	for i, v := range s {
		f.magnitude[i], f.negative[i] = math.Abs(v)/largest, v < 0
	}
	// The margin makes sums that differ by rounding only count as equal.
	seen := math.Abs(f.sum()) - 1e-12*float64(len(s))
	if len(s) <= exactFlips {
		return f.exact(seen), nil
	}
	return f.drawn(seen), nil
}

// flips holds differences as magnitudes, descending, and signs. keep is how many are dropped at either end.
type flips struct {
	magnitude []float64
	negative  []bool
	keep      int
}

// sum adds up what the trimming leaves. Sorted, the differences are the negative ones in descending magnitude and then
// the positive ones in ascending magnitude: the lowest to drop are the first negative ones, the highest the first
// positive ones; when a sign has fewer than are to be dropped, the smallest of the other go as well.
func (f *flips) sum() float64 {
	var sum float64
	var low, high int // dropped so far at either end
	for i, m := range f.magnitude {
		switch {
		case f.negative[i] && low < f.keep:
			low++
		case f.negative[i]:
			sum -= m
		case high < f.keep:
			high++
		default:
			sum += m
		}
	}
	// What is missing at one end is taken from the smallest of the other sign.
	for i := len(f.magnitude) - 1; i >= 0 && (low < f.keep || high < f.keep); i-- {
		if f.negative[i] && high < f.keep {
			high++
			sum += f.magnitude[i]
		} else if !f.negative[i] && low < f.keep {
			low++
			sum -= f.magnitude[i]
		}
	}
	return sum
}

// exact tries all signs with the first one fixed: turning all of them changes the sign of the sum only.
func (f *flips) exact(seen float64) float64 {
	hits, all := 0, 1<<(len(f.magnitude)-1)
	for signs := range all {
		for i := range f.negative {
			f.negative[i] = signs>>i&1 == 1
		}
		if math.Abs(f.sum()) >= seen {
			hits++
		}
	}
	return float64(hits) / float64(all)
}

func (f *flips) drawn(seen float64) float64 {
	r := rand.New(rand.NewPCG(0x7061726265, uint64(len(f.magnitude))))
	draws := min(max(10_000_000/len(f.magnitude), leastDraws), mostDraws)
	hits := 1
	for range draws {
		var bits uint64
		for i := range f.negative {
			if i%64 == 0 {
				bits = r.Uint64()
			}
			f.negative[i] = bits>>(i%64)&1 == 1
		}
		if math.Abs(f.sum()) >= seen {
			hits++
		}
	}
	return float64(hits) / float64(draws+1)
}
