package codec

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"

	"github.com/parbench/parbench/results"
)

// measure is a metric of the Bencher Metric Format.
type measure struct {
	Value float64  `json:"value"`
	Lower *float64 `json:"lower_value,omitempty"`
	Upper *float64 `json:"upper_value,omitempty"`
}

func measureOf(i Interval, scale float64) *measure {
	m := &measure{Value: scaled(i.Point, scale)}
	if !i.ok() || !finite(m.Value) {
		return nil
	}
	if lo, hi := scaled(i.Lo, scale), scaled(i.Hi, scale); i.bounded() && finite(lo) && finite(hi) {
		m.Lower, m.Upper = &lo, &hi
	}
	return m
}

// scaled multiplies and rounds to 15 digits, which every decimal number of that many survives: 5.2e-4 s are 520000 ns
// and not 519999.99999999994.
func scaled(v, scale float64) float64 {
	if scale == 1 {
		return v
	}
	r, err := strconv.ParseFloat(strconv.FormatFloat(v*scale, 'g', 15, 64), 64)
	if err != nil {
		return v * scale
	}
	return r
}

// WriteBMF writes the estimates in the Bencher Metric Format (https://bencher.dev/docs/reference/bencher-metric-format), one
// benchmark per cell: "latency", the time per task in nanoseconds, which is Bencher's built-in measure, "speedup" and
// "peak-memory" in bytes, each with the bounds of its interval. Cells without an estimate are left out.
func WriteBMF(w io.Writer, run *results.Run, estimates []Estimate) error {
	list, err := summaries(run, estimates)
	if err != nil {
		return fmt.Errorf("writing Bencher JSON: %w", err)
	}
	out := bufio.NewWriter(w)
	e := &encoder{w: out}
	e.raw("{")
	between := "\n"
	for i := range list {
		s := &list[i]
		latency := measureOf(s.Time, 1e9)
		if latency == nil {
			continue
		}
		e.raw(between)
		between = ",\n"
		e.value(s.name)
		e.raw(":")
		e.value(struct {
			Latency *measure `json:"latency"`
			Speedup *measure `json:"speedup,omitempty"`
			Peak    *measure `json:"peak-memory,omitempty"`
		}{latency, measureOf(s.Speedup, 1), measureOf(s.Peak, 1)})
	}
	e.raw("\n}\n")
	if e.err == nil {
		e.err = out.Flush()
	}
	if e.err != nil {
		return fmt.Errorf("writing Bencher JSON: %w", e.err)
	}
	return nil
}

// WriteGHA writes the estimates as custom JSON of github-action-benchmark, for its tool customSmallerIsBetter
// (https://github.com/benchmark-action/github-action-benchmark): the time per task of each cell in nanoseconds, its interval
// as "range", and workers, trials and speedup as "extra". Cells without an estimate are left out.
func WriteGHA(w io.Writer, run *results.Run, estimates []Estimate) error {
	type entry struct {
		Name  string  `json:"name"`
		Unit  string  `json:"unit"`
		Value float64 `json:"value"`
		Range string  `json:"range,omitempty"`
		Extra string  `json:"extra"`
	}
	list, err := summaries(run, estimates)
	if err != nil {
		return fmt.Errorf("writing github-action-benchmark JSON: %w", err)
	}
	entries := []entry{} // an empty list, not null
	for i := range list {
		s := &list[i]
		m := measureOf(s.Time, 1e9)
		if m == nil {
			continue
		}
		x := entry{Name: s.name, Unit: "ns/task", Value: m.Value, Extra: s.describe()}
		if m.Lower != nil {
			x.Range = short(*m.Lower) + " to " + short(*m.Upper)
		}
		entries = append(entries, x)
	}
	b, err := json.MarshalIndent(entries, "", "  ")
	if err == nil {
		_, err = w.Write(append(b, '\n'))
	}
	if err != nil {
		return fmt.Errorf("writing github-action-benchmark JSON: %w", err)
	}
	return nil
}
