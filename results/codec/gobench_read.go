package codec

import (
	"bufio"
	"bytes"
	"errors"
	"maps"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"
)

// parseGobench reads Go benchmark text. Lines of one `go test` are iterations of one process; where the file holds several,
// as a loop around `go test -count 1` makes it, each process is a sample.
func parseGobench(data []byte) (*Suite, error) {
	b := newBuilder(GoBenchmark)
	text, process := b.goLines(data)
	r := benchfmt.NewReader(bytes.NewReader(text), "")
	g := &goSeries{
		b: b, process: process,
		first: make(map[Key]int), last: make(map[Key]int), varies: make(map[string]bool), seen: make(map[string]bool),
	}
	syntax := 0
	for r.Scan() {
		if g.values > maxValues {
			return nil, b.fail("more than %d values; split the file", maxValues)
		}
		switch rec := r.Result().(type) {
		case *benchfmt.Result:
			g.result(rec)
		case *benchfmt.SyntaxError:
			if _, line := rec.Pos(); syntax < 5 {
				b.warn("line %d is no benchmark result (%s) and was skipped", line, rec.Msg)
			}
			syntax++
		}
	}
	if err := r.Err(); errors.Is(err, bufio.ErrTooLong) {
		return nil, b.fail("a line is longer than %d KiB, which is no benchmark result", bufio.MaxScanTokenSize>>10)
	} else if err != nil {
		return nil, err
	}
	if len(b.suite.Series) == 0 {
		if syntax == 0 {
			return nil, unknown(data)
		}
		return nil, b.fail("%d lines begin with Benchmark, but none is a result; give the output of go test -bench", syntax)
	}
	g.close(r.Units())
	return b.finish("no benchmark in it has a value")
}

// goLines numbers the process of each line (the first line is index 0), warns of failures, and blanks lines that are too
// long for the parser and cannot be results.
func (b *builder) goLines(data []byte) (text []byte, process []int) {
	text = data
	n, results := 0, false
	for first := 0; first < len(data); {
		end := len(data)
		if i := bytes.IndexByte(data[first:], '\n'); i >= 0 {
			end = first + i
		}
		line := bytes.TrimRight(data[first:end], "\r")
		switch {
		case bytes.HasPrefix(line, []byte("Benchmark")):
			results = true
		case len(line) >= bufio.MaxScanTokenSize-1:
			if &text[0] == &data[0] {
				text = bytes.Clone(data)
			}
			copy(text[first:end], bytes.Repeat([]byte{' '}, end-first))
			// A blank line of that length is still too long: end it early, at the cost of the line numbers after it.
			for i := first + 1000; i < end; i += 1000 {
				text[i] = '\n'
				process = append(process, n)
			}
		case isPass(line) && results:
			// The end of a process, or the beginning of one where the text was filtered.
			n, results = n+1, false
		case bytes.HasPrefix(line, []byte("--- FAIL: Benchmark")), bytes.HasPrefix(line, []byte("panic: ")):
			b.warn("the benchmarks did not all end well: %.200s", line)
			if b.suite.Broken == "" {
				b.suite.Broken = string(line[:min(len(line), 200)])
			}
		}
		process = append(process, n)
		first = end + 1
	}
	return text, process
}

func isPass(line []byte) bool {
	return bytes.Equal(line, []byte("PASS")) || bytes.Equal(line, []byte("FAIL")) || bytes.HasPrefix(line, []byte("goos: "))
}

// goSeries gathers results by benchmark.
type goSeries struct {
	b       *builder
	process []int
	configs []goConfig  // one for each time that the configuration changed, the last in force
	first   map[Key]int // index in configs of a series' first value
	varies  map[string]bool
	last    map[Key]int     // the process of a series' last sample
	seen    map[string]bool // units of the line at hand
	values  int
}

// goConfig is what "key: value" lines say, pkg apart.
type goConfig struct {
	raw []benchfmt.Config
	env map[string]string
}

// Log lines between the results may look like configuration. What goes beyond these bounds is passed over.
const (
	maxConfigKeys    = 100
	maxConfigChanges = 1000
)

// configure returns the index of the configuration in force, which hardly ever differs from that of the line before.
func (g *goSeries) configure(config []benchfmt.Config) int {
	config = config[:min(len(config), maxConfigKeys)]
	same := func(a, b benchfmt.Config) bool {
		return a.Key == b.Key && (a.Key == "pkg" || bytes.Equal(a.Value, b.Value))
	}
	if n := len(g.configs); n == maxConfigChanges || n > 0 && slices.EqualFunc(g.configs[n-1].raw, config, same) {
		return n - 1
	}
	c := goConfig{env: make(map[string]string)}
	for _, x := range config {
		x.Value = bytes.Clone(x.Value) // the parser writes the next one over it
		c.raw = append(c.raw, x)
		if x.Key != "pkg" {
			c.env[x.Key] = string(x.Value)
		}
	}
	g.configs = append(g.configs, c)
	return len(g.configs) - 1
}

// ours is the package that WriteGobench names: its lines are trials, each a process of its own.
const ours = "github.com/parbench/parbench"

func (g *goSeries) result(r *benchfmt.Result) {
	_, line := r.Pos()
	process := -1
	if line >= 1 && line <= len(g.process) {
		process = g.process[line-1]
	}
	index := g.configure(r.Config)
	env := g.configs[index].env
	pkg, name := r.GetConfig("pkg"), string(r.Name)
	fresh := pkg == ours && strings.Contains(name, "/workload=") && strings.Contains(name, "/strategy=")
	clear(g.seen)
	for _, v := range r.Values {
		unit, value := v.Unit, v.Value
		if v.OrigUnit == "ns/op" {
			value = v.OrigValue / 1e9 // the parser multiplies by 1e-9, which rounds twice
		}
		if g.seen[unit] {
			continue // the first of a unit counts, as for benchstat
		}
		g.seen[unit] = true
		key := Key{pkg, name, unit}
		s, made := g.b.at(key)
		if made {
			s.Unit, s.Env, s.Secondary = goUnit(unit), env, unit != "sec/op"
			g.first[key] = index
		} else if first := g.first[key]; first != index {
			g.vary(g.configs[first].env, env)
		}
		g.add(s, key, value, process, fresh)
	}
}

// vary notes configuration that changes within a series, whose values are taken together all the same.
func (g *goSeries) vary(first, now map[string]string) {
	for _, k := range slices.Sorted(maps.Keys(now)) {
		v := now[k]
		if first[k] != v && !g.varies[k] {
			g.varies[k] = true
			g.b.warn("%s differs within the file (%q and %q); the values of one benchmark were taken together", k, first[k], v)
		}
	}
}

// add puts the value into the sample of its process.
func (g *goSeries) add(s *Series, key Key, value float64, process int, fresh bool) {
	if !g.b.usable(s, value) {
		return
	}
	g.values++
	n := len(s.Samples)
	if last, ok := g.last[key]; !fresh && ok && last == process && n > 0 {
		s.Samples[n-1].Values = append(s.Samples[n-1].Values, value)
		return
	}
	g.last[key] = process
	x := Sample{Value: value, Round: n}
	if !fresh {
		x.Values = []float64{value}
	}
	s.Samples = append(s.Samples, x)
}

// close settles what is known only at the end: units, and whether there was one process or several.
func (g *goSeries) close(units benchfmt.UnitMetadataMap) {
	b := g.b
	times := make(map[[2]string]bool) // benchmarks with a time per operation
	for i := range b.suite.Series {
		s := &b.suite.Series[i]
		if s.Metric == "sec/op" {
			times[[2]string{s.Group, s.Name}] = true
		}
	}
	for i := range b.suite.Series {
		s := &b.suite.Series[i]
		switch units.GetBetter(s.Metric) {
		case -1:
			s.Better = Lower
		case 1:
			s.Better = Higher
		}
		if m := units.Get(s.Metric, "assume"); m != nil && m.Value == "exact" {
			s.Exact = true
		}
		// Without a time the metrics that the benchmark reports are what it is about.
		s.Secondary = s.Secondary && times[[2]string{s.Group, s.Name}]
		settle(s)
	}
}

// settle turns the groups of values into samples.
func settle(s *Series) {
	if len(s.Samples) == 1 && len(s.Samples[0].Values) > 0 {
		values := s.Samples[0].Values
		s.SameProcess = true
		s.Samples = make([]Sample, len(values))
		for i, v := range values {
			s.Samples[i] = Sample{Value: v, Round: i}
		}
		return
	}
	for i := range s.Samples {
		x := &s.Samples[i]
		if len(x.Values) > 1 {
			x.Value = mean(x.Values)
		} else {
			x.Values = nil
		}
	}
}

// goUnit writes seconds as the other formats do.
func goUnit(unit string) string {
	if unit == "sec" || strings.HasPrefix(unit, "sec/") {
		return "s" + strings.TrimPrefix(unit, "sec")
	}
	return unit
}
