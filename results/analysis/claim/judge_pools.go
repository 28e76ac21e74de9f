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
	p := part{Partly, strings.Join(evidence, "; ")}
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
	parts := []part{{"", fmt.Sprintf("%s that sleep %s each, on as many workers, %s", counted(o.Tasks, "task"), shortest(o.Sleep), repeated(len(o.Calls[0].Walls)))}}
	for _, c := range o.Calls {
		most := slices.Max(c.AtOnce)
		p := part{evidence: fmt.Sprintf("%s: %s, ", called(c.Call), duration(median(c.Walls)))}
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
	demand := part{evidence: fmt.Sprintf("Of a pool of %d, %d worker processes were alive before it had any task", o.Workers, o.AtStart)}
	switch {
	case o.AtStart == 0:
		demand.verdict = Confirmed
	case o.AtStart >= o.Workers:
		demand.verdict = Refuted
	default:
		demand.verdict = Partly
	}
	replaced := part{evidence: fmt.Sprintf("%s ran in %s", counted(o.Tasks, "task"), processCount(o.Pids))}
	switch {
	case o.Pids >= o.Tasks:
		replaced.verdict = Confirmed
	case o.Pids <= o.Workers:
		replaced.verdict = Refuted
	default:
		replaced.verdict = Partly
	}
	parts := []part{demand, replaced}
	if o.Limited.Tasks > 0 {
		parts = append(parts, part{"", fmt.Sprintf("One worker with %s: %d tasks ran in %s", o.Limited.Option, o.Limited.Tasks, processCount(o.Limited.Pids))})
	}
	if x := o.Other; x != nil {
		parts = append(parts, part{"", fmt.Sprintf("%s, of %d workers: %d before any task, %d after the first", x.Name, x.Workers, x.AtStart, x.AfterOne)})
	}
	return parts
}

func processCount(n int) string {
	if n == 1 {
		return "1 process"
	}
	return quantity.Count(n) + " processes"
}

func search(o Search) []part {
	given := vain(o.Given, o.Match)
	iv := median(given)
	p := part{evidence: fmt.Sprintf("When task %s, the match, had been looked at after %s, %s further calls had been submitted in vain (median of %d searches on %d workers)",
		quantity.Count(o.Match+1), duration(median(seconds(o.Given))), calls(iv), len(given), o.Workers)}
	bound := float64(o.Limit)
	switch {
	case iv.Lo > bound:
		p.verdict = Refuted
	case iv.Hi <= bound:
		p.verdict = Confirmed
	default:
		p.verdict = Undecided
		p.evidence += fmt.Sprintf(", which does not tell whether they are more than the %d of a bounded queue", o.Limit)
	}
	if o.Bound != "" {
		p.evidence += ", bounded by " + o.Bound
	}
	parts := []part{p}
	if grown := o.Given[0].Grown; grown > 0 {
		parts = append(parts, part{"", fmt.Sprintf("The first of these searches took %s of memory for them", quantity.Size(grown))})
	}
	if len(o.Bounded) > 0 {
		parts = append(parts, part{"", fmt.Sprintf("With a queue of %d between the threads it was %s calls, and %s",
			o.Limit, calls(median(vain(o.Bounded, o.Match))), duration(median(seconds(o.Bounded))))})
	}
	return parts
}

// vain is how many calls each search had submitted beyond its match.
func vain(list []Hunt, match int) []float64 {
	var out []float64
	for _, h := range list {
		out = append(out, float64(h.Submitted-match-1))
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
		p := part{Confirmed, fmt.Sprintf("join() of an open %s %s", c.Call, c.said())}
		if c.Error == "" {
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
		return []part{{Undecided, "The tasks ended in the order of the inputs in every run, although the first was to take longest: this machine was too busy to tell the two orders apart"}}
	}
	parts := []part{
		{always(keptO, tellO), "With tasks that ended in another order than that of the inputs, imap yielded in the order of the inputs " + of(keptO, tellO, "run")},
		{always(keptU, tellU), "imap_unordered yielded in the order of the tasks' ends " + of(keptU, tellU, "run")},
	}
	if samples > 0 {
		parts = append(parts, part{"", fmt.Sprintf("With the rising delays of the article's sample both gave one and the same order %s, so that the sample shows nothing", of(same, samples, "run"))})
	}
	return parts
}

func blocking(o Blocking) []part {
	n := len(o.Runs)
	var took []float64
	for _, r := range o.Runs {
		took = append(took, r.Elapsed)
	}
	late := count(o.Runs, func(r Get) bool { return r.AfterEnd })
	ready := count(o.Runs, func(r Get) bool { return r.Ready })
	timed := count(o.Runs, func(r Get) bool { return r.Timed != "" && !strings.HasPrefix(r.Timed, "a ") })
	if ready == n {
		return []part{{Undecided, "Every result was ready before it was asked for: this machine was too busy to see get() wait"}}
	}
	p := part{always(late, n), fmt.Sprintf("For a task that sleeps %s get() returned %s after it was submitted, and after the task's end %s", shortest(o.Sleep), duration(median(took)), of(late, n, "run"))}
	if timed > 0 {
		p.evidence += fmt.Sprintf("; asked to wait 10 ms only, it gave %s %s", o.Runs[slices.IndexFunc(o.Runs, func(r Get) bool { return r.Timed != "" && !strings.HasPrefix(r.Timed, "a ") })].Timed, of(timed, n, "run"))
	}
	return []part{p}
}
