package stat

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// ScalingModel names a model of throughput against concurrency.
type ScalingModel string

// The models, each a special case of the next: X(N) = γN / (1 + α(N−1) + βN(N−1)).
const (
	// ModelLinear has α = β = 0.
	ModelLinear ScalingModel = "linear"
	// ModelAmdahl has β = 0: Amdahl's law (AFIPS 1967) with the serial fraction α.
	ModelAmdahl ScalingModel = "Amdahl"
	// ModelUSL is Gunther's Universal Scalability Law (Guerrilla Capacity Planning, 2007): α is contention, β coherency.
	ModelUSL ScalingModel = "USL"
)

// parameters is how many of γ, α, β the model has.
func (m ScalingModel) parameters() int {
	switch m {
	case ModelLinear:
		return 1
	case ModelAmdahl:
		return 2
	case ModelUSL:
		return 3
	}
	return 0
}

// ScalingFit is one model fitted to throughput.
type ScalingFit struct {
	Model ScalingModel
	// Gamma is the throughput of one worker, in the unit of X. Alpha and Beta have none. The intervals are t intervals of
	// the linearised model, cut at 0; their Level is 0 when there are no degrees of freedom. Parameters that the model does
	// not have are zero values. One at its bound 0 keeps its interval, [0, t·standard error].
	Gamma, Alpha, Beta Interval
	// RSS is the sum of squared residuals and Sigma their standard deviation, √(RSS/DF) or the one given: relative, or in
	// the unit of X where the fit is unweighted.
	RSS, Sigma float64
	// DF is the number of different N less that of the parameters.
	DF int
	// Peak is the N with the highest throughput, √((1−α)/β), with the interval of its linearised logarithm; its Level is 0
	// where β may be 0. All of it is 0 when β is: there is no peak.
	Peak Interval
	// PeakBeyond says that Peak lies beyond twice the largest N measured: that there is one is then a guess.
	PeakBeyond bool
	// Limit is what throughput tends to as N grows without β, γ/α, in the unit of X; 0 when α is 0 and there is none.
	Limit float64
	// Largest is the largest N of the data.
	Largest float64

	uncertainty uncertainty
}

// At returns the model's throughput at n ≥ 0, in the unit of X. Errors: ErrArgument, ErrExtrapolate beyond twice the
// largest N measured, ErrRange.
func (f ScalingFit) At(n float64) (float64, error) {
	if !(n >= 0) {
		return 0, fmt.Errorf("%w: N = %v, must be 0 or more", ErrArgument, n)
	}
	if n > 2*f.Largest {
		return 0, fmt.Errorf("%w: N = %v, and the largest measured is %v", ErrExtrapolate, n, f.Largest)
	}
	return inRange(f.Gamma.Point * n / (1 + f.Alpha.Point*(n-1) + f.Beta.Point*n*(n-1)))
}

// WorkersFor returns the smallest N at which the model reaches throughput x > 0: the lower root of γN = x·(1 + α(N−1) +
// βN(N−1)). Errors: ErrArgument, ErrRange when x is above what the model ever reaches, ErrExtrapolate when N would be
// beyond twice the largest measured.
func (f ScalingFit) WorkersFor(x float64) (float64, error) {
	if !(x > 0) || math.IsInf(x, 0) {
		return 0, fmt.Errorf("%w: throughput %v, must be above 0 and finite", ErrArgument, x)
	}
	// a·N² − b·N + c = 0, divided by x.
	a := f.Beta.Point
	b := f.Gamma.Point/x - f.Alpha.Point + f.Beta.Point
	c := 1 - f.Alpha.Point
	d := b*b - 4*a*c
	if !(b > 0) || !(d >= 0) {
		return 0, fmt.Errorf("throughput %v is above the model's highest: %w", x, ErrRange)
	}
	n := 2 * c / (b + math.Sqrt(d)) // this form of the lower root also serves a = 0
	if n > 2*f.Largest {
		return 0, fmt.Errorf("%w: N = %v, and the largest measured is %v", ErrExtrapolate, n, f.Largest)
	}
	return inRange(max(0, n))
}

// perN holds one throughput for each N, ascending; x is divided by unit, the largest of them.
type perN struct {
	n, x []float64
	unit float64
	// unweighted chooses the residuals x − f(n) instead of 1 − x/f(n).
	unweighted bool
}

// rss returns the sum of squares of the residuals for γ, α, β.
func (d perN) rss(t [3]float64) (sum float64) {
	for i, n := range d.n {
		var r float64
		if inverse := (1 + t[1]*(n-1) + t[2]*n*(n-1)) / (t[0] * n); d.unweighted {
			r = d.x[i] - 1/inverse
		} else {
			r = 1 - d.x[i]*inverse
		}
		sum += r * r
	}
	return sum
}

// fit returns the parameters with the least squares under γ > 0, α ≥ 0, β ≥ 0. free says which of α and β may differ from
// fixed. At the minimum each of the free ones is either at 0 or where its derivative is 0, so that trying each subset and
// keeping the best one without negative values is complete; with three parameters that is four fits.
func (d perN) fit(free [3]bool, fixed [3]float64) (best [3]float64, rss float64, ok bool) {
	for subset := range 4 {
		inner, t := free, fixed
		if subset&1 == 1 {
			if !free[1] {
				continue
			}
			inner[1], t[1] = false, 0
		}
		if subset&2 == 2 {
			if !free[2] {
				continue
			}
			inner[2], t[2] = false, 0
		}
		t, found := d.interior(inner, t)
		if !found || !(t[0] > 0) || math.IsInf(t[0], 0) || t[1] < 0 || t[2] < 0 {
			continue
		}
		if s := d.rss(t); finite(s) && (!ok || s < rss) {
			best, rss, ok = t, s, true
		}
	}
	return best, rss, ok
}

// runsAway reports whether the squares become smaller still as γ, α and β all grow without end: possible when N = 1 is
// missing and throughput only falls.
func (d perN) runsAway(free [3]bool, t [3]float64, rss float64) bool {
	highest := 0.0
	for i, n := range d.n {
		highest = max(highest, d.x[i]/n)
	}
	if t[0] > 1e8*highest {
		return true
	}
	if d.unweighted {
		return false
	}
	// In the limit N/X has no constant term.
	for subset := 1; subset < 4; subset++ {
		var columns [][]float64
		for j := 1; j < 3; j++ {
			if subset>>(j-1)&1 == 0 || !free[j] {
				continue
			}
			column := make([]float64, len(d.n))
			for i, n := range d.n {
				column[i] = d.x[i] / n * [3]float64{1, n - 1, n * (n - 1)}[j]
			}
			columns = append(columns, column)
		}
		target := make([]float64, len(d.n))
		for i := range target {
			target[i] = 1
		}
		s, ok := leastSquares(columns, target)
		for _, c := range s.coef {
			ok = ok && c >= 0
		}
		if ok && len(columns) > 0 && s.rss < rss*(1-1e-9) {
			return true
		}
	}
	return false
}

// interior minimises over the free parameters without bounds: N/X is linear in 1/γ, α/γ and β/γ, which solves the
// weighted problem; for the unweighted one it is the start of a Levenberg–Marquardt iteration.
func (d perN) interior(free [3]bool, t [3]float64) ([3]float64, bool) {
	rows := len(d.n)
	columns := [][]float64{make([]float64, rows)}
	target := make([]float64, rows)
	for _, isFree := range free[1:] {
		if isFree {
			columns = append(columns, make([]float64, rows))
		}
	}
	for i, n := range d.n {
		w := d.x[i] / n // 1/y: residuals relative to y
		target[i] = 1
		if d.unweighted {
			// A residual of y counts |dX/dy| = X²/N: to first order that of X.
			w *= d.x[i]
			target[i] = d.x[i]
		}
		columns[0][i] = w
		k := 1
		for j, basis := range [2]float64{n - 1, n * (n - 1)} {
			if free[j+1] {
				columns[k][i] = w * basis
				k++
			} else {
				columns[0][i] += w * basis * t[j+1]
			}
		}
	}
	s, ok := leastSquares(columns, target)
	if !ok {
		return t, false
	}
	k := 1
	t[0] = 1 / s.coef[0]
	for j := 1; j < 3; j++ {
		if free[j] {
			t[j] = s.coef[k] / s.coef[0]
			k++
		}
	}
	if d.unweighted {
		return d.iterate(free, t)
	}
	return t, true
}

// iterate is Levenberg–Marquardt (Marquardt, Journal of SIAM 11, 1963) on X from a start that it first makes feasible.
func (d perN) iterate(free [3]bool, t [3]float64) ([3]float64, bool) {
	if !(t[0] > 0) || math.IsInf(t[0], 0) {
		t[0] = 1
	}
	for j := 1; j < 3; j++ {
		if free[j] && !(t[j] >= 0) {
			t[j] = 0
		}
	}
	rss, damping := d.rss(t), 1e-4
	for range 500 {
		j, r := d.jacobian(free, t)
		for i := range j {
			damped := make([]float64, len(j))
			damped[i] = math.Sqrt(damping) * norm(j[i])
			j[i] = append(j[i], damped...)
		}
		s, ok := leastSquares(j, append(r, make([]float64, len(j))...))
		if !ok {
			return t, false
		}
		next, k, moved := t, 0, 0.0
		for i := range next {
			if free[i] || i == 0 {
				next[i] += s.coef[k]
				moved = max(moved, math.Abs(s.coef[k])/(math.Abs(next[i])+1e-12))
				k++
			}
		}
		if d.feasible(next) && d.rss(next) <= rss {
			t, rss, damping = next, d.rss(next), max(damping/10, 1e-15)
			if moved < 1e-11 {
				return t, true
			}
			continue
		}
		if damping *= 10; damping > 1e8 {
			break // no step along the gradient helps: this is the minimum to the last digits
		}
	}
	return t, true
}

// feasible reports whether the model is finite and positive at all N; negative α and β are allowed on the way.
func (d perN) feasible(t [3]float64) bool {
	for _, n := range d.n {
		if !(1+t[1]*(n-1)+t[2]*n*(n-1) > 0) {
			return false
		}
	}
	return t[0] > 0 && !math.IsInf(t[0], 0)
}

// jacobian returns the derivatives of the model's values with respect to γ and the free ones of α and β, in the unit of
// the residuals, and the residuals.
func (d perN) jacobian(free [3]bool, t [3]float64) (columns [][]float64, residuals []float64) {
	of := [3][]float64{}
	for i, n := range d.n {
		den := 1 + t[1]*(n-1) + t[2]*n*(n-1)
		f := t[0] * n / den
		scale, r := 1.0, d.x[i]-f
		if !d.unweighted {
			// 1 − x/f: to first order the derivatives are those of f, times x/f².
			scale, r = d.x[i]/f/f, 1-d.x[i]/f
		}
		residuals = append(residuals, r)
		for j, v := range [3]float64{f / t[0], -f * (n - 1) / den, -f * n * (n - 1) / den} {
			of[j] = append(of[j], v*scale)
		}
	}
	for j := range of {
		if j == 0 || free[j] {
			columns = append(columns, of[j])
		}
	}
	return columns, residuals
}

// fitModel fits one model. scale is a known standard deviation of the residuals, or 0.
func (d perN) fitModel(m ScalingModel, level, scale float64) (ScalingFit, error) {
	p := m.parameters()
	free := [3]bool{true, p > 1, p > 2}
	t, rss, ok := d.fit(free, [3]float64{})
	if !ok || d.runsAway(free, t, rss) {
		return ScalingFit{}, fmt.Errorf("%s: the throughput of one worker is not bounded by these N, measure with N = 1: %w", m, ErrFit)
	}
	f := ScalingFit{Model: m, RSS: rss, DF: len(d.n) - p, Largest: d.n[len(d.n)-1]}
	sigma, q := scale, -distuv.UnitNormal.Quantile((1-level)/2)
	if scale == 0 && f.DF > 0 {
		sigma, q = math.Sqrt(rss/float64(f.DF)), -tQuantile((1-level)/2, float64(f.DF))
	}
	f.Sigma = sigma
	columns, residuals := d.jacobian(free, t)
	s, hasErrors := leastSquares(columns, residuals)
	hasErrors = hasErrors && (scale > 0 || f.DF > 0)
	parameter := func(k int) Interval {
		iv := Interval{Point: t[k], Lo: t[k], Hi: t[k], N: len(d.n)}
		if hasErrors {
			half := q * sigma * math.Sqrt(s.inverse[k][k])
			iv.Lo, iv.Hi, iv.Level = max(0, t[k]-half), t[k]+half, level
		}
		return iv
	}
	f.Gamma = parameter(0)
	if p > 1 {
		f.Alpha = parameter(1)
	}
	if p > 2 {
		f.Beta = parameter(2)
	}
	if hasErrors {
		f.uncertainty = uncertainty{reach: q * sigma, unit: d.unit, known: true}
		for i := range p {
			for j := range p {
				f.uncertainty.covariance[i][j] = s.inverse[i][j]
			}
		}
	}
	if t[1] > 0 {
		f.Limit = t[0] / t[1]
	}
	if t[2] > 0 {
		f.Peak = d.peak(t, f, s, q*sigma)
		f.PeakBeyond = f.Peak.Point > 2*f.Largest
	}
	return f, f.scaleBy(d.unit, d.unweighted)
}

// peak returns the N of the highest throughput with its interval.
func (d perN) peak(t [3]float64, f ScalingFit, s solution, reach float64) Interval {
	// With α ≥ 1 a second worker already costs more than it adds.
	n := max(1, math.Sqrt(max(0, 1-t[1])/t[2]))
	iv := Interval{Point: n, Lo: n, Hi: n, N: len(d.n)}
	if f.Beta.Level > 0 && f.Beta.Lo > 0 && t[1] < 1 {
		// The derivatives of log N with respect to α and β.
		a, b := -.5/(1-t[1]), -.5/t[2]
		variance := a*a*s.inverse[1][1] + 2*a*b*s.inverse[1][2] + b*b*s.inverse[2][2]
		factor := math.Exp(reach * math.Sqrt(max(0, variance)))
		if finite(n * factor) {
			iv.Lo, iv.Hi, iv.Level = max(1, n/factor), n*factor, f.Beta.Level
		}
	}
	return iv
}

// scaleBy takes throughputs back to their unit and refuses what is not finite.
func (f *ScalingFit) scaleBy(unit float64, unweighted bool) error {
	values := []*float64{&f.Gamma.Point, &f.Gamma.Lo, &f.Gamma.Hi, &f.Limit}
	if unweighted {
		values = append(values, &f.Sigma, &f.RSS)
		f.RSS *= unit
	}
	for _, v := range values {
		*v *= unit
	}
	for _, v := range append(values, &f.Sigma, &f.RSS, &f.Alpha.Point, &f.Alpha.Hi, &f.Beta.Point, &f.Beta.Hi, &f.Peak.Point) {
		if !finite(*v) {
			*f = ScalingFit{}
			return ErrRange
		}
	}
	return nil
}
