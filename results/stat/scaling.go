package stat

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// ScalingPoint is one observation: throughput X, or speedup, with N workers, cores or clients.
type ScalingPoint struct{ N, X float64 }

// mostN bounds N so that its square keeps all digits.
const mostN = 1e7

// ScalingOptions configures a fit. The zero value is the default.
type ScalingOptions struct {
	// Unweighted fits by least squares on X, as published coefficients are. The default is relative: errors of benchmarks
	// are a share of the value, and unweighted the largest N would decide alone.
	Unweighted bool
	// Level is the confidence of the intervals. 0 means 0.95.
	Level float64
	// ResidualScale is the standard deviation of a per-N value's residual where it is known from an A/A run: relative, or in
	// the unit of X when Unweighted. It is used with 3 or 4 different N, which cannot tell it themselves. 0: unknown.
	ResidualScale float64
}

// ScalingFlag says what a reader of a Scaling must know.
type ScalingFlag string

// The flags.
const (
	// FlagNoFit: two different N give the Karp–Flatt fraction and no fit.
	FlagNoFit ScalingFlag = "no-fit"
	// FlagFewN: with 3 or 4 different N and no known residual scale no model can be preferred.
	FlagFewN ScalingFlag = "few-n"
	// FlagNoUSL: the USL is not identifiable from these N, and they do not contradict Amdahl's law.
	FlagNoUSL ScalingFlag = "usl-not-identifiable"
	// FlagPeakBeyond: the peak of the chosen model lies beyond twice the largest N measured.
	FlagPeakBeyond ScalingFlag = "peak-beyond-data"
	// FlagNoBetaBound: the data do not bound β from above.
	FlagNoBetaBound ScalingFlag = "beta-unbounded"
)

// Scaling is what FitScaling finds out.
type Scaling struct {
	// Points are the values fitted: the median of X for each N, ascending.
	Points []ScalingPoint
	// The fits; nil where the data are too few for one.
	Linear, Amdahl, USL *ScalingFit
	// Choice is the simplest model that the data do not reject at 5 % against the next; "" when they cannot decide.
	Choice ScalingModel
	// AmdahlP is the p-value of linear against Amdahl, USLP of Amdahl against USL; 1 where there was no test.
	AmdahlP, USLP float64
	// BetaBound holds β with its one-sided upper confidence bound in Hi, whatever the Choice: the largest β for which the
	// best α and γ do not fit worse than the level allows (a profile). Level is 0 when the data give no bound.
	BetaBound Interval
	// Flags are in the order of their declaration.
	Flags []ScalingFlag
}

// Best returns the fit of the chosen model, or nil.
func (s Scaling) Best() *ScalingFit {
	switch s.Choice {
	case ModelLinear:
		return s.Linear
	case ModelAmdahl:
		return s.Amdahl
	case ModelUSL:
		return s.USL
	}
	return nil
}

// FitScaling fits the three models to throughput and chooses between them: replicates of one N are first reduced to
// their median, because the error that matters is per N (placement, frequency, caches) and replicates do not show it.
// The fits are bounded (γ > 0, α ≥ 0, β ≥ 0), by non-negative least squares on N/X, where the models are linear (relative
// residuals), or by nonlinear least squares on X (Unweighted). With five or more different N the choice is by nested F
// tests, each with one degree of freedom above and #N − parameters below; since α and β cannot be negative their true
// level is half of 5 %. With 3 or 4 it needs a ResidualScale. It assumes independent errors of the per-N values, roughly
// normal: give it throughputs rather than speedups, which all share the error of their reference. Errors: ErrTooFew under two different N, ErrNotFinite, ErrNotPositive for an X of 0 or less, ErrArgument for an
// N outside 1 … 10⁷ or a bad option, ErrFit, ErrRange.
func FitScaling(points []ScalingPoint, opt ScalingOptions) (Scaling, error) {
	d, opt, err := reduce(points, opt)
	if err != nil {
		return Scaling{}, err
	}
	s := Scaling{AmdahlP: 1, USLP: 1}
	for i := range d.n {
		s.Points = append(s.Points, ScalingPoint{d.n[i], d.x[i] * d.unit})
	}
	if len(d.n) == 2 {
		s.Flags = []ScalingFlag{FlagNoFit, FlagNoUSL, FlagNoBetaBound}
		return s, nil
	}
	known := opt.ResidualScale
	if d.unweighted {
		known /= d.unit
	}
	few := len(d.n) < 5
	if !few {
		known = 0
	}
	models := []struct {
		model ScalingModel
		at    **ScalingFit
	}{{ModelLinear, &s.Linear}, {ModelAmdahl, &s.Amdahl}, {ModelUSL, &s.USL}}
	for _, m := range models {
		f, err := d.fitModel(m.model, opt.Level, known)
		if err != nil {
			return Scaling{}, err
		}
		*m.at = &f
	}
	// RSS in scaled units again: the tests need only ratios.
	rss := func(f *ScalingFit) float64 {
		if d.unweighted {
			return f.RSS / d.unit / d.unit
		}
		return f.RSS
	}
	switch {
	case !few:
		s.AmdahlP = nestedP(rss(s.Linear), rss(s.Amdahl), s.Amdahl.DF, 0)
		s.USLP = nestedP(rss(s.Amdahl), rss(s.USL), s.USL.DF, 0)
		s.Choice = choose(s.AmdahlP, s.USLP)
	case known > 0:
		s.AmdahlP = nestedP(rss(s.Linear), rss(s.Amdahl), 0, known)
		// Whether Amdahl's law fits at all, by the size of its residuals.
		s.USLP = distuv.ChiSquared{K: float64(s.Amdahl.DF)}.Survival(rss(s.Amdahl) / known / known)
		s.Choice = choose(s.AmdahlP, s.USLP)
	default:
		s.Flags = append(s.Flags, FlagFewN)
	}
	s.BetaBound = d.betaBound(s.USL, opt.Level, known)
	if few && s.Choice != ModelUSL {
		s.USL = nil
		s.Flags = append(s.Flags, FlagNoUSL)
	}
	if best := s.Best(); best != nil && best.PeakBeyond {
		s.Flags = append(s.Flags, FlagPeakBeyond)
	}
	if s.BetaBound.Level == 0 {
		s.Flags = append(s.Flags, FlagNoBetaBound)
	}
	return s, nil
}

// FitScalingModel fits one model as FitScaling does, without asking whether the data support it: for checking against
// published coefficients. It needs as many different N as the model has parameters. Errors as FitScaling.
func FitScalingModel(points []ScalingPoint, m ScalingModel, opt ScalingOptions) (ScalingFit, error) {
	if m.parameters() == 0 {
		return ScalingFit{}, fmt.Errorf("%w: model %q", ErrArgument, m)
	}
	d, opt, err := reduce(points, opt)
	if err != nil {
		return ScalingFit{}, err
	}
	if len(d.n) < m.parameters() {
		return ScalingFit{}, fmt.Errorf("%w: %d different N, %s needs %d", ErrTooFew, len(d.n), m, m.parameters())
	}
	if d.unweighted {
		opt.ResidualScale /= d.unit
	}
	return d.fitModel(m, opt.Level, opt.ResidualScale)
}

// reduce checks the input and takes the median for each N.
func reduce(points []ScalingPoint, opt ScalingOptions) (perN, ScalingOptions, error) {
	fail := func(err error) (perN, ScalingOptions, error) { return perN{}, opt, err }
	if opt.Level == 0 {
		opt.Level = .95
	}
	if err := checkLevel(opt.Level); err != nil {
		return fail(err)
	}
	if !(opt.ResidualScale >= 0) || math.IsInf(opt.ResidualScale, 0) {
		return fail(fmt.Errorf("%w: residual scale %v, must be 0 or more and finite", ErrArgument, opt.ResidualScale))
	}
	byN := map[float64][]float64{}
	for i, p := range points {
		switch {
		case !finite(p.N) || !finite(p.X):
			return fail(fmt.Errorf("point %d: %w: N = %v, X = %v", i, ErrNotFinite, p.N, p.X))
		case p.X <= 0:
			return fail(fmt.Errorf("point %d: %w: X = %v", i, ErrNotPositive, p.X))
		case p.N < 1 || p.N > mostN:
			return fail(fmt.Errorf("point %d: %w: N = %v, must lie in [1, %v]", i, ErrArgument, p.N, float64(mostN)))
		}
		byN[p.N] = append(byN[p.N], p.X)
	}
	if len(byN) < 2 {
		return fail(fmt.Errorf("%w: %d different N, needs 2", ErrTooFew, len(byN)))
	}
	d := perN{unweighted: opt.Unweighted}
	for n := range byN {
		d.n = append(d.n, n)
	}
	slices.Sort(d.n)
	for _, n := range d.n {
		m := quantile(sorted(byN[n]), .5)
		d.x = append(d.x, m)
		d.unit = max(d.unit, m)
	}
	for i := range d.x {
		if d.x[i] /= d.unit; d.x[i] < 1e-100 {
			return fail(fmt.Errorf("throughputs more than 10¹⁰⁰ apart: %w", ErrRange))
		}
	}
	return d, opt, nil
}

// nestedP returns the p-value of one more parameter: F with 1 and df degrees of freedom, which is t² with df, or normal
// for a known residual scale.
func nestedP(small, large float64, df int, known float64) float64 {
	gain := max(0, small-large)
	if known > 0 {
		return min(1, 2*distuv.UnitNormal.CDF(-math.Sqrt(gain)/known))
	}
	// A fit that is exact but for rounding: more parameters cannot improve it, fewer are refuted.
	const rounding = 1e-24
	switch {
	case small <= rounding:
		return 1
	case large <= rounding*small:
		return 0
	}
	return min(1, 2*tTail(math.Sqrt(gain/(large/float64(df))), float64(df)))
}

// choose returns the simplest model that is not rejected against the next at 5 %.
func choose(amdahlP, uslP float64) ScalingModel {
	switch {
	case uslP <= .05:
		return ModelUSL
	case amdahlP <= .05:
		return ModelAmdahl
	}
	return ModelLinear
}

// betaBound profiles β upwards from its estimate.
func (d perN) betaBound(usl *ScalingFit, level, known float64) Interval {
	b := Interval{Point: usl.Beta.Point, Hi: usl.Beta.Point, N: len(d.n)}
	least, _, ok := d.profile(b.Point)
	if !ok || (known == 0 && usl.DF < 1) {
		b.Lo = b.Point
		return b
	}
	var allowed float64
	if known > 0 {
		z := distuv.UnitNormal.Quantile(level)
		allowed = least + z*z*known*known
	} else {
		t := tQuantile(level, float64(usl.DF))
		// The floor makes an exact fit's bound a rounding error wide instead of a search for nothing.
		allowed = least*(1+t*t/float64(usl.DF)) + 1e-26
	}
	step := max(usl.Beta.Hi-usl.Beta.Point, usl.Beta.Point, 1e-15)
	hi := b.Point + step
	for {
		rss, _, ok := d.profile(hi)
		if ok && rss > allowed {
			break
		}
		step *= 4
		if hi = b.Point + step; hi > 1e6 {
			b.Lo = b.Point
			return b
		}
	}
	lo := b.Point
	for hi-lo > 1e-8*hi {
		mid := lo + (hi-lo)/2
		if rss, _, ok := d.profile(mid); ok && rss <= allowed {
			lo = mid
		} else {
			hi = mid
		}
	}
	b.Hi, b.Level = hi, level
	return b
}

// profile returns the least sum of squares for a given β.
func (d perN) profile(beta float64) (rss float64, t [3]float64, ok bool) {
	t, rss, ok = d.fit([3]bool{true, true, false}, [3]float64{0, 0, beta})
	return rss, t, ok
}

// KarpFlatt returns the experimentally determined serial fraction of a speedup with n > 1 processors, (1/S − 1/n)/(1 −
// 1/n) (Karp and Flatt, Communications of the ACM 33, 1990): without unit, constant in n for purely serial work, rising
// where overhead grows, negative for superlinear speedup. Errors: ErrNotFinite, ErrNotPositive, ErrArgument, ErrRange.
func KarpFlatt(speedup, n float64) (float64, error) {
	if !finite(speedup) {
		return 0, fmt.Errorf("speedup: %w: %v", ErrNotFinite, speedup)
	}
	if speedup <= 0 {
		return 0, fmt.Errorf("speedup: %w: %v", ErrNotPositive, speedup)
	}
	if !(n > 1) || math.IsInf(n, 0) {
		return 0, fmt.Errorf("%w: n = %v, must be above 1 and finite", ErrArgument, n)
	}
	return inRange((1/speedup - 1/n) / (1 - 1/n))
}

// KarpFlattInterval maps a speedup with its interval to the serial fraction with its own, at the same Level. Errors as
// KarpFlatt, for each of the three values.
func KarpFlattInterval(speedup Interval, n float64) (Interval, error) {
	e := Interval{Level: speedup.Level, N: speedup.N}
	// A larger speedup is a smaller serial fraction.
	for _, v := range []struct {
		to   *float64
		from float64
	}{{&e.Point, speedup.Point}, {&e.Lo, speedup.Hi}, {&e.Hi, speedup.Lo}} {
		var err error
		if *v.to, err = KarpFlatt(v.from, n); err != nil {
			return Interval{}, err
		}
	}
	return e, nil
}

// Gustafson returns the scaled speedup of n ≥ 1 processors, n + (1 − n)·serial, where serial is the share of its time
// that the parallel run spends in serial work (Gustafson, Communications of the ACM 31, 1988). Errors: ErrArgument,
// ErrRange.
func Gustafson(serial, n float64) (float64, error) {
	if !(serial >= 0 && serial <= 1) {
		return 0, fmt.Errorf("%w: serial share %v, must lie in [0, 1]", ErrArgument, serial)
	}
	if !(n >= 1) || math.IsInf(n, 0) {
		return 0, fmt.Errorf("%w: n = %v, must be 1 or more and finite", ErrArgument, n)
	}
	return inRange(n + (1-n)*serial)
}
