package stat

import (
	"fmt"
	"math"
	"slices"
)

const (
	// changeWindow is how many points are looked at together: with more, an old large change hides a new small one.
	changeWindow = 50
	// weaken is by how much the level of the first pass is larger, so that the merge sees points which only stand out once
	// their neighbours are known.
	weaken = 10
	// leastSegment is the number of points that a mean and its error need.
	leastSegment = 2
)

// ChangePoint is where a series of measurements changes its level.
type ChangePoint struct {
	// Index is that of the first point of the new level.
	Index int
	// Before and After are the means between this change point and its neighbours, in the unit of the series.
	Before, After float64
	// P is the p-value of Student's t test between the two. The place was chosen from the same data, which favours small
	// ones: 0.001 is the level to use with it.
	P float64
}

// ChangePoints finds the changes of level in a series in the order of time: energy statistics (E-divisive: Matteson and
// James, Journal of the American Statistical Association 109, 2014) in overlapping windows of 50 points propose places,
// Student's t test at level alpha (0.001 is usual) between neighbouring stretches decides, and the least significant place
// is removed until all are significant, as in Hunter, now Apache Otava (Fleming, Kołaczkowski and others, ICPE 2023). The
// t test in place of permutations makes it deterministic. A change is seen from its second point on. It assumes
// independent points around a level that jumps: one point is one number of a fresh process; slow drift becomes steps.
// Errors: ErrTooFew without points, ErrNotFinite, ErrArgument, ErrRange.
func ChangePoints(series []float64, alpha float64) ([]ChangePoint, error) {
	if err := checkSample(series, 1); err != nil {
		return nil, err
	}
	if !(alpha > 0 && alpha < 1) {
		return nil, fmt.Errorf("%w: alpha %v, must lie between 0 and 1", ErrArgument, alpha)
	}
	// Scaled, so that no difference overflows.
	var largest float64
	for _, v := range series {
		largest = max(largest, math.Abs(v))
	}
	x := make([]float64, len(series))
	for i, v := range series {
		if largest > 0 {
			x[i] = v / largest
		}
	}
	first := alpha
	if alpha*weaken < .5 {
		first = alpha * weaken
	}
	places := map[int]bool{}
	for start := 0; ; start += changeWindow / 2 {
		end := min(start+changeWindow, len(x))
		divide(x[start:end], start, first, places)
		if end == len(x) {
			break
		}
	}
	cuts := make([]int, 0, len(places))
	for i := range places {
		cuts = append(cuts, i)
	}
	slices.Sort(cuts)
	return merge(x, cuts, alpha, largest), nil
}

// divide proposes places within one window, top down.
func divide(x []float64, offset int, alpha float64, places map[int]bool) {
	cut := energyCut(x)
	if cut == 0 || levelP(x[:cut], x[cut:]) > alpha {
		return
	}
	places[offset+cut] = true
	divide(x[:cut], offset, alpha, places)
	divide(x[cut:], offset+cut, alpha, places)
}

// energyCut returns the cut of x with the largest energy distance between its sides, weighted with nm/(n+m); 0 when x is
// too short for one or has no spread. All cuts together take n² steps: moving one point over changes each sum by its
// distances to the others.
func energyCut(x []float64) (cut int) {
	n := len(x)
	var left, between, right float64 // sums of |x[i]−x[j]| over pairs within and across
	for i := range x {
		for j := range i {
			right += math.Abs(x[i] - x[j])
		}
	}
	best := 0.0
	for k := 1; k <= n-leastSegment; k++ {
		moved := x[k-1]
		var toLeft, toRight float64
		for _, v := range x[:k-1] {
			toLeft += math.Abs(moved - v)
		}
		for _, v := range x[k:] {
			toRight += math.Abs(moved - v)
		}
		left += toLeft
		right -= toRight
		between += toRight - toLeft
		if k < leastSegment {
			continue
		}
		a, b := float64(k), float64(n-k)
		q := a * b / (a + b) * (2*between/(a*b) - 2*left/(a*(a-1)) - 2*right/(b*(b-1)))
		if q > best*(1+1e-12)+1e-15 {
			best, cut = q, k
		}
	}
	return cut
}

// merge removes the least significant cut until all are significant.
func merge(x []float64, cuts []int, alpha, unit float64) []ChangePoint {
	stretch := func(i int) []float64 { // the i-th stretch between cuts
		from, to := 0, len(x)
		if i > 0 {
			from = cuts[i-1]
		}
		if i < len(cuts) {
			to = cuts[i]
		}
		return x[from:to]
	}
	for {
		worst, at := alpha, -1
		for i := range cuts {
			if p := levelP(stretch(i), stretch(i+1)); p > worst {
				worst, at = p, i
			}
		}
		if at < 0 {
			break
		}
		cuts = slices.Delete(cuts, at, at+1)
	}
	points := make([]ChangePoint, len(cuts))
	for i, cut := range cuts {
		before, _ := moments(stretch(i))
		after, _ := moments(stretch(i + 1))
		points[i] = ChangePoint{Index: cut, Before: before * unit, After: after * unit, P: levelP(stretch(i), stretch(i+1))}
	}
	return points
}

// levelP is the p-value of Student's t test, with one variance for both stretches: a stretch of two points has by chance
// hardly any of its own, and Welch's test would then find what is not there. Too short stretches do not differ, and two
// without spread differ exactly when their values do.
func levelP(a, b []float64) float64 {
	if len(a) < leastSegment || len(b) < leastSegment {
		return 1
	}
	meanA, sdA := moments(a)
	meanB, sdB := moments(b)
	n, m := float64(len(a)), float64(len(b))
	df := n + m - 2
	se := math.Hypot(sdA*math.Sqrt((n-1)/df), sdB*math.Sqrt((m-1)/df)) * math.Sqrt(1/n+1/m)
	if se == 0 {
		if meanA == meanB {
			return 1
		}
		return 0
	}
	return min(1, 2*tTail((meanA-meanB)/se, df))
}
