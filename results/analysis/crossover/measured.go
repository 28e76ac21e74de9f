package crossover

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/quantity"
)

// CodeOtherGrain marks grains that were measured as something else than was asked for.
const CodeOtherGrain = "other-grain"

// otherGrain is the factor above which a measured grain is not the one that was asked for.
const otherGrain = 2

// Cheapest returns the curve that is shown to be the cheapest at a measured grain: its interval lies below the grain and
// below the intervals of all others, one after another included. It returns -1 where that is not shown.
func (t *Table) Cheapest(grain float64) int {
	best := -1
	var least analysis.Interval
	at := func(i int) (analysis.Interval, bool) {
		for _, q := range t.Curves[i].Points {
			if q.Grain == grain {
				return q.Cost, true
			}
		}
		return analysis.Interval{}, false
	}
	for i := range t.Curves {
		if q, ok := at(i); ok && (best < 0 || q.Point < least.Point) {
			best, least = i, q
		}
	}
	if best < 0 || t.Curves[best].Reference || !least.Has() || least.Hi >= grain {
		return -1
	}
	for i := range t.Curves {
		if q, ok := at(i); ok && i != best && (!q.Has() || q.Lo <= least.Hi) {
			return -1
		}
	}
	return best
}

// observe takes over how much others disturbed the trials behind a table: the share of the workloads' used trials.
func (t *Table) observe(list []*analysis.Table) {
	used := 0
	for _, x := range list {
		n := 0
		for i := range x.Rows {
			n += len(x.Rows[i].Observations)
		}
		t.Disturbed += x.Disturbed * float64(n)
		used += n
	}
	if used > 0 {
		t.Disturbed /= float64(used)
	}
}

// grainsAsAsked warns of grains that took more than twice or less than half of what the swept parameter, a duration, says. own
// are all programs with strategies: a workload that several of them share has the grains asked for in one of them at most.
func (t *Table) grainsAsAsked(list []*analysis.Table, program string, own []string) {
	var off []string
	shared := false
	for _, x := range list {
		g := grain(x, program)
		shared = shared || slices.ContainsFunc(own, func(p string) bool { return p != program && runs(x, p) })
		for _, name := range varied(list) {
			asked, err := time.ParseDuration(x.Entry.Params[name])
			if want := asked.Seconds(); err == nil && want > 0 && g > 0 && (g > otherGrain*want || g < want/otherGrain) {
				off = append(off, fmt.Sprintf("%s where %s=%s was asked for", quantity.Duration(g), name, x.Entry.Params[name]))
			}
		}
	}
	if len(off) == 0 {
		return
	}
	const most = 3
	if len(off) > most {
		off = append(off[:most-1], fmt.Sprintf("%d more", len(off)-most+1))
	}
	w := analysis.Warning{Severity: analysis.Warn, Code: CodeOtherGrain,
		Text:   "measured grains are off by more than a factor of two: " + strings.Join(off, ", "),
		Remedy: "tables and figures go by the measured ones; for those asked for, measure again on a quiet machine (parbench doctor says what disturbs it)"}
	if shared {
		w.Text += "; several programs did the same work, which takes as long as was asked for in one of them at most"
		w.Remedy = "tables and figures go by the measured ones; for those asked for, measure with parbench crossover, in which each program has work of its own"
	}
	t.Warnings = append(t.Warnings, w)
}

// varied names the parameters that differ between the workloads.
func varied(list []*analysis.Table) (names []string) {
	for k, v := range list[0].Entry.Params {
		if slices.ContainsFunc(list[1:], func(x *analysis.Table) bool { return x.Entry.Params[k] != v }) {
			names = append(names, k)
		}
	}
	slices.Sort(names)
	return names
}
