package plot

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parbench/parbench/results"
	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/runtest"
)

// scanned analyses a run of commands over values of one parameter; the time grows with their place in the list.
func scanned(t *testing.T, param string, values []string, commands ...string) *analysis.Report {
	t.Helper()
	var list []runtest.Command
	for k, name := range commands {
		for i, v := range values {
			list = append(list, runtest.Command{Name: name, Key: name + " " + v, Params: map[string]string{param: v},
				Time: float64(k+1) * float64(i+2) * 1e-3, Noise: .02, Peak: 1 << 20})
		}
	}
	list = append(list, runtest.Command{Name: "without", Time: 5e-3, Noise: .02})
	run := runtest.Commands(runtest.Spec{Rounds: 8, Seed: 3, Environment: runtest.Machine()},
		results.Commands{Params: []results.CommandParameter{{Name: param, Values: values}}}, list...)
	rep, err := analysis.Analyse(run, analysis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func scans(rep *analysis.Report) (out []Figure) {
	for _, f := range All(rep) {
		if f.Kind() == KindScan {
			out = append(out, f)
		}
	}
	return out
}

func TestScanGolden(t *testing.T) {
	figures := scans(scanned(t, "threads", []string{"4", "1", "2", "8"}, "make -j {threads}", "ninja -j {threads}"))
	if len(figures) != 1 {
		t.Fatalf("%d figures", len(figures))
	}
	f := figures[0]
	if f.Name() != "alone-on-2-cores-scan" || f.Workload() != "alone on 2 cores" {
		t.Errorf("%q under %q", f.Name(), f.Workload())
	}
	// By the parameter, whatever the order of the plan.
	if want := "make -j {threads}: 3.0"; !strings.Contains(f.Alt(), want) || !strings.Contains(f.Alt(), " ms at 1, ") || !strings.Contains(f.Alt(), " ms at 8.") {
		t.Errorf("%q does not hold %q", f.Alt(), want)
	}
	got := svgOf(t, f)
	if bytes.Contains(got, []byte("without")) {
		t.Error("a command without the parameter is drawn")
	}
	path := filepath.Join("testdata", "scan.svg")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("it differs from %s; if that is meant, run go test ./report/plot -update and look at it", path)
	}
}

func TestScanOfNumbersOnly(t *testing.T) {
	for _, values := range [][]string{{"gcc", "clang"}, {"1", "two"}, {"1", "NaN"}, {"1", "Inf"}, {"7"}, {"1e300", "1"}} {
		if n := len(scans(scanned(t, "p", values, "a {p}"))); n != 0 {
			t.Errorf("%v: %d figures", values, n)
		}
	}
	for _, values := range [][]string{{"-5", "0", "5"}, {"0.1", "0.2"}, {"1", "1000000"}, {"0", "0.000001"}, {"999999999999", "1"}} {
		figures := scans(scanned(t, hostileText, values, "a {p}", hostileText, strings.Repeat("long ", 60)))
		if len(figures) != 1 {
			t.Fatalf("%v: %d figures", values, len(figures))
		}
		checkLayout(t, figures[0])
	}
}

// Between 101 and 104 items there are 102 and 103, and no halves; where the values have fractions, the axis has some.
func TestScanTicks(t *testing.T) {
	for value, fractions := range map[string]bool{"104": false, "102.5": true} {
		svg := string(svgOf(t, scans(scanned(t, "n", []string{"101", value}, "work {n}"))[0]))
		for _, tick := range []string{">101<", ">102<", ">103<"} {
			if !fractions && !strings.Contains(svg, tick) {
				t.Errorf("up to %s: the tick %s is missing", value, tick)
			}
		}
		if strings.Contains(svg, ">101.") != fractions {
			t.Errorf("up to %s: a tick between 101 and 102: %v", value, !fractions)
		}
	}
}
