package report

import (
	"testing"

	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/quantity"
)

// The unit is that of most rows, unless another row's number would be too long to read.
func TestSplitUnit(t *testing.T) {
	for want, values := range map[string][]float64{
		"ns": {100e-9, 120e-9, 99_000e-9},
		"µs": {100e-9, 130e-9, 300e-9, 962_795e-9},
		"ms": {2e-6, 3e-6, .4},
		"s":  {0, 0},
	} {
		var rows []*analysis.Row
		for _, v := range values {
			rows = append(rows, &analysis.Row{Split: &analysis.Split{Start: analysis.Interval{Point: v}}})
		}
		if got := splitUnit(quantity.Unit{}, rows, func(s *analysis.Split) float64 { return s.Start.Point }).Symbol; got != want {
			t.Errorf("%v in %s, want %s", values, got, want)
		}
	}
}
