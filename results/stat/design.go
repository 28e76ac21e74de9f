package stat

import (
	"fmt"
	"math"
)

// pocock are the nominal levels at which each of L equally spaced looks is made for 5 % overall (Pocock, Biometrika 64,
// 1977, table 1).
var pocock = [...]float64{.05, .0294, .0221}

// Design is what follows from how many comparisons are made and how often the data are looked at, before any are seen.
// Make one with NewDesign.
type Design struct {
	// Comparisons and Looks are the arguments of NewDesign.
	Comparisons, Looks int
	// Level is the false discovery rate q for BenjaminiHochberg at each look, so that all looks together stay at 5 %.
	Level float64
	// Single is Level/Comparisons: what the smallest p-value of the family must reach if it is the only finding.
	Single float64
	// Pairs is the smallest number of pairs with which the signed-rank test can reach Single, whatever the data.
	Pairs int
	// Unpaired is the smallest number of samples a side with which the rank-sum test can.
	Unpaired int
}

// NewDesign returns the levels and floors for comparisons and planned looks (1 to 3), for 5 % overall. Below a floor the
// answer to "is there a difference?" is "cannot be decided". Errors: ErrArgument.
func NewDesign(comparisons, looks int) (Design, error) {
	if looks < 1 || looks > len(pocock) {
		return Design{}, fmt.Errorf("%w: %d looks, must be 1 to %d", ErrArgument, looks, len(pocock))
	}
	if comparisons < 1 {
		return Design{}, fmt.Errorf("%w: %d comparisons, must be 1 or more", ErrArgument, comparisons)
	}
	d := Design{Comparisons: comparisons, Looks: looks, Level: pocock[looks-1]}
	d.Single = d.Level / float64(comparisons)
	var err error
	if d.Pairs, err = PairFloor(comparisons, d.Level); err != nil {
		return Design{}, err
	}
	d.Unpaired, err = UnpairedFloor(comparisons, d.Level)
	return d, err
}

// MinDetectable is the function of that name at the level Single: the smallest mean difference that n pairs find with
// probability power when all other comparisons find nothing, in the unit of sd. Errors as there.
func (d Design) MinDetectable(sd float64, n int, power float64) (float64, error) {
	return MinDetectable(sd, n, d.Single, power)
}

// PairFloor returns the smallest number of pairs n for which 2^(1−n), the smallest two-sided p-value of the signed-rank
// test, is at or below alpha/comparisons: ceil(1 + log2(comparisons/alpha)). Errors: ErrArgument.
func PairFloor(comparisons int, alpha float64) (int, error) {
	if err := checkFamily(comparisons, alpha); err != nil {
		return 0, err
	}
	n := 1
	for math.Ldexp(1, 1-n)*float64(comparisons) > alpha {
		n++
	}
	return n, nil
}

// UnpairedFloor returns the smallest number of samples a side for which 2/C(2n, n), the smallest two-sided p-value of the
// rank-sum test, is at or below alpha/comparisons. Errors: ErrArgument.
func UnpairedFloor(comparisons int, alpha float64) (int, error) {
	if err := checkFamily(comparisons, alpha); err != nil {
		return 0, err
	}
	n, ways := 1, 2.0
	for 2/ways*float64(comparisons) > alpha {
		n++
		ways *= 2 * float64(2*n-1) / float64(n) // C(2n, n) from C(2n−2, n−1)
	}
	return n, nil
}

func checkFamily(comparisons int, alpha float64) error {
	if comparisons < 1 {
		return fmt.Errorf("%w: %d comparisons, must be 1 or more", ErrArgument, comparisons)
	}
	if !(alpha > 0 && alpha < 1) {
		return fmt.Errorf("%w: alpha %v, must lie between 0 and 1", ErrArgument, alpha)
	}
	return nil
}
