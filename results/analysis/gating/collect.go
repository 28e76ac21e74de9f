package gating

import (
	"fmt"
	"slices"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis/comparison"
	"github.com/parbench/parbench/results/codec"
	"github.com/parbench/parbench/results/stat"
)

// The sides of a pair, as cells name their program.
const (
	base = "base"
	head = "head"
)

// track is what is measured in pairs: one cell on both sides.
type track struct {
	base, head int // cells of the plan
	cell       *results.Cell
	name       string
}

// tracks pairs the cells of the plan. Cells of one side only are left out.
func tracks(p *results.Plan) []track {
	var out []track
	type key struct {
		workload, label string
		cores, workers  int
	}
	of := func(c *results.Cell) key { return key{c.Workload, c.Label, c.Cores, c.Workers} }
	heads := map[key]int{}
	for i := range p.Cells {
		if c := &p.Cells[i]; c.Program == head {
			heads[of(c)] = i
		}
	}
	names := map[string]int{}
	for i := range p.Cells {
		c := &p.Cells[i]
		h, ok := heads[of(c)]
		if c.Program != base || !ok {
			continue
		}
		t := track{i, h, c, fmt.Sprintf("%s/%s/cores=%d", c.Workload, c.Label, c.Cores)}
		if c.Workload == "command" && c.Label == "process" {
			t.name = c.Workload // a whole process, whatever it does inside
		}
		names[t.name]++
		out = append(out, t)
	}
	for i := range out {
		if t := &out[i]; names[t.name] > 1 {
			t.name += fmt.Sprintf("/workers=%d", t.cell.Workers)
		}
	}
	return out
}

// pair is what one round measured of a track: seconds per task.
type pair struct {
	stage      int
	base, head float64
	disturbed  bool
}

// collected is the usable pairs of a run, by track and round.
type collected struct {
	pairs    []map[int]pair
	rounds   [][]int // by track, ascending
	failed   [][2]int
	failures []Failure
	repeated int
}

// collect picks one attempt for each track and round: the last one that others did not disturb, else the last. An attempt
// counts whole: both sides of it, never one side of each of two.
func collect(run *results.Run, list []track) collected {
	c := collected{pairs: make([]map[int]pair, len(list)), rounds: make([][]int, len(list)), failed: make([][2]int, len(list))}
	type place struct{ track, side int }
	at := map[int]place{}
	for i, t := range list {
		at[t.base], at[t.head] = place{i, 0}, place{i, 1}
		c.pairs[i] = map[int]pair{}
	}
	type attempt struct{ track, round, attempt int }
	halves := map[attempt][2]*results.Trial{}
	var order []attempt
	for i := range run.Trials {
		t := &run.Trials[i]
		p, ok := at[t.Cell]
		if !ok {
			continue
		}
		if t.Status != results.OK {
			c.failed[p.track][p.side]++
			c.failures = append(c.failures, Failure{[2]string{base, head}[p.side], list[p.track].name, t.Status, t.Reason, t.Stderr})
		}
		k := attempt{p.track, t.Round, t.Attempt}
		h := halves[k]
		if h == [2]*results.Trial{} {
			order = append(order, k)
		}
		h[p.side] = t
		halves[k] = h
	}
	for _, k := range order {
		h := halves[k]
		if h[0] == nil || h[1] == nil {
			continue
		}
		b, ok := h[0].Observation()
		v, ok2 := h[1].Observation()
		if !ok || !ok2 {
			continue
		}
		p := pair{max(h[0].Stage, h[1].Stage), b, v, h[0].Disturbed() || h[1].Disturbed()}
		old, again := c.pairs[k.track][k.round]
		if again {
			c.repeated++
		}
		if !again || old.disturbed || !p.disturbed {
			c.pairs[k.track][k.round] = p
		}
	}
	for i := range list {
		for round := range c.pairs[i] {
			c.rounds[i] = append(c.rounds[i], round)
		}
		slices.Sort(c.rounds[i])
	}
	return c
}

// The kinds of question, each a family of its own.
const (
	aboutTime = iota
	aboutSpeedup
	aboutContention
	aboutCoherency
	kinds
)

// kindOf describes a family.
func kindOf(about int) comparison.Kind {
	return [kinds]comparison.Kind{
		{Metric: "time", Unit: "s/task", Better: codec.Lower},
		{Metric: "speedup", Unit: "×", Better: codec.Higher},
		{Metric: "contention, 1 + α(N−1)", Better: codec.Lower},
		{Metric: "coherency, 1 + βN(N−1)", Better: codec.Lower},
	}[about]
}

// question is one comparison: a number that each side gives in each round, computed from one track or from several.
type question struct {
	about  int
	name   string
	tracks []int // it can be answered in rounds that all of these have
	value  func(times []float64) (float64, bool)
}

// questions lists what a plan of pairs asks: the time of each track, and where a strategy runs on several core counts
// its speedup over the reference of the same program, and the coefficients of its scaling.
func questions(p *results.Plan, list []track) []question {
	var out []question
	for i, t := range list {
		out = append(out, question{aboutTime, t.name, []int{i}, func(x []float64) (float64, bool) { return x[0], true }})
	}
	waits := map[string]bool{}
	for _, e := range p.Workloads {
		waits[e.Key] = e.Kind == "io" || e.Kind == "mixed" || e.OwnN
	}
	type series struct{ workload, label string }
	var order []series
	groups := map[series][]int{}
	reference := map[string]int{}
	for i, t := range list {
		c := t.cell
		switch {
		case waits[c.Workload] || c.Serial:
		case c.OneCore || c.Reference:
			if c.Reference {
				reference[c.Workload] = i
			}
		default:
			s := series{c.Workload, c.Label}
			if len(groups[s]) == 0 {
				order = append(order, s)
			}
			groups[s] = append(groups[s], i)
		}
	}
	for _, s := range order {
		g := groups[s]
		slices.SortFunc(g, func(a, b int) int { return list[a].cell.Cores - list[b].cell.Cores })
		counts := map[int]bool{}
		for _, i := range g {
			counts[list[i].cell.Cores] = true
		}
		if len(counts) < 2 || len(counts) != len(g) {
			continue
		}
		if ref, ok := reference[s.workload]; ok {
			for _, i := range g {
				if list[i].cell.Cores > 1 {
					out = append(out, question{aboutSpeedup, list[i].name, []int{ref, i}, func(x []float64) (float64, bool) { return x[0] / x[1], true }})
				}
			}
		}
		out = append(out, coefficients(s.workload+"/"+s.label, g, list)...)
	}
	slices.SortStableFunc(out, func(a, b question) int { return a.about - b.about })
	return out
}

// coefficients asks for α and, from five core counts on, β. Each is put as the factor by which it lengthens the work on
// the largest core count: a coefficient of 0 has no ratio, such a factor has, and a change of it is one of the speedup.
func coefficients(name string, group []int, list []track) []question {
	if len(group) < 3 {
		return nil // two core counts: the speedup says all of it
	}
	model := stat.ModelAmdahl
	if len(group) >= 5 {
		model = stat.ModelUSL
	}
	var ns []float64
	for _, i := range group {
		ns = append(ns, float64(list[i].cell.Cores))
	}
	n := ns[len(ns)-1]
	name += fmt.Sprintf("/N=%d", int(n))
	fit := func(times []float64) (stat.ScalingFit, bool) {
		points := make([]stat.ScalingPoint, len(times))
		for i, t := range times {
			points[i] = stat.ScalingPoint{N: ns[i], X: 1 / t}
		}
		f, err := stat.FitScalingModel(points, model, stat.ScalingOptions{})
		return f, err == nil
	}
	out := []question{{aboutContention, name, group, func(x []float64) (float64, bool) {
		f, ok := fit(x)
		return 1 + f.Alpha.Point*(n-1), ok
	}}}
	if model == stat.ModelUSL {
		out = append(out, question{aboutCoherency, name, group, func(x []float64) (float64, bool) {
			f, ok := fit(x)
			return 1 + f.Beta.Point*n*(n-1), ok
		}})
	}
	return out
}

// samples are the pairs that answer a question.
type samples struct {
	base, head []float64
	rounds     []int
	disturbed  int
}

// answer collects the pairs of a question from the stages that take accepts.
func (c *collected) answer(q *question, take func(stage int) bool) samples {
	var s samples
	b, h := make([]float64, len(q.tracks)), make([]float64, len(q.tracks))
next:
	for _, round := range c.rounds[q.tracks[0]] {
		disturbed := false
		for k, t := range q.tracks {
			p, ok := c.pairs[t][round]
			if !ok || !take(p.stage) {
				continue next
			}
			b[k], h[k] = p.base, p.head
			disturbed = disturbed || p.disturbed
		}
		x, ok := q.value(b)
		y, ok2 := q.value(h)
		if !ok || !ok2 {
			continue
		}
		s.base, s.head, s.rounds = append(s.base, x), append(s.head, y), append(s.rounds, round)
		if disturbed {
			s.disturbed++
		}
	}
	return s
}
