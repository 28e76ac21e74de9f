package analysis

import (
	"maps"
	"math"
	"slices"
)

// drift looks for a trend over the rounds of the whole run. For each round it takes the median, over the cells, of the
// log of the observation over the cell's own median, so that every cell counts alike and the cells' order within a
// round, which is random, averages out. On that series it runs the Mann–Kendall test (Mann 1945; Kendall 1975, with the
// normal approximation and continuity correction, good from about ten values) and estimates the slope after Theil and
// Sen. change is the relative change from the first round to the last; ok is false without evidence of a trend
// (p >= .01) or with fewer than minDriftRounds rounds.
func (a *analyser) drift() (change float64, rounds int, ok bool) {
	series := a.roundLevels()
	n := len(series)
	if n < minDriftRounds {
		return 0, n, false
	}
	if n > maxDriftRounds { // the test is quadratic; a trend shows in a part of the rounds as well
		step := (n + maxDriftRounds - 1) / maxDriftRounds
		var thin []roundLevel
		for i := 0; i < n; i += step {
			thin = append(thin, series[i])
		}
		series, n = thin, len(thin)
	}
	s := 0
	slopes := make([]float64, 0, n*(n-1)/2)
	for i := range series {
		for j := i + 1; j < n; j++ {
			d := series[j].level - series[i].level
			switch {
			case d > 0:
				s++
			case d < 0:
				s--
			}
			slopes = append(slopes, d/float64(series[j].round-series[i].round))
		}
	}
	f := float64(n)
	z := (math.Abs(float64(s)) - 1) / math.Sqrt(f*(f-1)*(2*f+5)/18)
	p := math.Erfc(z / math.Sqrt2)
	change = math.Expm1(mid(slopes) * float64(series[n-1].round-series[0].round))
	return change, len(series), p < 0.01 && finite(change)
}

const (
	minDriftRounds = 8
	maxDriftRounds = 1000
)

type roundLevel struct {
	round int
	level float64 // log of a round's level over the run's
}

// roundLevels takes only rounds in which at least half of the measured cells were observed, so that a few cells alone
// do not stand for a round.
func (a *analyser) roundLevels() []roundLevel {
	byRound := map[int][]float64{}
	cells := 0
	for i := range a.cells {
		c := &a.cells[i]
		if len(c.samples) < 2 {
			continue
		}
		cells++
		values := make([]float64, len(c.samples))
		for k, s := range c.samples {
			values[k] = s.value
		}
		m := math.Log(mid(values))
		for _, s := range c.samples {
			byRound[s.round] = append(byRound[s.round], math.Log(s.value)-m)
		}
	}
	var out []roundLevel
	for _, r := range slices.Sorted(maps.Keys(byRound)) {
		if v := byRound[r]; 2*len(v) >= cells {
			out = append(out, roundLevel{r, mid(v)})
		}
	}
	return out
}
