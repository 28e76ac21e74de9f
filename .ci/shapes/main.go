// Command shapes reads a run file made by .ci/bench-shapes and checks the shapes
// that any sound measurement on two quiet cores shows: computing scales where
// threads or processes share the work and does not under a global lock, and
// waiting overlaps everywhere.
//
//	go run ./.ci/shapes RUN.jsonl
//
// It prints a table with "ok" or "MISS" and exits 1 when anything is missed.
package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"text/tabwriter"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	if len(args) != 1 {
		fmt.Fprintln(stderr, "usage: go run ./.ci/shapes RUN.jsonl")
		return 2
	}
	file, err := results.ReadFile(args[0])
	if err != nil {
		fmt.Fprintln(stderr, "shapes:", err)
		return 2
	}
	rep, err := analysis.Analyse(file, analysis.Options{})
	if err != nil {
		fmt.Fprintln(stderr, "shapes:", err)
		return 2
	}
	missed, err := judge(rep, stdout)
	if err != nil {
		fmt.Fprintln(stderr, "shapes:", err)
		return 2
	}
	if missed > 0 {
		return 1
	}
	return 0
}

// shape is an expectation: the whole confidence interval of the speedup over the
// sequential reference lies between Lo and Hi.
type shape struct {
	workload, strategy string
	lo, hi             float64
}

// cores is the core count the shapes hold for.
const cores = 2

// expected lists the shapes. A task of sleep or http waits; with 16 workers the
// best possible speedup is 16. Half of it is asked for where nothing but waiting
// happens, a quarter where each task also costs its client and the server some
// computing.
func expected() []shape {
	var list []shape
	for _, w := range []string{"primes", "sha256", "matmul", "mandelbrot", "sort", "json"} {
		for _, s := range []string{"goroutines", "pool", "threads", "process-pool"} {
			list = append(list, shape{w, s, 1.7, math.Inf(1)})
		}
		list = append(list, shape{w, "gil", 0.9, 1.1})
	}
	for _, s := range []string{"gil", "dummy-pool"} {
		list = append(list, shape{"sleep", s, 8, math.Inf(1)}, shape{"http", s, 4, math.Inf(1)})
	}
	return list
}

// judge prints the table and returns how many shapes were missed.
func judge(rep *analysis.Report, out io.Writer) (missed int, err error) {
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "workload\tstrategy\tcores\tspeedup\t95 % interval\texpected\t")
	list := expected()
	for _, s := range list {
		verdict, point, interval := "MISS", "-", "-"
		if iv, ok := speedup(rep, s.workload, s.strategy); ok {
			point = fmt.Sprintf("%.2f", iv.Point)
			if iv.Has() {
				interval = fmt.Sprintf("%.2f to %.2f", iv.Lo, iv.Hi)
				if iv.Lo > s.lo && iv.Hi < s.hi {
					verdict = "ok"
				}
			}
		}
		if verdict != "ok" {
			missed++
		}
		want := fmt.Sprintf("above %g", s.lo)
		if !math.IsInf(s.hi, 1) {
			want = fmt.Sprintf("inside %g to %g", s.lo, s.hi)
		}
		fmt.Fprintf(tw, "%s\t%s\t%d\t%s\t%s\t%s\t%s\n", s.workload, s.strategy, cores, point, interval, want, verdict)
	}
	if err := tw.Flush(); err != nil {
		return missed, err
	}
	fmt.Fprintf(out, "\n%d of %d shapes hold\n", len(list)-missed, len(list))
	if missed > 0 {
		explain(rep, out)
	}
	return missed, nil
}

// speedup finds the cell of a strategy on the judged number of cores. A cell that
// failed has no samples; that is a missing speedup.
func speedup(rep *analysis.Report, workload, strategy string) (analysis.Interval, bool) {
	for i := range rep.Tables {
		t := &rep.Tables[i]
		if t.Entry.Name != workload {
			continue
		}
		for j := range t.Rows {
			r := &t.Rows[j]
			if r.Cell.Strategy == strategy && r.Cell.Cores == cores && r.Speedup.N > 0 {
				return r.Speedup, true
			}
		}
	}
	return analysis.Interval{}, false
}

// explain says what about the machine may have spoilt the shapes.
func explain(rep *analysis.Report, out io.Writer) {
	for _, c := range rep.Ceiling {
		if c.Cores == cores {
			fmt.Fprintf(out, "The machine's own ceiling on %d cores: %.2f (%.2f to %.2f); nothing can scale beyond it.\n",
				cores, c.Speedup.Point, c.Speedup.Lo, c.Speedup.Hi)
		}
	}
	fmt.Fprintf(out, "Trials: %d used, %d disturbed by other processes, %d failed. A machine that is not quiet misses shapes: see 'parbench doctor'.\n",
		rep.Used, rep.Flagged, rep.Failed)
}
