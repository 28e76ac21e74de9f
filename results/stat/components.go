package stat

import (
	"fmt"
	"math"
)

// Components says how much of the variance of a nested experiment arises at each of its levels, such as process and
// batch. All slices are in the order of the repetitions, outermost level first; variances have the square of the
// samples' unit.
type Components struct {
	// Mean is that of all samples, with the t interval from the means of the outermost level.
	Mean Interval
	// Repetitions are the arguments.
	Repetitions []int
	// S2 are the variances of the means at each level around those of the level above: biased, for they contain the
	// variance of the levels below.
	S2 []float64
	// T2 are the variances that arise at each level itself. An estimate can be negative: then the level adds nothing that
	// these data can see.
	T2 []float64
}

// VarianceComponents analyses a balanced nested experiment after Kalibera and Jones, "Rigorous benchmarking in reasonable
// time" (ISMM 2013), section 6, with T² of a level = S² − S²(below)/repetitions(below) as in their corrected version.
// repetitions are the counts of each level, outermost first, and data the samples in that order: {3, 4} is three
// processes of four batches each, process by process. With one repetition at the outermost level the Level of Mean is 0
// and so is its S2; a single level is allowed. It assumes that what happens at one level is independent of the others.
// Errors: ErrLength when the counts do not multiply to the number of samples, ErrTooFew without samples or with one
// repetition at a level below the outermost, ErrNotFinite, ErrArgument, ErrRange.
func VarianceComponents(data []float64, repetitions []int, level float64) (Components, error) {
	if err := checkLevel(level); err != nil {
		return Components{}, err
	}
	if err := checkSample(data, 1); err != nil {
		return Components{}, err
	}
	if len(repetitions) == 0 {
		return Components{}, fmt.Errorf("%w: no repetition counts", ErrArgument)
	}
	left := len(data)
	for i, r := range repetitions {
		switch {
		case r < 1:
			return Components{}, fmt.Errorf("%w: %d repetitions at level %d", ErrArgument, r, i)
		case r == 1 && i > 0:
			return Components{}, fmt.Errorf("%w: one repetition at level %d, needs 2", ErrTooFew, i)
		case left%r != 0:
			return Components{}, fmt.Errorf("%w: %d samples, repetitions %v", ErrLength, len(data), repetitions)
		}
		left /= r
	}
	if left != 1 {
		return Components{}, fmt.Errorf("%w: %d samples, repetitions %v", ErrLength, len(data), repetitions)
	}
	c := Components{
		Repetitions: append([]int(nil), repetitions...),
		S2:          make([]float64, len(repetitions)),
		T2:          make([]float64, len(repetitions)),
	}
	values := data
	for i := len(repetitions) - 1; i >= 0; i-- {
		values, c.S2[i] = collapse(values, repetitions[i])
		if _, err := inRange(c.S2[i]); err != nil {
			return Components{}, err
		}
		c.T2[i] = c.S2[i]
		if i+1 < len(repetitions) {
			c.T2[i] -= c.S2[i+1] / float64(repetitions[i+1])
		}
	}
	outer := repetitions[0]
	if outer == 1 {
		c.T2[0] = 0
	}
	c.Mean = Interval{Point: values[0], Lo: values[0], Hi: values[0], N: outer}
	if c.S2[0] > 0 {
		half := -tQuantile((1-level)/2, float64(outer-1)) * math.Sqrt(c.S2[0]/float64(outer))
		c.Mean.Lo, c.Mean.Hi, c.Mean.Level = values[0]-half, values[0]+half, level
	}
	if !finite(c.Mean.Lo) || !finite(c.Mean.Hi) {
		return Components{}, ErrRange
	}
	return c, nil
}

// collapse replaces each group of r values by its mean and returns the mean of the groups' variances.
func collapse(values []float64, r int) (means []float64, variance float64) {
	means = make([]float64, len(values)/r)
	for i := range means {
		var sd float64
		means[i], sd = moments(values[i*r : (i+1)*r])
		variance += sd * sd / float64(len(means))
	}
	return means, variance
}

// OptimalRepetitions returns how often to repeat each level below the outermost for the narrowest interval per cost, not
// rounded: at level i the square root of (cost[i−1]/cost[i]) · (T2[i]/T2[i−1]), outermost first (Kalibera and Jones,
// section 6.2; round up). costs are those of one repetition of each level without what is below it, outermost first, in
// any unit: starting a process, one batch. The outermost level is then repeated until the interval is narrow enough.
// Where a level adds no variance its count is 1: repeating it is wasted. Errors: ErrLength, ErrNotFinite, ErrArgument for
// a cost that is not above 0, ErrUnbounded where the level above adds no variance and repeating the inner one is all that
// helps, ErrRange.
func (c Components) OptimalRepetitions(costs []float64) ([]float64, error) {
	if len(costs) != len(c.T2) {
		return nil, fmt.Errorf("%w: %d costs, %d levels", ErrLength, len(costs), len(c.T2))
	}
	for i, v := range costs {
		switch {
		case !finite(v):
			return nil, fmt.Errorf("cost %d: %w: %v", i, ErrNotFinite, v)
		case v <= 0:
			return nil, fmt.Errorf("%w: cost %d is %v, must be above 0", ErrArgument, i, v)
		}
	}
	best := make([]float64, 0, len(costs))
	for i := 1; i < len(costs); i++ {
		r := 1.0
		if c.T2[i] > 0 {
			if c.T2[i-1] <= 0 {
				return nil, fmt.Errorf("level %d adds no variance: %w", i-1, ErrUnbounded)
			}
			r = math.Sqrt(costs[i-1]/costs[i]) * math.Sqrt(c.T2[i]/c.T2[i-1])
		}
		r, err := inRange(r)
		if err != nil {
			return nil, err
		}
		best = append(best, r)
	}
	return best, nil
}
