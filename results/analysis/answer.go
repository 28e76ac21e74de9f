package analysis

import (
	"fmt"
	"strings"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis/quantity"
)

// mostDisturbed is the share of disturbed trials above which no winner and no missing gain is told without it.
const mostDisturbed = 0.5

// answer is the sentence that says which set won, or why none did. What it tells of one cell it tells of no other.
func (a *analyser) answer(t *Table) string {
	w := t.Winner
	best := &t.Rows[w.Best]
	n := w.candidates(t)
	q := a.qualifier(t)
	time, per := best.Time(t.All()), Per(t.All(), "task")
	at := quantity.Duration(time.Point) + " " + per
	switch {
	case n == 1:
		return fmt.Sprintf("Only %s gave usable times: %s %s; there is nothing to compare it with.",
			name(t, w.Best), a.withTime(time), per)
	case !w.Decided():
		return fmt.Sprintf("Not decided%s: %s had the lowest median, %s%s, but %s", q, name(t, w.Best), at, a.faster(t), tooFew(w, n, "cell"))
	case len(w.Set) == n && len(w.Undecided) == 0:
		return fmt.Sprintf("No winner%s: all %d cells are equally fast within %s; the lowest median is %s, of %s.",
			q, n, quantity.Percent(a.opt.MinEffect), at, name(t, w.Best))
	case len(w.Set) == n:
		return fmt.Sprintf("No winner%s: none of the %d cells can be told from the lowest median, %s with %s.",
			q, n, name(t, w.Best), at)
	case len(w.Set) == 1:
		return fmt.Sprintf("Fastest%s: %s, at %s%s.", q, name(t, w.Best), at, a.faster(t))
	}
	return fmt.Sprintf("Lowest median%s: %s, at %s%s; not distinguishable from it: %s.",
		q, name(t, w.Best), at, a.faster(t), names(t, w.Set[1:]))
}

// tooFew says, as the end of a sentence, that no test can pass with so few rounds, why, and what is to be done.
func tooFew(w *Winner, n int, what string) string {
	corrected := ""
	if n > 2 {
		corrected = fmt.Sprintf("corrected for %d comparisons, ", n-1)
	}
	return fmt.Sprintf("%s cannot tell %s apart, however different they are: %sno test can pass with fewer than %d (--rounds %d).",
		rounds(w.Pairs), plural(n, what), corrected, w.Floor, w.Floor)
}

// single tells intervals from the decision where they seem to contradict it: a row that is not told from the best although
// the interval of their ratio, which is of no other pair, does.
func single(t *Table) string {
	w := t.Winner
	for _, i := range w.Set[1:] {
		if v := t.Rows[i].VsBest; v.Has() && v.Lo > 1 && w.candidates(t) > 2 {
			return "An interval holds for its row alone; the decision has to hold for all rows at once."
		}
	}
	return ""
}

// faster says inside the answer by how much the best beats the reference; empty where that takes a sentence of its own.
func (a *analyser) faster(t *Table) string {
	w := t.Winner
	ref := reference(t, w.Best)
	if ref < 0 || ref == w.Best || w.Ratio.N == 0 || w.Has(ref) && w.Decided() {
		return ""
	}
	if contradicted(t, w.Best, ref, w.Ratio) {
		return fmt.Sprintf("; paired by round, and unlike by the medians, it was %s times as fast as %s%s%s",
			ratio(w.Ratio), name(t, ref), a.withRatio(w.Ratio), toItsOne(t, ref))
	}
	return fmt.Sprintf(", %s times as fast as %s%s%s", ratio(w.Ratio), name(t, ref), a.withRatio(w.Ratio), toItsOne(t, ref))
}

// contradicted reports whether iv, the time of row j over that of row i paired by round, and the medians of the two say
// the opposite about which is faster. Both are right: a ratio of pairs and a ratio of medians are two things, and only the
// first is protected from what the rounds have in common.
func contradicted(t *Table, i, j int, iv Interval) bool {
	x, y := t.Rows[i].PerTask.Point, t.Rows[j].PerTask.Point
	shown := quantity.Fixed(iv.Point, decimals(iv))
	if iv.N == 0 || x == y || shown == quantity.Fixed(1, decimals(iv)) {
		return false
	}
	return iv.Point > 1 != (y > x)
}

// qualifier says what the answer holds under, where the run was no fair test of the strategies.
func (a *analyser) qualifier(t *Table) string {
	var q []string
	if t.Disturbed > mostDisturbed {
		q = append(q, "that others used during "+quantity.Percent(t.Disturbed)+" of these trials")
	}
	if c, _ := a.flat(t); c.Has() {
		q = append(q, "that gave busy threads nothing for more cores")
	}
	if len(q) == 0 {
		return ""
	}
	return ", on a machine " + strings.Join(q, " and ")
}

// flat is the machine's own speedup on the table's largest core count, and that count, where its whole interval lies
// below what counts as a gain: no strategy could show one then. The interval is empty otherwise.
func (a *analyser) flat(t *Table) (Interval, int) {
	if len(t.Cores) == 0 || !busyKind(t.Entry.Kind) {
		return Interval{}, 0
	}
	k := t.Cores[len(t.Cores)-1]
	if c := a.ceilingAt(k); k > 1 && c.Has() && c.Hi < gainLimit {
		return c, k
	}
	return Interval{}, 0
}

// gained says what the best is to the reference, where the answer does not.
func (a *analyser) gained(t *Table) string {
	w := t.Winner
	n := w.candidates(t)
	ref := reference(t, w.Best)
	switch {
	case ref < 0:
		return ""
	case t.Rows[ref].Status == results.Wrong || t.Rows[ref].OK == 0 && t.Rows[ref].HasFailed():
		return fmt.Sprintf("The reference, %s, failed (%s), so there are no speedups.", name(t, ref), t.Rows[ref].Status)
	case ref == w.Best:
		if n > 1 && w.Decided() && t.several() {
			return fmt.Sprintf("Of the strategies of all programs together none was shown to be faster than %s, which runs the tasks one after another in %s.",
				name(t, ref), programWord(t.Rows[ref].Cell.Program))
		}
		if n > 1 && w.Decided() {
			return "Nothing was shown to be faster than running the tasks one after another."
		}
		return ""
	case w.Ratio.N == 0:
		return fmt.Sprintf("That shares no round with the reference, %s, so there is no speedup.", name(t, ref))
	}
	that := "That is"
	if contradicted(t, w.Best, ref, w.Ratio) {
		that = "Paired by round, and unlike by the medians, that is"
	}
	said := fmt.Sprintf("%s %s times as fast as %s%s%s", that, ratio(w.Ratio), name(t, ref), a.withRatio(w.Ratio), toItsOne(t, ref))
	switch {
	case w.Has(ref) && w.Decided():
		return said + ", not to be told from it."
	case n > 1 && (!w.Decided() || len(w.Set) < n):
		return "" // the answer has it
	}
	return said + "."
}

// allowed holds the speedup of work that computes against what the machine itself allowed on so many cores.
func (a *analyser) allowed(t *Table) string {
	w := t.Winner
	cores := t.Rows[w.Best].Cell.Cores
	if w.Ratio.N == 0 || cores < 2 || !busyKind(t.Entry.Kind) {
		return ""
	}
	c := a.ceilingAt(cores)
	if !c.Has() {
		return ""
	}
	said := fmt.Sprintf("Pure busy threads reached %s on %s during this run%s", ratio(c), plural(cores, "core"), a.withRatio(c))
	if why := (CeilingPoint{Cores: cores, Speedup: c}).Untold(); why != "" {
		said += ", an interval " + why + " to tell what the machine allows"
	}
	var above []string
	for _, i := range t.Above(CeilingPoint{Cores: cores, Speedup: c}) {
		above = append(above, t.Rows[i].Name)
	}
	if len(above) > 0 {
		said += "; " + list(limit(above)) + " exceeded that"
	}
	return said + "."
}

// Above returns the rows on that many cores whose speedup lies above what the machine itself reached, the whole interval of
// the one above that of the other: work that computes can gain from caches and from a changing machine what busy threads
// do not. It is empty for work that waits, which cores do not limit, and without an interval.
func (t *Table) Above(c CeilingPoint) []int {
	if !c.Speedup.Has() || t.Waits() {
		return nil
	}
	var rows []int
	for i := range t.Rows {
		if r := &t.Rows[i]; r.Cell.Cores == c.Cores && !r.HasFailed() && r.Speedup.Has() && r.Speedup.Lo > c.Speedup.Hi {
			rows = append(rows, i)
		}
	}
	return rows
}

// ceilingAt is the machine's own speedup on so many cores; without an interval where it cannot be told.
func (a *analyser) ceilingAt(cores int) Interval {
	for _, c := range a.top {
		if c.Cores == cores {
			return c.Speedup
		}
	}
	return Interval{}
}

// disturbed is the share of a workload's used trials during which others used the machine.
func (a *analyser) disturbed(t *Table) float64 {
	used, flagged := 0, 0
	for i := range t.Rows {
		for _, s := range a.cells[t.Rows[i].Index].samples {
			used++
			if s.trial.Disturbed() {
				flagged++
			}
		}
	}
	if used == 0 {
		return 0
	}
	return float64(flagged) / float64(used)
}
