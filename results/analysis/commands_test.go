package analysis_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/runtest"
)

func rounds(n int) runtest.Spec {
	return runtest.Spec{Rounds: n, Seed: 11, Environment: runtest.Machine()}
}

func command(name string, ms, noise float64) runtest.Command {
	return runtest.Command{Name: name, Time: ms / 1e3, Noise: noise, User: 2e-3, System: 1e-3, Peak: 4 << 20}
}

func TestCommandFindings(t *testing.T) {
	broken := command("c", 5, .01)
	broken.Fail = results.TaskFailed
	tests := []struct {
		name     string
		rounds   int
		commands []runtest.Command
		want     string // %: any number
	}{
		{"two", 10, []runtest.Command{command("a", 20, .004), command("b", 10, .004)}, "'b' ran 2.00# times as fast as 'a'."},
		{"three", 10, []runtest.Command{command("a", 20, .004), command("b", 10, .004), command("c", 15, .004)},
			"'b' ran 1.5## times as fast as 'c' and 2.0## as 'a'."},
		{"many", 12, []runtest.Command{command("a", 10, .002), command("b", 20, .002), command("c", 30, .002), command("d", 40, .002),
			command("e", 50, .002), command("f", 60, .002)}, "'a' ran 2.0## times as fast as 'b', 2.99## as 'c' and 4.0## as 'd'; the other 2 took longer still."},
		{"too few rounds", 3, []runtest.Command{command("a", 20, .004), command("b", 10, .004)},
			"Not decided: 'b' had the lowest median, but 3 rounds cannot tell 2 commands apart, however different they are: no test can pass with fewer than 6 (--rounds 6)."},
		{"more of them need more rounds", 6, []runtest.Command{command("a", 20, .004), command("b", 10, .004), command("c", 30, .004)},
			"Not decided: 'b' had the lowest median, but 6 rounds cannot tell 3 commands apart, however different they are: corrected for 2 comparisons, no test can pass with fewer than 7 (--rounds 7). An interval holds for its row alone; the decision has to hold for all rows at once."},
		{"one fails", 10, []runtest.Command{command("a", 20, .004), broken},
			"Only 'a' gave usable times; there is nothing to compare it with. The command 'c' failed (error) and is out of the comparison."},
		{"all fail", 10, []runtest.Command{broken, {Name: "d", Time: .01, Fail: results.Crashed}}, "Nothing was measured. 2 commands failed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rep := analyse(t, runtest.Commands(rounds(tt.rounds), results.Commands{}, tt.commands...))
			if len(rep.Commands) != 1 {
				t.Fatalf("%d comparisons", len(rep.Commands))
			}
			got := rep.Commands[0].Finding
			rest := got
			for _, part := range strings.Split(tt.want, "#") {
				at := strings.Index(rest, part)
				if at < 0 || len(rest[:at]) > 20 {
					t.Fatalf("got  %s\nwant %s", got, tt.want)
				}
				rest = rest[at+len(part):]
			}
		})
	}
}

// The truth is known here: the ratio's interval must hold it, and what is alike must not be told apart.
func TestCommandsComparedByRounds(t *testing.T) {
	s := rounds(20)
	s.Shared = 0.2 // a machine that changes from round to round: only pairs see a difference of 5 %
	run := runtest.Commands(s, results.Commands{}, command("a", 10, .005), command("b", 10.5, .005), command("c", 10, .005))
	c := analyse(t, run).Commands[0]
	if c.Winner.Has(1) || !c.Winner.Has(0) || !c.Winner.Has(2) {
		t.Errorf("the fastest are %v", c.Winner.Set)
	}
	v := c.Rows[1].VsBest
	if !v.Has() || v.N != 20 || v.Lo > 1.05 || v.Hi < 1.05 || v.Hi-v.Lo > 0.02 {
		t.Errorf("b took %+v times as long", v)
	}
	if p := c.Rows[1].PerTask; p.Hi-p.Lo < 1e-3 {
		t.Errorf("the test has lost its sense: unpaired, b takes %+v", p)
	}
	if !strings.Contains(c.Finding, "'c' cannot be told apart; the first of them ran 1.0") && !strings.Contains(c.Finding, "'a' cannot be told apart; the first of them ran 1.0") {
		t.Error(c.Finding)
	}
}

func TestCommandCosts(t *testing.T) {
	odd := command("a", 20, .004)
	odd.Bound, odd.Exits = true, map[string]int{"0": 2, "1": 3, "signal 9": 1}
	run := runtest.Commands(rounds(10), results.Commands{Shell: "sh", Allow: "all"}, odd, command("b", 10, .004))
	rep := analyse(t, run)
	a, b := rep.Commands[0].Rows[0], rep.Commands[0].Rows[1]
	if u, s := a.Costs.User, a.Costs.System; math.Abs(u.Point-2e-3) > 1e-9 || math.Abs(s.Point-1e-3) > 1e-9 || !u.Has() {
		t.Errorf("user %+v, system %+v", u, s)
	}
	if !a.Costs.PeakBound || b.Costs.PeakBound || a.PeakBytes != 4<<20 {
		t.Errorf("peak %d, bound %v and %v", a.PeakBytes, a.Costs.PeakBound, b.Costs.PeakBound)
	}
	if math.Abs(rep.Shell.Point-624.5e-6) > 1e-9 {
		t.Errorf("shell %+v", rep.Shell)
	}
	var texts []string
	for _, w := range append(a.Warnings, b.Warnings...) {
		if w.Code == analysis.CodeExits {
			texts = append(texts, w.Text)
		}
	}
	want := []string{"40 of 60 commands ended with signal 9 and status 1, which --ignore-failure allows"}
	if d := cmp.Diff(want, texts); d != "" {
		t.Error(d)
	}
	if got := rep.Tables[0].Answer; !strings.HasPrefix(got, "It takes 20") || !strings.Contains(got, "of processor time 2.00 ms in user mode and 1.00 ms in the kernel") {
		t.Error(got)
	}
}

// One trial of a long command may know no more than a bound where the others know the value.
func TestCommandPeakOfTrialsThatDiffer(t *testing.T) {
	const mib = 1 << 20
	for _, tt := range []struct {
		exact, bounds []int64
		want          int64
		bound         bool
	}{
		{[]int64{2 * mib, 2 * mib, 3 * mib}, []int64{9 * mib, 8 * mib}, 2 * mib, false},
		{[]int64{9 * mib}, []int64{8 * mib, 8 * mib}, 8 * mib, true}, // above a bound: the trials differ, and the exact ones are the large ones
		{[]int64{2 * mib}, nil, 2 * mib, false},
		{nil, []int64{8 * mib, 6 * mib}, 7 * mib, true},
		{nil, nil, 0, false},
	} {
		run := runtest.Commands(rounds(len(tt.exact)+len(tt.bounds)+1), results.Commands{}, command("a", 10, .01))
		for i := range run.Trials {
			tr := &run.Trials[i]
			tr.PeakBytes, tr.PeakBound = 0, true // not known
			if k := i - len(tt.exact); k < 0 {
				tr.PeakBytes, tr.PeakBound = tt.exact[i], false
			} else if k < len(tt.bounds) {
				tr.PeakBytes = tt.bounds[k]
			}
		}
		r := analyse(t, run).Tables[0].Rows[0]
		if r.PeakBytes != tt.want || r.Costs.PeakBound != tt.bound {
			t.Errorf("%v and at most %v: %d, bound %v", tt.exact, tt.bounds, r.PeakBytes, r.Costs.PeakBound)
		}
	}
}

func TestCommandTables(t *testing.T) {
	way := func(strategy string, cores int) runtest.Cell {
		return runtest.Cell{Cell: results.Cell{Program: "commands", Strategy: strategy, Cores: cores}, PerTask: .01, Noise: .01}
	}
	scan := func(v string, cells ...runtest.Cell) runtest.Command {
		return runtest.Command{Name: "sleep {d}", Key: "sleep " + v, Params: map[string]string{"d": v}, Time: .01, Cells: cells}
	}
	run := runtest.Commands(rounds(6), results.Commands{Params: []results.CommandParameter{{Name: "other"}, {Name: "d"}}},
		scan("1", way("sequential", 1), way("pool", 2)), scan("2", way("sequential", 1), way("pool", 2), way("pool", 1)),
		runtest.Command{Name: "true", Time: .01, Cells: []runtest.Cell{way("pool", 2)}})
	type table struct {
		Strategy string
		Cores    int
		Params   []string
		Keys     []string
	}
	var got []table
	for _, c := range analyse(t, run).Commands {
		tab := table{c.Strategy, c.Cores, c.Params, nil}
		for _, r := range c.Rows {
			tab.Keys = append(tab.Keys, r.Key)
		}
		got = append(got, tab)
	}
	want := []table{{"sequential", 1, []string{"d"}, []string{"sleep 1", "sleep 2"}}, {"pool", 2, []string{"d"}, []string{"sleep 1", "sleep 2", "true"}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if rep := analyse(t, runtest.Realistic()); rep.Commands != nil || rep.Tables[0].Rows[0].Costs != nil {
		t.Error("a run without commands compares some")
	}
}

// The user may want another row than the fastest to be what the others are compared with.
func TestCommandReference(t *testing.T) {
	broken := command("c", 5, .01)
	broken.Fail = results.TaskFailed
	abc := []runtest.Command{command("a", 20, .002), command("b", 10, .002), command("c", 30, .002)}
	for _, tt := range []struct {
		name, reference string
		rounds          int
		commands        []runtest.Command
		base            int
		want, not       string
	}{
		{"a slower one", "a", 10, abc, 0, "Against the reference 'a', 'b' took 0.", ""},
		{"the fastest", "b", 10, abc, 1, "'b' ran", "Against"},
		{"none", "", 10, abc, 1, "'b' ran", "reference"},
		{"too few rounds to tell", "a", 3, abc, 0, "Not decided", "Against"},
		{"one that failed", "c", 10, []runtest.Command{command("a", 20, .002), command("b", 10, .002), broken}, 1,
			"The reference 'c' gave no usable times: times are relative to the fastest.", "Against"},
		{"one that is not there", "z", 10, abc, 1, "'b' ran", "reference"},
		{"all failed", "c", 10, []runtest.Command{broken}, -1, "Nothing was measured", "Against"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := analyse(t, runtest.Commands(rounds(tt.rounds), results.Commands{Reference: tt.reference}, tt.commands...)).Commands[0]
			if c.Base() != tt.base {
				t.Errorf("times are relative to row %d, want %d", c.Base(), tt.base)
			}
			if !strings.Contains(c.Finding, tt.want) || tt.not != "" && strings.Contains(c.Finding, tt.not) {
				t.Errorf("finding: %s", c.Finding)
			}
			for i, r := range c.Rows {
				if i == tt.base || r.OK == 0 {
					if r.Relative.N != 0 {
						t.Errorf("row %d has a ratio: %v", i, r.Relative)
					}
					continue
				}
				want := tt.commands[i].Time / tt.commands[tt.base].Time
				if math.Abs(r.Relative.Point/want-1) > .05 || r.Relative.Has() && (r.Relative.Lo > want*1.02 || r.Relative.Hi < want*.98) {
					t.Errorf("row %d took %v times as long, want %v", i, r.Relative, want)
				}
			}
		})
	}
}
