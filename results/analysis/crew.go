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
func workersWarning(w *warnings, h *results.Header, t *Table) {
	if t.Commands() || !t.UnequalWorkers() {
		return
	}
	byCrew := map[int][]string{} // names
	for i := range t.Rows {
		if r := &t.Rows[i]; crewed(r) && !slices.Contains(byCrew[crew(&r.Cell)], r.Name) {
			byCrew[crew(&r.Cell)] = append(byCrew[crew(&r.Cell)], r.Name)
		}
	}
	var said []string
	for _, n := range slices.SortedFunc(maps.Keys(byCrew), func(x, y int) int { return cmp.Compare(y, x) }) {
		said = append(said, fmt.Sprintf("%s for %s", quantity.Count(n), list(limit(byCrew[n]))))
	}
	w.add(Warn, CodeUnequalWorkers, "compare with as many workers for each",
		"strategies with unequal numbers of workers are compared on work that waits, where more of them are faster whatever the strategy: %s",
		strings.Join(said, "; "))
	t.EvenWorkers = evenCommand(h, t)
}

// evenCommand is the command of a run of the table's workload in which all strategies have the same number of workers: as
// many as tasks where one starts a worker for each, and otherwise the largest number that there was. A run's own command
// line has its strategies, with their interpreters, and its programs as they are to be given again. It is empty where the
// run has none.
func evenCommand(h *results.Header, t *Table) []string {
	if len(h.Args) == 0 || h.Args[0] != "run" {
		return nil
	}
	unbounded, least, most := false, 0, 0
	starts := map[string]bool{} // a worker for each task, by strategies' names
	for i := range t.Rows {
		r := &t.Rows[i]
		if !crewed(r) {
			continue
		}
		c, n := &r.Cell, crew(&r.Cell)
		starts[c.Strategy] = c.Unbounded
		unbounded, most = unbounded || c.Unbounded, max(most, n)
		if least == 0 || n < least {
			least = n
		}
	}
	n := most
	if unbounded && most > mostWorkers {
		n = least // and as many tasks, of which each has a worker then
	}
	words := []string{"run"}
	var flags, selected []string
	for i, word := range h.Args {
		switch name, params, _ := strings.Cut(word, ":"); {
		case strings.HasPrefix(word, "--program=") || strings.HasPrefix(word, "--python-workload="):
			flags = append(flags, word)
		case strings.HasPrefix(word, "--tasks=") && !unbounded:
			flags = append(flags, word)
		case i > 0 && h.Args[i-1] == "-s":
			one, is := starts[name]
			if is && !one {
				word = evenly(name, params, n)
			}
			if is && !slices.Contains(selected, word) {
				selected = append(selected, word)
			}
		}
	}
	if len(selected) == 0 {
		return nil
	}
	words = append(append(words, flags...), "-w", given(h.Args, &t.Entry))
	if unbounded {
		words = append(words, "--tasks", fmt.Sprint(n))
	}
	for _, s := range selected {
		words = append(words, "-s", s)
	}
	return words
}

// given is how a command line names a workload.
func given(args []string, e *results.PlanEntry) string {
	named := e.Name
	for i, word := range args {
		name, params, _ := strings.Cut(word, ":")
		if i == 0 || args[i-1] != "-w" || name != e.Name {
			continue
		}
		fits := true
		for _, p := range strings.Split(params, ",") {
			k, v, _ := strings.Cut(p, "=")
			fits = fits && (p == "" || e.Params[k] == v)
		}
		if fits || named == e.Name {
			named = word
		}
		if fits {
			break
		}
	}
	return named
}

// evenly is a strategy with a number of workers in the place of any that it had.
func evenly(name, params string, n int) string {
	kept := []string{}
	for _, p := range strings.Split(params, ",") {
		if p != "" && !strings.HasPrefix(p, "workers=") {
			kept = append(kept, p)
		}
	}
	return name + ":" + strings.Join(append(kept, fmt.Sprintf("workers=%d", n)), ",")
}
