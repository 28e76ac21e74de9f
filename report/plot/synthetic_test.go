package plot

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/runtest"
)

// strategyNames are twenty labels as real plans have them, the longest ones included.
var strategyNames = []string{
	"sequential", "gil", "goroutines", "pool", "threads", "process-pool", "dummy-pool",
	"process-pool:mode=imap-unordered,chunk=16", "process-pool:mode=imap,chunk=1", "process-pool:mode=map,chunk=64",
	"process-pool:mode=apply", "process-pool:mode=apply-async", "process-per-task", "dummy-pool:mode=imap-unordered",
	"dummy-pool:mode=apply", "pool:workers=64", "goroutines:limit=1000", "ants", "conc", "tunny:queue=128",
}

// spec describes a synthetic table.
type spec struct {
	key        string
	strategies int
	cores      []int
	grain      float64 // seconds per task on one core
	noise      float64 // relative
	rounds     int
	probe      bool
	serial     float64 // share of the work that does not scale
	spread     float64 // factor between the first and the last strategy
}

// synthetic makes a report whose numbers depend on the specs only.
func synthetic(specs ...spec) *analysis.Report {
	rep := &analysis.Report{
		Run: &results.Run{Header: results.Header{
			ID:      "20261120T221530Z-k3fq",
			Created: time.Date(2026, 11, 20, 22, 15, 30, 0, time.UTC),
			Environment: results.Environment{OS: "linux", Arch: "amd64", UsableCores: 2,
				CPUModel: "Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz"},
		}},
		Complete: true,
	}
	top := 0
	for _, s := range specs {
		rep.Tables = append(rep.Tables, syntheticTable(s))
		rep.Rounds = max(rep.Rounds, s.rounds)
		top = max(top, slices.Max(append([]int{1}, s.cores...)))
	}
	for k := 1; k <= top; k *= 2 {
		v := math.Pow(float64(k), 0.97)
		rep.Ceiling = append(rep.Ceiling, analysis.CeilingPoint{Cores: k,
			Speedup: analysis.Interval{Point: v, Lo: v * 0.98, Hi: v * 1.01, Level: 0.978, N: 10}})
	}
	return rep
}

func syntheticTable(s spec) analysis.Table {
	rng := rand.New(rand.NewPCG(7, uint64(len(s.key))))
	t := analysis.Table{
		Entry: results.PlanEntry{Key: s.key, Name: s.key, Kind: "cpu", Probe: s.probe, OwnN: s.probe, Tasks: 32},
		Cores: s.cores, Reference: 0,
	}
	for i := range s.strategies {
		name := fmt.Sprintf("strategy-%02d", i)
		if i < len(strategyNames) {
			name = strategyNames[i]
		}
		for _, k := range s.cores {
			if (name == "sequential" && k != s.cores[0]) || (name == "gil" && k != s.cores[len(s.cores)-1]) {
				continue
			}
			speed := 1.0
			if name != "gil" && name != "sequential" {
				speed = 1 / (s.serial + (1-s.serial)/float64(k))
			}
			factor := 1.0
			if s.spread > 1 && s.strategies > 1 {
				factor = math.Pow(s.spread, float64(i)/float64(s.strategies-1))
			}
			var obs []float64
			for j := range s.rounds {
				v := s.grain * factor / speed * (1 + s.noise*rng.NormFloat64())
				if j == 3 {
					v *= 1 + 4*s.noise
				}
				obs = append(obs, math.Abs(v))
			}
			t.Rows = append(t.Rows, syntheticRow(len(t.Rows), s, name, k, obs))
		}
	}
	if s.strategies == 0 {
		t.Reference = -1
	}
	return t
}

func syntheticRow(index int, s spec, name string, k int, obs []float64) analysis.Row {
	sorted := slices.Sorted(slices.Values(obs))
	n := len(sorted)
	iv := func(point, lo, hi float64) analysis.Interval {
		if n < 6 {
			return analysis.Interval{Point: point, Lo: point, Hi: point, N: n}
		}
		return analysis.Interval{Point: point, Lo: lo, Hi: hi, Level: 0.9785, N: n}
	}
	r := analysis.Row{
		Index: index, OK: n, Status: results.OK, Observations: obs,
		Cell: results.Cell{Program: "self", Workload: s.key, Strategy: name, Label: name, Cores: k, Workers: k, Reference: index == 0},
	}
	if n == 0 {
		return r
	}
	mid, lo, hi := sorted[n/2], sorted[min(1, n-1)], sorted[max(n-2, 0)]
	r.PerTask = iv(mid, lo, hi)
	r.Min, r.Max = sorted[0], sorted[n-1]
	if !s.probe {
		r.Speedup = iv(s.grain/mid, s.grain/hi, s.grain/lo)
		r.Efficiency = iv(s.grain/mid/float64(k), s.grain/hi/float64(k), s.grain/lo/float64(k))
	}
	busy := float64(k) * 0.98
	if name == "gil" || name == "sequential" {
		busy = 0.99
	}
	r.CPUPerWall = iv(busy, busy*0.97, busy*1.01)
	if name != "gil" { // one row without
		share := func(f float64) analysis.Interval { return iv(f*mid, f*lo, f*hi) }
		idle := 0.02 + 0.3*float64(index%4)/float64(k)
		r.Split = &analysis.Split{
			N: n, Workers: k, Wall: share(1), Start: share(.01), Execution: share(.96 - idle), Between: share(.03 - .02*float64(index%2)),
			Idle: share(idle), Join: share(.02 * float64(index%2)), Share: iv(.96-idle, .95-idle, .97-idle),
		}
	}
	return r
}

// fail turns a cell of a table into one that failed.
func fail(t *analysis.Table, label string, cores int) {
	for i := range t.Rows {
		r := &t.Rows[i]
		if r.Cell.Label == label && r.Cell.Cores == cores {
			*r = analysis.Row{Index: r.Index, Cell: r.Cell, Failed: 10, Status: results.Wrong, FailReason: "digest differs"}
		}
	}
}

// scenes are the reports that the invariants and the gallery go through.
func scenes() map[string]*analysis.Report {
	def := spec{key: "primes", strategies: 7, cores: []int{1, 2}, grain: 1.2e-3, noise: 0.01, rounds: 10, serial: 0.02}
	mk := func(change func(*spec)) *analysis.Report {
		s := def
		change(&s)
		return synthetic(s)
	}
	all := map[string]*analysis.Report{
		"default": synthetic(def),
		"one":     mk(func(s *spec) { s.strategies = 1; s.cores = []int{1} }),
		"one-two": mk(func(s *spec) { s.strategies = 3; s.cores = []int{1, 2} }),
		"twenty": mk(func(s *spec) {
			s.strategies, s.cores, s.spread = 20, []int{1, 2, 4, 8, 16, 32, 64, 128}, 6
			s.key = "matmul{size=512}"
		}),
		"linear8":  mk(func(s *spec) { s.strategies, s.cores, s.spread = 20, []int{1, 2, 3, 4, 5, 6, 7}, 1.5 }),
		"tiny":     mk(func(s *spec) { s.key, s.grain, s.noise = "empty-ish", 3e-9, 0.03 }),
		"spread":   mk(func(s *spec) { s.spread = 3e7; s.grain = 4e-9 }),
		"minutes":  mk(func(s *spec) { s.grain = 340; s.noise = 0.02 }),
		"wide":     mk(func(s *spec) { s.noise = 0.5 }),
		"single":   mk(func(s *spec) { s.cores = []int{4} }),
		"same":     mk(func(s *spec) { s.noise = 0; s.serial = 1 }),
		"narrow":   mk(func(s *spec) { s.noise = 0.004; s.serial = 1 }),
		"few":      mk(func(s *spec) { s.rounds = 3 }),
		"once":     mk(func(s *spec) { s.rounds = 1 }),
		"probe":    mk(func(s *spec) { s.key, s.probe, s.grain, s.spread = "empty", true, 90e-9, 3000 }),
		"nothing":  mk(func(s *spec) { s.strategies = 0 }),
		"unfilled": mk(func(s *spec) { s.rounds = 0 }),
	}
	failed := synthetic(def)
	fail(&failed.Tables[0], "process-pool", 2)
	fail(&failed.Tables[0], "dummy-pool", 1)
	fail(&failed.Tables[0], "dummy-pool", 2)
	failed.Complete = false
	all["failed"] = failed

	wild := synthetic(def)
	r := wild.Tables[0].Rows
	r[2].PerTask.Hi *= 40
	r[3].Speedup.Hi *= 30
	r[3].Efficiency.Hi *= 30
	r[4].PerTask.Lo = 0
	r[5].PerTask = analysis.Interval{Point: math.NaN(), Lo: math.Inf(-1), Hi: math.Inf(1), Level: 0.9, N: 8}
	r[6].CPUPerWall.Point = math.Inf(1)
	r[7].PerTask.Lo, r[7].PerTask.Hi = math.NaN(), math.Inf(1)
	r[8].Observations[0] *= 12
	r[2].Split.Idle.Point, r[3].Split.Share.Point, r[4].Split.Wall.Point = math.NaN(), math.Inf(1), -1
	r[5].Split.Execution.Point, r[5].Split.Share.Point = 0, 0
	all["wild"] = wild

	io := synthetic(spec{key: "http", strategies: 7, cores: []int{1, 2}, grain: 5.4e-3, noise: 0.02, rounds: 10, serial: 0.9})
	for i := range io.Tables[0].Rows {
		c := &io.Tables[0].Rows[i].CPUPerWall
		c.Point, c.Lo, c.Hi = c.Point*0.11, c.Lo*0.10, c.Hi*0.12
	}
	all["io"] = io

	hostile := mk(func(s *spec) { s.key = hostileText })
	for i := range hostile.Tables[0].Rows {
		hostile.Tables[0].Rows[i].Cell.Label += hostileText
	}
	hostile.Run.Header.Environment.CPUModel = hostileText
	hostile.Run.Header.ID = hostileText
	all["hostile"] = hostile

	real, err := analysis.Analyse(runtest.Realistic(), analysis.Options{})
	if err != nil {
		panic(err)
	}
	all["realistic"] = real
	return all
}

// hostileText tries to break out of an attribute, an element and a line, and to be wider and higher than a label is.
const hostileText = "\"/><script>alert('x')</script>&amp;\x00\x1b[31m\n\r\u202e\u0301\u0301]]> style=\"font-family:Liberation Sans;" +
	" <text 日本語 WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW\xff\xfe"
