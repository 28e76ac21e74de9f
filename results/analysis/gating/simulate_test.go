package gating

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/parbench/parbench/internal/testenv"
	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis/comparison"
)

// machine is a simulated one: it measures a plan of pairs as the harness does, with noise of a model, and never touches a
// clock. Its noise goes on from pair to pair and from gate to gate, as a real machine's does.
type machine struct {
	run    *results.Run
	list   []track
	r      *rand.Rand
	next   func(r *rand.Rand) float64 // the log of the machine's slowness during one trial
	factor func(track int) float64    // head's time over base's
	common func(track int) float64    // of both sides; nil: 1
	round  int
	seq    int
	left   int // rounds of one track that the budget still holds; −1: any
	fail   func(cell, round int) results.Status
	noisy  func(seq int) bool // trials that others disturb
	extra  int
}

// rounds a simulated machine counts a trial's length as.
const tick = 50_000_000

func newMachine(comparisons int, seed uint64, next func(*rand.Rand) float64) *machine {
	plan := results.Plan{Seed: seed, Rounds: 1, Workloads: []results.PlanEntry{{Key: "spin", Name: "spin", Kind: "cpu"}}}
	for _, side := range []string{base, head} {
		for k := range comparisons {
			plan.Cells = append(plan.Cells, results.Cell{Program: side, Workload: "spin", Strategy: "pool", Label: fmt.Sprintf("pool:workers=%d", k+1),
				Cores: 2, Workers: k + 1, Tasks: 1})
		}
	}
	return machineOf(plan, seed, next)
}

func machineOf(plan results.Plan, seed uint64, next func(*rand.Rand) float64) *machine {
	m := &machine{r: rand.New(rand.NewPCG(seed, 1)), next: next, factor: func(int) float64 { return 1 }, left: -1}
	m.run = &results.Run{Header: results.Header{Plan: plan}}
	m.list = tracks(&m.run.Header.Plan)
	return m
}

// again forgets the pairs, not the state of the noise.
func (m *machine) again() { m.run.Trials, m.round, m.seq = nil, 0, 0 }

func (m *machine) Run() *results.Run { return m.run }

func (m *machine) Afford(ask []int) int {
	if m.left < 0 {
		return -1
	}
	return m.left / len(ask)
}

func (m *machine) Measure(stage int, ask []int, rounds int) (Stop, error) {
	for range rounds {
		if m.left >= 0 {
			if m.left -= len(ask); m.left < 0 {
				m.left = 0
				return StopBudget, nil
			}
		}
		for _, k := range m.r.Perm(len(ask)) {
			m.pair(stage, ask[k], 0)
		}
		m.round++
	}
	return StopNone, nil
}

func (m *machine) pair(stage, t, attempt int) {
	cells := [2]int{m.list[t].base, m.list[t].head}
	if m.r.IntN(2) == 1 {
		cells[0], cells[1] = cells[1], cells[0]
	}
	disturbed := false
	for _, cell := range cells {
		s := math.Exp(m.next(m.r))
		if cell == m.list[t].head {
			s *= m.factor(t)
		}
		if m.common != nil {
			s *= m.common(t)
		}
		trial := results.Trial{Cell: cell, Round: m.round, Attempt: attempt, Stage: stage, Seq: m.seq, Status: results.OK, Tasks: 1,
			Wall: results.Nanos{int64(1e8 * s)}, TotalNS: tick}
		if m.fail != nil {
			if st := m.fail(cell, m.round); st != "" {
				trial.Status, trial.Reason = st, "it broke"
			}
		}
		if m.noisy != nil && m.noisy(m.seq) {
			trial.Others, disturbed = &results.Outside{Source: "simulated", Flagged: true}, true
		}
		m.run.Trials = append(m.run.Trials, trial)
		m.seq++
	}
	if disturbed && attempt == 0 {
		m.extra++
		m.pair(stage, t, 1)
	}
}

// noise makes the state of one kind of machine. The magnitudes are those of the tests of results/stat.
var noises = []struct {
	name string
	make func() func(*rand.Rand) float64
}{
	{"iid", func() func(*rand.Rand) float64 { return func(r *rand.Rand) float64 { return .02 * r.NormFloat64() } }},
	{"ar1", func() func(*rand.Rand) float64 { // clock and temperature wander
		state := 0.
		return func(r *rand.Rand) float64 {
			state = .8*state + .012*r.NormFloat64()
			return state + .005*r.NormFloat64()
		}
	}},
	{"drift", func() func(*rand.Rand) float64 { // 10 % in 40 trials, up and down
		n := 0
		return func(r *rand.Rand) float64 {
			n++
			return .1*math.Abs(float64(n%80)/40-1) + .02*r.NormFloat64()
		}
	}},
	{"bursts", func() func(*rand.Rand) float64 { // a neighbour wakes in one of 20 trials and stays for about three
		busy := 0.
		return func(r *rand.Rand) float64 {
			if busy == 0 && r.Float64() < .05 {
				busy = .1 + .4*r.Float64()
			} else if r.Float64() < 1./3 {
				busy = 0
			}
			return busy + .01*r.NormFloat64()
		}
	}},
	{"bimodal", func() func(*rand.Rand) float64 { // each process lands in one of two modes of its own
		return func(r *rand.Rand) float64 {
			x := .01 * r.NormFloat64()
			if r.Float64() < .3 {
				x += .05
			}
			return x
		}
	}},
}

// tally counts the outcomes of simulated gates.
type tally struct{ gates, regressed, improved, inconclusive, pairs int }

func (c tally) share(n int) float64 { return 100 * float64(n) / float64(c.gates) }

// simulate runs gates of that many comparisons one after another on one machine.
func simulate(t *testing.T, gates, comparisons int, effect float64, next func(*rand.Rand) float64) (c tally) {
	t.Helper()
	m := newMachine(comparisons, 7, next)
	m.factor = func(int) float64 { return 1 + effect }
	for range gates {
		m.again()
		o, err := Decide(m, Options{})
		if err != nil {
			t.Fatal(err)
		}
		c.gates++
		c.pairs += o.Pairs
		switch {
		case o.Count(comparison.Regressed) > 0:
			c.regressed++
		case o.Count(comparison.Improved) > 0:
			c.improved++
		case o.Verdict == Inconclusive:
			c.inconclusive++
		}
	}
	return c
}

// TestGateTable prints the table of docs/method.md:
//
//	PARBENCH_NOISE_TABLE=1 go test ./results/analysis/gating -run GateTable -v
func TestGateTable(t *testing.T) {
	if os.Getenv("PARBENCH_NOISE_TABLE") == "" {
		testenv.DoesNotApply(t, "a table for reading, which takes minutes: set PARBENCH_NOISE_TABLE=1 and use -v")
	}
	for _, comparisons := range []int{1, 3, 10} {
		gates := 1000 / comparisons
		for _, effect := range []float64{0, .02, .03, .05} {
			for _, n := range noises {
				c := simulate(t, gates, comparisons, effect, n.make())
				t.Logf("%2d comparisons %4.0f %% %-8s regressed %5.1f improved %4.1f inconclusive %5.1f pairs %6.1f", comparisons, 100*effect, n.name,
					c.share(c.regressed), c.share(c.improved), c.share(c.inconclusive), float64(c.pairs)/float64(gates)/float64(comparisons))
			}
		}
	}
}
