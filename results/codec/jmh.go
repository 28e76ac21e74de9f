package codec

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// forks is what JMH calls raw data: for each fork the scores of its iterations.
type forks []numbers

// maxForks is the number of forks up to which raw data are taken.
const maxForks = 100_000

// UnmarshalJSON reads a list of lists of numbers.
func (f *forks) UnmarshalJSON(b []byte) error {
	*f = nil
	if string(b) == "null" {
		return nil
	}
	return eachElement(b, func(fork []byte) error {
		var n numbers
		if err := n.UnmarshalJSON(fork); err != nil {
			return err
		}
		return appendFork(f, n)
	})
}

func appendFork(f *forks, n numbers) error {
	if len(*f) == maxForks {
		return fmt.Errorf("more than %d forks; split the file", maxForks)
	}
	*f = append(*f, n)
	return nil
}

// histograms are the raw data of mode sample: for each fork and iteration a list of [value, count]. Only the mean of each
// fork and of each iteration is kept.
type histograms struct {
	means forks     // per fork and iteration
	fork  []float64 // per fork, each value counted as often as it occurred
}

// UnmarshalJSON reads a list (forks) of lists (iterations) of lists of pairs.
func (h *histograms) UnmarshalJSON(b []byte) error {
	*h = histograms{}
	if string(b) == "null" {
		return nil
	}
	return eachElement(b, func(fork []byte) error {
		var means numbers
		var all weighted
		err := eachElement(fork, func(iteration []byte) error {
			var one weighted
			err := eachElement(iteration, func(pair []byte) error {
				var p numbers
				if err := p.UnmarshalJSON(pair); err != nil {
					return err
				}
				if len(p) != 2 || !(p[1] >= 0) || math.IsInf(p[1], 0) {
					return fmt.Errorf("%.40q stands where a value and its count belong", pair)
				}
				one.add(p[0], p[1])
				all.add(p[0], p[1])
				return nil
			})
			if one.n > 0 {
				means = append(means, one.mean())
			}
			return err
		})
		if err != nil || all.n == 0 {
			return err
		}
		h.fork = append(h.fork, all.mean())
		return appendFork(&h.means, means)
	})
}

type weighted struct{ sum, n float64 }

func (w *weighted) add(v, count float64) { w.sum, w.n = w.sum+v*count, w.n+count }
func (w *weighted) mean() float64        { return w.sum / w.n }

type jmhMetric struct {
	Score     *number    `json:"score"`
	Unit      string     `json:"scoreUnit"`
	Raw       forks      `json:"rawData"`
	Histogram histograms `json:"rawDataHistogram"`
}

type jmhEntry struct {
	Version   string               `json:"jmhVersion"`
	Benchmark string               `json:"benchmark"`
	Mode      string               `json:"mode"`
	Threads   int                  `json:"threads"`
	Forks     *int                 `json:"forks"`
	JDK       string               `json:"jdkVersion"`
	VM        string               `json:"vmName"`
	VMVersion string               `json:"vmVersion"`
	Args      []scalar             `json:"jvmArgs"`
	Batch     float64              `json:"measurementBatchSize"`
	Params    map[string]scalar    `json:"params"`
	Primary   jmhMetric            `json:"primaryMetric"`
	Secondary map[string]jmhMetric `json:"secondaryMetrics"`
}

// parseJMH reads the JSON of JMH (-rf json). A fork is a fresh process and a sample, its iterations are the sample's
// values. With -f 0 there is one process, and the iterations are the samples.
func parseJMH(text []byte) (*Suite, error) {
	var list []jmhEntry
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, broken(JMH, text, err)
	}
	b := newBuilder(JMH)
	names := make(map[[2]string]int)
	for i := range list {
		e := &list[i]
		if e.Benchmark == "" || e.Mode == "" {
			return nil, b.fail("entry %d has no benchmark or no mode; make the file with -rf json", i)
		}
		names[[2]string{e.name(), e.Mode}]++
	}
	for i := range list {
		e := &list[i]
		b.suite.Version = e.Version
		name := e.name()
		if names[[2]string{name, e.Mode}] > 1 {
			name += "/threads=" + strconv.Itoa(e.Threads)
		}
		b.jmh(e, name)
	}
	return b.finish("no benchmark in it has raw data; run JMH without -Djmh.json.rawData=false")
}

func (e *jmhEntry) name() string { return e.Benchmark + bracket(e.params()) }

func (e *jmhEntry) params() map[string]string {
	p := make(map[string]string, len(e.Params)+1)
	for k, v := range e.Params {
		p[k] = string(v)
	}
	return p
}

// jmh adds the metrics of one entry.
func (b *builder) jmh(e *jmhEntry, name string) {
	secondary := slices.Sorted(maps.Keys(e.Secondary))
	metrics := []string{e.Mode}
	for _, k := range secondary {
		metrics = append(metrics, e.Mode+" "+k)
	}
	name = b.unused("", name, metrics...)
	params := e.params()
	params["threads"] = strconv.Itoa(e.Threads)
	env := make(map[string]string)
	args := make([]string, len(e.Args))
	for i, a := range e.Args {
		args[i] = string(a)
	}
	vm := strings.TrimSpace(e.VM + " " + e.VMVersion)
	for k, v := range map[string]string{"jdk": e.JDK, "vm": vm, "jvm_args": strings.Join(args, " ")} {
		if v != "" {
			env[k] = v
		}
	}
	add := func(metric string, m *jmhMetric, better func(unit string) Direction) {
		s, _ := b.at(Key{Name: name, Metric: metric})
		unit, scale := jmhUnit(m.Unit)
		s.Unit, s.Better, s.Secondary = unit, better(unit), metric != e.Mode
		s.Params, s.Env = params, env
		s.SameProcess = e.Forks != nil && *e.Forks == 0
		if e.Mode == "ss" && e.Batch > 1 {
			s.Work = e.Batch
		}
		b.forks(s, m, scale)
		if len(s.Samples) == 0 && !s.Secondary {
			b.warn("%q holds no raw data, only a score, and was left out", name)
		}
	}
	add(e.Mode, &e.Primary, func(unit string) Direction { return jmhBetter(e.Mode, unit) })
	for _, k := range secondary {
		m := e.Secondary[k]
		add(e.Mode+" "+k, &m, func(unit string) Direction { return jmhSecondary(k, unit) })
	}
}

// forks adds the samples of a metric.
func (b *builder) forks(s *Series, m *jmhMetric, scale func(float64) float64) {
	data := m.Raw
	if len(data) == 0 {
		data = m.Histogram.means
	}
	for i, fork := range data {
		for j := range fork {
			fork[j] = scale(fork[j])
		}
		if s.SameProcess {
			for _, v := range fork {
				b.single(s, v)
			}
			continue
		}
		before := len(s.Samples)
		b.sample(s, fork)
		if len(m.Raw) == 0 && len(s.Samples) > before {
			// Iterations of mode sample hold unequal numbers of calls; the fork's mean counts each call once, as JMH's score.
			if v := scale(m.Histogram.fork[i]); !math.IsInf(v, 0) && !math.IsNaN(v) {
				s.Samples[before].Value = v
			}
		}
	}
}

// jmhUnit returns the base unit, and how to get there: times in seconds, rates per second.
func jmhUnit(unit string) (string, func(float64) float64) {
	scales := map[string]float64{"ns": 1e9, "us": 1e6, "ms": 1e3, "s": 1, "min": 1. / 60, "hr": 1. / 3600, "day": 1. / 86400}
	head, tail, ok := strings.Cut(unit, "/")
	if per, known := scales[unit]; known {
		return "s", func(v float64) float64 { return v / per }
	}
	if per, known := scales[head]; known && ok {
		return "s/" + tail, func(v float64) float64 { return v / per }
	}
	if per, known := scales[tail]; known && ok {
		return head + "/s", func(v float64) float64 { return v * per }
	}
	return unit, func(v float64) float64 { return v }
}

// jmhBetter returns the direction of a primary metric. Throughput is the only mode in which more is better.
func jmhBetter(mode, unit string) Direction {
	switch {
	case mode == "thrpt":
		return Higher
	case strings.HasPrefix(unit, "s/"):
		return Lower
	}
	return Unknown
}

// jmhSecondary returns the direction of a secondary metric. Auxiliary counters have a rate as their unit whatever they
// count, failures included, and an allocation rate rises with the throughput: those stay unknown.
func jmhSecondary(name, unit string) Direction {
	if strings.HasPrefix(unit, "s/") || unit == "B/op" && strings.HasSuffix(name, "gc.alloc.rate.norm") {
		return Lower
	}
	return Unknown
}
