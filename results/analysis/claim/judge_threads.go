package claim

import (
	"fmt"

	"github.com/parbench/parbench/results/stat"
)

// More cores than oneCore are more than one: what remains is the clock's and the scheduler's error. Fewer than twoCores are
// not clearly more.
const (
	oneCore  = 1.1
	twoCores = 1.2
)

func (w Way) walls() (out []float64) {
	for _, r := range w.Runs {
		out = append(out, r.Wall)
	}
	return out
}

// cores is how many cores were used on average, run by run: CPU seconds per second.
func (w Way) cores() stat.Interval {
	var out []float64
	for _, r := range w.Runs {
		out = append(out, r.CPU/r.Wall)
	}
	return median(out)
}

func computing(o Computing) []part {
	if o.Workers < 2 {
		return []part{{verdict: Undecided, evidence: "There is one usable CPU here: nothing can use two"}}
	}
	if len(o.Shared) == 0 {
		return []part{o.cores("", o.Ways)}
	}
	return []part{
		o.cores("Arithmetic on numbers that each task makes itself: ", o.Ways),
		o.cores("With a constant in the code, which is one object for all threads: ", o.Shared),
	}
}

// cores judges by how many cores threads used, and whether there was more than one to use.
func (o Computing) cores(what string, ways []Way) part {
	one, threads, processes := ways[0], ways[1], ways[2]
	used, could := threads.cores(), processes.cores()
	gained := paired(one.walls(), threads.walls())
	p := part{evidence: what + fmt.Sprintf("%s on %d %s kept %s cores busy and were %s times as fast as one after another; in %d %s it was %s cores and %s times",
		counted(o.Tasks, "task"), o.Workers, threads.Way, number(used), number(gained),
		o.Workers, processes.Way, number(could), number(paired(one.walls(), processes.walls())))}
	switch {
	case above(used, twoCores) && below(gained, oneCore):
		p.verdict = Partly
		p.evidence += "; they use the cores and gain nothing by it"
	case above(used, twoCores):
		p.verdict = Refuted
	case below(used, oneCore) && above(could, twoCores):
		p.verdict = Confirmed
	case below(used, oneCore):
		p.verdict = Undecided
		p.evidence += "; this machine did not reliably give processes a second core either"
	default:
		p.verdict = Undecided
		p.evidence += "; which tells neither one core nor several"
	}
	return p
}

// muchFaster is by how much processes must be faster than threads for threads not to be enough.
const muchFaster = 1.5

func waiting(o Waiting) []part {
	threads := orElse(o.Threads, "threads")
	parts := []part{{verdict: "", evidence: fmt.Sprintf("%s that wait %s", counted(o.Tasks, "task"), shortest(o.Delay))}}
	for _, k := range o.Kinds {
		what := map[string]string{"sleep": "sleeping", "socket": "waiting for a server"}[k.Kind]
		faster, behind := paired(k.Sequential, k.Threads), paired(k.Threads, k.Processes)
		p := part{verdict: Partly, evidence: fmt.Sprintf("%s: %s one after another, %s on %d %s (%s times as fast), %s in %d processes",
			orElse(what, k.Kind), duration(median(k.Sequential)), duration(median(k.Threads)), o.Tasks, threads, number(faster), duration(median(k.Processes)), o.Tasks), says: "threads are enough for " + orElse(what, k.Kind)}
		half := float64(o.Tasks) / 2
		switch {
		case faster.Level == 0:
			p.verdict = Undecided
		case above(behind, muchFaster):
			p.evidence += fmt.Sprintf("; %s take %s times as long as processes", threads, number(behind))
			if below(faster, 2) {
				p.verdict = Refuted
			}
		case faster.Lo >= half && below(behind, muchFaster):
			p.verdict = Confirmed
		case faster.Lo >= half:
			p.verdict = Undecided
			p.evidence += fmt.Sprintf("; %s take %s times as long as processes, which does not tell whether these are half as fast again", threads, number(behind))
		case faster.Hi >= half:
			p.verdict = Undecided
			p.evidence += fmt.Sprintf("; too much else ran on this machine to tell whether they reach half of the %d times that would be possible", o.Tasks)
		case !above(paired(k.Sequential, k.Processes), half):
			p.verdict = Undecided
			p.evidence += fmt.Sprintf("; this machine did not reliably let processes reach half of the %d times that would be possible either", o.Tasks)
		default:
			p.evidence += fmt.Sprintf("; less than half of the %d that would be possible", o.Tasks)
		}
		parts = append(parts, p)
	}
	return parts
}
