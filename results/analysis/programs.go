package analysis

import (
	"fmt"
	"strings"
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

// within says for each program with two strategies or more besides its reference what its fastest is to its others. The
// program of the winner is left out where the sentence about the next best has told it.
func (a *analyser) within(t *Table) string {
	if !t.several() {
		return ""
	}
	w := t.Winner
	told := ""
	if w.Next < 0 || t.Rows[w.Next].Cell.Program == t.Rows[w.Best].Cell.Program {
		told = t.Rows[w.Best].Cell.Program
	}
	var said []string
	done := map[string]bool{told: true}
	for i := range t.Rows {
		if p := t.Rows[i].Cell.Program; !done[p] {
			done[p] = true
			said = append(said, a.withinOne(t, p))
		}
	}
	return sentences(said...)
}

// withinOne is within for one program, empty where there is nothing to compare.
func (a *analyser) withinOne(t *Table, program string) string {
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
		case i == best:
			continue
		case len(ratios) == maxNames:
			rest++
			continue
		}
		if r, _ := a.ratio(t.Rows[i].Index, t.Rows[best].Index); r.N > 0 {
			ratios = append(ratios, fmt.Sprintf("%s times as fast as %s%s", ratio(r), call(i), a.withRatio(r)))
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
