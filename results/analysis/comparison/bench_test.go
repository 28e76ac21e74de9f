package comparison

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis/runtest"
	"github.com/parbench/parbench/results/codec"
)

// written writes a run of 10,000 trials: so many cells over the rounds that remain.
func written(b *testing.B, cells int, seed uint64) string {
	b.Helper()
	w := runtest.Workload{Entry: results.PlanEntry{Key: "primes", Name: "primes", Kind: "cpu", Tasks: 32}}
	for i := range cells {
		w.Cells = append(w.Cells, runtest.Cell{Cell: results.Cell{Strategy: fmt.Sprintf("strategy-%d", i), Cores: 2}, PerTask: 1e-3, Noise: .01, Busy: 2, Peak: 1 << 24})
	}
	run := runtest.Build(runtest.Spec{Rounds: 10_000 / cells, Seed: seed, Environment: runtest.Machine(), Workloads: []runtest.Workload{w}})
	path := filepath.Join(b.TempDir(), "run.jsonl")
	out, err := results.Create(path, run.Header)
	if err != nil {
		b.Fatal(err)
	}
	for i := range run.Trials {
		if err := out.Trial(&run.Trials[i]); err != nil {
			b.Fatal(err)
		}
	}
	if err := out.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}

// BenchmarkFiles10000 reads and compares two files of 10,000 trials, all metrics. The budget is 0.5 s.
func BenchmarkFiles10000(b *testing.B) {
	for _, cells := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("cells=%d", cells), func(b *testing.B) {
			base, head := written(b, cells, 1), written(b, cells, 2)
			for b.Loop() {
				x, err := codec.ReadFile(base)
				if err != nil {
					b.Fatal(err)
				}
				y, err := codec.ReadFile(head)
				if err != nil {
					b.Fatal(err)
				}
				rep, err := Files(x, y, "base", "head", Options{Secondary: true, AllowUnequalWork: true})
				if err != nil || len(rep.Families[0].Rows) != cells {
					b.Fatal(err)
				}
			}
		})
	}
}
