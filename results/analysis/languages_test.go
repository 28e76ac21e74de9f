package analysis_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis/runtest"
)

// TestPythonIsAnswered: processes against threads and goroutines against both, each in a sentence with its interval, and
// no verdict that the interval does not give.
func TestPythonIsAnswered(t *testing.T) {
	further := func(goroutines, threads, processes, noise float64, rounds int) string {
		cells := append(under("self", cell("sequential", 1, 10, noise), cell("goroutines", 2, goroutines, noise)),
			under("python3", cell("py-sequential", 1, 200, noise), cell("py-threads", 2, threads, noise), cell("py-pool", 1, 2*processes, noise), cell("py-pool", 2, processes, noise))...)
		s := spec("cpu", cells...)
		s.Rounds = rounds
		tab := analyse(t, runtest.Build(s)).Tables[0]
		for _, f := range tab.Further {
			if !slices.Contains(tab.Points, f) {
				t.Errorf("no point of the finding: %s", f)
			}
		}
		return strings.Join(tab.Further, "\n")
	}
	for _, tt := range []struct {
		why                                   string
		goroutines, threads, processes, noise float64
		rounds                                int
		want                                  []string
		python, both                          string
	}{
		{"processes", 5, 200, 100, .002, 10, []string{"py-pool on 2 cores is 2.00", " times as fast as py-threads on 2 cores (95 % interval ", "goroutines on 2 cores is 19.9", "), 39.9"},
			"Under python3 processes beat threads: ", "Goroutines beat both processes and threads of python3: "},
		{"threads", 50, 40, 100, .002, 10, []string{"py-threads on 2 cores is 2.49", " times as fast as py-pool on 2 cores", "py-threads on 2 cores is 1.25"},
			"Under python3 threads beat processes: ", "Of goroutines and python3, goroutines beat processes; threads beat goroutines: "},
		{"alike", 50, 100, 100, .002, 10, nil, "Under python3 processes and threads are equally fast within 2 %: ", "Goroutines beat both"},
		{"noise", 99, 100, 100, .3, 10, nil, "Under python3 processes and threads cannot be told apart: ", "Of goroutines and python3, goroutines and processes cannot be told apart; goroutines and threads cannot be told apart: "},
		{"few rounds", 5, 200, 100, .002, 3, []string{"(no interval: 3 rounds are too few)"}, "Under python3 processes and threads are not decided: ", "Of goroutines and python3, goroutines and processes are not decided; "},
	} {
		t.Run(tt.why, func(t *testing.T) {
			got := further(tt.goroutines, tt.threads, tt.processes, tt.noise, tt.rounds)
			said(t, got, append(tt.want, tt.python, tt.both), nil)
		})
	}
	tab := analyse(t, runtest.Build(spec("cpu", cell("sequential", 1, 10, .002), cell("goroutines", 2, 5, .002), cell("process-pool", 2, 5, .002)))).Tables[0]
	if len(tab.Further) != 0 {
		t.Errorf("a run without Python: %q", tab.Further)
	}
	// A failed row is compared with none.
	tab = analyse(t, runtest.Build(spec("cpu", under("python3", cell("py-sequential", 1, 200, .002), cell("py-threads", 2, 200, .002),
		failing(cell("py-pool", 2, 100, .002), results.Crashed, 5))...))).Tables[0]
	if len(tab.Further) != 0 {
		t.Errorf("a pool that failed: %q", tab.Further)
	}
}

// TestFewRoundsMayDecideAPair: what is too few for all cells of a table can be enough for the pairs of the languages, and
// the first verdict says why.
func TestFewRoundsMayDecideAPair(t *testing.T) {
	cells := under("self", cell("sequential", 1, 10, .002), cell("goroutines", 2, 5, .002), cell("pool", 1, 10, .002), cell("pool", 2, 6, .002), cell("threads", 1, 10, .002), cell("threads", 2, 6, .002))
	cells = append(cells, under("python3", cell("py-sequential", 1, 200, .002), cell("py-threads", 2, 200, .002), cell("py-pool", 1, 200, .002), cell("py-pool", 2, 100, .002))...)
	const why = ". 8 rounds can tell that, though not which of 10 cells is fastest: it is corrected for 3 comparisons of two rows, and not for 9."
	for _, tt := range []struct{ rounds, times int }{{8, 1}, {12, 0}, {5, 0}} {
		s := spec("cpu", cells...)
		s.Rounds = tt.rounds
		tab := analyse(t, runtest.Build(s)).Tables[0]
		if n := strings.Count(strings.Join(tab.Further, "\n"), "can tell that"); n != tt.times || n > 0 && !strings.HasSuffix(tab.Further[0], why) {
			t.Errorf("%d rounds: explained %d times: %q", tt.rounds, n, tab.Further)
		}
		if not := strings.Contains(tab.Answer, "Not decided"); not != (tt.rounds < 10) || strings.Contains(strings.Join(tab.Further, "\n"), " beat ") != (tt.rounds > 5) {
			t.Errorf("%d rounds: not the case to test: %s %q", tt.rounds, tab.Answer, tab.Further)
		}
	}
}

// TestGoIsNamedAfterItsStrategy: "goroutines" is a strategy, so it is said where that strategy is compared, and "Go" where a
// pool is.
func TestGoIsNamedAfterItsStrategy(t *testing.T) {
	python := under("python3", cell("py-sequential", 1, 200, .002), cell("py-threads", 2, 50, .002), cell("py-pool", 2, 100, .002))
	for _, tt := range []struct {
		goroutines, pool float64 // 0: not run
		want, not        string
	}{
		{20, 0, "Goroutines beat both processes and threads of python3: goroutines on 2 cores is ", "Go beats"},
		{0, 20, "Go beats both processes and threads of python3: pool on 2 cores is ", "oroutines"},
		{30, 20, "Go beats both processes and threads of python3: pool on 2 cores is ", "oroutines beat"},
		{20, 30, "Goroutines beat both processes and threads of python3: goroutines on 2 cores is ", "Go beats"},
		{0, 70, "Of Go and python3, Go beats processes; threads beat Go: pool on 2 cores is ", "oroutines"},
	} {
		cells := under("self", cell("sequential", 1, 100, .002))
		if tt.goroutines > 0 {
			cells = append(cells, under("self", cell("goroutines", 2, tt.goroutines, .002))...)
		}
		if tt.pool > 0 {
			cells = append(cells, under("self", cell("pool", 2, tt.pool, .002))...)
		}
		said(t, strings.Join(analyse(t, runtest.Build(spec("cpu", append(cells, python...)...))).Tables[0].Further, "\n"), []string{tt.want}, []string{tt.not})
	}
}

// TestPairedRatioAgainstMedians: a ratio that is paired by round and the medians may say the opposite, and no sentence
// leaves the reader alone with both.
func TestPairedRatioAgainstMedians(t *testing.T) {
	seq := []int64{10, 20, 30, 40, 50, 60, 70, 80, 90, 100}  // median 55
	pool := []int64{11, 22, 33, 44, 45, 46, 77, 88, 99, 110} // median 45.5, and slower in eight rounds of ten
	build := func(a, b []int64) *results.Run {
		run := runtest.Build(spec("cpu", cell("sequential", 1, 1, 0), cell("pool", 2, 1, 0)))
		for i := range run.Trials {
			tr := &run.Trials[i]
			for k := range tr.Wall {
				tr.Wall[k] = [][]int64{a, b}[tr.Cell][tr.Round] * 1e6
			}
		}
		return run
	}
	tab := analyse(t, build(seq, pool)).Tables[0]
	if r := tab.Rows[1].Speedup.Point; r >= 1 || tab.Rows[1].PerTask.Point >= tab.Rows[0].PerTask.Point {
		t.Fatalf("speedup %v with medians %v and %v: not the case to test", r, tab.Rows[0].PerTask.Point, tab.Rows[1].PerTask.Point)
	}
	said(t, tab.Finding, []string{"Paired by round, and unlike by the medians, that is 0.9", " times as fast as sequential (95 % interval "}, []string{"That is", ", 0.9"})
	few := build(seq, pool)
	few.Trials = slices.DeleteFunc(few.Trials, func(tr results.Trial) bool { return !slices.Contains([]int{2, 3, 5, 6, 7}, tr.Round) })
	tab = analyse(t, few).Tables[0]
	said(t, tab.Answer, []string{"Not decided: pool on 2 cores had the lowest median, ", " per task; paired by round, and unlike by the medians, it was 0.9", " times as fast as sequential (no interval"}, []string{"task, 0.9"})
	said(t, analyse(t, build(pool, seq)).Tables[0].Finding, nil, []string{"unlike by the medians"}) // sequential has the lowest median: nothing is said of a ratio
	said(t, analyse(t, build([]int64{20, 40, 60, 80, 100, 120, 140, 160, 180, 200}, pool)).Tables[0].Finding, []string{" times as fast as sequential"}, []string{"unlike by the medians"})
}

// TestTaskSizeCommand: it is for runs that have strategies inside of a process and in processes of their own, on work that
// computes, and has their parameters.
func TestTaskSizeCommand(t *testing.T) {
	process := func(c runtest.Cell) runtest.Cell { c.Processes = true; return c }
	cells := append(under("self", cell("sequential", 1, 10, .002), cell("goroutines", 2, 5, .002), process(cell("process-pool", 2, 6, .002))),
		under("python3", cell("py-sequential", 1, 200, .002), cell("py-threads", 2, 200, .002), process(cell("py-pool", 2, 100, .002)))...)
	args := []string{"run", "-w", "primes", "-s", "sequential", "-s", "goroutines", "-s", "process-pool", "-s", "py-threads:workers=2", "-s", "py-pool", "-s", "pool", "-c", "2"}
	got := func(kind string, cells []runtest.Cell, args []string) string {
		run := runtest.Build(spec(kind, cells...))
		run.Header.Args = args
		return strings.Join(analyse(t, run).TaskSize, " ")
	}
	if g, want := got("cpu", cells, args), "crossover -s goroutines,process-pool,py-pool -s py-threads:workers=2"; g != want {
		t.Errorf("%q, want %q", g, want)
	}
	thread := process(cell("py-executor", 2, 200, .002))
	thread.StrategyParams = map[string]string{"kind": "thread"}
	for why, g := range map[string]string{
		"work that waits":    got("io", cells, args),
		"no processes":       got("cpu", cells[:2], args),
		"only processes":     got("cpu", []runtest.Cell{cells[0], cells[2]}, args),
		"threads only":       got("cpu", []runtest.Cell{cells[0], cells[1], thread}, append(args, "-s", "py-executor:kind=thread")),
		"a failed pool":      got("cpu", []runtest.Cell{cells[0], cells[1], failing(cells[2], results.Crashed, 2)}, args),
		"no command":         got("cpu", cells, nil),
		"another command":    got("cpu", cells, append([]string{"crossover"}, args[1:]...)),
		"a program of users": got("cpu", cells, append([]string{"run", "--program=PATH/TO/mybench"}, args[1:]...)),
	} {
		if g != "" {
			t.Errorf("%s: %s", why, g)
		}
	}
}
