package analysis_test

import (
	"fmt"
	"testing"

	"github.com/parbench/parbench/results/analysis"
	"github.com/parbench/parbench/results/analysis/runtest"
)

// TestErrorRates measures how often the analysis is wrong where the truth is known: seeds are fixed, so the rates are
// too. The bounds are the figures that docs/method.md states, rounded up.
func TestErrorRates(t *testing.T) {
	runs := 200
	if testing.Short() {
		runs = 50
	}
	tests := []struct {
		equal, slower int // pools that are equally fast, and ones that take 30 % longer
		rounds        int
		excluded      float64 // largest share of runs that put one of the equal ones outside the set
	}{
		{2, 0, 10, .06}, {5, 7, 10, .09}, {12, 0, 10, .13}, {12, 0, 20, .15},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%d equal, %d slower, %d rounds", tt.equal, tt.slower, tt.rounds), func(t *testing.T) {
			excluded, missed, drifts, superfluous := 0, 0, 0, 0
			for seed := range runs {
				s := spec("cpu")
				s.Rounds, s.Seed, s.Shared = tt.rounds, uint64(seed+1), .05
				for i := range tt.equal + tt.slower {
					per := 10.0
					if i >= tt.equal {
						per = 13
					}
					s.Workloads[0].Cells = append(s.Workloads[0].Cells, cell(fmt.Sprintf("s%d", i), 2, per, .02))
				}
				rep := analyse(t, runtest.Build(s))
				w := rep.Tables[0].Winner
				in := 0
				for _, i := range w.Set {
					if i < tt.equal {
						in++
					} else {
						superfluous++
					}
				}
				if in < tt.equal {
					excluded++
				}
				if tt.slower > 0 && w.Next >= 0 && w.Next < tt.equal {
					missed++
				}
				for _, warning := range rep.Warnings {
					if warning.Code == analysis.CodeDrift {
						drifts++
					}
				}
			}
			share := func(n int) float64 { return float64(n) / float64(runs) }
			t.Logf("excluded wrongly %.3f, drift seen %.3f", share(excluded), share(drifts))
			if share(excluded) > tt.excluded {
				t.Errorf("%.3f of the runs exclude an equal strategy, want at most %.2f", share(excluded), tt.excluded)
			}
			if superfluous > 0 {
				t.Errorf("%d strategies that take 30 %% longer were left in the set", superfluous)
			}
			if share(drifts) > .03 {
				t.Errorf("%.3f of the runs warn of a drift that is not there", share(drifts))
			}
		})
	}
}

// TestSpeedupCoverage checks that the interval of a speedup holds the true one as often as it says.
func TestSpeedupCoverage(t *testing.T) {
	const runs = 600
	held, times := 0, 0
	for seed := range runs {
		s := spec("cpu", cell("sequential", 1, 10, .03), cell("pool", 2, 5, .03))
		s.Seed, s.Shared = uint64(seed+1), .1
		r := analyse(t, runtest.Build(s)).Tables[0].Rows[1]
		if r.Speedup.Lo <= 2 && 2 <= r.Speedup.Hi {
			held++
		}
		if r.PerTask.Lo <= .005 && .005 <= r.PerTask.Hi {
			times++
		}
	}
	t.Logf("the interval held the true speedup in %d of %d runs, the true median in %d", held, runs, times)
	// Binomial with p = .95 and n = 600 has a standard deviation of .9 %; the seeds are fixed.
	if share := float64(held) / runs; share < .93 || share > .98 {
		t.Errorf("coverage of the speedup %.3f, want about .95", share)
	}
	if share := float64(times) / runs; share < .95 {
		t.Errorf("coverage of the median %.3f, want about .98", share)
	}
}
