package analysis

import (
	"fmt"
	"slices"
	"strings"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis/quantity"
	"github.com/parbench/parbench/results/stat"
)

// class is what carries out the tasks of a strategy, as far as it is asked about in every report that has it.
type class int

const (
	otherClass class = iota
	goroutines
	pyThreads
	pyProcesses
)

// classOf goes by the strategies' names, which are parbench's own: a program of a user takes them over with what they do.
func classOf(c *results.Cell) class {
	switch c.Strategy {
	case "goroutines", "pool":
		return goroutines
	case "py-threads", "py-dummy-pool":
		return pyThreads
	case "py-pool":
		return pyProcesses
	case "py-executor":
		if c.StrategyParams["kind"] == "thread" {
			return pyThreads
		}
		return pyProcesses
	}
	return otherClass
}

// languages is what a table says of Python's processes and threads and of goroutines, with the pairs of rows that it
// compares.
type languages struct {
	said []string
	told [][2]int
}

// has reports whether two rows have been compared.
func (l *languages) has(i, j int) bool {
	return slices.Contains(l.told, [2]int{i, j}) || slices.Contains(l.told, [2]int{j, i})
}

// languages compares for each Python interpreter its processes with its threads, and goroutines with both. Each stands with
// the row that was fastest, where that does not compare unequal numbers of workers. The tests behind the verdicts are
// corrected after Holm for their number in the table.
func (a *analyser) languages(t *Table) (l languages) {
	var interpreters []string
	for i := range t.Rows {
		c := &t.Rows[i].Cell
		if k := classOf(c); (k == pyThreads || k == pyProcesses) && !slices.Contains(interpreters, c.Program) {
			interpreters = append(interpreters, c.Program)
		}
	}
	type answer struct {
		program string
		pairs   []duel
		python  bool // of the interpreter alone
	}
	var answers []answer
	var p []float64
	routines := t.of(goroutines, "")
	for _, in := range interpreters {
		threads, processes := t.of(pyThreads, in), t.of(pyProcesses, in)
		alone, across := answer{program: in, python: true}, answer{program: in}
		alone.pairs = a.duel(t, side{"processes", processes}, side{"threads", threads})
		across.pairs = append(a.duel(t, side{"goroutines", routines}, side{"processes", processes}),
			a.duel(t, side{"goroutines", routines}, side{"threads", threads})...)
		across.pairs = called(t, across.pairs)
		for _, x := range []answer{alone, across} {
			if len(x.pairs) == 0 {
				continue
			}
			answers = append(answers, x)
			for _, d := range x.pairs {
				p = append(p, d.p)
				l.told = append(l.told, [2]int{d.first, d.second})
			}
		}
	}
	adjusted := stat.Holm(p)
	least := floor(len(p), 1-a.opt.Level)
	explained := false
	for _, x := range answers {
		var beaten, uneven, verdicts []string
		for k := range x.pairs {
			d := &x.pairs[k]
			d.p, adjusted = adjusted[0], adjusted[1:]
			v := d.verdict(t, a.opt, least)
			switch {
			case unequal(t, d.first, d.second):
				uneven = append(uneven, d.other)
			case v == beat(d.one, d.other):
				beaten = append(beaten, d.other)
			}
			verdicts = append(verdicts, v)
		}
		one := x.pairs[0].one
		who := fmt.Sprintf("Of %s and %s, %s", one, programWord(x.program), strings.Join(verdicts, "; "))
		switch {
		case x.python:
			who = fmt.Sprintf("Under %s %s", programWord(x.program), verdicts[0])
		case len(beaten) == len(verdicts):
			who = fmt.Sprintf("%s of %s", capital(beat(one, both(beaten))), programWord(x.program))
		case len(uneven) == len(verdicts):
			who = fmt.Sprintf("%s had another number of workers than %s of %s, which the ratio has in it", capital(one), list(uneven), programWord(x.program))
		}
		said := fmt.Sprintf("%s: %s.", who, a.inWords(t, x.pairs))
		beat := func(v string) bool { return strings.Contains(v, " beat") }
		if k := slices.IndexFunc(verdicts, beat); k >= 0 && !explained {
			said += fewer(t, x.pairs[k].ratio.N, len(p))
			explained = true
		}
		l.said = append(l.said, said)
	}
	return l
}

// fewer says why rounds that are too few to tell which cell of the table is fastest can decide a duel: of its corrections the
// one is for all cells, and the other for the duels alone. It is empty where the table is decided.
func fewer(t *Table, pairs, duels int) string {
	w := t.Winner
	if w == nil || w.Decided() {
		return ""
	}
	n := w.candidates(t)
	return fmt.Sprintf(" %s can tell that, though not which of %s is fastest: it is corrected for %s of two rows, and not for %d.",
		rounds(pairs), plural(n, "cell"), plural(duels, "comparison"), n-1)
}

// called names the first side of pairs after the strategy "goroutines" where that alone stands for it, and otherwise after
// the language: a pool is made of goroutines too, but a reader looks for the strategy of that name.
func called(t *Table, pairs []duel) []duel {
	if slices.ContainsFunc(pairs, func(d duel) bool { return t.Rows[d.first].Cell.Strategy != "goroutines" }) {
		for k := range pairs {
			pairs[k].one = "Go"
		}
	}
	return pairs
}

// beat says that one side beat the other, with the verb that it takes.
func beat(one, other string) string {
	if one == "Go" {
		return one + " beats " + other
	}
	return one + " beat " + other
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func both(s []string) string {
	if len(s) == 2 {
		return "both " + list(s)
	}
	return list(s)
}

// of lists the rows of a class that can be compared; those of any program where none is given.
func (t *Table) of(k class, program string) (rows []int) {
	for i := range t.Rows {
		if r := &t.Rows[i]; classOf(&r.Cell) == k && (program == "" || r.Cell.Program == program) && r.OK > 0 && !r.HasFailed() {
			rows = append(rows, i)
		}
	}
	return rows
}

// side is one side of a comparison: what a sentence calls it, and the rows that stand for it.
type side struct {
	word string
	rows []int
}

// duel is two rows compared: the ratio is the time of the second over that of the first, paired by round.
type duel struct {
	first, second int
	one, other    string // what they stand for
	ratio         Interval
	p             float64
}

// duel compares the fastest of one side with the fastest of the other: among those with as many workers where the work
// waits and there are such. It is empty where there is nothing to compare.
func (a *analyser) duel(t *Table, one, other side) []duel {
	i, j := -1, -1
	for _, x := range one.rows {
		for _, y := range other.rows {
			better := i < 0 || t.Rows[x].PerTask.Point < t.Rows[i].PerTask.Point ||
				x == i && t.Rows[y].PerTask.Point < t.Rows[j].PerTask.Point
			if i >= 0 && unequal(t, x, y) != unequal(t, i, j) {
				better = unequal(t, i, j)
			}
			if better {
				i, j = x, y
			}
		}
	}
	if i < 0 {
		return nil
	}
	d := duel{first: i, second: j, one: one.word, other: other.word}
	if d.ratio, d.p = a.ratio(t.Rows[j].Index, t.Rows[i].Index); d.ratio.N == 0 {
		return nil
	}
	return []duel{d}
}

// verdict words the outcome of a duel, whose p-value is corrected for the number of duels. least is the number of rounds
// below which none can be decided.
func (d *duel) verdict(t *Table, opt Options, least int) string {
	r := d.ratio
	switch {
	case unequal(t, d.first, d.second):
		return fmt.Sprintf("%s and %s had unequal numbers of workers", d.one, d.other)
	case !r.Has() || r.N < least:
		return fmt.Sprintf("%s and %s are not decided", d.one, d.other)
	case r.Lo >= 1/(1+opt.MinEffect) && r.Hi <= 1+opt.MinEffect:
		return fmt.Sprintf("%s and %s are equally fast within %s", d.one, d.other, quantity.Percent(opt.MinEffect))
	case d.p > 1-opt.Level:
		return fmt.Sprintf("%s and %s cannot be told apart", d.one, d.other)
	case r.Point > 1:
		return beat(d.one, d.other)
	}
	return beat(d.other, d.one)
}

// inWords says the ratio of each duel, of the faster to the slower.
func (a *analyser) inWords(t *Table, duels []duel) string {
	var said []string
	last := -1
	for _, d := range duels {
		if d.ratio.Point < 1 {
			d.first, d.second = d.second, d.first
			d.ratio, _ = a.ratio(t.Rows[d.second].Index, t.Rows[d.first].Index)
		}
		as := against(t, d.first, d.second, d.ratio) + a.withRatio(d.ratio)
		if d.first != last {
			as = name(t, d.first) + " is " + as
		}
		said, last = append(said, as), d.first
	}
	return strings.Join(said, ", ")
}

// against is how many times as fast as row j row i is by a ratio of pairs, and says so where the medians say the opposite.
func against(t *Table, i, j int, iv Interval) string {
	said := fmt.Sprintf("%s times as fast as %s", ratio(iv), name(t, j))
	if contradicted(t, i, j, iv) {
		return "paired by round, and unlike by the medians, " + said
	}
	return said
}

// taskSize is the command that answers for the strategies of a run what a run does not: from which task size on processes
// pay. The run's own command line has its strategies as they are to be given again.
func taskSize(rep *Report) []string {
	h := &rep.Run.Header
	if len(h.Args) == 0 || h.Args[0] != "run" || h.Plan.Commands != nil {
		return nil
	}
	usable, inside, outside := map[string]bool{}, false, false
	for k := range rep.Tables {
		t := &rep.Tables[k]
		for i := range t.Rows {
			r := &t.Rows[i]
			if c := &r.Cell; crewed(r) && !r.HasFailed() && !t.Waits() && !t.Entry.OwnN {
				usable[c.Strategy] = true
				thread := classOf(c) == pyThreads
				inside, outside = inside || !c.Processes || thread, outside || c.Processes && !thread
			}
		}
	}
	if !inside || !outside {
		return nil
	}
	var plain, others []string
	for i, word := range h.Args {
		if strings.HasPrefix(word, "--program") {
			return nil // a program of the user need not have a task of any size
		}
		if i == 0 || h.Args[i-1] != "-s" {
			continue
		}
		switch n, _, params := strings.Cut(word, ":"); {
		case !usable[n]:
		case params:
			others = append(others, word)
		default:
			plain = append(plain, word)
		}
	}
	if len(plain)+len(others) < 2 {
		return nil
	}
	words := []string{"crossover"}
	if len(plain) > 0 {
		words = append(words, "-s", strings.Join(plain, ","))
	}
	for _, o := range others {
		words = append(words, "-s", o)
	}
	return words
}
