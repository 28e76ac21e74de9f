package analysis_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/runtest"
)

// splitSpec is a calm run in which the second cell has the given split and takes that much longer a task.
func splitSpec(s runtest.Split) runtest.Spec {
	spec := calm()
	spec.Probes = 8
	cells := spec.Workloads[0].Cells
	cells[0].Split = &runtest.Split{} // the reference: nothing but execution
	cells[1].Split = &s
	return spec
}

func about(a, b float64) bool { return math.Abs(a-b) <= 0.02*math.Abs(b)+1e-12 }

func TestSplitIsWhatWasPutIn(t *testing.T) {
	spec := splitSpec(runtest.Split{Start: .1, Between: .2, Idle: .05, Join: .05, Transfer: .02})
	cell := spec.Workloads[0].Cells[1]
	rep := analyse(t, smooth(runtest.Build(spec)))
	r := &rep.Tables[0].Rows[1]
	s := r.Split
	if !s.Observed() || s.N != 8 || s.Workers != r.Cell.Workers || !s.OwnWorkers || s.Stamped != 1 {
		t.Fatalf("split %+v", s)
	}
	for name, c := range map[string]struct {
		got  analysis.Interval
		want float64
	}{
		"start": {s.Start, .1 * cell.PerTask}, "execution": {s.Execution, .6 * cell.PerTask}, "between": {s.Between, .2 * cell.PerTask},
		"idle": {s.Idle, .05 * cell.PerTask}, "join": {s.Join, .05 * cell.PerTask}, "transfer": {s.Transfer, .02 * cell.PerTask},
		"wall": {s.Wall, cell.PerTask}, "share": {s.Share, .6}, "against": {s.Against, 1},
		"task": {s.Task, .6 * cell.PerTask * float64(r.Cell.Workers)},
	} {
		if !about(c.got.Point, c.want) || c.got.N != 8 || !c.got.Has() || c.got.Lo > c.got.Point || c.got.Hi < c.got.Point {
			t.Errorf("%s: %+v, want %v", name, c.got, c.want)
		}
	}
	ref := rep.Tables[0].Rows[0].Split
	if want := s.Task.Point / ref.Task.Point; !about(s.Slower.Point, want) || !s.Slower.Has() || ref.Slower.Point != 1 {
		t.Errorf("a task took %+v times as long as alone, want %v", s.Slower, want)
	}
	sum := 0.0
	for _, p := range s.Parts() {
		sum += p.Time.Point
	}
	if !about(sum, s.Wall.Point) {
		t.Errorf("the parts add up to %v, the whole is %v", sum, s.Wall.Point)
	}
}

// TestSplitTakesUsedTrialsOnly: a trial that others disturbed, and was repeated, has no part in it.
func TestSplitTakesUsedTrialsOnly(t *testing.T) {
	spec := splitSpec(runtest.Split{Start: .1})
	run := smooth(runtest.Build(spec))
	var bad results.Trial
	for i := range run.Trials {
		if tr := &run.Trials[i]; tr.Cell == 1 && tr.Round == 0 {
			bad = *tr
			bad.Split = &results.Split{Tasks: 1, Batches: 1, Workers: 1, WallNS: 1e9, IdleNS: 1e9, Stamped: 1}
			bad.Others = &results.Outside{Flagged: true}
			tr.Attempt = 1
		}
	}
	run.Trials = append(run.Trials, bad)
	rep := analyse(t, run)
	if s := rep.Tables[0].Rows[1].Split; s.N != 8 || s.Idle.Point != 0 || s.Idle.Hi != 0 {
		t.Errorf("split %+v", s)
	}
}

func TestNothingProbedSaysNothing(t *testing.T) {
	spec := calm()
	rep := analyse(t, smooth(runtest.Build(spec)))
	if len(rep.Unobserved) > 0 || rep.Split() {
		t.Errorf("not observed: %v", rep.Unobserved)
	}
	for i := range rep.Tables {
		tab := &rep.Tables[i]
		for k := range tab.Rows {
			if s := tab.Rows[k].Split; s != nil || s.Observed() {
				t.Errorf("%s has a split", tab.Rows[k].Name)
			}
		}
		if tab.SplitFinding != "" {
			t.Errorf("finding %q", tab.SplitFinding)
		}
	}
}

func TestSplitFinding(t *testing.T) {
	spec := splitSpec(runtest.Split{Start: .01, Between: .02, Idle: .36, Join: .01})
	rep := analyse(t, smooth(runtest.Build(spec)))
	got := rep.Tables[0].SplitFinding
	for _, want := range []string{"The least part of the workers' time went into tasks under " + spec.Workloads[0].Cells[1].Strategy, ": 60 % (", "the largest other part was idling after a worker's last task, 36 %"} {
		if !strings.Contains(got, want) {
			t.Errorf("finding %q lacks %q", got, want)
		}
	}
	slow := splitSpec(runtest.Split{})
	slow.Workloads[0].Cells[1].Workers = 3
	slow.Workloads[0].Cells[1].PerTask = slow.Workloads[0].Cells[0].PerTask
	got = analyse(t, smooth(runtest.Build(slow))).Tables[0].SplitFinding
	if !strings.Contains(got, "3.0") && !strings.Contains(got, " 3 times as long as alone") {
		t.Errorf("finding %q does not say that a task took three times as long", got)
	}
}

func TestUnobserved(t *testing.T) {
	find := func(list []analysis.Unobserved, what string) *analysis.Unobserved {
		if k := slices.IndexFunc(list, func(u analysis.Unobserved) bool { return u.What == what }); k >= 0 {
			return &list[k]
		}
		return nil
	}
	of := func(s runtest.Split) *analysis.Report {
		spec := splitSpec(s)
		spec.Workloads[0].Cells[1].Workers = 2 // of a single one it is known that it ran every task
		return analyse(t, smooth(runtest.Build(spec)))
	}
	told := runtest.Split{NoWorkers: true, Unseen: []results.Unseen{{What: "the weather", Why: "no window."}}}
	tab := of(told)
	if u := find(tab.Unobserved, "the weather"); u == nil || !slices.Equal(u.Rows, []string{tab.Tables[0].Rows[1].Name}) || !strings.HasSuffix(u.Sentence(), "): no window.") {
		t.Errorf("%+v", tab.Unobserved)
	}
	if u := find(tab.Unobserved, "which worker ran a task"); u == nil {
		t.Errorf("%+v", tab.Unobserved)
	}
	if u := find(tab.Unobserved, "transfer apart from dispatch"); u == nil || u.Who() != "every strategy" {
		t.Errorf("%+v", tab.Unobserved)
	}
	tab = of(runtest.Split{NoWorkers: true, Stamped: .3})
	if find(tab.Unobserved, "each single task") == nil || find(tab.Unobserved, "which worker ran a task") == nil {
		t.Errorf("%+v", tab.Unobserved)
	}
}

// TestBetweenOrIdle: where nobody tells which worker ran a task, no part is a guess at whether workers without one idled, and the
// finding names what is known. One worker, and workers of one task each, leave nothing to guess.
func TestBetweenOrIdle(t *testing.T) {
	for name, c := range map[string]struct {
		workers int
		own     bool
		each    bool // task has its worker
		merged  bool
	}{"unknown": {2, false, false, true}, "known": {2, true, false, false}, "one worker": {1, false, false, false}, "one task each": {2, false, true, false}} {
		spec := splitSpec(runtest.Split{Between: .2, Idle: .05, NoWorkers: !c.own})
		cell := &spec.Workloads[0].Cells[1]
		cell.Workers, cell.Unbounded = c.workers, c.each
		tab := analyse(t, smooth(runtest.Build(spec))).Tables[0]
		s, wall := tab.Rows[1].Split, tab.Rows[1].Split.Wall.Point
		sum := 0.0
		for _, p := range s.Parts() {
			sum += p.Time.Point
		}
		if !about(sum, wall) {
			t.Errorf("%s: the parts add up to %v of %v", name, sum, wall)
		}
		switch {
		case !c.merged:
			if s.Either.N != 0 || !about(s.Between.Point, .2*wall) || !about(s.Idle.Point, .05*wall) {
				t.Errorf("%s: %+v", name, s)
			}
		case s.Between.N != 0 || s.Idle.N != 0 || !about(s.Either.Point, .25*wall) || !s.Either.Has():
			t.Errorf("%s: %+v", name, s)
		case !strings.Contains(tab.SplitFinding, "the largest other part was being between two tasks or idle, which cannot be told apart here, 25 %"):
			t.Errorf("%s: %s", name, tab.SplitFinding)
		}
	}
}

// TestTasksThatWaitForTheirTurn: with more tasks in flight than cores, how long one took says how long it waited for a core.
func TestTasksThatWaitForTheirTurn(t *testing.T) {
	build := func(kind string, fill func(cells []runtest.Cell)) *analysis.Table {
		spec := splitSpec(runtest.Split{})
		spec.Workloads[0].Entry.Kind = kind
		cells := spec.Workloads[0].Cells
		for i := range cells[1:] {
			cells[i+1].Split, cells[i+1].PerTask = &runtest.Split{}, cells[0].PerTask
			cells[i+1].Workers = cells[i+1].Cores
		}
		fill(cells)
		return &analyse(t, smooth(runtest.Build(spec))).Tables[0]
	}
	crowd := func(c *runtest.Cell) { c.Unbounded, c.PerTask = true, 5*c.PerTask }
	for _, tt := range []struct {
		name, kind string
		fill       func(cells []runtest.Cell)
		want, not  []string
	}{
		{"left out of the comparison", "cpu", func(c []runtest.Cell) { crowd(&c[1]); c[2].Workers, c[2].Cores, c[2].PerTask = 2, 2, c[0].PerTask },
			[]string{"A task took longest under ", " on 2 cores, of strategies with no more tasks in flight than cores: "}, []string{"; it had more"}},
		{"nothing else was slower", "cpu", func(c []runtest.Cell) {
			crowd(&c[1])
			for i := range c[2:] {
				c[i+2].PerTask = c[0].PerTask / float64(c[i+2].Workers)
			}
		}, []string{"could be shown of no strategy that has no more tasks in flight than cores."}, []string{"longest under"}},
		{"work that waits says so", "io", func(c []runtest.Cell) { crowd(&c[1]) },
			[]string{"A task took longest under ", "; it had more tasks in flight than cores, and what they waited for their turn on one is in that."}, []string{"of strategies with"}},
	} {
		t.Run(tt.name, func(t *testing.T) { said(t, build(tt.kind, tt.fill).SplitFinding, tt.want, tt.not) })
	}
	for _, tt := range []struct {
		cell results.Cell
		want bool
	}{
		{results.Cell{Cores: 2, Workers: 2, Tasks: 32}, false}, {results.Cell{Cores: 2, Workers: 3}, true},
		{results.Cell{Cores: 2, Workers: 2, Tasks: 32, Unbounded: true}, true}, {results.Cell{Cores: 2, Workers: 2, Tasks: 2, Unbounded: true}, false},
		{results.Cell{Cores: 4, Workers: 4, Oversub: true}, true},
	} {
		if r := (&analysis.Row{Cell: tt.cell}); r.TakesTurns() != tt.want {
			t.Errorf("%+v: takes turns %v", tt.cell, r.TakesTurns())
		}
	}
}
