package results

import (
	"cmp"
	"slices"
)

// Used returns the indices in Trials of those that enter the statistics, ordered by cell and then round, exactly one for
// each cell and round that has any. Only trials with an observation qualify. Of several attempts the last one that others
// did not disturb is taken; when all were disturbed, the last: a machine that is never quiet still gives a result, and
// the report says so. The measured value plays no part in the choice.
func (r *Run) Used() []int {
	var idx []int
	for i := range r.Trials {
		if _, ok := r.Trials[i].Observation(); ok {
			idx = append(idx, i)
		}
	}
	// Within a cell and round the best candidate comes first; of equal attempts the one later in the file.
	slices.SortFunc(idx, func(a, b int) int {
		x, y := &r.Trials[a], &r.Trials[b]
		return cmp.Or(
			cmp.Compare(x.Cell, y.Cell),
			cmp.Compare(x.Round, y.Round),
			cmp.Compare(flag(x), flag(y)),
			cmp.Compare(y.Attempt, x.Attempt),
			cmp.Compare(b, a))
	})
	return slices.CompactFunc(idx, func(a, b int) bool {
		x, y := &r.Trials[a], &r.Trials[b]
		return x.Cell == y.Cell && x.Round == y.Round
	})
}

// Disturbed reports whether others were seen to use the machine during the trial; false when nothing is known.
func (t *Trial) Disturbed() bool { return t.Others != nil && t.Others.Flagged }

func flag(t *Trial) int {
	if t.Disturbed() {
		return 1
	}
	return 0
}
