package analysis_test

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/runtest"
)

// under gives cells to a program.
func under(program string, cells ...runtest.Cell) []runtest.Cell {
	for i := range cells {
		cells[i].Program = program
		cells[i].Reference = strings.HasSuffix(cells[i].Strategy, "sequential")
		cells[i].OneCore = cells[i].Reference
	}
	return cells
}

// TestSequentialFastestOfAllPrograms: that nothing beat one program's reference does not say that a faster way of another
// program gained nothing, and the sentence must be true by itself.
func TestSequentialFastestOfAllPrograms(t *testing.T) {
	cells := append(under("self", cell("sequential", 1, 10, .002)), under("python3.13", cell("py-sequential", 1, 200, .002),
		cell("py-threads", 1, 201, .002), cell("py-threads", 2, 202, .002), cell("py-pool", 1, 208, .002), cell("py-pool", 2, 106, .002))...)
	said(t, analyse(t, runtest.Build(spec("cpu", cells...))).Tables[0].Finding, []string{
		"Fastest: sequential, at ",
		"Of the strategies of all programs together none was shown to be faster than sequential, which runs the tasks one after another in parbench.",
		"The lowest median of python3.13 is that of py-pool on 2 cores", "times as fast as py-sequential (95 % interval 1.8",
		"Under python3.13 processes beat threads: py-pool on 2 cores is 1.89", " times as fast as py-threads on 1 core (95 % interval 1.8",
	}, []string{"Nothing was shown", "self", "Under parbench"})
}

// TestEachProgramIsComparedWithin: with the fastest of each other strategy, whichever program won, and only once.
func TestEachProgramIsComparedWithin(t *testing.T) {
	python := func(program string, slower float64) []runtest.Cell {
		return under(program, cell("py-sequential", 1, 200*slower, .002), cell("py-threads", 2, 200*slower, .002), cell("py-asyncio", 2, 300*slower, .002), cell("py-pool", 2, 100*slower, .002))
	}
	alone := under("self", cell("sequential", 1, 400, .002), cell("pool", 2, 300, .002))
	got := analyse(t, runtest.Build(spec("cpu", append(append(python("python3.13", 1), python("python3.11", 1.2)...), alone...)...))).Tables[0].Finding
	said(t, got, []string{"Fastest: python3.13/py-pool on 2 cores", "Next comes python3.11/py-pool on 2 cores",
		"Under python3.13 py-pool on 2 cores is ", "Under python3.11 py-pool on 2 cores is ",
		"times as fast as py-asyncio on 2 cores (95 % interval ", "The lowest median of parbench is that of pool on 2 cores"},
		[]string{"Under parbench", "times as fast as py-threads on 2 cores (95 % interval 1.99"}) // which has been said, with the programs' names

	// The next best is of the winner's program and has been told; a reference may be a program's fastest.
	c := append(under("self", cell("sequential", 1, 10, .002), cell("pool", 2, 5, .002), cell("threads", 2, 6, .002)),
		under("python3.11", cell("py-sequential", 1, 100, .002), cell("py-threads", 2, 125, .002), cell("py-pool", 2, 150, .002))...)
	said(t, analyse(t, runtest.Build(spec("cpu", c...))).Tables[0].Finding, []string{"Next comes threads",
		"Under python3.11 py-sequential is 1.248 times as fast as py-threads on 2 cores (", "), 1.498 times as fast as py-pool on 2 cores ("}, []string{"Under parbench"})

	// Too few rounds for an interval give a ratio that says so.
	s := spec("cpu", c...)
	s.Rounds = 3
	said(t, analyse(t, runtest.Build(s)).Tables[0].Finding, []string{"py-threads on 2 cores (no interval: 3 rounds are too few)"}, nil)
}

// TestTheFirstProgramsReference: the second speedup of a table, what is said of how busy one core was, and the warnings about
// the reference are of the first program of the run that has one, in whichever order the cells are.
func TestTheFirstProgramsReference(t *testing.T) {
	ours := under("self", busy(cell("sequential", 1, 10, .001), .97), cell("goroutines", 2, 5, .001))
	theirs := under("python3.11", busy(cell("py-sequential", 1, 200, .001), .3), cell("py-pool", 2, 100, .001))
	last := under("python3.13", cell("py-sequential", 1, 400, .001), cell("py-pool", 2, 250, .001))
	all := slices.Concat(ours, theirs, last)
	asked := func(order ...int) []runtest.Cell {
		var cells []runtest.Cell
		for _, i := range order {
			cells = append(cells, all[i])
		}
		return cells
	}
	var programs []results.Program
	for _, label := range []string{"self", "python3.11", "python3.13"} {
		programs = append(programs, results.Program{Label: label})
	}
	run := func(cells []runtest.Cell) *results.Run {
		s := spec("mixed", cells...)
		s.Environment.Programs = programs
		return runtest.Build(s)
	}
	for _, tt := range []struct {
		why       string
		cells     []runtest.Cell
		reference int // of asked, in the order of the programs
	}{
		{"in order", asked(0, 2, 1, 3), 0},
		{"Python's reference was added before Go's", asked(2, 0, 1, 3), 0},
		{"Go's comes last", asked(2, 3, 1, 0), 0},
		{"two interpreters", asked(4, 2, 0, 1, 5, 3), 0},
		{"Python alone", asked(4, 2, 5, 3), 2},
		{"one program", asked(5, 4), 4},
	} {
		tab := analyse(t, run(tt.cells)).Tables[0]
		ref, want := tab.Rows[max(tab.Reference, 0)].Cell, all[tt.reference]
		if tab.Reference < 0 || ref.Program != want.Program || ref.Strategy != want.Strategy {
			t.Errorf("%s: the reference is row %d, %s of %s", tt.why, tab.Reference, ref.Strategy, ref.Program)
			continue
		}
		for i, c := range tt.cells {
			over := want.PerTask / c.PerTask
			if got := tab.Rows[i].VsReference; tt.why == "one program" && got.N != 0 || tt.why != "one program" && math.Abs(got.Point/over-1) > .02 {
				t.Errorf("%s: %s of %s is %v over the reference, want %v", tt.why, c.Strategy, c.Program, got, over)
			}
		}
		said(t, tab.Finding, []string{fmt.Sprintf("keep a core busy %.0f %% of the time", want.Busy*100)}, nil)
	}

	// The reference that failed is told of when it is this one, and only then.
	warned := func(failed int) bool {
		cells := asked(2, 0, 1, 3)
		cells[failed] = failing(cells[failed], results.Crashed, 0)
		return slices.ContainsFunc(analyse(t, run(cells)).Tables[0].Warnings, func(w analysis.Warning) bool { return w.Code == analysis.CodeRefFailed })
	}
	if warned(0) || !warned(1) {
		t.Errorf("warned of the reference when py-sequential failed: %t, when sequential did: %t", warned(0), warned(1))
	}
}
