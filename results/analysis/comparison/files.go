package comparison

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/codec"
)

// UnequalWorkError says that rows of the two sides did different work, so that their times cannot be compared.
type UnequalWorkError struct{ Rows []string } // "primes/pool/cores=2: 32 and 64 tasks"

// Error names the first rows.
func (e *UnequalWorkError) Error() string {
	shown := e.Rows
	more := ""
	if len(shown) > 3 {
		shown, more = shown[:3], fmt.Sprintf("; and %d more", len(e.Rows)-3)
	}
	return fmt.Sprintf("the two sides did different work in %s: %s%s; measure both with the same parameters and the same --tasks, or add --allow-unequal-work",
		counted(len(e.Rows), "row"), strings.Join(shown, "; "), more)
}

// Files compares two files of results: unpaired, because the two were measured at different times. The labels name them.
// Rows are matched by group, name and metric; where each side has one program only, or one benchmark only, these need not
// have the same name. It fails with an *UnequalWorkError unless that is allowed, and on impossible options.
func Files(base, head *codec.Suite, baseLabel, headLabel string, opt Options) (*Report, error) {
	opt, err := opt.resolve()
	if err != nil {
		return nil, err
	}
	rep := &Report{Base: source(base, baseLabel), Head: source(head, headLabel), Options: opt}
	rep.warn(analysis.Warn, CodeDrift, "the two files were measured at different times: what the machine did in between looks like a difference of the programs",
		"for a decision, measure both programs in one run, interleaved")
	if base.Tool != head.Tool {
		rep.warn(analysis.Warn, CodeTools, fmt.Sprintf("the files were written by different tools, %s and %s, which do not measure alike", base.Tool, head.Tool),
			"measure both with one tool")
	}
	rep.environment(base, head)
	rep.libraries(base, "", head, "")
	rep.skipped(base, rep.Base.Label)
	rep.skipped(head, rep.Head.Label)
	m := match(base, head)
	if m.renamed != "" {
		rep.warn(analysis.Note, CodeRenamed, m.renamed, "give both the same name to be sure that they belong together")
	}
	rep.OnlyBase, rep.OnlyHead = m.onlyBase, m.onlyHead
	return rep, rep.fill(m.pairs, base, head)
}

// Programs compares two programs of one suite within its rounds: base and head are groups of its series. It fails as
// Files does, and where there is no such group or no round is known.
func Programs(s *codec.Suite, base, head string, opt Options) (*Report, error) {
	opt, err := opt.resolve()
	if err != nil {
		return nil, err
	}
	rep := &Report{Base: source(s, base), Head: source(s, head), Options: opt, Paired: true}
	rep.skipped(s, "the file")
	rep.libraries(s, base, s, head)
	of := func(group string) *codec.Suite {
		part := &codec.Suite{Tool: s.Tool, Run: s.Run}
		for _, x := range s.Series {
			if x.Group == group {
				x.Group = ""
				part.Series = append(part.Series, x)
			}
		}
		return part
	}
	b, h := of(base), of(head)
	for _, side := range []struct {
		label string
		part  *codec.Suite
	}{{base, b}, {head, h}} {
		if len(side.part.Series) == 0 {
			return nil, fmt.Errorf("comparison: no program %q in this file; it has %s", side.label, strings.Join(Groups(s), ", "))
		}
	}
	m := match(b, h)
	rep.OnlyBase, rep.OnlyHead = m.onlyBase, m.onlyHead
	return rep, rep.fill(m.pairs, b, h)
}

// Groups returns the groups of a suite's series in their order: the programs of a run.
func Groups(s *codec.Suite) (groups []string) {
	for i := range s.Series {
		if g := s.Series[i].Group; !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	return groups
}

// sole reports whether each side has the series of one program alone, the machine's own scaling aside.
func sole(sides ...*codec.Suite) bool {
	for _, s := range sides {
		var first *codec.Series
		for i := range s.Series {
			x := &s.Series[i]
			switch {
			case isControl(s, x):
			case first == nil:
				first = x
			case x.Group != first.Group:
				return false
			}
		}
	}
	return true
}

func source(s *codec.Suite, label string) Source {
	src := Source{Label: label, Tool: s.Tool, Version: s.Version}
	if s.Run != nil {
		src.Run = s.Run.Header.ID
	}
	return src
}

// pair is one series on both sides.
type pair struct {
	base, head *codec.Series
	sole       bool // each side has one program
}

// matched is what match finds.
type matched struct {
	pairs              []pair // in the order of head
	onlyBase, onlyHead []Missing
	renamed            string
}

func match(base, head *codec.Suite) matched {
	var m matched
	key := func(s *codec.Series) codec.Key { return s.Key() }
	if a, b := Groups(base), Groups(head); len(a) == 1 && len(b) == 1 && a[0] != b[0] {
		key = func(s *codec.Series) codec.Key { return codec.Key{Name: s.Name, Metric: s.Metric} }
		m.renamed = fmt.Sprintf("each side holds one program; %q and %q are compared", a[0], b[0])
	}
	if a, b := names(base), names(head); len(a) == 1 && len(b) == 1 && a[0] != b[0] {
		key = func(s *codec.Series) codec.Key { return codec.Key{Metric: s.Metric} }
		m.renamed = fmt.Sprintf("each side holds one benchmark; %q and %q are compared", a[0], b[0])
	}
	alone := sole(base, head)
	index := make(map[codec.Key]*codec.Series, len(base.Series))
	for i := range base.Series {
		index[key(&base.Series[i])] = &base.Series[i]
	}
	seen := make(map[*codec.Series]bool, len(base.Series))
	both := make(map[[2]string]bool) // benchmarks with a metric in common, by both their names
	for i := range head.Series {
		h := &head.Series[i]
		b, ok := index[key(h)]
		if !ok {
			if isControl(head, h) {
				continue
			}
			m.onlyHead = append(m.onlyHead, Missing{Group: h.Group, Name: h.Name, Metric: h.Metric, Sole: alone})
			continue
		}
		seen[b] = true
		both[[2]string{h.Group, h.Name}], both[[2]string{b.Group, b.Name}] = true, true
		m.pairs = append(m.pairs, pair{b, h, alone})
	}
	for i := range base.Series {
		if b := &base.Series[i]; !seen[b] && !isControl(base, b) {
			m.onlyBase = append(m.onlyBase, Missing{Group: b.Group, Name: b.Name, Metric: b.Metric, Sole: alone})
		}
	}
	// A benchmark that is missing is named once, and not for each of its metrics.
	for _, list := range []*[]Missing{&m.onlyBase, &m.onlyHead} {
		found := make(map[[2]string]bool)
		*list = slices.DeleteFunc(*list, func(x Missing) bool {
			k := [2]string{x.Group, x.Name}
			again := found[k] || both[k]
			found[k] = true
			return again
		})
	}
	return m
}

func names(s *codec.Suite) (out []string) {
	seen := make(map[string]bool)
	for i := range s.Series {
		if n := s.Series[i].Name; !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	return out
}

// pairUp returns the values of the rounds that both series have, in round order.
func pairUp(b, h *codec.Series) (x, y []float64, rounds []int, ok bool) {
	if !b.Rounds || !h.Rounds {
		return nil, nil, nil, false
	}
	at := make(map[int]float64, len(b.Samples))
	for _, s := range b.Samples {
		at[s.Round] = s.Value
	}
	byRound := slices.Clone(h.Samples)
	slices.SortStableFunc(byRound, func(a, b codec.Sample) int { return a.Round - b.Round })
	for _, s := range byRound {
		if v, have := at[s.Round]; have {
			x, y, rounds = append(x, v), append(y, s.Value), append(rounds, s.Round)
		}
	}
	return x, y, rounds, true
}

// unequal says in which way two series did different work, or "".
func unequal(b, h *codec.Series) string {
	if b.Unit != h.Unit {
		return fmt.Sprintf("%s and %s", orNone(b.Unit), orNone(h.Unit))
	}
	var parts []string
	if b.Work > 0 && h.Work > 0 && b.Work != h.Work {
		parts = append(parts, fmt.Sprintf("%v and %v tasks in a batch", b.Work, h.Work))
	}
	for _, k := range slices.Sorted(maps.Keys(b.Params)) {
		if v, ok := h.Params[k]; ok && v != b.Params[k] {
			parts = append(parts, fmt.Sprintf("%s=%s and %s", k, b.Params[k], v))
		}
	}
	return strings.Join(parts, ", ")
}

func orNone(s string) string {
	if s == "" {
		return "no unit"
	}
	return s
}

// sameInputs reports whether digests of the two series can be compared: those of runs depend on the seed.
func sameInputs(base, head *codec.Suite) bool {
	return base.Run == nil || head.Run == nil || base.Run.Header.Plan.Seed == head.Run.Header.Plan.Seed
}
