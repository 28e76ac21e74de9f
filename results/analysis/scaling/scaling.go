// Package scaling says how strategies scale with cores: speedup, efficiency and Karp–Flatt fraction for each core count, and
// the simplest of three models (linear, Amdahl, USL) that the data do not reject, with intervals, peak and limit, and the
// reason of the choice, all as values. docs/scaling.md describes the rules. Non-goals: rendering, and any prediction beyond
// twice the largest number of cores measured.
package scaling

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/quantity"
	"github.com/parbench/parbench/results/stat"
)

// leastShown is the smallest bound of β that a sentence names: points that lie on a model exactly bound it by rounding
// errors, and a bound may be larger than it need be.
const leastShown = 1e-9

// Options says how to fit. The zero value takes the defaults.
type Options struct {
	Level      float64 // confidence of the intervals; default 0.95
	Unweighted bool    // least squares on X as published fits have it, not relative to it
	// Residual is the relative deviation of a core count's value where it is known from an A/A run: it lets three or four
	// core counts decide between Amdahl and linear. 0: unknown.
	Residual float64
	// Model forces a model; empty lets the data choose.
	Model stat.ScalingModel
}

func (o Options) resolve() (Options, error) {
	if o.Level == 0 {
		o.Level = .95
	}
	switch {
	case !(o.Level >= .5 && o.Level < 1):
		return o, fmt.Errorf("scaling: confidence level %v is not between 0.5 and 1", o.Level)
	case !(o.Residual >= 0 && o.Residual < 1):
		return o, fmt.Errorf("scaling: residual deviation %v is not between 0 and 1 (0.01 is 1 %%)", o.Residual)
	}
	switch o.Model {
	case "", stat.ModelLinear, stat.ModelAmdahl, stat.ModelUSL:
		return o, nil
	}
	return o, fmt.Errorf("scaling: unknown model %q", o.Model)
}

// Point is what was measured at one N.
type Point struct {
	N          float64
	X          analysis.Interval // throughput, or speedup
	Efficiency analysis.Interval // X/N over that of one; N = 0 where the base is not known
	Serial     analysis.Interval // Karp–Flatt; N = 0 for one core
}

// Fit is one model.
type Fit struct {
	Model              stat.ScalingModel
	Gamma, Alpha, Beta analysis.Interval // parameters that the model does not have are 0 with N = 0
	Peak               analysis.Interval // the N of the highest throughput; N = 0: none
	PeakBeyond         bool              // beyond twice the largest N: that there is one is a guess
	Limit              float64           // γ/α, what throughput tends to without β; 0: none
	Sigma              float64           // residual deviation, relative, or in the unit of X when unweighted
	DF                 int
	raw                stat.ScalingFit
}

// At returns the fitted curve at n with its interval; ok is false beyond twice the largest N.
func (f *Fit) At(n float64) (analysis.Interval, bool) {
	iv, err := f.raw.Band(n)
	if err != nil {
		return analysis.Interval{}, false
	}
	return analysis.Interval(iv), true
}

// Series is one strategy's scaling, or that of points from anywhere.
type Series struct {
	Name    string // untrusted text
	Points  []Point
	Speedup bool // X is a speedup over the sequential reference; else a throughput
	// Chosen is the model that the data do not reject against a larger one, or the forced one; nil where there is none.
	Chosen *Fit
	// Models are all fits that the data allow: linear, Amdahl, USL.
	Models []Fit
	// Reason says why that model was chosen, or why none was.
	Reason       string
	AmdahlP      float64           // of linear against Amdahl; 1 without a test
	USLP         float64           // of Amdahl against USL; 1 without a test
	BetaBound    analysis.Interval // β with its one-sided upper bound in Hi, whatever the choice; N = 0: none
	Flags        []string          // stable words: docs/scaling.md lists them
	Largest      float64           // the largest N measured
	FailedPoints []string          // core counts that failed: "failed at 4 cores"
	Finding      string            // plain sentences with untrusted names
}

// Table is one workload.
type Table struct {
	Key      string // of the workload, untrusted
	Kind     string
	Waits    bool // the tasks wait: cores are not what limits them, and no model is fitted
	Series   []Series
	Ceiling  []analysis.CeilingPoint
	Warnings []analysis.Warning
}

// Report is a run's scaling.
type Report struct {
	Analysis *analysis.Report
	Options  Options
	Tables   []Table
}

// Analyse works out the scaling of every strategy of a run that was measured on more than one core count. Probes that
// choose their own number of tasks have no speedup and are left out. Only impossible options are errors.
func Analyse(rep *analysis.Report, opt Options) (*Report, error) {
	opt, err := opt.resolve()
	if err != nil {
		return nil, err
	}
	out := &Report{Analysis: rep, Options: opt}
	for i := range rep.Tables {
		t := &rep.Tables[i]
		if t.Entry.OwnN {
			continue
		}
		tab := Table{Key: t.Entry.Key, Kind: t.Entry.Kind, Waits: t.Waits()}
		if !tab.Waits {
			tab.Ceiling = rep.Ceiling
		}
		for _, g := range groups(t) {
			tab.Series = append(tab.Series, series(g, &tab, opt))
		}
		tab.Warnings = append(tab.Warnings, t.Warnings...)
		if len(tab.Series) > 0 {
			out.Tables = append(out.Tables, tab)
		}
	}
	return out, nil
}

// group is a strategy's rows by core count.
type group struct {
	name string
	rows []*analysis.Row
}

func groups(t *analysis.Table) []group {
	var out []group
	index := map[string]int{}
	for i := range t.Rows {
		r := &t.Rows[i]
		if r.Cell.OneCore || r.Cell.Serial || r.Cell.Ceiling {
			continue
		}
		k, ok := index[r.Name]
		if !ok {
			k = len(out)
			index[r.Name] = k
			out = append(out, group{name: r.Name})
		}
		out[k].rows = append(out[k].rows, r)
	}
	out = slices.DeleteFunc(out, func(g group) bool {
		return !slices.ContainsFunc(g.rows, func(r *analysis.Row) bool { return r.Cell.Cores != g.rows[0].Cell.Cores })
	})
	for _, g := range out {
		slices.SortStableFunc(g.rows, func(a, b *analysis.Row) int { return a.Cell.Cores - b.Cell.Cores })
	}
	return out
}

// series works out one strategy.
func series(g group, t *Table, opt Options) Series {
	s := Series{Name: g.name, Speedup: true, AmdahlP: 1, USLP: 1}
	for _, r := range g.rows {
		if r.OK > 0 && r.Speedup.N == 0 {
			s.Speedup = false
		}
	}
	var one float64 // throughput on one core
	for _, r := range g.rows {
		if r.HasFailed() {
			s.FailedPoints = append(s.FailedPoints, fmt.Sprintf("%d cores: %s", r.Cell.Cores, r.Status))
			continue
		}
		if r.OK == 0 || !(r.PerTask.Point > 0) {
			continue
		}
		p := Point{N: float64(r.Cell.Cores), X: r.Speedup, Efficiency: r.Efficiency}
		if !s.Speedup {
			p.X = inverse(r.PerTask)
			if r.Cell.Cores == 1 && one == 0 {
				one = p.X.Point
			}
			p.Efficiency = analysis.Interval{}
		}
		if !(p.X.Point > 0) {
			continue
		}
		if s.Speedup && p.N > 1 && !t.Waits {
			if kf, err := stat.KarpFlattInterval(stat.Interval(p.X), p.N); err == nil {
				p.Serial = analysis.Interval(kf)
			} else if v, err := stat.KarpFlatt(p.X.Point, p.N); err == nil {
				p.Serial = analysis.Interval{Point: v, Lo: v, Hi: v, N: p.X.N}
			}
		}
		s.Points = append(s.Points, p)
	}
	if t.Waits {
		s.Reason = "the tasks wait, so that workers and not cores limit them: no model of cores is fitted"
		s.Finding = s.finding(opt, nil)
		return s
	}
	s.fit(opt)
	s.Finding = s.finding(opt, t.Ceiling)
	return s
}

// inverse turns a time into a rate.
func inverse(i analysis.Interval) analysis.Interval {
	o := analysis.Interval{Point: 1 / i.Point, Level: i.Level, N: i.N}
	o.Lo, o.Hi = o.Point, o.Point
	if i.Has() && i.Lo > 0 {
		o.Lo, o.Hi = 1/i.Hi, 1/i.Lo
	} else {
		o.Level = 0
	}
	return o
}

// Points fits (N, throughput) pairs from anywhere. It fails where they allow no fit at all.
func Points(name string, points []stat.ScalingPoint, opt Options) (*Series, error) {
	opt, err := opt.resolve()
	if err != nil {
		return nil, err
	}
	s := &Series{Name: name, AmdahlP: 1, USLP: 1}
	byN := map[float64][]float64{}
	for _, p := range points {
		byN[p.N] = append(byN[p.N], p.X)
	}
	ns := make([]float64, 0, len(byN))
	for n := range byN {
		ns = append(ns, n)
	}
	slices.Sort(ns)
	for _, n := range ns {
		x := byN[n]
		m, err := stat.Median(x)
		if err != nil {
			return nil, err
		}
		p := Point{N: n, X: analysis.Interval{Point: m, Lo: m, Hi: m, N: len(x)}}
		if iv, err := stat.MedianInterval(x, opt.Level); err == nil && iv.Level >= opt.Level-1e-9 {
			p.X = analysis.Interval(iv)
		}
		s.Points = append(s.Points, p)
	}
	if err := s.fitPoints(points, opt); err != nil {
		return nil, err
	}
	if len(ns) > 0 && ns[0] == 1 {
		base := s.Points[0].X.Point
		for i := range s.Points {
			p := &s.Points[i]
			e := p.X.Point / base / p.N
			p.Efficiency = analysis.Interval{Point: e, Lo: e, Hi: e, N: p.X.N}
			if v, err := stat.KarpFlatt(p.X.Point/base, p.N); err == nil {
				p.Serial = analysis.Interval{Point: v, Lo: v, Hi: v, N: p.X.N}
			}
		}
	}
	s.Finding = s.finding(opt, nil)
	return s, nil
}

func (s *Series) fit(opt Options) {
	points := make([]stat.ScalingPoint, len(s.Points))
	for i, p := range s.Points {
		points[i] = stat.ScalingPoint{N: p.N, X: p.X.Point}
	}
	if err := s.fitPoints(points, opt); err != nil {
		s.Reason = "no model: " + err.Error()
		if errors.Is(err, stat.ErrTooFew) {
			s.Reason = "no model: fewer than two core counts gave usable values"
		}
	}
}

func (s *Series) fitPoints(points []stat.ScalingPoint, opt Options) error {
	for _, p := range points {
		s.Largest = math.Max(s.Largest, p.N)
	}
	so := stat.ScalingOptions{Unweighted: opt.Unweighted, Level: opt.Level}
	if opt.Residual > 0 {
		so.ResidualScale = opt.Residual
		if opt.Unweighted { // in the unit of X there
			so.ResidualScale *= middle(points)
		}
	}
	got, err := stat.FitScaling(points, so)
	if err != nil {
		return err
	}
	s.AmdahlP, s.USLP = got.AmdahlP, got.USLP
	for _, f := range got.Flags {
		s.Flags = append(s.Flags, string(f))
	}
	if got.BetaBound.Level > 0 {
		s.BetaBound = analysis.Interval(got.BetaBound)
	}
	for _, f := range []*stat.ScalingFit{got.Linear, got.Amdahl, got.USL} {
		if f != nil {
			s.Models = append(s.Models, fitOf(*f))
		}
	}
	choice := got.Choice
	s.Reason = reason(got, opt)
	if opt.Model != "" {
		choice = opt.Model
		s.Reason = "chosen by --model, whatever the data say: " + s.Reason
		if !slices.ContainsFunc(s.Models, func(f Fit) bool { return f.Model == choice }) {
			f, err := stat.FitScalingModel(points, choice, so)
			if err != nil {
				return err
			}
			s.Models = append(s.Models, fitOf(f))
		}
	}
	for i := range s.Models {
		if s.Models[i].Model == choice {
			s.Chosen = &s.Models[i]
		}
	}
	return nil
}

func middle(points []stat.ScalingPoint) float64 {
	x := make([]float64, len(points))
	for i, p := range points {
		x[i] = p.X
	}
	m, err := stat.Median(x)
	if err != nil {
		return 1
	}
	return m
}

func fitOf(f stat.ScalingFit) Fit {
	return Fit{Model: f.Model, Gamma: analysis.Interval(f.Gamma), Alpha: analysis.Interval(f.Alpha), Beta: analysis.Interval(f.Beta),
		Peak: analysis.Interval(f.Peak), PeakBeyond: f.PeakBeyond, Limit: f.Limit, Sigma: f.Sigma, DF: f.DF, raw: f}
}

// reason says why the data lead to that model.
func reason(s stat.Scaling, opt Options) string {
	n := len(s.Points)
	switch {
	case n == 2:
		return "two core counts give the Karp–Flatt fraction; a model needs three"
	case n < 5 && opt.Residual == 0:
		return fmt.Sprintf("%d core counts and no known residual deviation: no model can be preferred; measure five or more, or give --residual from an A/A run", n)
	case n < 5 && s.Choice == stat.ModelUSL:
		return fmt.Sprintf("Amdahl's law does not fit the %d core counts (p %s, for residuals of %s)", n, short(s.USLP), quantity.Percent(opt.Residual))
	case n < 5 && s.Choice == stat.ModelAmdahl:
		return fmt.Sprintf("linear scaling is rejected (p %s, for residuals of %s); the USL cannot be told from %d core counts", short(s.AmdahlP), quantity.Percent(opt.Residual), n)
	case n < 5:
		return fmt.Sprintf("nothing speaks against linear scaling (p %s, for residuals of %s)", short(s.AmdahlP), quantity.Percent(opt.Residual))
	case s.Choice == stat.ModelUSL:
		return fmt.Sprintf("Amdahl's law is rejected against the USL (p %s)", short(s.USLP))
	case s.Choice == stat.ModelAmdahl:
		return fmt.Sprintf("linear scaling is rejected against Amdahl's law (p %s), and that not against the USL (p %s)", short(s.AmdahlP), short(s.USLP))
	}
	return fmt.Sprintf("linear scaling is not rejected against Amdahl's law (p %s)", short(s.AmdahlP))
}

// short writes a p-value with what it is compared by.
func short(p float64) string {
	switch {
	case p < 1e-4:
		return "< 0.0001"
	case p > .995:
		return "= 1"
	}
	return "= " + quantity.Digits(p, 2)
}

// finding says what the series shows.
func (s *Series) finding(opt Options, ceiling []analysis.CeilingPoint) string {
	if len(s.Points) == 0 {
		return s.Name + ": nothing usable was measured."
	}
	var parts []string
	last := s.Points[len(s.Points)-1]
	if s.Speedup {
		parts = append(parts, fmt.Sprintf("%s reaches a speedup of %s on %s.", s.Name, interval(last.X), cores(last.N)))
		for _, c := range ceiling {
			if float64(c.Cores) == last.N && c.Speedup.N > 0 && c.Cores > 1 {
				parts = append(parts, reached(c))
			}
		}
		if last.Serial.N > 0 && len(s.Points) == 2 {
			parts = append(parts, fmt.Sprintf("That is a serial fraction of %s.", interval(last.Serial)))
		}
	}
	if f := s.Chosen; f != nil {
		parts = append(parts, s.model(f, opt))
	}
	if s.Reason != "" {
		parts = append(parts, "Model: "+s.Reason+".")
	}
	if s.BetaBound.N > 0 && s.BetaBound.Level > 0 && (s.Chosen == nil || s.Chosen.Beta.N == 0) {
		parts = append(parts, fmt.Sprintf("β is at most %s (%s).", quantity.Digits(max(s.BetaBound.Hi, leastShown), 2), quantity.Level(s.BetaBound.Level)))
	}
	return strings.Join(parts, " ")
}

// reached says how far the machine itself scaled, and where that says little of it.
func reached(c analysis.CeilingPoint) string {
	said := fmt.Sprintf("Pure busy threads reach %s there", interval(c.Speedup))
	switch why := c.Untold(); {
	case !c.Speedup.Has():
		said += ", from too few rounds to tell what the machine allows"
	case why != "":
		said += ", an interval " + why + " to tell what the machine allows"
	}
	return said + "."
}

func (s *Series) model(f *Fit, _ Options) string {
	switch {
	case f.Model == stat.ModelLinear:
		return "It scales linearly within the data."
	case f.Peak.N > 0 && !f.PeakBeyond && s.Speedup:
		return fmt.Sprintf("It peaks at %s cores; contention α is %s, coherency β %s.", interval(f.Peak), interval(f.Alpha), interval(f.Beta))
	case f.Peak.N > 0 && !f.PeakBeyond:
		return fmt.Sprintf("Throughput peaks at N = %s; contention α is %s, coherency β %s.", interval(f.Peak), interval(f.Alpha), interval(f.Beta))
	case f.Peak.N > 0:
		return fmt.Sprintf("Contention α is %s, coherency β %s; a peak, if there is one, lies beyond twice the largest N.", interval(f.Alpha), interval(f.Beta))
	case f.Limit > 0 && s.Speedup:
		return fmt.Sprintf("Serial fraction α is %s, which would limit the speedup to %s however many cores there are, if nothing else does.", interval(f.Alpha), quantity.Digits(f.Limit, 2))
	case f.Limit > 0:
		return fmt.Sprintf("Serial fraction α is %s, which would limit throughput to %s however large N is, if nothing else does.", interval(f.Alpha), quantity.Digits(f.Limit, 3))
	}
	return fmt.Sprintf("Serial fraction α is %s.", interval(f.Alpha))
}

func cores(n float64) string {
	if n == 1 {
		return "1 core"
	}
	return quantity.Digits(n, int(math.Max(1, math.Ceil(math.Log10(n+1))))) + " cores"
}

// interval writes an estimate with its interval in brackets.
func interval(i analysis.Interval) string {
	if !i.Has() {
		return quantity.Digits(i.Point, 3)
	}
	if d := quantity.Decimals(i.Point, (i.Hi-i.Lo)/2); math.Abs(i.Point) >= 1e-3 || i.Point == 0 {
		return fmt.Sprintf("%s (%s to %s)", quantity.Fixed(i.Point, d), quantity.Fixed(i.Lo, d), quantity.Fixed(i.Hi, d))
	}
	return fmt.Sprintf("%.2g (%.2g to %.2g)", i.Point, i.Lo, i.Hi)
}
