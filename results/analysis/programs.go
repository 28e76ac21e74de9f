package analysis

import (
	"fmt"
	"strings"

	"github.com/parbench/parbench/results/analysis/quantity"
)

// ProgramTitle is what a list of programs calls one: its label, but for the program that measured, whose label self says
// nothing to who did not write the plan.
func ProgramTitle(label string) string {
	if label == "self" {
		return "parbench itself"
	}
	return label
}

// programWord is what a sentence calls a program: its label, but parbench where the plan says self.
func programWord(label string) string {
	if label == "self" {
		return "parbench"
	}
	return label
}

// programs says what each other program's fastest strategy is to its own reference and to the fastest of all, where l has not
// said that.
func (a *analyser) programs(t *Table, l languages) (said []string) {
	if !t.several() {
		return nil
	}
	var order []string
	fastest := map[string]int{}
	for i := range t.Rows {
		r := &t.Rows[i]
		if r.OK == 0 || r.HasFailed() || r.Cell.Program == t.Rows[t.Winner.Best].Cell.Program {
			continue
		}
		at, seen := fastest[r.Cell.Program]
		if !seen {
			order = append(order, r.Cell.Program)
		}
		if !seen || r.PerTask.Point < t.Rows[at].PerTask.Point {
			fastest[r.Cell.Program] = i
		}
	}
	for _, p := range order {
		i := fastest[p]
		r := &t.Rows[i]
		s := fmt.Sprintf("The lowest median of %s is that of %s, %s per task", programWord(p), name(t, i), quantity.Duration(r.PerTask.Point))
		if ref := reference(t, i); ref >= 0 && ref != i && r.Speedup.N > 0 {
			s += ", " + against(t, i, ref, r.Speedup) + a.withRatio(r.Speedup)
		}
		if r.VsBest.Has() && r.VsBest.Lo > 1 && !l.has(t.Winner.Best, i) {
			than := "than"
			if r.VsBest.Point >= 2 {
				than = "as" // see longer
			}
			s += fmt.Sprintf("; it takes %s %s %s", longer(r.VsBest), than, name(t, t.Winner.Best))
		}
		said = append(said, s+".")
	}
	return said
}

// within says for each program with two strategies or more besides its reference what its fastest is to its others. The
// program of the winner is left out where the sentence about the next best has told it, and so is what l has told.
func (a *analyser) within(t *Table, l languages) []string {
	if !t.several() {
		return nil
	}
	w := t.Winner
	told := ""
	if w.Next < 0 || t.Rows[w.Next].Cell.Program == t.Rows[w.Best].Cell.Program {
		told = t.Rows[w.Best].Cell.Program
	}
	var points []string
	done := map[string]bool{told: true}
	for i := range t.Rows {
		if p := t.Rows[i].Cell.Program; !done[p] {
			done[p] = true
			points = append(points, a.withinOne(t, p, l))
		}
	}
	return said(points...)
}

// withinOne is within for one program, empty where there is nothing to compare.
func (a *analyser) withinOne(t *Table, program string, told languages) string {
	best := -1
	fastest := map[string]int{} // by label
	var labels []string         // besides the reference's
	for i := range t.Rows {
		r := &t.Rows[i]
		if r.Cell.Program != program || r.OK == 0 || r.HasFailed() {
			continue
		}
		if best < 0 || r.PerTask.Point < t.Rows[best].PerTask.Point {
			best = i
		}
		if r.Cell.Reference {
			continue
		}
		l := label(r.Cell)
		at, seen := fastest[l]
		if !seen {
			labels = append(labels, l)
		}
		if !seen || r.PerTask.Point < t.Rows[at].PerTask.Point {
			fastest[l] = i
		}
	}
	if len(labels) < 2 {
		return ""
	}
	call := func(i int) string { return label(t.Rows[i].Cell) + onCores(t, i) }
	var ratios []string
	rest := 0
	for _, l := range labels {
		i := fastest[l]
		switch {
		case i == best, told.has(i, best):
			continue
		case len(ratios) == maxNames:
			rest++
			continue
		}
		if r, _ := a.ratio(t.Rows[i].Index, t.Rows[best].Index); r.N > 0 {
			as := fmt.Sprintf("%s times as fast as %s", ratio(r), call(i))
			if contradicted(t, best, i, r) {
				as = "paired by round, and unlike by the medians, " + as
			}
			ratios = append(ratios, as+a.withRatio(r))
		}
	}
	if len(ratios) == 0 {
		return ""
	}
	if rest > 0 {
		ratios = append(ratios, fmt.Sprintf("and %d more are in the table", rest))
	}
	return fmt.Sprintf("Under %s %s is %s.", programWord(program), call(best), strings.Join(ratios, ", "))
}
