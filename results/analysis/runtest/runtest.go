// Package runtest makes synthetic runs for tests and benchmarks of everything that reads one: what the tests want to
// see (who is faster, how noisy, what fails) is put in, and the same specification always gives the same run.
//
// Non-goals: measuring anything. No program of parbench imports it.
package runtest

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/parbench/parbench/results"
)

// Workload is one workload of a synthetic run.
type Workload struct {
	Entry results.PlanEntry
	Cells []Cell
}

// Cell is one cell with how it behaves. Program "self", the workload's key, label and tasks are filled in.
type Cell struct {
	results.Cell
	PerTask  float64 // seconds; median of the observations
	Noise    float64 // standard deviation of their logarithm
	Busy     float64 // CPU seconds per wall second
	Peak     int64   // bytes
	Setup    float64 // seconds
	Fixture  float64 // CPU seconds per second of the trial that its fixture takes
	Batches  int     // measured batches of a trial; 0: 3
	Fail     results.Status
	Reason   string
	Stderr   string
	FailFrom int // first round that fails; later ones do too
	// Split says where the workers' time goes, for cells with probed batches.
	Split *Split
}

// Split is where the workers' time of a cell goes: shares of it, of which execution takes what the others leave.
type Split struct {
	Start, Between, Idle, Join float64
	Transfer                   float64 // of Start and Between; 0: not observed
	Workers                    int     // 0: the cell's
	Stamped                    float64 // share of the tasks that were timed; 0: all
	NoWorkers                  bool    // it is not known who ran a task
	Unseen                     []results.Unseen
}

// Spec says what to make. Zero values: 10 rounds, seed 1, no noise that a round's trials share.
type Spec struct {
	Rounds      int
	Probes      int // rounds with probed batches, from the first one
	Seed        uint64
	Environment results.Environment
	Workloads   []Workload
	Shared      float64 // standard deviation of the logarithm of a factor that all trials of a round share
	Drift       float64 // relative change of all times from the first round to the last
	// SharesFixture says that fixtures had no CPU of their own.
	SharesFixture bool
	Disturbed     int // every so many trials others used the machine: the trial is flagged and repeated; 0: none
}

// Build makes the run. It is complete and in the order of execution of its rounds.
func Build(s Spec) *results.Run {
	if s.Rounds == 0 {
		s.Rounds = 10
	}
	if s.Seed == 0 {
		s.Seed = 1
	}
	start := time.Date(2026, 11, 20, 22, 15, 30, 0, time.UTC)
	run := &results.Run{Header: results.Header{
		Type: "run", Schema: results.Schema, Version: results.Version, ID: "20261120T221530Z-k3fq", Created: start,
		Tool: "parbench 0.1.0", Args: []string{"run"}, Environment: s.Environment,
		Plan: results.Plan{Seed: s.Seed, Rounds: s.Rounds, Timeout: 60, SharesFixture: s.SharesFixture, Probes: s.Probes},
	}}
	plan := &run.Header.Plan
	var cells []Cell
	for _, w := range s.Workloads {
		plan.Workloads = append(plan.Workloads, w.Entry)
		for _, c := range w.Cells {
			c.fill(w.Entry)
			cells = append(cells, c)
			plan.Cells = append(plan.Cells, c.Cell)
		}
	}
	plan.Hash = plan.ComputeHash()
	b := builder{run: run, rng: rand.New(rand.NewPCG(s.Seed, 1)), now: start.Add(time.Second)}
	for round := range s.Rounds {
		f := math.Exp(s.Shared * b.rng.NormFloat64())
		if s.Rounds > 1 {
			f *= 1 + s.Drift*float64(round)/float64(s.Rounds-1)
		}
		var again []int
		for _, i := range b.rng.Perm(len(cells)) {
			flagged := s.Disturbed > 0 && (len(run.Trials)+1)%s.Disturbed == 0
			b.trial(&cells[i], i, round, 0, f, flagged)
			if flagged {
				again = append(again, i)
			}
		}
		for _, i := range again {
			b.trial(&cells[i], i, round, 1, f, false)
		}
	}
	run.Notes = []results.Note{{Type: "end", Time: b.now, Reason: "complete"}}
	return run
}

func (c *Cell) fill(e results.PlanEntry) {
	c.Workload = e.Key
	if c.Program == "" {
		c.Program = "self"
	}
	if c.Label == "" {
		c.Label = c.Strategy
	}
	if c.Tasks == 0 {
		c.Tasks = e.Tasks
	}
	if c.Workers == 0 {
		c.Workers = c.Cores
	}
	if c.Batches == 0 {
		c.Batches = 3
	}
}

type builder struct {
	run *results.Run
	rng *rand.Rand
	now time.Time
}

func (b *builder) trial(c *Cell, index, round, attempt int, factor float64, flagged bool) {
	t := results.Trial{
		Type: "trial", Cell: index, Round: round, Attempt: attempt, Seq: len(b.run.Trials), Start: b.now,
		Status: results.OK, Tasks: max(c.Tasks, 1), Digest: "00000000000000aa",
		Others: &results.Outside{Source: "cgroup-v2", CPUShare: 0.01},
	}
	noise := math.Exp(c.Noise * b.rng.NormFloat64())
	if flagged {
		t.Others.Flagged, t.Others.CPUShare = true, 0.4
		noise *= 1.3
	}
	if c.Fail != "" && round >= c.FailFrom {
		t.Status, t.Reason, t.Stderr = c.Fail, c.Reason, c.Stderr
		t.TotalNS = 1e9
	} else {
		wall := c.PerTask * factor * noise * float64(t.Tasks) * 1e9
		for range c.Batches {
			v := int64(wall * (1 + 0.001*b.rng.NormFloat64()))
			t.Wall = append(t.Wall, max(v, 1))
			t.SpanNS += max(v, 1)
		}
		t.Warmup = []int64{t.Wall[0] + t.Wall[0]/10}
		t.CPUNS = int64(c.Busy * float64(t.SpanNS))
		t.PeakBytes, t.PSSBytes = c.Peak, c.Peak*3/4
		t.SetupNS = int64(c.Setup * 1e9 * (1 + 0.05*b.rng.NormFloat64()))
		t.OverheadNS = 4e6
		t.TotalNS = t.SpanNS + t.Warmup[0] + t.SetupNS + t.OverheadNS
		t.FixtureCPUNS = int64(c.Fixture * float64(t.TotalNS))
		t.Processes = 1
		t.CtxVoluntary, t.CtxForced = int64(10*t.Tasks), int64(t.Tasks)
		if c.Split != nil && round < b.run.Header.Plan.Probes {
			t.Split, t.CloseNS = c.Split.of(c, t.Tasks, t.Wall[0]), 1e5+t.SetupNS/10
			t.TotalNS += t.Split.WallNS + t.CloseNS
		}
	}
	b.now = b.now.Add(time.Duration(t.TotalNS))
	b.run.Trials = append(b.run.Trials, t)
}

// of makes the split of one probed batch that took wall nanoseconds.
func (s *Split) of(c *Cell, tasks int, wall int64) *results.Split {
	workers := s.Workers
	if workers == 0 {
		workers = c.Workers
	}
	total := float64(workers) * float64(wall)
	part := func(share float64) int64 { return int64(share * total) }
	out := &results.Split{
		Tasks: tasks, Batches: 1, Workers: workers, WallNS: wall, StartNS: part(s.Start), BetweenNS: part(s.Between), IdleNS: part(s.Idle),
		JoinNS: part(s.Join), TransferNS: part(s.Transfer), Stamped: tasks, OwnWorkers: !s.NoWorkers, Unseen: s.Unseen,
	}
	if s.Stamped > 0 {
		out.Stamped = max(1, int(s.Stamped*float64(tasks)))
	}
	out.ProbeNS = 90 * int64(out.Stamped)
	out.ExecutionNS = int64(workers)*wall - out.StartNS - out.BetweenNS - out.IdleNS - out.JoinNS
	out.TaskNS = out.ExecutionNS
	return out
}
