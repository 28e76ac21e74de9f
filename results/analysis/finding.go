package analysis

import (
	"fmt"
	"slices"
	"strings"

	"github.com/parbench/parbench/results/analysis/quantity"
)

// finding says in plain sentences what the table shows, one point each, and first the answer. Each is there only when the
// values call for it; none names a cause or advises what was not measured.
func (a *analyser) finding(t *Table) []string {
	switch {
	case len(t.Rows) == 0:
		return []string{"The plan has no cell for this workload."}
	case t.Entry.OwnN:
		return said(overheads(t), lost(t))
	case t.Winner == nil:
		return said(nothing(t), lost(t))
	case len(t.Rows) == 1 && t.Rows[0].Costs != nil:
		return said(a.took(t))
	}
	l := a.languages(t)
	t.Further = l.said
	undecided := ""
	if !t.Winner.Decided() { // else the table has no intervals of the ratios that were tested
		undecided = single(t)
	}
	points := said(a.answer(t), undecided, a.gained(t))
	points = append(points, l.said...)
	points = append(points, said(a.allowed(t), a.nextBest(t))...)
	points = append(points, a.programs(t, l)...)
	points = append(points, a.within(t, l)...)
	return append(points, said(a.open(t), a.unscaled(t), bound(t), lost(t))...)
}

// said leaves out what is empty.
func said(parts ...string) []string {
	return slices.DeleteFunc(parts, func(p string) bool { return p == "" })
}

// sentences are parts as one text.
func sentences(parts ...string) string { return strings.Join(said(parts...), " ") }

// nothing is the answer of a table in which no row can win.
func nothing(t *Table) string {
	failed, ok := 0, 0
	for i := range t.Rows {
		if t.Rows[i].HasFailed() {
			failed++
		}
		if t.Rows[i].OK > 0 {
			ok++
		}
	}
	switch {
	case failed == 0:
		return "Nothing was measured: no trial of this workload was run."
	case ok > 0:
		return "No winner: every cell that was measured also failed in some trial."
	}
	return "Nothing was measured."
}

// nextBest says how far the first row outside the set is behind.
func (a *analyser) nextBest(t *Table) string {
	w := t.Winner
	if w.Next < 0 || w.Lead.N == 0 {
		return ""
	}
	if !w.Lead.Has() || w.Next == reference(t, w.Best) {
		return fmt.Sprintf("Next comes %s.", name(t, w.Next)) // the ratio to the reference has been told
	}
	if w.Lead.Hi <= 1+a.opt.MinEffect {
		return fmt.Sprintf("Next comes %s, which takes %s: measurably slower, but by less than the %s that matter.",
			name(t, w.Next), longer(w.Lead), quantity.Percent(a.opt.MinEffect))
	}
	return fmt.Sprintf("Next comes %s, which takes %s.", name(t, w.Next), longer(w.Lead))
}

// longer words a ratio of times above one.
func longer(i Interval) string {
	if i.Point >= 2 {
		d := decimals(i)
		return fmt.Sprintf("%s times as long (%s to %s)", quantity.Fixed(i.Point, d), quantity.Fixed(i.Lo, d), quantity.Fixed(i.Hi, d))
	}
	d := 1
	if i.Point < 1.02 {
		d = 2
	}
	d = min(d, quantity.Decimals((i.Point-1)*100, (i.Hi-i.Lo)*50))
	f := func(v float64) string { return quantity.Fixed((v-1)*100, d) }
	return fmt.Sprintf("%s %% longer (%s %% to %s %%)", f(i.Point), f(i.Lo), f(i.Hi))
}

// manyRounds is where the rounds that a decision would take stop being a proposal.
const manyRounds = 500

// open says what could not be decided and what it would take.
func (a *analyser) open(t *Table) string {
	w := t.Winner
	if len(w.Undecided) == 0 || !w.Decided() {
		return ""
	}
	worst := 0.0
	for _, i := range w.Undecided {
		if v := t.Rows[i].VsBest; v.Has() {
			worst = max(worst, v.Hi)
		}
	}
	reach := ""
	if worst > 1 {
		reach = fmt.Sprintf(" by up to %s", quantity.Percent(worst-1))
	}
	take := fmt.Sprintf("about %s would settle differences of %s; this run has %s",
		someRounds(w.Need), quantity.Percent(a.opt.MinEffect), quantity.Count(w.Pairs))
	switch {
	case w.Need > manyRounds:
		take = fmt.Sprintf("settling differences of %s would take some %s", quantity.Percent(a.opt.MinEffect), someRounds(w.Need))
	case w.Need <= w.Pairs:
		take = fmt.Sprintf("this run's %s should show differences of %s in four of five cases", rounds(w.Pairs), quantity.Percent(a.opt.MinEffect))
	}
	return fmt.Sprintf("Not decided: %s may still be slower%s (%s).", names(t, w.Undecided), reach, take)
}

// someRounds writes a number of rounds no more exactly than it is known: it comes from the spread of a few rounds.
func someRounds(n int) string {
	switch {
	case n > 1000:
		return "thousands of rounds"
	case n >= 100:
		n = (n + 5) / 10 * 10
	}
	return rounds(n)
}

// unscaled says what gained nothing from more cores.
func (a *analyser) unscaled(t *Table) string {
	if len(t.NoGain) == 0 {
		return ""
	}
	top, most := 0.0, 0
	seen := map[string]bool{}
	for _, n := range t.NoGain {
		seen[n] = true
	}
	for i := range t.Rows {
		if r := &t.Rows[i]; seen[r.Name] && largest(t, i) {
			if g := gain(r); g.Has() {
				top, most = max(top, g.Hi), max(most, r.Cell.Cores)
			}
		}
	}
	if c, k := a.flat(t); c.Has() && k == most {
		reached := ""
		if a.allowed(t) == "" {
			reached = fmt.Sprintf(" (busy threads reached %s on %s during this run%s)", ratio(c), plural(k, "core"), a.withRatio(c))
		}
		return fmt.Sprintf("More cores had nothing to give%s: %s reached at most %s times one core's speed.", reached,
			list(limit(t.NoGain)), quantity.Fixed(top, 2))
	}
	begin := "More cores gained nothing"
	if t.Disturbed > mostDisturbed {
		begin = "While others used the machine, more cores gained nothing"
	}
	said := fmt.Sprintf("%s for %s: at most %s times one core's speed, on %s.", begin, list(limit(t.NoGain)), quantity.Fixed(top, 2), plural(most, "core"))
	// An interval that reaches beyond half of what the cores could give does not say that the machine gave little.
	if c := a.ceilingAt(most); busyKind(t.Entry.Kind) && c.Has() && c.Point < gainLimit && c.Hi < float64(1+most)/2 {
		said += fmt.Sprintf(" The machine hardly gave more: busy threads reached %s on as many during this run%s.", ratio(c), a.withRatio(c))
	}
	return said
}

// bound says whether the work computes or waits, as seen from the CPU time of the reference.
func bound(t *Table) string {
	if t.Reference < 0 || t.Rows[t.Reference].OK == 0 {
		return ""
	}
	c := t.Rows[t.Reference].CPUPerWall
	if c.N == 0 {
		return ""
	}
	share := quantity.Fixed(min(c.Point, 1)*100, 0) + " %"
	stalls := ""
	if t.Entry.Kind == "memory" {
		stalls = " (stalls on memory count as busy)"
	}
	switch {
	case c.Point >= starvedShare:
		return fmt.Sprintf("Run one after another the tasks keep a core busy %s of the time: they hardly ever wait%s.", share, stalls)
	case busyKind(t.Entry.Kind):
		return fmt.Sprintf("Run one after another the tasks got only %s of a core, though work of this kind does not wait.", share)
	case t.Commands():
		return fmt.Sprintf("Run one after another the commands got %s of a core; whether they waited for the rest or others had it, their processor time does not tell.", share)
	case t.Disturbed > mostDisturbed:
		return fmt.Sprintf("Run one after another the tasks got %s of a core; whether they waited for the rest cannot be told, as others used the machine during %s of these trials.",
			share, quantity.Percent(t.Disturbed))
	case c.Point <= 0.5:
		return fmt.Sprintf("Run one after another the tasks keep a core busy %s of the time: they mostly wait.", share)
	}
	return fmt.Sprintf("Run one after another the tasks keep a core busy %s of the time and wait for the rest.", share)
}

// lost lists the cells that failed.
func lost(t *Table) string { return lostOf(t, "cell") }

func lostOf(t *Table, what string) string {
	var failed []int
	for i := range t.Rows {
		if t.Rows[i].HasFailed() {
			failed = append(failed, i)
		}
	}
	switch len(failed) {
	case 0:
		return ""
	case 1:
		r := &t.Rows[failed[0]]
		return fmt.Sprintf("The %s %s failed (%s) and is out of the comparison.", what, name(t, failed[0]), r.Status)
	}
	return fmt.Sprintf("%s failed and are out of the comparison: %s.", plural(len(failed), what), names(t, failed))
}

// overheads is the finding of a probe that chooses its own number of tasks: what a strategy costs per task.
func overheads(t *Table) string {
	var said []string
	done := map[string]bool{}
	for i := range t.Rows {
		r := &t.Rows[i]
		if r.OK == 0 || r.HasFailed() || done[r.Name] || !largest(t, i) {
			continue
		}
		done[r.Name] = true
		said = append(said, fmt.Sprintf("%s %s", name(t, i), quantity.Duration(r.PerTask.Point)))
	}
	if len(said) == 0 {
		return nothing(t)
	}
	return "Overhead per task, with tasks that do nothing: " + list(said) + "."
}

// name is how a sentence calls a row: its core count is left out where only one is possible, and its workers where all
// have as many or where they do not limit it.
func name(t *Table, i int) string { return t.Rows[i].Name + onCores(t, i) }

func onCores(t *Table, i int) string {
	c := &t.Rows[i].Cell
	if c.OneCore || c.Serial || len(t.Cores) < 2 {
		return withWorkers(t, i)
	}
	return " on " + plural(c.Cores, "core") + withWorkers(t, i)
}

// maxNames is how many rows a sentence names before it counts the rest.
const maxNames = 6

// names lists rows, those on the same number of cores together.
func names(t *Table, rows []int) string {
	var order []string
	group := map[string][]string{}
	rest := 0
	for k, i := range rows {
		if k >= maxNames && len(rows) > maxNames+1 {
			rest++
			continue
		}
		on := onCores(t, i)
		if _, ok := group[on]; !ok {
			order = append(order, on)
		}
		group[on] = append(group[on], t.Rows[i].Name)
	}
	var parts []string
	for _, on := range order {
		if on == "" {
			parts = append(parts, group[on]...)
			continue
		}
		parts = append(parts, list(group[on])+on)
	}
	if rest > 0 {
		parts = append(parts, fmt.Sprintf("%d more", rest))
	}
	return list(parts)
}

func limit(s []string) []string {
	if len(s) <= maxNames+1 {
		return s
	}
	return append(append([]string{}, s[:maxNames]...), fmt.Sprintf("%d more", len(s)-maxNames))
}

// list joins with commas and a last "and"; parts that hold an "and" themselves are kept apart by semicolons.
func list(s []string) string {
	sep, last := ", ", " and "
	for _, p := range s {
		if len(s) > 1 && strings.Contains(p, " and ") {
			sep, last = "; ", "; and "
		}
	}
	if len(s) < 2 {
		return strings.Join(s, "")
	}
	return strings.Join(s[:len(s)-1], sep) + last + s[len(s)-1]
}

func decimals(i Interval) int { return quantity.Decimals(i.Point, (i.Hi-i.Lo)/2) }

func ratio(i Interval) string { return quantity.Fixed(i.Point, decimals(i)) }

// withRatio is the interval in brackets with its attained confidence, or what its lack means.
func (a *analyser) withRatio(i Interval) string {
	if !i.Has() {
		return fmt.Sprintf(" (no interval: %s %s too few)", rounds(i.N), isAre(i.N))
	}
	d := decimals(i)
	return fmt.Sprintf(" (%s interval %s to %s)", quantity.Level(i.Level), quantity.Fixed(i.Lo, d), quantity.Fixed(i.Hi, d))
}

// withTime writes a time with its interval.
func (a *analyser) withTime(i Interval) string {
	if !i.Has() {
		return quantity.Duration(i.Point)
	}
	u := quantity.Time(i.Point)
	d := quantity.Decimals(u.In(i.Point), u.In(i.Hi-i.Lo)/2)
	return fmt.Sprintf("%s %s (%s interval %s to %s)", quantity.Fixed(u.In(i.Point), d), u.Symbol, quantity.Level(i.Level),
		quantity.Fixed(u.In(i.Lo), d), quantity.Fixed(u.In(i.Hi), d))
}

func isAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}
