package plot

import (
	"math"
	"strconv"
)

// axis maps values to pixels. A log axis has min > 0: newLog and everything that chooses a log axis see to that.
type axis struct {
	min, max float64
	log      bool
	whole    bool    // between two integers there is nothing: a linear axis has no ticks there
	from, to float64 // pixels of min and max
	ticks    []tick
}

// tick is a mark on an axis; one without a label is a minor one.
type tick struct {
	v     float64
	label string
}

// at returns the pixel of a value; values beyond the axis lie beyond its ends.
func (a *axis) at(v float64) float64 {
	f := (v - a.min) / (a.max - a.min)
	if a.log {
		if v <= 0 {
			return a.from + (a.from-a.to)*1e-3
		}
		f = math.Log(v/a.min) / math.Log(a.max/a.min)
	}
	return a.from + f*(a.to-a.from)
}

// has reports whether a value lies on the axis, rounding forgiven.
func (a *axis) has(v float64) bool {
	if a.log {
		return v >= a.min*(1-1e-9) && v <= a.max*(1+1e-9)
	}
	slack := (a.max - a.min) * 1e-9
	return v >= a.min-slack && v <= a.max+slack
}

// clamp returns the pixel of a value moved into the axis, and whether it had to be moved.
func (a *axis) clamp(v float64) (px float64, moved bool) {
	switch {
	case v < a.min && !a.has(v):
		return a.from, true
	case v > a.max && !a.has(v):
		return a.to, true
	}
	return a.at(v), false
}

// extent is the range of a figure's values.
type extent struct {
	point0, point1 float64 // of the estimates
	lo, hi         float64 // with their intervals
	any            bool
}

// add widens the extent by an estimate and its interval.
func (e *extent) add(point, lo, hi float64) {
	if !e.any {
		*e = extent{point, point, lo, hi, true}
		return
	}
	e.point0, e.point1 = math.Min(e.point0, point), math.Max(e.point1, point)
	e.lo, e.hi = math.Min(e.lo, lo), math.Max(e.hi, hi)
}

const (
	// logSpan is the ratio of largest to smallest estimate above which an axis is logarithmic. Waiting workloads have 16
	// workers by default: beside the sequential reference, what tells their strategies apart would not be seen.
	logSpan = 12
	// logSpanCPU is the same for CPU time: its distance from the lines at the core counts is easier to read linearly.
	logSpanCPU = 60
	// zeroSpan is the ratio below which an axis does not start at zero: differences would not be seen.
	zeroSpan = 1.25
	// wide bounds how far an interval stretches an axis beyond the outermost estimate; what goes on beyond ends in an arrow.
	wide = 2
)

// valueAxis chooses the range of an axis for values that are not negative; it is logarithmic where they differ by more
// than a factor of span.
func valueAxis(e extent, span float64) axis {
	if !e.any {
		return axis{min: 0, max: 1}
	}
	lo, hi := e.lo, math.Min(e.hi, e.point1*wide)
	hi = math.Max(hi, e.point1)
	if e.point0 > 0 {
		lo = math.Max(lo, e.point0/(2*wide))
	}
	if e.point0 > 0 && e.point1/e.point0 > span {
		return axis{min: lo / 1.2, max: hi * 1.2, log: true}
	}
	if lo <= 0 || hi/lo >= zeroSpan || hi-lo <= hi*1e-4 {
		if hi <= 0 {
			hi = 1
		}
		return axis{min: 0, max: hi * 1.06}
	}
	pad := (hi - lo) * 0.1
	return axis{min: lo - pad, max: hi + pad}
}

// linearTicks sets about n ticks at round values, labelled by format with the decimals that the step needs.
func (a *axis) linearTicks(n int, unit float64, suffix string) {
	lo, hi := a.min/unit, a.max/unit
	step := niceStep((hi - lo) / float64(max(n, 2)))
	if a.whole {
		step = math.Max(step, 1/unit)
	}
	decimals := 0
	for s := step; decimals < 9 && math.Abs(s-math.Round(s)) > 1e-6*s; decimals++ {
		s *= 10
	}
	a.ticks = nil
	for i := math.Ceil(lo/step - 1e-9); i*step <= hi+step*1e-9; i++ {
		v := i*step + 0 // a negative zero becomes zero
		label := strconv.FormatFloat(v, 'f', decimals, 64)
		if decimals > 6 || hi >= 1e7 {
			label = strconv.FormatFloat(v, 'g', 6, 64)
		}
		a.ticks = append(a.ticks, tick{v * unit, label + suffix})
	}
}

// niceStep rounds a step up to 1, 2 or 5 times a power of ten.
func niceStep(raw float64) float64 {
	if !(raw > 0) || math.IsInf(raw, 0) {
		return 1
	}
	p := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, f := range []float64{1, 2, 5} {
		if raw <= f*p*(1+1e-9) {
			return f * p
		}
	}
	return 10 * p
}

// logTicks labels powers of ten, 2 and 5 between them where there is room, and marks the other multiples.
func (a *axis) logTicks(room int, name func(float64) string) {
	lo, hi := math.Log10(a.min), math.Log10(a.max)
	decades := hi - lo
	every := max(1, int(math.Ceil(decades/float64(max(room, 2)+1))))
	labels := map[int]bool{1: true}
	switch {
	case decades*3 <= float64(room):
		labels[2], labels[5] = true, true
	case decades*2 <= float64(room):
		labels[3] = true
	}
	a.ticks = nil
	for d := int(math.Floor(lo)); d <= int(math.Ceil(hi)); d++ {
		for m := 1; m <= 9; m++ {
			v, err := strconv.ParseFloat(strconv.Itoa(m)+"e"+strconv.Itoa(d), 64)
			if err != nil || !a.has(v) || v < a.min {
				continue
			}
			t := tick{v: v}
			if labels[m] && mod(d, every) == 0 {
				t.label = name(v)
			}
			if m == 1 || every == 1 {
				a.ticks = append(a.ticks, t)
			}
		}
	}
}

func mod(a, b int) int { return ((a % b) + b) % b }

// units of time, ascending.
var units = []struct {
	name  string
	value float64
}{{"ns", 1e-9}, {"µs", 1e-6}, {"ms", 1e-3}, {"s", 1}}

// unitFor returns the unit in which v is written with one to three digits before the point.
func unitFor(v float64) (name string, value float64) {
	name, value = units[0].name, units[0].value
	for _, u := range units {
		if v >= u.value*0.9999999 {
			name, value = u.name, u.value
		}
	}
	return name, value
}

// number writes v shortly, in digits where they are not too many.
func number(v float64) string {
	if v != 0 && (math.Abs(v) < 1e-5 || math.Abs(v) >= 1e7) {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// round3 writes v with three significant digits.
func round3(v float64) string {
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64)
	if err != nil {
		r = v
	}
	return number(r)
}

// timeTicks gives an axis of seconds its ticks and returns its title. One unit serves the whole axis, except on a log
// axis of more than three decades, where each tick names its own.
func (a *axis) timeTicks(what string, room int) (title string) {
	if !a.log {
		name, unit := unitFor(a.max)
		a.linearTicks(room, unit, "")
		return what + " (" + name + ")"
	}
	if a.max/a.min > 1.5e3 {
		a.logTicks(room, func(v float64) string {
			name, unit := unitFor(v)
			return round3(v/unit) + " " + name
		})
		return what + " (log scale)"
	}
	name, unit := unitFor(math.Sqrt(a.min * a.max))
	a.logTicks(room, func(v float64) string { return round3(v / unit) })
	return what + " (" + name + ", log scale)"
}

// plainTicks gives an axis of pure numbers its ticks.
func (a *axis) plainTicks(room int, factor float64, suffix string) {
	if a.log {
		a.logTicks(room, func(v float64) string { return round3(v*factor) + suffix })
		return
	}
	a.linearTicks(room, 1/factor, suffix)
}

// thin blanks labels that come closer than gap pixels to another, keeping the first and the last one. size returns how
// much of the axis a label takes.
func (a *axis) thin(size func(string) float64, gap float64) {
	type span struct{ lo, hi float64 }
	var kept []span
	try := func(t *tick) {
		if t.label == "" {
			return
		}
		px, half := a.at(t.v), size(t.label)/2
		s := span{px - half - gap/2, px + half + gap/2}
		for _, k := range kept {
			if s.lo < k.hi && k.lo < s.hi {
				t.label = ""
				return
			}
		}
		kept = append(kept, s)
	}
	n := len(a.ticks)
	for i := range a.ticks {
		switch i { // the first, the last, then the others in order
		case 0:
			try(&a.ticks[0])
		case 1:
			try(&a.ticks[n-1])
		default:
			try(&a.ticks[i-1])
		}
	}
}
