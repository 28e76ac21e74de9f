package comparison

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/quantity"
	"github.com/parbench/parbench/results/codec"
)

// The stable codes of warnings; docs/compare.md lists each with its meaning.
const (
	CodeControl     = "control-moved"
	CodeDigest      = "different-results"
	CodeDisturbed   = "disturbed"
	CodeDrift       = "drift"
	CodeEnvironment = "environment"
	CodeFailed      = "failed"
	CodeFew         = "too-few"
	CodeLibrary     = "other-library"
	CodeMachine     = "machine-differs"
	CodeRenamed     = "renamed"
	CodeSameProcess = "same-process"
	CodeSeeds       = "different-seeds"
	CodeSkipped     = "input"
	CodeTools       = "different-tools"
	CodeUnequal     = "unequal-work"
)

// Codes lists every code that a warning of a comparison can have, in alphabetical order.
func Codes() []string {
	codes := []string{CodeControl, CodeDigest, CodeDisturbed, CodeDrift, CodeEnvironment, CodeFailed, CodeFew, CodeLibrary, CodeMachine, CodeRenamed,
		CodeSameProcess, CodeSeeds, CodeSkipped, CodeTools, CodeUnequal}
	slices.Sort(codes)
	return codes
}

func (r *Report) warn(s analysis.Severity, code, text, remedy string) {
	r.Warnings = append(r.Warnings, analysis.Warning{Severity: s, Code: code, Text: text, Remedy: remedy})
}

// skipped passes on what reading a file had to say.
func (r *Report) skipped(s *codec.Suite, label string) {
	for _, w := range s.Warnings {
		r.warn(analysis.Note, CodeSkipped, label+": "+w, "see whether that matters here")
	}
}

// environment names each field of the environments that is not alike.
func (r *Report) environment(base, head *codec.Suite) {
	fields := make(map[string]bool)
	for k := range base.Env {
		fields[k] = true
	}
	for k := range head.Env {
		fields[k] = true
	}
	known := false
	for k := range fields {
		if base.Env[k] != head.Env[k] {
			r.Environment = append(r.Environment, Difference{k, base.Env[k], head.Env[k]})
			known = known || base.Env[k] != "" && head.Env[k] != ""
		}
	}
	slices.SortFunc(r.Environment, func(a, b Difference) int { return strings.Compare(a.Field, b.Field) })
	switch {
	case len(fields) == 0:
		r.warn(analysis.Note, CodeEnvironment, "neither file says on which machine it was measured", "make sure that it was the same one")
	case known:
		var list []string
		for _, d := range r.Environment {
			if d.Base != "" && d.Head != "" {
				list = append(list, d.Field)
			}
		}
		r.warn(analysis.Warn, CodeEnvironment, "the two sides were measured under unlike conditions: "+strings.Join(list, ", "),
			"measure both on one machine in one state; a verdict is about everything that differs, not about the programs alone")
	case len(r.Environment) > 0:
		r.warn(analysis.Note, CodeEnvironment, fmt.Sprintf("one side does not tell all of its environment (%s)", counted(len(r.Environment), "field")),
			"make sure that it was the same machine")
	}
}

// filling is what fill gathers for one family.
type filling struct {
	kind     Kind
	subjects []Subject
	pairs    []pair
}

// fill judges the matched series, family by family, and warns of what limits the verdicts.
func (r *Report) fill(pairs []pair, base, head *codec.Suite) error {
	var families []*filling
	var control filling
	control.kind.Better = codec.Lower
	var refused []string
	hidden := make(map[string]bool)
	alike := sameInputs(base, head)
	digests := false
	for _, p := range pairs {
		if p.head.Secondary && !r.Options.Secondary {
			if !hidden[p.head.Metric] {
				hidden[p.head.Metric] = true
				r.Hidden = append(r.Hidden, p.head.Metric)
			}
			continue
		}
		s := r.subject(p)
		if isControl(head, p.head) && isControl(base, p.base) {
			if !p.head.Secondary {
				perIteration(&s, base, head)
				control.subjects, control.pairs = append(control.subjects, s), append(control.pairs, p)
			}
			continue
		}
		if u := s.Unequal; u != "" {
			if p.base.Unit != p.head.Unit || !r.Options.AllowUnequalWork {
				refused = append(refused, s.title()+": "+u)
				continue
			}
		}
		digests = digests || p.base.Digest != "" && p.head.Digest != ""
		kind := Kind{p.head.Metric, p.head.Unit, p.head.Better, p.head.Secondary}
		if p.base.Better != p.head.Better && p.head.Better == codec.Unknown {
			kind.Better = p.base.Better
		}
		i := slices.IndexFunc(families, func(f *filling) bool { return f.kind == kind })
		if i < 0 {
			i = len(families)
			families = append(families, &filling{kind: kind})
		}
		families[i].subjects, families[i].pairs = append(families[i].subjects, s), append(families[i].pairs, p)
	}
	if len(refused) > 0 {
		return &UnequalWorkError{refused}
	}
	slices.SortStableFunc(families, func(a, b *filling) int {
		switch {
		case a.kind.Secondary == b.kind.Secondary:
			return 0
		case b.kind.Secondary:
			return -1
		}
		return 1
	})
	for _, x := range families {
		f, err := Judge(x.kind, x.subjects, r.Options)
		if err != nil {
			return err
		}
		for i := range f.Rows {
			detail(&f.Rows[i], x.pairs[i], alike)
		}
		r.Families = append(r.Families, f)
	}
	if digests && !alike {
		r.warn(analysis.Note, CodeSeeds, "the two runs had different seeds, so that their results cannot be compared, only their times",
			"give both runs the same --seed")
	}
	if err := r.machine(&control); err != nil {
		return err
	}
	r.limits()
	slices.SortStableFunc(r.Warnings, func(a, b analysis.Warning) int { return int(b.Severity) - int(a.Severity) })
	r.Finding = r.summary()
	return nil
}

func (s *Subject) title() string { return (&Row{Group: s.Group, Name: s.Name, Sole: s.Sole}).Title() }

// subject takes the samples of a matched series: pairs within rounds in one file, all of them otherwise.
func (r *Report) subject(p pair) Subject {
	s := Subject{Group: p.head.Group, Name: p.head.Name, Sole: p.sole, Exact: p.base.Exact && p.head.Exact, Unequal: unequal(p.base, p.head)}
	if r.Paired {
		var ok bool
		if s.Base, s.Head, s.Rounds, ok = pairUp(p.base, p.head); ok {
			s.Paired = true
			return s
		}
	}
	s.Base, s.Head = p.base.Values(), p.head.Values()
	return s
}

// perIteration takes the control's samples by iteration where both sides say how many a task has: each run calibrates that
// number anew, and a slower machine would do less of the same work in the same time.
func perIteration(s *Subject, base, head *codec.Suite) {
	b, h := iterations(base), iterations(head)
	if b == 0 || h == 0 {
		return
	}
	s.Unequal = ""
	for _, side := range []struct {
		values *[]float64
		n      float64
	}{{&s.Base, b}, {&s.Head, h}} {
		*side.values = slices.Clone(*side.values)
		for i := range *side.values {
			(*side.values)[i] /= side.n
		}
	}
}

// iterations is how many a task of a run's control has; 0 where it does not say.
func iterations(s *codec.Suite) float64 {
	for _, e := range s.Run.Header.Plan.Workloads {
		if n, err := strconv.ParseFloat(e.Params["iterations"], 64); e.Ceiling && err == nil && n > 0 && finite(n) {
			return n
		}
	}
	return 0
}

// isControl reports whether a series is the machine's own scaling, which both sides of a comparison should have alike.
func isControl(s *codec.Suite, x *codec.Series) bool {
	if s.Run == nil {
		return false
	}
	for _, e := range s.Run.Header.Plan.Workloads {
		if e.Ceiling && strings.HasPrefix(x.Name, e.Key+"/") {
			return true
		}
	}
	return false
}

// detail adds to a row what the files say beside the values.
func detail(r *Row, p pair, alike bool) {
	for _, x := range []struct {
		side   *Side
		series *codec.Series
	}{{&r.Base, p.base}, {&r.Head, p.head}} {
		x.side.Failed, x.side.Reason, x.side.SameProcess = x.series.Failed, x.series.Reason, x.series.SameProcess && len(x.series.Samples) > 1
		for _, s := range x.series.Samples {
			if s.Disturbed {
				x.side.Disturbed++
			}
		}
	}
	r.Digest = alike && r.Unequal == "" && p.base.Digest != "" && p.head.Digest != "" && p.base.Digest != p.head.Digest
	switch {
	case r.Base.N == 0 && r.Base.Failed > 0 && r.Head.N == 0 && r.Head.Failed > 0:
		r.Undecidable = "failed on both sides"
	case r.Base.N == 0 && r.Base.Failed > 0:
		r.Undecidable = "failed in base"
	case r.Head.N == 0 && r.Head.Failed > 0:
		r.Undecidable = "failed in head"
	}
}

// machine judges the pinned busy threads that runs of parbench hold: where they differ, so does the machine. It warns where
// that is shown, and where they moved as a finding did and by as much, shown or not: such a finding may be the machine's.
func (r *Report) machine(c *filling) error {
	if len(c.subjects) == 0 || r.Paired {
		return nil
	}
	f, err := Judge(c.kind, c.subjects, r.Options)
	if err != nil {
		return err
	}
	r.Control = f.Rows
	worst, told := -1, -1 // by how much they moved: of all, and of those of which it is shown
	for i := range f.Rows {
		row := &f.Rows[i]
		if row.Ratio.N == 0 {
			continue
		}
		if worst < 0 || size(row) > size(&f.Rows[worst]) {
			worst = i
		}
		if (row.Verdict == Regressed || row.Verdict == Improved) && (told < 0 || size(row) > size(&f.Rows[told])) {
			told = i
		}
	}
	const remedy = "take no difference of about that size for one of the programs; measure both in one run, or with parbench gate"
	if told >= 0 {
		row := &f.Rows[told]
		r.warn(analysis.Warn, CodeMachine, fmt.Sprintf("the machine itself changed: the time of pure busy threads (%s), which no program touches, by %s", row.Name, Change(row.Ratio)), remedy)
	}
	if along := r.along(f.Rows); len(along) > 0 {
		row := &f.Rows[worst]
		r.warn(analysis.Warn, CodeControl, fmt.Sprintf("the control moved in the same direction by as much as %s: pure busy threads (%s), which no program touches, changed by %s",
			some(along), row.Name, Change(row.Ratio)), remedy)
	}
	return nil
}

// along names the findings that are no larger than what the control did in the same direction.
func (r *Report) along(control []Row) (names []string) {
	for i := range r.Families {
		f := &r.Families[i]
		if base, _, _ := strings.Cut(f.Unit, "/"); f.Secondary || f.Better != codec.Lower || base != "s" && base != "sec" {
			continue // the control is a time
		}
		for k := range f.Rows {
			row := &f.Rows[k]
			if row.Ratio.N == 0 || row.Verdict != Regressed && row.Verdict != Improved {
				continue
			}
			if slices.ContainsFunc(control, func(c Row) bool {
				return c.Ratio.N > 0 && (c.Ratio.Point > 1) == (row.Ratio.Point > 1) && size(&c) >= size(row)
			}) {
				names = append(names, row.Title())
			}
		}
	}
	return names
}

// limits warns of what the rows have in common.
func (r *Report) limits() {
	var shared, disturbed, samples, unequal int
	var digests, failed []string
	few := make(map[bool]int)
	floor := 0
	for i := range r.Families {
		f := &r.Families[i]
		for k := range f.Rows {
			row := &f.Rows[k]
			if row.Base.SameProcess || row.Head.SameProcess {
				shared++
			}
			if row.Digest && !f.Secondary {
				digests = append(digests, row.Title())
			}
			if row.Base.Failed+row.Head.Failed > 0 {
				failed = append(failed, row.Title())
			}
			if row.Unequal != "" {
				unequal++
			}
			if row.Undecidable != "" && row.Need > 0 {
				few[f.Paired]++
				floor = max(floor, f.Floor)
			}
			disturbed += row.Base.Disturbed + row.Head.Disturbed
			samples += row.Base.N + row.Head.N
		}
	}
	if len(digests) > 0 {
		r.warn(analysis.Error, CodeDigest, "the two sides computed different results from the same inputs: "+some(digests),
			"find out which is right before looking at times")
	}
	if len(failed) > 0 {
		r.warn(analysis.Warn, CodeFailed, "executions failed: "+some(failed), "what failed has no time; see the reasons in the files")
	}
	if unequal > 0 {
		r.warn(analysis.Warn, CodeUnequal, fmt.Sprintf("%s compared unequal work, as --allow-unequal-work allows", counted(unequal, "row")),
			"such a ratio says how the work differs as much as how the programs do")
	}
	if shared > 0 {
		r.warn(analysis.Warn, CodeSameProcess, fmt.Sprintf("the samples of %s are iterations of one process a side: what a process gets by chance is in none of the intervals, and differences are found where there are none", counted(shared, "row")),
			"repeat the benchmarks in at least ten processes a side, such as by a loop around go test -count 1")
	}
	if n := few[true] + few[false]; n > 0 {
		what := fmt.Sprintf("%d samples a side", floor)
		if few[true] > 0 {
			what = fmt.Sprintf("%d pairs", floor)
		}
		r.warn(analysis.Warn, CodeFew, fmt.Sprintf("%s cannot be decided whatever the values are", counted(n, "row")),
			fmt.Sprintf("that many comparisons need at least %s; compare fewer, or measure more", what))
	}
	if disturbed > 0 {
		severity := analysis.Note
		if disturbed*5 > samples {
			severity = analysis.Warn
		}
		r.warn(severity, CodeDisturbed, fmt.Sprintf("others used the machine during %s of %s", quantity.Count(disturbed), counted(samples, "sample")),
			"measure on a quiet machine; parbench doctor says what disturbs it")
	}
}

// some names the first of a list.
func some(names []string) string {
	if len(names) > maxNamed+1 {
		return strings.Join(names[:maxNamed], ", ") + fmt.Sprintf(" and %s more", quantity.Count(len(names)-maxNamed))
	}
	return strings.Join(names, ", ")
}
