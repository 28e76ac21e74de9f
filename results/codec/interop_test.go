package codec

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
)

// docs/interop.md names every format, every metric family and every bound, and its examples are what is written.
func TestInteropPage(t *testing.T) {
	b, err := os.ReadFile("../../docs/interop.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	// Numbers stand with a comma every three digits.
	grouped := func(n int) string {
		s := fmt.Sprint(n)
		for i := len(s) - 3; i > 0; i -= 3 {
			s = s[:i] + "," + s[i:]
		}
		return s
	}
	want := []string{
		Parbench, Hyperfine, Pyperf, GoogleBenchmark, JMH, GoBenchmark, "parbench_run_info", "parbench_run_start_time_seconds",
		fmt.Sprint(MaxFile>>20, " MiB"), fmt.Sprint(maxDepth, " levels"), grouped(maxObjects), grouped(maxValues), grouped(maxForks), fmt.Sprint(maxName, " characters"),
	}
	for _, f := range families {
		want = append(want, "`"+f.name+"`")
	}
	run := sample()
	estimates := []Estimate{{
		Cell:    3,
		Time:    Interval{Point: 5e-4, Lo: 4.95e-4, Hi: 5.2e-4, Level: .961, N: 12},
		Speedup: Interval{Point: 1.99, N: 12},
	}}
	var bmf, gha bytes.Buffer
	if err := WriteBMF(&bmf, run, estimates); err != nil {
		t.Fatal(err)
	}
	if err := WriteGHA(&gha, run, estimates); err != nil {
		t.Fatal(err)
	}
	for _, w := range append(want, "```json\n"+bmf.String()+"```", "```json\n"+gha.String()+"```") {
		if !strings.Contains(page, w) {
			t.Errorf("docs/interop.md does not have %q", w)
		}
	}
}
