package stat

import (
	"fmt"
	"math"
	"math/bits"
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
	f := flips{magnitude: make([]float64, len(s)), signs: make([]uint64, (len(s)+63)/64), keep: int(trim * float64(len(s)))}
	for i, v := range s {
		f.magnitude[i] = math.Abs(v) / largest
		if v < 0 {
			f.signs[i/64] |= 1 << (i % 64)
		}
	}
	// The margin makes sums that differ by rounding only count as equal.
	seen := math.Abs(f.sum()) - 1e-12*float64(len(s))
	if len(s) <= exactFlips {
		return f.exact(seen), nil
	}
	return f.drawn(seen), nil
}

// flips holds differences as magnitudes, descending, and signs: a bit that is set makes its difference negative. keep is
// how many are dropped at either end.
type flips struct {
	magnitude []float64
	signs     []uint64
	keep      int
}

// sum adds up what the trimming leaves. Sorted, the differences are the negative ones in descending magnitude and then
// the positive ones in ascending magnitude: the lowest to drop are the first negative ones, the highest the first
// positive ones; when a sign has fewer than are to be dropped, the smallest of the other go as well.
func (f *flips) sum() float64 {
	n := len(f.magnitude)
	negative := func(i int) uint64 { return f.signs[i/64] >> (i % 64) & 1 }
	signed := func(i int) float64 { return math.Float64frombits(math.Float64bits(f.magnitude[i]) ^ negative(i)<<63) }
	i := 0
	var dropped [2]int // at the high end, at the low end
	for ; i+64 <= n && dropped[0]+64 <= f.keep && dropped[1]+64 <= f.keep; i += 64 {
		c := bits.OnesCount64(f.signs[i/64])
		dropped[0] += 64 - c
		dropped[1] += c
	}
	var sum float64
	for ; i < n && (dropped[0] < f.keep || dropped[1] < f.keep); i++ {
		if end := negative(i); dropped[end] < f.keep {
			dropped[end]++
		} else {
			sum += signed(i)
		}
	}
	// Without a branch: the signs are random, and a processor guesses every other one wrong.
	for ; i < n; i++ {
		sum += signed(i)
	}
	// What is missing at one end is taken from the smallest of the other sign.
	for i = n - 1; i >= 0 && (dropped[0] < f.keep || dropped[1] < f.keep); i-- {
		if other := 1 - negative(i); dropped[other] < f.keep {
			dropped[other]++
			sum -= signed(i)
		}
	}
	return sum
}

// exact tries all signs with the last one fixed: turning all of them changes the sign of the sum only.
func (f *flips) exact(seen float64) float64 {
	hits, all := 0, 1<<(len(f.magnitude)-1)
	for f.signs[0] = range uint64(all) {
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
		for i := range f.signs {
			f.signs[i] = r.Uint64()
		}
		if math.Abs(f.sum()) >= seen {
			hits++
		}
	}
	return float64(hits) / float64(draws+1)
}
