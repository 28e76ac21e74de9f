package results

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Nanos is a list of durations in integer nanoseconds, none negative. It is a []int64 with its own JSON: a trial may hold
// hundreds of thousands of them, and reflection over each element took most of the time of reading a run.
type Nanos []int64

// MarshalJSON writes a JSON array of integers, null for nil. It fails on a negative duration.
func (n Nanos) MarshalJSON() ([]byte, error) {
	if n == nil {
		return []byte("null"), nil
	}
	b := make([]byte, 0, 2+10*len(n))
	b = append(b, '[')
	for i, v := range n {
		if v < 0 {
			return nil, fmt.Errorf("duration %d is negative: %d ns", i, v)
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, v, 10)
	}
	return append(b, ']'), nil
}

var errNanos = errors.New("batch times must be an array of integers from 0 to 2^63-1 (nanoseconds)")

// UnmarshalJSON reads a JSON array of integers from 0 to 2^63-1; null and an empty array give nil. Fractions, exponents
// and anything else are an error.
func (n *Nanos) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*n = nil
		return nil
	}
	if len(b) < 2 || b[0] != '[' || b[len(b)-1] != ']' {
		return errNanos
	}
	b = b[1 : len(b)-1]
	// The count of commas is the count of elements less one: allocating once halves the memory that reading takes.
	count, blank := 1, true
	for _, c := range b {
		switch c {
		case ',':
			count++
			blank = false
		case ' ', '\t', '\r', '\n':
		default:
			blank = false
		}
	}
	if blank {
		*n = nil
		return nil
	}
	out := make(Nanos, 0, count)
	for i := 0; ; i++ { // one element per turn; b[i] is the byte after the comma
		i = skipBlank(b, i)
		first := i
		var v uint64
		for ; i < len(b) && b[i]-'0' <= 9; i++ {
			d := uint64(b[i] - '0')
			if v > (math.MaxInt64-d)/10 {
				return errNanos
			}
			v = v*10 + d
		}
		if i == first || (b[first] == '0' && i-first > 1) {
			return errNanos
		}
		out = append(out, int64(v))
		i = skipBlank(b, i)
		if i == len(b) {
			break
		}
		if b[i] != ',' {
			return errNanos
		}
	}
	*n = out
	return nil
}

func skipBlank(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r' || b[i] == '\n') {
		i++
	}
	return i
}

// sum adds the durations; ok is false when the sum does not fit 63 bits or one is negative.
func (n Nanos) sum() (s int64, ok bool) {
	for _, v := range n {
		if v < 0 || s > math.MaxInt64-v {
			return 0, false
		}
		s += v
	}
	return s, true
}
