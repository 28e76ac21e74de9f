package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
)

// sound is a report in which every shape holds.
func sound() *analysis.Report {
	rep := &analysis.Report{Used: 100}
	for _, s := range expected() {
		iv := analysis.Interval{Point: s.lo * 1.1, Lo: s.lo * 1.05, Hi: s.lo * 1.15, Level: 0.97, N: 15}
		at := -1
		for i, t := range rep.Tables {
			if t.Entry.Name == s.workload {
				at = i
			}
		}
		if at < 0 {
			at = len(rep.Tables)
			rep.Tables = append(rep.Tables, analysis.Table{Entry: results.PlanEntry{Name: s.workload}})
		}
		t := &rep.Tables[at]
		// The same strategy on one core comes first and must not be taken for it.
		for _, c := range []int{1, cores} {
			row := analysis.Row{Cell: results.Cell{Strategy: s.strategy, Cores: c}, Speedup: iv}
			if c == 1 {
				row.Speedup = analysis.Interval{Point: 1, Lo: 0.99, Hi: 1.01, Level: 0.97, N: 15}
			}
			t.Rows = append(t.Rows, row)
		}
	}
	return rep
}

// find returns the judged row of a workload and strategy.
func find(t *testing.T, rep *analysis.Report, workload, strategy string) *analysis.Row {
	t.Helper()
	for i := range rep.Tables {
		for j := range rep.Tables[i].Rows {
			r := &rep.Tables[i].Rows[j]
			if rep.Tables[i].Entry.Name == workload && r.Cell.Strategy == strategy && r.Cell.Cores == cores {
				return r
			}
		}
	}
	t.Fatalf("no row for %s, %s", workload, strategy)
	return nil
}

func TestJudge(t *testing.T) {
	tests := []struct {
		name   string
		spoil  func(t *testing.T, rep *analysis.Report)
		missed int
	}{
		{"sound", func(*testing.T, *analysis.Report) {}, 0},
		{"interval reaches down to the bound", func(t *testing.T, rep *analysis.Report) {
			find(t, rep, "primes", "pool").Speedup.Lo = 1.7
		}, 1},
		{"lock that does not hold", func(t *testing.T, rep *analysis.Report) {
			find(t, rep, "matmul", "gil").Speedup = analysis.Interval{Point: 1.09, Lo: 1.05, Hi: 1.12, Level: 0.97, N: 15}
		}, 1},
		{"too few rounds for an interval", func(t *testing.T, rep *analysis.Report) {
			find(t, rep, "sleep", "dummy-pool").Speedup.Level = 0
		}, 1},
		{"failed cell", func(t *testing.T, rep *analysis.Report) {
			find(t, rep, "http", "gil").Speedup = analysis.Interval{}
		}, 1},
		{"workload not run", func(_ *testing.T, rep *analysis.Report) {
			rep.Tables = rep.Tables[1:]
		}, 5},
		{"empty", func(_ *testing.T, rep *analysis.Report) { rep.Tables = nil }, len(expected())},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rep := sound()
			tt.spoil(t, rep)
			var out strings.Builder
			missed, err := judge(rep, &out)
			if err != nil || missed != tt.missed {
				t.Errorf("missed %d shapes, error %v; want %d\n%s", missed, err, tt.missed, out.String())
			}
			if got := strings.Count(out.String(), "MISS"); got != tt.missed {
				t.Errorf("the table shows %d misses, want %d\n%s", got, tt.missed, out.String())
			}
		})
	}
}

func TestRunBadInput(t *testing.T) {
	foreign := filepath.Join(t.TempDir(), "foreign.jsonl")
	if err := os.WriteFile(foreign, []byte("{\"type\":\"song\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{nil, {foreign}, {foreign + ".missing"}} {
		var out, errs strings.Builder
		if code := run(args, &out, &errs); code != 2 || errs.Len() == 0 {
			t.Errorf("run(%q) = %d with %q on stderr, want 2 and a reason", args, code, errs.String())
		}
	}
}
