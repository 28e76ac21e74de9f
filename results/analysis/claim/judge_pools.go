package claim

import (
	"fmt"
	"slices"
	"strings"

	"github.com/parbench/parbench/results/analysis/quantity"
)

// async is the one call of which C1 and C3 do not say that it cannot return values.
func async(call string) bool { return call == "apply_async" || call == "ApplyAsync" }

func returns(o Returned) []part {
	var good, bad []string
	others, returned := 0, 0
	for _, c := range o.Calls {
		if !async(c.Call) {
			others++
		}
		if !c.ok() {
			bad = append(bad, c.Call+"() "+c.said())
			continue
		}
		good = append(good, c.Call+"()")
		if !async(c.Call) {
			returned++
		}
	}
	var evidence []string
	if len(good) > 0 {
		evidence = append(evidence, listed(good)+" returned the results of their calls")
	}
	evidence = append(evidence, bad...)
	p := part{verdict: Partly, evidence: strings.Join(evidence, "; "), says: "only one call returns values"}
	switch returned {
	case 0:
		// Were nothing returned at all, "only apply_async" would not hold either.
		if p.verdict = Refuted; len(good) > 0 {
			p.verdict = Confirmed
		}
	case others:
		p.verdict = Refuted
	}
	return []part{p}
}

func running(o Running) []part {
	parts := []part{{verdict: "", evidence: fmt.Sprintf("%s that sleep %s each, on as many workers, %s", counted(o.Tasks, "task"), shortest(o.Sleep), repeated(len(o.Calls[0].Walls)))}}
	for _, c := range o.Calls {
		most := slices.Max(c.AtOnce)
		p := part{evidence: fmt.Sprintf("%s: %s, ", called(c.Call), duration(median(c.Walls))), says: c.Call + "() runs one task after another"}
		if most == 1 {
			p.verdict = Confirmed
			p.evidence += "never two asleep at once"
		} else {
			p.verdict = Refuted
			p.evidence += fmt.Sprintf("up to %d asleep at once", most)
		}
		if async(c.Call) {
			p.verdict = "" // the claim does not speak of it
		}
		parts = append(parts, p)
	}
	return parts
}

func repeated(n int) string { return fmt.Sprintf("%d times", n) }

// called is a call as it was made for several tasks.
func called(call string) string {
	switch strings.ToLower(call) {
	case "apply":
		return "a loop of " + call + "()"
	case "apply_async", "applyasync":
		return call + "() for each, then get"
	}
	return call + "()"
}

func processes(o Processes) []part {
	demand := part{evidence: fmt.Sprintf("Of a pool of %d, %d worker processes were alive before it had any task", o.Workers, o.AtStart),
		says: "processes are made when work arrives"}
	switch {
	case o.AtStart == 0:
		demand.verdict = Confirmed
	case o.AtStart < o.Workers:
		demand.verdict = Partly
	case o.Other != nil && o.Other.AtStart == 0 && o.Other.AfterOne > 0:
		demand.verdict, demand.under = Partly, "for "+inside(o.Other.Name)
	default:
		demand.verdict = Refuted
	}
	replaced := part{evidence: fmt.Sprintf("%s ran in %s", counted(o.Tasks, "task"), processCount(o.Pids)), says: "processes end and are replaced"}
	switch {
	case o.Pids >= o.Tasks:
		replaced.verdict = Confirmed
	case o.Pids > o.Workers:
		replaced.verdict = Partly
	case o.Limited.Pids > 1: // of one worker
		replaced.verdict, replaced.under = Partly, "with "+o.Limited.Option
	default:
		replaced.verdict = Refuted
	}
	parts := []part{demand, replaced}
	if o.Limited.Tasks > 0 {
		parts = append(parts, part{verdict: "", evidence: fmt.Sprintf("One worker with %s: %d tasks ran in %s", o.Limited.Option, o.Limited.Tasks, processCount(o.Limited.Pids))})
	}
	if x := o.Other; x != nil {
		parts = append(parts, part{verdict: "", evidence: fmt.Sprintf("%s, of %d workers: %d before any task, %d after the first", x.Name, x.Workers, x.AtStart, x.AfterOne)})
	}
	return parts
}

func processCount(n int) string {
	if n == 1 {
		return "1 process"
	}
	return quantity.Count(n) + " processes"
}

// growing is how many times as much a longer search must waste for its waste to grow: less is the noise of when it stops.
const growing = 1.25

// search judges the two things that waste can mean: that anything is in vain beyond what the workers have in hand, which no
// program avoids, and that it becomes more the longer the search takes.
func search(o Search) []part {
	near, far := o.Near[0], o.Far[0]
	iv := median(vain(o.Far))
	wasted := part{verdict: Undecided, evidence: fmt.Sprintf("When task %s, the match, had been looked at after %s, %s further calls had been submitted in vain (median of %s on %d workers)",
		quantity.Count(far.Match+1), duration(median(seconds(o.Far))), calls(iv), searches(len(o.Far)), o.Workers),
		says: "nothing is wasted but what the workers have in hand"}
	switch inHand := float64(o.Workers); {
	case above(iv, inHand):
		wasted.verdict = Refuted
	case below(iv, inHand+0.5): // counts are whole
		wasted.verdict = Confirmed
		wasted.evidence += ", no more than the workers had in hand"
	}
	longer := float64(far.Match+1) / float64(near.Match+1)
	ratio := paired(withMatch(o.Far), withMatch(o.Near))
	grows := part{verdict: Undecided, evidence: fmt.Sprintf("With task %s as the match it was %s calls; a search %s times as long submitted %s times as many from the match on",
		quantity.Count(near.Match+1), calls(median(vain(o.Near))), quantity.Digits(longer, 1), number(ratio)),
		says: "the waste does not grow with the search"}
	switch {
	case longer <= 1:
		return []part{{verdict: Undecided, evidence: "The later match was not later than the other one"}}
	case above(ratio, growing):
		grows.verdict = Refuted
		grows.evidence += ": it grows with the search"
	case below(ratio, growing):
		grows.verdict = Confirmed
		grows.evidence += ": it does not grow with the search"
	default:
		grows.evidence += ", which does not tell whether it grows with the search"
	}
	parts := []part{wasted, grows}
	if o.Pool != "" {
		parts = append(parts, part{verdict: "", evidence: fmt.Sprintf("The pool had its default bound of unfinished calls, %s(%d)", o.Pool, o.Default)})
	}
	if far.Grown > 0 {
		parts = append(parts, part{verdict: "", evidence: fmt.Sprintf("During the first of the long searches the process grew by %s", quantity.Size(far.Grown))})
	}
	if len(o.Queued) > 0 {
		parts = append(parts, part{verdict: "", evidence: fmt.Sprintf("With a queue of %d between the %s it was %s calls, and %s",
			o.Limit, orElse(o.Threads, "threads"), calls(median(vain(o.Queued))), duration(median(seconds(o.Queued))))})
	}
	if len(o.Capped) > 0 {
		parts = append(parts, part{verdict: "", evidence: fmt.Sprintf("With %s(%d) instead, and again nothing that bounds the queue, it was %s calls, and %s",
			o.Pool, o.Cap, calls(median(vain(o.Capped))), duration(median(seconds(o.Capped))))})
	}
	return parts
}

func searches(n int) string {
	if n == 1 {
		return "1 search"
	}
	return fmt.Sprintf("%d searches", n)
}

// vain is how many calls each search had submitted beyond its match.
func vain(list []Hunt) []float64 {
	var out []float64
	for _, h := range list {
		out = append(out, float64(h.Submitted-h.Match-1))
	}
	return out
}

// withMatch is the same with the match, so that there is a ratio where nothing was in vain.
func withMatch(list []Hunt) []float64 {
	out := vain(list)
	for i := range out {
		out[i]++
	}
	return out
}

func seconds(list []Hunt) []float64 {
	var out []float64
	for _, h := range list {
		out = append(out, h.Seconds)
	}
	return out
}

func joining(o Joining) []part {
	var parts []part
	for i, c := range o.Calls {
		p := part{verdict: Confirmed, evidence: fmt.Sprintf("join() of an open %s %s", c.Call, c.said())}
		switch {
		case c.Hung > 0:
			p.verdict = Partly // no error, and yet it takes a close
		case c.Error == "":
			p.verdict = Refuted
		}
		if i < len(o.After) {
			if o.After[i].ok() {
				p.evidence += "; the pool worked on afterwards"
			} else {
				p.evidence += "; a task for it afterwards " + o.After[i].said()
			}
		}
		parts = append(parts, p)
	}
	return parts
}

// apart is by how much two tasks must end apart for their order to mean something.
const apart = 0.01

// inOrder reports whether results came in the order in which their tasks ended.
func inOrder(came []int, ended []float64) bool {
	for i := 1; i < len(came); i++ {
		if ended[came[i-1]] > ended[came[i]]+apart {
			return false
		}
	}
	return true
}

func ordering(o Ordering) []part {
	tellO, keptO, tellU, keptU, samples, same := 0, 0, 0, 0, 0, 0
	for _, r := range o.Runs {
		if r.Sample {
			samples++
			if slices.Equal(r.Ordered, r.Unordered) {
				same++
			}
			continue
		}
		inputs := make([]int, len(r.Ordered))
		for i := range inputs {
			inputs[i] = i
		}
		if !inOrder(inputs, r.OrderedEnded) { // else both orders are one
			tellO++
			if slices.Equal(r.Ordered, inputs) {
				keptO++
			}
		}
		if !inOrder(inputs, r.UnorderedEnded) {
			tellU++
			if inOrder(r.Unordered, r.UnorderedEnded) {
				keptU++
			}
		}
	}
	if tellO == 0 || tellU == 0 {
		return []part{{verdict: Undecided, evidence: "The tasks ended in the order of the inputs in every run, although the first was to take longest: this machine was too busy to tell the two orders apart"}}
	}
	parts := []part{
		{verdict: always(keptO, tellO), evidence: "With tasks that ended in another order than that of the inputs, imap yielded in the order of the inputs " + of(keptO, tellO, "run")},
		{verdict: always(keptU, tellU), evidence: "imap_unordered yielded in the order of the tasks' ends " + of(keptU, tellU, "run")},
	}
	if samples > 0 {
		parts = append(parts, part{verdict: "", evidence: fmt.Sprintf("With the rising delays of the article's sample both gave one and the same order %s, so that the sample shows nothing", of(same, samples, "run"))})
	}
	return parts
}

func blocking(o Blocking) []part {
	runs := slices.DeleteFunc(slices.Clone(o.Runs), func(r Get) bool { return r.Ready }) // nothing to wait for
	n := len(runs)
	if n == 0 {
		return []part{{verdict: Undecided, evidence: "Every result was ready before it was asked for: this machine was too busy to see get() wait"}}
	}
	var took []float64
	for _, r := range runs {
		took = append(took, r.Elapsed)
	}
	late := count(runs, func(r Get) bool { return r.AfterEnd && r.Elapsed >= o.Sleep })
	p := part{verdict: always(late, n), evidence: fmt.Sprintf("For a task that sleeps %s get() returned %s after it was submitted, and after the task's end %s", shortest(o.Sleep), duration(median(took)), of(late, n, "run"))}
	gaveUp := func(r Get) bool { return r.Timed != "" && !strings.HasPrefix(r.Timed, "a ") }
	if timed := count(runs, gaveUp); timed > 0 {
		p.evidence += fmt.Sprintf("; asked to wait 10 ms only, it gave %s %s", runs[slices.IndexFunc(runs, gaveUp)].Timed, of(timed, n, "run"))
	}
	return []part{p}
}
