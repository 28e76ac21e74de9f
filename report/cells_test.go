package report

import (
	"strings"
	"testing"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis/runtest"
)

// TestEmptyColumnsHaveNoUnit: a workload of which nothing could be measured has no times that a unit would be of, and one
// that was asked for stays.
func TestEmptyColumnsHaveNoUnit(t *testing.T) {
	cell := func(strategy string, fail results.Status) runtest.Cell {
		return runtest.Cell{Cell: results.Cell{Strategy: strategy, Cores: 2, Workers: 2}, PerTask: 1e-3, Noise: .002, Busy: 1, Fail: fail, Reason: "no"}
	}
	rep := func(fail results.Status) (text, page string) {
		r := analysed(t, runtest.Build(runtest.Spec{Environment: runtest.Machine(), Workloads: []runtest.Workload{
			{Entry: results.PlanEntry{Key: "primes", Name: "primes", Kind: "cpu", Tasks: 64}, Cells: []runtest.Cell{cell("pool", fail), cell("threads", fail)}}}}))
		return textOf(t, r, TextOptions{Width: 120}), pageOf(t, r, MDOptions{})
	}
	text, page := rep(results.TaskFailed)
	for _, want := range []string{"time per task", "| time per task |", "| time per batch |", "| peak memory |"} {
		if !strings.Contains(text+page, want) {
			t.Errorf("lacks %q:\n%s\n%s", want, text, page)
		}
	}
	for _, not := range []string{"s per task", "s per batch", "peak memory, B"} {
		if strings.Contains(text, " "+not) || strings.Contains(page, not) {
			t.Errorf("has %q:\n%s\n%s", not, text, page)
		}
	}
	if text, page = rep(""); !strings.Contains(text, "µs per task") && !strings.Contains(text, "ms per task") || strings.Contains(page, "| time per task") {
		t.Errorf("no unit:\n%s", text)
	}
	failed := analysed(t, runtest.Build(runtest.Spec{Environment: runtest.Machine(), Workloads: []runtest.Workload{
		{Entry: results.PlanEntry{Key: "primes", Name: "primes", Kind: "cpu", Tasks: 64}, Cells: []runtest.Cell{cell("pool", results.TaskFailed)}}}}))
	if text := textOf(t, failed, TextOptions{Width: 120, TimeUnit: "ms"}); !strings.Contains(text, "ms per task") {
		t.Errorf("another unit than asked for:\n%s", text)
	}
}
