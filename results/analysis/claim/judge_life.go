package claim

import (
	"fmt"
	"slices"
	"strings"
)

func starting(o Starting) []part {
	var parts []part
	for _, c := range o.Calls {
		p := part{verdict: Refuted, says: c.Call + " fails"}
		switch {
		case c.Error != "":
			p.verdict, p.evidence = Confirmed, fmt.Sprintf("%s failed with %s", c.Call, c.Error)
		case c.Exit == nil:
			p.verdict, p.evidence = Undecided, c.Call+" had not ended when nobody waited any longer"
		case *c.Exit != c.Want:
			p.verdict, p.evidence = Confirmed, fmt.Sprintf("%s ended %s instead of %d", c.Call, ending(*c.Exit), c.Want)
		case c.Want == 0:
			p.evidence = c.Call + " started and ended with status 0"
		default:
			p.evidence = fmt.Sprintf("%s ran its function, which ended it with status %d", c.Call, c.Want)
		}
		parts = append(parts, p)
	}
	return parts
}

func terminating(o Terminating) []part {
	n := len(o.Runs)
	handler, clause := orElse(o.Handler, "the atexit function"), orElse(o.Clause, "the finally clause")
	exits := count(o.Runs, func(e Ended) bool { return e.AtExit })
	clauses := count(o.Runs, func(e Ended) bool { return e.Finally })
	parts := []part{
		{verdict: always(n-exits, n), evidence: fmt.Sprintf("Terminated children ended %s; %s ran %s", endings(o.Runs), handler, of(exits, n, "run")), says: handler + " does not run"},
		{verdict: always(n-clauses, n), evidence: fmt.Sprintf("%s ran %s", clause, of(clauses, n, "run")), says: clause + " does not run"},
	}
	if clauses == 0 && !o.Normal.Finally {
		parts[1].verdict = Undecided // it was not seen to run where it must
	}
	control := func(ran bool) string {
		if ran {
			return "ran"
		}
		return "did not run either"
	}
	parts = append(parts, part{verdict: "", evidence: fmt.Sprintf("In a child that returned by itself %s %s, and %s %s", handler, control(o.Normal.AtExit), clause, control(o.Normal.Finally))})
	alive := slices.DeleteFunc(slices.Clone(o.Runs), func(e Ended) bool { return !e.WasChild })
	program := outlived("the program that the child had started", len(alive), count(alive, func(e Ended) bool { return e.Orphan }))
	if i := slices.IndexFunc(alive, func(e Ended) bool { return e.Orphan }); i >= 0 {
		program.evidence += fmt.Sprintf(", as a child of process %d", alive[i].Parent)
	}
	parts = append(parts, program)
	if o.Package != "" {
		alive = slices.DeleteFunc(slices.Clone(o.Runs), func(e Ended) bool { return !e.WasKin })
		parts = append(parts, outlived("the process that it had started with "+o.Package, len(alive), count(alive, func(e Ended) bool { return e.Kin })))
	}
	return parts
}

// outlived judges whether grandchildren that were alive before outlived the child.
func outlived(what string, before, after int) part {
	if before == 0 {
		return part{verdict: Undecided, evidence: what + " was not seen alive before the child was terminated"}
	}
	return part{verdict: always(after, before), evidence: fmt.Sprintf("%s lived on %s", what, of(after, before, "run")), says: what + " lives on"}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// endings says how processes ended, each way once.
func endings(list []Ended) string {
	var ways []string
	for _, e := range list {
		if w := ending(e.Exit); !slices.Contains(ways, w) {
			ways = append(ways, w)
		}
	}
	return strings.Join(ways, " or ")
}

func crashing(o Crashing) []part {
	killed := slices.DeleteFunc(slices.Clone(o.Plain), func(p Pair) bool { return p.Victim >= 0 })
	plain := part{verdict: Undecided, evidence: "No process was killed"}
	if len(killed) > 0 {
		fine := count(killed, func(p Pair) bool { return p.Sibling == 0 })
		plain = part{verdict: always(fine, len(killed)), evidence: fmt.Sprintf("Two processes of their own: when one was killed, the other ended as it should %s", of(fine, len(killed), "run")),
			says: "a crash leaves processes of their own unaffected"}
	}
	parts := []part{plain, lossOf(orElse(o.Pool, "Pool"), o.Pools)}
	if len(o.Executors) > 0 {
		parts = append(parts, lossOf(orElse(o.Executor, "ProcessPoolExecutor"), o.Executors))
	}
	return parts
}

// lossOf says what the crash of one worker cost.
func lossOf(name string, list []Batch) part {
	others, finished, lost, hung, victims, waited := 0, 0, 0, 0, []string{}, 0.0
	errors := []string{}
	crashed := count(list, func(b Batch) bool { return b.Victim != "" || b.Hung > 0 })
	if crashed == 0 {
		return part{verdict: Undecided, evidence: name + ": no worker was killed"}
	}
	for _, b := range list {
		others, finished, lost = others+b.Others, finished+b.Finished, lost+b.Errors
		if b.Victim != "" && !slices.Contains(victims, b.Victim) {
			victims = append(victims, b.Victim)
		}
		if b.Other != "" && !slices.Contains(errors, b.Other) {
			errors = append(errors, b.Other)
		}
		if b.Hung > 0 {
			hung++
			waited = b.Hung
		}
	}
	p := part{verdict: Confirmed, evidence: fmt.Sprintf("%s: of %d other tasks in %s, %d gave their result", name, others, counted(len(list), "run"), finished),
		says: "a crash leaves the other tasks of a " + name + " unaffected"}
	if lost > 0 {
		p.verdict = Refuted
		p.evidence += fmt.Sprintf(" and %d failed too", lost)
		if len(errors) > 0 {
			p.evidence += " (" + listed(errors) + ")"
		}
	} else if finished < others {
		p.verdict = Refuted
		p.evidence += fmt.Sprintf(" and %d gave none in the time they had", others-finished)
	}
	switch {
	case hung > 0:
		p.verdict = Refuted
		p.evidence += fmt.Sprintf("; whoever waited for the killed worker's task was still waiting after %s %s", shortest(waited), of(hung, len(list), "run"))
	case len(victims) > 0:
		p.evidence += "; the killed worker's task failed with " + listed(victims)
	}
	return p
}

// mostCopied and leastCopied are the shares of memory from which all and none of it counts as copied. In between lies what
// the interpreter itself writes to.
const (
	leastCopied = 0.25
	mostCopied  = 0.75
)

func copying(o Copying) []part {
	n := len(o.Runs)
	var first, read, written []float64
	for _, c := range o.Runs {
		first, read, written = append(first, c.Private), append(read, c.Read), append(written, c.Written)
	}
	same := count(o.Runs, func(c Copy) bool { return c.Same && c.Unchanged })
	data := part{verdict: always(same, n), evidence: fmt.Sprintf("The child saw all %s of the parent's data, and the parent none of the child's changes, %s", shortSize(o.Bytes), of(same, n, "run")),
		says: "the child has all of the data for itself"}
	iv := median(first)
	memory := part{verdict: Partly, evidence: fmt.Sprintf("Memory of its own: %s right after fork, %s after reading all of the data, %s after writing to all of it", size(iv), size(median(read)), size(median(written))),
		says: "all memory is copied by fork"}
	switch total := float64(o.Bytes); {
	case iv.Level == 0:
		memory.verdict = Undecided
	case below(iv, leastCopied*total):
		memory.verdict = Refuted
		memory.evidence += ": pages are copied when they are written to"
	case above(iv, mostCopied*total):
		memory.verdict = Confirmed
	}
	parts := []part{data, memory}
	if o.Threads > 1 {
		alone := count(o.Runs, func(c Copy) bool { return c.Threads == 1 })
		parts = append(parts, part{verdict: always(n-alone, n), evidence: fmt.Sprintf("The parent had %d threads, the child one %s", o.Threads, of(alone, n, "run")), says: "threads are copied"})
	}
	return parts
}

func freshGlobals(o FreshGlobals) []part {
	p := part{evidence: fmt.Sprintf("a global variable that begins as %d and that the parent had set to %d was %d in a child, to which of an argument %d came %d",
		o.Initial, o.Parent, o.Child, o.Sent, o.Arrived)}
	if o.Child == o.Initial {
		p.verdict = Inapplicable
		p.evidence = noFork + ", in which only what is passed arrives: " + p.evidence
	} else {
		p.verdict = Undecided
		p.evidence += ", which a program that starts anew would not show"
	}
	return []part{p}
}

// noFork is why claims about fork say nothing about Go.
const noFork = "A claim about fork does not apply where there is none: Go starts the program anew"

// printedOnce judges C18 where nothing forks: only text that appeared more often than once would make the claim one about it.
func printedOnce(o Printing) []part {
	parts := printing(o)
	if slices.ContainsFunc(parts, func(p part) bool { return p.verdict != Refuted }) {
		return parts
	}
	for i := range parts {
		parts[i].verdict = Inapplicable
	}
	parts[0].evidence = noFork + ", with empty buffers. " + sentence(parts[0].evidence)
	return parts
}

func printing(o Printing) []part {
	var parts []part
	for _, x := range o.Outputs {
		n := len(x.Times)
		if n == 0 {
			parts = append(parts, part{verdict: Undecided, evidence: fmt.Sprintf("To %s nothing could be printed: %s", x.To, x.Error)})
			continue
		}
		twice := count(x.Times, func(k int) bool { return k >= 2 })
		never := count(x.Times, func(k int) bool { return k == 0 })
		p := part{verdict: always(twice, n), evidence: fmt.Sprintf("to %s it appeared twice %s", x.To, of(twice, n, "run")), says: "text to " + x.To + " appears twice"}
		if twice == 0 {
			p.evidence = fmt.Sprintf("to %s it appeared once %s", x.To, of(n-never, n, "run"))
		}
		if never > 0 {
			p.verdict = Undecided
		}
		parts = append(parts, p)
	}
	return parts
}
