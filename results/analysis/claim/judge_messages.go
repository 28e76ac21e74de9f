package claim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/parbench/parbench/results/analysis/quantity"
	"github.com/parbench/parbench/results/stat"
)

func managed(o Managed) []part {
	var reads []string
	for _, r := range o.Reads {
		reads = append(reads, duration(median(r.Seconds))+" from "+r.Kind)
	}
	parts := []part{{verdict: "", evidence: "Reading one number took " + listed(reads)}}
	proxy, shared := o.After[0], o.After[1]
	p := part{evidence: fmt.Sprintf("When the process that holds the manager's objects was killed, reading %s %s, and reading %s %s", proxy.Call, proxy.said(), shared.Call, shared.said())}
	switch {
	case o.Server == o.Self:
		p = part{verdict: Undecided, evidence: "The manager's objects are in the process that asks for them"}
	case !shared.ok():
		p.verdict = Undecided
		p.evidence += ", which shared memory should have survived"
	case proxy.ok():
		p.verdict = Confirmed
	default:
		p.verdict = Refuted
	}
	return append(parts, p)
}

// alike is the ratio up to which two ways count as equally fast, when the whole interval lies that near to 1.
const alike = 1.05

func speed(o Speed) []part {
	var parts []part
	for _, s := range o.Sizes {
		ratio := paired(s.Queue, s.Pipe)
		p := part{evidence: fmt.Sprintf("Messages of %s: %s by pipe, %s by queue, queue ÷ pipe = %s", shortSize(s.Bytes), duration(median(s.Pipe)), duration(median(s.Queue)), number(ratio)),
			says: "a pipe is faster for messages of " + shortSize(s.Bytes)}
		switch {
		case above(ratio, 1):
			p.verdict = Confirmed
			p.evidence += ", the pipe is faster"
		case below(ratio, 1):
			p.verdict = Refuted
			p.evidence += ", the queue is faster"
		case above(ratio, 1/alike) && below(ratio, alike):
			p.verdict = Refuted
			p.evidence += ", neither is faster by 5 %"
		default:
			p.verdict = Undecided
			p.evidence += ", not told apart"
		}
		parts = append(parts, p)
	}
	return parts
}

// shortSize is a size given as a parameter, without needless digits.
func shortSize(bytes int) string {
	u := quantity.Bytes(float64(bytes))
	v := u.In(float64(bytes))
	return quantity.Digits(v, len(strconv.Itoa(int(v)))) + " " + u.Symbol
}

func thirdProcess(o ThirdProcess) []part {
	x := o.Polite
	polite := part{evidence: fmt.Sprintf("Two children and their parent used one pipe: taking turns under a lock, %d readers got %d of %d messages intact", len(x.By), x.Intact, x.Sent)}
	switch {
	case len(x.By) < 2 && x.Intact == x.Sent:
		polite.verdict = Undecided
		polite.evidence += ", so that one of them did all the reading"
	case x.Intact == x.Sent:
		polite.verdict = Refuted
	default:
		polite.verdict = Confirmed
		if x.Hung > 0 {
			polite.evidence += fmt.Sprintf("; of the others nothing had come for %s", shortest(x.Hung))
		}
	}
	damaged := count(o.Rude, func(s Shared) bool { return s.Error != "" || s.Hung > 0 || s.Intact < s.Sent })
	// Damage says that more than two is unsafe without a lock; none in a few runs shows nothing either way.
	rude := part{evidence: fmt.Sprintf("Two children that wrote messages of %s into one end at once, without a lock, damaged them %s", shortThousands(o.Message), of(damaged, len(o.Rude), "run"))}
	if damaged > 0 {
		rude.verdict = Confirmed
		rude.evidence += " (" + damage(o.Rude) + ")"
	}
	return []part{polite, rude}
}

// shortThousands is a decimal size: "200 kB".
func shortThousands(bytes int) string {
	if bytes >= 1000 && bytes%1000 == 0 {
		return fmt.Sprintf("%d kB", bytes/1000)
	}
	return fmt.Sprintf("%d B", bytes)
}

// damage says what was seen of the damage, each kind once.
func damage(list []Shared) string {
	var kinds []string
	for _, s := range list {
		kind := s.Error
		if s.Hung > 0 {
			kind = "the reader was still waiting after " + shortest(s.Hung)
		}
		if kind != "" && !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	return strings.Join(kinds, "; ")
}

func movedEnds(o MovedEnds) []part {
	p := part{evidence: fmt.Sprintf("An end of a pipe moves to the process it is passed to: the first got it (%s), the second %s", o.First.said(), o.Second.said())}
	switch {
	case !o.First.ok(), o.Second.Hung > 0: // a message may have been lost with the first
		p.verdict = Undecided
	case o.Second.ok():
		p.verdict = Refuted
	default:
		p.verdict = Confirmed
		p.evidence += "; for more processes there is Queue"
	}
	return []part{p}
}

func arguments(o Arguments) []part {
	var ok, bad []string
	for _, c := range o.Arguments {
		if c.ok() {
			ok = append(ok, c.Call)
		} else {
			bad = append(bad, fmt.Sprintf("%s (%s)", c.Call, c.said()))
		}
	}
	// The claim is about the first two, Queue and Array.
	named := count(o.Arguments[:2], func(c Outcome) bool { return !c.ok() })
	p := part{verdict: always(named, 2), says: "Queue and Array fail as arguments of a pool's task"}
	var said []string
	if len(bad) > 0 {
		said = append(said, "as arguments of a pool's task these failed: "+listed(bad))
	}
	if len(ok) > 0 {
		said = append(said, "as arguments of a pool's task these worked: "+listed(ok))
	}
	p.evidence = strings.Join(said, "; ")
	const says = "they fail through its initializer"
	inherited := part{verdict: Confirmed, evidence: "Through the pool's initializer Queue and Array did not work: it " + o.Inherited.said(), says: says}
	if o.Inherited.ok() {
		inherited = part{verdict: Refuted, evidence: "Through the pool's initializer both Queue and Array worked", says: says}
	}
	return []part{p, inherited}
}

func stopping(o Stopping) []part {
	var beyond []int
	endless := 0
	for _, n := range o.Submitted {
		if o.Limit > 0 && n >= o.Limit { // how far it would have got is not known
			endless++
			continue
		}
		beyond = append(beyond, n-o.Match-1)
	}
	if len(beyond) == 0 {
		return []part{{verdict: Undecided, evidence: fmt.Sprintf("The loop had not seen the flag after %s %s", counted(o.Limit, "task"), of(endless, endless, "run"))}}
	}
	values := slices.Clone(beyond)
	slices.Sort(values)
	distinct := len(slices.Compact(values))
	runs := len(beyond)
	lo, hi := slices.Min(beyond), slices.Max(beyond)
	p := part{evidence: fmt.Sprintf("In %s, after the task that sets the flag, the loop submitted from %s to %s more, median %s: %s",
		counted(runs, "run"), quantity.Count(lo), quantity.Count(hi), calls(median(whole(beyond))), counted(distinct, "different number"))}
	switch {
	case distinct > 1:
		p.verdict = Confirmed
	case runs < 6:
		p.verdict = Undecided
	default:
		p.verdict = Refuted
		if iv, err := stat.Proportion(0, runs-1, level); err == nil {
			p.evidence += fmt.Sprintf(", so that another one comes in fewer than %s of runs (95 %% confidence)", quantity.Percent(iv.Hi))
		}
	}
	if endless > 0 {
		p.evidence += fmt.Sprintf("; it had not seen the flag after %s %s, which are not counted", counted(o.Limit, "task"), of(endless, len(o.Submitted), "run"))
	}
	return []part{p}
}
