package report

import (
	"os"
	"strconv"
	"testing"

	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/runtest"
)

func TestLook(t *testing.T) {
	w, _ := strconv.Atoi(os.Getenv("LOOK"))
	if w == 0 {
		t.Skip()
	}
	rep, err := analysis.Analyse(runtest.Realistic(), analysis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	Text(os.Stdout, rep, TextOptions{Width: w})
}

func TestLookPage(t *testing.T) {
	if os.Getenv("LOOK") != "md" {
		t.Skip()
	}
	rep, err := analysis.Analyse(runtest.Realistic(), analysis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	Markdown(os.Stdout, rep, MDOptions{Data: "run.jsonl", Plots: []PlotRef{{Path: "plots/primes-time.svg", Title: "Time per task", Alt: "Time per task by strategy", Workload: "primes"}}})
}
