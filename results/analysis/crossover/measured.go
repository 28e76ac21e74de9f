package crossover

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/quantity"
)

// flat is the share of a growth of the parameter, on the logarithmic scale, below which tasks have not grown with it: of
// tenfold, 26 %.
const flat = .1

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

// sized is one of the sizes of a sweep: what the parameter was, and how long a task so took.
type sized struct {
	text         string // of the parameter
	asked, grain float64
	wait         bool // of parbench's own work that waits, far longer than asked for
	same         bool // as that of another size
}

// hold holds the measured grains against the swept parameter, where there is one and it is a duration: grains that are more
// than twice or less than half of it, and sizes that are one size because it does not change how long a task takes. own are
// all programs with strategies: a workload that several of them share has the grains asked for in one of them at most.
func (t *Table) hold(list []*analysis.Table, program string, own []string) {
	names := slices.DeleteFunc(varied(list), func(name string) bool {
		return slices.ContainsFunc(list, func(x *analysis.Table) bool { _, err := time.ParseDuration(x.Entry.Params[name]); return err != nil })
	})
	if len(names) != 1 {
		return
	}
	var sizes []sized
	shared := false
	for _, x := range list {
		shared = shared || slices.ContainsFunc(own, func(p string) bool { return p != program && runs(x, p) })
		s := sized{text: x.Entry.Params[names[0]], grain: grain(x, program)}
		d, err := time.ParseDuration(s.text)
		if s.asked = d.Seconds(); err != nil || !(s.asked > 0) || !(s.grain > 0) {
			continue
		}
		_, s.wait = x.Waited(program)
		sizes = append(sizes, s)
	}
	slices.SortStableFunc(sizes, func(a, b sized) int { return cmp.Compare(a.asked, b.asked) })
	before := len(t.Warnings)
	t.sameGrain(names[0], sizes)
	t.otherGrain(names[0], sizes, shared)
	if len(t.Warnings) == before {
		return
	}
	t.Parameter, t.Asked = names[0], make([]string, len(t.Grains))
	for _, s := range sizes {
		if i := slices.Index(t.Grains, s.grain); i >= 0 {
			t.Asked[i] = s.text
		}
	}
}

// sameGrain warns of neighbouring sizes whose tasks take the same time, and marks them.
func (t *Table) sameGrain(name string, sizes []sized) {
	for i := 0; i < len(sizes); {
		from := sizes[i]
		k := i + 1
		for k < len(sizes) && math.Abs(math.Log(sizes[k].grain/from.grain)) < flat*math.Log(sizes[k].asked/from.asked) {
			k++
		}
		if k > i+1 {
			least, most := from.grain, from.grain
			for j := i; j < k; j++ {
				sizes[j].same = true
				least, most = min(least, sizes[j].grain), max(most, sizes[j].grain)
			}
			t.Warnings = append(t.Warnings, analysis.Warning{Severity: analysis.Warn, Code: CodeSameGrain,
				Text: fmt.Sprintf("%s does not change how long a task takes from %s to %s: %s to %s alone, so that these are one size and not %d",
					name, from.text, sizes[k-1].text, quantity.Duration(least), quantity.Duration(most), k-i),
				Remedy: "sweep " + name + " where it decides how long a task takes (--grains), or another parameter (--parameter)"})
		}
		i = k
	}
}

// otherGrain warns of grains that were measured as something else than was asked for.
func (t *Table) otherGrain(name string, sizes []sized, shared bool) {
	var off, waits []string
	for _, s := range sizes {
		said := fmt.Sprintf("%s where %s=%s was asked for", quantity.Duration(s.grain), name, s.text)
		switch {
		case s.wait:
			waits = append(waits, said)
		case !s.same && (s.grain > analysis.FarFromAsked*s.asked || s.grain < s.asked/analysis.FarFromAsked):
			off = append(off, said)
		}
	}
	if len(waits) > 0 {
		t.Warnings = append(t.Warnings, analysis.Warning{Severity: analysis.Warn, Code: analysis.CodeShortWait,
			Text: "waits took more than twice as long as was asked for: " + few(waits) + "; timers decide that, not strategies", Remedy: analysis.LongerWaits})
	}
	if len(off) == 0 {
		return
	}
	w := analysis.Warning{Severity: analysis.Warn, Code: CodeOtherGrain,
		Text:   "measured grains are off by more than a factor of two: " + few(off),
		Remedy: "tables and figures go by the measured ones; where others used the machine, measure again on a quiet one (parbench doctor says what disturbs it)"}
	if shared {
		w.Text += "; several programs did the same work, which takes as long as was asked for in one of them at most"
		w.Remedy = "tables and figures go by the measured ones; for those asked for, measure with parbench crossover, in which each program has work of its own"
	}
	t.Warnings = append(t.Warnings, w)
}

// few lists the first ones.
func few(list []string) string {
	const most = 3
	if len(list) > most {
		list = append(list[:most-1:most-1], fmt.Sprintf("%d more", len(list)-most+1))
	}
	return strings.Join(list, ", ")
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
