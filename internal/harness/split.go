package harness

import (
	"math"
	"math/bits"
	"slices"

	"github.com/parbench/parbench/internal/protocol"
	"github.com/parbench/parbench/results"
)

// probeTime is how much time the probed batches of a trial take at least; most take longer, since they are whole batches.
const probeTime = minWarmup

// DefaultProbes is the number of rounds whose trials have probed batches: the least for an interval of 95 %.
const DefaultProbes = 6

// probed reports whether the trials of a round have probed batches. The rounds that have are spread evenly, so that a run
// which is interrupted has its share, and nothing that changes over the run meets them alone.
func probed(plan results.Plan, round int) bool {
	n := min(plan.Probes, plan.Rounds)
	return plan.Rounds > 0 && (round+1)*n/plan.Rounds > round*n/plan.Rounds
}

// maxUnseen bounds what a trial keeps of what its program could not see.
const maxUnseen = 16

// addProbe takes one probed batch into the trial's split.
func addProbe(s *results.Split, p *protocol.Probe) *results.Split {
	if s == nil {
		s = &results.Split{Tasks: p.Tasks, Workers: p.Workers, OwnWorkers: len(p.Worker) > 0}
	}
	for _, u := range p.Unseen {
		if v := (results.Unseen{What: u.What, Why: u.Why}); len(s.Unseen) < maxUnseen && !slices.Contains(s.Unseen, v) {
			s.Unseen = append(s.Unseen, v)
		}
	}
	if len(p.Begin) == 0 || p.WallNS == 0 || p.Tasks != s.Tasks || p.Workers != s.Workers {
		return s // nothing to account for, or batches of another kind: their times do not add up
	}
	a := account(p)
	if hi, lo := bits.Mul64(uint64(s.Workers), uint64(s.WallNS+p.WallNS)); hi != 0 || lo > math.MaxInt64 || a.tasks > math.MaxInt64-s.TaskNS {
		return s // more than can be counted: no honest program gets there
	}
	s.Batches++
	s.WallNS += p.WallNS
	s.StartNS += a.start
	s.ExecutionNS += a.execution
	s.BetweenNS += a.between
	s.IdleNS += a.idle
	s.JoinNS += a.join
	s.TaskNS += a.tasks
	s.Stamped += len(p.Begin)
	s.ProbeNS += min(p.StampNS*int64(len(p.Begin)), int64(p.Workers)*p.WallNS)
	s.TransferNS += min(p.TransferNS, a.start+a.between)
	s.OwnWorkers = s.OwnWorkers && len(p.Worker) > 0
	return s
}

// accounts are the workers' time of one batch, in nanoseconds: its parts but the last add up to workers × wall.
type accounts struct{ start, execution, between, idle, join, tasks int64 }

// account works out where the workers' time of a batch went, from when its tasks ran. Where only some of the tasks were
// stamped, they stand for the others.
func account(p *protocol.Probe) accounts {
	var a accounts
	workers, last, ran := int64(p.Workers), slices.Max(p.End), int64(0)
	for i, b := range p.Begin {
		a.tasks += max(p.End[i]-b-p.ClockNS, 0)
		ran += p.End[i] - b
	}
	busy := ran // of the workers: at most one task each
	a.join = workers * (p.WallNS - last)
	switch {
	case len(p.Worker) > 0:
		a.start, a.idle = known(p, last)
	case len(p.Begin) == p.Tasks:
		a.start, a.idle = unknown(p, last)
		busy = within(p)
	default:
		a.start = workers * slices.Min(p.Begin)
	}
	if k := len(p.Begin); k < p.Tasks {
		a.tasks = int64(min(float64(a.tasks)*float64(p.Tasks)/float64(k), math.MaxInt64/2))
	}
	rest := workers*p.WallNS - a.start - a.idle - a.join
	a.execution = a.tasks
	if busy < ran {
		a.execution = int64(float64(a.tasks) * float64(busy) / float64(ran))
	}
	a.execution = min(a.execution, rest)
	a.between = rest - a.execution
	return a
}

// known adds up, over the workers, the time before the first and after the last task of each. One that got no task was
// idle until the last task of all.
func known(p *protocol.Probe, last int64) (start, idle int64) {
	first := map[int]int64{}
	end := map[int]int64{}
	for i, w := range p.Worker {
		b, seen := first[w]
		if !seen || p.Begin[i] < b {
			first[w] = p.Begin[i]
		}
		end[w] = max(end[w], p.End[i])
	}
	for w, b := range first {
		start += b
		idle += last - end[w]
	}
	return start, idle + int64(p.Workers-len(first))*last
}

// unknown is known where nobody says who ran a task: the first tasks to begin, as many as there are workers, stand for the
// workers' first ones, and the last to end for their last. For workers that take tasks one by one that is what they are.
// The sums are the least that any assignment of the tasks to workers gives.
func unknown(p *protocol.Probe, last int64) (start, idle int64) {
	k := min(p.Workers, len(p.Begin))
	begins, ends := slices.Sorted(slices.Values(p.Begin)), slices.Sorted(slices.Values(p.End))
	for i := range k {
		start += begins[i]
		idle += last - ends[len(ends)-1-i]
	}
	return start, idle + int64(p.Workers-k)*last
}

// within is the time in tasks, of which at most as many as there are workers count at any moment: where more goroutines
// than cores have begun a task, they share the cores.
func within(p *protocol.Probe) int64 {
	begins, ends := slices.Sorted(slices.Values(p.Begin)), slices.Sorted(slices.Values(p.End))
	var sum, at int64
	running, i := 0, 0
	for _, e := range ends {
		for ; i < len(begins) && begins[i] <= e; i++ {
			sum += int64(min(running, p.Workers)) * (begins[i] - at)
			at = begins[i]
			running++
		}
		sum += int64(min(running, p.Workers)) * (e - at)
		at = e
		running--
	}
	return sum
}
