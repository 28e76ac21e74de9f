package codec

import (
	"fmt"
	"hash/fnv"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/parbench/parbench/results"
)

// Interval is an estimate with its confidence interval, field for field that of results/analysis: one converts into the
// other. Level 0: the data support no interval, and Lo and Hi are not written. N is the number of samples; 0: there is
// no estimate.
type Interval struct {
	Point, Lo, Hi float64
	Level         float64
	N             int
}

// ok reports whether there is an estimate that can be written.
func (i Interval) ok() bool { return i.N > 0 && finite(i.Point) }

// bounded reports whether it has an interval that can be written.
func (i Interval) bounded() bool { return i.ok() && i.Level > 0 && finite(i.Lo) && finite(i.Hi) }

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// Estimate is what the statistics say of one cell, the input of the writers of summaries. What was not measured has N = 0.
type Estimate struct {
	Cell    int      // index in Plan.Cells
	Time    Interval // seconds per task, median over trials
	Speedup Interval // over the reference cell, by time; no unit
	Peak    Interval // bytes, peak memory of the process tree
}

// summary is an estimate with what the run says of its cell.
type summary struct {
	Estimate
	cell         *results.Cell
	name         string // unique within the run
	used, failed int    // trials
}

// summaries joins run and estimates, in the order of the estimates. It fails on an estimate of a cell that the plan does not
// have.
func summaries(run *results.Run, estimates []Estimate) ([]summary, error) {
	plan := &run.Header.Plan
	names := uniqueNames(plan)
	used, failed := make([]int, len(plan.Cells)), make([]int, len(plan.Cells))
	for _, i := range run.Used() {
		used[run.Trials[i].Cell]++
	}
	for i := range run.Trials {
		if run.Trials[i].Status != results.OK {
			failed[run.Trials[i].Cell]++
		}
	}
	out := make([]summary, len(estimates))
	for i, e := range estimates {
		if e.Cell < 0 || e.Cell >= len(plan.Cells) {
			return nil, fmt.Errorf("an estimate is of cell %d; the plan has %d", e.Cell, len(plan.Cells))
		}
		out[i] = summary{Estimate: e, cell: &plan.Cells[e.Cell], name: names[e.Cell], used: used[e.Cell], failed: failed[e.Cell]}
	}
	return out, nil
}

// maxName is the longest name of a benchmark that Bencher takes, in characters; nobody reads a longer one.
const maxName = 1024

// uniqueNames returns a name for each cell of the plan, on one line and with nothing that acts on a terminal: that of
// seriesNames, with the program before it where the plan has several. No two are equal.
func uniqueNames(p *results.Plan) []string {
	programs := make(map[string]bool)
	for _, c := range p.Cells {
		programs[c.Program] = true
	}
	names := seriesNames(p)
	taken := make(map[string]bool, len(names))
	for i, c := range p.Cells {
		name := names[i]
		if len(programs) > 1 {
			name = c.Program + "/" + name
		}
		name = shorten(visible(name))
		for try := name; ; try = shorten(fmt.Sprintf("%s/cell=%d", name, i)) {
			if name = try; !taken[name] {
				break
			}
		}
		taken[name] = true
		names[i] = name
	}
	return names
}

// shorten cuts a name that is too long and puts a hash of it at the end, so that unlike names stay unlike.
func shorten(s string) string {
	if utf8.RuneCountInString(s) <= maxName {
		return s
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return fmt.Sprintf("%s…%016x", string([]rune(s)[:maxName-17]), h.Sum64())
}

// describe says where a figure comes from, for people: "4 workers, 12 trials, median with 95.7 % interval, speedup 3.4".
func (s *summary) describe() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s", counted(s.cell.Workers, "worker"), counted(s.Time.N, "trial"))
	if s.failed > 0 {
		fmt.Fprintf(&b, ", %d failed", s.failed)
	}
	if s.Time.bounded() {
		fmt.Fprintf(&b, ", median with %.3g %% interval", 100*s.Time.Level)
	} else {
		b.WriteString(", median, too few trials for an interval")
	}
	if s.Speedup.ok() {
		fmt.Fprintf(&b, ", speedup %.3g", s.Speedup.Point)
	}
	return b.String()
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// short returns v to four digits, without an exponent where that is readable.
func short(v float64) string {
	s := strconv.FormatFloat(v, 'g', 4, 64)
	if r, err := strconv.ParseFloat(s, 64); err == nil && math.Abs(r) < 1e15 && math.Abs(r) >= 1e-4 {
		return strconv.FormatFloat(r, 'f', -1, 64)
	}
	return s
}
