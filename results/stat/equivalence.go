package stat

import (
	"fmt"
	"math"
)

// Equivalence is the outcome of two one-sided tests of whether a ratio lies within a margin.
type Equivalence struct {
	// Equivalent says that both tests reject at alpha and that Interval lies within the margin. Without ties these are one
	// condition.
	Equivalent bool
	// P is the larger p-value of the two: the smallest alpha at which the ratio would be called equivalent.
	P float64
	// Interval is that of the ratio at the level 1 − 2·alpha, the dual of the two tests. Its Level is 0 when the data are
	// too few for equivalence ever to be shown.
	Interval Interval
}

// EquivalentPaired tests whether the ratio of num to den lies between 1/(1+margin) and 1+margin, from pairs of positive
// samples of one unit: two one-sided signed-rank tests of the log ratios (TOST: Schuirmann, Journal of Pharmacokinetics
// and Biopharmaceutics 15, 1987), so that a wrong "equivalent" has at most the chance alpha. margin is relative: 0.02 is
// 2 %. Five pairs are the least for alpha = 0.05. Assumptions and errors as PairedRatio.
func EquivalentPaired(num, den []float64, margin, alpha float64) (Equivalence, error) {
	if err := checkMargin(margin, alpha); err != nil {
		return Equivalence{}, err
	}
	l, err := logRatios(num, den)
	if err != nil {
		return Equivalence{}, err
	}
	if len(l) == 0 {
		return Equivalence{}, fmt.Errorf("%w: no pairs", ErrTooFew)
	}
	edge := math.Log1p(margin)
	below, above := make([]float64, len(l)), make([]float64, len(l))
	for i, v := range l {
		below[i], above[i] = v-edge, v+edge
	}
	p := max(signedRank(below).lower, signedRank(above).upper)
	return equivalence(p, hodgesLehmann(l, 1-2*alpha), edge, alpha)
}

// EquivalentUnpaired is EquivalentPaired for two independent samples: two one-sided rank-sum tests of the logs. Three
// samples a side are the least for alpha = 0.05. Assumptions and errors as UnpairedRatio.
func EquivalentUnpaired(num, den []float64, margin, alpha float64) (Equivalence, error) {
	if err := checkMargin(margin, alpha); err != nil {
		return Equivalence{}, err
	}
	x, y, err := logSides(num, den)
	if err != nil {
		return Equivalence{}, err
	}
	iv, _, err := UnpairedShift(x, y, 1-2*alpha)
	if err != nil {
		return Equivalence{}, err
	}
	edge := math.Log1p(margin)
	below, above := make([]float64, len(x)), make([]float64, len(x))
	for i, v := range x {
		below[i], above[i] = v-edge, v+edge
	}
	return equivalence(max(rankSum(below, y).lower, rankSum(above, y).upper), iv, edge, alpha)
}

func checkMargin(margin, alpha float64) error {
	if !(margin > 0) || math.IsInf(margin, 0) {
		return fmt.Errorf("%w: margin %v, must be above 0 and finite", ErrArgument, margin)
	}
	if !(alpha > 0 && alpha < .5) || 1-2*alpha >= 1 {
		return fmt.Errorf("%w: alpha %v, must lie between 0 and 0.5", ErrArgument, alpha)
	}
	return nil
}

// equivalence judges an interval of logs.
func equivalence(p float64, iv Interval, edge, alpha float64) (Equivalence, error) {
	e := Equivalence{P: min(1, p), Interval: iv}
	e.Equivalent = p <= alpha && iv.Level > 0 && -edge < iv.Lo && iv.Hi < edge
	if err := e.Interval.exp(); err != nil {
		return Equivalence{}, err
	}
	return e, nil
}
