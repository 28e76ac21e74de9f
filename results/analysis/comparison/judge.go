package comparison

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/codec"
	"github.com/parbench/parbench/results/stat"
)

// power is the probability that Detectable and Need are for.
const power = .8

// Judge compares the subjects as one family. A row is regressed or improved (or differs, where no direction is known) when
// its q is at most Alpha and its ratio is beyond MinEffect; else equivalent when two one-sided tests at Alpha place the
// ratio within MinEffect, which excludes the first; else inconclusive. Rows with too few samples for any values to reach
// Alpha are not tested and count for nothing in the others' correction: which rows those are follows from the sample sizes
// alone. Only impossible options and pairs of unequal length are errors.
func Judge(kind Kind, subjects []Subject, opt Options) (Family, error) {
	opt, err := opt.resolve()
	if err != nil {
		return Family{}, err
	}
	f := Family{Kind: kind, Rows: make([]Row, len(subjects))}
	for i := range subjects {
		s := &subjects[i]
		if s.Paired && len(s.Base) != len(s.Head) {
			return Family{}, fmt.Errorf("comparison: %s: %d and %d samples cannot be pairs", s.Name, len(s.Base), len(s.Head))
		}
		f.Paired = f.Paired || s.Paired
	}
	each(len(subjects), func(i int) { f.Rows[i] = estimated(&subjects[i], opt) })
	f.test(subjects, opt)
	var known factors
	each(len(subjects), func(i int) { f.decide(&f.Rows[i], &subjects[i], &known, opt) })
	f.geomean(subjects, opt)
	f.Finding = f.finding(opt)
	return f, nil
}

// estimated is a row with all that does not depend on the others.
func estimated(s *Subject, opt Options) Row {
	r := Row{Group: s.Group, Name: s.Name, Sole: s.Sole, Unequal: s.Unequal, P: 1, Q: 1, EquivalentP: 1, Verdict: Inconclusive,
		Base: Side{N: len(s.Base), Median: median(s.Base)}, Head: Side{N: len(s.Head), Median: median(s.Head)}}
	if s.Paired {
		r.Pairs = len(s.Base)
	}
	if r.Base.N == 0 || r.Head.N == 0 {
		r.Undecidable = "no usable value on one side"
		return r
	}
	if lowest := min(slices.Min(s.Base), slices.Min(s.Head)); !(lowest > 0) {
		r.Undecidable = "values of zero or below have no ratio"
		return r
	}
	ratio := stat.UnpairedRatio
	if s.Paired {
		ratio = stat.PairedRatio
	}
	iv, p, err := ratio(s.Head, s.Base, opt.Confidence)
	if err != nil || !finite(p) {
		r.Undecidable = "values too far apart for a ratio"
		return r
	}
	r.P = p
	r.Ratio = analysis.Interval{Point: iv.Point, Lo: iv.Lo, Hi: iv.Hi, Level: iv.Level, N: iv.N}
	if iv.Level < opt.Confidence-1e-9 { // less than was asked for is not shown
		r.Ratio = analysis.Interval{Point: iv.Point, Lo: iv.Point, Hi: iv.Point, N: iv.N}
	}
	return r
}

// smallest returns the smallest p-value that a row of these sample sizes can have: 2^(1−n) for n pairs, 2/C(m+n, n) for
// two sides.
func smallest(r *Row) float64 {
	if r.Pairs > 0 {
		return math.Ldexp(1, 1-r.Pairs)
	}
	ways := 1.0
	for k := 1; k <= r.Base.N && !math.IsInf(ways, 0); k++ {
		ways *= float64(r.Head.N+k) / float64(k)
	}
	return min(1, 2/ways)
}

// test finds the rows that can be decided and adjusts their p-values. The largest set is taken of which each row could be
// the only finding, smallest p × rows ≤ Alpha; rows of equal sizes are in it together or not at all, so that no value has
// a part in the choice (after Tarone, Biometrics 46, 1990).
func (f *Family) test(subjects []Subject, opt Options) {
	type candidate struct {
		row   int
		least float64
	}
	var all []candidate
	for i := range f.Rows {
		if r := &f.Rows[i]; r.Undecidable == "" && !subjects[i].Exact {
			all = append(all, candidate{i, smallest(r)})
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(a.least, b.least) })
	for k := range all {
		last := k == len(all)-1 || all[k+1].least != all[k].least
		if last && all[k].least*float64(k+1) <= opt.Alpha {
			f.Tests = k + 1
		}
	}
	f.Floor = f.floor(max(1, len(all)), opt)
	p := make([]float64, f.Tests)
	for k := range p {
		p[k] = f.Rows[all[k].row].P
	}
	for k, q := range stat.BenjaminiHochberg(p) {
		r := &f.Rows[all[k].row]
		r.Tested, r.Q = true, q
	}
	for _, c := range all[f.Tests:] {
		r := &f.Rows[c.row]
		r.P, r.Need = 1, f.Floor
		if r.Pairs > 0 {
			r.Undecidable = fmt.Sprintf("%s, needs %d", counted(r.Pairs, "pair"), f.Floor)
		} else {
			r.Undecidable = fmt.Sprintf("%d and %d samples, needs %d a side", r.Base.N, r.Head.N, f.Floor)
		}
	}
}

// floor is the number of pairs, or of samples a side, at which each of m rows could be the only finding.
func (f *Family) floor(m int, opt Options) int {
	of := stat.UnpairedFloor
	if f.Paired {
		of = stat.PairFloor
	}
	n, err := of(m, opt.Alpha)
	if err != nil {
		return 0
	}
	return n
}

// decide gives a row its verdict.
func (f *Family) decide(r *Row, s *Subject, known *factors, opt Options) {
	if s.Exact && r.Base.N > 0 && r.Head.N > 0 {
		f.exactly(r, s, opt)
		return
	}
	if zero(s.Base) && zero(s.Head) && min(r.Base.N, r.Head.N) >= f.floor(1, opt) {
		r.Verdict, r.Undecidable = Equivalent, ""
		return
	}
	if !r.Tested {
		return
	}
	spread := f.resolution(r, s, known, opt)
	if r.Q <= opt.Alpha && Beyond(r.Ratio.Point, opt.MinEffect) {
		r.Verdict = direction(f.Better, r.Ratio.Point > 1)
		return
	}
	equivalent := stat.EquivalentUnpaired
	if s.Paired {
		equivalent = stat.EquivalentPaired
	}
	if e, err := equivalent(s.Head, s.Base, opt.MinEffect, opt.Alpha); err == nil {
		r.EquivalentP = min(1, max(0, e.P))
		if e.Equivalent {
			r.Verdict = Equivalent
			return
		}
	}
	if n, err := stat.NeededPairs(spread, math.Log1p(opt.MinEffect), f.single(opt), power); err == nil {
		r.Need = max(n, f.floor(max(1, f.Tests), opt))
	}
}

// single is the level at which a row has to differ if it is the only one.
func (f *Family) single(opt Options) float64 { return opt.Alpha / float64(max(1, f.Tests)) }

// exactly judges values that do not vary: no test is needed.
func (f *Family) exactly(r *Row, s *Subject, opt Options) {
	steady := slices.Min(s.Base) == slices.Max(s.Base) && slices.Min(s.Head) == slices.Max(s.Head)
	switch {
	case !steady:
		r.Undecidable = "declared to repeat exactly, and does not"
	case s.Base[0] == s.Head[0]:
		r.Verdict, r.Undecidable = Equivalent, ""
	case r.Ratio.N == 0: // from or to zero: no ratio, and yet a difference
		r.Verdict, r.Undecidable = direction(f.Better, s.Head[0] > s.Base[0]), ""
	case !Beyond(r.Ratio.Point, opt.MinEffect):
		r.Verdict = Equivalent
	default:
		r.Verdict = direction(f.Better, r.Ratio.Point > 1)
	}
}

// Beyond reports whether a ratio differs from 1 by more than effect: above 1+effect or below 1/(1+effect). Values that are
// written with few digits lie exactly there, such as 51 ns against 50 ns at 2 %, and rounding must not take them beyond.
func Beyond(ratio, effect float64) bool {
	return math.Abs(math.Log(ratio)) > math.Log1p(effect)*(1+1e-9)
}

func direction(better codec.Direction, more bool) Verdict {
	switch {
	case better == codec.Unknown:
		return Differs
	case (better == codec.Lower) == more:
		return Regressed
	}
	return Improved
}

// resolution fills in what the row's data could show, and returns the deviation of one pair of samples. A paired t test
// stands in for the tests in use; for two sides its standard error and degrees of freedom are those of Welch.
func (f *Family) resolution(r *Row, s *Subject, known *factors, opt Options) (spread float64) {
	alpha := f.single(opt)
	if s.Paired {
		d := make([]float64, len(s.Base))
		for i := range d {
			d[i] = math.Log(s.Head[i]) - math.Log(s.Base[i])
		}
		spread = deviation(d)
		r.Detectable = known.detectable(spread, len(d), alpha)
	} else {
		x, y := deviation(logs(s.Base)), deviation(logs(s.Head))
		spread = math.Hypot(x, y)
		u, v := x/math.Sqrt(float64(len(s.Base))), y/math.Sqrt(float64(len(s.Head)))
		se := math.Hypot(u, v)
		df := float64(len(s.Base) + len(s.Head) - 2)
		if se > 0 {
			a, b := u/se, v/se
			df = 1 / (a*a*a*a/float64(len(s.Base)-1) + b*b*b*b/float64(len(s.Head)-1))
		}
		if n := int(df) + 1; n >= 2 && finite(df) {
			r.Detectable = known.detectable(se*math.Sqrt(float64(n)), n, alpha)
		}
	}
	return spread
}

// factors are the smallest detectable differences of n differences with a deviation of 1, at the one level of a family. They
// are kept because their quantiles are most of the work of judging a row.
type factors struct {
	sync.Mutex
	m map[int]float64
}

// detectable is the relative difference that n differences of that deviation show.
func (f *factors) detectable(sd float64, n int, alpha float64) float64 {
	f.Lock()
	factor, ok := f.m[n]
	if !ok {
		factor, _ = stat.MinDetectable(1, n, alpha, power) // 0 where there is none
		if f.m == nil {
			f.m = make(map[int]float64)
		}
		f.m[n] = factor
	}
	f.Unlock()
	if d := math.Expm1(factor * sd); finite(d) {
		return d
	}
	return 0
}

// geomean summarises the rows that have a ratio. Paired rows with rounds in common give one geometric mean a round, and an
// interval that holds for these rows; otherwise the rows are taken as a sample of such rows.
func (f *Family) geomean(subjects []Subject, opt Options) {
	var points []float64
	var paired []*Subject
	for i := range f.Rows {
		if r := &f.Rows[i]; r.Ratio.N > 0 && r.Unequal == "" {
			points = append(points, r.Ratio.Point)
			paired = append(paired, &subjects[i])
		}
	}
	if len(points) < 2 {
		return
	}
	f.GeomeanOver = Others
	iv, err := stat.GeometricMean(points, opt.Confidence)
	if rounds := together(paired); rounds != nil {
		if g, _, perr := stat.PairedGeometricMean(rounds, opt.Confidence); perr == nil {
			iv, err, f.GeomeanOver = g, nil, These
		}
	}
	if err == nil {
		f.Geomean = analysis.Interval{Point: iv.Point, Lo: iv.Lo, Hi: iv.Hi, Level: iv.Level, N: len(points)}
		if iv.Level < opt.Confidence-1e-9 {
			f.Geomean = analysis.Interval{Point: iv.Point, Lo: iv.Point, Hi: iv.Point, N: len(points)}
		}
	}
}

// together returns the ratios of each pair for all subjects, nil unless all have the same rounds.
func together(subjects []*Subject) [][]float64 {
	n := len(subjects[0].Base)
	for _, s := range subjects {
		if !s.Paired || len(s.Base) != n || !slices.Equal(s.Rounds, subjects[0].Rounds) {
			return nil
		}
	}
	rounds := make([][]float64, n)
	for i := range rounds {
		for _, s := range subjects {
			rounds[i] = append(rounds[i], s.Head[i]/s.Base[i])
		}
	}
	return rounds
}

// zero reports whether nothing was ever counted.
func zero(x []float64) bool { return len(x) > 0 && slices.Min(x) == 0 && slices.Max(x) == 0 }

func median(x []float64) float64 {
	m, err := stat.Median(x)
	if err != nil {
		return 0
	}
	return m
}

func logs(x []float64) []float64 {
	l := make([]float64, len(x))
	for i, v := range x {
		l[i] = math.Log(v)
	}
	return l
}

// deviation is the sample standard deviation, 0 under two samples.
func deviation(x []float64) float64 {
	if len(x) < 2 || slices.Min(x) == slices.Max(x) { // no rounding errors for a spread
		return 0
	}
	var mean, squares float64
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		squares += (v - mean) * (v - mean)
	}
	return math.Sqrt(squares / float64(len(x)-1))
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
