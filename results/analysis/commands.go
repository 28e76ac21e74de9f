package analysis

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/parbench/parbench/results/analysis/quantity"
)

// CommandCost is what the commands of a cell used, as the kernel accounts for them. Times are medians over trials, in
// seconds per command.
type CommandCost struct {
	User, System Interval // processor time in user mode and in the kernel
	// PeakBound says that Row.PeakBytes, then that of the largest single command of a trial, is only known to be no more
	// than that.
	PeakBound bool
	// Exits counts the commands that ended otherwise than with status 0, which the user allowed, by how they did: "1",
	// "signal 9". Commands is how many there were in all.
	Exits    map[string]int
	Commands int
}

// CommandTable compares the commands that were measured under one strategy on as many cores, each a workload of its own.
type CommandTable struct {
	Strategy string // label
	Cores    int
	Params   []string // names of the parameters that tell the rows apart, in the order in which they were declared
	Rows     []CommandRow
	// Winner says which commands are the fastest, as in a Table; indices are into Rows. Ratio is not set: commands have no
	// reference. nil: nothing was measured.
	Winner *Winner
	// Reference is the index of the row that the user wants the others to be compared with; -1: none, or it gave no times.
	Reference int
	// Finding is a few plain sentences, the answer first. It holds names from the file: back ends escape it.
	Finding string
}

// Name says under what the commands were compared: "alone on 2 cores". It holds names from the file.
func (c *CommandTable) Name() string { return c.Strategy + " on " + plural(c.Cores, "core") }

// Base is the index of the row that the others' times are relative to: the reference, or else the fastest; -1: nothing was
// measured.
func (c *CommandTable) Base() int {
	switch {
	case c.Reference >= 0:
		return c.Reference
	case c.Winner != nil:
		return c.Winner.Best
	}
	return -1
}

// CommandRow is one command with one choice of parameters. VsBest is its time over that of the fastest.
type CommandRow struct {
	Row
	Relative Interval          // its time over that of the table's Base, paired; N = 0 for that itself
	Command  string            // as the user calls it
	Key      string            // the workload's: with the parameters' values
	Params   map[string]string // those that it uses
}

// commandCost adds up what the commands of a cell used; nil where tasks are no commands.
func (a *analyser) commandCost(samples []sample) *CommandCost {
	if a.run.Header.Plan.Commands == nil {
		return nil
	}
	c := &CommandCost{}
	var user, system []float64
	for _, s := range samples {
		t := s.trial
		n := float64(t.Tasks) * float64(len(t.Wall))
		user = append(user, float64(max(t.UserNS, 0))/1e9/n)
		system = append(system, float64(max(t.SystemNS, 0))/1e9/n)
		for how, k := range t.Exits {
			c.Commands += max(k, 0)
			if how != "0" && k > 0 {
				if c.Exits == nil {
					c.Exits = map[string]int{}
				}
				c.Exits[how] += k
			}
		}
	}
	c.User, c.System = a.median(user), a.median(system)
	return c
}

// commandPeak is the median over trials of the peak memory of their largest command, in bytes, and whether that is only a
// bound. Trials that know no more than a bound are left out where the others, all below it, say what it is; else they
// count with it, because a median that bounds are part of is a bound of the median.
func commandPeak(samples []sample) (bytes int64, bound bool) {
	var exact, bounds []float64
	for _, s := range samples {
		switch {
		case s.trial.PeakBytes <= 0:
		case s.trial.PeakBound:
			bounds = append(bounds, float64(s.trial.PeakBytes))
		default:
			exact = append(exact, float64(s.trial.PeakBytes))
		}
	}
	if len(bounds) == 0 || len(exact) > 0 && slices.Max(exact) <= slices.Min(bounds) {
		return int64(mid(exact)), false
	}
	return int64(mid(append(exact, bounds...))), true
}

// exits notes that commands ended in a way that is a failure unless the user says otherwise.
func exits(w *warnings, r *Row) {
	if r.Costs == nil || len(r.Costs.Exits) == 0 {
		return
	}
	var how []string
	n := 0
	for e, k := range r.Costs.Exits {
		n += k
		if !strings.HasPrefix(e, "signal") {
			e = "status " + e
		}
		how = append(how, e)
	}
	slices.Sort(how)
	w.add(Note, CodeExits, "make sure that a command that ends so has done its work: one that gives up early is fast",
		"%s of %s ended with %s, which --ignore-failure allows", quantity.Count(n), plural(r.Costs.Commands, "command"), list(how))
}

// commandTables compares the commands of a run with several of them, under each strategy and on each number of cores that
// at least two of them share. Where one command under one strategy is all that there is, it has a table too.
func (a *analyser) commandTables(tables []Table) []CommandTable {
	plan := &a.run.Header.Plan
	if plan.Commands == nil {
		return nil
	}
	type group struct {
		program, label string
		cores          int
	}
	var order []group
	rows := map[group][]CommandRow{}
	for k := range tables {
		t := &tables[k]
		if t.Entry.OwnN {
			continue
		}
		for i := range t.Rows {
			r := CommandRow{Row: t.Rows[i], Command: t.Entry.Name, Key: t.Entry.Key, Params: t.Entry.Params}
			g := group{r.Cell.Program, r.Name, r.Cell.Cores}
			if rows[g] == nil {
				order = append(order, g)
			}
			rows[g] = append(rows[g], r)
		}
	}
	var out []CommandTable
	for _, g := range order {
		if single := len(tables) == 1 && len(order) == 1; len(rows[g]) < 2 && !single {
			continue
		}
		c := CommandTable{Strategy: g.label, Cores: g.cores, Rows: rows[g]}
		for _, p := range plan.Commands.Params {
			if slices.ContainsFunc(c.Rows, func(r CommandRow) bool { return r.Params[p.Name] != "" }) {
				c.Params = append(c.Params, p.Name)
			}
		}
		a.fastestCommand(&c)
		out = append(out, c)
	}
	return out
}

// fastestCommand decides among the rows as among the strategies of a workload.
func (a *analyser) fastestCommand(c *CommandTable) {
	t := Table{Reference: -1, Cores: []int{c.Cores}}
	for i := range c.Rows {
		r := c.Rows[i].Row
		r.Name, r.Cell.Reference, r.VsBest = quoted(c.Rows[i].Key), false, Interval{}
		if n := r.Cell.Tasks; n > 1 { // that many are what was timed, and not one
			r.Name = fmt.Sprintf("%d of %s", n, r.Name)
		}
		t.Rows = append(t.Rows, r)
	}
	t.Winner = a.winner(&t)
	for i := range c.Rows {
		c.Rows[i].VsBest = t.Rows[i].VsBest
	}
	c.Winner = t.Winner
	if t.Winner == nil {
		c.Reference = -1
		c.Finding = sentences(nothing(&t), lostOf(&t, "command"))
		return
	}
	c.Finding = sentences(a.ran(&t), single(&t), a.againstReference(c, &t), a.open(&t), lostOf(&t, "command"))
}

// reference finds the row that the others are to be compared with.
func (c *CommandTable) reference(name string) int {
	return slices.IndexFunc(c.Rows, func(r CommandRow) bool { return name != "" && r.Command == name })
}

// againstReference relates the rows to their base, and says what that is of a reference of the user's.
func (a *analyser) againstReference(c *CommandTable, t *Table) string {
	asked := c.reference(a.run.Header.Plan.Commands.Reference)
	if c.Reference = asked; asked >= 0 && (c.Rows[asked].OK == 0 || c.Rows[asked].HasFailed()) {
		c.Reference = -1
	}
	base := c.Base()
	var others []string
	for i := range c.Rows {
		r := &c.Rows[i]
		if i == base {
			continue
		}
		if c.Reference < 0 {
			r.Relative = r.VsBest
			continue
		}
		r.Relative, _ = a.ratio(r.Index, c.Rows[base].Index)
		if r.Relative.Has() && !r.HasFailed() {
			others = append(others, fmt.Sprintf("%s took %s%s times as long", name(t, i), ratio(r.Relative), brackets(r.Relative)))
		}
	}
	const most = 3
	rest := ""
	switch more := len(others) - most; {
	case c.Reference < 0 && asked >= 0:
		return fmt.Sprintf("The reference %s gave no usable times: times are relative to the fastest.", name(t, asked))
	case len(others) == 0, base == c.Winner.Best: // which has been said of it
		return ""
	case more > 1:
		others, rest = others[:most], fmt.Sprintf("; the table has the other %d", more)
	}
	return fmt.Sprintf("Against the reference %s, %s%s.", name(t, base), list(others), rest)
}

// brackets is the interval of a ratio after it, where there is one.
func brackets(v Interval) string {
	if !v.Has() {
		return ""
	}
	d := decimals(v)
	return fmt.Sprintf(" [%s, %s]", quantity.Fixed(v.Lo, d), quantity.Fixed(v.Hi, d))
}

// most runes of a command line in a sentence.
const mostQuoted = 60

// quoted is a command as a sentence calls it.
func quoted(key string) string {
	if r := []rune(key); len(r) > mostQuoted {
		key = string(r[:mostQuoted-1]) + "…"
	}
	return "'" + key + "'"
}

// ran says how many times as fast as the others the fastest command ran, or why that cannot be told.
func (a *analyser) ran(t *Table) string {
	w := t.Winner
	best := name(t, w.Best)
	n := w.candidates(t)
	var slower []int // outside the set, fastest first
	for i := range t.Rows {
		if r := &t.Rows[i]; r.OK > 0 && !r.HasFailed() && !w.Has(i) {
			slower = append(slower, i)
		}
	}
	slices.SortStableFunc(slower, func(i, j int) int { return cmp.Compare(t.Rows[i].VsBest.Point, t.Rows[j].VsBest.Point) })
	switch {
	case len(t.Rows) == 1:
		return a.took(t)
	case n == 1:
		return fmt.Sprintf("Only %s gave usable times; there is nothing to compare it with.", best)
	case !w.Decided():
		return fmt.Sprintf("Not decided: %s had the lowest median, but %s", best, tooFew(w, n, "command"))
	case len(slower) > 0 && len(w.Set) == 1:
		return fmt.Sprintf("%s ran %s.", best, a.timesAsFast(t, slower))
	case len(slower) > 0:
		return fmt.Sprintf("%s cannot be told apart; the first of them ran %s.", names(t, w.Set), a.timesAsFast(t, slower))
	case len(w.Undecided) == 0:
		return fmt.Sprintf("%s cannot be told apart: they are equally fast within %s.", names(t, w.Set), quantity.Percent(a.opt.MinEffect))
	case n == 2:
		v := t.Rows[w.Set[1]].VsBest
		return fmt.Sprintf("%s cannot be told apart: the second took %s times as long as the first%s.", names(t, w.Set), ratio(v), a.withRatio(v))
	}
	return fmt.Sprintf("%s cannot be told apart.", names(t, w.Set))
}

// timesAsFast lists what the fastest is to slower ones; the table has those that are not named.
func (a *analyser) timesAsFast(t *Table, slower []int) string {
	const most = 3
	rest := ""
	if more := len(slower) - most; more > 1 {
		rest = fmt.Sprintf("; the other %d took longer still", more)
		slower = slower[:most]
	}
	var parts []string
	for k, i := range slower {
		v := t.Rows[i].VsBest
		said := ratio(v) + brackets(v)
		if k == 0 {
			said += " times as fast"
		}
		parts = append(parts, said+" as "+name(t, i))
	}
	return list(parts) + rest
}

// took is the answer of a command's table with a single row: how long it takes.
func (a *analyser) took(t *Table) string {
	r := &t.Rows[0]
	s := "It takes " + a.withTime(r.PerTask)
	uses := ", of processor time "
	if n := r.Cell.Tasks; n > 1 {
		s, uses = fmt.Sprintf("All %d take %s", n, a.withTime(r.Time(n))), "; each uses processor time of "
	}
	if c := r.Costs; c.User.Point+c.System.Point > 0 {
		s += uses + fmt.Sprintf("%s in user mode and %s in the kernel", quantity.Duration(c.User.Point), quantity.Duration(c.System.Point))
	}
	return s + "."
}

// shell estimates what the start of the shell took, over all trials that tell.
func (a *analyser) shell() Interval {
	var x []float64
	for i := range a.cells {
		for _, s := range a.cells[i].samples {
			if s.trial.ShellNS > 0 {
				x = append(x, float64(s.trial.ShellNS)/1e9)
			}
		}
	}
	return a.median(x)
}
