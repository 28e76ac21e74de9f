// Package quantity writes numbers for people: with a unit that suits them and no more digits than their interval
// supports. Analysis uses it in sentences, the reports in tables and plots, so that one number reads the same everywhere.
//
// Non-goals: escaping, alignment and any knowledge of benchmarks. Values inside parbench stay in base units (seconds,
// bytes); only this package scales them.
package quantity

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
)

// Unit is a scale with its symbol: a value in base units divided by Scale is a number of Symbol. The zero value is not
// usable; take one from Time, Bytes or ParseTime.
type Unit struct {
	Symbol string
	Scale  float64
}

// The units of time, smallest first, and of memory.
var (
	timeUnits = []Unit{{"ns", 1e-9}, {"µs", 1e-6}, {"ms", 1e-3}, {"s", 1}}
	byteUnits = []Unit{{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}}
)

// Time returns the unit that suits these durations in seconds: the largest in which their median is at least one.
// Without a positive value it is the second.
func Time(seconds ...float64) Unit { return suit(timeUnits, seconds, timeUnits[3]) }

// Bytes returns the unit that suits these sizes in bytes, as Time does for durations.
func Bytes(sizes ...float64) Unit { return suit(byteUnits, sizes, byteUnits[0]) }

func suit(units []Unit, values []float64, none Unit) Unit {
	var positive []float64
	for _, v := range values {
		if v > 0 && !math.IsInf(v, 0) {
			positive = append(positive, v)
		}
	}
	if len(positive) == 0 {
		return none
	}
	sort.Float64s(positive)
	mid := positive[(len(positive)-1)/2]
	best := units[0]
	for _, u := range units {
		// Just below the next unit three digits round up to 1000; 999.6 µs reads better as 1.00 ms.
		if mid >= 0.9995*u.Scale {
			best = u
		}
	}
	return best
}

// ParseTime returns the unit of time of that name: ns, us or µs, ms, s. Any other name is an error that lists them.
func ParseTime(name string) (Unit, error) {
	if name == "us" {
		name = "µs"
	}
	for _, u := range timeUnits {
		if u.Symbol == name {
			return u, nil
		}
	}
	return Unit{}, fmt.Errorf("unknown time unit %q: use ns, us, ms or s", name)
}

// In returns v, in base units, as a number of u.
func (u Unit) In(v float64) float64 { return v / u.Scale }

// maxDecimals bounds what Fixed prints; beyond it float64 noise would show.
const maxDecimals = 9

// Decimals returns how many digits after the point the number v deserves when its uncertainty is half (the half-width
// of its interval, in the same unit). Two digits of the uncertainty are kept when it begins with 1, 2 or 3.5, one
// otherwise, as the Particle Data Group rounds (Review of Particle Physics, introduction, 5.3); never more than four
// significant digits of v and never fewer than two. Numbers just below a power of ten count as having reached it, so that
// 0.98 and 1.02 in one column get the same digits. A half of 0 means unknown: three significant digits.
func Decimals(v, half float64) int {
	v, half = math.Abs(v), math.Abs(half)
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	lead := int(math.Floor(math.Log10(v * 1.2))) // position of v's first digit
	if half <= 0 || math.IsNaN(half) || math.IsInf(half, 0) {
		return clamp(2-lead, 0, maxDecimals)
	}
	pos := int(math.Floor(math.Log10(half)))
	d := -pos
	if half/math.Pow10(pos) < 3.55 {
		d++
	}
	return clamp(clamp(d, 1-lead, 3-lead), 0, maxDecimals)
}

func clamp(x, lo, hi int) int { return max(lo, min(hi, x)) }

// Fixed writes v with d digits after the point; never "-0", NaN or Inf (those are "?").
func Fixed(v float64, d int) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "?"
	}
	s := strconv.FormatFloat(v, 'f', d, 64)
	if strings.HasPrefix(s, "-") && strings.Trim(s, "-0.") == "" {
		s = s[1:]
	}
	return s
}

// Digits writes v with n significant digits and no exponent.
func Digits(v float64, n int) string {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return Fixed(v, 0)
	}
	// The exponent is taken after rounding: 0.9996 with three digits is 1.00.
	e := strconv.FormatFloat(v, 'e', n-1, 64)
	exp, _ := strconv.Atoi(e[strings.IndexByte(e, 'e')+1:])
	return Fixed(v, clamp(n-1-exp, 0, maxDecimals))
}

// Duration writes a duration in seconds with three significant digits and its own unit: "12.3 ms".
func Duration(seconds float64) string {
	if seconds == 0 {
		return "0 s"
	}
	u := Time(math.Abs(seconds))
	return Digits(u.In(seconds), 3) + " " + u.Symbol
}

// Size writes a number of bytes with three significant digits and its own unit: "12.3 MiB".
func Size(bytes float64) string {
	u := Bytes(math.Abs(bytes))
	return Digits(u.In(bytes), 3) + " " + u.Symbol
}

// Percent writes a share (0.031) as "3.1 %", with two significant digits below ten, whole numbers above and no ".0".
func Percent(share float64) string {
	p := share * 100
	switch a := math.Abs(p); {
	case a >= 9.95 || a == 0:
		return Fixed(p, 0) + " %"
	case a >= 0.095:
		return strings.TrimSuffix(Fixed(p, 1), ".0") + " %"
	default:
		return Digits(p, 1) + " %"
	}
}

// Level writes a confidence level as a whole percentage ("98 %" for 0.9785), from 99 % with one decimal.
func Level(level float64) string {
	if level < 0.985 {
		return Fixed(level*100, 0) + " %"
	}
	return strings.TrimSuffix(Fixed(math.Floor(level*1000)/10, 1), ".0") + " %"
}

// Count writes a whole number with thousands separated by commas: "1,000,000".
func Count(n int) string {
	s := strconv.Itoa(n)
	neg := strings.HasPrefix(s, "-")
	s = strings.TrimPrefix(s, "-")
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if neg {
		return "-" + s
	}
	return s
}
