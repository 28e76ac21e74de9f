package comparison

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
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

// BenchmarkFiles10000 reads two files of 10,000 trials at the same time, as parbench compare does, and compares all their
// metrics. The budget is 0.5 s on two CPUs.
func BenchmarkFiles10000(b *testing.B) {
	for _, cells := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("cells=%d", cells), func(b *testing.B) {
			base, head := written(b, cells, 1), written(b, cells, 2)
			for b.Loop() {
				var x, y *codec.Suite
				var errX, errY error
				var reading sync.WaitGroup
				reading.Go(func() { y, errY = codec.ReadFile(head) })
				x, errX = codec.ReadFile(base)
				reading.Wait()
				if err := errors.Join(errX, errY); err != nil {
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
