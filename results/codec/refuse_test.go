package codec

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/parbench/parbench/results"
)

// Every refusal is a FormatError that says what the file is and what to do, on one line.
func TestRefusals(t *testing.T) {
	for _, c := range []struct{ content, format, want string }{
		{"", "", "the file is empty"},
		{" \n\t\n", "", "the file is empty"},
		{"\ufeff", "", "the file is empty"},
		{"hello there", "", `results of no tool that is known (it begins with "hello there")`},
		{"\x1b]0;x\a", "", "results of no tool"},
		{"\xff\xfeB\x00e\x00", "", "UTF-16"},
		{"\x7fELF\x00\x01", "", "a binary file"},
		{"<!DOCTYPE html>", "", "a page or XML file"},
		{"command,mean,stddev,median\nx,1,2,3\n", "", "--export-json"},
		{"| Command | Mean [ms] |\n", "", "--export-json"},
		{"name,iterations,real_time,cpu_time,time_unit\n", "", "--benchmark_out_format=json"},
		{"# TYPE a gauge\na 1\n# EOF\n", "", "OpenMetrics"},
		{"Benchmark    Time    CPU   Iterations\nBenchmarkish 1 ns\n", GoBenchmark, "none is a result"},
		{"Benchmark" + strings.Repeat("x", 70_000) + " 1 2 ns/op\n", GoBenchmark, "longer than 64 KiB"},
		{`{"Time":"2026","Action":"output","Output":"BenchmarkX"}`, GoBenchmark, "without -json"},
		{"{\"Action\":\"start\"}\n{\"Action\":\"output\"}\n", GoBenchmark, "without -json"},
		{`{"a":1}`, "", "JSON of no tool"},
		{`{}`, "", "JSON of no tool"},
		{`{"a":{"b":{"v":1}}}`, "", "JSON of no tool"},
		{`{"a":{"latency":{"value":1}}}`, "", "Bencher JSON"},
		{`{"results":`, "", "not whole JSON"},
		{"{\"results\":[\n\n{]}", "", "line 3"},
		{`{"results":[]}{"results":[]}`, "", "several documents"},
		{`{"results":{"x":1}}`, Hyperfine, "results is a JSON object"},
		{`{"results":[{"times":[1]}]}`, Hyperfine, "has no command"},
		{`{"results":[]}`, Hyperfine, "--export-json"},
		{`{"results":[{"command":"a","mean":1}]}`, Hyperfine, "--export-json"},
		{`{"results":[{"command":"a","times":[-1]}]}`, Hyperfine, "none of its values is usable"},
		{`{"results":[{"command":"a","times":[1,{}]}]}`, Hyperfine, "stands where a number belongs"},
		{`{"results":[{"command":"a","times":7}]}`, Hyperfine, "stands where a list of numbers belongs"},
		{`{"version":"1.0","benchmarks":[]}`, Pyperf, "only calibration"},
		{`{"version":6,"benchmarks":[{"runs":[{"values":[1]}]}]}`, Pyperf, "pyperf convert"},
		{`{"version":"2.0","benchmarks":[{"runs":[{"values":[1]}]}]}`, Pyperf, `format "2.0"`},
		{`{"version":"1.0","benchmarks":[{"runs":[{"values":[1]}]}]}`, Pyperf, "has no name"},
		{`{"version":"4.0.0","machine_info":{},"benchmarks":[]}`, "", "pytest-benchmark"},
		{`{"context":{},"benchmarks":[]}`, GoogleBenchmark, "no benchmark"},
		{`{"context":{},"benchmarks":[{"real_time":1}]}`, GoogleBenchmark, "has no name"},
		{`{"context":{},"benchmarks":[{"name":"a","real_time":1,"time_unit":"fortnight"}]}`, GoogleBenchmark, `time_unit "fortnight"`},
		{`{"context":{},"benchmarks":[{"name":"a_mean","run_type":"aggregate","real_time":1}]}`, GoogleBenchmark, "aggregates only"},
		{`{"context":{},"benchmarks":[{"name":"a","real_time":NaN}]}`, GoogleBenchmark, "none of its values is usable"},
		{`[]`, JMH, "an empty list"},
		{`[1,2]`, "", "the file as a whole is a JSON number"},
		{`[{"a":1}]`, "", "a JSON list of no tool"},
		{`[{"name":"a","unit":"ns","value":5}]`, "", "github-action-benchmark"},
		{`[{"benchmark":"a","primaryMetric":{}}]`, JMH, "no mode"},
		{`[{"benchmark":"a","mode":"avgt","primaryMetric":{"score":1,"scoreUnit":"s/op","rawData":[]}}]`, JMH, "rawData=false"},
		{`[{"benchmark":"a","mode":"avgt","primaryMetric":{"rawData":[1]}}]`, JMH, "a list of numbers belongs"},
		{`[{"benchmark":"a","mode":"sample","primaryMetric":{"rawDataHistogram":[[[[1]]]]}}]`, JMH, "a value and its count belong"},
		{`[{"benchmark":"a","mode":"sample","primaryMetric":{"rawDataHistogram":[[[[1,-1]]]]}}]`, JMH, "a value and its count belong"},
		{`{"type":"run","schema":"parbench/run","version":99,"tool":"parbench 9"}` + "\n", Parbench, "newer parbench"},
		{`{"schema":"parbench/run","version":0,"type":"run"}` + "\n", Parbench, "damaged header"},
		{"{\n\"schema\":\"parbench/run\",\n\"type\":\"run\"}", "", "reformatted"},
		{`{"header":{},"trials":[]}`, "", "not parbench's"},
		{strings.Repeat("[", 100), "", "nested more than 64 deep"},
		{`{"a":` + strings.Repeat(`{"a":`, 100), "", "nested more than 64 deep"},
		{"[" + strings.Repeat("{},", maxObjects) + "{}]", "", "objects; split"},
		{strings.Repeat(",", maxValues) + "{", "", "results of no tool"},
		{"[" + strings.Repeat(",", maxValues) + "]", "", "values; split"},
		{"\x1f\x8b", "", "incomplete"},
		{"\x1f\x8bgarbage!!", "", "damaged"},
		{zip("hello")[:20], "", "incomplete"},
		{zip(zip("hello")), "", "twice"},
		{zip(""), "", "the file is empty"},
	} {
		s, err := Read(strings.NewReader(c.content))
		fe, ok := errors.AsType[*FormatError](err)
		if !ok || s != nil {
			t.Errorf("%.60q: %v, %v", c.content, s, err)
			continue
		}
		if fe.Format != c.format || !strings.Contains(fe.Error(), c.want) {
			t.Errorf("%.60q: %q: %v; want %q in it", c.content, fe.Format, fe, c.want)
		}
		if n := len(fe.Error()); n > 500 || strings.ContainsAny(fe.Error(), "\n\x1b\a\x00") {
			t.Errorf("%.60q: %d bytes: %q", c.content, n, fe.Error())
		}
	}
}

func zip(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, s)
	_ = z.Close()
	return b.String()
}

func TestSizeLimit(t *testing.T) {
	const text = "BenchmarkA 1 5 ns/op\n"
	for _, content := range []string{text, zip(text)} {
		if _, err := read(strings.NewReader(content), int64(len(text))); err != nil {
			t.Errorf("at the limit: %v", err)
		}
		_, err := read(strings.NewReader(content), int64(len(text))-1)
		if _, ok := errors.AsType[*FormatError](err); !ok || !strings.Contains(err.Error(), "larger than") {
			t.Errorf("above the limit: %v", err)
		}
	}
}

// What goes wrong while reading is no fault of the content.
func TestReadErrors(t *testing.T) {
	broken := errors.New("cable pulled")
	for _, head := range []string{"", "{", strings.Repeat("x", 100_000), zip(strings.Repeat("hello", 1000))[:30], `{"type":"run","schema":"parbench/run"`} {
		_, err := Read(io.MultiReader(strings.NewReader(head), iotest.ErrReader(broken)))
		if !errors.Is(err, broken) {
			t.Errorf("%.20q: %v", head, err)
		}
	}
	if _, err := ReadFile(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if _, err := ReadFile(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("%v", err)
	}
	name := filepath.Join(t.TempDir(), "a.json")
	if err := os.WriteFile(name, []byte(`{"results":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(name); err == nil || !strings.HasPrefix(err.Error(), name+": hyperfine: no benchmark") {
		t.Errorf("%v", err)
	}
	_, err := Read(strings.NewReader(`{"type":"run","schema":"parbench/run","version":1,"plan":{}}` + "\nx\n"))
	if fe, ok := errors.AsType[*FormatError](err); !ok || fe.Line != 2 || fe.Format != Parbench {
		t.Errorf("%v", err)
	}
	if _, ok := errors.AsType[*results.FormatError](err); !ok {
		t.Errorf("%v wraps no error of results", err)
	}
}

// Bare NaN and Infinity are replaced outside strings only, and nothing else is touched.
func TestPrepare(t *testing.T) {
	for in, want := range map[string]string{
		`{"a":NaN,"b":-Infinity,"c":[nan,-nan,inf,Inf,-inf]}`: `{"a":null,"b":null,"c":[null,null,null,null,null]}`,
		`{"NaN":"Infinity \" NaN","null":null}`:               `{"NaN":"Infinity \" NaN","null":null}`,
		`"\\" NaN`:                                            `"\\" null`,
		`"unfinished`:                                         `"unfinished`,
		`"end \`:                                              `"end \`,
		`-1e5`:                                                `-1e5`,
		`n`:                                                   `n`,
		`-`:                                                   `-`,
	} {
		got, err := prepare([]byte(in))
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, %v; want %s", in, got, err, want)
		}
	}
}
