package claim

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/parbench/parbench/results/analysis/quantity"
	"github.com/parbench/parbench/results/stat"
)

// level is the confidence of every interval here.
const level = 0.95

// sentence begins with a capital letter and ends with a full stop. Names of functions keep their case.
func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s == "" {
		return ""
	}
	if first, _, _ := strings.Cut(s, " "); s[0] >= 'a' && s[0] <= 'z' && !strings.ContainsAny(first, "()_.") {
		s = strings.ToUpper(s[:1]) + s[1:]
	}
	if !strings.ContainsAny(s[len(s)-1:], ".!?") {
		s += "."
	}
	return s
}

// listed joins words with commas and a last "and".
func listed(s []string) string {
	if len(s) < 2 {
		return strings.Join(s, "")
	}
	return strings.Join(s[:len(s)-1], ", ") + " and " + s[len(s)-1]
}

// counted is "1 task" or "1,000 tasks".
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return quantity.Count(n) + " " + what + "s"
}

// median is the median of a sample with its interval. The sample has been checked.
func median(x []float64) stat.Interval {
	iv, err := stat.MedianInterval(x, level)
	if err != nil {
		return stat.Interval{}
	}
	return iv
}

// paired is the ratio of two samples that belong together in pairs.
func paired(num, den []float64) stat.Interval {
	iv, _, err := stat.PairedRatio(num, den, level)
	if err != nil {
		return stat.Interval{}
	}
	return iv
}

// above reports whether a whole interval lies above a number. Of samples too few for an interval it does not.
func above(iv stat.Interval, v float64) bool { return iv.Level > 0 && iv.Lo > v }

// below reports whether a whole interval lies below a number. Of samples too few for an interval it does not.
func below(iv stat.Interval, v float64) bool { return iv.Level > 0 && iv.Hi < v }

// duration writes an interval of seconds: "51.2 ms [50.4, 60.3]".
func duration(iv stat.Interval) string { return within(iv, quantity.Time(iv.Point)) }

// size writes an interval of bytes.
func size(iv stat.Interval) string { return within(iv, quantity.Bytes(math.Abs(iv.Point))) }

// calls writes an interval of counts.
func calls(iv stat.Interval) string {
	whole := func(v float64) string { return quantity.Count(int(math.Round(v))) }
	if iv.Level == 0 {
		return whole(iv.Point)
	}
	return whole(iv.Point) + " [" + whole(iv.Lo) + ", " + whole(iv.Hi) + "]"
}

// number writes an interval of plain numbers.
func number(iv stat.Interval) string { return within(iv, quantity.Unit{Scale: 1}) }

func within(iv stat.Interval, u quantity.Unit) string {
	scaled := func(v float64, d int) string { return quantity.Fixed(u.In(v), d) }
	symbol := ""
	if u.Symbol != "" {
		symbol = " " + u.Symbol
	}
	if iv.Level == 0 {
		return quantity.Digits(u.In(iv.Point), 3) + symbol
	}
	d := quantity.Decimals(u.In(iv.Point), u.In(iv.Hi-iv.Lo)/2)
	return scaled(iv.Point, d) + symbol + " [" + scaled(iv.Lo, d) + ", " + scaled(iv.Hi, d) + "]"
}

// shortest is a duration given as a parameter, without needless digits: "50 ms".
func shortest(seconds float64) string {
	u := quantity.Time(seconds)
	return strings.TrimSuffix(quantity.Fixed(u.In(seconds), 1), ".0") + " " + u.Symbol
}

// whole turns counts into a sample.
func whole(counts []int) []float64 {
	out := make([]float64, len(counts))
	for i, n := range counts {
		out[i] = float64(n)
	}
	return out
}

// ok reports whether a call returned what it should.
func (o Outcome) ok() bool { return o.Got != nil && slices.Equal(o.Got, o.Want) }

// said is what came of the call: "returned 9".
func (o Outcome) said() string {
	switch {
	case o.Hung > 0:
		return "was still waiting after " + shortest(o.Hung)
	case o.Error != "":
		return "failed with " + o.Error
	case len(o.Got) == 0:
		return "returned nothing"
	}
	return "returned " + digits(o.Got)
}

func digits(v []int) string {
	var s []string
	for _, n := range v {
		s = append(s, fmt.Sprint(n))
	}
	return listed(s)
}

// of counts hits: "in 3 of 5 runs", or "in all 5 runs".
func of(hits, n int, what string) string {
	switch {
	case n == 1 && hits == n:
		return "in the one " + what
	case hits == n:
		return fmt.Sprintf("in all %d %ss", n, what)
	case n == 1:
		return "not in the one " + what
	case hits == 0:
		return fmt.Sprintf("in none of %d %ss", n, what)
	}
	return fmt.Sprintf("in %d of %d %ss", hits, n, what)
}

// always is the verdict on a statement that was seen to hold in so many of n cases.
func always(hits, n int) Verdict {
	switch hits {
	case n:
		return Confirmed
	case 0:
		return Refuted
	}
	return Partly
}

// count is in how many cases something holds.
func count[T any](list []T, holds func(T) bool) (n int) {
	for _, v := range list {
		if holds(v) {
			n++
		}
	}
	return n
}

// ending says how a process ended.
func ending(status int) string {
	if status < 0 {
		return fmt.Sprintf("by signal %d", -status)
	}
	return fmt.Sprintf("with status %d", status)
}
