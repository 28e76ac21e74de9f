package comparison

import (
	"fmt"
	"math"
	"sort"
	"strings"

	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/quantity"
)

// Title names a row: "base/primes/pool/cores=2", without the group where it says nothing.
func (r *Row) Title() string {
	if r.Group == "" || r.Group == "self" || r.Sole {
		return r.Name
	}
	return r.Group + "/" + r.Name
}

// Change words a ratio as a change with its interval: "+5.1 % (+3.9 % to +6.4 %)", from two up "2.31 times (2.2 to 2.4)".
func Change(i analysis.Interval) string {
	if i.N == 0 {
		return "an unknown change"
	}
	if i.Point >= 2 || i.Point <= .5 {
		d := quantity.Decimals(i.Point, (i.Hi-i.Lo)/2)
		if !i.Has() {
			return quantity.Fixed(i.Point, d) + " times"
		}
		return fmt.Sprintf("%s times (%s to %s)", quantity.Fixed(i.Point, d), quantity.Fixed(i.Lo, d), quantity.Fixed(i.Hi, d))
	}
	d := 1
	if half := (i.Hi - i.Lo) * 50; i.Has() && half >= 10 {
		d = 0
	} else if i.Has() && half < .35 {
		d = 2
	}
	f := func(v float64) string {
		s := quantity.Fixed((v-1)*100, d)
		if v > 1 && strings.Trim(s, "0.") != "" {
			s = "+" + s
		}
		return s + " %"
	}
	if !i.Has() {
		return f(i.Point)
	}
	return fmt.Sprintf("%s (%s to %s)", f(i.Point), f(i.Lo), f(i.Hi))
}

// finding says what the family shows.
func (f *Family) finding(opt Options) string {
	if len(f.Rows) == 0 {
		return "Nothing can be compared."
	}
	parts := []string{
		f.said(Regressed, "regressed"), f.said(Differs, "differ; nobody said which direction is better"), f.said(Improved, "improved"),
		f.same(opt), f.open(opt), f.impossible(), f.overall(),
	}
	var said []string
	for _, p := range parts {
		if p != "" {
			said = append(said, p)
		}
	}
	return strings.Join(said, " ")
}

// Restate works out the finding anew after a caller has changed verdicts, as a gate does that measured more.
func (f *Family) Restate(opt Options) { f.Finding = f.finding(opt) }

// maxNamed is how many rows a sentence names before it counts the rest.
const maxNamed = 4

// said names the rows with a verdict, the largest change first.
func (f *Family) said(v Verdict, verb string) string {
	var rows []*Row
	for i := range f.Rows {
		if f.Rows[i].Verdict == v {
			rows = append(rows, &f.Rows[i])
		}
	}
	if len(rows) == 0 {
		return ""
	}
	sort.SliceStable(rows, func(a, b int) bool { return size(rows[a]) > size(rows[b]) })
	var names []string
	for k, r := range rows {
		if k == maxNamed && len(rows) > maxNamed+1 {
			names = append(names, fmt.Sprintf("%d more", len(rows)-k))
			break
		}
		if r.Ratio.N == 0 {
			names = append(names, fmt.Sprintf("%s, from %s to %s", r.Title(), quantity.Digits(r.Base.Median, 3), quantity.Digits(r.Head.Median, 3)))
			continue
		}
		names = append(names, r.Title()+", "+Change(r.Ratio))
	}
	if len(f.Rows) == 1 {
		return fmt.Sprintf("It %s: %s.", strings.Replace(verb, "differ;", "differs;", 1), names[0])
	}
	return fmt.Sprintf("%d of %s %s: %s.", len(rows), counted(len(f.Rows), "comparison"), verb, strings.Join(names, "; "))
}

func size(r *Row) float64 {
	if r.Ratio.N == 0 {
		return math.Inf(1)
	}
	return math.Abs(math.Log(r.Ratio.Point))
}

func (f *Family) same(opt Options) string {
	n := f.Count(Equivalent)
	switch {
	case n == 0:
		return ""
	case n == len(f.Rows) && n == 1:
		return fmt.Sprintf("No change: the difference lies within %s.", quantity.Percent(opt.MinEffect))
	case n == len(f.Rows):
		return fmt.Sprintf("No change: all %d comparisons lie within %s.", n, quantity.Percent(opt.MinEffect))
	}
	return fmt.Sprintf("%d %s equivalent within %s.", n, isAre(n), quantity.Percent(opt.MinEffect))
}

// open says what was tested without an answer, and what an answer takes.
func (f *Family) open(opt Options) string {
	n, need, reach, few := 0, 0, 0.0, true
	for i := range f.Rows {
		r := &f.Rows[i]
		if r.Verdict != Inconclusive || !r.Tested {
			continue
		}
		n++
		have := min(r.Base.N, r.Head.N)
		few = few && r.Need > have
		need = max(need, r.Need)
		if r.Ratio.Has() {
			reach = max(reach, math.Log(r.Ratio.Hi), -math.Log(r.Ratio.Lo))
		}
	}
	if n == 0 {
		return ""
	}
	s := fmt.Sprintf("%d %s inconclusive", n, isAre(n))
	if n == len(f.Rows) && n == 1 {
		s = "Inconclusive"
	}
	if reach > 0 {
		s += fmt.Sprintf(": a difference of up to %s is possible", quantity.Percent(math.Expm1(reach)))
	}
	if few && need > 0 {
		s += fmt.Sprintf("; about %s would settle differences of %s", f.amount(need), quantity.Percent(opt.MinEffect))
	}
	return s + "."
}

// amount words a number of samples.
func (f *Family) amount(n int) string {
	if f.Paired {
		return quantity.Count(n) + " pairs"
	}
	return quantity.Count(n) + " samples a side"
}

// impossible says what could not be decided whatever the values.
func (f *Family) impossible() string {
	n, few := 0, 0
	for i := range f.Rows {
		if r := &f.Rows[i]; r.Undecidable != "" {
			n++
			if r.Need > 0 {
				few++
			}
		}
	}
	switch {
	case n == 0:
		return ""
	case few == n && n == len(f.Rows):
		return fmt.Sprintf("Cannot be decided: too few samples; %s are needed for %s.", f.amount(f.Floor), counted(n, "comparison"))
	case few == n:
		return fmt.Sprintf("%d cannot be decided: too few samples; %s are needed.", n, f.amount(f.Floor))
	}
	return fmt.Sprintf("%d cannot be decided; the table says why.", n)
}

func (f *Family) overall() string {
	if f.Geomean.N < 2 {
		return ""
	}
	return fmt.Sprintf("Geometric mean of %d ratios: %s.", f.Geomean.N, Change(f.Geomean))
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%s %ss", quantity.Count(n), what)
}

// summary is the finding of a whole report.
func (r *Report) summary() string {
	if len(r.Families) == 0 {
		return "Nothing can be compared."
	}
	var counts []string
	total := 0
	for _, v := range Verdicts() {
		n := r.Count(v)
		total += n
		if n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, v))
		}
	}
	if total == 0 {
		return "Nothing but secondary metrics can be compared."
	}
	s := fmt.Sprintf("%s: %s.", counted(total, "comparison"), strings.Join(counts, ", "))
	if r.Paired {
		return s
	}
	return s + r.control() + " Not protected against drift: the two sides were measured at different times."
}

// control says how far the machine itself moved between the two sides.
func (r *Report) control() string {
	var said []string
	for i := range r.Control {
		if c := &r.Control[i]; c.Ratio.N > 0 {
			said = append(said, Change(c.Ratio)+" ("+c.Name+")")
		}
	}
	if len(said) == 0 {
		return ""
	}
	return " Control, the time of pure busy threads that no program touches: " + strings.Join(said, ", ") + "."
}
