package codec

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/parbench/parbench/results"
)

// The formats that Read recognises, as Suite.Tool and FormatError.Format name them.
const (
	Parbench        = "parbench"
	Hyperfine       = "hyperfine"
	Pyperf          = "pyperf"
	GoogleBenchmark = "Google Benchmark"
	JMH             = "JMH"
	GoBenchmark     = "Go benchmark text"
)

// Direction says which values of a metric are better.
type Direction int8

// The directions. Unknown is for metrics of which the file does not say: a difference is a difference, not a verdict.
const (
	Unknown Direction = iota
	Lower
	Higher
)

// String returns "unknown", "lower" or "higher".
func (d Direction) String() string {
	switch d {
	case Lower:
		return "lower"
	case Higher:
		return "higher"
	}
	return "unknown"
}

// Suite is what one file of results holds, whichever tool wrote it. Names and warnings hold text from the file: back
// ends escape it. All numbers are finite, times are not negative, and no two series have the same key.
type Suite struct {
	Tool     string            // one of the formats above
	Version  string            // of the tool, where the file says
	Env      map[string]string // what the numbers depend on, as far as recorded; empty where nothing is
	Series   []Series          // in the file's order
	Warnings []string          // what was skipped and what is doubtful; bounded
	Broken   string            // what the tool says ended badly where no series can be named for it; empty: nothing
	Run      *results.Run      // the run itself where the file is one of parbench; nil otherwise
}

// Series is all that a file says of one metric of one benchmark.
type Series struct {
	Group  string // what the name lives in: the program of a parbench cell, the package of a Go benchmark; often empty
	Name   string
	Metric string // what was measured: "time", "cpu-time", "peak-memory", a JMH mode, a counter's name
	Unit   string // base units: "s", "s/op", "s/task", "B", "ops/s" …; empty for a bare count

	Better    Direction
	Secondary bool // not what the benchmark is about: memory, CPU time, counters
	Exact     bool // the file says that repeating it gives the same value

	// Work is the number of operations that one value was measured over, where that changes what the value means: the
	// tasks of a parbench batch, the batch size of a JMH single-shot. 0: unknown, or the tool normalised it away. Series
	// of unlike work must not be compared.
	Work float64
	// Params are the conditions that belong to the benchmark and not to the machine: parameters, threads, workers.
	// Series whose common parameters differ did different work.
	Params map[string]string
	Env    map[string]string // where it is not the suite's: only what differs between series
	Digest string            // of the result of one value; empty: unknown. Unequal digests: something else was computed

	Samples []Sample
	// SameProcess says that the samples are iterations of ONE process and not, as otherwise, one fresh process each. What
	// a process gets by chance (its address space, its caches' state) is then the same in all: their spread is too small,
	// and so is every interval made of it.
	SameProcess bool
	// Rounds says that the samples' Round is known: those of one round, in any series of the suite, ran next to each
	// other and can be paired.
	Rounds bool

	Failed int    // executions that did not end well
	Reason string // of the first of them
}

// Sample is what one unit of replication contributes.
type Sample struct {
	Value     float64   // the mean of what the unit measured
	Values    []float64 // in the order of measurement; nil where the file holds only Value
	Round     int       // with Series.Rounds
	Disturbed bool      // others were seen to use the machine
}

// Key names a series within a suite, and its counterpart in another suite.
type Key struct{ Group, Name, Metric string }

// Key returns the series' key.
func (s *Series) Key() Key { return Key{s.Group, s.Name, s.Metric} }

// Seconds reports whether the values are times.
func (s *Series) Seconds() bool { return s.Unit == "s" || strings.HasPrefix(s.Unit, "s/") }

// Values returns the samples' values in order, the numbers that statistics take.
func (s *Series) Values() []float64 {
	v := make([]float64, len(s.Samples))
	for i := range s.Samples {
		v[i] = s.Samples[i].Value
	}
	return v
}

// FormatError says why a file cannot be used: bad input, not a failure of reading it.
type FormatError struct {
	Path   string // empty: unnamed input, such as stdin
	Format string // what the content was recognised as; empty: nothing that is known
	Line   int    // from 1; 0: the file as a whole, or unknown
	Msg    string // what is wrong and the remedy
	Err    error  // what it wraps, if anything
}

// Error returns "file:line: format: message", without the parts that are not known, on one line.
func (e *FormatError) Error() string {
	var b strings.Builder
	if e.Path != "" {
		b.WriteString(e.Path)
		if e.Line > 0 {
			fmt.Fprintf(&b, ":%d", e.Line)
		}
		b.WriteString(": ")
	} else if e.Line > 0 {
		fmt.Fprintf(&b, "line %d: ", e.Line)
	}
	if e.Format != "" {
		b.WriteString(e.Format + ": ")
	}
	b.WriteString(visible(e.Msg))
	return b.String()
}

// Unwrap returns the error that it wraps, or nil.
func (e *FormatError) Unwrap() error { return e.Err }

// builder collects the series of a suite.
type builder struct {
	suite    Suite
	index    map[Key]int
	dropped  int // values that are not finite, or negative times
	unwarned int // warnings beyond maxWarnings
}

const maxWarnings = 20

func newBuilder(tool string) *builder {
	return &builder{suite: Suite{Tool: tool, Env: map[string]string{}}, index: map[Key]int{}}
}

func (b *builder) fail(format string, args ...any) *FormatError {
	return &FormatError{Format: b.suite.Tool, Msg: fmt.Sprintf(format, args...)}
}

func (b *builder) warn(format string, args ...any) {
	if len(b.suite.Warnings) >= maxWarnings {
		b.unwarned++
		return
	}
	b.suite.Warnings = append(b.suite.Warnings, fmt.Sprintf(format, args...))
}

// at returns the series of that key, made when it is not there yet. The pointer is valid until the next call.
func (b *builder) at(k Key) (s *Series, made bool) {
	i, ok := b.index[k]
	if !ok {
		i = len(b.suite.Series)
		b.index[k] = i
		b.suite.Series = append(b.suite.Series, Series{Group: k.Group, Name: k.Name, Metric: k.Metric})
	}
	return &b.suite.Series[i], !ok
}

// unused returns a name under which the group has none of the metrics yet: name itself, or with " #2", " #3" … after it.
// Files may hold one benchmark twice, as two commands of hyperfine that are the same: they are not one.
func (b *builder) unused(group, name string, metrics ...string) string {
	taken := func(name string) bool {
		return slices.ContainsFunc(metrics, func(m string) bool { _, ok := b.index[Key{group, name, m}]; return ok })
	}
	if !taken(name) {
		return name
	}
	// Galloping keeps a file of n equal names from costing n² look-ups.
	high := 2
	for taken(fmt.Sprintf("%s #%d", name, high)) {
		high *= 2
	}
	low := max(high/2, 2)
	for low < high {
		if mid := (low + high) / 2; taken(fmt.Sprintf("%s #%d", name, mid)) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return fmt.Sprintf("%s #%d", name, high)
}

// sample adds a sample of the raw values to the series: those that are usable, or none.
func (b *builder) sample(s *Series, raw []float64) {
	values := make([]float64, 0, len(raw))
	for _, v := range raw {
		if b.usable(s, v) {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return
	}
	s.Samples = append(s.Samples, Sample{Value: mean(values), Values: values, Round: len(s.Samples)})
}

// single adds a sample of which the file holds one value.
func (b *builder) single(s *Series, v float64) {
	if b.usable(s, v) {
		s.Samples = append(s.Samples, Sample{Value: v, Round: len(s.Samples)})
	}
}

func (b *builder) usable(s *Series, v float64) bool {
	if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 && s.Seconds() {
		b.dropped++
		return false
	}
	return true
}

// finish checks and returns the suite. empty says what a file without any value lacks.
func (b *builder) finish(empty string) (*Suite, error) {
	s := &b.suite
	some := false
	s.Series = slices.DeleteFunc(s.Series, func(x Series) bool {
		some = some || len(x.Samples) > 0 || x.Failed > 0
		return len(x.Samples) == 0 && x.Failed == 0
	})
	b.index = nil
	switch {
	case !some && b.dropped > 0:
		return nil, b.fail("none of its values is usable (not finite, or a negative time); run the benchmarks again")
	case !some:
		return nil, b.fail("%s", empty)
	case b.dropped > 0:
		b.warn("%d values are not finite, or negative times, and were left out", b.dropped)
	}
	if b.unwarned > 0 {
		s.Warnings = append(s.Warnings, fmt.Sprintf("%d more warnings are not shown", b.unwarned))
	}
	hoist(s)
	return s, nil
}

// hoist moves what all series' environments agree on to the suite's.
func hoist(s *Suite) {
	if len(s.Series) == 0 {
		return
	}
	common := maps.Clone(s.Series[0].Env)
	for i := range s.Series {
		maps.DeleteFunc(common, func(k, v string) bool { have, ok := s.Series[i].Env[k]; return !ok || have != v })
	}
	for i := range s.Series {
		env := maps.Clone(s.Series[i].Env) // series of one benchmark share theirs
		maps.DeleteFunc(env, func(k, _ string) bool { _, ok := common[k]; return ok })
		if len(env) == 0 {
			env = nil
		}
		s.Series[i].Env = env
	}
	maps.Copy(s.Env, common)
}

// mean does not overflow where its result does not.
func mean(v []float64) float64 {
	var sum float64
	for _, x := range v {
		sum += x
	}
	if math.IsInf(sum, 0) || math.IsNaN(sum) {
		sum = 0
		for _, x := range v {
			sum += x / float64(len(v))
		}
		return sum
	}
	return sum / float64(len(v))
}
