package report

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/runtest"
)

// million writes a run file with 1,000,000 measured batches: 50 cells × rounds trials of as many batches as that takes.
func million(b *testing.B, rounds int) string {
	b.Helper()
	s := runtest.Spec{Rounds: rounds, Environment: runtest.Machine()}
	for i := range 5 {
		w := runtest.Workload{Entry: results.PlanEntry{Key: fmt.Sprintf("w%d", i), Name: "w", Kind: "cpu", Tasks: 32}}
		for j := range 10 {
			c := runtest.Cell{Cell: results.Cell{Strategy: fmt.Sprintf("s%d", j/2), Cores: 1 + j%2}, PerTask: 1e-3 / float64(1+j%2),
				Noise: .01, Busy: 1, Peak: 1 << 24, Setup: 1e-4, Batches: 1_000_000 / 50 / rounds}
			c.Reference = j == 0
			w.Cells = append(w.Cells, c)
		}
		s.Workloads = append(s.Workloads, w)
	}
	run := runtest.Build(s)
	path := filepath.Join(b.TempDir(), "run.jsonl")
	w, err := results.Create(path, run.Header)
	if err != nil {
		b.Fatal(err)
	}
	for i := range run.Trials {
		if err := w.Trial(&run.Trials[i]); err != nil {
			b.Fatal(err)
		}
	}
	if err := w.Note(run.Notes[0]); err != nil {
		b.Fatal(err)
	}
	if err := w.Close(); err != nil {
		b.Fatal(err)
	}
	return path
}

// BenchmarkMillionBatches reads, analyses and reports a run of a million batches, as text and as a page. The limit is
// 2 s and 300 MB; peak-MB is the whole process's peak of resident memory while it does so, where the system tells it.
func BenchmarkMillionBatches(b *testing.B) {
	for _, rounds := range []int{20, 2000} {
		b.Run(fmt.Sprintf("trials=%d", 50*rounds), func(b *testing.B) {
			path := million(b, rounds)
			debug.FreeOSMemory()
			resetPeak()
			b.ReportAllocs()
			b.ResetTimer()
			for b.Loop() {
				run, err := results.ReadFile(path)
				if err != nil {
					b.Fatal(err)
				}
				rep, err := analysis.Analyse(run, analysis.Options{})
				if err != nil {
					b.Fatal(err)
				}
				var out bytes.Buffer
				if err := Text(&out, rep, TextOptions{}); err != nil {
					b.Fatal(err)
				}
				if err := Markdown(&out, rep, MDOptions{}); err != nil {
					b.Fatal(err)
				}
				if rep.Used != 50*rounds {
					b.Fatalf("%d trials used", rep.Used)
				}
			}
			b.StopTimer()
			if kib := peak(); kib > 0 {
				b.ReportMetric(float64(kib)/1e3*1.024, "peak-MB")
			}
		})
	}
}

// resetPeak sets the peak of resident memory back to what is resident now (Linux, proc(5): clear_refs); peak returns it
// in KiB, 0 where the system does not tell.
func resetPeak() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o200) }

func peak() (kib int) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
	_, _ = fmt.Sscan(string(rest), &kib)
	return kib
}
