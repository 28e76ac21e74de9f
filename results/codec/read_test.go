package codec

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func testFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func mustRead(t testing.TB, name string) *Suite {
	t.Helper()
	s, err := ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	sound(t, s)
	return s
}

// find returns the series of that name and metric.
func find(t testing.TB, s *Suite, name, metric string) *Series {
	t.Helper()
	i := slices.IndexFunc(s.Series, func(x Series) bool { return x.Name == name && x.Metric == metric })
	if i < 0 {
		var have []Key
		for i := range s.Series {
			have = append(have, s.Series[i].Key())
		}
		t.Fatalf("no series %q %q among %q", name, metric, have)
	}
	return &s.Series[i]
}

// sound checks what holds for every suite that Read returns.
func sound(t testing.TB, s *Suite) {
	t.Helper()
	if s.Tool == "" || len(s.Series) == 0 || len(s.Warnings) > maxWarnings+2 || s.Env == nil {
		t.Fatalf("tool %q, %d series, %d warnings", s.Tool, len(s.Series), len(s.Warnings))
	}
	keys := make(map[Key]bool)
	for i := range s.Series {
		x := &s.Series[i]
		if keys[x.Key()] {
			t.Fatalf("two series %+v", x.Key())
		}
		keys[x.Key()] = true
		if len(x.Samples) == 0 && x.Failed == 0 {
			t.Fatalf("%+v is empty", x.Key())
		}
		for k := range x.Env {
			if _, ok := s.Env[k]; ok {
				t.Fatalf("%s is in both environments", k)
			}
		}
		usable := func(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) && (v >= 0 || !x.Seconds()) }
		for _, p := range x.Samples {
			if !usable(p.Value) || slices.ContainsFunc(p.Values, func(v float64) bool { return !usable(v) }) {
				t.Fatalf("%+v has the sample %+v", x.Key(), p)
			}
			if x.SameProcess && len(p.Values) > 0 {
				t.Fatalf("%+v: an iteration of a process has iterations", x.Key())
			}
		}
	}
}

// near allows for one rounding.
func near(a, b float64) bool { return math.Abs(a-b) <= 4e-16*math.Abs(b) }

func total(s *Series) (n int) {
	for _, x := range s.Samples {
		n += max(1, len(x.Values))
	}
	return n
}

// The figures are those that `python3 -m pyperf stats` prints for the file.
func TestPyperf(t *testing.T) {
	s := mustRead(t, "pyperf-telco.json")
	x := find(t, s, "telco", "time")
	// 41 runs, the first of which calibrated.
	if len(x.Samples) != 40 || total(x) != 120 || math.Abs(mean(x.Values())-.0225307458) > 5e-11 {
		t.Errorf("%d samples, %d values, mean %v", len(x.Samples), total(x), mean(x.Values()))
	}
	if want := []float64{0.022752201875846367, 0.022529058374857414, 0.022569017250134493}; !slices.Equal(x.Samples[0].Values, want) {
		t.Errorf("first process: %v", x.Samples[0].Values)
	}
	if s.Tool != Pyperf || s.Version != "0.8.2" || x.Unit != "s" || x.Better != Lower || x.SameProcess || x.Rounds || x.Secondary {
		t.Errorf("%s %s: %+v", s.Tool, s.Version, x)
	}
	if s.Env["cpu_count"] != "4" || s.Env["python_version"] != "3.5.1 (64-bit)" {
		t.Errorf("environment %v", s.Env)
	}
	for _, k := range []string{"hostname", "boot_time", "python_executable"} {
		if _, ok := s.Env[k]; ok {
			t.Errorf("%s is no part of the environment", k)
		}
	}
	m := find(t, s, "telco", "peak-memory")
	if len(m.Samples) != 40 || m.Samples[0].Value != 14123008 || m.Unit != "B" || !m.Secondary {
		t.Errorf("memory %+v", m)
	}
}

func TestPyperfUnits(t *testing.T) {
	s, err := Read(strings.NewReader(`{"version":"1.0","metadata":{"unit":"byte"},"benchmarks":[
		{"metadata":{"name":"size"},"runs":[{"values":[10,20]},{"values":[30]},{"warmups":[[1,5]]}]},
		{"metadata":{"name":"count","unit":"integer"},"runs":[{"values":[1]}]},
		{"runs":[{"metadata":{"name":"deep","unit":"second","command_max_rss":7,"mem_max_rss":9},"values":[0.5,Infinity]}]},
		{"metadata":{"name":"count","unit":"integer"},"runs":[{"values":[2]}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	sound(t, s)
	if x := find(t, s, "size", "size"); x.Unit != "B" || x.Better != Lower || !slices.Equal(x.Values(), []float64{15, 30}) {
		t.Errorf("%+v", x)
	}
	if x := find(t, s, "count", "value"); x.Better != Unknown || x.Unit != "" {
		t.Errorf("%+v", x)
	}
	if x := find(t, s, "deep", "time"); !slices.Equal(x.Values(), []float64{.5}) || len(s.Warnings) != 1 {
		t.Errorf("%+v, warnings %q", x, s.Warnings)
	}
	if x := find(t, s, "deep", "peak-memory"); x.Samples[0].Value != 7 {
		t.Errorf("%+v", x)
	}
	find(t, s, "count #2", "value")
}

// hyperfine's own means must come out.
func TestHyperfine(t *testing.T) {
	for _, name := range []string{"hyperfine-two.json", "hyperfine-params.json"} {
		s := mustRead(t, name)
		var file struct {
			Results []struct {
				Command string
				Mean    float64
				Times   []float64
			}
		}
		if err := json.Unmarshal(testFile(t, name), &file); err != nil {
			t.Fatal(err)
		}
		if s.Tool != Hyperfine || len(s.Series) != len(file.Results) || len(s.Env) != 0 {
			t.Fatalf("%s: %d series, environment %v", s.Tool, len(s.Series), s.Env)
		}
		for i, r := range file.Results {
			x := &s.Series[i]
			if !strings.HasPrefix(x.Name, r.Command) || !slices.Equal(x.Values(), r.Times) || math.Abs(mean(x.Values())-r.Mean) > 1e-15 {
				t.Errorf("%q: mean %v, want %v", x.Name, mean(x.Values()), r.Mean)
			}
			if x.Metric != "time" || x.Unit != "s" || x.Better != Lower || x.SameProcess || x.Rounds {
				t.Errorf("%+v", x)
			}
		}
	}
}

func TestHyperfineParameters(t *testing.T) {
	s := mustRead(t, "hyperfine-params.json")
	var names []string
	for i := range s.Series {
		names = append(names, s.Series[i].Name)
	}
	// The parameter stands in a command where it is used; where it is not, it is what tells the commands apart.
	if want := []string{"sleep 0.01", "false{n=0.01}", "sleep 0.02", "false{n=0.02}"}; !slices.Equal(names, want) {
		t.Errorf("%q", names)
	}
	x := find(t, s, "false{n=0.02}", "time")
	if x.Failed != 3 || len(x.Samples) != 3 || x.Params["n"] != "0.02" || len(s.Warnings) != 2 || !strings.Contains(s.Warnings[0], "exit code") {
		t.Errorf("%+v, warnings %q", x, s.Warnings)
	}
	// The same command twice is hyperfine's way of an A/A test: two benchmarks.
	s, err := Read(strings.NewReader(`{"results":[{"command":"a","times":[1,2],"memory_usage_byte":[5,6]},{"command":"a","times":[3],"exit_codes":[null],"memory_usage_byte":[0]},{"command":"a","times":[4]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if a, b := find(t, s, "a", "time"), find(t, s, "a #2", "time"); len(a.Samples) != 2 || len(b.Samples) != 1 || b.Failed != 1 {
		t.Errorf("%+v\n%+v", a, b)
	}
	find(t, s, "a #3", "time")
	if m := find(t, s, "a", "peak-memory"); !slices.Equal(m.Values(), []float64{5, 6}) || len(s.Series) != 4 {
		t.Errorf("%d series, %+v", len(s.Series), m)
	}
}

func TestGoogleBenchmark(t *testing.T) {
	type row struct {
		name      string
		real, cpu float64
	}
	for file, want := range map[string][]row{
		"gbench-test1_run1.json": {{"BM_SameTimes", 10e-9, 10e-9}, {"BM_100xFaster", 10000e-9, 10000e-9}, {"BM_NotBadTimeUnit", .4, .5}, {"BM_hasLabel", 1, 1}},
		"gbench-test1_run2.json": {{"BM_2xFaster", 25e-9, 25e-9}, {"BM_ThirdFaster", 66.665e-9, 66.664e-9}, {"BM_NotBadTimeUnit", .04, .6}, {"BM_DifferentTimeUnit", 1e-9, 1e-9}},
	} {
		s := mustRead(t, file)
		// Sixteen entries, two of which are a fit; each has two times.
		if s.Tool != GoogleBenchmark || len(s.Series) != 28 || s.Env["num_cpus"] != "4" || len(s.Warnings) != 0 {
			t.Errorf("%s: %d series, environment %v, warnings %q", s.Tool, len(s.Series), s.Env, s.Warnings)
		}
		for _, r := range want {
			wall, cpu := find(t, s, r.name, "time"), find(t, s, r.name, "cpu-time")
			if !near(wall.Samples[0].Value, r.real) || !near(cpu.Samples[0].Value, r.cpu) {
				t.Errorf("%s: %v and %v", r.name, wall.Samples[0].Value, cpu.Samples[0].Value)
			}
			if wall.Unit != "s" || wall.Better != Lower || wall.Secondary || !cpu.Secondary || !wall.SameProcess || len(wall.Samples) != 1 {
				t.Errorf("%+v", wall)
			}
		}
	}
}

// A real export with everything that is special: NaN, repetitions, aggregates, counters, an error, threads and a fit.
func TestGoogleCounters(t *testing.T) {
	s := mustRead(t, "gbench-counters.json")
	const sum = "BM_Sum/64/repeats:3"
	x := find(t, s, sum, "time")
	// The tool printed 0.087 us for the mean of the three and 0.063 for the median.
	if len(x.Samples) != 3 || math.Abs(mean(x.Values())-8.66175167458e-08) > 1e-18 || !x.SameProcess || x.Params != nil {
		t.Errorf("%+v", x)
	}
	for metric, want := range map[string]Series{
		"items_per_second": {Unit: "items/s", Better: Higher}, "bytes_per_second": {Unit: "B/s", Better: Higher}, "Foo": {Better: Unknown},
	} {
		if c := find(t, s, sum, metric); c.Unit != want.Unit || c.Better != want.Better || !c.Secondary || len(c.Samples) != 3 {
			t.Errorf("%s: %+v", metric, c)
		}
	}
	if c := find(t, s, sum, "Foo"); c.Samples[2].Value != 42 {
		t.Errorf("%+v", c)
	}
	for i := range s.Series {
		if m := s.Series[i].Metric; m == "bad" || m == "inf" || m == "rms" || m == "family_index" {
			t.Errorf("%s is a series", m)
		}
	}
	if e := find(t, s, "BM_Err", "time"); e.Failed != 1 || e.Reason != `no "device"` || len(e.Samples) != 0 {
		t.Errorf("%+v", e)
	}
	if x := find(t, s, "BM_Thr/min_time:0.010/real_time/threads:2", "time"); x.Params["threads"] != "2" {
		t.Errorf("%+v", x)
	}
	if _, ok := s.Env["host_name"]; ok || s.Env["num_cpus"] != "2" {
		t.Errorf("%v", s.Env)
	}
	warnings := strings.Join(s.Warnings, "\n")
	for _, want := range []string{"debug", "BM_Err", "12 values are not finite"} {
		if !strings.Contains(warnings, want) {
			t.Errorf("no %q in %q", want, warnings)
		}
	}
}

// Before version 1.5 only the name says that an entry is an aggregate, and a name may end so for another reason.
func TestGoogleOldAggregates(t *testing.T) {
	s, err := Read(strings.NewReader(`{"context":{},"benchmarks":[{"name":"a","real_time":1},{"name":"a","real_time":3},{"name":"a_mean","real_time":2},
		{"name":"a_stddev","real_time":1},{"name":"geo_mean","real_time":5,"time":9},{"name":"b","real_time":NaN},{"name":"b","real_time":4}]}`))
	if err != nil {
		t.Fatal(err)
	}
	sound(t, s)
	if x := find(t, s, "a", "time"); !slices.Equal(x.Values(), []float64{1e-9, 3e-9}) || len(s.Series) != 4 {
		t.Errorf("%d series, %+v", len(s.Series), x)
	}
	find(t, s, "geo_mean", "time")
	if x := find(t, s, "geo_mean", "counter time"); x.Samples[0].Value != 9 {
		t.Errorf("%+v", x)
	}
	if x := find(t, s, "b", "time"); len(x.Samples) != 1 || !strings.Contains(strings.Join(s.Warnings, ""), "1 values") {
		t.Errorf("%+v %q", x, s.Warnings)
	}
}

// JMH's own scores must come out.
func TestJMH(t *testing.T) {
	s := mustRead(t, "jmh-six.json")
	var file []struct {
		PrimaryMetric struct{ Score float64 }
	}
	if err := json.Unmarshal(testFile(t, "jmh-six.json"), &file); err != nil {
		t.Fatal(err)
	}
	if s.Tool != JMH || s.Version != "1.36" || len(s.Series) != 6 || s.Env["jvm_args"] != "-Xmx2G" {
		t.Fatalf("%s %s, %d series, %v", s.Tool, s.Version, len(s.Series), s.Env)
	}
	for i, e := range file {
		x := &s.Series[i]
		if !near(mean(x.Values()), e.PrimaryMetric.Score) {
			t.Errorf("%s: %v, want %v", x.Name, mean(x.Values()), e.PrimaryMetric.Score)
		}
		if len(x.Samples) != 1 || len(x.Samples[0].Values) != 3 || x.Better != Higher || x.Unit != "ops/s" || x.Params["threads"] != "32" || x.SameProcess {
			t.Errorf("%+v", x)
		}
	}
	find(t, s, "com.github.caffeine.caffeine.cache.ComputeBenchmark.compute_sameKey{computeType=Caffeine}", "thrpt")
}

func TestJMHModes(t *testing.T) {
	s := mustRead(t, "jmh-modes.json")
	check := func(name, metric, unit string, better Direction, values ...float64) *Series {
		t.Helper()
		x := find(t, s, name, metric)
		got := x.Values()
		if x.Unit != unit || x.Better != better || !slices.EqualFunc(got, values, near) {
			t.Errorf("%s: %v %s, %s is better; want %v %s, %s", metric, got, x.Unit, x.Better, values, unit, better)
		}
		return x
	}
	const offer, drain = "example.Queue.offer", "example.Queue.drain"
	x := check(offer, "thrpt", "ops/s", Higher, 2e6, 6e6)
	if !slices.Equal(x.Samples[1].Values, []float64{5e6, 6e6, 7e6}) || x.Secondary {
		t.Errorf("%+v", x)
	}
	check(offer, "thrpt gc.alloc.rate", "MB/sec", Unknown, 100, 100)
	if x := check(offer, "thrpt gc.alloc.rate.norm", "B/op", Lower, 24, 24); len(x.Samples[1].Values) != 2 || !x.Secondary {
		t.Errorf("%+v", x)
	}
	check(offer, "thrpt gc.time", "s", Unknown, .003)
	// The score of mode sample counts every call once: 20 us over 8 calls... of the first fork 24/8, of the second 10/2.
	x = check(offer+"{size=64}", "sample", "s/op", Lower, 3e-6, 5e-6)
	if !slices.EqualFunc(x.Samples[0].Values, []float64{2e-6, 4e-6}, near) {
		t.Errorf("iterations %v", x.Samples[0].Values)
	}
	check(offer+"{size=64}", "sample offer:p0.99", "s/op", Lower, 4.5e-6, 8e-6)
	// Without forks there is one process, and threads tell two entries apart that are otherwise one.
	if x := check(drain+"/threads=4", "ss", "s/op", Lower, .01, .02, .03); !x.SameProcess || x.Work != 500 {
		t.Errorf("%+v", x)
	}
	if x := check(drain+"/threads=8", "ss", "s/op", Lower, .011); x.SameProcess {
		t.Errorf("%+v", x)
	}
	// What the entries agree on is the suite's, the rest stays with them.
	if s.Series[0].Env["jdk"] != "21.0.2" || s.Env["jdk"] != "" || !strings.Contains(strings.Join(s.Warnings, ""), "1 values") {
		t.Errorf("environment %v and %v, warnings %q", s.Series[0].Env, s.Env, s.Warnings)
	}
}

func TestGoBenchmark(t *testing.T) {
	// The means of the columns in the files.
	for file, want := range map[string][2]float64{"gobench-old.txt": {1722.6e-9, 3079.4e-9}, "gobench-new.txt": {1421.9e-9, 3087.5e-9}} {
		s := mustRead(t, file)
		if s.Tool != GoBenchmark || len(s.Series) != 2 || len(s.Warnings) != 0 || !cmp.Equal(s.Env, map[string]string{"goos": "linux", "goarch": "amd64"}) {
			t.Errorf("%d series, %v, %q", len(s.Series), s.Env, s.Warnings)
		}
		for i, name := range []string{"Encode/format=json-48", "Encode/format=gob-48"} {
			x := find(t, s, name, "sec/op")
			if len(x.Samples) != 10 || math.Abs(mean(x.Values())/want[i]-1) > 1e-4 || !x.SameProcess || x.Unit != "s/op" || x.Better != Lower {
				t.Errorf("%v: %+v", mean(x.Values()), x)
			}
			if x.Group != "golang.org/x/perf/cmd/benchstat/testdata" {
				t.Errorf("group %s", x.Group)
			}
		}
	}
	if x := find(t, mustRead(t, "gobench-old.txt"), "Encode/format=json-48", "sec/op"); x.Samples[0].Value != 1726e-9 {
		t.Errorf("%v", x.Samples[0].Value)
	}
}

// A loop around `go test` gives processes, which the lines between the results show.
func TestGoProcesses(t *testing.T) {
	s := mustRead(t, "gobench-processes.txt")
	x := find(t, s, "Alloc-2", "sec/op")
	if x.SameProcess || len(x.Samples) != 3 || !slices.Equal(x.Samples[2].Values, []float64{4065e-9, 850.2e-9}) || !near(x.Samples[2].Value, (4065e-9+850.2e-9)/2) {
		t.Errorf("%+v", x)
	}
	if x := find(t, s, "Alloc-2", "B/s"); x.Better != Higher || !x.Secondary || x.Samples[0].Values[0] != 9161.26e6 {
		t.Errorf("%+v", x)
	}
	if x := find(t, s, "Alloc-2", "B/op"); x.Better != Lower || x.Unit != "B/op" || !x.Secondary {
		t.Errorf("%+v", x)
	}
	// It reports no time of its own, so its metrics are what it is about; the Unit line tells which way.
	if x := find(t, s, "Hits-2", "hits/op"); x.Better != Higher || !x.Exact || x.Secondary {
		t.Errorf("%+v", x)
	}
	if x := find(t, s, "Hits-2", "faults/op"); x.Better != Unknown || x.Exact {
		t.Errorf("%+v", x)
	}
}

func TestGoNoise(t *testing.T) {
	long := strings.Repeat("x", 200_000)
	s, err := Read(strings.NewReader("goos: linux\nBenchmarks are fun, said the log\n" + long + "\nBenchmarkA \nBenchmarkA 10 5 ns/op 7 ns/op NaN q\ncommit: b\nBenchmarkA 10 6 ns/op\n" +
		"--- FAIL: BenchmarkB\nunitless: x\nBenchmarkC 5\nBenchmarkC 5 -3 ns/op\n\r\nUnit\nPASS\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	sound(t, s)
	if x := find(t, s, "A", "sec/op"); !slices.Equal(x.Values(), []float64{5e-9, 6e-9}) || len(s.Series) != 1 {
		t.Errorf("%d series, %+v", len(s.Series), x)
	}
	if s.Broken != "--- FAIL: BenchmarkB" {
		t.Errorf("broken: %q", s.Broken)
	}
	warnings := strings.Join(s.Warnings, "\n")
	for _, want := range []string{"FAIL: BenchmarkB", "commit differs", "line 2 is no benchmark result", "2 values"} {
		if !strings.Contains(warnings, want) {
			t.Errorf("no %q in %s", want, warnings)
		}
	}
}

// Packages are told apart however many there are, and lines that only look like configuration stay harmless.
func TestGoPackages(t *testing.T) {
	var text strings.Builder
	for i := range 2 * maxConfigChanges {
		fmt.Fprintf(&text, "pkg: p%d\nnoise%d: %d\nBenchmarkA 10 %d ns/op\nPASS\n", i, i%200, i, i+1)
	}
	s, err := Read(strings.NewReader(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	sound(t, s)
	if len(s.Series) != 2*maxConfigChanges {
		t.Fatalf("%d series", len(s.Series))
	}
	for i, x := range s.Series {
		if x.Group != fmt.Sprint("p", i) || x.Samples[0].Value != float64(i+1)/1e9 || len(x.Env) > maxConfigKeys {
			t.Fatalf("%+v", x)
		}
	}
}

func TestGzip(t *testing.T) {
	for _, name := range []string{"pyperf-telco.json", "gobench-new.txt"} {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, _ = z.Write(testFile(t, name))
		_ = z.Close()
		got, err := Read(bytes.NewReader(b.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(mustRead(t, name), got); d != "" {
			t.Error(d)
		}
	}
}
