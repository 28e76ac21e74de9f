package stat

import (
	"slices"
)

// Holm returns the p-values adjusted for all of them being looked at, in the same order: comparing each with α keeps the
// chance of any false finding at or below α, for any dependence (Holm, Scandinavian Journal of Statistics 6, 1979). A
// value above 1 or NaN counts as 1, one below 0 as 0.
func Holm(p []float64) []float64 {
	order, adjusted := byValue(p), make([]float64, len(p))
	worst := 0.0
	for rank, i := range order {
		worst = max(worst, min(1, probability(p[i])*float64(len(p)-rank)))
		adjusted[i] = worst
	}
	return adjusted
}

// BenjaminiHochberg returns the p-values adjusted to false discovery rates, in the same order: comparing each with q
// keeps the expected share of false findings at or below q, for independent or positively dependent tests (Benjamini and
// Hochberg, Journal of the Royal Statistical Society B 57, 1995). Values outside [0, 1] count as in Holm.
func BenjaminiHochberg(p []float64) []float64 {
	order, adjusted := byValue(p), make([]float64, len(p))
	best := 1.0
	for rank := len(order) - 1; rank >= 0; rank-- {
		i := order[rank]
		best = min(best, probability(p[i])*float64(len(p))/float64(rank+1))
		adjusted[i] = best
	}
	return adjusted
}

// byValue returns the indices of p in ascending order of its values.
func byValue(p []float64) []int {
	order := make([]int, len(p))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch a, b := probability(p[a]), probability(p[b]); {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	})
	return order
}

// probability brings v into [0, 1]; an undefined one is no evidence.
func probability(v float64) float64 {
	if !(v <= 1) { // also NaN
		return 1
	}
	return max(0, v)
}
