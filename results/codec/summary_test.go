package codec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/parbench/parbench/results"
)

// estimates of the sample run: of the second cell without an interval, of the third nothing.
func sampleEstimates() []Estimate {
	return []Estimate{
		{Cell: 0, Time: Interval{Point: 1e-3, Lo: .99e-3, Hi: 1.02e-3, Level: .992, N: 8}, Speedup: Interval{Point: 1, N: 8}, Peak: Interval{Point: 9 << 20, N: 8}},
		{Cell: 1, Time: Interval{Point: 1.5e-3, Lo: 1.5e-3, Hi: 1.5e-3, N: 2}, Speedup: Interval{Point: .67, Lo: .6, Hi: .7, Level: .95, N: 8}},
		{Cell: 2},
		{Cell: 9, Time: Interval{Point: 2.5e-4, Lo: 2.4e-4, Hi: 2.6e-4, Level: .95, N: 7}},
	}
}

func TestBMF(t *testing.T) {
	var b bytes.Buffer
	if err := WriteBMF(&b, sample(), sampleEstimates()); err != nil {
		t.Fatal(err)
	}
	var got map[string]map[string]map[string]float64
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]map[string]map[string]float64{
		"primes{limit=10000}/sequential/cores=1": {
			"latency": {"value": 1e6, "lower_value": .99e6, "upper_value": 1.02e6}, "speedup": {"value": 1}, "peak-memory": {"value": 9 << 20},
		},
		"primes{limit=10000}/pool/cores=1":                    {"latency": {"value": 1.5e6}, "speedup": {"value": .67, "lower_value": .6, "upper_value": .7}},
		"fetch-parse/process-pool:mode=imap,chunk=16/cores=2": {"latency": {"value": 2.5e5, "lower_value": 2.4e5, "upper_value": 2.6e5}},
	}
	close := cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) <= 1e-12*math.Abs(b) })
	if d := cmp.Diff(want, got, close); d != "" {
		t.Error(d)
	}
}

func TestGHA(t *testing.T) {
	var b bytes.Buffer
	if err := WriteGHA(&b, sample(), sampleEstimates()); err != nil {
		t.Fatal(err)
	}
	const want = `[
  {
    "name": "primes{limit=10000}/sequential/cores=1",
    "unit": "ns/task",
    "value": 1000000,
    "range": "990000 to 1020000",
    "extra": "1 worker, 8 trials, median with 99.2 % interval, speedup 1"
  },
  {
    "name": "primes{limit=10000}/pool/cores=1",
    "unit": "ns/task",
    "value": 1500000,
    "extra": "1 worker, 2 trials, median, too few trials for an interval, speedup 0.67"
  },
  {
    "name": "fetch-parse/process-pool:mode=imap,chunk=16/cores=2",
    "unit": "ns/task",
    "value": 250000,
    "range": "240000 to 260000",
    "extra": "2 workers, 7 trials, 1 failed, median with 95 % interval"
  }
]
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
	// The file is recognised, and refused for what it lacks.
	if _, err := Read(&b); err == nil || !strings.Contains(err.Error(), "github-action-benchmark") {
		t.Errorf("%v", err)
	}
	b.Reset()
	if err := WriteGHA(&b, sample(), nil); err != nil || b.String() != "[]\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

func TestOpenMetrics(t *testing.T) {
	var b bytes.Buffer
	run := sample()
	if err := WriteOpenMetrics(&b, run, sampleEstimates()); err != nil {
		t.Fatal(err)
	}
	got := openMetrics(t, b.String())
	value := func(family, benchmark string) float64 {
		t.Helper()
		for _, s := range got[family].samples {
			if s.labels["benchmark"] == benchmark {
				return s.value
			}
		}
		return math.NaN()
	}
	const first, pool, failing = "primes{limit=10000}/sequential/cores=1", "primes{limit=10000}/pool/cores=1", "fetch-parse/process-pool:mode=imap,chunk=16/cores=2"
	for _, c := range []struct {
		family, benchmark string
		want              float64
	}{
		{"parbench_task_time_seconds", first, 1e-3}, {"parbench_task_time_lower_seconds", first, .99e-3}, {"parbench_task_time_upper_seconds", first, 1.02e-3},
		{"parbench_task_time_confidence_ratio", first, .992}, {"parbench_speedup_ratio", pool, .67}, {"parbench_peak_memory_bytes", first, 9 << 20},
		{"parbench_trials_used", failing, 7}, {"parbench_trials_failed", failing, 1}, {"parbench_speedup_upper_ratio", pool, .7},
	} {
		if v := value(c.family, c.benchmark); v != c.want {
			t.Errorf("%s of %s: %v, want %v", c.family, c.benchmark, v, c.want)
		}
	}
	if v := value("parbench_task_time_lower_seconds", pool); !math.IsNaN(v) {
		t.Errorf("the end of an interval that is none: %v", v)
	}
	if n := len(got["parbench_task_time_seconds"].samples); n != 3 {
		t.Errorf("%d times", n)
	}
	info := got["parbench_run"].samples[0]
	if info.labels["cpu_model"] != "Some CPU @ 2.00GHz" || info.value != 1 || got["parbench_run_start_time_seconds"].samples[0].value != float64(epoch.Unix()) {
		t.Errorf("%+v", info)
	}
	if l := got["parbench_trials_used"].samples[1].labels; l["strategy"] != "pool" || l["workload"] != "primes{limit=10000}" || l["cores"] != "1" || l["workers"] != "1" || l["program"] != "self" {
		t.Errorf("%v", l)
	}
	if _, err := Read(&b); err == nil || !strings.Contains(err.Error(), "OpenMetrics") {
		t.Errorf("%v", err)
	}
}

type metricFamily struct {
	kind, unit string
	samples    []metricSample
}

type metricSample struct {
	labels map[string]string
	value  float64
}

var (
	sampleLine = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$`)
	labelPair  = regexp.MustCompile(`^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(,|$)`)
)

// openMetrics parses the text as strictly as the specification asks: families in one piece, TYPE, UNIT and HELP before their
// samples, names that end in the unit, labels once each, no sample twice, and "# EOF" as the last line.
func openMetrics(t interface{ Fatalf(string, ...any) }, text string) map[string]*metricFamily {
	body, ok := strings.CutSuffix(text, "# EOF\n")
	if !ok || strings.Contains(body, "# EOF") || !utf8.ValidString(text) {
		t.Fatalf("does not end in # EOF, or is not UTF-8:\n%s", text)
	}
	families := make(map[string]*metricFamily)
	var name string
	var current *metricFamily
	seen := make(map[string]bool)
	for _, line := range strings.Split(strings.TrimSuffix(body, "\n"), "\n") {
		if rest, ok := strings.CutPrefix(line, "# "); ok {
			word := strings.SplitN(rest, " ", 3)
			switch {
			case len(word) != 3:
				t.Fatalf("%q", line)
			case word[0] == "TYPE":
				name, current = word[1], &metricFamily{kind: word[2]}
				if families[name] != nil {
					t.Fatalf("the family %s comes twice", name)
				}
				families[name] = current
			case current == nil || word[1] != name || len(current.samples) > 0:
				t.Fatalf("%q is not before the samples of its family", line)
			case word[0] == "UNIT":
				if current.unit = word[2]; !strings.HasSuffix(name, "_"+current.unit) {
					t.Fatalf("%s does not end in its unit %s", name, current.unit)
				}
			case word[0] != "HELP":
				t.Fatalf("%q", line)
			}
			continue
		}
		m := sampleLine.FindStringSubmatch(line)
		want := name
		if current != nil && current.kind == "info" {
			want += "_info"
		}
		if m == nil || current == nil || m[1] != want || seen[m[1]+m[2]] {
			t.Fatalf("%q in family %s", line, name)
		}
		seen[m[1]+m[2]] = true
		v, err := strconv.ParseFloat(m[3], 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			t.Fatalf("%q: %v", line, err)
		}
		labels := make(map[string]string)
		for rest := m[2]; rest != ""; {
			p := labelPair.FindStringSubmatch(rest)
			if p == nil {
				t.Fatalf("labels %q", m[2])
			}
			if _, twice := labels[p[1]]; twice {
				t.Fatalf("label %s comes twice in %q", p[1], line)
			}
			labels[p[1]] = strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n").Replace(p[2])
			rest = rest[len(p[0]):]
		}
		current.samples = append(current.samples, metricSample{labels, v})
	}
	return families
}

// Whatever names, numbers and estimates hold, each format stays whole, and no two cells become one.
func TestHostileSummaries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		run := sample()
		run.Header.ID, run.Header.Environment.CPUModel = hostile().Draw(t, "id"), hostile().Draw(t, "cpu")
		p := &run.Header.Plan
		p.Workloads[0].Key = hostile().Draw(t, "key")
		for i := range p.Cells {
			if c := &p.Cells[i]; i < 5 {
				c.Workload, c.Label, c.Program = p.Workloads[0].Key, hostile().Draw(t, "label"), hostile().Draw(t, "program")
			}
		}
		number := rapid.OneOf(rapid.Float64(), rapid.SampledFrom([]float64{0, math.NaN(), math.Inf(1), math.Inf(-1), 1e305, -1}))
		interval := rapid.Custom(func(t *rapid.T) Interval {
			return Interval{Point: number.Draw(t, "point"), Lo: number.Draw(t, "lo"), Hi: number.Draw(t, "hi"), Level: rapid.SampledFrom([]float64{0, .95}).Draw(t, "level"), N: rapid.IntRange(0, 3).Draw(t, "n")}
		})
		var estimates []Estimate
		for i := range p.Cells {
			estimates = append(estimates, Estimate{Cell: i, Time: interval.Draw(t, "time"), Speedup: interval.Draw(t, "speedup"), Peak: interval.Draw(t, "peak")})
		}
		expect := 0
		for _, e := range estimates {
			if e.Time.ok() && finite(e.Time.Point*1e9) {
				expect++
			}
		}

		var b bytes.Buffer
		if err := WriteBMF(&b, run, estimates); err != nil {
			t.Fatal(err)
		}
		var bmf map[string]json.RawMessage
		if err := json.Unmarshal(b.Bytes(), &bmf); err != nil || len(bmf) != expect {
			t.Fatalf("%d benchmarks of %d, %v:\n%s", len(bmf), expect, err, b.String())
		}
		for name := range bmf {
			if name == "" || strings.ContainsFunc(name, unicode.IsControl) || utf8.RuneCountInString(name) > maxName {
				t.Fatalf("%q", name)
			}
		}

		b.Reset()
		if err := WriteGHA(&b, run, estimates); err != nil {
			t.Fatal(err)
		}
		var gha []struct{ Name string }
		if err := json.Unmarshal(b.Bytes(), &gha); err != nil || len(gha) != expect {
			t.Fatalf("%d entries of %d, %v", len(gha), expect, err)
		}

		b.Reset()
		if err := WriteOpenMetrics(&b, run, estimates); err != nil {
			t.Fatal(err)
		}
		noControls(t, b.String(), "\n")
		families := openMetrics(t, b.String())
		if used := families["parbench_trials_used"]; len(used.samples) != len(estimates) {
			t.Fatalf("%d samples", len(used.samples))
		} else if got := used.samples[1].labels["workload"]; got != visible(p.Workloads[0].Key) {
			t.Fatalf("label %q of %q", got, p.Workloads[0].Key)
		}
	})
}

// Bencher takes names of 1024 characters; longer ones are cut and stay apart.
func TestLongNames(t *testing.T) {
	run := sample()
	p := &run.Header.Plan
	long := strings.Repeat("ä", 2000)
	p.Cells[0].Label, p.Cells[1].Label = long+"a", long+"b"
	p.Cells[2] = p.Cells[1]
	names := uniqueNames(p)
	if names[0] == names[1] || names[1] == names[2] || names[0] == names[2] {
		t.Error("two cells have one name")
	}
	for _, n := range names[:3] {
		if utf8.RuneCountInString(n) != maxName || !utf8.ValidString(n) {
			t.Errorf("%d characters", utf8.RuneCountInString(n))
		}
	}
}

func TestSummaryErrors(t *testing.T) {
	for name, write := range map[string]func(io.Writer, *results.Run, []Estimate) error{"BMF": WriteBMF, "GHA": WriteGHA, "OpenMetrics": WriteOpenMetrics} {
		var b bytes.Buffer
		if err := write(&b, sample(), sampleEstimates()); err != nil {
			t.Fatal(err)
		}
		for _, room := range []int{0, 1, b.Len() - 1} {
			l := limited(room)
			if err := write(&l, sample(), sampleEstimates()); err == nil || !strings.Contains(err.Error(), "full") {
				t.Errorf("%s with room for %d bytes: %v", name, room, err)
			}
		}
		for _, cell := range []int{-1, 10} {
			err := write(io.Discard, sample(), []Estimate{{Cell: cell}})
			if want := fmt.Sprintf("cell %d; the plan has 10", cell); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := write(io.Discard, &results.Run{}, nil); err != nil {
			t.Errorf("%s of nothing: %v", name, err)
		}
	}
}
