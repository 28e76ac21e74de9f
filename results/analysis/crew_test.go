package analysis_test

import (
	"strings"
	"testing"

	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/runtest"
)

// waiting is a cell of work that waits, with its workers; per is in milliseconds.
func waiting(strategy string, cores, workers int, per float64) runtest.Cell {
	c := busy(cell(strategy, cores, per, .002), .05)
	c.Workers, c.Unbounded = workers, strategy == "goroutines"
	return c
}

// remedy is what the warning of unequal workers says to do; empty without one.
func remedy(t *analysis.Table) string {
	for _, w := range t.Warnings {
		if w.Code == analysis.CodeUnequalWorkers {
			return w.Remedy
		}
	}
	return ""
}

// TestUnequalWorkersAreNamed: on work that waits the number of workers may be all that one strategy has over another, so it
// stands beside every name, in the answer and across programs too.
func TestUnequalWorkersAreNamed(t *testing.T) {
	python := under("python3", waiting("py-sequential", 1, 1, 5.2), waiting("py-threads", 2, 16, .32), waiting("py-pool", 2, 16, .4))
	cells := append(under("self", waiting("sequential", 1, 1, 5.2), waiting("goroutines", 2, 64, .0815), waiting("gil", 2, 16, .33)), python...)
	tab := analyse(t, runtest.Build(spec("io", cells...))).Tables[0]
	said(t, tab.Answer, []string{"Fastest: goroutines on 2 cores with 64 workers, at 8", " µs per task, 63."}, nil)
	said(t, tab.Finding, []string{
		"Next comes py-threads on 2 cores with 16 workers, which takes 3.9", "The lowest median of python3 is that of py-threads on 2 cores with 16 workers, ",
		"Under python3 threads beat processes: py-threads on 2 cores with 16 workers is 1.2",
		"Goroutines had another number of workers than processes and threads of python3, which the ratio has in it: goroutines on 2 cores with 64 workers is 4.8",
		"), 3.9", " times as fast as py-threads on 2 cores with 16 workers (95 % interval 3.9",
	}, []string{"oroutines beat", "sequential with"})
	said(t, remedy(&tab), []string{"compare with as many workers for each"}, nil)

	// A pool with as many workers is what Python's are compared with, though goroutines were faster.
	cells = append(cells, under("self", waiting("pool", 2, 16, .319))...)
	tab = analyse(t, runtest.Build(spec("io", cells...))).Tables[0]
	said(t, strings.Join(tab.Further, " "), []string{"pool on 2 cores with 16 workers is 1.25", "), 1.00", " times as fast as py-threads on 2 cores with 16 workers"}, []string{"unequal", "64 workers"})
}

// TestEqualWorkersAreSaidOnce: where all have as many, their number stands beside the speedup over the reference alone.
func TestEqualWorkersAreSaidOnce(t *testing.T) {
	tab := analyse(t, runtest.Build(spec("io", waiting("sequential", 1, 1, 5.2), waiting("pool", 1, 16, .34), waiting("pool", 2, 16, .33), waiting("gil", 2, 16, .36)))).Tables[0]
	said(t, tab.Answer, []string{"Fastest: pool on 2 cores, at 330 µs per task, 15.7", " with 16 workers to its one."}, nil)
	if n := strings.Count(tab.Finding, "workers"); n != 1 || remedy(&tab) != "" {
		t.Errorf("workers are named %d times: %s\n%s", n, tab.Finding, remedy(&tab))
	}
	// Work that computes is limited by cores.
	c := cell("goroutines", 2, 5, .002)
	c.Workers, c.Unbounded = 64, true
	tab = analyse(t, runtest.Build(spec("cpu", cell("sequential", 1, 10, .002), c, cell("pool", 2, 6, .002)))).Tables[0]
	if strings.Contains(tab.Finding, "workers") || remedy(&tab) != "" {
		t.Errorf("of work that computes: %s\n%s", tab.Finding, remedy(&tab))
	}
}

// TestEvenWorkersCommand: a whole command with as many workers as there are tasks, unless that is too many for processes; a
// number that was given is replaced, interpreters and other parameters stay, and so do the files of the user's own.
func TestEvenWorkersCommand(t *testing.T) {
	pool := func(workers int, label string) runtest.Cell {
		c := waiting("pool", 2, workers, .33)
		c.Label = label
		return c
	}
	for _, tt := range []struct {
		cells      []runtest.Cell
		args, want string
	}{
		{[]runtest.Cell{waiting("goroutines", 2, 500, .02), waiting("pool", 2, 16, .33)},
			"run -w primes -w w -s sequential -s goroutines -s pool -c 1,2 --rounds 10 --tasks=500 --seed 7", "run -w w --tasks 16 -s goroutines -s pool:workers=16"},
		{[]runtest.Cell{pool(8, "pool:workers=8,chunk=2"), waiting("gil", 2, 16, .33)},
			"run -w w:n=1 -w w:n=2 -s pool:workers=8,chunk=2 -s gil -c 2 --tasks=40", "run --tasks=40 -w w:n=2 -s pool:chunk=2,workers=16 -s gil:workers=16"},
		{[]runtest.Cell{pool(8, "pool:workers=8"), pool(16, "pool:workers=16")}, "run -w w:n=1 -s pool:workers=8 -s pool:workers=16", "run -w w:n=1 -s pool:workers=16"},
		{append(under("python3", waiting("py-threads", 2, 16, .4)), waiting("goroutines", 2, 64, .1)),
			"run --program=./mine --program=./other -w other -s goroutines -s py-threads -s py-threads:python=python3.13t --python-workload=mine.py --quick",
			"run --program=./mine --program=./other --python-workload=mine.py -w w --tasks 64 -s goroutines -s py-threads:workers=64 -s py-threads:python=python3.13t,workers=64"},
		{[]runtest.Cell{waiting("goroutines", 2, 64, .02), waiting("pool", 2, 16, .33)}, "gate -w w -s goroutines -s pool", ""},
		{[]runtest.Cell{waiting("goroutines", 2, 64, .02), waiting("pool", 2, 16, .33)}, "", ""},
	} {
		run := runtest.Build(spec("io", append(tt.cells, waiting("sequential", 1, 1, 5.2))...))
		run.Header.Args, run.Header.Plan.Workloads[0].Params = strings.Fields(tt.args), map[string]string{"n": "2"}
		tab := analyse(t, run).Tables[0]
		if got := strings.Join(tab.EvenWorkers, " "); got != tt.want || remedy(&tab) == "" {
			t.Errorf("command %q, want %q", got, tt.want)
		}
		said(t, tab.Finding, nil, []string{"workers=8,chunk=2 on 2 cores with", "workers=8 on 2 cores with"})
	}
}
