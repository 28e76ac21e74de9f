package plot

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/runtest"
)

func kinds(rep *analysis.Report) (out []string) {
	for _, f := range All(rep) {
		if f.Omitted() == "" {
			out = append(out, f.Name())
		}
	}
	return out
}

// TestCommandTimes: commands are drawn beside each other, and what has nothing beside it, a command's own time, is not drawn
// by itself; neither is a speedup of one over itself.
func TestCommandTimes(t *testing.T) {
	of := func(list ...runtest.Command) *analysis.Report {
		rep, err := analysis.Analyse(runtest.Commands(runtest.Spec{Rounds: 8, Seed: 3, Environment: runtest.Machine()}, results.Commands{}, list...), analysis.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return rep
	}
	slow, quick := runtest.Command{Name: "sort <data>", Time: 9e-3, Noise: .02}, runtest.Command{Name: "sort -S1G data", Time: 3e-3, Noise: .02}
	if got, want := kinds(of(slow)), []string(nil); !slices.Equal(got, want) {
		t.Errorf("one command has the figures %q, want %q", got, want)
	}
	rep := of(slow, quick)
	if got, want := kinds(rep), []string{"alone-on-2-cores-time"}; !slices.Equal(got, want) {
		t.Fatalf("two commands have the figures %q, want %q", got, want)
	}
	all := All(rep)
	f := all[len(all)-1]
	if f.Workload() != "alone on 2 cores" || f.Omitted() != "" || !strings.Contains(f.Alt(), ": 2 commands. The lowest median is ") || !strings.HasSuffix(f.Alt(), " ms, of sort -S1G data.") {
		t.Errorf("%q under %q, %s", f.Alt(), f.Workload(), f.Omitted())
	}
	svg := svgOf(t, f)
	for _, want := range []string{"sort &lt;data&gt;", "sort -S1G data", "interval", "time per command"} {
		if !bytes.Contains(svg, []byte(want)) {
			t.Errorf("the figure does not show %q", want)
		}
	}
	// Each trial is a point: two discs for the estimates, and eight for each command.
	if n := bytes.Count(svg, []byte("<path")); n < 2*8+2 {
		t.Errorf("%d shapes", n)
	}
	for i := range rep.Commands[0].Rows {
		rep.Commands[0].Rows[i].Observations = nil
	}
	all = All(rep)
	if bare := svgOf(t, all[len(all)-1]); bytes.Count(svg, []byte("<path"))-bytes.Count(bare, []byte("<path")) < 2*8 {
		t.Error("no points for trials")
	}
	// Several values of one parameter are a curve, and no second figure beside it.
	if got := kinds(scanned(t, "threads", []string{"1", "2"}, "make -j {threads}")); slices.Contains(got, "alone-on-2-cores-time") {
		t.Errorf("figures %q", got)
	}
}
