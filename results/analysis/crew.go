package analysis

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis/quantity"
)

// Work that waits takes as long as its tasks have to be waited for one after another: its speedup can reach the number of
// workers, whatever the strategy. Where strategies with unequal numbers of them are compared on it, everything that is
// said of them names these numbers.

// crew is how many workers a cell has: as many as a batch has tasks where it starts one for each.
func crew(c *results.Cell) int {
	if c.Workers == 0 && c.Unbounded {
		return c.Tasks
	}
	return c.Workers
}

// crewed reports whether a row takes part in comparisons with a number of workers that its strategy chose.
func crewed(r *Row) bool {
	return r.OK > 0 && !r.Cell.Reference && !r.Cell.OneCore && crew(&r.Cell) > 0
}

// UnequalWorkers reports whether rows on as many cores have unequal numbers of workers, on work that waits or may do so.
func (t *Table) UnequalWorkers() bool {
	if !t.Waits() || t.Entry.OwnN {
		return false
	}
	crews := map[int]int{} // by cores
	for i := range t.Rows {
		r := &t.Rows[i]
		if !crewed(r) {
			continue
		}
		n := crew(&r.Cell)
		if was, seen := crews[r.Cell.Cores]; seen && was != n {
			return true
		}
		crews[r.Cell.Cores] = n
	}
	return false
}

// withWorkers is how a sentence tells a row's workers, where rows differ in them and its name does not say it.
func withWorkers(t *Table, i int) string {
	r := &t.Rows[i]
	if !crewed(r) || strings.Contains(r.Cell.Label, "workers=") || !t.UnequalWorkers() {
		return ""
	}
	return " with " + plural(crew(&r.Cell), "worker")
}

// unequal reports whether the ratio of two rows compares numbers of workers too.
func unequal(t *Table, i, j int) bool {
	a, b := &t.Rows[i], &t.Rows[j]
	return t.Waits() && crewed(a) && crewed(b) && crew(&a.Cell) != crew(&b.Cell)
}

// toItsOne says how many workers the best has where the sentence would leave it open: with all others alike, but for the
// reference.
func toItsOne(t *Table, ref int) string {
	b := &t.Rows[t.Winner.Best]
	if n := crew(&b.Cell); t.Waits() && !t.Commands() && n > 1 && crewed(b) && crew(&t.Rows[ref].Cell) == 1 && !t.UnequalWorkers() {
		return fmt.Sprintf(" with %s to its one", plural(n, "worker"))
	}
	return ""
}

// mostWorkers is where giving every strategy as many workers as there are tasks stops being a proposal: each may be a
// process.
const mostWorkers = 64

// workersWarning warns where strategies were compared that could not wait for as many tasks at the same time.
func workersWarning(w *warnings, t *Table) {
	if t.Commands() || !t.UnequalWorkers() {
		return
	}
	byCrew := map[int][]string{} // names
	var labels []string
	unbounded, least, most := false, 0, 0
	for i := range t.Rows {
		r := &t.Rows[i]
		if !crewed(r) {
			continue
		}
		n := crew(&r.Cell)
		if !slices.Contains(byCrew[n], r.Name) {
			byCrew[n] = append(byCrew[n], r.Name)
		}
		if l := evenly(&r.Cell); !slices.Contains(labels, l) {
			labels = append(labels, l)
		}
		unbounded = unbounded || r.Cell.Unbounded
		most = max(most, n)
		if least == 0 || n < least {
			least = n
		}
	}
	var said []string
	for _, n := range slices.SortedFunc(maps.Keys(byCrew), func(x, y int) int { return cmp.Compare(y, x) }) {
		said = append(said, fmt.Sprintf("%s for %s", quantity.Count(n), list(limit(byCrew[n]))))
	}
	w.add(Warn, CodeUnequalWorkers, "compare with as many workers for each: "+evenFlags(labels, unbounded, least, most),
		"strategies with unequal numbers of workers are compared on work that waits, where more of them are faster whatever the strategy: %s",
		strings.Join(said, "; "))
}

// evenly is the label of a cell with a place for a number of workers; of strategies that start one for each task, the label.
func evenly(c *results.Cell) string {
	l := label(*c)
	if c.Unbounded {
		return l
	}
	name, params, _ := strings.Cut(l, ":")
	kept := []string{}
	for _, p := range strings.Split(params, ",") {
		if p != "" && !strings.HasPrefix(p, "workers=") {
			kept = append(kept, p)
		}
	}
	return name + ":" + strings.Join(append(kept, "workers=%d"), ",")
}

// evenFlags are the flags of a run in which all have the same number of workers.
func evenFlags(labels []string, unbounded bool, least, most int) string {
	n, flags := most, ""
	if unbounded && most > mostWorkers {
		n = least // and as many tasks, of which each has a worker then
	}
	if unbounded {
		flags = fmt.Sprintf("--tasks %d", n)
	}
	const many = 4
	if len(labels) > many {
		return strings.TrimSpace(flags+" and ") + fmt.Sprintf(" workers=%d for each strategy that takes it", n)
	}
	for _, l := range labels {
		flags += " -s " + strings.ReplaceAll(l, "%d", fmt.Sprint(n))
	}
	return strings.TrimSpace(flags)
}
